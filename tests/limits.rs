//! What each limit of `limits` answers, in MQTT 3.1.1 and 5, be it that of the broker or that of one listener.

#[path = "conformance/client.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod client;

use client::*;
use rmqttc::broker::{Action, Broker, Error};

/// What a client has to keep to.
const STRICT: &str = r#""max_client_id_length":8,"max_keepalive_s":60,"max_packet_bytes":200,"max_inflight":3,
    "max_subscriptions":2,"max_topic_levels":3,"max_qos":1"#;

/// A broker with two listeners, of which the second has such limits of its own.
fn config(own: &str, limits: &str) -> String {
    format!(
        r#"{{"listeners":[{{"name":"wide","address":"127.0.0.1:0"}},
                          {{"name":"strict","address":"127.0.0.1:0","limits":{{{own}}}}}],
            "auth":{{"allow_anonymous":true}},"runtime":{{"worker_threads":1}},"limits":{{{limits}}}}}"#
    )
}

fn two_listeners(own: &str, limits: &str) -> Server {
    Server::of(Broker::new(&config(own, limits)).unwrap())
}

/// Strict for all, and strict for those who come through the listener that is used.
fn strict() -> [Server; 2] {
    let mut one_listener = two_listeners(STRICT, "");
    one_listener.use_listener(1);
    [Server::with(&format!(r#""limits":{{{STRICT}}}"#)), one_listener]
}

fn versions(id: &str) -> [Connect; 2] {
    [Connect::v3(id), Connect::new(id)]
}

/// The codes of MQTT 3.1.1 and of MQTT 5.
fn code(connect: &Connect, v3: u8, v5: u8) -> u8 {
    if connect.version == 5 {
        v5
    } else {
        v3
    }
}

/// The broker closes the connection, and tells an MQTT 5 client why.
#[track_caller]
fn expect_end(client: &mut Client, code: u8) {
    match client.version {
        5 => drop(client.expect_disconnect(code)),
        _ => client.expect_closed(),
    }
}

/// `[MQTT-3.2.2-3]` and the like.
#[test]
fn connack_tells_the_limits() {
    let told = |client: &Client| {
        let of = |id| client.connack.number(id);
        let keep_alive = of(property::SERVER_KEEP_ALIVE);
        (of(property::RECEIVE_MAXIMUM), of(property::MAXIMUM_PACKET_SIZE), of(property::MAXIMUM_QOS), keep_alive)
    };
    let expected = (Some(3), Some(200), Some(1), Some(60));
    for server in strict() {
        assert_eq!(told(&server.connect(&Connect::new("client").keep_alive(100))), expected);
        assert_eq!(told(&server.connect(&Connect::new("client").keep_alive(0))), expected);
    }
    let mut server = two_listeners(STRICT, r#""max_packet_bytes":5000,"max_keepalive_s":90"#);
    let wide = server.connect(&Connect::new("client").keep_alive(100));
    assert_eq!(told(&wide).1, Some(5000));
    assert_eq!(told(&wide).3, Some(90));
    server.use_listener(1);
    assert_eq!(told(&server.connect(&Connect::new("client").keep_alive(100))), expected);
}

#[test]
fn length_of_the_client_identifier() {
    for server in strict() {
        for connect in versions("123456789") {
            assert_eq!(server.refusal(&connect), code(&connect, 2, 0x85));
        }
        for connect in versions("12345678") {
            server.connect(&connect);
        }
    }
}

/// An MQTT 5 client is told of another keep alive instead.
#[test]
fn keep_alive_that_is_too_long() {
    for server in strict() {
        assert_eq!(server.refusal(&Connect::v3("client").keep_alive(61)), 3);
        server.connect(&Connect::v3("client").keep_alive(60));
    }
}

#[test]
fn packets_that_are_too_large() {
    for server in strict() {
        for connect in versions("client") {
            let mut large = server.send_connect(&connect.clone().username("x".repeat(200)));
            if connect.version == 5 {
                assert_eq!(large.expect(CONNACK).code, 0x95);
            }
            large.expect_closed();
            let mut client = server.connect(&connect);
            client.publish(Publish::new("t", "x".repeat(150)).qos(1));
            client.send_publish(&Publish::new("t", "x".repeat(200)).qos(1));
            expect_end(&mut client, 0x95);
        }
    }
}

#[test]
fn messages_in_flight() {
    for server in strict() {
        for connect in [Connect::v3("client"), Connect::new("client").receive_maximum(10)] {
            let mut client = server.connect(&connect);
            client.subscribe("t", 1);
            let mut publisher = server.client("other");
            (1..=5).for_each(|id| publisher.publish(Publish::new("t", id.to_string()).qos(1).id(id)));
            let first = client.expect_message("1");
            client.expect_message("2");
            client.expect_message("3");
            client.expect_quiet();
            client.ack(PUBACK, first.id);
            client.expect_message("4");
            client.expect_quiet();
        }
    }
    // What a client has been told that it may send [MQTT-3.3.4-9].
    let mut server = two_listeners(r#""max_inflight":2"#, "");
    server.use_listener(1);
    let mut client = server.client("client");
    for id in 1..=2 {
        client.send_publish(&Publish::new("t", "").qos(2).id(id));
        assert!(client.expect(PUBREC).code < 0x80);
    }
    client.send_publish(&Publish::new("t", "").qos(2).id(3));
    client.expect_disconnect(0x93);
}

#[test]
fn subscriptions() {
    for server in strict() {
        for connect in versions("client") {
            let mut client = server.connect(&connect);
            client.subscribe("a", 1);
            client.subscribe("b", 1);
            assert_eq!(client.subscribe_code("c", 1), code(&connect, 0x80, 0x97));
            client.subscribe("a", 0);
            client.unsubscribe(3, &["a"]);
            client.subscribe("c", 1);
        }
    }
}

#[test]
fn levels_of_topics() {
    for server in strict() {
        for connect in versions("client") {
            let mut client = server.connect(&connect);
            client.subscribe("#", 1);
            assert_eq!(client.subscribe_code("a/b/c/d", 1), code(&connect, 0x80, 0x8F));
            client.send_publish(&Publish::new("a/b/c/d", "deep").qos(1));
            assert_eq!(client.expect(PUBACK).code, code(&connect, 0, 0x90));
            client.publish(Publish::new("a/b/c", "fits").qos(1));
            client.take("fits");
            let will = Connect { id: b"other".to_vec(), ..connect.clone() }.will(Will::new("a/b/c/d", "deep"));
            assert_eq!(server.refusal(&will), code(&connect, 5, 0x90));
        }
        assert_eq!(server.broker.stats().messages_dropped_refused, 2);
    }
}

#[test]
fn the_highest_qos() {
    for server in strict() {
        for connect in versions("client") {
            let mut client = server.connect(&connect);
            assert_eq!(client.subscribe_code("t", 2), 1);
            client.publish(Publish::new("t", "one").qos(1));
            client.take("one");
            client.send_publish(&Publish::new("t", "two").qos(2));
            expect_end(&mut client, 0x9B);
            let will = connect.clone().will(Will::new("t", "").qos(2));
            assert_eq!(server.refusal(&will), code(&connect, 5, 0x9B));
        }
    }
}

#[test]
fn limits_of_the_broker_as_a_whole() {
    let server = Server::with(r#""limits":{"max_sessions":1},"session":{"max_expiry_s":100}"#);
    let first = server.connect(&Connect::new("first").expiry(1000));
    assert_eq!(first.connack.number(property::SESSION_EXPIRY), Some(100));
    for connect in versions("second") {
        assert_eq!(server.refusal(&connect), code(&connect, 3, 0x97));
    }
}

/// The queue of a session is that of the listener that its client has come through last, also while the client is away.
#[test]
fn queues() {
    let own = r#""max_queued_messages":2,"slow_consumer":"drop_oldest""#;
    let mut server = two_listeners(own, r#""max_queued_messages":4,"slow_consumer":"drop_newest""#);
    let connect = Connect::new("client").resume().expiry(100);
    let mut publisher = server.client("publisher");
    server.connect(&connect).subscribe("t", 1);
    for (listener, kept) in [(1, &["4", "5"][..]), (0, &["1", "2", "3", "4"]), (1, &["4", "5"])] {
        server.use_listener(listener);
        server.connect(&connect).disconnect();
        (1..=5).for_each(|id| publisher.publish(Publish::new("t", id.to_string()).qos(1).id(id)));
        let mut client = server.connect(&connect);
        for payload in kept {
            client.take(payload);
        }
        client.expect_quiet();
        client.disconnect();
    }
    server.use_listener(1);
    server.connect(&connect).disconnect();
    // A limit of the broker may change for sessions that are there, and leaves those of a listener alone.
    server.broker.reload(&config(own, r#""max_queued_messages":1,"slow_consumer":"disconnect""#)).unwrap();
    (1..=5).for_each(|id| publisher.publish(Publish::new("t", id.to_string()).qos(1).id(id)));
    let mut client = server.connect(&connect);
    client.take("4");
    client.take("5");
    client.expect_quiet();
}

#[test]
fn a_reload_changes_them_for_those_who_come() {
    let mut server = two_listeners(r#""max_qos":1"#, "");
    server.use_listener(1);
    let mut old = server.client("old");
    let report = server.broker.reload(&config(r#""max_qos":2,"max_packet_bytes":100"#, "")).unwrap();
    assert_eq!(report.applied, ["/listeners/1/limits/max_packet_bytes", "/listeners/1/limits/max_qos"]);
    assert!(report.needs_restart.is_empty());
    let mut new = server.client("new");
    assert_eq!(new.connack.number(property::MAXIMUM_QOS), None);
    assert_eq!(new.connack.number(property::MAXIMUM_PACKET_SIZE), Some(100));
    new.publish(Publish::new("t", "x").qos(2));
    old.publish(Publish::new("t", "x".repeat(200)).qos(1));
    old.send_publish(&Publish::new("t", "x").qos(2));
    old.expect_disconnect(0x9B);
}

#[test]
fn the_limit_that_decides_is_named() {
    let mut server = two_listeners(STRICT, r#""max_topic_levels":5,"max_subscriptions":1"#);
    for (listener, id, prefix) in [(0, "wide", "limits."), (1, "strict", "listeners[].limits.")] {
        server.use_listener(listener);
        let mut client = server.client(id);
        client.subscribe("a", 0);
        if listener == 1 {
            client.subscribe("b", 0);
        }
        let named = |action, topic| server.broker.explain(id, action, topic).unwrap().rule.unwrap_or_default();
        assert_eq!(named(Action::Subscribe, "c"), format!("{prefix}max_subscriptions"));
        assert_eq!(named(Action::Publish, "1/2/3/4/5/6"), format!("{prefix}max_topic_levels"));
        assert_eq!(named(Action::Subscribe, "1/2/3/4/5/6"), format!("{prefix}max_topic_levels"));
        assert_eq!(named(Action::Publish, "1/2/3"), "");
    }
    // The lower one is in force.
    let mut server = two_listeners(r#""max_topic_levels":5"#, r#""max_topic_levels":2"#);
    server.use_listener(1);
    let _client = server.client("client");
    let explanation = server.broker.explain("client", Action::Publish, "1/2/3").unwrap();
    assert_eq!(explanation.rule.as_deref(), Some("limits.max_topic_levels"));
}

#[test]
fn only_limits_of_a_client_belong_to_a_listener() {
    let faults = |own: &str| match Broker::new(&config(own, "")) {
        Ok(_) => Vec::new(),
        Err(Error::InvalidConfig(faults)) => faults.as_slice().iter().map(|fault| fault.pointer.clone()).collect(),
        Err(error) => panic!("{error}"),
    };
    assert!(faults(r#""max_qos":null,"on_rate_exceeded":null"#).is_empty());
    assert_eq!(faults(r#""max_qos":3"#), ["/listeners/1/limits/max_qos"]);
    assert_eq!(faults(r#""on_rate_exceeded":"forgive""#), ["/listeners/1/limits/on_rate_exceeded"]);
    assert_eq!(faults(r#""max_sessions":3"#), ["/listeners/1/limits/max_sessions"]);
}
