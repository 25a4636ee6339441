use bytes::{Buf, BytesMut};
use bytestring::ByteString;
use rmqtt::codec::v3;
use rmqtt::codec::v5;
use tokio_util::codec::Decoder as _;

use crate::model::{Protocol, QoS, ReasonCode};

use super::check::{self, kind};
use super::convert;
use super::reader::{var_int, Reader};
use super::{Connect, Disconnect, Fault, Packet, Publish, Unsubscribe};

/// Reads the packets of one client.
///
/// RMQTT's codec decodes what has a structure: CONNECT, SUBSCRIBE, UNSUBSCRIBE, DISCONNECT, AUTH. Once a packet has been
/// checked, little is left to do for PUBLISH, acknowledgements and pings: they are taken from the packet right away,
/// which spares boxes and lists of properties, and keeps the properties of a PUBLISH as they are.
#[derive(Debug)]
pub struct Decoder {
    max_packet_bytes: u32,
    /// Known from CONNECT on.
    protocol: Option<Protocol>,
}

/// What has passed the checks is fine with the codec too.
const REFUSED: Fault = Fault::malformed("packet is refused by the codec");

const TOO_LARGE: Fault = Fault { reason: ReasonCode::PACKET_TOO_LARGE, text: "packet is too large" };

impl Decoder {
    /// `max_packet_bytes` counts everything from the first byte of a packet on.
    pub fn new(max_packet_bytes: u32) -> Self {
        Self { max_packet_bytes, protocol: None }
    }

    /// The protocol version of the connection: known once a CONNECT has come, even if the CONNECT was not acceptable, so
    /// that it can be answered.
    #[inline]
    pub fn protocol(&self) -> Option<Protocol> {
        self.protocol
    }

    /// Takes the next packet from the buffer; `None` if more bytes are needed. Packets share memory with the buffer.
    ///
    /// After a fault what comes next means nothing: the decoder and the buffer are of no further use.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Packet>, Fault> {
        let Some((&first, rest)) = buffer.split_first() else { return Ok(None) };
        check::first_byte(first, self.protocol)?;
        let Some((length, length_bytes)) = var_int(rest)? else { return Ok(None) };
        let header = 1 + length_bytes;
        let total = header + length as usize;
        if total > self.max_packet_bytes as usize {
            if self.protocol.is_none() {
                // As much of the CONNECT as there is may say how to answer it.
                self.protocol = check::protocol(&mut Reader::new(buffer, header)).map_or_else(|no| no.answer, Some);
            }
            return Err(TOO_LARGE);
        }
        let Some(packet) = buffer.get(..total) else { return Ok(None) };
        let v5 = self.protocol == Some(Protocol::V5);
        let packet = match first >> 4 {
            kind::PUBLISH => publish(buffer, header, total, v5)?,
            kind @ (kind::PUBACK | kind::PUBREC | kind::PUBREL | kind::PUBCOMP) => {
                let ack = check::ack(packet, header, v5)?;
                buffer.advance(total);
                match kind {
                    kind::PUBACK => Packet::PubAck(ack),
                    kind::PUBREC => Packet::PubRec(ack),
                    kind::PUBREL => Packet::PubRel(ack),
                    _ => Packet::PubComp(ack),
                }
            }
            kind::PINGREQ => {
                check::ping(packet, header)?;
                buffer.advance(total);
                Packet::PingReq
            }
            kind::CONNECT => Packet::Connect(Box::new(self.connect(buffer, header, total)?)),
            kind::SUBSCRIBE => {
                check::subscribe(packet, header, v5)?;
                through_codec(buffer, v5)?
            }
            kind::UNSUBSCRIBE => {
                check::unsubscribe(packet, header, v5)?;
                through_codec(buffer, v5)?
            }
            kind::DISCONNECT => {
                check::disconnect(packet, header, v5)?;
                through_codec(buffer, v5)?
            }
            _ => {
                check::auth(packet, header)?;
                through_codec(buffer, v5)?
            }
        };
        Ok(Some(packet))
    }

    fn connect(&mut self, buffer: &mut BytesMut, header: usize, total: usize) -> Result<Connect, Fault> {
        let packet = &mut buffer[..total];
        let mut reader = Reader::new(packet, header);
        let protocol = check::protocol(&mut reader).map_err(|refusal| {
            self.protocol = refusal.answer;
            refusal.fault
        })?;
        self.protocol = Some(protocol);
        let parts = check::connect(reader, protocol)?;
        if protocol != Protocol::V5 {
            return match decode_v3(buffer)? {
                v3::Packet::Connect(connect) => Ok(convert::connect_v3(*connect, protocol)),
                _ => Err(REFUSED),
            };
        }
        // The codec wants an empty client identifier to come with a clean start, as before MQTT 5.
        packet[parts.flags_at] |= check::CLEAN_START;
        let will_properties = parts.will.as_ref().map(|will| will.copy(packet)).unwrap_or_default();
        let will_expiry_s = parts.will.and_then(|will| {
            if will.message_expiry_s == Some(0) {
                // The codec does not take 0.
                packet[will.message_expiry_at + 3] = 1;
            }
            will.message_expiry_s
        });
        let v5::Packet::Connect(connect) = decode_v5(buffer)? else { return Err(REFUSED) };
        let mut connect = convert::connect_v5(*connect);
        connect.clean_start = parts.clean_start;
        if let Some(will) = &mut connect.will {
            will.message_expiry_s = will_expiry_s;
            will.properties = will_properties;
        }
        Ok(connect)
    }
}

