//! Sections 3.15 and 4.12: enhanced authentication, which this broker does not offer.

use crate::client::*;

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

/// [MQTT-4.12.0-1] [MQTT-4.12.0-4] A method that the broker does not know is refused with 0x8C.
#[test]
fn an_unknown_method_is_refused() {
    let server = Server::new();
    let connect = Connect::new("client").property(bytes(property::AUTHENTICATION_METHOD, "SCRAM-SHA-1"));
    assert_eq!(server.refusal(&connect), 0x8C);
}

/// [MQTT-4.12.0-6] A client that names no method gets no AUTH and no method.
#[test]
fn who_names_no_method_gets_none() {
    let server = Server::new();
    let mut client = server.connect(&Connect::new("client").username("name").password("password"));
    assert!(!client.connack.has(property::AUTHENTICATION_METHOD));
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
    client.send(AUTH, &[vec![0x18], properties(&[bytes(property::AUTHENTICATION_METHOD, "m")])].concat());
    client.expect_disconnect(0x82);
}

/// [MQTT-4.12.1-2] To authenticate again fails where it never happened, and ends the connection.
#[test]
fn to_authenticate_again_fails() {
    let server = Server::new();
    let mut client = server.client("client");
    client.send(AUTH, &[vec![0x19], properties(&[bytes(property::AUTHENTICATION_METHOD, "m")])].concat());
    client.expect_disconnect(0x82);
}
