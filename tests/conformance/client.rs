//! A broker and clients of it, down to the byte: whatever a test wants to send can be sent, and whatever comes back is
//! checked for its form before the test sees it.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rmqttc::broker::Broker;

/// Longer than anything takes, shorter than a person waits.
const LONG: Duration = Duration::from_secs(10);

pub const CONNECT: u8 = 0x10;
pub const CONNACK: u8 = 0x20;
pub const PUBLISH: u8 = 0x30;
pub const PUBACK: u8 = 0x40;
pub const PUBREC: u8 = 0x50;
pub const PUBREL: u8 = 0x60;
pub const PUBCOMP: u8 = 0x70;
pub const SUBSCRIBE: u8 = 0x80;
pub const SUBACK: u8 = 0x90;
pub const UNSUBSCRIBE: u8 = 0xA0;
pub const UNSUBACK: u8 = 0xB0;
pub const PINGREQ: u8 = 0xC0;
pub const PINGRESP: u8 = 0xD0;
pub const DISCONNECT: u8 = 0xE0;
pub const AUTH: u8 = 0xF0;

/// Identifiers of properties.
pub mod property {
    pub const PAYLOAD_FORMAT: u8 = 1;
    pub const MESSAGE_EXPIRY: u8 = 2;
    pub const CONTENT_TYPE: u8 = 3;
    pub const RESPONSE_TOPIC: u8 = 8;
    pub const CORRELATION_DATA: u8 = 9;
    pub const SUBSCRIPTION_ID: u8 = 11;
    pub const SESSION_EXPIRY: u8 = 17;
    pub const ASSIGNED_CLIENT_ID: u8 = 18;
    pub const SERVER_KEEP_ALIVE: u8 = 19;
    pub const AUTHENTICATION_METHOD: u8 = 21;
    pub const AUTHENTICATION_DATA: u8 = 22;
    pub const REQUEST_PROBLEM_INFORMATION: u8 = 23;
    pub const WILL_DELAY: u8 = 24;
    pub const REQUEST_RESPONSE_INFORMATION: u8 = 25;
    pub const RESPONSE_INFORMATION: u8 = 26;
    pub const REASON_STRING: u8 = 31;
    pub const RECEIVE_MAXIMUM: u8 = 33;
    pub const TOPIC_ALIAS_MAXIMUM: u8 = 34;
    pub const TOPIC_ALIAS: u8 = 35;
    pub const MAXIMUM_QOS: u8 = 36;
    pub const RETAIN_AVAILABLE: u8 = 37;
    pub const USER_PROPERTY: u8 = 38;
    pub const MAXIMUM_PACKET_SIZE: u8 = 39;
    pub const SHARED_AVAILABLE: u8 = 42;
}

pub fn byte(id: u8, value: u8) -> Vec<u8> {
    vec![id, value]
}

pub fn two(id: u8, value: u16) -> Vec<u8> {
    [&[id][..], &value.to_be_bytes()].concat()
}

pub fn four(id: u8, value: u32) -> Vec<u8> {
    [&[id][..], &value.to_be_bytes()].concat()
}

/// A property that is a string or binary data.
pub fn bytes(id: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
    [&[id][..], &field(value)].concat()
}

pub fn user(name: &str, value: &str) -> Vec<u8> {
    [&[property::USER_PROPERTY][..], &field(name), &field(value)].concat()
}

pub fn subscription_id(id: u32) -> Vec<u8> {
    [&[property::SUBSCRIPTION_ID][..], &varint(id as usize)].concat()
}

/// Bytes behind their length in two bytes.
pub fn field(value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    [&(value.len() as u16).to_be_bytes()[..], value].concat()
}

pub fn varint(mut value: usize) -> Vec<u8> {
    let mut encoded = Vec::new();
    loop {
        let byte = (value % 128) as u8;
        value /= 128;
        if value == 0 {
            encoded.push(byte);
            return encoded;
        }
        encoded.push(byte | 0x80);
    }
}

/// A list of properties behind its length.
pub fn properties(list: &[Vec<u8>]) -> Vec<u8> {
    let list = list.concat();
    [varint(list.len()), list].concat()
}

