//! What lies between the router and a function of the host program: a bounded queue that a callback thread empties.

mod deliveries;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::thread::{self, ThreadId};
use std::time::Instant;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::counters::{add, SessionCounters};
use super::delivery::Delivery;
use super::hub::Hub;
use super::mailbox::MODEST;
use super::receipt::Token;
use crate::hooks::{CallbackPool, DropCause, HookCounters, Key};
use crate::limits::{Kind, Memory, Pressure, Share};
use crate::model::{MessageRef, QoS};
use deliveries::Number;

pub use deliveries::acknowledge;

/// Messages that one subscription hands over before another job gets its turn on the thread, if not in one call.
const MESSAGES_PER_TURN: usize = 64;

/// Messages that have been handed over, of up to [`SMALL`] bytes each, that are kept for a publisher to free.
const SPENT: usize = 1024;
const SMALL: usize = 256;

/// The host program's end of a subscription. Called by one thread at a time, with messages in their order.
pub type Consumer = Box<dyn FnMut(&[Delivered]) + Send>;

/// What happens to a message that finds the queue full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// It is dropped.
    #[default]
    DropNewest,
    /// The oldest give way to it.
    DropOldest,
    /// If it was published with QoS 1 or 2, it is queued all the same, and its publisher has to wait. Otherwise it is
    /// dropped.
    Block,
}

/// How a subscription is served.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// Messages that may wait.
    pub max_messages: usize,
    /// What they may take in memory, about. One message may wait whatever its size.
    pub max_bytes: usize,
    pub overflow: Overflow,
    /// Messages of one call at most.
    pub batch: usize,
    /// Messages of QoS 1 and 2 are acknowledged by the host program, and so many may be unacknowledged. `None`: a call that
    /// has returned acknowledges its messages.
    pub receive_maximum: Option<usize>,
    /// Not what the host program itself has published.
    pub no_local: bool,
}

/// A message as the host program gets it.
pub struct Delivered {
    delivery: Delivery,
    /// As in `unacknowledged`.
    kept_as: Option<u32>,
    number: u64,
}

impl Delivered {
    pub fn view(&self) -> MessageRef<'_> {
        MessageRef { qos: self.delivery.qos, retain: self.delivery.retain, ..self.delivery.message.view() }
    }

    /// What [`acknowledge`] takes; 0 if nothing has to be acknowledged.
    pub fn number(&self) -> u64 {
        self.number
    }
}

/// What has become of the messages of a subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionStats {
    /// Counter: handed over.
    pub delivered: u64,
    /// Counter: acknowledged by the host program.
    pub acknowledged: u64,
    /// Counter: dropped, because the queue was full or they had expired.
    pub dropped: u64,
    /// Gauge: waiting.
    pub queued_messages: u64,
    /// Gauge: what those take in memory, about.
    pub queued_bytes: u64,
    /// Gauge: handed over and not acknowledged.
    pub unacknowledged: u64,
    /// It has been paused.
    pub paused: bool,
}

/// What has become of a message that was brought to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    Queued {
        /// The publisher should wait until there is room.
        crowded: bool,
        /// Nobody has said yet that [`Subscription::wake`] will be called.
        wake: bool,
    },
    Dropped,
    /// There is too little memory for what waits already.
    Starved,
}

/// What the subscriptions of a broker share.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) hub: Weak<Hub>,
    pub(super) pool: Arc<CallbackPool>,
    pub(super) hook_counters: Arc<HookCounters>,
    pub(super) counters: Arc<SessionCounters>,
    pub(super) memory: Arc<Memory>,
}

