//! What event hooks are told, and their functions. Everything that they are given lives as long as the hook runs.

use std::ffi::c_void;

use super::client::rmqtt_client_t;
use super::listener::rmqtt_listener_info_t;
use super::message::rmqtt_message_t;
use super::versioned::CBool;
use super::view::rmqtt_str_t;

/// A client is connected. All of it lives as long as the hook runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_connected_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// Who is connected.
    pub client: *const rmqtt_client_t,
}

/// Who ended a connection.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rmqtt_disconnected_by {
    /// The client, with a DISCONNECT.
    RMQTT_DISCONNECTED_BY_CLIENT = 1,
    /// The broker: for a fault of the client, its silence, a new connection under its name, a stop, or because the host
    /// program says so.
    RMQTT_DISCONNECTED_BY_BROKER = 2,
    /// The network: the connection ended without a DISCONNECT.
    RMQTT_DISCONNECTED_BY_NETWORK = 3,
}

/// A value of `enum rmqtt_disconnected_by`.
pub type rmqtt_disconnected_by_t = i32;

/// A client that was connected is gone. All of it lives as long as the hook runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_disconnected_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// Who is gone.
    pub client: *const rmqtt_client_t,
    /// Why, in words.
    pub reason: rmqtt_str_t,
    /// A value of `enum rmqtt_disconnected_by`.
    pub by: rmqtt_disconnected_by_t,
    /// Why, as an MQTT 5 DISCONNECT reason code, whatever the client speaks.
    pub reason_code: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// A CONNECT that could be read has been answered.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_connack_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// Who wanted to connect.
    pub client: *const rmqtt_client_t,
    /// The reason string; absent if there is none.
    pub reason_string: rmqtt_str_t,
    /// The reason code of MQTT 5, whatever the client speaks: 0 if it is connected.
    pub reason_code: u8,
    /// Whether the client finds the session that it had before.
    pub session_present: CBool,
    /// Zero.
    pub reserved: [u8; 6],
}

/// Why a session is over.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rmqtt_session_end {
    /// It was to last no longer than its connection.
    RMQTT_SESSION_END_DISCONNECTED = 1,
    /// Its client did not come back within the session expiry interval.
    RMQTT_SESSION_END_EXPIRED = 2,
    /// Its client came back with clean start.
    RMQTT_SESSION_END_CLEAN_START = 3,
    /// The broker stops.
    RMQTT_SESSION_END_STOPPED = 4,
    /// The host program has discarded it, with `rmqtt_broker_disconnect`.
    RMQTT_SESSION_END_DISCARDED = 5,
}

/// A value of `enum rmqtt_session_end`.
pub type rmqtt_session_end_t = i32;

/// A session has begun, changed hands, or is over.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_session_event_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// `session_created`, `session_resumed`: the connection that has the session. `session_taken_over`: the connection that
    /// loses it. `session_terminated`: the last connection that had it.
    pub client: *const rmqtt_client_t,
    /// For `session_terminated` a value of `enum rmqtt_session_end`, else 0.
    pub end: rmqtt_session_end_t,
    /// Zero.
    pub reserved: [u8; 4],
}

/// A client has subscribed, or changed a subscription.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_subscribed_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// Who has subscribed.
    pub client: *const rmqtt_client_t,
    /// The topic filter, as in SUBSCRIBE.
    pub filter: rmqtt_str_t,
    /// The filter whose messages it gets: that one, unless a hook has put another in its place.
    pub granted: rmqtt_str_t,
    /// The subscription identifier; 0 for none.
    pub identifier: u32,
    /// The highest QoS, as granted.
    pub qos: u8,
    /// Not the messages that the client publishes itself.
    pub no_local: CBool,
    /// The retain flag as publishers set it.
    pub retain_as_published: CBool,
    /// As in MQTT 5: 0 delivers retained messages, 1 does for a new subscription, 2 does not.
    pub retain_handling: u8,
}

/// A client has unsubscribed. When its session ends, `session_terminated` tells that all its subscriptions are over.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_unsubscribed_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// Who has unsubscribed.
    pub client: *const rmqtt_client_t,
    /// The topic filter, as it was subscribed to.
    pub filter: rmqtt_str_t,
}

/// A message is on its way to its receivers.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_message_published_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// The message, with what `authorize_publish` has changed of it.
    pub message: *const rmqtt_message_t,
    /// How many sessions and subscriptions of the host program it goes to.
    pub receivers: u64,
}

