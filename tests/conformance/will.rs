//! Sections 3.1.2.5 to 3.1.2.7 and 3.1.3.2: the will.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use rmqttc::broker::{Delivery, SubscribeOptions};
use rmqttc::session::Delivered;

use crate::client::*;

fn watcher(server: &Server) -> Client {
    let mut watcher = server.client("watcher");
    watcher.subscribe("will", 2);
    watcher
}

/// [MQTT-3.1.2-7] A will is kept, with its QoS and properties, until the connection breaks.
#[test]
fn a_will_is_kept() {
    let server = Server::new();
    let mut watcher = watcher(&server);
    let will = Will::new("will", "gone")
        .qos(2)
        .property(byte(property::PAYLOAD_FORMAT, 1))
        .property(four(property::MESSAGE_EXPIRY, 100))
        .property(bytes(property::CONTENT_TYPE, "text"))
        .property(bytes(property::RESPONSE_TOPIC, "answer"))
        .property(bytes(property::CORRELATION_DATA, b"\x00\xFF"));
    let mut client = server.connect(&Connect::new("client").will(will));
    client.publish(Publish::new("t", "x").qos(1));
    watcher.expect_quiet();
    client.drop_connection();
    let packet = watcher.take("gone");
    assert_eq!((packet.qos, packet.retain), (2, false));
    assert_eq!(packet.number(property::PAYLOAD_FORMAT), Some(1));
    assert!(packet.number(property::MESSAGE_EXPIRY) >= Some(99));
    assert_eq!(packet.data(property::CONTENT_TYPE), Some(&b"text"[..]));
    assert_eq!(packet.data(property::RESPONSE_TOPIC), Some(&b"answer"[..]));
    assert_eq!(packet.data(property::CORRELATION_DATA), Some(&b"\x00\xFF"[..]));
    assert!(!packet.has(property::WILL_DELAY));
}

/// [MQTT-3.1.2-8] The will is published when the delay is over.
#[test]
fn a_will_is_published_after_its_delay() {
    let server = Server::new();
    let mut watcher = watcher(&server);
    server.connect(&Connect::new("client").expiry(100).will(Will::new("will", "gone").delay(1))).drop_connection();
    let begin = Instant::now();
    watcher.take("gone");
    assert!(begin.elapsed() > Duration::from_millis(800), "{:?}", begin.elapsed());
}

/// [MQTT-3.1.2-8] The will is published when the session ends, though the delay is longer.
#[test]
fn a_will_is_published_at_the_end_of_the_session() {
    let server = Server::new();
    let mut watcher = watcher(&server);
    let will = Will::new("will", "gone").delay(100);
    server.connect(&Connect::new("client").will(will.clone())).drop_connection();
    watcher.take("gone");

    server.connect(&Connect::new("client").expiry(1).will(will.clone())).drop_connection();
    watcher.take("gone");

    server.connect(&Connect::new("client").expiry(100).will(will)).drop_connection();
    server.client("client");
    watcher.take("gone");
}

/// [MQTT-3.1.2-8] The will is published whatever ends the connection: an error, silence, a second connection.
#[test]
fn a_will_is_published_whatever_the_reason() {
    let server = Server::new();
    let mut watcher = watcher(&server);
    let connect = Connect::new("client").will(Will::new("will", "gone"));
    let mut client = server.connect(&connect);
    client.send_publish(&Publish::new("#", "x"));
    client.expect_disconnect(0x90);
    watcher.take("gone");

    let mut client = server.connect(&connect);
    let second = server.client("client");
    client.expect_disconnect(0x8E);
    watcher.take("gone");
    drop(second);

    let mut client = server.connect(&connect.keep_alive(1));
    client.expect_disconnect(0x8D);
    watcher.take("gone");
}

/// [MQTT-3.1.2-10] A will that was published, or discarded, is gone: the next connection of the session has none.
#[test]
fn a_will_is_published_once() {
    let server = Server::new();
    let mut watcher = watcher(&server);
    let connect = Connect::new("client").expiry(100).will(Will::new("will", "gone"));
    server.connect(&connect).drop_connection();
    watcher.take("gone");
    server.connect(&Connect::new("client").resume().expiry(100)).drop_connection();
    watcher.expect_nothing_from(&mut server.client("marker"));

    server.connect(&connect).disconnect();
    server.connect(&Connect::new("client").resume().expiry(100)).drop_connection();
    watcher.expect_nothing_from(&mut server.client("marker"));
}