/// A whole packet.
pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    [&[first][..], &varint(body.len()), body].concat()
}

/// A CONNECT to be built. MQTT 5, a clean start and no keep alive unless told otherwise.
#[derive(Clone)]
pub struct Connect {
    pub version: u8,
    pub name: Vec<u8>,
    pub clean: bool,
    pub keep_alive: u16,
    pub properties: Vec<Vec<u8>>,
    pub id: Vec<u8>,
    pub will: Option<Will>,
    pub username: Option<Vec<u8>>,
    pub password: Option<Vec<u8>>,
}

#[derive(Clone)]
pub struct Will {
    pub topic: Vec<u8>,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
    pub properties: Vec<Vec<u8>>,
}

impl Will {
    pub fn new(topic: &str, payload: &str) -> Will {
        Will { topic: topic.into(), payload: payload.into(), qos: 0, retain: false, properties: Vec::new() }
    }

    pub fn qos(mut self, qos: u8) -> Will {
        self.qos = qos;
        self
    }

    pub fn retain(mut self) -> Will {
        self.retain = true;
        self
    }

    pub fn property(mut self, property: Vec<u8>) -> Will {
        self.properties.push(property);
        self
    }

    pub fn delay(self, seconds: u32) -> Will {
        self.property(four(property::WILL_DELAY, seconds))
    }
}

impl Connect {
    pub fn new(id: impl AsRef<[u8]>) -> Connect {
        Connect {
            version: 5,
            name: "MQTT".into(),
            clean: true,
            keep_alive: 0,
            properties: Vec::new(),
            id: id.as_ref().to_vec(),
            will: None,
            username: None,
            password: None,
        }
    }

    /// A CONNECT of MQTT 3.1.1.
    pub fn v3(id: &str) -> Connect {
        Connect { version: 4, ..Connect::new(id) }
    }

    /// A CONNECT of MQTT 3.1.
    pub fn v31(id: &str) -> Connect {
        Connect { version: 3, name: "MQIsdp".into(), ..Connect::new(id) }
    }

    /// Without a clean start.
    pub fn resume(mut self) -> Connect {
        self.clean = false;
        self
    }

    pub fn keep_alive(mut self, seconds: u16) -> Connect {
        self.keep_alive = seconds;
        self
    }

    pub fn property(mut self, property: Vec<u8>) -> Connect {
        self.properties.push(property);
        self
    }

    pub fn expiry(self, seconds: u32) -> Connect {
        self.property(four(property::SESSION_EXPIRY, seconds))
    }

    pub fn receive_maximum(self, count: u16) -> Connect {
        self.property(two(property::RECEIVE_MAXIMUM, count))
    }

    pub fn maximum_packet_size(self, size: u32) -> Connect {
        self.property(four(property::MAXIMUM_PACKET_SIZE, size))
    }

    pub fn will(mut self, will: Will) -> Connect {
        self.will = Some(will);
        self
    }

    pub fn username(mut self, name: impl AsRef<[u8]>) -> Connect {
        self.username = Some(name.as_ref().to_vec());
        self
    }

    pub fn password(mut self, password: impl AsRef<[u8]>) -> Connect {
        self.password = Some(password.as_ref().to_vec());
        self
    }

    pub fn flags(&self) -> u8 {
        let will = self.will.as_ref().map_or(0, |will| 0x04 | will.qos << 3 | u8::from(will.retain) << 5);
        let credentials = u8::from(self.username.is_some()) << 7 | u8::from(self.password.is_some()) << 6;
        u8::from(self.clean) << 1 | will | credentials
    }

    /// What stands behind the variable header.
    pub fn payload(&self) -> Vec<u8> {
        let mut payload = field(&self.id);
        if let Some(will) = &self.will {
            if self.version == 5 {
                payload.extend(properties(&will.properties));
            }
            payload.extend(field(&will.topic));
            payload.extend(field(&will.payload));
        }
        for part in [&self.username, &self.password].into_iter().flatten() {
            payload.extend(field(part));
        }
        payload
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.bytes_with(self.flags(), &self.payload())
    }

