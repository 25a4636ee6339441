use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::futures::OwnedNotified;
use tokio::sync::Notify;

use super::slots::in_place;
use super::HookCounters;
use crate::model::Text;

thread_local! {
    static IN_CALLBACK: Cell<bool> = const { Cell::new(false) };
}

/// Says whether the current thread is one that runs the host program's callbacks, of whatever broker.
pub fn in_callback() -> bool {
    IN_CALLBACK.get() || in_place()
}

/// Marks the current thread, for as long as it lives, as one that runs the host program's callbacks.
pub fn mark_callback_thread() {
    IN_CALLBACK.set(true);
}

/// What jobs keep their order for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    Client(Text),
    /// A connection that has not said who it is, by its address.
    Peer(Text),
    /// What the host program does.
    Host,
    /// What happens to the broker as a whole.
    Broker,
    /// A topic filter, for what concerns all who subscribe to it.
    Filter(Text),
    Subscription(u64),
    /// What has become of messages that the host program has published.
    Completion,
}

/// What a job has a place for. One kind takes no place away from the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Decision,
    /// An event, and how many places it takes; see [`super::Event::places`].
    Event(usize),
}

impl Kind {
    fn places(self) -> usize {
        match self {
            Kind::Decision => 1,
            Kind::Event(places) => places,
        }
    }
}

/// Why a job is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// As many of its kind wait as may.
    Full,
    /// The pool is closed.
    Closed,
}

type Job = Box<dyn FnOnce() + Send>;

/// A fixed number of threads that run the host program's callbacks.
///
/// Jobs of one key run one at a time and in order; a thread that is free takes the key that has waited longest. So a
/// slow callback holds up its own key and one thread, nothing else.
pub struct CallbackPool {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    /// Of the standard library, which waits at an address. A wait of `parking_lot` stands in a table of the process: a forked
    /// child inherits the table, with the idle threads of its parent in it, and wakes those instead of its own.
    state: Mutex<State>,
    work: Condvar,
    /// Jobs of one kind that may wait, those submitted with [`CallbackPool::submit_always`] apart.
    capacity: usize,
    /// An event has found no room, and was queued all the same: those who bring events should wait. Written with the lock.
    crowded: AtomicBool,
    /// Told when that is over.
    room: Arc<Notify>,
    counters: Arc<HookCounters>,
}

#[derive(Default)]
struct State {
    /// The waiting jobs of each key that is queued in `ready` or running.
    keys: HashMap<Key, VecDeque<Waiting>>,
    /// Keys with a waiting job and none running.
    ready: VecDeque<Key>,
    decisions: usize,
    events: usize,
    /// Somebody has waited for room for an event in vain: until half of them are gone, nobody waits.
    given_up: bool,
    closing: bool,
}

struct Waiting {
    job: Job,
    /// Whose place it has; `None` if it needs none.
    kind: Option<Kind>,
}

impl State {
    fn count(&mut self, kind: Option<Kind>) -> Option<&mut usize> {
        kind.map(|kind| match kind {
            Kind::Decision => &mut self.decisions,
            Kind::Event(_) => &mut self.events,
        })
    }
}

