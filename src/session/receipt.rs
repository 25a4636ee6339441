//! What becomes of a message that the host program publishes and wants to hear of.

use std::sync::atomic::{
    AtomicUsize,
    Ordering::{AcqRel, Acquire, Relaxed},
};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::hooks::{CallbackPool, Key};

/// Told of what has become of a message, on a callback thread: once, or twice if receivers have to acknowledge it.
pub type Completion = Box<dyn Fn(Report) + Send + Sync>;

/// How far a message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is queued for everyone who gets it.
    Queued,
    /// Everyone who was to acknowledge it has done so, or is gone.
    Acknowledged,
    /// It goes nowhere: a hook has refused it.
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    pub stage: Stage,
    /// Nothing more will be reported.
    pub is_last: bool,
    /// How many receivers it was queued for: sessions, and subscriptions of the host program.
    pub receivers: usize,
    /// Receivers with QoS 1 or 2 that were connected then, and have acknowledged it.
    pub acknowledged: usize,
    /// Those that have not and will not: they have gone, or it was dropped for them.
    pub lost: usize,
}

/// How many receipts are open, and how many may be.
pub(super) struct Receipts {
    open: Arc<AtomicUsize>,
    max: AtomicUsize,
}

/// The receipt of one message.
pub(super) struct Receipt {
    pool: Arc<CallbackPool>,
    tell: Mutex<Option<Arc<Tell>>>,
    receivers: AtomicUsize,
    /// Tokens that have been handed out.
    awaited: AtomicUsize,
    /// Those that are still out, and one more until the message has been routed.
    outstanding: AtomicUsize,
    acknowledged: AtomicUsize,
}

/// The function of the host program. The receipt counts as open until it is not needed any more, and no call waits.
struct Tell {
    completion: Completion,
    open: Arc<AtomicUsize>,
}

impl Drop for Tell {
    fn drop(&mut self) {
        self.open.fetch_sub(1, AcqRel);
    }
}

/// One receiver's acknowledgement, which travels with its copy of the message. When it is dropped, the message is lost for
/// that receiver.
pub(super) struct Token(Option<Arc<Receipt>>);

impl Receipts {
    pub(super) fn new(max: usize) -> Self {
        Receipts { open: Arc::default(), max: AtomicUsize::new(max) }
    }

    /// So many may be open from now on. Those that are stay so.
    pub(super) fn set_max(&self, max: usize) {
        self.max.store(max, Relaxed);
    }

    /// Opens a receipt; `None` if there are too many.
    pub(super) fn open(&self, pool: &Arc<CallbackPool>, completion: Completion) -> Option<Arc<Receipt>> {
        if self.open.fetch_add(1, AcqRel) >= self.max.load(Relaxed) {
            self.open.fetch_sub(1, AcqRel);
            return None;
        }
        Some(Arc::new(Receipt {
            pool: pool.clone(),
            tell: Mutex::new(Some(Arc::new(Tell { completion, open: self.open.clone() }))),
            receivers: AtomicUsize::new(0),
            awaited: AtomicUsize::new(0),
            outstanding: AtomicUsize::new(1),
            acknowledged: AtomicUsize::new(0),
        }))
    }
}

impl Receipt {
    /// For a receiver that has to acknowledge the message.
    pub(super) fn token(self: &Arc<Self>) -> Token {
        self.awaited.fetch_add(1, Relaxed);
        self.outstanding.fetch_add(1, Relaxed);
        Token(Some(self.clone()))
    }

    /// The message has been queued for so many receivers.
    pub(super) fn routed(&self, receivers: usize) {
        self.receivers.store(receivers, Relaxed);
        self.report(Stage::Queued, self.awaited.load(Relaxed) == 0);
        self.settle();
    }

    /// The message goes nowhere.
    pub(super) fn refused(&self) {
        self.report(Stage::Refused, true);
    }

    fn settle(&self) {
        if self.outstanding.fetch_sub(1, AcqRel) == 1 && self.awaited.load(Relaxed) > 0 {
            self.report(Stage::Acknowledged, true);
        }
    }

