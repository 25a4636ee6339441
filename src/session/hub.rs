//! Everything that the sessions of one run of a broker share.

use std::collections::HashMap;
use std::future::pending;
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{mpsc, Notify};

use super::closing::{Closing, STOPPING};
use super::counters::{add, SessionCounters};
use super::deadlines::Deadlines;
use super::delivery::{Delivery, Frames, Outgoing, Source};
use super::dispatch::Dispatch;
use super::handle::Handle;
use super::overload::Overloads;
use super::receiver::{host_key, Receiver};
use super::replays::Replay;
use super::retained::{LookUps, Retained};
use super::settings::Settings;
use super::state::State;
use crate::config::Config;
use crate::hooks::{
    in_place, Callbacks, Changes, DropCause, Event, Hook, HookSet, Key, MessageDropped, Mode, OwnedQuestion,
    RetainedChange, RetainedChanged, SessionEnd, SessionTerminated, Subscriber, SubscriptionQueue, Verdict,
};
use crate::model::topic;
use crate::model::{Client, Message, Origin, QoS, ReasonCode, RetainHandling, SubscriptionOptions, Text};
use crate::retain::RetainStore;
use crate::router::{Router, Subscribed};

/// Expired retained messages are looked for this often at most.
const RETAIN_SWEEP: Duration = Duration::from_secs(1);

/// When to look again at a session that is due but held by a handshake.
const RETRY: Duration = Duration::from_secs(1);

/// Retained messages that are read at once for one subscription.
const RETAINED_PAGE: usize = 64;

/// A message that the host program publishes, already checked.
#[derive(Clone, Debug)]
pub struct HostMessage {
    pub topic: String,
    pub payload: Bytes,
    pub qos: QoS,
    pub retain: bool,
}

impl HostMessage {
    fn as_seen(&self) -> Message {
        Message {
            topic: Text::from(self.topic.as_str()),
            payload: self.payload.clone(),
            qos: self.qos,
            retain: self.retain,
            properties: Bytes::new(),
            expires_at: None,
            origin: Origin::Api,
            publisher: None,
        }
    }
}

/// As many messages of the host program wait for their decision as may.
#[derive(Debug)]
pub struct Busy;

/// What retaining a message has come to.
pub(super) struct Kept {
    /// The message, if it is to be retained, whether or not there was room for it.
    pub(super) retained: Option<Arc<Retained>>,
    /// `None`: all is as it was. Also `None` if there was no room.
    pub(super) change: Option<RetainedChange>,
    /// There are as many retained messages as allowed.
    pub(super) full: bool,
}

impl Kept {
    const NOTHING: Kept = Kept { retained: None, change: None, full: false };
}

/// A will that a hook is asked about.
struct Leaving(Arc<Hub>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.wills_asked.fetch_sub(1, SeqCst);
        self.0.nobody.notify_waiters();
    }
}

/// The sessions of one run of a broker, who gets what, and what is retained.
pub struct Hub {
    settings: Settings,
    callbacks: Arc<Callbacks>,
    counters: Arc<SessionCounters>,
    router: Router<Receiver>,
    retained: RetainStore<Arc<Retained>>,
    look_ups: LookUps,
    sessions: Mutex<HashMap<Text, Arc<Handle>>>,
    deadlines: Deadlines,
    next_number: AtomicU64,
    session_subscriptions: AtomicU64,
    host_subscriptions: Mutex<HashMap<u64, String>>,
    host_messages: mpsc::Sender<HostMessage>,
    connected: AtomicU64,
    /// Wills that a hook is being asked about.
    wills_asked: AtomicU64,
    /// Told when the last client may have gone, with its will.
    nobody: Notify,
    /// Held while a filter gets or loses a subscriber that somebody is told of, so that they are told in order.
    turn_of_filters: Mutex<()>,
    /// When expired retained messages are looked for next.
    sweep_at: Mutex<Option<Instant>>,
    overloads: Overloads,
    stopping: AtomicBool,
}

