//! Clients over WebSocket, down to the frame.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use crate::mqtt::{Client, LONG};

pub const TEXT: u8 = 0x81;
pub const BINARY: u8 = 0x82;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8A;

/// The line of a client that speaks MQTT.
pub const MQTT: &str = "Sec-WebSocket-Protocol: mqtt";

/// The key of RFC 6455, section 1.3, and what the server makes of it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A request for WebSocket, with more lines in its head.
pub fn request(target: &str, lines: &[&str]) -> String {
    let mut head = format!(
        "GET {target} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
    );
    lines.iter().for_each(|line| head += &format!("{line}\r\n"));
    head + "\r\n"
}

/// An answer to a request.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| &**value)
    }
}

pub fn socket(address: &str) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    socket.set_write_timeout(Some(LONG)).unwrap();
    socket
}

/// The client's side of a connection. To be read and written, it is the bytes of MQTT: each write is a message.
pub struct WebSocket<S> {
    stream: BufReader<S>,
    /// What has not been read yet of a message.
    payload: Vec<u8>,
}

impl WebSocket<TcpStream> {
    /// One that speaks MQTT.
    pub fn open(address: &str) -> Self {
        Self::upgrade(socket(address), &request("/mqtt", &[MQTT])).unwrap().0
    }
}

/// A client of MQTT that has sent nothing yet.
pub fn open(address: &str) -> Client {
    Client::over(WebSocket::open(address))
}

impl<S: Read + Write> WebSocket<S> {
    /// Sends a request; the answer is an error unless it is as RFC 6455 wants it.
    pub fn upgrade(mut stream: S, request: &str) -> Result<(Self, Response), Response> {
        // A broker that has read enough of it may have closed.
        let _ = stream.write_all(request.as_bytes());
        let mut stream = BufReader::new(stream);
        let response = receive_response(&mut stream).unwrap();
        let accept = [("upgrade", "websocket"), ("connection", "Upgrade"), ("sec-websocket-accept", ACCEPT)];
        if response.status != 101 || accept.iter().any(|(name, value)| response.header(name) != Some(value)) {
            return Err(response);
        }
        Ok((WebSocket { stream, payload: Vec::new() }, response))
    }

    /// The connection, of which nothing more is read here.
    pub fn into_inner(self) -> S {
        self.stream.into_inner()
    }

    pub fn send_raw(&mut self, bytes: &[u8]) {
        // A broker that has closed the connection meanwhile shows at the next read.
        let _ = self.stream.get_mut().write_all(bytes);
    }

    pub fn send_frame(&mut self, first: u8, payload: &[u8]) {
        self.send_raw(&frame(first, payload));
    }

    /// The next frame; `None` when the broker has closed the connection.
    pub fn receive_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.fill(&mut head)?;
        assert_eq!(head[1] & 0x80, 0, "a server does not mask");
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.fill(&mut length)?;
                usize::from(u16::from_be_bytes(length))
            }
            127 => panic!("a message of more than 65 535 bytes"),
            length => usize::from(length),
        };
        let mut payload = vec![0; length];
        self.fill(&mut payload)?;
        Some((head[0], payload))
    }

    fn fill(&mut self, room: &mut [u8]) -> Option<()> {
        match self.stream.read_exact(room) {
            Ok(()) => Some(()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                panic!("nothing came within {LONG:?}")
            }
            Err(_) => None,
        }
    }

    #[track_caller]
    pub fn expect_frame(&mut self, first: u8, payload: &[u8]) {
        let received = self.receive_frame();
        assert_eq!(received.as_ref().map(|(first, payload)| (*first, &**payload)), Some((first, payload)));
    }

    /// Close with this code and the end of the connection, with nothing before them.
    #[track_caller]
    pub fn expect_close(&mut self, code: u16) {
        self.expect_frame(CLOSE, &code.to_be_bytes());
        assert_eq!(self.receive_frame(), None);
    }
}

impl<S: Read + Write> Read for WebSocket<S> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        while self.payload.is_empty() {
            match self.receive_frame() {
                Some((BINARY, payload)) => self.payload = payload,
                Some((CLOSE, _)) | None => return Ok(0),
                Some(other) => panic!("{other:?}"),
            }
        }
        let taken = room.len().min(self.payload.len());
        room[..taken].copy_from_slice(&self.payload[..taken]);
        self.payload.drain(..taken);
        Ok(taken)
    }
}

impl<S: Read + Write> Write for WebSocket<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.get_mut().write_all(&frame(BINARY, bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.get_mut().flush()
    }
}

/// A frame as clients send them.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xFA, 0x21, 0x3D];
    let mut bytes = head(first, payload.len() as u64);
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The beginning of a frame, up to the mask, that claims to have so many bytes.
pub fn head(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(0x80 | length as u8),
        126..=0xFFFF => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes
}

/// `None` if the connection has been closed without an answer.
pub fn receive_response(stream: &mut impl BufRead) -> Option<Response> {
    let mut line = || {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|length| *length > 0)?;
        Some(line.trim_end().to_owned())
    };
    let status = line()?.split(' ').nth(1)?.parse().ok()?;
    let mut headers = Vec::new();
    while let Some((name, value)) = line()?.split_once(": ") {
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let mut response = Response { status, headers, body: String::new() };
    if let Some(length) = response.header("content-length") {
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).unwrap();
        response.body = String::from_utf8(body).unwrap();
        assert_eq!(stream.read(&mut [0]).unwrap(), 0, "the connection is closed behind the answer");
    }
    Some(response)
}
