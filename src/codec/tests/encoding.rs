use bytes::{Bytes, BytesMut};
use bytestring::ByteString;
use rmqtt::codec::types::QoS as CodecQoS;
use rmqtt::codec::v5;
use tokio_util::codec::Decoder as _;

use crate::codec::{ConnAck, Diagnosis, Encoder, Unsendable};
use crate::model::{Protocol, QoS, ReasonCode, Text};

use super::ALL;

/// What a method of the encoder appends; that it leaves what was there is checked.
fn put(put: impl FnOnce(&mut BytesMut) -> Result<(), Unsendable>) -> Result<Vec<u8>, Unsendable> {
    let mut out = BytesMut::from(&b"before"[..]);
    let result = put(&mut out);
    let appended = out.strip_prefix(b"before").expect("what was there").to_vec();
    assert!(result.is_ok() || appended.is_empty());
    result.map(|()| appended)
}

fn encoder(protocol: Protocol) -> Encoder {
    Encoder::new(protocol, true, u32::MAX)
}

fn words(reason_string: &str) -> Diagnosis<'_> {
    Diagnosis { reason_string: Some(reason_string), user_properties: &[] }
}

fn decode_v5(bytes: &[u8]) -> v5::Packet {
    v5::Codec::new(0, 0).decode(&mut BytesMut::from(bytes)).expect("good packet").expect("whole packet").0
}

#[test]
fn connack_before_mqtt_5() {
    for (reason, code) in [
        (ReasonCode::UNSUPPORTED_PROTOCOL_VERSION, 1),
        (ReasonCode::CLIENT_IDENTIFIER_NOT_VALID, 2),
        (ReasonCode::SERVER_UNAVAILABLE, 3),
        (ReasonCode::SERVER_BUSY, 3),
        (ReasonCode::QUOTA_EXCEEDED, 3),
        (ReasonCode::CONNECTION_RATE_EXCEEDED, 3),
        (ReasonCode::SERVER_SHUTTING_DOWN, 3),
        (ReasonCode::UNSPECIFIED_ERROR, 3),
        (ReasonCode::BAD_USER_NAME_OR_PASSWORD, 4),
        (ReasonCode::NOT_AUTHORIZED, 5),
        (ReasonCode::BANNED, 5),
        (ReasonCode::MALFORMED_PACKET, 5),
    ] {
        let connack = ConnAck { session_present: true, reason, ..Default::default() };
        for protocol in [Protocol::V3_1, Protocol::V3_1_1] {
            assert_eq!(put(|out| encoder(protocol).connack(&connack, out)), Ok(vec![0x20, 2, 0, code]));
        }
    }
    let connack = ConnAck { session_present: true, ..Default::default() };
    assert_eq!(put(|out| encoder(Protocol::V3_1).connack(&connack, out)), Ok(vec![0x20, 2, 0, 0]));
    assert_eq!(put(|out| encoder(Protocol::V3_1_1).connack(&connack, out)), Ok(vec![0x20, 2, 1, 0]));
}

