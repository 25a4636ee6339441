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

/// What lies between the engine and a [`Consumer`]: a bounded queue that a callback thread empties.
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
    waiting: VecDeque<Message>,
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

    /// Queues a message for the consumer. Never blocks; what finds the queue full is dropped and counted.
    pub fn push(&self, message: Message) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        if state.waiting.len() >= self.max_messages {
            self.counters.message_dropped();
            return;
        }
        state.waiting.push_back(message);
        if !self.schedule(&mut state) {
            // The broker has stopped: nobody will ever come for it.
            state.waiting.clear();
            self.counters.message_dropped();
        }
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
