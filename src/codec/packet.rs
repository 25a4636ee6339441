//! What clients send, the same for every protocol version. Each value has been checked; what is only a matter of the
//! session, such as topic names, has not.

use bytes::Bytes;
use bytestring::ByteString;

use crate::model::{Protocol, QoS, ReasonCode, SubscriptionOptions};

/// A packet from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    Connect(Box<Connect>),
    Publish(Publish),
    PubAck(Ack),
    PubRec(Ack),
    PubRel(Ack),
    PubComp(Ack),
    Subscribe(Subscribe),
    Unsubscribe(Unsubscribe),
    PingReq,
    Disconnect(Disconnect),
    Auth(Auth),
}

/// CONNECT. Properties that MQTT before 5 does not have are at their defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    pub protocol: Protocol,
    pub clean_start: bool,
    /// In seconds; 0 for none.
    pub keep_alive_s: u16,
    /// Empty if the broker is to assign one.
    pub client_id: ByteString,
    pub username: Option<ByteString>,
    pub password: Option<Bytes>,
    pub will: Option<Will>,
    /// In seconds; `u32::MAX` means never. Before MQTT 5: 0 with clean session, else `u32::MAX`.
    pub session_expiry_s: u32,
    /// At least 1; 65535 by default.
    pub receive_maximum: u16,
    /// The largest packet that the client takes, at least 1; `None` for no limit.
    pub maximum_packet_size: Option<u32>,
    /// Topic aliases that the client takes.
    pub topic_alias_maximum: u16,
    pub request_response_information: bool,
    /// Whether reason strings and user properties may be sent with packets other than CONNACK, PUBLISH, DISCONNECT.
    pub request_problem_information: bool,
    pub user_properties: Vec<(ByteString, ByteString)>,
    pub authentication_method: Option<ByteString>,
    pub authentication_data: Option<Bytes>,
}

/// The will in a CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    pub topic: ByteString,
    pub payload: Bytes,
    pub qos: QoS,
    pub retain: bool,
    pub delay_s: u32,
    pub message_expiry_s: Option<u32>,
    /// See [`Publish::properties`].
    pub properties: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    pub dup: bool,
    pub qos: QoS,
    pub retain: bool,
    /// May be empty if there is a topic alias. Neither wildcards nor U+0000 have been looked for.
    pub topic: ByteString,
    /// 0 with QoS 0, else not 0.
    pub packet_id: u16,
    /// Not 0.
    pub topic_alias: Option<u16>,
    /// In seconds.
    pub message_expiry_s: Option<u32>,
    /// The properties that the broker passes on as they are, encoded as in the packet, in the client's order, without a
    /// length in front: payload format indicator, content type, response topic, correlation data, user properties.
    pub properties: Bytes,
    pub payload: Bytes,
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Not 0.
    pub packet_id: u16,
    pub reason: ReasonCode,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// Not 0.
    pub packet_id: u16,
    /// At least one. Filters have not been checked. The options carry the subscription identifier of the packet.
    pub filters: Vec<(ByteString, SubscriptionOptions)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribe {
    /// Not 0.
    pub packet_id: u16,
    /// At least one.
    pub filters: Vec<ByteString>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnect {
    pub reason: ReasonCode,
    pub session_expiry_s: Option<u32>,
    pub reason_string: Option<ByteString>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    pub reason: ReasonCode,
    pub method: Option<ByteString>,
    pub data: Option<Bytes>,
}