    /// The packet with other flags and another payload than it should have.
    pub fn bytes_with(&self, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut body = field(&self.name);
        body.extend([self.version, flags]);
        body.extend(self.keep_alive.to_be_bytes());
        if self.version == 5 {
            body.extend(properties(&self.properties));
        }
        body.extend(payload);
        packet(CONNECT, &body)
    }
}

/// A PUBLISH to be built.
#[derive(Clone)]
pub struct Publish {
    pub topic: Vec<u8>,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub id: u16,
    pub retain: bool,
    pub dup: bool,
    pub properties: Vec<Vec<u8>>,
}

impl Publish {
    pub fn new(topic: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Publish {
        Publish {
            topic: topic.as_ref().to_vec(),
            payload: payload.as_ref().to_vec(),
            qos: 0,
            id: 1000,
            retain: false,
            dup: false,
            properties: Vec::new(),
        }
    }

    pub fn qos(mut self, qos: u8) -> Publish {
        self.qos = qos;
        self
    }

    pub fn id(mut self, id: u16) -> Publish {
        self.id = id;
        self
    }

    pub fn retain(mut self) -> Publish {
        self.retain = true;
        self
    }

    pub fn dup(mut self) -> Publish {
        self.dup = true;
        self
    }

    pub fn property(mut self, property: Vec<u8>) -> Publish {
        self.properties.push(property);
        self
    }

    pub fn alias(self, alias: u16) -> Publish {
        self.property(two(property::TOPIC_ALIAS, alias))
    }

    pub fn expiry(self, seconds: u32) -> Publish {
        self.property(four(property::MESSAGE_EXPIRY, seconds))
    }

    pub fn bytes(&self, version: u8) -> Vec<u8> {
        let mut body = field(&self.topic);
        if self.qos > 0 {
            body.extend(self.id.to_be_bytes());
        }
        if version == 5 {
            body.extend(properties(&self.properties));
        }
        body.extend(&self.payload);
        packet(PUBLISH | u8::from(self.dup) << 3 | self.qos << 1 | u8::from(self.retain), &body)
    }
}

/// The value of a property that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Number(u32),
    Bytes(Vec<u8>),
    Pair(String, String),
}

/// A packet that came. What its kind does not have is empty.
#[derive(Clone, Debug, Default)]
pub struct Packet {
    /// The kind, without flags.
    pub kind: u8,
    pub dup: bool,
    pub qos: u8,
    pub retain: bool,
    /// Of a CONNACK.
    pub session_present: bool,
    pub id: u16,
    /// Of a packet with one reason code; 0 if it was left out.
    pub code: u8,
    /// Of SUBACK and UNSUBACK.
    pub codes: Vec<u8>,
    pub properties: Vec<(u8, Value)>,
    pub topic: String,
    pub payload: Vec<u8>,
    /// The whole packet as it came.
    pub raw: Vec<u8>,
}

impl Packet {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).unwrap()
    }

    fn values(&self, id: u8) -> impl Iterator<Item = &Value> {
        self.properties.iter().filter(move |(other, _)| *other == id).map(|(_, value)| value)
    }

    pub fn has(&self, id: u8) -> bool {
        self.values(id).next().is_some()
    }

    pub fn numbers(&self, id: u8) -> Vec<u32> {
        let number = |value: &Value| match value {
            Value::Number(number) => *number,
            other => panic!("property {id} is {other:?}"),
        };
        self.values(id).map(number).collect()
    }

    pub fn number(&self, id: u8) -> Option<u32> {
        self.numbers(id).first().copied()
    }

    pub fn data(&self, id: u8) -> Option<&[u8]> {
        match self.values(id).next()? {
            Value::Bytes(bytes) => Some(bytes),
            other => panic!("property {id} is {other:?}"),
        }
    }

    pub fn user_properties(&self) -> Vec<(&str, &str)> {
        let pair = |value: &'_ Value| match value {
            Value::Pair(..) => (),
            other => panic!("a user property is {other:?}"),
        };
        self.values(property::USER_PROPERTY).for_each(pair);
        let pairs = self.values(property::USER_PROPERTY).filter_map(|value| match value {
            Value::Pair(name, value) => Some((name.as_str(), value.as_str())),
            _ => None,
        });
        pairs.collect()
    }

    /// Whether the packet explains itself, which a client may not want.
    pub fn has_problem_information(&self) -> bool {
        self.has(property::REASON_STRING) || self.has(property::USER_PROPERTY)
    }
}

