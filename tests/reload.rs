//! Certificates and listeners of a broker that runs, exchanged while clients are connected. The tests of this file run one
//! at a time, for one of them looks at what the process uses.

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "support/certificates.rs"]
mod certificates;
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "support/mqtt.rs"]
mod mqtt;
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "support/tls.rs"]
mod tls;

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rmqttc::broker::{Broker, Error, Report};
use rmqttc::config::{schema, Config};
use rustls::pki_types::CertificateDer;
use rustls::ClientConfig;
use serde_json::{json, Value};

use certificates::{Authority, Directory, Issued};
use mqtt::{Client, Connect, LONG};

const NAMES: [&str; 2] = ["DNS:localhost", "IP:127.0.0.1"];
const MEGABYTE: usize = 1024 * 1024;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    // A test that has failed has not broken anything for the next one.
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A configuration with one listener.
fn config(tls: Value) -> String {
    let listener = json!({"type": "tls", "address": "127.0.0.1:0", "allow_anonymous": true, "tls": tls});
    json!({"listeners": [listener], "runtime": {"worker_threads": 2}}).to_string()
}

fn start(config: &str) -> (Broker, String) {
    let broker = Broker::new(config).unwrap();
    broker.start().unwrap();
    let address = broker.listener(0).unwrap().address.to_string();
    (broker, address)
}

fn pem(server: &Issued) -> Value {
    json!({"cert_pem": server.certificate, "key_pem": server.key})
}

/// The certificate that a client is shown now.
fn shown(address: &str, client: &ClientConfig) -> CertificateDer<'static> {
    let stream = tls::handshake(address, client, "localhost").unwrap();
    stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
}

fn is_connected(broker: &Broker, client: &mut Client) {
    assert!(client.ping());
    assert_eq!(broker.stats().connected_clients, 1);
}

fn pointers(error: &Error) -> Vec<String> {
    Report::of_refusal(error).unwrap().rejected.into_iter().map(|fault| fault.pointer).collect()
}

const RENEWED: [&str; 1] = ["/listeners/0/tls"];

#[test]
fn files_are_read_again_and_clients_stay() {
    let _alone = alone();
    let authority = Authority::new("authority");
    let directory = Directory::new();
    let (first, second) = (authority.server(&NAMES), authority.server(&NAMES));
    let write = |server: &Issued| {
        let (cert_file, key_file) =
            (directory.write("server.pem", &server.certificate), directory.write("server.key", &server.key));
        config(json!({"cert_file": cert_file, "key_file": key_file}))
    };
    let text = write(&first);
    let (broker, address) = start(&text);
    let client_config = authority.client_config(None);
    let mut client = Connect::v5("client").over(tls::open(&address, &client_config)).unwrap();
    assert_eq!(shown(&address, &client_config), first.chain()[0]);
    assert_eq!(broker.reload(&text).unwrap(), Report::default(), "the files are the same");

    write(&second);
    assert_eq!(shown(&address, &client_config), first.chain()[0], "nobody has asked for the new one yet");
    assert_eq!(broker.reload(&text).unwrap().applied, RENEWED);
    assert_eq!(shown(&address, &client_config), second.chain()[0]);
    assert_eq!(broker.listener(0).unwrap().address.to_string(), address);
    is_connected(&broker, &mut client);
}

#[test]
fn material_that_is_of_no_use_keeps_the_old() {
    let _alone = alone();
    let authority = Authority::new("authority");
    let directory = Directory::new();
    let (first, second) = (authority.server(&NAMES), authority.server(&NAMES));
    let certificate = directory.write("server.pem", &first.certificate);
    let text = config(json!({"cert_file": certificate, "key_pem": first.key}));
    let (broker, address) = start(&text);
    let client_config = authority.client_config(None);
    let mut client = Connect::v5("client").over(tls::open(&address, &client_config)).unwrap();

    for (name, damaged) in
        [("another's", second.certificate.as_str()), ("cut off", &first.certificate[..100]), ("empty", "")]
    {
        directory.write("server.pem", damaged);
        let error = broker.reload(&text).unwrap_err();
        assert!(matches!(error, Error::InvalidConfig(_)), "{name}: {error}");
        assert!(!pointers(&error).is_empty(), "{name}");
        assert_eq!(shown(&address, &client_config), first.chain()[0], "{name}");
    }
    // Neither does a fault elsewhere let any of the rest through.
    let faulty = json!({"listeners": [
        {"type": "tls", "address": "127.0.0.1:0", "allow_anonymous": true, "tls": pem(&second)},
        {"type": "tls", "address": "127.0.0.1:0", "tls": {"cert_pem": "nonsense", "key_pem": second.key}}]});
    assert_eq!(pointers(&broker.reload(&faulty.to_string()).unwrap_err()), ["/listeners/1/tls/cert_pem"]);
    assert_eq!(shown(&address, &client_config), first.chain()[0]);
    is_connected(&broker, &mut client);
}

