use std::ffi::c_void;
use std::ptr;

use super::guard;
use super::signals;
use super::status::rmqtt_status_t;
use super::user_data::{rmqtt_drop_fn, UserData};
use super::view::rmqtt_str_t;
use crate::broker::Error;
use crate::observe::log::{self, Level, Line, SetError, Sink};

/// How important a line of the log is.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rmqtt_level {
    /// Something that should work does not.
    RMQTT_LEVEL_ERROR = 1,
    /// Something is odd, or was refused for want of an answer.
    RMQTT_LEVEL_WARN = 2,
    /// What an operator wants to know: listeners, start, stop.
    RMQTT_LEVEL_INFO = 3,
    /// What a developer of the host program wants to know.
    RMQTT_LEVEL_DEBUG = 4,
    /// What a developer of the library wants to know.
    RMQTT_LEVEL_TRACE = 5,
}

/// A value of `enum rmqtt_level`.
pub type rmqtt_level_t = i32;

/// One line of the log.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_log_line_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// The part of the library that speaks.
    pub target: rmqtt_str_t,
    /// What it says.
    pub message: rmqtt_str_t,
    /// A value of `enum rmqtt_level`.
    pub level: rmqtt_level_t,
    /// Zero.
    pub reserved: [u8; 4],
}

/// Receives a line of the log. `line` and its text live until this returns.
pub type rmqtt_log_fn = Option<unsafe extern "C-unwind" fn(line: *const rmqtt_log_line_t, user_data: *mut c_void)>;

/// Sets where the log of all brokers of this process goes. Without it, it goes nowhere: the library writes nothing to
/// stdout or stderr.
///
/// @param max Lines of this level and those more important are delivered.
/// @param on_line Called for each line, one call at a time; NULL to turn the log off.
/// @param user_data Passed to `on_line`.
/// @param drop Frees `user_data`, or NULL. Called once, also when this call fails.
/// @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for a level that is none; `RMQTT_ERR_IO` if the thread cannot be
///         started; `RMQTT_ERR_INVALID_STATE` if the program is written in Rust and has a logger of its own;
///         `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any, callbacks included. `on_line` is called on a thread of its own and may be slow: up to 4096 lines
/// wait, more are lost, and their number is told. When this returns, the `on_line` set before is not called any more
/// and its `drop` has run; if a callback makes this call, both happen soon after.
///
/// # Safety
/// `on_line` and `drop` are NULL or functions of these types that take `user_data`.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_log_set(
    max: rmqtt_level_t,
    on_line: rmqtt_log_fn,
    user_data: *mut c_void,
    drop: rmqtt_drop_fn,
) -> rmqtt_status_t {
    let user_data = UserData::new(user_data, drop);
    guard::status(ptr::null_mut(), move || {
        let max = match (Level::try_from(max), on_line) {
            (Ok(level), _) => level,
            (Err(_), None) => Level::Error,
            (Err(level), Some(_)) => return Err(Error::InvalidArgument(format!("{level} is not a level"))),
        };
        let sink = on_line.map(|on_line| -> Sink { Box::new(move |line| call(on_line, line, &user_data)) });
        signals::blocked(|| log::set(max, sink)).map_err(|error| match error {
            SetError::Occupied => Error::InvalidState("the program has a logger of its own"),
            SetError::Thread(error) => Error::Io(format!("the log thread could not be started: {error}")),
        })
    })
}

fn call(on_line: unsafe extern "C-unwind" fn(*const rmqtt_log_line_t, *mut c_void), line: &Line, user_data: &UserData) {
    let line = rmqtt_log_line_t {
        struct_size: size_of::<rmqtt_log_line_t>(),
        target: rmqtt_str_t::of(&line.target),
        message: rmqtt_str_t::of(&line.message),
        level: line.level as rmqtt_level_t,
        reserved: [0; 4],
    };
    // SAFETY: the function was promised to take such a line and this user data.
    unsafe { on_line(&line, user_data.pointer()) };
}
