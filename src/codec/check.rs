//! What a packet must look like, checked before RMQTT's codec sees it: the codec is more lenient than the
//! specification, and does not tell a malformed packet from a protocol error.
//!
//! Functions take the whole packet and where its variable header begins.

use std::ops::Range;

use crate::model::{Protocol, ReasonCode};

use super::property::{Place, Properties};
use super::reader::Reader;
use super::{Ack, Fault};

/// Types of packets.
pub(super) mod kind {
    pub const CONNECT: u8 = 1;
    pub const CONNACK: u8 = 2;
    pub const PUBLISH: u8 = 3;
    pub const PUBACK: u8 = 4;
    pub const PUBREC: u8 = 5;
    pub const PUBREL: u8 = 6;
    pub const PUBCOMP: u8 = 7;
    pub const SUBSCRIBE: u8 = 8;
    pub const SUBACK: u8 = 9;
    pub const UNSUBSCRIBE: u8 = 10;
    pub const UNSUBACK: u8 = 11;
    pub const PINGREQ: u8 = 12;
    pub const PINGRESP: u8 = 13;
    pub const DISCONNECT: u8 = 14;
    pub const AUTH: u8 = 15;
}

/// The DUP flag in the first byte of a packet.
pub(super) const DUP: u8 = 0b1000;

/// Checks the first byte of a packet: its type and its flags. `protocol` is `None` in front of CONNECT.
#[inline]
pub(super) fn first_byte(first: u8, protocol: Option<Protocol>) -> Result<(), Fault> {
    let flags = first & 0x0F;
    let reserved = match first >> 4 {
        kind::PUBLISH => {
            return match (flags >> 1) & 0b11 {
                0b11 => Err(Fault::QOS), // [MQTT-3.3.1-4]
                // [MQTT-3.3.1-2]
                0 if flags & DUP != 0 => Err(Fault::malformed("DUP flag is set although QoS is 0")),
                _ if protocol.is_none() => Err(NOT_CONNECT),
                _ => Ok(()),
            };
        }
        kind::PUBREL | kind::SUBSCRIBE | kind::UNSUBSCRIBE => match protocol {
            // MQTT 3.1 sends these at QoS 1, again with the DUP flag set if there is no answer.
            Some(Protocol::V3_1) => 0b0010 | flags & DUP,
            _ => 0b0010,
        },
        0 => return Err(Fault::malformed("packet type is 0")),
        kind::AUTH if matches!(protocol, Some(Protocol::V3_1 | Protocol::V3_1_1)) => {
            return Err(Fault::malformed("packet type is 15, which is of MQTT 5"));
        }
        _ => 0,
    };
    if flags != reserved {
        // [MQTT-2.1.3-1]
        return Err(Fault::malformed("reserved flags of the first byte are wrong"));
    }
    match (first >> 4, protocol) {
        (kind::CONNACK | kind::SUBACK | kind::UNSUBACK | kind::PINGRESP, _) => {
            Err(Fault::protocol_error("packet is one that only servers send"))
        }
        (kind::CONNECT, None) => Ok(()),
        (kind::CONNECT, Some(_)) => Err(Fault::protocol_error("second CONNECT")), // [MQTT-3.1.0-2]
        (_, None) => Err(NOT_CONNECT),
        (_, Some(_)) => Ok(()),
    }
}

/// [MQTT-3.1.0-1]
const NOT_CONNECT: Fault = Fault::protocol_error("first packet is not CONNECT");

/// A CONNECT for a protocol that is not spoken, and the version of MQTT that it can be told so in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) answer: Option<Protocol>,
    pub(super) fault: Fault,
}

/// The protocol version that a CONNECT asks for.
pub(super) fn protocol(reader: &mut Reader<'_>) -> Result<Protocol, Refusal> {
    let truncated = |fault| Refusal { answer: None, fault };
    let name = reader.binary().map_err(truncated)?;
    let level = reader.u8().map_err(truncated)?;
    let answer = match (name, level) {
        (b"MQIsdp", 3) => return Ok(Protocol::V3_1),
        (b"MQTT", 4) => return Ok(Protocol::V3_1_1),
        (b"MQTT", 5) => return Ok(Protocol::V5),
        (b"MQIsdp", _) => Some(Protocol::V3_1),
        // A later version understands the latest answer. From 0x80 on it is MQTT 3.1.1 between bridges.
        (b"MQTT", 6..=0x7F) => Some(Protocol::V5),
        (b"MQTT", _) => Some(Protocol::V3_1_1),
        _ => None,
    };
    let text = "protocol version is not supported"; // [MQTT-3.1.2-1], [MQTT-3.1.2-2]
    Err(Refusal { answer, fault: Fault { reason: ReasonCode::UNSUPPORTED_PROTOCOL_VERSION, text } })
}

