use super::versioned::Versioned;
use crate::hooks::{HookStats, TIME_BUCKETS};
use crate::observe::Stats;

/// A snapshot of a broker. Start with `rmqtt_stats_init()`.
///
/// Counters run from `rmqtt_broker_new` on, over all starts and stops; gauges are of now.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct rmqtt_stats_t {
    /// `sizeof(rmqtt_stats_t)`, set by the caller.
    pub struct_size: usize,
    /// When the current run started, in milliseconds since 1970; 0 when the broker does not run.
    pub started_at_ms: u64,
    /// Milliseconds since then.
    pub uptime_ms: u64,
    /// Gauge: clients connected.
    pub connected_clients: u64,
    /// Gauge: sessions of clients, those of absent clients included.
    pub sessions: u64,
    /// Gauge: subscriptions of those sessions.
    pub subscriptions: u64,
    /// Gauge: subscriptions of the host program.
    pub in_process_subscriptions: u64,
    /// Gauge: retained messages.
    pub retained_messages: u64,
    /// Counter: connections that got as far as an accepted CONNECT.
    pub connections: u64,
    /// Counter: messages that clients published, wills included.
    pub messages_received: u64,
    /// Counter: messages sent to clients.
    pub messages_sent: u64,
    /// Counter: messages that the host program published.
    pub messages_published: u64,
    /// Counter: messages handed to subscriptions of the host program.
    pub messages_delivered: u64,
    /// Counter: messages that did not reach a client or a subscription of the host program, for whatever cause.
    pub messages_dropped: u64,
    /// Counter: decisions of hooks that allowed.
    pub decisions_allowed: u64,
    /// Counter: decisions of hooks that denied, for whatever cause; those below are among them.
    pub decisions_denied: u64,
    /// Counter: decisions denied because no answer came in time.
    pub decisions_expired: u64,
    /// Counter: decisions denied because the callback queue was full.
    pub decisions_overflowed: u64,
    /// Gauge: deferred decisions that are open.
    pub decisions_pending: u64,
    /// Counter: events dropped because the callback queue was full.
    pub events_dropped: u64,
    /// Counter: panics caught in callbacks.
    pub callback_panics: u64,
    /// Counter: of those, dropped because as many messages waited as allowed.
    pub messages_dropped_queue_full: u64,
    /// Counter: of those, dropped because they had expired while they waited.
    pub messages_dropped_expired: u64,
    /// Counter: of those, dropped because they were larger than the client takes.
    pub messages_dropped_too_large: u64,
    /// Counter: of those, dropped because their client went before they were sent, and they were not kept for it.
    pub messages_dropped_client_gone: u64,
    /// Counter: of those, refused: by a hook, or because of the topic.
    pub messages_dropped_refused: u64,
    /// Counter: connections whose CONNECT was refused, or that were closed because there were as many as allowed.
    pub connections_refused: u64,
    /// Counter: connections closed because their CONNECT was not complete in time.
    pub connections_timed_out: u64,
    /// Counter: connections ended by a panic in the library, which is a fault worth reporting.
    pub connection_panics: u64,
    /// Counter: decisions denied because the hook was to answer later, but had taken no ticket.
    pub decisions_without_ticket: u64,
    /// Counter: decisions denied because the hook failed: it panicked, said so, or its answer could not be understood.
    pub decisions_failed: u64,
    /// Counter: decisions denied because the broker stopped before there was an answer.
    pub decisions_stopped: u64,
    /// Counter: decisions denied because whoever wanted to know was gone before there was an answer.
    pub decisions_departed: u64,
    /// Counter: events that hooks have been told of.
    pub events_told: u64,
    /// Counter: calls of hooks in place that were seen to take 10 milliseconds or more.
    pub slow_hook_calls: u64,
    /// Counter: bytes read from clients' connections, from the first one on, also of those that are refused.
    pub bytes_received: u64,
    /// Counter: bytes written to clients' connections.
    pub bytes_sent: u64,
    /// Gauge: messages that wait in sessions, those of absent clients included.
    pub queued_messages: u64,
    /// Gauge: bytes that they take, as `limits.max_queued_bytes` counts them.
    pub queued_bytes: u64,
    /// Gauge: messages of QoS 1 and 2 that have been sent to clients, and not acknowledged to the end.
    pub in_flight: u64,
    /// Gauge: messages of the host program that are to be published later.
    pub delayed_messages: u64,
    /// Counter: connections that ended below MQTT because a header of the PROXY protocol, or a handshake of TLS, WebSocket or
    /// QUIC, failed. Those that were too slow are in `connections_timed_out`.
    pub handshakes_failed: u64,
    /// Counter: of the connections refused, those from networks that `limits.ip_allow` and `limits.ip_deny` keep out.
    pub connections_refused_network: u64,
    /// Counter: of the connections refused, those of whom is banned.
    pub connections_refused_banned: u64,
    /// Counter: of the connections refused, those above `limits.conn_rate_per_sec` or `limits.conn_rate_per_ip_per_sec`.
    pub connections_refused_rate: u64,
    /// Counter: of the connections refused, those whose client could not authenticate.
    pub connections_refused_authentication: u64,
    /// Counter: of `messages_dropped`, dropped because their client published faster than `limits` lets it.
    pub messages_dropped_rate: u64,
    /// Counter: messages after which a client was not read from for a while, because it had published too fast.
    pub publishes_throttled: u64,
    /// Counter: connections closed because their client published faster than `limits` lets it.
    pub connections_closed_rate: u64,
    /// Counter: of `messages_dropped`, dropped because too little of the memory budget was left.
    pub messages_dropped_memory: u64,
    /// Gauge: bytes held for messages on their way: waiting, in flight or delayed.
    pub memory_queues: u64,
    /// Gauge: bytes held for retained messages.
    pub memory_retained: u64,
    /// Gauge: bytes held for sessions, their subscriptions and wills, and their connections.
    pub memory_sessions: u64,
    /// Gauge: bytes held for packets that are not complete yet, and for what has not been written yet.
    pub memory_buffers: u64,
    /// Gauge: bytes held in all, by the broker's own account: what `limits.memory_budget_bytes` bounds.
    pub memory_used: u64,
    /// Counter: of the connections refused, those for which there was no place: `max_connections`, of a listener or in all, or
    /// `max_sessions`.
    pub connections_refused_full: u64,
    /// Counter: of the connections refused, those whose CONNECT went beyond a limit: its size, its client identifier, its keep alive
    /// before MQTT 5, or its will.
    pub connections_refused_limit: u64,
    /// Counter: of the connections refused, those for which too little of the memory budget was left.
    pub connections_refused_memory: u64,
    /// Counter: connections closed because their client went beyond what CONNACK told it: with the size of a packet, QoS 2 messages
    /// at once, QoS, or a message to be retained.
    pub connections_closed_limit: u64,
    /// Counter: connections closed because their client was too slow for its messages: `limits.slow_consumer` is
    /// `disconnect`.
    pub connections_closed_slow: u64,
    /// Counter: connections closed in the middle of a large packet because there was no memory at all.
    pub connections_closed_memory: u64,
    /// Counter: subscriptions that clients asked for and did not get, for whatever cause.
    pub subscriptions_refused: u64,
    /// Counter: of those, because of `max_subscriptions` or `max_topic_levels`, or because shared subscriptions are turned
    /// off.
    pub subscriptions_refused_limit: u64,
    /// Counter: of those, because too little of the memory budget was left.
    pub subscriptions_refused_memory: u64,
    /// Counter: messages that were to be retained and were not, because of `retain.max_messages`, `retain.max_payload_bytes` or the
    /// memory budget. They are delivered all the same.
    pub messages_not_retained: u64,
}

