//! Sections 3.15 and 4.12: enhanced authentication, which is the host program's to offer.

use bytes::Bytes;
use rmqttc::hooks::{Answer, Changes, Denial, Hook, HookSet, Hooks, Question, Remarks, Verdict};
use rmqttc::model::Text;

use crate::client::*;

/// Knows one method, `M`, and does what the authentication data say: `more`, `wordy`, `no`; all else is let in.
struct Method;

impl Hooks for Method {
    fn interest(&self) -> HookSet {
        HookSet::NONE.with(Hook::AuthExchange, true)
    }

    fn decide(&self, question: Question<'_>) -> Answer {
        let Question::AuthExchange(asked) = question else { panic!("{question:?}") };
        if &*asked.method != "M" {
            return Answer::Now(Verdict::denied(Denial { reason_code: Some(0x8C), ..Denial::default() }));
        }
        let auth_data = Some(Bytes::from(format!("round {}", asked.round)));
        let changes = Changes { auth_data, ..Changes::default() };
        Answer::Now(match asked.data.as_deref() {
            Some(b"more") => Verdict::Continue(Some(Box::new(changes))),
            Some(b"wordy") => {
                let user_properties = vec![(Text::from("name"), Text::from("value"))];
                let remarks = Remarks { user_properties, ..Remarks::default() };
                let reason = Some(Text::from("words ".repeat(5)));
                Verdict::Continue(Some(Box::new(Changes { reason, remarks, ..changes })))
            }
            Some(b"no") => Verdict::deny(),
            _ => Verdict::Allow(Some(Box::new(changes))),
        })
    }
}

fn server_with_method() -> Server {
    let server = Server::anonymous(false, "");
    server.broker.set_hooks(Some(Box::new(Method)));
    server
}

fn method(name: &str) -> Vec<u8> {
    bytes(property::AUTHENTICATION_METHOD, name)
}

fn connect(data: &str) -> Connect {
    Connect::new("client").property(method("M")).property(bytes(property::AUTHENTICATION_DATA, data))
}

fn send_auth(client: &mut Client, code: u8, data: &str) {
    let list = properties(&[method("M"), bytes(property::AUTHENTICATION_DATA, data)]);
    client.send(AUTH, &[vec![code], list].concat());
}

#[track_caller]
fn expect_auth(client: &mut Client, code: u8, data: &str) -> Packet {
    let auth = client.expect(AUTH);
    assert_eq!(auth.code, code);
    assert_eq!(auth.data(property::AUTHENTICATION_METHOD), Some(&b"M"[..]));
    assert_eq!(auth.data(property::AUTHENTICATION_DATA), Some(data.as_bytes()));
    auth
}

/// [MQTT-3.15.1-1] AUTH with flags is malformed.
#[test]
fn auth_has_no_flags() {
    let server = Server::new();
    for flags in [1, 2, 4, 8, 15] {
        let mut client = server.client("client");
        client.send(AUTH | flags, &[]);
        client.expect_disconnect(0x81);
    }
}

/// [MQTT-3.15.2-2] [MQTT-3.15.2-3] Reason string and user properties are left out of an AUTH that would become too large
/// for the client.
#[test]
fn auth_fits() {
    let server = server_with_method();
    for (size, words, pairs) in [(200, true, 1), (64, true, 0), (63, true, 0), (40, false, 0)] {
        let mut client = server.send_connect(&connect("wordy").maximum_packet_size(size));
        let auth = expect_auth(&mut client, 0x18, "round 1");
        assert_eq!(auth.has(property::REASON_STRING), words);
        assert_eq!(auth.user_properties().len(), pairs);
    }
}

/// [MQTT-4.12.0-1] [MQTT-4.12.0-4] A method that the broker does not know is refused with 0x8C, and who fails is refused.
#[test]
fn an_unknown_method_is_refused() {
    let unknown = Connect::new("client").property(method("SCRAM-SHA-1"));
    assert_eq!(Server::new().refusal(&unknown), 0x8C);
    let server = server_with_method();
    assert_eq!(server.refusal(&unknown), 0x8C);
    assert_eq!(server.refusal(&connect("no")), 0x87);
    let mut client = server.send_connect(&connect("more"));
    expect_auth(&mut client, 0x18, "round 1");
    send_auth(&mut client, 0x18, "no");
    assert_eq!(client.expect(CONNACK).code, 0x87);
    client.expect_closed();
}

