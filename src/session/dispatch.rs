//! The way of a message from its publisher to the sessions that get it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::MutexGuard;

use super::counters::add;
use super::delivery::{Delivery, Frames, Outgoing, Source};
use super::excess::Excess;
use super::handle::Handle;
use super::hub::{key_of, Hub};
use super::in_process::Pushed;
use super::mailbox::{Dropped, Lost, Mailbox, Outcome, Room, Way};
use super::receiver::{host_key, Receiver};
use super::returns::{Done, Home};
use super::routes::{Route, Routes};
use crate::hooks::{DropCause, Event, Hook, HookSet, MessagePublished};
use crate::limits::{Kind, Memory, Pressure};
use crate::model::topic::{self, TopicError};
use crate::model::{Client, Message, Origin};
use crate::router::{Group, Identifiers, Target};

/// Deliveries after which a batch ends: with many receivers for each message, others should not have to wait for long.
const DELIVERIES_PER_BATCH: usize = 4096;

/// Receivers that are woken before others get their turn.
const WAKES_PER_TURN: usize = 64;

/// What queues may grow by before the memory account is told, which it is when a batch is over, too.
const UNTOLD_BYTES: i64 = 64 * 1024;

/// Routes the messages of one publisher, a batch at a time: sessions are filled first, and woken once when the batch is
/// over.
pub(super) struct Dispatch {
    /// The key of the publisher's own subscriptions.
    publisher: Option<u64>,
    /// `None` while nothing is remembered: most clients publish nothing.
    routes: Option<Box<Routes>>,
    batch: Batch,
}

/// What a batch has come to so far.
struct Batch {
    memory: Arc<Memory>,
    /// What queues have grown by, and the memory account does not know yet.
    untold: i64,
    /// The last message, as it has been encoded.
    frames: Frames,
    /// The thread that this is done by.
    home: Home,
    /// Messages that the publisher has acknowledged as a receiver.
    done: Done,
    /// Those who are to be woken, in the order in which they have got something.
    touched: VecDeque<Receiver>,
    lost: Lost,
    /// Deliveries of this batch.
    deliveries: usize,
    /// Receivers that the last message has been queued for.
    queued: usize,
    /// Receivers for which there was too little memory to queue the last message.
    starved: usize,
    /// There is little memory, and something of this batch takes more of it for a while.
    burdens: bool,
    /// A session that the publisher should wait for.
    crowded: Option<Receiver>,
}

impl Dispatch {
    pub(super) fn new(memory: &Arc<Memory>, publisher: Option<u64>) -> Self {
        let batch = Batch {
            memory: memory.clone(),
            untold: 0,
            frames: Frames::default(),
            home: Home::here(),
            done: Done::default(),
            touched: VecDeque::new(),
            lost: Lost::default(),
            deliveries: 0,
            queued: 0,
            starved: 0,
            burdens: false,
            crowded: None,
        };
        Dispatch { publisher, routes: None, batch }
    }

    /// Routes a message; to how many receivers. The topic is checked.
    pub(super) fn publish(&mut self, hub: &Hub, outgoing: Outgoing<'_>, now: Instant) -> Result<usize, TopicError> {
        let mut outgoing = outgoing;
        let Dispatch { publisher, routes, batch } = self;
        let routes = routes.get_or_insert_default();
        batch.begin();
        let retains = outgoing.source.retain && !outgoing.source.payload.is_empty();
        outgoing.count(hub.memory(), if retains { Kind::Retained } else { Kind::Queues });
        batch.burdens |= retains;
        let mut kept = None;
        if outgoing.source.retain {
            topic::check_name(outgoing.source.topic, hub.max_topic_levels())?;
            let look_up = hub.look_ups().begin();
            kept = Some((hub.retain(&mut outgoing, now), look_up));
        }
        let Route { topic, matched } = match routes.find(outgoing.source.topic, hub.router().generation()) {
            Some(place) => routes.at(place),
            None => {
                topic::check_name(outgoing.source.topic, hub.max_topic_levels())?;
                routes.add(outgoing.source.topic, hub.router().matches(outgoing.source.topic, *publisher))
            }
        };
        outgoing.keep_topic(topic);
        if let Some((kept, look_up)) = kept {
            if let Some(retained) = &kept.retained {
                retained.matched(matched.generation);
            }
            drop(look_up);
            hub.has_retained(&kept, outgoing.message());
        }
        let way = Way { fan_out: matched.targets.len() > 1, in_advance: in_advance(hub) };
        for target in &matched.targets {
            batch.deliver(hub, &mut outgoing, target, None, way, now);
        }
        let mut receivers = matched.targets.len();
        for group in &matched.groups {
            let publisher = outgoing.source.publisher.map(|client| &*client.id);
            if let Some(target) = group.pick(outgoing.source.topic, publisher, None) {
                batch.deliver(hub, &mut outgoing, &target, Some(group), way, now);
                receivers += 1;
            }
        }
        batch.over(hub, &mut outgoing, receivers);
        Ok(receivers)
    }

