//! Brokers as child processes: how each kind is started, and that none is left behind.

use std::fs::{self, File};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::scenario::Target;
use crate::sys::{self, Epoll};
use crate::transport::Transport;
use crate::{tls, Result};

/// How a kind of broker is started. To measure another one, describe it here and put its configuration into `benches`.
pub struct Kind {
    pub name: &'static str,
    /// Found on `PATH`, unless the command line says another one.
    pub program: &'static str,
    /// Its file in `benches`. In it, `{tcp}`, `{tls}` and `{ws}` are replaced by free ports, `{tcp5}` by one more for those
    /// who have a listener of its own for MQTT 5, `{cert}` and `{key}` by the paths of a certificate and its key, `{workers}` by
    /// a number of threads, `{busy_poll_us}` by microseconds.
    config: &'static str,
    /// `None`: as many as the generator leaves processors for, two at most.
    workers: Option<usize>,
    /// How long threads look for work before they sleep.
    busy_poll_us: u32,
    /// `{config}` is replaced by the path of the configuration.
    arguments: &'static [&'static str],
    /// What makes it tell its version, in the first line that is not empty.
    version: &'static str,
    ready: Ready,
}

/// How a broker tells that it takes clients.
enum Ready {
    /// It can be connected to at the free ports.
    Port,
    /// It prints a line on its standard output, with `"type":"tls","address":"IP:PORT"` for each listener.
    Line,
    /// It takes none, but measures by itself: see [`crate::in_process`].
    Never,
}

pub const OURS: Kind = Kind {
    name: "rmqtt-c",
    program: "build/bin/rmqtt-broker",
    config: "rmqtt.json",
    workers: None,
    busy_poll_us: 0,
    arguments: &["-c", "{config}", "-l", "warn"],
    version: "-V",
    ready: Ready::Line,
};

pub const ONE_WORKER: Kind = Kind { name: "rmqtt-c with one worker", workers: Some(1), ..OURS };

pub const TWO_WORKERS: Kind = Kind { name: "rmqtt-c with two workers", workers: Some(2), ..OURS };

/// Ours with threads that stay awake for a while.
pub const AWAKE: Kind = Kind { name: "rmqtt-c awake", busy_poll_us: 50, ..OURS };

/// Ours with a hook that is called in place for every message.
pub const HOOKED: Kind =
    Kind { name: "rmqtt-c with a hook", program: "build/bin/bench-hooked", arguments: &["{config}"], ..OURS };

/// Ours as its own and only client.
pub const IN_PROCESS: Kind = Kind {
    name: "rmqtt-c in-process",
    program: "build/bin/bench-in-process",
    config: "",
    workers: None,
    busy_poll_us: 0,
    arguments: &[],
    version: "-V",
    ready: Ready::Never,
};

/// The generator keeps one processor busy.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).saturating_sub(1).clamp(1, 2)
}

impl Kind {
    /// Whether it measures by itself.
    pub fn is_in_process(&self) -> bool {
        matches!(self.ready, Ready::Never)
    }
}

/// The first one is what the ratios are to, unless the command line says another one. The others are measured where they
/// are on the machine.
pub const PEERS: &[Kind] = &[
    Kind {
        name: "mosquitto",
        program: "mosquitto",
        config: "mosquitto.conf",
        workers: None,
        busy_poll_us: 0,
        arguments: &["-c", "{config}"],
        version: "-h",
        ready: Ready::Port,
    },
    Kind {
        name: "rumqttd",
        program: "rumqttd",
        config: "rumqttd.toml",
        workers: None,
        busy_poll_us: 0,
        arguments: &["--quiet", "--config", "{config}"],
        version: "--version",
        ready: Ready::Port,
    },
];

const ATTEMPTS: u32 = 3;

const START: Duration = Duration::from_secs(10);

/// How long a broker may take to end in order. It may have thousands of clients to say goodbye to.
const END: Duration = Duration::from_secs(6);

const POLL: Duration = Duration::from_millis(5);

/// What the port of a listener for MQTT 5 is called in a configuration.
const V5: &str = "tcp5";

pub struct Broker {
    child: Child,
    addresses: Vec<(Transport, SocketAddrV4)>,
    v5: Option<SocketAddrV4>,
    log: PathBuf,
}

