use std::ptr;

use super::broker::{rmqtt_broker_t, with_broker};
use super::error::rmqtt_error_t;
use super::status::rmqtt_status_t;
use super::string::rmqtt_string_t;
use super::view::rmqtt_str_t;
use crate::broker::{to_json, Report};

/// Puts another configuration in the place of the one that a broker has. If anything is wrong with it, nothing changes.
///
/// Of a broker that runs, everything changes at once that can; the rest does at the next start. docs/configuration.md says
/// which keys are which. Certificates, keys and lists are read again, also where the text is the same. Clients stay
/// connected, with what has been agreed on with them in CONNECT and CONNACK, also those of listeners that are closed. A
/// listener goes on with its socket if that is to be where it is: another name, another type of those over TCP, other
/// certificates and limits do not close it. For a broker that does not run, everything holds from the next start on.
///
/// The report is a JSON object of arrays; every pointer is a JSON pointer into the new configuration:
///
/// ```text
/// applied        pointers of what has changed and holds now: keys, whole listeners that are new (`/listeners/1`),
///                `/listeners` if some are gone, `/listeners/0/tls` if its certificates, keys or lists are others,
///                and such as `/auth/password_file` if the file is another
/// needs_restart  pointers of what differs from what holds, until the next start
/// rejected       objects of `pointer` and `message`: why nothing has changed
/// closed         the names of the listeners that have been closed
/// ```
///
/// @param broker A broker, running or not.
/// @param config_json The whole new configuration as JSON, as for `rmqtt_broker_new`.
/// @param report_json Receives the report, which the caller frees with `rmqtt_string_free`: after success, and after
///        `RMQTT_ERR_INVALID_CONFIG` and `RMQTT_ERR_BIND`; otherwise NULL. May be NULL.
/// @param err Receives the error, with every fault of the configuration. May be NULL.
/// @return `RMQTT_OK`; `RMQTT_ERR_INVALID_CONFIG`, also for certificates and keys that are of no use; `RMQTT_ERR_BIND` if
///         a listener that is new cannot be bound; `RMQTT_ERR_IO` if the system refuses something else;
///         `RMQTT_ERR_WOULD_DEADLOCK` in a callback while another thread starts, stops or reloads the broker;
///         `RMQTT_ERR_INVALID_ARGUMENT` for a broker that is NULL or text that is not UTF-8; `RMQTT_ERR_FORKED`;
///         `RMQTT_ERR_PANIC`. After any failure the broker is as it was.
///
/// **Threads.** Any, callbacks included. A second call waits for the first one to end. Files are read on the thread that
/// calls.
///
/// # Safety
/// `broker` is NULL or alive; `config_json` is readable as far as it says; `report_json` and `err` are NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_reload(
    broker: *mut rmqtt_broker_t,
    config_json: rmqtt_str_t,
    report_json: *mut *mut rmqtt_string_t,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    if !report_json.is_null() {
        // SAFETY: not NULL, so writable by the contract of the function.
        unsafe { report_json.write(ptr::null_mut()) };
    }
    let write = |report: &Report| {
        if !report_json.is_null() {
            let text = rmqtt_string_t::into_raw(to_json(report)?);
            // SAFETY: as above.
            unsafe { report_json.write(text) };
        }
        Ok(())
    };
    let body = |broker: &rmqtt_broker_t| {
        // SAFETY: readable by the contract of the function.
        let config_json = unsafe { config_json.read("the configuration") }?;
        match broker.broker.reload(config_json) {
            Ok(report) => write(&report),
            Err(error) => {
                Report::of_refusal(&error).as_ref().map_or(Ok(()), write)?;
                Err(error)
            }
        }
    };
    // SAFETY: the contract of the function is passed on.
    unsafe { with_broker(broker, err, body) }
}
