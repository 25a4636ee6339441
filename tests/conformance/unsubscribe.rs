//! Sections 3.10 and 3.11: UNSUBSCRIBE and UNSUBACK.

use crate::client::*;

/// [MQTT-3.10.1-1] UNSUBSCRIBE with other flags is malformed.
#[test]
fn unsubscribe_has_its_flags() {
    let server = Server::new();
    let body = [&[0, 1, 0][..], &field("t")].concat();
    for flags in [0, 1, 3, 6, 10, 15] {
        let mut client = server.client("client");
        client.send(UNSUBSCRIBE | flags, &body);
        client.expect_disconnect(0x81);
    }
}

/// [MQTT-3.10.3-1] A topic filter is UTF-8.
#[test]
fn topic_filters_are_utf8() {
    let server = Server::new();
    let mut client = server.client("client");
    client.send(UNSUBSCRIBE | 2, &[&[0, 1, 0][..], &field(b"\xC3\x28")].concat());
    client.expect_disconnect(0x81);
}

/// [MQTT-3.10.3-2] UNSUBSCRIBE has a topic filter.
#[test]
fn unsubscribe_has_a_topic_filter() {
    let server = Server::new();
    let mut client = server.client("client");
    client.send(UNSUBSCRIBE | 2, &[0, 1, 0]);
    let packet = client.expect(DISCONNECT);
    assert!([0x81, 0x82].contains(&packet.code), "{packet:?}");
    client.expect_closed();
}

/// [MQTT-3.10.4-1] The filter that is named is deleted, to the letter, and no other that matches the same topics.
#[test]
fn the_very_filter_is_deleted() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let mut client = server.client("client");
    client.subscribe("a/+", 0);
    assert_eq!(client.unsubscribe(1, &["a/b", "a/#", "A/+", "a/+/"]).codes, [0x11; 4]);
    publisher.publish(Publish::new("a/b", "still"));
    client.take("still");
    assert_eq!(client.unsubscribe(2, &["a/+"]).codes, [0]);
    publisher.publish(Publish::new("a/b", "no more"));
    client.expect_nothing_from(&mut publisher);
}

/// [MQTT-3.10.4-2] Behind UNSUBACK no message is added.
#[test]
fn no_message_comes_after_unsuback() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let mut client = server.client("client");
    for qos in 0..3 {
        client.subscribe("t", qos);
        publisher.publish(Publish::new("t", "before").qos(qos));
        client.take("before");
        client.unsubscribe(1, &["t"]);
        publisher.publish(Publish::new("t", "after").qos(qos));
        client.expect_nothing_from(&mut publisher);
    }
}

/// [MQTT-3.10.4-3] A delivery that has begun is completed, on another connection if need be.
#[test]
fn deliveries_that_have_begun_are_completed() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let mut client = server.connect(&Connect::new("client").expiry(100));
    client.subscribe("t", 2);
    publisher.publish(Publish::new("t", "one").qos(1));
    publisher.publish(Publish::new("t", "two").qos(2));
    let (one, two) = (client.expect_message("one").id, client.expect_message("two").id);
    assert_eq!(client.unsubscribe(1, &["t"]).codes, [0]);
    client.ack(PUBREC, two);
    assert_eq!(client.expect(PUBREL).id, two);
    client.drop_connection();
    let mut client = server.connect(&Connect::new("client").resume());
    let mut packets = [client.receive(), client.receive()];
    packets.sort_by_key(|packet| packet.kind);
    let [again, released] = packets;
    assert_eq!((again.kind, again.id, again.dup), (PUBLISH, one, true));
    assert_eq!((released.kind, released.id), (PUBREL, two));
    client.ack(PUBACK, one);
    client.ack(PUBCOMP, two);
    client.expect_nothing_from(&mut publisher);
}

/// [MQTT-3.10.4-4] [MQTT-3.10.4-5] UNSUBSCRIBE is answered by UNSUBACK with its packet identifier, though nothing was
/// subscribed.
#[test]
fn unsubscribe_is_acknowledged() {
    let server = Server::new();
    let mut client = server.client("client");
    for id in [1, 300, 65_535] {
        assert_eq!(client.unsubscribe(id, &["nothing"]).codes, [0x11]);
    }
}

/// [MQTT-3.10.4-6] [MQTT-3.11.3-1] Several filters are deleted one after the other; their codes come in their order.
#[test]
fn filters_count_in_their_order() {
    let server = Server::new();
    let mut client = server.client("client");
    client.subscribe("a", 0);
    client.subscribe("b", 0);
    let unsuback = client.unsubscribe(9, &["b", "c", "a", "a", "$share/g/a"]);
    assert_eq!(unsuback.codes, [0, 0x11, 0, 0x11, 0x11]);
}

/// [MQTT-3.11.2-1] [MQTT-3.11.2-2] UNSUBACK is not larger than the client takes.
#[test]
fn unsuback_fits() {
    let server = Server::new();
    let mut client = server.connect(&Connect::new("client").maximum_packet_size(48));
    assert_eq!(client.unsubscribe(1, &["nothing"]).codes, [0x11]);
}

/// [MQTT-3.11.3-2] UNSUBACK has codes of its own, also for what can be no filter.
#[test]
fn unsuback_has_its_codes() {
    let server = Server::new();
    let mut client = server.client("client");
    client.subscribe("t", 0);
    client.subscribe("$share/g/t", 0);
    let codes = client.unsubscribe(1, &["t", "$share/g/t", "u", "a/#/b", "$share/g"]).codes;
    assert_eq!(codes[..3], [0, 0, 0x11]);
    assert!(codes[3..].iter().all(|code| [0x11, 0x8F].contains(code)), "{codes:02x?}");
}
