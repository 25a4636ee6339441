//! MQTT packets by hand, only what the load needs, so that the generator spends as little time as possible on them.

use crate::Result;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V3,
    V5,
}

pub const CONNACK: u8 = 2;
pub const PUBLISH: u8 = 3;
pub const PUBACK: u8 = 4;
pub const PUBREC: u8 = 5;
pub const PUBREL: u8 = 6;
pub const PUBCOMP: u8 = 7;
pub const SUBACK: u8 = 9;
pub const PINGRESP: u8 = 13;
pub const DISCONNECT: u8 = 14;

/// A packet that was received, where it lies.
pub struct Packet<'a> {
    first: u8,
    pub body: &'a [u8],
}

impl<'a> Packet<'a> {
    pub fn kind(&self) -> u8 {
        self.first >> 4
    }

    /// The QoS of a PUBLISH.
    pub fn qos(&self) -> u8 {
        self.first >> 1 & 3
    }

    /// The packet identifier of anything that begins with one: all but PUBLISH.
    pub fn id(&self) -> Result<[u8; 2]> {
        self.bytes(0)
    }

    /// The packet identifier of a PUBLISH with QoS 1 or 2.
    pub fn publish_id(&self) -> Result<[u8; 2]> {
        let topic_len = u16::from_be_bytes(self.bytes(0)?);
        self.bytes(2 + usize::from(topic_len))
    }

    /// The reason code after a packet identifier. It is left out when it is 0, and always before MQTT 5.
    pub fn reason(&self) -> u8 {
        self.body.get(2).copied().unwrap_or(0)
    }

    /// The last bytes of a PUBLISH: its payload, if it is that long.
    pub fn tail<const N: usize>(&self) -> Result<&'a [u8; N]> {
        self.body.last_chunk().ok_or_else(|| "the broker sent a packet that is too short".to_owned())
    }

    fn bytes(&self, at: usize) -> Result<[u8; 2]> {
        let bytes = self.body.get(at..).and_then(|rest| rest.first_chunk());
        bytes.copied().ok_or_else(|| "the broker sent a packet that is too short".to_owned())
    }
}

/// Calls `each` for every whole packet, and tells how many bytes they were.
#[inline]
pub fn walk<'a>(bytes: &'a [u8], mut each: impl FnMut(Packet<'a>) -> Result<()>) -> Result<usize> {
    let mut start = 0;
    while let Some(&first) = bytes.get(start) {
        let mut remaining = 0;
        let mut at = start + 1;
        let mut shift = 0;
        loop {
            let Some(&byte) = bytes.get(at) else { return Ok(start) };
            at += 1;
            remaining |= usize::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
            if shift > 21 {
                return Err("the broker sent a malformed length".to_owned());
            }
        }
        let Some(body) = bytes.get(at..at + remaining) else { break };
        each(Packet { first, body })?;
        start = at + remaining;
    }
    Ok(start)
}

/// A CONNECT for a clean session, with a keep alive that is never reached.
pub fn connect(version: Version, client_id: &str) -> Vec<u8> {
    const CLEAN: u8 = 2;
    connect_with(version, client_id, CLEAN)
}

/// A CONNECT of MQTT 3.1.1 for a session that outlives the connection.
pub fn connect_to_stay(client_id: &str) -> Vec<u8> {
    connect_with(Version::V3, client_id, 0)
}

fn connect_with(version: Version, client_id: &str, flags: u8) -> Vec<u8> {
    let mut body = vec![0, 4];
    body.extend_from_slice(b"MQTT");
    body.extend_from_slice(&[if version == Version::V5 { 5 } else { 4 }, flags]);
    body.extend_from_slice(&600u16.to_be_bytes());
    no_properties(version, &mut body);
    text(client_id, &mut body);
    packet(0x10, &body)
}

/// A SUBSCRIBE with packet identifier 1.
pub fn subscribe(version: Version, filters: &[String], qos: u8) -> Vec<u8> {
    let mut body = vec![0, 1];
    no_properties(version, &mut body);
    for filter in filters {
        text(filter, &mut body);
        body.push(qos);
    }
    packet(0x82, &body)
}

pub fn publish(version: Version, topic: &str, qos: u8, id: u16, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    text(topic, &mut body);
    if qos > 0 {
        body.extend_from_slice(&id.to_be_bytes());
    }
    no_properties(version, &mut body);
    body.extend_from_slice(payload);
    packet(0x30 | qos << 1, &body)
}

/// The same message, to be kept for whoever subscribes later.
pub fn publish_retained(topic: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = publish(Version::V3, topic, 0, 0, payload);
    bytes[0] |= 1;
    bytes
}

pub fn ping() -> [u8; 2] {
    [0xC0, 0]
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP: the same bytes in every version, as a reason code of 0 may be left out.
pub fn acknowledge(kind: u8, id: [u8; 2]) -> [u8; 4] {
    let flags = if kind == PUBREL { 2 } else { 0 };
    [kind << 4 | flags, 2, id[0], id[1]]
}

pub fn disconnect() -> [u8; 2] {
    [DISCONNECT << 4, 0]
}

fn no_properties(version: Version, out: &mut Vec<u8>) {
    if version == Version::V5 {
        out.push(0);
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(&(text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut rest = body.len();
    while rest > 0x7F {
        out.push(rest as u8 & 0x7F | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    out.extend_from_slice(body);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kinds and bodies of the whole packets, and the bytes left.
    fn walked(bytes: &[u8]) -> (Vec<(u8, usize)>, usize) {
        let mut seen = Vec::new();
        let used = walk(bytes, |packet| {
            seen.push((packet.kind(), packet.body.len()));
            Ok(())
        });
        (seen, bytes.len() - used.unwrap())
    }

    #[test]
    fn walk_stops_before_a_packet_that_is_not_whole() {
        let mut bytes = publish(Version::V3, "a/b", 1, 7, &[0; 200]);
        let whole = bytes.len();
        bytes.extend_from_slice(&[0xD0, 0]);
        assert_eq!(walked(&bytes), (vec![(PUBLISH, whole - 3), (13, 0)], 0));
        for cut in 0..whole {
            assert_eq!(walked(&bytes[..cut]), (vec![], cut));
        }
        assert_eq!(walked(&bytes[..=whole]), (vec![(PUBLISH, whole - 3)], 1));
    }

    #[test]
    fn walk_refuses_an_endless_length() {
        assert!(walk(&[0x30, 0x80, 0x80, 0x80, 0x80, 0], |_| Ok(())).is_err());
    }

    #[test]
    fn a_publish_is_read_as_it_was_written() {
        for version in [Version::V3, Version::V5] {
            let bytes = publish(version, "topic", 2, 0x1234, b"12345678");
            let used = walk(&bytes, |packet| {
                assert_eq!((packet.kind(), packet.qos()), (PUBLISH, 2));
                assert_eq!(packet.publish_id()?, [0x12, 0x34]);
                assert_eq!(packet.tail::<8>()?, b"12345678");
                Ok(())
            });
            assert_eq!(used, Ok(bytes.len()));
        }
    }

    #[test]
    fn short_packets_are_faults_and_no_panics() {
        let used = walk(&[0x32, 3, 0xFF, 0xFF, 0, 0x40, 1, 0], |packet| {
            assert!(packet.publish_id().is_err());
            assert!(packet.tail::<8>().is_err());
            assert!(packet.kind() != PUBACK || packet.id().is_err());
            Ok(())
        });
        assert_eq!(used, Ok(8));
    }
}