/// A subscription of the host program.
pub struct Subscription {
    id: u64,
    service: Service,
    surroundings: Surroundings,
    /// What it has of the memory budget. Set with the state locked.
    memory: Share,
    /// For acknowledgements that come later.
    number: Option<Number>,
    state: Mutex<State>,
    /// It is closed or paused: what has been taken is not to be handed over.
    halted: AtomicBool,
    idle: Condvar,
    this: Weak<Subscription>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Delivery>,
    /// What they take.
    bytes: usize,
    /// What those and the unacknowledged ones take, as the memory budget counts it.
    memory: usize,
    unacknowledged: BTreeMap<u32, Delivery>,
    /// The next key of `unacknowledged`.
    next: u32,
    /// Absent while a callback thread has it, and for good once the subscription is closed.
    consumer: Option<Consumer>,
    /// Memory for what is taken in one turn.
    spare: Vec<Delivered>,
    /// Small messages that have been handed over. Whoever publishes next frees them: most likely it has made them, and no two
    /// threads meet at a lock of the allocator, which costs more than all the rest.
    spent: Vec<Delivered>,
    /// The callback thread that has the consumer.
    runner: Option<ThreadId>,
    /// A job for this queue waits in the pool.
    scheduled: bool,
    /// Somebody will see to it that one does.
    notified: bool,
    paused: bool,
    closed: bool,
    /// The broker stops: whatever waits is handed over, however much is unacknowledged.
    draining: bool,
    /// Those who wait for room.
    publishers: Vec<Waker>,
    delivered: u64,
    acknowledged: u64,
    dropped: u64,
}

impl State {
    fn pop(&mut self) -> Option<Delivery> {
        let delivery = self.waiting.pop_front()?;
        self.bytes -= delivery.size();
        self.memory -= delivery.memory();
        Some(delivery)
    }

    /// Takes out what is unacknowledged, and what waits.
    fn clear(&mut self) -> (BTreeMap<u32, Delivery>, VecDeque<Delivery>) {
        self.bytes = 0;
        self.memory = 0;
        self.spent = Vec::new();
        (std::mem::take(&mut self.unacknowledged), std::mem::take(&mut self.waiting))
    }
}

impl Subscription {
    /// `id` numbers the subscription within its broker. `None` if the process has too many of them.
    pub(super) fn new(id: u64, service: Service, consumer: Consumer, surroundings: Surroundings) -> Option<Arc<Self>> {
        let is_manual = service.receive_maximum.is_some();
        let subscription = Arc::new_cyclic(|this: &Weak<Subscription>| Subscription {
            id,
            service,
            memory: Share::new(&surroundings.memory, Kind::Queues, 0),
            surroundings,
            number: if is_manual { Number::take(this.clone()) } else { None },
            state: Mutex::new(State { consumer: Some(consumer), ..State::default() }),
            halted: AtomicBool::new(false),
            idle: Condvar::new(),
            this: this.clone(),
        });
        (subscription.number.is_some() || !is_manual).then_some(subscription)
    }

    pub fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn no_local(&self) -> bool {
        self.service.no_local
    }

    /// Messages that wait or are not acknowledged.
    pub(super) fn load(&self) -> usize {
        let state = self.state.lock();
        state.waiting.len() + state.unacknowledged.len()
    }

    pub fn stats(&self) -> SubscriptionStats {
        let state = self.state.lock();
        SubscriptionStats {
            delivered: state.delivered,
            acknowledged: state.acknowledged,
            dropped: state.dropped,
            queued_messages: state.waiting.len() as u64,
            queued_bytes: state.bytes as u64,
            unacknowledged: state.unacknowledged.len() as u64,
            paused: state.paused,
        }
    }

