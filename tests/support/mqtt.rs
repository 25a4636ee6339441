//! A client of a few lines: enough of MQTT 3.1.1 to see what the broker does, without hiding any byte.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Longer than anything takes, shorter than a person waits.
pub const LONG: Duration = Duration::from_secs(20);

pub struct Client {
    stream: TcpStream,
}

impl Client {
    /// Opens a connection and sends nothing.
    pub fn open(address: &str) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.set_write_timeout(Some(LONG)).unwrap();
        Client { stream }
    }

    /// Connects; the CONNACK return code is the error.
    pub fn connect(address: &str, id: &str) -> Result<Client, u8> {
        Self::connect_with_will(address, id, None)
    }

    pub fn connect_with_will(address: &str, id: &str, will: Option<(&str, &[u8])>) -> Result<Client, u8> {
        let mut client = Self::open(address);
        let flags = if will.is_some() { 0b0000_0110 } else { 0b0000_0010 };
        let mut body = [&text("MQTT")[..], &[4, flags, 0, 60], &text(id)].concat();
        if let Some((topic, payload)) = will {
            body.extend(text(topic));
            body.extend((payload.len() as u16).to_be_bytes());
            body.extend(payload);
        }
        client.send(0x10, &body);
        match client.receive() {
            Some((0x20, body)) if body[1] == 0 => Ok(client),
            Some((0x20, body)) => Err(body[1]),
            other => panic!("no CONNACK but {other:?}"),
        }
    }

    pub fn send(&mut self, first: u8, body: &[u8]) {
        let mut packet = vec![first];
        let mut length = body.len();
        loop {
            let byte = (length % 128) as u8;
            length /= 128;
            packet.push(if length > 0 { byte | 0x80 } else { byte });
            if length == 0 {
                break;
            }
        }
        packet.extend(body);
        // A broker that has closed the connection meanwhile shows at the next read.
        let _ = self.stream.write_all(&packet);
    }

    /// The next packet; `None` when the broker has closed the connection.
    pub fn receive(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut byte = [0];
        self.stream.read_exact(&mut byte).ok()?;
        let first = byte[0];
        let (mut length, mut shift) = (0usize, 0);
        loop {
            self.stream.read_exact(&mut byte).ok()?;
            length |= usize::from(byte[0] & 0x7f) << shift;
            shift += 7;
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).ok()?;
        Some((first, body))
    }

    /// Subscribes with QoS 0; the return code of SUBACK, or `None` if the broker closed the connection.
    pub fn subscribe(&mut self, filter: &str) -> Option<u8> {
        self.send(0x82, &[&[0, 1], &text(filter)[..], &[0]].concat());
        loop {
            match self.receive()? {
                (0x90, body) => return Some(body[2]),
                _ => continue,
            }
        }
    }

    /// Publishes with QoS 1; whether PUBACK came.
    pub fn publish(&mut self, topic: &str, payload: &[u8], retain: bool) -> bool {
        self.send(0x32 | u8::from(retain), &[&text(topic)[..], &[0, 7], payload].concat());
        loop {
            match self.receive() {
                Some((0x40, _)) => return true,
                Some(_) => continue,
                None => return false,
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
}

pub fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}
