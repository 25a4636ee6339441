//! What waits for one session, filled by whoever publishes and emptied by the session's connection.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use super::blocks::{Block, Blocks, SHARED_PAYLOAD};
use super::closing::Closing;
use super::delivery::{Delivery, Frames, Outgoing};
use super::excess::Excess;
use super::quota::SessionQuota;
use super::receiver::Receiver;
use super::replays::Replays;
use super::returns::Home;
use super::visit::Visit;
use crate::config::SlowConsumer;
use crate::hooks::DropCause;
use crate::limits::Pressure;
use crate::model::{Client, Message, QoS, ReasonCode};
use crate::router::{Group, Target};

/// What a connected client takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wants {
    pub(super) v5: bool,
    pub(super) maximum_packet_size: usize,
    /// It takes topic aliases, which only its connection can keep: nothing can be encoded for it in advance.
    pub(super) aliases: bool,
}

/// How a message is routed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// It goes to more than one receiver: encoding it once is worth a copy.
    pub(super) fan_out: bool,
    /// It may be encoded before its receiver's turn comes.
    pub(super) in_advance: bool,
}

/// Why a message did not reach a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    Expired,
    TooLarge,
}

impl From<Dropped> for DropCause {
    fn from(dropped: Dropped) -> Self {
        match dropped {
            Dropped::Expired => DropCause::Expired,
            Dropped::TooLarge => DropCause::TooLarge,
        }
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Queued {
        /// Nobody has told the connection yet that something waits.
        wake: bool,
        /// The publisher should wait until there is room again.
        crowded: bool,
    },
    /// It is queued, and older ones gave way to it.
    MadeRoom {
        dropped: Gone,
        wake: bool,
    },
    /// It was dropped, and perhaps others that had expired.
    Full {
        dropped: Gone,
        wake: bool,
    },
    TooLarge,
    /// There is too little memory for what waits here already.
    Starved,
    /// QoS 0 is not kept for a client that is not connected.
    Absent,
}

/// Messages that were dropped to make room, or for want of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Gone {
    pub(super) full: usize,
    pub(super) expired: usize,
}

impl Gone {
    fn one_more(self) -> Self {
        Gone { full: self.full + 1, ..self }
    }
}

/// Messages that were dropped, if somebody is told of them.
#[derive(Default)]
pub(super) struct Lost {
    pub(super) are_told: bool,
    pub(super) messages: Vec<(Arc<Message>, DropCause)>,
}

impl Lost {
    fn add(&mut self, message: &Arc<Message>, cause: DropCause) {
        if self.are_told {
            self.messages.push((message.clone(), cause));
        }
    }
}

/// What decides whether there is room for a message, what is lost of those that give way to it, and where it is encoded.
pub(super) struct Room<'a> {
    pub(super) quota: &'a SessionQuota,
    pub(super) now: Instant,
    pub(super) lost: &'a mut Lost,
    /// The message, encoded for receivers before.
    pub(super) frames: &'a mut Frames,
    /// Who brings it.
    pub(super) home: Home,
    /// How near the broker is to its memory budget.
    pub(super) pressure: Pressure,
    /// What is in flight to the client, as the memory budget counts it.
    pub(super) in_flight: usize,
}

/// What may wait for a session that keeps up, or be in flight to it: it gets its messages however little memory is left
/// because of others.
pub(super) const MODEST: usize = 16 * 1024;

/// Places for messages that a queue keeps when it is empty: making room for each batch again costs more than they take.
pub(super) const KEPT_PLACES: usize = 128;

/// What messages come to that are not encoded.
#[derive(Clone, Copy, Default)]
struct Load {
    /// As the quota counts it.
    bytes: usize,
    /// As the memory budget counts it.
    memory: usize,
}

impl Load {
    fn add(&mut self, delivery: &Delivery) {
        let size = delivery.size();
        self.bytes += size;
        self.memory += delivery.memory_of(size);
    }

    fn take(&mut self, delivery: &Delivery) {
        let size = delivery.size();
        self.bytes -= size;
        self.memory -= delivery.memory_of(size);
    }
}

