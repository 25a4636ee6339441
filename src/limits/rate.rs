//! How much may come in a second: token buckets.

use std::num::NonZeroU32;
use std::time::Duration;

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
pub struct Bucket<C: Clock = MonotonicClock> {
    limiter: RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>>,
    clock: C,
    burst: NonZeroU32,
}

impl Bucket {
    /// A full one.
    pub fn new(allowance: Allowance) -> Self {
        Bucket::with_clock(allowance, MonotonicClock)
    }
}

impl<C: Clock + Clone> Bucket<C> {
    pub fn with_clock(allowance: Allowance, clock: C) -> Self {
        let quota = Quota::per_second(allowance.per_second).allow_burst(allowance.burst);
        Bucket { limiter: RateLimiter::direct_with_clock(quota, clock.clone()), clock, burst: allowance.burst }
    }

    /// Takes `count` out; if there are not so many, none, and how long it will be until there are. What is more than the
    /// bucket holds is taken for all that it holds.
    pub fn take(&self, count: u32) -> Result<(), Duration> {
        let Some(count) = NonZeroU32::new(count) else { return Ok(()) };
        match self.limiter.check_n(count.min(self.burst)) {
            Ok(Err(not_until)) => Err(not_until.wait_time_from(self.clock.now())),
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn bucket(per_second: u32, burst: u32) -> (Bucket<FakeRelativeClock>, FakeRelativeClock) {
        let clock = FakeRelativeClock::default();
        (Bucket::with_clock(Allowance::new(per_second, burst).unwrap(), clock.clone()), clock)
    }

    #[test]
    fn no_rate_is_no_limit() {
        assert_eq!(Allowance::new(0, 7), None);
    }

    #[test]
    fn a_burst_then_the_rate() {
        let (bucket, clock) = bucket(10, 5);
        assert!((0..5).all(|_| bucket.take(1).is_ok()));
        assert_eq!(bucket.take(1), Err(Duration::from_millis(100)));
        clock.advance(Duration::from_millis(100));
        assert_eq!(bucket.take(1), Ok(()));
        assert_eq!(bucket.take(1), Err(Duration::from_millis(100)));
        clock.advance(Duration::from_secs(60));
        assert_eq!(bucket.take(5), Ok(()), "no more than the burst has been saved up");
        assert!(bucket.take(1).is_err());
    }

    #[test]
    fn what_is_refused_is_not_taken() {
        let (bucket, clock) = bucket(10, 10);
        assert_eq!(bucket.take(8), Ok(()));
        assert_eq!(bucket.take(4), Err(Duration::from_millis(200)));
        assert_eq!(bucket.take(2), Ok(()));
        clock.advance(Duration::from_secs(1));
        assert_eq!(bucket.take(1_000_000), Ok(()), "more than it ever holds");
        assert!(bucket.take(1).is_err());
        assert_eq!(bucket.take(0), Ok(()));
    }
}
