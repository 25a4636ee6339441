//! Configuration: JSON text in, typed values out, every fault at once with its JSON pointer.
//!
//! The types below are the single source. Their JSON Schema (`docs/config.schema.json`) is what the text is checked
//! against, so a documented range and an enforced range cannot differ.

mod acl;
mod auth;
mod client_limits;
mod difference;
mod fault;
mod listener;
mod listener_check;
mod pending;
mod restart;
mod schema;
mod succession;
mod validate;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use acl::{Acl, AclAction, AclRule, Effect, SysTopicsAccess};
pub use auth::{Auth, AuthMethod, HttpAuth, Jwt, JwtAlgorithm, JwtFrom};
pub use client_limits::{ListenerLimits, RateExceeded};
pub use difference::{differences, gone};
pub use fault::{Fault, Faults};
pub use listener::{
    ClientAuth, Listener, ListenerType, Proxy, ProxyProtocol, Spoken, Tls, TlsCertificate, TlsVersion, UsernameFrom,
    WebSocket,
};
pub use schema::schema;
pub use succession::succession;
pub use validate::check_rules;

/// The configuration of one broker. Every key is optional; an unknown key is a fault.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The number of this node, unique in a cluster.
    #[schemars(range(min = 1, max = 4_294_967_295u64))]
    pub node_id: u64,

    /// The name of this broker, one topic level without wildcards. Without it, `rmqtt-` and the node number.
    #[schemars(length(min = 1, max = 256), extend("format" = "topic-level"))]
    pub id: Option<String>,

    /// Where clients connect. None is legal: the host program is then the only client.
    #[schemars(length(max = 1024))]
    pub listeners: Vec<Listener>,

    /// The threads of the broker.
    pub runtime: Runtime,

    /// The threads that call the host program.
    pub callbacks: Callbacks,

    /// Who may connect when no `authenticate` hook is set.
    pub auth: Auth,

    /// What clients may do when no hook decides about it.
    pub acl: Acl,

    /// What clients may use of the broker. `listeners[].limits` has what may differ from listener to listener; what holds for
    /// the broker as a whole stands here only.
    pub limits: Limits,

    /// The sessions of clients.
    pub session: Session,

    /// Retained messages.
    pub retain: Retain,

    /// Messages that the program publishes with a delay.
    pub delayed: Delayed,

    /// Shared subscriptions.
    pub shared_subscriptions: SharedSubscriptions,

    /// What the broker publishes about itself.
    pub sys_topics: SysTopics,
}

/// The threads of the broker.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Runtime {
    /// Worker threads; 0 means one per processor.
    #[schemars(range(max = 1024))]
    pub worker_threads: u32,

    /// How long a worker thread goes on looking for work when a client has kept it busy, in microseconds, before it sleeps; 0
    /// means not at all. Clients that send one thing after another get their answers sooner, while a processor is kept busy.
    #[schemars(range(max = 1_000_000))]
    pub busy_poll_us: u64,

    /// The name of the worker threads, as debuggers show it.
    #[schemars(length(min = 1, max = 15), extend("format" = "text"))]
    pub thread_name: String,
}

/// The threads that call the host program.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Callbacks {
    /// Threads that run callbacks: so many clients' hooks and subscriptions run at the same time.
    #[schemars(range(min = 1, max = 256))]
    pub threads: u32,

    /// Decisions that may wait for a thread, and as many events. A decision that finds no room is denied; what becomes
    /// of an event, `callbacks.event_overflow` says.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub queue: u32,

    /// What becomes of an event that finds no room: it is dropped, or its client is held back until there is some. What is
    /// dropped is counted.
    pub event_overflow: EventOverflow,

    /// How long a decision may take, deferred or not, in milliseconds; then it is denied. Also how long a client may be
    /// held back because there is no room for its events.
    #[schemars(range(min = 1, max = 3_600_000))]
    pub timeout_ms: u64,

    /// Deferred decisions that may be open at the same time.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub max_pending: u32,
}

/// What becomes of an event that finds no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventOverflow {
    /// It is dropped.
    #[default]
    Drop,
    /// The client that has brought it about is held back until half of the events that may wait are gone. If that takes
    /// longer than `callbacks.timeout_ms`, events that find no room are dropped until then. Those that no client brings
    /// about are dropped, too.
    Wait,
}

