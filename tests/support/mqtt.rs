//! A client of a few lines: enough of MQTT 3.1.1 and 5.0 to see what the broker does, without hiding any byte.

use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longer than anything takes, shorter than a person waits.
pub const LONG: Duration = Duration::from_secs(20);

/// A CONNECT to be sent: a clean start and no keep alive unless told otherwise.
#[derive(Clone)]
pub struct Connect<'a> {
    pub id: &'a str,
    /// 4 for MQTT 3.1.1, 5 for 5.0.
    pub version: u8,
    pub clean: bool,
    pub keep_alive_s: u16,
    /// Of MQTT 5, encoded, without their length.
    pub properties: Vec<u8>,
    pub will: Option<(&'a str, &'a [u8])>,
    pub username: Option<&'a str>,
}

impl<'a> Connect<'a> {
    pub fn v3(id: &'a str) -> Self {
        Connect { id, version: 4, clean: true, keep_alive_s: 0, properties: Vec::new(), will: None, username: None }
    }

    pub fn v5(id: &'a str) -> Self {
        Connect { version: 5, ..Self::v3(id) }
    }

    /// A session that is there already is taken up again, and outlives the connection.
    pub fn persistent(mut self) -> Self {
        self.clean = false;
        if self.version == 5 {
            self.properties.extend([17, 0, 0, 1, 0]);
        }
        self
    }

    pub fn receive_maximum(mut self, maximum: u16) -> Self {
        self.properties.push(33);
        self.properties.extend(maximum.to_be_bytes());
        self
    }

    pub fn username(mut self, name: &'a str) -> Self {
        self.username = Some(name);
        self
    }

    pub fn packet(&self) -> Vec<u8> {
        let username = u8::from(self.username.is_some()) << 7;
        let flags = username | u8::from(self.clean) << 1 | u8::from(self.will.is_some()) << 2;
        let name = if self.version == 3 { "MQIsdp" } else { "MQTT" };
        let mut body = [&text(name)[..], &[self.version, flags], &self.keep_alive_s.to_be_bytes()].concat();
        if self.version == 5 {
            body.extend(varint(self.properties.len()));
            body.extend(&self.properties);
        }
        body.extend(text(self.id));
        if let Some((topic, payload)) = self.will {
            if self.version == 5 {
                body.push(0);
            }
            body.extend(text(topic));
            body.extend((payload.len() as u16).to_be_bytes());
            body.extend(payload);
        }
        if let Some(name) = self.username {
            body.extend(text(name));
        }
        packet(0x10, &body)
    }

    /// Connects; the code of CONNACK is the error.
    pub fn open(&self, address: &str) -> Result<Client, u8> {
        self.over(Client::open(address))
    }

    /// The same, over a connection that is there already.
    pub fn over(&self, mut client: Client) -> Result<Client, u8> {
        client.version = self.version;
        client.send_bytes(&self.packet());
        match client.receive() {
            Some((0x20, body)) if body[1] == 0 => {
                client.session_present = body[0] == 1;
                Ok(client)
            }
            Some((0x20, body)) => Err(body[1]),
            other => panic!("no CONNACK but {other:?}"),
        }
    }
}

/// A PUBLISH that has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
    pub qos: u8,
    pub retain: bool,
    pub dup: bool,
    /// 0 with QoS 0.
    pub id: u16,
}

/// What carries the bytes of a client.
pub trait Wire: Read + Write + Send {}

impl<S: Read + Write + Send> Wire for S {}

enum Stream {
    Socket(TcpStream),
    Other(Box<dyn Wire>),
}

impl Stream {
    fn wire(&mut self) -> &mut dyn Wire {
        match self {
            Stream::Socket(socket) => socket,
            Stream::Other(wire) => wire,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.wire().read(room)
    }
}

pub struct Client {
    stream: BufReader<Stream>,
    version: u8,
    pub session_present: bool,
}

impl Client {
    /// Opens a connection and sends nothing.
    pub fn open(address: &str) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.set_write_timeout(Some(LONG)).unwrap();
        Client::of(Stream::Socket(stream))
    }

    /// One whose bytes are carried by something else than a socket. It has to give up waiting after a while.
    pub fn over(stream: impl Wire + 'static) -> Client {
        Client::of(Stream::Other(Box::new(stream)))
    }

    fn of(stream: Stream) -> Client {
        Client { stream: BufReader::new(stream), version: 4, session_present: false }
    }

    /// Connects with MQTT 3.1.1; the return code of CONNACK is the error.
    pub fn connect(address: &str, id: &str) -> Result<Client, u8> {
        Connect::v3(id).open(address)
    }

    pub fn socket(&self) -> &TcpStream {
        match self.stream.get_ref() {
            Stream::Socket(socket) => socket,
            Stream::Other(_) => panic!("it has no socket of its own"),
        }
    }

    pub fn send(&mut self, first: u8, body: &[u8]) {
        self.send_bytes(&packet(first, body));
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        // A broker that has closed the connection meanwhile shows at the next read.
        let stream = self.stream.get_mut().wire();
        let _ = stream.write_all(bytes).and_then(|()| stream.flush());
    }

