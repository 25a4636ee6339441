//! Messages on their way back to the thread that has made them.
//!
//! Allocators keep memory by thread: to free what another thread has allocated means to lock that thread's part of it, in
//! its way. With QoS 1, a message is made by the thread of its publisher and not needed any more when its receiver has
//! acknowledged it; half of the time went into that lock. So the messages go back, a batch at a time, to where they were
//! made, and the next ones are made of their memory.

use std::cell::{Cell, RefCell};
use std::iter::from_fn;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;

use crate::model::Message;

/// Threads beyond that many share their places.
const HOMES: usize = 16;

/// Messages that may lie in one place: what comes on top is freed at once.
const MESSAGES: usize = 1024;

/// The largest that go back.
const BYTES: usize = 1024;

/// Messages that a thread keeps for their memory: as many as its clients have in flight, if that is not unusual.
const SPARES: usize = 1024;

/// Payloads whose memory is kept, too.
const PAYLOAD_BYTES: usize = 256;

thread_local! {
    static HOME: Cell<Option<Home>> = const { Cell::new(None) };
    static SPARE: RefCell<Vec<Spare>> = const { RefCell::new(Vec::new()) };
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

/// The memory of a message that nobody needs any more, if there is one: an allocator that keeps no more than a handful of pieces
/// ready takes longer to free a message and to make the next one than is spent on anything else that happens to it.
#[derive(Default)]
pub(super) struct Spare {
    message: Option<Arc<Message>>,
    payload: BytesMut,
}

impl Spare {
    /// What the current thread has kept.
    pub(super) fn find() -> Spare {
        SPARE.with_borrow_mut(Vec::pop).unwrap_or_default()
    }

    /// Keeps a message of the current thread, unless somebody needs it or there are enough.
    fn keep(mut message: Arc<Message>) {
        let Some(content) = Arc::get_mut(&mut message) else { return };
        // What else there is must not wait for the next message. The topic is mostly that of the next one, too.
        (content.publisher, content.properties) = (None, Bytes::new());
        let payload = std::mem::take(&mut content.payload).try_into_mut();
        let mut payload = payload.ok().filter(|memory| memory.capacity() <= PAYLOAD_BYTES).unwrap_or_default();
        payload.clear();
        SPARE.with_borrow_mut(|spares| {
            if spares.len() < SPARES {
                spares.push(Spare { message: Some(message), payload });
            }
        });
    }

    /// A copy of a payload.
    pub(super) fn payload(&mut self, payload: &[u8]) -> Bytes {
        if self.payload.capacity() < payload.len() {
            return Bytes::copy_from_slice(payload);
        }
        let mut copy = std::mem::take(&mut self.payload);
        copy.extend_from_slice(payload);
        copy.freeze()
    }

    pub(super) fn message(self, content: Message) -> Arc<Message> {
        let Some(mut message) = self.message else { return Arc::new(content) };
        match Arc::get_mut(&mut message) {
            Some(place) => *place = content,
            None => message = Arc::new(content),
        }
        message
    }
}

/// The places where messages lie until their thread comes by.
#[derive(Default)]
pub(super) struct Returns([Mutex<Vec<Arc<Message>>>; HOMES]);

impl Returns {
    /// Has the current thread keep or free what has come back to it.
    pub(super) fn collect(&self) {
        self.take(Home::here()).into_iter().for_each(Spare::keep);
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
    /// Nobody may need a message any more that was made by `home`. It stays here if that is `here`.
    pub(super) fn add(&mut self, message: Arc<Message>, home: Home, here: Home) {
        if Arc::strong_count(&message) > 1 || message.size() > BYTES {
            return;
        }
        match home == here {
            true => Spare::keep(message),
            false => self.0.push((home, message)),
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

    use super::super::tests::desk::client;
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
        returns.collect();
        assert_eq!(alive(), [false, true, true]);
        drop(returns.take(home));
        assert_eq!(alive(), [false, false, true]);
    }

    #[test]
    fn the_next_message_is_made_of_the_memory_of_the_last_one() {
        let publisher = client();
        let last =
            Arc::new(Message { publisher: Some(publisher.clone()), ..message(QoS::AtLeastOnce, "t", "last", None) });
        let places = |message: &Arc<Message>| (Arc::as_ptr(message), message.payload.as_ptr());
        let memory = places(&last);
        let needed = last.clone();
        Done::default().add(last, Home::here(), Home::here());
        assert!(Spare::find().message.is_none(), "somebody needs it");
        Done::default().add(needed, Home::here(), Home::here());
        assert_eq!(Arc::strong_count(&publisher), 1);

        let mut spare = Spare::find();
        let payload = spare.payload(b"next");
        let next = spare.message(Message { payload, ..message(QoS::AtMostOnce, "other", "", None) });
        assert_eq!(places(&next), memory);
        assert_eq!((next.qos, &*next.topic, &next.payload[..]), (QoS::AtMostOnce, "other", &b"next"[..]));
        assert!(Spare::find().message.is_none(), "it is in use");
    }

    #[test]
    fn a_longer_payload_has_memory_of_its_own() {
        Done::default().add(made(), Home::here(), Home::here());
        let mut spare = Spare::find();
        assert_eq!(&spare.payload(b"longer than that of the last one")[..], b"longer than that of the last one");
    }

    #[test]
    fn what_a_thread_keeps_is_bounded() {
        let messages: Vec<_> = (0..2 * SPARES).map(|_| made()).collect();
        messages.into_iter().for_each(|message| Done::default().add(message, Home::here(), Home::here()));
        let kept = std::iter::from_fn(|| Spare::find().message).take(2 * SPARES).collect::<Vec<_>>();
        assert_eq!(kept.len(), SPARES);
        // What is a small part of something large would hold on to all of it.
        let payload = bytes::Bytes::from(vec![0; 2 * BYTES]).slice(..1);
        let message = Message { payload, ..message(QoS::AtLeastOnce, "t", "", None) };
        Done::default().add(Arc::new(message), Home::here(), Home::here());
        assert_eq!(Spare::find().payload.capacity(), 0);
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