/// Takes a packet apart, and fails at whatever a server must not send.
struct Parser<'a> {
    rest: &'a [u8],
}

impl Parser<'_> {
    fn take(&mut self, count: usize) -> Vec<u8> {
        assert!(count <= self.rest.len(), "the packet ends too early");
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        taken.to_vec()
    }

    fn byte(&mut self) -> u8 {
        self.take(1)[0]
    }

    fn two(&mut self) -> u16 {
        u16::from_be_bytes(self.take(2).try_into().unwrap())
    }

    fn four(&mut self) -> u32 {
        u32::from_be_bytes(self.take(4).try_into().unwrap())
    }

    fn varint(&mut self) -> usize {
        let (mut value, mut taken) = (0, 0);
        loop {
            let byte = self.byte();
            value |= usize::from(byte & 0x7f) << (7 * taken);
            taken += 1;
            if byte & 0x80 == 0 {
                assert_eq!(taken, varint(value).len(), "{value} is encoded in more bytes than needed");
                return value;
            }
        }
    }

    fn data(&mut self) -> Vec<u8> {
        let length = self.two();
        self.take(length.into())
    }

    fn string(&mut self) -> String {
        let text = String::from_utf8(self.data()).expect("a string is UTF-8");
        assert!(!text.contains('\0'), "a string has no U+0000");
        text
    }

    fn properties(&mut self) -> Vec<(u8, Value)> {
        let length = self.varint();
        let list = self.take(length);
        let mut parser = Parser { rest: &list };
        let mut properties = Vec::new();
        while !parser.rest.is_empty() {
            let id = parser.byte();
            let value = match id {
                1 | 23 | 25 | 36 | 37 | 40 | 41 | 42 => Value::Number(parser.byte().into()),
                19 | 33 | 34 | 35 => Value::Number(parser.two().into()),
                2 | 17 | 24 | 39 => Value::Number(parser.four()),
                11 => Value::Number(parser.varint() as u32),
                3 | 8 | 18 | 21 | 26 | 28 | 31 => Value::Bytes(parser.string().into_bytes()),
                9 | 22 => Value::Bytes(parser.data()),
                38 => Value::Pair(parser.string(), parser.string()),
                _ => panic!("there is no property {id}"),
            };
            let repeatable = [property::USER_PROPERTY, property::SUBSCRIPTION_ID].contains(&id);
            assert!(repeatable || properties.iter().all(|(other, _)| *other != id), "property {id} comes twice");
            properties.push((id, value));
        }
        properties
    }
}

fn parse(version: u8, raw: Vec<u8>) -> Packet {
    let v5 = version == 5;
    let mut parser = Parser { rest: &raw };
    let first = parser.byte();
    let length = parser.varint();
    assert_eq!(length, parser.rest.len());
    let (kind, flags) = (first & 0xF0, first & 0x0F);
    let mut packet = Packet { kind, ..Packet::default() };
    if kind != PUBLISH {
        assert_eq!(flags, if kind == PUBREL { 2 } else { 0 }, "reserved flags of {first:#04x}");
    }
    match kind {
        CONNACK => {
            let flags = parser.byte();
            assert!(flags < 2, "reserved flags of CONNACK: {flags:#04x}");
            packet.session_present = flags == 1;
            packet.code = parser.byte();
            if v5 {
                packet.properties = parser.properties();
            }
        }
        PUBLISH => {
            (packet.dup, packet.qos, packet.retain) = (flags & 8 != 0, flags >> 1 & 3, flags & 1 != 0);
            assert!(packet.qos < 3, "QoS 3");
            packet.topic = parser.string();
            if packet.qos > 0 {
                packet.id = parser.two();
                assert_ne!(packet.id, 0, "the packet identifier of a PUBLISH");
            } else {
                assert!(!packet.dup, "DUP with QoS 0");
            }
            if v5 {
                packet.properties = parser.properties();
            }
            packet.payload = parser.take(parser.rest.len());
        }
        PUBACK | PUBREC | PUBREL | PUBCOMP => {
            packet.id = parser.two();
            if v5 && !parser.rest.is_empty() {
                packet.code = parser.byte();
                if !parser.rest.is_empty() {
                    packet.properties = parser.properties();
                }
            }
        }
        SUBACK | UNSUBACK => {
            packet.id = parser.two();
            if v5 {
                packet.properties = parser.properties();
            }
            packet.codes = parser.take(parser.rest.len());
        }
        PINGRESP => {}
        DISCONNECT | AUTH if v5 => {
            if !parser.rest.is_empty() {
                packet.code = parser.byte();
                if !parser.rest.is_empty() {
                    packet.properties = parser.properties();
                }
            }
        }
        _ => panic!("a server does not send {first:#04x} to a client of version {version}"),
    }
    assert!(parser.rest.is_empty(), "{} bytes too many in {packet:?}", parser.rest.len());
    packet.raw = raw;
    packet
}