    /// The next packet; `None` when the broker has closed the connection.
    pub fn receive(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.byte()?;
        let (mut length, mut shift) = (0usize, 0);
        loop {
            let byte = self.byte()?;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.read(&mut body)?;
        Some((first, body))
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        self.read(&mut byte)?;
        Some(byte[0])
    }

    fn read(&mut self, room: &mut [u8]) -> Option<()> {
        match self.stream.read_exact(room) {
            Ok(()) => Some(()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("nothing came within {LONG:?}")
            }
            Err(_) => None,
        }
    }

    /// The next packet, which must be of this type.
    pub fn expect(&mut self, first: u8) -> Vec<u8> {
        match self.receive() {
            Some((got, body)) if got & 0xF0 == first => body,
            other => panic!("no packet {first:#x} but {other:?}"),
        }
    }

    /// Reads until the broker closes the connection: the reason code of its DISCONNECT, if there was one.
    pub fn end(&mut self) -> Option<u8> {
        let mut reason = None;
        while let Some((first, body)) = self.receive() {
            assert_eq!(reason, None, "a packet behind DISCONNECT");
            if first == 0xE0 {
                reason = Some(body.first().copied().unwrap_or(0));
            }
        }
        reason
    }

    /// Subscribes with QoS 0; the code of SUBACK, or `None` if the broker closed the connection.
    pub fn subscribe(&mut self, filter: &str) -> Option<u8> {
        self.subscribe_with(filter, 0)
    }

    /// Whatever comes before SUBACK is lost.
    pub fn subscribe_with(&mut self, filter: &str, qos: u8) -> Option<u8> {
        let properties: &[u8] = if self.version == 5 { &[0] } else { &[] };
        self.send(0x82, &[&[0, 1], properties, &text(filter), &[qos]].concat());
        loop {
            match self.receive()? {
                (0x90, body) => return body.last().copied(),
                _ => continue,
            }
        }
    }

    pub fn unsubscribe(&mut self, filter: &str) {
        let properties: &[u8] = if self.version == 5 { &[0] } else { &[] };
        self.send(0xA2, &[&[0, 2], properties, &text(filter)].concat());
        while self.receive().expect("no UNSUBACK").0 != 0xB0 {}
    }

    /// Sends a PUBLISH; `first` is its first byte.
    pub fn send_publish(&mut self, first: u8, topic: &str, id: u16, payload: &[u8]) {
        let packet = self.publish_packet(first, topic, id, payload);
        self.send_bytes(&packet);
    }

    pub fn publish_packet(&self, first: u8, topic: &str, id: u16, payload: &[u8]) -> Vec<u8> {
        let id = id.to_be_bytes();
        let id = if first & 6 == 0 { &[] } else { &id[..] };
        let properties: &[u8] = if self.version == 5 { &[0] } else { &[] };
        packet(first, &[&text(topic)[..], id, properties, payload].concat())
    }

    /// Publishes with QoS 1; whether PUBACK came.
    pub fn publish(&mut self, topic: &str, payload: &[u8], retain: bool) -> bool {
        self.publish_code(topic, payload, retain).is_some()
    }

    /// Publishes with QoS 1; the code of PUBACK, 0 before MQTT 5. `None` if the broker closed the connection.
    pub fn publish_code(&mut self, topic: &str, payload: &[u8], retain: bool) -> Option<u8> {
        self.send_publish(0x32 | u8::from(retain), topic, 7, payload);
        loop {
            match self.receive()? {
                (0x40, body) => return Some(body.get(2).copied().unwrap_or(0)),
                _ => continue,
            }
        }
    }

    pub fn ping(&mut self) -> bool {
        self.send(0xC0, &[]);
        loop {
            match self.receive() {
                Some((0xD0, _)) => return true,
                Some(_) => continue,
                None => return false,
            }
        }
    }

    /// The next packet, which must be a PUBLISH. It is not acknowledged.
    pub fn message(&mut self) -> Message {
        let packet = self.receive();
        self.as_message(&packet).unwrap_or_else(|| panic!("no PUBLISH but {packet:?}"))
    }

    /// The messages that have been routed to this client so far, as many as it may get.
    pub fn messages(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        // The answer to a PINGREQ may overtake what is sent because of the packets before it. It does not overtake what
        // has been sent before an earlier one was answered.
        for _ in 0..2 {
            self.send(0xC0, &[]);
            loop {
                let packet = self.receive();
                match self.as_message(&packet) {
                    Some(message) => messages.push(message),
                    None => {
                        assert_eq!(packet, Some((0xD0, Vec::new())));
                        break;
                    }
                }
            }
        }
        messages
    }

    fn as_message(&self, packet: &Option<(u8, Vec<u8>)>) -> Option<Message> {
        let (first, body) = packet.as_ref()?;
        if first & 0xF0 != 0x30 {
            return None;
        }
        let qos = first >> 1 & 3;
        let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
        let (topic, mut rest) = body[2..].split_at(length);
        let mut id = 0;
        if qos > 0 {
            id = u16::from_be_bytes([rest[0], rest[1]]);
            rest = &rest[2..];
        }
        if self.version == 5 {
            // No test has properties of 128 bytes and more delivered.
            rest = &rest[1 + usize::from(rest[0])..];
        }
        Some(Message {
            topic: String::from_utf8(topic.to_vec()).unwrap(),
            payload: rest.to_vec(),
            qos,
            retain: first & 1 != 0,
            dup: first & 8 != 0,
            id,
        })
    }

    /// PUBACK.
    pub fn acknowledge(&mut self, id: u16) {
        self.send(0x40, &id.to_be_bytes());
    }
}

pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    [&[first][..], &varint(body.len()), body].concat()
}

fn varint(mut value: usize) -> Vec<u8> {
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

pub fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}