#[test]
fn connack_of_mqtt_5() {
    let encoder = encoder(Protocol::V5);
    assert_eq!(put(|out| encoder.connack(&ConnAck::default(), out)), Ok(vec![0x20, 3, 0, 0, 0]));
    let refused = ConnAck { session_present: true, reason: ReasonCode::BANNED, ..Default::default() };
    assert_eq!(put(|out| encoder.connack(&refused, out)), Ok(vec![0x20, 3, 0, 0x8A, 0]));
    let unknown = ConnAck { reason: ReasonCode::KEEP_ALIVE_TIMEOUT, ..Default::default() };
    assert_eq!(put(|out| encoder.connack(&unknown, out)), Ok(vec![0x20, 3, 0, 0x80, 0]));

    let data = Bytes::from_static(b"\xFF");
    let user_properties = [(Text::from("a"), Text::from("b"))];
    let connack = ConnAck {
        session_present: true,
        reason: ReasonCode::SUCCESS,
        session_expiry_s: Some(0),
        receive_maximum: 5,
        maximum_qos: QoS::AtLeastOnce,
        retain_available: false,
        maximum_packet_size: 1000,
        assigned_client_id: Some("id"),
        topic_alias_maximum: 6,
        server_keep_alive_s: Some(0),
        shared_subscription_available: false,
        response_information: Some("info"),
        server_reference: Some("elsewhere"),
        authentication_method: Some("m"),
        authentication_data: Some(&data),
        diagnosis: Diagnosis { reason_string: Some("words"), user_properties: &user_properties },
    };
    let expected = v5::ConnectAck {
        session_present: true,
        reason_code: v5::ConnectAckReason::Success,
        session_expiry_interval_secs: Some(0),
        receive_max: 5.try_into().expect("not 0"),
        max_qos: CodecQoS::AtLeastOnce,
        max_packet_size: Some(1000),
        assigned_client_id: Some("id".into()),
        topic_alias_max: 6,
        retain_available: false,
        wildcard_subscription_available: true,
        subscription_identifiers_available: true,
        shared_subscription_available: false,
        server_keepalive_sec: Some(0),
        response_info: Some("info".into()),
        server_reference: None,
        auth_method: Some("m".into()),
        auth_data: Some(data.clone()),
        reason_string: Some("words".into()),
        user_properties: vec![("a".into(), "b".into())],
    };
    // A client that does not want problem information gets it with CONNACK nevertheless.
    let encoder = Encoder::new(Protocol::V5, false, u32::MAX);
    let whole = put(|out| encoder.connack(&connack, out)).expect("no limit");
    assert_eq!(decode_v5(&whole), v5::Packet::ConnectAck(Box::new(expected.clone())));

    let without_user = v5::ConnectAck { user_properties: vec![], ..expected };
    let without_words = v5::ConnectAck { reason_string: None, ..without_user.clone() };
    let len = whole.len();
    for (limit, packet) in [
        (len, None),
        (len - 1, Some(&without_user)),
        (len - 7, Some(&without_user)),
        (len - 8, Some(&without_words)),
        (len - 15, Some(&without_words)),
    ] {
        let encoder = Encoder::new(Protocol::V5, true, limit as u32);
        let bytes = put(|out| encoder.connack(&connack, out)).expect("fits");
        assert!(bytes.len() <= limit);
        match packet {
            None => assert_eq!(bytes, whole),
            Some(packet) => assert_eq!(decode_v5(&bytes), v5::Packet::ConnectAck(Box::new(packet.clone()))),
        }
    }
    let encoder = Encoder::new(Protocol::V5, true, len as u32 - 16);
    assert_eq!(put(|out| encoder.connack(&connack, out)), Err(Unsendable));
}

#[test]
fn another_server_is_told_of_where_it_belongs() {
    let encoder = encoder(Protocol::V5);
    for (reason, told) in [
        (ReasonCode::USE_ANOTHER_SERVER, true),
        (ReasonCode::SERVER_MOVED, true),
        (ReasonCode::NOT_AUTHORIZED, false),
        (ReasonCode::SUCCESS, false),
    ] {
        let connack = ConnAck { reason, server_reference: Some("b"), ..ConnAck::default() };
        let properties = if told { vec![4, 0x1C, 0, 1, b'b'] } else { vec![0] };
        let body = [&[0, reason.0], &properties[..]].concat();
        let expected = [&[0x20, body.len() as u8], &body[..]].concat();
        assert_eq!(put(|out| encoder.connack(&connack, out)), Ok(expected));
        if reason.is_failure() {
            let body = [&[reason.0], &properties[..]].concat();
            let expected = [&[0xE0, body.len() as u8], &body[..]].concat();
            assert_eq!(put(|out| encoder.disconnect(reason, Some("b"), None, out)), Ok(expected));
        }
    }
}

type Put<'a> = dyn Fn(&Encoder, &mut BytesMut) -> Result<(), Unsendable> + 'a;

/// Whatever its length, the diagnosis arrives whole, without the user properties, or not at all.
#[test]
fn diagnosis_of_any_length() {
    let reasons = [ReasonCode::SUCCESS];
    for length in (0..300).chain([16_360, 16_370, 16_371, 16_372, 16_373, 16_380, 16_383, 16_384, 65_535]) {
        let (text, pair) = ("x".repeat(length), [(Text::from("n"), Text::from("v".repeat(length)))]);
        let diagnosis = Diagnosis { reason_string: Some(&text), user_properties: &pair };
        let whole = (Some(text.as_str().into()), vec![("n".into(), pair[0].1.as_str().into())]);
        let packets: [&Put; 7] = [
            &|encoder, out| encoder.puback(1, ReasonCode::SUCCESS, Some(&diagnosis), out),
            &|encoder, out| encoder.pubrec(1, ReasonCode::NOT_AUTHORIZED, Some(&diagnosis), out),
            &|encoder, out| encoder.suback(1, &reasons, Some(&diagnosis), out),
            &|encoder, out| encoder.unsuback(1, &reasons, Some(&diagnosis), out),
            &|encoder, out| encoder.auth(ReasonCode::SUCCESS, Some("m"), None, Some(&diagnosis), out),
            &|encoder, out| encoder.disconnect(ReasonCode::NOT_AUTHORIZED, None, Some(&diagnosis), out),
            &|encoder, out| encoder.connack(&ConnAck { diagnosis, ..ConnAck::default() }, out),
        ];
        for packet in packets {
            let bytes = put(|out| packet(&encoder(Protocol::V5), out)).expect("no limit");
            assert_eq!(diagnosis_in(&bytes), whole);
            let limited = Encoder::new(Protocol::V5, true, bytes.len() as u32 - 1);
            let shorter = put(|out| packet(&limited, out)).expect("fits");
            assert_eq!(diagnosis_in(&shorter), (whole.0.clone(), vec![]));
            let limited = Encoder::new(Protocol::V5, true, shorter.len() as u32 - 1);
            let plain = put(|out| packet(&limited, out)).expect("fits");
            assert_eq!(diagnosis_in(&plain), (None, vec![]));
        }
    }
}

