//! Section 3.3.1.3: retained messages, and the options of a subscription about them.

use crate::client::*;

const RETAIN_AS_PUBLISHED: u8 = 8;
const ONLY_IF_NEW: u8 = 0x10;
const NEVER: u8 = 0x20;

/// [MQTT-3.3.1-5] A retained message takes the place of the one before, with its QoS and properties.
#[test]
fn a_retained_message_replaces_the_one_before() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    publisher.publish(Publish::new("t", "old").retain().qos(2).property(user("a", "b")));
    publisher.publish(Publish::new("t", "new").retain().qos(1).property(user("c", "d")));
    let mut client = server.client("client");
    client.subscribe("t", 2);
    let packet = client.take("new");
    assert!(packet.retain);
    assert_eq!(packet.qos, 1);
    assert_eq!(packet.user_properties(), [("c", "d")]);
    client.expect_nothing_from(&mut publisher);
}

/// [MQTT-3.3.1-6] [MQTT-3.3.1-7] An empty retained message removes what was retained, is delivered like any other, and is
/// not retained itself.
#[test]
fn an_empty_message_removes_what_is_retained() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let mut watcher = server.client("watcher");
    publisher.publish(Publish::new("t", "x").retain().qos(1));
    watcher.subscribe("t", 1);
    watcher.take("x");
    publisher.publish(Publish::new("t", "").retain().qos(1));
    assert!(!watcher.take("").retain);
    assert_eq!(server.broker.stats().retained_messages, 0);
    let mut client = server.client("client");
    client.subscribe("t", 1);
    client.expect_nothing_from(&mut publisher);
}

/// [MQTT-3.3.1-8] A message that is not to be retained leaves what is retained alone, even an empty one.
#[test]
fn other_messages_leave_what_is_retained() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    publisher.publish(Publish::new("t", "not retained").qos(1));
    let mut client = server.client("client");
    client.subscribe("t", 0);
    client.expect_nothing_from(&mut publisher);
    publisher.publish(Publish::new("u", "retained").retain().qos(1));
    publisher.publish(Publish::new("u", "not retained").qos(1));
    publisher.publish(Publish::new("u", "").qos(1));
    client.subscribe("u", 0);
    client.take("retained");
    client.expect_nothing_from(&mut publisher);
}

/// [MQTT-3.3.1-9] Each subscription is sent every retained message that matches, the second time as well.
#[test]
fn subscriptions_are_sent_retained_messages() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    for topic in ["a", "a/b", "a/b/c", "b", "$hidden/a"] {
        publisher.publish(Publish::new(topic, topic).retain().qos(1));
    }
    let mut client = server.client("client");
    let cases: [(&str, &[&str]); 5] = [
        ("a", &["a"]),
        ("a/#", &["a", "a/b", "a/b/c"]),
        ("+/b", &["a/b"]),
        ("+", &["a", "b"]),
        ("#", &["a", "a/b", "a/b/c", "b"]),
    ];
    for (filter, expected) in cases {
        for _ in 0..2 {
            client.subscribe(filter, 0);
            let mut topics: Vec<String> = expected.iter().map(|_| client.expect(PUBLISH).topic).collect();
            topics.sort();
            assert_eq!(topics, expected, "{filter}");
        }
    }
    client.expect_nothing_from(&mut publisher);
}

/// [MQTT-3.3.1-10] With Retain Handling 1 only a new subscription is sent retained messages.
#[test]
fn retained_messages_only_for_new_subscriptions() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    publisher.publish(Publish::new("t", "x").retain().qos(1));
    let mut client = server.client("client");
    client.subscribe("t", ONLY_IF_NEW);
    client.take("x");
    client.subscribe("t", ONLY_IF_NEW | 1);
    client.expect_nothing_from(&mut publisher);
    client.unsubscribe(1, &["t"]);
    client.subscribe("t", ONLY_IF_NEW);
    client.take("x");
}

/// [MQTT-3.3.1-11] With Retain Handling 2 none is sent.
#[test]
fn retained_messages_never() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    publisher.publish(Publish::new("t", "x").retain().qos(1));
    let mut client = server.client("client");
    client.subscribe("t", NEVER);
    client.expect_nothing_from(&mut publisher);
    publisher.publish(Publish::new("t", "live").qos(1));
    client.take("live");
}

/// [MQTT-3.3.1-12] Without Retain As Published a live message does not carry RETAIN; one sent because of the
/// subscription does.
#[test]
fn live_messages_do_not_carry_retain() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let mut client = server.client("client");
    client.subscribe("t", 0);
    publisher.publish(Publish::new("t", "x").retain());
    assert!(!client.take("x").retain);
    publisher.publish(Publish::new("t", "y"));
    assert!(!client.take("y").retain);
    client.subscribe("t", 0);
    assert!(client.take("x").retain);
}

/// [MQTT-3.3.1-13] With Retain As Published a live message carries RETAIN as it was published.
#[test]
fn retain_as_published() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let mut client = server.client("client");
    client.subscribe("t", RETAIN_AS_PUBLISHED);
    publisher.publish(Publish::new("t", "x").retain());
    assert!(client.take("x").retain);
    publisher.publish(Publish::new("t", "y"));
    assert!(!client.take("y").retain);
    client.subscribe("t", RETAIN_AS_PUBLISHED);
    assert!(client.take("x").retain);
}

/// Retain Handling 3 does not exist.
#[test]
fn retain_handling_3_is_an_error() {
    let server = Server::new();
    let mut client = server.client("client");
    client.send_raw(&client.subscribe_bytes(1, &[], &[("t", 0x30)]));
    let packet = client.expect(DISCONNECT);
    assert!([0x81, 0x82].contains(&packet.code), "{packet:?}");
    client.expect_closed();
}

/// A message beyond the limits on retained messages is delivered, but not retained.
#[test]
fn retained_messages_have_limits() {
    let server = Server::with(r#""retain":{"max_messages":1,"max_payload_bytes":5}"#);
    let mut publisher = server.client("publisher");
    let mut client = server.client("client");
    client.subscribe("#", 1);
    for (topic, payload) in [("large", "123456"), ("first", "12345"), ("second", "1")] {
        publisher.publish(Publish::new(topic, payload).qos(1).retain());
        client.take(payload);
    }
    let mut late = server.client("late");
    late.subscribe("#", 1);
    late.take("12345");
    late.expect_nothing_from(&mut publisher);
    assert_eq!(server.broker.stats().retained_messages, 1);
}
