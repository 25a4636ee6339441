//! Terms, packets and messages that tests change to their needs.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use bytestring::ByteString;

use super::super::connection::Terms;
use super::super::delivery::Delivery;
use super::super::returns::Home;
use crate::codec::{Ack, Packet, Publish, Subscribe, Unsubscribe};
use crate::model::{Message, Origin, Protocol, QoS, ReasonCode, SubscriptionOptions, Text};
use crate::router::Identifiers;

pub(super) const ALL: [Protocol; 3] = [Protocol::V3_1, Protocol::V3_1_1, Protocol::V5];

/// What a client gets that asks for nothing special.
pub(super) fn terms(protocol: Protocol) -> Terms {
    Terms {
        protocol,
        receive_maximum: 8,
        own_receive_maximum: 4,
        maximum_packet_size: usize::MAX,
        topic_alias_maximum: 0,
        request_problem_information: true,
        session_expiry_s: 100,
        session_may_last: true,
        max_session_expiry_s: 1_000,
        max_qos: QoS::ExactlyOnce,
        retain_available: true,
    }
}

/// A PUBLISH to `a/b`.
pub(super) fn publish(qos: QoS, packet_id: u16) -> Publish {
    Publish {
        dup: false,
        qos,
        retain: false,
        topic: "a/b".into(),
        packet_id,
        topic_alias: None,
        message_expiry_s: None,
        properties: Bytes::new(),
        payload: Bytes::from_static(b"payload"),
    }
}

fn ack(packet_id: u16, reason: u8) -> Ack {
    Ack { packet_id, reason: ReasonCode(reason) }
}

pub(super) fn puback(packet_id: u16) -> Packet {
    Packet::PubAck(ack(packet_id, 0))
}

pub(super) fn pubrec(packet_id: u16, reason: u8) -> Packet {
    Packet::PubRec(ack(packet_id, reason))
}

pub(super) fn pubrel(packet_id: u16) -> Packet {
    Packet::PubRel(ack(packet_id, 0))
}

pub(super) fn pubcomp(packet_id: u16) -> Packet {
    Packet::PubComp(ack(packet_id, 0))
}

pub(super) fn subscribe(packet_id: u16, filters: &[(&str, SubscriptionOptions)]) -> Packet {
    let filters = filters.iter().map(|(filter, options)| (ByteString::from(*filter), *options)).collect();
    Packet::Subscribe(Subscribe { packet_id, filters })
}

pub(super) fn unsubscribe(packet_id: u16, filters: &[&str]) -> Packet {
    Packet::Unsubscribe(Unsubscribe { packet_id, filters: filters.iter().map(|filter| (*filter).into()).collect() })
}

pub(in crate::session) fn message(qos: QoS, topic: &str, payload: &str, expires_at: Option<Instant>) -> Message {
    Message {
        topic: Text::from(topic),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        qos,
        retain: false,
        properties: Bytes::new(),
        expires_at,
        origin: Origin::Client,
        publisher: None,
    }
}

pub(in crate::session) fn deliver(message: Message) -> Delivery {
    Delivery {
        qos: message.qos,
        retain: false,
        identifiers: Identifiers::default(),
        group: None,
        receipt: None,
        home: Home::here(),
        message: Arc::new(message),
    }
}

/// A message to `t` that does not expire.
pub(super) fn delivery(qos: QoS, payload: &str) -> Delivery {
    deliver(message(qos, "t", payload, None))
}
