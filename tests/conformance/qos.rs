//! Sections 4.3 to 4.5: the delivery protocols of QoS 0, 1 and 2, and what is sent again.

use std::thread::sleep;
use std::time::Duration;

use crate::client::*;

fn subscriber(server: &Server) -> Client {
    let mut client = server.connect(&Connect::new("subscriber").expiry(100));
    client.subscribe("t", 2);
    client
}

fn back(server: &Server) -> Client {
    let client = server.connect(&Connect::new("subscriber").resume().expiry(100));
    assert!(client.connack.session_present);
    client
}

/// [MQTT-4.3.1-1] QoS 0 is delivered with QoS 0 and without DUP.
#[test]
fn qos_0() {
    let server = Server::new();
    let mut subscriber = subscriber(&server);
    server.client("publisher").publish(Publish::new("t", "x"));
    let packet = subscriber.expect_message("x");
    assert_eq!((packet.qos, packet.dup), (0, false));
    subscriber.expect_quiet();
}

/// [MQTT-4.3.2-1] [MQTT-4.3.2-2] QoS 1 is delivered with an identifier of its own and without DUP.
#[test]
fn qos_1_is_sent() {
    let server = Server::new();
    let mut subscriber = subscriber(&server);
    let mut publisher = server.client("publisher");
    publisher.publish(Publish::new("t", "one").qos(1));
    publisher.publish(Publish::new("t", "two").qos(1));
    let (one, two) = (subscriber.expect_message("one"), subscriber.expect_message("two"));
    assert_eq!((one.qos, one.dup, two.qos, two.dup), (1, false, 1, false));
    assert_ne!(one.id, two.id);
}

/// [MQTT-4.3.2-3] A message is open until its PUBACK comes, on whatever connection.
#[test]
fn qos_1_is_open_until_puback() {
    let server = Server::new();
    let mut client = subscriber(&server);
    let mut publisher = server.client("publisher");
    publisher.publish(Publish::new("t", "x").qos(1));
    let id = client.expect_message("x").id;
    for _ in 0..2 {
        client.drop_connection();
        client = back(&server);
        let packet = client.expect_message("x");
        assert_eq!((packet.id, packet.dup), (id, true));
    }
    client.ack(PUBACK, id);
    client.expect_quiet();
    client.drop_connection();
    back(&server).expect_nothing_from(&mut publisher);
}

/// [MQTT-4.3.2-4] QoS 1 is acknowledged by PUBACK with its identifier, in the order it came.
#[test]
fn qos_1_is_acknowledged() {
    let server = Server::new();
    let mut client = server.client("client");
    let ids = [9, 1, 65_535, 30];
    ids.iter().for_each(|id| client.send_publish(&Publish::new("t", "x").qos(1).id(*id)));
    ids.iter().for_each(|id| assert_eq!(client.expect(PUBACK).id, *id));
}

/// [MQTT-4.3.2-5] Behind PUBACK the same identifier is another message, with DUP or without.
#[test]
fn qos_1_identifiers_can_be_used_again() {
    let server = Server::new();
    let mut subscriber = subscriber(&server);
    let mut publisher = server.client("publisher");
    publisher.publish(Publish::new("t", "one").qos(1).id(3));
    publisher.publish(Publish::new("t", "two").qos(1).id(3).dup());
    publisher.publish(Publish::new("t", "two").qos(1).id(3).dup());
    for payload in ["one", "two", "two"] {
        subscriber.take(payload);
    }
}

/// [MQTT-4.3.3-1] [MQTT-4.3.3-2] QoS 2 is delivered with an identifier of its own and without DUP.
#[test]
fn qos_2_is_sent() {
    let server = Server::new();
    let mut subscriber = subscriber(&server);
    let mut publisher = server.client("publisher");
    publisher.publish(Publish::new("t", "one").qos(2));
    publisher.publish(Publish::new("t", "two").qos(2));
    let (one, two) = (subscriber.expect_message("one"), subscriber.expect_message("two"));
    assert_eq!((one.qos, one.dup, two.qos, two.dup), (2, false, 2, false));
    assert_ne!(one.id, two.id);
    // The identifier is in use until PUBCOMP, not only until PUBREC.
    subscriber.ack(PUBREC, one.id);
    subscriber.expect(PUBREL);
    publisher.publish(Publish::new("t", "three").qos(2));
    let three = subscriber.expect_message("three").id;
    assert!(three != one.id && three != two.id);
}

/// [MQTT-4.3.3-3] A message is open until its PUBREC comes.
#[test]
fn qos_2_is_open_until_pubrec() {
    let server = Server::new();
    let mut client = subscriber(&server);
    server.client("publisher").publish(Publish::new("t", "x").qos(2));
    let id = client.expect_message("x").id;
    client.drop_connection();
    let mut client = back(&server);
    let packet = client.take("x");
    assert_eq!((packet.id, packet.dup), (id, true));
}

