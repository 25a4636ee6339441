//! Subscribers that do not read, or do not acknowledge.

use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use rmqttc::broker::{Broker, Publish};

use crate::brokers::{broker, Bystander};
use crate::mqtt::{Client, Connect, LONG};

fn publish(broker: &Broker, qos: u8, payload: Vec<u8>) {
    let qos = qos.try_into().unwrap();
    // A subscriber that does not read is waited for, and then left to the policy.
    let wait = Duration::from_secs(5);
    broker.publish(Publish { topic: "t".into(), payload: payload.into(), qos, wait, ..Publish::default() }).unwrap();
}

fn numbers(client: &mut Client) -> Vec<u8> {
    let mut numbers = Vec::new();
    // Each acknowledgement makes room for the next one.
    loop {
        let messages = client.messages();
        if messages.is_empty() {
            return numbers;
        }
        for message in messages {
            client.acknowledge(message.id);
            numbers.push(message.payload[0]);
        }
    }
}

/// Publishes messages of 64 KB with QoS 0, each with its number, until `enough`. Sockets hold a few MB of them.
fn publish_until(broker: &Broker, what: &str, enough: impl Fn() -> bool) -> u32 {
    let mut published = 0u32;
    while !enough() {
        assert!(published < 4_000, "never came true: {what}");
        published += 1;
        let mut payload = vec![0; 64 * 1024];
        payload[..4].copy_from_slice(&published.to_be_bytes());
        publish(broker, 0, payload);
        // The broker has to do its part meanwhile.
        thread::sleep(Duration::from_micros(100));
    }
    published
}