// SAFETY: `repr(C)`, size first, integers only.
unsafe impl Versioned for rmqtt_stats_t {
    const NAME: &'static str = "the statistics";
    const FIRST_SIZE: usize = 168;
}

/// Copies all fields: one that is missing here, or on one of the two sides, does not compile.
macro_rules! from_stats {
    ($($field:ident)*) => {
        impl From<Stats> for rmqtt_stats_t {
            fn from(stats: Stats) -> Self {
                let Stats { $($field),* } = stats;
                rmqtt_stats_t { struct_size: size_of::<rmqtt_stats_t>(), $($field),* }
            }
        }
    };
}

from_stats! {
    started_at_ms uptime_ms connected_clients sessions subscriptions in_process_subscriptions retained_messages
    connections messages_received messages_sent messages_published messages_delivered messages_dropped
    decisions_allowed decisions_denied decisions_expired decisions_overflowed decisions_pending events_dropped
    callback_panics messages_dropped_queue_full messages_dropped_expired messages_dropped_too_large
    messages_dropped_client_gone messages_dropped_refused connections_refused connections_timed_out connection_panics
    decisions_without_ticket decisions_failed decisions_stopped decisions_departed events_told slow_hook_calls
    bytes_received bytes_sent queued_messages queued_bytes in_flight delayed_messages handshakes_failed
    connections_refused_network connections_refused_banned connections_refused_rate
    connections_refused_authentication
    messages_dropped_rate publishes_throttled connections_closed_rate
    messages_dropped_memory memory_queues memory_retained memory_sessions memory_buffers memory_used
    connections_refused_full
    connections_refused_limit connections_refused_memory connections_closed_limit connections_closed_slow
    connections_closed_memory subscriptions_refused subscriptions_refused_limit subscriptions_refused_memory
    messages_not_retained
}

