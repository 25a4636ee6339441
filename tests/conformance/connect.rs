//! Section 3.1: CONNECT.

use std::time::{Duration, Instant};

use crate::client::*;

/// [MQTT-3.1.0-1] [MQTT-3.14.0-1] What does not begin with CONNECT is closed without a word.
#[test]
fn the_first_packet_is_connect() {
    let server = Server::new();
    let publish = Publish::new("t", "x").bytes(5);
    for first in [&publish[..], &[PINGREQ, 0], &[DISCONNECT, 0], &[AUTH, 0], b"GET / HTTP/1.1\r\n\r\n"] {
        let mut client = server.open(5);
        client.send_raw(first);
        client.expect_closed();
    }
}

/// [MQTT-3.1.0-2] A second CONNECT is a protocol error.
#[test]
fn a_second_connect_is_a_protocol_error() {
    let server = Server::new();
    let mut client = server.client("client");
    client.send_raw(&Connect::new("client").bytes());
    client.expect_disconnect(0x82);
}

/// [MQTT-3.1.2-1] The name of the protocol is MQTT.
#[test]
fn another_protocol_is_closed() {
    let server = Server::new();
    for name in ["MQTs", "mqtt", "MQTTX", "", "AMQP"] {
        let mut client = server.send_connect(&Connect { name: name.into(), ..Connect::new("client") });
        if let Some(connack) = client.next() {
            assert_eq!((connack.kind, connack.code), (CONNACK, 0x84));
            client.expect_closed();
        }
    }
}

/// [MQTT-3.1.2-2] A version that is not known is closed, or refused first with the code that the nearest version that is
/// known has for it.
#[test]
fn another_version_is_closed() {
    let server = Server::new();
    for (version, nearest, code) in [(0, 4, 0x01), (6, 5, 0x84), (127, 5, 0x84), (255, 4, 0x01)] {
        let mut client = server.open(nearest);
        let mut bytes = Connect::new("client").bytes();
        bytes[8] = version;
        client.send_raw(&bytes);
        if let Some(connack) = client.next() {
            assert_eq!((connack.kind, connack.code), (CONNACK, code));
            client.expect_closed();
        }
    }
}

/// [MQTT-3.1.2-3] The reserved flag is 0.
#[test]
fn the_reserved_flag_is_zero() {
    let connect = Connect::new("client");
    let bytes = connect.bytes_with(connect.flags() | 1, &connect.payload());
    assert_eq!(Server::new().refusal_of(5, &bytes), 0x81);
}

/// [MQTT-3.1.2-9] A will that the flags promise is there.
#[test]
fn the_will_is_there_if_the_flag_says_so() {
    let connect = Connect::new("client");
    let bytes = connect.bytes_with(0b0000_0110, &connect.payload());
    assert_eq!(Server::new().refusal_of(5, &bytes), 0x81);
}

/// [MQTT-3.1.2-11] Without a will its QoS is 0.
#[test]
fn no_will_has_no_qos() {
    let server = Server::new();
    let connect = Connect::new("client");
    for qos in [0b0000_1000, 0b0001_0000] {
        assert_eq!(server.refusal_of(5, &connect.bytes_with(0b10 | qos, &connect.payload())), 0x81);
    }
}

/// [MQTT-3.1.2-12] A will has QoS 0, 1 or 2.
#[test]
fn a_will_has_no_qos_3() {
    let server = Server::new();
    for qos in 0..3 {
        server.connect(&Connect::new("client").will(Will::new("t", "x").qos(qos))).disconnect();
    }
    assert_eq!(server.refusal(&Connect::new("client").will(Will::new("t", "x").qos(3))), 0x81);
}

/// [MQTT-3.1.2-13] Without a will its RETAIN flag is 0.
#[test]
fn no_will_is_not_retained() {
    let connect = Connect::new("client");
    assert_eq!(Server::new().refusal_of(5, &connect.bytes_with(0b0010_0010, &connect.payload())), 0x81);
}

/// [MQTT-3.1.2-16] [MQTT-3.1.2-18] What the flags do not announce must not be there.
#[test]
fn credentials_that_are_not_announced_are_malformed() {
    let server = Server::new();
    let connect = Connect::new("client");
    let with_more = [connect.payload(), field("more")].concat();
    assert_eq!(server.refusal_of(5, &connect.bytes_with(0b10, &with_more)), 0x81);
    let with_more = [connect.payload(), field("name"), field("more")].concat();
    assert_eq!(server.refusal_of(5, &connect.bytes_with(0b1000_0010, &with_more)), 0x81);
}

