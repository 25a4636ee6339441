//! When sessions of absent clients end, and when their wills are due.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::handle::Handle;

/// Sessions by the instant at which something is due.
#[derive(Default)]
pub(super) struct Deadlines {
    due: Mutex<BTreeMap<(Instant, u64), Weak<Handle>>>,
    earlier: Notify,
}

impl Deadlines {
    pub(super) fn set(&self, at: Instant, handle: &Arc<Handle>) {
        let mut due = self.due.lock();
        let first = due.first_key_value().map(|((at, _), _)| *at);
        due.insert((at, handle.number()), Arc::downgrade(handle));
        drop(due);
        if first.is_none_or(|first| at < first) {
            self.earlier.notify_one();
        }
    }

    pub(super) fn clear(&self, at: Instant, handle: &Handle) {
        self.due.lock().remove(&(at, handle.number()));
    }

    /// Takes out the next session that is due at `now`; else when the first one is.
    pub(super) fn pop(&self, now: Instant) -> Result<Option<Arc<Handle>>, Option<Instant>> {
        let mut due = self.due.lock();
        match due.first_key_value() {
            Some((key, _)) if key.0 <= now => {
                let key = *key;
                Ok(due.remove(&key).and_then(|handle| handle.upgrade()))
            }
            Some((key, _)) => Err(Some(key.0)),
            None => Err(None),
        }
    }

    /// Has whoever waits for a change look again.
    pub(super) fn look_again(&self) {
        self.earlier.notify_one();
    }

    /// Returns when the first deadline may have changed.
    pub(super) async fn changed(&self) {
        self.earlier.notified().await;
    }
}
