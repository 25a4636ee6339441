//! Retained messages: one per topic name, found again by topic filter.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Instant;

use parking_lot::RwLock;

use crate::model::topic;

/// An in-memory store, ordered by topic name.
///
/// A look-up reads only the names that begin with the part of the filter in front of its first wildcard.
#[derive(Debug)]
pub struct RetainStore<M> {
    entries: RwLock<BTreeMap<String, Entry<M>>>,
}

#[derive(Debug)]
struct Entry<M> {
    message: M,
    expires_at: Option<Instant>,
}

impl<M> Default for RetainStore<M> {
    fn default() -> Self {
        RetainStore { entries: RwLock::new(BTreeMap::new()) }
    }
}

impl<M: Clone> RetainStore<M> {
    /// Retains `message` for `name` in place of the one before. Without an instant it never expires.
    pub fn set(&self, name: &str, message: M, expires_at: Option<Instant>) {
        self.entries.write().insert(name.to_owned(), Entry { message, expires_at });
    }

    /// Forgets the message of `name` `[MQTT-3.3.1-6]`.
    pub fn remove(&self, name: &str) {
        self.entries.write().remove(name);
    }

    /// The messages, not yet expired at `now`, whose names match `filter`, in the order of their names.
    pub fn matching(&self, filter: &str, now: Instant) -> Vec<(String, M)> {
        let prefix = topic::literal_prefix(filter);
        self.entries
            .read()
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(|(name, _)| name.starts_with(prefix))
            .filter(|(name, entry)| entry.is_alive(now) && topic::matches(filter, name))
            .map(|(name, entry)| (name.clone(), entry.message.clone()))
            .collect()
    }

    /// Forgets what had expired by `now`.
    pub fn sweep(&self, now: Instant) {
        self.entries.write().retain(|_, entry| entry.is_alive(now));
    }

    /// How many messages are held, those not yet swept included.
    pub fn count(&self) -> usize {
        self.entries.read().len()
    }
}

impl<M> Entry<M> {
    fn is_alive(&self, now: Instant) -> bool {
        self.expires_at.is_none_or(|at| at > now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn names(store: &RetainStore<u8>, filter: &str, now: Instant) -> Vec<String> {
        store.matching(filter, now).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn finds_by_filter() {
        let store = RetainStore::default();
        let now = Instant::now();
        for name in ["a", "a/b", "a/b/c", "ab", "b", "$SYS/x"] {
            store.set(name, 0, None);
        }
        assert_eq!(names(&store, "a/#", now), ["a", "a/b", "a/b/c"]);
        assert_eq!(names(&store, "a/+", now), ["a/b"]);
        assert_eq!(names(&store, "+", now), ["a", "ab", "b"]);
        assert_eq!(names(&store, "#", now), ["a", "a/b", "a/b/c", "ab", "b"]);
        assert_eq!(names(&store, "$SYS/#", now), ["$SYS/x"]);
        assert_eq!(names(&store, "a/b", now), ["a/b"]);
        assert!(names(&store, "c", now).is_empty());
    }

    #[test]
    fn replaces_removes_and_expires() {
        let store = RetainStore::default();
        let now = Instant::now();
        store.set("a", 1, None);
        store.set("a", 2, Some(now + Duration::from_secs(1)));
        assert_eq!(store.matching("a", now), [("a".to_owned(), 2)]);
        assert!(store.matching("a", now + Duration::from_secs(1)).is_empty());
        store.sweep(now);
        assert_eq!(store.count(), 1);
        store.sweep(now + Duration::from_secs(1));
        assert_eq!(store.count(), 0);
        store.set("b", 1, None);
        store.remove("b");
        assert_eq!(store.count(), 0);
    }
}