/// [MQTT-3.1.2-17] [MQTT-3.1.2-19] What the flags announce must be there.
#[test]
fn credentials_that_are_announced_are_there() {
    let server = Server::new();
    let connect = Connect::new("client");
    for flags in [0b1000_0010, 0b0100_0010] {
        assert_eq!(server.refusal_of(5, &connect.bytes_with(flags, &connect.payload())), 0x81);
    }
    let name_only = [connect.payload(), field("name")].concat();
    assert_eq!(server.refusal_of(5, &connect.bytes_with(0b1100_0010, &name_only)), 0x81);
}

/// [MQTT-3.1.2-22] [MQTT-3.2.2-22] A client that is silent for one and a half times its keep alive is disconnected, no
/// earlier and not much later.
#[test]
fn a_silent_client_is_disconnected() {
    let server = Server::new();
    let mut client = server.connect(&Connect::new("client").keep_alive(1));
    assert!(!client.connack.has(property::SERVER_KEEP_ALIVE));
    let begin = Instant::now();
    client.expect_disconnect(0x8D);
    let elapsed = begin.elapsed();
    assert!(elapsed > Duration::from_millis(1_300) && elapsed < Duration::from_secs(4), "{elapsed:?}");
}

/// [MQTT-3.1.2-21] [MQTT-3.2.2-21] A keep alive that is longer than the broker wants is replaced, and that one counts.
#[test]
fn the_brokers_keep_alive_counts() {
    let server = Server::with(r#""limits":{"max_keepalive_s":1}"#);
    let mut clients = [100, 0].map(|seconds| server.connect(&Connect::new(format!("c{seconds}")).keep_alive(seconds)));
    for client in &mut clients {
        assert_eq!(client.connack.number(property::SERVER_KEEP_ALIVE), Some(1));
        client.expect_disconnect(0x8D);
    }
}

/// Any packet, not only PINGREQ, shows that a client lives.
#[test]
fn every_packet_keeps_a_client_alive() {
    let server = Server::new();
    let mut client = server.connect(&Connect::new("client").keep_alive(1));
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(500));
        client.publish(Publish::new("t", "x"));
        std::thread::sleep(Duration::from_millis(500));
        client.expect_quiet();
    }
}

/// [MQTT-3.1.2-24] [MQTT-3.1.2-25] What is larger than a client takes is dropped for it alone, and does not stand in the
/// way of what follows.
#[test]
fn packets_that_are_too_large_for_a_client_are_not_sent() {
    let server = Server::new();
    let mut small = server.connect(&Connect::new("small").maximum_packet_size(60).receive_maximum(1));
    let mut large = server.client("large");
    let mut publisher = server.client("publisher");
    for qos in 0..3 {
        small.subscribe("t", qos);
        large.subscribe("t", qos);
        publisher.publish(Publish::new("t", "x".repeat(100)).qos(2));
        publisher.publish(Publish::new("t", "small").qos(2));
        large.take(&"x".repeat(100));
        large.take("small");
        small.take("small");
    }
    // The limit is that of the whole packet: 2 + 3 + 1 bytes are around a payload with QoS 0.
    small.subscribe("t", 0);
    publisher.publish(Publish::new("t", "x".repeat(55)));
    publisher.publish(Publish::new("t", "y".repeat(54)));
    small.take(&"y".repeat(54));
    assert_eq!(server.broker.stats().messages_dropped, 4);
}

/// [MQTT-3.1.2-28] Response information is given to nobody who does not want it.
#[test]
fn response_information_is_only_for_who_asks() {
    let server = Server::new();
    assert!(!server.client("client").connack.has(property::RESPONSE_INFORMATION));
    let connect = Connect::new("client").property(byte(property::REQUEST_RESPONSE_INFORMATION, 0));
    assert!(!server.connect(&connect).connack.has(property::RESPONSE_INFORMATION));
}

