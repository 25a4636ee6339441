//! The host program's code: which hooks it has set, how it is called, and what happens when it does not answer.
//!
//! A hook call is a job of the [`CallbackPool`], keyed by client identifier: one client's calls keep their order,
//! different clients' calls run in parallel. No hook runs on a thread that serves clients, but those that ask for it. A
//! decision that is not made denies.

mod counters;
mod decision;
mod event;
mod hook;
mod in_place;
mod pool;
mod question;
mod room;
mod slots;
mod verdict;
mod watchdog;

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwapOption, Guard};

use counters::InFlight;
use decision::Terms;
use watchdog::Watch;

pub use counters::{time_bound_us, HookCounters, HookStats, TIME_BUCKETS};
pub use decision::{complete, defer, Decision, Expired, Ticket};
pub use event::{
    ClientBanned, Connack, Disconnected, DisconnectedBy, DropCause, Event, MessageAcked, MessageDelivered,
    MessageDropped, MessagePublished, Overload, Resource, RetainedChange, RetainedChanged, SessionEnd,
    SessionTerminated, Subscribed, Subscriber, Unsubscribed,
};
pub use hook::{Hook, HookSet};
pub use in_place::Asker;
pub use pool::{in_callback, mark_callback_thread, CallbackPool, Key, Kind, Refused};
pub use question::{
    AuthExchange, Authenticate, AuthorizeForward, AuthorizeSubscribe, AuthorizeUnsubscribe, ConnectProperties,
    OwnedQuestion, PreConnect, Question, Stage,
};
pub use room::{Patience, Room};
pub use slots::in_place;
pub use verdict::{Answer, Changes, Denial, Remarks, Verdict};

/// What the host program wants to decide and to hear of.
pub trait Hooks: Send + Sync {
    /// The hooks that are set. Asked once, when the table is installed.
    fn interest(&self) -> HookSet;

    /// Those of them that promise to take microseconds, and run in place, on the threads that serve clients. Asked once,
    /// as above.
    fn in_place(&self) -> HookSet {
        HookSet::NONE
    }

    /// Makes a decision. See [`defer`] for an answer that comes later.
    fn decide(&self, _question: Question<'_>) -> Answer {
        Answer::Now(Verdict::deny())
    }

    /// Tells of an event.
    fn tell(&self, _event: &Event) {}
}

/// The hooks of one broker: replaceable at any time, called through the pool of the current run.
///
/// Threads that serve clients read the sets only, and jobs carry events only: the hooks are looked up by the callback
/// thread that runs the job, or for calls in place.
#[derive(Default)]
pub struct HookTable {
    hooks: ArcSwapOption<Box<dyn Hooks>>,
    /// Changes with the hooks.
    version: AtomicU64,
    interest: AtomicU32,
    in_place: AtomicU32,
}

/// How a hook is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is not set.
    Absent,
    /// On a callback thread.
    Queued,
    /// On the thread that asks.
    InPlace,
}

impl HookTable {
    /// Puts `hooks` in the place of those before, which are returned. Calls under way end with the hooks they began with.
    pub fn set(&self, hooks: Option<Box<dyn Hooks>>) -> Option<Arc<Box<dyn Hooks>>> {
        let (interest, in_place) =
            hooks.as_ref().map_or_else(Default::default, |hooks| (hooks.interest(), hooks.in_place()));
        let before = self.hooks.swap(hooks.map(Arc::new));
        self.version.fetch_add(1, Release);
        self.in_place.store(in_place.without(HookSet::QUEUED_ONLY).bits(), Release);
        self.interest.store(interest.bits(), Release);
        before
    }

    /// The hooks that are set.
    pub fn interest(&self) -> HookSet {
        HookSet::from_bits(self.interest.load(Acquire))
    }

    fn mode(&self, hook: Hook) -> Mode {
        if !self.interest().has(hook) {
            Mode::Absent
        } else if HookSet::from_bits(self.in_place.load(Acquire)).has(hook) {
            Mode::InPlace
        } else {
            Mode::Queued
        }
    }

