//! Sections 3.8 and 3.9: SUBSCRIBE and SUBACK.

use crate::client::*;

const NO_LOCAL: u8 = 4;

/// [MQTT-3.8.1-1] SUBSCRIBE with other flags is malformed.
#[test]
fn subscribe_has_its_flags() {
    let server = Server::new();
    for flags in [0, 1, 3, 6, 10, 15] {
        let mut client = server.client("client");
        let mut bytes = client.subscribe_bytes(1, &[], &[("t", 0)]);
        bytes[0] = SUBSCRIBE | flags;
        client.send_raw(&bytes);
        client.expect_disconnect(0x81);
    }
}

/// [MQTT-3.8.3-1] A topic filter is UTF-8.
#[test]
fn topic_filters_are_utf8() {
    let server = Server::new();
    let mut client = server.client("client");
    client.send(SUBSCRIBE | 2, &[&[0, 1, 0][..], &field(b"\xC3\x28"), &[0]].concat());
    client.expect_disconnect(0x81);
}

/// [MQTT-3.8.3-2] SUBSCRIBE has a topic filter, and options for it.
#[test]
fn subscribe_has_a_topic_filter() {
    let server = Server::new();
    let cut_off = [&[0, 1, 0][..], &field("t")].concat();
    for body in [&[0, 1, 0][..], &cut_off] {
        let mut client = server.client("client");
        client.send(SUBSCRIBE | 2, body);
        let packet = client.expect(DISCONNECT);
        assert!([0x81, 0x82].contains(&packet.code), "{packet:?}");
        client.expect_closed();
    }
}

/// [MQTT-3.8.3-3] With No Local a client does not get its own messages, but those of others.
#[test]
fn no_local_keeps_own_messages_away() {
    let server = Server::new();
    let mut client = server.client("client");
    let mut other = server.client("other");
    client.subscribe("t", NO_LOCAL | 1);
    client.publish(Publish::new("t", "own").qos(1));
    other.publish(Publish::new("t", "other").qos(1));
    client.take("other");
    // Own messages come through another subscription, with the QoS of that one.
    client.subscribe("#", 0);
    client.send_publish(&Publish::new("t", "own").qos(1));
    let packet = client.receive();
    let packet = if packet.kind == PUBACK { client.receive() } else { packet };
    assert_eq!((packet.text(), packet.qos), ("own", 0));
}

/// [MQTT-3.8.3-4] No Local on a shared subscription is a protocol error.
#[test]
fn no_local_is_not_for_shared_subscriptions() {
    let server = Server::new();
    let mut client = server.client("client");
    client.send_raw(&client.subscribe_bytes(1, &[], &[("$share/g/t", NO_LOCAL)]));
    client.expect_disconnect(0x82);
}

/// [MQTT-3.8.3-5] Reserved bits of the options, and QoS 3, are malformed.
#[test]
fn reserved_options_are_zero() {
    let server = Server::new();
    for options in [0x40, 0x80, 0xC0, 3] {
        let mut client = server.client("client");
        client.send_raw(&client.subscribe_bytes(1, &[], &[("t", options)]));
        let packet = client.expect(DISCONNECT);
        assert!(packet.code == 0x81 || packet.code == 0x82 && options == 3, "{packet:?}");
        client.expect_closed();
    }
}

/// [MQTT-3.8.4-1] [MQTT-3.8.4-2] SUBSCRIBE is answered by SUBACK with its packet identifier, one for each.
#[test]
fn subscribe_is_acknowledged() {
    let server = Server::new();
    let mut client = server.client("client");
    let all: Vec<u8> = (1..=20).flat_map(|id| client.subscribe_bytes(id, &[], &[("t", 0)])).collect();
    client.send_raw(&all);
    for id in 1..=20 {
        assert_eq!(client.expect(SUBACK).id, id);
    }
}

/// [MQTT-3.8.4-3] The same filter again replaces the subscription: its QoS, its identifier, its options.
#[test]
fn the_same_filter_replaces_the_subscription() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let mut client = server.client("client");
    client.subscribe_all(1, &[subscription_id(1)], &[("t", 2)]);
    client.subscribe_all(2, &[subscription_id(2)], &[("t", 1)]);
    publisher.publish(Publish::new("t", "one").qos(2));
    let packet = client.take("one");
    assert_eq!((packet.qos, packet.numbers(property::SUBSCRIPTION_ID)), (1, vec![2]));
    client.expect_nothing_from(&mut publisher);
    client.subscribe("t", 0);
    publisher.publish(Publish::new("t", "two").qos(2));
    let packet = client.take("two");
    assert_eq!((packet.qos, packet.numbers(property::SUBSCRIPTION_ID)), (0, vec![]));
    client.unsubscribe(3, &["t"]);
    publisher.publish(Publish::new("t", "three").qos(2));
    client.expect_nothing_from(&mut publisher);
}

