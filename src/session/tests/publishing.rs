//! PUBLISH from a client, and what belongs to it.

use std::time::Instant;

use super::super::connection::Terms;
use super::super::ruling::Pace;
use super::support::{publish, pubrel, terms, ALL};
use super::talk::Talk;
use super::wire::Sent::{PubAck, PubComp, PubRec};
use crate::codec::{Packet, Publish};
use crate::model::{Protocol, QoS, ReasonCode};

const DEEP: &str = "1/2/3/4/5/6/7/8/9";

fn to(topic: &str, publish: Publish) -> Packet {
    Packet::Publish(Publish { topic: topic.into(), ..publish })
}

#[test]
fn each_qos_has_its_answer() {
    for protocol in ALL {
        let mut talk = Talk::new(terms(protocol));
        assert_eq!(talk.say(Packet::Publish(publish(QoS::AtMostOnce, 0))), []);
        assert_eq!(talk.say(Packet::Publish(publish(QoS::AtLeastOnce, 7))), [PubAck(7, 0)]); // [MQTT-4.3.2-4]
        assert_eq!(talk.say(Packet::Publish(publish(QoS::ExactlyOnce, 7))), [PubRec(7, 0)]); // [MQTT-4.3.3-8]
        assert_eq!(talk.host.published.len(), 3);
        assert_eq!(talk.host.published[2], ("a/b".to_owned(), publish(QoS::ExactlyOnce, 7)));
    }
}

/// `[MQTT-4.3.3-10]`, `[MQTT-4.3.3-12]`
#[test]
fn qos_2_is_routed_once_until_it_is_released() {
    for protocol in ALL {
        let mut talk = Talk::new(terms(protocol));
        for dup in [false, true, false] {
            let again = Publish { dup, ..publish(QoS::ExactlyOnce, 9) };
            assert_eq!(talk.say(Packet::Publish(again)), [PubRec(9, 0)], "{protocol:?}");
        }
        assert_eq!(talk.host.published.len(), 1);
        assert_eq!(talk.say(pubrel(9)), [PubComp(9, 0)]); // [MQTT-4.3.3-11]
        assert_eq!(talk.say(Packet::Publish(publish(QoS::ExactlyOnce, 9))), [PubRec(9, 0)]);
        assert_eq!(talk.host.published.len(), 2, "a new message under an identifier that is free again");
    }
}

/// The DUP flag says nothing about whether the broker has seen the message `[MQTT-3.3.1-3]`.
#[test]
fn a_message_that_is_new_is_routed_whatever_its_dup_flag() {
    let mut talk = Talk::new(terms(Protocol::V5));
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        talk.say(Packet::Publish(Publish { dup: true, ..publish(qos, 3) }));
    }
    assert_eq!(talk.host.published.len(), 2);
}

#[test]
fn a_release_of_nothing_is_answered() {
    for (protocol, reason) in [(Protocol::V3_1, 0), (Protocol::V3_1_1, 0), (Protocol::V5, 0x92)] {
        let mut talk = Talk::new(terms(protocol));
        assert_eq!(talk.say(pubrel(5)), [PubComp(5, reason)]);
        talk.say(Packet::Publish(publish(QoS::ExactlyOnce, 5)));
        assert_eq!(talk.say(pubrel(5)), [PubComp(5, 0)]);
        assert_eq!(talk.say(pubrel(5)), [PubComp(5, reason)]);
    }
}

/// What is open outlives the connection `[MQTT-4.1.0-1]`.
#[test]
fn qos_2_is_routed_once_across_connections() {
    for protocol in ALL {
        let mut talk = Talk::new(terms(protocol));
        talk.say(Packet::Publish(publish(QoS::ExactlyOnce, 1)));
        assert_eq!(talk.resume(terms(protocol), Instant::now()), []);
        let again = Publish { dup: true, ..publish(QoS::ExactlyOnce, 1) };
        assert_eq!(talk.say(Packet::Publish(again)), [PubRec(1, 0)]);
        assert_eq!(talk.say(pubrel(1)), [PubComp(1, 0)]);
        assert_eq!(talk.host.published.len(), 1);
    }
}

