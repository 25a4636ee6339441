use std::hash::BuildHasher;
use std::mem;
use std::slice;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::model::SubscriptionOptions;

/// One subscription: whose, and what it asks for. The key is here for it to be found without a look at the subscriber.
#[derive(Clone)]
pub(super) struct Member<S> {
    pub(super) key: u64,
    pub(super) subscriber: S,
    pub(super) options: SubscriptionOptions,
}

/// Members of a filter, by key. Most filters have one: that needs no memory of its own.
#[derive(Default)]
pub(super) enum MemberSet<S> {
    #[default]
    Empty,
    One(Member<S>),
    Many(Box<MemberList<S>>),
}

impl<S> MemberSet<S> {
    pub(super) fn as_slice(&self) -> &[Member<S>] {
        match self {
            MemberSet::Empty => &[],
            MemberSet::One(member) => slice::from_ref(member),
            MemberSet::Many(list) => &list.members,
        }
    }

    /// Returns the member with the same key, which is replaced.
    pub(super) fn insert(&mut self, member: Member<S>) -> Option<Member<S>> {
        match self {
            MemberSet::Many(list) => return list.insert(member),
            MemberSet::One(held) if held.key == member.key => return Some(mem::replace(held, member)),
            MemberSet::One(_) | MemberSet::Empty => {}
        }
        *self = match mem::take(self) {
            MemberSet::One(held) => MemberSet::Many(Box::new(MemberList { members: vec![held, member], index: None })),
            _ => MemberSet::One(member),
        };
        None
    }

    pub(super) fn remove(&mut self, key: u64) -> Option<Member<S>> {
        match self {
            MemberSet::One(held) if held.key == key => match mem::take(self) {
                MemberSet::One(held) => Some(held),
                _ => None,
            },
            MemberSet::One(_) | MemberSet::Empty => None,
            MemberSet::Many(list) => {
                let removed = list.remove(key);
                if let [_] = &*list.members {
                    *self = list.members.pop().map_or(MemberSet::Empty, MemberSet::One);
                }
                removed
            }
        }
    }
}

/// Any number of members in no order, found by key through an index once they are more than a few.
pub(super) struct MemberList<S> {
    members: Vec<Member<S>>,
    index: Option<Box<Index>>,
}

/// Up to here, looking at each member costs less than an index.
const WITHOUT_INDEX: usize = 16;

impl<S> MemberList<S> {
    pub(super) fn of_one(member: Member<S>) -> Self {
        MemberList { members: vec![member], index: None }
    }

    pub(super) fn as_slice(&self) -> &[Member<S>] {
        &self.members
    }

    pub(super) fn find(&self, key: u64) -> Option<&Member<S>> {
        self.position(key).and_then(|at| self.members.get(at))
    }

    pub(super) fn insert(&mut self, member: Member<S>) -> Option<Member<S>> {
        if let Some(at) = self.position(member.key) {
            return Some(mem::replace(&mut self.members[at], member));
        }
        self.members.push(member);
        if self.index.is_none() && self.members.len() > WITHOUT_INDEX {
            self.index = Some(Box::default());
        }
        if let Some(index) = &mut self.index {
            index.extend(&self.members);
        }
        None
    }

    pub(super) fn remove(&mut self, key: u64) -> Option<Member<S>> {
        let at = self.position(key)?;
        if let Some(index) = &mut self.index {
            index.forget(&self.members, at);
        }
        let removed = self.members.swap_remove(at);
        // Half of what it takes to make an index, lest one member coming and going makes it each time.
        if self.members.len() <= WITHOUT_INDEX / 2 {
            self.index = None;
        }
        if let Some(index) = &mut self.index {
            index.shrink(&self.members);
        }
        if self.members.len() < self.members.capacity() / 4 {
            self.members.shrink_to(self.members.len() * 2);
        }
        Some(removed)
    }

    fn position(&self, key: u64) -> Option<usize> {
        match &self.index {
            Some(index) => index.find(&self.members, key),
            None => self.members.iter().position(|member| member.key == key),
        }
    }
}

/// Where the member with a key stands: positions only, the keys are in the list.
#[derive(Default)]
struct Index {
    positions: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Index {
    fn find<S>(&self, members: &[Member<S>], key: u64) -> Option<usize> {
        let found = self.positions.find(self.hasher.hash_one(key), |at| members[*at as usize].key == key);
        found.map(|at| *at as usize)
    }

    /// Takes up the members behind those that it knows.
    fn extend<S>(&mut self, members: &[Member<S>]) {
        for (at, member) in members.iter().enumerate().skip(self.positions.len()) {
            let hash = self.hasher.hash_one(member.key);
            let rehash = |at: &u32| self.hasher.hash_one(members[*at as usize].key);
            self.positions.insert_unique(hash, at as u32, rehash);
        }
    }

    /// Forgets the member at `at`, whose place the last one is about to take.
    fn forget<S>(&mut self, members: &[Member<S>], at: usize) {
        let last = members.len() - 1;
        let hash = self.hasher.hash_one(members[at].key);
        if let Ok(entry) = self.positions.find_entry(hash, |position| *position as usize == at) {
            entry.remove();
        }
        let hash = self.hasher.hash_one(members[last].key);
        if let Some(position) = self.positions.find_mut(hash, |position| *position as usize == last) {
            *position = at as u32;
        }
    }

    fn shrink<S>(&mut self, members: &[Member<S>]) {
        if self.positions.len() < self.positions.capacity() / 4 {
            let rehash = |at: &u32| self.hasher.hash_one(members[*at as usize].key);
            self.positions.shrink_to(self.positions.len() * 2, rehash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(key: u64) -> Member<u64> {
        Member { key, subscriber: key * 10, options: SubscriptionOptions::default() }
    }

    #[test]
    fn finds_each_member_at_any_size() {
        const MEMBERS: u64 = 1_000;
        let mut set = MemberSet::Empty;
        for key in 0..MEMBERS {
            assert!(set.insert(member(key)).is_none());
            assert!(set.insert(member(key)).is_some_and(|replaced| replaced.key == key));
            assert_eq!(set.as_slice().len() as u64, key + 1);
        }
        // From the middle outwards, so that last, first and inner places are vacated.
        for step in 0..MEMBERS {
            let key = if step % 2 == 0 { MEMBERS / 2 + step / 2 } else { MEMBERS / 2 - 1 - step / 2 };
            assert!(set.remove(key).is_some_and(|removed| removed.subscriber == key * 10), "{key}");
            assert!(set.remove(key).is_none());
            assert_eq!(set.as_slice().len() as u64, MEMBERS - step - 1);
        }
        assert!(matches!(set, MemberSet::Empty));
    }

    #[test]
    fn one_member_needs_no_memory_of_its_own() {
        assert_eq!(size_of::<MemberSet<Box<u64>>>(), 24);
    }
}
