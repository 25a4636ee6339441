//! What decision hooks are asked, and their functions.

use std::ffi::c_void;

use super::client::rmqtt_client_t;
use super::connection::rmqtt_connection_t;
use super::decision::{rmqtt_verdict_kind_t, rmqtt_verdict_t};
use super::message::rmqtt_message_t;
use super::properties::rmqtt_user_property_t;
use super::versioned::CBool;
use super::view::{rmqtt_bytes_t, rmqtt_str_t};

/// A client wants to connect. All of it lives as long as the hook runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_authenticate_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// Who wants to connect.
    pub client: *const rmqtt_client_t,
    /// The will; NULL if CONNECT has none.
    pub will: *const rmqtt_message_t,
    /// The password; absent if CONNECT has none.
    pub password: rmqtt_bytes_t,
    /// The keep alive that CONNECT asks for, in seconds; 0 for none.
    pub keep_alive_s: u16,
    /// Clean start, in MQTT before 5 clean session: whether the session before is to be discarded.
    pub clean_start: CBool,
    /// Request response information: the client would like to be told where answers go.
    pub request_response_information: CBool,
    /// Request problem information: the client takes reason strings and user properties with every packet.
    pub request_problem_information: CBool,
    /// Zero.
    pub reserved: [u8; 3],
    /// User properties of CONNECT, `user_property_count` of them; NULL if there are none.
    pub user_properties: *const rmqtt_user_property_t,
    /// How many user properties there are.
    pub user_property_count: usize,
    /// Session expiry interval, in seconds; 4294967295 for never. Before MQTT 5: 0 with clean session, else never.
    pub session_expiry_s: u32,
    /// The largest packet that the client takes, in bytes; 0 for no limit.
    pub maximum_packet_size: u32,
    /// QoS 1 and 2 messages that the client takes at once, at least 1.
    pub receive_maximum: u16,
    /// Topic aliases that the client takes.
    pub topic_alias_maximum: u16,
    /// Zero.
    pub reserved_tail: [u8; 4],
    /// What is known of the connection: TLS, certificate, load balancer.
    pub connection: *const rmqtt_connection_t,
}

/// A client authenticates in a way of its own, round by round: MQTT 5 enhanced authentication. All of it lives as long as
/// the hook runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_auth_exchange_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// Who authenticates.
    pub client: *const rmqtt_client_t,
    /// The authentication method of its CONNECT.
    pub method: rmqtt_str_t,
    /// The authentication data of this round; absent if there is none.
    pub data: rmqtt_bytes_t,
    /// 1 for CONNECT, or for the AUTH that begins a re-authentication; one more for each AUTH that follows.
    pub round: u32,
    /// Whether the client is connected already, and authenticates again.
    pub again: CBool,
    /// Zero.
    pub reserved: [u8; 3],
    /// What is known of the connection: TLS, certificate, load balancer. NULL with `again`.
    pub connection: *const rmqtt_connection_t,
}

/// How far a connection has come.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rmqtt_stage {
    /// It has been accepted. Nothing has been read but the header of the PROXY protocol, where there is one.
    RMQTT_STAGE_ACCEPTED = 1,
    /// The handshakes of TLS, WebSocket and QUIC are over. Only for listeners that have one.
    RMQTT_STAGE_ESTABLISHED = 2,
}

/// A value of `enum rmqtt_stage`.
pub type rmqtt_stage_t = i32;

/// A connection that has sent nothing yet in MQTT. All of it lives as long as the hook runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_pre_connect_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// Where it comes from, such as `192.0.2.1:49152`.
    pub address: rmqtt_str_t,
    /// The name of the listener that accepted it.
    pub listener: rmqtt_str_t,
    /// What is known of the connection so far.
    pub connection: *const rmqtt_connection_t,
    /// How far it has come: a value of `enum rmqtt_stage`.
    pub stage: rmqtt_stage_t,
    /// Zero.
    pub reserved: [u8; 4],
}

/// A message is to be published. All of it lives as long as the hook runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_authorize_publish_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// The message, with its publisher. Its origin is `RMQTT_ORIGIN_CLIENT`, `RMQTT_ORIGIN_API`, `RMQTT_ORIGIN_DELAYED` for one
    /// of the host program that is asked about when it is due, or `RMQTT_ORIGIN_WILL`: a will is asked about when its client
    /// connects, and again when it is published.
    pub message: *const rmqtt_message_t,
}

/// A client wants to subscribe. All of it lives as long as the hook runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_authorize_subscribe_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// Who wants to subscribe.
    pub client: *const rmqtt_client_t,
    /// The topic filter, `$share/{group}/` included.
    pub filter: rmqtt_str_t,
    /// The subscription identifier; 0 for none.
    pub identifier: u32,
    /// The highest QoS that it asks for, at most `limits.max_qos`.
    pub qos: u8,
    /// Not the messages that the client publishes itself.
    pub no_local: CBool,
    /// The retain flag as publishers set it.
    pub retain_as_published: CBool,
    /// As in MQTT 5: 0 delivers retained messages, 1 does for a new subscription, 2 does not.
    pub retain_handling: u8,
}

/// A client wants to give a subscription up. All of it lives as long as the hook runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_authorize_unsubscribe_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// Who wants to unsubscribe.
    pub client: *const rmqtt_client_t,
    /// The topic filter, as the client has subscribed to it.
    pub filter: rmqtt_str_t,
}

