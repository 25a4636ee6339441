use super::settings::Settings;
use crate::codec::Diagnosis;
use crate::hooks::{Changes, Denial, Remarks, Verdict};
use crate::model::{topic, Client, ReasonCode, Text};

/// Topics that are the broker's own to publish to.
pub(super) const SYSTEM_TOPICS: &str = "$SYS/";

/// Whether a client may publish to a topic, be it a message or its will, if no hook is asked about it.
pub(super) fn allowed_without_hook(client: &Client, topic: &str) -> bool {
    client.superuser || !topic.starts_with(SYSTEM_TOPICS)
}

/// A no, and what the client is told about it.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) reason: ReasonCode,
    pub(super) words: Option<Text>,
    pub(super) remarks: Option<Box<Remarks>>,
}

impl Refusal {
    pub(super) fn new(reason: ReasonCode) -> Self {
        Refusal { reason, words: None, remarks: None }
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
        }
    }
}

/// Whether a client may subscribe to a filter, if no hook is asked about it.
pub(super) fn may_subscribe_without_hook(filter: &str, client: &Client, settings: &Settings) -> bool {
    let filter = topic::split_share(filter).1;
    let is_system = filter == "$SYS" || filter.starts_with(SYSTEM_TOPICS);
    !is_system || settings.sys_topics_readable || client.superuser
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
