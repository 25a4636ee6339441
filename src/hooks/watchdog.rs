//! Calls in place: counted by the thread that makes them, and watched, because such a hook has promised to be quick.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::counters::Cause;
use super::decision::Terms;
use super::pool::InCallback;
use super::{Hook, HookCounters, HookTable};

/// A call that takes so long is slow. Also how often the calls are looked at.
const SLOW: Duration = Duration::from_millis(10);

/// How often they are looked at while there are none.
const REST: Duration = Duration::from_millis(100);

/// Of so many calls of one hook by one thread, the first is measured: asking for the time takes longer than many a hook.
const SAMPLE: u8 = 64;

thread_local! {
    static IN_PLACE: Cell<bool> = const { Cell::new(false) };
    static LOCAL: RefCell<Option<Local>> = const { RefCell::new(None) };
}

/// Says whether the current thread is inside a hook that is called in place.
pub fn in_place() -> bool {
    IN_PLACE.get()
}

/// What one thread tells of its calls in place for one broker. Only that thread writes, so it needs no locked
/// instruction.
#[derive(Debug, Default)]
struct Slot {
    /// The last call: its number within the thread, and, in the lowest byte, that of its hook, from 1 on; 0 when the call
    /// is over.
    mark: AtomicU64,
    /// Decisions that allowed, events that were told.
    good: [AtomicU64; Hook::COUNT],
    /// Decisions that the hook denied.
    denied: [AtomicU64; Hook::COUNT],
    /// The thread is gone, or calls for another broker.
    gone: AtomicBool,
}

/// The hook of the call that runs.
fn running(mark: u64) -> Option<Hook> {
    Hook::ALL.get(((mark & 0xff) as usize).checked_sub(1)?).copied()
}

fn bump(count: &AtomicU64) {
    count.store(count.load(Relaxed) + 1, Relaxed);
}

/// The current thread's end of a slot.
struct Local {
    /// The number of the [`Marks`] that it belongs to.
    of: u64,
    slot: Arc<Slot>,
    calls: u64,
    calls_of: [u8; Hook::COUNT],
}

impl Drop for Local {
    fn drop(&mut self) {
        self.slot.gone.store(true, Release);
    }
}

/// The slots of one broker.
#[derive(Debug)]
pub(super) struct Marks {
    /// Unique in the process.
    number: u64,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    watched: Vec<Watched>,
    /// What those that are gone have counted: good, denied.
    of_gone: [(u64, u64); Hook::COUNT],
}

#[derive(Debug)]
struct Watched {
    slot: Arc<Slot>,
    /// The mark at the last look, and since when it is the same.
    mark: u64,
    since: Instant,
    /// This call has been found slow.
    told: bool,
}

/// What the calls in place of one hook add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) good: u64,
    pub(super) denied: u64,
    pub(super) running: u64,
}

/// What a look at the slots has shown.
#[derive(Debug, Default)]
struct Look {
    /// There have been calls since the last look.
    called: bool,
    /// Calls that have just become slow, and how long they have taken at least.
    slow: Vec<(Hook, Duration)>,
}

impl Default for Marks {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Marks { number: NEXT.fetch_add(1, Relaxed), slots: Mutex::default() }
    }
}

impl Slots {
    /// Settles with the slots that are not written to any more.
    fn sweep(&mut self) {
        let of_gone = &mut self.of_gone;
        self.watched.retain(|Watched { slot, .. }| {
            let gone = slot.gone.load(Acquire);
            if gone {
                for (index, (good, denied)) in of_gone.iter_mut().enumerate() {
                    *good += slot.good[index].load(Relaxed);
                    *denied += slot.denied[index].load(Relaxed);
                }
            }
            !gone
        });
    }
}

impl Marks {
    /// What has been counted for a hook, and how many of its calls run.
    pub(super) fn sum(&self, hook: Hook) -> Sum {
        let mut slots = self.slots.lock();
        slots.sweep();
        let index = hook as usize;
        let (good, denied) = slots.of_gone[index];
        slots.watched.iter().fold(Sum { good, denied, running: 0 }, |sum, Watched { slot, .. }| Sum {
            good: sum.good + slot.good[index].load(Relaxed),
            denied: sum.denied + slot.denied[index].load(Relaxed),
            running: sum.running + u64::from(running(slot.mark.load(Relaxed)) == Some(hook)),
        })
    }

