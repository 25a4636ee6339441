//! What a broker holds in memory by its own account, and how near that is to what it may.

use std::sync::atomic::{
    AtomicI64, AtomicU64, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Notify;

/// What memory is held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Messages on their way: waiting, in flight, or delayed.
    Queues,
    Retained,
    /// Sessions, with their subscriptions and wills.
    Sessions,
    /// What has been read and is no whole packet yet, and what has not been written yet.
    Buffers,
}

const KINDS: usize = 4;

/// How near the broker is to its budget. What holds from a pressure on holds for those above it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Pressure {
    #[default]
    None,
    /// Those who publish to a receiver with a backlog are slowed down.
    Slow,
    /// QoS 0 is dropped where there is a backlog.
    Tight,
    /// Nothing is taken that adds to a backlog, nor anything that lasts.
    Full,
    /// Nothing is taken at all.
    Beyond,
}

const PRESSURES: [Pressure; 5] = [Pressure::None, Pressure::Slow, Pressure::Tight, Pressure::Full, Pressure::Beyond];

impl Pressure {
    /// Whether something is dropped or refused.
    fn refuses(self) -> bool {
        self >= Pressure::Tight
    }

    /// What comes after this one when `used` bytes are held.
    fn next(self, used: u64, budget: u64) -> Pressure {
        let percent = |percent: u64| budget / 100 * percent;
        let reached = match used {
            _ if budget == 0 => return Pressure::None,
            used if used >= percent(112) => Pressure::Beyond,
            used if used >= budget => Pressure::Full,
            used if used >= percent(90) => Pressure::Tight,
            used if used >= percent(80) => Pressure::Slow,
            _ => Pressure::None,
        };
        match self {
            before if reached >= before => reached,
            _ if used < percent(75) => Pressure::None,
            // Those who keep up need not wait for those who do not.
            Pressure::Beyond => Pressure::Full,
            before => before,
        }
    }
}

/// Keeps what is written all the time out of the way of what is read all the time.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Apart<T>(T);

/// The account of one broker. It is written to once for a batch of messages, and tells how much pressure there is for one
/// load.
#[derive(Debug, Default)]
pub struct Memory {
    /// By kind. What is given back may be told before it is told that it was taken.
    held: Apart<[AtomicI64; KINDS]>,
    terms: Apart<Terms>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Terms {
    /// 0 for none.
    budget: AtomicU64,
    /// The pressure in the lowest byte, and how often it has begun that something is refused above it.
    state: AtomicU64,
}

/// Whether something is refused, and how often that has begun.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusing {
    pub now: bool,
    pub begun: u64,
}

impl Memory {
    pub fn new(budget: u64) -> Arc<Memory> {
        let memory = Arc::<Memory>::default();
        memory.set_budget(budget);
        memory
    }

    /// There is another budget from now on; 0 for none.
    pub fn set_budget(&self, budget: u64) {
        if self.terms.0.budget.swap(budget, SeqCst) != budget {
            // What was reached with the budget before does not linger.
            self.change_pressure(|_| Pressure::None.next(self.used(), budget));
        }
        self.assess();
    }

    pub fn budget(&self) -> u64 {
        self.terms.0.budget.load(Relaxed)
    }

    pub fn pressure(&self) -> Pressure {
        pressure(self.terms.0.state.load(Relaxed))
    }

    /// Bytes that are held for something.
    pub fn held(&self, kind: Kind) -> u64 {
        self.held.0[kind as usize].load(Relaxed).max(0) as u64
    }

    /// Bytes that are held in all.
    pub fn used(&self) -> u64 {
        self.held.0.iter().map(|held| held.load(SeqCst)).sum::<i64>().max(0) as u64
    }

    /// So much more is held, or less.
    pub fn change(&self, kind: Kind, by: i64) {
        if by == 0 {
            return;
        }
        self.held.0[kind as usize].fetch_add(by, SeqCst);
        self.assess();
    }

    /// Sees to it that the pressure is that of what is held, whoever else does so at the same time.
    fn assess(&self) {
        let budget = self.terms.0.budget.load(SeqCst);
        if budget > 0 || self.pressure() != Pressure::None {
            while self.change_pressure(|before| before.next(self.used(), budget)) {}
        }
    }

