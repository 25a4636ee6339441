//! Counts of durations, in buckets that are 1.6 % wide: as many as come, in little memory.

/// Buckets for each doubling.
const PARTS: u64 = 64;
const PART_BITS: u32 = PARTS.trailing_zeros();

/// Enough for every number of nanoseconds.
const BUCKETS: usize = ((u64::BITS - PART_BITS + 1) as usize) << PART_BITS;

pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }

    #[inline]
    pub fn add(&mut self, nanos: u64) {
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
    }

    /// What so large a share is not above, in milliseconds. Nothing, where nothing was counted.
    pub fn millis(&self, share: f64) -> Option<f64> {
        let rank = (self.total as f64 * share) as u64;
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += count;
            seen > rank
        });
        found.map(|bucket| middle(bucket) / 1e6)
    }
}

/// Those below `PARTS` have one each, those above share one with what has the same leading bits.
fn bucket(nanos: u64) -> usize {
    let doublings = (u64::BITS - nanos.leading_zeros()).saturating_sub(PART_BITS + 1);
    ((u64::from(doublings) << PART_BITS) + (nanos >> doublings)) as usize
}

fn middle(bucket: usize) -> f64 {
    let doublings = (bucket as u64 >> PART_BITS).saturating_sub(1);
    let low = (bucket as u64 - (doublings << PART_BITS)) as f64;
    let width = (doublings as f64).exp2();
    (low + 0.5) * width - 0.5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_near_what_it_counts() {
        for nanos in (0..64).flat_map(|shift| [(1u64 << shift) - 1, 1 << shift, (1 << shift) + (1 << shift) / 3]) {
            let (found, nanos) = (middle(bucket(nanos)), nanos as f64);
            assert!((found - nanos).abs() <= nanos * 0.008, "{found} for {nanos}");
        }
        assert!(bucket(u64::MAX) < BUCKETS);
    }

    #[test]
    fn shares_of_what_was_counted() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.millis(0.5), None);
        (1..=1000).for_each(|micros| histogram.add(micros * 1000));
        for (share, expected) in [(0.0, 0.001), (0.5, 0.5), (0.99, 0.99), (0.999, 1.0)] {
            let found = histogram.millis(share).unwrap();
            assert!((found / expected - 1.0).abs() < 0.01, "{found} for {expected}");
        }
    }
}