    fn join(&self) -> Local {
        let slot = Arc::<Slot>::default();
        let mut slots = self.slots.lock();
        slots.sweep();
        slots.watched.push(Watched { slot: slot.clone(), mark: 0, since: Instant::now(), told: false });
        Local { of: self.number, slot, calls: 0, calls_of: [0; Hook::COUNT] }
    }

    fn look(&self, now: Instant) -> Look {
        let mut look = Look::default();
        for watched in &mut self.slots.lock().watched {
            let mark = watched.slot.mark.load(Relaxed);
            if mark != watched.mark {
                (watched.mark, watched.since, watched.told) = (mark, now, false);
                look.called = true;
            } else if let Some(hook) = running(mark) {
                look.called = true;
                let time = now - watched.since;
                if time >= SLOW && !watched.told {
                    watched.told = true;
                    look.slow.push((hook, time));
                }
            }
        }
        look
    }
}

/// A call in place, until it is dropped.
pub(super) struct Call<'a> {
    counters: &'a HookCounters,
    hook: Hook,
    /// The thread's slot has it. Otherwise it is a call within a call, which the watch need not see: the outer one is what
    /// takes so long.
    marked: bool,
    begun: Option<Instant>,
    was_in_place: bool,
    _in_callback: InCallback,
}

impl<'a> Call<'a> {
    pub(super) fn begin(terms: &'a Terms, hook: Hook) -> Self {
        let counters = &*terms.counters;
        let marked = mark(counters.marks(), hook);
        terms.watch.wake();
        Call {
            counters,
            hook,
            marked: marked.is_some(),
            begun: marked.unwrap_or(false).then(Instant::now),
            was_in_place: IN_PLACE.replace(true),
            _in_callback: InCallback::enter(),
        }
    }

    /// Counts the decision; with `None` it has allowed.
    pub(super) fn decided(self, cause: Option<Cause>) {
        self.measure();
        match cause {
            None if self.marked => self.count(|slot| &slot.good),
            Some(Cause::Denied) if self.marked => self.count(|slot| &slot.denied),
            cause => self.counters.decided(self.hook, cause),
        }
    }

    /// Counts the event.
    pub(super) fn told(self) {
        self.measure();
        if self.marked {
            self.count(|slot| &slot.good);
        } else {
            self.counters.told(self.hook);
        }
    }

    fn measure(&self) {
        if let Some(begun) = self.begun {
            self.counters.took(self.hook, begun.elapsed());
        }
    }

    fn count(&self, counts: impl FnOnce(&Slot) -> &[AtomicU64; Hook::COUNT]) {
        with_slot(|slot| bump(&counts(slot)[self.hook as usize]));
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        IN_PLACE.set(self.was_in_place);
        if self.marked {
            with_slot(|slot| slot.mark.store(slot.mark.load(Relaxed) & !0xff, Relaxed));
        }
    }
}

fn with_slot(body: impl FnOnce(&Slot)) {
    // A thread that has marked a call has a slot, for as long as the call runs.
    let _ = LOCAL.try_with(|local| {
        if let Some(local) = &*local.borrow() {
            body(&local.slot);
        }
    });
}

/// Marks a call in the thread's slot, and says whether to measure it; `None` if the slot cannot have it.
fn mark(marks: &Marks, hook: Hook) -> Option<bool> {
    let mark = |local: &RefCell<Option<Local>>| {
        let mut local = local.borrow_mut();
        if local.as_ref().is_some_and(|local| running(local.slot.mark.load(Relaxed)).is_some()) {
            return None;
        }
        if local.as_ref().is_none_or(|local| local.of != marks.number) {
            *local = Some(marks.join());
        }
        let local = local.as_mut()?;
        local.calls += 1;
        local.slot.mark.store(local.calls << 8 | (hook as u64 + 1), Relaxed);
        let calls = &mut local.calls_of[hook as usize];
        let measured = *calls % SAMPLE == 0;
        *calls = calls.wrapping_add(1);
        Some(measured)
    };
    // Neither can a thread that is about to end.
    LOCAL.try_with(mark).ok().flatten()
}

