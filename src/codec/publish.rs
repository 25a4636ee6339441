use std::num::NonZeroU32;

use crate::model::QoS;

/// The longest that a packet may be behind its fixed header `[MQTT-5 2.1.4]`.
pub const MAX_REMAINING_LENGTH: usize = 268_435_455;

/// A PUBLISH to a client, except for its payload.
///
/// Packets to several receivers differ in little: one that is encoded can be sent again with another first byte, see
/// [`PublishHead::first_byte`], and another packet identifier, see [`PublishHead::encode`].
#[derive(Clone, Copy, Debug)]
pub struct PublishHead<'a> {
    /// Before MQTT 5 there are no properties: what is here of them is not sent.
    pub v5: bool,
    pub dup: bool,
    pub qos: QoS,
    pub retain: bool,
    /// At most 65535 bytes.
    pub topic: &'a str,
    /// Not sent with QoS 0.
    pub packet_id: u16,
    pub topic_alias: Option<u16>,
    pub message_expiry_s: Option<u32>,
    /// At most 268435455 each.
    pub subscription_ids: &'a [NonZeroU32],
    /// Encoded properties that are passed on, without a length in front.
    pub properties: &'a [u8],
    pub payload_len: usize,
}

impl PublishHead<'_> {
    /// The length of the whole packet, payload included. Packets with more than [`MAX_REMAINING_LENGTH`] bytes behind
    /// the fixed header are not to be sent.
    #[inline]
    pub fn packet_len(&self) -> usize {
        let remaining = self.remaining_len(self.properties_len());
        1 + var_int_len(remaining) + remaining
    }

    /// The first byte of the packet.
    #[inline]
    pub fn first_byte(&self) -> u8 {
        0x30 | u8::from(self.dup) << 3 | (self.qos as u8) << 1 | u8::from(self.retain)
    }

    /// Appends everything in front of the payload. Returns where in the packet the two bytes of the packet identifier
    /// are, counted from its first byte; `None` with QoS 0.
    #[inline]
    pub fn encode(&self, out: &mut Vec<u8>) -> Option<usize> {
        let properties_len = self.properties_len();
        let remaining = self.remaining_len(properties_len);
        let start = out.len();
        out.reserve(1 + var_int_len(remaining) + remaining - self.payload_len);
        out.push(self.first_byte());
        put_var_int(remaining, out);
        out.extend_from_slice(&(self.topic.len() as u16).to_be_bytes());
        out.extend_from_slice(self.topic.as_bytes());
        let mut packet_id_at = None;
        if self.qos != QoS::AtMostOnce {
            packet_id_at = Some(out.len() - start);
            out.extend_from_slice(&self.packet_id.to_be_bytes());
        }
        if self.v5 {
            put_var_int(properties_len, out);
            self.put_properties(out);
        }
        packet_id_at
    }

    #[inline]
    fn put_properties(&self, out: &mut Vec<u8>) {
        if let Some(alias) = self.topic_alias {
            let [high, low] = alias.to_be_bytes();
            out.extend_from_slice(&[0x23, high, low]);
        }
        if let Some(expiry_s) = self.message_expiry_s {
            out.push(0x02);
            out.extend_from_slice(&expiry_s.to_be_bytes());
        }
        out.extend_from_slice(self.properties);
        for id in self.subscription_ids {
            out.push(0x0B);
            put_var_int(id.get() as usize, out);
        }
    }

    #[inline]
    fn properties_len(&self) -> usize {
        let ids = self.subscription_ids.iter().map(|id| 1 + var_int_len(id.get() as usize));
        let alias = if self.topic_alias.is_some() { 3 } else { 0 };
        let expiry = if self.message_expiry_s.is_some() { 5 } else { 0 };
        alias + expiry + self.properties.len() + ids.sum::<usize>()
    }

    #[inline]
    fn remaining_len(&self, properties_len: usize) -> usize {
        let packet_id = if self.qos == QoS::AtMostOnce { 0 } else { 2 };
        let properties = if self.v5 { var_int_len(properties_len) + properties_len } else { 0 };
        2 + self.topic.len() + packet_id + properties + self.payload_len
    }
}

/// How many bytes a variable byte integer takes.
#[inline]
fn var_int_len(value: usize) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

#[inline]
fn put_var_int(value: usize, out: &mut Vec<u8>) {
    let byte = |index: usize| (value >> (7 * index)) as u8;
    match var_int_len(value) {
        1 => out.push(byte(0)),
        2 => out.extend_from_slice(&[byte(0) | 0x80, byte(1)]),
        3 => out.extend_from_slice(&[byte(0) | 0x80, byte(1) | 0x80, byte(2)]),
        _ => out.extend_from_slice(&[byte(0) | 0x80, byte(1) | 0x80, byte(2) | 0x80, byte(3) & 0x7F]),
    }
}