#[test]
fn authorities_and_revocation_lists_are_exchanged() {
    let _alone = alone();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let server = ours.server(&NAMES);
    let (anna, bert) = (ours.client("anna").issue(), theirs.client("bert").issue());
    let with = |more: Value| {
        let mut tls = pem(&server);
        tls["client_auth"] = "required".into();
        tls.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        config(tls)
    };
    let (broker, address) = start(&with(json!({"client_ca_pem": ours.pem()})));
    let as_anna = ours.client_config(Some(&anna));
    let as_bert = ours.client_config(Some(&bert));
    // The broker's no comes behind a handshake that is over for the client.
    let get_in = |config: &ClientConfig| {
        let Ok(stream) = tls::handshake(&address, config, "localhost") else { return false };
        let mut client = Client::over(stream);
        client.send_bytes(&Connect::v5("other").packet());
        matches!(client.receive(), Some((0x20, body)) if body[1] == 0)
    };
    let mut client = Connect::v5("anna").over(tls::open(&address, &as_anna)).unwrap();
    assert!(!get_in(&as_bert));

    let report =
        broker.reload(&with(json!({"client_ca_pem": ours.pem(), "crl_pem": ours.revoking(&[&anna])}))).unwrap();
    assert_eq!(report.applied, ["/listeners/0/tls/crl_pem", "/listeners/0/tls"]);
    assert!(!get_in(&as_anna));
    assert!(client.ping(), "who is connected stays");

    broker.reload(&with(json!({"client_ca_pem": theirs.pem()}))).unwrap();
    assert!(get_in(&as_bert) && !get_in(&as_anna));
    assert!(client.ping());
}

#[test]
fn a_listener_becomes_a_secured_one() {
    let _alone = alone();
    let authority = Authority::new("authority");
    let server = authority.server(&NAMES);
    let plain = json!({"listeners": [{"address": "127.0.0.1:0", "allow_anonymous": true}]}).to_string();
    let (broker, address) = start(&plain);
    let mut before = Client::connect(&address, "before").unwrap();
    broker.reload(&config(pem(&server))).unwrap();
    assert_eq!((&*broker.listener(0).unwrap().kind, &*broker.listener(0).unwrap().address), ("tls", &*address));
    let mut after = Connect::v5("after").over(tls::open(&address, &authority.client_config(None))).unwrap();
    assert!(before.ping() && after.ping());
    broker.reload(&plain).unwrap();
    let mut again = Client::connect(&address, "again").unwrap();
    assert!(before.ping() && after.ping() && again.ping());
}

/// What the table of docs/configuration.md says: whether what is changed waits for the next start.
fn documented() -> Vec<(String, bool)> {
    let document = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md")).unwrap();
    let (_, table) = document.split_once("| keys | change |\n").expect("the table is there");
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let keys = rows.flat_map(|row| {
        let (keys, change) = row[1..].split_once('|').unwrap();
        let waits = change.trim_start().starts_with("with the next start");
        keys.split('`').skip(1).step_by(2).map(move |key| (format!("/{}", key.replace('.', "/")), waits))
    });
    keys.collect()
}

/// Another value for each key that can be changed without thought: numbers, switches, choices.
fn other_values(pointer: &str, schema: &Value, default: &Value, found: &mut Vec<(String, Value)>) {
    for (key, property) in schema["properties"].as_object().unwrap() {
        let (pointer, default) = (format!("{pointer}/{key}"), &default[key]);
        let choices = property["oneOf"].as_array().into_iter().flatten().map(|choice| &choice["const"]);
        let other = match default {
            Value::Object(_) => {
                other_values(&pointer, property, default, found);
                continue;
            }
            Value::Bool(default) => Some(json!(!default)),
            Value::Number(default) => {
                let default = default.as_u64().unwrap();
                let (min, max) = (property["minimum"].as_u64().unwrap_or(0), property["maximum"].as_u64());
                // 0 is no limit, and the smallest one may be larger than 1.
                let next = if default == 0 { max.unwrap_or(1) } else { default + 1 };
                [next, min].into_iter().find(|other| max.is_none_or(|max| *other <= max)).map(Value::from)
            }
            default => choices.clone().find(|choice| *choice != default).cloned(),
        };
        found.extend(other.map(|other| (pointer, other)));
    }
}

