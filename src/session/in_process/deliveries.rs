//! Numbers for deliveries that the host program acknowledges later: those of all brokers of the process.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Weak};

use parking_lot::RwLock;

use super::Subscription;

/// The subscriptions that may have something to be acknowledged, by number.
static SUBSCRIPTIONS: LazyLock<RwLock<Registry>> = LazyLock::new(RwLock::default);

#[derive(Default)]
struct Registry {
    last: u32,
    subscriptions: HashMap<u32, Weak<Subscription>>,
}

/// A number in the registry, for as long as it is there. Never 0.
#[derive(Debug)]
pub(super) struct Number(u32);

impl Number {
    /// The next one that is free; `None` if there is none.
    pub(super) fn take(subscription: Weak<Subscription>) -> Option<Number> {
        let mut registry = SUBSCRIPTIONS.write();
        if registry.subscriptions.len() == u32::MAX as usize {
            return None;
        }
        loop {
            registry.last = registry.last.wrapping_add(1).max(1);
            let number = registry.last;
            if let std::collections::hash_map::Entry::Vacant(place) = registry.subscriptions.entry(number) {
                place.insert(subscription);
                return Some(Number(number));
            }
        }
    }

    /// What the host program gets for the delivery with that number within the subscription.
    pub(super) fn of_delivery(&self, number: u32) -> u64 {
        u64::from(self.0) << 32 | u64::from(number)
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        SUBSCRIPTIONS.write().subscriptions.remove(&self.0);
    }
}

/// Acknowledges a delivery. `false`: it has been acknowledged already, or its subscription is over.
pub fn acknowledge(delivery: u64) -> bool {
    let subscription: Option<Arc<Subscription>> = {
        let registry = SUBSCRIPTIONS.read();
        registry.subscriptions.get(&((delivery >> 32) as u32)).and_then(Weak::upgrade)
    };
    subscription.is_some_and(|subscription| subscription.acknowledge(delivery as u32))
}
