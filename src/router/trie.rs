use super::arena::Arena;
use super::children::Children;
use super::level::Level;

/// What stands at the end of a filter.
pub(super) trait Value: Default {
    /// Whether the filter may be forgotten.
    fn is_empty(&self) -> bool;
}

/// Topic filters, as a tree of their levels.
///
/// Nothing here recurses: clients choose the depth.
pub(super) struct Trie<V> {
    nodes: Arena<Node<V>>,
    children: Children,
}

type NodeId = u32;

const ROOT: NodeId = 0;
/// For "none": the root is nobody's child.
const NONE: NodeId = ROOT;

/// As large as a cache line for the usual value, and in one, for a look at it to cost one miss.
#[repr(align(64))]
struct Node<V> {
    level: Level,
    parent: NodeId,
    /// The child for `+`.
    plus: NodeId,
    /// The child for `#`.
    hash: NodeId,
    /// How many children the table has.
    literals: u32,
    value: V,
}

impl<V: Value> Default for Node<V> {
    fn default() -> Self {
        Node { level: Level::default(), parent: NONE, plus: NONE, hash: NONE, literals: 0, value: V::default() }
    }
}

impl<V: Value> Node<V> {
    fn is_empty(&self) -> bool {
        self.plus == NONE && self.hash == NONE && self.literals == 0 && self.value.is_empty()
    }
}

impl<V: Value> Trie<V> {
    pub(super) fn new() -> Self {
        let mut nodes = Arena::new();
        nodes.insert(Node::default()); // the root
        Trie { nodes, children: Children::new() }
    }

    pub(super) fn value_mut(&mut self, node: NodeId) -> &mut V {
        &mut self.nodes[node].value
    }

    /// The node of a filter, made if it is not there. Whoever leaves its value empty is to prune it.
    pub(super) fn insert(&mut self, filter: &str) -> NodeId {
        filter.split('/').fold(ROOT, |node, level| match self.child(node, level) {
            Some(child) => child,
            None => self.add(node, level),
        })
    }

    /// The node of a filter, if it is there.
    pub(super) fn find(&self, filter: &str) -> Option<NodeId> {
        filter.split('/').try_fold(ROOT, |node, level| self.child(node, level))
    }

    /// Removes a node and those above it, as far as they serve nothing any more.
    pub(super) fn prune(&mut self, mut node: NodeId) {
        while node != ROOT && self.nodes[node].is_empty() {
            node = self.remove(node);
        }
        // The memory of many nodes goes with the last.
        if self.nodes.len() == 1 && self.nodes.slots() > 1_024 {
            *self = Trie::new();
        }
    }

    /// Shows the values of all filters that match a topic name.
    pub(super) fn visit<'t>(&'t self, topic: &str, mut show: impl FnMut(&'t V)) {
        let system = topic.starts_with('$');
        // What is left to be walked after the present way; nothing is, as long as there is no `+`.
        let mut ways = Vec::new();
        let mut way = Some((ROOT, Some(topic)));
        while let Some((id, rest)) = way.take().or_else(|| ways.pop()) {
            let node = &self.nodes[id];
            // A topic that begins with $ is not for filters that begin with a wildcard [MQTT-4.7.2-1].
            let wildcards = !(system && id == ROOT);
            if node.hash != NONE && wildcards {
                // Also with nothing left: `a/#` matches `a` [MQTT-5 4.7.1.2].
                show(&self.nodes[node.hash].value);
            }
            let Some(rest) = rest else {
                show(&node.value);
                continue;
            };
            let (level, rest) = match rest.split_once('/') {
                Some((level, rest)) => (level, Some(rest)),
                None => (rest, None),
            };
            if node.plus != NONE && wildcards {
                ways.push((node.plus, rest));
            }
            if node.literals > 0 {
                way = self.literal(id, level).map(|child| (child, rest));
            }
        }
    }

    #[cfg(test)]
    pub(super) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    fn child(&self, parent: NodeId, level: &str) -> Option<NodeId> {
        let node = &self.nodes[parent];
        match level {
            "+" => (node.plus != NONE).then_some(node.plus),
            "#" => (node.hash != NONE).then_some(node.hash),
            _ if node.literals > 0 => self.literal(parent, level),
            _ => None,
        }
    }

    fn literal(&self, parent: NodeId, level: &str) -> Option<NodeId> {
        self.children.find(parent, level.as_bytes(), |child| {
            let child = &self.nodes[child];
            child.parent == parent && child.level.as_bytes() == level.as_bytes()
        })
    }

    fn add(&mut self, parent: NodeId, level: &str) -> NodeId {
        let child = self.nodes.insert(Node { level: Level::from(level), parent, ..Node::default() });
        match level {
            "+" => self.nodes[parent].plus = child,
            "#" => self.nodes[parent].hash = child,
            _ => {
                self.nodes[parent].literals += 1;
                let nodes = &self.nodes;
                self.children.insert(child, |child| (nodes[child].parent, nodes[child].level.as_bytes()));
            }
        }
        child
    }

    /// Removes an empty node. Returns its parent.
    fn remove(&mut self, id: NodeId) -> NodeId {
        let removed = self.nodes.remove(id);
        let parent = &mut self.nodes[removed.parent];
        if parent.plus == id {
            parent.plus = NONE;
        } else if parent.hash == id {
            parent.hash = NONE;
        } else {
            parent.literals -= 1;
            self.children.remove(id, removed.parent, removed.level.as_bytes());
        }
        removed.parent
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::subscriptions::Subscriptions;
    use super::*;

    #[test]
    fn a_node_is_a_cache_line() {
        assert_eq!(size_of::<Node<Subscriptions<Arc<()>>>>(), 64);
    }

    #[test]
    fn nodes_go_with_what_they_serve() {
        let mut trie: Trie<Subscriptions<()>> = Trie::new();
        let filters = ["a/b/c", "a/+/c", "a/#", "a/b"];
        let nodes = filters.map(|filter| trie.insert(filter));
        assert_eq!(filters.map(|filter| trie.find(filter)), nodes.map(Some));
        assert_eq!(trie.node_count(), 7);
        trie.prune(nodes[3]); // `a/b` is still on the way to `a/b/c`
        assert_eq!(trie.node_count(), 7);
        trie.prune(nodes[0]);
        assert_eq!((trie.node_count(), trie.find("a/b")), (5, None));
        trie.prune(nodes[1]);
        trie.prune(nodes[2]);
        assert_eq!(trie.node_count(), 1);
    }
}
