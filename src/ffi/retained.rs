use std::ffi::c_void;
use std::sync::Arc;

use super::broker::{null, rmqtt_broker_t, with_broker};
use super::error::rmqtt_error_t;
use super::message::{rmqtt_message_fn, with_view};
use super::publish::{read_publish, rmqtt_publish_t};
use super::status::rmqtt_status_t;
use super::view::rmqtt_str_t;
use crate::broker::Error;
use crate::model::Message;

/// Shows a function the retained messages that match a topic filter, in the order of their names, level by level: `a`,
/// `a/b`, `a-b`. Those that have expired are left out. Messages that come or go meanwhile may be shown or not; each that
/// stays is shown once.
///
/// @param broker A running broker.
/// @param filter A topic filter, without `$share`; `#` is all but those whose names begin with `$`.
/// @param on_message Called for each message, before this returns: its origin is `RMQTT_ORIGIN_RETAINED`, `retain` is true.
/// @param user_data Passed to `on_message`; stays the caller's.
/// @param err Receives the error. May be NULL.
/// @return `RMQTT_OK`, also if nothing matches; `RMQTT_ERR_INVALID_ARGUMENT` for a broker or function that is NULL, a filter
///         that is none, is shared or has too many levels; `RMQTT_ERR_INVALID_STATE` if the broker does not run, or is
///         stopped meanwhile; `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any, callbacks included. `on_message` is called on the thread that makes this call, with nothing locked: it
/// may call what the caller may, such as deleting what it is shown.
///
/// # Safety
/// `broker` is NULL or alive; `filter` is readable as far as it says; `on_message` is NULL or a function of this type that
/// takes `user_data`; `err` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_retained(
    broker: *const rmqtt_broker_t,
    filter: rmqtt_str_t,
    on_message: rmqtt_message_fn,
    user_data: *mut c_void,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    let body = |broker: &rmqtt_broker_t| {
        // SAFETY: the contract of the function is passed on.
        let mut show = unsafe { viewer(on_message, user_data) }?;
        // SAFETY: readable by the contract of the function.
        broker.broker.retained(unsafe { filter.read("the filter") }?, |message| show(message))
    };
    // SAFETY: the contract of the function is passed on.
    unsafe { with_broker(broker, err, body) }
}

/// Shows a function the retained message of one topic.
///
/// @param broker A running broker.
/// @param topic The topic name.
/// @param on_message Called once, before this returns, if there is a message: its origin is `RMQTT_ORIGIN_RETAINED`,
///        `retain` is true.
/// @param user_data Passed to `on_message`; stays the caller's.
/// @param err Receives the error. May be NULL.
/// @return `RMQTT_OK`; `RMQTT_ERR_NOT_FOUND` if there is none, or it has expired; `RMQTT_ERR_INVALID_ARGUMENT` for a broker
///         or function that is NULL, or a topic that is not a topic name or has too many levels; `RMQTT_ERR_INVALID_STATE`
///         if the broker does not run; `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any, callbacks included. `on_message` is called on the thread that makes this call, with nothing locked.
///
/// # Safety
/// `broker` is NULL or alive; `topic` is readable as far as it says; `on_message` is NULL or a function of this type that
/// takes `user_data`; `err` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_retained_get(
    broker: *const rmqtt_broker_t,
    topic: rmqtt_str_t,
    on_message: rmqtt_message_fn,
    user_data: *mut c_void,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    let body = |broker: &rmqtt_broker_t| {
        // SAFETY: the contract of the function is passed on.
        let mut show = unsafe { viewer(on_message, user_data) }?;
        // SAFETY: readable by the contract of the function.
        show(&broker.broker.retained_get(unsafe { topic.read("the topic") }?)?);
        Ok(())
    };
    // SAFETY: the contract of the function is passed on.
    unsafe { with_broker(broker, err, body) }
}

/// Retains a message, in place of the one of its topic before, without sending it to those who are subscribed: who
/// subscribes later gets it. The hook `retained_changed` is told; `authorize_publish` is not asked, and it is no message that
/// is published to any other hook or counter.
///
/// @param broker A running broker.
/// @param message The message; copied. Its `retain` is not looked at: it is true.
/// @param err Receives the error. May be NULL.
/// @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for NULL, a bad `struct_size`, a topic that is not a topic name or has
///         too many levels, a QoS above `limits.max_qos`, an empty payload (`rmqtt_broker_retained_delete` forgets), one
///         larger than `retain.max_payload_bytes`, properties that MQTT cannot express, a `client_id`, a delay or a
///         function to report to, or where `retain.enabled` is false; `RMQTT_ERR_WOULD_BLOCK` if `retain.max_messages` of
///         other topics are retained; `RMQTT_ERR_INVALID_STATE` if the broker does not run; `RMQTT_ERR_FORKED`;
///         `RMQTT_ERR_INTERNAL`; `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any, callbacks included.
///
/// # Safety
/// `broker` is NULL or alive; `message` is NULL or as large as it says, with views that are readable as far as they
/// say; `err` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_retained_set(
    broker: *mut rmqtt_broker_t,
    message: *const rmqtt_publish_t,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    // SAFETY: the contract of the function is passed on.
    unsafe {
        let message = read_publish(message);
        with_broker(broker, err, |broker| broker.broker.retained_set(message?))
    }
}

/// Forgets the retained messages that match a topic filter. The hook `retained_changed` is told of each.
///
/// @param broker A running broker.
/// @param filter A topic filter, without `$share`. A topic name is the filter of its own message; `#` is all but those whose
///        names begin with `$`.
/// @param deleted Receives how many there were, 0 after a failure. May be NULL.
/// @param err Receives the error. May be NULL.
/// @return `RMQTT_OK`, also if nothing matches; `RMQTT_ERR_INVALID_ARGUMENT` for a broker that is NULL, a filter that is
///         none, is shared or has too many levels; `RMQTT_ERR_INVALID_STATE` if the broker does not run;
///         `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any, callbacks included. What is retained meanwhile may be forgotten, too.
///
/// # Safety
/// `broker` is NULL or alive; `filter` is readable as far as it says; `deleted` and `err` are NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_retained_delete(
    broker: *mut rmqtt_broker_t,
    filter: rmqtt_str_t,
    deleted: *mut u64,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    let tell = |count| {
        if !deleted.is_null() {
            // SAFETY: not NULL, so writable by the contract of the function.
            unsafe { deleted.write(count) };
        }
    };
    tell(0);
    let body = |broker: &rmqtt_broker_t| {
        // SAFETY: readable by the contract of the function.
        tell(broker.broker.retained_delete(unsafe { filter.read("the filter") }?)?);
        Ok(())
    };
    // SAFETY: the contract of the function is passed on.
    unsafe { with_broker(broker, err, body) }
}

/// The function of C as the broker sees it.
///
/// # Safety
/// `on_message` is NULL or takes `user_data`, for as long as what is returned is called.
unsafe fn viewer(on_message: rmqtt_message_fn, user_data: *mut c_void) -> Result<impl FnMut(&Arc<Message>), Error> {
    let on_message = on_message.ok_or_else(|| null("the function"))?;
    Ok(move |message: &Arc<Message>| {
        with_view(message.view(), |message| {
            // SAFETY: the caller promised a function that takes these; the view outlives the call.
            unsafe { on_message(message, user_data) };
        });
    })
}
