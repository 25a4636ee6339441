//! Clients and their sessions, from outside.

use std::num::NonZeroU32;
use std::ptr;

use super::broker::{null, rmqtt_broker_t, with_broker};
use super::error::rmqtt_error_t;
use super::status::rmqtt_status_t;
use super::string::rmqtt_string_t;
use super::versioned::{self, CBool, Versioned};
use super::view::rmqtt_str_t;
use crate::broker::{to_json, Action, ClientQuery, Error, Presence};
use crate::model::{QoS, RetainHandling, SubscriptionOptions};

/// Whether a client that is asked for is connected.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rmqtt_presence {
    /// It does not matter.
    RMQTT_PRESENCE_ANY = 0,
    /// It is connected.
    RMQTT_PRESENCE_CONNECTED = 1,
    /// It has a session, but is not connected.
    RMQTT_PRESENCE_NOT_CONNECTED = 2,
}

/// A value of `enum rmqtt_presence`.
pub type rmqtt_presence_t = i32;

/// Which clients are asked for. Start with `rmqtt_query_init()`, or with zeroes and `struct_size`: zero is the default
/// everywhere. Text that is absent or empty does not matter; a client has to meet all the rest.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_query_t {
    /// `sizeof(rmqtt_query_t)`, set by the caller.
    pub struct_size: usize,
    /// What the client identifier begins with.
    pub client_id_prefix: rmqtt_str_t,
    /// The user name.
    pub username: rmqtt_str_t,
    /// Where the connection comes from: a host, such as `192.0.2.1`, or with the port, such as `192.0.2.1:49152`.
    pub address: rmqtt_str_t,
    /// The name of the listener.
    pub listener: rmqtt_str_t,
    /// The client identifier behind which to begin: `next` of the page before.
    pub after: rmqtt_str_t,
    /// A value of `enum rmqtt_presence`.
    pub connected: rmqtt_presence_t,
    /// How many clients at most, 1 to 1000. 0 means 100.
    pub limit: u32,
}

// SAFETY: `repr(C)`, size first; pointers and integers, which any bits make.
unsafe impl Versioned for rmqtt_query_t {
    const NAME: &'static str = "the query";
    const FIRST_SIZE: usize = 96;
}

/// How to subscribe a client. Start with `rmqtt_client_subscription_init()`, or with zeroes and `struct_size`: zero is the
/// default everywhere.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_client_subscription_t {
    /// `sizeof(rmqtt_client_subscription_t)`, set by the caller.
    pub struct_size: usize,
    /// The subscription identifier that an MQTT 5 client gets with the messages, 1 to 268435455; 0 for none.
    pub identifier: u32,
    /// The highest QoS of the messages, 0 to `limits.max_qos`.
    pub qos: u8,
    /// Not the messages that the client publishes itself. Not for a shared subscription.
    pub no_local: CBool,
    /// The retain flag as publishers set it.
    pub retain_as_published: CBool,
    /// As in MQTT 5: 0 delivers retained messages, 1 does for a new subscription, 2 does not.
    pub retain_handling: u8,
}

// SAFETY: `repr(C)`, size first; integers and `CBool`, which any bits make.
unsafe impl Versioned for rmqtt_client_subscription_t {
    const NAME: &'static str = "the options";
    const FIRST_SIZE: usize = 16;
}

/// What a client might do.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rmqtt_action {
    /// Publish a message.
    RMQTT_ACTION_PUBLISH = 1,
    /// Subscribe.
    RMQTT_ACTION_SUBSCRIBE = 2,
}

/// A value of `enum rmqtt_action`.
pub type rmqtt_action_t = i32;

/// Lists clients that have a session, connected or not, in the order of their client identifiers, a page at a time.
///
/// The answer is `{"clients":[...],"next":"..."}`; docs/messages.md has the fields of a client. `next` is there only if
/// there may be more clients: it is `after` of the query for the next page. Clients that come and go between two pages may be
/// in neither of them; no client is in both.
///
/// @param broker A running broker.
/// @param query Which clients, or NULL for the first 100 of all.
/// @param json Receives the text, which the caller frees with `rmqtt_string_free`; NULL after a failure.
/// @param err Receives the error. May be NULL.
/// @return `RMQTT_OK`, also if there is no such client; `RMQTT_ERR_INVALID_ARGUMENT` for a broker or `json` that is NULL, a
///         bad `struct_size`, text that is not UTF-8, or a number out of range; `RMQTT_ERR_INVALID_STATE` if the broker does
///         not run; `RMQTT_ERR_FORKED`; `RMQTT_ERR_INTERNAL`; `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any, callbacks included. Never waits for a client or a callback; looks at each session once, a few at a
/// time, until the page is full.
///
/// # Safety
/// `broker` is NULL or alive; `query` is NULL or as large as it says, with views that are readable as far as they say;
/// `json` and `err` are NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_clients(
    broker: *const rmqtt_broker_t,
    query: *const rmqtt_query_t,
    json: *mut *mut rmqtt_string_t,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    let body = |broker: &rmqtt_broker_t| {
        // SAFETY: the contract of the function is passed on.
        unsafe { answer(json, || to_json(&broker.broker.clients(&read_query(query)?)?)) }
    };
    // SAFETY: the contract of the function is passed on.
    unsafe { with_broker(broker, err, body) }
}

