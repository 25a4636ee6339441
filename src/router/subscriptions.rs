use std::sync::Arc;

use super::groups::Groups;
use super::member::{Member, MemberSet};
use super::trie::Value;
use super::{Group, Strategy};

/// All subscriptions to one filter.
pub(super) struct Subscriptions<S> {
    pub(super) direct: MemberSet<S>,
    shared: Option<Box<Groups<S>>>,
}

impl<S> Default for Subscriptions<S> {
    fn default() -> Self {
        Subscriptions { direct: MemberSet::Empty, shared: None }
    }
}

impl<S> Value for Subscriptions<S> {
    fn is_empty(&self) -> bool {
        self.filters() == 0
    }
}

impl<S> Subscriptions<S> {
    /// How many filters they are in the terms of SUBSCRIBE, where the group is a part of the filter.
    pub(super) fn filters(&self) -> usize {
        usize::from(!self.direct.as_slice().is_empty()) + self.shared.as_ref().map_or(0, |groups| groups.len())
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = &Arc<Group<S>>> {
        self.shared.iter().flat_map(|groups| groups.iter())
    }

    /// Adds a member to a shared group. Returns the member with the same key, which is replaced.
    pub(super) fn join(
        &mut self,
        group: &str,
        filter: &str,
        strategy: Strategy,
        member: Member<S>,
    ) -> Option<Member<S>> {
        self.shared.get_or_insert_default().join(group, filter, strategy, member)
    }

    /// Removes a member from a shared group.
    pub(super) fn leave(&mut self, group: &str, key: u64) -> Option<Member<S>> {
        let groups = self.shared.as_mut()?;
        let removed = groups.leave(group, key);
        if groups.is_empty() {
            self.shared = None;
        }
        removed
    }
}