impl CallbackPool {
    /// Starts `threads` threads named `{name}-cb`. `capacity` decisions and as many events may wait. Fails if the system
    /// refuses a thread.
    pub fn start(
        threads: usize,
        capacity: usize,
        name: &str,
        counters: Arc<HookCounters>,
    ) -> std::io::Result<CallbackPool> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            capacity,
            crowded: AtomicBool::new(false),
            room: Arc::default(),
            counters,
        });
        let pool = CallbackPool { shared, threads: Mutex::default() };
        for _ in 0..threads {
            let shared = pool.shared.clone();
            let spawned = thread::Builder::new().name(format!("{name}-cb")).spawn(move || shared.run());
            match spawned {
                Ok(thread) => lock(&pool.threads).push(thread),
                Err(error) => {
                    pool.close();
                    return Err(error);
                }
            }
        }
        Ok(pool)
    }

    /// Queues a job. One that is refused is dropped.
    pub fn submit(&self, kind: Kind, key: Key, job: impl FnOnce() + Send + 'static) -> Result<(), Refused> {
        self.shared.push(key, Waiting { job: Box::new(job), kind: Some(kind) }, false)
    }

    /// Queues an event even if there is no room for it, which makes the pool crowded, unless waiting for room has been of
    /// no use. For those who wait then.
    pub fn submit_patiently(
        &self,
        places: usize,
        key: Key,
        job: impl FnOnce() + Send + 'static,
    ) -> Result<(), Refused> {
        self.shared.push(key, Waiting { job: Box::new(job), kind: Some(Kind::Event(places)) }, true)
    }

    /// Queues a job whatever the number of those that wait. For jobs whose number is bounded otherwise.
    #[must_use]
    pub fn submit_always(&self, key: Key, job: impl FnOnce() + Send + 'static) -> bool {
        self.shared.push(key, Waiting { job: Box::new(job), kind: None }, false).is_ok()
    }

    /// Whether those who bring events should wait until half of those that may wait are gone.
    pub fn is_crowded(&self) -> bool {
        self.shared.crowded.load(Acquire)
    }

    /// Told when the pool is not crowded any more; asked for before looking whether it is.
    pub(super) fn room(&self) -> OwnedNotified {
        self.shared.room.clone().notified_owned()
    }

    /// Somebody has waited for too long: the pool is not crowded any more, and takes no events that it has no room for
    /// until half of those that may wait are gone. `false`: it was not crowded.
    pub(super) fn give_up(&self) -> bool {
        let mut state = lock(&self.shared.state);
        let crowded = self.is_crowded();
        if crowded {
            state.given_up = true;
            self.shared.clear();
        }
        crowded
    }

    /// Refuses new jobs, runs those that wait, and returns when every thread has ended. Not for callback threads.
    pub fn close(&self) {
        lock(&self.shared.state).closing = true;
        self.shared.work.notify_all();
        for thread in std::mem::take(&mut *lock(&self.threads)) {
            // A callback thread catches what its jobs throw; it cannot have panicked.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn push(&self, key: Key, waiting: Waiting, patiently: bool) -> Result<(), Refused> {
        let mut state = lock(&self.state);
        if state.closing {
            return Err(Refused::Closed);
        }
        let given_up = state.given_up;
        let places = waiting.kind.map_or(0, Kind::places);
        if let Some(count) = state.count(waiting.kind) {
            if *count >= self.capacity {
                if !patiently || given_up {
                    return Err(Refused::Full);
                }
                self.crowded.store(true, Release);
            }
            *count += places;
        }
        if let Some(queue) = state.keys.get_mut(&key) {
            queue.push_back(waiting);
        } else {
            state.keys.insert(key.clone(), VecDeque::from([waiting]));
            state.ready.push_back(key);
            drop(state);
            self.work.notify_one();
        }
        Ok(())
    }

    /// A job has left the queue.
    fn popped(&self, state: &mut State, kind: Option<Kind>) {
        if let Some(count) = state.count(kind) {
            *count -= kind.map_or(0, Kind::places);
        }
        if state.events <= self.capacity / 2 && (state.given_up || self.crowded.load(Acquire)) {
            state.given_up = false;
            self.clear();
        }
    }

    fn clear(&self) {
        self.crowded.store(false, Release);
        self.room.notify_waiters();
    }

    fn run(&self) {
        mark_callback_thread();
        let mut state = lock(&self.state);
        loop {
            let Some(key) = state.ready.pop_front() else {
                // A running job may still make its key ready again; its own thread will see to that.
                if state.closing {
                    return;
                }
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let waiting = state.keys.get_mut(&key).and_then(VecDeque::pop_front);
            if let Some(Waiting { job, kind }) = waiting {
                self.popped(&mut state, kind);
                drop(state);
                if catch_unwind(AssertUnwindSafe(job)).is_err() {
                    self.counters.callback_panicked();
                }
                state = lock(&self.state);
            }
            if state.keys.get(&key).is_some_and(|queue| !queue.is_empty()) {
                state.ready.push_back(key);
            } else {
                state.keys.remove(&key);
            }
        }
    }
}

/// Jobs run without a lock: nothing panics with one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn pool(threads: usize, capacity: usize) -> CallbackPool {
        CallbackPool::start(threads, capacity, "test", Arc::default()).unwrap()
    }

    fn client(id: &str) -> Key {
        Key::Client(Text::from(id))
    }

    #[test]
    fn one_key_keeps_its_order_and_never_overlaps() {
        let pool = pool(4, 1000);
        let (send, receive) = mpsc::channel();
        let busy = Arc::new(Mutex::new(()));
        for number in 0..500 {
            let (send, busy) = (send.clone(), busy.clone());
            let job = move || {
                let _alone = busy.try_lock().expect("two jobs of one key at a time");
                send.send(number).unwrap();
            };
            pool.submit(Kind::Event(1), client("a"), job).unwrap();
        }
        pool.close();
        assert_eq!(receive.try_iter().collect::<Vec<_>>(), (0..500).collect::<Vec<_>>());
    }

    #[test]
    fn a_blocked_key_does_not_block_another() {
        let pool = pool(2, 10);
        let (unblock, blocked) = mpsc::channel::<()>();
        let (send, receive) = mpsc::channel();
        pool.submit(Kind::Event(1), client("slow"), move || blocked.recv_timeout(LONG).unwrap()).unwrap();
        pool.submit(Kind::Event(1), client("fast"), move || send.send(in_callback()).unwrap()).unwrap();
        assert_eq!(receive.recv_timeout(LONG), Ok(true));
        unblock.send(()).unwrap();
        pool.close();
    }

    #[test]
    fn large_events_take_more_places() {
        let pool = pool(1, 4);
        let (unblock, blocked) = mpsc::channel::<()>();
        let (started, start) = mpsc::channel();
        let job = move || {
            started.send(()).unwrap();
            blocked.recv_timeout(LONG).unwrap();
        };
        pool.submit(Kind::Event(100), client("a"), job).unwrap();
        start.recv_timeout(LONG).unwrap();
        // One may wait however large it is, once it has found a place.
        pool.submit(Kind::Event(3), client("a"), || ()).unwrap();
        pool.submit(Kind::Event(100), client("a"), || ()).unwrap();
        assert_eq!(pool.submit(Kind::Event(1), client("a"), || ()), Err(Refused::Full));
        pool.submit(Kind::Decision, client("a"), || ()).unwrap();
        unblock.send(()).unwrap();
        pool.close();
        assert_eq!(lock(&pool.shared.state).events, 0);
    }

    #[test]
    fn the_queue_is_bounded_for_each_kind() {
        for (full, other) in [(Kind::Event(1), Kind::Decision), (Kind::Decision, Kind::Event(1))] {
            let pool = pool(1, 2);
            let (unblock, blocked) = mpsc::channel::<()>();
            let (started, start) = mpsc::channel();
            let job = move || {
                started.send(()).unwrap();
                blocked.recv_timeout(LONG).unwrap();
            };
            pool.submit(full, client("a"), job).unwrap();
            start.recv_timeout(LONG).unwrap();
            pool.submit(full, client("b"), || ()).unwrap();
            pool.submit(full, client("a"), || ()).unwrap();
            assert_eq!(pool.submit(full, client("c"), || ()), Err(Refused::Full));
            assert!(!pool.is_crowded(), "nobody has said that he would wait");
            pool.submit(other, client("c"), || ()).unwrap();
            pool.submit(other, client("c"), || ()).unwrap();
            assert_eq!(pool.submit(other, client("c"), || ()), Err(Refused::Full));
            assert!(pool.submit_always(Key::Subscription(1), || ()));
            unblock.send(()).unwrap();
            pool.close();
            assert_eq!(pool.submit(full, client("a"), || ()), Err(Refused::Closed));
        }
    }

    #[test]
    fn a_panic_is_counted_and_the_thread_goes_on() {
        let counters = Arc::new(HookCounters::default());
        let pool = CallbackPool::start(1, 10, "test", counters.clone()).unwrap();
        let (send, receive) = mpsc::channel();
        pool.submit(Kind::Event(1), client("a"), || panic!("on purpose")).unwrap();
        pool.submit(Kind::Event(1), client("a"), move || send.send(()).unwrap()).unwrap();
        receive.recv_timeout(LONG).unwrap();
        assert_eq!(counters.callback_panics(), 1);
        pool.close();
    }
}
