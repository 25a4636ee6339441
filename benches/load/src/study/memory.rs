//! Growth of the broker's resident memory with each of what it keeps.

use std::ops::Range;
use std::time::Duration;

use super::{figure, median, Bench, Rows, Study, PEER};
use crate::broker::{Kind, OURS};
use crate::connection::Connection;
use crate::dial::Idle;
use crate::packet::{self, Version};
use crate::process;
use crate::scenario::Target;
use crate::sys;
use crate::transport::Transport;
use crate::Result;

pub const STUDY: Study = Study {
    name: "memory",
    title: "resident memory of clients, sessions, subscriptions, queued and retained messages",
    columns: &["what", "count", "broker", "bytes"],
    run,
};

struct Item {
    name: &'static str,
    count: usize,
    /// What is there before, so that the growth that is measured is that of `count` more and nothing that is set up once.
    first: usize,
    /// Lets there be more, with these numbers.
    add: fn(&mut Keeper, Range<usize>) -> Result<()>,
    /// For how many a message is kept.
    receivers: usize,
}

const ITEMS: &[Item] = &[
    Item { name: "idle client", count: 10_000, first: 100, add: Keeper::add_idle, receivers: 1 },
    Item { name: "session of an absent client", count: 20_000, first: 100, add: Keeper::add_absent, receivers: 1 },
    Item { name: "subscription, a topic", count: 200_000, first: 1_000, add: Keeper::add_topics, receivers: 1 },
    Item { name: "subscription, with +", count: 200_000, first: 1_000, add: Keeper::add_wildcards, receivers: 1 },
    Item {
        name: "queued message, QoS 0, one receiver",
        count: 25_000,
        first: KERNEL_HOLDS,
        add: Keeper::queue_0,
        receivers: 1,
    },
    Item {
        name: "queued message, QoS 1, one receiver",
        count: 50_000,
        first: 2_000,
        add: |keeper, range| keeper.queue_absent(range, 1),
        receivers: 1,
    },
    Item {
        name: "queued message, QoS 1, each of 100 receivers",
        count: 5_000,
        first: 2_000,
        add: |keeper, range| keeper.queue_absent(range, CROWD),
        receivers: CROWD,
    },
    Item { name: "retained message", count: 200_000, first: 1_000, add: Keeper::retain, receivers: 1 },
];

/// More messages than the buffers of a connection that is not read take (4 MiB), so that what comes after them is queued.
const KERNEL_HOLDS: usize = 70_000;

const ROUNDS: usize = 3;

/// How long memory may take to come to rest.
const SETTLE: Duration = Duration::from_millis(700);

const PAYLOAD: [u8; 64] = [b'x'; 64];

/// What is sent before an answer is waited for.
const BATCH: usize = 500;

/// Receivers of the same messages.
const CROWD: usize = 100;

fn run(bench: &Bench, rows: &mut Rows) -> Result<()> {
    for item in ITEMS {
        for kind in [PEER, &OURS] {
            let growth = |_| measure(bench, kind, item);
            let growths = (0..ROUNDS).map(growth).collect::<Result<Vec<_>>>();
            let growths = growths.map_err(|why| format!("{}, {}: {why}", item.name, kind.name))?;
            let name = item.name.replace(',', ":");
            rows.push([name, item.count.to_string(), kind.name.to_owned(), figure(median(growths))]);
        }
    }
    Ok(())
}

/// In bytes for each.
fn measure(bench: &Bench, kind: &Kind, item: &Item) -> Result<f64> {
    let mut broker = bench.either(kind)?;
    let target = broker.target();
    let pid = target.pid.ok_or("the process of the broker is not known")?;
    let steps = || {
        let mut keeper = Keeper { target, clients: Vec::new(), idle: Vec::new() };
        let mut resident_with = |range| {
            (item.add)(&mut keeper, range)?;
            rest()?;
            process::resident_bytes(pid)
        };
        let before = resident_with(0..item.first)?;
        let after = resident_with(item.first..item.first + item.count)?;
        Ok((after - before) / (item.count * item.receivers) as f64)
    };
    steps().map_err(|why| broker.explain(why))
}

fn rest() -> Result<()> {
    std::thread::sleep(SETTLE);
    match sys::interrupted() {
        true => Err("interrupted".to_owned()),
        false => Ok(()),
    }
}

/// Lets the broker keep things.
struct Keeper {
    target: Target,
    clients: Vec<Connection>,
    idle: Vec<Idle>,
}

impl Keeper {
    fn add_idle(&mut self, range: Range<usize>) -> Result<()> {
        self.idle.push(Idle::new(&self.target, range)?);
        Ok(())
    }

    fn add_absent(&mut self, range: Range<usize>) -> Result<()> {
        for index in range {
            Connection::open_to_stay(&self.target, &format!("absent-{index:06}"))?.leave();
        }
        Ok(())
    }

    fn add_topics(&mut self, range: Range<usize>) -> Result<()> {
        self.subscribe(range, |index| format!("site/{index:06}/temperature"))
    }

    fn add_wildcards(&mut self, range: Range<usize>) -> Result<()> {
        self.subscribe(range, |index| format!("site/{index:06}/+/celsius"))
    }

    /// Shared out among clients.
    fn subscribe(&mut self, range: Range<usize>, filter: fn(usize) -> String) -> Result<()> {
        for index in self.clients.len()..CROWD {
            self.clients.push(self.open(&format!("subscriber-{index}"))?);
        }
        let filters: Vec<String> = range.map(filter).collect();
        let shares = filters.chunks(filters.len().div_ceil(CROWD));
        self.clients.iter_mut().zip(shares).try_for_each(|(client, share)| client.subscribe_all(share, 0))
    }

    /// For a client that is connected and does not read.
    fn queue_0(&mut self, range: Range<usize>) -> Result<()> {
        if self.clients.is_empty() {
            let mut receiver = self.open("receiver")?;
            sys::set_receive_buffer(receiver.socket(), 4096).map_err(|error| format!("connection: {error}"))?;
            receiver.subscribe("queue", 0)?;
            self.clients.push(receiver);
        }
        self.publish(range, |_| packet::publish(Version::V3, "queue", 0, 0, &PAYLOAD))
    }

    /// For clients that have subscribed and left.
    fn queue_absent(&mut self, range: Range<usize>, receivers: usize) -> Result<()> {
        if range.start == 0 {
            for index in 0..receivers {
                let mut receiver = Connection::open_to_stay(&self.target, &format!("receiver-{index}"))?;
                receiver.subscribe("queue", 1)?;
                receiver.leave();
            }
        }
        self.publish(range, |index| packet::publish(Version::V3, "queue", 1, (index % 60_000 + 1) as u16, &PAYLOAD))
    }

    fn retain(&mut self, range: Range<usize>) -> Result<()> {
        self.publish(range, |index| packet::publish_retained(&format!("site/{index:06}/temperature"), &PAYLOAD))
    }

    fn publish(&mut self, range: Range<usize>, message: fn(usize) -> Vec<u8>) -> Result<()> {
        let mut publisher = self.open(&format!("publisher-{}", range.start))?;
        let messages: Vec<Vec<u8>> = range.map(message).collect();
        messages.chunks(BATCH).try_for_each(|batch| publisher.deliver(&batch.concat()))
    }

    fn open(&self, name: &str) -> Result<Connection> {
        Connection::open(&self.target, Transport::Tcp, Version::V3, name)
    }
}
