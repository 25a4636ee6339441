//! Sections 3.4 to 3.7: PUBACK, PUBREC, PUBREL and PUBCOMP.

use crate::client::*;

/// A client that has no room for long explanations.
fn small() -> Connect {
    Connect::new("client").maximum_packet_size(48)
}

fn shallow() -> Server {
    Server::with(r#""limits":{"max_topic_levels":2}"#)
}

/// [MQTT-3.4.2-1] PUBACK has a code of its own: success, nobody there, or what is wrong.
#[test]
fn puback_has_a_code() {
    let server = shallow();
    let mut client = server.client("client");
    client.send_publish(&Publish::new("nobody", "x").qos(1));
    assert!([0x00, 0x10].contains(&client.expect(PUBACK).code));
    server.client("subscriber").subscribe("t", 0);
    client.send_publish(&Publish::new("t", "x").qos(1));
    assert!([0x00, 0x10].contains(&client.expect(PUBACK).code));
    client.send_publish(&Publish::new("a/b/c", "x").qos(1));
    assert_eq!(client.expect(PUBACK).code, 0x90);
}

/// [MQTT-3.4.2-2] [MQTT-3.4.2-3] PUBACK is not larger than the client takes.
#[test]
fn puback_fits() {
    let server = shallow();
    let mut client = server.connect(&small());
    client.send_publish(&Publish::new("a/b/c", "x").qos(1));
    assert_eq!(client.expect(PUBACK).code, 0x90);
}

/// [MQTT-3.5.2-1] PUBREC has a code of its own.
#[test]
fn pubrec_has_a_code() {
    let server = shallow();
    let mut client = server.client("client");
    client.send_publish(&Publish::new("nobody", "x").qos(2));
    assert!([0x00, 0x10].contains(&client.expect(PUBREC).code));
    client.send_publish(&Publish::new("a/b/c", "x").qos(2).id(2));
    assert_eq!(client.expect(PUBREC).code, 0x90);
}

/// [MQTT-3.5.2-2] [MQTT-3.5.2-3] PUBREC is not larger than the client takes.
#[test]
fn pubrec_fits() {
    let server = shallow();
    let mut client = server.connect(&small());
    client.send_publish(&Publish::new("a/b/c", "x").qos(2));
    assert_eq!(client.expect(PUBREC).code, 0x90);
}

/// [MQTT-3.6.1-1] PUBREL with other flags is malformed.
#[test]
fn pubrel_has_its_flags() {
    let server = Server::new();
    for flags in [0, 1, 3, 4, 8, 15] {
        let mut client = server.client("client");
        client.send_publish(&Publish::new("t", "x").qos(2).id(1));
        client.expect(PUBREC);
        client.send(PUBREL | flags, &[0, 1]);
        client.expect_disconnect(0x81);
    }
}

/// [MQTT-3.6.2-1] PUBREL says that all is well, or that nothing is known of the message.
#[test]
fn pubrel_has_a_code() {
    let server = Server::new();
    let mut client = server.client("client");
    client.subscribe("t", 2);
    server.client("publisher").publish(Publish::new("t", "x").qos(2));
    let id = client.expect_message("x").id;
    client.ack(PUBREC, id);
    assert_eq!(client.expect(PUBREL).code, 0x00);
    client.ack(PUBREC, id.wrapping_add(5));
    assert_eq!(client.expect(PUBREL).code, 0x92);
}

/// [MQTT-3.6.2-2] [MQTT-3.6.2-3] PUBREL is not larger than the client takes.
#[test]
fn pubrel_fits() {
    let server = Server::new();
    let mut client = server.connect(&small());
    client.ack(PUBREC, 5);
    assert_eq!(client.expect(PUBREL).code, 0x92);
}

/// [MQTT-3.7.2-1] PUBCOMP says that all is well, or that nothing is known of the message.
#[test]
fn pubcomp_has_a_code() {
    let server = Server::new();
    let mut client = server.client("client");
    client.send_publish(&Publish::new("t", "x").qos(2).id(4));
    client.expect(PUBREC);
    client.ack(PUBREL, 4);
    assert_eq!(client.expect(PUBCOMP).code, 0x00);
    client.ack(PUBREL, 4);
    assert_eq!(client.expect(PUBCOMP).code, 0x92);
}

/// [MQTT-3.7.2-2] [MQTT-3.7.2-3] PUBCOMP is not larger than the client takes.
#[test]
fn pubcomp_fits() {
    let server = Server::new();
    let mut client = server.connect(&small());
    client.ack(PUBREL, 5);
    assert_eq!(client.expect(PUBCOMP).code, 0x92);
}

/// Acknowledgements of clients may carry a reason code, with properties or without.
#[test]
fn acknowledgements_come_in_every_length() {
    let server = Server::new();
    let mut client = server.client("client");
    client.subscribe("t", 1);
    let mut publisher = server.client("publisher");
    let why = properties(&[bytes(property::REASON_STRING, "why"), user("a", "b")]);
    for rest in [vec![], vec![0], vec![0, 0], [vec![0x10], why].concat()] {
        publisher.publish(Publish::new("t", "x").qos(1));
        let id = client.expect_message("x").id;
        client.send(PUBACK, &[id.to_be_bytes().to_vec(), rest].concat());
    }
    client.expect_quiet();
    client.send(PUBACK, &[0, 1, 0, 5]);
    client.expect_disconnect(0x81);
}

/// An acknowledgement of what is not open does not end the connection.
#[test]
fn acknowledgements_of_nothing_are_ignored() {
    let server = Server::new();
    let mut client = server.client("client");
    client.ack(PUBACK, 99);
    client.ack(PUBCOMP, 99);
    client.expect_quiet();
}
