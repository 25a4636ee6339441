//! What a second worker thread gives, with the generator apart: while the broker stands still, the buffers of many
//! sockets are filled with messages; then it runs, and the generator sleeps until the last of them has arrived. So the
//! broker has all processors to itself, and the time is its own.

use std::time::{Duration, Instant};

use super::{figure, median, Bench, Rows, Study};
use crate::broker::{Kind, ONE_WORKER, OURS};
use crate::connection::{Connection, Scratch};
use crate::packet::{self, Version};
use crate::scenario::Target;
use crate::sys::{self, Epoll, Event};
use crate::transport::Transport;
use crate::Result;

pub const STUDY: Study = Study {
    name: "workers",
    title: "two worker threads against one, with the generator asleep",
    columns: &["work", "workers", "k_per_s", "cpu_ns"],
    run,
};

struct Work {
    name: &'static str,
    /// Of the messages that are published. They are delivered with QoS 0, as nobody is awake to acknowledge them.
    qos: u8,
    received: bool,
}

const WORKS: &[Work] = &[
    Work { name: "QoS 0 that nobody receives", qos: 0, received: false },
    Work { name: "QoS 0 to one receiver each", qos: 0, received: true },
    Work { name: "QoS 1 to one receiver each", qos: 1, received: true },
];

/// Clients that publish, each with a topic of its own.
const PUBLISHERS: usize = 200;

/// What each has sent when the broker wakes: as much as its socket and the broker's hold for sure.
const FILLED_BYTES: usize = 160 * 1024;
const SEND_BUFFER: usize = 1024 * 1024;

const ROUNDS: usize = 11;

/// How long the broker may take for all of it.
const LIMIT: Duration = Duration::from_secs(10);

fn run(bench: &Bench, rows: &mut Rows) -> Result<()> {
    for work in WORKS {
        for (workers, kind) in [(1, &ONE_WORKER), (2, &OURS)] {
            let (rate, cpu) = measure(bench, kind, work).map_err(|why| format!("{}: {why}", work.name))?;
            rows.push([work.name.to_owned(), workers.to_string(), figure(rate / 1e3), figure(cpu * 1e3)]);
        }
    }
    Ok(())
}

/// Messages a second, and processor time for each in microseconds.
fn measure(bench: &Bench, kind: &Kind, work: &Work) -> Result<(f64, f64)> {
    let broker = bench.ours(kind)?;
    let target = broker.target();
    let pid = target.pid.ok_or("the process of the broker is not known")?;
    let mut epoll = Epoll::new().map_err(failed)?;
    let mut pairs = (0..PUBLISHERS).map(|index| Pair::new(&target, work, index, &epoll)).collect::<Result<Vec<_>>>()?;
    let mut scratch = Scratch::new();
    let cpu = || target.cpu_micros().map(Option::unwrap_or_default);
    let count = (PUBLISHERS * pairs[0].count) as f64;
    let (mut rates, mut used) = (Vec::new(), 0.0);
    for round in 0..=ROUNDS {
        let before = {
            let _halted = Halted::new(pid);
            pairs.iter_mut().try_for_each(Pair::fill)?;
            cpu()?
        };
        let began = Instant::now();
        wait(&mut epoll, pairs.len())?;
        let took = began.elapsed();
        pairs.iter_mut().try_for_each(|pair| pair.empty(&mut scratch))?;
        // The first round warms up.
        if round > 0 {
            rates.push(count / took.as_secs_f64());
            used += cpu()? - before;
        }
    }
    Ok((median(rates), used / count / ROUNDS as f64))
}

/// Sleeps until each of so many pairs has all that was sent to it.
fn wait(epoll: &mut Epoll, pairs: usize) -> Result<()> {
    let (began, mut ready) = (Instant::now(), vec![false; pairs]);
    let mut left = pairs;
    while left > 0 {
        if began.elapsed() > LIMIT {
            return Err(format!("{left} of {pairs} clients have not got everything after {LIMIT:?}"));
        }
        for event in epoll.wait(Duration::from_millis(500))? {
            left -= usize::from(!std::mem::replace(&mut ready[event.token], true));
        }
    }
    Ok(())
}

/// A broker that stands still until this is dropped.
struct Halted(u32);

impl Halted {
    fn new(pid: u32) -> Self {
        sys::halt(pid);
        Self(pid)
    }
}

impl Drop for Halted {
    fn drop(&mut self) {
        sys::resume(self.0);
    }
}

struct Pair {
    publisher: Connection,
    receiver: Option<Connection>,
    /// All that is published in a round, and the question whether it has been looked at.
    bytes: Vec<u8>,
    count: usize,
}

impl Pair {
    fn new(target: &Target, work: &Work, index: usize, epoll: &Epoll) -> Result<Self> {
        let topic = format!("bench/{index:03}");
        let open = |role: &str| Connection::open(target, Transport::Tcp, Version::V3, &format!("{role}-{index}"));
        let message = |id: usize| packet::publish(Version::V3, &topic, work.qos, id as u16, &[b'x'; 64]);
        let count = FILLED_BYTES / message(1).len();
        let mut bytes: Vec<u8> = (1..=count).flat_map(message).collect();
        bytes.extend_from_slice(&packet::ping());

        let publisher = open("publisher")?;
        sys::set_send_buffer(publisher.socket(), SEND_BUFFER).map_err(failed)?;
        publisher.socket().set_nonblocking(true).map_err(failed)?;
        let mut receiver = None;
        let (waits, expected) = if work.received {
            let receiver = receiver.insert(open("receiver")?);
            receiver.subscribe(&topic, 0)?;
            receiver.socket().set_nonblocking(true).map_err(failed)?;
            (receiver.socket(), count * packet::publish(Version::V3, &topic, 0, 0, &[b'x'; 64]).len())
        } else {
            (publisher.socket(), packet::ping().len())
        };
        sys::set_low_water(waits, expected).map_err(failed)?;
        epoll.add_to_read(waits, index).map_err(failed)?;
        Ok(Self { publisher, receiver, bytes, count })
    }

    fn fill(&mut self) -> Result<()> {
        match self.publisher.send(&self.bytes)? {
            sent if sent == self.bytes.len() => Ok(()),
            sent => Err(format!("sockets take only {sent} bytes; raise net.core.wmem_max")),
        }
    }

    /// Reads what has come, and fails if that is not everything.
    fn empty(&mut self, scratch: &mut Scratch) -> Result<()> {
        let Some(receiver) = &mut self.receiver else { return read(&mut self.publisher, scratch).map(|_| ()) };
        read(&mut self.publisher, scratch)?;
        match read(receiver, scratch)? {
            count if count == self.count => Ok(()),
            count => Err(format!("{count} messages arrived of {}", self.count)),
        }
    }
}

/// Reads what there is, and tells how many messages that are.
fn read(connection: &mut Connection, scratch: &mut Scratch) -> Result<usize> {
    let mut messages = 0;
    let event = Event { token: 0, writable: true, closing: false };
    connection.note(&event);
    connection.receive(&event, scratch, |packet, _| {
        messages += usize::from(packet.kind() == packet::PUBLISH);
        Ok(())
    })?;
    Ok(messages)
}

fn failed(error: std::io::Error) -> String {
    format!("connection: {error}")
}