/// `subscriber` acknowledges nothing, or is away, while 30 messages come for a queue of 10; then it gets `expected`.
fn queue_of_ten(policy: &str, online: bool, expected: &[u8]) {
    let (broker, address) = broker(&format!(r#","limits":{{"max_queued_messages":10,"slow_consumer":"{policy}"}}"#));
    let bystander = Bystander::start(&address);
    let connect = Connect::v5("slow").persistent().receive_maximum(1);
    let mut subscriber = connect.open(&address).unwrap();
    assert_eq!(subscriber.subscribe_with("t", 1), Some(1));
    let mut first = None;
    if online {
        // The one message that the client takes at once is none of those that wait.
        publish(&broker, 1, vec![100]);
        first = Some(subscriber.message().id);
    } else {
        subscriber.send(0xE0, &[]);
        assert_eq!(subscriber.end(), None);
    }
    for number in 1..=30 {
        publish(&broker, 1, vec![number]);
    }
    assert_eq!(broker.stats().messages_dropped, 20);
    match first {
        Some(id) => subscriber.acknowledge(id),
        None => subscriber = connect.open(&address).unwrap(),
    }
    assert_eq!(numbers(&mut subscriber), expected);
    // The queue is as good as new.
    publish(&broker, 1, vec![200]);
    assert_eq!(numbers(&mut subscriber), [200]);
    assert_eq!(broker.stats().messages_dropped, 20);
    bystander.finish();
}

#[test]
fn drop_newest_keeps_the_oldest() {
    let oldest: Vec<u8> = (1..=10).collect();
    queue_of_ten("drop_newest", true, &oldest);
    queue_of_ten("drop_newest", false, &oldest);
}

#[test]
fn drop_oldest_keeps_the_newest() {
    let newest: Vec<u8> = (21..=30).collect();
    queue_of_ten("drop_oldest", true, &newest);
    queue_of_ten("drop_oldest", false, &newest);
}

#[test]
fn disconnect_ends_who_does_not_acknowledge() {
    let (broker, address) = broker(r#","limits":{"max_queued_messages":10,"slow_consumer":"disconnect"}"#);
    let bystander = Bystander::start(&address);
    let connect = Connect::v5("slow").persistent().receive_maximum(1);
    let mut subscriber = connect.open(&address).unwrap();
    assert_eq!(subscriber.subscribe_with("t", 1), Some(1));
    publish(&broker, 1, vec![0]);
    subscriber.message();
    for number in 1..=10 {
        publish(&broker, 1, vec![number]);
    }
    assert!(subscriber.ping(), "as many as allowed wait");
    publish(&broker, 1, vec![11]);
    assert_eq!(subscriber.end(), Some(0x97));
    assert_eq!(broker.stats().messages_dropped, 1);
    // What waited is kept for the session.
    let mut subscriber = connect.open(&address).unwrap();
    assert_eq!(numbers(&mut subscriber), (0..=10).collect::<Vec<_>>());

    let mut old = Connect::v3("old").open(&address).unwrap();
    assert_eq!(old.subscribe_with("t", 1), Some(1));
    // More than are under way at once, and wait behind them.
    for _ in 0..32 + 10 + 2 {
        publish(&broker, 1, vec![0]);
    }
    assert_eq!(old.end(), None);
    bystander.finish();
}

/// A client whose socket is full cannot be told before it reads what is on its way.
#[test]
fn disconnect_ends_who_does_not_read() {
    let (broker, address) = broker(r#","limits":{"slow_consumer":"disconnect"}"#);
    let bystander = Bystander::start(&address);
    let mut subscriber = Connect::v5("slow").open(&address).unwrap();
    assert_eq!(subscriber.subscribe("t"), Some(0));
    publish_until(&broker, "the client is ended", || broker.connected_clients() == 1);
    assert_eq!(subscriber.end(), Some(0x97));
    bystander.finish();
}

/// QoS 0 that meets a full queue is dropped by the same rules, and counted.
#[test]
fn what_is_dropped_of_qos_0_is_counted() {
    for policy in ["drop_newest", "drop_oldest"] {
        let (broker, address) = broker(&format!(r#","limits":{{"slow_consumer":"{policy}"}}"#));
        let bystander = Bystander::start(&address);
        let mut subscriber = Client::connect(&address, "slow").unwrap();
        assert_eq!(subscriber.subscribe("t"), Some(0));
        let published = publish_until(&broker, "messages are dropped", || broker.stats().messages_dropped >= 100);
        let dropped = broker.stats().messages_dropped;
        let mut got = Vec::new();
        for _ in dropped..u64::from(published) {
            got.push(u32::from_be_bytes(subscriber.message().payload[..4].try_into().unwrap()));
        }
        assert_eq!(subscriber.messages(), []);
        assert_eq!(broker.stats().messages_dropped, dropped);
        assert!(got.is_sorted_by(|left, right| left < right));
        match policy {
            "drop_newest" => assert_eq!(got[0], 1),
            _ => assert_eq!(got.last(), Some(&published)),
        }
        bystander.finish();
    }
}

/// A publisher waits for its receivers, within limits: here each of two is the receiver of the other.
#[test]
fn publishers_that_receive_from_each_other_do_not_wait_for_each_other() {
    const MESSAGES: usize = 20_000;
    let (_broker, address) = broker("");
    let begin = Instant::now();
    let mut sides = ["left", "right"].map(|id| Connect::v3(id).open(&address).unwrap());
    for (side, filter) in sides.iter_mut().zip(["to-left", "to-right"]) {
        assert_eq!(side.subscribe(filter), Some(0));
    }
    thread::scope(|scope| {
        for (side, topic) in sides.iter_mut().zip(["to-right", "to-left"]) {
            let batch = side.publish_packet(0x30, topic, 0, &[0; 1024]).repeat(MESSAGES / 10);
            let mut socket = side.socket().try_clone().unwrap();
            scope.spawn(move || {
                for _ in 0..10 {
                    std::io::Write::write_all(&mut socket, &batch).unwrap();
                }
                // The last of these tells that everything has been worked off.
                std::io::Write::write_all(&mut socket, &[0xC0, 0]).unwrap();
            });
            scope.spawn(move || while side.receive().expect("the connection has ended").0 != 0xD0 {});
        }
    });
    assert!(begin.elapsed() < LONG, "{:?}", begin.elapsed());
}

/// The end of the broker does not wait for clients that take nothing.
#[test]
fn a_stop_does_not_wait_for_who_does_not_read() {
    let (broker, address) = broker("");
    let stuck: Vec<_> = (0..10)
        .map(|number| {
            let mut client = Connect::v5(&format!("stuck-{number}")).open(&address).unwrap();
            assert_eq!(client.subscribe("t"), Some(0));
            client
        })
        .collect();
    publish_until(&broker, "all are stuck", || broker.stats().messages_dropped >= 100);
    let begin = Instant::now();
    broker.stop(Duration::from_millis(500)).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(!broker.running());
    for client in stuck {
        client.socket().shutdown(Shutdown::Both).unwrap_or_default();
    }
}
