//! Section 4.13: what happens to clients that make mistakes.

use crate::client::*;

/// [MQTT-4.13.1-1] A malformed packet or a protocol error ends the connection, with the code that says which.
#[test]
fn errors_end_the_connection() {
    let server = Server::new();
    let subscribe = [&[0, 1, 0][..], &field("t"), &[0]].concat();
    let cases: [(u8, Vec<u8>); 8] = [
        (0x81, packet(SUBSCRIBE, &subscribe)),
        (0x81, packet(SUBSCRIBE | 2, &[0])),
        (0x81, packet(PUBLISH, &[0])),
        (0x81, packet(PUBACK, &[1])),
        (0x81, packet(DISCONNECT, &[0, 9])),
        (0x82, Publish::new("t", "x").property(subscription_id(1)).bytes(5)),
        (0x82, packet(AUTH, &[])),
        (0x94, Publish::new("t", "x").alias(17).bytes(5)),
    ];
    for (code, bytes) in cases {
        let mut client = server.client("client");
        client.send_raw(&bytes);
        client.expect_disconnect(code);
    }
}

/// [MQTT-4.13.2-1] Whenever a code of 0x80 or more is given, the connection is closed behind it.
#[test]
fn failures_close_the_connection() {
    let server = Server::with(r#""limits":{"max_client_id_length":8,"max_qos":1}"#);
    assert_eq!(server.refusal(&Connect::new("123456789")), 0x85);
    assert_eq!(server.refusal(&Connect::new("c").will(Will::new("t", "x").qos(2))), 0x9B);
    let mut client = server.client("client");
    client.send_publish(&Publish::new("t", "x").qos(2));
    client.expect_disconnect(0x9B);
}

/// One client's mistakes are nobody else's.
#[test]
fn others_go_on() {
    let server = Server::new();
    let mut bystander = server.client("bystander");
    bystander.subscribe("t", 1);
    for bytes in [&[0x30, 0xFF, 0xFF, 0xFF, 0xFF][..], &[0xF0, 0], &[0; 64], &[0xFF; 64]] {
        let mut client = server.client("client");
        client.send_raw(bytes);
        while client.next().is_some() {}
    }
    server.client("publisher").publish(Publish::new("t", "x").qos(1));
    bystander.take("x");
}

/// What was asked for before the mistake is done and answered.
#[test]
fn packets_before_the_mistake_count() {
    let server = Server::new();
    let mut client = server.client("client");
    let mut watcher = server.client("watcher");
    watcher.subscribe("t", 0);
    let good = Publish::new("t", "good").qos(1).id(4).bytes(5);
    client.send_raw(&[good, Publish::new("#", "bad").bytes(5)].concat());
    assert_eq!(client.expect(PUBACK).id, 4);
    client.expect_disconnect(0x90);
    watcher.take("good");
}

/// Packets with any byte wrong are answered, ignored or closed, and hurt nobody else.
#[test]
fn damaged_packets_hurt_nobody_else() {
    let server = Server::new();
    let mut bystander = server.client("bystander");
    let packets = [
        Publish::new("t/u", "x").qos(2).id(1).alias(1).expiry(1).property(user("a", "b")).bytes(5),
        bystander.subscribe_bytes(1, &[subscription_id(300), user("a", "b")], &[("t/#", 1), ("$share/g/t", 2)]),
        packet(UNSUBSCRIBE | 2, &[&[0, 1, 0][..], &field("t/#"), &field("u")].concat()),
        packet(PUBACK, &[&[0, 1, 0x10][..], &properties(&[bytes(property::REASON_STRING, "why")])].concat()),
        packet(DISCONNECT, &[&[4][..], &properties(&[four(property::SESSION_EXPIRY, 0)])].concat()),
    ];
    for packet in packets {
        for at in 0..packet.len() {
            for value in [0x00, 0x7F, 0x80, 0xFF, packet[at] ^ 1] {
                let mut client = server.client("client");
                let mut damaged = packet.clone();
                damaged[at] = value;
                client.send_raw(&damaged);
            }
        }
        bystander.expect_quiet();
    }
    let connect =
        Connect::new("client").expiry(1).will(Will::new("t", "x").delay(1)).username("n").password("p").bytes();
    for at in 0..connect.len() {
        for value in [0x00, 0x7F, 0x80, 0xFF, connect[at] ^ 1] {
            let mut damaged = connect.clone();
            damaged[at] = value;
            server.open(5).send_raw(&damaged);
        }
    }
    bystander.expect_quiet();
    server.client("another").expect_quiet();
}
