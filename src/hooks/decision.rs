//! Decisions that may be made later: asked on a callback thread, answered from any.

use std::cell::RefCell;
use std::collections::HashMap;
use std::num::NonZeroU64;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{Answer, CallbackPool, HookCounters, Key};
use crate::model::Text;

/// The outcome of a decision.
#[derive(Clone, Debug)]
pub enum Verdict {
    Allow,
    Deny(Denial),
}

/// How a denial is told to the client. The default is the protocol's "not authorized".
#[derive(Clone, Debug, Default)]
pub struct Denial {
    /// The MQTT 5 reason code; `None` for the default of the packet.
    pub reason_code: Option<u8>,
    /// The MQTT 5 reason string.
    pub reason: Option<Text>,
}

/// Names one deferred decision, in this process, for ever: numbers are not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(pub NonZeroU64);

/// The decision of this ticket has been made, denied by its deadline, or is of no use to anyone any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired;

/// A decision that is being asked.
struct Pending {
    verdict: Mutex<Option<oneshot::Sender<Verdict>>>,
    /// The ticket that [`defer`] gave out; 0 before.
    ticket: AtomicU64,
    /// A forked child inherits the table but not the threads that wait for the verdict.
    process: u32,
    counters: Arc<HookCounters>,
    max_pending: usize,
}

impl Pending {
    fn answer(&self, verdict: Verdict) -> Result<(), Expired> {
        let sender = self.verdict.lock().take().ok_or(Expired)?;
        sender.send(verdict).map_err(|_| Expired)
    }

    fn is_over(&self) -> bool {
        self.verdict.lock().as_ref().is_none_or(|sender| sender.is_closed())
    }

    fn forget_ticket(&self) {
        if let Some(ticket) = NonZeroU64::new(self.ticket.load(SeqCst)) {
            take_ticket(Ticket(ticket));
        }
    }
}

static NEXT_TICKET: AtomicU64 = AtomicU64::new(1);

/// Open tickets of all brokers. `None` when there are none, so that nothing is left at exit.
static TICKETS: Mutex<Option<HashMap<u64, Arc<Pending>>>> = Mutex::new(None);

thread_local! {
    /// The decision whose hook runs on this thread.
    static CURRENT: RefCell<Option<Arc<Pending>>> = const { RefCell::new(None) };
}

/// Inside a decision hook: announces that the answer comes later, through [`complete`].
///
/// `None` outside of a decision hook, when the decision is already over, and when as many decisions are open as the
/// configuration allows. A second call in one hook gives the same ticket.
pub fn defer() -> Option<Ticket> {
    let pending = CURRENT.with_borrow(Option::clone)?;
    if let Some(ticket) = NonZeroU64::new(pending.ticket.load(SeqCst)) {
        return Some(Ticket(ticket));
    }
    if !pending.counters.take_pending(pending.max_pending) {
        return None;
    }
    let ticket = Ticket(NonZeroU64::new(NEXT_TICKET.fetch_add(1, SeqCst))?);
    TICKETS.lock().get_or_insert_default().insert(ticket.0.get(), pending.clone());
    pending.ticket.store(ticket.0.get(), SeqCst);
    // Whoever waited may have left before the ticket was in the table, and will not look for it again.
    if pending.is_over() {
        take_ticket(ticket);
        return None;
    }
    Some(ticket)
}

/// Makes a deferred decision, from any thread. The first call for a ticket counts.
pub fn complete(ticket: Ticket, verdict: Verdict) -> Result<(), Expired> {
    let pending = take_ticket(ticket).ok_or(Expired)?;
    if pending.process != std::process::id() {
        return Err(Expired);
    }
    pending.answer(verdict)
}

fn take_ticket(ticket: Ticket) -> Option<Arc<Pending>> {
    let mut tickets = TICKETS.lock();
    let open = tickets.as_mut()?;
    let pending = open.remove(&ticket.0.get())?;
    if open.is_empty() {
        *tickets = None;
    }
    pending.counters.give_back_pending();
    Some(pending)
}

