//! Messages to a client, and their acknowledgements.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::super::connection::Terms;
use super::super::delivery::Delivery;
use super::super::mailbox::Dropped;
use super::support::{deliver, delivery, message, puback, pubcomp, pubrec, terms, ALL};
use super::talk::Talk;
use super::wire::{Sent, SentPublish};
use crate::model::{Protocol, QoS, SubscriptionOptions};
use crate::router::{Router, Strategy, Subscriber};

fn again(qos: u8, packet_id: u16, payload: &str) -> Sent {
    Sent::Publish(SentPublish {
        dup: true,
        qos,
        topic: "t".to_owned(),
        packet_id,
        payload: payload.to_owned(),
        ..SentPublish::default()
    })
}

#[test]
fn the_three_exchanges() {
    for protocol in ALL {
        let (mut talk, now) = (Talk::new(terms(protocol)), Instant::now());
        let sent = talk.send(delivery(QoS::AtMostOnce, "0"), now).unwrap();
        assert_eq!((sent.qos, sent.dup, sent.packet_id, &*sent.payload), (0, false, 0, "0"));
        let sent = talk.send(delivery(QoS::AtLeastOnce, "1"), now).unwrap();
        assert_eq!((sent.qos, sent.dup, sent.packet_id, &*sent.payload), (1, false, 1, "1")); // [MQTT-4.3.2-2]
        let sent = talk.send(delivery(QoS::ExactlyOnce, "2"), now).unwrap();
        assert_eq!((sent.qos, sent.dup, sent.packet_id, &*sent.payload), (2, false, 2, "2")); // [MQTT-4.3.3-2]
        assert_eq!((talk.state.window.outstanding(), talk.room()), (2, 6));

        assert_eq!(talk.say(puback(1)), []);
        assert_eq!(talk.say(pubrec(2, 0)), [Sent::PubRel(2, 0)]); // [MQTT-4.3.3-4]
        assert_eq!((talk.state.window.outstanding(), talk.room()), (1, 7));
        assert_eq!(talk.say(pubrec(2, 0)), [Sent::PubRel(2, 0)], "a client that asks twice is told twice");
        assert_eq!(talk.say(pubcomp(2)), []);
        assert_eq!((talk.state.window.outstanding(), talk.room()), (0, 8));
        assert_eq!(talk.resume(terms(protocol), now), []);
    }
}

/// `[MQTT-4.3.3-4]`, `[MQTT-4.4.0-2]`
#[test]
fn a_failure_in_pubrec_ends_the_exchange() {
    let (mut talk, now) = (Talk::new(terms(Protocol::V5)), Instant::now());
    talk.send(delivery(QoS::ExactlyOnce, "x"), now).unwrap();
    assert_eq!(talk.say(pubrec(1, 0x97)), []);
    assert_eq!((talk.state.window.outstanding(), talk.room()), (0, 8));
    assert_eq!(talk.say(pubcomp(1)), []);
    assert_eq!(talk.resume(terms(Protocol::V5), now), []);
}

/// A reason below 0x80 is none `[MQTT-4.3.3-4]`.
#[test]
fn no_matching_subscribers_in_pubrec_is_a_success() {
    let mut talk = Talk::new(terms(Protocol::V5));
    talk.send(delivery(QoS::ExactlyOnce, "x"), Instant::now()).unwrap();
    assert_eq!(talk.say(pubrec(1, 0x10)), [Sent::PubRel(1, 0)]);
}

#[test]
fn acknowledgements_of_nothing() {
    for (protocol, reason) in [(Protocol::V3_1_1, 0), (Protocol::V5, 0x92)] {
        let mut talk = Talk::new(terms(protocol));
        for packet_id in [1, 2, 65_535] {
            assert_eq!(talk.say(puback(packet_id)), []);
            assert_eq!(talk.say(pubcomp(packet_id)), []);
            assert_eq!(talk.say(pubrec(packet_id, 0)), [Sent::PubRel(packet_id, reason)]);
        }
        assert_eq!(talk.room(), 8);
    }
    assert_eq!(Talk::new(terms(Protocol::V5)).say(pubrec(1, 0x80)), [], "what has failed is not released");
}

/// An acknowledgement of the wrong kind acknowledges nothing.
#[test]
fn acknowledgements_of_another_qos() {
    let (mut talk, now) = (Talk::new(terms(Protocol::V5)), Instant::now());
    talk.send(delivery(QoS::AtLeastOnce, "1"), now).unwrap();
    talk.send(delivery(QoS::ExactlyOnce, "2"), now).unwrap();
    assert_eq!(talk.say(puback(2)), []);
    assert_eq!(talk.say(pubcomp(1)), []);
    assert_eq!(talk.say(pubcomp(2)), []);
    assert_eq!(talk.say(pubrec(1, 0x80)), []);
    assert_eq!(talk.resume(terms(Protocol::V5), now), [again(1, 1, "1"), again(2, 2, "2")]);
}