/// Shows one client that has a session, connected or not.
///
/// @param broker A running broker.
/// @param client_id The client identifier.
/// @param json Receives the text, one of the objects that `rmqtt_broker_clients` lists, which the caller frees with
///        `rmqtt_string_free`; NULL after a failure.
/// @param err Receives the error. May be NULL.
/// @return `RMQTT_OK`; `RMQTT_ERR_NOT_FOUND` if there is no session of such a client; `RMQTT_ERR_INVALID_ARGUMENT` for a
///         broker or `json` that is NULL, or text that is not UTF-8; `RMQTT_ERR_INVALID_STATE` if the broker does not run;
///         `RMQTT_ERR_FORKED`; `RMQTT_ERR_INTERNAL`; `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any, callbacks included. Never waits for a client or a callback.
///
/// # Safety
/// `broker` is NULL or alive; `client_id` is readable as far as it says; `json` and `err` are NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_client(
    broker: *const rmqtt_broker_t,
    client_id: rmqtt_str_t,
    json: *mut *mut rmqtt_string_t,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    let body = |broker: &rmqtt_broker_t| {
        // SAFETY: the contract of the function is passed on.
        unsafe { answer(json, || to_json(&broker.broker.client(client_id.read("the client identifier")?)?)) }
    };
    // SAFETY: the contract of the function is passed on.
    unsafe { with_broker(broker, err, body) }
}

/// Disconnects a client, and ends its session if wanted. An MQTT 5 client gets DISCONNECT with the reason code; any other
/// sees its connection close. The will is published. `disconnected` tells `RMQTT_DISCONNECTED_BY_BROKER` and the reason
/// code; `session_terminated` tells `RMQTT_SESSION_END_DISCARDED`.
///
/// When this returns, the connection has been asked to close, and does so soon. If it is closing already for another
/// reason, that one stands. A session that is to be discarded and whose client is not connected is not found any more
/// when this returns; what follows from its end (its will, the event) comes soon after.
///
/// @param broker A running broker.
/// @param client_id The client identifier.
/// @param reason_code One that a server may send in DISCONNECT: 0x00 or 0x80 and above, such as 0x98, administrative action.
/// @param discard_session Whether the session ends, with its subscriptions and all that waits in it.
/// @param err Receives the error. May be NULL.
/// @return `RMQTT_OK`; `RMQTT_ERR_NOT_FOUND` if the client is not connected, or, with `discard_session`, has no session;
///         `RMQTT_ERR_INVALID_ARGUMENT` for a broker that is NULL, text that is not UTF-8, or a reason code that a server
///         must not send in DISCONNECT; `RMQTT_ERR_INVALID_STATE` if the broker does not run; `RMQTT_ERR_FORKED`;
///         `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any, callbacks included, those about this very client, too.
///
/// # Safety
/// `broker` is NULL or alive; `client_id` is readable as far as it says; `err` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_disconnect(
    broker: *mut rmqtt_broker_t,
    client_id: rmqtt_str_t,
    reason_code: u8,
    discard_session: CBool,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    let body = |broker: &rmqtt_broker_t| {
        // SAFETY: readable by the contract of the function.
        let client_id = unsafe { client_id.read("the client identifier") }?;
        broker.broker.disconnect(client_id, reason_code, discard_session.get())
    };
    // SAFETY: the contract of the function is passed on.
    unsafe { with_broker(broker, err, body) }
}

