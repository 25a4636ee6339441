//! The host program's code: which hooks it has set, how it is called, and what happens when it does not answer.
//!
//! No hook ever runs on an async worker. A hook call is a job of the [`CallbackPool`], keyed by client identifier:
//! one client's calls keep their order, different clients' calls run in parallel. A decision that is not made denies.

mod counters;
mod decision;
mod pool;
mod subscription;

use std::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, Release},
};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;

use crate::model::{Client, Message, Text};

pub use counters::HookCounters;
pub use decision::{complete, defer, Denial, Expired, Ticket, Verdict};
pub use pool::{in_callback, mark_callback_thread, CallbackPool, Key};
pub use subscription::{Consumer, SubscriptionQueue};

/// What the host program wants to decide and to hear of. Absent methods are the configured policy.
pub trait Hooks: Send + Sync {
    /// The hooks that are set. Asked once, when the table is installed.
    fn interest(&self) -> Interest;

    /// A client wants to connect. See [`defer`] for an answer that comes later.
    fn authenticate(&self, _event: &Authenticate) -> Answer {
        Answer::Deny(Denial::default())
    }

    /// A client is connected.
    fn connected(&self, _event: &Connected) {}

    /// A connected client is gone.
    fn disconnected(&self, _event: &Disconnected) {}
}

/// Which hooks a table has: a set of the constants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interest(u32);

impl Interest {
    pub const NONE: Interest = Interest(0);
    pub const AUTHENTICATE: Interest = Interest(1);
    pub const CONNECTED: Interest = Interest(1 << 1);
    pub const DISCONNECTED: Interest = Interest(1 << 2);

    /// This set with `hook` if `set`.
    pub fn with(self, hook: Interest, set: bool) -> Interest {
        Interest(self.0 | if set { hook.0 } else { 0 })
    }

    pub fn has(self, hook: Interest) -> bool {
        self.0 & hook.0 != 0
    }
}

/// What a decision hook returns.
#[derive(Clone, Debug)]
pub enum Answer {
    Allow,
    Deny(Denial),
    /// The verdict comes through [`complete`] with the ticket that [`defer`] gave. Without a ticket: deny.
    Deferred,
}

/// A client wants to connect.
#[derive(Clone, Debug)]
pub struct Authenticate {
    pub client: Arc<Client>,
    pub password: Option<Bytes>,
    pub keep_alive_s: u16,
    pub clean_start: bool,
    pub will: Option<Message>,
}

/// A client is connected.
#[derive(Clone, Debug)]
pub struct Connected {
    pub client: Arc<Client>,
}

/// Who ended a connection. The numbers are part of the C ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum DisconnectedBy {
    /// The client said DISCONNECT.
    Client = 1,
    /// The broker closed it.
    Broker = 2,
    /// The transport ended without a word.
    Network = 3,
}

/// A connected client is gone.
#[derive(Clone, Debug)]
pub struct Disconnected {
    pub client: Arc<Client>,
    pub by: DisconnectedBy,
    /// The MQTT 5 reason code, also for older clients.
    pub reason_code: u8,
    pub reason: Text,
}

/// The hooks of one broker: replaceable at any time, called through the pool of the current run.
///
/// Async workers read `interest` only, and jobs carry events only: the hooks are looked up by the callback thread
/// that runs the job. So no async worker ever holds, let alone drops, the last reference to foreign code.
#[derive(Default)]
pub struct HookTable {
    hooks: ArcSwapOption<Box<dyn Hooks>>,
    interest: AtomicU32,
}

impl HookTable {
    /// Puts `hooks` in the place of those before. Calls under way end with the hooks they began with.
    pub fn set(&self, hooks: Option<Box<dyn Hooks>>) {
        let interest = hooks.as_ref().map_or(Interest::NONE, |hooks| hooks.interest());
        self.hooks.store(hooks.map(Arc::new));
        self.interest.store(interest.0, Release);
    }

    fn wants(&self, hook: Interest) -> bool {
        Interest(self.interest.load(Acquire)).has(hook)
    }
}

/// The way from the sessions to the hooks, for one run of a broker.
pub struct Callbacks {
    table: Arc<HookTable>,
    pool: Arc<CallbackPool>,
    counters: Arc<HookCounters>,
    timeout: Duration,
    max_pending: usize,
}

impl Callbacks {
    pub fn new(
        table: Arc<HookTable>,
        pool: Arc<CallbackPool>,
        counters: Arc<HookCounters>,
        timeout: Duration,
        max_pending: usize,
    ) -> Self {
        Callbacks { table, pool, counters, timeout, max_pending }
    }

    pub fn pool(&self) -> &Arc<CallbackPool> {
        &self.pool
    }

    pub fn counters(&self) -> &Arc<HookCounters> {
        &self.counters
    }

    /// Asks the `authenticate` hook. `None`: no such hook is set.
    pub async fn authenticate(&self, event: Authenticate) -> Option<Verdict> {
        if !self.table.wants(Interest::AUTHENTICATE) {
            return None;
        }
        let key = Key::Client(event.client.id.clone());
        let table = self.table.clone();
        let ask = move || match table.hooks.load_full() {
            Some(hooks) => hooks.authenticate(&event),
            // The hooks were taken away between the question and now: denying costs the client one retry.
            None => Answer::Deny(Denial::default()),
        };
        Some(decision::decide(&self.pool, key, &self.counters, self.timeout, self.max_pending, ask).await)
    }

    /// Tells the `connected` hook.
    pub fn connected(&self, event: Connected) {
        if self.table.wants(Interest::CONNECTED) {
            self.notify(event.client.id.clone(), move |hooks| hooks.connected(&event));
        }
    }

    /// Tells the `disconnected` hook.
    pub fn disconnected(&self, event: Disconnected) {
        if self.table.wants(Interest::DISCONNECTED) {
            self.notify(event.client.id.clone(), move |hooks| hooks.disconnected(&event));
        }
    }

    fn notify(&self, client_id: Text, tell: impl FnOnce(&dyn Hooks) + Send + 'static) {
        let table = self.table.clone();
        let job = move || {
            if let Some(hooks) = table.hooks.load_full() {
                tell(hooks.as_ref().as_ref());
            }
        };
        if !self.pool.submit(Key::Client(client_id), job) {
            self.counters.event_dropped();
        }
    }
}
