//! Who gets a message: subscriptions by topic filter.
//!
//! All subscriptions stand in one trie behind one lock. Matching shares the lock with other matching, awaits nothing and
//! calls nothing of a subscriber but its `clone`; whether members of shared subscriptions are online is asked after it.

mod arena;
mod children;
mod group;
mod groups;
mod identifiers;
mod level;
mod matched;
mod member;
mod strategy;
mod subscriptions;
mod trie;

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use crate::model::{topic, SubscriptionOptions};

use matched::Collector;
use member::Member;
use subscriptions::Subscriptions;
use trie::Trie;

pub use group::Group;
pub use identifiers::Identifiers;
pub use matched::{Matched, Target};
pub use strategy::Strategy;

/// What the router needs to know of whoever subscribes. Cloning is to be cheap: each match clones its receivers.
pub trait Subscriber: Clone + Send + Sync + 'static {
    /// Its identity: unique, never reused.
    fn key(&self) -> u64;
    /// Whether messages reach it now. Members of a shared subscription that are offline come last.
    fn is_online(&self) -> bool;
    /// How many messages are on their way to it, for [`Strategy::LeastInflight`].
    fn load(&self) -> usize;
}

/// The subscriptions of a broker.
///
/// Subscribing costs one step per level of the filter, however many share the filter. The number of subscriptions and the
/// levels of a filter are the caller's to limit.
pub struct Router<S> {
    strategy: Strategy,
    generation: AtomicU64,
    table: RwLock<Table<S>>,
}

/// What has come of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// Whether the subscriber had it before.
    pub existed: bool,
    /// The first [`Router::generation`] with it: what is matched from it on reaches the subscriber, what was matched
    /// before does not.
    pub generation: u64,
    /// Whether nobody was subscribed to the filter before, in whatever shared group.
    pub is_first: bool,
}

/// What has come of giving a subscription up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unsubscribed {
    /// Whether the subscriber had it before.
    pub existed: bool,
    /// Whether nobody is subscribed to the filter any more, in whatever shared group.
    pub was_last: bool,
}

struct Table<S> {
    trie: Trie<Subscriptions<S>>,
    subscriptions: usize,
    filters: usize,
}

impl<S: Subscriber> Router<S> {
    /// A router without subscriptions, whose shared subscriptions distribute messages by `strategy`.
    pub fn new(strategy: Strategy) -> Self {
        Router {
            strategy,
            generation: AtomicU64::new(0),
            table: RwLock::new(Table { trie: Trie::new(), subscriptions: 0, filters: 0 }),
        }
    }

    /// A number that changes with every change of subscriptions: a [`Matched`] of the same generation is current.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Adds a subscription. `filter` is as in SUBSCRIBE, `$share/{group}/{filter}` included, and well formed.
    ///
    /// If the subscriber had it before, its options are replaced `[MQTT-3.8.4-3]`.
    pub fn subscribe(&self, filter: &str, subscriber: S, options: SubscriptionOptions) -> Subscribed {
        let (share, filter) = topic::split_share(filter);
        let member = Member { key: subscriber.key(), subscriber, options };
        let mut guard = self.table.write();
        let table = &mut *guard;
        let node = table.trie.insert(filter);
        let subscriptions = table.trie.value_mut(node);
        let filters = subscriptions.filters();
        let replaced = match share {
            Some(name) => subscriptions.join(name, filter, self.strategy, member),
            None => subscriptions.direct.insert(member),
        };
        table.filters += subscriptions.filters() - filters;
        table.subscriptions += usize::from(replaced.is_none());
        let generation = self.generation.fetch_add(1, Ordering::Release) + 1;
        // What is replaced is dropped without the lock: it is the caller's code.
        drop(guard);
        Subscribed { existed: replaced.is_some(), generation, is_first: filters == 0 }
    }

    /// Takes the subscription of the subscriber with `key` away `[MQTT-3.10.4-2]`.
    pub fn unsubscribe(&self, filter: &str, key: u64) -> Unsubscribed {
        let (share, filter) = topic::split_share(filter);
        let mut guard = self.table.write();
        let table = &mut *guard;
        let Some(node) = table.trie.find(filter) else { return Unsubscribed::default() };
        let subscriptions = table.trie.value_mut(node);
        let filters = subscriptions.filters();
        let removed = match share {
            Some(name) => subscriptions.leave(name, key),
            None => subscriptions.direct.remove(key),
        };
        if removed.is_none() {
            return Unsubscribed::default();
        }
        let filters_left = subscriptions.filters();
        table.filters -= filters - filters_left;
        table.subscriptions -= 1;
        table.trie.prune(node);
        self.generation.fetch_add(1, Ordering::Release);
        drop(guard); // before what is removed, as above
        Unsubscribed { existed: true, was_last: filters_left == 0 }
    }

    /// How many subscriptions there are, shared ones included.
    pub fn subscription_count(&self) -> usize {
        self.table.read().subscriptions
    }

    /// How many different filters are subscribed to; each shared group has one of its own.
    pub fn filter_count(&self) -> usize {
        self.table.read().filters
    }

    /// Everyone who gets a message that is published to `topic`, a well-formed topic name. `publisher` is the key of the
    /// subscriber that publishes it: its subscriptions with no-local do not count `[MQTT-3.8.3-3]`.
    ///
    /// A subscriber is there once, however many of its filters match; shared groups come apart from that.
    pub fn matches(&self, topic: &str, publisher: Option<u64>) -> Matched<S> {
        let mut collector = Collector::new(publisher);
        let table = self.table.read();
        table.trie.visit(topic, |subscriptions| {
            collector.add(subscriptions.direct.as_slice());
            collector.add_groups(subscriptions.groups());
        });
        // Changes only under the write lock, so it belongs to what was found.
        collector.finish(self.generation.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests;
