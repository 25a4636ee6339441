//! Whatever is refused is counted by its cause, and logged once in a while of the same source. The tests of this file run one
//! at a time, for the log belongs to the process.

#[path = "conformance/client.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod client;

use std::sync::mpsc::{channel, Receiver};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use client::*;
use rmqttc::observe::log::{self, Level};
use rmqttc::observe::Stats;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const LONG: Duration = Duration::from_secs(20);

/// The words with which the log goes quiet.
const MORE: &str = "; for a while, more of the same are logged at debug";

struct Log {
    lines: Receiver<(Level, String)>,
    _alone: MutexGuard<'static, ()>,
}

impl Log {
    fn alone() -> Log {
        // A test that has failed has not broken anything for the next one.
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let (send, lines) = channel();
        // Nobody listens any more when the test is over.
        let sink = move |line: &log::Line| drop(send.send((line.level, line.message.to_string())));
        log::set(Level::Debug, Some(Box::new(sink))).unwrap();
        Log { lines, _alone: alone }
    }

    /// How often each of these has been logged at `warn`, and at `debug`.
    fn count<const N: usize>(&self, words: [&str; N]) -> [(usize, usize); N] {
        tracing::warn!("that is all");
        let mut counts = [(0, 0); N];
        loop {
            let (level, line) = self.lines.recv_timeout(LONG).unwrap();
            if line == "that is all" {
                return counts;
            }
            for (words, (warned, debugged)) in words.iter().zip(&mut counts) {
                match level {
                    Level::Warn if line.contains(words) && line.contains(MORE) => *warned += 1,
                    Level::Debug if line.contains(words) => *debugged += 1,
                    _ => {}
                }
            }
        }
    }
}

