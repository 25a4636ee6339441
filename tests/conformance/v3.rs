//! MQTT 3.1.1 and 3.1, where they differ from MQTT 5.

use crate::client::*;

/// [MQTT-3.1.1: 3.1.2-2] An older version than there is is refused with 0x01, or closed.
#[test]
fn another_version_is_refused() {
    let server = Server::new();
    for version in [0, 1, 2] {
        let mut client = server.send_connect(&Connect { version, ..Connect::v3("client") });
        if let Some(connack) = client.next() {
            assert_eq!((connack.kind, connack.code), (CONNACK, 0x01));
            client.expect_closed();
        }
    }
}

/// [MQTT-3.1.1: 3.1.0-1] [MQTT-3.1.1: 3.1.0-2] CONNECT comes first, and once; the broker ends without a word.
#[test]
fn connect_comes_first_and_once() {
    let server = Server::new();
    let mut client = server.open(4);
    client.send(PINGREQ, &[]);
    client.expect_closed();
    let mut client = server.connect(&Connect::v3("client"));
    client.send_raw(&Connect::v3("client").bytes());
    client.expect_closed();
}

/// [MQTT-3.1.1: 3.1.2-3] The reserved flag is 0.
#[test]
fn the_reserved_flag_is_zero() {
    let server = Server::new();
    let connect = Connect::v3("client");
    let mut client = server.open(4);
    client.send_raw(&connect.bytes_with(connect.flags() | 1, &connect.payload()));
    client.expect_closed();
}

/// [MQTT-3.1.1: 3.1.2-4] [MQTT-3.1.1: 3.1.2-5] [MQTT-3.1.1: 3.2.2-2] Without a clean session the session stays, for as
/// long as the broker keeps any, and collects messages of QoS 1 and 2.
#[test]
fn a_session_stays() {
    let server = Server::new();
    let mut publisher = server.connect(&Connect::v3("publisher"));
    let connect = Connect::v3("client").resume();
    let mut client = server.connect(&connect);
    assert!(!client.connack.session_present);
    client.subscribe("t", 2);
    client.disconnect();
    publisher.publish(Publish::new("t", "one").qos(1));
    publisher.publish(Publish::new("t", "two").qos(2));
    let mut client = server.connect(&connect);
    assert!(client.connack.session_present);
    client.take("one");
    client.take("two");
    client.drop_connection();
    assert!(server.connect(&connect).connack.session_present);
}

/// [MQTT-3.1.1: 3.1.2-6] [MQTT-3.1.1: 3.2.2-1] A clean session discards what there is, and is not kept itself.
#[test]
fn a_clean_session_is_not_kept() {
    let server = Server::new();
    let mut client = server.connect(&Connect::v3("client").resume());
    client.subscribe("t", 1);
    client.disconnect();
    let client = server.connect(&Connect::v3("client"));
    assert!(!client.connack.session_present);
    client.drop_connection();
    let mut client = server.connect(&Connect::v3("client").resume());
    assert!(!client.connack.session_present);
    client.publish(Publish::new("t", "x").qos(1));
    client.expect_quiet();
}

/// [MQTT-3.1.1: 3.1.2-8] [MQTT-3.1.1: 3.14.4-3] The will is published unless the client says DISCONNECT.
#[test]
fn disconnect_discards_the_will() {
    let server = Server::new();
    let mut watcher = server.connect(&Connect::v3("watcher"));
    watcher.subscribe("will", 1);
    let connect = Connect::v3("client").will(Will::new("will", "gone").qos(1));
    server.connect(&connect).disconnect();
    watcher.expect_nothing_from(&mut server.client("marker"));
    server.connect(&connect).drop_connection();
    watcher.take("gone");
}

/// [MQTT-3.1.1: 3.1.2-22] A password needs a user name.
#[test]
fn a_password_needs_a_user_name() {
    let server = Server::new();
    let mut client = server.send_connect(&Connect::v3("client").password("password"));
    if let Some(connack) = client.next() {
        assert_eq!((connack.kind, connack.code), (CONNACK, 0x04));
        client.expect_closed();
    }
}

/// [MQTT-3.1.1: 3.1.2-24] A client that is silent is closed, without a word.
#[test]
fn a_silent_client_is_closed() {
    let server = Server::new();
    server.connect(&Connect::v3("client").keep_alive(1)).expect_closed();
}

/// [MQTT-3.1.1: 3.1.3-6] A client with a clean session needs no identifier, and no other is in its way.
#[test]
fn an_identifier_can_be_empty() {
    let server = Server::new();
    let mut first = server.connect(&Connect::v3(""));
    let mut second = server.connect(&Connect::v3(""));
    first.expect_quiet();
    second.expect_quiet();
}