/// Forgets the ticket when whoever waits gives up, be it the deadline or the end of the connection.
struct Waiter(Arc<Pending>);

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.forget_ticket();
    }
}

/// Runs `ask` on a callback thread and waits for the verdict. Anything but an answer in time denies.
pub(super) async fn decide(
    pool: &CallbackPool,
    key: Key,
    counters: &Arc<HookCounters>,
    timeout: Duration,
    max_pending: usize,
    ask: impl FnOnce() -> Answer + Send + 'static,
) -> Verdict {
    let (sender, receiver) = oneshot::channel();
    let pending = Arc::new(Pending {
        verdict: Mutex::new(Some(sender)),
        ticket: AtomicU64::new(0),
        process: std::process::id(),
        counters: counters.clone(),
        max_pending,
    });
    let asked = pending.clone();
    if !pool.submit(key, move || run(&asked, ask)) {
        counters.decision_overflowed();
        counters.decision_denied();
        return Verdict::Deny(Denial::default());
    }
    let waiter = Waiter(pending);
    let verdict = match tokio::time::timeout(timeout, receiver).await {
        Ok(Ok(verdict)) => verdict,
        // The sender is gone without a word: the hook panicked.
        Ok(Err(_)) => Verdict::Deny(Denial::default()),
        Err(_) => {
            counters.decision_expired();
            tracing::warn!(timeout_ms = timeout.as_millis() as u64, "no decision in time: denied");
            Verdict::Deny(Denial::default())
        }
    };
    drop(waiter);
    match verdict {
        Verdict::Allow => counters.decision_allowed(),
        Verdict::Deny(_) => counters.decision_denied(),
    }
    verdict
}

