use super::settings::Settings;
use crate::hooks::{Changes, Verdict};
use crate::model::{topic, Client, ReasonCode, Text};

/// Topics that are the broker's own to publish to.
const SYSTEM_TOPICS: &str = "$SYS/";

/// Whether a client may publish to a topic, be it a message or its will, if no hook is asked about it.
pub(super) fn allowed_without_hook(topic: &str) -> bool {
    !topic.starts_with(SYSTEM_TOPICS)
}

/// Whether a client may subscribe to a filter, if no hook is asked about it.
pub(super) fn may_subscribe_without_hook(filter: &str, client: &Client, settings: &Settings) -> bool {
    let filter = topic::split_share(filter).1;
    let is_system = filter == "$SYS" || filter.starts_with(SYSTEM_TOPICS);
    !is_system || settings.sys_topics_readable || client.superuser
}

/// What the host program says to something that a client wants.
#[derive(Debug)]
pub(super) enum Ruling {
    /// Yes, with these changes.
    Allowed(Option<Box<Changes>>),
    /// No, and the client is told.
    Refused(ReasonCode, Option<Text>),
    /// No, and the client is not told.
    Dropped,
    /// It has not made up its mind.
    Later,
}

impl From<Verdict> for Ruling {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Allow(changes) => Ruling::Allowed(changes),
            Verdict::Deny(denial) => {
                Ruling::Refused(denial.reason_code.map_or(ReasonCode::NOT_AUTHORIZED, ReasonCode), denial.reason)
            }
            Verdict::Drop => Ruling::Dropped,
            Verdict::Continue(_) | Verdict::Failed => Ruling::Refused(ReasonCode::NOT_AUTHORIZED, None),
        }
    }
}
