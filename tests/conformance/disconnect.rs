//! Section 3.14: DISCONNECT.

use crate::client::*;

/// [MQTT-3.14.1-1] DISCONNECT with flags is malformed; the will is published then.
#[test]
fn disconnect_has_no_flags() {
    let server = Server::new();
    let mut watcher = server.client("watcher");
    watcher.subscribe("will", 0);
    for flags in [1, 2, 4, 8, 15] {
        let mut client = server.connect(&Connect::new("client").will(Will::new("will", "gone")));
        client.send(DISCONNECT | flags, &[]);
        client.expect_disconnect(0x81);
        watcher.take("gone");
    }
}

/// [MQTT-3.14.2-1] The broker's DISCONNECT has a code that fits what happened.
#[test]
fn disconnect_has_a_code() {
    let server = Server::with(r#""limits":{"max_packet_bytes":100}"#);
    let code = |bytes: &[u8]| {
        let mut client = server.client("client");
        client.send_raw(bytes);
        client.expect(DISCONNECT).code
    };
    assert_eq!(code(&[PUBLISH | 6, 0]), 0x81);
    assert_eq!(code(&Connect::new("client").bytes()), 0x82);
    assert_eq!(code(&Publish::new("#", "x").bytes(5)), 0x90);
    assert_eq!(code(&Publish::new("t", "x").alias(0).bytes(5)), 0x94);
    assert_eq!(code(&packet(PUBLISH, &[0; 200])), 0x95);
    let mut client = server.client("client");
    server.client("client");
    client.expect_disconnect(0x8E);
}

/// [MQTT-3.14.2-2] The broker's DISCONNECT has no session expiry.
#[test]
fn disconnect_has_no_session_expiry() {
    let server = Server::new();
    let mut first = server.connect(&Connect::new("client").expiry(100));
    let mut second = server.connect(&Connect::new("client").expiry(100));
    assert!(!first.expect_disconnect(0x8E).has(property::SESSION_EXPIRY));
    second.send_raw(&Connect::new("client").bytes());
    assert!(!second.expect_disconnect(0x82).has(property::SESSION_EXPIRY));
}

/// [MQTT-3.14.2-3] [MQTT-3.14.2-4] The broker's DISCONNECT is not larger than the client takes.
#[test]
fn disconnect_fits() {
    let server = Server::new();
    let mut client = server.connect(&Connect::new("client").maximum_packet_size(48));
    client.send_publish(&Publish::new("a/long/topic/that/is/not/a/name/because/of/#", "x"));
    client.expect_disconnect(0x90);
}

/// [MQTT-3.14.4-1] Behind DISCONNECT neither side sends: the broker ends, and does not do what a client sends behind its
/// own.
#[test]
fn nothing_comes_after_disconnect() {
    let server = Server::new();
    let mut watcher = server.client("watcher");
    watcher.subscribe("#", 0);
    let mut client = server.client("client");
    let publish = Publish::new("t", "too late").bytes(5);
    client.send_raw(&[&[DISCONNECT, 0][..], &publish, &[PINGREQ, 0]].concat());
    client.expect_closed();
    watcher.expect_nothing_from(&mut server.client("marker"));
}

/// [MQTT-3.14.4-2] The broker closes the connection behind its DISCONNECT, and when it has got one.
#[test]
fn disconnect_closes_the_connection() {
    let server = Server::new();
    let mut client = server.client("client");
    client.send_publish(&Publish::new("+", "x"));
    client.expect_disconnect(0x90);
    server.client("client").disconnect();
    server.client("client").disconnect_with(0, &[]);
    server.client("client").disconnect_with(0, &[bytes(property::REASON_STRING, "enough"), user("a", "b")]);
}

/// [MQTT-3.14.4-3] DISCONNECT with 0x00 discards the will; with 0x04, or any other code, it does not.
#[test]
fn disconnect_discards_the_will() {
    let server = Server::new();
    let mut watcher = server.client("watcher");
    watcher.subscribe("will", 0);
    let connect = Connect::new("client").will(Will::new("will", "gone"));
    server.connect(&connect).disconnect();
    server.connect(&connect).disconnect_with(0, &[]);
    watcher.expect_nothing_from(&mut server.client("marker"));
    for code in [0x04, 0x80, 0x83] {
        server.connect(&connect).disconnect_with(code, &[]);
        watcher.take("gone");
    }
}

/// DISCONNECT may shorten the session, but not give one to a client that wanted none.
#[test]
fn disconnect_may_change_the_expiry() {
    let server = Server::new();
    let expiry = |seconds| [four(property::SESSION_EXPIRY, seconds)];
    server.connect(&Connect::new("client").expiry(100)).disconnect_with(0, &expiry(0));
    assert!(!server.connect(&Connect::new("client").resume()).connack.session_present);

    server.connect(&Connect::new("client").expiry(1)).disconnect_with(0, &expiry(100));
    assert!(server.connect(&Connect::new("client").resume()).connack.session_present);

    let mut client = server.client("client");
    client.send(DISCONNECT, &[vec![0], properties(&expiry(100))].concat());
    client.expect_disconnect(0x82);
}

/// A broker that is stopped tells its clients.
#[test]
fn a_stop_is_announced() {
    let server = Server::new();
    let mut client = server.client("client");
    let mut older = server.connect(&Connect::v3("older"));
    std::thread::scope(|scope| {
        scope.spawn(|| server.broker.stop(std::time::Duration::from_secs(1)).unwrap());
        client.expect_disconnect(0x8B);
        older.expect_closed();
    });
}
