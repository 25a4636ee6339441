//! What hostile clients may make the process use: memory, threads, descriptors. The tests of this file run one at a time,
//! for what they look at belongs to the process.

#[path = "support/mqtt.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod mqtt;

#[path = "support/brokers.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod brokers;

#[path = "support/websocket.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod websocket;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, mem};

use rmqttc::broker::{Broker, Publish};
use rmqttc::hooks::{Answer, Hook, HookSet, Hooks, Question, Verdict};

use brokers::{broker, broker_with_listener, eventually, Bystander};
use mqtt::{packet, text, Client, Connect, LONG};
use websocket::{WebSocket, BINARY};

const MEGABYTE: usize = 1024 * 1024;

/// What the process may grow by besides what the configuration allows for a queue: buffers that threads keep, and what
/// the allocator does not give back.
const SLACK: usize = 16 * MEGABYTE;

/// The default of `limits.max_queued_bytes`.
const QUEUE: usize = MEGABYTE;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    // A test that has failed has not broken anything for the next one.
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
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

/// A thread that has been joined may show for a moment.
fn no_thread_is_left() {
    eventually("no thread is left", || threads() == 0);
}

/// The threads of brokers. Those of the test harness come and go.
fn threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("comm")).unwrap_or_default());
    names.filter(|name| name.starts_with("rmqtt")).count()
}

/// As many descriptors as the system lets this process have.
fn raise_descriptor_limit() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls get a valid pointer to a limit.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
        let wanted = libc::rlimit { rlim_cur: 32_768, rlim_max: limit.rlim_max.max(32_768) };
        if libc::setrlimit(libc::RLIMIT_NOFILE, &wanted) != 0 {
            // Only root may raise what an administrator has set.
            limit.rlim_cur = limit.rlim_max;
            assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &limit), 0);
        }
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit), 0);
    }
    limit.rlim_cur as usize
}

