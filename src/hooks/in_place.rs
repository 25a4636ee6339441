//! Calls on the thread that serves the client.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;
use std::thread;

use super::counters::{Cause, InFlight};
use super::decision::{self, Current, Decision, Terms};
use super::slots::Seat;
use super::{Answer, Asked, Hook, HookTable, Installed, Question};

/// Asks one hook in place, again and again. What that takes is prepared once, for a batch of questions: a hook that is asked
/// about each message should not cost more than itself. To be kept for as long as the thread goes on without waiting.
pub struct Asker<'a> {
    hook: Hook,
    table: &'a HookTable,
    hooks: Installed,
    terms: &'a Arc<Terms>,
    seat: Seat,
    /// The decision that the thread was about before.
    before: Option<Current>,
}

impl<'a> Asker<'a> {
    pub(super) fn new(hook: Hook, table: &'a HookTable, terms: &'a Arc<Terms>) -> Self {
        let seat = Seat::take(terms.counters.marks());
        terms.watch.wake();
        Asker { hook, table, hooks: table.installed(), terms, before: decision::enter(terms, seat.slot()), seat }
    }

    /// Asks the hooks that are installed now.
    pub fn ask(&mut self, question: Question<'_>) -> Asked {
        if self.table.has_changed_since(&self.hooks) {
            self.hooks = self.table.installed();
        }
        let (hook, slot, hooks) = (self.hook, self.seat.slot(), &self.hooks);
        let begun = slot.begin(hook);
        let answer = catch_unwind(AssertUnwindSafe(|| hooks.decide(question)));
        slot.end();
        let verdict = match answer {
            Ok(Answer::Now(verdict)) if !slot.has_ticket() => verdict,
            answer => return self.settle(answer),
        };
        if let Some(begun) = begun {
            self.terms.counters.took(hook, begun.elapsed());
        }
        match Cause::of(hook, &verdict) {
            None => slot.count_good(hook),
            Some(Cause::Denied) => slot.count_denied(hook),
            cause => self.terms.counters.decided(hook, cause),
        }
        Asked::Decided(verdict)
    }

    /// Makes out what an answer means that is not just a verdict.
    #[cold]
    fn settle(&self, answer: thread::Result<Answer>) -> Asked {
        let (hook, terms) = (self.hook, self.terms);
        self.seat.slot().forget_ticket();
        let deferred = decision::take_deferred();
        let is_deferred = deferred.as_ref().is_some_and(|(pending, _)| pending.is_deferred());
        match (decision::judge(answer, hook, terms, is_deferred), deferred) {
            (None, Some((pending, receiver))) => {
                let in_flight = InFlight::new(&terms.counters, hook);
                Asked::Later(Box::new(Decision::new(hook, pending, receiver, in_flight)))
            }
            (said, deferred) => {
                let first = deferred.and_then(|(pending, mut receiver)| {
                    pending.forget_ticket();
                    // Another thread may have completed the ticket before the hook returned; the first answer counts.
                    receiver.try_recv().ok()
                });
                let said = first.or(said).unwrap_or(Err(Cause::WithoutTicket));
                terms.counters.decided(hook, decision::cause_of(hook, &said));
                Asked::Decided(decision::verdict_of(said))
            }
        }
    }
}

impl Drop for Asker<'_> {
    fn drop(&mut self) {
        // Hooks that have been replaced are dropped after this: that is the host program's code, and no decision of it.
        decision::leave(self.before.take());
    }
}

