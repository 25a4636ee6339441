//! Receivers that publishers within the program should wait for.

use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};
use std::time::Instant;

use parking_lot::Mutex;

use super::receiver::Receiver;

/// The receivers that had no room left when the host program published to them.
///
/// It stands for the host program as `waiting_for` does for a client that publishes, with one difference: only messages that
/// would reach one of them have to wait.
#[derive(Default)]
pub(super) struct Backlog {
    /// Whether there are any. Written with the lock.
    any: AtomicBool,
    crowded: Mutex<Vec<(Receiver, Instant)>>,
}

impl Backlog {
    pub(super) fn add(&self, receiver: Receiver, now: Instant) {
        let mut crowded = self.crowded.lock();
        if !crowded.iter().any(|(known, _)| known.is(&receiver)) {
            crowded.push((receiver, now));
        }
        self.any.store(true, Release);
    }

    /// Those that still have no room and are `wanted`, with the time until which they are worth waiting for.
    pub(super) fn find(
        &self,
        now: Instant,
        wanted: impl FnOnce(&[(Receiver, Instant)]) -> Vec<usize>,
    ) -> Vec<(Receiver, Option<Instant>)> {
        if !self.any.load(Acquire) {
            return Vec::new();
        }
        let mut crowded = self.crowded.lock();
        crowded.retain(|(receiver, since)| {
            if !receiver.is_crowded() {
                return false;
            }
            let in_vain = receiver.patience().is_some_and(|patience| *since + patience <= now);
            if in_vain {
                receiver.give_up_waiting();
            }
            !in_vain
        });
        self.any.store(!crowded.is_empty(), Release);
        if crowded.is_empty() {
            return Vec::new();
        }
        let with_time = |index: usize| {
            let (receiver, since) = crowded.get(index)?;
            Some((receiver.clone(), receiver.patience().map(|patience| *since + patience)))
        };
        wanted(&crowded).into_iter().filter_map(with_time).collect()
    }

    /// Forgets all of them, with what they belong to.
    pub(super) fn clear(&self) {
        let crowded = std::mem::take(&mut *self.crowded.lock());
        drop(crowded);
    }
}
