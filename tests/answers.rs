//! Reason strings and user properties of a hook, in the packets that answer MQTT 5 clients.

#[path = "conformance/client.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod client;

use std::thread;

use client::*;
use rmqttc::hooks::{complete, defer, Answer, Changes, Denial, Hook, HookSet, Hooks, Question, Remarks, Verdict};
use rmqttc::model::Text;

/// The topic or filter says what to answer: `yes`, `no`, both with reasons named after it; `dumb-` before it for none of
/// them, `slow-` to defer, `next` for what denies because it is no exchange.
struct Rules {
    in_place: bool,
}

const HOOKS: [Hook; 3] = [Hook::AuthorizePublish, Hook::AuthorizeSubscribe, Hook::AuthorizeUnsubscribe];

impl Hooks for Rules {
    fn interest(&self) -> HookSet {
        HookSet::of(&HOOKS)
    }

    fn in_place(&self) -> HookSet {
        HOOKS.into_iter().fold(HookSet::NONE, |set, hook| set.with(hook, self.in_place))
    }

    fn decide(&self, question: Question<'_>) -> Answer {
        let topic = match question {
            Question::AuthorizePublish(message) => message.topic.clone(),
            Question::AuthorizeSubscribe(asked) => asked.filter.clone(),
            Question::AuthorizeUnsubscribe(asked) => asked.filter.clone(),
            other => panic!("{other:?}"),
        };
        let name = topic.strip_prefix("slow-").unwrap_or(&topic);
        let reason = Some(Text::from(name)).filter(|_| !name.starts_with("dumb-"));
        let user_properties = reason.iter().map(|name| (Text::from("about"), name.clone())).collect();
        let remarks = Remarks { user_properties, server_reference: None };
        let changes =
            Some(Box::new(Changes { reason: reason.clone(), remarks: remarks.clone(), ..Changes::default() }));
        let verdict = if name.contains("no") {
            Verdict::denied(Denial { reason_code: Some(0x97), reason, remarks: Some(Box::new(remarks)) })
        } else if name.contains("next") {
            Verdict::Continue(changes)
        } else {
            Verdict::Allow(changes)
        };
        if name.len() == topic.len() {
            return Answer::Now(verdict);
        }
        let ticket = defer().unwrap();
        thread::spawn(move || complete(ticket, verdict));
        Answer::Deferred
    }
}

fn each_way(test: impl Fn(Server)) {
    for in_place in [false, true] {
        let server = Server::new();
        server.broker.set_hooks(Some(Box::new(Rules { in_place })));
        test(server);
    }
}

#[track_caller]
fn check(answer: &Packet, words: Option<&str>, about: &[&str]) {
    assert_eq!(answer.data(property::REASON_STRING), words.map(str::as_bytes), "{answer:?}");
    let wanted: Vec<_> = about.iter().map(|name| ("about", *name)).collect();
    assert_eq!(answer.user_properties(), wanted);
}

#[test]
fn acknowledgements_carry_reasons() {
    each_way(|server| {
        let mut client = server.client("client");
        for (topic, code, told) in [
            ("yes", 0x10, Some("yes")),
            ("slow-yes", 0x10, Some("yes")),
            ("dumb-yes", 0x10, None),
            ("no", 0x97, Some("no")),
            ("slow-no", 0x97, Some("no")),
            ("dumb-no", 0x97, None),
            ("next", 0x87, None),
        ] {
            for (qos, kind) in [(1, PUBACK), (2, PUBREC)] {
                client.send_publish(&Publish::new(topic, "x").qos(qos));
                let answer = client.expect(kind);
                assert_eq!(answer.code, code);
                let about: Vec<_> = told.into_iter().collect();
                check(&answer, told, &about);
                if answer.code < 0x80 && qos == 2 {
                    client.ack(PUBREL, 1000);
                    assert!(!client.expect(PUBCOMP).has_problem_information());
                }
            }
        }
        // An acknowledgement that has nothing to tell is as short as can be.
        client.subscribe("dumb-yes", 0);
        client.send_publish(&Publish::new("dumb-yes", "x").qos(1));
        let mut packets = [client.receive(), client.receive()];
        packets.sort_by_key(|packet| packet.kind);
        assert_eq!(packets[1].raw, [PUBACK, 2, 3, 232]);
    });
}

#[test]
fn suback_and_unsuback_carry_the_first_reason_and_all_user_properties() {
    each_way(|server| {
        let mut client = server.client("client");
        let filters = [("dumb-yes", 0), ("slow-yes", 1), ("no", 0), ("next", 0), ("dumb-no", 0), ("yes-2", 0)];
        let suback = client.subscribe_all(1, &[], &filters);
        assert_eq!(suback.codes, [0, 1, 0x97, 0x87, 0x97, 0]);
        check(&suback, Some("yes"), &["yes", "no", "yes-2"]);
        let unsuback = client.unsubscribe(1, &["yes-2", "no", "slow-yes", "dumb-yes"]);
        assert_eq!(unsuback.codes, [0, 0x11, 0, 0]);
        check(&unsuback, Some("yes-2"), &["yes-2", "yes"]);
        let suback = client.subscribe_all(1, &[], &[("dumb-no", 0), ("no", 0)]);
        check(&suback, Some("no"), &["no"]);
        let suback = client.subscribe_all(1, &[], &[("dumb-no", 0), ("dumb-yes", 0)]);
        check(&suback, None, &[]);
    });
}

#[test]
fn a_refused_unsubscribe_carries_reasons() {
    let server = Server::new();
    let mut client = server.client("client");
    client.subscribe("no", 0);
    server.broker.set_hooks(Some(Box::new(Rules { in_place: false })));
    let unsuback = client.unsubscribe(1, &["no"]);
    // UNSUBACK does not have the code of the hook.
    assert_eq!(unsuback.codes, [0x80]);
    check(&unsuback, Some("no"), &["no"]);
}

#[test]
fn reasons_go_to_those_only_who_want_them_and_can_take_them() {
    each_way(|server| {
        let quiet = Connect::new("quiet").property(byte(property::REQUEST_PROBLEM_INFORMATION, 0));
        let (yes, no) = ("yes-and-a-few-words-more-of-it", "no-and-a-few-words-more-of-it-");
        // A plain answer takes 6 bytes, the reason string 33, the user property 40.
        for connect in [quiet, Connect::new("small").maximum_packet_size(38), Connect::v3("older")] {
            let mut client = server.connect(&connect);
            for topic in [yes, no] {
                client.send_publish(&Publish::new(topic, "x").qos(1));
                assert!(!client.expect(PUBACK).has_problem_information());
                assert!(!client.subscribe_all(1, &[], &[(topic, 0)]).has_problem_information());
                assert!(!client.unsubscribe(1, &[topic]).has_problem_information());
            }
        }
        // The reason string is worth more than user properties.
        let mut client = server.connect(&Connect::new("medium").maximum_packet_size(39));
        client.send_publish(&Publish::new(no, "x").qos(1));
        check(&client.expect(PUBACK), Some(no), &[]);
        check(&client.subscribe_all(1, &[], &[(no, 0)]), Some(no), &[]);
    });
}
