use std::collections::HashSet;
use std::io;
use std::mem::{offset_of, size_of};
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use parking_lot::Mutex;

use super::error::rmqtt_error_t;
use super::guard::{self, or_default};
use super::hooks::{rmqtt_hooks_t, ForeignHooks};
use super::listener::rmqtt_listener_info_t;
use super::signals;
use super::stats::{rmqtt_hook_stats_t, rmqtt_metrics_format, rmqtt_metrics_format_t, rmqtt_stats_t};
use super::status::rmqtt_status_t;
use super::string::rmqtt_string_t;
use super::user_data::{rmqtt_drop_fn, UserData};
use super::versioned;
use super::view::rmqtt_str_t;
use crate::broker::{Broker, Error};
use crate::hooks::{Hook, Hooks};
use crate::model::Text;

/// A broker.
///
/// ```text
/// rmqtt_broker_new        reads the configuration; nothing runs yet
/// rmqtt_broker_set_hooks  at any time
/// rmqtt_broker_start      binds the listeners and lets clients in
///   rmqtt_broker_publish, rmqtt_broker_subscribe, ...
/// rmqtt_broker_stop       closes everything; rmqtt_broker_start may follow
/// rmqtt_broker_free
/// ```
///
/// **Threads.** Every function may be called from any thread, several at a time, and from inside any callback, unless it
/// says otherwise. Only nothing may be called on a broker during or after `rmqtt_broker_free`.
///
/// **Fork.** A child process must not use a broker that it inherited: functions answer `RMQTT_ERR_FORKED`, or false, 0
/// or empty text. It may make brokers of its own if no thread of the parent was busy at the moment of the fork.
pub struct rmqtt_broker_t {
    pub(super) broker: Broker,
    /// The process that made it. The threads of a broker do not live in another one.
    process: u32,
    /// Text that C has views of, which live as long as the broker. Addresses of port 0 differ from run to run, but
    /// there are not many.
    lent: Mutex<HashSet<Text>>,
}

impl rmqtt_broker_t {
    fn lend(&self, text: Text) -> rmqtt_str_t {
        let mut lent = self.lent.lock();
        // An equal text that C may already have a view of must stay: `insert` keeps it, and it is the one to lend.
        lent.insert(text.clone());
        lent.get(&text).map_or(rmqtt_str_t::ABSENT, rmqtt_str_t::of)
    }
}

pub(super) fn null(what: &str) -> Error {
    Error::InvalidArgument(format!("{what} is NULL"))
}

/// Runs `body` with a broker that is neither NULL nor of another process.
///
/// # Safety
/// `broker` is NULL or came from `rmqtt_broker_new` and has not been freed.
pub(super) unsafe fn with_broker(
    broker: *const rmqtt_broker_t,
    err: *mut *mut rmqtt_error_t,
    body: impl FnOnce(&rmqtt_broker_t) -> Result<(), Error>,
) -> rmqtt_status_t {
    // SAFETY: the caller's promise.
    match unsafe { broker.as_ref() } {
        Some(broker) if broker.process != std::process::id() => guard::forked(err),
        Some(broker) => guard::status(err, || body(broker)),
        None => guard::status(err, || Err(null("the broker"))),
    }
}

/// Asks a broker something that has an answer for NULL and for another process, too.
///
/// # Safety
/// `broker` is NULL or came from `rmqtt_broker_new` and has not been freed.
pub(super) unsafe fn ask<T: guard::PanicDefault>(
    broker: *const rmqtt_broker_t,
    or: T,
    body: impl FnOnce(&rmqtt_broker_t) -> T,
) -> T {
    // SAFETY: the caller's promise.
    match unsafe { broker.as_ref() } {
        Some(broker) if broker.process == std::process::id() => or_default(|| body(broker)),
        _ => or,
    }
}

/// Checks a configuration without making a broker.
///
/// @param config_json The configuration as JSON; see docs/configuration.md.
/// @param err Receives the error: every fault, each with its JSON pointer. May be NULL.
/// @return `RMQTT_OK`; `RMQTT_ERR_INVALID_CONFIG`; `RMQTT_ERR_INVALID_ARGUMENT` for text that is not UTF-8;
///         `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any.
///
/// # Safety
/// `config_json` is readable as far as it says; `err` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_config_validate(
    config_json: rmqtt_str_t,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    // SAFETY: readable by the contract of the function.
    guard::status(err, || Broker::validate(unsafe { config_json.read("the configuration") }?))
}