/// A connection.
pub struct Client {
    stream: TcpStream,
    pub version: u8,
    /// What CONNACK said.
    pub connack: Packet,
    /// What came while something else was waited for.
    pending: VecDeque<Packet>,
    maximum_packet_size: usize,
    markers: u32,
}

impl Client {
    pub fn send(&mut self, first: u8, body: &[u8]) {
        self.send_raw(&packet(first, body));
    }

    pub fn send_raw(&mut self, bytes: &[u8]) {
        // A broker that has closed the connection meanwhile shows at the next read.
        let _ = self.stream.write_all(bytes);
    }

    /// The next packet; `None` when the broker has closed the connection.
    pub fn next(&mut self) -> Option<Packet> {
        self.pending.pop_front().or_else(|| self.read())
    }

    fn read(&mut self) -> Option<Packet> {
        let mut raw = vec![0];
        if !self.fill(&mut raw) {
            return None;
        }
        let (mut length, mut shift) = (0, 0);
        loop {
            let mut byte = [0];
            assert!(self.fill(&mut byte), "the connection ends within a packet");
            raw.push(byte[0]);
            length |= usize::from(byte[0] & 0x7f) << shift;
            shift += 7;
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        assert!(self.fill(&mut body), "the connection ends within a packet");
        raw.extend(body);
        assert!(raw.len() <= self.maximum_packet_size, "{} bytes are more than this client takes", raw.len());
        Some(parse(self.version, raw))
    }

    /// Whether the bytes came, rather than the end of the connection.
    fn fill(&mut self, buffer: &mut [u8]) -> bool {
        match self.stream.read_exact(buffer) {
            Ok(()) => true,
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
                panic!("nothing came for {LONG:?}")
            }
            Err(_) => false,
        }
    }

    pub fn receive(&mut self) -> Packet {
        self.next().expect("the connection is open")
    }

    /// The next packet, which is of this kind.
    #[track_caller]
    pub fn expect(&mut self, kind: u8) -> Packet {
        let packet = self.receive();
        assert_eq!(packet.kind, kind, "{packet:?}");
        packet
    }

    /// The next packet of this kind; what comes before is kept for later.
    fn wait_for(&mut self, kind: u8) -> Packet {
        loop {
            let packet =
                self.read().unwrap_or_else(|| panic!("closed before {kind:#04x}; there was {:?}", self.pending));
            if packet.kind == kind {
                return packet;
            }
            self.pending.push_back(packet);
        }
    }

