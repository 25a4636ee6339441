//! How much may wait for a session.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;

use super::settings::unlimited;
use crate::config::{ListenerLimits, SlowConsumer};

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

/// The quota of one session: that of all, but for what the listener of its client has of its own.
pub(super) struct SessionQuota {
    shared: Arc<SharedQuota>,
    /// 0 where it is as for all, here and below.
    max_messages: AtomicUsize,
    max_bytes: AtomicUsize,
    /// One more than the number of the policy.
    policy: AtomicU8,
}

impl SessionQuota {
    pub(super) fn new(shared: Arc<SharedQuota>) -> Self {
        SessionQuota {
            shared,
            max_messages: AtomicUsize::new(0),
            max_bytes: AtomicUsize::new(0),
            policy: AtomicU8::new(0),
        }
    }

    /// Takes over what a listener has of its own. That it has no limit is not the same as that it says nothing.
    pub(super) fn set_own(&self, own: Option<&ListenerLimits>) {
        let max_messages = own.and_then(|own| own.max_queued_messages).map_or(0, |max| unlimited(max.into()));
        let max_bytes = own.and_then(|own| own.max_queued_bytes).map_or(0, unlimited);
        let policy = own.and_then(|own| own.slow_consumer).map_or(0, |policy| policy as u8 + 1);
        self.max_messages.store(max_messages, Relaxed);
        self.max_bytes.store(max_bytes, Relaxed);
        self.policy.store(policy, Relaxed);
    }

    pub(super) fn max_messages(&self) -> usize {
        match self.max_messages.load(Relaxed) {
            0 => self.shared.max_messages(),
            own => own,
        }
    }

    pub(super) fn max_bytes(&self) -> usize {
        match self.max_bytes.load(Relaxed) {
            0 => self.shared.max_bytes(),
            own => own,
        }
    }

    pub(super) fn policy(&self) -> SlowConsumer {
        let own = usize::from(self.policy.load(Relaxed)).checked_sub(1);
        own.and_then(|number| POLICIES.get(number)).copied().unwrap_or_else(|| self.shared.policy())
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

    #[test]
    fn what_a_session_has_of_its_own_holds() {
        let shared = SharedQuota::new(Quota { max_messages: 1, max_bytes: 2, policy: SlowConsumer::DropOldest });
        let quota = SessionQuota::new(Arc::new(shared));
        let seen = || (quota.max_messages(), quota.max_bytes(), quota.policy());
        assert_eq!(seen(), (1, 2, SlowConsumer::DropOldest));
        for policy in POLICIES {
            quota.set_own(Some(&ListenerLimits { slow_consumer: Some(policy), ..ListenerLimits::default() }));
            assert_eq!(seen(), (1, 2, policy));
        }
        let limits =
            ListenerLimits { max_queued_messages: Some(7), max_queued_bytes: Some(0), ..ListenerLimits::default() };
        quota.set_own(Some(&limits));
        assert_eq!(seen(), (7, usize::MAX, SlowConsumer::DropOldest));
        quota.set_own(None);
        assert_eq!(seen(), (1, 2, SlowConsumer::DropOldest));
    }
}
