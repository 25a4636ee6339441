//! The accounts of a mailbox, whatever happens to it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{prop, proptest, Just, ProptestConfig, Strategy};
use proptest::{prop_assert, prop_assert_eq, prop_oneof};

use super::super::blocks::{Block, SHARED_PAYLOAD};
use super::super::delivery::Delivery;
use super::super::mailbox::{Outcome, Wants};
use super::desk::{quota, text, Alarm, Desk, PLAIN};
use super::wire::{self, Sent};
use crate::config::SlowConsumer;
use crate::limits::{Kind, Memory, Pressure, Share};
use crate::model::QoS;

#[derive(Clone, Debug)]
enum Action {
    Offer { qos: QoS, padding: usize, expires_in_s: Option<u64>, fan_out: bool },
    Wait(u64),
    Connect { aliases: bool, maximum_packet_size: usize },
    Disconnect,
    TakeEncoded(usize),
    TakePlain(usize),
    TakeAssured(usize),
    Withdraw,
    AwaitRoom,
    GiveUp,
    Press(Pressure),
    Clear,
}

const PRESSURES: &[Pressure] = &[Pressure::None, Pressure::Slow, Pressure::Tight, Pressure::Full, Pressure::Beyond];

fn action() -> impl Strategy<Value = Action> {
    let qos = prop::sample::select(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
    let padding = prop_oneof![8 => 0..200_usize, 1 => Just(SHARED_PAYLOAD), 1 => 1_000..2_000_usize];
    let offer = (qos, padding, prop::option::weighted(0.3, 0..3_u64), prop::bool::ANY);
    let maximum_packet_size = prop_oneof![3 => Just(usize::MAX), 1 => 50..300_usize];
    prop_oneof![
        20 => offer.prop_map(|(qos, padding, expires_in_s, fan_out)| Action::Offer { qos, padding, expires_in_s, fan_out }),
        2 => (1..3_u64).prop_map(Action::Wait),
        2 => (prop::bool::ANY, maximum_packet_size)
            .prop_map(|(aliases, maximum_packet_size)| Action::Connect { aliases, maximum_packet_size }),
        1 => Just(Action::Disconnect),
        2 => (1..2_000_usize).prop_map(Action::TakeEncoded),
        2 => (1..5_usize).prop_map(Action::TakePlain),
        2 => (1..5_usize).prop_map(Action::TakeAssured),
        1 => Just(Action::Withdraw),
        1 => Just(Action::AwaitRoom),
        1 => Just(Action::GiveUp),
        2 => prop::sample::select(PRESSURES).prop_map(Action::Press),
        1 => Just(Action::Clear),
    ]
}

/// Numbers of messages in the order in which they have come out.
#[derive(Default)]
struct Taken {
    numbers: Vec<u32>,
    bytes: usize,
}

impl Taken {
    fn number(&mut self, payload: &str) {
        self.numbers.push(payload.trim_end_matches('x').parse().expect("payloads begin with a number"));
    }

    fn blocks(&mut self, blocks: VecDeque<Block>) {
        let bytes: Vec<u8> = blocks.iter().flat_map(|block| block.bytes()).copied().collect();
        self.bytes += bytes.len();
        for packet in wire::packets(true, &bytes) {
            let Sent::Publish(publish) = packet else { panic!("a message, not {packet:?}") };
            self.number(&publish.payload);
        }
    }

    fn delivery(&mut self, delivery: &Delivery) {
        self.bytes += size_of::<Delivery>() + delivery.message.size();
        self.number(&text(&delivery.message.payload));
    }
}

fn policy() -> impl Strategy<Value = SlowConsumer> {
    prop::sample::select(&[SlowConsumer::DropNewest, SlowConsumer::DropOldest, SlowConsumer::Disconnect])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn accounts_do_not_drift(
        policy in policy(),
        max_messages in 1..12_usize,
        max_bytes in 200..6_000_usize,
        actions in vec(action(), 1..150),
    ) {
        let mut desk = Desk::new(quota(policy, max_messages, max_bytes));
        let (_alarm, waker) = Alarm::new();
        let memory = Arc::<Memory>::default();
        let share = Share::new(&memory, Kind::Queues, 0);
        let mut waiting = 0_usize;
        let mut largest = 0;
        let (mut plain, mut assured) = (Taken::default(), Taken::default());
        for (number, action) in actions.into_iter().enumerate() {
            match action {
                Action::Offer { qos, padding, expires_in_s, fan_out } => {
                    let expires_at = expires_in_s.map(|seconds| desk.now + Duration::from_secs(seconds));
                    let payload = format!("{number}{}", "x".repeat(padding));
                    largest = largest.max(padding + 500);
                    match desk.offer_until(qos, &payload, expires_at, fan_out) {
                        Outcome::Queued { .. } => waiting += 1,
                        // Either this one is there and others are not, or it is one of those that are not.
                        Outcome::MadeRoom { dropped, .. } | Outcome::Full { dropped, .. } => waiting = waiting + 1 - dropped.full - dropped.expired,
                        Outcome::Starved => {
                            let spared = qos != QoS::AtMostOnce && desk.pressure < Pressure::Full;
                            prop_assert!(desk.pressure >= Pressure::Tight && !spared);
                        }
                        Outcome::TooLarge | Outcome::Absent => {}
                    }
                }
                Action::Wait(seconds) => desk.now += Duration::from_secs(seconds),
                Action::Connect { aliases, maximum_packet_size } => {
                    waiting -= desk.disconnect();
                    desk.connect(Wants { aliases, maximum_packet_size, ..PLAIN });
                }
                Action::Disconnect => waiting -= desk.disconnect(),
                Action::TakeEncoded(max_bytes) => {
                    let mut blocks = VecDeque::new();
                    waiting -= desk.mailbox.take_encoded(&mut blocks, max_bytes);
                    plain.blocks(blocks);
                }
                Action::TakePlain(max) => {
                    let mut out = VecDeque::new();
                    desk.mailbox.take_plain(&mut out, max);
                    prop_assert!(out.len() <= max);
                    waiting -= out.len();
                    out.iter().for_each(|delivery| plain.delivery(delivery));
                }
                Action::TakeAssured(max) => {
                    for delivery in (0..max).map_while(|_| desk.mailbox.take_assured()) {
                        waiting -= 1;
                        assured.delivery(&delivery);
                    }
                }
                Action::Withdraw => {
                    let withdrawn = desk.mailbox.withdraw(|delivery| delivery.message.payload.len() % 3 == 0);
                    waiting -= withdrawn.len();
                }
                Action::AwaitRoom => {
                    let crowded = desk.mailbox.is_crowded(&desk.quota);
                    prop_assert_eq!(desk.mailbox.await_room(&waker, &desk.quota), crowded);
                }
                Action::GiveUp => {
                    desk.mailbox.give_up_waiting();
                    prop_assert!(!desk.mailbox.is_crowded(&desk.quota));
                }
                Action::Press(pressure) => desk.pressure = pressure,
                Action::Clear => {
                    desk.mailbox.clear();
                    waiting = 0;
                }
            }
            desk.mailbox.release_publishers(&desk.quota);
            prop_assert_eq!(desk.mailbox.messages(), waiting);
            prop_assert_eq!(desk.bytes() == 0, waiting == 0);
            share.set(desk.mailbox.memory());
            prop_assert_eq!(memory.held(Kind::Queues), desk.mailbox.memory() as u64);
            prop_assert_eq!(memory.used() == 0, waiting == 0);
            prop_assert!(waiting <= max_messages);
            prop_assert!(desk.bytes() <= max_bytes.max(largest));
        }

        let account = desk.bytes();
        let before = plain.bytes + assured.bytes;
        let mut blocks = VecDeque::new();
        desk.mailbox.take_encoded(&mut blocks, usize::MAX);
        plain.blocks(blocks);
        let mut out = VecDeque::new();
        desk.mailbox.take_plain(&mut out, usize::MAX);
        out.iter().for_each(|delivery| plain.delivery(delivery));
        while let Some(delivery) = desk.mailbox.take_assured() {
            assured.delivery(&delivery);
        }
        prop_assert_eq!(plain.bytes + assured.bytes - before, account);
        prop_assert_eq!((desk.mailbox.messages(), desk.bytes(), desk.mailbox.memory()), (0, 0, 0));
        for taken in [plain, assured] {
            prop_assert!(taken.numbers.windows(2).all(|pair| pair[0] < pair[1]), "out of order: {:?}", taken.numbers);
        }
    }
}
