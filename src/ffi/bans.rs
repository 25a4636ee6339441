use std::time::Duration;

use super::broker::{null, rmqtt_broker_t, with_broker};
use super::error::rmqtt_error_t;
use super::hook_events::{rmqtt_ban_kind, rmqtt_ban_kind_t};
use super::status::rmqtt_status_t;
use super::string::rmqtt_string_t;
use super::view::rmqtt_str_t;
use crate::broker::{to_json, Error};
use crate::model::BanKind;

/// Keeps somebody out: connections from that address are closed at once, clients of that client identifier or user name are
/// refused with reason code 0x8A (before MQTT 5: 5). Clients that are connected are disconnected with 0x98. A ban that is
/// there already is replaced. Bans end with the run of the broker.
///
/// @param broker A running broker.
/// @param kind What `value` is: a value of `enum rmqtt_ban_kind`.
/// @param value An IP address, a client identifier, or a user name. Of an address of IPv6, its /64 network is banned.
/// @param duration_ms How long, in milliseconds; 0 until `rmqtt_broker_unban`.
/// @param err Receives the error. May be NULL.
/// @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for a broker that is NULL, a kind that there is not, or a value that is
///         empty, not UTF-8, or no address; `RMQTT_ERR_INVALID_STATE` if the broker does not run; `RMQTT_ERR_FORKED`;
///         `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any, callbacks included.
///
/// # Safety
/// `broker` is NULL or alive; `value` is readable as far as it says; `err` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_ban(
    broker: *mut rmqtt_broker_t,
    kind: rmqtt_ban_kind_t,
    value: rmqtt_str_t,
    duration_ms: u64,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    let body = |broker: &rmqtt_broker_t| {
        // SAFETY: readable by the contract of the function.
        let value = unsafe { value.read("the value") }?;
        let duration = (duration_ms > 0).then(|| Duration::from_millis(duration_ms));
        broker.broker.ban(read_kind(kind)?, value, duration)
    };
    // SAFETY: the contract of the function is passed on.
    unsafe { with_broker(broker, err, body) }
}

/// Lets somebody in again, whoever or whatever has kept it out. What has been counted of it is forgotten.
///
/// @param broker A running broker.
/// @param kind As for `rmqtt_broker_ban`.
/// @param value As for `rmqtt_broker_ban`.
/// @param err Receives the error. May be NULL.
/// @return `RMQTT_OK`; `RMQTT_ERR_NOT_FOUND` if it is not banned; else as `rmqtt_broker_ban`.
///
/// **Threads.** Any, callbacks included.
///
/// # Safety
/// `broker` is NULL or alive; `value` is readable as far as it says; `err` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_unban(
    broker: *mut rmqtt_broker_t,
    kind: rmqtt_ban_kind_t,
    value: rmqtt_str_t,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    let body = |broker: &rmqtt_broker_t| {
        // SAFETY: readable by the contract of the function.
        let value = unsafe { value.read("the value") }?;
        broker.broker.unban(read_kind(kind)?, value)
    };
    // SAFETY: the contract of the function is passed on.
    unsafe { with_broker(broker, err, body) }
}

/// Lists all who are kept out, as JSON: `{"bans":[{"kind":"ip","value":"192.0.2.1","cause":"authentication","left_ms":299000}]}`.
/// `kind` is "ip", "client_id" or "user"; `cause` is "authentication", "flapping" or "api"; `left_ms` is `null` for one that
/// lasts until it is lifted.
///
/// @param broker A running broker.
/// @param json Receives the text, which the caller frees with `rmqtt_string_free`; NULL after a failure.
/// @param err Receives the error. May be NULL.
/// @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for NULL; `RMQTT_ERR_INVALID_STATE` if the broker does not run;
///         `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any, callbacks included.
///
/// # Safety
/// `broker` is NULL or alive; `json` and `err` are NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_bans(
    broker: *const rmqtt_broker_t,
    json: *mut *mut rmqtt_string_t,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    let body = |broker: &rmqtt_broker_t| {
        if json.is_null() {
            return Err(null("the place for the text"));
        }
        // SAFETY: not NULL, so writable by the contract of the function.
        unsafe { json.write(std::ptr::null_mut()) };
        let text = to_json(&broker.broker.bans()?)?;
        // SAFETY: as above.
        unsafe { json.write(rmqtt_string_t::into_raw(text)) };
        Ok(())
    };
    // SAFETY: the contract of the function is passed on.
    unsafe { with_broker(broker, err, body) }
}

fn read_kind(kind: rmqtt_ban_kind_t) -> Result<BanKind, Error> {
    const KINDS: [(rmqtt_ban_kind, BanKind); 3] = [
        (rmqtt_ban_kind::RMQTT_BAN_IP, BanKind::Ip),
        (rmqtt_ban_kind::RMQTT_BAN_CLIENT_ID, BanKind::ClientId),
        (rmqtt_ban_kind::RMQTT_BAN_USER, BanKind::User),
    ];
    let found = KINDS.into_iter().find(|(known, _)| *known as rmqtt_ban_kind_t == kind);
    found
        .map(|(_, kind)| kind)
        .ok_or_else(|| Error::InvalidArgument(format!("there is no kind with the number {kind}")))
}
