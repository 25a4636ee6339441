//! Section 3.3 without retained messages, topic aliases and flow control, which have modules of their own.

use std::thread::sleep;
use std::time::Duration;

use crate::client::*;

/// [MQTT-3.3.1-1] A message that is sent again says so.
#[test]
fn dup_is_set_when_a_message_is_sent_again() {
    let server = Server::new();
    let mut client = server.connect(&Connect::new("client").expiry(100));
    client.subscribe("t", 2);
    let mut publisher = server.client("publisher");
    publisher.publish(Publish::new("t", "one").qos(1));
    publisher.publish(Publish::new("t", "two").qos(2));
    assert!(!client.expect_message("one").dup);
    assert!(!client.expect_message("two").dup);
    client.drop_connection();
    let mut client = server.connect(&Connect::new("client").resume());
    assert!(client.expect_message("one").dup);
    assert!(client.expect_message("two").dup);
}

/// [MQTT-3.3.1-2] DUP with QoS 0 is malformed, and never sent.
#[test]
fn dup_is_not_set_with_qos_0() {
    let server = Server::new();
    let mut subscriber = server.client("subscriber");
    subscriber.subscribe("t", 0);
    let mut client = server.client("client");
    client.publish(Publish::new("t", "sent again").qos(1).dup());
    assert!(!subscriber.expect_message("sent again").dup);
    client.send_publish(&Publish::new("t", "x").dup());
    let packet = client.expect(DISCONNECT);
    assert!([0x81, 0x82].contains(&packet.code), "{packet:?}");
}

/// [MQTT-3.3.1-3] What the publisher sends again is sent to the subscriber for the first time.
#[test]
fn dup_does_not_pass_through() {
    let server = Server::new();
    let mut subscriber = server.client("subscriber");
    subscriber.subscribe("t", 2);
    let mut publisher = server.client("publisher");
    for qos in [1, 2] {
        publisher.publish(Publish::new("t", "x").qos(qos).dup());
        assert!(!subscriber.take("x").dup);
    }
}

/// [MQTT-3.3.1-4] There is no QoS 3.
#[test]
fn there_is_no_qos_3() {
    let server = Server::new();
    let mut client = server.client("client");
    client.send_publish(&Publish::new("t", "x").qos(3));
    client.expect_disconnect(0x81);
}

/// [MQTT-3.3.2-1] The topic name comes first, and is there.
#[test]
fn the_topic_comes_first() {
    let server = Server::new();
    let mut client = server.client("client");
    client.send(PUBLISH, &[]);
    client.expect_disconnect(0x81);
    let mut client = server.client("client");
    client.send(PUBLISH, &[0, 5, b't']);
    client.expect_disconnect(0x81);
    let mut client = server.client("client");
    client.send_publish(&Publish::new(b"\xC3\x28", "x"));
    client.expect_disconnect(0x81);
}

/// [MQTT-3.3.2-2] [MQTT-4.7.0-1] A topic name has no wildcards.
#[test]
fn a_topic_name_has_no_wildcards() {
    let server = Server::new();
    for topic in ["#", "+", "a/+", "a/#", "a+b", "a#"] {
        for qos in 0..3 {
            let mut client = server.client("client");
            client.send_publish(&Publish::new(topic, "x").qos(qos));
            client.expect_disconnect(0x90);
        }
    }
}

/// [MQTT-3.3.2-3] What comes is what was subscribed to, under the name it was published with.
#[test]
fn topics_match_the_filter() {
    let server = Server::new();
    let mut client = server.client("client");
    client.subscribe("a/+/c", 0);
    let mut publisher = server.client("publisher");
    for topic in ["a", "a/b", "a/b/c/d", "b/b/c", "a/b/C"] {
        publisher.publish(Publish::new(topic, "no"));
    }
    for topic in ["a/b/c", "a//c", "a/ü/c"] {
        publisher.publish(Publish::new(topic, "yes"));
        assert_eq!(client.expect_message("yes").topic, topic);
    }
}

