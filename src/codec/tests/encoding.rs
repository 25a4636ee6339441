use bytes::{Bytes, BytesMut};
use rmqtt::codec::types::QoS as CodecQoS;
use rmqtt::codec::v5;
use tokio_util::codec::Decoder as _;

use crate::codec::{ConnAck, Encoder, Unsendable};
use crate::model::{Protocol, QoS, ReasonCode};

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
    let user_properties = [("a".into(), "b".into())];
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
        reason_string: Some("words"),
        server_keep_alive_s: Some(0),
        shared_subscription_available: false,
        response_information: Some("info"),
        user_properties: &user_properties,
        authentication_method: Some("m"),
        authentication_data: Some(&data),
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
        user_properties: user_properties.to_vec(),
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

type Ack = fn(&Encoder, u16, ReasonCode, Option<&str>, &mut BytesMut) -> Result<(), Unsendable>;

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
            let words = put(|out| ack(&encoder, 0x102, failure, Some("no"), out));
            let expected = match protocol {
                Protocol::V5 => vec![first, 9, 1, 2, code, 5, 0x1F, 0, 2, b'n', b'o'],
                _ => vec![first, 2, 1, 2],
            };
            assert_eq!(words, Ok(expected));
        }
        let plain = Ok(vec![first, 4, 1, 2, code, 0]);
        let silent = Encoder::new(Protocol::V5, false, u32::MAX);
        assert_eq!(put(|out| ack(&silent, 0x102, failure, Some("no"), out)), plain);
        for limit in 0..12 {
            let encoder = Encoder::new(Protocol::V5, true, limit);
            let words = put(|out| ack(&encoder, 0x102, failure, Some("no"), out));
            match limit {
                0..=5 => assert_eq!(words, Err(Unsendable)),
                6..=10 => assert_eq!(words, plain),
                _ => assert_eq!(words.map(|bytes| bytes.len()), Ok(11)),
            }
            let success = put(|out| ack(&encoder, 1, ReasonCode::SUCCESS, None, out));
            assert_eq!(success.is_ok(), limit >= 4);
        }
        let too_long = "x".repeat(70_000);
        assert_eq!(put(|out| ack(&encoder(Protocol::V5), 0x102, failure, Some(&too_long), out)), plain);
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
        let suback = put(|out| encoder(protocol).suback(1, &reasons, Some("words"), out));
        assert_eq!(suback, Ok(vec![0x90, 8, 0, 1, 0, 1, 2, 0x80, 0x80, 0x80]));
        assert_eq!(put(|out| encoder(protocol).unsuback(1, &reasons, out)), Ok(vec![0xB0, 2, 0, 1]));
    }
    let suback = put(|out| encoder(Protocol::V5).suback(1, &reasons, None, out));
    assert_eq!(suback, Ok(vec![0x90, 9, 0, 1, 0, 0, 1, 2, 0x87, 0x8F, 0x80]));
    let suback = put(|out| encoder(Protocol::V5).suback(1, &reasons[..1], Some("w"), out));
    assert_eq!(suback, Ok(vec![0x90, 8, 0, 1, 4, 0x1F, 0, 1, b'w', 0]));
    let plain = Ok(vec![0x90, 4, 0, 1, 0, 0]);
    for (problem_information, limit) in [(false, u32::MAX), (true, 9), (true, 6)] {
        let encoder = Encoder::new(Protocol::V5, problem_information, limit);
        assert_eq!(put(|out| encoder.suback(1, &reasons[..1], Some("w"), out)), plain);
    }
    let encoder_of_5 = Encoder::new(Protocol::V5, true, 5);
    assert_eq!(put(|out| encoder_of_5.suback(1, &reasons[..1], Some("w"), out)), Err(Unsendable));

    let reasons = [ReasonCode::SUCCESS, ReasonCode::NO_SUBSCRIPTION_EXISTED, ReasonCode::QUOTA_EXCEEDED];
    let unsuback = put(|out| encoder(Protocol::V5).unsuback(1, &reasons, out));
    assert_eq!(unsuback, Ok(vec![0xB0, 6, 0, 1, 0, 0, 0x11, 0x80]));
    assert_eq!(put(|out| encoder_of_5.unsuback(1, &reasons, out)), Err(Unsendable));
    assert_eq!(put(|out| encoder(Protocol::V5).unsuback(0, &reasons, out)), Err(Unsendable));
}

#[test]
fn the_others() {
    for protocol in ALL {
        assert_eq!(put(|out| encoder(protocol).pingresp(out)), Ok(vec![0xD0, 0]));
    }
    let invalid = ReasonCode::TOPIC_NAME_INVALID;
    for protocol in [Protocol::V3_1, Protocol::V3_1_1] {
        assert_eq!(put(|out| encoder(protocol).disconnect(invalid, Some("w"), out)), Ok(vec![]));
        let auth = put(|out| encoder(protocol).auth(ReasonCode::SUCCESS, None, None, None, out));
        assert_eq!(auth, Err(Unsendable));
    }
    // The reason string is not of those that the client can do without.
    let silent = Encoder::new(Protocol::V5, false, u32::MAX);
    let disconnect = put(|out| silent.disconnect(invalid, Some("w"), out));
    assert_eq!(disconnect, Ok(vec![0xE0, 6, 0x90, 4, 0x1F, 0, 1, b'w']));
    let short = Encoder::new(Protocol::V5, true, 7);
    assert_eq!(put(|out| short.disconnect(invalid, Some("w"), out)), Ok(vec![0xE0, 2, 0x90, 0]));
    let disconnect = put(|out| silent.disconnect(ReasonCode::CLIENT_IDENTIFIER_NOT_VALID, None, out));
    assert_eq!(disconnect, Ok(vec![0xE0, 2, 0x80, 0]));

    let data = Bytes::from_static(b"\xFF");
    let next = ReasonCode::CONTINUE_AUTHENTICATION;
    let plain = Ok(vec![0xF0, 10, 0x18, 8, 0x15, 0, 1, b'm', 0x16, 0, 1, 0xFF]);
    assert_eq!(put(|out| silent.auth(next, Some("m"), Some(&data), Some("w"), out)), plain);
    let words = put(|out| encoder(Protocol::V5).auth(next, Some("m"), Some(&data), Some("w"), out));
    assert_eq!(words.map(|bytes| bytes.len()), Ok(16));
    let refused = put(|out| encoder(Protocol::V5).auth(ReasonCode::NOT_AUTHORIZED, None, None, None, out));
    assert_eq!(refused, Err(Unsendable));
}