    /// Delivers a message to one session, whatever its subscriptions.
    pub(super) fn deliver_to(&mut self, hub: &Hub, handle: &Arc<Handle>, delivery: Delivery, now: Instant) {
        self.batch.deliver_to(hub, handle, delivery, now);
    }

    /// Delivers a message to the session of one client, whatever it is subscribed to.
    pub(super) fn send_to(&mut self, hub: &Hub, handle: &Arc<Handle>, mut outgoing: Outgoing<'_>, now: Instant) {
        self.batch.begin();
        let qos = outgoing.source.qos;
        let receipt = if handle.is_online() { outgoing.token(qos) } else { None };
        let (message, home) = (outgoing.message().clone(), self.batch.home);
        let delivery =
            Delivery { message, qos, retain: false, identifiers: Identifiers::default(), group: None, receipt, home };
        self.batch.deliver_to(hub, handle, delivery, now);
        self.batch.over(hub, &mut outgoing, 1);
    }

    /// Gives a message that a shared subscription's member cannot take to another member.
    pub(super) fn redispatch(&mut self, hub: &Hub, delivery: Delivery, departed: Departed<'_>, now: Instant) {
        self.batch.redispatch(hub, delivery, departed, now);
    }

    /// Notes what else has changed of what messages take. The account is told of it at the end of the batch at the latest.
    pub(super) fn grow(&mut self, by: i64) {
        self.batch.untold += by;
    }

    /// Tells the account what has changed of what messages take.
    pub(super) fn tell_memory(&mut self) {
        self.batch.tell_memory();
    }

    /// Whether the publisher should be slowed down, because there is little memory and this batch takes more of it than
    /// messages that are on their way at once.
    pub(super) fn take_burden(&mut self) -> bool {
        std::mem::take(&mut self.batch.burdens) && self.batch.memory.pressure() >= Pressure::Slow
    }

    /// Whether nobody has got the last message, because there is too little memory.
    pub(super) fn is_starved(&self) -> bool {
        self.batch.queued == 0 && self.batch.starved > 0
    }

    /// Begins a batch, which the current thread does all of.
    pub(super) fn begin(&mut self) {
        self.batch.home = Home::here();
    }

    /// The client has acknowledged a message.
    pub(super) fn done_with(&mut self, message: Arc<Message>, home: Home) {
        self.batch.done.add(message, home, self.batch.home);
    }

    /// Brings messages that nobody needs any more back to where they were made.
    pub(super) fn bring_back(&mut self, hub: &Hub) {
        self.batch.done.bring(hub.returns());
    }

    /// Ends a batch. Some of those who have got something are woken, see [`Dispatch::wake_some`].
    pub(super) fn end_batch(&mut self) {
        self.batch.deliveries = 0;
        self.tell_memory();
        self.wake_some();
    }

    /// Wakes some of those who have got something: whoever has nothing to do with them gets a turn before all of them have had
    /// theirs.
    pub(super) fn wake_some(&mut self) {
        for _ in 0..WAKES_PER_TURN {
            let Some(receiver) = self.batch.touched.pop_front() else { break };
            receiver.wake();
        }
    }

    /// Whether there are others to be woken.
    pub(super) fn has_to_wake(&self) -> bool {
        !self.batch.touched.is_empty()
    }

    /// Ends a batch: wakes all who have got something.
    pub(super) fn flush(&mut self) {
        self.batch.deliveries = 0;
        self.tell_memory();
        for receiver in self.batch.touched.drain(..) {
            receiver.wake();
        }
    }

    /// Gives up memory while nothing is published.
    pub(super) fn rest(&mut self) {
        self.routes = self.routes.take().filter(|routes| routes.may_stay());
        self.batch.frames = Frames::default();
        if self.batch.touched.is_empty() {
            self.batch.touched = VecDeque::new();
        }
        self.batch.done.rest();
    }

