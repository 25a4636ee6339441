use crate::broker::Error;

/// What a function answers: 0 for success, a negative number for an error. Numbers are never used again for another
/// meaning.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rmqtt_status {
    /// Success.
    RMQTT_OK = 0,
    /// An argument is NULL, not UTF-8, out of range, or has a `struct_size` that cannot be; nothing was done.
    RMQTT_ERR_INVALID_ARGUMENT = -1,
    /// The configuration has faults: `rmqtt_error_fault` lists them all.
    RMQTT_ERR_INVALID_CONFIG = -2,
    /// Not now: the broker runs already, or does not run.
    RMQTT_ERR_INVALID_STATE = -3,
    /// A listener could not be bound; no listener is.
    RMQTT_ERR_BIND = -4,
    /// The system refused a resource, such as a thread.
    RMQTT_ERR_IO = -5,
    /// This version of the library, or this build of it, cannot do that.
    RMQTT_ERR_UNSUPPORTED = -6,
    /// The call would wait for the callback that makes it.
    RMQTT_ERR_WOULD_DEADLOCK = -7,
    /// The decision of that ticket has been made already: by an earlier answer, by its deadline, or because the client
    /// or the broker is gone. Or the delivery of that number has been acknowledged already, or its subscription is over.
    RMQTT_ERR_EXPIRED = -8,
    /// The process has forked since: a broker stays with the process that made it.
    RMQTT_ERR_FORKED = -9,
    /// A fault of the library that it survived. Please report it.
    RMQTT_ERR_PANIC = -10,
    /// A fault of the library that it noticed. Please report it.
    RMQTT_ERR_INTERNAL = -11,
    /// There is no room for it now; later there may be.
    RMQTT_ERR_WOULD_BLOCK = -12,
    /// There is no such client, message or subscription.
    RMQTT_ERR_NOT_FOUND = -13,
}

/// A value of `enum rmqtt_status`.
pub type rmqtt_status_t = i32;

impl rmqtt_status {
    pub(super) const ALL: [rmqtt_status; 14] = [
        rmqtt_status::RMQTT_OK,
        rmqtt_status::RMQTT_ERR_INVALID_ARGUMENT,
        rmqtt_status::RMQTT_ERR_INVALID_CONFIG,
        rmqtt_status::RMQTT_ERR_INVALID_STATE,
        rmqtt_status::RMQTT_ERR_BIND,
        rmqtt_status::RMQTT_ERR_IO,
        rmqtt_status::RMQTT_ERR_UNSUPPORTED,
        rmqtt_status::RMQTT_ERR_WOULD_DEADLOCK,
        rmqtt_status::RMQTT_ERR_EXPIRED,
        rmqtt_status::RMQTT_ERR_FORKED,
        rmqtt_status::RMQTT_ERR_PANIC,
        rmqtt_status::RMQTT_ERR_INTERNAL,
        rmqtt_status::RMQTT_ERR_WOULD_BLOCK,
        rmqtt_status::RMQTT_ERR_NOT_FOUND,
    ];

    pub(super) fn of(error: &Error) -> rmqtt_status {
        match error {
            Error::InvalidArgument(_) => rmqtt_status::RMQTT_ERR_INVALID_ARGUMENT,
            Error::InvalidConfig(_) => rmqtt_status::RMQTT_ERR_INVALID_CONFIG,
            Error::InvalidState(_) => rmqtt_status::RMQTT_ERR_INVALID_STATE,
            Error::Bind(_) => rmqtt_status::RMQTT_ERR_BIND,
            Error::Io(_) => rmqtt_status::RMQTT_ERR_IO,
            Error::Unsupported(_) => rmqtt_status::RMQTT_ERR_UNSUPPORTED,
            Error::WouldDeadlock(_) => rmqtt_status::RMQTT_ERR_WOULD_DEADLOCK,
            Error::Expired(_) => rmqtt_status::RMQTT_ERR_EXPIRED,
            Error::Internal(_) => rmqtt_status::RMQTT_ERR_INTERNAL,
            Error::WouldBlock(_) => rmqtt_status::RMQTT_ERR_WOULD_BLOCK,
            Error::NotFound(_) => rmqtt_status::RMQTT_ERR_NOT_FOUND,
        }
    }
}
