use std::num::NonZeroU32;

use bytes::{Bytes, BytesMut};

use crate::codec::{Ack, Auth, Connect, Decoder, Disconnect, Packet, Publish, Subscribe, Unsubscribe, Will};
use crate::model::{Protocol, QoS, ReasonCode, RetainHandling, SubscriptionOptions};

use super::{connect_start, decode_after_connect, frame, ALL};

fn decode_connect(parts: &[&[u8]]) -> Connect {
    let mut buffer = BytesMut::from(&frame(0x10, &parts.concat())[..]);
    match Decoder::new(1000).decode(&mut buffer) {
        Ok(Some(Packet::Connect(connect))) => *connect,
        other => panic!("{other:?}"),
    }
}

fn connect_of(protocol: Protocol) -> Connect {
    Connect {
        protocol,
        clean_start: true,
        keep_alive_s: 60,
        client_id: "c".into(),
        username: None,
        password: None,
        will: None,
        session_expiry_s: 0,
        receive_maximum: 65535,
        maximum_packet_size: None,
        topic_alias_maximum: 0,
        request_response_information: false,
        request_problem_information: true,
        user_properties: vec![],
        authentication_method: None,
        authentication_data: None,
    }
}

#[test]
fn connect_before_mqtt_5() {
    for protocol in [Protocol::V3_1, Protocol::V3_1_1] {
        assert_eq!(decode_connect(&[connect_start(protocol), b"\x02\0\x3C\0\x01c"]), connect_of(protocol));
        let connect =
            decode_connect(&[connect_start(protocol), b"\xEC\0\x3C\0\x01c\0\x01t\0\x02\xFF\0\0\x01u\0\x02\xFEp"]);
        let expected = Connect {
            clean_start: false,
            session_expiry_s: u32::MAX,
            username: Some("u".into()),
            password: Some(Bytes::from_static(b"\xFEp")),
            will: Some(Will {
                topic: "t".into(),
                payload: Bytes::from_static(b"\xFF\0"),
                qos: QoS::AtLeastOnce,
                retain: true,
                delay_s: 0,
                message_expiry_s: None,
                properties: Bytes::new(),
            }),
            ..connect_of(protocol)
        };
        assert_eq!(connect, expected);
    }
}

#[test]
fn connect_of_mqtt_5() {
    let start = connect_start(Protocol::V5);
    assert_eq!(decode_connect(&[start, b"\x02\0\x3C\0\0\x01c"]), connect_of(Protocol::V5));
    // An identifier is assigned without a clean start too.
    let assigned = decode_connect(&[start, b"\0\0\x3C\0\0\0"]);
    let expected = Connect { clean_start: false, client_id: "".into(), ..connect_of(Protocol::V5) };
    assert_eq!(assigned, expected);

    let properties = [
        &b"\x11\xFF\xFF\xFF\xFF"[..],
        b"\x21\0\x05",
        b"\x27\0\0\x01\0",
        b"\x22\0\x07",
        b"\x19\x01",
        b"\x17\x00",
        b"\x26\0\x01a\0\x01b",
        b"\x15\0\x01m",
        b"\x16\0\x02\xFF\0",
    ]
    .concat();
    let will_properties = b"\x02\0\0\0\0\x01\x01\x18\0\0\0\x09\x03\0\x01x";
    let lengths = [[properties.len() as u8], [will_properties.len() as u8]];
    let connect = decode_connect(&[
        start,
        b"\x16\0\x3C",
        &lengths[0],
        &properties,
        b"\0\x01c",
        &lengths[1],
        will_properties,
        b"\0\x01t\0\x01p",
    ]);
    let expected = Connect {
        session_expiry_s: u32::MAX,
        receive_maximum: 5,
        maximum_packet_size: Some(256),
        topic_alias_maximum: 7,
        request_response_information: true,
        request_problem_information: false,
        user_properties: vec![("a".into(), "b".into())],
        authentication_method: Some("m".into()),
        authentication_data: Some(Bytes::from_static(b"\xFF\0")),
        will: Some(Will {
            topic: "t".into(),
            payload: Bytes::from_static(b"p"),
            qos: QoS::ExactlyOnce,
            retain: false,
            delay_s: 9,
            message_expiry_s: Some(0),
            properties: Bytes::from_static(b"\x01\x01\x03\0\x01x"),
        }),
        ..connect_of(Protocol::V5)
    };
    assert_eq!(connect, expected);
}

