//! What the host program publishes and subscribes to.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::MutexGuard;
use tokio::sync::mpsc;

use super::super::blocks::SHARED_PAYLOAD;
use super::super::counters::add;
use super::super::delivery::{Delivery, Outgoing};
use super::super::dispatch::{Departed, Dispatch};
use super::super::handle::Handle;
use super::super::in_process::{Consumer, Service, Subscription, Surroundings};
use super::super::receipt::{Completion, Receipt};
use super::super::receiver::{host_key, Receiver, REST};
use super::super::returns::Home;
use super::retaining::as_retained;
use super::{expires_at, Hub, RETAINED_PAGE};
use crate::hooks::{in_place, Changes, DropCause, Hook, Key, Mode};
use crate::limits::{Kind, Pressure, Share};
use crate::model::{topic, EncodedProperties, Message, Origin, QoS, RetainHandling, SubscriptionOptions, Text};
use crate::router::Subscriber;

/// A message that the host program publishes, already checked.
pub struct HostMessage {
    pub topic: Text,
    pub payload: Bytes,
    pub qos: QoS,
    pub retain: bool,
    pub properties: EncodedProperties,
    /// The only client that gets it, if there is but one.
    pub to: Option<Text>,
    pub delay: Duration,
    pub completion: Option<Completion>,
}

impl HostMessage {
    /// As receivers see it, if it is published at that time.
    pub(super) fn into_message(self, origin: Origin, at: Instant) -> Message {
        Message {
            topic: self.topic,
            payload: self.payload,
            qos: self.qos,
            retain: self.retain,
            expires_at: expires_at(self.properties.message_expiry_s, at),
            properties: self.properties.encoded,
            origin,
            publisher: None,
        }
    }
}

/// [`HostMessage`] on its way to a decision.
pub struct Waiting {
    message: Arc<Message>,
    /// The only client that gets it: whoever has that name when it has been decided.
    to: Option<Text>,
    receipt: Option<Arc<Receipt>>,
    /// What it takes in memory while it is delayed.
    memory: Option<Share>,
}

/// Why a message of the host program is not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotPublished {
    /// As many messages wait for their decision as may.
    Undecided,
    /// A receiver has no room.
    Crowded,
    /// As many messages are delayed as may.
    Delayed,
    /// There is too little memory.
    Starved,
    /// As many receipts are open as may.
    Unreported,
    /// There is no such client.
    NoClient,
    /// The broker stops.
    Stopping,
}

/// A message that is not published.
pub struct Unpublished {
    pub why: NotPublished,
    /// It is back if [`Hub::await_room`] may help.
    pub message: Option<Box<HostMessage>>,
}

impl From<NotPublished> for Unpublished {
    fn from(why: NotPublished) -> Self {
        Unpublished { why, message: None }
    }
}

/// Publishes messages of the host program, one after the other; they are on their way to those who sleep when this is
/// dropped at the latest.
pub struct Publisher<'a> {
    hub: &'a Hub,
    /// That of all calls, if no other call has it.
    shared: Option<MutexGuard<'a, Dispatch>>,
    own: Dispatch,
    /// When the call has begun.
    now: Instant,
}

impl Drop for Publisher<'_> {
    fn drop(&mut self) {
        let dispatch = self.dispatch();
        dispatch.flush();
        dispatch.rest();
        self.hub.returns.collect();
    }
}

