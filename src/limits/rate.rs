//! How much may come in a second: token buckets.

use std::num::NonZeroU32;

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

/// A rate, and how much may come at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    per_second: NonZeroU32,
    burst: NonZeroU32,
}

impl Allowance {
    /// `None` if there is no limit: `per_second` is 0. Without a `burst`, a second's worth may come at once.
    pub fn new(per_second: u32, burst: u32) -> Option<Self> {
        let per_second = NonZeroU32::new(per_second)?;
        Some(Allowance { per_second, burst: NonZeroU32::new(burst).unwrap_or(per_second) })
    }

    pub(super) fn per_second(&self) -> u32 {
        self.per_second.get()
    }

    pub(super) fn burst(&self) -> u32 {
        self.burst.get()
    }
}

/// A bucket that fills up with time, and that whatever comes takes from.
pub struct Bucket<C: Clock = MonotonicClock>(RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>>);

impl Bucket {
    /// A full one.
    pub fn new(allowance: Allowance) -> Self {
        Bucket::with_clock(allowance, MonotonicClock)
    }
}

impl<C: Clock> Bucket<C> {
    fn with_clock(allowance: Allowance, clock: C) -> Self {
        let quota = Quota::per_second(allowance.per_second).allow_burst(allowance.burst);
        Bucket(RateLimiter::direct_with_clock(quota, clock))
    }

    /// Takes one out; whether there was one.
    pub fn take_one(&self) -> bool {
        self.0.check().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;

    #[test]
    fn no_rate_is_no_limit() {
        assert_eq!(Allowance::new(0, 7), None);
    }

    #[test]
    fn a_burst_then_the_rate() {
        let clock = FakeRelativeClock::default();
        let bucket = Bucket::with_clock(Allowance::new(10, 5).unwrap(), clock.clone());
        let take_all = || (0..10).filter(|_| bucket.take_one()).count();
        assert_eq!(take_all(), 5);
        clock.advance(Duration::from_millis(99));
        assert_eq!(take_all(), 0);
        clock.advance(Duration::from_millis(1));
        assert_eq!(take_all(), 1, "what was refused was not taken");
        clock.advance(Duration::from_secs(60));
        assert_eq!(take_all(), 5, "no more than the burst has been saved up");
    }
}
