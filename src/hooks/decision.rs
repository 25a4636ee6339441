//! Decisions that may be made later: asked on a callback thread or in place, answered from any thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::num::NonZeroU64;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Sleep;

use super::counters::{Cause, InFlight};
use super::pool::{Kind, Refused};
use super::slots::Slot;
use super::watchdog::Watch;
use super::{Answer, CallbackPool, Hook, HookCounters, Key, Verdict};

/// Names one deferred decision, in this process, for ever: numbers are not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(pub NonZeroU64);

/// The decision of this ticket has been made, denied by its deadline, or is of no use to anyone any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired;

/// What holds for all decisions of one run of a broker.
pub(super) struct Terms {
    pub(super) counters: Arc<HookCounters>,
    timeout_ms: AtomicU64,
    /// Deferred decisions that may be open.
    max_pending: AtomicUsize,
    /// The run ends: whoever gives up waiting from now on does it for that reason.
    pub(super) stopping: AtomicBool,
    pub(super) watch: Watch,
}

impl Terms {
    pub(super) fn new(counters: Arc<HookCounters>, timeout: Duration, max_pending: usize) -> Terms {
        let terms = Terms {
            counters,
            timeout_ms: AtomicU64::new(0),
            max_pending: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            watch: Watch::default(),
        };
        terms.change(timeout, max_pending);
        terms
    }

    /// Other ones hold from now on. Decisions under way keep their deadline.
    pub(super) fn change(&self, timeout: Duration, max_pending: usize) {
        self.timeout_ms.store(timeout.as_millis() as u64, Relaxed);
        self.max_pending.store(max_pending, Relaxed);
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms.load(Relaxed))
    }
}

/// A verdict, or why there is none, which denies.
pub(super) type Said = Result<Verdict, Cause>;

/// Why it denies; `None` if it does not.
pub(super) fn cause_of(hook: Hook, said: &Said) -> Option<Cause> {
    match said {
        Ok(verdict) => Cause::of(hook, verdict),
        Err(cause) => Some(*cause),
    }
}

pub(super) fn verdict_of(said: Said) -> Verdict {
    said.unwrap_or_else(|_| Verdict::deny())
}

/// A decision that is being asked.
pub(super) struct Pending {
    said: Mutex<Option<oneshot::Sender<Said>>>,
    since: Instant,
    /// The ticket that [`defer`] gave out; 0 before.
    ticket: AtomicU64,
    /// A forked child inherits the table but not the threads that wait for the verdict.
    process: u32,
    terms: Arc<Terms>,
}

impl Pending {
    fn new(terms: &Arc<Terms>) -> (Arc<Pending>, oneshot::Receiver<Said>) {
        let (sender, receiver) = oneshot::channel();
        let pending = Pending {
            said: Mutex::new(Some(sender)),
            since: Instant::now(),
            ticket: AtomicU64::new(0),
            process: std::process::id(),
            terms: terms.clone(),
        };
        (Arc::new(pending), receiver)
    }

    fn answer(&self, said: Said) -> Result<(), Expired> {
        let sender = self.said.lock().take().ok_or(Expired)?;
        sender.send(said).map_err(|_| Expired)
    }

    fn is_over(&self) -> bool {
        self.said.lock().as_ref().is_none_or(|sender| sender.is_closed())
    }

    pub(super) fn is_deferred(&self) -> bool {
        self.ticket.load(SeqCst) != 0
    }

    pub(super) fn forget_ticket(&self) {
        if let Some(ticket) = NonZeroU64::new(self.ticket.load(SeqCst)) {
            take_ticket(Ticket(ticket));
        }
    }
}

static NEXT_TICKET: AtomicU64 = AtomicU64::new(1);

/// Open tickets of all brokers. `None` when there are none, so that nothing is left at exit.
static TICKETS: Mutex<Option<HashMap<u64, Arc<Pending>>>> = Mutex::new(None);

