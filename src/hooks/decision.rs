//! Decisions that may be made later: asked on a callback thread or in place, answered from any thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::num::NonZeroU64;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Sleep;

use super::pool::InCallback;
use super::{Answer, CallbackPool, Hook, HookCounters, Key, Verdict};

/// Names one deferred decision, in this process, for ever: numbers are not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(pub NonZeroU64);

/// The decision of this ticket has been made, denied by its deadline, or is of no use to anyone any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired;

/// What holds for all decisions of one run of a broker.
#[derive(Clone)]
pub(super) struct Terms {
    pub(super) counters: Arc<HookCounters>,
    pub(super) timeout: Duration,
    /// Deferred decisions that may be open.
    pub(super) max_pending: usize,
}

/// A decision that is being asked.
struct Pending {
    verdict: Mutex<Option<oneshot::Sender<Verdict>>>,
    /// The ticket that [`defer`] gave out; 0 before.
    ticket: AtomicU64,
    /// A forked child inherits the table but not the threads that wait for the verdict.
    process: u32,
    terms: Terms,
}

impl Pending {
    fn new(terms: &Terms) -> (Arc<Pending>, oneshot::Receiver<Verdict>) {
        let (sender, receiver) = oneshot::channel();
        let pending = Pending {
            verdict: Mutex::new(Some(sender)),
            ticket: AtomicU64::new(0),
            process: std::process::id(),
            terms: terms.clone(),
        };
        (Arc::new(pending), receiver)
    }

    fn answer(&self, verdict: Verdict) -> Result<(), Expired> {
        let sender = self.verdict.lock().take().ok_or(Expired)?;
        sender.send(verdict).map_err(|_| Expired)
    }

    fn is_over(&self) -> bool {
        self.verdict.lock().as_ref().is_none_or(|sender| sender.is_closed())
    }

    fn is_deferred(&self) -> bool {
        self.ticket.load(SeqCst) != 0
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

/// The decision whose hook runs on a thread.
enum Current {
    /// Somebody waits for the verdict.
    Asked(Arc<Pending>),
    /// Asked in place: only if it is deferred does anybody have to wait.
    InPlace { terms: Terms, deferred: Option<(Arc<Pending>, oneshot::Receiver<Verdict>)> },
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
        Current::InPlace { terms, deferred } => Some(deferred.get_or_insert_with(|| Pending::new(terms)).0.clone()),
    })?;
    if let Some(ticket) = NonZeroU64::new(pending.ticket.load(SeqCst)) {
        return Some(Ticket(ticket));
    }
    if !pending.terms.counters.take_pending(pending.terms.max_pending) {
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
    pending.terms.counters.give_back_pending();
    Some(pending)
}

/// A verdict that is waited for. Anything but an answer in time denies; so does giving up the wait.
pub struct Decision {
    hook: Hook,
    receiver: oneshot::Receiver<Verdict>,
    deadline: Pin<Box<Sleep>>,
    pending: Arc<Pending>,
    settled: bool,
}

impl Decision {
    /// Needs a runtime.
    fn new(hook: Hook, pending: Arc<Pending>, receiver: oneshot::Receiver<Verdict>) -> Self {
        let deadline = Box::pin(tokio::time::sleep(pending.terms.timeout));
        Decision { hook, receiver, deadline, pending, settled: false }
    }

