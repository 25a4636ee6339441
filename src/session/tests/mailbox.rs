use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use super::super::blocks::SHARED_PAYLOAD;
use super::super::closing::Closing;
use super::super::delivery::Delivery;
use super::super::mailbox::{Gone, Mailbox, Outcome, Wants};
use super::super::visit::Visit;
use super::desk::{client, quota, text, Alarm, Desk, PLAIN};
use super::support::{deliver, delivery, message};
use super::wire::{self, Sent};
use crate::config::SlowConsumer::{Disconnect, DropNewest, DropOldest};
use crate::model::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use crate::model::ReasonCode;
use crate::router::Identifiers;

const QUIET: Outcome = Outcome::Queued { wake: false, crowded: false };
const ONE: Gone = Gone { full: 1, expired: 0 };
const WAKE: Outcome = Outcome::Queued { wake: true, crowded: false };

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| text.to_string()).collect()
}

#[test]
fn the_connection_is_woken_once() {
    let mut desk = Desk::connected(quota(DropNewest, 100, 1 << 20));
    assert_eq!(desk.offer(AtMostOnce, "1"), WAKE);
    assert_eq!(desk.offer(AtLeastOnce, "2"), QUIET);
    assert_eq!(desk.take(), (strings(&["1"]), strings(&["2"])));
    assert_eq!(desk.offer(ExactlyOnce, "3"), WAKE);
    // A connection that begins looks anyway.
    desk.disconnect();
    assert_eq!(desk.offer(ExactlyOnce, "4"), QUIET);
    desk.connect(PLAIN);
    assert_eq!(desk.offer(ExactlyOnce, "5"), QUIET);
    assert_eq!(desk.take(), (strings(&[]), strings(&["3", "4", "5"])));
}

/// `[MQTT-3.1.2-23]`: QoS 0 is not kept for a client that is not there, the rest is.
#[test]
fn without_a_client() {
    let mut desk = Desk::new(quota(DropNewest, 100, 1 << 20));
    assert_eq!(desk.offer(AtMostOnce, "1"), Outcome::Absent);
    assert_eq!(desk.offer_delivery(delivery(AtMostOnce, "2")), Outcome::Absent);
    assert_eq!(desk.offer(AtLeastOnce, "3"), QUIET);
    desk.connect(PLAIN);
    desk.offer(AtMostOnce, "4");
    desk.offer_delivery(delivery(AtMostOnce, "5"));
    assert_eq!(desk.mailbox.messages(), 3);
    assert_eq!(desk.disconnect(), 2);
    assert_eq!(desk.take(), (strings(&[]), strings(&["3"])));
    assert_eq!((desk.mailbox.messages(), desk.bytes()), (0, 0));
}

/// `[MQTT-4.6.0-6]`: whichever way a QoS 0 message takes, it overtakes none.
#[test]
fn qos_0_keeps_its_order() {
    let mut desk = Desk::connected(quota(DropNewest, 100, 1 << 20));
    let later = desk.now + Duration::from_secs(60);
    desk.offer(AtMostOnce, "1");
    desk.offer_until(AtMostOnce, "2", None, true);
    desk.offer_until(AtMostOnce, "3", Some(later), false);
    desk.offer_until(AtMostOnce, "4", None, true);
    desk.offer(AtMostOnce, "5");
    let mut out = VecDeque::new();
    desk.mailbox.take_plain(&mut out, 10);
    assert!(out.is_empty(), "older ones are encoded");
    assert_eq!(desk.take().0, strings(&["1", "2", "3", "4", "5"]));
}

/// `[MQTT-3.3.1-12]`, `[MQTT-3.3.1-13]`, for one receiver and for one of many.
#[test]
fn retain_as_published() {
    for (retain, retain_as_published) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut desk = Desk::connected(quota(DropNewest, 100, 1 << 20));
        desk.retain = retain;
        desk.target.retain_as_published = retain_as_published;
        for fan_out in [false, true] {
            desk.offer_until(AtMostOnce, "x", None, fan_out);
        }
        desk.offer_until(AtLeastOnce, "x", None, false);
        let mut blocks = VecDeque::new();
        desk.mailbox.take_encoded(&mut blocks, usize::MAX);
        let bytes: Vec<u8> = blocks.iter().flat_map(|block| block.bytes()).copied().collect();
        let packets = wire::packets(true, &bytes);
        let flags = packets.iter().map(|packet| matches!(packet, Sent::Publish(publish) if publish.retain));
        assert_eq!(flags.collect::<Vec<_>>(), [retain && retain_as_published; 2]);
        let kept = desk.mailbox.take_assured().expect("a message of QoS 1");
        assert_eq!(kept.retain, retain && retain_as_published);
        assert_eq!(kept.message.retain, retain, "the message itself is the same for all");
    }
}

