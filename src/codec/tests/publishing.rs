use std::num::{NonZeroU16, NonZeroU32};

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use rmqtt::codec::types::{Publish as CodecPublish, QoS as CodecQoS};
use rmqtt::codec::v3;
use rmqtt::codec::v5;
use tokio_util::codec::{Decoder as _, Encoder as _};

use crate::codec::{Packet, Publish, PublishHead, MAX_REMAINING_LENGTH};
use crate::model::{Protocol, QoS};

use super::connected;

fn whole(head: &PublishHead<'_>, payload: &[u8]) -> Vec<u8> {
    let mut out = b"before".to_vec();
    let packet_id_at = head.encode(&mut out);
    out.extend_from_slice(payload);
    let packet = out.split_off(6);
    assert_eq!(out, b"before");
    assert_eq!(packet.len(), head.packet_len());
    assert_eq!(packet[0], head.first_byte());
    assert_eq!(packet_id_at.is_some(), head.qos != QoS::AtMostOnce);
    if let Some(at) = packet_id_at {
        assert_eq!(packet[at..at + 2], head.packet_id.to_be_bytes());
    }
    packet
}

/// A message, and everything that comes with it.
#[derive(Clone, Debug)]
struct Meant {
    dup: bool,
    qos: QoS,
    retain: bool,
    topic: String,
    packet_id: NonZeroU16,
    payload: Vec<u8>,
    topic_alias: Option<NonZeroU16>,
    message_expiry_s: Option<NonZeroU32>,
    subscription_ids: Vec<NonZeroU32>,
    utf8: bool,
    content_type: Option<String>,
    response_topic: Option<String>,
    correlation_data: Option<Vec<u8>>,
    user_properties: Vec<(String, String)>,
}

impl Meant {
    fn packet_id(&self) -> Option<NonZeroU16> {
        (self.qos != QoS::AtMostOnce).then_some(self.packet_id)
    }

    fn head<'a>(&'a self, v5: bool, properties: &'a [u8]) -> PublishHead<'a> {
        PublishHead {
            v5,
            dup: self.dup,
            qos: self.qos,
            retain: self.retain,
            topic: &self.topic,
            packet_id: self.packet_id.get(),
            topic_alias: self.topic_alias.map(u16::from),
            message_expiry_s: self.message_expiry_s.map(u32::from),
            subscription_ids: &self.subscription_ids,
            properties,
            payload_len: self.payload.len(),
        }
    }

    /// The properties that are passed on, in the order that the codec has for them.
    fn properties(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut put = |id: u8, values: &[&[u8]]| {
            bytes.push(id);
            for value in values {
                bytes.extend_from_slice(&(value.len() as u16).to_be_bytes());
                bytes.extend_from_slice(value);
            }
        };
        if let Some(data) = &self.correlation_data {
            put(0x09, &[data]);
        }
        if let Some(content_type) = &self.content_type {
            put(0x03, &[content_type.as_bytes()]);
        }
        if self.utf8 {
            put(0x01, &[]);
            put(0x01, &[]); // the value, which is the same as the identifier
        }
        if let Some(topic) = &self.response_topic {
            put(0x08, &[topic.as_bytes()]);
        }
        for (name, value) in &self.user_properties {
            put(0x26, &[name.as_bytes(), value.as_bytes()]);
        }
        bytes
    }

    fn for_codec(&self, v5: bool) -> CodecPublish {
        let properties = v5::PublishProperties {
            topic_alias: self.topic_alias,
            correlation_data: self.correlation_data.clone().map(Bytes::from),
            message_expiry_interval: self.message_expiry_s,
            content_type: self.content_type.clone().map(Into::into),
            user_properties: self
                .user_properties
                .iter()
                .map(|(name, value)| (name.as_str().into(), value.as_str().into()))
                .collect(),
            is_utf8_payload: self.utf8,
            response_topic: self.response_topic.clone().map(Into::into),
            subscription_ids: self.subscription_ids.clone(),
        };
        CodecPublish {
            dup: self.dup,
            retain: self.retain,
            qos: CodecQoS::try_from(self.qos as u8).expect("a QoS"),
            topic: self.topic.as_str().into(),
            packet_id: self.packet_id(),
            payload: self.payload.clone().into(),
            properties: v5.then_some(properties),
        }
    }

    fn encoded_by_codec(&self, v5: bool) -> BytesMut {
        let publish = Box::new(self.for_codec(v5));
        let mut out = BytesMut::new();
        if v5 {
            v5::Codec::new(0, 0).encode(v5::Packet::Publish(publish), &mut out).expect("encoded");
        } else {
            v3::Codec::new(0).encode(v3::Packet::Publish(publish), &mut out).expect("encoded");
        }
        out
    }
}

