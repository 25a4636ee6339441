//! Packets wait for the host program's decisions, in their order.

#[path = "support/mqtt.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod mqtt;

use std::thread;
use std::time::Duration;

use mqtt::{packet, text, Client, Connect};
use rmqttc::broker::Broker;
use rmqttc::hooks::{complete, defer, Answer, Changes, Denial, Hook, HookSet, Hooks, Question, Verdict};
use rmqttc::model::{QoS, Text};

/// Decides by the last level of a topic or filter: `no`, `slow`, `slow-no`, `lower`, `moved`; all else may be.
struct Rules {
    in_place: bool,
}

const HOOKS: [Hook; 3] = [Hook::AuthorizePublish, Hook::AuthorizeSubscribe, Hook::AuthorizeUnsubscribe];

fn later(verdict: Verdict) -> Answer {
    let ticket = defer().unwrap();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(10));
        // The client may have left meanwhile.
        let _ = complete(ticket, verdict);
    });
    Answer::Deferred
}

impl Hooks for Rules {
    fn interest(&self) -> HookSet {
        HOOKS.into_iter().fold(HookSet::NONE, |set, hook| set.with(hook, true))
    }

    fn in_place(&self) -> HookSet {
        HOOKS.into_iter().fold(HookSet::NONE, |set, hook| set.with(hook, self.in_place))
    }

    fn decide(&self, question: Question<'_>) -> Answer {
        let topic = match question {
            Question::AuthorizePublish(message) => message.topic,
            Question::AuthorizeSubscribe(asked) => &asked.filter,
            Question::AuthorizeUnsubscribe(asked) => &asked.filter,
            other => panic!("{other:?}"),
        };
        let no =
            || Verdict::denied(Denial { reason_code: Some(0x97), reason: Some(Text::from("no")), ..Denial::default() });
        let changed = |changes| Answer::Now(Verdict::Allow(Some(Box::new(changes))));
        match topic.rsplit('/').next() {
            Some("no") => Answer::Now(no()),
            Some("slow") => later(Verdict::ALLOW),
            Some("slow-no") => later(no()),
            Some("lower") => changed(Changes { qos: Some(QoS::AtMostOnce), ..Changes::default() }),
            Some("moved") => changed(Changes { topic: Some(Text::from("t/elsewhere")), ..Changes::default() }),
            _ => Answer::Now(Verdict::ALLOW),
        }
    }
}

