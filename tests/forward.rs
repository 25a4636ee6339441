//! `authorize_forward`: the host program decides, for each receiver, what it gets.

#[path = "support/mqtt.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod mqtt;

use std::thread;
use std::time::Duration;

use bytes::Bytes;
use mqtt::{Client, Connect};
use rmqttc::broker::Broker;
use rmqttc::hooks::{complete, defer, Answer, Changes, Hook, HookSet, Hooks, Question, Verdict};
use rmqttc::model::{QoS, Text};

/// Does what the topic says: `drop`, `loud`, `moved`, `lower`, `slow`. Clients whose name begins with `free` get all.
struct Rules {
    in_place: bool,
}

impl Hooks for Rules {
    fn interest(&self) -> HookSet {
        HookSet::NONE.with(Hook::AuthorizeForward, true)
    }

    fn in_place(&self) -> HookSet {
        HookSet::NONE.with(Hook::AuthorizeForward, self.in_place)
    }

    fn decide(&self, question: Question<'_>) -> Answer {
        let Question::AuthorizeForward(forward) = question else { panic!("{question:?}") };
        let message = &forward.message;
        let mut changes = Changes::default();
        match message.topic.rsplit('/').next() {
            _ if forward.client.id.starts_with("free") => {}
            Some("drop") => return Answer::Now(Verdict::deny()),
            Some("loud") => changes.payload = Some(Bytes::from(message.payload.to_ascii_uppercase())),
            Some("moved") => changes.topic = Some(Text::from("elsewhere")),
            Some("lower") => changes.qos = Some(QoS::AtMostOnce),
            Some("higher") => changes.qos = Some(QoS::ExactlyOnce),
            Some("slow") => {
                let ticket = defer().unwrap();
                thread::spawn(move || {
                    thread::sleep(Duration::from_millis(20));
                    complete(ticket, Verdict::ALLOW).unwrap();
                });
                return Answer::Deferred;
            }
            _ => {}
        }
        Answer::Now(Verdict::Allow(Some(Box::new(changes))))
    }
}

fn broker(in_place: bool) -> (Broker, String) {
    let broker = Broker::new(r#"{"listeners":[{"address":"127.0.0.1:0"}],"auth":{"allow_anonymous":true}}"#).unwrap();
    broker.set_hooks(Some(Box::new(Rules { in_place })));
    broker.start().unwrap();
    let address = broker.listener(0).unwrap().address.to_string();
    (broker, address)
}

const TOPICS: [&str; 8] = ["t/slow", "t/drop", "t/loud", "t/slow", "t/moved", "t/lower", "t/higher", "t/plain"];

/// Reads what the rules leave of [`TOPICS`], each published with QoS 1 and the payload `x`.
fn check(client: &mut Client, retain: bool) {
    let mut seen = Vec::new();
    let mut last_id = 0;
    let count = if retain { 6 } else { 7 };
    while seen.len() < count {
        let message = client.message();
        assert_eq!(message.retain, retain);
        if message.qos > 0 {
            assert!(message.id > last_id, "packet identifiers go on without a gap or a repetition");
            assert_eq!(message.id, last_id + 1);
            last_id = message.id;
            client.acknowledge(message.id);
        }
        seen.push((message.topic, message.qos, message.payload));
    }
    let mut expected = vec![
        ("t/slow".to_owned(), 1, b"x".to_vec()),
        ("t/loud".to_owned(), 1, b"X".to_vec()),
        ("t/slow".to_owned(), 1, b"x".to_vec()),
        ("elsewhere".to_owned(), 1, b"x".to_vec()),
        ("t/lower".to_owned(), 0, b"x".to_vec()),
        ("t/higher".to_owned(), 1, b"x".to_vec()),
        ("t/plain".to_owned(), 1, b"x".to_vec()),
    ];
    if retain {
        // They are delivered in the order of their names, one for each name.
        seen.sort();
        expected.sort();
        expected.dedup();
    }
    assert_eq!(seen, expected);
    assert!(client.ping());
}

#[test]
fn live_messages_are_changed_for_their_receiver_alone() {
    for in_place in [false, true] {
        let (_broker, address) = broker(in_place);
        let mut client = Connect::v5("bound").open(&address).unwrap();
        let mut free = Client::connect(&address, "free").unwrap();
        client.subscribe_with("t/#", 1);
        free.subscribe_with("t/#", 1);
        let mut publisher = Client::connect(&address, "publisher").unwrap();
        for topic in TOPICS {
            assert!(publisher.publish(topic, b"x", false));
        }
        check(&mut client, false);
        for topic in TOPICS {
            let message = free.message();
            assert_eq!((&*message.topic, &*message.payload), (topic, &b"x"[..]));
            free.acknowledge(message.id);
        }
    }
}

#[test]
fn messages_that_have_waited_are_changed() {
    for in_place in [false, true] {
        let (_broker, address) = broker(in_place);
        let connect = Connect::v3("bound").persistent();
        let mut client = connect.open(&address).unwrap();
        client.subscribe_with("t/#", 1);
        drop(client);
        let mut publisher = Client::connect(&address, "publisher").unwrap();
        for topic in TOPICS {
            assert!(publisher.publish(topic, b"x", false));
        }
        check(&mut connect.open(&address).unwrap(), false);
    }
}

#[test]
fn retained_messages_are_changed() {
    for in_place in [false, true] {
        let (_broker, address) = broker(in_place);
        let mut publisher = Client::connect(&address, "publisher").unwrap();
        for topic in TOPICS {
            assert!(publisher.publish(topic, b"x", true));
        }
        let mut client = Client::connect(&address, "bound").unwrap();
        client.send(0x82, &[&[0, 1], &mqtt::text("t/#")[..], &[1]].concat());
        client.expect(0x90);
        check(&mut client, true);
    }
}

#[test]
fn nothing_is_lost_of_a_client_that_leaves_while_it_is_decided() {
    let (_broker, address) = broker(false);
    let connect = Connect::v3("bound").persistent();
    let mut client = connect.open(&address).unwrap();
    client.subscribe_with("t/#", 1);
    let mut publisher = Client::connect(&address, "publisher").unwrap();
    for topic in TOPICS {
        assert!(publisher.publish(topic, b"x", false));
    }
    // The first one is being decided now, or will be by the next connection.
    drop(client);
    let mut client = connect.open(&address).unwrap();
    let mut topics = Vec::new();
    while topics.len() < 7 {
        let message = client.message();
        if message.qos > 0 {
            client.acknowledge(message.id);
        }
        topics.push(message.topic);
    }
    assert_eq!(topics, ["t/slow", "t/loud", "t/slow", "elsewhere", "t/lower", "t/higher", "t/plain"]);
}