/// `[MQTT-3.3.2-5]`
#[test]
fn what_has_expired_is_not_sent() {
    let (mut talk, now) = (Talk::new(terms(Protocol::V5)), Instant::now());
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for expires_at in [now, now - Duration::from_millis(1)] {
            let late = deliver(message(qos, "t", "x", Some(expires_at)));
            assert_eq!(talk.send(late, now), Err(Dropped::Expired));
        }
    }
    assert_eq!((talk.state.window.outstanding(), talk.room()), (0, 8));
    assert_eq!(talk.send(delivery(QoS::AtLeastOnce, "x"), now).unwrap().packet_id, 1, "no identifier was spent");
}

/// `[MQTT-3.3.2-6]`
#[test]
fn the_client_is_told_what_is_left() {
    for protocol in ALL {
        let start = Instant::now();
        for (waited_ms, left_s) in [(0, 10), (3_000, 7), (9_000, 1), (9_999, 1)] {
            let mut talk = Talk::new(terms(protocol));
            let message = message(QoS::AtMostOnce, "t", "x", Some(start + Duration::from_secs(10)));
            let sent = talk.send(deliver(message), start + Duration::from_millis(waited_ms)).unwrap();
            assert_eq!(sent.expiry_s, Some(left_s).filter(|_| protocol == Protocol::V5), "{waited_ms}");
        }
    }
}

/// Delivery has begun: it is completed whatever the interval says `[MQTT-4.3.3-7]`, and no interval is 0.
#[test]
fn what_has_been_sent_does_not_expire() {
    let now = Instant::now();
    let mut talk = Talk::new(terms(Protocol::V5));
    talk.send(deliver(message(QoS::ExactlyOnce, "t", "x", Some(now + Duration::from_secs(5)))), now).unwrap();
    let sent = talk.resume(terms(Protocol::V5), now + Duration::from_secs(60));
    assert!(matches!(&sent[..], [Sent::Publish(SentPublish { dup: true, expiry_s: Some(1), .. })]), "{sent:?}");
}

/// `[MQTT-3.1.2-24]`, `[MQTT-3.1.2-25]`
#[test]
fn what_is_too_large_is_dropped() {
    // First byte, length, topic, packet identifier, length of the properties, payload.
    for (protocol, len) in [(Protocol::V3_1_1, 1 + 1 + 3 + 2 + 10), (Protocol::V5, 1 + 1 + 3 + 2 + 1 + 10)] {
        let mut talk = Talk::new(Terms { maximum_packet_size: len, ..terms(protocol) });
        let now = Instant::now();
        assert!(talk.send(delivery(QoS::AtLeastOnce, "ten bytes."), now).is_ok());
        assert_eq!(talk.send(delivery(QoS::AtLeastOnce, "that is 11."), now), Err(Dropped::TooLarge));
        assert_eq!((talk.state.window.outstanding(), talk.room()), (1, 7));
        assert_eq!(talk.send(delivery(QoS::AtLeastOnce, "x"), now).unwrap().packet_id, 2);
    }
}

/// `[MQTT-3.1.2-25]`: on a connection that takes less, it counts as sent.
#[test]
fn what_has_become_too_large_is_given_up() {
    let (mut talk, now) = (Talk::new(terms(Protocol::V5)), Instant::now());
    for payload in ["large enough", "x"] {
        talk.send(delivery(QoS::ExactlyOnce, payload), now).unwrap();
    }
    let smaller = Terms { maximum_packet_size: 10, receive_maximum: 1, ..terms(Protocol::V5) };
    assert_eq!(talk.resume(smaller, now), [again(2, 2, "x")]);
    assert_eq!((talk.state.window.outstanding(), talk.room()), (1, 0));
    talk.say(pubrec(2, 0));
    talk.say(pubcomp(2));
    assert_eq!((talk.state.window.outstanding(), talk.room()), (0, 1));
}

#[test]
fn the_retain_flag_is_that_of_the_delivery() {
    for retain in [false, true] {
        let mut talk = Talk::new(terms(Protocol::V3_1_1));
        let delivery = Delivery { retain, ..delivery(QoS::AtLeastOnce, "x") };
        assert_eq!(talk.send(delivery, Instant::now()).unwrap().retain, retain);
    }
}

#[derive(Clone)]
struct Somebody;

impl Subscriber for Somebody {
    fn key(&self) -> u64 {
        1
    }

    fn is_online(&self) -> bool {
        true
    }

    fn load(&self) -> usize {
        0
    }
}

/// `[MQTT-3.3.4-3]` to `[MQTT-3.3.4-5]`
#[test]
fn subscription_identifiers() {
    for protocol in ALL {
        for expected in [&[][..], &[1], &[1, 268_435_455]] {
            let router = Router::new(Strategy::default());
            for (filter, identifier) in ["t", "#"].into_iter().zip(expected) {
                let options = SubscriptionOptions { identifier: NonZeroU32::new(*identifier), ..Default::default() };
                router.subscribe(filter, Somebody, options);
            }
            let matched = router.matches("t", None);
            let identifiers = matched.targets.first().map(|target| target.identifiers.clone()).unwrap_or_default();
            let mut talk = Talk::new(terms(protocol));
            for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
                let delivery = Delivery { identifiers: identifiers.clone(), ..delivery(qos, "x") };
                let mut sent = talk.send(delivery, Instant::now()).unwrap().identifiers;
                sent.sort_unstable();
                assert_eq!(sent, if protocol == Protocol::V5 { expected } else { &[] });
            }
        }
    }
}
