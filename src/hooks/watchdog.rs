//! A look at calls in place, because such a hook has promised to be quick.

use std::sync::atomic::{
    AtomicBool,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::decision::Terms;
use super::slots::SLOW;
use super::HookTable;

/// How often calls are looked at while there are none.
const REST: Duration = Duration::from_millis(100);

/// The thread that looks for slow calls, if there is one.
#[derive(Default)]
pub(super) struct Watch {
    /// It is not looking, or seldom: the next call should wake it.
    rests: AtomicBool,
    closing: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Watch {
    /// Sees to it that hooks in place are watched, if there are any. Called whenever hooks have been set.
    pub(super) fn look_after(terms: &Arc<Terms>, table: &Arc<HookTable>, name: &str) {
        if !table.has_in_place() {
            return; // A thread that is there finds nothing to look at, and rests.
        }
        let mut thread = terms.watch.thread.lock();
        if thread.is_some() {
            drop(thread);
            return terms.watch.wake();
        }
        let (watching, table) = (terms.clone(), table.clone());
        let spawned = thread::Builder::new().name(format!("{name}-watch")).spawn(move || watching.watch(&table));
        match spawned {
            Ok(spawned) => *thread = Some(spawned),
            Err(error) => tracing::error!(%error, "no thread to watch the hooks that are called in place"),
        }
    }

    /// Has the thread look often from now on: there are calls.
    pub(super) fn wake(&self) {
        if self.rests.load(Relaxed) && self.rests.swap(false, SeqCst) {
            if let Some(thread) = &*self.thread.lock() {
                thread.thread().unpark();
            }
        }
    }

    /// Ends the thread.
    pub(super) fn close(&self) {
        self.closing.store(true, SeqCst);
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            thread.thread().unpark();
            // It runs no code of the host program; it cannot have panicked.
            let _ = thread.join();
        }
    }
}

impl Terms {
    /// Looks for slow calls. Without hooks in place, it sleeps until it is woken.
    fn watch(&self, table: &HookTable) {
        let watch = &self.watch;
        let mut rests = false;
        while !watch.closing.load(SeqCst) {
            // Set before the look: a call that the look does not see does see this, as good as always.
            watch.rests.store(rests, SeqCst);
            let look = self.counters.marks().look(Instant::now());
            for (hook, time) in look.slow {
                self.counters.was_slow(hook);
                let at_least_ms = time.as_millis() as u64;
                tracing::warn!(hook = hook.name(), at_least_ms, "a hook that is called in place holds up clients");
            }
            if look.called {
                watch.rests.store(false, SeqCst);
                thread::park_timeout(SLOW);
            } else if !rests {
                thread::park_timeout(SLOW);
            } else if table.has_in_place() {
                thread::park_timeout(REST);
            } else {
                thread::park();
            }
            rests = !look.called;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::super::slots::Seat;
    use super::*;
    use crate::hooks::Hook;

    const LONG: Duration = Duration::from_secs(20);

    fn terms() -> Arc<Terms> {
        Arc::new(Terms::new(Arc::default(), LONG, 1))
    }

    fn threads_named(name: &str) -> usize {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
        names.filter(|comm| comm.trim_end() == name).count()
    }

    fn eventually(what: &str, holds: impl Fn() -> bool) {
        let begin = Instant::now();
        while !holds() {
            assert!(begin.elapsed() < LONG, "never came true: {what}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    struct Set(crate::hooks::HookSet);

    impl crate::hooks::Hooks for Set {
        fn interest(&self) -> crate::hooks::HookSet {
            self.0
        }

        fn in_place(&self) -> crate::hooks::HookSet {
            self.0
        }
    }

    #[test]
    fn the_thread_is_there_when_it_is_needed_and_ends() {
        let (terms, table) = (terms(), Arc::<HookTable>::default());
        Watch::look_after(&terms, &table, "w1");
        assert_eq!(threads_named("w1-watch"), 0);
        table.set(Some(Box::new(Set(crate::hooks::HookSet::of(&[Hook::AuthorizePublish])))));
        Watch::look_after(&terms, &table, "w1");
        Watch::look_after(&terms, &table, "w1");
        eventually("one thread", || threads_named("w1-watch") == 1);
        for round in 1..=2 {
            eventually("it rests", || terms.watch.rests.load(SeqCst));
            let (end, ended) = mpsc::channel::<()>();
            let calling = terms.clone();
            let thread = thread::spawn(move || {
                let seat = Seat::take(calling.counters.marks());
                calling.watch.wake();
                seat.slot().begin(Hook::AuthorizePublish);
                ended.recv_timeout(LONG).unwrap();
                seat.slot().end();
            });
            eventually("the call is slow", || terms.counters.hook(Hook::AuthorizePublish).slow == round);
            assert_eq!(terms.counters.hook(Hook::AuthorizePublish).in_flight, 1);
            end.send(()).unwrap();
            thread.join().unwrap();
            // Without hooks in place it sleeps, until there are some again.
            table.set(None);
            Watch::look_after(&terms, &table, "w1");
            table.set(Some(Box::new(Set(crate::hooks::HookSet::of(&[Hook::AuthorizePublish])))));
            Watch::look_after(&terms, &table, "w1");
        }
        terms.watch.close();
        eventually("no thread", || threads_named("w1-watch") == 0);
        assert_eq!(Arc::strong_count(&terms), 1);
    }
}