/// [MQTT-4.12.0-2] [MQTT-4.12.0-3] AUTH asks for more with 0x18, and is answered with 0x18.
#[test]
fn auth_goes_to_and_fro() {
    let server = server_with_method();
    let mut client = server.send_connect(&connect("more"));
    for round in 1..5 {
        expect_auth(&mut client, 0x18, &format!("round {round}"));
        send_auth(&mut client, 0x18, if round < 4 { "more" } else { "enough" });
    }
    assert_eq!(client.expect(CONNACK).code, 0);
    client.expect_quiet();

    let mut client = server.send_connect(&connect("more"));
    expect_auth(&mut client, 0x18, "round 1");
    send_auth(&mut client, 0x19, "enough");
    assert_eq!(client.expect(CONNACK).code, 0x82);
    client.expect_closed();
}

/// [MQTT-4.12.0-5] Every AUTH and the CONNACK carry the method of CONNECT; a client that does not send it is refused.
#[test]
fn the_method_stays_the_same() {
    let server = server_with_method();
    let mut client = server.send_connect(&connect("more"));
    expect_auth(&mut client, 0x18, "round 1");
    send_auth(&mut client, 0x18, "enough");
    let connack = client.expect(CONNACK);
    assert_eq!(connack.code, 0);
    assert_eq!(connack.data(property::AUTHENTICATION_METHOD), Some(&b"M"[..]));
    assert_eq!(connack.data(property::AUTHENTICATION_DATA), Some(&b"round 2"[..]));
    send_auth(&mut client, 0x19, "enough");
    expect_auth(&mut client, 0, "round 1");

    let mut client = server.send_connect(&connect("more"));
    expect_auth(&mut client, 0x18, "round 1");
    client.send(AUTH, &[vec![0x18], properties(&[method("N")])].concat());
    assert_eq!(client.expect(CONNACK).code, 0x8C);
    client.expect_closed();
}

/// [MQTT-4.12.0-6] A client that names no method gets no AUTH and no method.
#[test]
fn who_names_no_method_gets_none() {
    let server = Server::new();
    server.broker.set_hooks(Some(Box::new(Method)));
    let mut client = server.connect(&Connect::new("client").username("name").password("password"));
    assert!(!client.connack.has(property::AUTHENTICATION_METHOD));
    assert!(!client.connack.has(property::AUTHENTICATION_DATA));
    client.expect_quiet();
}

/// [MQTT-4.12.0-7] A client that has named no method sends no AUTH.
#[test]
fn auth_without_a_method_is_a_protocol_error() {
    let server = Server::new();
    let mut client = server.client("client");
    client.send(AUTH, &[]);
    client.expect_disconnect(0x82);
    let mut client = server.client("client");
    client.send(AUTH, &[vec![0x18], properties(&[method("m")])].concat());
    client.expect_disconnect(0x82);
}

/// [MQTT-3.1.2-30] A client that has named a method sends nothing but AUTH and DISCONNECT before CONNACK.
#[test]
fn nothing_else_comes_before_connack() {
    let server = server_with_method();
    for other in [packet(PINGREQ, &[]), Publish::new("t", "x").bytes(5)] {
        let mut client = server.send_connect(&connect("more"));
        expect_auth(&mut client, 0x18, "round 1");
        client.send_raw(&other);
        assert_eq!(client.expect(CONNACK).code, 0x82);
        client.expect_closed();
    }
}

/// [MQTT-4.12.1-1] Who authenticates again uses the method of CONNECT.
#[test]
fn the_method_stays_the_same_later() {
    let server = server_with_method();
    let mut client = server.connect(&connect("enough"));
    client.send(AUTH, &[vec![0x19], properties(&[method("N")])].concat());
    client.expect_disconnect(0x82);
}

/// [MQTT-4.12.1-2] A client that fails to authenticate again is disconnected, as is one that never did.
#[test]
fn to_authenticate_again_may_fail() {
    let server = server_with_method();
    for wish in ["no", "more"] {
        let mut client = server.connect(&connect("enough"));
        send_auth(&mut client, 0x19, wish);
        if wish == "more" {
            expect_auth(&mut client, 0x18, "round 1");
            send_auth(&mut client, 0x18, "no");
        }
        client.expect_disconnect(0x87);
    }
    let server = Server::new();
    let mut client = server.client("client");
    send_auth(&mut client, 0x19, "enough");
    client.expect_disconnect(0x82);
}
