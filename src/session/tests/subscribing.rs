//! SUBSCRIBE and UNSUBSCRIBE.

use super::super::connection::Terms;
use super::support::{subscribe, terms, unsubscribe, ALL};
use super::talk::Talk;
use super::wire::Sent::{SubAck, UnsubAck};
use crate::model::{Protocol, QoS, RetainHandling, SubscriptionOptions};

fn options(qos: QoS) -> SubscriptionOptions {
    SubscriptionOptions { qos, ..SubscriptionOptions::default() }
}

fn handling(retain_handling: RetainHandling) -> SubscriptionOptions {
    SubscriptionOptions { retain_handling, ..options(QoS::AtLeastOnce) }
}

/// `[MQTT-3.8.4-2]`, `[MQTT-3.8.4-5]`, `[MQTT-3.8.4-6]`
#[test]
fn one_reason_for_each_filter_in_their_order() {
    let filters = [
        ("a/#", options(QoS::ExactlyOnce)),
        ("a/#/b", options(QoS::AtLeastOnce)),
        ("b", options(QoS::AtMostOnce)),
        ("$share/g", options(QoS::AtMostOnce)),
        ("$share/g/c", options(QoS::AtLeastOnce)),
        ("1/2/3/4/5/6/7/8/9", options(QoS::AtMostOnce)),
        ("", options(QoS::AtMostOnce)),
    ];
    for protocol in ALL {
        let mut talk = Talk::new(terms(protocol));
        let bad = if protocol == Protocol::V5 { 0x8F } else { 0x80 };
        let expected = [2, bad, 0, bad, 1, bad, bad].to_vec();
        assert_eq!(talk.say(subscribe(5, &filters)), [SubAck(5, expected)]);
        let subscribed = ["$share/g/c", "a/#", "b"];
        assert_eq!(talk.host.subscriptions.keys().collect::<Vec<_>>(), subscribed);
    }
}

#[test]
fn shared_subscriptions_can_be_turned_off() {
    for (protocol, reason) in [(Protocol::V3_1_1, 0x80), (Protocol::V5, 0x9E)] {
        let mut talk = Talk::new(terms(protocol));
        talk.host.limits.shared_available = false;
        let filters = [("$share/g/a", options(QoS::AtMostOnce)), ("$shared/a", options(QoS::AtMostOnce))];
        assert_eq!(talk.say(subscribe(1, &filters)), [SubAck(1, vec![reason, 0])]);
        assert_eq!(talk.host.subscriptions.len(), 1);
    }
}

#[test]
fn maximum_of_subscriptions() {
    for (protocol, reason) in [(Protocol::V3_1_1, 0x80), (Protocol::V5, 0x97)] {
        let mut talk = Talk::new(terms(protocol));
        talk.host.limits.max_subscriptions = 2;
        let at = |filter| (filter, options(QoS::AtMostOnce));
        // One that is replaced is not one more.
        assert_eq!(talk.say(subscribe(1, &[at("a"), at("b"), at("a"), at("c")])), [SubAck(1, vec![0, 0, 0, reason])]);
        assert_eq!(talk.say(subscribe(2, &[at("c"), at("b")])), [SubAck(2, vec![reason, 0])]);
        talk.say(unsubscribe(3, &["a"]));
        assert_eq!(talk.say(subscribe(4, &[at("c"), at("a")])), [SubAck(4, vec![0, reason])]);
    }
}

/// `[MQTT-3.8.4-7]`, `[MQTT-3.2.2-9]`
#[test]
fn granted_qos_is_at_most_the_maximum() {
    let mut talk = Talk::new(Terms { max_qos: QoS::AtLeastOnce, ..terms(Protocol::V5) });
    let filters = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce].map(options);
    let filters = [("a", filters[0]), ("b", filters[1]), ("c", filters[2])];
    assert_eq!(talk.say(subscribe(1, &filters)), [SubAck(1, vec![0, 1, 1])]);
    assert_eq!(talk.host.subscriptions["c"], options(QoS::AtLeastOnce));
    assert_eq!(talk.host.subscriptions["c"], options(QoS::AtLeastOnce));
}

/// `[MQTT-3.3.1-9]` to `[MQTT-3.3.1-11]`; none for a shared subscription `[MQTT-5 4.8.2]`.
#[test]
fn retain_handling() {
    use RetainHandling::{DoNotSend, SendAtSubscribe, SendIfNew};
    for (retain_handling, first, second) in
        [(SendAtSubscribe, true, true), (SendIfNew, true, false), (DoNotSend, false, false)]
    {
        let mut talk = Talk::new(terms(Protocol::V5));
        for replays in [first, second] {
            let filters = ["a/+", "$share/g/a/+"].map(|filter| (filter, handling(retain_handling)));
            assert_eq!(talk.say(subscribe(1, &filters)), [SubAck(1, vec![1, 1])]);
            let expected: &[&str] = if replays { &["a/+"] } else { &[] };
            assert_eq!(std::mem::take(&mut talk.host.replayed), expected, "{retain_handling:?}");
        }
        talk.say(unsubscribe(2, &["a/+"]));
        talk.say(subscribe(3, &[("a/+", handling(retain_handling))]));
        assert_eq!(talk.host.replayed.len(), usize::from(first), "it is new again");
    }
}

#[test]
fn a_refused_filter_gets_no_retained_messages() {
    let mut talk = Talk::new(terms(Protocol::V5));
    talk.host.limits.max_subscriptions = 1;
    let filters = ["a", "b", "c/#/d"].map(|filter| (filter, options(QoS::AtMostOnce)));
    assert_eq!(talk.say(subscribe(1, &filters)), [SubAck(1, vec![0, 0x97, 0x8F])]);
    assert_eq!(talk.host.replayed, ["a"]);
}

/// `[MQTT-3.8.4-3]`
#[test]
fn the_same_filter_again_replaces_the_options() {
    let mut talk = Talk::new(terms(Protocol::V5));
    for qos in [QoS::ExactlyOnce, QoS::AtMostOnce] {
        talk.say(subscribe(1, &[("a", options(qos))]));
        assert_eq!(talk.host.subscriptions["a"], options(qos));
        assert_eq!(talk.host.subscriptions["a"], options(qos));
    }
}

/// `[MQTT-3.10.4-4]` to `[MQTT-3.10.4-6]`
#[test]
fn unsubscribing() {
    for protocol in ALL {
        let mut talk = Talk::new(terms(protocol));
        let filters = ["a", "$share/g/a", "b"].map(|filter| (filter, options(QoS::AtMostOnce)));
        talk.say(subscribe(1, &filters));
        let reasons: &[u8] = if protocol == Protocol::V5 { &[0, 0x11, 0x8F, 0, 0x11] } else { &[] };
        let packet = unsubscribe(9, &["a", "a", "a#", "$share/g/a", "$share/h/a"]);
        assert_eq!(talk.say(packet), [UnsubAck(9, reasons.to_vec())]);
        assert_eq!(talk.host.subscriptions.keys().collect::<Vec<_>>(), ["b"]);
    }
}
