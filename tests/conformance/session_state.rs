//! Sections 3.1.2.4, 3.1.2.11.2 and 4.1: the session and how long it lives.

use std::thread::sleep;
use std::time::Duration;

use crate::client::*;

/// [MQTT-3.1.2-4] A clean start discards subscriptions and messages of the session before.
#[test]
fn a_clean_start_discards_the_session() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let mut client = server.connect(&Connect::new("client").expiry(100));
    client.subscribe("t", 1);
    publisher.publish(Publish::new("t", "open").qos(1));
    client.expect_message("open");
    client.drop_connection();
    publisher.publish(Publish::new("t", "queued").qos(1));
    let mut client = server.connect(&Connect::new("client").expiry(100));
    assert!(!client.connack.session_present);
    publisher.publish(Publish::new("t", "live").qos(1));
    client.expect_nothing_from(&mut publisher);
    client.drop_connection();
    // Nor does it come back to life later.
    let mut client = server.connect(&Connect::new("client").resume());
    assert!(client.connack.session_present);
    publisher.publish(Publish::new("t", "live").qos(1));
    client.expect_nothing_from(&mut publisher);
}

/// [MQTT-3.1.2-5] Without a clean start the session goes on: subscriptions with their options, messages of QoS 1 and 2
/// that came meanwhile.
#[test]
fn a_session_is_resumed() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let mut client = server.connect(&Connect::new("client").expiry(100));
    client.subscribe_all(1, &[subscription_id(5)], &[("t", 8 | 2)]);
    client.disconnect();
    publisher.publish(Publish::new("t", "one").qos(1).retain());
    publisher.publish(Publish::new("t", "two").qos(2));
    let mut client = server.connect(&Connect::new("client").resume());
    assert!(client.connack.session_present);
    let one = client.take("one");
    assert_eq!((one.qos, one.retain, one.dup, one.numbers(property::SUBSCRIPTION_ID)), (1, true, false, vec![5]));
    assert_eq!(client.take("two").qos, 2);
    publisher.publish(Publish::new("t", "three"));
    assert_eq!(client.take("three").numbers(property::SUBSCRIPTION_ID), [5]);
}

/// [MQTT-3.1.2-6] Without a clean start and without a session there is a new one.
#[test]
fn a_session_is_created() {
    let server = Server::new();
    let mut client = server.connect(&Connect::new("client").resume().expiry(100));
    assert!(!client.connack.session_present);
    client.subscribe("t", 0);
    client.publish(Publish::new("t", "x"));
    client.take("x");
    client.disconnect();
    assert!(server.connect(&Connect::new("client").resume()).connack.session_present);
}

/// [MQTT-3.1.2-23] [MQTT-4.5.0-1] A session with an expiry outlives its connection, and collects messages of QoS 1 and 2,
/// more than may be open at a time. QoS 0 is not kept.
#[test]
fn a_session_outlives_its_connection() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let mut client = server.connect(&Connect::new("client").expiry(100));
    client.subscribe("t", 2);
    client.drop_connection();
    publisher.publish(Publish::new("t", "QoS 0"));
    for number in 0..150u8 {
        publisher.publish(Publish::new("t", number.to_string()).qos(1 + number % 2));
    }
    let mut client = server.connect(&Connect::new("client").resume());
    for number in 0..150u8 {
        assert_eq!(client.take(&number.to_string()).qos, 1 + number % 2);
    }
    client.expect_nothing_from(&mut publisher);
}

/// [MQTT-4.1.0-1] The expiry does not run while the client is connected.
#[test]
fn a_session_does_not_expire_while_connected() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let mut client = server.connect(&Connect::new("client").expiry(1));
    client.subscribe("t", 1);
    client.drop_connection();
    let mut client = server.connect(&Connect::new("client").resume().expiry(1));
    sleep(Duration::from_millis(1_300));
    publisher.publish(Publish::new("t", "x").qos(1));
    client.take("x");
    client.drop_connection();
    assert!(server.connect(&Connect::new("client").resume()).connack.session_present);
}

/// [MQTT-4.1.0-2] A session ends when its expiry is over, and with the connection if it has none.
#[test]
fn a_session_expires() {
    let server = Server::new();
    server.connect(&Connect::new("none")).drop_connection();
    server.connect(&Connect::new("zero").expiry(0)).disconnect();
    let mut client = server.connect(&Connect::new("one").expiry(1));
    client.subscribe("t", 1);
    client.disconnect();
    server.connect(&Connect::new("never").expiry(u32::MAX)).disconnect();
    let present = |id| server.connect(&Connect::new(id).resume().expiry(100)).connack.session_present;
    assert!(!present("none"));
    assert!(!present("zero"));
    sleep(Duration::from_millis(1_500));
    assert!(!present("one"));
    assert!(present("never"));
}

/// The expiry is that of the last CONNECT.
#[test]
fn the_last_connect_tells_the_expiry() {
    let server = Server::new();
    server.connect(&Connect::new("client").expiry(100)).disconnect();
    server.connect(&Connect::new("client").resume()).disconnect();
    assert!(!server.connect(&Connect::new("client").resume()).connack.session_present);
}

/// The configuration caps the expiry.
#[test]
fn the_expiry_has_a_maximum() {
    let server = Server::with(r#""session":{"max_expiry_s":1}"#);
    let client = server.connect(&Connect::new("client").expiry(u32::MAX));
    assert_eq!(client.connack.number(property::SESSION_EXPIRY), Some(1));
    client.disconnect();
    sleep(Duration::from_millis(1_500));
    assert!(!server.connect(&Connect::new("client").resume()).connack.session_present);
}

/// [MQTT-4.2-1] The transport keeps bytes and their order: packets may come in single bytes or all at once.
#[test]
fn packets_are_not_bound_to_segments() {
    let server = Server::new();
    let mut client = server.open(5);
    for byte in Connect::new("client").bytes() {
        client.send_raw(&[byte]);
    }
    assert_eq!(client.expect(CONNACK).code, 0);
    client.subscribe("t", 0);
    for byte in Publish::new("t", "slowly").bytes(5) {
        client.send_raw(&[byte]);
    }
    client.take("slowly");
    let many: Vec<u8> = (0..500).flat_map(|number| Publish::new("t", number.to_string()).bytes(5)).collect();
    client.send_raw(&many);
    for number in 0..500 {
        client.take(&number.to_string());
    }
}