#[derive(Default)]
pub(super) struct Mailbox {
    /// The last connection that has come for the messages.
    client: Option<Arc<Client>>,
    wants: Option<Wants>,
    visit: Visit,
    /// A connection is there, or is about to come.
    attended: bool,
    /// The host program wants no more of the session.
    discarded: bool,
    /// Subscriptions that the host program has made for the client, and that are still to get retained messages.
    replays: Option<Box<Replays>>,
    /// QoS 0, encoded.
    encoded: Blocks,
    /// QoS 0 that has to be encoded by the connection, behind what is encoded.
    plain: VecDeque<Delivery>,
    /// QoS 1 and 2.
    assured: VecDeque<Delivery>,
    /// What `plain` and `assured` come to.
    load: Load,
    notified: bool,
    /// Publishers have waited in vain: they do not wait again before everything has been taken.
    lagging: bool,
    owner_waits: bool,
    close: Option<Box<Closing>>,
    publishers: Vec<Waker>,
}

impl Mailbox {
    /// A client is about to come for the messages. From now on it may be asked to go.
    pub(super) fn expect(&mut self, client: Arc<Client>, visit: Visit) {
        self.client = Some(client);
        self.visit = visit;
        self.attended = true;
        if self.discarded {
            // The host program said so while the client was already on its way.
            self.close(Closing::by_host(ReasonCode::ADMINISTRATIVE_ACTION));
        }
    }

    /// A client has come for the messages.
    pub(super) fn connect(&mut self, client: Arc<Client>, wants: Wants) {
        self.client = Some(client);
        self.wants = Some(wants);
        self.attended = true;
        self.notified = true;
        self.lagging = false;
        self.owner_waits = false;
    }

    pub(super) fn client(&self) -> Option<&Arc<Client>> {
        self.client.as_ref()
    }

    /// That of the last connection.
    pub(super) fn visit(&self) -> &Visit {
        &self.visit
    }

    pub(super) fn visit_mut(&mut self) -> &mut Visit {
        &mut self.visit
    }

    pub(super) fn is_attended(&self) -> bool {
        self.attended
    }

    /// The session is to end, as soon as nobody is in it any more.
    pub(super) fn discard(&mut self) {
        self.discarded = true;
    }

    pub(super) fn is_discarded(&self) -> bool {
        self.discarded
    }

    /// What the host program has subscribed the client to since the connection has looked.
    pub(super) fn take_replays(&mut self) -> Option<Box<Replays>> {
        self.replays.take()
    }

    pub(super) fn replays(&mut self) -> &mut Replays {
        self.replays.get_or_insert_default()
    }

    pub(super) fn cancel_replay(&mut self, filter: &str) {
        if let Some(replays) = &mut self.replays {
            replays.cancel(filter);
        }
    }

    /// Something has come that is no message; whether the connection has to be woken.
    pub(super) fn notify(&mut self) -> bool {
        self.wants.is_some() && !std::mem::replace(&mut self.notified, true)
    }

    /// The client is gone: how many encoded messages, and which others, are dropped because they are not kept for it.
    pub(super) fn disconnect(&mut self) -> (usize, VecDeque<Delivery>) {
        self.wants = None;
        for delivery in &mut self.assured {
            delivery.receipt = None;
        }
        self.attended = false;
        self.close = None;
        let plain = std::mem::take(&mut self.plain);
        plain.iter().for_each(|delivery| self.load.take(delivery));
        self.wake_publishers();
        (self.encoded.clear(), plain)
    }

    pub(super) fn messages(&self) -> usize {
        self.encoded.messages() + self.plain.len() + self.assured.len()
    }

    /// What the messages take, as the quota counts it.
    pub(super) fn bytes(&self) -> usize {
        self.encoded.bytes() + self.load.bytes
    }

    /// What the messages take, as the memory budget counts it.
    pub(super) fn memory(&self) -> usize {
        self.encoded.memory() + self.load.memory
    }