#[test]
fn every_key_changes_when_the_documentation_says() {
    let _alone = alone();
    let documented = documented();
    let mut changes = vec![("/id".to_owned(), json!("other")), ("/runtime/thread_name".to_owned(), json!("other"))];
    other_values("", &schema(), &serde_json::to_value(Config::default()).unwrap(), &mut changes);
    assert!(changes.len() > 30, "{changes:?}");
    let (broker, _) = start(&json!({"listeners": [{"address": "127.0.0.1:0"}]}).to_string());
    for (pointer, value) in changes {
        let nested = pointer[1..].rsplit('/').fold(value, |value, key| json!({ key: value }));
        let mut config = json!({"listeners": [{"address": "127.0.0.1:0"}]});
        config.as_object_mut().unwrap().extend(nested.as_object().unwrap().clone());
        let report = broker.reload(&config.to_string()).unwrap_or_else(|error| panic!("{pointer}: {error}"));
        // The key itself, or the closest one above it.
        let covers = |key: &str| pointer.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let known = documented.iter().filter(|(key, _)| covers(key)).max_by_key(|(key, _)| key.len());
        let (_, waits) = known.unwrap_or_else(|| panic!("{pointer} is not in docs/configuration.md"));
        assert_eq!(report.needs_restart.contains(&pointer), *waits, "{pointer}: {report:?}");
        assert_eq!(report.applied.contains(&pointer), !waits, "{pointer}: {report:?}");
        assert_eq!(report.needs_restart.len(), usize::from(*waits), "{report:?}");
    }
}

/// Bytes of memory that the process has in use.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Something that is done again and again while the broker is reloaded.
struct Traffic {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU32>,
    thread: JoinHandle<()>,
}

impl Traffic {
    fn of(mut turn: impl FnMut() + Send + 'static) -> Traffic {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (stopped, count) = (stop.clone(), done.clone());
        let thread = thread::spawn(move || {
            while !stopped.load(SeqCst) {
                turn();
                count.fetch_add(1, SeqCst);
            }
        });
        Traffic { stop, done, thread }
    }

    /// Waits until it has been done once more.
    fn goes_on(&self) {
        let (begin, before) = (Instant::now(), self.done.load(SeqCst));
        while self.done.load(SeqCst) == before {
            assert!(begin.elapsed() < LONG && !self.thread.is_finished(), "no traffic");
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn end(self) -> u32 {
        self.stop.store(true, SeqCst);
        self.thread.join().unwrap();
        self.done.load(SeqCst)
    }
}

#[test]
fn ten_thousand_certificates_under_traffic() {
    const WARM_UP: usize = 1_000;
    const RELOADS: usize = 10_000;
    let _alone = alone();
    let authority = Authority::new("authority");
    let servers = [authority.server(&NAMES), authority.server(&NAMES)];
    let configs = servers.each_ref().map(|server| {
        let mut tls = pem(server);
        tls["client_auth"] = "required".into();
        tls["client_ca_pem"] = authority.pem().into();
        config(tls)
    });
    let (broker, address) = start(&configs[0]);
    let client_config = authority.client_config(Some(&authority.client("client").issue()));
    let mut idle = Connect::v5("idle").over(tls::open(&address, &client_config)).unwrap();
    assert_eq!(idle.subscribe_with("t", 1), Some(1));
    let mut talker = Connect::v5("talker").over(tls::open(&address, &client_config)).unwrap();
    let talking = Traffic::of(move || assert!(talker.publish("t", b"x", false), "the client is lost"));
    let (at, newcomer) = (address.clone(), client_config.clone());
    let coming = Traffic::of(move || {
        let mut client = Connect::v5("newcomer").over(tls::open(&at, &newcomer)).unwrap();
        assert!(client.ping());
    });
    let applied = ["/listeners/0/tls/cert_pem", "/listeners/0/tls/key_pem", "/listeners/0/tls"];
    let reload = |number: usize| assert_eq!(broker.reload(&configs[number % 2]).unwrap().applied, applied);

    (1..=WARM_UP).for_each(reload);
    let (memory, open) = (resident(), descriptors());
    (1..=RELOADS).for_each(reload);
    talking.goes_on();
    coming.goes_on();
    assert_eq!(shown(&address, &client_config), servers[RELOADS % 2].chain()[0]);
    let (published, came) = (talking.end(), coming.end());
    let grown = resident().saturating_sub(memory);
    println!("{published} messages, {came} connections, {} KB more", grown / 1024);
    assert!(grown < 4 * MEGABYTE, "{} MB more", grown / MEGABYTE);
    assert!(descriptors() <= open, "{} descriptors, {open} before", descriptors());
    let stats = broker.stats();
    assert_eq!((stats.connection_panics, stats.handshakes_failed), (0, 0));
    // It has got all that its queue has room for, and has not read any of it.
    idle.message();
    assert!(idle.ping());
}
