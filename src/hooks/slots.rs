//! Calls in place, counted by the thread that makes them.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Hook;

/// A call that takes so long is slow. Also how often the calls are looked at.
pub(super) const SLOW: Duration = Duration::from_millis(10);

/// Of so many calls of one hook by one thread, the first is measured: asking for the time takes longer than many a hook.
const SAMPLE: u64 = 64;

thread_local! {
    static LOCAL: RefCell<Option<Local>> = const { RefCell::new(None) };
}

/// Says whether the current thread is inside a hook that is called in place.
pub fn in_place() -> bool {
    let inside = |local: &RefCell<Option<Local>>| local.borrow().as_ref().is_some_and(|local| local.slot.is_running());
    LOCAL.try_with(inside).unwrap_or(false)
}

/// What one thread tells of its calls in place for one broker. Only that thread writes, so it needs no locked
/// instruction.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// The last call: its number, and, in the lowest byte, that of its hook, from 1 on; 0 when the call is over.
    mark: AtomicU64,
    /// Decisions that allowed, events that were told.
    good: [AtomicU64; Hook::COUNT],
    /// Decisions that the hook denied.
    denied: [AtomicU64; Hook::COUNT],
    /// The hook that runs has taken a ticket.
    has_ticket: AtomicBool,
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

impl Slot {
    pub(super) fn is_running(&self) -> bool {
        self.mark.load(Relaxed) & 0xff != 0
    }

    /// A call begins. Since when, if it is to be measured.
    #[inline]
    pub(super) fn begin(&self, hook: Hook) -> Option<Instant> {
        let number = (self.mark.load(Relaxed) >> 8) + 1;
        self.mark.store(number << 8 | (hook as u64 + 1), Relaxed);
        let calls = self.good[hook as usize].load(Relaxed) + self.denied[hook as usize].load(Relaxed);
        (calls % SAMPLE == 0).then(Instant::now)
    }

    /// The call is over.
    #[inline]
    pub(super) fn end(&self) {
        self.mark.store(self.mark.load(Relaxed) & !0xff, Relaxed);
    }

    #[inline]
    pub(super) fn count_good(&self, hook: Hook) {
        bump(&self.good[hook as usize]);
    }

    #[inline]
    pub(super) fn count_denied(&self, hook: Hook) {
        bump(&self.denied[hook as usize]);
    }

    pub(super) fn take_ticket(&self) {
        self.has_ticket.store(true, Relaxed);
    }

    #[inline]
    pub(super) fn has_ticket(&self) -> bool {
        self.has_ticket.load(Relaxed)
    }

    pub(super) fn forget_ticket(&self) {
        self.has_ticket.store(false, Relaxed);
    }
}

/// The current thread's end of the slot that it has for a broker.
struct Local {
    /// The number of the [`Marks`] that it belongs to.
    of: u64,
    slot: Arc<Slot>,
}

impl Drop for Local {
    fn drop(&mut self) {
        self.slot.gone.store(true, Release);
    }
}

/// A slot that the current thread may write to.
pub(super) struct Seat {
    slot: Arc<Slot>,
    /// A slot of its own, because the thread's is in use: the call is one within a call.
    is_own: bool,
    /// It stays with its thread.
    here: PhantomData<*const ()>,
}

impl Seat {
    pub(super) fn take(marks: &Marks) -> Seat {
        let seat = |slot: Arc<Slot>, is_own| Seat { slot, is_own, here: PhantomData };
        let known = |local: &RefCell<Option<Local>>| {
            let mut local = local.borrow_mut();
            if local.as_ref().is_some_and(|local| local.slot.is_running()) {
                return None;
            }
            if local.as_ref().is_none_or(|local| local.of != marks.number) {
                *local = Some(Local { of: marks.number, slot: marks.join() });
            }
            local.as_ref().map(|local| seat(local.slot.clone(), false))
        };
        // A thread that is about to end has none any more.
        LOCAL.try_with(known).ok().flatten().unwrap_or_else(|| seat(marks.join(), true))
    }