/// [MQTT-4.3.3-4] PUBREC is answered by PUBREL, but not if it reports a failure.
#[test]
fn qos_2_is_released() {
    let server = Server::new();
    let mut client = subscriber(&server);
    let mut publisher = server.client("publisher");
    for code in [0x00, 0x10] {
        publisher.publish(Publish::new("t", "x").qos(2));
        let id = client.expect_message("x").id;
        client.ack_with(PUBREC, id, code);
        let pubrel = client.expect(PUBREL);
        assert_eq!((pubrel.id, pubrel.code), (id, 0));
        client.ack(PUBCOMP, id);
    }
    publisher.publish(Publish::new("t", "x").qos(2));
    let id = client.expect_message("x").id;
    client.ack_with(PUBREC, id, 0x97);
    client.expect_quiet();
}

/// [MQTT-4.3.3-5] [MQTT-4.3.3-6] PUBREL is open until PUBCOMP comes, and the message is not sent again meanwhile.
#[test]
fn qos_2_is_complete_with_pubcomp() {
    let server = Server::new();
    let mut client = subscriber(&server);
    let mut publisher = server.client("publisher");
    publisher.publish(Publish::new("t", "x").qos(2));
    let id = client.expect_message("x").id;
    client.ack(PUBREC, id);
    client.expect(PUBREL);
    for _ in 0..2 {
        client.drop_connection();
        client = back(&server);
        assert_eq!(client.expect(PUBREL).id, id);
        client.expect_quiet();
    }
    client.ack(PUBCOMP, id);
    client.expect_quiet();
    client.drop_connection();
    back(&server).expect_nothing_from(&mut publisher);
}

/// [MQTT-4.3.3-7] A message that has been sent does not expire any more.
#[test]
fn qos_2_does_not_expire_once_sent() {
    let server = Server::new();
    let mut client = subscriber(&server);
    server.client("publisher").publish(Publish::new("t", "x").qos(2).expiry(1));
    let id = client.expect_message("x").id;
    client.drop_connection();
    sleep(Duration::from_millis(1_300));
    let packet = back(&server).take("x");
    assert_eq!((packet.id, packet.dup), (id, true));
}

/// [MQTT-4.3.3-8] QoS 2 is acknowledged by PUBREC with its identifier.
#[test]
fn qos_2_is_received() {
    let server = Server::new();
    let mut client = server.client("client");
    for id in [7, 1, 65_535] {
        client.send_publish(&Publish::new("t", "x").qos(2).id(id));
        assert_eq!(client.expect(PUBREC).id, id);
    }
}