impl Hub {
    /// The second one is for [`Hub::publish_for_host`].
    pub fn new(
        config: &Config,
        callbacks: Arc<Callbacks>,
        counters: Arc<SessionCounters>,
    ) -> (Arc<Hub>, mpsc::Receiver<HostMessage>) {
        let (host_messages, waiting) = mpsc::channel(config.callbacks.queue as usize);
        let hub = Hub {
            settings: Settings::of(config),
            callbacks,
            counters,
            router: Router::new(strategy(config)),
            retained: RetainStore::new(config.retain.max_messages as usize),
            look_ups: LookUps::default(),
            sessions: Mutex::default(),
            deadlines: Deadlines::default(),
            next_number: AtomicU64::new(1),
            session_subscriptions: AtomicU64::new(0),
            host_subscriptions: Mutex::default(),
            host_messages,
            connected: AtomicU64::new(0),
            wills_asked: AtomicU64::new(0),
            nobody: Notify::new(),
            turn_of_filters: Mutex::default(),
            sweep_at: Mutex::default(),
            overloads: Overloads::of(config),
            stopping: AtomicBool::new(false),
        };
        (Arc::new(hub), waiting)
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn callbacks(&self) -> &Callbacks {
        &self.callbacks
    }

    pub(super) fn counters(&self) -> &SessionCounters {
        &self.counters
    }

    pub(super) fn router(&self) -> &Router<Receiver> {
        &self.router
    }

    /// Publishes a message of the host program. If a hook has to be asked about it, it waits for its turn; so does what a
    /// hook publishes that is called in place, which might never end otherwise.
    pub fn publish(&self, message: HostMessage) -> Result<(), Busy> {
        if self.callbacks.mode(Hook::AuthorizePublish) == Mode::Absent && !in_place() {
            self.publish_host_message(&message, None);
            return Ok(());
        }
        self.host_messages.try_send(message).map_err(|_| Busy)
    }

    fn publish_host_message(&self, message: &HostMessage, changes: Option<&Changes>) {
        let properties = Bytes::new();
        let source = Source {
            topic: &message.topic,
            payload: &message.payload,
            qos: message.qos,
            retain: message.retain,
            properties: &properties,
            expires_at: None,
            origin: Origin::Api,
            publisher: None,
        };
        if let Some(source) = self.change_if(source, changes) {
            self.publish_now(Outgoing::new(source, Frames::default()), None, Instant::now());
        }
    }

    fn publish_now(&self, outgoing: Outgoing<'_>, publisher: Option<u64>, now: Instant) {
        let mut dispatch = Dispatch::new(publisher);
        if let Err(error) = dispatch.publish(self, outgoing, now) {
            // Whoever brought it has checked the topic.
            tracing::error!(%error, "a message could not be published: its topic");
        }
        dispatch.flush();
    }

    /// Has the hook decide about the messages of the host program, one after the other. Never returns.
    pub async fn publish_for_host(self: Arc<Self>, mut waiting: mpsc::Receiver<HostMessage>) {
        while let Some(message) = waiting.recv().await {
            if let Some(changes) = self.ask_about(Key::Host, Arc::new(message.as_seen())).await {
                self.publish_host_message(&message, changes.as_deref());
            }
        }
    }

    /// Asks the hook about a message that no client waits to hear of; what it changes, or `None` if it refuses.
    async fn ask_about(&self, key: Key, message: Arc<Message>) -> Option<Option<Box<Changes>>> {
        let question = || OwnedQuestion::AuthorizePublish(message.clone());
        match self.callbacks.ask(Hook::AuthorizePublish, || key, question).verdict().await {
            None => Some(None),
            Some(Verdict::Allow(changes)) => Some(changes),
            Some(_) => {
                self.refuse(|| message);
                None
            }
        }
    }

    /// Counts and tells of a message that goes nowhere.
    pub(super) fn refuse(&self, message: impl FnOnce() -> Arc<Message>) {
        add(&self.counters.dropped_refused, 1);
        self.tell_dropped(None, message, DropCause::Refused);
    }

    /// Tells of a message that does not reach a client, or nobody.
    pub(super) fn tell_dropped(
        &self,
        client: Option<Arc<Client>>,
        message: impl FnOnce() -> Arc<Message>,
        cause: DropCause,
    ) {
        if !self.callbacks.wants(Hook::MessageDropped) {
            return;
        }
        let message = message();
        let key = || key_of(client.as_ref().or(message.publisher.as_ref()));
        let event = || {
            let (client, message) = (client.clone(), message.clone());
            Event::MessageDropped(MessageDropped { client, message, cause })
        };
        self.callbacks.tell(Hook::MessageDropped, key, event);
    }

    /// A message with what a hook has changed of it; `None` if it is refused, because the topic that the hook has put in is
    /// none.
    pub(super) fn change<'a>(&self, source: Source<'a>, changes: &'a Changes) -> Option<Source<'a>> {
        let changed = self.try_to_change(source, changes);
        if changed.is_none() {
            self.refuse(|| Outgoing::new(source, Frames::default()).message().clone());
        }
        changed
    }

    fn try_to_change<'a>(&self, source: Source<'a>, changes: &'a Changes) -> Option<Source<'a>> {
        if let Some(instead) = &changes.topic {
            if let Err(error) = topic::check_name(instead, self.settings.max_topic_levels) {
                tracing::warn!(topic = %instead, "a message is refused: the topic that a hook has put in {error}");
                return None;
            }
        }
        let (properties, expires_at) = match &changes.properties {
            Some(instead) => (&instead.encoded, expires_at(instead.message_expiry_s, Instant::now())),
            None => (source.properties, source.expires_at),
        };
        Some(Source {
            topic: changes.topic.as_deref().unwrap_or(source.topic),
            payload: changes.payload.as_ref().unwrap_or(source.payload),
            qos: changes.qos.unwrap_or(source.qos),
            retain: changes.retain.unwrap_or(source.retain),
            properties,
            expires_at,
            ..source
        })
    }

    fn change_if<'a>(&self, source: Source<'a>, changes: Option<&'a Changes>) -> Option<Source<'a>> {
        match changes {
            Some(changes) => self.change(source, changes),
            None => Some(source),
        }
    }

    /// A delivery with what a hook has changed of it for its receiver; back as it is if the topic that the hook has put in is
    /// none.
    pub(super) fn change_delivery(&self, delivery: Delivery, changes: &Changes) -> Result<Delivery, Delivery> {
        let Some(source) = self.try_to_change(Outgoing::of(&delivery.message).source, changes) else {
            return Err(delivery);
        };
        let message = Arc::new(Message {
            topic: changes.topic.clone().unwrap_or_else(|| delivery.message.topic.clone()),
            payload: source.payload.clone(),
            properties: source.properties.clone(),
            expires_at: source.expires_at,
            ..Message::clone(&delivery.message)
        });
        // The receiver has not asked for more than it gets.
        let qos = changes.qos.map_or(delivery.qos, |qos| qos.min(delivery.qos));
        Ok(Delivery { message, qos, retain: changes.retain.unwrap_or(delivery.retain), ..delivery })
    }

    /// Publishes a will, if the hook allows it. `publisher` is the key of the subscriptions that may say no local.
    pub(super) fn publish_will(self: &Arc<Self>, message: &Arc<Message>, publisher: u64, now: Instant) {
        self.counters.messages_received.fetch_add(1, Relaxed);
        if self.callbacks.mode(Hook::AuthorizePublish) == Mode::Absent {
            self.publish_now(Outgoing::of(message), Some(publisher), now);
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            // The broker has stopped: nobody can be asked any more.
            self.refuse(|| message.clone());
            return;
        };
        // The stop of the broker waits for it as for a client.
        self.wills_asked.fetch_add(1, SeqCst);
        let leaving = Leaving(self.clone());
        let message = message.clone();
        runtime.spawn(async move {
            let hub = &leaving.0;
            let Some(changes) = hub.ask_about(key_of(message.publisher.as_ref()), message.clone()).await else {
                return;
            };
            if let Some(source) = hub.change_if(Outgoing::of(&message).source, changes.as_deref()) {
                hub.publish_now(Outgoing::new(source, Frames::default()), Some(publisher), Instant::now());
            }
        });
    }

    /// Delivers every message that matches `filter` to `queue`, the retained ones first if asked to.
    pub fn subscribe(&self, filter: &str, replay: bool, queue: Arc<SubscriptionQueue>) {
        let options = SubscriptionOptions { retain_handling: RetainHandling::DoNotSend, ..Default::default() };
        self.host_subscriptions.lock().insert(queue.id(), filter.to_owned());
        let before = self.add_subscription(filter, Receiver::Host(queue.clone()), options, None).generation;
        // Nobody is to get a retained message because of a shared subscription [MQTT-5 4.8.2].
        if !replay || topic::is_shared(filter) {
            return;
        }
        let now = Instant::now();
        let mut cursor = None;
        loop {
            let page = self.retained.page(filter, cursor.as_ref(), RETAINED_PAGE, now);
            for (_, retained) in
                page.messages.into_iter().filter(|(_, retained)| retained.is_from_before(before, &self.look_ups))
            {
                let qos = retained.message.qos.min(options.qos);
                let message = as_retained(&retained.message);
                queue.push(Arc::new(Message { qos, ..message }));
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return,
            }
        }
    }

    /// Ends the host program's subscription of that number.
    pub fn unsubscribe(&self, subscription: u64) {
        let filter = self.host_subscriptions.lock().remove(&subscription);
        if let Some(filter) = filter {
            self.remove_subscription(&filter, host_key(subscription), None);
        }
    }

    /// Adds a subscription, and tells if it is the first one to its filter.
    pub(super) fn add_subscription(
        &self,
        filter: &str,
        receiver: Receiver,
        options: SubscriptionOptions,
        client: Option<&Arc<Client>>,
    ) -> Subscribed {
        let _turn = self.turn_of_filters();
        let subscribed = self.router.subscribe(filter, receiver, options);
        if subscribed.is_first {
            self.tell_of_filter(Hook::FirstSubscriber, Event::FirstSubscriber, filter, client);
        }
        subscribed
    }

    /// Takes a subscription away, and tells if it was the last one to its filter; whether there was one.
    pub(super) fn remove_subscription(&self, filter: &str, key: u64, client: Option<&Arc<Client>>) -> bool {
        let _turn = self.turn_of_filters();
        let unsubscribed = self.router.unsubscribe(filter, key);
        if unsubscribed.was_last {
            self.tell_of_filter(Hook::LastSubscriber, Event::LastSubscriber, filter, client);
        }
        unsubscribed.existed
    }

    fn turn_of_filters(&self) -> Option<parking_lot::MutexGuard<'_, ()>> {
        const TOLD: HookSet = HookSet::of(&[Hook::FirstSubscriber, Hook::LastSubscriber]);
        self.callbacks.wants_any(TOLD).then(|| self.turn_of_filters.lock())
    }

