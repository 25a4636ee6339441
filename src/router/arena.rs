use std::mem;
use std::ops::{Index, IndexMut};

/// A power of two.
const CHUNK: usize = 1_024;

/// Values under numbers, which are used again after their values.
///
/// It grows by chunks: a vector of millions would now and then be moved as a whole, while everyone waits.
pub(super) struct Arena<T> {
    chunks: Vec<Vec<T>>,
    free: Vec<u32>,
}

impl<T: Default> Arena<T> {
    pub(super) fn new() -> Self {
        Arena { chunks: Vec::new(), free: Vec::new() }
    }

    pub(super) fn insert(&mut self, value: T) -> u32 {
        if let Some(id) = self.free.pop() {
            self[id] = value;
            return id;
        }
        // Memory ends long before: that many nodes of the trie take 256 GiB.
        let id = u32::try_from(self.slots()).expect("fewer than 2^32 values");
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(value),
            // The first one grows as it is needed: many a broker has few subscriptions.
            None => self.chunks.push(vec![value]),
            Some(_) => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(value);
                self.chunks.push(chunk);
            }
        }
        id
    }

    /// Takes a value out, and leaves its number for another.
    pub(super) fn remove(&mut self, id: u32) -> T {
        self.free.push(id);
        mem::take(&mut self[id])
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.slots() - self.free.len()
    }

    /// How many there have been at a time.
    pub(super) fn slots(&self) -> usize {
        let last = self.chunks.last().map_or(0, |chunk| chunk.len());
        self.chunks.len().saturating_sub(1) * CHUNK + last
    }
}

impl<T> Index<u32> for Arena<T> {
    type Output = T;

    fn index(&self, id: u32) -> &T {
        &self.chunks[id as usize / CHUNK][id as usize % CHUNK]
    }
}

impl<T> IndexMut<u32> for Arena<T> {
    fn index_mut(&mut self, id: u32) -> &mut T {
        &mut self.chunks[id as usize / CHUNK][id as usize % CHUNK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again() {
        let mut arena = Arena::new();
        for value in 0..3_000 {
            assert_eq!(arena.insert(value), value);
        }
        assert_eq!((arena[0], arena[1_024], arena[2_999], arena.len()), (0, 1_024, 2_999, 3_000));
        assert_eq!(arena.remove(1_500), 1_500);
        assert_eq!(arena.len(), 2_999);
        assert_eq!(arena.insert(7), 1_500);
        assert_eq!((arena[1_500], arena.len(), arena.slots()), (7, 3_000, 3_000));
    }
}
