use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;

use crate::model::{QoS, SubscriptionOptions};

use super::super::{Matched, Router, Strategy, Subscriber};

/// A subscriber whose state a test sets.
#[derive(Clone)]
pub(in super::super) struct Somebody(Arc<State>);

struct State {
    key: u64,
    online: AtomicBool,
    load: AtomicUsize,
}

impl Somebody {
    pub(in super::super) fn new(key: u64) -> Self {
        Somebody(Arc::new(State { key, online: AtomicBool::new(true), load: AtomicUsize::new(0) }))
    }

    pub(in super::super) fn set_online(&self, online: bool) {
        self.0.online.store(online, Relaxed);
    }

    pub(in super::super) fn set_load(&self, load: usize) {
        self.0.load.store(load, Relaxed);
    }
}

impl Subscriber for Somebody {
    fn key(&self) -> u64 {
        self.0.key
    }

    fn is_online(&self) -> bool {
        self.0.online.load(Relaxed)
    }

    fn load(&self) -> usize {
        self.0.load.load(Relaxed)
    }
}

pub(in super::super) fn options(qos: QoS) -> SubscriptionOptions {
    SubscriptionOptions { qos, ..SubscriptionOptions::default() }
}

pub(in super::super) fn router<'f>(subscriptions: impl IntoIterator<Item = (&'f str, u64)>) -> Router<Somebody> {
    let router = Router::new(Strategy::default());
    for (filter, key) in subscriptions {
        assert!(!router.subscribe(filter, Somebody::new(key), options(QoS::AtMostOnce)).existed);
    }
    router
}

/// The keys of the targets, in order.
pub(in super::super) fn keys(matched: &Matched<Somebody>) -> Vec<u64> {
    let mut keys: Vec<u64> = matched.targets.iter().map(|target| target.key).collect();
    keys.sort_unstable();
    keys
}