    /// Queues a message for the consumer, which [`Subscription::wake`] has to follow, and never blocks. It comes back if the
    /// subscription is over.
    pub(super) fn push(&self, delivery: Delivery) -> Result<Pushed, Delivery> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(delivery);
        }
        if self.starves(&state, &delivery) {
            state.dropped += 1;
            drop(state);
            self.dropped(vec![delivery], DropCause::Memory);
            return Ok(Pushed::Starved);
        }
        let mut dropped = Vec::new();
        // Publishers of QoS 0 are not told when to go on, and do not wait.
        let waits = self.service.overflow == Overflow::Block && delivery.message.qos != QoS::AtMostOnce;
        if !waits && self.is_full(&state, delivery.size()) {
            if self.service.overflow != Overflow::DropOldest {
                state.dropped += 1;
                drop(state);
                self.dropped(vec![delivery], DropCause::QueueFull);
                return Ok(Pushed::Dropped);
            }
            while self.is_full(&state, delivery.size()) {
                let Some(oldest) = state.pop() else { break };
                dropped.push(oldest);
            }
        }
        state.bytes += delivery.size();
        state.memory += delivery.memory();
        state.waiting.push_back(delivery);
        let spent = if state.spent.len() >= MESSAGES_PER_TURN { std::mem::take(&mut state.spent) } else { Vec::new() };
        let wake = !state.scheduled && state.runner.is_none() && !std::mem::replace(&mut state.notified, true);
        let pushed = Pushed::Queued { crowded: waits && self.is_full(&state, 0), wake };
        state.dropped += dropped.len() as u64;
        drop(state);
        drop(spent);
        self.dropped(dropped, DropCause::QueueFull);
        Ok(pushed)
    }

    /// Whether a message is one too many for the memory that is left.
    fn starves(&self, state: &State, delivery: &Delivery) -> bool {
        let pressure = self.surroundings.memory.pressure();
        let spares_it = delivery.qos != QoS::AtMostOnce && pressure < Pressure::Full;
        let backlog = || state.bytes > 0 && state.memory + delivery.size() > MODEST;
        pressure == Pressure::Beyond || (pressure >= Pressure::Tight && !spares_it && backlog())
    }

    /// As that of a mailbox.
    pub(super) fn has_backlog(&self, len: usize) -> bool {
        let state = self.state.lock();
        state.bytes > 0 && state.memory + len > MODEST
    }

    /// Has what waits handed over.
    pub(super) fn wake(&self) {
        let mut state = self.state.lock();
        state.notified = false;
        self.memory.set(state.memory);
        if self.schedule(&mut state) {
            return;
        }
        // The broker has stopped: nobody will ever come for it.
        let dropped: Vec<_> = std::iter::from_fn(|| state.pop()).collect();
        state.dropped += dropped.len() as u64;
        self.memory.set(state.memory);
        drop(state);
        self.dropped(dropped, DropCause::QueueFull);
    }

    fn is_full(&self, state: &State, more: usize) -> bool {
        let messages = state.waiting.len();
        messages >= self.service.max_messages || (messages > 0 && state.bytes + more > self.service.max_bytes)
    }

    /// Counts messages that the consumer does not get, and tells of them.
    fn dropped(&self, dropped: Vec<Delivery>, cause: DropCause) {
        if dropped.is_empty() {
            return;
        }
        let counters = &self.surroundings.counters;
        match cause {
            DropCause::Expired => add(&counters.dropped_expired, dropped.len()),
            DropCause::Memory => add(&counters.dropped_memory, dropped.len()),
            _ => add(&counters.dropped_queue_full, dropped.len()),
        }
        if let Some(hub) = self.surroundings.hub.upgrade() {
            for delivery in dropped {
                hub.tell_dropped(None, || delivery.message, cause);
            }
        }
    }

    /// Whether publishers of QoS 1 and 2 should wait.
    pub(super) fn is_crowded(&self) -> bool {
        self.has_crowd(&self.state.lock())
    }

    fn has_crowd(&self, state: &State) -> bool {
        // Those who wait go on when a quarter of the room is there again, not one by one.
        let much = |all: usize| all - all / 4;
        let crowded =
            state.waiting.len() >= much(self.service.max_messages) || state.bytes >= much(self.service.max_bytes);
        crowded
            && !state.waiting.is_empty()
            && !state.closed
            && !state.draining
            && self.service.overflow == Overflow::Block
    }

    /// Has `waker` woken when there is room again; `false` if there is.
    pub(super) fn await_room(&self, waker: &Waker) -> bool {
        let mut state = self.state.lock();
        if !self.has_crowd(&state) {
            return false;
        }
        if !state.publishers.iter().any(|waiting| waiting.will_wake(waker)) {
            state.publishers.push(waker.clone());
        }
        true
    }

    fn release_publishers(&self, state: &mut State) {
        if !state.publishers.is_empty() && !self.has_crowd(state) {
            std::mem::take(&mut state.publishers).into_iter().for_each(Waker::wake);
        }
    }

    /// No call begins any more until [`Subscription::resume`]; one that runs goes on.
    pub fn pause(&self) {
        self.state.lock().paused = true;
        self.halted.store(true, Release);
    }

    pub fn resume(&self) {
        let mut state = self.state.lock();
        state.paused = false;
        self.halted.store(state.closed, Release);
        // Nobody comes for what waits when the broker has stopped.
        let _comes = self.schedule(&mut state);
    }

    /// The host program has done with a message; `false` if it had before.
    fn acknowledge(&self, number: u32) -> bool {
        let mut state = self.state.lock();
        let Some(mut delivery) = state.unacknowledged.remove(&number) else { return false };
        state.acknowledged += 1;
        state.memory -= delivery.memory();
        self.memory.set(state.memory);
        let _comes = self.schedule(&mut state);
        drop(state);
        delivery.receipt.take().into_iter().for_each(Token::acknowledge);
        true
    }

    /// Ends the subscription. When this returns, no call of the consumer runs or will run, and the consumer is
    /// dropped; called by the consumer itself, both hold once it has returned. What the consumer has not done with goes to
    /// the other members of its shared subscription.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        self.halted.store(true, Release);
        self.release_publishers(&mut state);
        if state.runner == Some(thread::current().id()) {
            return; // The rest is done when the call has returned.
        }
        while state.runner.is_some() {
            self.idle.wait(&mut state);
        }
        self.finish(state);
    }

    fn finish(&self, mut state: MutexGuard<'_, State>) {
        let consumer = state.consumer.take();
        let (unacknowledged, waiting) = state.clear();
        self.memory.set(0);
        drop(state);
        drop(consumer);
        // [MQTT-4.8.2-5]: a QoS 2 message that has been handed over goes to nobody else.
        let begun = unacknowledged.into_values().filter(|delivery| delivery.qos < QoS::ExactlyOnce);
        let left: Vec<Delivery> = begun.chain(waiting).filter(|delivery| delivery.group.is_some()).collect();
        if let (false, Some(hub)) = (left.is_empty(), self.surroundings.hub.upgrade()) {
            hub.redispatch_of_host(left, self.id);
        }
    }

    /// The broker stops: what waits is handed over now, or never.
    pub(super) fn drain(&self) {
        let mut state = self.state.lock();
        state.draining = true;
        self.release_publishers(&mut state);
        let _comes = self.schedule(&mut state);
    }

    /// The broker has stopped, and nothing is delivered any more.
    pub(super) fn forget(&self) {
        let mut state = self.state.lock();
        let lost = state.waiting.len();
        state.dropped += lost as u64;
        let left = state.clear();
        self.memory.set(0);
        drop(state);
        add(&self.surroundings.counters.dropped_client_gone, lost);
        drop(left);
    }

    /// Whether there is something that may be handed over now.
    fn may_deliver(&self, state: &State) -> bool {
        let has_window =
            || state.draining || self.service.receive_maximum.is_none_or(|max| state.unacknowledged.len() < max);
        let next = state.waiting.front();
        next.is_some_and(|next| !state.paused && !state.closed && (next.qos == QoS::AtMostOnce || has_window()))
    }

    /// Sees to it that a job will come for what may be handed over. `false`: the pool takes no jobs any more.
    fn schedule(&self, state: &mut State) -> bool {
        // Whoever runs looks again when it has done.
        state.scheduled || state.runner.is_some() || !self.may_deliver(state) || self.submit(state)
    }

    fn submit(&self, state: &mut State) -> bool {
        let Some(this) = self.this.upgrade() else { return false };
        // At most one job per subscription waits, so the number of these jobs is that of the subscriptions.
        state.scheduled = self.surroundings.pool.submit_always(Key::Subscription(self.id), move || this.run());
        state.scheduled
    }

    /// A job on a callback thread: one turn, or all that may be handed over if the pool is closing.
    fn run(&self) {
        let mut state = self.state.lock();
        state.scheduled = false;
        state.runner = Some(thread::current().id());
        let mut consumer = state.consumer.take();
        let mut taken = std::mem::take(&mut state.spare);
        while let Some(consume) = consumer.as_mut().filter(|_| self.may_deliver(&state)) {
            let expired = self.take(&mut state, &mut taken);
            drop(state);
            self.dropped(expired, DropCause::Expired);
            let done = self.hand_over(consume, &taken);
            let mut rest = taken.split_off(done);
            let tokens = taken.iter_mut().filter_map(|delivered| delivered.delivery.receipt.take());
            tokens.for_each(Token::acknowledge);
            taken.retain(|delivered| delivered.delivery.size() <= SMALL);
            state = self.state.lock();
            state.delivered += done as u64;
            put_back(&mut state, &mut rest);
            self.memory.set(state.memory);
            if state.spent.len() + taken.len() <= SPENT {
                state.spent.append(&mut taken);
            } else {
                drop(state);
                taken.clear();
                state = self.state.lock();
            }
            if self.may_deliver(&state) && self.submit(&mut state) {
                break;
            }
        }
        if state.closed {
            // Whoever ends the subscription waits until the consumer is gone.
            drop(state);
            drop(consumer.take());
            state = self.state.lock();
        }
        state.spare = taken;
        state.consumer = consumer;
        state.runner = None;
        if state.closed {
            self.finish(state);
        } else {
            drop(state);
        }
        self.idle.notify_all();
    }

    /// Takes what may be handed over in one turn. What has expired comes back.
    fn take(&self, state: &mut State, taken: &mut Vec<Delivered>) -> Vec<Delivery> {
        let turn = self.service.batch.max(MESSAGES_PER_TURN);
        let now = Instant::now();
        let mut expired = Vec::new();
        while taken.len() < turn && self.may_deliver(state) {
            let Some(delivery) = state.pop() else { break };
            if delivery.message.is_expired(now) {
                expired.push(delivery); // [MQTT-3.3.2-5]
            } else {
                taken.push(self.keep(state, delivery));
            }
        }
        state.dropped += expired.len() as u64;
        self.release_publishers(state);
        expired
    }

    /// Keeps a message until it is acknowledged, if the host program is to do that.
    fn keep(&self, state: &mut State, delivery: Delivery) -> Delivered {
        let number = self.number.as_ref().filter(|_| delivery.qos != QoS::AtMostOnce);
        let Some(number) = number else { return Delivered { delivery, kept_as: None, number: 0 } };
        while state.unacknowledged.contains_key(&state.next) {
            state.next = state.next.wrapping_add(1);
        }
        let key = state.next;
        state.next = key.wrapping_add(1);
        let handed_over = delivery.without_ties();
        state.memory += delivery.memory();
        state.unacknowledged.insert(key, delivery);
        Delivered { delivery: handed_over, kept_as: Some(key), number: number.of_delivery(key) }
    }

    /// Calls the consumer until it has had everything, or is to have no more; how many it has had.
    fn hand_over(&self, consume: &mut Consumer, taken: &[Delivered]) -> usize {
        let mut done = 0;
        for call in taken.chunks(self.service.batch.max(1)) {
            if self.halted.load(Acquire) {
                break;
            }
            add(&self.surroundings.counters.messages_delivered, call.len());
            if catch_unwind(AssertUnwindSafe(|| consume(call))).is_err() {
                self.surroundings.hook_counters.callback_panicked();
            }
            done += call.len();
        }
        done
    }
}

/// What has been taken and not handed over goes back to where it was.
fn put_back(state: &mut State, taken: &mut Vec<Delivered>) {
    for delivered in taken.drain(..).rev() {
        let kept = delivered.kept_as.and_then(|key| state.unacknowledged.remove(&key));
        // What is kept counts already.
        state.memory += if kept.is_some() { 0 } else { delivered.delivery.memory() };
        let delivery = kept.unwrap_or(delivered.delivery);
        state.bytes += delivery.size();
        state.waiting.push_front(delivery);
    }
}