#[test]
fn nobody_subscribes() {
    for (protocol, reason) in [(Protocol::V3_1_1, 0), (Protocol::V5, 0x10)] {
        let mut talk = Talk::new(terms(protocol));
        talk.host.reason = ReasonCode::NO_MATCHING_SUBSCRIBERS;
        assert_eq!(talk.say(Packet::Publish(publish(QoS::AtLeastOnce, 1))), [PubAck(1, reason)]);
        assert_eq!(talk.say(Packet::Publish(publish(QoS::ExactlyOnce, 1))), [PubRec(1, reason)]);
        // It is no failure: the exchange goes on.
        assert_eq!(talk.say(pubrel(1)), [PubComp(1, 0)]);
    }
}

/// A failure in PUBREC ends the exchange `[MQTT-4.3.3-4]`; before MQTT 5 there is none.
#[test]
fn a_refused_message_leaves_nothing_open_in_v5() {
    for (protocol, refused, released) in [(Protocol::V3_1_1, 0, 0), (Protocol::V5, 0x90, 0x92)] {
        let mut talk = Talk::new(terms(protocol));
        assert_eq!(talk.say(to(DEEP, publish(QoS::AtMostOnce, 0))), []);
        assert_eq!(talk.say(to(DEEP, publish(QoS::AtLeastOnce, 1))), [PubAck(1, refused)]);
        assert_eq!(talk.say(to(DEEP, publish(QoS::ExactlyOnce, 2))), [PubRec(2, refused)]);
        assert_eq!(talk.say(pubrel(2)), [PubComp(2, released)]);
        assert_eq!(talk.host.published, []);
    }
}

/// What goes nowhere because it comes too fast is acknowledged nonetheless, and there is nothing to release in MQTT 5.
#[test]
fn too_fast() {
    for (protocol, reason, released) in [(Protocol::V3_1_1, 0, 0), (Protocol::V5, 0x97, 0x92)] {
        let mut talk = Talk::new(terms(protocol));
        talk.host.pace = Pace::Dropped;
        assert_eq!(talk.say(Packet::Publish(publish(QoS::AtMostOnce, 0))), []);
        assert_eq!(talk.say(Packet::Publish(publish(QoS::AtLeastOnce, 1))), [PubAck(1, reason)]);
        assert_eq!(talk.say(Packet::Publish(publish(QoS::ExactlyOnce, 2))), [PubRec(2, reason)]);
        assert_eq!(talk.say(pubrel(2)), [PubComp(2, released)]);
        talk.host.pace = Pace::Exceeded;
        assert_eq!(talk.fail(Packet::Publish(publish(QoS::AtMostOnce, 0))), 0x96);
        assert_eq!(talk.host.published, []);
    }
}

/// A message that has come already counts once, however often it is sent again.
#[test]
fn what_has_been_routed_is_never_too_fast() {
    for protocol in ALL {
        let mut talk = Talk::new(terms(protocol));
        talk.say(Packet::Publish(publish(QoS::ExactlyOnce, 1)));
        talk.host.pace = Pace::Exceeded;
        let again = Publish { dup: true, ..publish(QoS::ExactlyOnce, 1) };
        assert_eq!(talk.say(Packet::Publish(again)), [PubRec(1, 0)]);
    }
}

#[test]
fn bad_topics_end_the_connection() {
    for protocol in ALL {
        let without_topic = if protocol == Protocol::V5 { 0x82 } else { 0x81 };
        for (topic, reason) in [("", without_topic), ("a/+", 0x90), ("#", 0x90), ("a\0", 0x81)] {
            let mut talk = Talk::new(terms(protocol));
            assert_eq!(talk.fail(to(topic, publish(QoS::AtLeastOnce, 1))), reason, "{protocol:?} {topic:?}");
            assert_eq!(talk.host.published, []);
        }
    }
}