impl Broker {
    /// Starts a broker and waits until it takes clients. Configuration and log are written to `directory`.
    pub fn start(kind: &Kind, program: &Path, configs: &Path, directory: &Path) -> Result<Self> {
        let mut attempts = 1;
        loop {
            match Self::start_once(kind, program, configs, directory) {
                // A port that was free may have been taken since, where the broker does not choose for itself.
                Err(_) if matches!(kind.ready, Ready::Port) && attempts < ATTEMPTS && !sys::interrupted() => {
                    attempts += 1
                }
                result => return result,
            }
        }
    }

    fn start_once(kind: &Kind, program: &Path, configs: &Path, directory: &Path) -> Result<Self> {
        let told = |what: &Path, error| format!("{}: {error}", what.display());
        let mut ports = free_addresses()?;
        let template = configs.join(kind.config);
        let text = fs::read_to_string(&template).map_err(|error| told(&template, error))?;
        let config = directory.join(kind.config);
        let path = |name| directory.join(name).display().to_string();
        let mut text = text.replace("{cert}", &path(tls::CERTIFICATE)).replace("{key}", &path(tls::KEY));
        text = text.replace("{workers}", &kind.workers.unwrap_or_else(workers).to_string());
        text = text.replace("{busy_poll_us}", &kind.busy_poll_us.to_string());
        ports.retain(|(name, address)| {
            let place = format!("{{{name}}}");
            let wanted = text.contains(&place);
            text = text.replace(&place, &address.port().to_string());
            wanted
        });
        let port = |wanted: &str| Some(ports.iter().find(|(name, _)| *name == wanted)?.1);
        let addresses = Transport::ALL.into_iter().filter_map(|transport| Some((transport, port(transport.name())?)));
        fs::write(&config, text).map_err(|error| told(&config, error))?;
        let log = directory.join(format!("{}.log", kind.name));
        let errors = File::create(&log).map_err(|error| told(&log, error))?;

        let config = config.display().to_string();
        let child = Command::new(program)
            .args(kind.arguments.iter().map(|argument| argument.replace("{config}", &config)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            // Ctrl-C ends this program, which then ends the broker; not both at once.
            .process_group(0)
            .spawn()
            .map_err(|error| told(program, error))?;
        let mut broker = Self { child, addresses: addresses.collect(), v5: port(V5), log };
        let ready = match kind.ready {
            Ready::Port => broker.wait_for_port(),
            Ready::Line => broker.wait_for_line(),
            Ready::Never => Err(format!("{} takes no clients", kind.name)),
        };
        ready.map_err(|why| broker.explain(why))?;
        Ok(broker)
    }

    pub fn target(&self) -> Target {
        Target { addresses: self.addresses.clone(), v5: self.v5, pid: Some(self.child.id()) }
    }

    /// Adds to the reason of a failure that the broker has ended, if so, and the last line that it wrote.
    pub fn explain(&mut self, why: String) -> String {
        // One that has just crashed may take a moment to be gone.
        let ended = self.wait_for_end(Duration::from_millis(200));
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let last = log.lines().last().map(|line| format!("; it wrote: {line}")).unwrap_or_default();
        match ended {
            Some(status) => format!("{why} (the broker ended, {status}{last})"),
            None => format!("{why}{last}"),
        }
    }

    fn wait_for_port(&mut self) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < START {
            let mut all = self.addresses.iter().map(|(_, address)| address).chain(&self.v5);
            if all.all(|address| TcpStream::connect(address).is_ok()) {
                return Ok(());
            }
            if sys::interrupted() {
                return Err("interrupted".to_owned());
            }
            if self.wait_for_end(POLL).is_some() {
                return Err("it does not start".to_owned());
            }
        }
        Err(format!("it does not listen after {START:?}"))
    }

    fn wait_for_line(&mut self) -> Result<()> {
        let failed = |error| format!("its standard output: {error}");
        let output = self.child.stdout.as_mut().ok_or("its standard output is not there")?;
        let mut epoll = Epoll::new().map_err(failed)?;
        epoll.add(output, 0).map_err(failed)?;
        let began = Instant::now();
        let mut text = Vec::new();
        while began.elapsed() < START {
            if epoll.wait(Duration::from_millis(100))?.next().is_none() {
                continue;
            }
            let mut bytes = [0; 4096];
            match output.read(&mut bytes).map_err(failed)? {
                0 => return Err("it does not start".to_owned()),
                count => text.extend_from_slice(&bytes[..count]),
            }
            if text.ends_with(b"\n") {
                let line = String::from_utf8_lossy(&text);
                self.addresses = addresses_in(&line);
                return match self.addresses.is_empty() {
                    true => Err(format!("no address in: {line}")),
                    false => Ok(()),
                };
            }
        }
        Err(format!("it does not tell its address after {START:?}"))
    }

    fn wait_for_end(&mut self, timeout: Duration) -> Option<std::process::ExitStatus> {
        let began = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if began.elapsed() < timeout => std::thread::sleep(POLL),
                _ => return None,
            }
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if self.wait_for_end(Duration::ZERO).is_some() {
            return;
        }
        sys::terminate(self.child.id());
        if self.wait_for_end(END).is_none() {
            // Fails only if it has just ended.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Where a program is. Servers lie where the path of an ordinary user does not always lead.
pub fn find(program: &Path) -> Result<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let directories = path.split(':').chain(["/usr/local/sbin", "/usr/sbin"]);
    let mut candidates = match program.components().count() {
        1 => directories.map(|directory| Path::new(directory).join(program)).collect(),
        _ => vec![program.to_owned()],
    };
    candidates.retain(|candidate| candidate.is_file());
    candidates.into_iter().next().ok_or_else(|| format!("{} is not there", program.display()))
}

/// What a program says about its version.
pub fn version(kind: &Kind, program: &Path) -> String {
    let output = Command::new(program).arg(kind.version).stdin(Stdio::null()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let line = text.lines().find(|line| !line.trim().is_empty());
    line.map_or_else(|| kind.name.to_owned(), |line| line.trim().to_owned())
}

/// An address of its own for each listener that a configuration may have.
fn free_addresses() -> Result<Vec<(&'static str, SocketAddrV4)>> {
    let failed = |error: std::io::Error| format!("no free port: {error}");
    let find = |name| Ok((name, sys::unused_port(Ipv4Addr::LOCALHOST).map_err(failed)?));
    let names = Transport::ALL.into_iter().map(Transport::name).chain([V5]);
    // All are held until all are known, so that they differ.
    let found = names.map(find).collect::<Result<Vec<_>>>()?;
    Ok(found.iter().map(|(name, (_, port))| (*name, SocketAddrV4::new(Ipv4Addr::LOCALHOST, *port))).collect())
}

/// The listeners that a broker tells of.
fn addresses_in(line: &str) -> Vec<(Transport, SocketAddrV4)> {
    let of = |transport: Transport| {
        let (_, rest) = line.split_once(&format!(r#""type":"{}","address":""#, transport.name()))?;
        Some((transport, rest.split_once('"')?.0.parse().ok()?))
    };
    Transport::ALL.into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_are_found() {
        let line = r#"{"event":"listening","listeners":[{"name":"a","type":"tcp","address":"127.0.0.1:4711"},
            {"name":"b","type":"ws","address":"127.0.0.1:4712"}]}"#;
        let found = [(Transport::Tcp, "127.0.0.1:4711"), (Transport::WebSocket, "127.0.0.1:4712")];
        assert_eq!(addresses_in(line), found.map(|(transport, address)| (transport, address.parse().unwrap())));
        assert_eq!(addresses_in(r#"{"type":"tcp","address":"somewhere"}"#), []);
    }

    #[test]
    fn each_listener_gets_a_port_of_its_own() {
        let addresses = free_addresses().unwrap();
        let distinct: std::collections::HashSet<_> = addresses.iter().map(|(_, address)| address.port()).collect();
        assert_eq!(distinct.len(), Transport::ALL.len() + 1);
    }

    #[test]
    fn a_broker_that_does_not_start_says_why() {
        let directory = std::env::temp_dir().join(format!("rmqtt-bench-test-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let failure = Broker::start(&OURS, Path::new("/bin/false"), &configs, &directory).err().unwrap();
        fs::remove_dir_all(&directory).unwrap();
        assert!(failure.contains("does not start (the broker ended, exit status: 1"), "{failure}");
    }
}