/// The thread that looks for slow calls, if there is one.
#[derive(Default)]
pub(super) struct Watch {
    /// It is not looking, or seldom: the next call should wake it.
    rests: AtomicBool,
    closing: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Watch {
    /// Sees to it that hooks in place are watched, if there are any. Called whenever hooks have been set.
    pub(super) fn look_after(terms: &Arc<Terms>, table: &Arc<HookTable>, name: &str) {
        if !table.has_in_place() {
            return; // A thread that is there finds nothing to look at, and rests.
        }
        let mut thread = terms.watch.thread.lock();
        if thread.is_some() {
            drop(thread);
            return terms.watch.wake();
        }
        let (watching, table) = (terms.clone(), table.clone());
        let spawned = thread::Builder::new().name(format!("{name}-watch")).spawn(move || watching.watch(&table));
        match spawned {
            Ok(spawned) => *thread = Some(spawned),
            Err(error) => tracing::error!(%error, "no thread to watch the hooks that are called in place"),
        }
    }

    /// Has the thread look often from now on.
    fn wake(&self) {
        if self.rests.load(Relaxed) && self.rests.swap(false, SeqCst) {
            if let Some(thread) = &*self.thread.lock() {
                thread.thread().unpark();
            }
        }
    }

    /// Ends the thread.
    pub(super) fn close(&self) {
        self.closing.store(true, SeqCst);
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            thread.thread().unpark();
            // It runs no code of the host program; it cannot have panicked.
            let _ = thread.join();
        }
    }
}

impl Terms {
    /// Looks for slow calls. Without hooks in place, it sleeps until it is woken.
    fn watch(&self, table: &HookTable) {
        let watch = &self.watch;
        let mut rests = false;
        while !watch.closing.load(SeqCst) {
            // Set before the look: a call that the look does not see does see this, as good as always.
            watch.rests.store(rests, SeqCst);
            let look = self.counters.marks().look(Instant::now());
            for (hook, time) in look.slow {
                self.counters.was_slow(hook);
                let at_least_ms = time.as_millis() as u64;
                tracing::warn!(hook = hook.name(), at_least_ms, "a hook that is called in place holds up clients");
            }
            if look.called {
                watch.rests.store(false, SeqCst);
                thread::park_timeout(SLOW);
            } else if !rests {
                thread::park_timeout(SLOW);
            } else if table.has_in_place() {
                thread::park_timeout(REST);
            } else {
                thread::park();
            }
            rests = !look.called;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn terms() -> Arc<Terms> {
        Arc::new(Terms::new(Arc::default(), LONG, 1))
    }

    fn threads_named(name: &str) -> usize {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
        names.filter(|comm| comm.trim_end() == name).count()
    }

    fn eventually(what: &str, holds: impl Fn() -> bool) {
        let begin = Instant::now();
        while !holds() {
            assert!(begin.elapsed() < LONG, "never came true: {what}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn calls_are_counted_by_their_thread_and_outlive_it() {
        let terms = terms();
        let calls = |terms: &Terms| {
            for _ in 0..100 {
                Call::begin(terms, Hook::AuthorizePublish).decided(None);
                Call::begin(terms, Hook::AuthorizePublish).decided(Some(Cause::Denied));
                Call::begin(terms, Hook::MessagePublished).told();
            }
            Call::begin(terms, Hook::AuthorizePublish).decided(Some(Cause::Failed));
        };
        let of = |hook| terms.counters.hook(hook);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| calls(&terms));
            }
        });
        calls(&terms);
        let stats = of(Hook::AuthorizePublish);
        assert_eq!((stats.allowed, stats.denied, stats.failed, stats.in_flight), (500, 500, 5, 0));
        // 201 calls by each of five threads, of which the first of each 64 are measured.
        assert_eq!(stats.time.iter().sum::<u64>(), 20);
        assert_eq!(of(Hook::MessagePublished).told, 500);
        assert_eq!(
            terms.counters.marks().slots.lock().watched.len(),
            1,
            "the slots of threads that are gone are freed"
        );
    }