/// The part of a decision that runs on a callback thread.
fn run(pending: &Arc<Pending>, ask: impl FnOnce() -> Answer) {
    if pending.is_over() {
        return;
    }
    CURRENT.set(Some(pending.clone()));
    let answer = catch_unwind(AssertUnwindSafe(ask));
    CURRENT.set(None);
    let verdict = match answer {
        Ok(Answer::Deferred) if pending.ticket.load(SeqCst) != 0 => return,
        Ok(Answer::Deferred) => {
            tracing::warn!("a hook deferred its decision without a ticket: denied");
            Verdict::Deny(Denial::default())
        }
        Ok(Answer::Allow) => Verdict::Allow,
        Ok(Answer::Deny(denial)) => Verdict::Deny(denial),
        Err(_) => {
            pending.counters.callback_panicked();
            tracing::error!("a decision hook panicked: denied");
            Verdict::Deny(Denial::default())
        }
    };
    pending.forget_ticket();
    // Another thread may have completed the ticket before the hook returned; the first answer counts.
    let _ = pending.answer(verdict);
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    struct Bench {
        pool: CallbackPool,
        counters: Arc<HookCounters>,
        runtime: tokio::runtime::Runtime,
    }

    impl Bench {
        fn new() -> Self {
            let counters = Arc::new(HookCounters::default());
            Bench {
                pool: CallbackPool::start(2, 2, "test", counters.clone()).unwrap(),
                counters,
                runtime: tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap(),
            }
        }

        fn ask(&self, timeout: Duration, ask: impl FnOnce() -> Answer + Send + 'static) -> bool {
            self.ask_with(timeout, 1, ask)
        }

        fn ask_with(
            &self,
            timeout: Duration,
            max_pending: usize,
            ask: impl FnOnce() -> Answer + Send + 'static,
        ) -> bool {
            let key = Key::Client(Text::from("c"));
            let verdict = self.runtime.block_on(decide(&self.pool, key, &self.counters, timeout, max_pending, ask));
            matches!(verdict, Verdict::Allow)
        }
    }

    #[test]
    fn an_immediate_answer_counts() {
        let bench = Bench::new();
        assert!(bench.ask(LONG, || Answer::Allow));
        assert!(!bench.ask(LONG, || Answer::Deny(Denial::default())));
        assert_eq!((bench.counters.decisions_allowed(), bench.counters.decisions_denied()), (1, 1));
    }

    #[test]
    fn a_ticket_is_completed_once_from_any_thread() {
        let bench = Bench::new();
        let (send, receive) = mpsc::channel();
        let completer = thread::spawn(move || {
            let ticket = receive.recv_timeout(LONG).unwrap();
            (complete(ticket, Verdict::Allow), complete(ticket, Verdict::Deny(Denial::default())))
        });
        assert!(bench.ask(LONG, move || {
            send.send(defer().unwrap()).unwrap();
            Answer::Deferred
        }));
        assert_eq!(completer.join().unwrap(), (Ok(()), Err(Expired)));
        assert_eq!(bench.counters.decisions_pending(), 0);
    }

    #[test]
    fn completion_before_the_hook_returns_counts() {
        let bench = Bench::new();
        assert!(bench.ask(LONG, || {
            let ticket = defer().unwrap();
            assert_eq!(defer(), Some(ticket));
            thread::spawn(move || complete(ticket, Verdict::Allow)).join().unwrap().unwrap();
            Answer::Deferred
        }));
    }

    #[test]
    fn an_answer_beside_a_ticket_counts_and_the_ticket_expires() {
        let bench = Bench::new();
        let (send, receive) = mpsc::channel();
        assert!(!bench.ask(LONG, move || {
            send.send(defer().unwrap()).unwrap();
            Answer::Deny(Denial::default())
        }));
        assert_eq!(complete(receive.recv().unwrap(), Verdict::Allow), Err(Expired));
    }

    #[test]
    fn the_deadline_denies_and_expires_the_ticket() {
        let bench = Bench::new();
        let (send, receive) = mpsc::channel();
        assert!(!bench.ask(Duration::from_millis(20), move || {
            send.send(defer().unwrap()).unwrap();
            Answer::Deferred
        }));
        assert_eq!(complete(receive.recv().unwrap(), Verdict::Allow), Err(Expired));
        assert_eq!((bench.counters.decisions_expired(), bench.counters.decisions_pending()), (1, 0));
    }

    #[test]
    fn a_ticket_asked_for_after_the_deadline_is_refused() {
        let bench = Bench::new();
        let (late, wait) = mpsc::channel::<()>();
        let (send, receive) = mpsc::channel();
        assert!(!bench.ask(Duration::from_millis(20), move || {
            wait.recv_timeout(LONG).unwrap();
            send.send(defer()).unwrap();
            Answer::Deferred
        }));
        late.send(()).unwrap();
        assert_eq!(receive.recv_timeout(LONG).unwrap(), None);
        bench.pool.close();
        assert_eq!(bench.counters.decisions_pending(), 0);
    }

    #[test]
    fn deferring_without_a_ticket_denies() {
        let bench = Bench::new();
        assert_eq!(defer(), None);
        assert!(!bench.ask(LONG, || Answer::Deferred));
        assert!(!bench.ask_with(LONG, 0, || {
            assert_eq!(defer(), None);
            Answer::Deferred
        }));
        assert_eq!(bench.counters.decisions_pending(), 0);
    }

    #[test]
    fn a_panic_denies() {
        let bench = Bench::new();
        assert!(!bench.ask(LONG, || panic!("on purpose")));
        assert!(bench.ask(LONG, || Answer::Allow));
        assert_eq!(bench.counters.callback_panics(), 1);
    }

    #[test]
    fn a_full_queue_denies() {
        let bench = Bench::new();
        let (unblock, blocked) = mpsc::channel::<()>();
        let (started, start) = mpsc::channel();
        let key = || Key::Client(Text::from("c"));
        assert!(bench.pool.submit(key(), move || {
            started.send(()).unwrap();
            blocked.recv_timeout(LONG).unwrap();
        }));
        start.recv_timeout(LONG).unwrap();
        assert!(bench.pool.submit(key(), || ()));
        assert!(bench.pool.submit(key(), || ()));
        assert!(!bench.ask(LONG, || Answer::Allow));
        assert_eq!(bench.counters.decisions_overflowed(), 1);
        unblock.send(()).unwrap();
    }
}