    /// The end of the connection, with nothing before it.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        if let Some(packet) = self.next() {
            panic!("not the end but {packet:?}");
        }
    }

    /// DISCONNECT with this code, then the end of the connection.
    #[track_caller]
    pub fn expect_disconnect(&mut self, code: u8) -> Packet {
        let Some(packet) = self.next() else { panic!("closed without DISCONNECT {code:#04x}") };
        assert_eq!(packet.kind, DISCONNECT, "{packet:?}");
        assert_eq!(packet.code, code, "the code is {:#04x}, not {code:#04x}", packet.code);
        self.expect_closed();
        packet
    }

    /// PUBLISH with this payload; not acknowledged.
    #[track_caller]
    pub fn expect_message(&mut self, payload: &str) -> Packet {
        let packet = self.expect(PUBLISH);
        assert_eq!(packet.text(), payload);
        packet
    }

    /// PUBLISH with this payload, acknowledged to the end.
    #[track_caller]
    pub fn take(&mut self, payload: &str) -> Packet {
        let packet = self.expect_message(payload);
        match packet.qos {
            0 => {}
            1 => self.ack(PUBACK, packet.id),
            _ => {
                self.ack(PUBREC, packet.id);
                assert_eq!(self.wait_for(PUBREL).id, packet.id);
                self.ack(PUBCOMP, packet.id);
            }
        }
        packet
    }

    /// An acknowledgement in its shortest form.
    pub fn ack(&mut self, kind: u8, id: u16) {
        self.send(if kind == PUBREL { kind | 2 } else { kind }, &id.to_be_bytes());
    }

    pub fn ack_with(&mut self, kind: u8, id: u16, code: u8) {
        let id = id.to_be_bytes();
        self.send(if kind == PUBREL { kind | 2 } else { kind }, &[id[0], id[1], code, 0]);
    }

    pub fn send_publish(&mut self, publish: &Publish) {
        let bytes = publish.bytes(self.version);
        self.send_raw(&bytes);
    }

    /// Publishes to the end of the acknowledgements, which report success.
    #[track_caller]
    pub fn publish(&mut self, publish: Publish) {
        self.send_publish(&publish);
        let mut acknowledged = |kind| {
            let packet = self.wait_for(kind);
            assert_eq!(packet.id, publish.id);
            assert!(packet.code < 0x80, "refused with {:#04x}", packet.code);
        };
        match publish.qos {
            0 => {}
            1 => acknowledged(PUBACK),
            _ => {
                acknowledged(PUBREC);
                self.ack(PUBREL, publish.id);
                assert_eq!(self.wait_for(PUBCOMP).id, publish.id);
            }
        }
    }

    /// Subscribes; the packet of the answer.
    pub fn subscribe_all(&mut self, id: u16, list: &[Vec<u8>], filters: &[(&str, u8)]) -> Packet {
        let bytes = self.subscribe_bytes(id, list, filters);
        self.send_raw(&bytes);
        let suback = self.wait_for(SUBACK);
        assert_eq!(suback.id, id);
        assert_eq!(suback.codes.len(), filters.len());
        suback
    }

    pub fn subscribe_bytes(&self, id: u16, list: &[Vec<u8>], filters: &[(&str, u8)]) -> Vec<u8> {
        let mut body = id.to_be_bytes().to_vec();
        if self.version == 5 {
            body.extend(properties(list));
        }
        for (filter, options) in filters {
            body.extend(field(filter));
            body.push(*options);
        }
        packet(SUBSCRIBE | 2, &body)
    }

    /// Subscribes with these options, and is granted their QoS.
    #[track_caller]
    pub fn subscribe(&mut self, filter: &str, options: u8) {
        assert_eq!(self.subscribe_code(filter, options), options & 3);
    }

    /// Subscribes; the reason code.
    pub fn subscribe_code(&mut self, filter: &str, options: u8) -> u8 {
        self.subscribe_all(2, &[], &[(filter, options)]).codes[0]
    }

    pub fn unsubscribe(&mut self, id: u16, filters: &[&str]) -> Packet {
        let mut body = id.to_be_bytes().to_vec();
        if self.version == 5 {
            body.push(0);
        }
        filters.iter().for_each(|filter| body.extend(field(filter)));
        self.send(UNSUBSCRIBE | 2, &body);
        let unsuback = self.wait_for(UNSUBACK);
        assert_eq!(unsuback.id, id);
        unsuback
    }

    /// Nothing has come and the connection is open: the next packet answers a PINGREQ.
    #[track_caller]
    pub fn expect_quiet(&mut self) {
        self.send(PINGREQ, &[]);
        self.expect(PINGRESP);
    }

    /// Nothing is on its way from this publisher: the next that comes is what the publisher sends only now.
    #[track_caller]
    pub fn expect_nothing_from(&mut self, publisher: &mut Client) {
        self.markers += 1;
        let topic = format!("marker/{}/{}", self.stream.local_addr().unwrap().port(), self.markers);
        self.subscribe(&topic, 0);
        publisher.publish(Publish::new(&topic, "marker"));
        let packet = self.receive();
        assert!(packet.kind == PUBLISH && packet.topic == topic, "{packet:?}");
    }

    /// Ends the connection as a client does that has nothing more to say.
    pub fn disconnect(mut self) {
        self.send(DISCONNECT, &[]);
        self.expect_closed();
    }

    pub fn disconnect_with(mut self, code: u8, list: &[Vec<u8>]) {
        self.send(DISCONNECT, &[vec![code], properties(list)].concat());
        self.expect_closed();
    }

    /// Ends the connection without a word, and returns when the broker has seen it.
    pub fn drop_connection(mut self) {
        self.stream.shutdown(std::net::Shutdown::Write).unwrap();
        while self.next().is_some() {}
    }
}

