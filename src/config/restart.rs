//! What of a configuration a broker cannot change while it runs.

use super::{Callbacks, Config, Listener, SharedSubscriptions};

impl Config {
    /// This configuration as far as it can hold at once for a broker that runs with another one: the rest is as it is there.
    /// `succession` is that of [`super::succession`].
    pub fn without_restart(&self, running: &Config, succession: &[Option<usize>]) -> Config {
        let listeners = self.listeners.iter().zip(succession).map(|(listener, origin)| {
            let before = origin.and_then(|origin| running.listeners.get(origin));
            before.map_or_else(|| listener.clone(), |before| with_socket_of(listener, before))
        });
        Config {
            node_id: running.node_id,
            id: running.id.clone(),
            runtime: running.runtime.clone(),
            callbacks: Callbacks {
                threads: running.callbacks.threads,
                queue: running.callbacks.queue,
                ..self.callbacks.clone()
            },
            shared_subscriptions: SharedSubscriptions {
                strategy: running.shared_subscriptions.strategy,
                ..self.shared_subscriptions.clone()
            },
            listeners: listeners.collect(),
            ..self.clone()
        }
    }
}

/// A listener that goes on with a socket that is open: what is settled when a socket is bound stays.
fn with_socket_of(listener: &Listener, before: &Listener) -> Listener {
    Listener { mode: before.mode.clone(), ipv6_only: before.ipv6_only, ..listener.clone() }
}