    /// Whether there is another pressure now.
    fn change_pressure(&self, next: impl Fn(Pressure) -> Pressure) -> bool {
        let state = self.terms.0.state.load(SeqCst);
        let before = pressure(state);
        let after = next(before);
        if before == after {
            return false;
        }
        let begins = after.refuses() && !before.refuses();
        let other = begun(state).wrapping_add(u64::from(begins)) << 8 | after as u64;
        let is_changed = self.terms.0.state.compare_exchange(state, other, SeqCst, SeqCst).is_ok();
        if is_changed && before.refuses() != after.refuses() {
            self.changed.notify_one();
        }
        true
    }

    pub fn refusing(&self) -> Refusing {
        let state = self.terms.0.state.load(SeqCst);
        Refusing { now: pressure(state).refuses(), begun: begun(state) }
    }

    /// Returns when [`Memory::refusing`] may have changed since it was called before. For one caller.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// A payload that counts once, wherever it goes, for as long as anyone has it. It takes `overhead` besides its bytes.
    pub fn count(self: &Arc<Self>, kind: Kind, payload: Bytes, overhead: usize) -> Bytes {
        let share = Share::new(self, kind, payload.len() + overhead);
        Bytes::from_owner(Counted { payload, _share: share })
    }
}

fn pressure(state: u64) -> Pressure {
    PRESSURES.get((state & 0xFF) as usize).copied().unwrap_or_default()
}

fn begun(state: u64) -> u64 {
    state >> 8
}

struct Counted {
    payload: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.payload
    }
}

/// What one holder has of the memory, until it is dropped.
#[derive(Debug)]
pub struct Share {
    memory: Arc<Memory>,
    kind: Kind,
    bytes: AtomicUsize,
}

impl Share {
    pub fn new(memory: &Arc<Memory>, kind: Kind, bytes: usize) -> Share {
        let share = Share { memory: memory.clone(), kind, bytes: AtomicUsize::new(0) };
        share.set(bytes);
        share
    }

    pub fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// How near all holders together are to the budget.
    pub fn pressure(&self) -> Pressure {
        self.memory.pressure()
    }

    /// It has so many bytes now. Whoever calls this holds what keeps others from calling it.
    pub fn set(&self, bytes: usize) {
        self.memory.change(self.kind, self.note(bytes));
    }

    /// As [`Share::set`], but it is left to the caller to tell of the change, which is returned.
    pub fn note(&self, bytes: usize) -> i64 {
        let before = self.bytes.load(Relaxed);
        if before != bytes {
            self.bytes.store(bytes, Relaxed);
        }
        bytes as i64 - before as i64
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn the_pressure_rises_with_what_is_held_and_goes_when_a_quarter_is_free() {
        let memory = Memory::new(1_000);
        let share = Share::new(&memory, Kind::Queues, 0);
        let rising = [
            (799, Pressure::None),
            (800, Pressure::Slow),
            (899, Pressure::Slow),
            (900, Pressure::Tight),
            (1_000, Pressure::Full),
            (1_120, Pressure::Beyond),
            (1_119, Pressure::Full),
            (750, Pressure::Full),
            (749, Pressure::None),
            (810, Pressure::Slow),
        ];
        for (held, pressure) in rising {
            share.set(held);
            assert_eq!((memory.used(), memory.pressure()), (held as u64, pressure));
        }
        assert_eq!(memory.refusing(), Refusing { now: false, begun: 1 });
    }

    #[test]
    fn another_budget_holds_at_once() {
        let memory = Memory::new(1_000);
        let share = Share::new(&memory, Kind::Sessions, 950);
        assert_eq!(memory.pressure(), Pressure::Tight);
        for (budget, pressure) in [(1_100, Pressure::Slow), (0, Pressure::None), (100, Pressure::Beyond)] {
            memory.set_budget(budget);
            assert_eq!((memory.budget(), memory.pressure()), (budget, pressure));
        }
        drop(share);
        assert_eq!((memory.used(), memory.pressure()), (0, Pressure::None));
    }

    #[test]
    fn a_payload_counts_once_and_for_as_long_as_anyone_has_it() {
        let memory = Memory::new(0);
        let payload = memory.count(Kind::Retained, Bytes::from_static(b"payload"), 3);
        let part = payload.slice(3..);
        drop(payload.clone());
        drop(payload);
        assert_eq!((&*part, memory.held(Kind::Retained)), (&b"load"[..], 10));
        drop(part);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn whoever_is_last_leaves_the_pressure_of_what_is_left() {
        let memory = Memory::new(1_000);
        for _ in 0..200 {
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| drop(Share::new(&memory, Kind::Buffers, 300)));
                }
            });
            assert_eq!((memory.used(), memory.pressure()), (0, Pressure::None));
        }
    }
}
