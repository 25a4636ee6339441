use crate::codec::Diagnosis;
use crate::hooks::{Changes, Denial, Remarks, Verdict};
use crate::limits::Barred;
use crate::model::topic::{self, TopicError};
use crate::model::{ReasonCode, Text};

/// Topics that are the broker's own to publish to.
pub(super) const SYSTEM_TOPICS: &str = "$SYS/";

/// The reason code for a topic name that is none.
pub(super) fn bad_topic(error: TopicError) -> ReasonCode {
    match error {
        TopicError::Nul => ReasonCode::MALFORMED_PACKET, // [MQTT-1.5.4-2]
        _ => ReasonCode::TOPIC_NAME_INVALID,             // [MQTT-3.3.2-2]
    }
}

/// What becomes of a message because of how fast they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// It is handled as any other.
    Kept,
    /// It goes nowhere.
    Dropped,
    /// It goes nowhere, and the client has to go.
    Exceeded,
}

/// What bounds the filters of clients.
#[derive(Clone, Copy, Debug)]
pub(super) struct FilterLimits {
    pub(super) max_topic_levels: usize,
    /// 0 for no limit.
    pub(super) max_subscriptions: usize,
    pub(super) shared_available: bool,
    /// There is too little memory for more subscriptions, whoever has them.
    pub(super) none_more: bool,
}

/// What a session is subscribed to already.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) count: usize,
    /// The filter in question is among them.
    pub(super) known: bool,
}

/// Why a subscription is out of the question, whatever a hook would say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bar {
    Filter(TopicError),
    NoShared,
    TooMany,
    /// There is too little memory.
    Memory,
}

impl Bar {
    pub(super) fn reason(self) -> ReasonCode {
        match self {
            Bar::Filter(_) => ReasonCode::TOPIC_FILTER_INVALID,
            Bar::NoShared => ReasonCode::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED,
            Bar::TooMany | Bar::Memory => ReasonCode::QUOTA_EXCEEDED,
        }
    }
}

/// Why a client cannot subscribe to a filter, if there is a reason that needs no hook.
pub(super) fn bar_to_subscribing(filter: &str, limits: &FilterLimits, standing: Standing) -> Option<Bar> {
    if let Err(error) = topic::check_filter(filter, limits.max_topic_levels) {
        return Some(Bar::Filter(error));
    }
    if topic::is_shared(filter) && !limits.shared_available {
        return Some(Bar::NoShared);
    }
    if standing.known {
        return None;
    }
    let max = limits.max_subscriptions;
    if max > 0 && standing.count >= max {
        return Some(Bar::TooMany);
    }
    limits.none_more.then_some(Bar::Memory)
}

/// A no, and what the client is told about it.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) reason: ReasonCode,
    pub(super) words: Option<Text>,
    pub(super) remarks: Option<Box<Remarks>>,
    /// Why a connection is refused, where that is counted and has not been yet.
    pub(super) barred: Option<Barred>,
}

impl Refusal {
    pub(super) fn new(reason: ReasonCode) -> Self {
        Refusal { reason, words: None, remarks: None, barred: None }
    }

    /// Of a connection.
    pub(super) fn of(barred: Barred, reason: ReasonCode) -> Self {
        Refusal { barred: Some(barred), ..Refusal::new(reason) }
    }

    /// What goes with the reason code; `None` if nothing does.
    pub(super) fn diagnosis(&self) -> Option<Diagnosis<'_>> {
        let user_properties = self.remarks.as_deref().map_or(&[][..], |remarks| &remarks.user_properties);
        diagnosis(self.words.as_ref(), user_properties)
    }

    pub(super) fn server_reference(&self) -> Option<&str> {
        self.remarks.as_deref()?.server_reference.as_deref()
    }
}

impl From<Option<Box<Denial>>> for Refusal {
    fn from(denial: Option<Box<Denial>>) -> Self {
        let denial = denial.map(|denial| *denial).unwrap_or_default();
        Refusal {
            reason: denial.reason_code.map_or(ReasonCode::NOT_AUTHORIZED, ReasonCode),
            words: denial.reason,
            remarks: denial.remarks,
            barred: None,
        }
    }
}

/// What the host program says to something that a client wants. As small as can be, like [`Verdict`].
#[derive(Debug)]
pub(super) enum Ruling {
    /// Yes, with these changes.
    Allowed(Option<Box<Changes>>),
    /// No, and the client is told.
    Refused(Box<Refusal>),
    /// No, and the client is not told.
    Dropped,
    /// Not yet: the client has to answer this first. What is not an authentication is refused by it.
    Challenged(Option<Box<Changes>>),
    /// It has not made up its mind.
    Later,
}

impl Ruling {
    pub(super) fn refused(refusal: Refusal) -> Self {
        Ruling::Refused(Box::new(refusal))
    }
}

impl From<Verdict> for Ruling {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Allow(changes) => Ruling::Allowed(changes),
            Verdict::Deny(denial) => Ruling::refused(denial.into()),
            Verdict::Drop => Ruling::Dropped,
            Verdict::Continue(changes) => Ruling::Challenged(changes),
            Verdict::Failed => Ruling::refused(Refusal::new(ReasonCode::NOT_AUTHORIZED)),
        }
    }
}

/// What goes with an answer that says yes; `None` if nothing does.
pub(super) fn diagnosis_of(changes: &Changes) -> Option<Diagnosis<'_>> {
    diagnosis(changes.reason.as_ref(), &changes.remarks.user_properties)
}

fn diagnosis<'a>(words: Option<&'a Text>, user_properties: &'a [(Text, Text)]) -> Option<Diagnosis<'a>> {
    let diagnosis = Diagnosis { reason_string: words.map(|words| &**words), user_properties };
    (words.is_some() || !user_properties.is_empty()).then_some(diagnosis)
}
