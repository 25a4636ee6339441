//! Section 3.2: CONNACK.

use rmqttc::hooks::{Answer, Denial, Hook, HookSet, Hooks, Question, Remarks, Verdict};
use rmqttc::model::Text;

use crate::client::*;

/// [MQTT-3.2.0-1] CONNACK is the first packet of the broker, even if messages wait and requests came with CONNECT.
#[test]
fn connack_comes_first() {
    let server = Server::new();
    let mut client = server.connect(&Connect::new("client").expiry(100));
    client.subscribe("t", 1);
    client.drop_connection();
    server.client("publisher").publish(Publish::new("t", "waits").qos(1));

    let mut client = server.open(5);
    let connect = Connect::new("client").resume().bytes();
    client.send_raw(&[connect, vec![PINGREQ, 0]].concat());
    assert!(client.expect(CONNACK).session_present);
    let mut kinds = [client.receive().kind, client.receive().kind];
    kinds.sort();
    assert_eq!(kinds, [PUBLISH, PINGRESP]);
}

/// [MQTT-3.2.0-2] There is one CONNACK on a connection, even if the client says CONNECT again.
#[test]
fn connack_comes_once() {
    let server = Server::new();
    let mut client = server.open(5);
    client.send_raw(&[Connect::new("client").bytes(), Connect::new("client").bytes()].concat());
    assert_eq!(client.expect(CONNACK).code, 0);
    client.expect_disconnect(0x82);
}