/// [MQTT-3.3.2-4] The payload format indicator arrives as it was sent.
#[test]
fn the_payload_format_passes_through() {
    let server = Server::new();
    let mut client = server.client("client");
    client.subscribe("t", 0);
    for format in [0, 1] {
        client.publish(Publish::new("t", "x").property(byte(property::PAYLOAD_FORMAT, format)));
        assert_eq!(client.expect_message("x").number(property::PAYLOAD_FORMAT), Some(format.into()));
    }
    client.publish(Publish::new("t", "x"));
    assert_eq!(client.expect_message("x").number(property::PAYLOAD_FORMAT), None);
    client.send_publish(&Publish::new("t", "x").property(byte(property::PAYLOAD_FORMAT, 2)));
    let packet = client.expect(DISCONNECT);
    assert!([0x81, 0x82].contains(&packet.code), "{packet:?}");
}

/// [MQTT-3.3.2-5] A message that expires before its delivery has begun is not delivered.
#[test]
fn messages_expire() {
    let server = Server::new();
    let mut client = server.connect(&Connect::new("client").expiry(100));
    client.subscribe("t", 1);
    client.drop_connection();
    let mut publisher = server.client("publisher");
    publisher.publish(Publish::new("t", "short").qos(1).expiry(1));
    publisher.publish(Publish::new("t", "long").qos(1).expiry(100));
    publisher.publish(Publish::new("retained", "short").retain().qos(1).expiry(1));
    sleep(Duration::from_millis(1_300));
    let mut client = server.connect(&Connect::new("client").resume().expiry(100));
    client.take("long");
    client.subscribe("retained", 0);
    client.expect_nothing_from(&mut publisher);
}

/// [MQTT-3.3.2-6] The expiry interval that is sent is what is left of it.
#[test]
fn the_expiry_counts_down() {
    let server = Server::new();
    let mut client = server.connect(&Connect::new("client").expiry(100));
    client.subscribe("t", 1);
    let mut publisher = server.client("publisher");
    publisher.publish(Publish::new("t", "at once").qos(1).expiry(100));
    assert!(client.take("at once").number(property::MESSAGE_EXPIRY) >= Some(99));
    client.drop_connection();
    publisher.publish(Publish::new("t", "later").qos(1).expiry(100));
    publisher.publish(Publish::new("retained", "retained").qos(1).expiry(100).retain());
    sleep(Duration::from_millis(1_200));
    let mut client = server.connect(&Connect::new("client").resume());
    let left = client.take("later").number(property::MESSAGE_EXPIRY).unwrap();
    assert!((90..=99).contains(&left), "{left}");
    client.subscribe("retained", 0);
    let left = client.take("retained").number(property::MESSAGE_EXPIRY).unwrap();
    assert!((90..=99).contains(&left), "{left}");
    publisher.publish(Publish::new("t", "never").qos(1));
    assert_eq!(client.take("never").number(property::MESSAGE_EXPIRY), None);
}

/// [MQTT-3.3.2-13] A response topic is UTF-8.
#[test]
fn the_response_topic_is_utf8() {
    let server = Server::new();
    let mut client = server.client("client");
    client.send_publish(&Publish::new("t", "x").property(bytes(property::RESPONSE_TOPIC, b"\xC3\x28")));
    client.expect_disconnect(0x81);
}

/// [MQTT-3.3.2-14] A response topic has no wildcards.
#[test]
fn the_response_topic_has_no_wildcards() {
    let server = Server::new();
    for topic in ["a/+", "#"] {
        let mut client = server.client("client");
        client.send_publish(&Publish::new("t", "x").property(bytes(property::RESPONSE_TOPIC, topic)));
        let packet = client.expect(DISCONNECT);
        assert!([0x81, 0x82, 0x90].contains(&packet.code), "{packet:?}");
        client.expect_closed();
    }
}