    fn tell_of_filter(
        &self,
        hook: Hook,
        event: impl FnOnce(Subscriber) -> Event,
        filter: &str,
        client: Option<&Arc<Client>>,
    ) {
        let filter = || Text::from(topic::split_share(filter).1);
        let subscriber = || Subscriber { filter: filter(), client: client.cloned() };
        self.callbacks.tell(hook, || Key::Filter(filter()), || event(subscriber()));
    }

    pub(super) fn look_ups(&self) -> &LookUps {
        &self.look_ups
    }

    /// Retains a message, or forgets the one of its topic. When the receivers have been looked up, what is retained has to
    /// be told, and [`Hub::has_retained`] does the rest.
    pub(super) fn retain(&self, outgoing: &mut Outgoing<'_>, now: Instant) -> Kept {
        let source = outgoing.source;
        if !self.settings.retain {
            return Kept::NOTHING;
        }
        if source.payload.is_empty() {
            let existed = self.retained.remove(source.topic); // [MQTT-3.3.1-6], [MQTT-3.3.1-7]
            return Kept { change: existed.then_some(RetainedChange::Removed), ..Kept::NOTHING };
        }
        if source.payload.len() > self.settings.max_retained_payload_bytes {
            tracing::warn!(topic = source.topic, "not retained: larger than retain.max_payload_bytes");
            return Kept::NOTHING;
        }
        if source.expires_at.is_some_and(|at| at <= now) {
            return Kept::NOTHING;
        }
        let retained = Retained::new(outgoing.message().clone());
        let full = self.retained.set(source.topic, retained.clone(), source.expires_at).is_err();
        if let Some(at) = source.expires_at.filter(|_| !full) {
            self.sweep_by(at);
        }
        if full {
            tracing::warn!(topic = source.topic, "not retained: there are retain.max_messages already");
        }
        Kept { retained: Some(retained), change: (!full).then_some(RetainedChange::Set), full }
    }