/// `[MQTT-3.3.4-7]`, `[MQTT-3.3.4-8]`
#[test]
fn receive_maximum() {
    let mut talk = Talk::new(terms(Protocol::V5));
    for packet_id in 1..=4 {
        talk.say(Packet::Publish(publish(QoS::ExactlyOnce, packet_id)));
    }
    // Those that are open may come again, others of QoS 0 and 1 may come, and a release makes room.
    assert_eq!(talk.say(Packet::Publish(Publish { dup: true, ..publish(QoS::ExactlyOnce, 2) })), [PubRec(2, 0)]);
    assert_eq!(talk.say(Packet::Publish(publish(QoS::AtLeastOnce, 5))), [PubAck(5, 0)]);
    assert_eq!(talk.say(Packet::Publish(publish(QoS::AtMostOnce, 0))), []);
    assert_eq!(talk.say(pubrel(3)), [PubComp(3, 0)]);
    assert_eq!(talk.say(Packet::Publish(publish(QoS::ExactlyOnce, 5))), [PubRec(5, 0)]);
    assert_eq!(talk.fail(Packet::Publish(publish(QoS::ExactlyOnce, 6))), 0x93);
    assert_eq!(talk.host.published.len(), 7);
}

/// What the client may send begins anew with each connection `[MQTT-5 4.9]`: what it has still to release does not count,
/// what it sends again does.
#[test]
fn receive_maximum_on_the_next_connection() {
    let mut talk = Talk::new(terms(Protocol::V5));
    for packet_id in 1..=4 {
        talk.say(Packet::Publish(publish(QoS::ExactlyOnce, packet_id)));
    }
    talk.resume(terms(Protocol::V5), Instant::now());
    assert_eq!(talk.say(Packet::Publish(Publish { dup: true, ..publish(QoS::ExactlyOnce, 2) })), [PubRec(2, 0)]);
    for packet_id in 5..=7 {
        assert_eq!(talk.say(Packet::Publish(publish(QoS::ExactlyOnce, packet_id))), [PubRec(packet_id, 0)]);
    }
    assert_eq!(talk.say(pubrel(1)), [PubComp(1, 0)]);
    assert_eq!(talk.fail(Packet::Publish(publish(QoS::ExactlyOnce, 8))), 0x93);
}

#[test]
fn no_receive_maximum_before_v5() {
    for protocol in [Protocol::V3_1, Protocol::V3_1_1] {
        let mut talk = Talk::new(terms(protocol));
        for packet_id in 1..=u16::MAX {
            assert_eq!(talk.say(Packet::Publish(publish(QoS::ExactlyOnce, packet_id))), [PubRec(packet_id, 0)]);
        }
        assert_eq!(talk.state.received.len(), 65_535);
    }
}

/// `[MQTT-3.2.2-11]`
#[test]
fn maximum_qos() {
    for protocol in ALL {
        for (max_qos, too_high) in [(QoS::AtMostOnce, QoS::AtLeastOnce), (QoS::AtLeastOnce, QoS::ExactlyOnce)] {
            let mut talk = Talk::new(Terms { max_qos, ..terms(protocol) });
            talk.say(Packet::Publish(publish(max_qos, 1)));
            assert_eq!(talk.fail(Packet::Publish(publish(too_high, 2))), 0x9B);
            assert_eq!(talk.host.published.len(), 1);
        }
    }
}

/// `[MQTT-3.2.2-14]`; before MQTT 5 nobody has told the client.
#[test]
fn retain_not_available() {
    for protocol in ALL {
        let mut talk = Talk::new(Terms { retain_available: false, ..terms(protocol) });
        let retained = Packet::Publish(Publish { retain: true, ..publish(QoS::AtLeastOnce, 1) });
        match protocol {
            Protocol::V5 => assert_eq!(talk.fail(retained), 0x9A),
            _ => assert_eq!(talk.say(retained), [PubAck(1, 0)]),
        }
    }
}
