//! Many clients that connect and do nothing: how fast they are let in, and what each costs in memory.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::packet::{self, Version};
use crate::process;
use crate::scenario::{Sample, Target, Timing};
use crate::stream::Stream;
use crate::sys::{self, Epoll, Event};
use crate::transport::Transport;
use crate::Result;

/// Clients on their way in while memory is measured: few, so that no backlog overflows, which would cost seconds.
const FEW: usize = 50;

/// Source addresses on the loopback interface: each has ports of its own, of which those just closed cannot be used.
const SOURCES: usize = 16;

/// How long no client at all may get in.
const STANDSTILL: Duration = Duration::from_secs(5);

/// How long all of them may take.
const LIMIT: Duration = Duration::from_secs(25);

/// Clients that connect before memory is measured, so that what a broker sets up once is not counted.
const FIRST: usize = 100;

/// How fast clients are let in, of whom so many are on their way in at the same time.
pub fn rate(target: &Target, transport: Transport, clients: usize, at_once: usize) -> Result<Sample> {
    let mut dial = Dial::new(target, transport)?;
    dial.connect(clients / 10, FEW, After::Leave)?;
    let began = Instant::now();
    dial.connect(clients, at_once, After::Leave)?;
    let rate = clients as f64 / began.elapsed().as_secs_f64() / 1e3;
    Ok(Sample { values: vec![rate], ..Sample::default() })
}

/// Clients that are connected, and do nothing until this is dropped.
pub struct Idle {
    _clients: Dial,
}

impl Idle {
    /// With these numbers, which no others that are connected may have.
    pub fn new(target: &Target, numbers: Range<usize>) -> Result<Self> {
        let mut dial = Dial { number: numbers.start, ..Dial::new(target, Transport::Tcp)? };
        dial.connect(numbers.len(), FEW, After::Stay)?;
        Ok(Self { _clients: dial })
    }
}

/// Growth of the broker's resident memory with each idle client, in KiB.
pub fn memory(target: &Target, timing: &Timing, clients: usize) -> Result<Sample> {
    let pid = target.pid.ok_or("the process of the broker is not known")?;
    let needed = (clients + FIRST + 200) as u64;
    if sys::raise_descriptor_limit(needed) < needed {
        return Err(format!("{clients} clients need {needed} descriptors; raise `ulimit -n`"));
    }
    let mut dial = Dial::new(target, Transport::Tcp)?;
    dial.connect(FIRST, FEW, After::Stay)?;
    dial.idle(timing.settle)?;
    let before = process::resident_bytes(pid)?;
    dial.connect(clients, FEW, After::Stay)?;
    dial.idle(timing.settle)?;
    let after = process::resident_bytes(pid)?;
    Ok(Sample { values: vec![(after - before) / clients as f64 / 1024.0], ..Sample::default() })
}

#[derive(Clone, Copy, PartialEq)]
enum After {
    Leave,
    Stay,
}

struct Dial {
    address: SocketAddrV4,
    secure: bool,
    epoll: Epoll,
    /// By token. A client that has left makes room for the next one.
    clients: Vec<Option<Client>>,
    free: Vec<usize>,
    /// Clients so far: the next one's number.
    number: usize,
}

struct Client {
    stream: Stream,
    asked: bool,
    answer: Vec<u8>,
    accepted: bool,
}

impl Dial {
    fn new(target: &Target, transport: Transport) -> Result<Self> {
        let epoll = Epoll::new().map_err(|error| format!("epoll: {error}"))?;
        let (address, secure) = (target.address(transport, Version::V3)?, transport.is_secure());
        Ok(Self { address, secure, epoll, clients: Vec::new(), free: Vec::new(), number: 0 })
    }

    /// Lets `count` more clients connect, and waits until the broker has accepted each.
    fn connect(&mut self, count: usize, at_once: usize, after: After) -> Result<()> {
        let (mut begun, mut accepted) = (0, 0);
        let began = Instant::now();
        let mut progress = began;
        while accepted < count {
            if began.elapsed() > LIMIT {
                return Err(format!("{accepted} of {count} clients got in within {LIMIT:?}"));
            }
            while begun < count && begun - accepted < at_once {
                self.begin()?;
                begun += 1;
            }
            let before = accepted;
            for event in self.epoll.wait(Duration::from_millis(100))? {
                let place = &mut self.clients[event.token];
                let Some(client) = place else { continue };
                if !client.on_event(&event, self.number)? {
                    continue;
                }
                accepted += 1;
                if after == After::Leave {
                    if let Some(client) = place.take() {
                        client.stream.end(&packet::disconnect());
                    }
                    self.free.push(event.token);
                }
            }
            if accepted > before {
                progress = Instant::now();
            } else if progress.elapsed() > STANDSTILL {
                return Err(format!("no client got in for {STANDSTILL:?}, after {accepted} of {count}"));
            }
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<()> {
        let from = self.address.ip().is_loopback().then(|| Ipv4Addr::new(127, 0, 0, 2 + (self.number % SOURCES) as u8));
        let socket = sys::connecting(self.address, from).map_err(failed)?;
        let stream = Stream::new(socket, self.secure).map_err(failed)?;
        let token = self.free.pop().unwrap_or_else(|| {
            self.clients.push(None);
            self.clients.len() - 1
        });
        self.epoll.add(&stream, token).map_err(failed)?;
        self.number += 1;
        self.clients[token] = Some(Client { stream, asked: false, answer: Vec::new(), accepted: false });
        Ok(())
    }

    /// Waits, and fails if the broker does not keep a client.
    fn idle(&mut self, duration: Duration) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < duration {
            for event in self.epoll.wait(Duration::from_millis(100))? {
                if event.closing {
                    return Err("the broker closed the connection of an idle client".to_owned());
                }
            }
        }
        Ok(())
    }
}

impl Client {
    /// Whether the broker has accepted the client just now.
    fn on_event(&mut self, event: &Event, number: usize) -> Result<bool> {
        if self.accepted {
            return if event.closing {
                Err("the broker closed the connection of a client".to_owned())
            } else {
                Ok(false)
            };
        }
        if !self.asked && event.writable {
            let connect = packet::connect(Version::V3, &format!("client-{number}-{}", event.token));
            self.stream.write_all(&connect).map_err(failed)?;
            self.asked = true;
        }
        let mut bytes = [0; 16];
        match self.stream.read(&mut bytes) {
            Ok(0) => Err("the broker closed the connection of a client that connects".to_owned()),
            Ok(count) => {
                self.answer.extend_from_slice(&bytes[..count]);
                if self.answer.len() < 4 {
                    return Ok(false);
                }
                if self.answer != [packet::CONNACK << 4, 2, 0, 0] {
                    return Err(format!("the broker refused a client: {:?}", self.answer));
                }
                self.accepted = true;
                self.answer = Vec::new();
                Ok(true)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }
}

fn failed(error: std::io::Error) -> String {
    format!("connection: {error}")
}
