use super::mailbox::Quota;
use crate::config::{Config, SysTopicsAccess};
use crate::model::QoS;

/// What the configuration says about sessions.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) node_id: u64,
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
    pub(super) fn of(config: &Config) -> Self {
        let limits = &config.limits;
        Settings {
            node_id: config.node_id,
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

/// A limit of which 0 says that there is none.
pub(super) fn unlimited(limit: u64) -> usize {
    match limit {
        0 => usize::MAX,
        limit => usize::try_from(limit).unwrap_or(usize::MAX),
    }
}
