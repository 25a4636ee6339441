//! How fast clients may publish, and what becomes of those that are faster.

#[path = "conformance/client.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod client;

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{channel, Sender};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use client::*;
use rmqttc::broker::{Action, Broker};
use rmqttc::hooks::{DropCause, Event, Hook, HookSet, Hooks};

const SECOND: Duration = Duration::from_secs(1);

/// A broker with two listeners, of which the second has such rates.
fn config(rates: &str) -> String {
    format!(
        r#"{{"listeners":[{{"address":"127.0.0.1:0"}},{{"address":"127.0.0.1:0","limits":{{{rates}}}}}],
            "auth":{{"allow_anonymous":true}},"runtime":{{"worker_threads":2}}}}"#
    )
}

/// A broker, a client without a limit that gets what is published to `t`, and the other listener to be used.
fn limited(rates: &str) -> (Server, Client) {
    limited_with(rates, None)
}

fn limited_with(rates: &str, hooks: Option<Box<dyn Hooks>>) -> (Server, Client) {
    let broker = Broker::new(&config(rates)).unwrap();
    broker.set_hooks(hooks);
    let mut server = Server::of(broker);
    let mut receiver = server.client("receiver");
    receiver.subscribe("t", 2);
    server.use_listener(1);
    (server, receiver)
}

/// Sends a message of QoS 1 or 2; the code of the answer.
fn answer(client: &mut Client, publish: Publish) -> u8 {
    let kind = if publish.qos == 1 { PUBACK } else { PUBREC };
    client.send_publish(&publish);
    client.expect(kind).code
}

/// Publishes as fast as the broker reads, and connects again when it is put out.
fn flood(address: &str, connect: &Connect, stop: &AtomicBool) {
    let batch: Vec<u8> = (0..100).flat_map(|_| Publish::new("t", "x".repeat(64)).bytes(connect.version)).collect();
    while !stop.load(Relaxed) {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
        stream.write_all(&connect.bytes()).unwrap();
        let mut at = 0;
        while !stop.load(Relaxed) {
            match stream.write(&batch[at..]) {
                Ok(written) => at = (at + written) % batch.len(),
                Err(error)
                    if [std::io::ErrorKind::WouldBlock, std::io::ErrorKind::TimedOut].contains(&error.kind()) => {}
                Err(_) => break,
            }
        }
    }
}

/// Floods, with whatever comes of it, are not what others wait for.
#[test]
fn others_do_not_notice_a_flood() {
    for policy in ["throttle", "drop", "disconnect"] {
        let rates = format!(r#""publish_msgs_per_sec":100,"on_rate_exceeded":"{policy}""#);
        let (mut server, _receiver) = limited(&rates);
        let address = server.broker.listener(1).unwrap().address.to_string();
        server.use_listener(0);
        let mut other = server.client("other");
        other.subscribe("other", 1);
        let stop = AtomicBool::new(false);
        let mut times = Vec::new();
        thread::scope(|scope| {
            for connect in [Connect::v3("flood-3"), Connect::new("flood-5")] {
                let (address, stop) = (&address, &stop);
                scope.spawn(move || flood(address, &connect, stop));
            }
            let begun = Instant::now();
            while begun.elapsed() < 2 * SECOND {
                let sent = Instant::now();
                other.publish(Publish::new("other", "x").qos(1));
                other.take("x");
                times.push(sent.elapsed());
                thread::sleep(Duration::from_millis(2));
            }
            stop.store(true, Relaxed);
        });
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100];
        let stats = server.broker.stats();
        println!(
            "{policy}: round trip {:?} in the middle, {:?} for 95 of 100, {:?} at most; {} throttled, {} dropped, {} closed",
            at(50), at(95), at(100), stats.publishes_throttled, stats.messages_dropped_rate, stats.connections_closed_rate
        );
        assert!(at(95) < Duration::from_millis(20), "{policy}: {:?}", at(95));
        let seen = (stats.publishes_throttled > 0, stats.messages_dropped_rate > 0, stats.connections_closed_rate > 0);
        assert_eq!(seen, (policy == "throttle", policy != "throttle", policy == "disconnect"), "{policy}");
    }
}