impl Publisher<'_> {
    fn dispatch(&mut self) -> &mut Dispatch {
        self.shared.as_deref_mut().unwrap_or(&mut self.own)
    }

    /// Publishes a message. If a hook has to be asked about it, it waits for its turn; so does what a hook publishes that is
    /// called in place, which might never end otherwise.
    pub fn publish(&mut self, message: HostMessage) -> Result<(), Unpublished> {
        let hub = self.hub;
        let to = match &message.to {
            Some(client_id) => Some(hub.find(client_id).ok_or(NotPublished::NoClient)?.0),
            None => None,
        };
        let now = self.now;
        if !message.delay.is_zero() {
            return self.publish_later(message, now);
        }
        if in_place() || hub.callbacks.mode(Hook::AuthorizePublish) != Mode::Absent {
            let Ok(place) = hub.host_messages.try_reserve() else {
                return Err(Unpublished { why: NotPublished::Undecided, message: Some(Box::new(message)) });
            };
            place.send(hub.waiting(message, Origin::Api, now)?);
            return Ok(());
        }
        if !hub.crowded_receivers(&message.topic, to.as_ref(), now).is_empty() {
            return Err(Unpublished { why: NotPublished::Crowded, message: Some(Box::new(message)) });
        }
        if hub.starves(&message, to.as_ref(), now) {
            return Err(Unpublished { why: NotPublished::Starved, message: Some(Box::new(message)) });
        }
        let Waiting { message, receipt, .. } = hub.waiting(message, Origin::Api, now)?;
        self.publish_now(Outgoing::of_host(&message, receipt.as_ref()), to.as_ref(), now);
        Ok(())
    }

    fn publish_later(&mut self, message: HostMessage, now: Instant) -> Result<(), Unpublished> {
        if self.hub.memory.pressure() >= Pressure::Full {
            return Err(Unpublished { why: NotPublished::Starved, message: Some(Box::new(message)) });
        }
        let due = now + message.delay;
        let mut waiting = self.hub.waiting(message, Origin::Delayed, due)?;
        let size = waiting.message.size();
        waiting.memory = Some(Share::new(&self.hub.memory, Kind::Queues, size));
        self.hub.delayed.add(due, waiting, size).map_err(|_| NotPublished::Delayed.into())
    }

    fn publish_now(&mut self, outgoing: Outgoing<'_>, to: Option<&Arc<Handle>>, now: Instant) {
        let hub = self.hub;
        let dispatch = self.dispatch();
        match to {
            Some(handle) => dispatch.send_to(hub, handle, outgoing, now),
            None => {
                if let Err(error) = dispatch.publish(hub, outgoing, now) {
                    // Whoever brought it has checked the topic.
                    tracing::error!(%error, "a message could not be published: its topic");
                }
            }
        }
        if dispatch.take_burden() {
            *hub.host_rests_until.lock() = Some(now + REST);
        }
        if let Some(receiver) = dispatch.take_crowded() {
            hub.backlog.add(receiver, now);
        }
        if dispatch.is_full() {
            dispatch.flush();
        }
    }
}

/// Wakes the current thread.
fn waker() -> Waker {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    Waker::from(Arc::new(Unpark(thread::current())))
}

