//! Drives MQTT brokers and tells how fast they are. `docs/performance.md` says what is measured, and how.

mod broker;
mod compare;
mod connection;
mod dial;
mod flow;
mod histogram;
mod in_process;
mod lab;
mod latency;
mod machine;
mod packet;
mod process;
mod report;
mod scenario;
mod stream;
mod study;
mod sys;
mod table;
mod tls;
mod transport;
mod websocket;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use broker::{Kind, AWAKE, HOOKED, IN_PROCESS, ONE_WORKER, OURS, PEERS, TWO_WORKERS};
use compare::{Contender, Plan};
use scenario::{Scenario, Target, Timing, AWAKE_SCENARIOS, HOOK_SCENARIOS, IN_PROCESS_SCENARIOS, SCENARIOS};
use study::{Bench, Study, STUDIES};
use transport::Transport;

/// A failure is a sentence for whoever reads the table.
pub type Result<T> = std::result::Result<T, String>;

const USAGE: &str = "\
usage: load compare [OPTION...]           starts brokers in turn and prints how they compare
       load against IP:PORT [OPTION...]   measures a broker that runs
       load study [NAME...] [OPTION...]   measures what rmqtt-broker costs as something grows, and writes files
       load report [OPTION...]            draws what studies have measured and puts it into a document
       load list                          names the scenarios and the studies
  --quick              one short round
  --rounds N           rounds of which the median is taken (3)
  --seconds S          measured time of a run (3)
  --only NAME[,NAME]   only these scenarios
compare:
  --ours PROGRAM       rmqtt-broker (build/bin/rmqtt-broker)
  --workers N          its threads, 1 or 2 (as many as the generator leaves processors for, two at most)
  --hooked PROGRAM     the same with an inline hook (build/bin/bench-hooked)
  --in-process PROGRAM one that publishes to itself (build/bin/bench-in-process)
  --peer NAME=PROGRAM  a broker to compare with; may be repeated (mosquitto, and rumqttd where it is)
  --configs DIRECTORY  where the configurations are (benches)
  --limit S            what has not begun after so many seconds is left out (240 for each broker)
study:
  --out DIRECTORY      where the files are written (docs/performance); --ours and --configs as above
report:
  --document FILE      where the tables are put (docs/performance.md); --out as above
against:
  --pid PID            the process of the broker, to measure its CPU and memory
Exit status: 0; 1 if a scenario failed or messages were lost; 2 for a fault of the command line.
";

const EXIT_USAGE: u8 = 2;

/// Enough for the largest scenario, in this process and in a broker.
const DESCRIPTORS: u64 = 16_384;

/// Seconds that a broker may take, in the middle, for all of its runs.
const LIMIT_EACH: u64 = 240;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options = match Options::parse(&arguments) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("load: {why}\n{USAGE}");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    sys::note_signals();
    // Before any broker starts, as it inherits the limit. The scenario that needs them tells if they are too few.
    sys::raise_descriptor_limit(DESCRIPTORS);
    match options.run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("load: {why}");
            ExitCode::FAILURE
        }
    }
}

enum Command {
    Compare,
    Against,
    Study,
    Report,
    List,
}