/// [MQTT-4.3.3-9] Behind a PUBREC that reports a failure the identifier is free.
#[test]
fn qos_2_that_is_refused_leaves_no_trace() {
    let server = Server::with(r#""limits":{"max_topic_levels":2}"#);
    let mut subscriber = subscriber(&server);
    let mut client = server.client("client");
    client.send_publish(&Publish::new("a/b/c", "refused").qos(2).id(8));
    assert_eq!(client.expect(PUBREC).code, 0x90);
    client.publish(Publish::new("t", "accepted").qos(2).id(8));
    subscriber.take("accepted");
}

/// [MQTT-4.3.3-10] The same identifier before PUBREL is the same message: acknowledged again, delivered once, even on the
/// next connection.
#[test]
fn qos_2_is_delivered_once() {
    let server = Server::new();
    let mut subscriber = subscriber(&server);
    let mut client = server.connect(&Connect::new("publisher").expiry(100));
    let publish = Publish::new("t", "x").qos(2).id(6);
    for dup in [false, true, true] {
        client.send_publish(&Publish { dup, ..publish.clone() });
        let pubrec = client.expect(PUBREC);
        assert!(pubrec.id == 6 && pubrec.code < 0x80);
    }
    client.drop_connection();
    let mut client = server.connect(&Connect::new("publisher").resume());
    client.publish(publish.dup());
    subscriber.take("x");
    subscriber.expect_nothing_from(&mut client);
}

/// [MQTT-3.1.2-4] A clean start forgets which QoS 2 messages are open towards the broker.
#[test]
fn a_clean_start_forgets_open_qos_2() {
    let server = Server::new();
    let mut subscriber = subscriber(&server);
    for payload in ["one", "two"] {
        let mut client = server.connect(&Connect::new("publisher").expiry(100));
        client.send_publish(&Publish::new("t", payload).qos(2).id(6));
        assert!(client.expect(PUBREC).code < 0x80);
        subscriber.take(payload);
    }
}

/// [MQTT-4.3.3-11] PUBREL is answered by PUBCOMP with its identifier, also on the next connection.
#[test]
fn qos_2_is_completed() {
    let server = Server::new();
    let mut client = server.connect(&Connect::new("client").expiry(100));
    client.send_publish(&Publish::new("t", "x").qos(2).id(6));
    client.expect(PUBREC);
    client.drop_connection();
    let mut client = server.connect(&Connect::new("client").resume());
    client.ack(PUBREL, 6);
    let pubcomp = client.expect(PUBCOMP);
    assert_eq!((pubcomp.id, pubcomp.code), (6, 0));
}

/// [MQTT-4.3.3-12] Behind PUBCOMP the same identifier is another message.
#[test]
fn qos_2_identifiers_can_be_used_again() {
    let server = Server::new();
    let mut subscriber = subscriber(&server);
    let mut publisher = server.client("publisher");
    for payload in ["one", "two"] {
        publisher.publish(Publish::new("t", payload).qos(2).id(3).dup());
        subscriber.take(payload);
    }
}

/// [MQTT-4.3.3-13] The exchange goes on though the message has expired.
#[test]
fn qos_2_is_completed_though_expired() {
    let server = Server::new();
    let mut client = server.client("client");
    client.send_publish(&Publish::new("t", "x").qos(2).id(6).expiry(1));
    client.expect(PUBREC);
    sleep(Duration::from_millis(1_200));
    client.send_publish(&Publish::new("t", "x").qos(2).id(6).expiry(1).dup());
    assert_eq!(client.expect(PUBREC).id, 6);
    client.ack(PUBREL, 6);
    let pubcomp = client.expect(PUBCOMP);
    assert_eq!((pubcomp.id, pubcomp.code), (6, 0));
}

/// [MQTT-4.4.0-1] What is open is sent again when the session is resumed, with its identifiers and in its order; messages
/// come before anything new. At no other time is anything sent again.
#[test]
fn what_is_open_is_sent_again() {
    let server = Server::new();
    let mut client = subscriber(&server);
    let mut publisher = server.client("publisher");
    for (number, qos) in [2, 1, 2, 1, 2].into_iter().enumerate() {
        publisher.publish(Publish::new("t", number.to_string()).qos(qos));
    }
    let ids: Vec<u16> = (0..5).map(|number| client.expect_message(&number.to_string()).id).collect();
    client.ack(PUBREC, ids[0]);
    assert_eq!(client.expect(PUBREL).id, ids[0]);
    client.ack(PUBACK, ids[1]);
    client.expect_nothing_from(&mut publisher);
    client.drop_connection();
    publisher.publish(Publish::new("t", "new").qos(1));
    let mut client = back(&server);
    // Nothing is said about where PUBREL comes among the messages.
    let (released, messages): (Vec<_>, Vec<_>) =
        (0..5).map(|_| client.receive()).partition(|packet| packet.kind == PUBREL);
    assert_eq!(released.iter().map(|packet| packet.id).collect::<Vec<_>>(), [ids[0]]);
    let (new, again) = messages.split_last().unwrap();
    for ((payload, id), packet) in ["2", "3", "4"].into_iter().zip(&ids[2..]).zip(again) {
        assert_eq!((packet.text(), packet.id, packet.dup), (payload, *id, true));
    }
    assert_eq!((new.text(), new.dup), ("new", false));
    assert!(!ids[2..].contains(&new.id) && new.id != ids[0]);
    client.expect_quiet();
}

/// [MQTT-4.4.0-1] What is open is sent again to a connection that takes the session over, too.
#[test]
fn what_is_open_goes_to_the_new_connection() {
    let server = Server::new();
    let mut first = subscriber(&server);
    server.client("publisher").publish(Publish::new("t", "x").qos(1));
    let id = first.expect_message("x").id;
    let mut second = back(&server);
    first.expect_disconnect(0x8E);
    let packet = second.take("x");
    assert_eq!((packet.id, packet.dup), (id, true));
    second.expect_quiet();
}

/// [MQTT-4.4.0-2] What the client refuses is done with.
#[test]
fn what_is_refused_is_not_sent_again() {
    let server = Server::new();
    let mut client = subscriber(&server);
    let mut publisher = server.client("publisher");
    publisher.publish(Publish::new("t", "one").qos(1));
    publisher.publish(Publish::new("t", "two").qos(2));
    let (one, two) = (client.expect_message("one").id, client.expect_message("two").id);
    client.ack_with(PUBACK, one, 0x80);
    client.ack_with(PUBREC, two, 0x99);
    client.expect_quiet();
    client.drop_connection();
    back(&server).expect_nothing_from(&mut publisher);
}

/// [MQTT-4.5.0-1] Everybody who has subscribed gets the message, connected or not.
#[test]
fn everybody_gets_the_message() {
    let server = Server::new();
    let connect = |number: u8| Connect::new(format!("client-{number}")).resume().expiry(100);
    for number in 0..20 {
        let mut client = server.connect(&connect(number));
        client.subscribe("t", number % 2 + 1);
        client.disconnect();
    }
    let mut connected: Vec<Client> = (0..10).map(|number| server.connect(&connect(number))).collect();
    server.client("publisher").publish(Publish::new("t", "x").qos(2));
    connected.iter_mut().for_each(|client| drop(client.take("x")));
    (10..20).for_each(|number| drop(server.connect(&connect(number)).take("x")));
}
