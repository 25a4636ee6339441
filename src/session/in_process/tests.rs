use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::mpsc;
use std::task::Wake;
use std::time::Duration;

use super::super::tests::support::{deliver, message};
use super::*;

const LONG: Duration = Duration::from_secs(20);

const SERVICE: Service = Service {
    max_messages: 1000,
    max_bytes: usize::MAX,
    overflow: Overflow::DropNewest,
    batch: 1,
    receive_maximum: None,
    no_local: false,
};

struct Bench {
    pool: Arc<CallbackPool>,
    hook_counters: Arc<HookCounters>,
    counters: Arc<SessionCounters>,
    memory: Arc<Memory>,
}

impl Bench {
    fn new() -> Self {
        let hook_counters = Arc::new(HookCounters::default());
        let pool = Arc::new(CallbackPool::start(2, 1, "test", hook_counters.clone()).unwrap());
        Bench { pool, hook_counters, counters: Arc::default(), memory: Arc::default() }
    }

    fn subscription(&self, service: Service, consumer: impl FnMut(&[Delivered]) + Send + 'static) -> Arc<Subscription> {
        let surroundings = Surroundings {
            hub: Weak::new(),
            pool: self.pool.clone(),
            hook_counters: self.hook_counters.clone(),
            counters: self.counters.clone(),
            memory: self.memory.clone(),
        };
        Subscription::new(1, service, Box::new(consumer), surroundings).unwrap()
    }

    fn counts(&self) -> (u64, u64) {
        (self.counters.messages_delivered.load(Relaxed), self.counters.dropped())
    }
}

/// What a push has come to, when the consumer has been woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Came {
    Queued,
    Crowded,
    Dropped,
}

use Came::{Crowded, Queued};

fn push_with(subscription: &Subscription, qos: QoS, payload: &str) -> Option<Came> {
    let pushed = subscription.push(deliver(message(qos, "t", payload, None))).ok()?;
    subscription.wake();
    Some(match pushed {
        Pushed::Queued { crowded: false, .. } => Came::Queued,
        Pushed::Queued { crowded: true, .. } => Came::Crowded,
        Pushed::Dropped | Pushed::Starved => Came::Dropped,
    })
}

fn push(subscription: &Subscription, number: usize) -> Option<Came> {
    push_with(subscription, QoS::AtLeastOnce, &number.to_string())
}

fn payload(delivered: &Delivered) -> String {
    String::from_utf8(delivered.view().payload.to_vec()).unwrap()
}

/// A consumer that says what it gets and waits until it may go on.
struct Gate {
    seen: mpsc::Receiver<String>,
    go_on: mpsc::Sender<()>,
}

impl Gate {
    fn new() -> (Gate, impl FnMut(&[Delivered]) + Send) {
        let (see, seen) = mpsc::channel();
        let (go_on, wait) = mpsc::channel::<()>();
        let consumer = move |messages: &[Delivered]| {
            see.send(messages.iter().map(payload).collect::<Vec<_>>().join(",")).unwrap();
            wait.recv_timeout(LONG).unwrap();
        };
        (Gate { seen, go_on }, consumer)
    }

    fn sees(&self, wanted: &str) {
        assert_eq!(self.seen.recv_timeout(LONG).unwrap(), wanted);
    }

    fn step(&self, wanted: &str) {
        self.go_on.send(()).unwrap();
        self.sees(wanted);
    }
}

#[test]
fn messages_arrive_in_order_over_many_turns() {
    for batch in [1, 3, 64, 1000] {
        let bench = Bench::new();
        let (send, receive) = mpsc::channel();
        let most = Arc::new(AtomicUsize::new(0));
        let largest = most.clone();
        let subscription = bench.subscription(Service { batch, ..SERVICE }, move |messages| {
            largest.fetch_max(messages.len(), SeqCst);
            messages.iter().for_each(|message| send.send(payload(message)).unwrap());
        });
        for number in 0..1000 {
            assert_eq!(push(&subscription, number), Some(Queued));
        }
        for number in 0..1000 {
            assert_eq!(receive.recv_timeout(LONG).unwrap(), number.to_string());
        }
        bench.pool.close();
        assert_eq!(bench.counts(), (1000, 0));
        assert!((1..=batch).contains(&most.load(SeqCst)));
        assert_eq!(subscription.stats(), SubscriptionStats { delivered: 1000, ..Default::default() });
    }
}

