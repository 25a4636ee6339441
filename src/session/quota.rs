//! How much may wait for a session.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};

use crate::config::SlowConsumer;

/// How much may wait for a session, and what happens to more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quota {
    pub(super) max_messages: usize,
    pub(super) max_bytes: usize,
    pub(super) policy: SlowConsumer,
}

/// The quota of all sessions, which can be changed while they are filled. It is looked at for each message: its parts are
/// read one by one, when they are needed, as each of them holds for itself.
pub(super) struct SharedQuota {
    max_messages: AtomicUsize,
    max_bytes: AtomicUsize,
    policy: AtomicU8,
}

const POLICIES: [SlowConsumer; 3] = [SlowConsumer::DropNewest, SlowConsumer::DropOldest, SlowConsumer::Disconnect];

impl SharedQuota {
    pub(super) fn new(quota: Quota) -> Self {
        SharedQuota {
            max_messages: AtomicUsize::new(quota.max_messages),
            max_bytes: AtomicUsize::new(quota.max_bytes),
            policy: AtomicU8::new(quota.policy as u8),
        }
    }

    pub(super) fn set(&self, quota: Quota) {
        self.max_messages.store(quota.max_messages, Relaxed);
        self.max_bytes.store(quota.max_bytes, Relaxed);
        self.policy.store(quota.policy as u8, Relaxed);
    }

    pub(super) fn max_messages(&self) -> usize {
        self.max_messages.load(Relaxed)
    }

    pub(super) fn max_bytes(&self) -> usize {
        self.max_bytes.load(Relaxed)
    }

    pub(super) fn policy(&self) -> SlowConsumer {
        POLICIES.get(usize::from(self.policy.load(Relaxed))).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_read() {
        let shared = SharedQuota::new(Quota { max_messages: 0, max_bytes: 0, policy: SlowConsumer::default() });
        for (number, policy) in POLICIES.into_iter().enumerate() {
            shared.set(Quota { max_messages: number, max_bytes: 2 * number, policy });
            assert_eq!((shared.max_messages(), shared.max_bytes(), shared.policy()), (number, 2 * number, policy));
        }
    }
}