/// 200 MB for a subscriber that takes nothing, and one that takes everything.
///
/// The publisher waits for the subscriber that reads, so that it gets everything for certain; nobody waits for the one
/// that does not, for longer than it takes to see that it is stuck.
fn flood_for_a_stuck_subscriber(qos: u8, policy: &str) {
    const PAYLOAD: usize = 16 * 1024;
    const BATCH: usize = 16;
    const BATCHES: usize = 200 * MEGABYTE / PAYLOAD / BATCH;
    let (broker, address) = broker(&format!(r#","limits":{{"slow_consumer":"{policy}"}}"#));
    let mut stuck = Connect::v5("stuck").open(&address).unwrap();
    let mut reader = Connect::v5("reader").open(&address).unwrap();
    for client in [&mut stuck, &mut reader] {
        assert_eq!(client.subscribe_with("flood", qos), Some(qos));
    }
    let mut publisher = Client::connect(&address, "publisher").unwrap();
    let publish = publisher.publish_packet(0x30 | qos << 1, "flood", 7, &[0; PAYLOAD]);
    let batch = publish.repeat(BATCH);
    let mut before = 0;
    let begin = Instant::now();
    for number in 0..BATCHES {
        publisher.send_bytes(&batch);
        for _ in 0..BATCH {
            let message = reader.message();
            if qos == 1 {
                reader.acknowledge(message.id);
                publisher.expect(0x40);
            }
        }
        // The first batches fill what is allowed: sockets, queues, the buffers of this test.
        if number == BATCHES / 20 {
            before = resident();
        } else if number > BATCHES / 20 {
            let grown = resident().saturating_sub(before);
            assert!(grown < QUEUE + SLACK, "{} MB more after batch {number}", grown / MEGABYTE);
        }
    }
    // A wait for the stuck one with each batch would take minutes.
    assert!(begin.elapsed() < 3 * LONG, "{:?}", begin.elapsed());
    assert!(broker.stats().messages_dropped > 0);
    assert!(publisher.ping() && reader.ping());
    if policy == "disconnect" {
        assert_eq!(broker.connected_clients(), 2);
    }
}

#[test]
fn a_subscriber_that_never_reads_costs_no_more_than_its_queue() {
    let _alone = alone();
    for policy in ["drop_newest", "drop_oldest", "disconnect"] {
        flood_for_a_stuck_subscriber(0, policy);
    }
    flood_for_a_stuck_subscriber(1, "drop_newest");
}

/// Writes `bytes` again and again, and never reads, until the broker takes no more.
fn write_until_stuck(client: &Client, bytes: &[u8]) {
    let mut socket = client.socket();
    socket.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let begin = Instant::now();
    let mut at = 0;
    loop {
        match socket.write(&bytes[at..]) {
            Ok(count) => {
                assert!(begin.elapsed() < LONG, "the broker reads on and on");
                at = (at + count) % bytes.len();
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

fn retain_a_megabyte(broker: &Broker) {
    for index in 0..1_000 {
        let topic = format!("retained/{index}").into();
        let payload = vec![0; 1024].into();
        broker.publish(Publish { topic, payload, retain: true, ..Publish::default() }).unwrap();
    }
}

/// Answers that nobody takes are answers that are not made: the broker stops to read.
#[test]
fn questions_whose_answers_are_not_read_cost_little() {
    let _alone = alone();
    let (broker, address) = broker("");
    retain_a_megabyte(&broker);
    let bystander = Bystander::start(&address);
    let pings = [0xC0, 0].repeat(32 * 1024);
    let subscribe = packet(0x82, &[&[0, 1], &text("retained/#")[..], &[0]].concat()).repeat(1024);
    let unsubscribe = packet(0xA2, &[&[0, 1], &text("nothing")[..]].concat()).repeat(1024);
    let mut held = Vec::new();
    for (index, bytes) in [pings, subscribe, unsubscribe].iter().enumerate() {
        let client = Client::connect(&address, &format!("deaf-{index}")).unwrap();
        let before = resident();
        write_until_stuck(&client, bytes);
        let grown = resident().saturating_sub(before);
        assert!(grown < QUEUE + SLACK, "{} MB more because of flood {index}", grown / MEGABYTE);
        held.push(client);
    }
    bystander.finish();
}

/// Packets that ask for all retained messages, as often as they can. While one is worked off, its filters take some 25
/// MB, which the allocator may keep for the next one; what is kept for the client that does not read does not.
#[test]
fn packets_of_many_subscriptions_cost_little() {
    let _alone = alone();
    const CLIENTS: usize = 6;
    let (broker, address) = broker("");
    retain_a_megabyte(&broker);
    let bystander = Bystander::start(&address);
    let filter = [&text("#")[..], &[0]].concat();
    let subscribe = packet(0x82, &[&[0, 1][..], &filter.repeat(250_000)].concat());
    let before = resident();
    let mut held = Vec::new();
    for number in 0..CLIENTS {
        let client = Client::connect(&address, &format!("deaf-{number}")).unwrap();
        write_until_stuck(&client, &subscribe);
        held.push(client);
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < CLIENTS * QUEUE + 4 * SLACK, "{} MB more", grown / MEGABYTE);
    bystander.finish();
}

/// A hook that allows everything, in place.
struct AllowInPlace;

impl Hooks for AllowInPlace {
    fn interest(&self) -> HookSet {
        HookSet::NONE.with(Hook::AuthorizePublish, true)
    }

    fn in_place(&self) -> HookSet {
        self.interest()
    }

    fn decide(&self, _: Question<'_>) -> Answer {
        Answer::Now(Verdict::ALLOW)
    }
}

/// What a hook was asked about last does not keep the buffer that it was read into.
#[test]
fn idle_publishers_hold_no_buffers_because_of_a_hook() {
    let _alone = alone();
    const CLIENTS: usize = 1_000;
    assert!(raise_descriptor_limit() > 2 * CLIENTS + 100, "too few descriptors for this test");
    let (broker, address) = broker("");
    broker.set_hooks(Some(Box::new(AllowInPlace)));
    let before = resident();
    let mut held = Vec::new();
    for number in 0..CLIENTS {
        let mut client = Client::connect(&address, &format!("publisher-{number}")).unwrap();
        assert!(client.publish("t", &[b'x'; 60_000], false));
        held.push(client);
    }
    // One buffer each would be 64 MB. What this test itself keeps for its clients counts, too.
    let grown = resident().saturating_sub(before);
    assert!(grown < 2 * SLACK, "{} MB more", grown / MEGABYTE);
}

/// What a packet claims to be is no reason to have memory ready for it.
/// Whatever they have sent and received, clients of WebSocket that idle hold neither a frame nor a message.
#[test]
fn idle_websockets_hold_no_buffers() {
    const CLIENTS: usize = 2000;
    const EACH: usize = 8 * 1024;
    let _alone = alone();
    let (_broker, address) = broker_with_listener(r#","type":"ws""#, "");
    let subscribe = packet(0x82, &[&[0, 1][..], &text("t"), &[0]].concat());
    let publish = packet(0x30, &[&text("t")[..], &[b'x'; 64 * 1024]].concat());
    let unsubscribe = packet(0xA2, &[&[0, 2][..], &text("t")].concat());
    let idle = |id: usize| {
        let mut client = WebSocket::open(&address);
        client.send_frame(BINARY, &Connect::v3(&format!("client-{id}")).packet());
        client.expect_frame(BINARY, &[0x20, 2, 0, 0]);
        client.send_frame(BINARY, &subscribe);
        client.expect_frame(BINARY, &[0x90, 3, 0, 1, 0]);
        client.send_frame(BINARY, &publish);
        let mut received = vec![0; publish.len()];
        client.read_exact(&mut received).unwrap();
        assert!(received == publish);
        client.send_frame(BINARY, &unsubscribe);
        client.expect_frame(BINARY, &[0xB0, 2, 0, 2]);
        client.into_inner()
    };
    // The first ones fill what threads keep.
    let _first: Vec<_> = (0..20).map(idle).collect();
    let before = resident();
    let _clients: Vec<_> = (20..20 + CLIENTS).map(idle).collect();
    let grown = resident().saturating_sub(before);
    assert!(grown < CLIENTS * EACH, "{} bytes for each client", grown / CLIENTS);
}

#[test]
fn unfinished_packets_cost_what_has_come_of_them() {
    let _alone = alone();
    const CLIENTS: usize = 1_500;
    assert!(raise_descriptor_limit() > 4 * CLIENTS + 100, "too few descriptors for this test");
    let (_broker, address) = broker("");
    let bystander = Bystander::start(&address);
    let before = resident();
    // Claims to be 1 MB, the most that is allowed.
    let claim = [0x10, 0xFB, 0xFF, 0x3F, 0, 4, b'M', b'Q', b'T', b'T', 5, 2];
    let mut streams = Vec::new();
    for _ in 0..CLIENTS {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(&claim).unwrap();
        streams.push(stream);
    }
    // Connections that say nothing keep nobody out, however many they are.
    let begin = Instant::now();
    assert!(Client::connect(&address, "prompt").unwrap().ping());
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    let grown = resident().saturating_sub(before);
    assert!(grown < SLACK, "{} MB more", grown / MEGABYTE);

    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let mut client = Connect::v5(&format!("client-{number}")).open(&address).unwrap();
        client.send_bytes(&[0x30, 0xF0, 0xFF, 0x3F, 0, 1]);
        clients.push(client);
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 2 * SLACK, "{} MB more", grown / MEGABYTE);
    drop(streams);
    bystander.finish();
}

fn start_and_stop(broker: &Broker, clients: usize) -> Duration {
    broker.start().unwrap();
    // A thread gives itself its name when it begins to run.
    eventually("threads of the broker", || threads() > 0);
    let address = broker.listener(0).unwrap().address.to_string();
    let connect = |first: usize, count: usize| {
        let connect = |number| Connect::v5(&format!("idle-{number}")).open(&address).unwrap();
        (first..first + count).map(connect).collect::<Vec<_>>()
    };
    let half = clients / 2;
    let held = thread::scope(|scope| {
        let other = scope.spawn(|| connect(half, clients - half));
        let mut held = connect(0, half);
        held.extend(other.join().unwrap());
        held
    });
    assert_eq!(broker.connected_clients(), clients as u64);
    let begin = Instant::now();
    broker.stop(Duration::from_secs(10)).unwrap();
    let took = begin.elapsed();
    // Nobody was just cut off.
    for mut client in held {
        assert_eq!(client.end(), Some(0x8B));
    }
    took
}

#[test]
fn a_stop_with_ten_thousand_clients_leaves_nothing_behind() {
    let _alone = alone();
    let clients = ((raise_descriptor_limit() - 500) / 2).min(10_000);
    let config = r#"{"listeners":[{"address":"127.0.0.1:0"}],"auth":{"allow_anonymous":true}}"#;
    let broker = Broker::new(config).unwrap();
    no_thread_is_left();
    let before = descriptors();
    let took = start_and_stop(&broker, clients);
    println!("stopped with {clients} clients in {took:?}");
    no_thread_is_left();
    assert_eq!(descriptors(), before);
    assert_eq!(broker.stats().connected_clients, 0);
    // It can be started again, with nothing left of the clients before.
    start_and_stop(&broker, 10);
    mem::drop(broker);
    no_thread_is_left();
    assert_eq!(descriptors(), before);
}

/// Clients that come and go leave nothing behind either: no session, no memory, no descriptor.
#[test]
fn clients_that_come_and_go_leave_nothing_behind() {
    let _alone = alone();
    let (broker, address) = broker("");
    let round = |count: usize| {
        for number in 0..count {
            let mut client = Connect::v5(&format!("visitor-{number}")).open(&address).unwrap();
            assert_eq!(client.subscribe_with(&format!("topic/{number}/#"), 1), Some(1));
            assert!(client.publish(&format!("topic/{number}/x"), &[0; 1024], false));
            if number % 2 == 0 {
                client.send(0xE0, &[]);
                while client.receive().is_some() {}
            }
        }
        eventually("all have gone", || broker.connected_clients() == 0);
    };
    round(1_000);
    let (before, open) = (resident(), descriptors());
    round(4_000);
    let stats = broker.stats();
    assert_eq!((stats.sessions, stats.subscriptions), (0, 0));
    let grown = resident().saturating_sub(before);
    assert!(grown < 4 * MEGABYTE, "{} KB more", grown / 1024);
    eventually("their descriptors are closed", || descriptors() <= open);
}

/// What waits is the oldest, and whole: nothing is torn where messages have been dropped.
#[test]
fn a_subscriber_that_reads_again_gets_what_was_kept() {
    let _alone = alone();
    let (broker, address) = broker("");
    let mut slow = Client::connect(&address, "slow").unwrap();
    assert_eq!(slow.subscribe("t"), Some(0));
    let mut published = 0u64;
    while broker.stats().messages_dropped == 0 {
        let payload = vec![0; 64 * 1024].into();
        // A slow subscriber is waited for, and then left to the policy.
        let wait = Duration::from_secs(5);
        broker.publish(Publish { topic: "t".into(), payload, wait, ..Publish::default() }).unwrap();
        published += 1;
        assert!(published < 4_000, "nothing is ever dropped");
        // The broker has to do its part meanwhile.
        thread::sleep(Duration::from_micros(100));
    }
    let mut socket = slow.socket();
    let packet = slow.publish_packet(0x30, "t", 0, &[0; 64 * 1024]);
    let mut left = packet.len() as u64 * (published - broker.stats().messages_dropped);
    let mut room = vec![0; MEGABYTE];
    while left > 0 {
        let wanted = room.len().min(left as usize);
        let got = socket.read(&mut room[..wanted]).unwrap();
        assert!(got > 0, "the connection has ended");
        left -= got as u64;
    }
    assert!(slow.ping());
}