/// [MQTT-3.1.2-14] A will that is not to be retained is not.
#[test]
fn a_will_is_not_retained() {
    let server = Server::new();
    let mut watcher = watcher(&server);
    server.connect(&Connect::new("client").will(Will::new("will", "gone"))).drop_connection();
    watcher.take("gone");
    let mut late = server.client("late");
    late.subscribe("will", 0);
    late.expect_nothing_from(&mut server.client("marker"));
}

/// [MQTT-3.1.2-15] A will that is to be retained is.
#[test]
fn a_will_is_retained() {
    let server = Server::new();
    let mut watcher = watcher(&server);
    server.connect(&Connect::new("client").will(Will::new("will", "gone").qos(1).retain())).drop_connection();
    watcher.take("gone");
    let mut late = server.client("late");
    late.subscribe("will", 2);
    let packet = late.take("gone");
    assert_eq!((packet.qos, packet.retain), (1, true));
}

/// [MQTT-3.1.3-9] A client that comes back before the delay is over keeps its will to itself.
#[test]
fn a_will_is_not_published_if_the_client_comes_back() {
    let server = Server::new();
    let mut watcher = watcher(&server);
    let will = Will::new("will", "gone").delay(1);
    server.connect(&Connect::new("client").expiry(100).will(will)).drop_connection();
    let mut client = server.connect(&Connect::new("client").resume().expiry(100));
    std::thread::sleep(Duration::from_millis(1_300));
    watcher.expect_nothing_from(&mut client);
}

/// [MQTT-3.1.3-10] The user properties of a will keep their order.
#[test]
fn user_properties_of_a_will_keep_their_order() {
    let pairs = [("b", "1"), ("a", "2"), ("b", "0"), ("a", "2")];
    let server = Server::new();
    let mut watcher = watcher(&server);
    let will = pairs.iter().fold(Will::new("will", "gone"), |will, (name, value)| will.property(user(name, value)));
    server.connect(&Connect::new("client").will(will)).drop_connection();
    assert_eq!(watcher.take("gone").user_properties(), pairs);
}

/// The topics of the wills that are published while the broker stops. Its clients are leaving, too: it is the program
/// around the broker that sees them.
fn wills_at_shutdown(server: &Server) -> Vec<String> {
    let (sender, receiver) = mpsc::channel();
    let consumer = Box::new(move |messages: &[Delivered]| {
        messages.iter().for_each(|message| sender.send(message.view().topic.to_string()).unwrap());
    });
    let (options, delivery) = (SubscribeOptions::default(), Delivery::Batches);
    let subscription = server.broker.subscribe("will/#", options, delivery, consumer).unwrap();
    server.broker.stop(Duration::from_secs(1)).unwrap();
    drop(subscription);
    let mut topics: Vec<String> = receiver.iter().collect();
    topics.sort();
    topics
}

/// [MQTT-3.1.2-8] Wills are published when the broker shuts down.
#[test]
fn wills_are_published_at_shutdown() {
    let server = Server::new();
    let _first = server.connect(&Connect::new("first").will(Will::new("will/first", "gone")));
    let _second = server.connect(&Connect::new("second").will(Will::new("will/second", "gone").delay(100)));
    assert_eq!(wills_at_shutdown(&server), ["will/first", "will/second"]);
}

/// [MQTT-3.1.2-8] Sessions end when the broker shuts down, and so does the delay of their wills.
#[test]
fn delayed_wills_are_published_at_shutdown() {
    let server = Server::new();
    let connect = |id: &str| {
        let will = Will::new(&format!("will/{id}"), "gone").delay(100);
        server.connect(&Connect::new(id).expiry(100).will(will))
    };
    connect("absent").drop_connection();
    let _present = connect("present");
    assert_eq!(wills_at_shutdown(&server), ["will/absent", "will/present"]);
}
