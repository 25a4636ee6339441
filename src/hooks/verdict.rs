//! What decision hooks answer.

use bytes::Bytes;

use crate::model::{QoS, Text};

/// What a decision hook returns.
#[derive(Clone, Debug)]
pub enum Answer {
    Now(Verdict),
    /// The verdict comes through [`super::complete`] with the ticket that [`super::defer`] gave. Without a ticket: deny.
    Deferred,
}

/// The outcome of a decision.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Yes, with these changes.
    Allow(Option<Box<Changes>>),
    /// No.
    Deny(Denial),
    /// No, but nobody is told: a message goes nowhere and is acknowledged as if it had.
    Drop,
}

impl Verdict {
    pub const ALLOW: Verdict = Verdict::Allow(None);

    pub fn deny() -> Verdict {
        Verdict::Deny(Denial::default())
    }
}

/// How a denial is told to the client. The default is the protocol's "not authorized".
#[derive(Clone, Debug, Default)]
pub struct Denial {
    /// The MQTT 5 reason code; `None` for the default of the packet.
    pub reason_code: Option<u8>,
    /// The MQTT 5 reason string.
    pub reason: Option<Text>,
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
}
