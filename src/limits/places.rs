use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;

/// A limited number of places. Clones share them.
#[derive(Clone, Debug)]
pub struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    taken: AtomicUsize,
    /// 0 for no limit.
    max: AtomicUsize,
}

/// One place, free again when it is dropped.
#[derive(Debug)]
pub struct Place(Arc<Shared>);

impl Places {
    /// `max` places; 0 for no limit.
    pub fn new(max: usize) -> Self {
        Places(Arc::new(Shared { taken: AtomicUsize::new(0), max: AtomicUsize::new(max) }))
    }

    /// Sets another limit. What is taken stays so, even beyond it.
    pub fn set_max(&self, max: usize) {
        self.0.max.store(max, Relaxed);
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.0.taken.load(Relaxed)
    }

    /// Takes a place, if there is one.
    pub fn take(&self) -> Option<Place> {
        let taken = self.0.taken.fetch_add(1, Relaxed) + 1;
        let place = Place(self.0.clone());
        let max = self.0.max.load(Relaxed);
        (max == 0 || taken <= max).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back() {
        let places = Places::new(2);
        let (first, second) = (places.take(), places.take());
        assert!(first.is_some() && second.is_some());
        assert!(places.take().is_none());
        drop(first);
        assert!(places.take().is_some());
        drop(second);
        let third = places.take();
        assert!(third.is_some());
        places.clone().set_max(1);
        assert!(places.take().is_none(), "the one that is taken counts");
        drop(third);
        assert!(places.take().is_some());
        let unlimited = Places::new(0);
        assert!((0..100).all(|_| unlimited.take().is_some()));
    }
}
