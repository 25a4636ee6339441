//! Section 1.5 and chapter 2: strings, integers, the fixed header, packet identifiers, properties.

use crate::client::*;

const NOT_UTF8: [&[u8]; 4] = [
    b"a\xFF",         // no such byte
    b"a\xED\xA0\x80", // U+D800, half of a pair
    b"a\xC0\xAF",     // `/` in more bytes than needed
    b"a\xE2\x82",     // cut off
];

/// [MQTT-1.5.4-1] A topic name, topic filter or will topic that is not UTF-8 is malformed.
#[test]
fn strings_are_utf8() {
    let server = Server::new();
    for text in NOT_UTF8 {
        let mut client = server.client("publisher");
        client.send_publish(&Publish::new(text, "x"));
        client.expect_disconnect(0x81);

        let mut client = server.client("subscriber");
        client.send(SUBSCRIBE | 2, &[&[0, 1, 0][..], &field(text), &[0]].concat());
        client.expect_disconnect(0x81);

        let will = Will { topic: text.into(), ..Will::new("", "x") };
        assert_eq!(server.refusal(&Connect::new("will").will(will)), 0x81);
    }
}

/// [MQTT-1.5.4-2] U+0000 in a string is malformed, wherever it stands.
#[test]
fn strings_have_no_null_character() {
    let server = Server::new();
    assert_eq!(server.refusal(&Connect::new("a\0b")), 0x81);

    let mut client = server.client("publisher");
    client.send_publish(&Publish::new("a\0b", "x"));
    client.expect_disconnect(0x81);

    let mut client = server.client("subscriber");
    client.send_raw(&client.subscribe_bytes(1, &[], &[("a\0b", 0)]));
    client.expect_disconnect(0x81);
}

/// [MQTT-1.5.4-3] U+FEFF at the front of a topic stays there, and makes it another topic.
#[test]
fn byte_order_marks_stay() {
    let server = Server::new();
    let mut client = server.client("client");
    client.subscribe("\u{FEFF}topic", 0);
    client.publish(Publish::new("topic", "without"));
    client.publish(Publish::new("\u{FEFF}topic", "with"));
    assert_eq!(client.expect_message("with").topic, "\u{FEFF}topic");
}

/// [MQTT-1.5.5-1] Lengths around each boundary come in as few bytes as they need. (The client of these tests checks
/// every length of every packet.)
#[test]
fn lengths_are_encoded_in_the_fewest_bytes() {
    let server = Server::new();
    let mut client = server.client("client");
    client.subscribe("t", 0);
    for boundary in [127usize, 16_383, 2_097_151 / 4] {
        for length in boundary - 6..boundary + 3 {
            client.publish(Publish::new("t", vec![b'x'; length]));
            assert_eq!(client.expect(PUBLISH).payload.len(), length);
        }
    }
    for length in [100, 127, 128, 129, 16_380, 16_384] {
        client.publish(Publish::new("t", "x").property(bytes(property::CORRELATION_DATA, vec![1; length])));
        assert_eq!(client.expect(PUBLISH).data(property::CORRELATION_DATA).unwrap().len(), length);
    }
}

/// A length of more than four bytes is malformed.
#[test]
fn lengths_have_four_bytes_at_most() {
    let server = Server::new();
    let mut client = server.client("client");
    client.send_raw(&[0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]);
    client.expect_disconnect(0x81);
}

/// [MQTT-1.5.7-1] Name and value of a user property are UTF-8 without U+0000.
#[test]
fn both_strings_of_a_pair_are_utf8() {
    let server = Server::new();
    let pairs: [(&[u8], &[u8]); 4] = [(b"\xFF", b"v"), (b"n", b"\xFF"), (b"\0", b"v"), (b"n", b"\0")];
    for (name, value) in pairs {
        let pair = [&[property::USER_PROPERTY][..], &field(name), &field(value)].concat();
        let mut client = server.client("client");
        client.send_publish(&Publish::new("t", "x").property(pair));
        client.expect_disconnect(0x81);
    }
}

/// [MQTT-2.1.3-1] A packet whose reserved flags are not as they must be is malformed.
#[test]
fn reserved_flags_are_checked() {
    let server = Server::new();
    let subscribe = [&[0, 1, 0][..], &field("t"), &[0]].concat();
    let unsubscribe = [&[0, 1, 0][..], &field("t")].concat();
    let packets: [(u8, &[u8]); 9] = [
        (PUBACK | 1, &[0, 1]),
        (PUBREC | 8, &[0, 1]),
        (PUBREL, &[0, 1]),
        (PUBCOMP | 2, &[0, 1]),
        (SUBSCRIBE, &subscribe),
        (UNSUBSCRIBE | 3, &unsubscribe),
        (PINGREQ | 1, &[]),
        (DISCONNECT | 4, &[]),
        (AUTH | 1, &[]),
    ];
    for (first, body) in packets {
        let mut client = server.client("client");
        client.send(first, body);
        client.expect_disconnect(0x81);
    }
    let mut connect = Connect::new("client").bytes();
    connect[0] |= 1;
    let mut client = server.open(5);
    client.send_raw(&connect);
    if let Some(connack) = client.next() {
        assert_eq!((connack.kind, connack.code), (CONNACK, 0x81));
        client.expect_closed();
    }
}

