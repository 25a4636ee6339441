use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Verdict;

/// How the host program's code has fared. Shared by all runs of a broker.
#[derive(Debug, Default)]
pub struct HookCounters {
    allowed: AtomicU64,
    denied: AtomicU64,
    expired: AtomicU64,
    overflowed: AtomicU64,
    events_dropped: AtomicU64,
    panics: AtomicU64,
    messages_delivered: AtomicU64,
    messages_dropped: AtomicU64,
    pending: AtomicU64,
}

macro_rules! counters {
    ($($count:ident => $get:ident: $field:ident, $doc:literal;)*) => {
        impl HookCounters {
            $(
                pub(super) fn $count(&self) {
                    self.$field.fetch_add(1, Relaxed);
                }

                #[doc = $doc]
                pub fn $get(&self) -> u64 {
                    self.$field.load(Relaxed)
                }
            )*
        }
    };
}

counters! {
    event_dropped => events_dropped: events_dropped, "Events that found the queue full.";
    callback_panicked => callback_panics: panics, "Panics caught in callbacks.";
    message_delivered => messages_delivered: messages_delivered, "Messages handed to in-process subscriptions.";
    message_dropped => messages_dropped: messages_dropped, "Messages that found the queue of theirs full.";
}

impl HookCounters {
    /// Decisions that allowed.
    pub fn decisions_allowed(&self) -> u64 {
        self.allowed.load(Relaxed)
    }

    /// Decisions that denied, for whatever cause.
    pub fn decisions_denied(&self) -> u64 {
        self.denied.load(Relaxed)
    }

    /// Decisions denied because no answer came in time.
    pub fn decisions_expired(&self) -> u64 {
        self.expired.load(Relaxed)
    }

    /// Decisions denied because the queue was full.
    pub fn decisions_overflowed(&self) -> u64 {
        self.overflowed.load(Relaxed)
    }

    pub(super) fn decided(&self, verdict: &Verdict) {
        let count = if matches!(verdict, Verdict::Allow(_)) { &self.allowed } else { &self.denied };
        count.fetch_add(1, Relaxed);
    }

    pub(super) fn decision_expired(&self) {
        self.expired.fetch_add(1, Relaxed);
    }

    pub(super) fn decision_overflowed(&self) {
        self.overflowed.fetch_add(1, Relaxed);
    }

    /// Deferred decisions that are open now.
    pub fn decisions_pending(&self) -> u64 {
        self.pending.load(Relaxed)
    }

    /// Takes one of `max` places for a deferred decision.
    pub(super) fn take_pending(&self, max: usize) -> bool {
        self.pending.fetch_update(Relaxed, Relaxed, |open| (open < max as u64).then_some(open + 1)).is_ok()
    }

    pub(super) fn give_back_pending(&self) {
        self.pending.fetch_sub(1, Relaxed);
    }
}
