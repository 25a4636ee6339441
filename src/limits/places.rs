use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::Arc;

/// A limited number of places.
#[derive(Clone, Debug)]
pub struct Places {
    taken: Arc<AtomicUsize>,
    /// 0 for no limit.
    max: usize,
}

/// One place, free again when it is dropped.
#[derive(Debug)]
pub struct Place(Arc<AtomicUsize>);

impl Places {
    /// `max` places; 0 for no limit.
    pub fn new(max: usize) -> Self {
        Places { taken: Arc::default(), max }
    }

    /// The same places with another limit. What is taken stays so, even beyond it.
    pub fn with_max(&self, max: usize) -> Self {
        Places { taken: self.taken.clone(), max }
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.taken.load(Relaxed)
    }

    /// Takes a place, if there is one.
    pub fn take(&self) -> Option<Place> {
        let taken = self.taken.fetch_add(1, Relaxed) + 1;
        let place = Place(self.taken.clone());
        (self.max == 0 || taken <= self.max).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
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
        let unlimited = Places::new(0);
        assert!((0..100).all(|_| unlimited.take().is_some()));
    }
}
