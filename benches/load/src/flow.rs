//! Throughput: as many messages as the broker takes, through any number of topics, publishers and receivers.
//!
//! One thread plays all clients, so that the counts that throttle the publishers need no synchronization and the broker
//! keeps the rest of the machine.

use std::time::{Duration, Instant};

use crate::connection::{Connection, Scratch};
use crate::packet::{self, Version};
use crate::process;
use crate::scenario::{Sample, Target, Timing};
use crate::sys::{Epoll, Event};
use crate::transport::Transport;
use crate::Result;

/// A topic is a group of its own: what its publishers send, all its receivers get.
#[derive(Clone, Copy)]
pub struct Shape {
    pub transport: Transport,
    pub version: Version,
    pub qos: u8,
    pub topics: usize,
    /// Topics below this one that its publishers send to in turn, while its receivers subscribe to all of them with a
    /// wildcard. With one, it is the topic itself.
    pub subtopics: usize,
    /// Per topic, as are the next two.
    pub publishers: usize,
    pub receivers: usize,
    /// Messages that the slowest receiver may be behind. A broker that queues without bound gains nothing by it, and
    /// one that drops soon stands still.
    pub outstanding: u64,
    /// QoS 1 and 2: messages of one publisher that the broker has not acknowledged.
    pub window: u64,
    /// What a publisher sends at least at once, where that is to be the same for any number of clients. Otherwise a
    /// quarter of what may be outstanding with QoS 0, as nothing else gathers messages into decent writes there, and
    /// whatever may be sent with QoS 1 and 2.
    pub gather: Option<u64>,
}

impl Shape {
    fn least_at_once(&self) -> u64 {
        self.gather.unwrap_or(if self.qos == 0 { self.outstanding / 4 } else { 1 })
    }
}

const PAYLOAD: [u8; 64] = [b'x'; 64];

/// Encoded messages that are sent over and over: at least as many bytes as one write takes in practice.
const RING_BYTES: usize = 256 * 1024;

/// With thousands of publishers, each has fewer of them.
const ALL_RINGS_BYTES: usize = 64 * 1024 * 1024;

/// Packet identifiers that a publisher uses: far more than it has on their way.
const MOST_IDS: usize = 65_000;

/// How long all clients may take to connect and subscribe.
const SETUP: Duration = Duration::from_secs(10);

/// While what is outstanding drains, this long without progress means that the rest is lost.
const STANDSTILL: Duration = Duration::from_secs(2);

/// The longest drain with progress.
const DRAIN: Duration = Duration::from_secs(8);

pub fn run(target: &Target, timing: &Timing, shape: Shape) -> Result<Sample> {
    let mut load = Load::new(target, shape)?;
    load.drive(timing.warm_up)?;
    let rate = load.measure(target, timing.measured)?;
    load.drain()?;
    let fault = load.fault();
    if rate.per_second == 0.0 {
        return Err(format!("the broker stands still{}", fault.map(|fault| format!(": {fault}")).unwrap_or_default()));
    }
    Ok(Sample { values: vec![rate.per_second / 1e3], cpu: rate.cpu, fault, ..Sample::default() })
}

/// What a load has come to.
pub struct Rate {
    /// Messages that were delivered.
    pub per_second: f64,
    /// Processor time of the broker for each of them, in microseconds.
    pub cpu: Option<f64>,
}

/// Clients that are connected and subscribed.
pub struct Load {
    epoll: Epoll,
    scratch: Scratch,
    shape: Shape,
    groups: Vec<Group>,
    places: Vec<Place>,
    /// Groups that may send more, as something has come for them.
    touched: Vec<usize>,
}

/// Which client an event belongs to.
enum Place {
    Publisher(usize, usize),
    Receiver(usize, usize),
}

impl Load {
    pub fn new(target: &Target, shape: Shape) -> Result<Self> {
        let epoll = Epoll::new().map_err(|error| format!("epoll: {error}"))?;
        let mut load = Self {
            epoll,
            scratch: Scratch::new(),
            shape,
            groups: Vec::new(),
            places: Vec::new(),
            touched: (0..shape.topics).collect(),
        };
        let began = Instant::now();
        let in_time = || match began.elapsed() {
            elapsed if elapsed < SETUP => Ok(()),
            _ => Err(format!("the clients are not connected after {SETUP:?}")),
        };
        for group in 0..shape.topics {
            let topic = format!("bench/{group:02}");
            let (topics, filter) = match shape.subtopics {
                1 => (vec![topic.clone()], topic),
                count => ((0..count).map(|index| format!("{topic}/{index:06}")).collect(), format!("{topic}/#")),
            };
            let mut receivers = Vec::new();
            for index in 0..shape.receivers {
                in_time()?;
                let name = format!("receiver-{group}-{index}");
                let mut connection = Connection::open(target, shape.transport, shape.version, &name)?;
                connection.subscribe(&filter, shape.qos)?;
                connection.hand_over(&load.epoll, load.places.len())?;
                load.places.push(Place::Receiver(group, index));
                receivers.push(Receiver { connection, received: 0 });
            }
            let mut publishers = Vec::new();
            for index in 0..shape.publishers {
                in_time()?;
                let name = format!("publisher-{group}-{index}");
                let mut connection = Connection::open(target, shape.transport, shape.version, &name)?;
                connection.hand_over(&load.epoll, load.places.len())?;
                load.places.push(Place::Publisher(group, index));
                publishers.push(Publisher::new(connection, &shape, &topics));
            }
            load.groups.push(Group { shape, publishers, receivers, next: 0, touched: true });
        }
        Ok(load)
    }