/// `[MQTT-3.8.4-8]`
#[test]
fn qos_is_the_lower_one() {
    for (subscribed, published, expected) in
        [(AtLeastOnce, ExactlyOnce, AtLeastOnce), (ExactlyOnce, AtLeastOnce, AtLeastOnce)]
    {
        let mut desk = Desk::connected(quota(DropNewest, 100, 1 << 20));
        desk.target.qos = subscribed;
        desk.offer(published, "x");
        assert_eq!(desk.mailbox.take_assured().map(|delivery| delivery.qos), Some(expected));
    }
    let mut desk = Desk::connected(quota(DropNewest, 100, 1 << 20));
    desk.target.qos = AtMostOnce;
    desk.offer(ExactlyOnce, "x");
    assert_eq!(desk.take(), (strings(&["x"]), strings(&[])));
}

/// Its own identifiers and its own aliases make a packet that no other receiver gets.
#[test]
fn what_a_receiver_gets_alone_is_encoded_by_its_connection() {
    let identified = Identifiers::from(NonZeroU32::new(7));
    for (wants, identifiers, alone) in [
        (PLAIN, Identifiers::default(), false),
        (PLAIN, identified.clone(), true),
        (Wants { aliases: true, ..PLAIN }, Identifiers::default(), true),
        (Wants { v5: false, ..PLAIN }, identified, false),
    ] {
        let mut desk = Desk::new(quota(DropNewest, 100, 1 << 20));
        desk.connect(wants);
        desk.target.identifiers = identifiers.clone();
        desk.offer(AtMostOnce, "x");
        let mut deliveries = VecDeque::new();
        desk.mailbox.take_plain(&mut deliveries, 10);
        assert_eq!(deliveries.len(), usize::from(alone));
        assert!(deliveries.iter().all(|delivery| delivery.identifiers.as_slice() == identifiers.as_slice()));
        assert_eq!(desk.mailbox.take_encoded(&mut VecDeque::new(), usize::MAX), usize::from(!alone));
    }
}

/// `[MQTT-3.1.2-24]`
#[test]
fn packets_that_are_too_large() {
    for fan_out in [false, true] {
        for (size, expected) in [(7, WAKE), (8, Outcome::TooLarge), (SHARED_PAYLOAD, Outcome::TooLarge)] {
            let mut desk = Desk::new(quota(DropNewest, 100, 1 << 20));
            // First byte, length, topic, length of the properties, payload.
            desk.connect(Wants { maximum_packet_size: 1 + 1 + 3 + 1 + 7, ..PLAIN });
            desk.mailbox.look();
            assert_eq!(desk.offer_until(AtMostOnce, &"x".repeat(size), None, fan_out), expected);
            assert_eq!(desk.mailbox.messages() == 0, desk.bytes() == 0);
        }
    }
}

#[test]
fn a_full_mailbox_drops_the_newest() {
    for qos in [AtMostOnce, AtLeastOnce, ExactlyOnce] {
        let mut desk = Desk::connected(quota(DropNewest, 3, 1 << 20));
        for payload in ["1", "2", "3"] {
            assert!(matches!(desk.offer(qos, payload), Outcome::Queued { .. }));
        }
        assert_eq!(desk.offer(qos, "4"), Outcome::Full { dropped: ONE, wake: false });
        let (plain, assured) = desk.take();
        assert_eq!([plain, assured].concat(), strings(&["1", "2", "3"]));
        assert_eq!(desk.offer(qos, "5"), WAKE);
    }
}

#[test]
fn a_full_mailbox_drops_the_oldest() {
    for qos in [AtMostOnce, AtLeastOnce, ExactlyOnce] {
        let mut desk = Desk::connected(quota(DropOldest, 3, 1 << 20));
        for payload in ["1", "2", "3"] {
            desk.offer(qos, payload);
        }
        for payload in ["4", "5"] {
            assert_eq!(desk.offer(qos, payload), Outcome::MadeRoom { dropped: ONE, wake: false });
        }
        let (plain, assured) = desk.take();
        assert_eq!([plain, assured].concat(), strings(&["3", "4", "5"]));
    }
}

