//! What a second worker thread gives, with the generator apart: while the broker stands still, the buffers of many
//! sockets are filled with messages; then it runs, and the generator sleeps until the last of them has arrived. So the
//! broker has all processors to itself, and the time is its own.

use std::time::{Duration, Instant};

use super::{figure, Bench, Rows, Study};
use crate::broker::{Broker, Kind, ONE_WORKER, TWO_WORKERS};
use crate::connection::{Connection, Scratch};
use crate::packet::{self, Version};
use crate::process;
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

const ROUNDS: usize = 31;

/// How long the broker may take for all of it.
const LIMIT: Duration = Duration::from_secs(10);

fn run(bench: &Bench, rows: &mut Rows) -> Result<()> {
    for work in WORKS {
        let kinds = [("1", &ONE_WORKER), ("2", &TWO_WORKERS)];
        let mut runs = kinds.map(|(_, kind)| Run::new(bench, kind, work)).into_iter().collect::<Result<Vec<_>>>()?;
        let mut scratch = Scratch::new();
        // In turn, so that both meet the same machine. The first round warms up.
        for round in 0..=ROUNDS {
            for run in &mut runs {
                let (rate, cpu) = run.round(&mut scratch).map_err(|why| format!("{}: {why}", work.name))?;
                if round > 0 {
                    run.best = run.best.max(rate);
                    run.cpus.push(cpu);
                }
            }
        }
        for ((workers, _), run) in kinds.iter().zip(runs) {
            let cpu = run.cpus.iter().sum::<f64>() / run.cpus.len() as f64;
            rows.push([work.name.to_owned(), (*workers).to_owned(), figure(run.best / 1e3), figure(cpu * 1e3)]);
        }
    }
    Ok(())
}

/// A broker and its clients.
struct Run {
    // In this order: the clients leave before the broker ends.
    pairs: Vec<Pair>,
    epoll: Epoll,
    broker: Broker,
    /// Messages a second, in the round that was disturbed least: whatever else runs only ever takes away.
    best: f64,
    /// Processor time for each message of a round, in microseconds. It is counted in units of 10 ms, so that only many
    /// rounds together tell something.
    cpus: Vec<f64>,
}

impl Run {
    fn new(bench: &Bench, kind: &Kind, work: &Work) -> Result<Self> {
        let broker = bench.ours(kind)?;
        let (epoll, target) = (Epoll::new().map_err(failed)?, broker.target());
        let pairs = (0..PUBLISHERS).map(|index| Pair::new(&target, work, index, &epoll)).collect::<Result<_>>()?;
        Ok(Self { pairs, epoll, broker, best: 0.0, cpus: Vec::new() })
    }

    /// Messages a second, and processor time for each.
    fn round(&mut self, scratch: &mut Scratch) -> Result<(f64, f64)> {
        let pid = self.broker.target().pid.ok_or("the process of the broker is not known")?;
        let before = {
            let _halted = Halted::new(pid);
            self.pairs.iter_mut().try_for_each(Pair::fill)?;
            process::cpu_micros(pid)?
        };
        let began = Instant::now();
        wait(&mut self.epoll, self.pairs.len())?;
        let took = began.elapsed();
        self.pairs.iter_mut().try_for_each(|pair| pair.empty(scratch))?;
        let count = self.pairs.iter().map(|pair| pair.count).sum::<usize>() as f64;
        Ok((count / took.as_secs_f64(), (process::cpu_micros(pid)? - before) / count))
    }
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
