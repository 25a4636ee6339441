use std::hint;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Release},
};
use std::sync::Arc;

use crate::model::Message;

/// The stamp of a message whose receivers are being looked up.
const IN_BETWEEN: u64 = u64::MAX;

/// How often a stamp is looked at that is about to be set.
const LOOKS: u32 = 10_000;

/// A retained message, and who has got it by itself.
///
/// It is retained before its receivers are looked up: whoever subscribes in between is found by the look-up or finds the
/// message retained. The stamp keeps most of those who are found by both from getting it twice.
pub(super) struct Retained {
    pub(super) message: Arc<Message>,
    /// The generation of subscriptions that its receivers were looked up in.
    matched_at: AtomicU64,
}

impl Retained {
    pub(super) fn new(message: Arc<Message>) -> Arc<Self> {
        Arc::new(Retained { message, matched_at: AtomicU64::new(IN_BETWEEN) })
    }

    pub(super) fn matched(&self, generation: u64) {
        self.matched_at.store(generation, Release);
    }

    /// Whether the message was published before there was a subscription that came with `generation`.
    pub(super) fn is_from_before(&self, generation: u64) -> bool {
        for _ in 0..LOOKS {
            match self.matched_at.load(Acquire) {
                IN_BETWEEN => hint::spin_loop(),
                matched_at => return matched_at < generation,
            }
        }
        // The publisher's thread has been put aside in this very moment. Twice is better than never.
        true
    }
}
