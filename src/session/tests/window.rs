use std::time::Instant;

use super::super::connection::Terms;
use super::super::window::{Acknowledged, Again, Window};
use super::support::{delivery, puback, pubcomp, pubrec, terms};
use super::talk::Talk;
use super::wire::Sent;
use crate::model::{Protocol, QoS, ReasonCode};

fn send(window: &mut Window, qos: QoS) -> u16 {
    let packet_id = window.next_packet_id();
    window.sent(delivery(qos, &packet_id.to_string()));
    packet_id
}

/// What is sent again while the client takes `receive_maximum`: packet identifiers, and whether it is PUBREL.
fn again(window: &mut Window, receive_maximum: usize) -> Vec<(u16, bool)> {
    let mut sent = Vec::new();
    while window.may_send_again(receive_maximum) {
        match window.send_again() {
            Some((packet_id, Again::Release)) => sent.push((packet_id, true)),
            Some((packet_id, Again::Publish(delivery))) => {
                assert_eq!(delivery.message.payload, packet_id.to_string());
                sent.push((packet_id, false));
            }
            None => break,
        }
    }
    sent
}

fn is_done(acknowledged: Acknowledged) -> bool {
    matches!(acknowledged, Acknowledged::Done(_))
}

/// `[MQTT-2.2.1-3]`: never 0, and none that is in use.
#[test]
fn packet_identifiers_wrap_around() {
    let mut window = Window::default();
    for number in 0..200_000_u32 {
        assert_eq!(u32::from(window.next_packet_id()), number % 65_535 + 1);
        let packet_id = send(&mut window, QoS::AtLeastOnce);
        if number % 3 == 0 {
            assert!(is_done(window.puback(packet_id)), "{number}");
        } else if number % 3 == 2 {
            // Those between have to be found, too, also across the wrap.
            assert!(is_done(window.puback(packet_id)));
            let before = if packet_id == 1 { 65_535 } else { packet_id - 1 };
            assert!(is_done(window.puback(before)), "{number}");
            assert_eq!((window.outstanding(), window.room(1)), (0, 1));
        }
    }
}

#[test]
fn every_identifier_may_be_in_use() {
    let mut window = Window::default();
    for _ in 0..10 {
        let packet_id = send(&mut window, QoS::AtLeastOnce);
        window.puback(packet_id);
    }
    let mut used = std::collections::BTreeSet::new();
    while window.room(65_535) > 0 {
        assert!(used.insert(send(&mut window, QoS::ExactlyOnce)));
    }
    assert_eq!(used.len(), 65_535);
    assert_eq!((used.first(), used.last()), (Some(&1), Some(&65_535)));
    for packet_id in [65_535, 1, 11, 10] {
        assert!(matches!(window.pubrec(packet_id, ReasonCode::SUCCESS), Acknowledged::Release(_)));
        assert!(is_done(window.pubcomp(packet_id)));
        assert!(!is_done(window.pubcomp(packet_id)));
    }
    // 11 was the oldest one and 10 the newest one: only the former makes room.
    assert_eq!((window.room(65_535), window.next_packet_id()), (1, 11));
}

#[test]
fn acknowledgements_out_of_order() {
    let mut window = Window::default();
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        send(&mut window, qos);
    }
    assert!(is_done(window.puback(3)));
    assert!(!is_done(window.puback(3)), "once");
    assert!(matches!(window.pubrec(4, ReasonCode::SUCCESS), Acknowledged::Release(_)));
    assert!(is_done(window.pubcomp(4)));
    assert!(matches!(window.pubrec(2, ReasonCode::SUCCESS), Acknowledged::Release(_)));
    assert_eq!((window.outstanding(), window.room(10)), (2, 8));
    assert!(is_done(window.puback(1)));
    assert!(is_done(window.pubcomp(2)));
    assert_eq!((window.outstanding(), window.room(10), window.next_packet_id()), (0, 10, 5));
}

/// `[MQTT-3.3.4-9]`
#[test]
fn never_more_than_the_receive_maximum() {
    for receive_maximum in [1, 3, 32] {
        let mut window = Window::default();
        let mut sent = Vec::new();
        while window.room(receive_maximum) > 0 {
            sent.push(send(&mut window, QoS::ExactlyOnce));
        }
        assert_eq!(sent.len(), receive_maximum);
        for (done, packet_id) in sent.into_iter().enumerate() {
            window.pubrec(packet_id, ReasonCode::SUCCESS);
            assert_eq!(window.room(receive_maximum), done, "PUBREC does not make room, PUBCOMP does");
            window.pubcomp(packet_id);
            assert_eq!(window.room(receive_maximum), done + 1);
        }
    }
}

/// A message that is never acknowledged does not let those behind it pile up.
#[test]
fn the_span_is_limited() {
    for (receive_maximum, span) in [(2, 16), (8, 16), (20, 40), (65_535, 65_535)] {
        let mut window = Window::default();
        let first = send(&mut window, QoS::AtLeastOnce);
        let mut sent = 1;
        while window.room(receive_maximum) > 0 {
            let packet_id = send(&mut window, QoS::AtLeastOnce);
            assert!(is_done(window.puback(packet_id)));
            sent += 1;
            assert!(sent <= span);
        }
        assert_eq!((sent, window.outstanding()), (span, 1));
        assert!(is_done(window.puback(first)));
        assert_eq!(window.room(receive_maximum), receive_maximum);
    }
}