    pub fn drive(&mut self, duration: Duration) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < duration {
            for group in self.touched.drain(..) {
                self.groups[group].touched = false;
                self.groups[group].offer()?;
            }
            self.step()?;
        }
        Ok(())
    }

    pub fn measure(&mut self, target: &Target, duration: Duration) -> Result<Rate> {
        let (began, delivered, cpu) = (Instant::now(), self.delivered(), target.cpu_micros()?);
        self.drive(duration)?;
        let (took, delivered) = (began.elapsed(), (self.delivered() - delivered) as f64);
        let cpu = match (cpu, target.cpu_micros()?) {
            (Some(before), Some(after)) if delivered > 0.0 => Some((after - before) / delivered),
            _ => None,
        };
        Ok(Rate { per_second: delivered / took.as_secs_f64(), cpu })
    }

    /// Waits until everything has arrived and is acknowledged, or nothing comes any more.
    pub fn drain(&mut self) -> Result<()> {
        let began = Instant::now();
        let mut progress = (0, Instant::now());
        while !self.groups.iter().all(Group::settled) && began.elapsed() < DRAIN {
            self.step()?;
            let now = self.delivered() + self.groups.iter().map(Group::acknowledged).sum::<u64>();
            if now != progress.0 {
                progress = (now, Instant::now());
            } else if progress.1.elapsed() > STANDSTILL {
                break;
            }
        }
        Ok(())
    }

    fn step(&mut self) -> Result<()> {
        let Self { epoll, scratch, groups, places, touched, .. } = self;
        for event in epoll.wait(Duration::from_millis(10))? {
            let (Place::Publisher(index, _) | Place::Receiver(index, _)) = places[event.token];
            let group = &mut groups[index];
            match places[event.token] {
                Place::Publisher(_, publisher) => group.publishers[publisher].on_event(&event, scratch)?,
                Place::Receiver(_, receiver) => group.receivers[receiver].on_event(&event, scratch)?,
            }
            if !std::mem::replace(&mut group.touched, true) {
                touched.push(index);
            }
        }
        Ok(())
    }

    fn delivered(&self) -> u64 {
        self.groups.iter().flat_map(|group| &group.receivers).map(|receiver| receiver.received).sum()
    }

    /// What is wrong after the drain.
    pub fn fault(&self) -> Option<String> {
        let expected = self.groups.iter().map(|group| group.offered() * group.receivers.len() as u64).sum::<u64>();
        let offered = self.groups.iter().map(Group::offered).sum::<u64>();
        let acknowledged = self.groups.iter().map(Group::acknowledged).sum::<u64>();
        let wanted = if self.shape.qos == 0 { 0 } else { offered };
        match (self.delivered(), acknowledged) {
            (arrived, _) if arrived < expected => {
                Some(format!("{} of {expected} messages were lost", expected - arrived))
            }
            (arrived, _) if arrived > expected => Some(format!("{} messages arrived twice", arrived - expected)),
            (_, acknowledged) if acknowledged != wanted => {
                Some(format!("{acknowledged} acknowledgements came for {wanted} messages"))
            }
            _ => None,
        }
    }
}

struct Group {
    shape: Shape,
    publishers: Vec<Publisher>,
    receivers: Vec<Receiver>,
    /// The publisher whose turn it is, when there is not enough for all.
    next: usize,
    /// Is among those of `Load::touched`.
    touched: bool,
}

impl Group {
    /// Lets publishers send as much as may be outstanding.
    fn offer(&mut self) -> Result<()> {
        let slowest = self.receivers.iter().map(|receiver| receiver.received).min().unwrap_or(0);
        let mut credit = self.shape.outstanding.saturating_sub(self.offered().saturating_sub(slowest));
        if credit < self.shape.least_at_once() {
            return Ok(());
        }
        let count = self.publishers.len();
        let share = (self.shape.outstanding / count as u64).max(1);
        for _ in 0..count {
            if credit == 0 {
                break;
            }
            let publisher = &mut self.publishers[self.next];
            self.next = (self.next + 1) % count;
            let room = match self.shape.qos {
                0 => share.saturating_sub(publisher.unsent()),
                _ => self.shape.window.saturating_sub(publisher.offered.saturating_sub(publisher.acknowledged)),
            };
            if self.shape.qos > 0 && room < self.shape.least_at_once() {
                continue;
            }
            let now = room.min(credit);
            credit -= now;
            publisher.offer(now)?;
        }
        Ok(())
    }

    fn offered(&self) -> u64 {
        self.publishers.iter().map(|publisher| publisher.offered).sum()
    }

    fn acknowledged(&self) -> u64 {
        self.publishers.iter().map(|publisher| publisher.acknowledged).sum()
    }

