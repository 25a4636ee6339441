//! A parser for what the broker sends, which shares nothing with the code that writes it.

/// A packet of the broker, as far as tests look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    ConnAck { session_present: bool, reason: u8 },
    Publish(SentPublish),
    PubAck(u16, u8),
    PubRec(u16, u8),
    PubRel(u16, u8),
    PubComp(u16, u8),
    SubAck(u16, Vec<u8>),
    UnsubAck(u16, Vec<u8>),
    PingResp,
    Disconnect(u8),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SentPublish {
    pub(super) dup: bool,
    pub(super) qos: u8,
    pub(super) retain: bool,
    pub(super) topic: String,
    /// 0 with QoS 0.
    pub(super) packet_id: u16,
    pub(super) alias: Option<u16>,
    pub(super) expiry_s: Option<u32>,
    pub(super) identifiers: Vec<u32>,
    pub(super) payload: String,
}

/// All packets in `bytes`, which must end with a whole one.
pub(super) fn packets(v5: bool, bytes: &[u8]) -> Vec<Sent> {
    let mut rest = bytes;
    let mut packets = Vec::new();
    while !rest.is_empty() {
        let (packet, length) = first(v5, rest).expect("a whole packet");
        packets.push(packet);
        rest = &rest[length..];
    }
    packets
}

/// The first packet and its length; `None` if it is not whole.
pub(super) fn first(v5: bool, bytes: &[u8]) -> Option<(Sent, usize)> {
    let mut reader = Reader(bytes);
    let first = reader.try_u8()?;
    let length = reader.try_var_int()?;
    let body = reader.0.get(..length)?;
    let total = bytes.len() - reader.0.len() + length;
    let mut reader = Reader(body);
    let packet = packet(first, v5, &mut reader);
    assert!(reader.0.is_empty(), "bytes behind the end of {packet:?}");
    Some((packet, total))
}

fn packet(first: u8, v5: bool, body: &mut Reader<'_>) -> Sent {
    match first {
        0x20 => {
            let (flags, reason) = (body.u8(), body.u8());
            assert_eq!(flags & 0xFE, 0, "[MQTT-3.2.2-1]");
            if v5 {
                body.properties();
            }
            Sent::ConnAck { session_present: flags == 1, reason }
        }
        0x30..=0x3F => Sent::Publish(publish(first, v5, body)),
        0x40 => body.ack(v5, Sent::PubAck),
        0x50 => body.ack(v5, Sent::PubRec),
        0x62 => body.ack(v5, Sent::PubRel),
        0x70 => body.ack(v5, Sent::PubComp),
        0x90 => body.reasons(v5, Sent::SubAck),
        0xB0 => body.reasons(v5, Sent::UnsubAck),
        0xD0 => Sent::PingResp,
        0xE0 => {
            assert!(v5, "a DISCONNECT that only MQTT 5 has");
            let reason = if body.0.is_empty() { 0 } else { body.u8() };
            if !body.0.is_empty() {
                body.properties();
            }
            Sent::Disconnect(reason)
        }
        other => panic!("a packet with the first byte {other:#X}"),
    }
}

fn publish(first: u8, v5: bool, body: &mut Reader<'_>) -> SentPublish {
    let qos = (first >> 1) & 0b11;
    assert!(qos < 3, "[MQTT-3.3.1-4]");
    let mut publish = SentPublish {
        dup: first & 8 != 0,
        qos,
        retain: first & 1 != 0,
        topic: body.string(),
        ..SentPublish::default()
    };
    assert!(!publish.dup || qos > 0, "[MQTT-3.3.1-2]");
    if qos > 0 {
        publish.packet_id = body.u16();
        assert_ne!(publish.packet_id, 0, "[MQTT-2.2.1-3]");
    }
    if v5 {
        let mut properties = body.properties();
        while !properties.0.is_empty() {
            match properties.u8() {
                0x01 => drop(properties.u8()),
                0x02 => publish.expiry_s = Some(properties.u32()),
                0x03 | 0x08 | 0x09 => drop(properties.string()),
                0x0B => publish.identifiers.push(properties.try_var_int().expect("an identifier") as u32),
                0x23 => publish.alias = Some(properties.u16()),
                0x26 => drop((properties.string(), properties.string())),
                other => panic!("a property {other:#X} in PUBLISH"),
            }
        }
    }
    publish.payload = String::from_utf8(body.take(body.0.len()).to_vec()).expect("payloads of tests are text");
    publish
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    fn try_u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn try_var_int(&mut self) -> Option<usize> {
        let mut value = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.try_u8()?;
            value |= usize::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        panic!("a variable byte integer of more than 4 bytes");
    }

    fn u8(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.u8(), self.u8()])
    }

    fn u32(&mut self) -> u32 {
        u32::from(self.u16()) << 16 | u32::from(self.u16())
    }

    fn string(&mut self) -> String {
        let length = self.u16();
        String::from_utf8(self.take(length.into()).to_vec()).expect("UTF-8")
    }

    fn properties(&mut self) -> Reader<'a> {
        let length = self.try_var_int().expect("the length of the properties");
        Reader(self.take(length))
    }

    fn ack(&mut self, v5: bool, packet: impl FnOnce(u16, u8) -> Sent) -> Sent {
        let packet_id = self.u16();
        let mut reason = 0;
        if v5 && !self.0.is_empty() {
            reason = self.u8();
            if !self.0.is_empty() {
                self.properties();
            }
        }
        packet(packet_id, reason)
    }

    fn reasons(&mut self, v5: bool, packet: impl FnOnce(u16, Vec<u8>) -> Sent) -> Sent {
        let packet_id = self.u16();
        if v5 {
            self.properties();
        }
        packet(packet_id, self.take(self.0.len()).to_vec())
    }
}