/// What one client may use of the broker.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections at the same time, those of all listeners and those that the host program brings; one more is told so
    /// if it can be, and closed. 0 means no limit.
    #[schemars(range(max = 2_147_483_647))]
    pub max_connections: u32,

    /// Connections that are let in within a second, from wherever; one more is closed at once, before anything is read. 0 means
    /// no limit. After a pause, a second's worth may come at once.
    #[schemars(range(max = 1_000_000))]
    pub conn_rate_per_sec: u32,

    /// The same for each address: one of IPv4, or a /64 network of IPv6. Behind a proxy, the client's address counts.
    #[schemars(range(max = 1_000_000))]
    pub conn_rate_per_ip_per_sec: u32,

    /// The networks that connections may come from, such as `10.0.0.0/8`. Empty: all.
    #[schemars(length(max = 65_536), with = "Vec<String>", extend("items" = {"type": "string", "format": "ip-network"}))]
    pub ip_allow: Vec<IpNet>,

    /// The networks that connections may not come from, whatever `ip_allow` says.
    #[schemars(length(max = 65_536), with = "Vec<String>", extend("items" = {"type": "string", "format": "ip-network"}))]
    pub ip_deny: Vec<IpNet>,

    /// Who misbehaves is kept out for a while.
    pub ban: Ban,

    /// Sessions in all, those of absent clients included; 0 means no limit.
    #[schemars(range(max = 2_147_483_647))]
    pub max_sessions: u32,

    /// The longest client identifier, in bytes; 0 means no limit but that of MQTT, 65535.
    #[schemars(range(max = 65_535))]
    pub max_client_id_length: u32,

    /// The longest keep alive, in seconds. An MQTT 5 client that asks for more is told to use this one; an older one
    /// is refused.
    #[schemars(range(min = 1, max = 65_535))]
    pub max_keepalive_s: u32,

    /// The largest packet a client may send, in bytes.
    #[schemars(range(min = 64, max = 268_435_460))]
    pub max_packet_bytes: u32,

    /// QoS 1 and 2 messages on their way to one client at the same time, and, as the receive maximum that an MQTT 5
    /// client is told, from it.
    #[schemars(range(min = 1, max = 65_535))]
    pub max_inflight: u32,

    /// Messages that wait for one client, those on their way apart; 0 means no limit.
    #[schemars(range(max = 10_000_000))]
    pub max_queued_messages: u32,

    /// Bytes of the messages that wait for one client, with what it takes to keep them; 0 means no limit. One message
    /// may always wait.
    #[schemars(range(max = 1_099_511_627_776u64))]
    pub max_queued_bytes: u64,

    /// What happens to a message for a client for which as much waits as allowed.
    pub slow_consumer: SlowConsumer,

    /// Subscriptions of one client; 0 means no limit.
    #[schemars(range(max = 2_147_483_647))]
    pub max_subscriptions: u32,

    /// Levels of a topic name or filter, in packets and in the API alike. There is no unlimited: each level costs
    /// time and memory on every match.
    #[schemars(range(min = 1, max = 512))]
    pub max_topic_levels: u32,

    /// The highest QoS.
    #[schemars(range(max = 2))]
    pub max_qos: u8,

    /// Messages that one client may publish in a second; 0 means no limit. Wills, and what the host program publishes, do not
    /// count, here and below.
    #[schemars(range(max = 1_000_000_000))]
    pub publish_msgs_per_sec: u32,

    /// Messages that one client may publish at once after a pause; 0 means as many as in a second. With fewer than come in some
    /// milliseconds, a client that is throttled is slower than its rate.
    #[schemars(range(max = 1_000_000_000))]
    pub publish_burst_msgs: u32,

    /// Bytes that one client may publish in a second: topic, properties and payload; 0 means no limit.
    #[schemars(range(max = 4_294_967_295u64))]
    pub publish_bytes_per_sec: u32,

    /// Bytes that one client may publish at once after a pause; 0 means as many as in a second. A message that is larger
    /// may come when nothing has come for so long that so many could.
    #[schemars(range(max = 4_294_967_295u64))]
    pub publish_burst_bytes: u32,

    /// What becomes of a client that publishes faster than that.
    pub on_rate_exceeded: RateExceeded,

    /// Memory that the broker may hold for messages, sessions and connections, in bytes, by its own account; 0 means no
    /// limit. Otherwise at least 8 MiB. Near it publishers are slowed down; at it messages, and whatever else would take
    /// more, are refused.
    #[schemars(range(max = 1_099_511_627_776u64))]
    pub memory_budget_bytes: u64,
}