#[test]
fn who_is_throttled_gets_the_rate() {
    for qos in [0, 1] {
        let (server, mut receiver) = limited(r#""publish_msgs_per_sec":500,"publish_burst_msgs":20"#);
        let mut client = server.client("client");
        let packets: Vec<u8> = (1..=2_000).flat_map(|id| Publish::new("t", "x").qos(qos).id(id).bytes(5)).collect();
        let begun = Instant::now();
        client.send_raw(&packets);
        let mut count = 0;
        while begun.elapsed() < 3 * SECOND {
            receiver.take("x");
            count += 1;
        }
        println!("QoS {qos}: {count} messages in 3 s with 500 a second");
        assert!((1_200..=1_800).contains(&count), "{count} messages");
        assert!(server.broker.stats().publishes_throttled > 0);
    }
}

#[test]
fn nothing_is_lost_when_throttled() {
    for version in [4, 5] {
        let (server, mut receiver) = limited(r#""publish_msgs_per_sec":500,"publish_burst_msgs":100"#);
        let mut client = server.connect(&Connect { version, ..Connect::new("client") });
        let begun = Instant::now();
        for id in 1..=600 {
            client.send_publish(&Publish::new("t", id.to_string()).qos(1).id(id));
        }
        for id in 1..=600 {
            let ack = client.expect(PUBACK);
            assert_eq!((ack.id, ack.code), (id, 0));
            receiver.take(&id.to_string());
        }
        assert!(begun.elapsed() >= SECOND * 95 / 100, "{:?}", begun.elapsed());
        assert_eq!(server.broker.stats().messages_dropped, 0);
    }
}

/// They come one by one, as fast as their bytes are paid for.
#[test]
fn messages_larger_than_the_burst() {
    let rates = r#""publish_bytes_per_sec":20000,"publish_burst_bytes":1000"#;
    let (server, mut receiver) = limited(rates);
    let (mut client, payload) = (server.client("client"), "x".repeat(10_000));
    let begun = Instant::now();
    for id in 1..=5 {
        client.send_publish(&Publish::new("t", &payload).qos(1).id(id));
    }
    (0..5).for_each(|_| drop(receiver.take(&payload)));
    let elapsed = begun.elapsed().as_secs_f64();
    // Four of them have been paid for, but for what may come at once.
    println!("50 kB with 20 kB a second and a burst of 1 kB: the last after {elapsed:.2} s");
    assert!((1.6..4.0).contains(&elapsed), "{elapsed}");

    let (server, mut receiver) = limited(&format!(r#"{rates},"on_rate_exceeded":"drop""#));
    let mut client = server.client("client");
    assert_eq!(answer(&mut client, Publish::new("t", &payload).qos(1)), 0);
    assert_eq!(answer(&mut client, Publish::new("t", "x").qos(1)), 0x97);
    receiver.take(&payload);
    thread::sleep(SECOND * 6 / 10);
    assert_eq!(answer(&mut client, Publish::new("t", &payload).qos(1)), 0);
    receiver.take(&payload);
}

struct Told(Mutex<Sender<(String, String, DropCause)>>);

impl Hooks for Told {
    fn interest(&self) -> HookSet {
        HookSet::of(&[Hook::MessageDropped])
    }

    fn tell(&self, event: &Event) {
        let Event::MessageDropped(dropped) = event else { panic!("{event:?}") };
        assert!(dropped.client.is_none(), "it has no receivers");
        let publisher = dropped.message.publisher.as_ref().unwrap().id.to_string();
        let payload = String::from_utf8(dropped.message.payload.to_vec()).unwrap();
        self.0.lock().unwrap().send((publisher, payload, dropped.cause)).unwrap();
    }
}

#[test]
fn what_is_dropped_is_answered_counted_and_told() {
    for (version, quota_exceeded) in [(4, 0), (5, 0x97)] {
        let (send, told) = channel();
        let rates = r#""publish_msgs_per_sec":1,"publish_burst_msgs":2,"on_rate_exceeded":"drop""#;
        let (server, mut receiver) = limited_with(rates, Some(Box::new(Told(Mutex::new(send)))));
        let mut client = server.connect(&Connect { version, ..Connect::new("client") });
        client.publish(Publish::new("t", "first").qos(1));
        client.publish(Publish::new("t", "second").qos(2));
        client.send_publish(&Publish::new("t", "zero"));
        assert_eq!(answer(&mut client, Publish::new("t", "one").qos(1)), quota_exceeded);
        assert_eq!(answer(&mut client, Publish::new("t", "two").qos(2).id(2)), quota_exceeded);
        client.ack(PUBREL, 2);
        assert_eq!(client.expect(PUBCOMP).code, if version == 5 { 0x92 } else { 0 });
        receiver.take("first");
        receiver.take("second");
        receiver.expect_quiet();
        for payload in ["zero", "one", "two"] {
            let dropped = told.recv_timeout(10 * SECOND).unwrap();
            assert_eq!(dropped, ("client".to_owned(), payload.to_owned(), DropCause::RateExceeded));
        }
        let stats = server.broker.stats();
        assert_eq!((stats.messages_dropped_rate, stats.messages_dropped, stats.messages_received), (3, 3, 5));
        assert_eq!((stats.publishes_throttled, stats.connections_closed_rate), (0, 0));
        // What has been dropped has not used up anything.
        thread::sleep(SECOND * 11 / 10);
        client.publish(Publish::new("t", "later").qos(1).id(3));
        receiver.take("later");
    }
}

#[test]
fn who_is_too_fast_is_disconnected() {
    for version in [4, 5] {
        let (server, mut receiver) = limited(r#""publish_msgs_per_sec":2,"on_rate_exceeded":"disconnect""#);
        let will = Will::new("t", "gone");
        let mut client = server.connect(&Connect { version, ..Connect::new("client") }.will(will));
        for payload in ["1", "2", "3", "4"] {
            client.send_publish(&Publish::new("t", payload));
        }
        match version {
            5 => drop(client.expect_disconnect(0x96)),
            _ => client.expect_closed(),
        }
        receiver.take("1");
        receiver.take("2");
        receiver.take("gone"); // Wills are not counted.
        receiver.expect_quiet();
        let stats = server.broker.stats();
        assert_eq!((stats.connections_closed_rate, stats.messages_dropped_rate), (1, 1));
        // The next connection begins anew.
        server.client("client").publish(Publish::new("t", "again").qos(1));
        receiver.take("again");
    }
}

/// The broker does not hear what a client says that it does not read from.
#[test]
fn keep_alive_does_not_run_while_throttled() {
    let (server, mut receiver) = limited(r#""publish_bytes_per_sec":1000"#);
    let payload = "x".repeat(4_000);
    let mut client = server.connect(&Connect::new("client").keep_alive(1));
    let begun = Instant::now();
    client.send_publish(&Publish::new("t", &payload));
    client.send(PINGREQ, &[]);
    client.expect(PINGRESP);
    assert!(begun.elapsed() >= 2 * SECOND, "{:?}", begun.elapsed());
    receiver.take(&payload);
    let heard = Instant::now();
    client.expect_disconnect(0x8D);
    assert!(heard.elapsed() >= SECOND);
}

/// What a client that is not read from gets, and how it ends, has nothing to do with what it has sent.
#[test]
fn who_is_throttled_still_receives_and_can_be_replaced() {
    let (server, mut receiver) = limited(r#""publish_bytes_per_sec":10"#);
    let mut client = server.client("client");
    client.subscribe("back", 0);
    client.send_publish(&Publish::new("t", "x".repeat(10_000)));
    assert_eq!(receiver.expect(PUBLISH).payload.len(), 10_000);
    receiver.publish(Publish::new("back", "hello"));
    client.expect_message("hello");
    let begun = Instant::now();
    let _next = server.client("client");
    client.expect_disconnect(0x8E);
    assert!(begun.elapsed() < 5 * SECOND);
}

#[test]
fn a_reload_changes_the_rate_of_those_who_come() {
    let slow = r#""publish_msgs_per_sec":1,"on_rate_exceeded":"drop""#;
    let (server, _receiver) = limited(slow);
    let two = |client: &mut Client| [1, 2].map(|id| answer(client, Publish::new("t", "x").qos(1).id(id)));
    let mut old = server.client("old");
    assert_eq!(two(&mut old), [0, 0x97]);
    let report = server.broker.reload(&config("")).unwrap();
    assert_eq!(report.applied, ["/listeners/1/limits/on_rate_exceeded", "/listeners/1/limits/publish_msgs_per_sec"]);
    assert!(report.needs_restart.is_empty());
    assert_eq!(two(&mut server.client("new")), [0, 0]);
    assert_eq!(two(&mut old)[1], 0x97);
    server.broker.reload(&config(slow)).unwrap();
    assert_eq!(two(&mut server.client("newer")), [0, 0x97]);
}

/// Those of the broker hold where a listener says nothing, and a listener may say that there are none.
#[test]
fn a_rate_for_all_and_a_listener_without() {
    let config = r#"{"listeners":[{"address":"127.0.0.1:0"},
                                  {"address":"127.0.0.1:0","limits":{"publish_msgs_per_sec":0}},
                                  {"address":"127.0.0.1:0","limits":{"on_rate_exceeded":"disconnect"}}],
                     "auth":{"allow_anonymous":true},
                     "limits":{"publish_msgs_per_sec":1,"publish_burst_msgs":3,"on_rate_exceeded":"drop"}}"#;
    let mut server = Server::of(Broker::new(config).unwrap());
    let send_four = |client: &mut Client| {
        (1..=4).for_each(|id| client.send_publish(&Publish::new("t", "x").qos(1).id(id)));
        (0..3).for_each(|_| assert!(client.expect(PUBACK).code < 0x80));
    };
    let paced = |server: &Server, id: &str| {
        server.broker.explain(id, Action::Publish, "t").unwrap().detail.contains("publish_msgs_per_sec")
    };
    let mut client = server.client("one");
    send_four(&mut client);
    assert_eq!(client.expect(PUBACK).code, 0x97);
    assert!(paced(&server, "one"));
    server.use_listener(1);
    let mut client = server.client("two");
    send_four(&mut client);
    assert!(client.expect(PUBACK).code < 0x80);
    assert!(!paced(&server, "two"));
    server.use_listener(2);
    let mut client = server.client("three");
    send_four(&mut client);
    client.expect_disconnect(0x96);
}