fn broker(in_place: bool) -> (Broker, String) {
    broker_with(in_place, r#"{"listeners":[{"address":"127.0.0.1:0"}],"auth":{"allow_anonymous":true}}"#)
}

fn broker_with(in_place: bool, config: &str) -> (Broker, String) {
    let broker = Broker::new(config).unwrap();
    broker.set_hooks(Some(Box::new(Rules { in_place })));
    broker.start().unwrap();
    let address = broker.listener(0).unwrap().address.to_string();
    (broker, address)
}

/// All in one write: those behind a slow decision are there when it is asked for.
#[test]
fn messages_keep_their_order_through_decisions() {
    for in_place in [false, true] {
        let (_broker, address) = broker(in_place);
        let mut subscriber = Client::connect(&address, "subscriber").unwrap();
        subscriber.subscribe_with("t/#", 1);
        let mut publisher = Connect::v5("publisher").open(&address).unwrap();
        let topics = ["t/slow", "t/a", "t/no", "t/slow-no", "t/slow", "t/moved", "t/lower", "t/b"];
        let mut packets = Vec::new();
        for (index, topic) in topics.iter().enumerate() {
            packets.extend(publisher.publish_packet(0x32, topic, index as u16 + 1, b"x"));
        }
        publisher.send_bytes(&packets);
        for index in 1..=8 {
            let ack = publisher.expect(0x40);
            assert_eq!(ack[..2], [0, index], "acknowledgements keep their order");
            let refused = index == 3 || index == 4;
            assert_eq!(ack.get(2).copied().unwrap_or(0), if refused { 0x97 } else { 0 });
        }
        // Messages of different QoS may overtake each other [MQTT-4.6.0-6].
        let (mut lowered, mut others) = (Vec::new(), Vec::new());
        for _ in 0..6 {
            let message = subscriber.message();
            match message.qos {
                0 => lowered.push(message.topic),
                _ => {
                    subscriber.acknowledge(message.id);
                    others.push(message.topic);
                }
            }
        }
        assert_eq!(lowered, ["t/lower"]);
        assert_eq!(others, ["t/slow", "t/a", "t/slow", "t/elsewhere", "t/b"]);
        assert!(subscriber.ping());
    }
}

#[test]
fn each_filter_has_its_answer() {
    for in_place in [false, true] {
        let (broker, address) = broker(in_place);
        for version in [4, 5] {
            let connect = if version == 5 { Connect::v5("client") } else { Connect::v3("client") };
            let mut client = connect.open(&address).unwrap();
            let properties: &[u8] = if version == 5 { &[0] } else { &[] };
            let filters = ["f/slow", "f/no", "f/lower", "f/slow-no", "f/moved", "f/a"];
            let mut subscribe = [&[0, 9], properties].concat();
            let mut unsubscribe = subscribe.clone();
            for filter in filters {
                subscribe.extend(text(filter));
                subscribe.push(1);
                unsubscribe.extend(text(filter));
            }
            // The PINGREQ behind it is answered behind it.
            client.send_bytes(&[packet(0x82, &subscribe), vec![0xC0, 0]].concat());
            let refused = if version == 5 { 0x97 } else { 0x80 };
            // An MQTT 5 client is told the first reason that there is.
            let words: &[u8] = if version == 5 { &[5, 31, 0, 2, b'n', b'o'] } else { &[] };
            assert_eq!(client.expect(0x90)[2..], [words, &[1, refused, 0, refused, 1, 1]].concat());
            client.expect(0xD0);
            assert_eq!(broker.stats().subscriptions, 4);

            // It subscribes to what has been put in the place of `f/moved`.
            let mut publisher = Client::connect(&address, "publisher").unwrap();
            assert!(publisher.publish("t/elsewhere", b"x", false));
            let message = client.message();
            assert_eq!(message.topic, "t/elsewhere");
            client.acknowledge(message.id);

            client.send(0xA2, &unsubscribe);
            let answer = client.expect(0xB0);
            if version == 5 {
                // Of those that there are, none has a name that says no.
                assert_eq!(answer[3..], [0, 0x11, 0, 0x11, 0, 0]);
            }
            assert_eq!(broker.stats().subscriptions, 0);
        }
    }
}

#[test]
fn a_client_that_leaves_during_a_decision_leaves_nothing_behind() {
    let (broker, address) = broker(false);
    for round in 0..50 {
        let mut client = Client::connect(&address, "client").unwrap();
        client.send_publish(0x32, "t/slow", 1, b"x");
        if round % 2 == 0 {
            client.send_publish(0x32, "t/a", 2, b"x");
        }
        drop(client);
    }
    let begin = std::time::Instant::now();
    while broker.stats().decisions_pending + broker.connected_clients() > 0 {
        assert!(begin.elapsed() < mqtt::LONG);
        thread::sleep(Duration::from_millis(1));
    }
}

const READABLE: &str = r#"{"listeners":[{"address":"127.0.0.1:0"}],"auth":{"allow_anonymous":true},
                           "acl":{"sys_topics":"read"}}"#;

/// Neither as a message nor as a will.
#[test]
fn nobody_publishes_to_system_topics() {
    let (broker, address) = broker_with(false, READABLE);
    broker.set_hooks(None);
    let mut subscriber = Client::connect(&address, "subscriber").unwrap();
    assert_eq!(subscriber.subscribe("$SYS/#"), Some(0));
    let mut client = Connect::v5("client").open(&address).unwrap();
    assert_eq!(client.publish_code("$SYS/x", b"x", false), Some(0x87));
    for (connect, code) in [(Connect::v5("will"), 0x87), (Connect::v3("will"), 5)] {
        let connect = Connect { will: Some(("$SYS/x", b"x")), ..connect };
        assert_eq!(connect.open(&address).err(), Some(code));
    }
    assert!(subscriber.messages().is_empty());
}

#[test]
fn who_may_read_system_topics_is_configured() {
    const SYSTEM: [&str; 5] = ["$SYS", "$SYS/#", "$SYS/x", "$share/g/$SYS/#", "$share/g/$SYS/+"];
    const OTHERS: [&str; 4] = ["#", "+/x", "$SYSTEM/x", "$share/$SYS/x"];
    let (broker, address) = broker(false);
    let mut decided = Client::connect(&address, "decided").unwrap();
    assert!(SYSTEM.iter().all(|filter| decided.subscribe(filter) == Some(0)), "a hook has the say");
    broker.set_hooks(None);
    for (connect, refused) in [(Connect::v5("v5"), 0x87), (Connect::v3("v3"), 0x80)] {
        let mut client = connect.open(&address).unwrap();
        for filter in SYSTEM {
            assert_eq!(client.subscribe(filter), Some(refused), "{filter}");
        }
        for filter in OTHERS {
            assert_eq!(client.subscribe(filter), Some(0), "{filter}");
        }
    }

    let (broker, address) = broker_with(false, READABLE);
    broker.set_hooks(None);
    let mut reader = Connect::v5("reader").open(&address).unwrap();
    assert!(SYSTEM.iter().all(|filter| reader.subscribe(filter) == Some(0)));
}
