use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rmqtt::retain::RetainStorage;
use rmqtt::types::{Retain, TopicFilter, TopicName};

use crate::retain::RetainStore;

/// Retained messages of one run, in memory.
pub(super) struct Retained {
    enabled: bool,
    store: RetainStore<Retain>,
}

impl Retained {
    pub(super) fn new(enabled: bool) -> Self {
        Retained { enabled, store: RetainStore::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.store.count()
    }

    pub(super) fn sweep(&self) {
        self.store.sweep(Instant::now());
    }

    pub(super) fn matching(&self, filter: &str) -> Vec<(TopicName, Retain)> {
        let found = self.store.matching(filter, Instant::now());
        found.into_iter().map(|(name, retain)| (TopicName::from(name), retain)).collect()
    }
}

/// Lends the store to RMQTT, which wants a box of its own.
pub(super) struct Adapter(pub(super) Arc<Retained>);

#[async_trait]
impl RetainStorage for Adapter {
    fn enable(&self) -> bool {
        self.0.enabled
    }

    async fn set(&self, name: &TopicName, retain: Retain, expiry: Option<Duration>) -> rmqtt::Result<()> {
        if retain.publish.payload.is_empty() {
            self.0.store.remove(name);
        } else {
            // RMQTT gives zero where the message has no expiry.
            let expires_at = expiry.filter(|expiry| !expiry.is_zero()).map(|expiry| Instant::now() + expiry);
            self.0.store.set(name, retain, expires_at);
        }
        Ok(())
    }

    async fn get(&self, filter: &TopicFilter) -> rmqtt::Result<Vec<(TopicName, Retain)>> {
        Ok(self.0.matching(filter))
    }

    async fn count(&self) -> isize {
        self.0.len() as isize
    }

    async fn max(&self) -> isize {
        self.0.len() as isize
    }
}
