//! What a pair of clients notices of bursts that are sent to many others. The bursts have a thread of their own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{figure, median, Bench, Rows, Study, PEER};
use crate::broker::{Kind, OURS};
use crate::connection::{Connection, Scratch};
use crate::histogram::Histogram;
use crate::latency::{self, Pace, Paced};
use crate::packet::{self, Version};
use crate::scenario::Target;
use crate::sys::{self, Epoll, Timer};
use crate::transport::Transport;
use crate::Result;

pub const STUDY: Study = Study {
    name: "burst",
    title: "latency of a pair while others get bursts",
    columns: &["broker", "receivers", "p50_ms", "p99_ms", "p999_ms", "woken_p99_ms", "burst_ms", "bursts"],
    run,
};

/// The pair that is measured.
const PACE: Pace = Pace { topic: "pair", qos: 0, per_second: 1_000 };

const ROUNDS: usize = 3;

const WARM_UP: Duration = Duration::from_millis(500);
const MEASURED: Duration = Duration::from_secs(3);

/// A burst begins with the next tick after the last one has arrived.
const TICK: Duration = Duration::from_millis(100);
const MESSAGES: usize = 100;
const TOPIC: &str = "burst";

/// None: what the pair is like alone.
const RECEIVERS: [usize; 5] = [0, 1, 10, 100, 1_000];

fn run(bench: &Bench, rows: &mut Rows) -> Result<()> {
    for receivers in RECEIVERS {
        for kind in [PEER, &OURS] {
            let rounds = (0..ROUNDS).map(|_| measure(bench, kind, receivers)).collect::<Result<Vec<_>>>()?;
            let millis = |of: fn(&Paced) -> &Histogram, share| {
                figure(median(rounds.iter().filter_map(|(paced, _)| of(paced).millis(share)).collect()))
            };
            let bursts: Vec<f64> = rounds.iter().flat_map(|(_, bursts)| bursts).copied().collect();
            rows.push([
                kind.name.to_owned(),
                receivers.to_string(),
                millis(|paced| &paced.latencies, 0.5),
                millis(|paced| &paced.latencies, 0.99),
                millis(|paced| &paced.latencies, 0.999),
                millis(|paced| &paced.lateness, 0.99),
                figure(median(bursts.clone())),
                bursts.len().to_string(),
            ]);
        }
    }
    Ok(())
}

/// The latency of the pair, and how long each burst took, in milliseconds.
fn measure(bench: &Bench, kind: &Kind, receivers: usize) -> Result<(Paced, Vec<f64>)> {
    let mut broker = bench.either(kind)?;
    let target = broker.target();
    let steps = || {
        let mut bursts = Bursts::new(&target, receivers)?;
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let crowd = scope.spawn(|| bursts.run(&over));
            let pair = scope.spawn(|| {
                // What it waits for is to be the broker, not the thread beside it.
                sys::prefer_this_thread();
                latency::measure(&target, WARM_UP, MEASURED, PACE)
            });
            let paced = pair.join();
            over.store(true, Ordering::Relaxed);
            let failed = |_| "a thread of the generator failed".to_owned();
            Ok((paced.map_err(failed)??, crowd.join().map_err(failed)??))
        })
    };
    let result: Result<_> = steps();
    result.map_err(|why| broker.explain(why))
}

struct Bursts {
    epoll: Epoll,
    publisher: Connection,
    receivers: Vec<Connection>,
    timer: Timer,
    burst: Vec<u8>,
}

impl Bursts {
    fn new(target: &Target, count: usize) -> Result<Self> {
        let epoll = Epoll::new().map_err(|error| format!("epoll: {error}"))?;
        let open = |name: &str| Connection::open(target, Transport::Tcp, Version::V3, name);
        let mut receivers = Vec::new();
        for index in 0..count {
            let mut receiver = open(&format!("receiver-{index}"))?;
            receiver.subscribe(TOPIC, 0)?;
            receiver.hand_over(&epoll, index)?;
            receivers.push(receiver);
        }
        let mut publisher = open("publisher")?;
        publisher.hand_over(&epoll, count)?;
        let timer = Timer::new(TICK).map_err(|error| format!("timer: {error}"))?;
        epoll.add(&timer, count + 1).map_err(|error| format!("timer: {error}"))?;
        let burst = packet::publish(Version::V3, TOPIC, 0, 0, &[b'x'; 64]).repeat(MESSAGES);
        Ok(Self { epoll, publisher, receivers, timer, burst })
    }

    /// Until it is over; tells how long each burst took that has arrived everywhere.
    fn run(&mut self, over: &AtomicBool) -> Result<Vec<f64>> {
        let mut scratch = Scratch::new();
        let (mut began, mut left) = (Instant::now(), 0);
        let mut took = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let Self { epoll, publisher, receivers, timer, burst } = self;
            for event in epoll.wait(Duration::from_millis(10))? {
                if let Some(receiver) = receivers.get_mut(event.token) {
                    receiver.note(&event);
                    let before = left;
                    receiver.receive(&event, &mut scratch, |packet, _| {
                        left -= usize::from(packet.kind() == packet::PUBLISH);
                        Ok(())
                    })?;
                    if left == 0 && before > 0 {
                        took.push(began.elapsed().as_secs_f64() * 1e3);
                    }
                } else if event.token == receivers.len() {
                    publisher.note(&event);
                    publisher.flush()?;
                } else {
                    timer.clear();
                    if left == 0 && !receivers.is_empty() {
                        (began, left) = (Instant::now(), MESSAGES * receivers.len());
                        publisher.output().push(burst);
                        publisher.flush()?;
                    }
                }
            }
        }
        Ok(took)
    }
}
