use std::fmt;
use std::num::NonZeroU16;

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use rmqtt::codec::types::QoS as CodecQoS;
use rmqtt::codec::v3;
use rmqtt::codec::v5;
use tokio_util::codec::Encoder as _;

use crate::model::{Protocol, QoS, ReasonCode, Text};

use super::{ConnAck, Diagnosis};

/// Writes the packets to one client, except for PUBLISH.
///
/// What a packet tells for diagnosis is left out if the packet were too large with it `[MQTT-3.4.2-2]`. Nothing has been
/// appended if a method fails.
#[derive(Clone, Copy, Debug)]
pub struct Encoder {
    protocol: Protocol,
    problem_information: bool,
    maximum_packet_size: u32,
}

/// A packet that cannot be sent: it is larger than the client takes `[MQTT-3.1.2-24]`, or MQTT cannot express it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsendable;

impl fmt::Display for Unsendable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the packet cannot be sent to this client")
    }
}

impl std::error::Error for Unsendable {}

/// The first bytes of acknowledgements.
const PUBACK: u8 = 0x40;
const PUBREC: u8 = 0x50;
const PUBREL: u8 = 0x62;
const PUBCOMP: u8 = 0x70;

impl Encoder {
    /// `maximum_packet_size` is `u32::MAX` if there is no limit.
    pub fn new(protocol: Protocol, request_problem_information: bool, maximum_packet_size: u32) -> Self {
        Self { protocol, problem_information: request_problem_information, maximum_packet_size }
    }

    pub fn connack(&self, connack: &ConnAck<'_>, out: &mut BytesMut) -> Result<(), Unsendable> {
        let session_present = connack.session_present && !connack.reason.is_failure(); // [MQTT-3.2.2-6]
        if self.protocol != Protocol::V5 {
            let packet = v3::Packet::ConnectAck(v3::ConnectAck {
                // MQTT 3.1 has a reserved byte here.
                session_present: session_present && self.protocol == Protocol::V3_1_1,
                return_code: return_code(connack.reason),
            });
            return self.put_v3(packet, out);
        }
        with_diagnosis(Some(&connack.diagnosis), |reason_string, user_properties| {
            let connack = v5::ConnectAck {
                session_present,
                reason_code: v5_reason(connack.reason, v5::ConnectAckReason::UnspecifiedError),
                session_expiry_interval_secs: connack.session_expiry_s,
                receive_max: NonZeroU16::new(connack.receive_maximum).unwrap_or(NonZeroU16::MAX),
                max_qos: match connack.maximum_qos {
                    QoS::AtMostOnce => CodecQoS::AtMostOnce,
                    QoS::AtLeastOnce => CodecQoS::AtLeastOnce,
                    QoS::ExactlyOnce => CodecQoS::ExactlyOnce,
                },
                max_packet_size: Some(connack.maximum_packet_size).filter(|size| *size != 0),
                assigned_client_id: connack.assigned_client_id.map(ByteString::from),
                topic_alias_max: connack.topic_alias_maximum,
                retain_available: connack.retain_available,
                wildcard_subscription_available: true,
                subscription_identifiers_available: true,
                shared_subscription_available: connack.shared_subscription_available,
                server_keepalive_sec: connack.server_keep_alive_s,
                response_info: connack.response_information.map(ByteString::from),
                server_reference: server_reference(connack.reason, connack.server_reference),
                auth_method: connack.authentication_method.map(ByteString::from),
                auth_data: connack.authentication_data.cloned(),
                reason_string,
                user_properties,
            };
            self.put_v5(v5::Packet::ConnectAck(Box::new(connack)), out)
        })
    }

    #[inline]
    pub fn puback(
        &self,
        packet_id: u16,
        reason: ReasonCode,
        diagnosis: Option<&Diagnosis<'_>>,
        out: &mut BytesMut,
    ) -> Result<(), Unsendable> {
        self.ack(PUBACK, packet_id, reason, diagnosis, out)
    }

    #[inline]
    pub fn pubrec(
        &self,
        packet_id: u16,
        reason: ReasonCode,
        diagnosis: Option<&Diagnosis<'_>>,
        out: &mut BytesMut,
    ) -> Result<(), Unsendable> {
        self.ack(PUBREC, packet_id, reason, diagnosis, out)
    }

    #[inline]
    pub fn pubrel(
        &self,
        packet_id: u16,
        reason: ReasonCode,
        diagnosis: Option<&Diagnosis<'_>>,
        out: &mut BytesMut,
    ) -> Result<(), Unsendable> {
        self.ack(PUBREL, packet_id, reason, diagnosis, out)
    }

    #[inline]
    pub fn pubcomp(
        &self,
        packet_id: u16,
        reason: ReasonCode,
        diagnosis: Option<&Diagnosis<'_>>,
        out: &mut BytesMut,
    ) -> Result<(), Unsendable> {
        self.ack(PUBCOMP, packet_id, reason, diagnosis, out)
    }