    /// Takes a message in, by the rules of `quota`.
    pub(super) fn offer(
        &mut self,
        outgoing: &mut Outgoing<'_>,
        target: &Target<Receiver>,
        group: Option<&Arc<Group<Receiver>>>,
        way: Way,
        room: Room<'_>,
    ) -> Outcome {
        let qos = target.qos.min(outgoing.source.qos);
        // [MQTT-3.3.1-12], [MQTT-3.3.1-13]
        let retain = outgoing.source.retain && target.retain_as_published;
        if qos == QoS::AtMostOnce {
            let Some(wants) = self.wants else { return Outcome::Absent };
            let ids = target.identifiers.as_slice();
            if way.in_advance
                && self.plain.is_empty()
                && !wants.aliases
                && outgoing.source.expires_at.is_none()
                && (ids.is_empty() || !wants.v5)
            {
                return self.offer_encoded(outgoing, wants, retain, way.fan_out, room);
            }
        }
        let message = outgoing.message().clone();
        let (identifiers, group) = (target.identifiers.clone(), group.cloned());
        // Nobody waits for the acknowledgement of a client that is not there.
        let receipt = if self.wants.is_some() { outgoing.token(qos) } else { None };
        let home = room.home;
        self.offer_delivery(Delivery { message, qos, retain, identifiers, group, receipt, home }, room)
    }

    fn offer_encoded(
        &mut self,
        outgoing: &mut Outgoing<'_>,
        wants: Wants,
        retain: bool,
        fan_out: bool,
        mut room: Room<'_>,
    ) -> Outcome {
        let large = outgoing.source.payload.len() >= SHARED_PAYLOAD;
        if fan_out && !large {
            let len = room.frames.get(outgoing, wants.v5).len();
            if len > wants.maximum_packet_size {
                return Outcome::TooLarge; // [MQTT-3.1.2-24]
            }
            let dropped = match self.make_room(len, QoS::AtMostOnce, &mut room) {
                Ok(dropped) => dropped,
                Err(refusal) => return refusal,
            };
            let packet = self.encoded.push_encoded(room.frames.get(outgoing, wants.v5));
            packet[0] |= u8::from(retain);
            return self.queued(dropped, room.quota);
        }
        let len = outgoing.head(wants.v5, retain).packet_len();
        if len > wants.maximum_packet_size {
            return Outcome::TooLarge; // [MQTT-3.1.2-24]
        }
        let dropped = match self.make_room(len, QoS::AtMostOnce, &mut room) {
            Ok(dropped) => dropped,
            Err(refusal) => return refusal,
        };
        let payload = if large { outgoing.payload_to_share().clone() } else { outgoing.source.payload.clone() };
        self.encoded.push(len, &payload, |out| {
            outgoing.head(wants.v5, retain).encode(out);
        });
        self.queued(dropped, room.quota)
    }

    /// Takes in a message that is kept.
    pub(super) fn offer_delivery(&mut self, delivery: Delivery, mut room: Room<'_>) -> Outcome {
        if delivery.qos == QoS::AtMostOnce && self.wants.is_none() {
            return Outcome::Absent;
        }
        let dropped = match self.make_room(delivery.size(), delivery.qos, &mut room) {
            Ok(dropped) => dropped,
            Err(refusal) => {
                let starved = refusal == Outcome::Starved;
                let cause = if starved { DropCause::Memory } else { DropCause::QueueFull };
                room.lost.add(&delivery.message, cause);
                return refusal;
            }
        };
        self.load.add(&delivery);
        match delivery.qos {
            QoS::AtMostOnce => self.plain.push_back(delivery),
            _ => self.assured.push_back(delivery),
        }
        self.queued(dropped, room.quota)
    }

    fn queued(&mut self, dropped: Gone, quota: &SessionQuota) -> Outcome {
        let wake = self.notify();
        if dropped == Gone::default() {
            Outcome::Queued { wake, crowded: self.is_crowded(quota) }
        } else {
            Outcome::MadeRoom { dropped, wake }
        }
    }

