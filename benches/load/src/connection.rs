//! One client of the broker: a socket, what was received of a packet that is not whole yet, what waits to be sent.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::packet::{self, Packet, Version};
use crate::scenario::Target;
use crate::stream::Stream;
use crate::sys::{Epoll, Event};
use crate::transport::Transport;
use crate::websocket::{self, Unframer};
use crate::Result;

/// How long the broker may take to answer while a client is set up.
const ANSWER: Duration = Duration::from_secs(5);

/// Where a read goes. All connections share one, so that it stays in the cache of the processor.
pub struct Scratch(Vec<u8>);

impl Scratch {
    pub fn new() -> Self {
        Self(vec![0; 256 * 1024])
    }
}

pub struct Connection {
    stream: Stream,
    version: Version,
    /// With WebSocket.
    unframer: Option<Unframer>,
    partial: Vec<u8>,
    output: Output,
    flushed: usize,
    /// The socket took no more; the next event says when it does again.
    full: bool,
}

/// What waits to be sent.
#[derive(Default)]
pub struct Output {
    bytes: Vec<u8>,
    framed: bool,
}

impl Output {
    /// Appends a packet, in a frame if the transport has them.
    #[inline]
    pub fn push(&mut self, packet: &[u8]) {
        match self.framed {
            false => self.bytes.extend_from_slice(packet),
            true => websocket::frame(packet, &mut self.bytes),
        }
    }

    /// Appends bytes that are as the transport wants them.
    pub fn push_ready(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}

impl Connection {
    /// Connects, and waits until the broker has accepted the client.
    pub fn open(target: &Target, transport: Transport, version: Version, client_id: &str) -> Result<Self> {
        Self::establish(target, transport, version, &packet::connect(version, client_id))
    }

    /// The same, with MQTT 3.1.1 over TCP, for a session that outlives the connection.
    pub fn open_to_stay(target: &Target, client_id: &str) -> Result<Self> {
        Self::establish(target, Transport::Tcp, Version::V3, &packet::connect_to_stay(client_id))
    }

    fn establish(target: &Target, transport: Transport, version: Version, connect: &[u8]) -> Result<Self> {
        let socket = TcpStream::connect_timeout(&target.address(transport, version)?.into(), ANSWER).map_err(failed)?;
        socket.set_nodelay(true).map_err(failed)?;
        socket.set_read_timeout(Some(ANSWER)).map_err(failed)?;
        socket.set_write_timeout(Some(ANSWER)).map_err(failed)?;
        let mut stream = Stream::new(socket, transport.is_secure()).map_err(failed)?;
        let framed = transport == Transport::WebSocket;
        if framed {
            websocket::upgrade(&mut stream)?;
        }
        let mut new = Self {
            stream,
            version,
            unframer: framed.then(Unframer::default),
            partial: Vec::new(),
            output: Output { framed, ..Output::default() },
            flushed: 0,
            full: false,
        };
        let answer = new.ask(connect, packet::CONNACK)?;
        match answer.get(1) {
            Some(0) => Ok(new),
            other => Err(format!("the broker refused a client, CONNACK {other:?}")),
        }
    }

    /// Subscribes, and waits until the broker has granted what was asked for.
    pub fn subscribe(&mut self, filter: &str, qos: u8) -> Result<()> {
        self.subscribe_all(&[filter.to_owned()], qos)
    }

    /// Subscribes to all of them at once.
    pub fn subscribe_all(&mut self, filters: &[String], qos: u8) -> Result<()> {
        let answer = self.ask(&packet::subscribe(self.version, filters, qos), packet::SUBACK)?;
        let granted = answer.len().checked_sub(filters.len()).map(|start| &answer[start..]);
        match granted {
            Some(granted) if granted.iter().all(|granted| *granted == qos) => Ok(()),
            other => Err(format!("the broker did not grant QoS {qos} for {:?}, SUBACK {other:?}", filters.first())),
        }
    }

    /// Sends packets, and waits until the broker has looked at them all.
    pub fn deliver(&mut self, packets: &[u8]) -> Result<()> {
        let mut bytes = packets.to_vec();
        bytes.extend_from_slice(&packet::ping());
        self.ask(&bytes, packet::PINGRESP).map(|_| ())
    }

    /// Ends the connection in order.
    pub fn leave(self) {
        self.stream.end(&packet::disconnect());
    }

