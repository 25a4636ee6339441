use std::borrow::Cow;

use super::excess::Excess;
use super::ruling::Refusal;
use crate::codec::{Fault, Unsendable};
use crate::hooks::{DisconnectedBy, Remarks};
use crate::model::ReasonCode;

/// The words to "server shutting down".
pub(super) const STOPPING: &str = "the broker is stopping";

/// Why a connection ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Closing {
    pub(super) by: DisconnectedBy,
    pub(super) reason: ReasonCode,
    pub(super) words: Cow<'static, str>,
    /// What else the client is told.
    pub(super) remarks: Option<Box<Remarks>>,
    /// Whether the will is published `[MQTT-3.1.2-8]`.
    pub(super) with_will: bool,
    /// The host program has asked for it.
    pub(super) by_host: bool,
    /// What the client wanted too much of, or there was too little of for it.
    pub(super) excess: Option<Excess>,
}

impl Closing {
    /// The broker ends it, and says why.
    pub(super) fn by_broker(reason: ReasonCode, words: &'static str) -> Self {
        Closing {
            by: DisconnectedBy::Broker,
            reason,
            words: Cow::Borrowed(words),
            remarks: None,
            with_will: true,
            by_host: false,
            excess: None,
        }
    }

    /// The broker ends it because the client wants too much, or there is too little for it.
    pub(super) fn beyond(excess: Excess, reason: ReasonCode, words: &'static str) -> Self {
        Closing { excess: Some(excess), ..Closing::by_broker(reason, words) }
    }

    /// The host program asks for it.
    pub(super) fn by_host(reason: ReasonCode) -> Self {
        Closing { by_host: true, ..Closing::by_broker(reason, "disconnected by the host program") }
    }

    /// The host program ends it; `otherwise` is why, if it has no words for it.
    pub(super) fn by_refusal(refusal: Refusal, otherwise: &'static str) -> Self {
        let words = refusal.words.map_or(Cow::Borrowed(otherwise), |words| Cow::Owned(words.to_string()));
        Closing { words, remarks: refusal.remarks, ..Closing::by_broker(refusal.reason, otherwise) }
    }

    /// The client has said DISCONNECT.
    pub(super) fn by_client(reason: ReasonCode, words: Option<&str>, with_will: bool) -> Self {
        let words = words.map_or(Cow::Borrowed("disconnected"), |words| Cow::Owned(words.to_owned()));
        Closing { by: DisconnectedBy::Client, reason, words, remarks: None, with_will, by_host: false, excess: None }
    }

    /// The transport has ended.
    pub(super) fn by_network(words: &'static str) -> Self {
        Closing {
            by: DisconnectedBy::Network,
            reason: ReasonCode::UNSPECIFIED_ERROR,
            words: Cow::Borrowed(words),
            remarks: None,
            with_will: true,
            by_host: false,
            excess: None,
        }
    }
}

impl From<Fault> for Closing {
    fn from(fault: Fault) -> Self {
        let excess = (fault.reason == ReasonCode::PACKET_TOO_LARGE).then_some(Excess::ClosedLimit);
        Closing { excess, ..Closing::by_broker(fault.reason, fault.text) }
    }
}

/// An answer that the client's maximum packet size forbids `[MQTT-3.1.2-24]`: without it, the exchange cannot go on.
impl From<Unsendable> for Closing {
    fn from(_: Unsendable) -> Self {
        Closing::by_broker(
            ReasonCode::PACKET_TOO_LARGE,
            "the client's maximum packet size leaves no room for an answer",
        )
    }
}