fn diagnosis_in(bytes: &[u8]) -> (Option<ByteString>, Vec<(ByteString, ByteString)>) {
    match decode_v5(bytes) {
        v5::Packet::PublishAck(ack) | v5::Packet::PublishReceived(ack) => (ack.reason_string, ack.properties),
        v5::Packet::SubscribeAck(ack) => (ack.reason_string, ack.properties),
        v5::Packet::UnsubscribeAck(ack) => (ack.reason_string, ack.properties),
        v5::Packet::Auth(auth) => (auth.reason_string, auth.user_properties),
        v5::Packet::Disconnect(disconnect) => (disconnect.reason_string, disconnect.user_properties),
        v5::Packet::ConnectAck(ack) => (ack.reason_string, ack.user_properties),
        other => panic!("{other:?}"),
    }
}

type Ack = fn(&Encoder, u16, ReasonCode, Option<&Diagnosis<'_>>, &mut BytesMut) -> Result<(), Unsendable>;

#[test]
fn acknowledgements() {
    let failure = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;
    let acks: [(Ack, u8, u8); 4] = [
        (Encoder::puback, 0x40, 0x80),
        (Encoder::pubrec, 0x50, 0x80),
        (Encoder::pubrel, 0x62, 0x92),
        (Encoder::pubcomp, 0x70, 0x92),
    ];
    for (ack, first, code) in acks {
        for protocol in ALL {
            let encoder = encoder(protocol);
            let success = put(|out| ack(&encoder, 0x102, ReasonCode::SUCCESS, None, out));
            assert_eq!(success, Ok(vec![first, 2, 1, 2]));
            let told = put(|out| ack(&encoder, 0x102, failure, Some(&words("no")), out));
            let expected = match protocol {
                Protocol::V5 => vec![first, 9, 1, 2, code, 5, 0x1F, 0, 2, b'n', b'o'],
                _ => vec![first, 2, 1, 2],
            };
            assert_eq!(told, Ok(expected));
        }
        let plain = Ok(vec![first, 4, 1, 2, code, 0]);
        let silent = Encoder::new(Protocol::V5, false, u32::MAX);
        assert_eq!(put(|out| ack(&silent, 0x102, failure, Some(&words("no")), out)), plain);
        for limit in 0..12 {
            let encoder = Encoder::new(Protocol::V5, true, limit);
            let told = put(|out| ack(&encoder, 0x102, failure, Some(&words("no")), out));
            match limit {
                0..=5 => assert_eq!(told, Err(Unsendable)),
                6..=10 => assert_eq!(told, plain),
                _ => assert_eq!(told.map(|bytes| bytes.len()), Ok(11)),
            }
            let success = put(|out| ack(&encoder, 1, ReasonCode::SUCCESS, None, out));
            assert_eq!(success.is_ok(), limit >= 4);
        }
        let too_long = "x".repeat(70_000);
        assert_eq!(put(|out| ack(&encoder(Protocol::V5), 0x102, failure, Some(&words(&too_long)), out)), plain);
        assert_eq!(put(|out| ack(&encoder(Protocol::V5), 0, failure, None, out)), Err(Unsendable));
    }
    let puback = put(|out| encoder(Protocol::V5).puback(1, ReasonCode::NO_MATCHING_SUBSCRIBERS, None, out));
    assert_eq!(puback, Ok(vec![0x40, 4, 0, 1, 0x10, 0]));
}

#[test]
fn suback_and_unsuback() {
    let reasons = [
        ReasonCode::SUCCESS,
        ReasonCode(1),
        ReasonCode(2),
        ReasonCode::NOT_AUTHORIZED,
        ReasonCode::TOPIC_FILTER_INVALID,
        ReasonCode::BANNED,
    ];
    for protocol in [Protocol::V3_1, Protocol::V3_1_1] {
        let suback = put(|out| encoder(protocol).suback(1, &reasons, Some(&words("words")), out));
        assert_eq!(suback, Ok(vec![0x90, 8, 0, 1, 0, 1, 2, 0x80, 0x80, 0x80]));
        assert_eq!(put(|out| encoder(protocol).unsuback(1, &reasons, None, out)), Ok(vec![0xB0, 2, 0, 1]));
    }
    let suback = put(|out| encoder(Protocol::V5).suback(1, &reasons, None, out));
    assert_eq!(suback, Ok(vec![0x90, 9, 0, 1, 0, 0, 1, 2, 0x87, 0x8F, 0x80]));
    let suback = put(|out| encoder(Protocol::V5).suback(1, &reasons[..1], Some(&words("w")), out));
    assert_eq!(suback, Ok(vec![0x90, 8, 0, 1, 4, 0x1F, 0, 1, b'w', 0]));
    let plain = Ok(vec![0x90, 4, 0, 1, 0, 0]);
    for (problem_information, limit) in [(false, u32::MAX), (true, 9), (true, 6)] {
        let encoder = Encoder::new(Protocol::V5, problem_information, limit);
        assert_eq!(put(|out| encoder.suback(1, &reasons[..1], Some(&words("w")), out)), plain);
    }
    let encoder_of_5 = Encoder::new(Protocol::V5, true, 5);
    assert_eq!(put(|out| encoder_of_5.suback(1, &reasons[..1], Some(&words("w")), out)), Err(Unsendable));

    let reasons = [ReasonCode::SUCCESS, ReasonCode::NO_SUBSCRIPTION_EXISTED, ReasonCode::QUOTA_EXCEEDED];
    let unsuback = put(|out| encoder(Protocol::V5).unsuback(1, &reasons, None, out));
    assert_eq!(unsuback, Ok(vec![0xB0, 6, 0, 1, 0, 0, 0x11, 0x80]));
    assert_eq!(put(|out| encoder_of_5.unsuback(1, &reasons, None, out)), Err(Unsendable));
    assert_eq!(put(|out| encoder(Protocol::V5).unsuback(0, &reasons, None, out)), Err(Unsendable));
}

#[test]
fn the_others() {
    for protocol in ALL {
        assert_eq!(put(|out| encoder(protocol).pingresp(out)), Ok(vec![0xD0, 0]));
    }
    let invalid = ReasonCode::TOPIC_NAME_INVALID;
    for protocol in [Protocol::V3_1, Protocol::V3_1_1] {
        assert_eq!(put(|out| encoder(protocol).disconnect(invalid, None, Some(&words("w")), out)), Ok(vec![]));
        let auth = put(|out| encoder(protocol).auth(ReasonCode::SUCCESS, None, None, None, out));
        assert_eq!(auth, Err(Unsendable));
    }
    // The reason string is not of those that the client can do without.
    let silent = Encoder::new(Protocol::V5, false, u32::MAX);
    let disconnect = put(|out| silent.disconnect(invalid, None, Some(&words("w")), out));
    assert_eq!(disconnect, Ok(vec![0xE0, 6, 0x90, 4, 0x1F, 0, 1, b'w']));
    let short = Encoder::new(Protocol::V5, true, 7);
    assert_eq!(put(|out| short.disconnect(invalid, None, Some(&words("w")), out)), Ok(vec![0xE0, 2, 0x90, 0]));
    let disconnect = put(|out| silent.disconnect(ReasonCode::CLIENT_IDENTIFIER_NOT_VALID, None, None, out));
    assert_eq!(disconnect, Ok(vec![0xE0, 2, 0x80, 0]));

    let data = Bytes::from_static(b"\xFF");
    let next = ReasonCode::CONTINUE_AUTHENTICATION;
    let plain = Ok(vec![0xF0, 10, 0x18, 8, 0x15, 0, 1, b'm', 0x16, 0, 1, 0xFF]);
    assert_eq!(put(|out| silent.auth(next, Some("m"), Some(&data), Some(&words("w")), out)), plain);
    let told = put(|out| encoder(Protocol::V5).auth(next, Some("m"), Some(&data), Some(&words("w")), out));
    assert_eq!(told.map(|bytes| bytes.len()), Ok(16));
    let refused = put(|out| encoder(Protocol::V5).auth(ReasonCode::NOT_AUTHORIZED, None, None, None, out));
    assert_eq!(refused, Err(Unsendable));
}