/// Who misbehaves is kept out for a while.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ban {
    /// So many attempts to authenticate that fail within `window_ms` are a ban; 0 for never.
    #[schemars(range(max = 1_000_000))]
    pub failures: u32,

    /// So many connections within `window_ms` are a ban; 0 for never.
    #[schemars(range(max = 1_000_000))]
    pub flaps: u32,

    /// What is looked at, in milliseconds up to now.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub window_ms: u64,

    /// How long a ban lasts, in milliseconds.
    #[schemars(range(min = 1, max = 31_536_000_000u64))]
    pub ban_ms: u64,

    /// Who is counted, and banned. By client identifier or user name, anybody can have another client locked out by failing in
    /// its name.
    #[schemars(length(min = 1, max = 3))]
    pub by: Vec<BanBy>,
}

/// Who is counted, and banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BanBy {
    /// The address: one of IPv4, or a /64 network of IPv6.
    Ip,
    /// The client identifier.
    ClientId,
    /// The user name.
    User,
}

/// What happens to a message for a client for which as much waits as allowed. Whatever is dropped is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SlowConsumer {
    /// It is dropped.
    #[default]
    DropNewest,
    /// The oldest ones that wait are dropped, to make room.
    DropOldest,
    /// It is dropped, and the client is disconnected with reason code 0x97, quota exceeded.
    Disconnect,
}

/// The sessions of clients.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Session {
    /// The longest time that a session outlives its connection, in seconds; 4294967295 means for ever. An MQTT 5 client
    /// that asks for more is told; for an older one without clean session it is the time.
    #[schemars(range(max = 4_294_967_295u64))]
    pub max_expiry_s: u32,
}

/// Retained messages.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retain {
    /// Whether messages are retained.
    pub enabled: bool,

    /// Retained messages in all; 0 means no limit. One more is delivered, but not retained.
    #[schemars(range(max = 2_147_483_647))]
    pub max_messages: u32,

    /// The largest payload that is retained, in bytes; 0 means no limit. A larger one is delivered, but not retained.
    #[schemars(range(max = 268_435_460))]
    pub max_payload_bytes: u32,
}

/// Messages that the program publishes with a delay. They are kept in memory, and are gone when the broker stops.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Delayed {
    /// Delayed messages in all; 0 means no limit. One more is not accepted.
    #[schemars(range(max = 2_147_483_647))]
    pub max_messages: u32,

    /// What they may take in memory, about, in bytes; 0 means no limit. One message is accepted whatever its size.
    #[schemars(range(max = 1_099_511_627_776u64))]
    pub max_bytes: u64,
}

/// Shared subscriptions, `$share/{group}/{filter}`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SharedSubscriptions {
    /// Whether clients may have them.
    pub enabled: bool,

    /// Which member of a group gets a message. Members that are not connected get one only when no other is.
    pub strategy: SharedStrategy,
}

/// Which member of a group gets a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SharedStrategy {
    /// Each in turn.
    #[default]
    RoundRobin,
    /// Any.
    Random,
    /// The same one, until it is gone.
    Sticky,
    /// The same one for each publisher.
    HashClient,
    /// The same one for each topic.
    HashTopic,
    /// The one with the fewest messages waiting and on their way.
    LeastInflight,
}

/// What the broker publishes about itself.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SysTopics {
    /// A sign of life.
    pub heartbeat: Heartbeat,
}

/// A sign of life.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Heartbeat {
    /// Whether the broker publishes `$SYS/{id}/heartbeat` while it runs: QoS 0, not retained, a JSON object of `id`,
    /// `uptime_ms` and `connected_clients`. Clients can subscribe to it if `acl.sys_topics` or a hook lets them.
    pub enabled: bool,

    /// How often, in milliseconds, from the start of the broker on.
    #[schemars(range(min = 100, max = 86_400_000))]
    pub interval_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            node_id: 1,
            id: None,
            listeners: Vec::new(),
            runtime: Runtime::default(),
            callbacks: Callbacks::default(),
            auth: Auth::default(),
            acl: Acl::default(),
            limits: Limits::default(),
            session: Session::default(),
            retain: Retain::default(),
            delayed: Delayed::default(),
            shared_subscriptions: SharedSubscriptions::default(),
            sys_topics: SysTopics::default(),
        }
    }
}