/// Makes a broker that does not run yet.
///
/// @param config_json The configuration as JSON; see docs/configuration.md. `{}` is one.
/// @param out Receives the broker, which the caller frees with `rmqtt_broker_free`; NULL after a failure.
/// @param err Receives the error. May be NULL.
/// @return `RMQTT_OK`; `RMQTT_ERR_INVALID_CONFIG`; `RMQTT_ERR_INVALID_ARGUMENT` if `out` is NULL or the text is not
///         UTF-8; `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any. A process may have as many brokers as it wants.
///
/// # Safety
/// `config_json` is readable as far as it says; `out` and `err` are NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_new(
    config_json: rmqtt_str_t,
    out: *mut *mut rmqtt_broker_t,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    guard::status(err, || {
        if out.is_null() {
            return Err(null("the place for the broker"));
        }
        // SAFETY: not NULL, so writable by the contract of the function.
        unsafe { out.write(ptr::null_mut()) };
        // SAFETY: readable by the contract of the function.
        let config_json = unsafe { config_json.read("the configuration") }?;
        let broker = Broker::with_descriptors(config_json, duplicate)?;
        let broker = rmqtt_broker_t { broker, process: std::process::id(), lent: Mutex::default() };
        // SAFETY: as above.
        unsafe { out.write(Box::into_raw(Box::new(broker))) };
        Ok(())
    })
}

/// A descriptor of the library's own for one that the host program has.
fn duplicate(descriptor: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: it is looked at during the call only. If it is not open, the system says so; if it is not what the host
    // program means, that is its mistake, as with any number that it hands to the system.
    unsafe { BorrowedFd::borrow_raw(descriptor) }.try_clone_to_owned()
}

/// Sets the hooks in place of those before, all at once. Calls under way end with the hooks they began with; a decision
/// that is already deferred keeps its ticket.
///
/// @param broker A broker, running or not.
/// @param hooks The hooks; copied. NULL takes those before away.
/// @param err Receives the error. May be NULL.
/// @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for a broker that is NULL, a bad `struct_size`, or a flag that its hook
///         cannot have; `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
///
/// **Ownership.** `hooks->user_data` passes to the library whatever the answer is: `hooks->drop` is called for it
/// exactly once. (Only where `struct_size` is too small to hold `drop` is it not called.)
///
/// # Safety
/// `broker` is NULL or alive; `hooks` is NULL or as large as it says, with functions of these types; `err` is NULL or
/// writable.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_set_hooks(
    broker: *mut rmqtt_broker_t,
    hooks: *const rmqtt_hooks_t,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    let table = if hooks.is_null() {
        Ok(None)
    } else {
        // SAFETY: the contract of the function is passed on.
        unsafe { versioned::read(hooks) }.and_then(|table| table.check_flags().map(|()| Some(table)))
    };
    let table: Result<Option<Box<dyn Hooks>>, Error> = match table {
        Ok(table) => Ok(table.map(|table| Box::new(ForeignHooks::new(table)) as Box<dyn Hooks>)),
        Err(error) => {
            // SAFETY: the contract of the function is passed on.
            drop(unsafe { rescue_user_data(hooks) });
            Err(error)
        }
    };
    // SAFETY: the contract of the function is passed on.
    unsafe {
        with_broker(broker, err, move |broker| {
            let table = table?;
            // A thread may be started. Those before are the host program's to drop, with the signals that it has.
            drop(signals::blocked(|| broker.broker.set_hooks(table)));
            Ok(())
        })
    }
}

/// The user data of hooks that are refused, if they are large enough to have any.
///
/// # Safety
/// `hooks` is not NULL and as large as it says.
unsafe fn rescue_user_data(hooks: *const rmqtt_hooks_t) -> Option<UserData> {
    // SAFETY: the caller's promise; the size is the first field.
    let size = unsafe { hooks.cast::<usize>().read_unaligned() };
    if size < offset_of!(rmqtt_hooks_t, drop) + size_of::<rmqtt_drop_fn>() {
        return None;
    }
    // SAFETY: both fields are within what the caller promised.
    unsafe {
        let pointer = ptr::addr_of!((*hooks).user_data).read_unaligned();
        let drop = ptr::addr_of!((*hooks).drop).read_unaligned();
        Some(UserData::new(pointer, drop))
    }
}

