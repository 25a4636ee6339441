//! What a client says of itself, and what methods of authentication make of it.

use std::sync::Arc;
use std::time::SystemTime;

use super::Rules;
use crate::model::{ReasonCode, Text};

/// Who says to be whom.
#[derive(Clone, Copy, Debug)]
pub struct Credentials<'a> {
    pub client_id: &'a str,
    pub username: Option<&'a str>,
    pub password: Option<&'a [u8]>,
    /// As hooks see it.
    pub address: &'a str,
    pub listener: &'a str,
}

/// What a method makes of it.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It has nothing to say about this one: the next method is asked.
    Unknown,
    Allowed(Granted),
    Denied(Refused),
}

/// What a client that is let in gets.
#[derive(Clone, Debug, Default)]
pub struct Granted {
    /// In place of the one of CONNECT.
    pub username: Option<Text>,
    pub superuser: bool,
    /// When it is not let in any more.
    pub expires_at: Option<SystemTime>,
    /// Access rules of its own, which stand before the configured ones.
    pub rules: Option<Arc<Rules>>,
}

/// A no, whatever other methods would say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    pub reason: ReasonCode,
    /// For the log: nothing in it is the client's own text.
    pub why: &'static str,
}

impl Refused {
    pub(super) fn bad_credentials(why: &'static str) -> Outcome {
        Outcome::Denied(Refused { reason: ReasonCode::BAD_USER_NAME_OR_PASSWORD, why })
    }

    pub(super) fn not_authorized(why: &'static str) -> Outcome {
        Outcome::Denied(Refused { reason: ReasonCode::NOT_AUTHORIZED, why })
    }
}
