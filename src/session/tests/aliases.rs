//! Topic aliases, both ways `[MQTT-5 3.3.2.3.4]`.

use std::time::Instant;

use super::super::connection::{Terms, TOPIC_ALIASES};
use super::super::mailbox::Dropped;
use super::support::{deliver, message, publish, terms};
use super::talk::Talk;
use super::wire::{Sent, SentPublish};
use crate::codec::{Packet, Publish};
use crate::model::{Protocol, QoS};

fn with_alias(topic: &str, alias: u16) -> Packet {
    let publish = publish(QoS::AtMostOnce, 0);
    Packet::Publish(Publish { topic: topic.into(), topic_alias: Some(alias), ..publish })
}

fn topics(talk: &Talk) -> Vec<&str> {
    talk.host.published.iter().map(|(topic, _)| &**topic).collect()
}

#[test]
fn a_client_sets_and_uses_them() {
    let mut talk = Talk::new(terms(Protocol::V5));
    for (topic, alias) in [("a", 1), ("", 1), ("b", 16), ("", 1), ("", 16), ("c", 1), ("", 1), ("", 16)] {
        assert_eq!(talk.say(with_alias(topic, alias)), []);
    }
    assert_eq!(topics(&talk), ["a", "a", "b", "a", "b", "c", "c", "b"]);
}

#[test]
fn those_that_are_not_set_are_a_protocol_error() {
    for alias in [1, 2, 4, 16] {
        let mut talk = Talk::new(terms(Protocol::V5));
        talk.say(with_alias("a", 3));
        assert_eq!(talk.fail(with_alias("", alias)), 0x82, "{alias}");
    }
}

/// `[MQTT-3.3.2-8]`, `[MQTT-3.3.2-9]`
#[test]
fn those_out_of_range_are_invalid() {
    for alias in [0, TOPIC_ALIASES + 1, u16::MAX] {
        for topic in ["a", ""] {
            assert_eq!(Talk::new(terms(Protocol::V5)).fail(with_alias(topic, alias)), 0x94, "{alias}");
        }
    }
}

/// `[MQTT-3.3.2-7]`
#[test]
fn they_end_with_the_connection() {
    let mut talk = Talk::new(terms(Protocol::V5));
    talk.say(with_alias("a", 1));
    talk.resume(terms(Protocol::V5), Instant::now());
    assert_eq!(talk.fail(with_alias("", 1)), 0x82);
}

/// The topic of a message need not be routed to be known.
#[test]
fn a_refused_topic_is_remembered() {
    let mut talk = Talk::new(terms(Protocol::V5));
    talk.say(with_alias("1/2/3/4/5/6/7/8/9", 1));
    talk.say(with_alias("", 1));
    assert_eq!(topics(&talk), [""; 0]);
}

fn talk_to(topic_alias_maximum: u16) -> Talk {
    Talk::new(Terms { topic_alias_maximum, ..terms(Protocol::V5) })
}

fn send(talk: &mut Talk, topic: &str) -> (String, Option<u16>) {
    let sent = talk.send(deliver(message(QoS::AtMostOnce, topic, "x", None)), Instant::now()).unwrap();
    (sent.topic, sent.alias)
}

#[test]
fn the_broker_tells_the_topic_once() {
    let mut talk = talk_to(2);
    for (topic, expected) in [
        ("a", ("a", Some(1))),
        ("a", ("", Some(1))),
        ("b", ("b", Some(2))),
        ("c", ("c", None)),
        ("b", ("", Some(2))),
        ("c", ("c", None)),
        ("a", ("", Some(1))),
    ] {
        assert_eq!(send(&mut talk, topic), (expected.0.to_owned(), expected.1));
    }
}

/// `[MQTT-3.1.2-26]`, `[MQTT-3.1.2-27]`
#[test]
fn the_broker_keeps_to_the_maximum() {
    for (maximum, used) in [(0, 0), (1, 1), (16, 16), (u16::MAX, 16)] {
        let mut talk = talk_to(maximum);
        let aliases = (0..100).filter_map(|number| send(&mut talk, &number.to_string()).1);
        assert_eq!(aliases.collect::<Vec<_>>(), (1..=used).collect::<Vec<_>>());
    }
}

/// An alias that does not fit the packet is not taken for set later on.
#[test]
fn an_alias_that_does_not_fit_is_left_out() {
    let topic = "0123456789";
    // First byte, length, topic, length of the properties, payload.
    let without_alias = 1 + 1 + 2 + topic.len() + 1 + 1;
    let limited = |maximum_packet_size| Terms { maximum_packet_size, topic_alias_maximum: 16, ..terms(Protocol::V5) };

    let mut talk = Talk::new(limited(without_alias));
    for _ in 0..2 {
        assert_eq!(send(&mut talk, topic), (topic.to_owned(), None));
    }
    let mut talk = Talk::new(limited(without_alias - 1));
    let sent = talk.send(deliver(message(QoS::AtMostOnce, topic, "x", None)), Instant::now());
    assert_eq!(sent, Err(Dropped::TooLarge));
    assert_eq!(send(&mut talk, "t"), ("t".to_owned(), Some(1)), "no alias was spent on what was not sent");
}

/// What is sent again does not count on aliases of the connection before `[MQTT-3.3.2-7]`.
#[test]
fn aliases_are_set_anew_on_the_next_connection() {
    let mut talk = talk_to(16);
    for payload in ["1", "2"] {
        talk.send(deliver(message(QoS::AtLeastOnce, "a", payload, None)), Instant::now()).unwrap();
    }
    let again = |packet_id, topic: &str, payload: &str| {
        Sent::Publish(SentPublish {
            dup: true,
            qos: 1,
            packet_id,
            topic: topic.to_owned(),
            alias: Some(1),
            payload: payload.to_owned(),
            ..SentPublish::default()
        })
    };
    let terms = Terms { topic_alias_maximum: 3, ..terms(Protocol::V5) };
    assert_eq!(talk.resume(terms, Instant::now()), [again(1, "a", "1"), again(2, "", "2")]);
}
