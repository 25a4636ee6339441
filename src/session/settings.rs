use std::sync::atomic::{
    AtomicBool, AtomicU64, AtomicU8, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

use super::quota::{Quota, SharedQuota};
use super::ruling::FilterLimits;
use super::throttle::Rates;
use crate::access::Access;
use crate::config::{Config, Limits, ListenerLimits, SysTopicsAccess};
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
    pub(super) limits: ClientLimits,
    /// Where those come from.
    configured: Arc<Limits>,
    pub(super) max_session_expiry_s: u32,
    pub(super) retain: bool,
    pub(super) max_retained_payload_bytes: usize,
    pub(super) shared_subscriptions: bool,
}

/// What holds for one client.
#[derive(Clone, Copy)]
pub(super) struct ClientLimits {
    pub(super) max_client_id_length: usize,
    pub(super) max_keepalive_s: u16,
    pub(super) max_packet_bytes: u32,
    pub(super) max_inflight: u16,
    pub(super) max_subscriptions: usize,
    pub(super) max_topic_levels: usize,
    pub(super) max_qos: QoS,
    pub(super) rates: Rates,
    quota: Quota,
}

impl ClientLimits {
    fn of(limits: &Limits) -> Self {
        ClientLimits {
            max_client_id_length: limits.max_client_id_length as usize,
            max_keepalive_s: limits.max_keepalive_s as u16,
            max_packet_bytes: limits.max_packet_bytes,
            max_inflight: limits.max_inflight as u16,
            max_subscriptions: limits.max_subscriptions as usize,
            max_topic_levels: limits.max_topic_levels as usize,
            max_qos: QoS::try_from(limits.max_qos).unwrap_or(QoS::ExactlyOnce),
            rates: Rates::of(limits),
            quota: Quota {
                max_messages: unlimited(limits.max_queued_messages.into()),
                max_bytes: unlimited(limits.max_queued_bytes),
                policy: limits.slow_consumer,
            },
        }
    }
}

impl Settings {
    pub(super) fn of(config: &Config, access: Arc<Access>) -> Self {
        let limits = &config.limits;
        Settings {
            node_id: config.node_id,
            access,
            sys_topics_readable: config.acl.sys_topics == SysTopicsAccess::Read,
            max_sessions: limits.max_sessions as usize,
            limits: ClientLimits::of(limits),
            configured: Arc::new(limits.clone()),
            max_session_expiry_s: config.session.max_expiry_s,
            retain: config.retain.enabled,
            max_retained_payload_bytes: unlimited(config.retain.max_payload_bytes.into()),
            shared_subscriptions: config.shared_subscriptions.enabled,
        }
    }

    /// As they are for clients of a listener that has limits of its own.
    pub(super) fn under(&self, own: &ListenerLimits) -> Settings {
        Settings { limits: ClientLimits::of(&own.over(&self.configured)), ..self.clone() }
    }

    /// What bounds the filters of a client whose listener may have limits of its own.
    pub(super) fn filters(&self, own: Option<&ListenerLimits>) -> FilterLimits {
        let ClientLimits { max_topic_levels, max_subscriptions, .. } = self.limits;
        FilterLimits {
            max_topic_levels: own.map_or(max_topic_levels, |own| own.topic_levels(max_topic_levels)),
            max_subscriptions: own.and_then(|own| own.max_subscriptions).map_or(max_subscriptions, |max| max as usize),
            shared_available: self.shared_subscriptions,
            none_more: false,
        }
    }
}

/// What messages of the host program keep to.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub max_topic_levels: usize,
    pub max_qos: u8,
    /// Whether they may be retained.
    pub retain: bool,
}

impl Bounds {
    pub fn of(config: &Config) -> Self {
        Bounds {
            max_topic_levels: config.limits.max_topic_levels as usize,
            max_qos: config.limits.max_qos,
            retain: config.retain.enabled,
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
    max_qos: AtomicU8,
    retain: AtomicBool,
    quota: Arc<SharedQuota>,
}

impl InForce {
    pub(super) fn new(settings: Settings) -> Self {
        InForce {
            max_topic_levels: AtomicUsize::new(settings.limits.max_topic_levels),
            max_qos: AtomicU8::new(settings.limits.max_qos as u8),
            retain: AtomicBool::new(settings.retain),
            quota: Arc::new(SharedQuota::new(settings.limits.quota)),
            all: ArcSwap::from_pointee(settings),
            version: AtomicU64::new(1),
        }
    }

    pub(super) fn set(&self, settings: Settings) {
        self.max_topic_levels.store(settings.limits.max_topic_levels, Relaxed);
        self.max_qos.store(settings.limits.max_qos as u8, Relaxed);
        self.retain.store(settings.retain, Relaxed);
        self.quota.set(settings.limits.quota);
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

    pub(super) fn bounds(&self) -> Bounds {
        Bounds {
            max_topic_levels: self.max_topic_levels(),
            max_qos: self.max_qos.load(Relaxed),
            retain: self.retain.load(Relaxed),
        }
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