    /// Sees to what follows from [`Hub::retain`], when nothing is locked any more.
    pub(super) fn has_retained(&self, kept: &Kept, message: &Arc<Message>) {
        if kept.full {
            self.overloads.retained_messages.begin(&self.callbacks);
        }
        if let Some(change) = kept.change {
            self.retained_changed(change, message);
        }
    }

    fn retained_changed(&self, change: RetainedChange, message: &Arc<Message>) {
        let event = || Event::RetainedChanged(RetainedChanged { change, message: message.clone() });
        self.callbacks.tell(Hook::RetainedChanged, || key_of(message.publisher.as_ref()), event);
        if change != RetainedChange::Set {
            self.overloads.retained_messages.relax(&self.callbacks, self.retained.count());
        }
    }

    /// Sees to it that what expires at `at` is forgotten soon after.
    fn sweep_by(&self, at: Instant) {
        let mut sweep_at = self.sweep_at.lock();
        if sweep_at.is_none_or(|planned| at < planned) {
            *sweep_at = Some(at);
            self.deadlines.look_again();
        }
    }

    fn sweep(&self, now: Instant) {
        let due = self.sweep_at.lock().is_some_and(|at| at <= now);
        if due {
            self.retained.sweep(now, |retained| self.retained_changed(RetainedChange::Expired, &retained.message));
            let mut sweep_at = self.sweep_at.lock();
            // Under the lock: what is retained meanwhile comes after.
            *sweep_at = self.retained.next_expiry().map(|at| at.max(now + RETAIN_SWEEP));
        }
    }

