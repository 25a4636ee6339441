use crate::hooks::{Changes, Verdict};
use crate::model::{ReasonCode, Text};

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
        }
    }
}