/// Packets of type 0, and packets that only a server sends, are not accepted.
#[test]
fn packets_of_no_client_are_refused() {
    let server = Server::new();
    for first in [0x00, CONNACK, SUBACK, UNSUBACK, PINGRESP] {
        let mut client = server.client("client");
        client.send(first, &[0, 1, 0]);
        let packet = client.expect(DISCONNECT);
        assert!([0x81, 0x82].contains(&packet.code), "{packet:?}");
        client.expect_closed();
    }
}

/// [MQTT-2.2.1-2] With QoS 0 the properties follow the topic at once, in and out.
#[test]
fn qos_0_has_no_packet_identifier() {
    let server = Server::new();
    let mut client = server.client("client");
    client.subscribe("t", 0);
    client.publish(Publish::new("t", "payload"));
    let packet = client.expect_message("payload");
    assert_eq!(packet.raw, [&[0x30, 11, 0, 1, b't', 0][..], b"payload"].concat());
}

/// [MQTT-2.2.1-3] A packet identifier of 0 is an error.
#[test]
fn packet_identifiers_are_not_zero() {
    let server = Server::new();
    let subscribe = [&[0, 0, 0][..], &field("t"), &[0]].concat();
    let unsubscribe = [&[0, 0, 0][..], &field("t")].concat();
    let publish = [&field("t")[..], &[0, 0, 0]].concat();
    for (first, body) in [(SUBSCRIBE | 2, subscribe), (UNSUBSCRIBE | 2, unsubscribe), (PUBLISH | 2, publish)] {
        let mut client = server.client("client");
        client.send(first, &body);
        let packet = client.expect(DISCONNECT);
        assert!([0x81, 0x82].contains(&packet.code), "{packet:?}");
        client.expect_closed();
    }
}

/// [MQTT-2.2.1-4] Messages that are open at the same time have different packet identifiers, none of them 0.
#[test]
fn open_messages_have_packet_identifiers_of_their_own() {
    let server = Server::new();
    let mut client = server.client("client");
    let mut publisher = server.client("publisher");
    client.subscribe("t", 2);
    let mut open = Vec::new();
    for number in 0..60u8 {
        publisher.publish(Publish::new("t", "x").qos(1 + number % 2));
        let packet = client.expect(PUBLISH);
        assert!(!open.contains(&packet.id), "{} is in use", packet.id);
        open.push(packet.id);
        if packet.qos == 1 && number % 4 == 0 {
            client.ack(PUBACK, packet.id);
            open.retain(|id| *id != packet.id);
        }
        if open.len() == 30 {
            break;
        }
    }
}

/// [MQTT-2.2.1-5] Acknowledgements carry the packet identifier of what they acknowledge.
#[test]
fn acknowledgements_carry_the_packet_identifier() {
    let server = Server::new();
    let mut client = server.client("client");
    for id in [1, 255, 256, 65_535] {
        client.send_publish(&Publish::new("t", "x").qos(1).id(id));
        assert_eq!(client.expect(PUBACK).id, id);
        client.send_publish(&Publish::new("t", "x").qos(2).id(id));
        assert_eq!(client.expect(PUBREC).id, id);
        client.ack(PUBREL, id);
        assert_eq!(client.expect(PUBCOMP).id, id);
    }
    client.subscribe("t", 2);
    server.client("publisher").publish(Publish::new("t", "x").qos(2));
    let id = client.expect_message("x").id;
    client.ack(PUBREC, id);
    assert_eq!(client.expect(PUBREL).id, id);
}

/// [MQTT-2.2.1-6] SUBACK and UNSUBACK carry the packet identifier of the request.
#[test]
fn answers_carry_the_packet_identifier() {
    let server = Server::new();
    let mut client = server.client("client");
    for id in [1, 255, 256, 65_535] {
        client.send_raw(&client.subscribe_bytes(id, &[], &[("t", 0)]));
        assert_eq!(client.expect(SUBACK).id, id);
        assert_eq!(client.unsubscribe(id, &["t"]).id, id);
    }
}

/// [MQTT-2.2.2-1] Packets without properties say so with a length of 0.
#[test]
fn no_properties_are_a_length_of_zero() {
    let server = Server::new();
    let mut client = server.client("client");
    client.send_raw(&client.subscribe_bytes(1, &[], &[("t", 0)]));
    assert_eq!(client.expect(SUBACK).raw, [SUBACK, 4, 0, 1, 0, 0]);
    client.publish(Publish::new("t", ""));
    assert_eq!(client.expect(PUBLISH).raw, [PUBLISH, 4, 0, 1, b't', 0]);

    // A packet of a client that ends before the length is cut off.
    client.send(PUBLISH, &field("t"));
    client.expect_disconnect(0x81);
}

/// A property that a packet does not have, or that comes twice, is an error.
#[test]
fn properties_are_those_of_the_packet_and_come_once() {
    let server = Server::new();
    let mut client = server.client("client");
    client.send_publish(&Publish::new("t", "x").property(four(property::SESSION_EXPIRY, 1)));
    let packet = client.expect(DISCONNECT);
    assert!([0x81, 0x82].contains(&packet.code), "{packet:?}");
    let mut client = server.client("client");
    client.send_publish(&Publish::new("t", "x").expiry(1).expiry(2));
    client.expect_disconnect(0x82);
    assert_eq!(server.refusal(&Connect::new("client").expiry(1).expiry(1)), 0x82);
    assert_eq!(server.refusal(&Connect::new("client").receive_maximum(0)), 0x82);
    assert_eq!(server.refusal(&Connect::new("client").maximum_packet_size(0)), 0x82);
    assert_eq!(server.refusal(&Connect::new("client").property(byte(property::REQUEST_PROBLEM_INFORMATION, 2))), 0x82);
}