    /// A session of the batch whose queue is filling up.
    pub(super) fn take_crowded(&mut self) -> Option<Receiver> {
        self.batch.crowded.take()
    }

    /// Whether the batch should end here.
    pub(super) fn is_full(&self) -> bool {
        self.batch.crowded.is_some() || self.batch.deliveries >= DELIVERIES_PER_BATCH
    }
}

impl Drop for Dispatch {
    /// Whatever has become of the publisher: receivers that have been promised to be woken are.
    fn drop(&mut self) {
        self.flush();
    }
}

impl Batch {
    /// The next message.
    fn begin(&mut self) {
        (self.queued, self.starved) = (0, 0);
        self.frames.clear();
    }

    /// A message has been given to all who get it.
    fn over(&mut self, hub: &Hub, outgoing: &mut Outgoing<'_>, receivers: usize) {
        self.deliveries += receivers;
        if let Some(receipt) = outgoing.source.receipt {
            receipt.routed(self.queued);
        }
        if hub.callbacks().wants_any(PUBLISHED) {
            tell_published(hub, outgoing.message(), receivers);
        }
    }

    fn deliver(
        &mut self,
        hub: &Hub,
        outgoing: &mut Outgoing<'_>,
        target: &Target<Receiver>,
        group: Option<&Arc<Group<Receiver>>>,
        way: Way,
        now: Instant,
    ) {
        match &target.subscriber {
            Receiver::Host(subscription) if subscription.no_local() && is_local(&outgoing.source) => {}
            Receiver::Host(subscription) => {
                let delivery = for_host(outgoing, target, group, self.home);
                match subscription.push(delivery) {
                    Ok(Pushed::Queued { crowded, wake }) => {
                        self.queued += 1;
                        if wake {
                            self.touched.push_back(target.subscriber.clone());
                        }
                        if crowded {
                            self.crowded = Some(target.subscriber.clone());
                        }
                    }
                    Ok(Pushed::Dropped) => {}
                    Ok(Pushed::Starved) => self.starved += 1,
                    // It has been ended since its group was looked up.
                    Err(delivery) => self.redispatch(hub, delivery, Departed::Host(subscription.id()), now),
                }
            }
            Receiver::Session(handle) => {
                let room = self.room(hub, handle, now);
                let mut mailbox = handle.mailbox();
                let outcome = mailbox.offer(outgoing, target, group, way, room);
                self.note(handle, mailbox);
                self.settle(hub, handle, outcome, now);
            }
        }
    }

    fn deliver_to(&mut self, hub: &Hub, handle: &Arc<Handle>, delivery: Delivery, now: Instant) {
        let room = self.room(hub, handle, now);
        let mut mailbox = handle.mailbox();
        let outcome = mailbox.offer_delivery(delivery, room);
        self.note(handle, mailbox);
        self.settle(hub, handle, outcome, now);
    }

    /// Notes what a session's queue takes now. The account is told when there is something to tell.
    fn note(&mut self, handle: &Handle, mailbox: MutexGuard<'_, Mailbox>) {
        let held = handle.memory();
        self.untold += held.waiting.note(mailbox.memory());
        if self.memory.pressure() >= Pressure::Slow {
            self.burdens |= mailbox.has_backlog(0, held.in_flight.bytes());
        }
        drop(mailbox);
        if self.untold >= UNTOLD_BYTES {
            self.tell_memory();
        }
    }

    fn tell_memory(&mut self) {
        self.memory.change(Kind::Queues, std::mem::take(&mut self.untold));
    }

    fn redispatch(&mut self, hub: &Hub, delivery: Delivery, departed: Departed<'_>, now: Instant) {
        let Some(group) = delivery.group else { return };
        let message = delivery.message;
        let publisher = message.publisher.as_ref().map(|client| &*client.id);
        match group.pick(&message.topic, publisher, Some(departed.key())) {
            Some(target) => {
                let mut outgoing = Outgoing::of(&message);
                outgoing.receipt = delivery.receipt;
                // What has been encoded may be another message.
                let way = Way { fan_out: false, in_advance: in_advance(hub) };
                self.deliver(hub, &mut outgoing, &target, Some(&group), way, now);
            }
            None => {
                add(&hub.counters().dropped_client_gone, 1);
                if let Departed::Session(handle) = departed {
                    add(&handle.tally().messages_dropped, 1);
                }
                hub.tell_dropped(departed.client(), || message.clone(), DropCause::ClientGone);
            }
        }
    }