/// How many ranges the times of a hook are counted in.
pub const RMQTT_HOOK_TIME_BUCKETS: usize = 23;

/// A snapshot of one hook. Start with `rmqtt_hook_stats_init()`.
///
/// Counters run from `rmqtt_broker_new` on, over all starts and stops, and over all that have been set for the hook;
/// gauges are of now. What does not belong to the kind of the hook is zero.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_hook_stats_t {
    /// `sizeof(rmqtt_hook_stats_t)`, set by the caller.
    pub struct_size: usize,
    /// Counter: decisions that allowed.
    pub allowed: u64,
    /// Counter: decisions that denied because the hook said so. Those below are apart: together they are all that denied.
    pub denied: u64,
    /// Counter: decisions denied because no answer came in time.
    pub expired: u64,
    /// Counter: decisions denied because `callbacks.queue` of them waited for a thread.
    pub overflowed: u64,
    /// Counter: decisions denied because the hook answered `RMQTT_VERDICT_DEFERRED` and had no ticket.
    pub without_ticket: u64,
    /// Counter: decisions denied because the hook failed: with `RMQTT_VERDICT_FAILED`, an answer that could not be
    /// understood, or a panic. For an event: calls that ended with a panic.
    pub failed: u64,
    /// Counter: decisions denied because the broker stopped before there was an answer.
    pub stopped: u64,
    /// Counter: decisions denied because whoever wanted to know was gone before there was an answer.
    pub departed: u64,
    /// Counter: events that the hook has been told of.
    pub told: u64,
    /// Counter: events dropped because `callbacks.queue` of them waited for a thread.
    pub dropped: u64,
    /// Gauge: decisions that are open; events that wait for a thread, or are being told.
    pub in_flight: u64,
    /// Counter: calls in place that were seen to take 10 milliseconds or more.
    pub slow: u64,
    /// Counter: the times below together, in microseconds.
    pub time_us_sum: u64,
    /// Counter: how many times are in each range. The first ones end with 1, 2, 5, 10, 20, 50 microseconds, and so on up
    /// to 10 seconds; the last one is beyond. For a decision it is the time from the question to the answer, for an event
    /// that of the call. Of calls in place, only the first of each 64 of a thread is measured, unless it is deferred.
    pub time: [u64; RMQTT_HOOK_TIME_BUCKETS],
}

const _: () = assert!(RMQTT_HOOK_TIME_BUCKETS == TIME_BUCKETS);

// SAFETY: `repr(C)`, size first, integers only.
unsafe impl Versioned for rmqtt_hook_stats_t {
    const NAME: &'static str = "the statistics";
    const FIRST_SIZE: usize = 296;
}

impl From<HookStats> for rmqtt_hook_stats_t {
    fn from(stats: HookStats) -> Self {
        rmqtt_hook_stats_t {
            struct_size: size_of::<rmqtt_hook_stats_t>(),
            allowed: stats.allowed,
            denied: stats.denied,
            expired: stats.expired,
            overflowed: stats.overflowed,
            without_ticket: stats.without_ticket,
            failed: stats.failed,
            stopped: stats.stopped,
            departed: stats.departed,
            told: stats.told,
            dropped: stats.dropped,
            in_flight: stats.in_flight,
            slow: stats.slow,
            time_us_sum: stats.time_us_sum,
            time: stats.time,
        }
    }
}

/// How statistics are written.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rmqtt_metrics_format {
    /// One JSON object: the fields of `rmqtt_stats_t` by name, and `hooks`, an object with one for each hook that is set or
    /// has been called; see docs/hooks.md.
    RMQTT_METRICS_JSON = 0,
    /// The text format of Prometheus. Not in this version: `RMQTT_ERR_UNSUPPORTED`.
    RMQTT_METRICS_PROMETHEUS = 1,
}

/// A value of `enum rmqtt_metrics_format`.
pub type rmqtt_metrics_format_t = i32;