/// A message is written to a client for the first time.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_message_delivered_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// Who gets it.
    pub client: *const rmqtt_client_t,
    /// The message, with what `authorize_forward` has changed of it.
    pub message: *const rmqtt_message_t,
    /// The QoS that it is sent with.
    pub qos: u8,
    /// The retain flag that it is sent with.
    pub retain: CBool,
    /// Zero.
    pub reserved: [u8; 6],
}

/// A client has acknowledged a message of QoS 1 with PUBACK, or one of QoS 2 with PUBREC.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_message_acked_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// Who has acknowledged it.
    pub client: *const rmqtt_client_t,
    /// The message.
    pub message: *const rmqtt_message_t,
    /// The QoS that it was sent with.
    pub qos: u8,
    /// The reason code of the acknowledgement; from 0x80 on the client has refused the message.
    pub reason_code: u8,
    /// Zero.
    pub reserved: [u8; 6],
}

/// Why a message was dropped.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rmqtt_drop_cause {
    /// As much waits for the receiver as may.
    RMQTT_DROP_QUEUE_FULL = 1,
    /// The message has expired.
    RMQTT_DROP_EXPIRED = 2,
    /// The client takes no packets so large.
    RMQTT_DROP_TOO_LARGE = 3,
    /// The client went before the message was sent, and it is not kept.
    RMQTT_DROP_CLIENT_GONE = 4,
    /// A hook or a rule refused it.
    RMQTT_DROP_REFUSED = 5,
    /// Its client has published faster than `limits` lets it.
    RMQTT_DROP_RATE_EXCEEDED = 6,
    /// There is too little of the memory budget left for what waits for the receiver already.
    RMQTT_DROP_MEMORY = 7,
}

/// A value of `enum rmqtt_drop_cause`.
pub type rmqtt_drop_cause_t = i32;

/// A message does not reach a receiver, or nobody at all.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_message_dropped_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// The client that does not get it; NULL if nobody does, or if a subscription of the host program does not.
    pub client: *const rmqtt_client_t,
    /// The message.
    pub message: *const rmqtt_message_t,
    /// A value of `enum rmqtt_drop_cause`.
    pub cause: rmqtt_drop_cause_t,
    /// Zero.
    pub reserved: [u8; 4],
}

/// What has become of the retained message of a topic.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rmqtt_retained_change {
    /// There is one, or another one than before.
    RMQTT_RETAINED_SET = 1,
    /// It has been taken back: with an empty one, or by `rmqtt_broker_retained_delete`.
    RMQTT_RETAINED_REMOVED = 2,
    /// It has expired.
    RMQTT_RETAINED_EXPIRED = 3,
}

/// A value of `enum rmqtt_retained_change`.
pub type rmqtt_retained_change_t = i32;

/// The retained message of a topic has changed.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_retained_changed_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// The message that is retained now, that took the one before back, or that has expired. For one that the host program
    /// has deleted it is an empty one of the origin `RMQTT_ORIGIN_API`.
    pub message: *const rmqtt_message_t,
    /// A value of `enum rmqtt_retained_change`.
    pub change: rmqtt_retained_change_t,
    /// Zero.
    pub reserved: [u8; 4],
}

/// Somebody is the first to subscribe to a topic filter, or the last to give it up.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_subscriber_event_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// The topic filter, without `$share/{group}/`.
    pub filter: rmqtt_str_t,
    /// The client whose subscription it is; NULL for one of the host program.
    pub client: *const rmqtt_client_t,
}

/// What there may be too much of.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rmqtt_resource {
    /// Connections, `limits.max_connections`.
    RMQTT_RESOURCE_CONNECTIONS = 1,
    /// Sessions, `limits.max_sessions`.
    RMQTT_RESOURCE_SESSIONS = 2,
    /// Retained messages, `retain.max_messages`.
    RMQTT_RESOURCE_RETAINED_MESSAGES = 3,
    /// Memory, `limits.memory_budget_bytes`, by the broker's own account.
    RMQTT_RESOURCE_MEMORY = 4,
}

/// A value of `enum rmqtt_resource`.
pub type rmqtt_resource_t = i32;

/// Something had to be refused because a limit of the broker as a whole is reached, or there is room again: a tenth of the
/// limit, a quarter if it is that of memory.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_overload_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// The limit.
    pub limit: u64,
    /// A value of `enum rmqtt_resource`. A number that a program does not know is one of a later version.
    pub resource: rmqtt_resource_t,
    /// Whether it has begun; if not, it is over.
    pub begun: CBool,
    /// Zero.
    pub reserved: [u8; 3],
}

/// What of a client is banned.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rmqtt_ban_kind {
    /// Its address: one of IPv4, or a /64 network of IPv6.
    RMQTT_BAN_IP = 1,
    /// Its client identifier.
    RMQTT_BAN_CLIENT_ID = 2,
    /// Its user name.
    RMQTT_BAN_USER = 3,
}

