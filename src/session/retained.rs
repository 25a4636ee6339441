use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Release},
};
use std::sync::Arc;

use parking_lot::{RwLock, RwLockReadGuard};

use super::blocks::SHARED_PAYLOAD;
use crate::limits::{Kind, Memory, Share};
use crate::model::Message;

/// The stamp of a message whose receivers are being looked up.
const IN_BETWEEN: u64 = u64::MAX;

/// What a retained message takes besides itself and its name: its place in the store, and what the allocator adds. The
/// tests compare it with what the process takes.
const OVERHEAD: usize = 256;

/// A retained message, and who has got it by itself.
///
/// It is retained before its receivers are looked up: whoever subscribes in between is found by the look-up or finds the
/// message retained. The stamp keeps those who are found by both from getting it twice.
pub(super) struct Retained {
    pub(super) message: Arc<Message>,
    /// The generation of subscriptions that its receivers were looked up in.
    matched_at: AtomicU64,
    memory: Share,
}

/// Held for reading from when a message is retained until its receivers have been looked up.
#[derive(Default)]
pub(super) struct LookUps(RwLock<()>);

impl LookUps {
    pub(super) fn begin(&self) -> RwLockReadGuard<'_, ()> {
        self.0.read()
    }

    /// Waits for those that are under way.
    fn wait(&self) {
        drop(self.0.write());
    }
}

impl Retained {
    pub(super) fn new(message: Arc<Message>, memory: &Arc<Memory>) -> Arc<Self> {
        let payload = message.payload.len();
        let shared = if payload >= SHARED_PAYLOAD { payload } else { 0 };
        let memory = Share::new(memory, Kind::Retained, message.size() + message.topic.len() + OVERHEAD - shared);
        Arc::new(Retained { message, matched_at: AtomicU64::new(IN_BETWEEN), memory })
    }

    /// What it takes in memory; a payload that is shared with receivers counts by itself.
    pub(super) fn memory(&self) -> usize {
        self.memory.bytes()
    }

    pub(super) fn matched(&self, generation: u64) {
        self.matched_at.store(generation, Release);
    }

    /// Whether the message was published before there was a subscription that came with `generation`.
    pub(super) fn is_from_before(&self, generation: u64, look_ups: &LookUps) -> bool {
        if self.matched_at.load(Acquire) == IN_BETWEEN {
            look_ups.wait();
        }
        // A look-up that a panic has ended leaves no stamp.
        let matched_at = self.matched_at.load(Acquire);
        matched_at == IN_BETWEEN || matched_at < generation
    }
}
