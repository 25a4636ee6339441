use super::versioned::Versioned;
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
    /// Counter: decisions of hooks that denied, the two below included.
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
}

// SAFETY: `repr(C)`, size first, integers only.
unsafe impl Versioned for rmqtt_stats_t {
    const NAME: &'static str = "the statistics";
    const FIRST_SIZE: usize = 168;
}

impl From<Stats> for rmqtt_stats_t {
    fn from(stats: Stats) -> Self {
        rmqtt_stats_t {
            struct_size: size_of::<rmqtt_stats_t>(),
            started_at_ms: stats.started_at_ms,
            uptime_ms: stats.uptime_ms,
            connected_clients: stats.connected_clients,
            sessions: stats.sessions,
            subscriptions: stats.subscriptions,
            in_process_subscriptions: stats.in_process_subscriptions,
            retained_messages: stats.retained_messages,
            connections: stats.connections,
            messages_received: stats.messages_received,
            messages_sent: stats.messages_sent,
            messages_published: stats.messages_published,
            messages_delivered: stats.messages_delivered,
            messages_dropped: stats.messages_dropped,
            decisions_allowed: stats.decisions_allowed,
            decisions_denied: stats.decisions_denied,
            decisions_expired: stats.decisions_expired,
            decisions_overflowed: stats.decisions_overflowed,
            decisions_pending: stats.decisions_pending,
            events_dropped: stats.events_dropped,
            callback_panics: stats.callback_panics,
            messages_dropped_queue_full: stats.messages_dropped_queue_full,
            messages_dropped_expired: stats.messages_dropped_expired,
            messages_dropped_too_large: stats.messages_dropped_too_large,
            messages_dropped_client_gone: stats.messages_dropped_client_gone,
            messages_dropped_refused: stats.messages_dropped_refused,
            connections_refused: stats.connections_refused,
            connections_timed_out: stats.connections_timed_out,
            connection_panics: stats.connection_panics,
        }
    }
}