/// [MQTT-3.3.2-15] [MQTT-3.3.2-16] Response topic and correlation data arrive as they were sent, live and retained.
#[test]
fn request_and_response_pass_through() {
    let server = Server::new();
    let mut client = server.client("client");
    client.subscribe("t", 0);
    let data: Vec<u8> = (0..=255).collect();
    let publish = Publish::new("t", "request")
        .retain()
        .property(bytes(property::RESPONSE_TOPIC, "answers/to/mé"))
        .property(bytes(property::CORRELATION_DATA, &data));
    client.publish(publish);
    let live = client.expect_message("request");
    client.subscribe("t", 0);
    for packet in [live, client.expect_message("request")] {
        assert_eq!(packet.data(property::RESPONSE_TOPIC), Some("answers/to/mé".as_bytes()));
        assert_eq!(packet.data(property::CORRELATION_DATA), Some(&data[..]));
    }
}

/// [MQTT-3.3.2-17] [MQTT-3.3.2-18] User properties arrive unaltered and in their order, with every QoS, live, queued
/// and retained.
#[test]
fn user_properties_pass_through_in_order() {
    let pairs = [("b", "1"), ("a", "2"), ("b", "1"), ("", ""), ("a", "é\u{FEFF}"), ("b", "0")];
    let server = Server::new();
    let mut client = server.connect(&Connect::new("client").expiry(100));
    client.subscribe("t", 2);
    let mut publisher = server.client("publisher");
    let publish = |qos| {
        let publish = Publish::new("t", "x").qos(qos).retain();
        pairs.iter().fold(publish, |publish, (name, value)| publish.property(user(name, value)))
    };
    for qos in 0..3 {
        publisher.publish(publish(qos));
        assert_eq!(client.take("x").user_properties(), pairs);
    }
    client.drop_connection();
    publisher.publish(publish(1));
    let mut client = server.connect(&Connect::new("client").resume());
    assert_eq!(client.take("x").user_properties(), pairs);
    client.subscribe("t", 1);
    assert_eq!(client.take("x").user_properties(), pairs);
}

/// [MQTT-3.3.2-19] The content type is UTF-8.
#[test]
fn the_content_type_is_utf8() {
    let server = Server::new();
    let mut client = server.client("client");
    client.send_publish(&Publish::new("t", "x").property(bytes(property::CONTENT_TYPE, b"\xC3\x28")));
    client.expect_disconnect(0x81);
}

/// [MQTT-3.3.2-20] The content type arrives as it was sent.
#[test]
fn the_content_type_passes_through() {
    let server = Server::new();
    let mut client = server.client("client");
    client.subscribe("t", 0);
    for kind in ["application/json", "", "gänzlich/eigen"] {
        client.publish(Publish::new("t", "x").property(bytes(property::CONTENT_TYPE, kind)));
        assert_eq!(client.expect_message("x").data(property::CONTENT_TYPE), Some(kind.as_bytes()));
    }
}

/// [MQTT-3.3.4-1] No answer to QoS 0, PUBACK to QoS 1, PUBREC to QoS 2.
#[test]
fn the_answer_is_that_of_the_qos() {
    let server = Server::new();
    let mut client = server.client("client");
    client.send_publish(&Publish::new("t", "x"));
    client.send_publish(&Publish::new("t", "x").qos(1).id(5));
    assert_eq!(client.expect(PUBACK).id, 5);
    client.send_publish(&Publish::new("t", "x").qos(2).id(5));
    assert_eq!(client.expect(PUBREC).id, 5);
    client.expect_quiet();
}

/// [MQTT-3.3.4-2] Overlapping subscriptions deliver with the highest of their QoS, here in one copy.
#[test]
fn overlapping_subscriptions_deliver_with_the_highest_qos() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let mut client = server.client("client");
        for (filter, qos) in ["a/b", "a/+", "#"].iter().zip(order) {
            client.subscribe(filter, qos);
        }
        for qos in 0..3 {
            publisher.publish(Publish::new("a/b", "x").qos(qos));
            assert_eq!(client.take("x").qos, qos);
            client.expect_nothing_from(&mut publisher);
        }
    }
}

