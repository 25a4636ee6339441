/// A snapshot of a broker. Counters run from the creation of the broker, over all of its runs; gauges are of now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    /// Gauge: subscriptions of the host program. One that has just been freed may still count.
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
    /// Counter: messages dropped on the way to a client or to a subscription of the host program.
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
}
