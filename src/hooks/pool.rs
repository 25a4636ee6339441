use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use parking_lot::{Condvar, Mutex};

use super::HookCounters;
use crate::model::Text;

thread_local! {
    static IN_CALLBACK: Cell<bool> = const { Cell::new(false) };
}

/// Says whether the current thread is one that runs the host program's callbacks, of whatever broker.
pub fn in_callback() -> bool {
    IN_CALLBACK.get()
}

/// Marks the current thread, for as long as it lives, as one that runs the host program's callbacks.
pub fn mark_callback_thread() {
    IN_CALLBACK.set(true);
}

/// Marks the current thread for as long as it lives: a callback runs in place.
pub(super) struct InCallback {
    before: bool,
}

impl InCallback {
    pub(super) fn enter() -> Self {
        InCallback { before: IN_CALLBACK.replace(true) }
    }
}

impl Drop for InCallback {
    fn drop(&mut self) {
        IN_CALLBACK.set(self.before);
    }
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
    state: Mutex<State>,
    work: Condvar,
    /// Jobs that may wait, those submitted with [`CallbackPool::submit_always`] apart.
    capacity: usize,
    counters: Arc<HookCounters>,
}

#[derive(Default)]
struct State {
    /// The waiting jobs of each key that is queued in `ready` or running.
    keys: HashMap<Key, VecDeque<Waiting>>,
    /// Keys with a waiting job and none running.
    ready: VecDeque<Key>,
    counted: usize,
    closing: bool,
}

struct Waiting {
    job: Job,
    counted: bool,
}

impl CallbackPool {
    /// Starts `threads` threads named `{name}-cb`. Fails if the system refuses one.
    pub fn start(
        threads: usize,
        capacity: usize,
        name: &str,
        counters: Arc<HookCounters>,
    ) -> std::io::Result<CallbackPool> {
        let shared = Arc::new(Shared { state: Mutex::default(), work: Condvar::new(), capacity, counters });
        let pool = CallbackPool { shared, threads: Mutex::default() };
        for _ in 0..threads {
            let shared = pool.shared.clone();
            let spawned = thread::Builder::new().name(format!("{name}-cb")).spawn(move || shared.run());
            match spawned {
                Ok(thread) => pool.threads.lock().push(thread),
                Err(error) => {
                    pool.close();
                    return Err(error);
                }
            }
        }
        Ok(pool)
    }

    /// Queues a job. `false`: as many jobs as allowed are waiting, or the pool is closed; the job is dropped.
    #[must_use]
    pub fn submit(&self, key: Key, job: impl FnOnce() + Send + 'static) -> bool {
        self.shared.push(key, Waiting { job: Box::new(job), counted: true })
    }

    /// Queues a job whatever the number of those that wait. For jobs whose number is bounded otherwise.
    #[must_use]
    pub fn submit_always(&self, key: Key, job: impl FnOnce() + Send + 'static) -> bool {
        self.shared.push(key, Waiting { job: Box::new(job), counted: false })
    }

    /// Refuses new jobs, runs those that wait, and returns when every thread has ended. Not for callback threads.
    pub fn close(&self) {
        self.shared.state.lock().closing = true;
        self.shared.work.notify_all();
        for thread in std::mem::take(&mut *self.threads.lock()) {
            // A callback thread catches what its jobs throw; it cannot have panicked.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn push(&self, key: Key, waiting: Waiting) -> bool {
        let mut state = self.state.lock();
        if state.closing || (waiting.counted && state.counted >= self.capacity) {
            return false;
        }
        state.counted += usize::from(waiting.counted);
        if let Some(queue) = state.keys.get_mut(&key) {
            queue.push_back(waiting);
        } else {
            state.keys.insert(key.clone(), VecDeque::from([waiting]));
            state.ready.push_back(key);
            drop(state);
            self.work.notify_one();
        }
        true
    }

    fn run(&self) {
        mark_callback_thread();
        let mut state = self.state.lock();
        loop {
            let Some(key) = state.ready.pop_front() else {
                // A running job may still make its key ready again; its own thread will see to that.
                if state.closing {
                    return;
                }
                self.work.wait(&mut state);
                continue;
            };
            let waiting = state.keys.get_mut(&key).and_then(VecDeque::pop_front);
            if let Some(Waiting { job, counted }) = waiting {
                state.counted -= usize::from(counted);
                drop(state);
                if catch_unwind(AssertUnwindSafe(job)).is_err() {
                    self.counters.callback_panicked();
                }
                state = self.state.lock();
            }
            if state.keys.get(&key).is_some_and(|queue| !queue.is_empty()) {
                state.ready.push_back(key);
            } else {
                state.keys.remove(&key);
            }
        }
    }
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
            assert!(pool.submit(client("a"), move || {
                let _alone = busy.try_lock().expect("two jobs of one key at a time");
                send.send(number).unwrap();
            }));
        }
        pool.close();
        assert_eq!(receive.try_iter().collect::<Vec<_>>(), (0..500).collect::<Vec<_>>());
    }

    #[test]
    fn a_blocked_key_does_not_block_another() {
        let pool = pool(2, 10);
        let (unblock, blocked) = mpsc::channel::<()>();
        let (send, receive) = mpsc::channel();
        assert!(pool.submit(client("slow"), move || blocked.recv_timeout(LONG).unwrap()));
        assert!(pool.submit(client("fast"), move || send.send(in_callback()).unwrap()));
        assert_eq!(receive.recv_timeout(LONG), Ok(true));
        unblock.send(()).unwrap();
        pool.close();
    }

    #[test]
    fn the_queue_is_bounded() {
        let pool = pool(1, 2);
        let (unblock, blocked) = mpsc::channel::<()>();
        let (started, start) = mpsc::channel();
        assert!(pool.submit(client("a"), move || {
            started.send(()).unwrap();
            blocked.recv_timeout(LONG).unwrap();
        }));
        start.recv_timeout(LONG).unwrap();
        assert!(pool.submit(client("b"), || ()));
        assert!(pool.submit(client("a"), || ()));
        assert!(!pool.submit(client("c"), || ()));
        assert!(pool.submit_always(Key::Subscription(1), || ()));
        unblock.send(()).unwrap();
        pool.close();
        assert!(!pool.submit(client("a"), || ()));
    }

    #[test]
    fn a_panic_is_counted_and_the_thread_goes_on() {
        let counters = Arc::new(HookCounters::default());
        let pool = CallbackPool::start(1, 10, "test", counters.clone()).unwrap();
        let (send, receive) = mpsc::channel();
        assert!(pool.submit(client("a"), || panic!("on purpose")));
        assert!(pool.submit(client("a"), move || send.send(()).unwrap()));
        receive.recv_timeout(LONG).unwrap();
        assert_eq!(counters.callback_panics(), 1);
        pool.close();
    }
}