/// A new message takes the place of one of its own kind first, QoS 0 never that of a better one without need.
#[test]
fn which_ones_give_way() {
    let mut desk = Desk::connected(quota(DropOldest, 3, 1 << 20));
    for (qos, payload) in [(AtMostOnce, "a"), (AtLeastOnce, "1"), (AtMostOnce, "b")] {
        desk.offer(qos, payload);
    }
    desk.offer(ExactlyOnce, "2");
    desk.offer(AtMostOnce, "c");
    assert_eq!(desk.take(), (strings(&["b", "c"]), strings(&["2"])));

    for payload in ["1", "2", "3"] {
        desk.offer(AtLeastOnce, payload);
    }
    desk.offer(AtMostOnce, "a");
    assert_eq!(desk.take(), (strings(&["a"]), strings(&["2", "3"])));

    for payload in ["a", "b", "c"] {
        desk.offer(AtMostOnce, payload);
    }
    desk.offer(AtLeastOnce, "1");
    assert_eq!(desk.take(), (strings(&["b", "c"]), strings(&["1"])));
}

#[test]
fn a_full_mailbox_closes_the_connection() {
    for qos in [AtMostOnce, AtLeastOnce] {
        let mut desk = Desk::connected(quota(Disconnect, 2, 1 << 20));
        desk.offer(qos, "1");
        desk.offer(qos, "2");
        assert_eq!(desk.offer(qos, "3"), Outcome::Full { dropped: ONE, wake: true });
        assert_eq!(desk.offer(qos, "4"), Outcome::Full { dropped: ONE, wake: false }, "it has been told");
        let closing = desk.mailbox.look().expect("the connection is to close");
        assert_eq!(closing.reason, ReasonCode::QUOTA_EXCEEDED);
        assert!(closing.with_will);
    }
    // Without a client, there is nobody to disconnect.
    let mut desk = Desk::new(quota(Disconnect, 2, 1 << 20));
    for (payload, expected) in [("1", QUIET), ("2", QUIET), ("3", Outcome::Full { dropped: ONE, wake: false })] {
        assert_eq!(desk.offer(AtLeastOnce, payload), expected);
    }
    desk.connect(PLAIN);
    assert_eq!(desk.mailbox.look(), None);
    assert_eq!(desk.take().1, strings(&["1", "2"]));
}

#[test]
fn bytes_are_limited_too() {
    for qos in [AtMostOnce, AtLeastOnce] {
        let large = "x".repeat(1_000);
        let mut desk = Desk::connected(quota(DropNewest, 100, 5_000));
        let mut queued = 0;
        while matches!(desk.offer(qos, &large), Outcome::Queued { .. }) {
            queued += 1;
            assert!(desk.bytes() <= 5_000);
        }
        assert!((3..5).contains(&queued), "{queued}");
        assert!(desk.bytes() > 3_000);
        assert!(matches!(desk.offer(qos, "small"), Outcome::Queued { .. }), "what still fits is taken");
        desk.take();
        assert_eq!((desk.mailbox.messages(), desk.bytes()), (0, 0));

        let mut desk = Desk::connected(quota(DropOldest, 100, 5_000));
        for _ in 0..20 {
            desk.offer(qos, &large);
        }
        assert_eq!(desk.mailbox.messages(), queued);
        assert!(matches!(
            desk.offer(qos, &"y".repeat(2_500)),
            Outcome::MadeRoom { dropped: Gone { full: 2 | 3, expired: 0 }, .. }
        ));
        assert!(desk.bytes() <= 5_000);
    }
}

/// One message may always wait: else what is allowed to be published could never be delivered.
#[test]
fn one_message_may_be_larger_than_all_together() {
    for policy in [DropNewest, DropOldest, Disconnect] {
        for qos in [AtMostOnce, AtLeastOnce] {
            for size in [2_000, SHARED_PAYLOAD] {
                let mut desk = Desk::connected(quota(policy, 100, 1_000));
                let large = "x".repeat(size);
                assert!(matches!(desk.offer(qos, &large), Outcome::Queued { wake: true, .. }));
                let (plain, assured) = desk.take();
                assert_eq!([plain, assured].concat(), [large]);
            }
        }
    }
    let mut desk = Desk::connected(quota(DropOldest, 100, 1_000));
    for _ in 0..4 {
        desk.offer(AtLeastOnce, "1");
    }
    let waiting = desk.mailbox.messages();
    assert_eq!(
        desk.offer(AtLeastOnce, &"x".repeat(2_000)),
        Outcome::MadeRoom { dropped: Gone { full: waiting, expired: 0 }, wake: false },
        "all others give way to it"
    );
    assert_eq!(desk.mailbox.messages(), 1);
}