    pub fn socket(&self) -> &TcpStream {
        self.stream.socket()
    }

    /// From now on the socket does not block, and events come with this token.
    pub fn hand_over(&mut self, epoll: &Epoll, token: usize) -> Result<()> {
        self.stream.socket().set_nonblocking(true).map_err(failed)?;
        epoll.add(&self.stream, token).map_err(failed)
    }

    /// Reads all there is. `each` is called for every packet, with what it may append its answers to.
    pub fn receive(
        &mut self,
        event: &Event,
        scratch: &mut Scratch,
        mut each: impl FnMut(Packet, &mut Output) -> Result<()>,
    ) -> Result<()> {
        let scratch = &mut scratch.0;
        loop {
            let kept = self.partial.len();
            scratch[..kept].copy_from_slice(&self.partial);
            match self.stream.read(&mut scratch[kept..]) {
                Ok(0) => return Err("the broker closed a connection".to_owned()),
                Ok(count) => {
                    let read = kept + count;
                    let filled = match &mut self.unframer {
                        None => read,
                        Some(unframer) => kept + unframer.unframe(&mut scratch[kept..read])?,
                    };
                    let used = packet::walk(&scratch[..filled], |packet| match packet.kind() {
                        packet::DISCONNECT => {
                            Err(format!("the broker disconnected a client, reason {:?}", packet.body.first()))
                        }
                        _ => each(packet, &mut self.output),
                    })?;
                    self.partial.clear();
                    self.partial.extend_from_slice(&scratch[used..filled]);
                    let short = read < scratch.len();
                    if short && self.stream.is_emptied_by_a_short_read() && !event.closing {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// To be called when an event has come: perhaps the socket takes more again.
    pub fn note(&mut self, event: &Event) {
        self.full &= !event.writable;
    }

    /// Bytes that wait to be sent.
    pub fn waiting(&self) -> usize {
        self.output.bytes.len() - self.flushed
    }

    pub fn output(&mut self) -> &mut Output {
        &mut self.output
    }

    /// A packet as this connection sends it, to be sent again and again.
    pub fn made_ready(&self, packet: &[u8]) -> Vec<u8> {
        let mut ready = Output { framed: self.output.framed, ..Output::default() };
        ready.push(packet);
        ready.bytes
    }

    /// Sends what waits, as far as the socket takes it.
    pub fn flush(&mut self) -> Result<()> {
        let waiting = &mut self.output.bytes;
        while self.flushed < waiting.len() && !self.full {
            self.flushed += write(&mut self.stream, &waiting[self.flushed..], &mut self.full)?;
        }
        if self.flushed == waiting.len() {
            waiting.clear();
            self.flushed = 0;
        }
        self.stream.flush().map_err(failed)
    }

    /// Sends from a buffer that is not copied. Tells how much the socket has taken: 0 means to wait for an event.
    pub fn send(&mut self, bytes: &[u8]) -> Result<usize> {
        if self.full {
            return Ok(0);
        }
        write(&mut self.stream, bytes, &mut self.full)
    }

    /// Sends packets and waits for the answer to the last one, of which it gives the body. That messages are acknowledged
    /// before is passed over.
    fn ask(&mut self, question: &[u8], answer: u8) -> Result<Vec<u8>> {
        let question = self.made_ready(question);
        self.stream.write_all(&question).map_err(failed)?;
        let mut bytes = Vec::new();
        loop {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).map_err(failed)?;
            let count = self.unframer.as_mut().map_or(Ok(1), |unframer| unframer.unframe(&mut byte))?;
            bytes.extend_from_slice(&byte[..count]);
            let mut found = None;
            packet::walk(&bytes, |packet| {
                found = Some((packet.kind(), packet.body.to_vec()));
                Ok(())
            })?;
            match found {
                Some((kind, body)) if kind == answer => return Ok(body),
                Some((packet::PUBACK, _)) => bytes.clear(),
                Some((kind, _)) => return Err(format!("the broker sent packet {kind} where {answer} belongs")),
                None => {}
            }
        }
    }
}

fn write(stream: &mut Stream, bytes: &[u8], full: &mut bool) -> Result<usize> {
    match stream.write(bytes) {
        Ok(count) => Ok(count),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            *full = true;
            Ok(0)
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
        Err(error) => Err(failed(error)),
    }
}

fn failed(error: std::io::Error) -> String {
    format!("connection: {error}")
}