/// Subscribes a client, connected or not, as if it had done so itself: `subscribed` is told, and retained messages are
/// delivered as the options say, to a client that is away when it comes back. No hook and no access rule is asked, and
/// `limits.max_subscriptions` is not looked at. If the client has the filter already, the options are replaced.
///
/// @param broker A running broker.
/// @param client_id The client identifier.
/// @param filter A topic filter; `$share/{group}/{filter}` is one, too.
/// @param options Options, or NULL for the defaults.
/// @param err Receives the error. May be NULL.
/// @return `RMQTT_OK`; `RMQTT_ERR_NOT_FOUND` if there is no session of such a client; `RMQTT_ERR_INVALID_ARGUMENT` for a
///         broker that is NULL, a filter that is none, has too many levels, or is shared where
///         `shared_subscriptions.enabled` is false, a bad `struct_size`, or options out of range;
///         `RMQTT_ERR_INVALID_STATE` if the broker does not run; `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any, callbacks included, those about this very client, too. Called in an inline hook, what is told of it is
/// told on a callback thread.
///
/// # Safety
/// `broker` is NULL or alive; `client_id` and `filter` are readable as far as they say; `options` is NULL or as large as it
/// says; `err` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_subscribe_client(
    broker: *mut rmqtt_broker_t,
    client_id: rmqtt_str_t,
    filter: rmqtt_str_t,
    options: *const rmqtt_client_subscription_t,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    let body = |broker: &rmqtt_broker_t| {
        // SAFETY: readable by the contract of the function.
        let (client_id, filter) = unsafe { (client_id.read("the client identifier")?, filter.read("the filter")?) };
        // SAFETY: NULL or as large as it says, by the contract of the function.
        let options = unsafe { read_options(options) }?;
        broker.broker.subscribe_client(client_id, filter, options)
    };
    // SAFETY: the contract of the function is passed on.
    unsafe { with_broker(broker, err, body) }
}

/// Ends a subscription of a client, connected or not, as if it had done so itself: `unsubscribed` is told. No hook is
/// asked. Messages that wait for the client already stay.
///
/// @param broker A running broker.
/// @param client_id The client identifier.
/// @param filter The topic filter, as it was subscribed to.
/// @param err Receives the error. May be NULL.
/// @return `RMQTT_OK`; `RMQTT_ERR_NOT_FOUND` if there is no session of such a client, or it is not subscribed to the filter;
///         `RMQTT_ERR_INVALID_ARGUMENT` for a broker that is NULL, or a filter that is none or has too many levels;
///         `RMQTT_ERR_INVALID_STATE` if the broker does not run; `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
///
/// **Threads.** As `rmqtt_broker_subscribe_client`.
///
/// # Safety
/// `broker` is NULL or alive; `client_id` and `filter` are readable as far as they say; `err` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_unsubscribe_client(
    broker: *mut rmqtt_broker_t,
    client_id: rmqtt_str_t,
    filter: rmqtt_str_t,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    let body = |broker: &rmqtt_broker_t| {
        // SAFETY: readable by the contract of the function.
        let (client_id, filter) = unsafe { (client_id.read("the client identifier")?, filter.read("the filter")?) };
        broker.broker.unsubscribe_client(client_id, filter)
    };
    // SAFETY: the contract of the function is passed on.
    unsafe { with_broker(broker, err, body) }
}

/// Tells how many would get a message to a topic, if it were published now by somebody who is not among them: sessions,
/// those of absent clients included, and subscriptions of the host program; of each shared group one.
///
/// @param broker A running broker.
/// @param topic A topic name.
/// @param out Receives the number.
/// @param err Receives the error. May be NULL.
/// @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for a broker or `out` that is NULL, or a topic that is not a topic name
///         or has too many levels; `RMQTT_ERR_INVALID_STATE` if the broker does not run; `RMQTT_ERR_FORKED`;
///         `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any, callbacks included. Never waits for a client or a callback.
///
/// # Safety
/// `broker` is NULL or alive; `topic` is readable as far as it says; `out` and `err` are NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_subscriber_count(
    broker: *const rmqtt_broker_t,
    topic: rmqtt_str_t,
    out: *mut u64,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    let body = |broker: &rmqtt_broker_t| {
        if out.is_null() {
            return Err(null("the place for the number"));
        }
        // SAFETY: readable by the contract of the function.
        let count = broker.broker.subscriber_count(unsafe { topic.read("the topic") }?)?;
        // SAFETY: not NULL, so writable by the contract of the function.
        unsafe { out.write(count) };
        Ok(())
    };
    // SAFETY: the contract of the function is passed on.
    unsafe { with_broker(broker, err, body) }
}

