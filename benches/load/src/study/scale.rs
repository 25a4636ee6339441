//! What a message costs the broker as one quantity grows and all else stays as it is.

use std::time::Duration;

use super::{figure, median, Bench, Rows, Study};
use crate::broker::OURS;
use crate::connection::Connection;
use crate::dial::Idle;
use crate::flow::{Load, Shape};
use crate::packet::Version;
use crate::scenario::{Target, ONE_TO_ONE};
use crate::transport::Transport;
use crate::Result;

pub const STUDY: Study = Study {
    name: "scale",
    title: "processor time for each message as subscriptions, topics, receivers and connections grow",
    columns: &["curve", "x", "cpu_ns", "k_per_s"],
    run,
};

struct Curve {
    name: &'static str,
    points: &'static [usize],
    shape: fn(usize) -> Shape,
    company: fn(&Target, usize) -> Result<Company>,
}

const CURVES: &[Curve] = &[
    Curve {
        name: "subscriptions, exact",
        points: &SUBSCRIPTIONS,
        shape: |_| MANY_TOPICS,
        company: |target, count| subscribers(target, count, |index| format!("bench/00/other-{index:07}")),
    },
    Curve {
        name: "subscriptions, wildcards",
        points: &SUBSCRIPTIONS,
        shape: |_| MANY_TOPICS,
        company: |target, count| subscribers(target, count, |index| format!("bench/+/other-{index:07}/#")),
    },
    Curve {
        name: "topics",
        points: &[1, 10, 100, 1_000, 10_000, 100_000],
        shape: |count| Shape { subtopics: count, ..ONE_TO_ONE },
        company: nobody,
    },
    Curve {
        name: "receivers, QoS 0",
        points: &RECEIVERS,
        shape: |count| Shape { receivers: count, ..TO_MANY },
        company: nobody,
    },
    Curve {
        name: "receivers, QoS 1",
        points: &RECEIVERS,
        shape: |count| Shape { qos: 1, receivers: count, ..TO_MANY },
        company: nobody,
    },
    Curve {
        name: "connections, idle",
        points: &CONNECTIONS,
        shape: |_| ONE_TO_ONE,
        company: |target, count| Ok(Company { _idle: Some(Idle::new(target, 0..count)?), ..Company::default() }),
    },
    Curve {
        name: "connections, busy",
        points: &CONNECTIONS,
        shape: |count| Shape { topics: count / 2, ..PAIRS },
        company: nobody,
    },
];

const SUBSCRIPTIONS: [usize; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];
const RECEIVERS: [usize; 5] = [1, 10, 100, 1_000, 10_000];
const CONNECTIONS: [usize; 4] = [10, 100, 1_000, 10_000];

/// More topics than a publisher remembers the receivers of: each message is looked up among the subscriptions.
const MANY_TOPICS: Shape = Shape { subtopics: 10_000, ..ONE_TO_ONE };

/// As many messages at once for any number of receivers, so that what a system call takes with it does not change.
const TO_MANY: Shape = Shape { outstanding: 100, gather: Some(50), ..ONE_TO_ONE };

/// The same for pairs.
const PAIRS: Shape = Shape { qos: 1, window: 20, outstanding: 20, gather: Some(20), ..ONE_TO_ONE };

const WARM_UP: Duration = Duration::from_millis(300);

/// Measured so often, one after the other, of which the median is taken: what disturbs one does not disturb all.
const WINDOWS: usize = 5;
const WINDOW: Duration = Duration::from_millis(400);

fn run(bench: &Bench, rows: &mut Rows) -> Result<()> {
    for curve in CURVES {
        for &point in curve.points {
            let (cpu, rate) = measure(bench, curve, point).map_err(|why| format!("{} {point}: {why}", curve.name))?;
            rows.push([curve.name.replace(',', ""), point.to_string(), figure(cpu * 1e3), figure(rate / 1e3)]);
        }
    }
    Ok(())
}

fn measure(bench: &Bench, curve: &Curve, point: usize) -> Result<(f64, f64)> {
    let mut broker = bench.ours(&OURS)?;
    let target = broker.target();
    let steps = || {
        let _company = (curve.company)(&target, point)?;
        let mut load = Load::new(&target, (curve.shape)(point))?;
        load.drive(WARM_UP)?;
        let rates = (0..WINDOWS).map(|_| load.measure(&target, WINDOW)).collect::<Result<Vec<_>>>()?;
        load.drain()?;
        match load.fault() {
            Some(fault) => Err(fault),
            None => Ok(rates),
        }
    };
    let rates = steps().map_err(|why| broker.explain(why))?;
    let cpu = median(rates.iter().filter_map(|rate| rate.cpu).collect());
    Ok((cpu, median(rates.iter().map(|rate| rate.per_second).collect())))
}

/// Clients that do not take part, held while others are measured.
#[derive(Default)]
struct Company {
    _subscribers: Vec<Connection>,
    _idle: Option<Idle>,
}

fn nobody(_: &Target, _: usize) -> Result<Company> {
    Ok(Company::default())
}

/// Clients who share so many subscriptions, none of which matches a topic of the load.
fn subscribers(target: &Target, count: usize, filter: fn(usize) -> String) -> Result<Company> {
    const CLIENTS: usize = 100;
    const AT_ONCE: usize = 1_000;
    let each = count / CLIENTS;
    let subscriber = |client: usize| {
        let name = format!("subscriber-{client}");
        let mut connection = Connection::open(target, Transport::Tcp, Version::V3, &name)?;
        let filters: Vec<String> = (client * each..(client + 1) * each).map(filter).collect();
        filters.chunks(AT_ONCE).try_for_each(|some| connection.subscribe_all(some, 0))?;
        Ok(connection)
    };
    let subscribers = (0..CLIENTS).map(subscriber).collect::<Result<_>>()?;
    Ok(Company { _subscribers: subscribers, ..Company::default() })
}
