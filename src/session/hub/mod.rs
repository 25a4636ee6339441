//! Everything that the sessions of one run of a broker share.

mod bans;
mod clients;
mod host;
mod host_retained;
mod lifetime;
mod retaining;
mod starving;
mod subscribing;
mod wills;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, SeqCst},
};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::Guard;
use parking_lot::Mutex;
use tokio::sync::{mpsc, Notify};

use super::backlog::Backlog;
use super::busy_poll::BusyPoll;
use super::counters::{add, SessionCounters};
use super::deadlines::Deadlines;
use super::delayed::Delayed;
use super::delivery::{Delivery, Outgoing, Source};
use super::dispatch::Dispatch;
use super::excess::Excess;
use super::handle::Handle;
use super::in_process::Subscription;
use super::overload::Overloads;
use super::receipt::Receipts;
use super::receiver::Receiver;
use super::retained::{LookUps, Retained};
use super::returns::Returns;
use super::settings::{unlimited, Bounds, InForce, Settings};
use crate::access::Access;
use crate::config::Config;
use crate::hooks::{
    Callbacks, Changes, DropCause, Event, Hook, HookSet, Key, MessageDropped, OwnedQuestion, Subscriber, Verdict,
};
use crate::limits::{self, Barred, Gate, Lines, Memory, Places, Refusing};
use crate::model::topic;
use crate::model::{Client, Message, SubscriptionOptions, Text};
use crate::retain::RetainStore;
use crate::router::{Router, Subscribed};

pub use clients::{ClientInfo, ClientPage, ClientQuery, Load, Presence};
pub use host::{HostMessage, NotPublished, Publisher, Unpublished, Waiting};
pub use host_retained::Full;
pub use subscribing::Missing;

/// Connections beyond all limits that are told so at the same time; more are closed without a word.
const REFUSALS: usize = 32;

/// Retained messages that are read at once for one subscription.
const RETAINED_PAGE: usize = 64;

/// The sessions of one run of a broker, who gets what, and what is retained.
pub struct Hub {
    settings: InForce,
    callbacks: Arc<Callbacks>,
    counters: Arc<SessionCounters>,
    router: Router<Receiver>,
    retained: RetainStore<Arc<Retained>>,
    look_ups: LookUps,
    /// In the order of the client identifiers.
    sessions: Mutex<BTreeMap<Text, Arc<Handle>>>,
    deadlines: Deadlines,
    next_number: AtomicU64,
    session_subscriptions: AtomicU64,
    /// With their filters.
    host_subscriptions: Mutex<HashMap<u64, (String, Arc<Subscription>)>>,
    host_messages: mpsc::Sender<Waiting>,
    /// Of whichever call of the host program comes first.
    host_dispatch: Mutex<Dispatch>,
    receipts: Receipts,
    delayed: Delayed<Waiting>,
    backlog: Backlog,
    connected: AtomicU64,
    /// Connections that have been accepted, until nothing more is to be said to their clients.
    served: AtomicU64,
    /// Wills that a hook is being asked about.
    wills_asked: AtomicU64,
    /// Told when the last client may have gone, with its will.
    nobody: Notify,
    /// Held while a filter gets or loses a subscriber that somebody is told of, so that they are told in order.
    turn_of_filters: Mutex<()>,
    /// When expired retained messages are looked for next.
    sweep_at: Mutex<Option<Instant>>,
    overloads: Overloads,
    gate: Gate,
    /// What has been logged of clients that are connected.
    excesses: Lines<(Excess, Option<limits::Source>)>,
    /// For connections that are read from only to be refused.
    refusals: Places,
    memory: Arc<Memory>,
    returns: Returns,
    busy_poll: BusyPoll,
    /// While there is little memory: until when the host program adds to no backlog.
    host_rests_until: Mutex<Option<Instant>>,
    stopping: AtomicBool,
}

/// What there is too little of for another session, or another retained message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::session) enum Lack {
    /// There are as many as allowed.
    Places,
    Memory,
}

impl From<Lack> for Barred {
    fn from(lack: Lack) -> Self {
        match lack {
            Lack::Places => Barred::Full,
            Lack::Memory => Barred::Memory,
        }
    }
}

/// A connection that is served.
pub(in crate::session) struct Serving<'a>(&'a Hub);

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        if self.0.served.fetch_sub(1, SeqCst) == 1 {
            self.0.nobody.notify_waiters();
        }
    }
}