/// Whatever the policy is, what has expired has no claim on the room.
#[test]
fn expired_messages_give_way_first() {
    for policy in [DropNewest, DropOldest, Disconnect] {
        let mut desk = Desk::connected(quota(policy, 3, 1 << 20));
        let soon = desk.now + Duration::from_secs(1);
        for payload in ["old 1", "old 2"] {
            desk.offer_until(AtLeastOnce, payload, Some(soon), false);
        }
        desk.offer(AtLeastOnce, "1");
        desk.now = soon;
        for payload in ["2", "3"] {
            assert_eq!(
                desk.offer(AtLeastOnce, payload),
                Outcome::MadeRoom { dropped: Gone { full: 0, expired: 1 }, wake: false }
            );
        }
        assert_eq!(desk.mailbox.look(), None);
        assert_eq!(desk.take().1, strings(&["1", "2", "3"]));
    }
}

/// Half of the room is for publishers who have not noticed yet.
#[test]
fn publishers_wait_for_half_of_the_room() {
    let mut desk = Desk::connected(quota(DropNewest, 10, 1 << 20));
    let (alarm, waker) = Alarm::new();
    for _ in 0..4 {
        assert!(matches!(desk.offer(AtMostOnce, "x"), Outcome::Queued { crowded: false, .. }));
    }
    assert!(!desk.mailbox.await_room(&waker, &desk.quota));
    assert_eq!(desk.offer(AtMostOnce, "x"), Outcome::Queued { wake: false, crowded: true });
    for _ in 0..2 {
        assert!(desk.mailbox.await_room(&waker, &desk.quota));
    }
    desk.mailbox.release_publishers(&desk.quota);
    assert_eq!(alarm.rung(), 0, "there is no room yet");
    desk.take();
    assert_eq!(alarm.rung(), 1, "once, however often it has asked");
    assert!(!desk.mailbox.await_room(&waker, &desk.quota));
    desk.take();
    assert_eq!(alarm.rung(), 1);
}

#[test]
fn publishers_wait_for_bytes_too() {
    let mut desk = Desk::connected(quota(DropNewest, 1_000, 10_000));
    let mut offered = 0;
    while desk.offer(AtMostOnce, &"x".repeat(500)) != (Outcome::Queued { wake: false, crowded: true }) {
        offered += 1;
    }
    assert!((8..10).contains(&offered), "{offered}");
}

/// A receiver that does not keep up is not waited for again before it has caught up.
#[test]
fn publishers_give_up_on_a_lagging_receiver() {
    let mut desk = Desk::connected(quota(DropNewest, 10, 1 << 20));
    let (alarm, waker) = Alarm::new();
    let (other_alarm, other) = Alarm::new();
    for _ in 0..6 {
        desk.offer(AtMostOnce, "x");
    }
    assert!(desk.mailbox.await_room(&waker, &desk.quota) && desk.mailbox.await_room(&other, &desk.quota));
    desk.mailbox.give_up_waiting();
    assert_eq!((alarm.rung(), other_alarm.rung()), (1, 1), "all who wait go on");
    assert!(!desk.mailbox.await_room(&waker, &desk.quota));
    assert_eq!(desk.offer(AtMostOnce, "x"), QUIET);

    desk.mailbox.release_publishers(&desk.quota);
    assert!(!desk.mailbox.is_crowded(&desk.quota), "still lagging");
    desk.take();
    for _ in 0..5 {
        desk.offer(AtMostOnce, "x");
    }
    assert!(desk.mailbox.is_crowded(&desk.quota), "it has caught up, and may be waited for again");
}

/// Nobody can tell when a client comes back.
#[test]
fn publishers_do_not_wait_for_the_absent() {
    let (alarm, waker) = Alarm::new();
    let mut desk = Desk::connected(quota(DropNewest, 10, 1 << 20));
    for _ in 0..6 {
        desk.offer(AtMostOnce, "x");
    }
    assert!(desk.mailbox.await_room(&waker, &desk.quota));
    desk.disconnect();
    assert_eq!(alarm.rung(), 1);
    for _ in 0..6 {
        assert_eq!(desk.offer(AtLeastOnce, "x"), QUIET);
    }
    assert!(!desk.mailbox.await_room(&waker, &desk.quota));
    desk.connect(PLAIN);
    assert!(desk.mailbox.await_room(&waker, &desk.quota));
}

/// The acknowledgements of a client that waits itself are not read: two such clients would wait for each other.
#[test]
fn publishers_do_not_wait_for_acknowledgements_that_are_not_read() {
    for (qos, waits_for) in [(AtMostOnce, true), (AtLeastOnce, false)] {
        let (alarm, waker) = Alarm::new();
        let mut desk = Desk::connected(quota(DropNewest, 10, 1 << 20));
        for _ in 0..6 {
            desk.offer(qos, "x");
        }
        assert!(desk.mailbox.await_room(&waker, &desk.quota));
        desk.mailbox.set_owner_waits(true);
        assert_eq!(alarm.rung(), usize::from(!waits_for));
        assert_eq!(desk.mailbox.await_room(&waker, &desk.quota), waits_for, "{qos:?}");
        desk.mailbox.set_owner_waits(false);
        assert!(desk.mailbox.await_room(&waker, &desk.quota));
    }
}