    fn settled(&self) -> bool {
        let offered = self.offered();
        self.receivers.iter().all(|receiver| receiver.received >= offered)
            && (self.shape.qos == 0 || self.acknowledged() == offered)
    }
}

struct Publisher {
    connection: Connection,
    qos: u8,
    /// Encoded messages of the same length, with packet identifiers from 1, as the transport wants them. Each topic has as
    /// many as the others.
    ring: Vec<u8>,
    message_len: usize,
    /// Messages that were given to send, bytes of them that the socket has taken, messages that are acknowledged.
    offered: u64,
    sent_bytes: u64,
    acknowledged: u64,
}

impl Publisher {
    fn new(connection: Connection, shape: &Shape, topics: &[String]) -> Self {
        let encode = |number: usize| {
            let (topic, id) = (&topics[number % topics.len()], (number % MOST_IDS + 1) as u16);
            connection.made_ready(&packet::publish(shape.version, topic, shape.qos, id, &PAYLOAD))
        };
        let message_len = encode(0).len();
        let bytes = RING_BYTES.min(ALL_RINGS_BYTES / (shape.topics * shape.publishers));
        let count = (bytes / message_len).max(1).next_multiple_of(topics.len());
        let ring = (0..count).flat_map(encode).collect();
        Self { connection, qos: shape.qos, ring, message_len, offered: 0, sent_bytes: 0, acknowledged: 0 }
    }

    fn offer(&mut self, count: u64) -> Result<()> {
        if count == 0 {
            return Ok(());
        }
        self.offered += count;
        if self.qos > 0 {
            // Few enough to be copied, which keeps them in order with the other packets of the handshake.
            while self.unsent() > 0 {
                let bytes = slice(&self.ring, self.message_len, self.offered, self.sent_bytes);
                self.connection.output().push_ready(bytes);
                self.sent_bytes += bytes.len() as u64;
            }
        }
        self.send()
    }

    fn send(&mut self) -> Result<()> {
        self.connection.flush()?;
        while self.unsent() > 0 {
            let bytes = slice(&self.ring, self.message_len, self.offered, self.sent_bytes);
            let count = self.connection.send(bytes)?;
            if count == 0 {
                break;
            }
            self.sent_bytes += count as u64;
        }
        Ok(())
    }

    /// Messages of which the socket has not taken every byte.
    fn unsent(&self) -> u64 {
        self.offered - self.sent_bytes / self.message_len as u64
    }

    fn on_event(&mut self, event: &Event, scratch: &mut Scratch) -> Result<()> {
        self.connection.note(event);
        let acknowledged = &mut self.acknowledged;
        self.connection.receive(event, scratch, |packet, out| {
            match packet.kind() {
                packet::PUBACK | packet::PUBCOMP => *acknowledged += 1,
                packet::PUBREC => out.push(&packet::acknowledge(packet::PUBREL, packet.id()?)),
                kind => return Err(format!("the broker sent packet {kind} to a publisher")),
            }
            match packet.reason() {
                reason if reason < 0x80 => Ok(()),
                reason => Err(format!("the broker refused a message, reason {reason:#x}")),
            }
        })?;
        self.send()
    }
}

/// The next bytes to send, up to the end of the ring.
fn slice(ring: &[u8], message_len: usize, offered: u64, sent_bytes: u64) -> &[u8] {
    let at = (sent_bytes % ring.len() as u64) as usize;
    let wanted = offered * message_len as u64 - sent_bytes;
    &ring[at..ring.len().min(at + wanted as usize)]
}

struct Receiver {
    connection: Connection,
    received: u64,
}

impl Receiver {
    fn on_event(&mut self, event: &Event, scratch: &mut Scratch) -> Result<()> {
        self.connection.note(event);
        let received = &mut self.received;
        self.connection.receive(event, scratch, |packet, out| {
            match packet.kind() {
                packet::PUBLISH => {
                    *received += 1;
                    match packet.qos() {
                        0 => {}
                        1 => out.push(&packet::acknowledge(packet::PUBACK, packet.publish_id()?)),
                        _ => out.push(&packet::acknowledge(packet::PUBREC, packet.publish_id()?)),
                    }
                }
                packet::PUBREL => out.push(&packet::acknowledge(packet::PUBCOMP, packet.id()?)),
                kind => return Err(format!("the broker sent packet {kind} to a receiver")),
            }
            Ok(())
        })?;
        self.connection.flush()
    }
}

impl Target {
    pub fn cpu_micros(&self) -> Result<Option<f64>> {
        self.pid.map(process::cpu_micros).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_repeats_without_a_gap() {
        let ring: Vec<u8> = (0..12).collect();
        let (mut sent, mut out) = (0, Vec::new());
        while sent < 30 {
            let bytes = slice(&ring, 3, 10, sent);
            let taken = bytes.len().min(7);
            out.extend_from_slice(&bytes[..taken]);
            sent += taken as u64;
        }
        assert!(slice(&ring, 3, 10, sent).is_empty());
        let expected: Vec<u8> = (0..30).map(|byte| byte % 12).collect();
        assert_eq!(out, expected);
    }
}