    /// Up to `max` of the retained messages for a subscription of a session. The replay moves on; whether it is over.
    pub(super) fn replay(&self, replay: &mut Replay, max: usize, now: Instant) -> (Vec<Delivery>, bool) {
        let page = self.retained.page(&replay.filter, replay.cursor.as_ref(), max.clamp(1, RETAINED_PAGE), now);
        let wanted =
            page.messages.into_iter().filter(|(_, retained)| retained.is_from_before(replay.before, &self.look_ups));
        let deliveries = wanted.map(|(_, retained)| Delivery {
            qos: retained.message.qos.min(replay.options.qos),
            retain: true, // [MQTT-3.3.1-8]
            identifiers: replay.options.identifier.into(),
            group: None,
            message: Arc::new(as_retained(&retained.message)),
        });
        let deliveries = deliveries.collect();
        replay.cursor = page.next;
        (deliveries, replay.cursor.is_none())
    }

    pub(super) fn count_subscriptions(&self, change: i64) {
        self.session_subscriptions.fetch_add(change as u64, Relaxed);
    }

    // Sessions.

    /// Finds the session of a client, or makes one; `None` if there are as many as allowed.
    pub(super) fn session(&self, client_id: &Text) -> Option<Arc<Handle>> {
        let mut sessions = self.sessions.lock();
        if let Some(handle) = sessions.get(client_id) {
            return Some(handle.clone());
        }
        let max = self.settings.max_sessions;
        if max > 0 && sessions.len() >= max {
            drop(sessions);
            self.overloads.sessions.begin(&self.callbacks);
            return None;
        }
        let number = self.next_number.fetch_add(1, Relaxed);
        let handle = Arc::new(Handle::new(number, client_id.clone(), self.settings.quota));
        sessions.insert(client_id.clone(), handle.clone());
        Some(handle)
    }

