use std::sync::atomic::{
    AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::quota::{Quota, SharedQuota};
use super::ruling::FilterLimits;
use crate::access::Access;
use crate::config::{Config, SysTopicsAccess};
use crate::model::QoS;

/// What the configuration says about sessions.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) node_id: u64,
    pub(super) access: Arc<Access>,
    /// Whether clients may subscribe to the topics of the broker.
    pub(super) sys_topics_readable: bool,
    /// 0 for no limit, as below.
    pub(super) max_sessions: usize,
    pub(super) max_client_id_length: usize,
    pub(super) max_keepalive_s: u16,
    pub(super) max_packet_bytes: u32,
    pub(super) max_inflight: u16,
    pub(super) max_subscriptions: usize,
    pub(super) max_topic_levels: usize,
    pub(super) max_qos: QoS,
    pub(super) max_session_expiry_s: u32,
    pub(super) retain: bool,
    pub(super) max_retained_payload_bytes: usize,
    pub(super) shared_subscriptions: bool,
    pub(super) quota: Quota,
}

impl Settings {
    pub(super) fn of(config: &Config, access: Arc<Access>) -> Self {
        let limits = &config.limits;
        Settings {
            node_id: config.node_id,
            access,
            sys_topics_readable: config.acl.sys_topics == SysTopicsAccess::Read,
            max_sessions: limits.max_sessions as usize,
            max_client_id_length: limits.max_client_id_length as usize,
            max_keepalive_s: limits.max_keepalive_s as u16,
            max_packet_bytes: limits.max_packet_bytes,
            max_inflight: limits.max_inflight as u16,
            max_subscriptions: limits.max_subscriptions as usize,
            max_topic_levels: limits.max_topic_levels as usize,
            max_qos: QoS::try_from(limits.max_qos).unwrap_or(QoS::ExactlyOnce),
            max_session_expiry_s: config.session.max_expiry_s,
            retain: config.retain.enabled,
            max_retained_payload_bytes: unlimited(config.retain.max_payload_bytes.into()),
            shared_subscriptions: config.shared_subscriptions.enabled,
            quota: Quota {
                max_messages: unlimited(limits.max_queued_messages.into()),
                max_bytes: unlimited(limits.max_queued_bytes),
                policy: limits.slow_consumer,
            },
        }
    }
}

impl Settings {
    /// What bounds the filters of clients.
    pub(super) fn filters(&self) -> FilterLimits {
        FilterLimits {
            max_topic_levels: self.max_topic_levels,
            max_subscriptions: self.max_subscriptions,
            shared_available: self.shared_subscriptions,
            none_more: false,
        }
    }
}

/// The settings that hold, which can be exchanged while clients are served.
pub(super) struct InForce {
    all: ArcSwap<Settings>,
    /// Changes with them, from 1 on.
    version: AtomicU64,
    /// What of them is looked at for each message, so that this costs no more than to read it.
    max_topic_levels: AtomicUsize,
    quota: Arc<SharedQuota>,
}

impl InForce {
    pub(super) fn new(settings: Settings) -> Self {
        InForce {
            max_topic_levels: AtomicUsize::new(settings.max_topic_levels),
            quota: Arc::new(SharedQuota::new(settings.quota)),
            all: ArcSwap::from_pointee(settings),
            version: AtomicU64::new(1),
        }
    }

    pub(super) fn set(&self, settings: Settings) {
        self.max_topic_levels.store(settings.max_topic_levels, Relaxed);
        self.quota.set(settings.quota);
        self.all.store(Arc::new(settings));
        // In this order: what is looked up in the old ones is looked up again.
        self.version.fetch_add(1, Release);
    }

    pub(super) fn version(&self) -> u64 {
        self.version.load(Acquire)
    }

    pub(super) fn all(&self) -> Guard<Arc<Settings>> {
        self.all.load()
    }

    pub(super) fn max_topic_levels(&self) -> usize {
        self.max_topic_levels.load(Relaxed)
    }

    pub(super) fn quota(&self) -> &Arc<SharedQuota> {
        &self.quota
    }
}

/// A limit of which 0 says that there is none.
pub(super) fn unlimited(limit: u64) -> usize {
    match limit {
        0 => usize::MAX,
        limit => usize::try_from(limit).unwrap_or(usize::MAX),
    }
}