/// A decision that a hook has deferred, and where its verdict comes.
pub(super) type Deferred = (Arc<Pending>, oneshot::Receiver<Said>);

/// The decision whose hook runs on a thread.
pub(super) enum Current {
    /// Somebody waits for the verdict.
    Asked(Arc<Pending>),
    /// Asked in place: only if it is deferred does anybody have to wait.
    InPlace { terms: Arc<Terms>, slot: Arc<Slot>, deferred: Option<Deferred> },
}

thread_local! {
    static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) };
}

/// Inside a decision hook: announces that the answer comes later, through [`complete`].
///
/// `None` outside of a decision hook, when the decision is already over, and when as many decisions are open as the
/// configuration allows. A second call in one hook gives the same ticket.
pub fn defer() -> Option<Ticket> {
    let pending = CURRENT.with_borrow_mut(|current| match current.as_mut()? {
        Current::Asked(pending) => Some(pending.clone()),
        Current::InPlace { slot, .. } if !slot.is_running() => None,
        Current::InPlace { terms, slot, deferred } => {
            slot.take_ticket();
            Some(deferred.get_or_insert_with(|| Pending::new(terms)).0.clone())
        }
    })?;
    if let Some(ticket) = NonZeroU64::new(pending.ticket.load(SeqCst)) {
        return Some(Ticket(ticket));
    }
    if !pending.terms.counters.take_pending(pending.terms.max_pending.load(Relaxed)) {
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
    pending.answer(Ok(verdict))
}

fn take_ticket(ticket: Ticket) -> Option<Arc<Pending>> {
    let mut tickets = TICKETS.lock();
    let open = tickets.as_mut()?;
    let pending = open.remove(&ticket.0.get())?;
    if open.is_empty() {
        *tickets = None;
    }
    pending.terms.counters.give_back_pending();
    Some(pending)
}

/// A verdict that is waited for. Anything but an answer in time denies; so does giving up the wait.
pub struct Decision {
    hook: Hook,
    receiver: oneshot::Receiver<Said>,
    timeout: Duration,
    deadline: Pin<Box<Sleep>>,
    pending: Arc<Pending>,
    /// Until it is settled.
    in_flight: Option<InFlight>,
}

impl Decision {
    /// Needs a runtime.
    pub(super) fn new(
        hook: Hook,
        pending: Arc<Pending>,
        receiver: oneshot::Receiver<Said>,
        in_flight: InFlight,
    ) -> Self {
        let timeout = pending.terms.timeout();
        let deadline = Box::pin(tokio::time::sleep(timeout));
        Decision { hook, receiver, timeout, deadline, pending, in_flight: Some(in_flight) }
    }

    fn settle(&mut self, said: Said) -> Poll<Verdict> {
        let counters = &self.pending.terms.counters;
        counters.decided(self.hook, cause_of(self.hook, &said));
        counters.took(self.hook, self.pending.since.elapsed());
        self.in_flight = None;
        Poll::Ready(verdict_of(said))
    }
}

impl Future for Decision {
    type Output = Verdict;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Verdict> {
        match Pin::new(&mut self.receiver).poll(cx) {
            Poll::Ready(Ok(said)) => return self.settle(said),
            // The sender is gone without a word.
            Poll::Ready(Err(_)) => return self.settle(Err(Cause::Failed)),
            Poll::Pending => {}
        }
        if self.deadline.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let timeout_ms = self.timeout.as_millis() as u64;
        tracing::warn!(hook = self.hook.name(), timeout_ms, "no decision in time: denied");
        self.settle(Err(Cause::Expired))
    }
}

impl Drop for Decision {
    /// The deadline has passed, or whoever asked is gone: the ticket is of no use any more.
    fn drop(&mut self) {
        self.pending.forget_ticket();
        if self.in_flight.is_some() {
            let terms = &self.pending.terms;
            let cause = if terms.stopping.load(SeqCst) { Cause::Stopped } else { Cause::Departed };
            terms.counters.decided(self.hook, Some(cause));
        }
    }
}

/// Has `ask` run on a callback thread; `None` if there is no room for it, which denies.
pub(super) fn ask_later(
    pool: &CallbackPool,
    key: Key,
    hook: Hook,
    terms: &Arc<Terms>,
    ask: impl FnOnce() -> Answer + Send + 'static,
) -> Option<Decision> {
    let (pending, receiver) = Pending::new(terms);
    let asked = pending.clone();
    let in_flight = InFlight::new(&terms.counters, hook);
    if let Err(refused) = pool.submit(Kind::Decision, key, move || run(&asked, hook, ask)) {
        let cause = match refused {
            Refused::Full => Cause::Overflowed,
            Refused::Closed => Cause::Stopped,
        };
        terms.counters.decided(hook, Some(cause));
        return None;
    }
    Some(Decision::new(hook, pending, receiver, in_flight))
}

/// The part of a decision that runs on a callback thread.
fn run(pending: &Arc<Pending>, hook: Hook, ask: impl FnOnce() -> Answer) {
    if pending.is_over() {
        return;
    }
    CURRENT.set(Some(Current::Asked(pending.clone())));
    let answer = catch_unwind(AssertUnwindSafe(ask));
    CURRENT.set(None);
    let said = match judge(answer, hook, &pending.terms, pending.is_deferred()) {
        Some(said) => said,
        None => return,
    };
    pending.forget_ticket();
    // Another thread may have completed the ticket before the hook returned; the first answer counts.
    let _ = pending.answer(said);
}

/// The thread is about to ask in place, and what it was about before.
pub(super) fn enter(terms: &Arc<Terms>, slot: &Arc<Slot>) -> Option<Current> {
    CURRENT.replace(Some(Current::InPlace { terms: terms.clone(), slot: slot.clone(), deferred: None }))
}

/// The thread goes back to what it was about before; what it was about until now.
pub(super) fn leave(before: Option<Current>) -> Option<Current> {
    CURRENT.replace(before)
}

/// What the hook that has been asked in place has deferred.
pub(super) fn take_deferred() -> Option<Deferred> {
    CURRENT.with_borrow_mut(|current| match current {
        Some(Current::InPlace { deferred, .. }) => deferred.take(),
        _ => None,
    })
}

/// What an answer means; `None`: the verdict comes later.
pub(super) fn judge(answer: std::thread::Result<Answer>, hook: Hook, terms: &Terms, has_ticket: bool) -> Option<Said> {
    match answer {
        Ok(Answer::Now(verdict)) => Some(Ok(verdict)),
        Ok(Answer::Deferred) if has_ticket => None,
        Ok(Answer::Deferred) => {
            tracing::warn!(hook = hook.name(), "a hook deferred its decision without a ticket: denied");
            Some(Err(Cause::WithoutTicket))
        }
        Err(_) => {
            terms.counters.callback_panicked();
            tracing::error!(hook = hook.name(), "a decision hook panicked: denied");
            Some(Err(Cause::Failed))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::super::HookStats;
    use super::*;
    use crate::model::Text;

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

        fn stats(&self) -> HookStats {
            self.counters.hook(Hook::Authenticate)
        }

        fn terms(&self, timeout: Duration, max_pending: usize) -> Arc<Terms> {
            Arc::new(Terms::new(self.counters.clone(), timeout, max_pending))
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
            let terms = self.terms(timeout, max_pending);
            let verdict = self.runtime.block_on(async {
                let key = Key::Client(Text::from("c"));
                match ask_later(&self.pool, key, Hook::Authenticate, &terms, ask) {
                    Some(decision) => decision.await,
                    None => Verdict::deny(),
                }
            });
            matches!(verdict, Verdict::Allow(_))
        }
    }

    #[test]
    fn an_immediate_answer_counts() {
        let bench = Bench::new();
        assert!(bench.ask(LONG, || Answer::Now(Verdict::ALLOW)));
        assert!(!bench.ask(LONG, || Answer::Now(Verdict::deny())));
        let stats = bench.stats();
        assert_eq!((stats.allowed, stats.denied, stats.denied_in_all(), stats.in_flight), (1, 1, 1, 0));
        assert_eq!(stats.time.iter().sum::<u64>(), 2);
    }

    #[test]
    fn a_ticket_is_completed_once_from_any_thread() {
        let bench = Bench::new();
        let (send, receive) = mpsc::channel();
        let completer = thread::spawn(move || {
            let ticket = receive.recv_timeout(LONG).unwrap();
            (complete(ticket, Verdict::ALLOW), complete(ticket, Verdict::deny()))
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
            thread::spawn(move || complete(ticket, Verdict::ALLOW)).join().unwrap().unwrap();
            Answer::Deferred
        }));
    }

    #[test]
    fn an_answer_beside_a_ticket_counts_and_the_ticket_expires() {
        let bench = Bench::new();
        let (send, receive) = mpsc::channel();
        assert!(!bench.ask(LONG, move || {
            send.send(defer().unwrap()).unwrap();
            Answer::Now(Verdict::deny())
        }));
        assert_eq!(complete(receive.recv().unwrap(), Verdict::ALLOW), Err(Expired));
    }

    #[test]
    fn the_deadline_denies_and_expires_the_ticket() {
        let bench = Bench::new();
        let (send, receive) = mpsc::channel();
        assert!(!bench.ask(Duration::from_millis(20), move || {
            send.send(defer().unwrap()).unwrap();
            Answer::Deferred
        }));
        assert_eq!(complete(receive.recv().unwrap(), Verdict::ALLOW), Err(Expired));
        let stats = bench.stats();
        assert_eq!((stats.expired, stats.denied_in_all(), bench.counters.decisions_pending()), (1, 1, 0));
        assert!(stats.time_us_sum >= 20_000, "{stats:?}");
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
        assert_eq!((bench.stats().without_ticket, bench.stats().denied_in_all()), (2, 2));
        assert_eq!(bench.counters.decisions_pending(), 0);
    }

    #[test]
    fn a_panic_denies() {
        let bench = Bench::new();
        assert!(!bench.ask(LONG, || panic!("on purpose")));
        assert!(bench.ask(LONG, || Answer::Now(Verdict::ALLOW)));
        assert!(!bench.ask(LONG, || Answer::Now(Verdict::Failed)));
        assert_eq!((bench.stats().failed, bench.stats().denied_in_all()), (2, 2));
        assert_eq!(bench.counters.callback_panics(), 1);
    }

    #[test]
    fn a_full_queue_denies() {
        let bench = Bench::new();
        let (unblock, blocked) = mpsc::channel::<()>();
        let (started, start) = mpsc::channel();
        let key = || Key::Client(Text::from("c"));
        let job = move || {
            started.send(()).unwrap();
            blocked.recv_timeout(LONG).unwrap();
        };
        bench.pool.submit(Kind::Decision, key(), job).unwrap();
        start.recv_timeout(LONG).unwrap();
        bench.pool.submit(Kind::Decision, key(), || ()).unwrap();
        bench.pool.submit(Kind::Decision, key(), || ()).unwrap();
        assert!(!bench.ask(LONG, || Answer::Now(Verdict::ALLOW)));
        let stats = bench.stats();
        assert_eq!((stats.overflowed, stats.denied_in_all(), stats.in_flight), (1, 1, 0));
        unblock.send(()).unwrap();
        bench.pool.close();
        assert!(!bench.ask(LONG, || Answer::Now(Verdict::ALLOW)));
        assert_eq!((bench.stats().overflowed, bench.stats().stopped), (1, 1));
    }
}