    /// Ends a session: its subscriptions, its messages, its will, its name.
    pub(super) fn end_session(
        self: &Arc<Self>,
        handle: &Arc<Handle>,
        state: &mut State,
        end: SessionEnd,
        now: Instant,
    ) {
        if std::mem::replace(&mut state.ended, true) {
            return;
        }
        let client = handle.client();
        let over = |filter: &&Text| self.remove_subscription(filter, handle.key(), client.as_ref());
        self.count_subscriptions(-(state.subscriptions.values().filter(over).count() as i64));
        // [MQTT-4.8.2-5]: a QoS 2 message that has been sent goes to nobody else.
        let mut orphans = state.window.withdraw(|delivery| delivery.group.is_some() && delivery.qos < QoS::ExactlyOnce);
        orphans.extend(handle.mailbox().withdraw(|delivery| delivery.group.is_some()));
        self.redispatch(orphans, handle, now);
        handle.mailbox().clear();
        if let Some(deadline) = state.deadline.take() {
            self.deadlines.clear(deadline, handle);
        }
        let mut sessions = self.sessions.lock();
        if sessions.get(handle.client_id()).is_some_and(|current| Arc::ptr_eq(current, handle)) {
            sessions.remove(handle.client_id());
        }
        let left = sessions.len();
        drop(sessions);
        self.overloads.sessions.relax(&self.callbacks, left);
        if let Some(client) = client {
            self.tell_session_terminated(client, end);
        }
        // [MQTT-3.1.3-9]: the end of the session cuts the delay of the will short.
        if let Some(will) = state.will.take() {
            self.publish_will(&will.message, will.publisher, now);
        }
        *state = State { ended: true, ..State::default() };
    }

    fn tell_session_terminated(&self, client: Arc<Client>, end: SessionEnd) {
        let key = || Key::Client(client.id.clone());
        let event = || Event::SessionTerminated(SessionTerminated { client: client.clone(), end });
        self.callbacks.tell(Hook::SessionTerminated, key, event);
    }

    /// Gives messages of shared subscriptions to other members.
    pub(super) fn redispatch(&self, deliveries: Vec<Delivery>, departed: &Handle, now: Instant) {
        if deliveries.is_empty() {
            return;
        }
        let mut dispatch = Dispatch::new(None);
        for delivery in deliveries {
            dispatch.redispatch(self, delivery, departed, now);
        }
        dispatch.flush();
    }

    /// Sees to it that a session ends, and its will is published, when it is time.
    pub(super) fn schedule(&self, handle: &Arc<Handle>, state: &mut State) {
        if let Some(before) = state.deadline.take() {
            self.deadlines.clear(before, handle);
        }
        let will = state.will.as_ref().map(|will| will.at);
        state.deadline = match (state.expires_at, will) {
            (Some(expiry), Some(will)) => Some(expiry.min(will)),
            (expiry, will) => expiry.or(will),
        };
        if let Some(at) = state.deadline {
            self.deadlines.set(at, handle);
        }
    }

