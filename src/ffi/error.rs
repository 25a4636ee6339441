use std::ptr;

use super::guard::or_default;
use super::status::{rmqtt_status, rmqtt_status_t};
use super::versioned::{self, Versioned};
use super::view::rmqtt_str_t;
use crate::broker::Error;
use crate::model::Text;

/// Why a call failed, in words. The status steers the program; this is for its log.
///
/// A function that takes an `rmqtt_error_t **` writes NULL there on success and an error on failure, which the caller
/// frees. NULL instead of a place to write to: not interested.
pub struct rmqtt_error_t {
    status: rmqtt_status,
    message: Text,
    faults: Vec<(Text, Text)>,
}

/// One fault of a configuration.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_fault_t {
    /// `sizeof(rmqtt_fault_t)`, set by the caller.
    pub struct_size: usize,
    /// Where it is, as a JSON pointer (RFC 6901), such as `/listeners/0/address`. Empty for the whole text.
    pub pointer: rmqtt_str_t,
    /// What is wrong, to be read behind the pointer.
    pub message: rmqtt_str_t,
}

// SAFETY: `repr(C)`, size first; pointers and integers, which any bits make.
unsafe impl Versioned for rmqtt_fault_t {
    const NAME: &'static str = "the fault";
    const FIRST_SIZE: usize = 40;
}

impl rmqtt_error_t {
    pub(super) fn new(status: rmqtt_status, error: &Error) -> Self {
        let faults = match error {
            Error::InvalidConfig(faults) => faults
                .as_slice()
                .iter()
                .map(|fault| (Text::from(fault.pointer.as_str()), Text::from(fault.message.as_str())))
                .collect(),
            _ => Vec::new(),
        };
        rmqtt_error_t { status, message: Text::from(error.to_string()), faults }
    }

    pub(super) fn status(&self) -> rmqtt_status {
        self.status
    }

    pub(super) fn of_panic(message: &str) -> Self {
        rmqtt_error_t {
            status: rmqtt_status::RMQTT_ERR_PANIC,
            message: Text::from(message.replace('\0', "")),
            faults: Vec::new(),
        }
    }
}

/// Tells the status that came with an error.
///
/// @param error An error, or NULL.
/// @return The status; `RMQTT_OK` for NULL.
///
/// # Safety
/// `error` is NULL or came from this library and has not been freed.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_error_status(error: *const rmqtt_error_t) -> rmqtt_status_t {
    // SAFETY: NULL or a live error, by the contract of the function.
    or_default(|| unsafe { error.as_ref() }.map_or(rmqtt_status::RMQTT_OK, |error| error.status) as rmqtt_status_t)
}

/// Tells what went wrong. For a configuration: one line for each fault, pointer first.
///
/// @param error An error, or NULL.
/// @return The message, which lives as long as the error; empty for NULL.
///
/// # Safety
/// `error` is NULL or came from this library and has not been freed.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_error_message(error: *const rmqtt_error_t) -> rmqtt_str_t {
    or_default(|| {
        // SAFETY: NULL or a live error, by the contract of the function.
        let error = unsafe { error.as_ref() };
        error.map_or(rmqtt_str_t::of_static("\0"), |error| rmqtt_str_t::of(&error.message))
    })
}

/// Tells how many faults a configuration has.
///
/// @param error An error, or NULL.
/// @return The number of faults; 0 for NULL and for an error with a status other than `RMQTT_ERR_INVALID_CONFIG`.
///
/// # Safety
/// `error` is NULL or came from this library and has not been freed.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_error_fault_count(error: *const rmqtt_error_t) -> usize {
    // SAFETY: NULL or a live error, by the contract of the function.
    or_default(|| unsafe { error.as_ref() }.map_or(0, |error| error.faults.len()))
}

/// Tells one fault of a configuration.
///
/// @param error An error.
/// @param index From 0 to below `rmqtt_error_fault_count`.
/// @param out Filled on success; its text lives as long as the error.
/// @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for NULL, an index beyond the last fault, or a bad `struct_size`;
///         `RMQTT_ERR_PANIC`.
///
/// # Safety
/// `error` is NULL or came from this library and has not been freed; `out` is NULL or has the size it says.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_error_fault(
    error: *const rmqtt_error_t,
    index: usize,
    out: *mut rmqtt_fault_t,
) -> rmqtt_status_t {
    super::guard::status(ptr::null_mut(), || {
        // SAFETY: NULL or a live error, by the contract of the function.
        let error = unsafe { error.as_ref() }.ok_or_else(|| Error::InvalidArgument("the error is NULL".to_owned()))?;
        let (pointer, message) = error
            .faults
            .get(index)
            .ok_or_else(|| Error::InvalidArgument(format!("there are {} faults", error.faults.len())))?;
        let fault =
            rmqtt_fault_t { struct_size: 0, pointer: rmqtt_str_t::of(pointer), message: rmqtt_str_t::of(message) };
        // SAFETY: NULL or as large as it says, by the contract of the function.
        unsafe { versioned::write(out, &fault) }
    })
}

/// Frees an error.
///
/// @param error An error, which must not be used any more, or NULL.
///
/// # Safety
/// `error` is NULL or came from this library and has not been freed.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_error_free(error: *mut rmqtt_error_t) {
    or_default(|| {
        if !error.is_null() {
            // SAFETY: every error that leaves the library is a leaked box, and this one has not been freed.
            drop(unsafe { Box::from_raw(error) });
        }
    });
}