/// Explains what would become of something that a client might do, and which rule, hook or default decides it. Nothing is
/// done, and no hook is asked. docs/messages.md has the fields of the answer.
///
/// @param broker A running broker.
/// @param client_id The client identifier.
/// @param action A value of `enum rmqtt_action`.
/// @param topic The topic name that the client might publish to, or the filter that it might subscribe to.
/// @param json Receives the text, which the caller frees with `rmqtt_string_free`; NULL after a failure.
/// @param err Receives the error. May be NULL.
/// @return `RMQTT_OK`, also for what is not allowed, and for a topic that is none; `RMQTT_ERR_NOT_FOUND` if there is no
///         session of such a client; `RMQTT_ERR_INVALID_ARGUMENT` for a broker or `json` that is NULL, a number that is no
///         action, or text that is not UTF-8; `RMQTT_ERR_INVALID_STATE` if the broker does not run; `RMQTT_ERR_FORKED`;
///         `RMQTT_ERR_INTERNAL`; `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any, callbacks included. Never waits for a client or a callback.
///
/// # Safety
/// `broker` is NULL or alive; `client_id` and `topic` are readable as far as they say; `json` and `err` are NULL or
/// writable.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_explain(
    broker: *const rmqtt_broker_t,
    client_id: rmqtt_str_t,
    action: rmqtt_action_t,
    topic: rmqtt_str_t,
    json: *mut *mut rmqtt_string_t,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    let explain = |broker: &rmqtt_broker_t| {
        let action = match action {
            action if action == rmqtt_action::RMQTT_ACTION_PUBLISH as i32 => Action::Publish,
            action if action == rmqtt_action::RMQTT_ACTION_SUBSCRIBE as i32 => Action::Subscribe,
            other => return Err(Error::InvalidArgument(format!("there is no action with the number {other}"))),
        };
        // SAFETY: readable by the contract of the function.
        let (client_id, topic) = unsafe { (client_id.read("the client identifier")?, topic.read("the topic")?) };
        to_json(&broker.broker.explain(client_id, action, topic)?)
    };
    // SAFETY: the contract of the function is passed on.
    unsafe { with_broker(broker, err, |broker| answer(json, || explain(broker))) }
}

/// Writes a text that the caller keeps, or NULL.
///
/// # Safety
/// `out` is NULL or writable.
unsafe fn answer(out: *mut *mut rmqtt_string_t, text: impl FnOnce() -> Result<String, Error>) -> Result<(), Error> {
    if out.is_null() {
        return Err(null("the place for the text"));
    }
    // SAFETY: not NULL, so writable by the caller's promise.
    unsafe { out.write(ptr::null_mut()) };
    let text = rmqtt_string_t::into_raw(text()?);
    // SAFETY: as above.
    unsafe { out.write(text) };
    Ok(())
}

/// # Safety
/// `query` is NULL or as large as it says, and its views are readable as far as they say.
unsafe fn read_query(query: *const rmqtt_query_t) -> Result<ClientQuery, Error> {
    if query.is_null() {
        return Ok(ClientQuery::default());
    }
    // SAFETY: the caller's promise is passed on.
    let query = unsafe { versioned::read(query) }?;
    let presence = match query.connected {
        presence if presence == rmqtt_presence::RMQTT_PRESENCE_ANY as i32 => Presence::Any,
        presence if presence == rmqtt_presence::RMQTT_PRESENCE_CONNECTED as i32 => Presence::Connected,
        presence if presence == rmqtt_presence::RMQTT_PRESENCE_NOT_CONNECTED as i32 => Presence::NotConnected,
        other => return Err(Error::InvalidArgument(format!("connected of the query is {other}, not 0, 1 or 2"))),
    };
    let text = |text: rmqtt_str_t, what| {
        // SAFETY: the caller's promise is passed on.
        let text = unsafe { text.read(what) }?;
        Ok::<_, Error>(Some(text.to_owned()))
    };
    Ok(ClientQuery {
        client_id_prefix: text(query.client_id_prefix, "the prefix of the query")?,
        username: text(query.username, "the user name of the query")?,
        address: text(query.address, "the address of the query")?,
        listener: text(query.listener, "the listener of the query")?,
        presence,
        after: text(query.after, "the client identifier of the query")?,
        limit: query.limit as usize,
    })
}

/// # Safety
/// `options` is NULL or as large as it says.
unsafe fn read_options(options: *const rmqtt_client_subscription_t) -> Result<SubscriptionOptions, Error> {
    if options.is_null() {
        return Ok(SubscriptionOptions::default());
    }
    // SAFETY: the caller's promise is passed on.
    let options = unsafe { versioned::read(options) }?;
    let qos = QoS::try_from(options.qos)
        .map_err(|qos| Error::InvalidArgument(format!("the QoS of the options is {qos}, not 0, 1 or 2")))?;
    let retain_handling = match options.retain_handling {
        0 => RetainHandling::SendAtSubscribe,
        1 => RetainHandling::SendIfNew,
        2 => RetainHandling::DoNotSend,
        other => return Err(Error::InvalidArgument(format!("the retain handling is {other}, not 0, 1 or 2"))),
    };
    Ok(SubscriptionOptions {
        qos,
        no_local: options.no_local.get(),
        retain_as_published: options.retain_as_published.get(),
        retain_handling,
        identifier: NonZeroU32::new(options.identifier),
    })
}