    /// Ends sessions and publishes wills as they fall due, and sweeps retained messages that have expired. Never returns.
    pub async fn keep_time(self: Arc<Self>) {
        loop {
            let now = Instant::now();
            self.sweep(now);
            let next = loop {
                match self.deadlines.pop(now) {
                    Ok(Some(handle)) => self.fall_due(&handle, now),
                    Ok(None) => {}
                    Err(next) => break next,
                }
            };
            let sweep_at = *self.sweep_at.lock();
            let until = [next, sweep_at].into_iter().flatten().min();
            let due = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until.into()).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.deadlines.changed() => {}
            }
        }
    }

    fn fall_due(self: &Arc<Self>, handle: &Arc<Handle>, now: Instant) {
        let Ok(mut state) = handle.seat().try_lock() else {
            // A session that is in use has no deadline any more; one whose client does not get past the handshake does.
            if !handle.is_online() {
                self.deadlines.set(now + RETRY, handle);
            }
            return;
        };
        state.deadline = None;
        if handle.is_online() || state.ended {
            return;
        }
        if state.expires_at.is_some_and(|at| at <= now) {
            self.end_session(handle, &mut state, SessionEnd::Expired, now);
            return;
        }
        if state.will.as_ref().is_some_and(|will| will.at <= now) {
            if let Some(will) = state.will.take() {
                self.publish_will(&will.message, will.publisher, now);
            }
        }
        self.schedule(handle, &mut state);
    }

    // Clients.

    /// Counts a connection for which there was no place, be it with its listener or in all.
    pub fn turn_away(&self, none_in_all: bool) {
        self.counters.connections_refused.fetch_add(1, Relaxed);
        if none_in_all {
            self.overloads.connections.begin(&self.callbacks);
        }
    }

    /// A connection is gone, and `left` are still there.
    pub fn connection_closed(&self, left: usize) {
        self.overloads.connections.relax(&self.callbacks, left);
    }

    pub(super) fn client_came(&self) {
        self.connected.fetch_add(1, SeqCst);
    }

    pub(super) fn client_went(&self) {
        if self.connected.fetch_sub(1, SeqCst) == 1 {
            self.nobody.notify_waiters();
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Acquire)
    }

    /// Asks every client to go, and returns when all have gone or `grace` has passed.
    pub async fn stop(&self, grace: Duration) {
        self.stopping.store(true, Release);
        let handles: Vec<_> = self.sessions.lock().values().cloned().collect();
        for handle in handles {
            handle.close(Closing::by_broker(ReasonCode::SERVER_SHUTTING_DOWN, STOPPING));
        }
        let gone = async {
            loop {
                let nobody = self.nobody.notified();
                tokio::pin!(nobody);
                nobody.as_mut().enable();
                if self.connected.load(SeqCst) == 0 && self.wills_asked.load(SeqCst) == 0 {
                    return;
                }
                nobody.await;
            }
        };
        // Whoever has not gone by then is cut off.
        let _ = tokio::time::timeout(grace, gone).await;
    }

    /// Ends all sessions once their connections are gone. Their wills wait no longer `[MQTT-3.1.2-8]`.
    pub fn clear(self: &Arc<Self>) {
        let handles: Vec<_> = self.sessions.lock().values().cloned().collect();
        for handle in &handles {
            let will = handle.seat().try_lock().ok().and_then(|mut state| state.will.take());
            if let Some(will) = will {
                self.publish_will(&will.message, will.publisher, Instant::now());
            }
        }
        self.sessions.lock().clear();
        // Messages that wait refer to the sessions they wait for.
        for handle in handles {
            let client = handle.client();
            if let Some(client) = client {
                self.tell_session_terminated(client, SessionEnd::Stopped);
            }
            handle.mailbox().clear();
            if let Ok(mut state) = handle.seat().try_lock() {
                *state = State { ended: true, ..State::default() };
            }
        }
    }

    pub fn connected_clients(&self) -> u64 {
        self.connected.load(Relaxed)
    }

    /// Sessions of clients, those of absent clients included.
    pub fn sessions(&self) -> u64 {
        self.sessions.lock().len() as u64
    }

    /// Subscriptions of those sessions.
    pub fn subscriptions(&self) -> u64 {
        self.session_subscriptions.load(Relaxed)
    }

    pub fn host_subscriptions(&self) -> u64 {
        self.host_subscriptions.lock().len() as u64
    }

    pub fn retained_messages(&self) -> u64 {
        self.retained.count() as u64
    }
}

/// The key of events about a message that a client has published, or nobody.
pub(super) fn key_of(publisher: Option<&Arc<Client>>) -> Key {
    publisher.map_or(Key::Host, |client| Key::Client(client.id.clone()))
}

/// A retained message as a new subscription gets it.
fn as_retained(message: &Message) -> Message {
    Message { origin: Origin::Retained, ..message.clone() }
}

/// When a message expires that has so many seconds left.
pub(super) fn expires_at(seconds: Option<u32>, now: Instant) -> Option<Instant> {
    seconds.map(|seconds| now + Duration::from_secs(seconds.into()))
}

fn strategy(config: &Config) -> crate::router::Strategy {
    use crate::config::SharedStrategy;
    use crate::router::Strategy;
    match config.shared_subscriptions.strategy {
        SharedStrategy::RoundRobin => Strategy::RoundRobin,
        SharedStrategy::Random => Strategy::Random,
        SharedStrategy::Sticky => Strategy::Sticky,
        SharedStrategy::HashClient => Strategy::HashClient,
        SharedStrategy::HashTopic => Strategy::HashTopic,
        SharedStrategy::LeastInflight => Strategy::LeastInflight,
    }
}
