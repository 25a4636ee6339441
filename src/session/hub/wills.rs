//! The messages of clients that are gone.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::Arc;
use std::time::Instant;

use super::super::delivery::Outgoing;
use super::{key_of, Hub};
use crate::hooks::{Hook, Mode};
use crate::model::Message;

/// A will that a hook is asked about.
struct Leaving(Arc<Hub>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.wills_asked.fetch_sub(1, SeqCst);
        self.0.nobody.notify_waiters();
    }
}

impl Hub {
    /// Publishes a will, if the hook allows it. `publisher` is the key of the subscriptions that may say no local.
    pub(in crate::session) fn publish_will(self: &Arc<Self>, message: &Arc<Message>, publisher: u64, now: Instant) {
        self.counters.messages_received.fetch_add(1, Relaxed);
        if self.callbacks.mode(Hook::AuthorizePublish) == Mode::Absent {
            self.publish_now(Outgoing::of(message), Some(publisher), now);
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            // The broker has stopped: nobody can be asked any more.
            self.refuse(|| message.clone());
            return;
        };
        // The stop of the broker waits for it as for a client.
        self.wills_asked.fetch_add(1, SeqCst);
        let leaving = Leaving(self.clone());
        let message = message.clone();
        runtime.spawn(async move {
            let hub = &leaving.0;
            let Some(changes) = hub.ask_about(key_of(message.publisher.as_ref()), message.clone()).await else {
                return;
            };
            if let Some(source) = hub.change_if(Outgoing::of(&message).source, changes.as_deref()) {
                hub.publish_now(Outgoing::new(source), Some(publisher), Instant::now());
            }
        });
    }
}
