//! Latency at shares of what a broker can do at most, from one publisher to one receiver. Ours and the peer are asked for
//! the same rates: shares of the maximum of ours, which the peer may not reach, and of the peer's.

use std::time::Duration;

use super::{figure, median, Bench, Rows, Study, PEER};
use crate::broker::{Kind, OURS};
use crate::flow::{self, Shape};
use crate::latency::{self, Pace};
use crate::scenario::{Timing, ONE_TO_ONE};
use crate::Result;

pub const STUDY: Study = Study {
    name: "latency",
    title: "latency at 10, 50 and 80 % of the maximum",
    columns: &["qos", "of", "percent", "rate", "broker", "held", "p50_ms", "p99_ms", "p999_ms", "k_per_s", "late"],
    run,
};

const PERCENT: [u64; 3] = [10, 50, 80];

const ROUNDS: usize = 3;

const WARM_UP: Duration = Duration::from_millis(500);
const MEASURED: Duration = Duration::from_secs(2);

fn run(bench: &Bench, rows: &mut Rows) -> Result<()> {
    for qos in [0, 1] {
        for most_of in [PEER, &OURS] {
            let most = most(bench, most_of, qos)?;
            for percent in PERCENT {
                let rate = most * percent / 100 / 1000 * 1000;
                for kind in [PEER, &OURS] {
                    let what = [qos.to_string(), most_of.name.to_owned(), percent.to_string(), rate.to_string()];
                    row(bench, rows, what, kind, Pace { topic: "bench/00", qos, per_second: rate })?;
                }
            }
        }
    }
    Ok(())
}

/// Messages a second.
fn most(bench: &Bench, kind: &Kind, qos: u8) -> Result<u64> {
    let rate = |_| {
        let broker = bench.either(kind)?;
        flow::run(&broker.target(), &Timing::quick(1.0), Shape { qos, ..ONE_TO_ONE }).map(|sample| sample.values[0])
    };
    let rates = (0..ROUNDS).map(rate).collect::<Result<Vec<_>>>()?;
    Ok((median(rates) * 1e3) as u64)
}

fn row(bench: &Bench, rows: &mut Rows, what: [String; 4], kind: &Kind, pace: Pace) -> Result<()> {
    let (mut held, mut failed) = (Vec::new(), Vec::new());
    // What most runs say is so.
    while held.len() + failed.len() < ROUNDS && failed.len() <= ROUNDS / 2 {
        let broker = bench.either(kind)?;
        let paced = latency::measure(&broker.target(), WARM_UP, MEASURED, pace)?;
        if paced.held { &mut held } else { &mut failed }.push(paced);
    }
    let holds = failed.len() <= ROUNDS / 2;
    let rounds = if holds { held } else { failed };
    let of = |value: fn(&latency::Paced) -> f64| figure(median(rounds.iter().map(value).collect()));
    let [qos, most_of, percent, rate] = what;
    rows.push([
        qos,
        most_of,
        percent,
        rate,
        kind.name.to_owned(),
        if holds { "yes" } else { "no" }.to_owned(),
        of(|paced| paced.latencies.millis(0.5).unwrap_or_default()),
        of(|paced| paced.latencies.millis(0.99).unwrap_or_default()),
        of(|paced| paced.latencies.millis(0.999).unwrap_or_default()),
        of(|paced| paced.per_second / 1e3),
        of(|paced| paced.late),
    ]);
    Ok(())
}