/// What of a CONNECT the codec needs help with.
pub(super) struct ConnectParts {
    /// Where the connect flags are.
    pub(super) flags_at: usize,
    pub(super) clean_start: bool,
    pub(super) will: Option<Properties>,
}

/// The clean start flag in the connect flags.
pub(super) const CLEAN_START: u8 = 0b0000_0010;

/// Checks a CONNECT from behind its protocol version on.
pub(super) fn connect(mut reader: Reader<'_>, protocol: Protocol) -> Result<ConnectParts, Fault> {
    let flags_at = reader.at();
    let flags = reader.u8()?;
    let [has_user_name, has_password, will_retain, has_will, clean_start, reserved] =
        [0x80, 0x40, 0x20, 0x04, CLEAN_START, 0x01].map(|bit| flags & bit != 0);
    let will_qos = (flags >> 3) & 0b11;
    if reserved {
        return Err(Fault::malformed("reserved connect flag is set")); // [MQTT-3.1.2-3]
    }
    if !has_will && (will_qos != 0 || will_retain) {
        return Err(Fault::malformed("will QoS or will retain without a will")); // [MQTT-3.1.2-11], [MQTT-3.1.2-13]
    }
    if will_qos == 3 {
        return Err(Fault::QOS); // [MQTT-3.1.2-12]
    }
    let v5 = protocol == Protocol::V5;
    if !v5 && has_password && !has_user_name {
        return Err(Fault::malformed("password without a user name")); // [MQTT-3.1.2-22] of MQTT 3.1.1
    }
    reader.u16()?; // keep alive
    if v5 {
        Properties::check(&mut reader, Place::Connect)?;
    }
    let has_client_id = !reader.string()?.is_empty();
    let mut will = None;
    if has_will {
        will = Some(if v5 { Properties::check(&mut reader, Place::Will)? } else { Properties::default() });
        reader.string()?; // topic
        reader.binary()?; // payload
    }
    if has_user_name {
        reader.string()?;
    }
    if has_password {
        reader.binary()?;
    }
    reader.end()?;
    let may_be_assigned = match protocol {
        Protocol::V3_1 => false,
        Protocol::V3_1_1 => clean_start, // [MQTT-3.1.3-7], [MQTT-3.1.3-8] of MQTT 3.1.1
        Protocol::V5 => true,            // [MQTT-3.1.3-6]
    };
    if !has_client_id && !may_be_assigned {
        return Err(Fault { reason: ReasonCode::CLIENT_IDENTIFIER_NOT_VALID, text: "client identifier is empty" });
    }
    Ok(ConnectParts { flags_at, clean_start, will })
}

/// Where everything is in a PUBLISH.
pub(super) struct PublishParts {
    /// Not known to be UTF-8.
    pub(super) topic: Range<usize>,
    pub(super) packet_id: u16,
    pub(super) properties: Properties,
    pub(super) payload_at: usize,
}

#[inline]
pub(super) fn publish(packet: &[u8], header: usize, has_packet_id: bool, v5: bool) -> Result<PublishParts, Fault> {
    let mut reader = Reader::new(packet, header);
    let length = reader.binary()?.len();
    let topic = reader.at() - length..reader.at();
    let packet_id = if has_packet_id { reader.packet_id()? } else { 0 };
    let properties = if v5 { Properties::check(&mut reader, Place::Publish)? } else { Properties::default() };
    if length == 0 && properties.topic_alias.is_none() {
        return Err(match v5 {
            true => Fault::protocol_error("neither topic name nor topic alias"), // [MQTT-5 3.3.2.1]
            false => Fault::malformed("topic name is empty"),                    // [MQTT-4.7.3-1]
        });
    }
    Ok(PublishParts { topic, packet_id, properties, payload_at: reader.at() })
}

/// Reads PUBACK, PUBREC, PUBREL or PUBCOMP.
#[inline]
pub(super) fn ack(packet: &[u8], header: usize, v5: bool) -> Result<Ack, Fault> {
    let mut reader = Reader::new(packet, header);
    let packet_id = reader.packet_id()?;
    let mut reason = ReasonCode::SUCCESS;
    if v5 && reader.has_more() {
        reason = ReasonCode(reader.u8()?);
        let known: &[u8] = match packet[0] >> 4 {
            kind::PUBACK | kind::PUBREC => &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
            _ => &[0x00, 0x92],
        };
        // [MQTT-3.4.2-1], [MQTT-3.5.2-1], [MQTT-3.6.2-1], [MQTT-3.7.2-1]
        reason_among(reason, known)?;
        optional_properties(&mut reader, Place::Ack)?;
    }
    reader.end()?;
    Ok(Ack { packet_id, reason })
}