struct Options {
    command: Command,
    /// Without a dash.
    names: Vec<String>,
    pid: Option<u32>,
    quick: bool,
    rounds: Option<usize>,
    seconds: Option<f64>,
    scenarios: Vec<&'static Scenario>,
    ours: PathBuf,
    kind: &'static Kind,
    hooked: PathBuf,
    in_process: PathBuf,
    peers: Vec<Contender>,
    configs: PathBuf,
    out: PathBuf,
    document: PathBuf,
    limit: Option<u64>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut arguments = arguments.iter();
        let command = match arguments.next().map(String::as_str) {
            Some("compare") => Command::Compare,
            Some("against") => Command::Against,
            Some("study") => Command::Study,
            Some("report") => Command::Report,
            Some("list") => Command::List,
            other => return Err(format!("{} is no command", other.unwrap_or("nothing"))),
        };
        let mut options = Self {
            command,
            names: Vec::new(),
            pid: None,
            quick: false,
            rounds: None,
            seconds: None,
            scenarios: scenarios().collect(),
            ours: OURS.program.into(),
            kind: &OURS,
            hooked: HOOKED.program.into(),
            in_process: IN_PROCESS.program.into(),
            peers: Vec::new(),
            configs: "benches".into(),
            out: "docs/performance".into(),
            document: "docs/performance.md".into(),
            limit: None,
        };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--quick" => options.quick = true,
                "--rounds" => options.rounds = Some(within(argument, value()?, 1, 100)?),
                "--seconds" => options.seconds = Some(within(argument, value()?, 0.1, 60.0)?),
                "--only" => options.scenarios = value()?.split(',').map(find_scenario).collect::<Result<_>>()?,
                "--ours" => options.ours = value()?.into(),
                "--workers" => options.kind = parse_workers(value()?)?,
                "--hooked" => options.hooked = value()?.into(),
                "--in-process" => options.in_process = value()?.into(),
                "--peer" => options.peers.push(parse_peer(value()?)?),
                "--configs" => options.configs = value()?.into(),
                "--limit" => options.limit = Some(parse(argument, value()?)?),
                "--pid" => options.pid = Some(parse(argument, value()?)?),
                "--document" => options.document = value()?.into(),
                "--out" => options.out = value()?.into(),
                name if !name.starts_with('-') => options.names.push(name.to_owned()),
                other => return Err(format!("{other} is not understood")),
            }
        }
        Ok(options)
    }

    fn run(self) -> Result<bool> {
        let timing = if self.quick {
            Timing::quick(self.seconds.unwrap_or(1.0))
        } else {
            Timing::full(self.seconds.unwrap_or(3.0))
        };
        match self.command {
            Command::Compare => {
                let mut contenders = self.peers;
                if contenders.is_empty() {
                    contenders = known_peers();
                }
                contenders.push(Contender { kind: self.kind, program: self.ours.clone() });
                let first_peer = || Contender { kind: contenders[0].kind, program: contenders[0].program.clone() };
                let ours = |kind| Contender { kind, program: self.ours.clone() };
                let awake = vec![first_peer(), ours(&OURS), ours(&AWAKE)];
                let hooked = vec![ours(&OURS), Contender { kind: &HOOKED, program: self.hooked }];
                let in_process = vec![first_peer(), Contender { kind: &IN_PROCESS, program: self.in_process }];
                let of = |list: &'static [Scenario]| {
                    let chosen = |scenario: &&Scenario| list.iter().any(|other| std::ptr::eq(other, *scenario));
                    self.scenarios.iter().copied().filter(chosen).collect::<Vec<_>>()
                };
                let limit = self.limit.unwrap_or(LIMIT_EACH * contenders.len() as u64);
                let mut plan = Plan {
                    contenders,
                    configs: self.configs,
                    scenarios: of(SCENARIOS),
                    timing,
                    rounds: self.rounds.unwrap_or(if self.quick { 1 } else { 3 }),
                    limit: Duration::from_secs(limit),
                };
                let mut all_well = run_if_any(&plan)?;
                let others = [(awake, AWAKE_SCENARIOS), (hooked, HOOK_SCENARIOS), (in_process, IN_PROCESS_SCENARIOS)];
                for (contenders, list) in others {
                    (plan.contenders, plan.scenarios) = (contenders, of(list));
                    all_well &= run_if_any(&plan)?;
                }
                Ok(all_well)
            }
            Command::Against => {
                let [address] = &self.names[..] else { return Err("against needs an address".to_owned()) };
                // Whoever names the address knows which scenarios its listener is for.
                let address = parse("the address", address)?;
                let addresses = Transport::ALL.map(|transport| (transport, address)).to_vec();
                let target = Target { addresses, v5: None, pid: self.pid };
                compare::against(&target, &self.scenarios, &timing)
            }
            Command::Study => {
                let mut studies = self.names.iter().map(|name| find_study(name)).collect::<Result<Vec<_>>>()?;
                if studies.is_empty() {
                    studies.extend(STUDIES);
                }
                study::run(&studies, &Bench::new(&self.configs, &self.ours)?, &self.out)?;
                Ok(true)
            }
            Command::Report => {
                report::run(&self.out, &self.document)?;
                Ok(true)
            }
            Command::List => {
                for scenario in scenarios() {
                    let titles: Vec<&str> = scenario.figures.iter().map(|figure| figure.title).collect();
                    println!("{:12} {}", scenario.name, titles.join("; "));
                }
                for study in STUDIES {
                    println!("{:12} study: {}", study.name, study.title);
                }
                Ok(true)
            }
        }
    }
}

fn parse<T: std::str::FromStr>(what: &str, value: &str) -> Result<T> {
    value.parse().map_err(|_| format!("{what} cannot be {value}"))
}

fn within<T: std::str::FromStr + PartialOrd>(what: &str, value: &str, least: T, most: T) -> Result<T> {
    let number = parse(what, value)?;
    if !(least..=most).contains(&number) {
        return Err(format!("{what} cannot be {value}"));
    }
    Ok(number)
}

fn scenarios() -> impl Iterator<Item = &'static Scenario> {
    SCENARIOS.iter().chain(AWAKE_SCENARIOS).chain(HOOK_SCENARIOS).chain(IN_PROCESS_SCENARIOS)
}

fn run_if_any(plan: &Plan) -> Result<bool> {
    Ok(plan.scenarios.is_empty() || compare::run(plan)?)
}

fn find_scenario(name: &str) -> Result<&'static Scenario> {
    let found = scenarios().find(|scenario| scenario.name == name);
    found.ok_or_else(|| format!("there is no scenario {name}; `load list` names them"))
}

/// The first one, whose absence is a fault that the run tells, and those of the others that are on the machine.
fn known_peers() -> Vec<Contender> {
    let contender = |kind: &'static Kind| Contender { kind, program: kind.program.into() };
    let is_there = |(index, contender): &(usize, Contender)| *index == 0 || broker::find(&contender.program).is_ok();
    PEERS.iter().map(contender).enumerate().filter(is_there).map(|(_, contender)| contender).collect()
}

fn parse_workers(text: &str) -> Result<&'static Kind> {
    match text {
        "1" => Ok(&ONE_WORKER),
        "2" => Ok(&TWO_WORKERS),
        _ => Err(format!("--workers is 1 or 2, not {text}")),
    }
}

fn find_study(name: &str) -> Result<&'static Study> {
    let found = STUDIES.iter().find(|study| study.name == name);
    found.ok_or_else(|| format!("there is no study {name}; `load list` names them"))
}

fn parse_peer(value: &str) -> Result<Contender> {
    let (name, program) = value.split_once('=').ok_or_else(|| format!("--peer needs NAME=PROGRAM, not {value}"))?;
    let known: Option<&'static Kind> = PEERS.iter().find(|kind| kind.name == name);
    let kind = known.ok_or_else(|| format!("{name} is not known; src/broker.rs says how a broker is started"))?;
    Ok(Contender { kind, program: program.into() })
}