    /// Makes room for a message of `len` bytes; how many others gave way, or what to say if none did.
    fn make_room(&mut self, len: usize, qos: QoS, room: &mut Room<'_>) -> Result<Gone, Outcome> {
        if room.pressure >= Pressure::Tight && self.starves(len, qos, room) {
            return Err(Outcome::Starved);
        }
        let (quota, now, lost) = (room.quota, room.now, &mut *room.lost);
        let mut dropped = Gone::default();
        while self.messages() >= quota.max_messages() || self.bytes() + len > quota.max_bytes().max(len) {
            // What has expired has no claim on the room.
            if self.assured.front().is_some_and(|oldest| oldest.message.is_expired(now)) {
                if let Some(expired) = self.pop_assured() {
                    lost.add(&expired.message, DropCause::Expired);
                }
                dropped.expired += 1;
                continue;
            }
            let made = match quota.policy() {
                SlowConsumer::DropOldest => self.drop_oldest(qos, lost),
                SlowConsumer::DropNewest => false,
                SlowConsumer::Disconnect => {
                    if self.wants.is_some() && self.close.is_none() {
                        let closing = Closing::beyond(
                            Excess::ClosedSlow,
                            ReasonCode::QUOTA_EXCEEDED,
                            "too slow for its messages",
                        );
                        self.close = Some(Box::new(closing));
                        self.notified = true;
                        return Err(Outcome::Full { dropped: dropped.one_more(), wake: true });
                    }
                    false
                }
            };
            if !made {
                let wake = self.notify();
                return Err(Outcome::Full { dropped: dropped.one_more(), wake });
            }
            dropped = dropped.one_more();
        }
        Ok(dropped)
    }

    /// Whether a message is one too many for the memory that is left.
    fn starves(&self, len: usize, qos: QoS, room: &Room<'_>) -> bool {
        let spares_it = qos != QoS::AtMostOnce && room.pressure < Pressure::Full;
        room.pressure == Pressure::Beyond || (!spares_it && self.has_backlog(len, room.in_flight))
    }

    /// Whether more waits, or is in flight, than for somebody who keeps up, with `len` bytes that are to come. One message
    /// is nothing unusual, whatever its size.
    pub(super) fn has_backlog(&self, len: usize, in_flight: usize) -> bool {
        let before = self.bytes() + in_flight;
        before > 0 && before + len > MODEST
    }

    /// Drops the oldest message, of those of the new one's kind first.
    fn drop_oldest(&mut self, qos: QoS, lost: &mut Lost) -> bool {
        let mut oldest = if qos == QoS::AtMostOnce { None } else { self.pop_assured() };
        if oldest.is_none() {
            if self.encoded.drop_front() {
                return true;
            }
            oldest = self.pop_plain().or_else(|| self.pop_assured());
        }
        if let Some(oldest) = &oldest {
            lost.add(&oldest.message, DropCause::QueueFull);
        }
        oldest.is_some()
    }

    fn pop_assured(&mut self) -> Option<Delivery> {
        let delivery = self.assured.pop_front()?;
        self.load.take(&delivery);
        if self.assured.is_empty() && self.assured.capacity() > KEPT_PLACES {
            self.assured = VecDeque::new();
        }
        Some(delivery)
    }

    fn pop_plain(&mut self) -> Option<Delivery> {
        let delivery = self.plain.pop_front()?;
        self.load.take(&delivery);
        if self.plain.is_empty() {
            self.plain = VecDeque::new();
        }
        Some(delivery)
    }

    /// Whether publishers should wait. Half of the room is left then, for those who have not noticed yet.
    pub(super) fn is_crowded(&self, quota: &SessionQuota) -> bool {
        let much = 2 * self.messages() >= quota.max_messages() || 2 * self.bytes() >= quota.max_bytes();
        // Nobody waits for a client that is away, or that kept others waiting, or whose acknowledgements are not read
        // because it waits itself.
        let stuck = self.lagging || (self.owner_waits && !self.assured.is_empty());
        much && self.wants.is_some() && !stuck
    }

    /// Tells whether the client of this session is a publisher that waits for another receiver.
    pub(super) fn set_owner_waits(&mut self, waits: bool) {
        self.owner_waits = waits;
        if waits && !self.assured.is_empty() {
            self.wake_publishers();
        }
    }

    /// Has `waker` woken when there is room again; `false` if there is.
    pub(super) fn await_room(&mut self, waker: &Waker, quota: &SessionQuota) -> bool {
        if !self.is_crowded(quota) {
            return false;
        }
        if !self.publishers.iter().any(|waiting| waiting.will_wake(waker)) {
            self.publishers.push(waker.clone());
        }
        true
    }