prop_compose! {
    fn meant()(
        (dup, qos, retain) in (any::<bool>(), 0..3_u8, any::<bool>()),
        topic in option::of(vec(prop::char::any(), 1..40)),
        packet_id in any::<NonZeroU16>(),
        payload in vec(any::<u8>(), 0..300),
        topic_alias in option::of(any::<NonZeroU16>()),
        message_expiry_s in option::of(any::<NonZeroU32>()),
        ids in vec(1..=268_435_455_u32, 0..3),
        small_ids in vec(1..=20_000_u32, 0..3),
        utf8 in any::<bool>(),
        content_type in option::of(vec(prop::char::range('a', 'ü'), 0..5)),
        response_topic in option::of(vec(prop::char::range('a', 'z'), 0..200)),
        correlation_data in option::of(vec(any::<u8>(), 0..5)),
        user_properties in vec((vec(prop::char::range('a', 'z'), 0..5), vec(prop::char::range('a', 'z'), 0..5)), 0..4),
    ) -> Meant {
        let text = |chars: Vec<char>| chars.into_iter().collect::<String>();
        let qos = QoS::try_from(qos).expect("a QoS");
        Meant {
            dup: dup && qos != QoS::AtMostOnce,
            qos,
            retain,
            topic: topic.map_or("t".repeat(130), text),
            packet_id,
            payload,
            topic_alias,
            message_expiry_s,
            subscription_ids: ids.into_iter().chain(small_ids).filter_map(NonZeroU32::new).collect(),
            utf8,
            content_type: content_type.map(text),
            response_topic: response_topic.map(text),
            correlation_data,
            user_properties: user_properties.into_iter().map(|(name, value)| (text(name), text(value))).collect(),
        }
    }
}

proptest! {
    #[test]
    fn same_as_the_codec_before_mqtt_5(meant in meant()) {
        let properties = meant.properties();
        prop_assert_eq!(whole(&meant.head(false, &properties), &meant.payload), meant.encoded_by_codec(false));
    }

    #[test]
    fn same_as_the_codec(mut meant in meant()) {
        // The codec has these at other places.
        meant.correlation_data = None;
        meant.user_properties.clear();
        let properties = meant.properties();
        prop_assert_eq!(whole(&meant.head(true, &properties), &meant.payload), meant.encoded_by_codec(true));
    }

    #[test]
    fn understood_as_meant(meant in meant()) {
        let properties = meant.properties();
        let packet = whole(&meant.head(true, &properties), &meant.payload);
        let decoded = v5::Codec::new(0, 0).decode(&mut BytesMut::from(&packet[..])).expect("good packet");
        let expected = v5::Packet::Publish(Box::new(meant.for_codec(true)));
        prop_assert_eq!(decoded.map(|(packet, _)| packet), Some(expected));
    }

    /// What is not left to the codec is decoded as the codec does it.
    #[test]
    fn decoded_as_the_codec_does(mut meant in meant(), v5 in any::<bool>()) {
        meant.subscription_ids.clear();
        let properties = meant.properties();
        let mut buffer = meant.encoded_by_codec(v5);
        let mut decoder = connected(if v5 { Protocol::V5 } else { Protocol::V3_1_1 });
        let Ok(Some(Packet::Publish(publish))) = decoder.decode(&mut buffer) else { panic!("no PUBLISH") };
        prop_assert!(buffer.is_empty());
        let properties = if v5 { properties } else { Vec::new() };
        let expected = Publish {
            dup: meant.dup,
            qos: meant.qos,
            retain: meant.retain,
            topic: meant.topic.as_str().into(),
            packet_id: meant.packet_id().map_or(0, u16::from),
            topic_alias: meant.topic_alias.filter(|_| v5).map(u16::from),
            message_expiry_s: meant.message_expiry_s.filter(|_| v5).map(u32::from),
            properties: properties.into(),
            payload: meant.payload.clone().into(),
        };
        prop_assert_eq!(&publish, &expected);
        // And it can be sent on.
        let head = PublishHead { subscription_ids: &[], ..meant.head(v5, &publish.properties) };
        let packet = whole(&head, &meant.payload);
        let again = decoder.decode(&mut BytesMut::from(&packet[..]));
        prop_assert_eq!(again, Ok(Some(Packet::Publish(publish))));
    }
}

#[test]
fn lengths() {
    for payload_len in
        [0, 120, 121, 122, 123, 130, 16_370, 16_376, 16_377, 16_378, 16_379, 16_390, 2_097_140, 2_097_160]
    {
        let head = PublishHead {
            v5: true,
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: "t",
            packet_id: 1,
            topic_alias: None,
            message_expiry_s: None,
            subscription_ids: &[],
            properties: &[],
            payload_len,
        };
        let packet = whole(&head, &vec![0; payload_len]);
        let decoded = v5::Codec::new(0, 0).decode(&mut BytesMut::from(&packet[..])).expect("good packet");
        assert_eq!(decoded.map(|(_, remaining)| remaining as usize), Some(payload_len + 6));
        // Not to be sent, but no reason to panic.
        let head = PublishHead { payload_len: MAX_REMAINING_LENGTH + payload_len, ..head };
        assert!(head.packet_len() > MAX_REMAINING_LENGTH);
        head.encode(&mut Vec::new());
    }
}

#[test]
fn properties_come_in_order() {
    let ids = [NonZeroU32::MIN, NonZeroU32::new(128).expect("not 0")];
    let head = PublishHead {
        v5: true,
        dup: true,
        qos: QoS::ExactlyOnce,
        retain: true,
        topic: "t",
        packet_id: 258,
        topic_alias: Some(5),
        message_expiry_s: Some(0),
        subscription_ids: &ids,
        properties: b"\x01\x01",
        payload_len: 1,
    };
    let expected = b"\x3D\x16\0\x01t\x01\x02\x0F\x23\0\x05\x02\0\0\0\0\x01\x01\x0B\x01\x0B\x80\x01p";
    assert_eq!(whole(&head, b"p"), expected);
    let head = PublishHead { v5: false, dup: false, qos: QoS::AtMostOnce, ..head };
    assert_eq!(whole(&head, b"p"), b"\x31\x04\0\x01tp");
}
