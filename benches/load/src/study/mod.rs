//! Studies: what a broker costs as something grows. Each writes a file of figures, of which `scripts/figures` makes the
//! curves and tables of `docs/performance.md`.

mod burst;
mod latency;
mod memory;
mod scale;
mod workers;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::broker::{self, Broker, Kind, OURS, PEERS};
use crate::lab::Lab;
use crate::{machine, sys, Result};

pub struct Study {
    /// Also that of its file.
    pub name: &'static str,
    pub title: &'static str,
    columns: &'static [&'static str],
    run: fn(&Bench, &mut Rows) -> Result<()>,
}

pub const STUDIES: &[Study] = &[scale::STUDY, workers::STUDY, latency::STUDY, burst::STUDY, memory::STUDY];

/// Lines of the file. A cell holds neither a comma nor a quotation mark.
struct Rows(Vec<Vec<String>>);

impl Rows {
    /// Tells the line at once, as the whole takes minutes.
    fn push<const N: usize>(&mut self, row: [String; N]) {
        eprintln!("{}", row.join(", "));
        self.0.push(row.to_vec());
    }
}

/// The brokers that can be started.
pub struct Bench {
    lab: Lab,
    ours: PathBuf,
    peer: PathBuf,
}

/// What studies that compare measure beside ours.
const PEER: &Kind = &PEERS[0];

impl Bench {
    pub fn new(configs: &Path, ours: &Path) -> Result<Self> {
        let peer = broker::find(Path::new(PEER.program))?;
        Ok(Self { lab: Lab::new(configs)?, ours: broker::find(ours)?, peer })
    }

    /// Ours, in one of its configurations.
    fn ours(&self, kind: &Kind) -> Result<Broker> {
        self.lab.start(kind, &self.ours)
    }

    /// Ours or the peer.
    fn either(&self, kind: &Kind) -> Result<Broker> {
        let program = if kind.name == PEER.name { &self.peer } else { &self.ours };
        self.lab.start(kind, program)
    }
}

/// Runs studies one after the other, and writes what they give below `out`.
pub fn run(studies: &[&Study], bench: &Bench, out: &Path) -> Result<()> {
    let versions = [broker::version(&OURS, &bench.ours), broker::version(PEER, &bench.peer)].join(", ");
    for study in studies {
        let began = Instant::now();
        let mut rows = Rows(Vec::new());
        eprintln!("{}: {}", study.name, study.columns.join(", "));
        (study.run)(bench, &mut rows)?;
        if sys::interrupted() {
            return Err("interrupted".to_owned());
        }
        let path = out.join(format!("{}.csv", study.name));
        let text = format!("# {versions}. {}.\n{}", machine::describe(), csv(study.columns, &rows));
        fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
        eprintln!("{}: {:.0} s", path.display(), began.elapsed().as_secs_f64());
    }
    Ok(())
}

fn csv(columns: &[&str], rows: &Rows) -> String {
    let lines = rows.0.iter().map(|row| row.join(","));
    std::iter::once(columns.join(",")).chain(lines).map(|line| line + "\n").collect()
}

/// As many digits as mean anything.
fn figure(value: f64) -> String {
    match value.abs() {
        large if large >= 1000.0 => format!("{value:.0}"),
        medium if medium >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

/// Nothing, where there is no value.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_header_and_a_line_for_each_row() {
        let mut rows = Rows(Vec::new());
        rows.push([figure(1234.56), figure(12.345)]);
        rows.push([figure(0.12345), median(vec![3.0, 1.0, 2.0]).to_string()]);
        assert_eq!(csv(&["a", "b"], &rows), "a,b\n1235,12.3\n0.123,2\n");
    }

    #[test]
    fn every_study_has_a_name_of_its_own() {
        let mut names: Vec<&str> = STUDIES.iter().map(|study| study.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), STUDIES.len());
    }
}
