//! Messages on their way back to the thread that has made them.
//!
//! Allocators keep memory by thread: to free what another thread has allocated means to lock that thread's part of it, in
//! its way. With QoS 1, a message is made by the thread of its publisher and not needed any more when its receiver has
//! acknowledged it; half of the time went into that lock. So the messages go back, a batch at a time, and are freed where
//! they were made.

use std::cell::Cell;
use std::iter::from_fn;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::model::Message;

/// Threads beyond that many share their places.
const HOMES: usize = 16;

/// Messages that may lie in one place: what comes on top is freed at once.
const MESSAGES: usize = 1024;

/// The largest that go back.
const BYTES: usize = 1024;

thread_local! {
    static HOME: Cell<Option<Home>> = const { Cell::new(None) };
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A thread that messages are made by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Home(u8);

impl Home {
    /// The current thread.
    pub(super) fn here() -> Home {
        HOME.get().unwrap_or_else(|| {
            let home = Home((NEXT.fetch_add(1, Relaxed) % HOMES) as u8);
            HOME.set(Some(home));
            home
        })
    }
}

/// The places where messages lie until their thread comes by.
#[derive(Default)]
pub(super) struct Returns([Mutex<Vec<Arc<Message>>>; HOMES]);

impl Returns {
    /// Frees what has come back to the current thread.
    pub(super) fn free(&self) {
        drop(self.take(Home::here()));
    }

    fn take(&self, home: Home) -> Vec<Arc<Message>> {
        std::mem::take(&mut *self.0[usize::from(home.0)].lock())
    }

    fn give(&self, home: Home, messages: impl Iterator<Item = Arc<Message>>) {
        let mut place = self.0[usize::from(home.0)].lock();
        let room = MESSAGES.saturating_sub(place.len());
        let mut messages = messages;
        place.extend(messages.by_ref().take(room));
        drop(place);
        messages.for_each(drop);
    }
}

/// Messages that one connection is done with.
#[derive(Default)]
pub(super) struct Done(Vec<(Home, Arc<Message>)>);

impl Done {
    /// Nobody may need a message any more that was made by `home`. It is freed here if that is `here`.
    pub(super) fn add(&mut self, message: Arc<Message>, home: Home, here: Home) {
        let is_last = home != here && Arc::strong_count(&message) == 1 && message.size() <= BYTES;
        if is_last {
            self.0.push((home, message));
        }
    }

    /// Brings them to their places, each of which is locked once.
    pub(super) fn bring(&mut self, returns: &Returns) {
        self.0.sort_unstable_by_key(|(home, _)| *home);
        let mut done = self.0.drain(..).peekable();
        while let Some(&(home, _)) = done.peek() {
            returns.give(home, from_fn(|| done.next_if(|(other, _)| *other == home).map(|(_, message)| message)));
        }
    }

    /// Gives up memory while nothing is acknowledged.
    pub(super) fn rest(&mut self) {
        self.0 = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::tests::support::message;
    use super::*;
    use crate::model::QoS;

    fn made() -> Arc<Message> {
        Arc::new(message(QoS::AtLeastOnce, "t", "x", None))
    }

    fn elsewhere() -> Home {
        let here = Home::here();
        let other = || thread::spawn(Home::here).join().unwrap();
        std::iter::repeat_with(other).find(|home| *home != here).unwrap()
    }

    #[test]
    fn a_message_is_freed_where_it_was_made() {
        let (returns, mut done) = (Returns::default(), Done::default());
        let (here, home) = (Home::here(), elsewhere());
        let [own, foreign, needed] = [made(), made(), made()];
        let weak = [&own, &foreign, &needed].map(Arc::downgrade);
        let alive = || weak.each_ref().map(|message| message.strong_count() > 0);
        done.add(own, here, here);
        assert_eq!(alive(), [false, true, true]);
        done.add(foreign, home, here);
        done.add(needed.clone(), home, here);
        done.bring(&returns);
        returns.free();
        assert_eq!(alive(), [false, true, true]);
        drop(returns.take(home));
        assert_eq!(alive(), [false, false, true]);
    }

    #[test]
    fn what_lies_there_is_bounded() {
        let (returns, mut done) = (Returns::default(), Done::default());
        let (here, home) = (Home::here(), elsewhere());
        let messages: Vec<_> = (0..3 * MESSAGES).map(|_| made()).collect();
        let weak: Vec<_> = messages.iter().map(Arc::downgrade).collect();
        let alive = || weak.iter().filter(|message| message.strong_count() > 0).count();
        for message in messages {
            done.add(message, home, here);
            done.bring(&returns);
        }
        assert_eq!(alive(), MESSAGES);
        let large = Arc::new(message(QoS::AtLeastOnce, "t", &"x".repeat(BYTES), None));
        let weak = Arc::downgrade(&large);
        done.add(large, home, here);
        assert_eq!(weak.strong_count(), 0);
        drop(returns.take(home));
        assert_eq!(alive(), 0);
    }
}