#[inline]
fn publish(buffer: &mut BytesMut, header: usize, total: usize, v5: bool) -> Result<Packet, Fault> {
    let first = buffer[0];
    let qos = QoS::try_from((first >> 1) & 0b11).map_err(|_| Fault::QOS)?;
    let parts = check::publish(&buffer[..total], header, qos != QoS::AtMostOnce, v5)?;
    let mut packet = buffer.split_to(total).freeze();
    let topic =
        ByteString::try_from(packet.slice(parts.topic)).map_err(|_| Fault::malformed("topic name is not UTF-8"))?; // [MQTT-3.3.2-1]
    let properties = parts.properties.share(&packet);
    packet.advance(parts.payload_at);
    Ok(Packet::Publish(Publish {
        dup: first & check::DUP != 0,
        qos,
        retain: first & 1 != 0,
        topic,
        packet_id: parts.packet_id,
        topic_alias: parts.properties.topic_alias,
        message_expiry_s: parts.properties.message_expiry_s,
        properties,
        payload: packet,
    }))
}

/// Has the codec decode a packet that is whole and has been checked.
fn through_codec(buffer: &mut BytesMut, v5: bool) -> Result<Packet, Fault> {
    if v5 {
        return match decode_v5(buffer)? {
            v5::Packet::Subscribe(subscribe) => Ok(Packet::Subscribe(convert::subscribe_v5(subscribe))),
            v5::Packet::Unsubscribe(unsubscribe) => Ok(Packet::Unsubscribe(convert::unsubscribe_v5(unsubscribe))),
            v5::Packet::Disconnect(disconnect) => Ok(Packet::Disconnect(convert::disconnect_v5(disconnect))),
            v5::Packet::Auth(auth) => Ok(Packet::Auth(convert::auth(auth))),
            _ => Err(REFUSED),
        };
    }
    // MQTT 3.1 has a DUP flag here that says nothing about the packet, and that the codec does not know.
    buffer[0] &= !check::DUP;
    match decode_v3(buffer)? {
        v3::Packet::Subscribe { packet_id, topic_filters } => {
            Ok(Packet::Subscribe(convert::subscribe_v3(packet_id.get(), topic_filters)))
        }
        v3::Packet::Unsubscribe { packet_id, topic_filters } => {
            Ok(Packet::Unsubscribe(Unsubscribe { packet_id: packet_id.get(), filters: topic_filters }))
        }
        v3::Packet::Disconnect => Ok(Packet::Disconnect(Disconnect {
            reason: ReasonCode::SUCCESS,
            session_expiry_s: None,
            reason_string: None,
        })),
        _ => Err(REFUSED),
    }
}

/// The codec keeps nothing from one whole packet to the next, so there is a new one for each.
fn decode_v3(buffer: &mut BytesMut) -> Result<v3::Packet, Fault> {
    match v3::Codec::new(0).decode(buffer) {
        Ok(Some((packet, _))) => Ok(packet),
        Ok(None) | Err(_) => Err(REFUSED),
    }
}

fn decode_v5(buffer: &mut BytesMut) -> Result<v5::Packet, Fault> {
    match v5::Codec::new(0, 0).decode(buffer) {
        Ok(Some((packet, _))) => Ok(packet),
        Ok(None) | Err(_) => Err(REFUSED),
    }
}
