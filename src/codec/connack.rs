use bytes::Bytes;

use super::Diagnosis;
use crate::model::{QoS, ReasonCode};

/// The answer to a CONNECT. Before MQTT 5 only the first two fields are sent.
#[derive(Clone, Copy, Debug)]
pub struct ConnAck<'a> {
    /// Not sent if the reason is a failure `[MQTT-3.2.2-6]`.
    pub session_present: bool,
    pub reason: ReasonCode,
    pub session_expiry_s: Option<u32>,
    /// Not 0.
    pub receive_maximum: u16,
    pub maximum_qos: QoS,
    pub retain_available: bool,
    /// 0 for no limit.
    pub maximum_packet_size: u32,
    pub assigned_client_id: Option<&'a str>,
    pub topic_alias_maximum: u16,
    pub server_keep_alive_s: Option<u16>,
    pub shared_subscription_available: bool,
    pub response_information: Option<&'a str>,
    /// Not sent unless the reason is "use another server" or "server moved" `[MQTT-5 3.2.2.3.16]`.
    pub server_reference: Option<&'a str>,
    pub authentication_method: Option<&'a str>,
    pub authentication_data: Option<&'a Bytes>,
    pub diagnosis: Diagnosis<'a>,
}

impl Default for ConnAck<'_> {
    /// Success, and for everything else what it means if the packet does not tell.
    fn default() -> Self {
        Self {
            session_present: false,
            reason: ReasonCode::SUCCESS,
            session_expiry_s: None,
            receive_maximum: u16::MAX,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            maximum_packet_size: 0,
            assigned_client_id: None,
            topic_alias_maximum: 0,
            server_keep_alive_s: None,
            shared_subscription_available: true,
            response_information: None,
            server_reference: None,
            authentication_method: None,
            authentication_data: None,
            diagnosis: Diagnosis::default(),
        }
    }
}