#[test]
fn publish() {
    let publish = Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: true,
        topic: "t".into(),
        packet_id: 0,
        topic_alias: None,
        message_expiry_s: None,
        properties: Bytes::new(),
        payload: Bytes::from_static(b"pp"),
    };
    for protocol in [Protocol::V3_1, Protocol::V3_1_1] {
        let packet = decode_after_connect(protocol, &frame(0x31, b"\0\x01tpp"));
        assert_eq!(packet, Ok(Some(Packet::Publish(publish.clone()))));
    }
    let packet = decode_after_connect(Protocol::V5, &frame(0x31, b"\0\x01t\0pp"));
    assert_eq!(packet, Ok(Some(Packet::Publish(publish.clone()))));

    let body = b"\0\0\x01\x02\x11\x01\0\x23\0\x05\x02\0\0\0\0\x26\0\x01a\0\x01b";
    let packet = decode_after_connect(Protocol::V5, &frame(0x3C, body));
    let expected = Publish {
        dup: true,
        qos: QoS::ExactlyOnce,
        retain: false,
        topic: "".into(),
        packet_id: 258,
        topic_alias: Some(5),
        message_expiry_s: Some(0),
        properties: Bytes::from_static(b"\x01\0\x26\0\x01a\0\x01b"),
        payload: Bytes::new(),
    };
    assert_eq!(packet, Ok(Some(Packet::Publish(expected))));
}

#[test]
fn properties_share_the_packet() {
    let mut decoder = super::connected(Protocol::V5);
    let mut buffer = BytesMut::from(&frame(0x30, b"\0\x01t\x05\x23\0\x05\x01\x01p")[..]);
    let range = buffer.as_ptr_range();
    let Ok(Some(Packet::Publish(publish))) = decoder.decode(&mut buffer) else { panic!("no publish") };
    assert_eq!(publish.properties, &b"\x01\x01"[..]);
    assert!(range.contains(&publish.properties.as_ptr()));
    assert!(range.contains(&publish.payload.as_ptr()));
}

#[test]
fn acknowledgements() {
    for (first, variant) in [
        (0x40, Packet::PubAck as fn(Ack) -> Packet),
        (0x50, Packet::PubRec),
        (0x62, Packet::PubRel),
        (0x70, Packet::PubComp),
    ] {
        for protocol in ALL {
            let packet = decode_after_connect(protocol, &frame(first, b"\x01\x02"));
            assert_eq!(packet, Ok(Some(variant(Ack { packet_id: 258, reason: ReasonCode::SUCCESS }))));
        }
        let reason = if first < 0x60 { ReasonCode::QUOTA_EXCEEDED } else { ReasonCode::PACKET_IDENTIFIER_NOT_FOUND };
        let packet = decode_after_connect(Protocol::V5, &frame(first, &[0, 1, reason.0]));
        assert_eq!(packet, Ok(Some(variant(Ack { packet_id: 1, reason }))));
    }
}

#[test]
fn subscribe_and_unsubscribe() {
    let at = |qos| SubscriptionOptions { qos, ..Default::default() };
    for protocol in [Protocol::V3_1, Protocol::V3_1_1] {
        let packet = decode_after_connect(protocol, &frame(0x82, b"\0\x07\0\x01a\x02\0\x01b\0"));
        let filters = vec![("a".into(), at(QoS::ExactlyOnce)), ("b".into(), at(QoS::AtMostOnce))];
        assert_eq!(packet, Ok(Some(Packet::Subscribe(Subscribe { packet_id: 7, filters }))));
        let packet = decode_after_connect(protocol, &frame(0xA2, b"\0\x07\0\x01a\0\x01b"));
        let filters = vec!["a".into(), "b".into()];
        assert_eq!(packet, Ok(Some(Packet::Unsubscribe(Unsubscribe { packet_id: 7, filters }))));
    }
    let packet = decode_after_connect(Protocol::V5, &frame(0x82, b"\0\x07\x03\x0B\x80\x01\0\x01a\x2D\0\x01b\x18"));
    let identifier = NonZeroU32::new(128);
    let a = SubscriptionOptions {
        qos: QoS::AtLeastOnce,
        no_local: true,
        retain_as_published: true,
        retain_handling: RetainHandling::DoNotSend,
        identifier,
    };
    let b = SubscriptionOptions {
        retain_as_published: true,
        retain_handling: RetainHandling::SendIfNew,
        identifier,
        ..Default::default()
    };
    let filters = vec![("a".into(), a), ("b".into(), b)];
    assert_eq!(packet, Ok(Some(Packet::Subscribe(Subscribe { packet_id: 7, filters }))));
    let packet = decode_after_connect(Protocol::V5, &frame(0xA2, b"\0\x07\0\0\x01a"));
    assert_eq!(packet, Ok(Some(Packet::Unsubscribe(Unsubscribe { packet_id: 7, filters: vec!["a".into()] }))));
}