impl Hub {
    /// For messages of the host program.
    pub fn publisher(&self) -> Publisher<'_> {
        let (shared, own) = (self.host_dispatch.try_lock(), Dispatch::new(&self.memory, None));
        let mut publisher = Publisher { hub: self, shared, own, now: Instant::now() };
        publisher.dispatch().begin();
        publisher
    }

    /// A message with what goes with it; `due` is when its time begins to run.
    fn waiting(&self, message: HostMessage, origin: Origin, due: Instant) -> Result<Waiting, NotPublished> {
        let mut message = message;
        let open = |completion| self.receipts.open(self.callbacks.pool(), completion).ok_or(NotPublished::Unreported);
        let receipt = message.completion.take().map(open).transpose()?;
        let to = message.to.take();
        let retains = message.retain && !message.payload.is_empty();
        if message.payload.len() >= SHARED_PAYLOAD {
            let kind = if retains { Kind::Retained } else { Kind::Queues };
            message.payload = self.memory.count(kind, message.payload, 0);
        }
        Ok(Waiting { message: Arc::new(message.into_message(origin, due)), to, receipt, memory: None })
    }

    /// Waits, on a thread of the host program, until a message that could not be published for that reason may be, and no
    /// longer than until `deadline`.
    pub fn await_room(&self, message: &HostMessage, why: NotPublished, deadline: Instant) -> Result<(), NotPublished> {
        let waker = waker();
        let mut context = Context::from_waker(&waker);
        let mut reserving = pin!(self.host_messages.reserve());
        loop {
            let now = Instant::now();
            let until = match why {
                NotPublished::Undecided => match reserving.as_mut().poll(&mut context) {
                    Poll::Ready(_) => return Ok(()),
                    Poll::Pending => deadline,
                },
                NotPublished::Crowded => {
                    let to = message.to.as_ref().and_then(|client_id| self.find(client_id)).map(|(handle, _)| handle);
                    let crowded = self.crowded_receivers(&message.topic, to.as_ref(), now);
                    if !crowded.iter().all(|(receiver, _)| receiver.await_room(&waker)) {
                        continue; // There is room in between.
                    }
                    match crowded.iter().map(|(_, until)| until.unwrap_or(deadline)).min() {
                        Some(until) => until.min(deadline),
                        None => return Ok(()),
                    }
                }
                NotPublished::Starved => {
                    let to = message.to.as_ref().and_then(|client_id| self.find(client_id)).map(|(handle, _)| handle);
                    if !self.starves(message, to.as_ref(), now) {
                        return Ok(());
                    }
                    deadline.min(now + REST)
                }
                other => return Err(other),
            };
            if self.is_stopping() {
                return Err(NotPublished::Stopping);
            }
            if now >= deadline {
                return Err(why);
            }
            thread::park_timeout(until.saturating_duration_since(now));
        }
    }

    /// Whether there is too little memory for a message: to retain it, or to queue it for anyone who gets it. One that adds
    /// to a backlog has to wait for a moment after another one while memory runs short.
    fn starves(&self, message: &HostMessage, to: Option<&Arc<Handle>>, now: Instant) -> bool {
        let pressure = self.memory.pressure();
        if pressure < Pressure::Slow {
            return false;
        }
        let crowd = self.crowd(&message.topic, message.payload.len(), to, None);
        let retains = message.retain && !message.payload.is_empty();
        let is_to_rest = || self.host_rests_until.lock().is_some_and(|until| now < until);
        crowd.is_starved(message.qos, pressure)
            || (retains && pressure >= Pressure::Full)
            || ((retains || crowd.crowded > 0) && is_to_rest())
    }

    /// The receivers of a message that have no room, and until when they are worth waiting for.
    fn crowded_receivers(
        &self,
        topic: &str,
        to: Option<&Arc<Handle>>,
        now: Instant,
    ) -> Vec<(Receiver, Option<Instant>)> {
        self.backlog.find(now, |crowded| {
            let keys = crowded.iter().map(|(receiver, _)| receiver.key()).enumerate();
            match to {
                Some(handle) => keys.filter(|(_, key)| *key == handle.key()).map(|(index, _)| index).collect(),
                None => {
                    let matched = self.router.matches(topic, None);
                    let gets_it = |key| {
                        matched.targets.iter().any(|target| target.key == key)
                            || matched.groups.iter().any(|group| group.has(key))
                    };
                    keys.filter(|(_, key)| gets_it(*key)).map(|(index, _)| index).collect()
                }
            }
        })
    }

    /// Has the hook decide about the messages of the host program, one after the other. Never returns.
    pub async fn publish_for_host(self: Arc<Self>, mut waiting: mpsc::Receiver<Waiting>) {
        while let Some(waiting) = waiting.recv().await {
            match self.ask_about(Key::Host, waiting.message.clone()).await {
                Some(changes) => self.publish_decided(&waiting, changes.as_deref()),
                None => waiting.receipt.iter().for_each(|receipt| receipt.refused()),
            }
        }
    }

    /// Brings delayed messages on their way when they are due. Never returns.
    pub async fn publish_delayed(self: Arc<Self>) {
        loop {
            let waiting = self.delayed.next().await;
            if self.callbacks.mode(Hook::AuthorizePublish) == Mode::Absent {
                self.publish_decided(&waiting, None);
            } else if self.host_messages.send(waiting).await.is_err() {
                return;
            }
        }
    }

    fn publish_decided(&self, waiting: &Waiting, changes: Option<&Changes>) {
        let Waiting { message, to, receipt, .. } = waiting;
        let to = match to {
            Some(client_id) => match self.find(client_id) {
                Some((handle, _)) => Some(handle),
                None => return self.nobody_gets(message, receipt.as_ref()),
            },
            None => None,
        };
        let mut publisher = self.publisher();
        let now = publisher.now;
        match changes {
            None => publisher.publish_now(Outgoing::of_host(message, receipt.as_ref()), to.as_ref(), now),
            Some(changes) => {
                let source = Outgoing::of_host(message, receipt.as_ref()).source;
                match self.change(source, changes) {
                    Some(source) => {
                        publisher.publish_now(Outgoing::new(source), to.as_ref(), now);
                    }
                    None => receipt.iter().for_each(|receipt| receipt.refused()),
                }
            }
        }
    }

    /// The session of the only client that a message was for has ended since.
    fn nobody_gets(&self, message: &Arc<Message>, receipt: Option<&Arc<Receipt>>) {
        receipt.iter().for_each(|receipt| receipt.routed(0));
        add(&self.counters.dropped_client_gone, 1);
        self.tell_dropped(None, || message.clone(), DropCause::ClientGone);
    }

    /// Makes a subscription of the host program, which [`Hub::subscribe`] has messages delivered to. `None` if the process
    /// has too many.
    pub fn new_subscription(
        self: &Arc<Self>,
        id: u64,
        service: Service,
        consumer: Consumer,
    ) -> Option<Arc<Subscription>> {
        let surroundings = Surroundings {
            hub: Arc::downgrade(self),
            pool: self.callbacks.pool().clone(),
            hook_counters: self.callbacks.counters().clone(),
            counters: self.counters.clone(),
            memory: self.memory.clone(),
        };
        Subscription::new(id, service, consumer, surroundings)
    }

    /// Delivers every message that matches `filter` to `subscription`, the retained ones first if asked to.
    pub fn subscribe(&self, filter: &str, options: SubscriptionOptions, subscription: &Arc<Subscription>) {
        let entry = (filter.to_owned(), subscription.clone());
        self.host_subscriptions.lock().insert(subscription.id(), entry);
        let receiver = Receiver::Host(subscription.clone());
        let before = self.add_subscription(filter, receiver, options, None).generation;
        // Nobody is to get a retained message because of a shared subscription [MQTT-5 4.8.2].
        let is_unwanted = options.retain_handling == RetainHandling::DoNotSend || topic::is_shared(filter);
        if is_unwanted || !self.settings().retain {
            return;
        }
        let now = Instant::now();
        let mut cursor = None;
        loop {
            let page = self.retained.page(filter, cursor.as_ref(), RETAINED_PAGE, now);
            for (_, retained) in
                page.messages.into_iter().filter(|(_, retained)| retained.is_from_before(before, &self.look_ups))
            {
                let message = Arc::new(as_retained(&retained.message));
                let qos = message.qos.min(options.qos);
                let (identifiers, home) = (None.into(), Home::here());
                let delivery = Delivery { message, qos, retain: true, identifiers, group: None, receipt: None, home };
                // It may have been ended by now, and wants nothing any more.
                let _pushed = subscription.push(delivery);
            }
            subscription.wake();
            match page.next {
                Some(next) => cursor = Some(next),
                None => return,
            }
        }
    }

    /// Ends the host program's subscription of that number.
    pub fn unsubscribe(&self, subscription: u64) {
        let entry = self.host_subscriptions.lock().remove(&subscription);
        if let Some((filter, _)) = entry {
            self.remove_subscription(&filter, host_key(subscription), None);
        }
    }

    /// Gives messages of shared subscriptions, of which a subscription of the host program has been a member, to others.
    pub(in crate::session) fn redispatch_of_host(&self, deliveries: Vec<Delivery>, subscription: u64) {
        self.redispatch(deliveries, Departed::Host(subscription), Instant::now());
    }

    /// What waits for subscriptions of the host program is handed over now, or never: the broker stops.
    pub fn drain_host(&self) {
        for (_, subscription) in self.host_subscriptions.lock().values() {
            subscription.drain();
        }
    }

    /// Nothing is delivered to subscriptions of the host program any more: the broker has stopped.
    pub fn forget_host(&self) {
        let subscriptions = std::mem::take(&mut *self.host_subscriptions.lock());
        for (_, subscription) in subscriptions.values() {
            subscription.forget();
        }
        self.delayed.clear();
        self.backlog.clear();
    }
}