#[test]
fn the_first_message_of_a_batch_wants_the_consumer_woken() {
    let bench = Bench::new();
    let (gate, consumer) = Gate::new();
    let subscription = bench.subscription(SERVICE, consumer);
    let wanted = || match subscription.push(deliver(message(QoS::AtMostOnce, "t", "x", None))) {
        Ok(Pushed::Queued { wake, .. }) => wake,
        _ => panic!("not queued"),
    };
    assert!(wanted() && !wanted());
    assert!(gate.seen.recv_timeout(Duration::from_millis(20)).is_err(), "the batch is not over");
    subscription.wake();
    gate.sees("x");
    // It looks again when its call has returned.
    assert!(!wanted());
    (0..3).for_each(|_| gate.go_on.send(()).unwrap());
    (0..2).for_each(|_| gate.sees("x"));
    bench.pool.close();
    assert!(wanted());
}

#[test]
fn what_has_been_handed_over_is_freed() {
    let bench = Bench::new();
    let (gate, consumer) = Gate::new();
    let subscription = bench.subscription(Service { batch: 2000, max_messages: 4000, ..SERVICE }, consumer);
    let small = Arc::new(message(QoS::AtMostOnce, "t", "x", None));
    let large = Arc::new(message(QoS::AtMostOnce, "t", &"x".repeat(SMALL), None));
    let push = |message: &Arc<_>| {
        let delivery = Delivery { message: Arc::clone(message), ..deliver(crate::model::Message::clone(message)) };
        assert!(matches!(subscription.push(delivery), Ok(Pushed::Queued { .. })));
        subscription.wake();
    };
    push(&large);
    gate.sees(&"x".repeat(SMALL));
    for _ in 0..3000 {
        push(&small);
    }
    push(&large);
    for _ in 0..3 {
        gate.go_on.send(()).unwrap();
    }
    bench.pool.close();
    // A publisher may free some of the small ones, when it comes.
    assert_eq!(Arc::strong_count(&large), 1);
    assert!(Arc::strong_count(&small) <= 1 + SPENT);
    subscription.close();
    assert_eq!(Arc::strong_count(&small), 1);
}

#[test]
fn a_full_queue_drops_the_newest_or_the_oldest() {
    for (overflow, left) in [(Overflow::DropNewest, ["1", "2"]), (Overflow::DropOldest, ["3", "4"])] {
        let bench = Bench::new();
        let (gate, consumer) = Gate::new();
        let subscription = bench.subscription(Service { max_messages: 2, overflow, ..SERVICE }, consumer);
        push(&subscription, 0);
        gate.sees("0");
        let pushed: Vec<_> = (1..=4).map(|number| push(&subscription, number).unwrap()).collect();
        let dropped = if overflow == Overflow::DropNewest { Came::Dropped } else { Queued };
        assert_eq!(pushed, [Queued, Queued, dropped, dropped]);
        assert_eq!((bench.counts().1, subscription.stats().dropped), (2, 2));
        assert!(!subscription.await_room(Waker::noop()), "nobody waits for it");
        left.into_iter().for_each(|payload| gate.step(payload));
        gate.go_on.send(()).unwrap();
    }
}

#[test]
fn bytes_count_as_well() {
    let bench = Bench::new();
    let (gate, consumer) = Gate::new();
    let one = deliver(message(QoS::AtLeastOnce, "t", "1", None)).size();
    let service = Service { max_bytes: 2 * one, overflow: Overflow::DropOldest, ..SERVICE };
    let subscription = bench.subscription(service, consumer);
    push(&subscription, 0);
    gate.sees("0");
    (1..=3).for_each(|number| assert_eq!(push(&subscription, number), Some(Queued)));
    assert_eq!(subscription.stats().queued_bytes, 2 * one as u64);
    // A message may wait alone, whatever its size.
    let large = "x".repeat(4 * one);
    assert_eq!(push_with(&subscription, QoS::AtMostOnce, &large), Some(Queued));
    assert_eq!((subscription.stats().queued_messages, subscription.stats().dropped), (1, 3));
    gate.step(&large);
    gate.go_on.send(()).unwrap();
}

