use crate::model::ReasonCode;

/// Why a packet cannot be accepted: the reason code that MQTT 5 has for it, and words for the log. The network
/// connection is to be closed `[MQTT-4.13.1-1]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub reason: ReasonCode,
    pub text: &'static str,
}

impl Fault {
    pub(super) const TRUNCATED: Fault = Fault::malformed("packet ends too early");
    pub(super) const TRAILING: Fault = Fault::malformed("packet has bytes behind its end");
    /// Packet identifiers are not 0 `[MQTT-2.2.1-3]`, `[MQTT-2.2.1-4]`. A packet with 0 can be read without ambiguity,
    /// so it is not malformed: it breaks a rule of the protocol.
    pub(super) const PACKET_ID: Fault = Fault::protocol_error("packet identifier is 0");
    pub(super) const QOS: Fault = Fault::malformed("QoS is 3");

    /// What cannot be read `[MQTT-5 1.2, Malformed Packet]`.
    pub(super) const fn malformed(text: &'static str) -> Fault {
        Fault { reason: ReasonCode::MALFORMED_PACKET, text }
    }

    /// What can be read, but is not allowed `[MQTT-5 1.2, Protocol Error]`.
    pub(super) const fn protocol_error(text: &'static str) -> Fault {
        Fault { reason: ReasonCode::PROTOCOL_ERROR, text }
    }
}