    pub(super) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.is_own {
            self.slot.gone.store(true, Release);
        }
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
pub(super) struct Look {
    /// There have been calls since the last look.
    pub(super) called: bool,
    /// Calls that have just become slow, and how long they have taken at least.
    pub(super) slow: Vec<(Hook, Duration)>,
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

    fn join(&self) -> Arc<Slot> {
        let slot = Arc::<Slot>::default();
        let mut slots = self.slots.lock();
        slots.sweep();
        slots.watched.push(Watched { slot: slot.clone(), mark: 0, since: Instant::now(), told: false });
        slot
    }

    pub(super) fn look(&self, now: Instant) -> Look {
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

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn call(slot: &Slot, hook: Hook) {
        slot.begin(hook);
        slot.end();
        slot.count_good(hook);
    }

    #[test]
    fn calls_are_counted_by_their_thread_and_outlive_it() {
        let marks = Marks::default();
        let calls = |marks: &Marks| {
            let seat = Seat::take(marks);
            let slot = seat.slot();
            let mut measured = 0;
            for _ in 0..100 {
                measured += usize::from(slot.begin(Hook::AuthorizePublish).is_some());
                slot.end();
                slot.count_good(Hook::AuthorizePublish);
                measured += usize::from(slot.begin(Hook::AuthorizePublish).is_some());
                slot.end();
                slot.count_denied(Hook::AuthorizePublish);
                call(Seat::take(marks).slot(), Hook::MessagePublished);
            }
            assert_eq!(measured, 4, "the first of each 64");
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| calls(&marks))).collect();
            // The end of the scope would not wait for what they leave behind.
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
        calls(&marks);
        assert_eq!(marks.sum(Hook::AuthorizePublish), Sum { good: 500, denied: 500, running: 0 });
        assert_eq!(marks.sum(Hook::MessagePublished), Sum { good: 500, denied: 0, running: 0 });
        assert_eq!(marks.slots.lock().watched.len(), 1, "the slots of threads that are gone are freed");
    }

    #[test]
    fn a_thread_may_call_for_several_brokers_one_within_the_other() {
        let (one, two) = (Marks::default(), Marks::default());
        for _ in 0..3 {
            let outer = Seat::take(&one);
            assert!(!in_place());
            outer.slot().begin(Hook::Authenticate);
            assert!(in_place() && crate::hooks::in_callback());
            call(Seat::take(&two).slot(), Hook::Connected);
            call(Seat::take(&one).slot(), Hook::AuthorizePublish);
            assert_eq!(one.sum(Hook::Authenticate).running, 1);
            assert!(in_place());
            outer.slot().end();
            outer.slot().count_good(Hook::Authenticate);
            assert!(!in_place() && !crate::hooks::in_callback());
            call(Seat::take(&two).slot(), Hook::Connected);
        }
        let good = |hook| one.sum(hook).good;
        assert_eq!((good(Hook::Authenticate), good(Hook::AuthorizePublish)), (3, 3));
        assert_eq!(two.sum(Hook::Connected).good, 6);
        assert!(two.slots.lock().watched.len() <= 1 && one.slots.lock().watched.is_empty());
    }

    #[test]
    fn a_call_is_slow_once_when_it_is_seen_for_so_long() {
        let marks = Marks::default();
        let begin = Instant::now();
        let at = |ms| marks.look(begin + Duration::from_millis(ms));
        assert!(!at(0).called);
        let seat = Seat::take(&marks);
        seat.slot().begin(Hook::AuthorizePublish);
        assert!(at(10).called && at(10).slow.is_empty());
        assert!(at(19).slow.is_empty());
        assert_eq!(at(20).slow, [(Hook::AuthorizePublish, Duration::from_millis(10))]);
        assert!(at(500).slow.is_empty() && at(500).called);
        seat.slot().end();
        assert!(at(510).called);
        assert!(!at(520).called);
        // Calls follow each other without a break, each of them quick.
        for ms in 530..600 {
            call(seat.slot(), Hook::AuthorizePublish);
            seat.slot().begin(Hook::AuthorizePublish);
            assert!(at(10 * ms).slow.is_empty());
            seat.slot().end();
        }
    }
}