struct Alarm(AtomicUsize);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn publishers_that_are_acknowledged_wait_and_lose_nothing() {
    let bench = Bench::new();
    let (gate, consumer) = Gate::new();
    let service = Service { max_messages: 4, overflow: Overflow::Block, batch: 64, ..SERVICE };
    let subscription = bench.subscription(service, consumer);
    let alarm = Arc::new(Alarm(AtomicUsize::new(0)));
    let waker = Waker::from(alarm.clone());
    push(&subscription, 0);
    gate.sees("0");
    for number in 1..=3 {
        assert_eq!(push(&subscription, number), Some(Queued));
    }
    assert_eq!(push(&subscription, 4), Some(Crowded));
    assert_eq!(push_with(&subscription, QoS::AtMostOnce, "lost"), Some(Came::Dropped), "nobody is to wait");
    assert_eq!(push(&subscription, 5), Some(Crowded), "another publisher who has not noticed yet");
    assert!(subscription.await_room(&waker) && subscription.await_room(&waker) && subscription.is_crowded());
    assert_eq!(alarm.0.load(SeqCst), 0);
    gate.step("1,2,3,4,5");
    assert_eq!(alarm.0.load(SeqCst), 1);
    assert!(!subscription.is_crowded() && !subscription.await_room(&waker));
    // Who waits for a subscription that ends has no reason to any more.
    (0..5).for_each(|number| assert!(push(&subscription, number).is_some()));
    assert!(subscription.await_room(&waker));
    gate.go_on.send(()).unwrap();
    gate.go_on.send(()).unwrap();
    subscription.close();
    assert_eq!(alarm.0.load(SeqCst), 2);
    assert_eq!(push(&subscription, 9), None);
}

#[test]
fn what_has_expired_is_not_handed_over() {
    let bench = Bench::new();
    let (gate, consumer) = Gate::new();
    let subscription = bench.subscription(SERVICE, consumer);
    push(&subscription, 0);
    gate.sees("0");
    let expired = message(QoS::AtLeastOnce, "t", "late", Some(Instant::now()));
    subscription.push(deliver(expired)).ok().unwrap();
    subscription.wake();
    push(&subscription, 1);
    gate.step("1");
    assert_eq!((bench.counters.dropped_expired.load(Relaxed), subscription.stats().dropped), (1, 1));
    gate.go_on.send(()).unwrap();
}

#[test]
fn no_more_is_handed_over_than_may_be_unacknowledged() {
    let bench = Bench::new();
    let (send, receive) = mpsc::channel();
    let subscription = bench.subscription(Service { receive_maximum: Some(2), ..SERVICE }, move |messages| {
        messages.iter().for_each(|message| send.send((payload(message), message.number())).unwrap());
    });
    (0..5).for_each(|number| assert_eq!(push(&subscription, number), Some(Queued)));
    let next = || receive.recv_timeout(LONG).unwrap();
    let ((zero, first), (one, second)) = (next(), next());
    assert_eq!((&*zero, &*one), ("0", "1"));
    assert!(receive.recv_timeout(Duration::from_millis(20)).is_err());
    assert_eq!(subscription.stats().unacknowledged, 2);
    // In whatever order, and once.
    assert!(acknowledge(second) && !acknowledge(second));
    let (two, third) = next();
    assert_eq!(two, "2");
    assert!(acknowledge(third) && acknowledge(first));
    let (three, four) = (next(), next());
    assert_eq!((&*three.0, &*four.0), ("3", "4"));
    // What needs no acknowledgement does not wait for any.
    push_with(&subscription, QoS::AtMostOnce, "free");
    assert_eq!(next(), ("free".to_owned(), 0));
    while subscription.stats().delivered < 6 {
        thread::yield_now(); // the call has still to return
    }
    let stats = subscription.stats();
    assert_eq!((stats.delivered, stats.acknowledged, stats.unacknowledged), (6, 3, 2));
    subscription.close();
    assert!(!acknowledge(four.1), "its subscription is over");
    assert!(!acknowledge(0) && !acknowledge(u64::MAX));
}

