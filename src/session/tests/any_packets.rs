//! A client may send any packet at any time: the connection answers with whole packets or ends.

use std::time::Instant;

use bytestring::ByteString;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{any, prop, proptest, Just, ProptestConfig, Strategy};
use proptest::{prop_assert, prop_oneof};

use super::super::connection::Terms;
use super::support::{delivery, publish, terms, ALL};
use super::talk::Talk;
use crate::codec::{Ack, Auth, Disconnect, Packet, Publish, Subscribe, Unsubscribe};
use crate::model::{QoS, ReasonCode, RetainHandling, SubscriptionOptions};

fn qos() -> impl Strategy<Value = QoS> {
    prop::sample::select(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
}

fn topic() -> impl Strategy<Value = ByteString> {
    const TOPICS: [&str; 10] =
        ["a", "a/b", "+", "a/#", "", "$share/g/a", "$share/g", "a\0", "1/2/3/4/5/6/7/8/9", "$SYS/#"];
    prop::sample::select(&TOPICS).prop_map(ByteString::from)
}

fn packet_id() -> impl Strategy<Value = u16> {
    prop_oneof![8 => 1..6_u16, 1 => Just(u16::MAX)]
}

fn reason() -> impl Strategy<Value = ReasonCode> {
    prop_oneof![4 => Just(ReasonCode::SUCCESS), 1 => any::<u8>().prop_map(ReasonCode)]
}

fn ack() -> impl Strategy<Value = Ack> {
    (packet_id(), reason()).prop_map(|(packet_id, reason)| Ack { packet_id, reason })
}

fn options() -> impl Strategy<Value = SubscriptionOptions> {
    use RetainHandling::{DoNotSend, SendAtSubscribe, SendIfNew};
    let handling = prop::sample::select(&[SendAtSubscribe, SendIfNew, DoNotSend]);
    (qos(), any::<bool>(), handling).prop_map(|(qos, no_local, retain_handling)| SubscriptionOptions {
        qos,
        no_local,
        retain_handling,
        ..SubscriptionOptions::default()
    })
}

fn packet() -> impl Strategy<Value = Packet> {
    let publishing = (any::<[bool; 2]>(), qos(), topic(), packet_id(), option::weighted(0.3, 0..19_u16));
    let subscribing = (packet_id(), vec((topic(), options()), 1..5));
    let unsubscribing = (packet_id(), vec(topic(), 1..5));
    prop_oneof![
        8 => publishing.prop_map(|([dup, retain], qos, topic, packet_id, topic_alias)| {
            Packet::Publish(Publish { dup, retain, topic, topic_alias, ..publish(qos, packet_id) })
        }),
        3 => ack().prop_map(Packet::PubAck),
        3 => ack().prop_map(Packet::PubRec),
        3 => ack().prop_map(Packet::PubRel),
        3 => ack().prop_map(Packet::PubComp),
        3 => subscribing.prop_map(|(packet_id, filters)| Packet::Subscribe(Subscribe { packet_id, filters })),
        2 => unsubscribing.prop_map(|(packet_id, filters)| Packet::Unsubscribe(Unsubscribe { packet_id, filters })),
        1 => Just(Packet::PingReq),
        1 => (reason(), option::of(any::<u32>())).prop_map(|(reason, session_expiry_s)| {
            Packet::Disconnect(Disconnect { reason, session_expiry_s, reason_string: None })
        }),
        1 => reason().prop_map(|reason| Packet::Auth(Auth { reason, method: None, data: None })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn are_answered_or_end_the_connection(
        protocol in prop::sample::select(&ALL),
        limits in (0..3_usize, any::<[bool; 2]>(), qos()),
        maximum_packet_size in prop_oneof![4 => Just(usize::MAX), 1 => 1..20_usize],
        script in vec((packet(), option::weighted(0.4, qos())), 1..60),
    ) {
        let (max_subscriptions, [retain_available, shared_available], max_qos) = limits;
        let terms = Terms {
            retain_available,
            max_qos,
            maximum_packet_size,
            topic_alias_maximum: 2,
            ..terms(protocol)
        };
        let now = Instant::now();
        let mut talk = Talk::new(terms);
        talk.host.limits.max_subscriptions = max_subscriptions;
        talk.host.limits.shared_available = shared_available;
        for (packet, sent) in script {
            if let Some(qos) = sent.filter(|qos| *qos == QoS::AtMostOnce || talk.room() > 0) {
                let _ = talk.send(delivery(qos, "x"), now);
            }
            let handled = talk.connection.handle(packet, &mut talk.state, &mut talk.host);
            talk.answers();
            if handled.is_err() {
                // The next connection has to cope with what this one has left.
                talk.connect(terms);
                talk.connection.send_again(&mut talk.state, &mut super::super::blocks::Blocks::default(), now).ok();
            }
            prop_assert!(talk.room() <= terms.receive_maximum);
            prop_assert!(talk.state.window.outstanding() <= terms.receive_maximum);
            prop_assert!(talk.state.window.outstanding() <= talk.state.window.open());
            prop_assert!(max_subscriptions == 0 || talk.host.subscriptions.len() <= max_subscriptions);
        }
    }
}