/// `[MQTT-4.4.0-1]`, `[MQTT-4.6.0-1]`, `[MQTT-4.3.3-6]`
#[test]
fn resumes_in_order_and_with_what_is_left() {
    let mut window = Window::default();
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::AtLeastOnce] {
        send(&mut window, qos);
    }
    window.pubrec(2, ReasonCode::SUCCESS);
    window.puback(3);
    for _ in 0..2 {
        window.reconnect();
        assert!(!window.is_caught_up());
        assert_eq!(again(&mut window, 10), [(1, false), (2, true), (4, false), (5, false)]);
        assert!(window.is_caught_up());
        assert_eq!(window.room(10), 6);
    }
}

/// `[MQTT-4.9.0-1]`: the client may take less than on the connection before.
#[test]
fn resumes_with_a_smaller_receive_maximum() {
    let now = Instant::now();
    let mut talk = Talk::new(Terms { receive_maximum: 20, ..terms(Protocol::V5) });
    for _ in 0..20 {
        talk.send(delivery(QoS::ExactlyOnce, "x"), now).unwrap();
    }
    for packet_id in [1, 3] {
        talk.say(pubrec(packet_id, 0));
    }
    let id = |sent: &Sent| match sent {
        Sent::Publish(publish) if publish.dup => (publish.packet_id, false),
        Sent::PubRel(packet_id, 0) => (*packet_id, true),
        other => panic!("{other:?}"),
    };
    let ids = |sent: Vec<Sent>| sent.iter().map(id).collect::<Vec<_>>();

    talk.connect(Terms { receive_maximum: 3, ..terms(Protocol::V5) });
    assert_eq!(talk.room(), 0, "nothing new goes ahead of what is old");
    assert_eq!(ids(talk.send_again(now)), [(2, false), (1, true), (3, true)]);
    assert_eq!(talk.room(), 0);
    assert_eq!(talk.send_again(now), []);
    talk.say(pubcomp(1));
    assert_eq!(ids(talk.send_again(now)), [(4, false)]);
    // Acknowledged although it has not been sent on this connection: neither sent again nor counted.
    talk.say(pubrec(5, 0x80));
    assert_eq!(talk.send_again(now), []);
    talk.say(pubrec(2, 0));
    assert_eq!(talk.send_again(now), []);
    talk.say(pubcomp(2));
    assert_eq!(ids(talk.send_again(now)), [(6, false)]);

    // Nothing new before all that is old has been sent.
    let mut rounds = 0;
    while !talk.state.window.is_caught_up() || talk.state.window.outstanding() > 0 {
        assert!(talk.room() == 0 || talk.state.window.is_caught_up());
        for packet_id in 3..=20 {
            talk.say(pubrec(packet_id, 0));
            talk.say(pubcomp(packet_id));
            talk.send_again(now);
        }
        rounds += 1;
        assert!(rounds < 20);
    }
    assert_eq!(talk.room(), 3);
}

#[test]
fn an_acknowledgement_ahead_of_the_second_sending() {
    let now = Instant::now();
    let mut talk = Talk::new(terms(Protocol::V3_1_1));
    for qos in [QoS::AtLeastOnce, QoS::AtLeastOnce, QoS::AtLeastOnce] {
        talk.send(delivery(qos, "x"), now).unwrap();
    }
    let one = Terms { receive_maximum: 1, ..terms(Protocol::V3_1_1) };
    talk.resume(one, now);
    // 2 is not on its way on this connection; 1 still is.
    talk.say(puback(2));
    assert_eq!(talk.send_again(now), []);
    talk.say(puback(1));
    assert!(matches!(&talk.send_again(now)[..], [Sent::Publish(publish)] if publish.packet_id == 3));
    talk.say(puback(3));
    assert_eq!((talk.state.window.outstanding(), talk.room()), (0, 1));
}

#[test]
fn withdraws_what_has_not_been_acknowledged() {
    let mut window = Window::default();
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::AtLeastOnce] {
        send(&mut window, qos);
    }
    window.puback(3);
    window.pubrec(4, ReasonCode::SUCCESS);
    let withdrawn = window.withdraw(|delivery| delivery.qos == QoS::AtLeastOnce);
    let payloads: Vec<_> = withdrawn.iter().map(|delivery| delivery.message.payload.to_vec()).collect();
    assert_eq!(payloads, [b"1".to_vec(), b"5".to_vec()]);
    window.reconnect();
    assert_eq!(again(&mut window, 10), [(2, false), (4, true)]);
    assert_eq!(window.outstanding(), 2);
    assert!(!is_done(window.puback(1)) && !is_done(window.puback(5)));
    assert_eq!(window.withdraw(|_| true).len(), 1, "what has been released is nobody else's");
    window.reconnect();
    assert_eq!(again(&mut window, 10), [(4, true)]);
    assert_eq!(window.next_packet_id(), 6);
}
