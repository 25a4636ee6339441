//! What a client must not be able to do to the broker, or to others.

#[path = "support/mqtt.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod mqtt;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use mqtt::{Client, LONG};
use rmqttc::broker::Broker;

fn broker(more: &str) -> (Broker, String) {
    let config = format!(
        r#"{{"listeners":[{{"address":"127.0.0.1:0"}}],"auth":{{"allow_anonymous":true}},
            "runtime":{{"worker_threads":2}}{more}}}"#
    );
    let broker = Broker::new(&config).unwrap();
    broker.start().unwrap();
    let address = broker.listener(0).unwrap().address.to_string();
    (broker, address)
}

fn levels(count: usize) -> String {
    vec!["a"; count].join("/")
}

#[test]
fn deep_topics_are_refused_and_nobody_else_notices() {
    let (broker, address) = broker("");
    let mut bystander = Client::connect(&address, "bystander").unwrap();

    let mut client = Client::connect(&address, "deep-filter").unwrap();
    assert_ne!(client.subscribe(&levels(8_000)), Some(0));

    // A publish that is refused is acknowledged to a client of MQTT 3.1.1, which has no way to hear of it.
    for retain in [false, true] {
        let mut client = Client::connect(&address, "deep-name").unwrap();
        client.publish(&levels(32_000), b"x", retain);
    }
    assert_eq!(broker.stats().retained_messages, 0);

    assert_eq!(Client::connect_with_will(&address, "deep-will", Some((&levels(8_000), b"x"))).err(), Some(5));

    assert!(bystander.ping());
    assert_eq!(bystander.subscribe(&levels(64)), Some(0));
    assert!(Client::connect(&address, "after").is_ok());
}

#[test]
fn members_of_a_shared_group_that_come_and_go_block_nobody() {
    let (_broker, address) = broker("");
    let mut members: Vec<Client> =
        (0..60).map(|number| Client::connect(&address, &format!("member-{number}")).unwrap()).collect();
    for member in &mut members {
        assert_eq!(member.subscribe("$share/group/work"), Some(0));
    }
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for number in 0..2 {
            let (address, stop, done) = (&address, &stop, &done);
            scope.spawn(move || {
                let mut client = Client::connect(address, &format!("publisher-{number}")).unwrap();
                while !stop.load(Relaxed) {
                    assert!(client.publish("work", b"x", false));
                    done.fetch_add(1, Relaxed);
                }
            });
            scope.spawn(move || {
                let mut client = Client::connect(address, &format!("churner-{number}")).unwrap();
                while !stop.load(Relaxed) {
                    assert_eq!(client.subscribe("$share/group/work"), Some(0));
                    client.send(0xA2, &[&[0, 2], &mqtt::text("$share/group/work")[..]].concat());
                    assert!(client.ping());
                    done.fetch_add(1, Relaxed);
                }
            });
        }
        let begin = Instant::now();
        while done.load(Relaxed) < 2_000 && begin.elapsed() < LONG {
            thread::sleep(Duration::from_millis(10));
        }
        stop.store(true, Relaxed);
    });
    assert!(done.load(Relaxed) >= 2_000, "only {} rounds", done.load(Relaxed));
    assert!(Client::connect(&address, "after").is_ok());
}

#[test]
fn the_clients_own_limits_hold() {
    let (_broker, address) =
        broker(r#","limits":{"max_client_id_length":8,"max_topic_levels":2,"max_subscriptions":1,"max_qos":1}"#);
    assert_eq!(Client::connect(&address, "nine-long").err(), Some(2));
    let mut client = Client::connect(&address, "short").unwrap();
    assert_eq!(client.subscribe("a/b"), Some(0));
    assert_eq!(client.subscribe("b"), Some(0x80));
}
