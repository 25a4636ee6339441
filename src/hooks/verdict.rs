//! What decision hooks answer.

use bytes::Bytes;

use crate::model::{EncodedProperties, QoS, Text, UserProperties};

/// What a decision hook returns.
#[derive(Clone, Debug)]
pub enum Answer {
    Now(Verdict),
    /// The verdict comes through [`super::complete`] with the ticket that [`super::defer`] gave. Without a ticket: deny.
    Deferred,
}

/// The outcome of a decision. As small as can be: one is passed on for each message.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Yes, with these changes.
    Allow(Option<Box<Changes>>),
    /// No, with these words for the client.
    Deny(Option<Box<Denial>>),
    /// No, but nobody is told: a message goes nowhere and is acknowledged as if it had.
    Drop,
    /// Not yet: an authentication exchange goes on, with this challenge. Denies what is no exchange.
    Continue(Option<Box<Changes>>),
    /// No, because the code that was to decide has failed.
    Failed,
}

impl Verdict {
    pub const ALLOW: Verdict = Verdict::Allow(None);

    pub fn deny() -> Verdict {
        Verdict::Deny(None)
    }

    pub fn denied(denial: Denial) -> Verdict {
        Verdict::Deny(Some(Box::new(denial)))
    }
}

/// How a denial is told to the client. The default is the protocol's "not authorized".
#[derive(Clone, Debug, Default)]
pub struct Denial {
    /// The MQTT 5 reason code; `None` for the default of the packet.
    pub reason_code: Option<u8>,
    /// The MQTT 5 reason string.
    pub reason: Option<Text>,
    /// More for an MQTT 5 client.
    pub remarks: Option<Box<Remarks>>,
}

/// What else the answer to an MQTT 5 client carries, where its packet has a place for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    pub user_properties: UserProperties,
    /// Another server to use, in CONNACK and DISCONNECT.
    pub server_reference: Option<Text>,
}

/// What becomes of what was asked for. `None` leaves it as it is; what does not belong to the question is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The topic name of a message, the filter of a subscription.
    pub topic: Option<Text>,
    pub payload: Option<Bytes>,
    /// Of a message, or the highest one of a subscription.
    pub qos: Option<QoS>,
    pub retain: Option<bool>,
    /// All properties of a message.
    pub properties: Option<EncodedProperties>,
    /// The client identifier of a client that connects.
    pub client_id: Option<Text>,
    /// The configured access rules do not hold for the client that connects.
    pub superuser: bool,
    /// How long its session outlives its connection; no longer than the configuration allows.
    pub session_expiry_s: Option<u32>,
    /// How often it has to be heard of, at least; MQTT 5 only.
    pub keep_alive_s: Option<u16>,
    /// For a client that has asked for it.
    pub response_information: Option<Text>,
    /// Authentication data for the client.
    pub auth_data: Option<Bytes>,
    /// The reason string of an answer that says yes.
    pub reason: Option<Text>,
    pub remarks: Remarks,
}