impl Default for Runtime {
    fn default() -> Self {
        Runtime { worker_threads: 0, busy_poll_us: 0, thread_name: "rmqtt".to_owned() }
    }
}

impl Default for Callbacks {
    fn default() -> Self {
        Callbacks {
            threads: 4,
            queue: 1024,
            event_overflow: EventOverflow::default(),
            timeout_ms: 5_000,
            max_pending: 10_000,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_connections: 0,
            conn_rate_per_sec: 0,
            conn_rate_per_ip_per_sec: 0,
            ip_allow: Vec::new(),
            ip_deny: Vec::new(),
            ban: Ban::default(),
            max_sessions: 0,
            max_client_id_length: 256,
            max_keepalive_s: 65_535,
            max_packet_bytes: 1_048_576,
            max_inflight: 32,
            max_queued_messages: 1_000,
            max_queued_bytes: 1_048_576,
            slow_consumer: SlowConsumer::default(),
            max_subscriptions: 0,
            max_topic_levels: 64,
            max_qos: 2,
            publish_msgs_per_sec: 0,
            publish_burst_msgs: 0,
            publish_bytes_per_sec: 0,
            publish_burst_bytes: 0,
            on_rate_exceeded: RateExceeded::default(),
            memory_budget_bytes: 0,
        }
    }
}

impl Default for Ban {
    fn default() -> Self {
        Ban { failures: 0, flaps: 0, window_ms: 60_000, ban_ms: 300_000, by: vec![BanBy::Ip] }
    }
}

impl Default for Retain {
    fn default() -> Self {
        Retain { enabled: true, max_messages: 0, max_payload_bytes: 0 }
    }
}

impl Default for Session {
    fn default() -> Self {
        Session { max_expiry_s: u32::MAX }
    }
}

impl Default for Delayed {
    fn default() -> Self {
        Delayed { max_messages: 10_000, max_bytes: 64 * 1024 * 1024 }
    }
}

impl Default for SharedSubscriptions {
    fn default() -> Self {
        SharedSubscriptions { enabled: true, strategy: SharedStrategy::default() }
    }
}

impl Default for Heartbeat {
    fn default() -> Self {
        Heartbeat { enabled: false, interval_ms: 5_000 }
    }
}

impl Config {
    /// Reads a configuration. All faults come at once; none of the text is used if there is one.
    pub fn parse(json: &str) -> Result<Config, Faults> {
        let value = validate::parse(json)?;
        let mut faults = validate::check(&value);
        faults.extend(listener_check::check(&value));
        faults.extend(check_heartbeat(&value));
        faults.extend(check_memory_budget(&value));
        if !faults.is_empty() {
            return Err(Faults::new(faults));
        }
        serde_json::from_value(value)
            .map_err(|error| Faults::new(vec![Fault::new("", format!("is not a configuration: {error}"))]))
    }

    /// The name of this broker.
    pub fn broker_id(&self) -> String {
        self.id.clone().unwrap_or_else(|| format!("rmqtt-{}", self.node_id))
    }
}

/// A budget below this would leave no room for what a few clients need.
const MIN_MEMORY_BUDGET: u64 = 8 * 1024 * 1024;

/// A memory budget is none, or large enough to be of use. Reads the raw value, as below.
fn check_memory_budget(value: &serde_json::Value) -> Option<Fault> {
    const POINTER: &str = "/limits/memory_budget_bytes";
    let budget = value.pointer(POINTER).and_then(serde_json::Value::as_u64)?;
    let fault = || Fault::new(POINTER, format!("{budget} is below the minimum, {MIN_MEMORY_BUDGET}; 0 means no limit"));
    (1..MIN_MEMORY_BUDGET).contains(&budget).then(fault)
}

/// The heartbeat has a topic of three levels, and no message may have more of them than allowed. Reads the raw value, as
/// above.
fn check_heartbeat(value: &serde_json::Value) -> Option<Fault> {
    const POINTER: &str = "/sys_topics/heartbeat/enabled";
    let enabled = value.pointer(POINTER).and_then(serde_json::Value::as_bool).unwrap_or(false);
    let levels = value.pointer("/limits/max_topic_levels").and_then(serde_json::Value::as_u64)?;
    let fault = || Fault::new(POINTER, format!("takes a topic of 3 levels, above /limits/max_topic_levels, {levels}"));
    (enabled && (1..3).contains(&levels)).then(fault)
}
