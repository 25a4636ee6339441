use std::sync::Arc;

use hashbrown::HashMap;

use super::member::Member;
use super::{Group, Strategy};

/// The shared groups of one filter, by name.
pub(super) struct Groups<S>(HashMap<Arc<str>, Arc<Group<S>>>);

impl<S> Default for Groups<S> {
    fn default() -> Self {
        Groups(HashMap::new())
    }
}

impl<S> Groups<S> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Group<S>>> {
        self.0.values()
    }

    /// Adds a member to the group, which is made if it is not there. Returns the member with the same key.
    pub(super) fn join(
        &mut self,
        name: &str,
        filter: &str,
        strategy: Strategy,
        member: Member<S>,
    ) -> Option<Member<S>> {
        if let Some(group) = self.0.get(name) {
            return group.join(member);
        }
        let name: Arc<str> = name.into();
        self.0.insert(name.clone(), Arc::new(Group::new(name, filter, strategy, member)));
        None
    }

    /// Removes a member from the group, and the group with its last one.
    pub(super) fn leave(&mut self, name: &str, key: u64) -> Option<Member<S>> {
        let group = self.0.get(name)?;
        let removed = group.leave(key)?;
        if group.is_empty() {
            self.0.remove(name);
            // Every match iterates over what there is room for.
            if self.0.len() < self.0.capacity() / 4 {
                self.0.shrink_to_fit();
            }
        }
        Some(removed)
    }
}
