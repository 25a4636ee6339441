//! What stands around the body of every exported function: no panic leaves it, and failures become a status.

use std::any::Any;
use std::cell::Cell;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Once;

use super::error::rmqtt_error_t;
use super::message::rmqtt_message_t;
use super::status::{rmqtt_status, rmqtt_status_t};
use super::view::{rmqtt_bytes_t, rmqtt_str_t};
use crate::broker::Error;

/// Runs a body that can fail. `*err` is NULL after success and an error that the caller frees after failure.
pub(super) fn status(err: *mut *mut rmqtt_error_t, body: impl FnOnce() -> Result<(), Error>) -> rmqtt_status_t {
    let error = match run(body) {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(rmqtt_error_t::new(rmqtt_status::of(&error), &error)),
        Err(panic) => Some(rmqtt_error_t::of_panic(&panic_message(panic.as_ref()))),
    };
    report(err, error)
}

/// Answers a call on a broker that a fork has left behind.
pub(super) fn forked(err: *mut *mut rmqtt_error_t) -> rmqtt_status_t {
    let why = Error::InvalidState("the broker belongs to the process that forked this one");
    report(err, Some(rmqtt_error_t::new(rmqtt_status::RMQTT_ERR_FORKED, &why)))
}

fn report(err: *mut *mut rmqtt_error_t, error: Option<rmqtt_error_t>) -> rmqtt_status_t {
    let status = error.as_ref().map_or(rmqtt_status::RMQTT_OK, rmqtt_error_t::status) as rmqtt_status_t;
    if !err.is_null() {
        let pointer = error.map_or(std::ptr::null_mut(), |error| Box::into_raw(Box::new(error)));
        // SAFETY: every function of the ABI asks for NULL or a place to write a pointer to.
        unsafe { err.write(pointer) };
    }
    status
}

/// Runs a body that cannot fail; a panic answers the default.
pub(super) fn or_default<T: PanicDefault>(body: impl FnOnce() -> T) -> T {
    run(body).unwrap_or_else(|_| T::panic_default())
}

/// What a function without a status answers after a panic.
pub(super) trait PanicDefault {
    fn panic_default() -> Self;
}

macro_rules! panic_default {
    ($($type:ty = $value:expr),* $(,)?) => {
        $(impl PanicDefault for $type {
            fn panic_default() -> Self {
                $value
            }
        })*
    };
}

panic_default! {
    () = (),
    bool = false,
    u64 = 0,
    u32 = 0,
    i32 = rmqtt_status::RMQTT_ERR_PANIC as i32,
    usize = 0,
    rmqtt_str_t = rmqtt_str_t::ABSENT,
    rmqtt_bytes_t = rmqtt_bytes_t::ABSENT,
    *const rmqtt_message_t = std::ptr::null(),
}

thread_local! {
    /// Inside the library, on a thread of the host program.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

fn run<T>(body: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    quiet_panics();
    let before = INSIDE.replace(true);
    let result = catch_unwind(AssertUnwindSafe(body));
    INSIDE.set(before);
    result
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}

/// Rust reports a panic on stderr, which belongs to the host program. Ours go to the log; those of other Rust code
/// that shares our standard library keep their way.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let thread = std::thread::current();
            let ours = INSIDE.get() || crate::hooks::in_callback() || crate::runtime::on_worker();
            if ours {
                tracing::error!(thread = thread.name().unwrap_or_default(), "panic: {info}");
            } else {
                before(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    #[test]
    fn a_panic_becomes_a_status_with_its_message() {
        let mut error = ptr::null_mut();
        assert_eq!(status(&mut error, || panic!("on purpose {}", 7)), rmqtt_status::RMQTT_ERR_PANIC as i32);
        // SAFETY: just made, freed once.
        unsafe {
            let message = super::super::error::rmqtt_error_message(error);
            assert_eq!(message.read("message").unwrap(), "on purpose 7");
            super::super::error::rmqtt_error_free(error);
        }
        assert_eq!(or_default(|| -> u64 { panic!("on purpose") }), 0);
        assert_eq!(status(ptr::null_mut(), || panic!("on purpose")), rmqtt_status::RMQTT_ERR_PANIC as i32);
    }

    #[test]
    fn success_writes_null() {
        let mut error = ptr::dangling_mut();
        assert_eq!(status(&mut error, || Ok(())), 0);
        assert!(error.is_null());
    }
}