/// Binds every listener and lets clients in. If one listener cannot be bound, none is, and nothing runs.
///
/// @param broker A broker that does not run.
/// @param err Receives the error. May be NULL.
/// @return `RMQTT_OK`; `RMQTT_ERR_BIND`; `RMQTT_ERR_IO` if threads cannot be started; `RMQTT_ERR_INVALID_STATE` if it
///         runs already; `RMQTT_ERR_WOULD_DEADLOCK` in a callback while another thread starts, stops or reloads the broker;
///         `RMQTT_ERR_INVALID_ARGUMENT` for NULL; `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any. The threads that the broker starts block the signals that are meant for the process, such as
/// SIGTERM, SIGCHLD and SIGPIPE, and those that the caller blocks. They leave real-time signals and faults alone, which
/// managed runtimes need on threads that call them.
///
/// # Safety
/// `broker` is NULL or alive; `err` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_start(
    broker: *mut rmqtt_broker_t,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    // SAFETY: the contract of the function is passed on.
    unsafe { with_broker(broker, err, |broker| signals::blocked(|| broker.broker.start())) }
}

/// Closes the listeners, then every connection; waits for callbacks that run and delivers the events that are queued;
/// ends every thread of the broker. Deferred decisions are denied. A broker that does not run stays as it is. (One timer
/// thread per process, started with the first client ever, stays.)
///
/// @param broker A broker.
/// @param grace_ms How long clients may take to be disconnected in order, wills included, in milliseconds. Then they
///        are cut off. 0 cuts them off at once.
/// @return `RMQTT_OK`; `RMQTT_ERR_WOULD_DEADLOCK` in any callback, the log's included; `RMQTT_ERR_INVALID_ARGUMENT` for
///         NULL; `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any but callbacks. A second call waits for the first one to end. Callbacks that never return keep this
/// from returning.
///
/// # Safety
/// `broker` is NULL or alive.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_stop(broker: *mut rmqtt_broker_t, grace_ms: u32) -> rmqtt_status_t {
    let grace = Duration::from_millis(grace_ms.into());
    // SAFETY: the contract of the function is passed on.
    unsafe { with_broker(broker, ptr::null_mut(), |broker| broker.broker.stop(grace)) }
}

/// Stops a broker without grace if it runs, and frees it. Its subscriptions end, but are freed on their own.
///
/// @param broker A broker, which must not be used any more, or NULL.
///
/// **Threads.** Any. In a callback, this returns at once and a thread of the library does the rest.
///
/// # Safety
/// `broker` is NULL or alive, and no other call on it is under way.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_free(broker: *mut rmqtt_broker_t) {
    if broker.is_null() {
        return;
    }
    // SAFETY: every broker that leaves the library is a leaked box, and this one is alive.
    let broker = unsafe { Box::from_raw(broker) };
    if broker.process != std::process::id() {
        // Its threads are those of the parent: there is nothing to stop, and locks may be held by nobody.
        std::mem::forget(broker);
        return;
    }
    or_default(|| drop(broker));
}

/// Tells the name of a broker: the `id` of its configuration.
///
/// @param broker A broker.
/// @return The name, which lives as long as the broker; absent for NULL.
///
/// # Safety
/// `broker` is NULL or alive.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_id(broker: *const rmqtt_broker_t) -> rmqtt_str_t {
    // SAFETY: the contract of the function is passed on.
    unsafe { ask(broker, rmqtt_str_t::ABSENT, |broker| broker.lend(broker.broker.id())) }
}

/// Tells whether a broker runs.
///
/// @param broker A broker.
/// @return `true` between a start and a stop; `false` for NULL.
///
/// # Safety
/// `broker` is NULL or alive.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_running(broker: *const rmqtt_broker_t) -> bool {
    // SAFETY: the contract of the function is passed on.
    unsafe { ask(broker, false, |broker| broker.broker.running()) }
}

/// Tells how many clients are connected.
///
/// @param broker A broker.
/// @return The number; 0 for NULL and for a broker that does not run.
///
/// # Safety
/// `broker` is NULL or alive.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_connected_clients(broker: *const rmqtt_broker_t) -> u64 {
    // SAFETY: the contract of the function is passed on.
    unsafe { ask(broker, 0, |broker| broker.broker.connected_clients()) }
}

/// Tells how many listeners a broker has.
///
/// @param broker A broker.
/// @return The number of listeners in its configuration; 0 for NULL.
///
/// # Safety
/// `broker` is NULL or alive.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_listener_count(broker: *const rmqtt_broker_t) -> usize {
    // SAFETY: the contract of the function is passed on.
    unsafe { ask(broker, 0, |broker| broker.broker.listener_count()) }
}