/// [MQTT-3.1.2-29] A client that wants no problem information gets reason codes only.
#[test]
fn problem_information_can_be_turned_off() {
    let server = Server::with(r#""limits":{"max_topic_levels":2}"#);
    let connect = Connect::new("client").property(byte(property::REQUEST_PROBLEM_INFORMATION, 0));
    let mut client = server.connect(&connect);
    let suback = client.subscribe_all(1, &[], &[("a/#/b", 0), ("$share/g", 0)]);
    assert!(suback.codes.iter().all(|code| *code >= 0x80) && !suback.has_problem_information());
    assert!(!client.unsubscribe(2, &["nothing"]).has_problem_information());
    for (qos, kind) in [(1, PUBACK), (2, PUBREC)] {
        client.send_publish(&Publish::new("a/b/c", "x").qos(qos));
        let packet = client.expect(kind);
        assert!(packet.code >= 0x80 && !packet.has_problem_information());
    }
    client.ack(PUBREL, 77);
    let packet = client.expect(PUBCOMP);
    assert!(packet.code == 0x92 && !packet.has_problem_information());
}

/// [MQTT-3.1.3-1] The parts of the payload have their order: the will comes before the name, the name before the
/// password.
#[test]
fn the_payload_has_its_order() {
    let server = Server::new();
    let mut watcher = server.client("watcher");
    watcher.subscribe("will/topic", 0);
    let connect = Connect::new("client").will(Will::new("will/topic", "gone")).username("name").password("password");
    server.connect(&connect).drop_connection();
    watcher.take("gone");
}

/// [MQTT-3.1.3-2] The session belongs to the client identifier, to the letter.
#[test]
fn the_client_identifier_names_the_session() {
    let server = Server::new();
    server.connect(&Connect::new("Client").expiry(100)).disconnect();
    for other in ["client", "Client ", "Clien"] {
        assert!(!server.connect(&Connect::new(other).resume()).connack.session_present);
    }
    assert!(server.connect(&Connect::new("Client").resume()).connack.session_present);
}

/// [MQTT-3.1.3-3] A CONNECT without a client identifier, not even an empty one, is malformed.
#[test]
fn the_client_identifier_is_there() {
    assert_eq!(Server::new().refusal_of(5, &Connect::new("").bytes_with(0b10, &[])), 0x81);
}

/// [MQTT-3.1.3-4] The client identifier is UTF-8.
#[test]
fn the_client_identifier_is_utf8() {
    assert_eq!(Server::new().refusal(&Connect::new(b"\xC3\x28")), 0x81);
}

/// [MQTT-3.1.3-5] Every identifier of 1 to 23 letters and digits is good.
#[test]
fn plain_client_identifiers_are_good() {
    let server = Server::new();
    for id in ["0", "abcdefghijklmnopqrstuvw", "xyzABCDEFGHIJKLMNOPQRST", "UVWXYZ0123456789"] {
        server.client(id);
    }
}

/// [MQTT-3.1.3-6] [MQTT-3.1.3-7] A client without an identifier is given one, under which it lives on.
#[test]
fn a_client_without_an_identifier_is_given_one() {
    let server = Server::new();
    let first = server.connect(&Connect::new("").expiry(100));
    let id = first.connack.data(property::ASSIGNED_CLIENT_ID).unwrap().to_vec();
    assert!(!id.is_empty());
    first.disconnect();
    let again = server.connect(&Connect::new(&id).resume());
    assert!(again.connack.session_present);
    assert!(!again.connack.has(property::ASSIGNED_CLIENT_ID));
    // Without a clean start there is nothing to resume, which is no reason to refuse.
    let resumed = server.connect(&Connect::new("").resume());
    assert!(resumed.connack.has(property::ASSIGNED_CLIENT_ID) && !resumed.connack.session_present);
}

/// [MQTT-3.1.3-8] An identifier that the broker does not take is refused with 0x85.
#[test]
fn a_client_identifier_may_be_refused() {
    let server = Server::with(r#""limits":{"max_client_id_length":8}"#);
    server.client("12345678");
    assert_eq!(server.refusal(&Connect::new("123456789")), 0x85);
}

/// [MQTT-3.1.3-11] The will topic is UTF-8, and a topic name: no wildcard, not empty.
#[test]
fn the_will_topic_is_a_topic_name() {
    let server = Server::new();
    let refused = |topic: &[u8]| {
        let will = Will { topic: topic.into(), ..Will::new("", "x") };
        server.refusal(&Connect::new("client").will(will))
    };
    assert_eq!(refused(b"\xC3\x28"), 0x81);
    for topic in [&b"a/+"[..], b"#", b""] {
        let code = refused(topic);
        assert!([0x81, 0x82, 0x90].contains(&code), "{code:#04x}");
    }
}

/// [MQTT-3.1.3-12] The user name is UTF-8.
#[test]
fn the_user_name_is_utf8() {
    let server = Server::new();
    assert_eq!(server.refusal(&Connect::new("client").username(b"\xC3\x28")), 0x81);
    server.connect(&Connect::new("client").username("näme").password(b"\xC3\x28"));
}

/// [MQTT-3.1.4-1] A CONNECT that is cut off within its fields is malformed.
#[test]
fn a_connect_is_whole() {
    let server = Server::new();
    let connect = Connect::new("client").expiry(1).will(Will::new("t", "x")).username("name").password("password");
    let bytes = connect.bytes();
    // From behind the flags on, the version is known, and so is the form of the answer.
    for length in 12..bytes.len() - 2 {
        assert_eq!(server.refusal_of(5, &packet(CONNECT, &bytes[2..2 + length])), 0x81, "{length} bytes");
    }
}

/// [MQTT-3.1.4-2] A client that the broker does not let in is told so, and closed.
#[test]
fn a_client_that_may_not_connect_is_closed() {
    let server = Server::anonymous(false, "");
    for connect in [Connect::new("client"), Connect::new("client").username("name").password("password")] {
        let code = server.refusal(&connect);
        assert!([0x86, 0x87].contains(&code), "{code:#04x}");
    }
}

/// [MQTT-3.1.4-3] A second connection of the same client ends the first with 0x8E.
#[test]
fn a_client_takes_its_session_over() {
    let server = Server::new();
    let mut first = server.client("client");
    let mut second = server.client("client");
    first.expect_disconnect(0x8E);
    second.expect_quiet();
}

/// [MQTT-3.1.4-4] A clean start of a client that is connected ends its subscriptions, too; without one they go on.
#[test]
fn a_take_over_heeds_the_clean_start() {
    let server = Server::new();
    let mut first = server.connect(&Connect::new("client").expiry(100));
    first.subscribe("t", 1);
    let mut second = server.connect(&Connect::new("client").resume().expiry(100));
    assert!(second.connack.session_present);
    let mut publisher = server.client("publisher");
    publisher.publish(Publish::new("t", "one").qos(1));
    second.take("one");
    let mut third = server.client("client");
    assert!(!third.connack.session_present);
    publisher.publish(Publish::new("t", "two").qos(1));
    third.expect_nothing_from(&mut publisher);
}

/// [MQTT-3.1.4-5] A CONNECT without fault is acknowledged with 0x00.
#[test]
fn a_good_connect_is_acknowledged() {
    let connect = Connect::new("client")
        .keep_alive(60)
        .expiry(10)
        .receive_maximum(10)
        .maximum_packet_size(1_000)
        .property(two(property::TOPIC_ALIAS_MAXIMUM, 10))
        .property(byte(property::REQUEST_RESPONSE_INFORMATION, 1))
        .property(byte(property::REQUEST_PROBLEM_INFORMATION, 1))
        .property(user("name", "value"))
        .property(user("name", "value"))
        .will(Will::new("t", "x").qos(2).retain().delay(1).property(bytes(property::CONTENT_TYPE, "text")))
        .username("name")
        .password("password");
    let server = Server::new();
    assert_eq!(server.connect(&connect).connack.code, 0);
    // A password needs no user name in MQTT 5.
    server.connect(&Connect::new("client").password("password"));
}

/// [MQTT-3.1.4-6] What a client sends behind a CONNECT that is refused does nothing.
#[test]
fn nothing_is_done_for_a_client_that_is_refused() {
    let server = Server::with(r#""limits":{"max_client_id_length":8}"#);
    let mut watcher = server.client("watcher");
    watcher.subscribe("#", 0);
    let mut refused = server.open(5);
    let publish = Publish::new("t", "from a stranger").retain().bytes(5);
    refused.send_raw(&[Connect::new("123456789").bytes(), publish].concat());
    while refused.next().is_some() {}
    watcher.expect_nothing_from(&mut server.client("marker"));
}

/// A CONNECT that is larger than the broker takes is refused, or just closed.
#[test]
fn a_connect_may_be_too_large() {
    let server = Server::with(r#""limits":{"max_packet_bytes":100}"#);
    let mut client = server.send_connect(&Connect::new("client").will(Will::new("t", &"x".repeat(200))));
    if let Some(connack) = client.next() {
        assert_eq!((connack.kind, connack.code), (CONNACK, 0x95));
        client.expect_closed();
    }
}

/// A client need not wait for CONNACK to go on.
#[test]
fn packets_may_follow_connect_at_once() {
    let server = Server::new();
    let mut client = server.open(5);
    let subscribe = client.subscribe_bytes(1, &[], &[("t", 1)]);
    let publish = Publish::new("t", "x").qos(1).id(2).bytes(5);
    client.send_raw(&[Connect::new("client").bytes(), subscribe, publish].concat());
    assert_eq!(client.expect(CONNACK).code, 0);
    assert_eq!(client.expect(SUBACK).codes, [1]);
    let mut kinds = [client.receive().kind, client.receive().kind];
    kinds.sort();
    assert_eq!(kinds, [PUBLISH, PUBACK]);
}
