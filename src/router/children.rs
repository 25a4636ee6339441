use std::array;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

const TABLES: usize = 256;

/// The literal children of all nodes, by parent and text. What those are, the nodes know.
///
/// Clients choose the text, so the hash has a random key. There are many tables, for each to be small: one with millions
/// of children would take a tenth of a second to grow, while everyone waits.
pub(super) struct Children {
    tables: Box<[HashTable<u32>; TABLES]>,
    hasher: DefaultHashBuilder,
}

impl Children {
    pub(super) fn new() -> Self {
        Children { tables: Box::new(array::from_fn(|_| HashTable::new())), hasher: DefaultHashBuilder::default() }
    }

    /// The child for which `is_it` holds, among those of this parent and text, and some others.
    pub(super) fn find(&self, parent: u32, text: &[u8], mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let hash = self.hash(parent, text);
        self.tables[table(hash)].find(hash, |child| is_it(*child)).copied()
    }

    /// Adds a child; `name` tells the parent and the text of each.
    pub(super) fn insert<'n>(&mut self, child: u32, name: impl Fn(u32) -> (u32, &'n [u8])) {
        let hasher = &self.hasher;
        let hash = |child: &u32| hasher.hash_one(name(*child));
        let own = hash(&child);
        self.tables[table(own)].insert_unique(own, child, hash);
    }

    pub(super) fn remove(&mut self, child: u32, parent: u32, text: &[u8]) {
        let hash = self.hash(parent, text);
        if let Ok(entry) = self.tables[table(hash)].find_entry(hash, |held| *held == child) {
            entry.remove();
        }
    }

    fn hash(&self, parent: u32, text: &[u8]) -> u64 {
        self.hasher.hash_one((parent, text))
    }
}

/// By bits that the tables themselves do not go by: those use the lowest and the highest.
fn table(hash: u64) -> usize {
    (hash >> 40) as usize % TABLES
}
