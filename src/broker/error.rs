use std::fmt;

use crate::config::{Fault, Faults};
use crate::transport::BindError;

/// Why a call did not do what it should.
#[derive(Debug)]
pub enum Error {
    /// An argument is not what the function takes.
    InvalidArgument(String),
    /// The configuration has faults.
    InvalidConfig(Faults),
    /// Not now: the broker runs, or does not.
    InvalidState(&'static str),
    /// A listener could not be bound.
    Bind(Fault),
    /// The system refused something.
    Io(String),
    /// This version or this build cannot do that.
    Unsupported(&'static str),
    /// The call would wait for the callback that makes it.
    WouldDeadlock(&'static str),
    /// There is no room for it now.
    WouldBlock(&'static str),
    /// It is too late for that.
    Expired(&'static str),
    /// There is no such client, message or subscription.
    NotFound(String),
    /// A fault of the library itself.
    Internal(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::InvalidConfig(faults) => faults.fmt(f),
            Error::Bind(fault) => f.write_str(&fault.message),
            Error::InvalidState(text)
            | Error::Unsupported(text)
            | Error::Expired(text)
            | Error::WouldDeadlock(text)
            | Error::WouldBlock(text) => f.write_str(text),
            Error::InvalidArgument(text) | Error::Io(text) | Error::NotFound(text) | Error::Internal(text) => {
                f.write_str(text)
            }
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    /// `pointer`: the key that says where the listener is to be.
    pub(super) fn of_bind(pointer: &str, BindError { listener, address, cause }: BindError) -> Self {
        let message = format!("listener \"{listener}\" could not be bound to {address}: {cause}");
        Error::Bind(Fault::new(pointer, message))
    }
}
