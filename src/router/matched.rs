use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::model::QoS;

use super::member::Member;
use super::{Group, Identifiers};

/// Who gets a message.
#[derive(Clone)]
pub struct Matched<S> {
    /// Of the subscriptions that this was made from, see [`super::Router::generation`].
    pub generation: u64,
    /// Each subscriber once.
    pub targets: Vec<Target<S>>,
    /// Shared subscriptions: of each, one member gets the message `[MQTT-5 4.8.2]`.
    pub groups: Vec<Arc<Group<S>>>,
}

impl<S> Matched<S> {
    /// Whether nobody subscribes.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty() && self.groups.is_empty()
    }
}

/// A receiver, and what the subscriptions by which it receives ask for.
#[derive(Clone)]
pub struct Target<S> {
    /// The key of `subscriber`.
    pub key: u64,
    pub subscriber: S,
    /// The highest of its subscriptions `[MQTT-3.3.4-2]`.
    pub qos: QoS,
    /// Whether any of its subscriptions wants the retain flag as it was published.
    pub retain_as_published: bool,
    pub identifiers: Identifiers,
}

impl<S: Clone> Target<S> {
    pub(super) fn new(member: &Member<S>) -> Self {
        Target {
            key: member.key,
            subscriber: member.subscriber.clone(),
            qos: member.options.qos,
            retain_as_published: member.options.retain_as_published,
            identifiers: member.options.identifier.into(),
        }
    }

    fn merge(&mut self, member: &Member<S>) {
        self.qos = self.qos.max(member.options.qos);
        self.retain_as_published |= member.options.retain_as_published;
        if let Some(identifier) = member.options.identifier {
            self.identifiers.push(identifier);
        }
    }
}

/// Up to here, looking at each target costs less than an index.
const WITHOUT_INDEX: usize = 16;

/// Gathers the members of one matching filter after the other, each subscriber once.
pub(super) struct Collector<S> {
    publisher: Option<u64>,
    targets: Vec<Target<S>>,
    groups: Vec<Arc<Group<S>>>,
    /// Positions of the first targets, by key.
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl<S: Clone> Collector<S> {
    pub(super) fn new(publisher: Option<u64>) -> Self {
        Collector {
            publisher,
            targets: Vec::new(),
            groups: Vec::new(),
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    /// Adds the members of a filter, of whom no two are the same.
    pub(super) fn add(&mut self, members: &[Member<S>]) {
        let publisher = self.publisher;
        let members = members.iter().filter(|member| !member.options.no_local || Some(member.key) != publisher);
        // Only who is there from filters before may be there already.
        let before = self.targets.len();
        if before == 0 {
            self.targets.extend(members.map(Target::new));
            return;
        }
        if before > WITHOUT_INDEX {
            self.extend_index();
        }
        for member in members {
            match self.position(member.key, before) {
                Some(at) => self.targets[at].merge(member),
                None => self.targets.push(Target::new(member)),
            }
        }
    }

    pub(super) fn add_groups<'g>(&mut self, groups: impl Iterator<Item = &'g Arc<Group<S>>>)
    where
        S: 'g,
    {
        self.groups.extend(groups.cloned());
    }

    pub(super) fn finish(self, generation: u64) -> Matched<S> {
        Matched { generation, targets: self.targets, groups: self.groups }
    }

    /// Where a key is among the first `before` targets.
    fn position(&self, key: u64, before: usize) -> Option<usize> {
        if before <= WITHOUT_INDEX {
            return self.targets[..before].iter().position(|target| target.key == key);
        }
        let found = self.index.find(self.hasher.hash_one(key), |at| self.targets[*at as usize].key == key);
        found.map(|at| *at as usize)
    }

    fn extend_index(&mut self) {
        let rehash = |at: &u32| self.hasher.hash_one(self.targets[*at as usize].key);
        let known = self.index.len();
        self.index.reserve(self.targets.len() - known, rehash);
        for (at, target) in self.targets.iter().enumerate().skip(known) {
            self.index.insert_unique(self.hasher.hash_one(target.key), at as u32, rehash);
        }
    }
}
