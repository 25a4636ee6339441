use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::mailbox::Dropped;

/// What sessions have counted. Shared by all runs of a broker.
#[derive(Debug, Default)]
pub struct SessionCounters {
    pub connections: AtomicU64,
    pub connections_refused: AtomicU64,
    /// Of those refused: because of their network, a ban, or the rate; for want of a place, because CONNECT went beyond a
    /// limit, or for want of memory; because authentication failed.
    pub refused_network: AtomicU64,
    pub refused_banned: AtomicU64,
    pub refused_rate: AtomicU64,
    pub refused_full: AtomicU64,
    pub refused_limit: AtomicU64,
    pub refused_memory: AtomicU64,
    pub refused_authentication: AtomicU64,
    pub connections_timed_out: AtomicU64,
    /// Ended below MQTT: PROXY protocol, TLS, WebSocket, QUIC.
    pub handshakes_failed: AtomicU64,
    pub connection_panics: AtomicU64,
    pub messages_received: AtomicU64,
    pub messages_sent: AtomicU64,
    /// Handed to subscriptions of the host program.
    pub messages_delivered: AtomicU64,
    pub bytes_received: AtomicU64,
    pub bytes_sent: AtomicU64,
    pub dropped_queue_full: AtomicU64,
    pub dropped_expired: AtomicU64,
    pub dropped_too_large: AtomicU64,
    pub dropped_client_gone: AtomicU64,
    pub dropped_refused: AtomicU64,
    pub dropped_rate: AtomicU64,
    pub publishes_throttled: AtomicU64,
    pub closed_rate: AtomicU64,
    pub closed_limit: AtomicU64,
    pub closed_slow: AtomicU64,
    pub closed_memory: AtomicU64,
    pub subscriptions_refused: AtomicU64,
    pub subscriptions_refused_limit: AtomicU64,
    pub subscriptions_refused_memory: AtomicU64,
    pub not_retained: AtomicU64,
    pub dropped_memory: AtomicU64,
    next_serial: AtomicU64,
}

impl SessionCounters {
    /// The number of the next connection, from 1 on.
    pub(super) fn next_serial(&self) -> u64 {
        self.next_serial.fetch_add(1, Relaxed) + 1
    }

    /// All messages that did not reach a session.
    pub fn dropped(&self) -> u64 {
        [
            &self.dropped_queue_full,
            &self.dropped_expired,
            &self.dropped_too_large,
            &self.dropped_client_gone,
            &self.dropped_refused,
            &self.dropped_rate,
            &self.dropped_memory,
        ]
        .map(|count| count.load(Relaxed))
        .iter()
        .sum()
    }

    pub(super) fn message_dropped(&self, why: Dropped) {
        match why {
            Dropped::Expired => &self.dropped_expired,
            Dropped::TooLarge => &self.dropped_too_large,
        }
        .fetch_add(1, Relaxed);
    }
}

/// Adds to a counter without a write to shared memory when there is nothing to add.
pub(super) fn add(counter: &AtomicU64, count: usize) {
    if count > 0 {
        counter.fetch_add(count as u64, Relaxed);
    }
}
