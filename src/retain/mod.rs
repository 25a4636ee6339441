//! Retained messages: one per topic name, found again by topic filter.

mod key;
mod page;
mod plan;

use std::collections::{btree_map, BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{RwLock, RwLockWriteGuard};

pub use page::{Cursor, Page};

/// How many expired messages are forgotten at a time, while everyone else waits.
const SWEPT_AT_ONCE: usize = 512;

/// An in-memory store, ordered by topic name, level by level.
///
/// A look-up leaps from one name that may match to the next, and comes in pages of bounded work, so that a filter that
/// matches millions of messages, or looks for one among them, keeps nobody from the store for long. The store reads no
/// clock: what has expired by then counts until it is swept.
#[derive(Debug)]
pub struct RetainStore<M> {
    max_messages: AtomicUsize,
    held: RwLock<Held<M>>,
}

#[derive(Debug)]
struct Held<M> {
    entries: BTreeMap<Arc<str>, Entry<M>>,
    /// The messages that expire, in that order.
    expiries: BTreeSet<(Instant, Arc<str>)>,
}

#[derive(Debug)]
struct Entry<M> {
    message: M,
    expires_at: Option<Instant>,
}

/// A message is not retained, as there are as many as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    pub max_messages: usize,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} messages are retained, which is the limit", self.max_messages)
    }
}

impl<M> Default for RetainStore<M> {
    /// A store without a limit.
    fn default() -> Self {
        RetainStore::new(0)
    }
}

impl<M> RetainStore<M> {
    /// A store of at most `max_messages` messages; 0 for no limit. Their size is the caller's to limit.
    pub fn new(max_messages: usize) -> Self {
        let held = Held { entries: BTreeMap::new(), expiries: BTreeSet::new() };
        RetainStore { max_messages: AtomicUsize::new(max_messages), held: RwLock::new(held) }
    }

    /// There is another limit from now on. What is held stays, even beyond it.
    pub fn set_max_messages(&self, max_messages: usize) {
        self.max_messages.store(max_messages, Relaxed);
    }

    /// Retains `message` for `name`, a well-formed topic name, in place of the one before, which always works
    /// `[MQTT-3.3.1-5]`. Without an instant it never expires.
    pub fn set(&self, name: &str, message: M, expires_at: Option<Instant>) -> Result<(), Full> {
        let name = key::from_name(name).into();
        let entry = Entry { message, expires_at };
        // What is replaced or refused is dropped without the lock: it may be large.
        let max_messages = self.max_messages.load(Relaxed);
        let outcome = self.held.write().set(name, entry, max_messages);
        outcome.map(drop).map_err(|_| Full { max_messages })
    }

    /// Forgets the message of `name` `[MQTT-3.3.1-6]`. Returns whether there was one.
    pub fn remove(&self, name: &str) -> bool {
        let name = key::from_name(name);
        let removed = self.held.write().remove(&name);
        removed.is_some()
    }

    /// Forgets what had expired by `now`, a few messages at a time with everyone else in between. `forgotten` gets to see
    /// each of them, without the lock.
    pub fn sweep(&self, now: Instant, mut forgotten: impl FnMut(M)) {
        let mut expired = Vec::with_capacity(SWEPT_AT_ONCE);
        loop {
            let mut held = self.held.write();
            while expired.len() < SWEPT_AT_ONCE {
                let Some(entry) = held.remove_expired(now) else { break };
                expired.push(entry);
            }
            RwLockWriteGuard::unlock_fair(held);
            let more = expired.len() == SWEPT_AT_ONCE;
            expired.drain(..).for_each(|entry| forgotten(entry.message));
            if !more {
                return;
            }
        }
    }

    /// When the next message expires.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.held.read().expiries.first().map(|(at, _)| *at)
    }

    /// How many messages are held, those not yet swept included.
    pub fn count(&self) -> usize {
        self.held.read().entries.len()
    }
}

impl<M: Clone> RetainStore<M> {
    /// The message of `name`, a well-formed topic name, if it has not expired at `now`.
    pub fn get(&self, name: &str, now: Instant) -> Option<M> {
        let name = key::from_name(name);
        let held = self.held.read();
        held.entries.get(&*name).filter(|entry| entry.is_alive(now)).map(|entry| entry.message.clone())
    }

    /// Up to `max` messages (at least one), not expired at `now`, whose names match `filter`, a well-formed topic filter
    /// without `$share`; in the order of their names, level by level, from `cursor` on.
    ///
    /// A page may hold fewer, even none, and still have a next one: its work is bounded as well. Between pages messages
    /// may come and go; those that stay are found once.
    pub fn page(&self, filter: &str, cursor: Option<&Cursor>, max: usize, now: Instant) -> Page<M> {
        page::read(&self.held.read().entries, filter, cursor, max.max(1), now).0
    }
}

impl<M> Held<M> {
    /// Returns what is replaced, or the entry itself if there is no room for it.
    fn set(&mut self, name: Arc<str>, entry: Entry<M>, max: usize) -> Result<Option<Entry<M>>, Entry<M>> {
        let room = max == 0 || self.entries.len() < max;
        let expires_at = entry.expires_at;
        let (name, replaced) = match self.entries.entry(name) {
            btree_map::Entry::Occupied(mut held) => (held.key().clone(), Some(held.insert(entry))),
            btree_map::Entry::Vacant(_) if !room => return Err(entry),
            btree_map::Entry::Vacant(place) => {
                let name = place.key().clone();
                place.insert(entry);
                (name, None)
            }
        };
        if let Some(at) = replaced.as_ref().and_then(|replaced| replaced.expires_at) {
            self.expiries.remove(&(at, name.clone()));
        }
        if let Some(at) = expires_at {
            self.expiries.insert((at, name));
        }
        Ok(replaced)
    }

    fn remove(&mut self, name: &str) -> Option<Entry<M>> {
        let (name, entry) = self.entries.remove_entry(name)?;
        if let Some(at) = entry.expires_at {
            self.expiries.remove(&(at, name));
        }
        Some(entry)
    }

    fn remove_expired(&mut self, now: Instant) -> Option<Entry<M>> {
        if self.expiries.first().is_none_or(|(at, _)| *at > now) {
            return None;
        }
        let (_, name) = self.expiries.pop_first()?;
        self.entries.remove(&name)
    }
}

impl<M> Entry<M> {
    fn is_alive(&self, now: Instant) -> bool {
        self.expires_at.is_none_or(|at| at > now)
    }
}

#[cfg(test)]
mod tests;