/// A message is to be sent to a client for the first time. All of it lives as long as the hook runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_authorize_forward_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// Who is to get it.
    pub client: *const rmqtt_client_t,
    /// The message, with its publisher.
    pub message: *const rmqtt_message_t,
    /// The QoS that it is sent with: the lower one of the message's and the subscription's.
    pub qos: u8,
    /// The retain flag that it is sent with.
    pub retain: CBool,
    /// Zero.
    pub reserved: [u8; 6],
}

/// Decides whether a client may connect.
///
/// @param event Who wants to connect, with what.
/// @param verdict The details of the answer: reason code and string, user properties; if it allows, another client
///                identifier, session expiry or keep alive, superuser, response information; see `rmqtt_verdict_t`.
/// @param user_data That of the hooks.
/// @return `RMQTT_VERDICT_ALLOW`; `RMQTT_VERDICT_CONTINUE` to leave it to the configuration (`auth`); `RMQTT_VERDICT_DEFERRED`
///         after `rmqtt_decision_defer`; anything else denies.
pub type rmqtt_authenticate_fn = Option<
    unsafe extern "C-unwind" fn(
        event: *const rmqtt_authenticate_t,
        verdict: *mut rmqtt_verdict_t,
        user_data: *mut c_void,
    ) -> rmqtt_verdict_kind_t,
>;

/// Decides about one round of enhanced authentication.
///
/// @param event Who authenticates, with what.
/// @param verdict The details of the answer: `auth_data` for the client, and with the last one of a CONNECT what
///                `rmqtt_authenticate_fn` may say.
/// @param user_data That of the hooks.
/// @return `RMQTT_VERDICT_CONTINUE` to challenge the client once more, which denies in round 64; else as
///         `rmqtt_authenticate_fn`. A re-authentication that is denied ends the connection; of one that is allowed nothing
///         is looked at but `auth_data`, reason string and user properties.
pub type rmqtt_auth_exchange_fn = Option<
    unsafe extern "C-unwind" fn(
        event: *const rmqtt_auth_exchange_t,
        verdict: *mut rmqtt_verdict_t,
        user_data: *mut c_void,
    ) -> rmqtt_verdict_kind_t,
>;

/// Decides whether a connection may say anything; if not, it is closed without a word. It is asked when the connection has
/// been accepted, before any handshake costs anything, and on listeners with TLS, WebSocket or QUIC once more after that,
/// when the certificate and the address that a reverse proxy tells of are known.
///
/// @param event Where it comes from.
/// @param verdict The details of the answer. None of them is looked at here.
/// @param user_data That of the hooks.
/// @return As `rmqtt_authenticate_fn`.
pub type rmqtt_pre_connect_fn = Option<
    unsafe extern "C-unwind" fn(
        event: *const rmqtt_pre_connect_t,
        verdict: *mut rmqtt_verdict_t,
        user_data: *mut c_void,
    ) -> rmqtt_verdict_kind_t,
>;

/// Decides whether a message may be published.
///
/// @param event The message.
/// @param verdict The details of the answer: a reason code, string and user properties for PUBACK or PUBREC, or what is to
///                be published instead.
/// @param user_data That of the hooks.
/// @return As `rmqtt_authenticate_fn`, or `RMQTT_VERDICT_DROP`.
pub type rmqtt_authorize_publish_fn = Option<
    unsafe extern "C-unwind" fn(
        event: *const rmqtt_authorize_publish_t,
        verdict: *mut rmqtt_verdict_t,
        user_data: *mut c_void,
    ) -> rmqtt_verdict_kind_t,
>;

/// Decides whether a client may subscribe, filter by filter.
///
/// @param event Who wants to subscribe to what.
/// @param verdict The details of the answer: a reason code, string and user properties for SUBACK, a lower QoS, or
///                another filter.
/// @param user_data That of the hooks.
/// @return As `rmqtt_authenticate_fn`.
pub type rmqtt_authorize_subscribe_fn = Option<
    unsafe extern "C-unwind" fn(
        event: *const rmqtt_authorize_subscribe_t,
        verdict: *mut rmqtt_verdict_t,
        user_data: *mut c_void,
    ) -> rmqtt_verdict_kind_t,
>;

/// Decides whether a client may unsubscribe, filter by filter.
///
/// @param event Who wants to unsubscribe from what.
/// @param verdict The details of the answer: a reason code, string and user properties for UNSUBACK, which clients
///                before MQTT 5 do not see.
/// @param user_data That of the hooks.
/// @return As `rmqtt_authenticate_fn`.
pub type rmqtt_authorize_unsubscribe_fn = Option<
    unsafe extern "C-unwind" fn(
        event: *const rmqtt_authorize_unsubscribe_t,
        verdict: *mut rmqtt_verdict_t,
        user_data: *mut c_void,
    ) -> rmqtt_verdict_kind_t,
>;

/// Decides whether a client gets a message: a live one, one that has waited for it, or a retained one. It is asked once
/// for each receiver and message, before the first time that it is sent.
///
/// @param event Who is to get what.
/// @param verdict The details of the answer: another topic, payload, retain flag or other MQTT 5 properties for this
///                client, or a lower QoS.
/// @param user_data That of the hooks.
/// @return As `rmqtt_authenticate_fn`. Whatever denies drops the message for this client.
pub type rmqtt_authorize_forward_fn = Option<
    unsafe extern "C-unwind" fn(
        event: *const rmqtt_authorize_forward_t,
        verdict: *mut rmqtt_verdict_t,
        user_data: *mut c_void,
    ) -> rmqtt_verdict_kind_t,
>;