    /// Before MQTT 5, every failure becomes 0x80.
    pub fn suback(
        &self,
        packet_id: u16,
        reasons: &[ReasonCode],
        diagnosis: Option<&Diagnosis<'_>>,
        out: &mut BytesMut,
    ) -> Result<(), Unsendable> {
        let packet_id = NonZeroU16::new(packet_id).ok_or(Unsendable)?;
        if self.protocol != Protocol::V5 {
            let status = |reason: &ReasonCode| {
                let granted = CodecQoS::try_from(reason.0);
                granted.map_or(v3::SubscribeReturnCode::Failure, v3::SubscribeReturnCode::Success)
            };
            let status = reasons.iter().map(status).collect();
            return self.put_v3(v3::Packet::SubscribeAck { packet_id, status }, out);
        }
        with_diagnosis(self.allowed(diagnosis), |reason_string, properties| {
            let status = |reason: &ReasonCode| v5_reason(*reason, v5::SubscribeAckReason::UnspecifiedError);
            let suback =
                v5::SubscribeAck { packet_id, properties, reason_string, status: reasons.iter().map(status).collect() };
            self.put_v5(v5::Packet::SubscribeAck(suback), out)
        })
    }

    /// Before MQTT 5, the reasons are not sent.
    pub fn unsuback(
        &self,
        packet_id: u16,
        reasons: &[ReasonCode],
        diagnosis: Option<&Diagnosis<'_>>,
        out: &mut BytesMut,
    ) -> Result<(), Unsendable> {
        let packet_id = NonZeroU16::new(packet_id).ok_or(Unsendable)?;
        if self.protocol != Protocol::V5 {
            return self.put_v3(v3::Packet::UnsubscribeAck { packet_id }, out);
        }
        with_diagnosis(self.allowed(diagnosis), |reason_string, properties| {
            let status = |reason: &ReasonCode| v5_reason(*reason, v5::UnsubscribeAckReason::UnspecifiedError);
            let unsuback = v5::UnsubscribeAck {
                packet_id,
                properties,
                reason_string,
                status: reasons.iter().map(status).collect(),
            };
            self.put_v5(v5::Packet::UnsubscribeAck(unsuback), out)
        })
    }

    pub fn pingresp(&self, out: &mut BytesMut) -> Result<(), Unsendable> {
        self.put(&[0xD0, 0], out)
    }

    /// Before MQTT 5, servers do not send this: nothing is appended. For the server reference see
    /// [`ConnAck::server_reference`].
    pub fn disconnect(
        &self,
        reason: ReasonCode,
        server_reference: Option<&str>,
        diagnosis: Option<&Diagnosis<'_>>,
        out: &mut BytesMut,
    ) -> Result<(), Unsendable> {
        if self.protocol != Protocol::V5 {
            return Ok(());
        }
        let reason_code = v5_reason(reason, v5::DisconnectReasonCode::UnspecifiedError);
        with_diagnosis(diagnosis, |reason_string, user_properties| {
            let disconnect = v5::Disconnect {
                reason_code,
                session_expiry_interval_secs: None,
                server_reference: self::server_reference(reason, server_reference),
                reason_string,
                user_properties,
            };
            self.put_v5(v5::Packet::Disconnect(disconnect), out)
        })
    }

    /// Fails before MQTT 5, and with a reason other than success, continue authentication and re-authenticate.
    pub fn auth(
        &self,
        reason: ReasonCode,
        method: Option<&str>,
        data: Option<&Bytes>,
        diagnosis: Option<&Diagnosis<'_>>,
        out: &mut BytesMut,
    ) -> Result<(), Unsendable> {
        if self.protocol != Protocol::V5 {
            return Err(Unsendable);
        }
        let reason_code = v5::AuthReasonCode::try_from(reason.0).map_err(|_| Unsendable)?;
        with_diagnosis(self.allowed(diagnosis), |reason_string, user_properties| {
            let auth = v5::Auth {
                reason_code,
                auth_method: method.map(ByteString::from),
                auth_data: data.cloned(),
                reason_string,
                user_properties,
            };
            self.put_v5(v5::Packet::Auth(auth), out)
        })
    }

    #[inline]
    fn ack(
        &self,
        first: u8,
        packet_id: u16,
        reason: ReasonCode,
        diagnosis: Option<&Diagnosis<'_>>,
        out: &mut BytesMut,
    ) -> Result<(), Unsendable> {
        if self.protocol != Protocol::V5 || (reason == ReasonCode::SUCCESS && diagnosis.is_none()) {
            let [high, low] = packet_id.to_be_bytes();
            return self.put(&[first, 2, high, low], out);
        }
        self.ack_with_reason(first, packet_id, reason, diagnosis, out)
    }