/// Tells of an event; whether the hook has returned.
pub(super) fn tell(hook: Hook, terms: &Terms, tell: impl FnOnce()) -> bool {
    let seat = Seat::take(terms.counters.marks());
    terms.watch.wake();
    // What the thread was deciding about is no business of this hook.
    let before = decision::leave(None);
    let begun = seat.slot().begin(hook);
    let told = catch_unwind(AssertUnwindSafe(tell));
    seat.slot().end();
    decision::leave(before);
    if let Some(begun) = begun {
        terms.counters.took(hook, begun.elapsed());
    }
    seat.slot().count_good(hook);
    told.is_ok()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::SeqCst;
    use std::sync::mpsc;
    use std::time::Duration;

    use parking_lot::Mutex;
    use tokio::runtime::{Builder, Runtime};

    use super::super::{complete, defer, Expired, HookSet, HookStats, Hooks, PreConnect, Stage, Ticket, Verdict};
    use super::*;
    use crate::hooks::{in_callback, in_place};
    use crate::model::{ConnectionInfo, Text};

    const HOOK: Hook = Hook::PreConnect;

    type Script = Box<dyn FnMut() -> Answer + Send>;

    /// Hooks that do what a test says.
    struct Scripted(Mutex<Script>);

    impl Hooks for Scripted {
        fn interest(&self) -> HookSet {
            HookSet::of(&[HOOK])
        }

        fn decide(&self, _question: Question<'_>) -> Answer {
            self.0.lock()()
        }
    }

    struct Bench {
        table: Arc<HookTable>,
        terms: Arc<Terms>,
        runtime: Runtime,
    }

    impl Bench {
        fn new() -> Self {
            Bench {
                table: Arc::default(),
                terms: Arc::new(Terms::new(Arc::default(), Duration::from_secs(20), 1)),
                runtime: Builder::new_current_thread().enable_time().build().unwrap(),
            }
        }

        fn stats(&self) -> HookStats {
            self.terms.counters.hook(HOOK)
        }

        fn set(&self, script: impl FnMut() -> Answer + Send + 'static) {
            self.table.set(Some(Box::new(Scripted(Mutex::new(Box::new(script))))));
        }

        fn ask(&self, asker: &mut Asker<'_>) -> Asked {
            let nobody = || Text::from("");
            let connection = Arc::new(ConnectionInfo::new(""));
            let question = PreConnect { stage: Stage::Accepted, address: nobody(), listener: nobody(), connection };
            asker.ask(Question::PreConnect(&question))
        }

        fn allows(&self, asker: &mut Asker<'_>, script: impl FnMut() -> Answer + Send + 'static) -> bool {
            self.set(script);
            matches!(self.ask(asker), Asked::Decided(Verdict::Allow(_)))
        }

        /// The decision, and the ticket for it.
        fn deferred(&self, asker: &mut Asker<'_>) -> (Box<Decision>, Ticket) {
            let (send, receive) = mpsc::channel();
            self.set(move || {
                send.send(defer().unwrap()).unwrap();
                Answer::Deferred
            });
            let Asked::Later(decision) = self.ask(asker) else { panic!("it has been deferred") };
            (decision, receive.recv().unwrap())
        }
    }

    #[test]
    fn the_rules_are_those_of_callback_threads() {
        let bench = Bench::new();
        let inside = bench.runtime.enter();
        let mut asker = Asker::new(HOOK, &bench.table, &bench.terms);
        assert!(!matches!(bench.ask(&mut asker), Asked::Decided(Verdict::Allow(_))), "there are no hooks");
        assert!(bench.allows(&mut asker, || {
            assert!(in_callback() && in_place());
            Answer::Now(Verdict::ALLOW)
        }));
        assert!(!in_callback() && !in_place());
        assert_eq!(defer(), None, "no hook runs");
        assert!(!bench.allows(&mut asker, || Answer::Deferred));
        assert!(!bench.allows(&mut asker, || panic!("on purpose")));
        // The first answer counts, the ticket's here.
        assert!(!bench.allows(&mut asker, || {
            complete(defer().unwrap(), Verdict::deny()).unwrap();
            Answer::Now(Verdict::ALLOW)
        }));
        let (decision, ticket) = bench.deferred(&mut asker);
        assert_eq!(bench.terms.counters.decisions_pending(), 1);
        assert_eq!(complete(ticket, Verdict::ALLOW), Ok(()));
        assert!(bench.allows(&mut asker, || Answer::Now(Verdict::ALLOW)), "what was deferred before is of no matter");
        drop(inside);
        assert!(matches!(bench.runtime.block_on(decision), Verdict::Allow(_)));
        let stats = bench.stats();
        assert_eq!((stats.allowed, stats.without_ticket, stats.failed, stats.denied), (3, 1, 1, 2));
    }

    #[test]
    fn giving_up_the_wait_denies_and_expires_the_ticket() {
        let bench = Bench::new();
        let _inside = bench.runtime.enter();
        let mut asker = Asker::new(HOOK, &bench.table, &bench.terms);
        for (stopping, departed, stopped) in [(false, 1, 0), (true, 1, 1)] {
            bench.terms.stopping.store(stopping, SeqCst);
            let (decision, ticket) = bench.deferred(&mut asker);
            assert_eq!((bench.stats().in_flight, bench.stats().denied_in_all()), (1, departed + stopped - 1));
            drop(decision);
            assert_eq!(complete(ticket, Verdict::ALLOW), Err(Expired));
            let stats = bench.stats();
            assert_eq!((stats.departed, stats.stopped, stats.in_flight), (departed, stopped, 0));
            assert_eq!(bench.terms.counters.decisions_pending(), 0);
        }
    }

    #[test]
    fn an_event_that_is_told_in_between_is_no_decision() {
        let bench = Bench::new();
        let mut asker = Asker::new(HOOK, &bench.table, &bench.terms);
        assert!(tell(Hook::Connected, &bench.terms, || assert_eq!(defer(), None)));
        assert!(bench.allows(&mut asker, || Answer::Now(Verdict::ALLOW)));
        assert_eq!(bench.terms.counters.decisions_pending(), 0);
    }

    #[test]
    fn hooks_that_are_replaced_are_not_asked_again_and_dropped() {
        let bench = Bench::new();
        let alive = Arc::new(());
        let held = alive.clone();
        let mut asker = Asker::new(HOOK, &bench.table, &bench.terms);
        assert!(bench.allows(&mut asker, move || {
            let _held = &held;
            Answer::Now(Verdict::ALLOW)
        }));
        assert!(!bench.allows(&mut asker, || Answer::Now(Verdict::deny())));
        assert_eq!(Arc::strong_count(&alive), 1);
    }
}
