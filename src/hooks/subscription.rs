use std::collections::VecDeque;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Arc, Weak};
use std::thread::{self, ThreadId};

use parking_lot::{Condvar, Mutex};

use super::{CallbackPool, HookCounters, Key};
use crate::model::Message;

/// Messages that one subscription hands over before another job gets its turn on the thread.
const MESSAGES_PER_TURN: usize = 64;

/// The host program's end of an in-process subscription. Called by one thread at a time, in order.
pub type Consumer = Box<dyn FnMut(&Message) + Send>;

/// What lies between the router and a [`Consumer`]: a bounded queue that a callback thread empties.
pub struct SubscriptionQueue {
    id: u64,
    max_messages: usize,
    pool: Arc<CallbackPool>,
    counters: Arc<HookCounters>,
    state: Mutex<State>,
    idle: Condvar,
    this: Weak<SubscriptionQueue>,
}

struct State {
    waiting: VecDeque<Arc<Message>>,
    /// Absent while a callback thread has it, and for good once the subscription is closed.
    consumer: Option<Consumer>,
    /// The callback thread that has the consumer.
    runner: Option<ThreadId>,
    /// A job for this queue is in the pool.
    scheduled: bool,
    closed: bool,
}

impl SubscriptionQueue {
    pub fn new(
        id: u64,
        max_messages: usize,
        consumer: Consumer,
        pool: Arc<CallbackPool>,
        counters: Arc<HookCounters>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| SubscriptionQueue {
            id,
            max_messages,
            pool,
            counters,
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                consumer: Some(consumer),
                runner: None,
                scheduled: false,
                closed: false,
            }),
            idle: Condvar::new(),
            this: this.clone(),
        })
    }

    /// Numbers the subscription within its broker.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Messages that wait for the consumer.
    pub fn waiting(&self) -> usize {
        self.state.lock().waiting.len()
    }

    /// Queues a message for the consumer. Never blocks; `false`: it has found the queue full, and is dropped and counted.
    pub fn push(&self, message: Arc<Message>) -> bool {
        let mut state = self.state.lock();
        if state.closed {
            return true;
        }
        if state.waiting.len() >= self.max_messages {
            self.counters.message_dropped();
            return false;
        }
        state.waiting.push_back(message);
        if !self.schedule(&mut state) {
            // The broker has stopped: nobody will ever come for it.
            state.waiting.clear();
            self.counters.message_dropped();
        }
        true
    }

    /// Ends the subscription. When this returns, no call of the consumer runs or will run, and the consumer is
    /// dropped; called by the consumer itself, both hold once it has returned.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.waiting.clear();
        while state.runner.is_some_and(|runner| runner != thread::current().id()) {
            self.idle.wait(&mut state);
        }
        let consumer = state.consumer.take();
        drop(state);
        drop(consumer);
    }

    /// Sees to it that a job will come for what waits. `false`: the pool takes no jobs any more.
    fn schedule(&self, state: &mut State) -> bool {
        if !state.scheduled && !state.waiting.is_empty() {
            let Some(this) = self.this.upgrade() else { return false };
            // At most one job per subscription waits, so the number of these jobs is that of the subscriptions.
            state.scheduled = self.pool.submit_always(Key::Subscription(self.id), move || this.run());
            return state.scheduled;
        }
        true
    }

    /// A job on a callback thread: one turn, or all that waits if the pool is closing.
    fn run(&self) {
        let mut state = self.state.lock();
        state.runner = Some(thread::current().id());
        let mut consumer = state.consumer.take();
        loop {
            for _ in 0..MESSAGES_PER_TURN {
                let (Some(consume), Some(message)) = (consumer.as_mut(), state.waiting.pop_front()) else { break };
                drop(state);
                self.counters.message_delivered();
                if catch_unwind(AssertUnwindSafe(|| consume(&message))).is_err() {
                    self.counters.callback_panicked();
                }
                state = self.state.lock();
            }
            state.scheduled = false;
            if state.closed || self.schedule(&mut state) {
                break;
            }
        }
        if state.closed {
            drop(state);
            drop(consumer.take());
            state = self.state.lock();
        }
        state.consumer = consumer;
        state.runner = None;
        drop(state);
        self.idle.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::model::{Origin, QoS, Text};

    const LONG: Duration = Duration::from_secs(20);

    struct Bench {
        pool: Arc<CallbackPool>,
        counters: Arc<HookCounters>,
    }

    impl Bench {
        fn new() -> Self {
            let counters = Arc::new(HookCounters::default());
            Bench { pool: Arc::new(CallbackPool::start(2, 1, "test", counters.clone()).unwrap()), counters }
        }

        fn queue(&self, max: usize, consumer: impl FnMut(&Message) + Send + 'static) -> Arc<SubscriptionQueue> {
            SubscriptionQueue::new(1, max, Box::new(consumer), self.pool.clone(), self.counters.clone())
        }
    }

    fn message(number: usize) -> Arc<Message> {
        Arc::new(Message {
            topic: Text::from(number.to_string()),
            payload: Bytes::new(),
            qos: QoS::AtMostOnce,
            retain: false,
            properties: Bytes::new(),
            expires_at: None,
            origin: Origin::Api,
            publisher: None,
        })
    }

    #[test]
    fn messages_arrive_in_order_over_many_turns() {
        let bench = Bench::new();
        let (send, receive) = mpsc::channel();
        let queue = bench.queue(1000, move |message| send.send(message.topic.to_string()).unwrap());
        for number in 0..1000 {
            queue.push(message(number));
        }
        for number in 0..1000 {
            assert_eq!(receive.recv_timeout(LONG).unwrap(), number.to_string());
        }
        assert_eq!((bench.counters.messages_delivered(), bench.counters.messages_dropped()), (1000, 0));
    }

    #[test]
    fn the_queue_is_bounded_and_the_pusher_never_waits() {
        let bench = Bench::new();
        let (unblock, blocked) = mpsc::channel::<()>();
        let (send, receive) = mpsc::channel();
        let queue = bench.queue(2, move |message| {
            send.send(message.topic.to_string()).unwrap();
            blocked.recv_timeout(LONG).unwrap();
        });
        queue.push(message(0));
        assert_eq!(receive.recv_timeout(LONG).unwrap(), "0");
        for number in 1..=4 {
            queue.push(message(number));
        }
        assert_eq!(bench.counters.messages_dropped(), 2);
        for _ in 0..3 {
            unblock.send(()).unwrap();
        }
        assert_eq!(receive.recv_timeout(LONG).unwrap(), "1");
        assert_eq!(receive.recv_timeout(LONG).unwrap(), "2");
    }

    #[test]
    fn close_waits_for_the_call_that_runs_and_drops_the_consumer() {
        let bench = Bench::new();
        let (started, start) = mpsc::channel();
        let (unblock, blocked) = mpsc::channel::<()>();
        let alive = Arc::new(());
        let held = alive.clone();
        let queue = bench.queue(10, move |_| {
            let _held = &held;
            started.send(()).unwrap();
            blocked.recv_timeout(LONG).unwrap();
        });
        queue.push(message(0));
        start.recv_timeout(LONG).unwrap();
        thread::scope(|scope| {
            let closing = scope.spawn(|| queue.close());
            assert_eq!(Arc::strong_count(&alive), 2, "the consumer lives as long as its call");
            unblock.send(()).unwrap();
            closing.join().unwrap();
        });
        assert_eq!(Arc::strong_count(&alive), 1);
        queue.push(message(1));
        assert!(start.try_recv().is_err(), "no call after close");
    }

    #[test]
    fn a_consumer_may_close_its_own_subscription() {
        let bench = Bench::new();
        let alive = Arc::new(());
        let held = alive.clone();
        let (give, take) = mpsc::channel::<Arc<SubscriptionQueue>>();
        let (send, receive) = mpsc::channel();
        let queue = bench.queue(10, move |_| {
            let _held = &held;
            take.recv_timeout(LONG).unwrap().close();
            send.send(()).unwrap();
        });
        give.send(queue.clone()).unwrap();
        queue.push(message(0));
        queue.push(message(1));
        receive.recv_timeout(LONG).unwrap();
        bench.pool.close();
        assert_eq!(Arc::strong_count(&alive), 1);
        assert_eq!(bench.counters.messages_delivered(), 1);
    }

    #[test]
    fn a_closing_pool_delivers_what_waits() {
        let bench = Bench::new();
        let (send, receive) = mpsc::channel();
        let queue = bench.queue(1000, move |message| send.send(message.topic.to_string()).unwrap());
        for number in 0..500 {
            queue.push(message(number));
        }
        bench.pool.close();
        assert_eq!(receive.try_iter().count(), 500);
        queue.push(message(500));
        assert_eq!(bench.counters.messages_dropped(), 1, "nobody comes for it any more");
    }
}
