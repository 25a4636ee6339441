//! Brokers in turn, under the same load.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::broker::{self, Kind};
use crate::lab::Lab;
use crate::scenario::{Figure, Sample, Scenario, Target, Timing};
use crate::table::{self, Outcome};
use crate::{in_process, machine, sys, Result};

/// A broker to be started.
pub struct Contender {
    pub kind: &'static Kind,
    pub program: PathBuf,
}

pub struct Plan {
    /// The last one is ours, the first one is what its ratios are to.
    pub contenders: Vec<Contender>,
    pub configs: PathBuf,
    pub scenarios: Vec<&'static Scenario>,
    pub timing: Timing,
    pub rounds: usize,
    /// When it is over, what is left is not run any more.
    pub limit: Duration,
}

/// Runs everything and prints the table. Tells whether all of it went well.
pub fn run(plan: &Plan) -> Result<bool> {
    let began = Instant::now();
    let lab = Lab::new(&plan.configs)?;
    let programs: Vec<PathBuf> =
        plan.contenders.iter().map(|contender| broker::find(&contender.program)).collect::<Result<_>>()?;
    println!("{}", heading(plan, &programs));

    let empty = || plan.contenders.iter().map(|_| Vec::new()).collect();
    let mut outcomes: Vec<Outcome> =
        plan.scenarios.iter().map(|scenario| Outcome { scenario, rounds: empty() }).collect();
    for round in 0..plan.rounds {
        for outcome in &mut outcomes {
            // Who begins changes, so that none is always the one that finds the machine warmed up.
            for turn in 0..programs.len() {
                let index = (turn + round) % programs.len();
                let kind = plan.contenders[index].kind;
                let result = if began.elapsed() < plan.limit {
                    measure(&lab, plan, kind, &programs[index], outcome.scenario)
                } else {
                    Err(format!("not run: the limit of {} s is over", plan.limit.as_secs()))
                };
                if sys::interrupted() {
                    return Err("interrupted".to_owned());
                }
                eprintln!("round {}: {}: {}", round + 1, kind.name, tell(outcome.scenario, &result));
                outcome.rounds[index].push(result);
            }
        }
    }

    let names: Vec<&str> = plan.contenders.iter().map(|contender| contender.kind.name).collect();
    println!("{}", table::render(&names, &outcomes));
    println!("{:.0} s in all.", began.elapsed().as_secs_f64());
    // What peers fail at that no ratio is to is for the reader to know, and no fault of the run.
    let counting = |outcome: &Outcome| {
        [outcome.rounds.first(), outcome.rounds.last()].into_iter().flatten().flatten().all(is_clean)
    };
    Ok(outcomes.iter().all(counting))
}

/// Runs scenarios against a broker that somebody else has started.
pub fn against(target: &Target, scenarios: &[&'static Scenario], timing: &Timing) -> Result<bool> {
    let mut outcomes = Vec::new();
    for scenario in scenarios {
        let result = scenario.run(target, timing);
        if sys::interrupted() {
            return Err("interrupted".to_owned());
        }
        eprintln!("{}", tell(scenario, &result));
        outcomes.push(Outcome { scenario, rounds: vec![vec![result]] });
    }
    println!("{}", table::render(&["broker"], &outcomes));
    Ok(outcomes.iter().flat_map(|outcome| outcome.rounds.iter().flatten()).all(is_clean))
}

/// Every run has a broker of its own: none pays for what another one has left behind.
fn measure(lab: &Lab, plan: &Plan, kind: &Kind, program: &Path, scenario: &Scenario) -> Result<Sample> {
    if kind.is_in_process() {
        return in_process::run(program, &plan.timing);
    }
    let mut broker = lab.start(kind, program)?;
    let result = scenario.run(&broker.target(), &plan.timing);
    result.map_err(|why| broker.explain(why))
}

fn is_clean(result: &Result<Sample>) -> bool {
    result.as_ref().is_ok_and(|sample| sample.fault.is_none())
}

fn tell(scenario: &Scenario, result: &Result<Sample>) -> String {
    let sample = match result {
        Ok(sample) => sample,
        Err(why) => return format!("{}: failed: {why}", scenario.name),
    };
    let part = |figure: &Figure| Some(format!("{} {}", table::number(figure.of(sample)?), figure.unit));
    let figures: Vec<String> = scenario.figures.iter().filter_map(part).collect();
    let notes = [&sample.fault, &sample.remark].into_iter().flatten().map(|note| format!("; {note}"));
    format!("{}: {}{}", scenario.name, figures.join(", "), notes.collect::<String>())
}

fn heading(plan: &Plan, programs: &[PathBuf]) -> String {
    let mut versions: Vec<String> = plan
        .contenders
        .iter()
        .zip(programs)
        .map(|(contender, program)| broker::version(contender.kind, program))
        .collect();
    // One program may be there twice, set up in two ways.
    versions.dedup();
    format!(
        "{}. {}. Medians of {} × {} s, 64-byte payloads.\n",
        versions.join(", "),
        machine::describe(),
        plan.rounds,
        plan.timing.measured.as_secs_f64()
    )
}