#[test]
fn the_others() {
    let normal = Disconnect { reason: ReasonCode::SUCCESS, session_expiry_s: None, reason_string: None };
    for protocol in ALL {
        assert_eq!(decode_after_connect(protocol, &frame(0xC0, b"")), Ok(Some(Packet::PingReq)));
        assert_eq!(decode_after_connect(protocol, &frame(0xE0, b"")), Ok(Some(Packet::Disconnect(normal.clone()))));
    }
    let packet = decode_after_connect(Protocol::V5, &frame(0xE0, b"\x04\x09\x11\0\0\0\x09\x1F\0\x01r"));
    let reason_string = Some("r".into());
    let expected = Disconnect { reason: ReasonCode::DISCONNECT_WITH_WILL, session_expiry_s: Some(9), reason_string };
    assert_eq!(packet, Ok(Some(Packet::Disconnect(expected))));
    let packet = decode_after_connect(Protocol::V5, &frame(0xF0, b"\x19\x08\x15\0\x01m\x16\0\x01\xFF"));
    let data = Some(Bytes::from_static(b"\xFF"));
    let expected = Auth { reason: ReasonCode::REAUTHENTICATE, method: Some("m".into()), data };
    assert_eq!(packet, Ok(Some(Packet::Auth(expected))));
}

#[test]
fn decoder_is_small() {
    assert!(std::mem::size_of::<Decoder>() <= 8);
}

/// Every packet of a protocol, one after the other.
pub(super) fn stream(protocol: Protocol) -> Vec<Vec<u8>> {
    let v5 = protocol == Protocol::V5;
    let none: &[u8] = if v5 { b"\0" } else { b"" };
    let properties: &[u8] = if v5 { b"\x0C\x23\0\x01\x26\0\x01a\0\x01b\x01\x01" } else { b"" };
    let will: &[u8] = if v5 { b"\x0A\x02\0\0\0\0\x18\0\0\0\x01" } else { b"" };
    let identifier: &[u8] = if v5 { b"\x02\x0B\x05" } else { b"" };
    let user: &[u8] = b"\0\x01t\0\x01p\0\x01u\0\x01p";
    let long = vec![b'x'; 200];
    let mut packets = vec![
        frame(0x10, &[connect_start(protocol), b"\xEC\0\x3C", none, b"\0\x01c", will, user].concat()),
        frame(0x30, &[b"\0\x01t", none, b"payload"].concat()),
        frame(0x3D, &[b"\0\x01t\0\x01", properties, b"payload"].concat()),
        frame(0x32, &[b"\0\x01t\0\x01", properties].concat()),
        [&[0x30, 203 + none.len() as u8, 0x01, 0, 1, b't'][..], none, &long].concat(),
        frame(0x40, b"\0\x01"),
        frame(0x50, b"\0\x01"),
        frame(0x62, b"\0\x01"),
        frame(0x70, b"\0\x01"),
        frame(0x82, &[b"\0\x01", identifier, b"\0\x01a\x01\0\x01b\x02"].concat()),
        frame(0xA2, &[b"\0\x01", none, b"\0\x01a\0\x01b"].concat()),
        frame(0xC0, b""),
    ];
    if v5 {
        packets.push(frame(0x40, b"\0\x01\x10\x04\x1F\0\x01r"));
        packets.push(frame(0xF0, b"\x18\x08\x15\0\x01m\x16\0\x01d"));
        packets.push(frame(0xE0, b"\x04\x09\x11\0\0\0\x09\x1F\0\x01r"));
    } else {
        packets.push(frame(0xE0, b""));
    }
    packets
}

#[test]
fn split_anywhere() {
    for protocol in ALL {
        let packets = stream(protocol);
        let bytes = packets.concat();
        let decode_all = |chunks: &[&[u8]]| {
            let mut decoder = Decoder::new(1000);
            let mut buffer = BytesMut::new();
            let mut decoded = Vec::new();
            for chunk in chunks {
                buffer.extend_from_slice(chunk);
                while let Some(packet) = decoder.decode(&mut buffer).expect("good packets") {
                    decoded.push(packet);
                }
            }
            assert!(buffer.is_empty());
            decoded
        };
        let expected = decode_all(&[&bytes]);
        assert_eq!(expected.len(), packets.len());
        for at in 0..bytes.len() {
            assert_eq!(decode_all(&[&bytes[..at], &bytes[at..]]), expected);
        }
        assert_eq!(decode_all(&bytes.chunks(1).collect::<Vec<_>>()), expected);
    }
}

#[test]
fn nothing_is_reserved_for_what_has_not_come() {
    let mut decoder = Decoder::new(u32::MAX);
    let mut buffer = BytesMut::from(&b"\x10\xFF\xFF\xFF\x7F\0\x04MQTT\x05"[..]);
    let capacity = buffer.capacity();
    assert_eq!(decoder.decode(&mut buffer), Ok(None));
    assert_eq!(buffer.capacity(), capacity);
}