    /// Whether a hook is set that is called in place.
    fn has_in_place(&self) -> bool {
        self.interest().has_any(HookSet::from_bits(self.in_place.load(Acquire)))
    }

    fn tell(&self, event: &Event) {
        if let Some(hooks) = &*self.hooks.load() {
            hooks.tell(event);
        }
    }

    /// The hooks that are installed now.
    fn installed(&self) -> Installed {
        // In this order: if the hooks change in between, that is noticed.
        let version = self.version.load(Acquire);
        Installed { hooks: self.hooks.load(), version }
    }

    fn has_changed_since(&self, installed: &Installed) -> bool {
        self.version.load(Acquire) != installed.version
    }
}

/// Hooks that stay callable as long as this is there, even if others are put in their place.
struct Installed {
    hooks: Guard<Option<Arc<Box<dyn Hooks>>>>,
    version: u64,
}

impl Installed {
    fn decide(&self, question: Question<'_>) -> Answer {
        match &*self.hooks {
            Some(hooks) => hooks.decide(question),
            // The hooks were taken away between the question and now: denying costs the client one retry.
            None => Answer::Now(Verdict::deny()),
        }
    }
}

/// What has come of a question.
pub enum Asked {
    /// There is no such hook.
    Nobody,
    Decided(Verdict),
    Later(Box<Decision>),
}

/// The way from the sessions to the hooks, for one run of a broker.
pub struct Callbacks {
    table: Arc<HookTable>,
    pool: Arc<CallbackPool>,
    terms: Arc<Terms>,
    /// Clients wait for room for their events.
    patient: AtomicBool,
}

impl Callbacks {
    /// `max_pending` decisions may be deferred at the same time, each for `timeout`.
    pub fn new(
        table: Arc<HookTable>,
        pool: Arc<CallbackPool>,
        counters: Arc<HookCounters>,
        timeout: Duration,
        max_pending: usize,
    ) -> Self {
        Callbacks {
            table,
            pool,
            terms: Arc::new(Terms::new(counters, timeout, max_pending)),
            patient: AtomicBool::new(false),
        }
    }

    /// Other numbers hold from now on. Decisions under way keep their deadline.
    pub fn change(&self, timeout: Duration, max_pending: usize) {
        self.terms.change(timeout, max_pending);
    }

    /// Whether clients wait for room for their events, for as long as a decision may take. They do not at first.
    pub fn be_patient(&self, patient: bool) {
        self.patient.store(patient, Relaxed);
    }

    /// Sees to it that hooks which are called in place are watched, by a thread named `{name}-watch`. Called when the run
    /// has begun, and when hooks have been set since.
    pub fn watch(&self, name: &str) {
        Watch::look_after(&self.terms, &self.table, name);
    }

    /// The run ends: decisions that nobody waits for any more are denied for that reason.
    pub fn stop(&self) {
        self.terms.stopping.store(true, SeqCst);
    }

    /// Makes the calls that wait, and ends the threads. Not for callback threads.
    pub fn close(&self) {
        self.pool.close();
        self.terms.watch.close();
    }

    pub fn pool(&self) -> &Arc<CallbackPool> {
        &self.pool
    }

    pub fn counters(&self) -> &Arc<HookCounters> {
        &self.terms.counters
    }

    pub fn mode(&self, hook: Hook) -> Mode {
        self.table.mode(hook)
    }

    /// Asks a hook, if it is set. Questions under one key are asked one after the other. Needs a runtime.
    pub fn ask(&self, hook: Hook, key: impl FnOnce() -> Key, question: impl FnOnce() -> OwnedQuestion) -> Asked {
        match self.mode(hook) {
            Mode::Absent => Asked::Nobody,
            Mode::InPlace => self.asker(hook).ask(question().borrow()),
            Mode::Queued => self.ask_later(hook, key(), question()),
        }
    }

