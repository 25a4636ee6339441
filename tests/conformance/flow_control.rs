//! Section 4.9 and the end of 3.3.4: how many messages may be open.

use crate::client::*;

/// [MQTT-3.3.4-7] A client that opens more than the broker's Receive Maximum is disconnected with 0x93.
#[test]
fn the_brokers_receive_maximum_holds() {
    let server = Server::with(r#""limits":{"max_inflight":2}"#);
    let mut client = server.client("client");
    assert_eq!(client.connack.number(property::RECEIVE_MAXIMUM), Some(2));
    for id in 1..=2 {
        client.send_publish(&Publish::new("t", "x").qos(2).id(id));
        client.expect(PUBREC);
    }
    client.send_publish(&Publish::new("t", "x").qos(2).id(3));
    client.expect_disconnect(0x93);
}

/// What is complete, refused or sent again does not count.
#[test]
fn only_open_messages_count() {
    let server = Server::with(r#""limits":{"max_inflight":2,"max_topic_levels":2}"#);
    let mut client = server.client("client");
    client.send_publish(&Publish::new("t", "x").qos(2).id(1));
    client.expect(PUBREC);
    for _ in 0..5 {
        client.publish(Publish::new("t", "x").qos(1).id(2));
        client.publish(Publish::new("t", "x").qos(2).id(2));
        client.send_publish(&Publish::new("t", "x").qos(2).id(1).dup());
        client.expect(PUBREC);
        client.send_publish(&Publish::new("a/b/c", "x").qos(2).id(2));
        assert_eq!(client.expect(PUBREC).code, 0x90);
    }
    client.expect_quiet();
}

/// [MQTT-3.3.4-8] At the limit a client can do all else: QoS 0, subscriptions, PUBREL.
#[test]
fn other_packets_are_taken_at_the_limit() {
    let server = Server::with(r#""limits":{"max_inflight":1}"#);
    let mut client = server.client("client");
    client.send_publish(&Publish::new("t", "x").qos(2).id(1));
    client.expect(PUBREC);
    client.subscribe("u", 0);
    client.publish(Publish::new("u", "y"));
    client.take("y");
    client.unsubscribe(1, &["u"]);
    client.expect_quiet();
    client.ack(PUBREL, 1);
    client.expect(PUBCOMP);
}

/// [MQTT-3.3.4-9] [MQTT-4.9.0-1] [MQTT-4.9.0-2] Not more messages than the client's Receive Maximum are open, of QoS 1 and
/// 2 together; each that ends lets one more through.
#[test]
fn the_clients_receive_maximum_holds() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    for maximum in [1, 3] {
        let mut client = server.connect(&Connect::new("client").receive_maximum(maximum));
        client.subscribe("t", 2);
        for number in 0..12u8 {
            publisher.publish(Publish::new("t", number.to_string()).qos(1 + number % 2));
        }
        let mut open: Vec<Packet> = (0..maximum).map(|_| client.expect(PUBLISH)).collect();
        for next in maximum..12 {
            client.expect_quiet();
            let oldest = open.remove(0);
            if oldest.qos == 1 {
                client.ack(PUBACK, oldest.id);
            } else {
                client.ack(PUBREC, oldest.id);
                // PUBREC ends nothing unless it reports a failure.
                client.expect(PUBREL);
                client.expect_quiet();
                client.ack(PUBCOMP, oldest.id);
            }
            open.push(client.expect_message(&next.to_string()));
        }
    }
}

/// A PUBREC that reports a failure ends a message, too.
#[test]
fn a_refused_message_makes_room() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let mut client = server.connect(&Connect::new("client").receive_maximum(1));
    client.subscribe("t", 2);
    publisher.publish(Publish::new("t", "one").qos(2));
    publisher.publish(Publish::new("t", "two").qos(2));
    let id = client.expect_message("one").id;
    client.ack_with(PUBREC, id, 0x80);
    client.take("two");
}

/// [MQTT-3.3.4-10] [MQTT-4.9.0-3] At the client's limit the broker goes on with all else: QoS 0, answers, PUBREL.
#[test]
fn other_packets_are_sent_at_the_limit() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let mut client = server.connect(&Connect::new("client").receive_maximum(1));
    client.subscribe("t", 2);
    publisher.publish(Publish::new("t", "open").qos(2));
    let id = client.expect_message("open").id;
    publisher.publish(Publish::new("t", "waits").qos(1));
    client.subscribe("u", 1);
    publisher.publish(Publish::new("u", "QoS 0"));
    client.take("QoS 0");
    client.publish(Publish::new("v", "x").qos(1));
    client.publish(Publish::new("v", "x").qos(2));
    client.unsubscribe(1, &["u"]);
    client.expect_quiet();
    client.ack(PUBREC, id);
    client.expect(PUBREL);
    client.ack(PUBCOMP, id);
    client.take("waits");
}

/// A session that is resumed with a smaller Receive Maximum has only so many open.
#[test]
fn the_receive_maximum_is_that_of_the_connection() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let mut client = server.connect(&Connect::new("client").expiry(100).receive_maximum(5));
    client.subscribe("t", 1);
    (0..8).for_each(|number| publisher.publish(Publish::new("t", number.to_string()).qos(1)));
    (0..5).for_each(|number| drop(client.expect_message(&number.to_string())));
    client.drop_connection();
    let mut client = server.connect(&Connect::new("client").resume().receive_maximum(2));
    let mut open = vec![client.expect_message("0"), client.expect_message("1")];
    for number in 2..8 {
        client.expect_quiet();
        client.ack(PUBACK, open.remove(0).id);
        let packet = client.expect_message(&number.to_string());
        assert_eq!(packet.dup, number < 5);
        open.push(packet);
    }
}