    fn room<'a>(&'a mut self, hub: &Hub, handle: &'a Handle, now: Instant) -> Room<'a> {
        self.lost.are_told = hub.callbacks().wants(Hook::MessageDropped);
        Room {
            quota: handle.quota(),
            now,
            lost: &mut self.lost,
            frames: &mut self.frames,
            home: self.home,
            pressure: self.memory.pressure(),
            in_flight: handle.memory().in_flight.bytes(),
        }
    }

    fn settle(&mut self, hub: &Hub, handle: &Arc<Handle>, outcome: Outcome, now: Instant) {
        self.queued += usize::from(matches!(outcome, Outcome::Queued { .. } | Outcome::MadeRoom { .. }));
        let wake = match outcome {
            Outcome::Queued { wake, crowded } => {
                if crowded {
                    self.crowded = Some(Receiver::Session(handle.clone()));
                }
                wake
            }
            Outcome::MadeRoom { dropped, wake } | Outcome::Full { dropped, wake } => {
                add(&hub.counters().dropped_queue_full, dropped.full);
                add(&hub.counters().dropped_expired, dropped.expired);
                add(&handle.tally().messages_dropped, dropped.full + dropped.expired);
                if dropped.full > 0 {
                    hub.lost(Excess::QueueFull, handle, now);
                }
                wake
            }
            Outcome::TooLarge => {
                hub.counters().message_dropped(Dropped::TooLarge);
                add(&handle.tally().messages_dropped, 1);
                false
            }
            Outcome::Starved => {
                self.starved += 1;
                add(&hub.counters().dropped_memory, 1);
                add(&handle.tally().messages_dropped, 1);
                hub.lost(Excess::Starved, handle, now);
                false
            }
            Outcome::Absent => false,
        };
        if wake {
            self.touched.push_back(Receiver::Session(handle.clone()));
        }
        if !self.lost.messages.is_empty() {
            let client = handle.client();
            for (message, cause) in self.lost.messages.drain(..) {
                hub.tell_dropped(client.clone(), || message, cause);
            }
        }
    }
}

/// A member of a shared subscription that is gone.
#[derive(Clone, Copy)]
pub(super) enum Departed<'a> {
    Session(&'a Handle),
    /// By the number of its subscription.
    Host(u64),
}

impl Departed<'_> {
    fn key(self) -> u64 {
        match self {
            Departed::Session(handle) => handle.key(),
            Departed::Host(subscription) => host_key(subscription),
        }
    }

    fn client(self) -> Option<Arc<Client>> {
        match self {
            Departed::Session(handle) => handle.client(),
            Departed::Host(_) => None,
        }
    }
}

/// Whether the host program has published a message itself.
fn is_local(source: &Source<'_>) -> bool {
    source.publisher.is_none() && matches!(source.origin, Origin::Api | Origin::Delayed)
}

/// A message as a subscription of the host program gets it.
fn for_host(
    outgoing: &mut Outgoing<'_>,
    target: &Target<Receiver>,
    group: Option<&Arc<Group<Receiver>>>,
    home: Home,
) -> Delivery {
    let qos = outgoing.source.qos.min(target.qos);
    Delivery {
        message: outgoing.message().clone(),
        qos,
        retain: outgoing.source.retain && target.retain_as_published,
        identifiers: Identifiers::default(),
        group: group.cloned(),
        receipt: outgoing.token(qos),
        home,
    }
}

/// The hooks that are told of a message that is published.
const PUBLISHED: HookSet = HookSet::of(&[Hook::MessagePublished, Hook::WillPublished]);

#[cold]
fn tell_published(hub: &Hub, message: &Arc<Message>, receivers: usize) {
    let key = || key_of(message.publisher.as_ref());
    let event = || MessagePublished { message: message.clone(), receivers };
    hub.callbacks().tell(Hook::MessagePublished, key, || Event::MessagePublished(event()));
    if message.origin == Origin::Will {
        hub.callbacks().tell(Hook::WillPublished, key, || Event::WillPublished(event()));
    }
}

/// Whether messages may be encoded before their receiver's turn comes: not if somebody is to see them then, or when they
/// are dropped.
fn in_advance(hub: &Hub) -> bool {
    const SEE_MESSAGES: HookSet = HookSet::of(&[Hook::AuthorizeForward, Hook::MessageDelivered, Hook::MessageDropped]);
    !hub.callbacks().wants_any(SEE_MESSAGES)
}