#[test]
fn nothing_is_handed_over_during_a_pause() {
    let bench = Bench::new();
    let (gate, consumer) = Gate::new();
    let subscription = bench.subscription(Service { receive_maximum: Some(10), ..SERVICE }, consumer);
    (0..3).for_each(|number| assert_eq!(push(&subscription, number), Some(Queued)));
    gate.sees("0");
    // The others have been taken already, and go back.
    subscription.pause();
    gate.go_on.send(()).unwrap();
    push(&subscription, 3);
    assert!(gate.seen.recv_timeout(Duration::from_millis(20)).is_err());
    let stats = subscription.stats();
    assert_eq!((stats.delivered, stats.queued_messages, stats.unacknowledged, stats.paused), (1, 3, 1, true));
    subscription.resume();
    gate.sees("1");
    gate.step("2");
    gate.step("3");
    gate.go_on.send(()).unwrap();
}

#[test]
fn close_waits_for_the_call_that_runs_and_drops_the_consumer() {
    let bench = Bench::new();
    let (started, start) = mpsc::channel();
    let (unblock, blocked) = mpsc::channel::<()>();
    let alive = Arc::new(());
    let held = alive.clone();
    let subscription = bench.subscription(SERVICE, move |_| {
        let _held = &held;
        started.send(()).unwrap();
        blocked.recv_timeout(LONG).unwrap();
    });
    push(&subscription, 0);
    push(&subscription, 1);
    start.recv_timeout(LONG).unwrap();
    thread::scope(|scope| {
        let closing = scope.spawn(|| subscription.close());
        assert_eq!(Arc::strong_count(&alive), 2, "the consumer lives as long as its call");
        while !subscription.state.lock().closed {
            thread::yield_now();
        }
        unblock.send(()).unwrap();
        closing.join().unwrap();
    });
    assert_eq!(Arc::strong_count(&alive), 1);
    assert_eq!(push(&subscription, 2), None);
    assert!(start.try_recv().is_err(), "no call after close");
}

#[test]
fn a_consumer_may_close_its_own_subscription() {
    let bench = Bench::new();
    let alive = Arc::new(());
    let held = alive.clone();
    let (give, take) = mpsc::channel::<Arc<Subscription>>();
    let (send, receive) = mpsc::channel();
    let subscription = bench.subscription(SERVICE, move |_| {
        let _held = &held;
        take.recv_timeout(LONG).unwrap().close();
        send.send(()).unwrap();
    });
    give.send(subscription.clone()).unwrap();
    push(&subscription, 0);
    push(&subscription, 1);
    receive.recv_timeout(LONG).unwrap();
    bench.pool.close();
    assert_eq!(Arc::strong_count(&alive), 1);
    assert_eq!(bench.counts().0, 1);
}

#[test]
fn a_closing_pool_delivers_what_waits() {
    let bench = Bench::new();
    let (send, receive) = mpsc::channel();
    let subscription = bench.subscription(SERVICE, move |messages| send.send(payload(&messages[0])).unwrap());
    for number in 0..500 {
        push(&subscription, number);
    }
    bench.pool.close();
    assert_eq!(receive.try_iter().count(), 500);
    push(&subscription, 500);
    assert_eq!(bench.counts().1, 1, "nobody comes for it any more");
}

#[test]
fn a_panic_is_counted_and_what_follows_is_delivered() {
    let bench = Bench::new();
    let (send, receive) = mpsc::channel();
    let subscription = bench.subscription(SERVICE, move |messages| {
        let payload = payload(&messages[0]);
        assert_ne!(payload, "0", "on purpose");
        send.send(payload).unwrap();
    });
    push(&subscription, 0);
    push(&subscription, 1);
    assert_eq!(receive.recv_timeout(LONG).unwrap(), "1");
    assert_eq!(bench.hook_counters.callback_panics(), 1);
}