    #[cold]
    fn ack_with_reason(
        &self,
        first: u8,
        packet_id: u16,
        reason: ReasonCode,
        diagnosis: Option<&Diagnosis<'_>>,
        out: &mut BytesMut,
    ) -> Result<(), Unsendable> {
        let packet_id = NonZeroU16::new(packet_id).ok_or(Unsendable)?;
        with_diagnosis(self.allowed(diagnosis), |reason_string, properties| {
            let packet = if first == PUBACK || first == PUBREC {
                let reason_code = v5_reason(reason, v5::PublishAckReason::UnspecifiedError);
                let ack = v5::PublishAck { packet_id, reason_code, properties, reason_string };
                if first == PUBACK {
                    v5::Packet::PublishAck(ack)
                } else {
                    v5::Packet::PublishReceived(ack)
                }
            } else {
                // The only failure that there is for these packets.
                let reason_code = v5_reason(reason, v5::PublishAck2Reason::PacketIdNotFound);
                let ack = v5::PublishAck2 { packet_id, reason_code, properties, reason_string };
                if first == PUBREL {
                    v5::Packet::PublishRelease(ack)
                } else {
                    v5::Packet::PublishComplete(ack)
                }
            };
            self.put_v5(packet, out)
        })
    }

    /// Diagnosis where the client decides whether it wants it `[MQTT-3.1.2-29]`.
    fn allowed<'a, 'b>(&self, diagnosis: Option<&'a Diagnosis<'b>>) -> Option<&'a Diagnosis<'b>> {
        diagnosis.filter(|_| self.problem_information)
    }

    #[inline]
    fn fits(&self, bytes: usize) -> bool {
        bytes <= self.maximum_packet_size as usize
    }

    #[inline]
    fn put(&self, packet: &[u8], out: &mut BytesMut) -> Result<(), Unsendable> {
        if !self.fits(packet.len()) {
            return Err(Unsendable);
        }
        out.extend_from_slice(packet);
        Ok(())
    }

    fn put_v3(&self, packet: v3::Packet, out: &mut BytesMut) -> Result<(), Unsendable> {
        self.put_if_it_fits(out, |out| v3::Codec::new(0).encode(packet, out).is_ok())
    }

    /// The codec is not told the limit: it takes 5 bytes of it for the fixed header whatever that needs, and calculates
    /// below 0 with small ones.
    fn put_v5(&self, packet: v5::Packet, out: &mut BytesMut) -> Result<(), Unsendable> {
        self.put_if_it_fits(out, |out| v5::Codec::new(0, 0).encode(packet, out).is_ok())
    }

    fn put_if_it_fits(&self, out: &mut BytesMut, put: impl FnOnce(&mut BytesMut) -> bool) -> Result<(), Unsendable> {
        let start = out.len();
        if put(out) && self.fits(out.len() - start) {
            return Ok(());
        }
        out.truncate(start);
        Err(Unsendable)
    }
}

/// Puts a packet with its diagnosis: without user properties if they are too much, without anything if that is.
fn with_diagnosis(
    diagnosis: Option<&Diagnosis<'_>>,
    mut put: impl FnMut(Option<ByteString>, v5::UserProperties) -> Result<(), Unsendable>,
) -> Result<(), Unsendable> {
    if let Some(Diagnosis { reason_string, user_properties }) = diagnosis {
        let words = || reason_string.map(ByteString::from);
        let pair = |(name, value): &(Text, Text)| (ByteString::from(&**name), ByteString::from(&**value));
        if !user_properties.is_empty() && put(words(), user_properties.iter().map(pair).collect()).is_ok() {
            return Ok(());
        }
        if reason_string.is_some() && put(words(), Vec::new()).is_ok() {
            return Ok(());
        }
    }
    put(None, Vec::new())
}

/// Another server belongs to these reasons only `[MQTT-5 4.11]`.
fn server_reference(reason: ReasonCode, server_reference: Option<&str>) -> Option<ByteString> {
    let refers = [ReasonCode::USE_ANOTHER_SERVER, ReasonCode::SERVER_MOVED].contains(&reason);
    server_reference.filter(|_| refers).map(ByteString::from)
}

fn v5_reason<T: TryFrom<u8>>(reason: ReasonCode, otherwise: T) -> T {
    T::try_from(reason.0).unwrap_or(otherwise)
}

/// The return code of CONNACK before MQTT 5.
fn return_code(reason: ReasonCode) -> v3::ConnectAckReason {
    match reason {
        ReasonCode::SUCCESS => v3::ConnectAckReason::ConnectionAccepted,
        ReasonCode::UNSUPPORTED_PROTOCOL_VERSION => v3::ConnectAckReason::UnacceptableProtocolVersion,
        ReasonCode::CLIENT_IDENTIFIER_NOT_VALID => v3::ConnectAckReason::IdentifierRejected,
        ReasonCode::BAD_USER_NAME_OR_PASSWORD => v3::ConnectAckReason::BadUserNameOrPassword,
        // What is not about this client, and may be better later or elsewhere.
        ReasonCode::UNSPECIFIED_ERROR
        | ReasonCode::IMPLEMENTATION_SPECIFIC
        | ReasonCode::SERVER_UNAVAILABLE
        | ReasonCode::SERVER_BUSY
        | ReasonCode::SERVER_SHUTTING_DOWN
        | ReasonCode::QUOTA_EXCEEDED
        | ReasonCode::USE_ANOTHER_SERVER
        | ReasonCode::SERVER_MOVED
        | ReasonCode::CONNECTION_RATE_EXCEEDED => v3::ConnectAckReason::ServiceUnavailable,
        _ => v3::ConnectAckReason::NotAuthorized,
    }
}
