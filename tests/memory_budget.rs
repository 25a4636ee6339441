//! The memory budget: what the broker says it holds is what it holds, and it holds no more than it may, whoever floods it.
//! The tests of this file run one at a time, for the memory they look at belongs to the process.

#[path = "support/mqtt.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod mqtt;

#[path = "support/brokers.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod brokers;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rmqttc::broker::{Action, Broker, Error, Publish};
use rmqttc::hooks::{DropCause, Event, Hook, HookSet, Hooks, Overload, Resource};
use rmqttc::model::QoS;
use rmqttc::observe::Stats;
use serde_json::json;

use brokers::{broker, eventually};
use mqtt::{Client, Connect, LONG};

const MEGABYTE: usize = 1024 * 1024;

/// MQTT 5: quota exceeded.
const QUOTA_EXCEEDED: u8 = 0x97;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    // A test that has failed has not broken anything for the next one.
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes of memory that the process has in use, and those that the allocator keeps for later.
fn resident() -> usize {
    let fields = fs::read_to_string("/proc/self/statm").unwrap();
    fields.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// The same, when the allocator has given back what it can: what earlier tests have left does not hide what this one takes.
fn idle() -> usize {
    // SAFETY: it only looks at what is free.
    unsafe { libc::malloc_trim(0) };
    resident()
}

/// Bytes that have been allocated and not freed.
fn allocated() -> usize {
    // SAFETY: it takes nothing and fills a structure.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}

fn with_budget(budget: usize, more: &str) -> String {
    format!(r#","limits":{{"memory_budget_bytes":{budget}{more}}}"#)
}

/// Hears of overload, and of messages that are dropped for want of memory if `drops`.
struct Ear {
    drops: bool,
    overloads: Mutex<Sender<Overload>>,
    dropped: Mutex<Sender<String>>,
}

struct Heard {
    overloads: Receiver<Overload>,
    dropped: Receiver<String>,
}

impl Ear {
    fn on(broker: &Broker, drops: bool) -> Heard {
        let ((overloads, heard), (dropped, heard_dropped)) = (channel(), channel());
        let ear = Ear { drops, overloads: Mutex::new(overloads), dropped: Mutex::new(dropped) };
        broker.set_hooks(Some(Box::new(ear)));
        Heard { overloads: heard, dropped: heard_dropped }
    }
}

impl Heard {
    fn overload(&self) -> (Resource, bool, u64) {
        let overload = self.overloads.recv_timeout(LONG).expect("an overload event");
        (overload.resource, overload.begun, overload.limit)
    }
}

impl Hooks for Ear {
    fn interest(&self) -> HookSet {
        HookSet::of(&[Hook::Overload]).with(Hook::MessageDropped, self.drops)
    }

    fn tell(&self, event: &Event) {
        match event {
            Event::Overload(overload) => self.overloads.lock().unwrap().send(*overload).unwrap(),
            Event::MessageDropped(dropped) if dropped.cause == DropCause::Memory => {
                self.dropped.lock().unwrap().send(dropped.message.topic.to_string()).unwrap();
            }
            _ => {}
        }
    }
}

/// Subscribers that do not read.
const SLOW: usize = 200;

/// A client that writes PUBLISH packets to a topic for each subscriber, as fast as it may, until it is told to stop. It reads
/// what comes: how often it got PUBACK, and how often with a refusal.
struct Flood<'a> {
    address: &'a str,
    id: String,
    qos: u8,
    payload: usize,
    stop: &'a AtomicBool,
}

impl Flood<'_> {
    fn run(self) -> (u64, u64) {
        let client = Connect::v5(&self.id).open(self.address).unwrap();
        let payload = vec![b'x'; self.payload];
        let packet = |number| client.publish_packet(0x30 | self.qos << 1, &format!("flood/{number}"), 7, &payload);
        let batch: Vec<u8> = (0..SLOW).flat_map(packet).collect();
        let mut socket = client.socket();
        socket.set_nonblocking(true).unwrap();
        let (mut accepted, mut refused, mut at) = (0, 0, 0);
        let (mut room, mut rest) = (vec![0; 64 * 1024], Vec::new());
        while !self.stop.load(Relaxed) {
            match socket.write(&batch[at..]) {
                Ok(count) => at = (at + count) % batch.len(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(1)),
                Err(error) => panic!("a publisher was harmed: {error}"),
            }
            match socket.read(&mut room) {
                Ok(0) => panic!("a publisher was disconnected"),
                Ok(count) => rest.extend_from_slice(&room[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("a publisher was harmed: {error}"),
            }
            let mut seen = 0;
            while let Some(length) = rest.get(seen + 1).map(|length| usize::from(*length)) {
                let Some(ack) = rest.get(seen..seen + 2 + length) else { break };
                assert_eq!(ack[0], 0x40, "nothing but PUBACK");
                match ack.get(4) {
                    Some(&QUOTA_EXCEEDED) => refused += 1,
                    None | Some(0) => accepted += 1,
                    Some(code) => panic!("PUBACK {code:#x}"),
                }
                seen += 2 + length;
            }
            rest.drain(..seen);
        }
        (accepted, refused)
    }
}

/// Clients that are subscribed to something and read nothing.
fn deaf(address: &str, count: usize, filter: impl Fn(usize) -> String, qos: u8) -> Vec<Client> {
    let one = |number| {
        let mut client = Connect::v5(&format!("deaf-{number}")).open(address).unwrap();
        assert_eq!(client.subscribe_with(&filter(number), qos), Some(qos));
        client
    };
    (0..count).map(one).collect()
}

/// What is left when all clients have gone.
fn is_empty(stats: &Stats) -> bool {
    let held = [stats.memory_queues, stats.memory_retained, stats.memory_sessions, stats.memory_buffers];
    stats.memory_used == 0 && held == [0; 4]
}

#[test]
fn two_hundred_slow_subscribers_stay_within_the_budget() {
    let _alone = alone();
    const BUDGET: usize = 64 * MEGABYTE;
    for (qos, payload, is_shared) in
        [(0, 1024, true), (1, 1024, true), (1, 1024, false), (1, 100, false), (0, 20_000, true)]
    {
        // As much may wait for each that all of it would be four times the budget.
        let (broker, address) = broker(&with_budget(BUDGET, r#","max_queued_messages":0,"max_queued_bytes":1500000"#));
        let heard = Ear::on(&broker, false);
        let clients = deaf(
            &address,
            SLOW,
            |number| if is_shared { "flood/#".to_owned() } else { format!("flood/{number}") },
            qos,
        );
        let idle = idle();
        let mut pair = Pair::connect(&address);
        let stop = AtomicBool::new(false);
        let (mut most, mut slowest, mut largest, mut live) = (0, Duration::ZERO, 0, 0);
        let before = allocated();
        thread::scope(|scope| {
            let flood = |number: usize| {
                let id = format!("publisher-{number}");
                let flood = Flood { address: &address, id, qos, payload, stop: &stop };
                scope.spawn(|| flood.run())
            };
            let publishers: Vec<_> = (0..4).map(flood).collect();
            eventually("there is too little memory", || {
                most = most.max(resident());
                broker.stats().messages_dropped_memory > 0
            });
            assert_eq!(heard.overload(), (Resource::Memory, true, BUDGET as u64));
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_secs(3) {
                slowest = slowest.max(pair.round_trip());
                most = most.max(resident());
                largest = largest.max(broker.stats().memory_used);
                live = live.max(allocated());
            }
            stop.store(true, Relaxed);
            let codes: Vec<_> = publishers.into_iter().map(|publisher| publisher.join().unwrap()).collect();
            if qos == 1 {
                assert!(codes.iter().any(|(_, refused)| *refused > 0), "{codes:?}");
            }
        });
        let stats = broker.stats();
        println!(
            "QoS {qos}, {payload} bytes, {}: {} MB resident ({} MB allocated) above the idle base of {} MB; accounted {} MB at most: queues {}, \
             buffers {}, sessions {}; slowest of others {slowest:?}; dropped {}",
            if is_shared { "for all" } else { "for one" },
            most.saturating_sub(idle) / MEGABYTE,
            live.saturating_sub(before) / MEGABYTE,
            idle / MEGABYTE,
            largest as usize / MEGABYTE,
            stats.memory_queues,
            stats.memory_buffers,
            stats.memory_sessions,
            stats.messages_dropped_memory,
        );
        assert!(most < idle + BUDGET + BUDGET / 2, "{} MB above the idle base", (most - idle) / MEGABYTE);
        assert!(slowest < Duration::from_secs(2), "{slowest:?}");
        drop((clients, pair));
        assert_eq!(heard.overload(), (Resource::Memory, false, BUDGET as u64));
        eventually("nothing is left", || is_empty(&broker.stats()));
    }
}

/// Two clients that have nothing to do with the others, and read what they get.
struct Pair {
    from: Client,
    to: Client,
    rounds: u32,
}

impl Pair {
    fn connect(address: &str) -> Pair {
        let mut to = Connect::v5("pair-to").open(address).unwrap();
        assert_eq!(to.subscribe_with("pair", 1), Some(1));
        Pair { from: Connect::v5("pair-from").open(address).unwrap(), to, rounds: 0 }
    }

    fn round_trip(&mut self) -> Duration {
        self.rounds += 1;
        let begin = Instant::now();
        assert_eq!(self.from.publish_code("pair", &self.rounds.to_be_bytes(), false), Some(0));
        let message = self.to.message();
        assert_eq!(message.payload[message.payload.len() - 4..], self.rounds.to_be_bytes());
        self.to.acknowledge(message.id);
        begin.elapsed()
    }
}

/// Publishes to clients that do not read until something is refused; a broker with the smallest budget.
struct Crowded {
    broker: Broker,
    address: String,
    heard: Heard,
    clients: Vec<Client>,
}

const SMALLEST: usize = 8 * MEGABYTE;

impl Crowded {
    fn make(drops: bool) -> Crowded {
        let (broker, address) = broker(&with_budget(SMALLEST, ""));
        let heard = Ear::on(&broker, drops);
        let clients = deaf(&address, 40, |_| "flood".to_owned(), 1);
        let mut publisher = Connect::v5("publisher").open(&address).unwrap();
        let mut published = 0;
        while publisher.publish_code("flood", &[0; 4000], false) == Some(0) {
            published += 1;
            assert!(published < 100_000, "nothing is ever refused");
        }
        assert_eq!(heard.overload(), (Resource::Memory, true, SMALLEST as u64));
        Crowded { broker, address, heard, clients }
    }
}

fn publish(broker: &Broker, qos: QoS, retain: bool, wait: Duration) -> Result<(), Error> {
    let topic = if retain { "other" } else { "flood" };
    let payload = vec![0; 1000].into();
    broker.publish(Publish { topic: topic.into(), payload, qos, retain, wait, ..Publish::default() })
}

#[test]
fn what_would_last_is_refused_until_there_is_memory_again() {
    let _alone = alone();
    let Crowded { broker, address, heard, clients } = Crowded::make(true);
    let (broker, address) = (&broker, address.as_str());
    assert!(heard.dropped.recv_timeout(LONG).is_ok_and(|topic| topic == "flood"));

    let explain = |action, topic| serde_json::to_value(broker.explain("deaf-0", action, topic).unwrap()).unwrap();
    for (action, topic) in [(Action::Publish, "flood"), (Action::Subscribe, "other")] {
        let why = explain(action, topic);
        let said = ["allowed", "decided_by", "rule", "reason_code"].map(|key| &why[key]);
        assert_eq!(
            said,
            [&json!(false), &json!("limit"), &json!("limits.memory_budget_bytes"), &json!(QUOTA_EXCEEDED)]
        );
    }
    // Nobody waits for the one, and the other is there already.
    for (action, topic) in [(Action::Publish, "other"), (Action::Subscribe, "flood")] {
        assert_eq!(explain(action, topic)["allowed"], json!(true), "{topic}");
    }

    // Those who were there go on, with all that is small.
    let mut pair = Connect::v5("deaf-0").open(address).unwrap();
    assert!(pair.ping());
    assert_eq!(pair.subscribe_with("other", 1), Some(QUOTA_EXCEEDED));
    let for_all = explain(Action::Publish, "flood");
    assert_eq!(for_all["rule"], json!("limits.memory_budget_bytes"), "{for_all}");
    drop(pair);
    assert_eq!(Connect::v5("new").open(address).err(), Some(QUOTA_EXCEEDED));
    assert_eq!(Connect::v3("new").open(address).err(), Some(3));
    let stats = broker.stats();
    assert_eq!((stats.connections_refused_memory, stats.connections_refused), (2, 2));
    assert_eq!((stats.subscriptions_refused_memory, stats.subscriptions_refused), (1, 1));
    for (qos, retain) in [(QoS::AtMostOnce, false), (QoS::AtLeastOnce, false), (QoS::AtLeastOnce, true)] {
        let begin = Instant::now();
        let blocked = |result| matches!(result, Err(Error::WouldBlock(_)));
        assert!(blocked(publish(broker, qos, retain, Duration::ZERO)), "{qos:?} {retain}");
        assert!(blocked(publish(broker, qos, retain, Duration::from_millis(100))), "{qos:?} {retain}");
        assert!(begin.elapsed() >= Duration::from_millis(100));
    }
    assert_eq!(broker.stats().retained_messages, 0);
    let stats = broker.stats();
    assert!(stats.messages_dropped_memory > 0 && stats.memory_used >= SMALLEST as u64 * 3 / 4, "{stats:?}");

    // A call that waits is released by those who go.
    thread::scope(|scope| {
        let waiting = scope.spawn(|| publish(broker, QoS::AtLeastOnce, true, LONG));
        for client in &clients {
            let _ = client.socket().shutdown(std::net::Shutdown::Both);
        }
        assert!(waiting.join().unwrap().is_ok());
    });
    assert_eq!(heard.overload(), (Resource::Memory, false, SMALLEST as u64));
    assert!(Connect::v5("new").open(address).unwrap().ping());
    assert_eq!(broker.stats().retained_messages, 1);
}

#[test]
fn a_reload_raises_the_budget() {
    let _alone = alone();
    let Crowded { broker, address, heard, clients } = Crowded::make(false);
    assert_eq!(Connect::v5("new").open(&address).err(), Some(QUOTA_EXCEEDED));
    let config = format!(
        r#"{{"listeners":[{{"address":"127.0.0.1:0"}}],"auth":{{"allow_anonymous":true}},
            "runtime":{{"worker_threads":2}},"limits":{{"memory_budget_bytes":{}}}}}"#,
        2 * SMALLEST
    );
    let report = broker.reload(&config).unwrap();
    assert_eq!(report.applied, ["/limits/memory_budget_bytes"]);
    assert_eq!(heard.overload(), (Resource::Memory, false, 2 * SMALLEST as u64));
    let mut client = Connect::v5("new").open(&address).unwrap();
    assert_eq!(client.publish_code("flood", &[0; 100], false), Some(0));
    drop(clients);
}

/// The messages of clients that are away are what fills the memory: they can come for them.
#[test]
fn clients_that_were_away_can_come_for_what_takes_the_memory() {
    let _alone = alone();
    let (broker, address) = broker(&with_budget(SMALLEST, ""));
    let away = |number: usize| format!("away-{number}");
    for number in 0..20 {
        let id = away(number);
        let mut client = Connect::v5(&id).persistent().open(&address).unwrap();
        assert_eq!(client.subscribe_with("flood", 1), Some(1));
    }
    eventually("all are away", || broker.connected_clients() == 0);
    let mut publisher = Connect::v5("publisher").open(&address).unwrap();
    while publisher.publish_code("flood", &[0; 4000], false) == Some(0) {}
    assert_eq!(Connect::v5("new").open(&address).err(), Some(QUOTA_EXCEEDED));
    for number in 0..20 {
        let id = away(number);
        let mut client = Connect::v5(&id).persistent().open(&address).unwrap();
        assert!(client.session_present);
        while broker.client(&id).is_ok_and(|client| client.queued_messages + client.in_flight > 0) {
            for message in client.messages() {
                client.acknowledge(message.id);
            }
        }
    }
    assert!(Connect::v5("new").open(&address).unwrap().ping());
}

/// Counts, compared with what the process takes.
#[test]
fn what_is_accounted_is_what_is_taken() {
    let _alone = alone();
    const COUNT: usize = 2_000;
    let (broker, address) = broker("");
    let compare = |what: &str, before: (usize, u64), accounted: fn(&Stats) -> u64| {
        let (taken, counted) = (allocated().saturating_sub(before.0), accounted(&broker.stats()) - before.1);
        println!("{what}: {} bytes accounted, {} taken each", counted as usize / COUNT, taken / COUNT);
        assert!(counted as f64 >= 0.75 * taken as f64, "{what}: too little is accounted: {counted} of {taken}");
        assert!(counted as f64 <= 1.6 * taken as f64, "{what}: too much is accounted: {counted} of {taken}");
    };
    let sessions: fn(&Stats) -> u64 = |stats| stats.memory_sessions;
    let leave_sessions = |name: &str, count: usize, filters: usize| {
        for number in 0..count {
            let id = format!("session-{name}-{filters}-{number}");
            let mut client = Connect::v5(&id).persistent().open(&address).unwrap();
            for filter in 0..filters {
                assert_eq!(client.subscribe_with(&format!("{name}/{number}/sensor/{filter}"), 1), Some(1));
            }
        }
        eventually("all are away", || broker.connected_clients() == 0);
    };
    // What threads keep for connections to come is no matter of sessions.
    leave_sessions("first", 100, 1);
    for filters in [0, 4] {
        let before = (allocated(), sessions(&broker.stats()));
        leave_sessions("plant", COUNT, filters);
        compare(&format!("sessions with {filters} subscriptions"), before, sessions);
    }
    let before = (allocated(), sessions(&broker.stats()));
    // As sockets, which take nothing of this process besides.
    let connect = |number| {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(&Connect::v3(&format!("connected-{number}")).packet()).unwrap();
        stream.read_exact(&mut [0; 4]).unwrap();
        stream
    };
    let clients: Vec<_> = (0..COUNT).map(connect).collect();
    compare("connected clients", before, sessions);
    drop(clients);
    eventually("all have gone", || sessions(&broker.stats()) == before.1);

    let retained: fn(&Stats) -> u64 = |stats| stats.memory_retained;
    let before = (allocated(), retained(&broker.stats()));
    for number in 0..COUNT {
        let topic = format!("retained/{number}").into();
        broker.publish(Publish { topic, payload: vec![0; 300].into(), retain: true, ..Publish::default() }).unwrap();
    }
    compare("retained messages of 300 bytes", before, retained);
    assert_eq!(broker.retained_delete("#").unwrap(), COUNT as u64);
    assert_eq!(broker.stats().memory_retained, 0);
    let large = vec![0; 100_000];
    for number in 0..10 {
        let topic = format!("retained/{number}").into();
        broker.publish(Publish { topic, payload: large.clone().into(), retain: true, ..Publish::default() }).unwrap();
    }
    let held = broker.stats().memory_retained;
    assert!((1_000_000..1_100_000).contains(&held), "{held}");
}

/// A large message counts once, however many it waits for.
#[test]
fn a_large_message_for_many_counts_once() {
    let _alone = alone();
    let (broker, address) = broker(r#","limits":{"max_packet_bytes":4000000,"max_queued_bytes":0}"#);
    for number in 0..50 {
        let id = format!("away-{number}");
        let mut client = Connect::v5(&id).persistent().open(&address).unwrap();
        assert_eq!(client.subscribe_with("firmware", 1), Some(1));
    }
    let mut publisher = Connect::v5("publisher").open(&address).unwrap();
    assert_eq!(publisher.publish_code("firmware", &vec![0; 3 * MEGABYTE], false), Some(0));
    let held = broker.stats().memory_queues as usize;
    assert!((3 * MEGABYTE..4 * MEGABYTE).contains(&held), "{held}");
    let queued = broker.stats().queued_bytes as usize;
    assert!(queued > 150 * MEGABYTE, "{queued}");
}

/// What has come of packets that are not complete counts, and those who would fill the memory with it do not.
#[test]
fn unfinished_packets_count() {
    let _alone = alone();
    let (broker, address) = broker(&with_budget(SMALLEST, ""));
    let mut client = Connect::v5("client").open(&address).unwrap();
    client.send_bytes(&[0x30, 0xF0, 0xFF, 0x3F, 0, 1]);
    client.send_bytes(&[b'x'; 500_000]);
    eventually("it counts", || broker.stats().memory_buffers >= 500_000);
    let mut stranger = TcpStream::connect(&address).unwrap();
    stranger.write_all(&[0x10, 0xFB, 0xFF, 0x3F, 0, 4, b'M', b'Q', b'T', b'T', 5, 2]).unwrap();
    stranger.write_all(&[0; 300_000]).unwrap();
    drop((client, stranger));
    eventually("nothing is left", || is_empty(&broker.stats()));

    let mut pair = Pair::connect(&address);
    let begun = |number| {
        let mut client = Connect::v5(&format!("client-{number}")).open(&address).unwrap();
        client.send_bytes(&[0x30, 0xF0, 0xFF, 0x3F, 0, 1]);
        client
    };
    let mut clients: Vec<_> = (0..20).map(begun).collect();
    for client in &mut clients {
        client.send_bytes(&[b'x'; 900_000]);
    }
    eventually("some are disconnected", || broker.connected_clients() < 22);
    eventually("others go on", || pair.from.publish_code("pair", &[0; 4], false) == Some(0));
    assert!(broker.connected_clients() > 5);
    eventually("they are counted", || {
        let stats = broker.stats();
        stats.connections_closed_memory == 22 - stats.connected_clients
    });
    drop(clients);
}