/// A value of `enum rmqtt_ban_kind`.
pub type rmqtt_ban_kind_t = i32;

/// Why somebody is banned.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rmqtt_ban_cause {
    /// Too many attempts to authenticate have failed: `limits.ban.failures`.
    RMQTT_BAN_CAUSE_AUTHENTICATION = 1,
    /// It has connected too often: `limits.ban.flaps`.
    RMQTT_BAN_CAUSE_FLAPPING = 2,
    /// The program has said so, with `rmqtt_broker_ban`.
    RMQTT_BAN_CAUSE_API = 3,
}

/// A value of `enum rmqtt_ban_cause`.
pub type rmqtt_ban_cause_t = i32;

/// Somebody is kept out from now on.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_client_banned_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// The address, client identifier or user name; of IPv6 the network, such as `2001:db8::/64`.
    pub value: rmqtt_str_t,
    /// What it is: a value of `enum rmqtt_ban_kind`.
    pub kind: rmqtt_ban_kind_t,
    /// Why: a value of `enum rmqtt_ban_cause`.
    pub cause: rmqtt_ban_cause_t,
    /// How long, in milliseconds; 0 until `rmqtt_broker_unban`.
    pub ban_ms: u64,
}

/// Hears that somebody is kept out from now on.
pub type rmqtt_client_banned_fn =
    Option<unsafe extern "C-unwind" fn(event: *const rmqtt_client_banned_t, user_data: *mut c_void)>;

/// Hears that a client is connected.
pub type rmqtt_connected_fn =
    Option<unsafe extern "C-unwind" fn(event: *const rmqtt_connected_t, user_data: *mut c_void)>;

/// Hears that a client is gone.
pub type rmqtt_disconnected_fn =
    Option<unsafe extern "C-unwind" fn(event: *const rmqtt_disconnected_t, user_data: *mut c_void)>;

/// Hears how a CONNECT has been answered.
pub type rmqtt_connack_fn = Option<unsafe extern "C-unwind" fn(event: *const rmqtt_connack_t, user_data: *mut c_void)>;

/// Hears that a session has begun, changed hands, or is over.
pub type rmqtt_session_fn =
    Option<unsafe extern "C-unwind" fn(event: *const rmqtt_session_event_t, user_data: *mut c_void)>;

/// Hears that a client has subscribed.
pub type rmqtt_subscribed_fn =
    Option<unsafe extern "C-unwind" fn(event: *const rmqtt_subscribed_t, user_data: *mut c_void)>;

/// Hears that a client has unsubscribed.
pub type rmqtt_unsubscribed_fn =
    Option<unsafe extern "C-unwind" fn(event: *const rmqtt_unsubscribed_t, user_data: *mut c_void)>;

/// Hears that a message, or a will, is on its way.
pub type rmqtt_message_published_fn =
    Option<unsafe extern "C-unwind" fn(event: *const rmqtt_message_published_t, user_data: *mut c_void)>;

/// Hears that a message is written to a client.
pub type rmqtt_message_delivered_fn =
    Option<unsafe extern "C-unwind" fn(event: *const rmqtt_message_delivered_t, user_data: *mut c_void)>;

/// Hears that a client has acknowledged a message.
pub type rmqtt_message_acked_fn =
    Option<unsafe extern "C-unwind" fn(event: *const rmqtt_message_acked_t, user_data: *mut c_void)>;

/// Hears that a message does not reach a receiver.
pub type rmqtt_message_dropped_fn =
    Option<unsafe extern "C-unwind" fn(event: *const rmqtt_message_dropped_t, user_data: *mut c_void)>;

/// Hears that the retained message of a topic has changed.
pub type rmqtt_retained_changed_fn =
    Option<unsafe extern "C-unwind" fn(event: *const rmqtt_retained_changed_t, user_data: *mut c_void)>;

/// Hears that a filter has its first subscriber, or has lost the last one.
pub type rmqtt_subscriber_fn =
    Option<unsafe extern "C-unwind" fn(event: *const rmqtt_subscriber_event_t, user_data: *mut c_void)>;

/// Hears that a listener is open, or closed.
pub type rmqtt_listener_fn =
    Option<unsafe extern "C-unwind" fn(event: *const rmqtt_listener_info_t, user_data: *mut c_void)>;

/// Hears that a limit is reached, or that there is room again.
pub type rmqtt_overload_fn =
    Option<unsafe extern "C-unwind" fn(event: *const rmqtt_overload_t, user_data: *mut c_void)>;