impl Hub {
    /// The second one is for [`Hub::publish_for_host`].
    pub fn new(
        config: &Config,
        callbacks: Arc<Callbacks>,
        counters: Arc<SessionCounters>,
        access: Access,
    ) -> (Arc<Hub>, mpsc::Receiver<Waiting>) {
        let (host_messages, waiting) = mpsc::channel(config.callbacks.queue as usize);
        let memory = Memory::new(config.limits.memory_budget_bytes);
        let hub = Hub {
            settings: InForce::new(Settings::of(config, Arc::new(access))),
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
            host_dispatch: Mutex::new(Dispatch::new(&memory, None)),
            receipts: Receipts::new(config.callbacks.max_pending as usize),
            delayed: Delayed::new(unlimited(config.delayed.max_messages.into()), unlimited(config.delayed.max_bytes)),
            backlog: Backlog::default(),
            connected: AtomicU64::new(0),
            served: AtomicU64::new(0),
            wills_asked: AtomicU64::new(0),
            nobody: Notify::new(),
            turn_of_filters: Mutex::default(),
            sweep_at: Mutex::default(),
            overloads: Overloads::of(config),
            gate: Gate::new(&config.limits),
            excesses: Lines::default(),
            refusals: Places::new(REFUSALS),
            memory,
            returns: Returns::default(),
            busy_poll: BusyPoll::new(Duration::from_micros(config.runtime.busy_poll_us)),
            host_rests_until: Mutex::default(),
            stopping: AtomicBool::new(false),
        };
        (Arc::new(hub), waiting)
    }

    /// The pointers of the files about who may do what that are others than those which hold now.
    pub fn renewed(&self, access: &Access) -> Vec<String> {
        access.renewed_since(&self.settings().access).map(str::to_owned).collect()
    }

    /// Has a new configuration hold from now on, as far as sessions are concerned. What has been agreed on with clients that
    /// are connected stays.
    pub fn adopt(&self, config: &Config, access: Access) {
        self.settings.set(Settings::of(config, Arc::new(access)));
        self.gate.set(&config.limits);
        self.retained.set_max_messages(config.retain.max_messages as usize);
        self.receipts.set_max(config.callbacks.max_pending as usize);
        self.delayed.set_limits(unlimited(config.delayed.max_messages.into()), unlimited(config.delayed.max_bytes));
        self.memory.set_budget(config.limits.memory_budget_bytes);
        let (callbacks, overloads) = (&self.callbacks, &self.overloads);
        overloads.connections.set(config.limits.max_connections);
        overloads.sessions.set(config.limits.max_sessions);
        overloads.retained_messages.set(config.retain.max_messages);
        // There may be room again.
        overloads.sessions.relax(callbacks, self.sessions() as usize);
        overloads.retained_messages.relax(callbacks, self.retained.count());
    }

    /// Tells of it when something has to be refused because there is too little memory, and when that is over. Never
    /// returns.
    pub async fn watch_memory(self: Arc<Self>) {
        let mut known = Refusing::default();
        loop {
            let now = self.memory.refusing();
            let (has_begun, is_over) = (now.begun != known.begun, known.now || now.begun != known.begun);
            // It may have been over in between, and begun again.
            if known.now && has_begun {
                self.overloads.tell_memory(&self.callbacks, false, self.memory.budget());
            }
            if has_begun {
                self.overloads.tell_memory(&self.callbacks, true, self.memory.budget());
            }
            if is_over && !now.now {
                self.overloads.tell_memory(&self.callbacks, false, self.memory.budget());
            }
            known = now;
            self.memory.changed().await;
        }
    }

    /// Changes when other settings hold.
    pub(in crate::session) fn settings_version(&self) -> u64 {
        self.settings.version()
    }

    /// The settings that hold now, to be looked at without waiting for anything.
    pub(in crate::session) fn settings(&self) -> Guard<Arc<Settings>> {
        self.settings.all()
    }

    /// What messages of the host program keep to now.
    pub fn bounds(&self) -> Bounds {
        self.settings.bounds()
    }

    pub(in crate::session) fn max_topic_levels(&self) -> usize {
        self.settings.max_topic_levels()
    }

