/// A set of packet identifiers: a bit for each, up to the highest one used.
#[derive(Debug, Default)]
pub(super) struct PacketIds {
    words: Vec<u64>,
    len: usize,
}

impl PacketIds {
    /// Whether it was not there yet.
    pub(super) fn insert(&mut self, id: u16) -> bool {
        let (word, bit) = place(id);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.len += usize::from(new);
        new
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, id: u16) -> bool {
        let (word, bit) = place(id);
        let Some(word) = self.words.get_mut(word).filter(|word| **word & bit != 0) else { return false };
        *word &= !bit;
        self.len -= 1;
        true
    }

    pub(super) fn contains(&self, id: u16) -> bool {
        let (word, bit) = place(id);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}

fn place(id: u16) -> (usize, u64) {
    (usize::from(id) / 64, 1 << (id % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_was_put_in() {
        let mut ids = PacketIds::default();
        for id in [1, 2, 63, 64, 65_535] {
            assert!(!ids.contains(id) && !ids.remove(id));
            assert!(ids.insert(id));
            assert!(!ids.insert(id));
            assert!(ids.contains(id));
        }
        assert_eq!(ids.len(), 5);
        assert!(ids.remove(64) && !ids.remove(64));
        assert!(ids.contains(63) && ids.contains(65_535) && !ids.contains(64));
        assert_eq!(ids.len(), 4);
    }
}