    /// A publisher has waited in vain.
    pub(super) fn give_up_waiting(&mut self) {
        self.lagging = true;
        self.wake_publishers();
    }

    /// Wakes the publishers that wait, if there is room for them.
    pub(super) fn release_publishers(&mut self, quota: &SessionQuota) {
        if self.messages() == 0 {
            self.lagging = false;
        }
        if !self.publishers.is_empty() && !self.is_crowded(quota) {
            self.wake_publishers();
        }
    }

    fn wake_publishers(&mut self) {
        for publisher in std::mem::take(&mut self.publishers) {
            publisher.wake();
        }
    }

    /// Whether there is nothing that the connection could do.
    pub(super) fn is_at_rest(&self) -> bool {
        self.messages() == 0 && self.replays.is_none() && self.publishers.is_empty() && !self.lagging
    }

    /// The connection has looked: whatever comes from now on has to wake it.
    pub(super) fn look(&mut self) -> Option<Closing> {
        self.notified = false;
        self.close_request()
    }

    /// Moves encoded packets to `out`, `max_bytes` and what the last block has besides; how many messages.
    pub(super) fn take_encoded(&mut self, out: &mut VecDeque<Block>, max_bytes: usize) -> usize {
        let before = self.encoded.messages();
        self.encoded.take(out, max_bytes);
        before - self.encoded.messages()
    }

    /// Moves up to `max` messages of QoS 0 to `out` if nothing older is encoded.
    pub(super) fn take_plain(&mut self, out: &mut VecDeque<Delivery>, max: usize) {
        if self.encoded.is_empty() {
            for _ in 0..max {
                let Some(delivery) = self.pop_plain() else { break };
                out.push_back(delivery);
            }
        }
    }

    /// How many messages of QoS 1 or 2 wait.
    pub(super) fn assured(&self) -> usize {
        self.assured.len()
    }

    /// The next message of QoS 1 or 2.
    pub(super) fn take_assured(&mut self) -> Option<Delivery> {
        self.pop_assured()
    }

    /// How many more messages may be put here without pushing others out: half of what the quota leaves.
    pub(super) fn room(&self, quota: &SessionQuota) -> usize {
        if 2 * self.bytes() >= quota.max_bytes() {
            return 0;
        }
        (quota.max_messages() / 2 + 1).saturating_sub(self.messages())
    }

    /// Puts back what has been taken but not sent, in its order: for the next connection, or, with QoS 0, to be dropped with
    /// what waits.
    pub(super) fn put_back(&mut self, deliveries: impl DoubleEndedIterator<Item = Delivery>) {
        for delivery in deliveries.rev() {
            self.load.add(&delivery);
            match delivery.qos {
                QoS::AtMostOnce => self.plain.push_front(delivery),
                _ => self.assured.push_front(delivery),
            }
        }
    }

    /// Why the connection should close, if it should.
    pub(super) fn close_request(&mut self) -> Option<Closing> {
        self.close.take().map(|closing| *closing)
    }

    /// Takes out the waiting messages that `choose` wants.
    pub(super) fn withdraw(&mut self, choose: impl Fn(&Delivery) -> bool) -> Vec<Delivery> {
        if !self.assured.iter().any(&choose) {
            return Vec::new();
        }
        let (withdrawn, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.assured).into_iter().partition(choose);
        self.assured = kept.into();
        withdrawn.iter().for_each(|delivery| self.load.take(delivery));
        withdrawn
    }

    /// Asks the connection to close; whether it has to be woken. The first reason counts.
    pub(super) fn close(&mut self, closing: Closing) -> bool {
        if !self.attended || self.close.is_some() {
            return false;
        }
        self.close = Some(Box::new(closing));
        self.notified = true;
        true
    }

    /// Forgets everything, with the session.
    pub(super) fn clear(&mut self) {
        self.wake_publishers();
        let (client, close) = (self.client.take(), self.close.take());
        *self = Mailbox { client, close, attended: self.attended, discarded: self.discarded, ..Mailbox::default() };
    }
}
