//! One client of the broker: a socket, what was received of a packet that is not whole yet, what waits to be sent.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::time::Duration;

use crate::packet::{self, Packet, Version};
use crate::sys::{Epoll, Event};
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
    stream: TcpStream,
    version: Version,
    partial: Vec<u8>,
    output: Vec<u8>,
    flushed: usize,
    /// The socket took no more; the next event says when it does again.
    full: bool,
}

impl Connection {
    /// Connects, and waits until the broker has accepted the client.
    pub fn open(to: SocketAddrV4, version: Version, client_id: &str) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&to.into(), ANSWER).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        stream.set_read_timeout(Some(ANSWER)).map_err(failed)?;
        stream.set_write_timeout(Some(ANSWER)).map_err(failed)?;
        let mut new = Self { stream, version, partial: Vec::new(), output: Vec::new(), flushed: 0, full: false };
        let answer = new.ask(&packet::connect(version, client_id), packet::CONNACK)?;
        match answer.get(1) {
            Some(0) => Ok(new),
            other => Err(format!("the broker refused a client, CONNACK {other:?}")),
        }
    }

    /// Subscribes, and waits until the broker has granted what was asked for.
    pub fn subscribe(&mut self, filter: &str, qos: u8) -> Result<()> {
        let answer = self.ask(&packet::subscribe(self.version, filter, qos), packet::SUBACK)?;
        match answer.last() {
            Some(&granted) if granted == qos => Ok(()),
            other => Err(format!("the broker did not grant QoS {qos} for {filter}, SUBACK {other:?}")),
        }
    }

    /// From now on the socket does not block, and events come with this token.
    pub fn hand_over(&mut self, epoll: &Epoll, token: usize) -> Result<()> {
        self.stream.set_nonblocking(true).map_err(failed)?;
        epoll.add(&self.stream, token).map_err(failed)
    }

    /// Reads all there is. `each` is called for every packet, with what it may append its answers to.
    pub fn receive(
        &mut self,
        event: &Event,
        scratch: &mut Scratch,
        mut each: impl FnMut(Packet, &mut Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let scratch = &mut scratch.0;
        loop {
            let kept = self.partial.len();
            scratch[..kept].copy_from_slice(&self.partial);
            match self.stream.read(&mut scratch[kept..]) {
                Ok(0) => return Err("the broker closed a connection".to_owned()),
                Ok(count) => {
                    let filled = kept + count;
                    let used = packet::walk(&scratch[..filled], |packet| match packet.kind() {
                        packet::DISCONNECT => {
                            Err(format!("the broker disconnected a client, reason {:?}", packet.body.first()))
                        }
                        _ => each(packet, &mut self.output),
                    })?;
                    self.partial.clear();
                    self.partial.extend_from_slice(&scratch[used..filled]);
                    // A read that was not filled has emptied the socket.
                    if filled < scratch.len() && !event.closing {
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

    /// Appends to what waits to be sent.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Sends what waits, as far as the socket takes it.
    pub fn flush(&mut self) -> Result<()> {
        while self.flushed < self.output.len() && !self.full {
            self.flushed += write(&mut self.stream, &self.output[self.flushed..], &mut self.full)?;
        }
        if self.flushed == self.output.len() {
            self.output.clear();
            self.flushed = 0;
        }
        Ok(())
    }

    /// Sends from a buffer that is not copied. Tells how much the socket has taken: 0 means to wait for an event.
    pub fn send(&mut self, bytes: &[u8]) -> Result<usize> {
        if self.full {
            return Ok(0);
        }
        write(&mut self.stream, bytes, &mut self.full)
    }

    /// Sends a packet and waits for the answer, of which it gives the body.
    fn ask(&mut self, question: &[u8], answer: u8) -> Result<Vec<u8>> {
        self.stream.write_all(question).map_err(failed)?;
        let mut bytes = Vec::new();
        loop {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).map_err(failed)?;
            bytes.push(byte[0]);
            let mut found = None;
            packet::walk(&bytes, |packet| {
                found = Some((packet.kind(), packet.body.to_vec()));
                Ok(())
            })?;
            match found {
                Some((kind, body)) if kind == answer => return Ok(body),
                Some((kind, _)) => return Err(format!("the broker sent packet {kind} where {answer} belongs")),
                None => {}
            }
        }
    }
}

fn write(stream: &mut TcpStream, bytes: &[u8], full: &mut bool) -> Result<usize> {
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