/// [MQTT-3.2.2-1] The flags of CONNACK other than Session Present are 0.
#[test]
fn the_reserved_flags_of_connack_are_zero() {
    let server = Server::with(r#""limits":{"max_client_id_length":8}"#);
    assert_eq!(server.connect(&Connect::new("client").expiry(100)).connack.raw[2], 0);
    assert_eq!(server.connect(&Connect::new("client").resume()).connack.raw[2], 1);
    let mut refused = server.send_connect(&Connect::new("123456789").resume());
    assert_eq!(refused.expect(CONNACK).raw[2..4], [0, 0x85]);
}

/// [MQTT-3.2.2-2] A clean start has no session to resume.
#[test]
fn a_clean_start_has_no_session() {
    let server = Server::new();
    for _ in 0..2 {
        let client = server.connect(&Connect::new("client").expiry(100));
        assert!(!client.connack.session_present);
        client.disconnect();
    }
}

/// [MQTT-3.2.2-3] Without a clean start, CONNACK says whether there is a session.
#[test]
fn connack_says_whether_there_is_a_session() {
    let server = Server::new();
    for expected in [false, true, true] {
        let client = server.connect(&Connect::new("client").resume().expiry(100));
        assert_eq!(client.connack.session_present, expected);
        client.drop_connection();
    }
}

/// [MQTT-3.2.2-6] [MQTT-3.2.2-7] A refusal says that there is no session, though there is one, and closes.
#[test]
fn a_refusal_has_no_session() {
    let server = Server::new();
    server.connect(&Connect::new("client").expiry(100)).disconnect();
    let connect = Connect::new("client").resume().property(bytes(property::AUTHENTICATION_METHOD, "none"));
    assert_eq!(server.refusal(&connect), 0x8C);
    assert!(server.connect(&Connect::new("client").resume()).connack.session_present);
}

/// [MQTT-3.2.2-8] Refusals have a code that CONNACK may have.
#[test]
fn refusals_have_a_code_of_connack() {
    const CODES: [u8; 21] = [
        0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99, 0x9A, 0x9B,
        0x9C, 0x9D, 0x9F,
    ];
    let server = Server::with(r#""limits":{"max_client_id_length":8,"max_qos":1},"retain":{"enabled":false}"#);
    let cases = [
        Connect::new("123456789"),
        Connect::new("c\0"),
        Connect::new("c").will(Will::new("t", "x").qos(2)),
        Connect::new("c").will(Will::new("t", "x").retain()),
        Connect::new("c").will(Will::new("t/#", "x")),
        Connect::new("c").will(Will::new(&["l"; 80].join("/"), "x")),
        Connect::new("c").property(bytes(property::AUTHENTICATION_METHOD, "none")),
        Connect::new("c").receive_maximum(0),
    ];
    for connect in cases {
        let code = server.refusal(&connect);
        assert!(CODES.contains(&code), "{code:#04x}");
    }
}

/// [MQTT-3.2.2-9] A broker that does not do QoS 2 says so.
#[test]
fn connack_tells_the_highest_qos() {
    for qos in [0, 1] {
        let server = Server::with(&format!(r#""limits":{{"max_qos":{qos}}}"#));
        assert_eq!(server.client("client").connack.number(property::MAXIMUM_QOS), Some(qos));
    }
    assert!(!Server::new().client("client").connack.has(property::MAXIMUM_QOS), "2 is not told but absent");
}

/// [MQTT-3.2.2-10] Whoever asks for a higher QoS than there is, is granted what there is.
#[test]
fn subscriptions_of_a_higher_qos_are_granted_less() {
    for highest in [0, 1] {
        let server = Server::with(&format!(r#""limits":{{"max_qos":{highest}}}"#));
        let mut client = server.client("client");
        for qos in 0..3 {
            assert_eq!(client.subscribe_code("t", qos), qos.min(highest));
        }
    }
}

/// [MQTT-3.2.2-11] A PUBLISH above the highest QoS is disconnected with 0x9B.
#[test]
fn messages_of_a_higher_qos_are_an_error() {
    let server = Server::with(r#""limits":{"max_qos":0}"#);
    for qos in [1, 2] {
        let mut client = server.client("client");
        client.send_publish(&Publish::new("t", "x").qos(qos));
        client.expect_disconnect(0x9B);
    }
}

/// [MQTT-3.2.2-12] A will above the highest QoS is refused with 0x9B.
#[test]
fn a_will_of_a_higher_qos_is_refused() {
    let server = Server::with(r#""limits":{"max_qos":1}"#);
    assert_eq!(server.refusal(&Connect::new("client").will(Will::new("t", "x").qos(2))), 0x9B);
    server.connect(&Connect::new("client").will(Will::new("t", "x").qos(1)));
}

/// [MQTT-3.2.2-13] [MQTT-3.2.2-14] A broker that retains nothing says so, refuses a will that is to be retained, and
/// disconnects who publishes to be retained.
#[test]
fn retaining_can_be_turned_off() {
    let server = Server::with(r#""retain":{"enabled":false}"#);
    assert_eq!(server.refusal(&Connect::new("client").will(Will::new("t", "x").retain())), 0x9A);
    let mut client = server.client("client");
    assert_eq!(client.connack.number(property::RETAIN_AVAILABLE), Some(0));
    client.send_publish(&Publish::new("t", "x").retain());
    client.expect_disconnect(0x9A);
    assert_ne!(Server::new().client("client").connack.number(property::RETAIN_AVAILABLE), Some(0));
}

/// [MQTT-3.2.2-15] The largest packet is told; a larger one is disconnected with 0x95.
#[test]
fn packets_of_a_client_have_a_largest_size() {
    let server = Server::with(r#""limits":{"max_packet_bytes":1000}"#);
    let mut client = server.client("client");
    assert_eq!(client.connack.number(property::MAXIMUM_PACKET_SIZE), Some(1000));
    client.subscribe("t", 0);
    // The fixed header has three bytes, the topic three, the properties one.
    client.publish(Publish::new("t", "x".repeat(993)));
    client.take(&"x".repeat(993));
    client.send_publish(&Publish::new("t", "x".repeat(994)));
    client.expect_disconnect(0x95);
}

/// [MQTT-3.2.2-16] Identifiers that the broker assigns are new.
#[test]
fn assigned_client_identifiers_are_new() {
    let server = Server::new();
    let mut clients: Vec<Client> = (0..20).map(|_| server.client("")).collect();
    let mut ids: Vec<_> =
        clients.iter().map(|client| client.connack.data(property::ASSIGNED_CLIENT_ID).unwrap().to_vec()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 20);
    clients.iter_mut().for_each(Client::expect_quiet);
}

/// [MQTT-3.2.2-17] [MQTT-3.3.2-9] A topic alias above the maximum that CONNACK told is disconnected with 0x94.
#[test]
fn topic_aliases_have_a_maximum() {
    let server = Server::new();
    let mut client = server.client("client");
    let maximum = client.connack.number(property::TOPIC_ALIAS_MAXIMUM).unwrap();
    assert_eq!(maximum, 16);
    client.send_publish(&Publish::new("t", "x").alias(maximum as u16 + 1));
    client.expect_disconnect(0x94);
}

/// The defaults that CONNACK tells: as many open messages as configured, sessions as long as asked for.
#[test]
fn connack_tells_the_limits() {
    let server = Server::with(r#""limits":{"max_inflight":7},"session":{"max_expiry_s":50}"#);
    let connack = server.connect(&Connect::new("client").expiry(100)).connack;
    assert_eq!(connack.number(property::RECEIVE_MAXIMUM), Some(7));
    assert_eq!(connack.number(property::SESSION_EXPIRY), Some(50));
    let connack = server.connect(&Connect::new("client").expiry(20)).connack;
    assert!([None, Some(20)].contains(&connack.number(property::SESSION_EXPIRY)), "{connack:?}");
}

struct Refuse;

impl Hooks for Refuse {
    fn interest(&self) -> HookSet {
        HookSet::NONE.with(Hook::Authenticate, true)
    }

    fn decide(&self, _: Question<'_>) -> Answer {
        let user_properties = vec![(Text::from("no"), Text::from("no"))];
        Answer::Now(Verdict::denied(Denial {
            reason_code: Some(0x87),
            reason: Some(Text::from("no ".repeat(50))),
            remarks: Some(Box::new(Remarks { user_properties, server_reference: None })),
        }))
    }
}

/// [MQTT-3.2.2-19] [MQTT-3.2.2-20] Reason string and user properties are left out of a CONNACK that would become too
/// large for the client.
#[test]
fn connack_is_not_larger_than_the_client_takes() {
    let server = Server::new();
    server.broker.set_hooks(Some(Box::new(Refuse)));
    let mut client = server.send_connect(&Connect::new("client").maximum_packet_size(20));
    let connack = client.expect(CONNACK);
    assert_eq!(connack.code, 0x87);
    assert!(!connack.has_problem_information());
    client.expect_closed();
}
