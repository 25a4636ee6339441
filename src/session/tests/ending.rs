//! What ends a connection, or just keeps it alive.

use bytes::Bytes;

use super::super::connection::Terms;
use super::support::{terms, ALL};
use super::talk::Talk;
use super::wire::Sent;
use crate::codec::{Auth, Decoder, Disconnect, Packet};
use crate::hooks::DisconnectedBy;
use crate::model::{Protocol, ReasonCode};

fn disconnect(reason: u8, session_expiry_s: Option<u32>) -> Packet {
    Packet::Disconnect(Disconnect { reason: ReasonCode(reason), session_expiry_s, reason_string: None })
}

#[test]
fn ping() {
    for protocol in ALL {
        assert_eq!(Talk::new(terms(protocol)).say(Packet::PingReq), [Sent::PingResp]);
        // [MQTT-3.12.4-1]
    }
}

/// `[MQTT-3.14.4-3]`: only a normal disconnection takes the will back.
#[test]
fn will() {
    for (reason, with_will) in [(0x00, false), (0x04, true), (0x80, true), (0x98, true)] {
        let closing = Talk::new(terms(Protocol::V5)).end(disconnect(reason, None));
        assert_eq!((closing.by, closing.with_will), (DisconnectedBy::Client, with_will), "{reason:#X}");
        assert_eq!(closing.reason, ReasonCode(reason));
    }
}

#[test]
fn the_words_of_the_client_are_passed_on() {
    for (reason_string, words) in [(None, "disconnected"), (Some("good night".into()), "good night")] {
        let packet = Disconnect { reason: ReasonCode::SUCCESS, session_expiry_s: None, reason_string };
        assert_eq!(Talk::new(terms(Protocol::V5)).end(Packet::Disconnect(packet)).words, words);
    }
}

/// `[MQTT-5 3.14.2.2.2]`
#[test]
fn session_expiry() {
    for (agreed, told, expected) in [
        (100, None, 100),
        (100, Some(0), 0),
        (100, Some(7), 7),
        (100, Some(1_000), 1_000),
        (100, Some(1_001), 1_000),
        (100, Some(u32::MAX), 1_000),
        (0, None, 0),
        (0, Some(0), 0),
    ] {
        let mut talk =
            Talk::new(Terms { session_expiry_s: agreed, session_may_last: agreed > 0, ..terms(Protocol::V5) });
        assert_eq!(talk.end(disconnect(0, told)).by, DisconnectedBy::Client);
        assert_eq!(talk.connection.session_expiry_s, expected, "{agreed} {told:?}");
    }
}

/// `[MQTT-5 3.14.2.2.2]`: it does not count as DISCONNECT, so that the will stays.
#[test]
fn a_session_that_was_to_end_cannot_last() {
    let mut talk = Talk::new(Terms { session_expiry_s: 0, session_may_last: false, ..terms(Protocol::V5) });
    let closing = talk.end(disconnect(0, Some(1)));
    assert_eq!((closing.by, closing.reason.0, closing.with_will), (DisconnectedBy::Broker, 0x82, true));
    assert_eq!(talk.connection.session_expiry_s, 0);
}

/// It is CONNECT that counts, not what the broker has made of it.
#[test]
fn a_session_that_was_cut_short_may_still_be_asked_for() {
    let terms = Terms { session_expiry_s: 0, max_session_expiry_s: 0, session_may_last: true, ..terms(Protocol::V5) };
    let mut talk = Talk::new(terms);
    let closing = talk.end(disconnect(0, Some(100)));
    assert_eq!((closing.by, closing.with_will), (DisconnectedBy::Client, false));
    assert_eq!(talk.connection.session_expiry_s, 0);
}

/// `[MQTT-4.12.0-7]`
#[test]
fn auth_without_a_method() {
    for reason in [ReasonCode::CONTINUE_AUTHENTICATION, ReasonCode::REAUTHENTICATE] {
        let packet = Packet::Auth(Auth { reason, method: Some("SCRAM".into()), data: Some(Bytes::new()) });
        let closing = Talk::new(terms(Protocol::V5)).end(packet);
        assert_eq!((closing.by, closing.reason.0, closing.with_will), (DisconnectedBy::Broker, 0x82, true));
    }
}

/// `[MQTT-3.1.0-2]`
#[test]
fn a_second_connect() {
    let mut bytes = bytes::BytesMut::from(&b"\x10\x0D\0\x04MQTT\x04\x02\0\x3C\0\x01c"[..]);
    let connect = Decoder::new(100).decode(&mut bytes).unwrap().unwrap();
    let closing = Talk::new(terms(Protocol::V3_1_1)).end(connect);
    assert_eq!((closing.by, closing.reason.0, closing.with_will), (DisconnectedBy::Broker, 0x82, true));
}

/// `[MQTT-4.13.1-1]`; before MQTT 5 a server has no DISCONNECT `[MQTT-3.14.0-1]`.
#[test]
fn goodbye() {
    for protocol in ALL {
        let mut talk = Talk::new(terms(protocol));
        let closing = talk.end(Packet::Auth(Auth { reason: ReasonCode::REAUTHENTICATE, method: None, data: None }));
        talk.connection.say_goodbye(&closing);
        let expected: &[Sent] = if protocol == Protocol::V5 { &[Sent::Disconnect(0x82)] } else { &[] };
        assert_eq!(talk.answers(), expected);
    }
}

/// `[MQTT-3.1.2-24]`: without the answer, the exchange cannot go on.
#[test]
fn an_answer_that_the_client_does_not_take() {
    let mut talk = Talk::new(Terms { maximum_packet_size: 1, ..terms(Protocol::V5) });
    let closing = talk.end(Packet::PingReq);
    assert_eq!((closing.by, closing.reason.0), (DisconnectedBy::Broker, 0x95));
    talk.connection.say_goodbye(&closing);
    assert_eq!(talk.answers(), [], "nor a DISCONNECT");
}