/// [MQTT-3.8.4-4] No message is lost while a subscription is replaced, and retained messages come again.
#[test]
fn nothing_is_lost_while_a_subscription_is_replaced() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    publisher.publish(Publish::new("t", "retained").retain().qos(1));
    let mut client = server.client("client");
    client.subscribe("t", 1);
    client.take("retained");
    let count = 300;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..count {
                publisher.publish(Publish::new("t", number.to_string()).qos(1));
            }
        });
        let (mut subscribed, mut next, mut retained) = (0u16, 0, 0);
        while next < count {
            if subscribed < 50 {
                subscribed += 1;
                client.send_raw(&client.subscribe_bytes(subscribed, &[], &[("t", 1)]));
            }
            let packet = client.receive();
            if packet.kind == SUBACK {
                continue;
            }
            client.ack(PUBACK, packet.id);
            if packet.retain {
                retained += 1;
            } else {
                assert_eq!(packet.text(), next.to_string());
                next += 1;
            }
        }
        assert!(retained > 0);
    });
}

/// [MQTT-3.8.4-5] Filters of one packet count like those of several: here the last of two for the same filter.
#[test]
fn filters_count_in_their_order() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let mut client = server.client("client");
    let suback = client.subscribe_all(1, &[], &[("t", 2), ("a/#/b", 1), ("t", 0), ("u", 1)]);
    assert_eq!(suback.codes, [2, 0x8F, 0, 1]);
    publisher.publish(Publish::new("t", "t").qos(2));
    publisher.publish(Publish::new("u", "u").qos(2));
    let mut both = [client.receive(), client.receive()];
    both.sort_by_key(|packet| packet.topic.clone());
    assert_eq!(both.map(|packet| packet.qos), [0, 1]);
}

/// [MQTT-3.8.4-6] [MQTT-3.9.3-1] SUBACK has a code for each filter, in their order.
#[test]
fn suback_has_a_code_for_each_filter() {
    let server = Server::new();
    let mut client = server.client("client");
    let filters: Vec<String> = (0..200).map(|number| format!("{}{number}", ["", "#"][number % 7 / 6])).collect();
    let filters: Vec<(&str, u8)> =
        filters.iter().enumerate().map(|(number, filter)| (filter.as_str(), number as u8 % 3)).collect();
    let expected: Vec<u8> =
        filters.iter().map(|(filter, qos)| if filter.starts_with('#') { 0x8F } else { *qos }).collect();
    assert_eq!(client.subscribe_all(1, &[], &filters).codes, expected);
}

/// [MQTT-3.8.4-7] The code is the QoS that is granted, or says why none is.
#[test]
fn the_code_is_the_qos_or_the_failure() {
    let server = Server::new();
    let mut client = server.client("client");
    for qos in 0..3 {
        assert_eq!(client.subscribe_code("t", qos), qos);
    }
    assert_eq!(client.subscribe_code("t/#/u", 0), 0x8F);
    assert_eq!(client.subscribe_code(&["l"; 65].join("/"), 0), 0x8F);
    assert_eq!(client.subscribe_code(&["l"; 64].join("/"), 0), 0);
}

/// [MQTT-3.8.4-8] A message comes with its own QoS or with that of the subscription, whichever is lower.
#[test]
fn messages_come_with_the_lower_qos() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let mut client = server.client("client");
    for published in 0..3 {
        publisher.publish(Publish::new("retained", "x").qos(published).retain());
        for granted in 0..3 {
            client.subscribe("t", granted);
            publisher.publish(Publish::new("t", "x").qos(published));
            assert_eq!(client.take("x").qos, published.min(granted));
            client.subscribe("retained", granted);
            assert_eq!(client.take("x").qos, published.min(granted));
            client.unsubscribe(1, &["retained"]);
        }
    }
}

/// [MQTT-3.9.2-1] [MQTT-3.9.2-2] SUBACK is not larger than the client takes.
#[test]
fn suback_fits() {
    let server = Server::new();
    let mut client = server.connect(&Connect::new("client").maximum_packet_size(48));
    assert_eq!(client.subscribe_code("t/#/u", 0), 0x8F);
}

/// [MQTT-3.9.3-2] Failures have a code that SUBACK may have.
#[test]
fn suback_has_its_codes() {
    let server = Server::with(r#""limits":{"max_subscriptions":2},"shared_subscriptions":{"enabled":false}"#);
    let mut client = server.client("client");
    let filters = [("", 0), ("a+", 0), ("$share/g", 0), ("$share/g/t", 0), ("a", 0), ("b", 1), ("c", 2)];
    let codes = client.subscribe_all(1, &[], &filters).codes;
    assert!(codes[..4].iter().all(|code| [0x8F, 0x9E].contains(code)), "{codes:02x?}");
    assert_eq!(codes[4..6], [0, 1]);
    assert_eq!(codes[6], 0x97);
}

/// A subscription identifier of 0, or two of them, are an error.
#[test]
fn a_subscription_has_one_identifier() {
    let server = Server::new();
    for list in [vec![subscription_id(0)], vec![subscription_id(1), subscription_id(2)]] {
        let mut client = server.client("client");
        client.send_raw(&client.subscribe_bytes(1, &list, &[("t", 0)]));
        client.expect_disconnect(0x82);
    }
}

/// SUBSCRIBE may carry user properties.
#[test]
fn subscribe_has_user_properties() {
    let server = Server::new();
    let mut client = server.client("client");
    assert_eq!(client.subscribe_all(1, &[user("a", "b"), user("a", "b")], &[("t", 1)]).codes, [1]);
}