    pub(in crate::session) fn callbacks(&self) -> &Callbacks {
        &self.callbacks
    }

    pub(in crate::session) fn counters(&self) -> &SessionCounters {
        &self.counters
    }

    pub(in crate::session) fn excesses(&self) -> &Lines<(Excess, Option<limits::Source>)> {
        &self.excesses
    }

    pub(in crate::session) fn router(&self) -> &Router<Receiver> {
        &self.router
    }

    pub(in crate::session) fn busy_poll(&self) -> &BusyPoll {
        &self.busy_poll
    }

    /// Where messages lie that go back to the thread that made them.
    pub(in crate::session) fn returns(&self) -> &Returns {
        &self.returns
    }

    /// What is held in memory, and how near that is to what may be.
    pub fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    pub(in crate::session) fn publish_now(&self, outgoing: Outgoing<'_>, publisher: Option<u64>, now: Instant) {
        let mut dispatch = Dispatch::new(&self.memory, publisher);
        if let Err(error) = dispatch.publish(self, outgoing, now) {
            // Whoever brought it has checked the topic.
            tracing::error!(%error, "a message could not be published: its topic");
        }
        dispatch.flush();
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
    pub(in crate::session) fn refuse(&self, message: impl FnOnce() -> Arc<Message>) {
        add(&self.counters.dropped_refused, 1);
        self.tell_dropped(None, message, DropCause::Refused);
    }

    /// Tells of a message that does not reach a client, or nobody.
    pub(in crate::session) fn tell_dropped(
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
    pub(in crate::session) fn change<'a>(&self, source: Source<'a>, changes: &'a Changes) -> Option<Source<'a>> {
        let changed = self.try_to_change(source, changes);
        if changed.is_none() {
            self.refuse(|| Outgoing::new(source).message().clone());
        }
        changed
    }

    fn try_to_change<'a>(&self, source: Source<'a>, changes: &'a Changes) -> Option<Source<'a>> {
        if let Some(instead) = &changes.topic {
            if let Err(error) = topic::check_name(instead, self.max_topic_levels()) {
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
    pub(in crate::session) fn change_delivery(
        &self,
        delivery: Delivery,
        changes: &Changes,
    ) -> Result<Delivery, Delivery> {
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

    /// Adds a subscription, and tells if it is the first one to its filter.
    pub(in crate::session) fn add_subscription(
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
    fn remove_subscription(&self, filter: &str, key: u64, client: Option<&Arc<Client>>) -> bool {
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

    pub(in crate::session) fn count_subscriptions(&self, change: i64) {
        self.session_subscriptions.fetch_add(change as u64, Relaxed);
    }

    /// Counts a connection that has failed below MQTT.
    pub fn handshake_failed(&self) {
        add(&self.counters.handshakes_failed, 1);
    }

    /// Counts a connection that was too slow below MQTT.
    pub fn handshake_timed_out(&self) {
        add(&self.counters.connections_timed_out, 1);
    }

    /// A connection is gone, and `left` are still there.
    pub fn connection_closed(&self, left: usize) {
        self.overloads.connections.relax(&self.callbacks, left);
    }

    pub(in crate::session) fn client_came(&self) {
        self.connected.fetch_add(1, SeqCst);
    }

    pub(in crate::session) fn client_went(&self) {
        if self.connected.fetch_sub(1, SeqCst) == 1 {
            self.nobody.notify_waiters();
        }
    }

    /// Counts a connection as one that is served, until what is returned is dropped.
    pub(in crate::session) fn serving(&self) -> Serving<'_> {
        self.served.fetch_add(1, SeqCst);
        Serving(self)
    }

    pub(in crate::session) fn is_stopping(&self) -> bool {
        self.stopping.load(Acquire)
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

    pub fn delayed_messages(&self) -> u64 {
        self.delayed.count() as u64
    }

    pub fn host_subscriptions(&self) -> u64 {
        self.host_subscriptions.lock().len() as u64
    }
}

/// The key of events about a message that a client has published, or nobody.
pub(in crate::session) fn key_of(publisher: Option<&Arc<Client>>) -> Key {
    publisher.map_or(Key::Host, |client| Key::Client(client.id.clone()))
}

/// When a message expires that has so many seconds left.
pub(in crate::session) fn expires_at(seconds: Option<u32>, now: Instant) -> Option<Instant> {
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