#[test]
fn a_request_to_close() {
    let because = |words| Closing::by_broker(ReasonCode::SESSION_TAKEN_OVER, words);
    let mut mailbox = Mailbox::default();
    assert!(!mailbox.close(because("nobody is there")));
    assert_eq!(mailbox.look(), None);
    mailbox.connect(client(), PLAIN);
    assert!(mailbox.close(because("first")));
    assert!(!mailbox.close(because("second")));
    assert_eq!(mailbox.look(), Some(because("first")));
    assert_eq!(mailbox.close_request(), None);
    assert!(mailbox.close(because("third")));
    mailbox.disconnect();
    mailbox.connect(client(), PLAIN);
    assert_eq!(mailbox.look(), None, "it was meant for the connection before");
}

/// From before it takes messages: hooks that hear of it may want it to go.
#[test]
fn a_client_that_is_expected_may_be_asked_to_go() {
    let because = |words| Closing::by_broker(ReasonCode::SERVER_SHUTTING_DOWN, words);
    let mut mailbox = Mailbox::default();
    mailbox.expect(client(), Visit::default());
    assert!(mailbox.is_attended());
    assert!(mailbox.close(because("now")));
    mailbox.connect(client(), PLAIN);
    assert_eq!(mailbox.look(), Some(because("now")));
    mailbox.disconnect();
    assert!(!mailbox.is_attended());
    assert!(!mailbox.close(because("nobody is there")));
}

#[test]
fn a_client_that_comes_for_what_is_discarded_has_to_go() {
    let mut mailbox = Mailbox::default();
    mailbox.connect(client(), PLAIN);
    mailbox.disconnect();
    mailbox.discard();
    mailbox.expect(client(), Visit::default());
    mailbox.connect(client(), PLAIN);
    assert_eq!(mailbox.look(), Some(Closing::by_host(ReasonCode::ADMINISTRATIVE_ACTION)));
    mailbox.disconnect();
    assert!(mailbox.is_discarded(), "whoever ends the connection ends the session");
}

#[test]
fn withdrawing() {
    let mut desk = Desk::connected(quota(DropNewest, 100, 1 << 20));
    for payload in ["1", "22", "3", "44"] {
        desk.offer(AtLeastOnce, payload);
        desk.offer(AtMostOnce, payload);
    }
    assert!(desk.mailbox.withdraw(|delivery| delivery.message.payload.len() > 2).is_empty());
    let withdrawn = desk.mailbox.withdraw(|delivery| delivery.message.payload.len() == 2);
    let payload = |delivery: &Delivery| text(&delivery.message.payload);
    assert_eq!(withdrawn.iter().map(payload).collect::<Vec<_>>(), strings(&["22", "44"]));
    assert_eq!(desk.take(), (strings(&["1", "22", "3", "44"]), strings(&["1", "3"])));
    assert_eq!((desk.mailbox.messages(), desk.bytes()), (0, 0));
}

#[test]
fn clearing() {
    let mut desk = Desk::connected(quota(DropNewest, 10, 1 << 20));
    let (alarm, waker) = Alarm::new();
    for _ in 0..3 {
        desk.offer(AtMostOnce, "x");
        desk.offer(AtLeastOnce, "x");
    }
    assert!(desk.mailbox.await_room(&waker, &desk.quota));
    desk.mailbox.clear();
    assert_eq!((desk.mailbox.messages(), desk.bytes(), alarm.rung()), (0, 0, 1));
    assert_eq!(desk.take(), (strings(&[]), strings(&[])));
}

/// Retained messages are replayed as far as there is room, and push nothing out.
#[test]
fn room_for_a_replay() {
    let mut desk = Desk::connected(quota(DropNewest, 10, 1 << 20));
    let mut queued = 0;
    while desk.mailbox.room(&desk.quota) > 0 {
        let message = message(AtMostOnce, "t", "x", None::<Instant>);
        let outcome = desk.offer_delivery(deliver(message));
        assert!(matches!(outcome, Outcome::Queued { .. }));
        queued += 1;
    }
    assert_eq!(queued, 6);
    desk.take();
    assert_eq!(desk.mailbox.room(&desk.quota), 6);
}