    /// For questions to a hook that is called in place.
    pub fn asker(&self, hook: Hook) -> Asker<'_> {
        Asker::new(hook, &self.table, &self.terms)
    }

    /// Asks a hook that is called on a callback thread.
    pub fn ask_later(&self, hook: Hook, key: Key, question: OwnedQuestion) -> Asked {
        let table = self.table.clone();
        let ask = move || table.installed().decide(question.borrow());
        match decision::ask_later(&self.pool, key, hook, &self.terms, ask) {
            Some(decision) => Asked::Later(Box::new(decision)),
            None => Asked::Decided(Verdict::deny()),
        }
    }

    /// Whether a hook is set.
    pub fn wants(&self, hook: Hook) -> bool {
        self.table.interest().has(hook)
    }

    /// Whether one of these hooks is set.
    pub fn wants_any(&self, hooks: HookSet) -> bool {
        self.table.interest().has_any(hooks)
    }

    /// Tells a hook of an event, if it is set. Events under one key are told one after the other.
    pub fn tell(&self, hook: Hook, key: impl FnOnce() -> Key, event: impl FnOnce() -> Event) {
        match self.mode(hook) {
            Mode::Absent => {}
            Mode::InPlace => {
                let event = event();
                debug_assert_eq!(event.hook(), hook);
                if !in_place::tell(hook, &self.terms, || self.table.tell(&event)) {
                    event_failed(&self.terms.counters, hook);
                }
            }
            Mode::Queued => {
                let event = event();
                debug_assert_eq!(event.hook(), hook);
                self.tell_later(hook, key(), event);
            }
        }
    }

    /// As [`Callbacks::tell`], for what a hook that is called in place may bring about itself: that is told on a callback
    /// thread, or it might never end.
    pub fn tell_outside(&self, hook: Hook, key: impl FnOnce() -> Key, event: impl FnOnce() -> Event) {
        if self.mode(hook) == Mode::InPlace && in_place() {
            self.tell_later(hook, key(), event());
        } else {
            self.tell(hook, key, event);
        }
    }

    fn tell_later(&self, hook: Hook, key: Key, event: Event) {
        let (table, counters) = (self.table.clone(), self.terms.counters.clone());
        let in_flight = InFlight::new(&counters, hook);
        let places = event.places();
        let job = move || {
            let begun = Instant::now();
            if catch_unwind(AssertUnwindSafe(|| table.tell(&event))).is_err() {
                event_failed(&counters, hook);
            }
            counters.took(hook, begun.elapsed());
            counters.told(hook);
            drop(in_flight);
        };
        let queued = match room::is_patient() {
            true => self.pool.submit_patiently(places, key, job),
            false => self.pool.submit(Kind::Event(places), key, job),
        };
        if queued.is_err() {
            self.terms.counters.event_dropped(hook);
        }
    }

    /// To be held while a client is served that [`Callbacks::room_for_events`] is asked for.
    pub fn patience(&self) -> Patience {
        Patience::begin(self.patient.load(Relaxed))
    }

    /// Whether there is no room for events, and clients wait for some.
    pub fn is_crowded(&self) -> bool {
        self.patient.load(Relaxed) && self.pool.is_crowded()
    }

    /// What a client has to wait for before it brings about more events; `None`: nothing. Needs a runtime.
    pub fn room_for_events(&self) -> Option<Room> {
        self.is_crowded().then(|| Room::new(&self.pool, self.terms.timeout()))
    }
}

fn event_failed(counters: &HookCounters, hook: Hook) {
    counters.event_failed(hook);
    tracing::error!(hook = hook.name(), "an event hook panicked");
}

impl Drop for Callbacks {
    fn drop(&mut self) {
        self.terms.watch.close();
    }
}

impl Asked {
    /// Waits for the verdict. `None`: nobody has been asked.
    pub async fn verdict(self) -> Option<Verdict> {
        match self {
            Asked::Nobody => None,
            Asked::Decided(verdict) => Some(verdict),
            Asked::Later(decision) => Some(decision.await),
        }
    }
}