    fn settle(&mut self, verdict: Verdict) -> Poll<Verdict> {
        self.settled = true;
        self.pending.terms.counters.decided(&verdict);
        Poll::Ready(verdict)
    }
}

impl Future for Decision {
    type Output = Verdict;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Verdict> {
        match Pin::new(&mut self.receiver).poll(cx) {
            Poll::Ready(Ok(verdict)) => return self.settle(verdict),
            // The sender is gone without a word: the hook panicked.
            Poll::Ready(Err(_)) => return self.settle(Verdict::deny()),
            Poll::Pending => {}
        }
        if self.deadline.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let terms = &self.pending.terms;
        terms.counters.decision_expired();
        let timeout_ms = terms.timeout.as_millis() as u64;
        tracing::warn!(hook = self.hook.name(), timeout_ms, "no decision in time: denied");
        self.settle(Verdict::deny())
    }
}

impl Drop for Decision {
    /// The deadline has passed, or whoever asked is gone: the ticket is of no use any more.
    fn drop(&mut self) {
        self.pending.forget_ticket();
        if !self.settled {
            self.pending.terms.counters.decided(&Verdict::deny());
        }
    }
}

/// Has `ask` run on a callback thread; `None` if there is no room for it, which denies.
pub(super) fn ask_later(
    pool: &CallbackPool,
    key: Key,
    hook: Hook,
    terms: &Terms,
    ask: impl FnOnce() -> Answer + Send + 'static,
) -> Option<Decision> {
    let (pending, receiver) = Pending::new(terms);
    let asked = pending.clone();
    if !pool.submit(key, move || run(&asked, hook, ask)) {
        terms.counters.decision_overflowed();
        terms.counters.decided(&Verdict::deny());
        return None;
    }
    Some(Decision::new(hook, pending, receiver))
}

/// The part of a decision that runs on a callback thread.
fn run(pending: &Arc<Pending>, hook: Hook, ask: impl FnOnce() -> Answer) {
    if pending.is_over() {
        return;
    }
    CURRENT.set(Some(Current::Asked(pending.clone())));
    let answer = catch_unwind(AssertUnwindSafe(ask));
    CURRENT.set(None);
    let verdict = match judge(answer, hook, &pending.terms, pending.is_deferred()) {
        Some(verdict) => verdict,
        None => return,
    };
    pending.forget_ticket();
    // Another thread may have completed the ticket before the hook returned; the first answer counts.
    let _ = pending.answer(verdict);
}

/// Runs `ask` in place: a verdict, or a decision to wait for.
pub(super) fn ask_in_place(hook: Hook, terms: &Terms, ask: impl FnOnce() -> Answer) -> Result<Verdict, Decision> {
    let before = CURRENT.replace(Some(Current::InPlace { terms: terms.clone(), deferred: None }));
    let answer = {
        let _in_callback = InCallback::enter();
        catch_unwind(AssertUnwindSafe(ask))
    };
    let deferred = match CURRENT.replace(before) {
        Some(Current::InPlace { deferred, .. }) => deferred,
        _ => None,
    };
    let is_deferred = deferred.as_ref().is_some_and(|(pending, _)| pending.is_deferred());
    match (judge(answer, hook, terms, is_deferred), deferred) {
        (None, Some((pending, receiver))) => Err(Decision::new(hook, pending, receiver)),
        (verdict, deferred) => {
            let first = deferred.and_then(|(pending, mut receiver)| {
                pending.forget_ticket();
                // Another thread may have completed the ticket before the hook returned; the first answer counts.
                receiver.try_recv().ok()
            });
            let verdict = first.or(verdict).unwrap_or_else(Verdict::deny);
            terms.counters.decided(&verdict);
            Ok(verdict)
        }
    }
}

/// Runs `tell` in place.
pub(super) fn tell_in_place(terms: &Terms, tell: impl FnOnce()) {
    let _in_callback = InCallback::enter();
    if catch_unwind(AssertUnwindSafe(tell)).is_err() {
        terms.counters.callback_panicked();
    }
}

/// What an answer means; `None`: the verdict comes later.
fn judge(answer: std::thread::Result<Answer>, hook: Hook, terms: &Terms, has_ticket: bool) -> Option<Verdict> {
    match answer {
        Ok(Answer::Now(verdict)) => Some(verdict),
        Ok(Answer::Deferred) if has_ticket => None,
        Ok(Answer::Deferred) => {
            tracing::warn!(hook = hook.name(), "a hook deferred its decision without a ticket: denied");
            Some(Verdict::deny())
        }
        Err(_) => {
            terms.counters.callback_panicked();
            tracing::error!(hook = hook.name(), "a decision hook panicked: denied");
            Some(Verdict::deny())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

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

        fn ask(&self, timeout: Duration, ask: impl FnOnce() -> Answer + Send + 'static) -> bool {
            self.ask_with(timeout, 1, ask)
        }

        fn ask_with(
            &self,
            timeout: Duration,
            max_pending: usize,
            ask: impl FnOnce() -> Answer + Send + 'static,
        ) -> bool {
            let terms = Terms { counters: self.counters.clone(), timeout, max_pending };
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
        assert_eq!((bench.counters.decisions_allowed(), bench.counters.decisions_denied()), (1, 1));
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
        assert!(bench.ask(LONG, || Answer::Now(Verdict::ALLOW)));
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
        assert!(!bench.ask(LONG, || Answer::Now(Verdict::ALLOW)));
        assert_eq!(bench.counters.decisions_overflowed(), 1);
        unblock.send(()).unwrap();
    }

    #[test]
    fn in_place_the_same_rules_hold() {
        let bench = Bench::new();
        let terms = Terms { counters: bench.counters.clone(), timeout: LONG, max_pending: 1 };
        let inside = bench.runtime.enter();
        let ask = |ask: &mut dyn FnMut() -> Answer| ask_in_place(Hook::AuthorizePublish, &terms, ask);
        let allowed = |asked: Result<Verdict, Decision>| matches!(asked, Ok(Verdict::Allow(_)));
        assert!(allowed(ask(&mut || {
            assert!(crate::hooks::in_callback());
            Answer::Now(Verdict::ALLOW)
        })));
        assert!(!crate::hooks::in_callback());
        assert!(!allowed(ask(&mut || Answer::Deferred)));
        assert!(!allowed(ask(&mut || panic!("on purpose"))));
        // The first answer counts, the ticket's here.
        assert!(!allowed(ask(&mut || {
            complete(defer().unwrap(), Verdict::deny()).unwrap();
            Answer::Now(Verdict::ALLOW)
        })));
        let mut ticket = None;
        let asked = ask(&mut || {
            ticket = defer();
            Answer::Deferred
        });
        let Err(decision) = asked else { panic!("it has been deferred") };
        assert_eq!(bench.counters.decisions_pending(), 1);
        assert_eq!(complete(ticket.unwrap(), Verdict::ALLOW), Ok(()));
        drop(inside);
        assert!(matches!(bench.runtime.block_on(decision), Verdict::Allow(_)));
        assert_eq!((bench.counters.decisions_allowed(), bench.counters.decisions_denied()), (2, 3));
    }

    #[test]
    fn giving_up_the_wait_denies_and_expires_the_ticket() {
        let bench = Bench::new();
        let terms = Terms { counters: bench.counters.clone(), timeout: LONG, max_pending: 1 };
        let inside = bench.runtime.enter();
        let mut ticket = None;
        let asked = ask_in_place(Hook::AuthorizePublish, &terms, || {
            ticket = defer();
            Answer::Deferred
        });
        drop(asked);
        drop(inside);
        assert_eq!(complete(ticket.unwrap(), Verdict::ALLOW), Err(Expired));
        assert_eq!((bench.counters.decisions_denied(), bench.counters.decisions_pending()), (1, 0));
    }
}