    fn report(&self, stage: Stage, is_last: bool) {
        let tell = if is_last { self.tell.lock().take() } else { self.tell.lock().clone() };
        let Some(tell) = tell else { return };
        let acknowledged = self.acknowledged.load(Acquire);
        let awaited = self.awaited.load(Relaxed);
        let report = Report {
            stage,
            is_last,
            receivers: self.receivers.load(Relaxed),
            acknowledged: if is_last { acknowledged } else { 0 },
            lost: if is_last { awaited - acknowledged } else { 0 },
        };
        self.run(move || (tell.completion)(report));
    }

    /// Runs the host program's code where it belongs. Each receipt that is open has two jobs at most.
    fn run(&self, job: impl FnOnce() + Send + 'static) {
        // When the broker has stopped, nobody is told any more.
        let _told = self.pool.submit_always(Key::Completion, job);
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        // What the host program has to free is not freed by a thread that serves clients.
        if let Some(tell) = self.tell.lock().take() {
            self.run(move || drop(tell));
        }
    }
}

impl Token {
    pub(super) fn acknowledge(mut self) {
        if let Some(receipt) = self.0.take() {
            receipt.acknowledged.fetch_add(1, AcqRel);
            receipt.settle();
        }
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        if let Some(receipt) = self.0.take() {
            receipt.settle();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    struct Bench {
        pool: Arc<CallbackPool>,
        receipts: Receipts,
    }

    impl Bench {
        fn new(max: usize) -> Self {
            let pool = Arc::new(CallbackPool::start(1, 1, "test", Arc::default()).unwrap());
            Bench { pool, receipts: Receipts::new(max) }
        }

        fn open(&self) -> Option<(Arc<Receipt>, mpsc::Receiver<Report>)> {
            let (send, receive) = mpsc::channel();
            let receipt = self.receipts.open(&self.pool, Box::new(move |report| send.send(report).unwrap()))?;
            Some((receipt, receive))
        }
    }

    fn report(stage: Stage, is_last: bool, counts: [usize; 3]) -> Report {
        let [receivers, acknowledged, lost] = counts;
        Report { stage, is_last, receivers, acknowledged, lost }
    }

    #[test]
    fn what_nobody_acknowledges_is_reported_once() {
        let bench = Bench::new(10);
        let (receipt, reports) = bench.open().unwrap();
        receipt.routed(3);
        drop(receipt);
        assert_eq!(reports.recv_timeout(LONG), Ok(report(Stage::Queued, true, [3, 0, 0])));
        assert_eq!(reports.recv_timeout(LONG), Err(mpsc::RecvTimeoutError::Disconnected));
        let (receipt, reports) = bench.open().unwrap();
        receipt.refused();
        assert_eq!(reports.recv_timeout(LONG), Ok(report(Stage::Refused, true, [0, 0, 0])));
        let (receipt, reports) = bench.open().unwrap();
        drop(receipt);
        assert_eq!(reports.recv_timeout(LONG), Err(mpsc::RecvTimeoutError::Disconnected));
    }

    #[test]
    fn the_last_receiver_to_acknowledge_or_to_go_completes_it() {
        let bench = Bench::new(10);
        let (receipt, reports) = bench.open().unwrap();
        let (early, late, gone) = (receipt.token(), receipt.token(), receipt.token());
        // Some are quicker than the routing of the message.
        early.acknowledge();
        receipt.routed(5);
        assert_eq!(reports.recv_timeout(LONG), Ok(report(Stage::Queued, false, [5, 0, 0])));
        drop(gone);
        assert_eq!(reports.try_recv(), Err(mpsc::TryRecvError::Empty));
        late.acknowledge();
        assert_eq!(reports.recv_timeout(LONG), Ok(report(Stage::Acknowledged, true, [5, 2, 1])));
    }

    #[test]
    fn the_number_of_open_receipts_is_bounded() {
        let bench = Bench::new(2);
        let (one, two) = (bench.open(), bench.open());
        assert!(one.is_some() && two.is_some() && bench.open().is_none());
        drop(one);
        bench.pool.close();
        assert!(bench.open().is_some());
    }
}