/// [MQTT-3.1.1: 3.1.3-7] [MQTT-3.1.1: 3.1.3-8] A client that wants its session back needs an identifier.
#[test]
fn a_session_needs_an_identifier() {
    assert_eq!(Server::new().refusal(&Connect::v3("").resume()), 0x02);
}

/// [MQTT-3.1.1: 3.1.3-9] An identifier that the broker does not take is refused with 0x02.
#[test]
fn an_identifier_may_be_refused() {
    let server = Server::with(r#""limits":{"max_client_id_length":8}"#);
    assert_eq!(server.refusal(&Connect::v3("123456789")), 0x02);
}

/// [MQTT-3.1.1: 3.1.4-1] [MQTT-3.1.1: 3.2.2-6] A malformed CONNECT is closed: there is no code for it.
#[test]
fn a_malformed_connect_is_closed() {
    let server = Server::new();
    let connect = Connect::v3("client");
    let cases = [
        connect.bytes_with(0b0000_0110, &connect.payload()),
        connect.bytes_with(0b0000_1010, &connect.payload()),
        connect.bytes_with(0b0010_0010, &connect.payload()),
        connect.bytes_with(0b1000_0010, &connect.payload()),
        connect.bytes_with(0b0000_0010, &[connect.payload(), vec![0]].concat()),
        connect.bytes_with(0b0000_0010, &[]),
        Connect::v3("client").will(Will::new("t", "x").qos(3)).bytes(),
    ];
    for bytes in cases {
        let mut client = server.open(4);
        client.send_raw(&bytes);
        client.expect_closed();
    }
}

/// [MQTT-3.1.1: 3.1.4-2] A second connection of the same client ends the first, without a word.
#[test]
fn a_client_takes_its_session_over() {
    let server = Server::new();
    let mut first = server.connect(&Connect::v3("client"));
    let mut second = server.connect(&Connect::v3("client"));
    first.expect_closed();
    second.expect_quiet();
}

/// [MQTT-3.1.1: 3.2.2-4] [MQTT-3.1.1: 3.2.2-5] A client that may not connect is told 0x04 or 0x05, and closed.
#[test]
fn a_client_that_may_not_connect_is_closed() {
    let server = Server::anonymous(false, "");
    for connect in [Connect::v3("client"), Connect::v3("client").resume().username("name").password("password")] {
        let code = server.refusal(&connect);
        assert!([0x04, 0x05].contains(&code), "{code:#04x}");
    }
}

/// [MQTT-3.1.1: 3.3.1-4] There is no QoS 3.
#[test]
fn there_is_no_qos_3() {
    let server = Server::new();
    let mut client = server.connect(&Connect::v3("client"));
    client.send_publish(&Publish::new("t", "x").qos(3));
    client.expect_closed();
}

/// [MQTT-3.1.1: 3.3.1-8] [MQTT-3.1.1: 3.3.1-9] RETAIN comes with what was retained before the subscription only.
#[test]
fn only_what_was_retained_carries_retain() {
    let server = Server::new();
    let mut client = server.connect(&Connect::v3("client"));
    client.subscribe("t", 1);
    client.publish(Publish::new("t", "x").retain());
    assert!(!client.take("x").retain);
    client.subscribe("t", 1);
    assert!(client.take("x").retain);
}

/// [MQTT-3.1.1: 3.3.2-2] A topic name has no wildcards.
#[test]
fn a_topic_name_has_no_wildcards() {
    let server = Server::new();
    for topic in ["#", "a/+", ""] {
        let mut client = server.connect(&Connect::v3("client"));
        client.send_publish(&Publish::new(topic, "x"));
        client.expect_closed();
    }
}

/// [MQTT-3.1.1: 3.3.5-1] Overlapping subscriptions deliver one copy, with the highest of their QoS.
#[test]
fn overlapping_subscriptions_deliver_once() {
    let server = Server::new();
    let mut publisher = server.connect(&Connect::v3("publisher"));
    let mut client = server.connect(&Connect::v3("client"));
    client.subscribe("t/u", 0);
    client.subscribe("t/+", 2);
    client.subscribe("#", 1);
    publisher.publish(Publish::new("t/u", "x").qos(2));
    assert_eq!(client.take("x").qos, 2);
    client.expect_nothing_from(&mut publisher);
}

/// [MQTT-3.1.1: 3.3.5-2] What may not be published is acknowledged all the same, for want of a way to say no.
#[test]
fn what_is_refused_is_acknowledged() {
    let server = Server::with(r#""limits":{"max_topic_levels":2}"#);
    let mut client = server.connect(&Connect::v3("client"));
    client.subscribe("#", 0);
    client.publish(Publish::new("a/b/c", "x"));
    client.publish(Publish::new("a/b/c", "x").qos(1));
    client.publish(Publish::new("a/b/c", "x").qos(2));
    client.expect_quiet();
}

/// [MQTT-3.1.1: 3.6.1-1] [MQTT-3.1.1: 3.8.1-1] [MQTT-3.1.1: 3.10.1-1] [MQTT-3.1.1: 3.14.1-1] Reserved flags are checked.
#[test]
fn reserved_flags_are_checked() {
    let server = Server::new();
    let subscribe = [&[0, 1][..], &field("t"), &[0]].concat();
    let unsubscribe = [&[0, 1][..], &field("t")].concat();
    let packets: [(u8, &[u8]); 4] =
        [(PUBREL, &[0, 1]), (SUBSCRIBE, &subscribe), (UNSUBSCRIBE | 1, &unsubscribe), (DISCONNECT | 1, &[])];
    for (first, body) in packets {
        let mut client = server.connect(&Connect::v3("client"));
        client.send(first, body);
        client.expect_closed();
    }
}

/// [MQTT-3.1.1: 3.8.3-3] [MQTT-3.1.1: 3.10.3-2] SUBSCRIBE and UNSUBSCRIBE have a topic filter.
#[test]
fn topic_filters_are_there() {
    let server = Server::new();
    for first in [SUBSCRIBE | 2, UNSUBSCRIBE | 2] {
        let mut client = server.connect(&Connect::v3("client"));
        client.send(first, &[0, 1]);
        client.expect_closed();
    }
}

/// [MQTT-3.1.1: 4.7.3-1] A topic filter has a character at least.
#[test]
fn topic_filters_are_not_empty() {
    let server = Server::new();
    let mut client = server.connect(&Connect::v3("client"));
    client.send_raw(&client.subscribe_bytes(1, &[], &[("", 0)]));
    if let Some(suback) = client.next() {
        assert_eq!((suback.kind, suback.codes), (SUBACK, vec![0x80]));
    }
}

/// [MQTT-3.1.1: 3-8.3-4] The QoS asked for is 0, 1 or 2, and there are no options of MQTT 5.
#[test]
fn there_are_no_options() {
    let server = Server::new();
    for options in [3, 4, 8, 0x10, 0x80] {
        let mut client = server.connect(&Connect::v3("client"));
        client.send_raw(&client.subscribe_bytes(1, &[], &[("t", options)]));
        client.expect_closed();
    }
}

/// [MQTT-3.1.1: 3.8.4-3] The same filter again replaces the subscription, and retained messages come again.
#[test]
fn the_same_filter_replaces_the_subscription() {
    let server = Server::new();
    let mut client = server.connect(&Connect::v3("client"));
    client.publish(Publish::new("t", "x").retain().qos(2));
    for qos in [2, 0, 1] {
        client.subscribe("t", qos);
        assert_eq!(client.take("x").qos, qos);
    }
}

/// [MQTT-3.1.1: 3.8.4-4] [MQTT-3.1.1: 3.9.3-1] [MQTT-3.1.1: 3.9.3-2] SUBACK has the QoS granted for each filter, or 0x80.
#[test]
fn suback_has_a_code_for_each_filter() {
    let server = Server::new();
    let mut client = server.connect(&Connect::v3("client"));
    let deep = ["l"; 65].join("/");
    let filters = [("a", 2), ("a/#/b", 1), ("b", 0), (deep.as_str(), 0), ("$share/g", 0), ("c", 1)];
    assert_eq!(client.subscribe_all(1, &[], &filters).codes, [2, 0x80, 0, 0x80, 0x80, 1]);
}

/// [MQTT-3.1.1: 3.10.4-4] [MQTT-3.1.1: 3.10.4-5] UNSUBACK has a packet identifier and nothing else.
#[test]
fn unsuback_has_no_codes() {
    let server = Server::new();
    let mut client = server.connect(&Connect::v3("client"));
    client.subscribe("t", 0);
    for id in [1, 500] {
        assert_eq!(client.unsubscribe(id, &["t", "u"]).raw.len(), 4);
    }
}

/// [MQTT-3.1.1: 4.3.3-2] Any number of QoS 2 messages may be open towards the broker: there is no Receive Maximum.
#[test]
fn any_number_of_messages_may_be_open() {
    let server = Server::with(r#""limits":{"max_inflight":2}"#);
    let mut client = server.connect(&Connect::v3("client"));
    for id in 1..=100 {
        client.send_publish(&Publish::new("t", "x").qos(2).id(id));
        assert_eq!(client.expect(PUBREC).id, id);
    }
    for id in 1..=100 {
        client.ack(PUBREL, id);
        assert_eq!(client.expect(PUBCOMP).id, id);
    }
}

/// [MQTT-3.1.1: 4.4.0-1] What is open is sent again when the session is resumed.
#[test]
fn what_is_open_is_sent_again() {
    let server = Server::new();
    let connect = Connect::v3("client").resume();
    let mut client = server.connect(&connect);
    client.subscribe("t", 2);
    let mut publisher = server.connect(&Connect::v3("publisher"));
    publisher.publish(Publish::new("t", "one").qos(1));
    publisher.publish(Publish::new("t", "two").qos(2));
    publisher.publish(Publish::new("t", "three").qos(2));
    let ids = ["one", "two", "three"].map(|payload| client.expect_message(payload).id);
    client.ack(PUBREC, ids[1]);
    assert_eq!(client.expect(PUBREL).id, ids[1]);
    client.drop_connection();
    let mut client = server.connect(&connect);
    let mut packets = [client.receive(), client.receive(), client.receive()];
    packets.sort_by_key(|packet| ids.iter().position(|id| *id == packet.id));
    assert_eq!(packets.each_ref().map(|packet| packet.id), ids);
    assert_eq!(packets.each_ref().map(|packet| packet.kind), [PUBLISH, PUBREL, PUBLISH]);
    assert!(packets[0].dup && packets[2].dup);
}

/// [MQTT-3.1.1: 4.8.0-1] Whatever is wrong closes the connection, and no DISCONNECT comes: it is the client's alone.
#[test]
fn errors_close_without_a_word() {
    let server = Server::with(r#""limits":{"max_packet_bytes":100}"#);
    let cases = [
        packet(PUBLISH, &[0]),
        packet(PUBLISH | 2, &[0, 1, b't', 0, 0]),
        packet(PUBLISH, &[0; 200]),
        packet(PUBLISH, &field(b"\xC3\x28")),
        packet(PUBLISH, &field("a\0b")),
        packet(AUTH, &[]),
        packet(CONNACK, &[0, 0]),
        vec![PUBLISH, 0xFF, 0xFF, 0xFF, 0xFF, 1],
    ];
    for bytes in cases {
        let mut client = server.connect(&Connect::v3("client"));
        client.send_raw(&bytes);
        client.expect_closed();
    }
}

/// Messages pass between the versions, without what the older does not know.
#[test]
fn messages_pass_between_the_versions() {
    let server = Server::new();
    let connects = [Connect::v31("one"), Connect::v3("two"), Connect::new("three")];
    let mut clients = connects.map(|connect| server.connect(&connect));
    clients.iter_mut().for_each(|client| client.subscribe("t", 2));
    for connect in [Connect::v31("publisher"), Connect::v3("publisher"), Connect::new("publisher")] {
        let mut publisher = server.connect(&connect);
        for qos in 0..3 {
            publisher.publish(Publish::new("t", "x").qos(qos).property(user("a", "b")).expiry(100));
            clients.iter_mut().for_each(|client| assert_eq!(client.take("x").qos, qos));
        }
    }
}

/// MQTT 3.1 has another name, and no empty client identifiers.
#[test]
fn mqtt_3_1() {
    let server = Server::new();
    let mut client = server.connect(&Connect::v31("client").resume());
    client.subscribe("t", 2);
    client.publish(Publish::new("t", "x").qos(2));
    client.take("x");
    assert!(!client.connack.session_present);
    assert_eq!(server.refusal(&Connect::v31("")), 0x02);
    for connect in [Connect { version: 4, ..Connect::v31("c") }, Connect { version: 3, ..Connect::v3("c") }] {
        let mut client = server.send_connect(&connect);
        if let Some(connack) = client.next() {
            assert_eq!((connack.kind, connack.code), (CONNACK, 0x01));
            client.expect_closed();
        }
    }
}

/// CONNACK of MQTT 3.1 has no Session Present, though a session is resumed.
#[test]
fn mqtt_3_1_has_no_session_present() {
    let server = Server::new();
    let connect = Connect::v31("client").resume();
    let mut client = server.connect(&connect);
    client.subscribe("t", 1);
    client.disconnect();
    server.client("publisher").publish(Publish::new("t", "x").qos(1));
    let mut client = server.connect(&connect);
    assert_eq!(client.connack.raw, [CONNACK, 2, 0, 0]);
    client.take("x");
}
