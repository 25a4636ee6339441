use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Instant;

use bytes::Bytes;

use super::super::delivery::{Delivery, Frames, Outgoing, Source};
use super::super::handle::Handle;
use super::super::mailbox::{Lost, Mailbox, Outcome, Room, Wants, Way};
use super::super::quota::{Quota, SessionQuota, SharedQuota};
use super::super::receiver::Receiver;
use super::super::returns::Home;
use super::wire::{self, Sent};
use crate::config::SlowConsumer;
use crate::limits::Pressure;
use crate::model::{Client, Origin, Protocol, QoS, Text};
use crate::router::{Identifiers, Target};

/// What a client gets as it is encoded for all.
pub(super) const PLAIN: Wants = Wants { v5: true, maximum_packet_size: usize::MAX, aliases: false };

pub(super) fn quota(policy: SlowConsumer, max_messages: usize, max_bytes: usize) -> Arc<SharedQuota> {
    Arc::new(SharedQuota::new(Quota { max_messages, max_bytes, policy }))
}

pub(in crate::session) fn client() -> Arc<Client> {
    let text = Text::from;
    Arc::new(Client {
        id: text("c"),
        username: None,
        address: text("127.0.0.1:1"),
        listener: text("main"),
        node_id: 1,
        serial: 1,
        protocol: Protocol::V5,
        superuser: false,
    })
}

/// A mailbox, and a publisher who fills it.
pub(super) struct Desk {
    pub(super) mailbox: Mailbox,
    pub(super) quota: SessionQuota,
    pub(super) now: Instant,
    pub(super) topic: &'static str,
    pub(super) retain: bool,
    pub(super) target: Target<Receiver>,
    pub(super) lost: Lost,
    frames: Frames,
    pub(super) pressure: Pressure,
}

impl Desk {
    pub(super) fn new(quota: Arc<SharedQuota>) -> Desk {
        let handle = Arc::new(Handle::new(1, Text::from("c"), quota.clone(), &Arc::default()));
        let target = Target {
            key: handle.key(),
            subscriber: Receiver::Session(handle),
            qos: QoS::ExactlyOnce,
            retain_as_published: false,
            identifiers: Identifiers::default(),
        };
        Desk {
            mailbox: Mailbox::default(),
            quota: SessionQuota::new(quota),
            now: Instant::now(),
            topic: "t",
            retain: false,
            target,
            lost: Lost::default(),
            frames: Frames::default(),
            pressure: Pressure::None,
        }
    }

    pub(super) fn connected(quota: Arc<SharedQuota>) -> Desk {
        let mut desk = Desk::new(quota);
        desk.connect(PLAIN);
        desk.mailbox.look();
        desk
    }

    pub(super) fn connect(&mut self, wants: Wants) {
        self.mailbox.connect(client(), wants);
    }

    /// How many messages are dropped.
    pub(super) fn disconnect(&mut self) -> usize {
        let (encoded, plain) = self.mailbox.disconnect();
        encoded + plain.len()
    }

    pub(super) fn offer_delivery(&mut self, delivery: Delivery) -> Outcome {
        let Desk { quota, lost, frames, .. } = self;
        let room =
            Room { quota, now: self.now, lost, frames, home: Home::here(), pressure: self.pressure, in_flight: 0 };
        self.mailbox.offer_delivery(delivery, room)
    }

    pub(super) fn offer(&mut self, qos: QoS, payload: &str) -> Outcome {
        self.offer_until(qos, payload, None, false)
    }

    /// Offers a message that expires, maybe to others as well.
    pub(super) fn offer_until(
        &mut self,
        qos: QoS,
        payload: &str,
        expires_at: Option<Instant>,
        fan_out: bool,
    ) -> Outcome {
        let (payload, properties) = (Bytes::copy_from_slice(payload.as_bytes()), Bytes::new());
        let source = Source {
            topic: self.topic,
            payload: &payload,
            qos,
            retain: self.retain,
            properties: &properties,
            expires_at,
            origin: Origin::Client,
            publisher: None,
            receipt: None,
        };
        let mut outgoing = Outgoing::new(source);
        let way = Way { fan_out, in_advance: true };
        let Desk { quota, lost, frames, .. } = self;
        frames.clear();
        let room =
            Room { quota, now: self.now, lost, frames, home: Home::here(), pressure: self.pressure, in_flight: 0 };
        self.mailbox.offer(&mut outgoing, &self.target, None, way, room)
    }

    /// Takes what waits, as a connection does: QoS 0, then the others.
    pub(super) fn take(&mut self) -> (Vec<String>, Vec<String>) {
        let mut blocks = VecDeque::new();
        self.mailbox.look();
        self.mailbox.take_encoded(&mut blocks, usize::MAX);
        let bytes: Vec<u8> = blocks.iter().flat_map(|block| block.bytes()).copied().collect();
        let packets = wire::packets(true, &bytes).into_iter();
        let mut plain: Vec<_> = packets
            .map(|packet| match packet {
                Sent::Publish(publish) => publish.payload,
                other => panic!("a message, not {other:?}"),
            })
            .collect();
        let mut deliveries = VecDeque::new();
        self.mailbox.take_plain(&mut deliveries, usize::MAX);
        plain.extend(deliveries.iter().map(|delivery| text(&delivery.message.payload)));
        let assured = std::iter::from_fn(|| self.mailbox.take_assured());
        let assured = assured.map(|delivery| text(&delivery.message.payload)).collect();
        self.mailbox.release_publishers(&self.quota);
        (plain, assured)
    }

    /// What the messages take, by the mailbox's own account: there is room as long as half of the quota is left.
    pub(super) fn bytes(&self) -> usize {
        let has_room = |max_bytes| {
            let quota = SessionQuota::new(quota(self.quota.policy(), usize::MAX, max_bytes));
            self.mailbox.room(&quota) > 0
        };
        let (mut none, mut some) = (0, 1 << 40);
        assert!(!has_room(none) && has_room(some));
        while some - none > 1 {
            let middle = none + (some - none) / 2;
            *(if has_room(middle) { &mut some } else { &mut none }) = middle;
        }
        none / 2
    }
}

pub(super) fn text(payload: &[u8]) -> String {
    String::from_utf8(payload.to_vec()).expect("payloads of tests are text")
}

/// Counts how often it is woken.
#[derive(Default)]
pub(super) struct Alarm(AtomicUsize);

impl Alarm {
    pub(super) fn new() -> (Arc<Alarm>, Waker) {
        let alarm = Arc::new(Alarm::default());
        (alarm.clone(), Waker::from(alarm))
    }

    pub(super) fn rung(&self) -> usize {
        self.0.load(Relaxed)
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}