fn eventually(server: &Server, what: &str, holds: impl Fn(&Stats) -> bool) {
    let begun = Instant::now();
    while !holds(&server.broker.stats()) {
        assert!(begun.elapsed() < LONG, "never came true: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A broker for whose clients each message of a hundred bytes is too much, but for the first of a connection. It takes minutes
/// until there may be another one, or a moment.
fn paced(policy: &str, bytes_per_sec: u32) -> Server {
    Server::with(&format!(
        r#""limits":{{"publish_bytes_per_sec":{bytes_per_sec},"publish_burst_bytes":1,"on_rate_exceeded":"{policy}"}}"#
    ))
}

/// Publishes a hundred bytes each time, and waits until the broker has heard of it.
fn publish(client: &mut Client, count: usize) {
    (0..count).for_each(|_| client.send_publish(&Publish::new("t", "x".repeat(100))));
    client.send(PINGREQ, &[]);
    client.expect(PINGRESP);
}

/// However many messages there are, and whatever the clients of one address call themselves.
#[test]
fn publishing_too_fast() {
    let log = Log::alone();
    let server = paced("drop", 1);
    let mut clients = ["one", "two", "three"].map(|id| server.client(id));
    clients.iter_mut().for_each(|client| publish(client, 50));
    assert_eq!(server.broker.stats().messages_dropped_rate, 3 * 49);
    assert_eq!(log.count(["publishes too fast: messages go nowhere"]), [(1, 2)]);

    let server = paced("throttle", 10_000);
    let mut clients = ["one", "two", "three"].map(|id| server.client(id));
    clients.iter_mut().for_each(|client| publish(client, 10));
    assert_eq!(server.broker.stats().publishes_throttled, 3 * 10);
    assert_eq!(log.count(["publishes too fast: not read from for a while"]), [(1, 2)]);

    let server = paced("disconnect", 1);
    for _ in 0..3 {
        let mut client = server.client("one");
        (0..2).for_each(|_| client.send_publish(&Publish::new("t", "x".repeat(100))));
        client.expect_disconnect(0x96);
    }
    let stats = server.broker.stats();
    assert_eq!((stats.connections_closed_rate, stats.messages_dropped_rate), (3, 3));
    assert_eq!(log.count(["publishes too fast: disconnected"]), [(1, 2)]);
}

/// Nobody is logged who keeps to the rate.
#[test]
fn publishing_as_fast_as_one_may() {
    let log = Log::alone();
    let server = Server::with(r#""limits":{"publish_bytes_per_sec":1000000}"#);
    publish(&mut server.client("one"), 100);
    assert_eq!(log.count(["publishes"]), [(0, 0)]);
}

#[test]
fn clients_that_do_what_they_have_been_told_not_to_do() {
    let log = Log::alone();
    let server =
        Server::with(r#""limits":{"max_packet_bytes":100,"max_qos":1,"max_inflight":1},"retain":{"enabled":false}"#);
    let large = Publish::new("t", "x".repeat(100));
    for (publish, code) in
        [(large, 0x95), (Publish::new("t", "x").qos(2), 0x9B), (Publish::new("t", "x").retain(), 0x9A)]
    {
        let mut client = server.client("client");
        client.send_publish(&publish);
        client.expect_disconnect(code);
    }
    assert_eq!(server.broker.stats().connections_closed_limit, 3);
    let server = Server::with(r#""limits":{"max_inflight":1}"#);
    let mut client = server.client("client");
    [1, 2].into_iter().for_each(|id| client.send_publish(&Publish::new("t", "x").qos(2).id(id)));
    client.expect(PUBREC);
    client.expect_disconnect(0x93);
    assert_eq!(server.broker.stats().connections_closed_limit, 1);
    // Each broker knows what it has logged itself.
    assert_eq!(log.count(["goes beyond a limit: disconnected"]), [(2, 2)]);
}

#[test]
fn clients_that_are_too_slow() {
    let log = Log::alone();
    let server = Server::with(r#""limits":{"max_queued_messages":2,"slow_consumer":"disconnect"}"#);
    let mut slow = server.connect(&Connect::new("slow").receive_maximum(1));
    slow.subscribe("t", 1);
    let mut publisher = server.client("publisher");
    (1..=4).for_each(|id| publisher.publish(Publish::new("t", "x").qos(1).id(id)));
    slow.expect(PUBLISH);
    slow.expect_disconnect(0x97);
    assert_eq!(server.broker.stats().connections_closed_slow, 1);
    assert_eq!(log.count(["too slow for its messages: disconnected"]), [(1, 0)]);
}

#[test]
fn messages_that_are_dropped_for_those_who_are_slow() {
    let log = Log::alone();
    let server = Server::with(r#""limits":{"max_queued_messages":2,"slow_consumer":"drop_oldest"}"#);
    for id in ["one", "two"] {
        let connect = Connect::new(id).resume().expiry(100);
        server.connect(&connect).subscribe("t", 1);
    }
    let mut publisher = server.client("publisher");
    (1..=50).for_each(|id| publisher.publish(Publish::new("t", "x").qos(1).id(id)));
    assert!(server.broker.stats().messages_dropped_queue_full >= 2 * 40);
    assert_eq!(log.count(["too slow for its messages: some are dropped"]), [(1, 1)]);
}

#[test]
fn connections() {
    let log = Log::alone();
    let server = Server::with(
        r#""limits":{"max_client_id_length":8,"max_keepalive_s":60,"max_packet_bytes":100,"max_topic_levels":2,
           "max_qos":1,"max_sessions":1}"#,
    );
    let _first = server.client("first");
    let will = |topic: &str, qos| Connect::new("a").will(Will::new(topic, "").qos(qos));
    let user = Connect::new("a").username("x".repeat(100));
    for connect in [Connect::new("123456789"), Connect::v3("a").keep_alive(61), user, will("a/b/c", 0), will("a", 2)] {
        server.refusal(&connect);
    }
    server.refusal(&Connect::new("second"));
    server.refusal(&Connect::v3("second"));
    let stats = server.broker.stats();
    assert_eq!((stats.connections_refused_limit, stats.connections_refused_full, stats.connections_refused), (5, 2, 7));
    assert_eq!(stats.connections_refused_memory, 0);
    assert_eq!(log.count(["why=Limit", "why=Full"]), [(1, 4), (1, 1)]);
}

#[test]
fn subscriptions_and_topics() {
    let log = Log::alone();
    let server = Server::with(
        r#""limits":{"max_subscriptions":1,"max_topic_levels":2},
           "acl":{"rules":[{"effect":"deny","topics":["secret"]}]}"#,
    );
    let mut client = server.client("client");
    client.subscribe("a", 0);
    client.unsubscribe(1, &["a"]);
    for _ in 0..5 {
        assert_eq!(client.subscribe_code("secret", 0), 0x87);
        assert_eq!(client.subscribe_code("a#", 0), 0x8F);
        assert_eq!(client.subscribe_code("a/b/c", 0), 0x8F);
    }
    client.subscribe("a", 0);
    (0..5).for_each(|_| assert_eq!(client.subscribe_code("b", 0), 0x97));
    let stats = server.broker.stats();
    assert_eq!((stats.subscriptions_refused, stats.subscriptions_refused_limit), (20, 10));
    assert_eq!(stats.subscriptions_refused_memory, 0);
    for (topic, code) in [("secret", 0x87), ("a/b/c", 0x90)] {
        for _ in 0..5 {
            client.send_publish(&Publish::new(topic, "x").qos(1));
            assert_eq!(client.expect(PUBACK).code, code);
        }
    }
    assert_eq!(server.broker.stats().messages_dropped_refused, 10);
    let words = [
        "subscribes to what it may not: refused",
        "subscribes beyond a limit: refused",
        "publishes to what it may not: messages go nowhere",
    ];
    // Its connection knows that it has been logged, and asks nobody.
    assert_eq!(log.count(words), [(1, 0); 3]);
}

#[test]
fn messages_that_are_not_retained() {
    let log = Log::alone();
    let server = Server::with(r#""retain":{"max_messages":1,"max_payload_bytes":10}"#);
    let mut client = server.client("client");
    for (topic, payload) in [("a", "x"), ("b", "x"), ("c", "much too much"), ("a", "other"), ("b", "x")] {
        client.publish(Publish::new(topic, payload).qos(1).retain());
    }
    eventually(&server, "they are counted", |stats| stats.messages_not_retained == 3);
    assert_eq!(server.broker.stats().retained_messages, 1);
    assert_eq!(log.count(["not retained"]), [(1, 2)]);
}