pub(super) fn subscribe(packet: &[u8], header: usize, v5: bool) -> Result<(), Fault> {
    let mut reader = Reader::new(packet, header);
    reader.packet_id()?;
    if v5 {
        Properties::check(&mut reader, Place::Subscribe)?;
    }
    at_least_one_filter(&reader)?; // [MQTT-3.8.3-2]
    while reader.has_more() {
        let filter = filter(&mut reader, v5)?;
        let options = reader.u8()?;
        let qos = options & 0b11;
        if !v5 {
            if options > 2 {
                return Err(Fault::malformed("requested QoS is not 0, 1 or 2")); // [MQTT-3-8.3-4] of MQTT 3.1.1
            }
            continue;
        }
        if options & 0b1100_0000 != 0 {
            // [MQTT-3.8.3-5]
            return Err(Fault::malformed("reserved subscription options are set"));
        }
        // [MQTT-5 3.8.3.1] has protocol errors for both.
        if qos == 3 {
            return Err(Fault::protocol_error("maximum QoS of a subscription is 3"));
        }
        if (options >> 4) & 0b11 == 3 {
            return Err(Fault::protocol_error("retain handling of a subscription is 3"));
        }
        if options & 0b0100 != 0 && filter.starts_with(b"$share/") {
            // [MQTT-3.8.3-4]
            return Err(Fault::protocol_error("no local is set for a shared subscription"));
        }
    }
    Ok(())
}

pub(super) fn unsubscribe(packet: &[u8], header: usize, v5: bool) -> Result<(), Fault> {
    let mut reader = Reader::new(packet, header);
    reader.packet_id()?;
    if v5 {
        Properties::check(&mut reader, Place::Unsubscribe)?;
    }
    at_least_one_filter(&reader)?; // [MQTT-3.10.3-2]
    while reader.has_more() {
        filter(&mut reader, v5)?;
    }
    Ok(())
}

pub(super) fn ping(packet: &[u8], header: usize) -> Result<(), Fault> {
    Reader::new(packet, header).end()
}

pub(super) fn disconnect(packet: &[u8], header: usize, v5: bool) -> Result<(), Fault> {
    /// Those that the client may send `[MQTT-5 3.14.2.1]`.
    const REASONS: [u8; 14] = [0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99];

    let mut reader = Reader::new(packet, header);
    if v5 && reader.has_more() {
        reason_among(ReasonCode(reader.u8()?), &REASONS)?; // [MQTT-3.14.2-1]
        optional_properties(&mut reader, Place::Disconnect)?;
    }
    reader.end()
}

pub(super) fn auth(packet: &[u8], header: usize) -> Result<(), Fault> {
    let mut reader = Reader::new(packet, header);
    // Without anything it means success, which is for the server to say `[MQTT-5 3.15.2.1]`.
    let reason = if reader.has_more() { ReasonCode(reader.u8()?) } else { ReasonCode::SUCCESS };
    reason_among(reason, &[0x18, 0x19])?; // [MQTT-3.15.2-1]
    let properties = optional_properties(&mut reader, Place::Auth)?;
    if !properties.has_authentication_method() {
        // [MQTT-5 3.15.2.2.2]
        return Err(Fault::protocol_error("AUTH without an authentication method"));
    }
    reader.end()
}

/// Properties behind a reason code may be left out together with their length.
#[inline]
fn optional_properties(reader: &mut Reader<'_>, place: Place) -> Result<Properties, Fault> {
    if !reader.has_more() {
        return Ok(Properties::default());
    }
    Properties::check(reader, place)
}

#[inline]
fn reason_among(reason: ReasonCode, known: &[u8]) -> Result<(), Fault> {
    if !known.contains(&reason.0) {
        return Err(Fault::protocol_error("reason code is not for this packet from a client"));
    }
    Ok(())
}

fn at_least_one_filter(reader: &Reader<'_>) -> Result<(), Fault> {
    if !reader.has_more() {
        return Err(Fault::protocol_error("no topic filter"));
    }
    Ok(())
}

/// An empty filter `[MQTT-4.7.3-1]` is left to the session in MQTT 5, which has a reason code for it.
fn filter<'a>(reader: &mut Reader<'a>, v5: bool) -> Result<&'a [u8], Fault> {
    let filter = reader.string()?;
    if filter.is_empty() && !v5 {
        return Err(Fault::malformed("topic filter is empty"));
    }
    Ok(filter)
}
