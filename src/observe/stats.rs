use serde::Serialize;

/// A snapshot of a broker. Counters run from the creation of the broker, over all of its runs; gauges are of now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
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
    /// Counter: bytes read from clients' connections, from the first one on.
    pub bytes_received: u64,
    /// Counter: bytes written to clients' connections.
    pub bytes_sent: u64,
    /// Gauge: messages that wait in sessions, those of absent clients included.
    pub queued_messages: u64,
    /// Gauge: what they take, as `limits.max_queued_bytes` counts it.
    pub queued_bytes: u64,
    /// Gauge: messages of QoS 1 and 2 that have been sent to clients, and not acknowledged to the end.
    pub in_flight: u64,
    /// Gauge: messages of the host program that are to be published later.
    pub delayed_messages: u64,
    /// Counter: connections that ended below MQTT because a header of the PROXY protocol, or a handshake of TLS, WebSocket or
    /// QUIC, failed.
    pub handshakes_failed: u64,
    /// Counter: of the connections refused, those from networks that are not let in.
    pub connections_refused_network: u64,
    /// Counter: of the connections refused, those of whom is banned.
    pub connections_refused_banned: u64,
    /// Counter: of the connections refused, those above a rate.
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
    /// Counter: of the connections refused, those for which there was no place.
    pub connections_refused_full: u64,
    /// Counter: of the connections refused, those whose CONNECT went beyond a limit of `limits`.
    pub connections_refused_limit: u64,
    /// Counter: of the connections refused, those for which too little of the memory budget was left.
    pub connections_refused_memory: u64,
    /// Counter: connections closed because their client did what it had been told not to do: larger packets, more QoS 2
    /// messages at once, a higher QoS.
    pub connections_closed_limit: u64,
    /// Counter: connections closed because their client was too slow for its messages, and `slow_consumer` says so.
    pub connections_closed_slow: u64,
    /// Counter: connections closed in the middle of a large packet because there was no memory.
    pub connections_closed_memory: u64,
    /// Counter: subscriptions that clients asked for and did not get, for whatever cause.
    pub subscriptions_refused: u64,
    /// Counter: of those, because of a limit.
    pub subscriptions_refused_limit: u64,
    /// Counter: of those, because too little of the memory budget was left.
    pub subscriptions_refused_memory: u64,
    /// Counter: messages that were to be retained and were not: too large, too many, or too little memory.
    pub messages_not_retained: u64,
}