/// [MQTT-3.3.4-3] [MQTT-3.3.4-4] A message carries the identifiers of all subscriptions that it is for, and only those.
#[test]
fn subscription_identifiers_come_with_the_message() {
    let server = Server::new();
    let mut client = server.client("client");
    let largest = 268_435_455;
    for (id, filter) in [(1, "a/b"), (200, "a/+"), (largest, "a/#"), (7, "c/#")] {
        client.subscribe_all(1, &[subscription_id(id)], &[(filter, 1)]);
    }
    client.subscribe("+/b", 2);
    let mut publisher = server.client("publisher");
    let mut expect = |topic: &str, qos: u8, expected: &[u32]| {
        publisher.publish(Publish::new(topic, "x").qos(qos));
        let mut ids = client.take("x").numbers(property::SUBSCRIPTION_ID);
        ids.sort();
        assert_eq!(ids, expected, "{topic}");
    };
    expect("a/b", 0, &[1, 200, largest]);
    expect("a/b", 2, &[1, 200, largest]);
    expect("a/c", 1, &[200, largest]);
    expect("a/c/d", 0, &[largest]);
    expect("c", 1, &[7]);
    expect("d/b", 1, &[]);
}

/// [MQTT-3.3.4-3] A message that is retained carries the identifier of the subscription that asked for it.
#[test]
fn subscription_identifiers_come_with_retained_messages() {
    let server = Server::new();
    let mut client = server.client("client");
    client.publish(Publish::new("t", "x").retain());
    client.subscribe_all(1, &[subscription_id(9)], &[("t", 0)]);
    assert_eq!(client.take("x").numbers(property::SUBSCRIPTION_ID), [9]);
}

/// [MQTT-3.3.4-5] Where a subscription and a shared one of the same client match, two copies come, each with its own
/// identifier.
#[test]
fn copies_carry_their_own_identifier() {
    let server = Server::new();
    let mut client = server.client("client");
    client.subscribe_all(1, &[subscription_id(1)], &[("t", 1)]);
    client.subscribe_all(1, &[subscription_id(2)], &[("$share/g/t", 1)]);
    server.client("publisher").publish(Publish::new("t", "x").qos(1));
    let mut ids = [(); 2].map(|()| client.take("x").numbers(property::SUBSCRIPTION_ID));
    ids.sort();
    assert_eq!(ids, [[1], [2]]);
}

/// [MQTT-3.3.4-6] A client gives no subscription identifier with a PUBLISH.
#[test]
fn a_publish_of_a_client_has_no_subscription_identifier() {
    let server = Server::new();
    let mut client = server.client("client");
    client.send_publish(&Publish::new("t", "x").property(subscription_id(1)));
    client.expect_disconnect(0x82);
}

/// A topic of more levels than the broker takes is refused where there is a way to say so, and the client stays.
#[test]
fn topics_have_a_greatest_depth() {
    let server = Server::new();
    let mut subscriber = server.client("subscriber");
    subscriber.subscribe("#", 0);
    let mut client = server.client("client");
    let (deepest, deeper) = (["l"; 64].join("/"), ["l"; 65].join("/"));
    client.publish(Publish::new(&deepest, "x").qos(1));
    subscriber.take("x");
    client.send_publish(&Publish::new(&deeper, "x"));
    client.send_publish(&Publish::new(&deeper, "x").qos(1));
    assert_eq!(client.expect(PUBACK).code, 0x90);
    client.send_publish(&Publish::new(&deeper, "x").qos(2));
    assert_eq!(client.expect(PUBREC).code, 0x90);
    subscriber.expect_nothing_from(&mut client);
}