/// Tells where a listener is bound.
///
/// @param broker A broker.
/// @param index From 0 to below `rmqtt_broker_listener_count`, in the order of the configuration.
/// @param out Filled on success; its text lives as long as the broker.
/// @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for NULL, an index beyond the last listener, or a bad
///         `struct_size`; `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
///
/// # Safety
/// `broker` is NULL or alive; `out` is NULL or as large as it says.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_listener_info(
    broker: *const rmqtt_broker_t,
    index: usize,
    out: *mut rmqtt_listener_info_t,
) -> rmqtt_status_t {
    let body = |broker: &rmqtt_broker_t| {
        let count = broker.broker.listener_count();
        let listener = broker
            .broker
            .listener(index)
            .ok_or_else(|| Error::InvalidArgument(format!("there are {count} listeners")))?;
        let info = rmqtt_listener_info_t {
            struct_size: 0,
            name: broker.lend(listener.name),
            r#type: broker.lend(listener.kind),
            address: broker.lend(listener.address),
            port: listener.port,
            reserved: [0; 6],
        };
        // SAFETY: NULL or as large as it says, by the contract of the function.
        unsafe { versioned::write(out, &info) }
    };
    // SAFETY: the contract of the function is passed on.
    unsafe { with_broker(broker, ptr::null_mut(), body) }
}

/// Takes a snapshot of a broker.
///
/// @param broker A broker, running or not.
/// @param out Filled on success.
/// @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for NULL or a bad `struct_size`; `RMQTT_ERR_FORKED`;
///         `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any. Never waits for a client or a callback; looks at each session once, a few at a time.
///
/// # Safety
/// `broker` is NULL or alive; `out` is NULL or as large as it says.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_stats(broker: *const rmqtt_broker_t, out: *mut rmqtt_stats_t) -> rmqtt_status_t {
    // SAFETY: the contract of the function is passed on.
    unsafe { with_broker(broker, ptr::null_mut(), |broker| versioned::write(out, &broker.broker.stats().into())) }
}

/// Takes a snapshot of one hook.
///
/// @param broker A broker, running or not.
/// @param hook A value of `enum rmqtt_hook`.
/// @param out Filled on success.
/// @return `RMQTT_OK`, also for a hook that is not set; `RMQTT_ERR_INVALID_ARGUMENT` for NULL, a number that is no hook, or
///         a bad `struct_size`; `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any. Never waits for a client or a callback.
///
/// # Safety
/// `broker` is NULL or alive; `out` is NULL or as large as it says.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_hook_stats(
    broker: *const rmqtt_broker_t,
    hook: i32,
    out: *mut rmqtt_hook_stats_t,
) -> rmqtt_status_t {
    let body = |broker: &rmqtt_broker_t| {
        let hook = Hook::of_number(hook)
            .ok_or_else(|| Error::InvalidArgument(format!("there is no hook with the number {hook}")))?;
        // SAFETY: NULL or as large as it says, by the contract of the function.
        unsafe { versioned::write(out, &broker.broker.hook_stats(hook).into()) }
    };
    // SAFETY: the contract of the function is passed on.
    unsafe { with_broker(broker, ptr::null_mut(), body) }
}

/// Writes all statistics of a broker, those of its hooks included, for a program that hands them on.
///
/// @param broker A broker, running or not.
/// @param format How: a value of `enum rmqtt_metrics_format`.
/// @param out Receives the text, which the caller frees with `rmqtt_string_free`; NULL after a failure.
/// @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for NULL or a number that is no format; `RMQTT_ERR_UNSUPPORTED` for
///         `RMQTT_METRICS_PROMETHEUS`; `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any. Never waits for a client or a callback.
///
/// # Safety
/// `broker` is NULL or alive; `out` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_metrics(
    broker: *const rmqtt_broker_t,
    format: rmqtt_metrics_format_t,
    out: *mut *mut rmqtt_string_t,
) -> rmqtt_status_t {
    let body = |broker: &rmqtt_broker_t| {
        if out.is_null() {
            return Err(null("the place for the text"));
        }
        // SAFETY: not NULL, so writable by the contract of the function.
        unsafe { out.write(ptr::null_mut()) };
        if format == rmqtt_metrics_format::RMQTT_METRICS_PROMETHEUS as i32 {
            return Err(Error::Unsupported("the text format of Prometheus is not in this version"));
        }
        if format != rmqtt_metrics_format::RMQTT_METRICS_JSON as i32 {
            return Err(Error::InvalidArgument(format!("there is no format with the number {format}")));
        }
        // SAFETY: as above.
        unsafe { out.write(rmqtt_string_t::into_raw(broker.broker.metrics_json())) };
        Ok(())
    };
    // SAFETY: the contract of the function is passed on.
    unsafe { with_broker(broker, ptr::null_mut(), body) }
}
