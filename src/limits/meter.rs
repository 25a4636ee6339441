use std::time::{Duration, Instant};

use super::Allowance;

/// A bucket that fills up with time, like [`Bucket`](super::Bucket), but can be in debt: what has come can be taken from it
/// although there was not enough, and takes its time to be paid. It has no clock.
pub struct Meter {
    allowance: Allowance,
    /// When it is full again. What is taken moves this on.
    full_at: Instant,
}

impl Meter {
    /// A full one.
    pub fn new(allowance: Allowance, now: Instant) -> Self {
        Meter { allowance, full_at: now }
    }

    /// Whether there is as much as `count`. For what is more than the bucket holds, it has to be full.
    pub fn has(&self, count: u32, now: Instant) -> bool {
        let burst = self.allowance.burst();
        let missing = self.full_at.saturating_duration_since(now);
        missing + self.time_for(count.min(burst)) <= self.time_for(burst)
    }

    /// Takes `count` out, be it there or not.
    pub fn take(&mut self, count: u32, now: Instant) {
        let from = self.full_at.max(now);
        self.full_at = from.checked_add(self.time_for(count)).unwrap_or(from);
    }

    /// When all is paid, if it is not yet.
    pub fn in_debt_until(&self, now: Instant) -> Option<Instant> {
        let paid_at = self.full_at.checked_sub(self.time_for(self.allowance.burst()))?;
        (paid_at > now).then_some(paid_at)
    }

    /// How long the bucket takes to fill by `count`.
    fn time_for(&self, count: u32) -> Duration {
        // No more than 2^32 * 10^9.
        Duration::from_nanos(u64::from(count) * 1_000_000_000 / u64::from(self.allowance.per_second()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn meter(per_second: u32, burst: u32) -> (Meter, Instant) {
        let now = Instant::now();
        (Meter::new(Allowance::new(per_second, burst).unwrap(), now), now)
    }

    #[test]
    fn what_is_taken_too_much_is_paid_at_the_rate() {
        let (mut meter, now) = meter(10, 5);
        meter.take(5, now);
        assert_eq!(meter.in_debt_until(now), None);
        meter.take(1, now);
        assert_eq!(meter.in_debt_until(now), Some(now + SECOND / 10));
        meter.take(20, now);
        assert_eq!(meter.in_debt_until(now), Some(now + SECOND / 10 * 21));
        assert_eq!(meter.in_debt_until(now + SECOND / 10 * 21), None);
    }

    #[test]
    fn no_more_than_the_burst_is_saved_up() {
        let (mut meter, now) = meter(10, 5);
        let later = now + 60 * SECOND;
        meter.take(6, later);
        assert_eq!(meter.in_debt_until(later), Some(later + SECOND / 10));
    }

    #[test]
    fn what_is_larger_than_the_bucket_needs_a_full_one_and_is_owed() {
        let (mut meter, now) = meter(10, 5);
        assert!(meter.has(1_000, now));
        meter.take(1_000, now);
        assert!(!meter.has(1, now + 99 * SECOND));
        assert!(meter.has(1, now + 100 * SECOND));
        assert!(!meter.has(6, now + 100 * SECOND - SECOND / 10));
    }

    #[test]
    fn nothing_overflows() {
        let (mut meter, now) = meter(1, u32::MAX);
        for _ in 0..10 {
            meter.take(u32::MAX, now);
        }
        assert!(meter.in_debt_until(now).is_some());
        assert!(!meter.has(u32::MAX, now));
    }
}
