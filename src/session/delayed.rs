//! Messages that are to be published later.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Messages by the time when they are due. They are gone with the run of the broker.
pub(super) struct Delayed<M> {
    max_messages: AtomicUsize,
    max_bytes: AtomicUsize,
    held: Mutex<Held<M>>,
    /// Told when a message is due sooner than those before.
    changed: Notify,
}

struct Held<M> {
    /// Those of one instant in the order in which they came.
    messages: BTreeMap<(Instant, u64), (M, usize)>,
    bytes: usize,
    next: u64,
}

/// There is no room for another message.
#[derive(Debug)]
pub(super) struct Full;

impl<M> Delayed<M> {
    pub(super) fn new(max_messages: usize, max_bytes: usize) -> Self {
        let held = Held { messages: BTreeMap::new(), bytes: 0, next: 0 };
        Delayed {
            max_messages: AtomicUsize::new(max_messages),
            max_bytes: AtomicUsize::new(max_bytes),
            held: Mutex::new(held),
            changed: Notify::new(),
        }
    }

    /// There are other limits from now on. What is held stays.
    pub(super) fn set_limits(&self, max_messages: usize, max_bytes: usize) {
        self.max_messages.store(max_messages, Relaxed);
        self.max_bytes.store(max_bytes, Relaxed);
    }

    /// Takes in a message of `size` bytes.
    pub(super) fn add(&self, due: Instant, message: M, size: usize) -> Result<(), Full> {
        let mut held = self.held.lock();
        let (max_messages, max_bytes) = (self.max_messages.load(Relaxed), self.max_bytes.load(Relaxed));
        if held.messages.len() >= max_messages || held.bytes + size > max_bytes.max(size) {
            return Err(Full);
        }
        let key = (due, held.next);
        held.next += 1;
        held.bytes += size;
        held.messages.insert(key, (message, size));
        let is_first = held.messages.first_key_value().is_some_and(|(first, _)| *first == key);
        drop(held);
        if is_first {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// The next message, when it is due. For one caller.
    pub(super) async fn next(&self) -> M {
        loop {
            let due = {
                let mut held = self.held.lock();
                match held.messages.first_key_value().map(|((due, _), _)| *due) {
                    Some(due) if due <= Instant::now() => {
                        if let Some((_, (message, size))) = held.messages.pop_first() {
                            held.bytes -= size;
                            return message;
                        }
                        None
                    }
                    due => due,
                }
            };
            let until = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due.into()).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = until => {}
                () = self.changed.notified() => {}
            }
        }
    }

    pub(super) fn count(&self) -> usize {
        self.held.lock().messages.len()
    }

    pub(super) fn clear(&self) {
        let mut held = self.held.lock();
        held.bytes = 0;
        let messages = std::mem::take(&mut held.messages);
        drop(held);
        drop(messages);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn in_ms(ms: u64) -> Instant {
        Instant::now() + Duration::from_millis(ms)
    }

    #[tokio::test(flavor = "current_thread")]
    async fn messages_come_when_they_are_due() {
        let delayed = Delayed::new(10, 100);
        let begin = Instant::now();
        delayed.add(in_ms(40), "second", 6).unwrap();
        delayed.add(in_ms(80), "third", 5).unwrap();
        let mut next = Box::pin(delayed.next());
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut next).await.is_err());
        // It overtakes those that somebody waits for already.
        let due = in_ms(0);
        delayed.add(due, "first", 5).unwrap();
        delayed.add(due, "first too", 9).unwrap();
        assert_eq!(next.await, "first");
        for expected in ["first too", "second", "third"] {
            assert_eq!(delayed.next().await, expected);
        }
        assert!(begin.elapsed() >= Duration::from_millis(80));
    }

    #[test]
    fn their_number_and_size_are_bounded() {
        let delayed = Delayed::new(2, 10);
        delayed.add(in_ms(0), "a large message", 15).unwrap();
        assert!(delayed.add(in_ms(0), "x", 1).is_err(), "no bytes left");
        delayed.clear();
        delayed.add(in_ms(0), "x", 1).unwrap();
        delayed.add(in_ms(0), "x", 1).unwrap();
        assert!(delayed.add(in_ms(0), "x", 1).is_err(), "no place left");
        assert_eq!(delayed.count(), 2);
    }
}
