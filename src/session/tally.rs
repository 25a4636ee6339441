use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// What a session has counted over all of its connections. Whoever counts does so once for a batch.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) messages_received: AtomicU64,
    pub(super) messages_sent: AtomicU64,
    pub(super) messages_dropped: AtomicU64,
    pub(super) bytes_received: AtomicU64,
    pub(super) bytes_sent: AtomicU64,
}

/// Messages that the connection has taken out of the mailbox, and that still wait there.
#[derive(Debug, Default)]
pub(super) struct Taken {
    messages: AtomicUsize,
    bytes: AtomicUsize,
}

impl Taken {
    pub(super) fn set(&self, messages: usize, bytes: usize) {
        self.messages.store(messages, Relaxed);
        self.bytes.store(bytes, Relaxed);
    }

    pub(super) fn messages(&self) -> usize {
        self.messages.load(Relaxed)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }
}