/// A broker of its own for each test.
pub struct Server {
    pub broker: Broker,
    address: String,
}

impl Server {
    pub fn new() -> Server {
        Server::with("")
    }

    /// A broker with more configuration, such as `"limits":{"max_qos":1}`.
    pub fn with(more: &str) -> Server {
        Server::anonymous(true, more)
    }

    pub fn anonymous(allowed: bool, more: &str) -> Server {
        let comma = if more.is_empty() { "" } else { "," };
        let config = format!(
            r#"{{"listeners":[{{"address":"127.0.0.1:0"}}],"auth":{{"allow_anonymous":{allowed}}},
                "runtime":{{"worker_threads":1}}{comma}{more}}}"#
        );
        Server::of(Broker::new(&config).unwrap())
    }

    pub fn of(broker: Broker) -> Server {
        broker.start().unwrap();
        let address = broker.listener(0).unwrap().address.to_string();
        Server { broker, address }
    }

    /// Clients come through this listener from now on.
    #[allow(dead_code, reason = "most brokers have one listener")]
    pub fn use_listener(&mut self, index: usize) {
        self.address = self.broker.listener(index).unwrap().address.to_string();
    }

    /// A connection on which nothing has been sent.
    pub fn open(&self, version: u8) -> Client {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.set_write_timeout(Some(LONG)).unwrap();
        stream.set_nodelay(true).unwrap();
        let connack = Packet::default();
        Client { stream, version, connack, pending: VecDeque::new(), maximum_packet_size: usize::MAX, markers: 0 }
    }

    /// A client of MQTT 5 with a clean start.
    #[track_caller]
    pub fn client(&self, id: &str) -> Client {
        self.connect(&Connect::new(id))
    }

    #[track_caller]
    pub fn connect(&self, connect: &Connect) -> Client {
        let mut client = self.send_connect(connect);
        client.connack = client.expect(CONNACK);
        assert_eq!(client.connack.code, 0, "{:?}", client.connack);
        client
    }

    /// The code of the CONNACK that refuses the client, after which the connection is closed.
    #[track_caller]
    pub fn refusal(&self, connect: &Connect) -> u8 {
        self.refusal_of(connect.version, &connect.bytes())
    }

    #[track_caller]
    pub fn refusal_of(&self, version: u8, bytes: &[u8]) -> u8 {
        let mut client = self.open(version);
        client.send_raw(bytes);
        let connack = client.expect(CONNACK);
        assert_ne!(connack.code, 0);
        assert!(!connack.session_present);
        client.expect_closed();
        connack.code
    }

    /// A connection on which CONNECT has been sent; what comes back is the test's to read.
    pub fn send_connect(&self, connect: &Connect) -> Client {
        let mut client = self.open(connect.version);
        let size = connect.properties.iter().find(|property| property[0] == property::MAXIMUM_PACKET_SIZE);
        if let Some(size) = size {
            client.maximum_packet_size = u32::from_be_bytes(size[1..].try_into().unwrap()) as usize;
        }
        client.send_raw(&connect.bytes());
        client
    }
}