    #[test]
    fn a_thread_may_call_for_several_brokers_one_within_the_other() {
        let (one, two) = (terms(), terms());
        for _ in 0..3 {
            let outer = Call::begin(&one, Hook::Authenticate);
            assert!(in_place() && crate::hooks::in_callback());
            let inner = Call::begin(&two, Hook::Connected);
            inner.told();
            Call::begin(&one, Hook::AuthorizePublish).decided(None);
            assert_eq!(one.counters.hook(Hook::Authenticate).in_flight, 1);
            assert!(in_place());
            outer.decided(None);
            assert!(!in_place() && !crate::hooks::in_callback());
            Call::begin(&two, Hook::Connected).told();
        }
        let allowed = |hook| one.counters.hook(hook).allowed;
        assert_eq!((allowed(Hook::Authenticate), allowed(Hook::AuthorizePublish)), (3, 3));
        assert_eq!(two.counters.hook(Hook::Connected).told, 6);
    }

    #[test]
    fn a_call_is_slow_once_when_it_is_seen_for_so_long() {
        let terms = terms();
        let marks = terms.counters.marks();
        let begin = Instant::now();
        let at = |ms| marks.look(begin + Duration::from_millis(ms));
        assert!(!at(0).called);
        let call = Call::begin(&terms, Hook::AuthorizePublish);
        assert!(at(10).called && at(10).slow.is_empty());
        assert!(at(19).slow.is_empty());
        assert_eq!(at(20).slow, [(Hook::AuthorizePublish, Duration::from_millis(10))]);
        assert!(at(500).slow.is_empty() && at(500).called);
        call.decided(None);
        assert!(at(510).called);
        assert!(!at(520).called);
        // Calls follow each other without a break, each of them quick.
        for ms in 530..600 {
            Call::begin(&terms, Hook::AuthorizePublish).decided(None);
            let call = Call::begin(&terms, Hook::AuthorizePublish);
            assert!(at(10 * ms).slow.is_empty());
            call.decided(None);
        }
    }

    struct Set(crate::hooks::HookSet);

    impl crate::hooks::Hooks for Set {
        fn interest(&self) -> crate::hooks::HookSet {
            self.0
        }

        fn in_place(&self) -> crate::hooks::HookSet {
            self.0
        }
    }

    #[test]
    fn the_thread_is_there_when_it_is_needed_and_ends() {
        let (terms, table) = (terms(), Arc::<HookTable>::default());
        Watch::look_after(&terms, &table, "w1");
        assert_eq!(threads_named("w1-watch"), 0);
        table.set(Some(Box::new(Set(crate::hooks::HookSet::of(&[Hook::AuthorizePublish])))));
        Watch::look_after(&terms, &table, "w1");
        Watch::look_after(&terms, &table, "w1");
        eventually("one thread", || threads_named("w1-watch") == 1);
        for round in 1..=2 {
            eventually("it rests", || terms.watch.rests.load(SeqCst));
            let (end, ended) = mpsc::channel::<()>();
            let calling = terms.clone();
            let thread = thread::spawn(move || {
                let call = Call::begin(&calling, Hook::AuthorizePublish);
                ended.recv_timeout(LONG).unwrap();
                call.decided(None);
            });
            eventually("the call is slow", || terms.counters.hook(Hook::AuthorizePublish).slow == round);
            assert_eq!(terms.counters.hook(Hook::AuthorizePublish).in_flight, 1);
            end.send(()).unwrap();
            thread.join().unwrap();
            // Without hooks in place it sleeps, until there are some again.
            table.set(None);
            Watch::look_after(&terms, &table, "w1");
            table.set(Some(Box::new(Set(crate::hooks::HookSet::of(&[Hook::AuthorizePublish])))));
            Watch::look_after(&terms, &table, "w1");
        }
        terms.watch.close();
        eventually("no thread", || threads_named("w1-watch") == 0);
        assert_eq!(Arc::strong_count(&terms), 1);
    }
}
