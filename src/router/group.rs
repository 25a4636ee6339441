use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;

use hashbrown::DefaultHashBuilder;
use parking_lot::RwLock;

use super::member::{Member, MemberList};
use super::strategy::{hash_text, place};
use super::{Strategy, Subscriber, Target};

/// How many members that are online [`Strategy::LeastInflight`] compares, so that a message to a huge group costs no more
/// than one to a large group. Which ones changes from message to message.
const COMPARED: usize = 64;

/// A shared subscription: those who share one filter under one name `[MQTT-5 4.8.2]`.
///
/// Its own lock is held to look one member up, never while a member is asked whether it is online. Members that come or
/// go during a choice may be passed over by it.
pub struct Group<S> {
    name: Arc<str>,
    filter: Box<str>,
    strategy: Strategy,
    members: RwLock<MemberList<S>>,
    /// Which member's turn it is, modulo their number.
    turn: AtomicUsize,
    /// The key of the member that [`Strategy::Sticky`] stays with. That it may not be one of a member says "none".
    favourite: AtomicU64,
    hasher: DefaultHashBuilder,
}

impl<S> Group<S> {
    pub(super) fn new(name: Arc<str>, filter: &str, strategy: Strategy, first: Member<S>) -> Self {
        Group {
            name,
            filter: filter.into(),
            strategy,
            favourite: AtomicU64::new(first.key),
            members: RwLock::new(MemberList::of_one(first)),
            turn: AtomicUsize::new(0),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// Its name: `g` in `$share/g/a/#`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it subscribes to: `a/#` in `$share/g/a/#`.
    pub fn filter(&self) -> &str {
        &self.filter
    }

    pub(super) fn join(&self, member: Member<S>) -> Option<Member<S>> {
        self.members.write().insert(member)
    }

    pub(super) fn leave(&self, key: u64) -> Option<Member<S>> {
        self.members.write().remove(key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> usize {
        self.members.read().as_slice().len()
    }
}

impl<S: Subscriber> Group<S> {
    /// The member that gets a message on `topic`, by the group's strategy: one that is online, or else any.
    ///
    /// `publisher` is the client identifier of who publishes, for [`Strategy::HashClient`], which goes by the topic without it.
    /// `except` does not get it: it has refused or lost the message that is now to go to another. No-local is not looked
    /// at, as shared subscriptions must not have it `[MQTT-3.8.3-4]`.
    ///
    /// It costs one step, and one more for each member in a row that is offline.
    pub fn pick(&self, topic: &str, publisher: Option<&str>, except: Option<u64>) -> Option<Target<S>> {
        let members = self.len();
        let picked = match self.strategy {
            Strategy::RoundRobin => self.in_turn(members, except),
            Strategy::Random => {
                let chance = self.hasher.hash_one(self.turn.fetch_add(1, Relaxed));
                self.first_from(place(chance, members), members, except)
            }
            Strategy::Sticky => self.favourite(members, except),
            Strategy::HashClient => {
                let hash = hash_text(publisher.unwrap_or(topic));
                self.first_from(place(hash, members), members, except)
            }
            Strategy::HashTopic => self.first_from(place(hash_text(topic), members), members, except),
            Strategy::LeastInflight => self.least_loaded(members, except),
        };
        picked.map(|picked| Target::new(&picked.member))
    }

    /// Whether it has a member with that key.
    pub fn has(&self, key: u64) -> bool {
        self.members.read().find(key).is_some()
    }

    /// Whether a member other than that with `key` is online.
    pub fn has_online_other_than(&self, key: u64) -> bool {
        self.first_from(0, self.len(), Some(key)).is_some_and(|picked| picked.online)
    }

    fn in_turn(&self, members: usize, except: Option<u64>) -> Option<Picked<S>> {
        let picked = self.first_from(self.turn.fetch_add(1, Relaxed), members, except)?;
        // Behind the one that got it, or whoever follows those that were skipped would get their share as well.
        self.turn.fetch_add(picked.skipped, Relaxed);
        Some(picked)
    }

    fn favourite(&self, members: usize, except: Option<u64>) -> Option<Picked<S>> {
        let key = self.favourite.load(Relaxed);
        let held = self.members.read().find(key).cloned();
        let held = held.map(|member| Picked { online: member.subscriber.is_online(), skipped: 0, member });
        let excepted = except == Some(key);
        if held.as_ref().is_some_and(|held| held.online) && !excepted {
            return held;
        }
        let other = self.first_from(self.turn.fetch_add(1, Relaxed), members, except);
        match (held, other) {
            // It is online, and stays the favourite for the next message.
            (Some(held), other) if held.online => other,
            (Some(held), Some(other)) if !other.online && !excepted => Some(held),
            (_, other) => {
                if let Some(other) = &other {
                    self.favourite.store(other.member.key, Relaxed);
                }
                other
            }
        }
    }

    fn least_loaded(&self, members: usize, except: Option<u64>) -> Option<Picked<S>> {
        // Another beginning each time, so that equals take turns.
        let mut from = self.turn.fetch_add(1, Relaxed);
        let mut left = members;
        let mut best: Option<(usize, Picked<S>)> = None;
        for _ in 0..COMPARED {
            let Some(picked) = self.first_from(from, left, except) else { break };
            if !picked.online {
                return best.map(|(_, best)| best).or(Some(picked));
            }
            let load = picked.member.subscriber.load();
            let passed = picked.skipped + 1;
            if best.as_ref().is_none_or(|(least, _)| load < *least) {
                best = Some((load, picked));
            }
            if load == 0 {
                break;
            }
            from = from.wrapping_add(passed);
            left -= passed;
        }
        best.map(|(_, best)| best)
    }

    /// The first of `members` places, beginning with `from`, whose member is online, or else the first member.
    fn first_from(&self, from: usize, members: usize, except: Option<u64>) -> Option<Picked<S>> {
        let mut fallback = None;
        for skipped in 0..members {
            let member = self.member(from.wrapping_add(skipped))?;
            if except == Some(member.key) {
                continue;
            }
            if member.subscriber.is_online() {
                return Some(Picked { member, online: true, skipped });
            }
            fallback.get_or_insert(Picked { member, online: false, skipped });
        }
        fallback
    }

    fn member(&self, at: usize) -> Option<Member<S>> {
        let members = self.members.read();
        let members = members.as_slice();
        members.get(at.checked_rem(members.len())?).cloned()
    }
}

/// A member, as it was found.
struct Picked<S> {
    member: Member<S>,
    online: bool,
    /// How many places were passed over to get there.
    skipped: usize,
}
