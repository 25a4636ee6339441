//! How the host program's code has fared, hook by hook.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::time::Duration;

use super::slots::Marks;
use super::{Hook, Verdict};

/// How many ranges the times of hooks are counted in.
pub const TIME_BUCKETS: usize = 23;

/// The longest time that belongs to a range, in microseconds: 1, 2, 5, 10, 20, 50 and so on, up to 10 seconds. `None`
/// for the last range, which has no end.
pub fn time_bound_us(bucket: usize) -> Option<u64> {
    (bucket + 1 < TIME_BUCKETS).then(|| [1, 2, 5][bucket % 3] * 10u64.pow(bucket as u32 / 3))
}

/// Why a decision denies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The hook said so.
    Denied,
    /// It did not answer in time.
    Expired,
    /// There was no room for the question.
    Overflowed,
    /// It was to answer later, but had taken no ticket.
    WithoutTicket,
    /// It panicked, or its answer could not be understood.
    Failed,
    /// The broker stopped before there was an answer.
    Stopped,
    /// Whoever wanted to know was gone before there was an answer.
    Departed,
}

const CAUSES: usize = Cause::Departed as usize + 1;

impl Cause {
    /// Why that verdict denies; `None` if it does not.
    pub(super) fn of(hook: Hook, verdict: &Verdict) -> Option<Cause> {
        match verdict {
            Verdict::Allow(_) => None,
            // One more round of what is going well, or somebody else is asked.
            Verdict::Continue(_) if matches!(hook, Hook::Authenticate | Hook::AuthExchange) => None,
            Verdict::Failed => Some(Cause::Failed),
            Verdict::Deny(_) | Verdict::Drop | Verdict::Continue(_) => Some(Cause::Denied),
        }
    }
}

/// What has been counted for one hook. What does not belong to its kind is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HookStats {
    /// Decisions that allowed.
    pub allowed: u64,
    /// Decisions that denied because the hook said so.
    pub denied: u64,
    /// Decisions denied because no answer came in time.
    pub expired: u64,
    /// Decisions denied because the queue was full.
    pub overflowed: u64,
    /// Decisions denied because the hook was to answer later, but had taken no ticket.
    pub without_ticket: u64,
    /// Decisions denied because the hook panicked or its answer could not be understood; events whose hook panicked.
    pub failed: u64,
    /// Decisions denied because the broker stopped.
    pub stopped: u64,
    /// Decisions denied because whoever wanted to know was gone.
    pub departed: u64,
    /// Events that the hook has been told of.
    pub told: u64,
    /// Events that found the queue full.
    pub dropped: u64,
    /// Decisions that are open, events that wait or run.
    pub in_flight: u64,
    /// Calls in place that took far too long.
    pub slow: u64,
    /// The sum of the times that have been measured.
    pub time_us_sum: u64,
    /// How many of those times are in each range; see [`time_bound_us`].
    pub time: [u64; TIME_BUCKETS],
}

impl HookStats {
    /// Whether the hook has ever had anything to do.
    pub fn is_blank(&self) -> bool {
        *self == HookStats::default()
    }

    /// Decisions that denied, for whatever cause.
    pub fn denied_in_all(&self) -> u64 {
        self.denied + self.expired + self.overflowed + self.without_ticket + self.failed + self.stopped + self.departed
    }
}

/// The counts of one hook, but for most of those of calls in place: see [`Marks`].
#[derive(Debug, Default)]
struct PerHook {
    /// Decisions that allowed, events that were told.
    good: AtomicU64,
    causes: [AtomicU64; CAUSES],
    dropped: AtomicU64,
    in_flight: AtomicU64,
    slow: AtomicU64,
    time_ns_sum: AtomicU64,
    time: [AtomicU64; TIME_BUCKETS],
}

/// How the host program's code has fared. Shared by all runs of a broker.
#[derive(Debug, Default)]
pub struct HookCounters {
    hooks: [PerHook; Hook::COUNT],
    marks: Marks,
    panics: AtomicU64,
    pending: AtomicU64,
}

macro_rules! counters {
    ($($count:ident => $get:ident: $field:ident, $doc:literal;)*) => {
        impl HookCounters {
            $(
                pub fn $count(&self) {
                    self.$field.fetch_add(1, Relaxed);
                }

                #[doc = $doc]
                pub fn $get(&self) -> u64 {
                    self.$field.load(Relaxed)
                }
            )*
        }
    };
}

counters! {
    callback_panicked => callback_panics: panics, "Panics caught in callbacks.";
}

impl HookCounters {
    /// What has been counted for a hook.
    pub fn hook(&self, hook: Hook) -> HookStats {
        let of = &self.hooks[hook as usize];
        let in_place = self.marks.sum(hook);
        let good = of.good.load(Relaxed) + in_place.good;
        let (allowed, told) = if hook.decides() { (good, 0) } else { (0, good) };
        let cause = |cause: Cause| of.causes[cause as usize].load(Relaxed);
        HookStats {
            allowed,
            denied: cause(Cause::Denied) + in_place.denied,
            expired: cause(Cause::Expired),
            overflowed: cause(Cause::Overflowed),
            without_ticket: cause(Cause::WithoutTicket),
            failed: cause(Cause::Failed),
            stopped: cause(Cause::Stopped),
            departed: cause(Cause::Departed),
            told,
            dropped: of.dropped.load(Relaxed),
            in_flight: of.in_flight.load(Relaxed) + in_place.running,
            slow: of.slow.load(Relaxed),
            time_us_sum: of.time_ns_sum.load(Relaxed) / 1000,
            time: std::array::from_fn(|bucket| of.time[bucket].load(Relaxed)),
        }
    }

    pub(super) fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Counts a decision; with `None` it has allowed.
    pub(super) fn decided(&self, hook: Hook, cause: Option<Cause>) {
        let of = &self.hooks[hook as usize];
        cause.map_or(&of.good, |cause| &of.causes[cause as usize]).fetch_add(1, Relaxed);
    }

    /// Counts an event that a hook has been told of.
    pub(super) fn told(&self, hook: Hook) {
        self.hooks[hook as usize].good.fetch_add(1, Relaxed);
    }

    /// Counts an event whose hook has panicked.
    pub(super) fn event_failed(&self, hook: Hook) {
        self.callback_panicked();
        self.hooks[hook as usize].causes[Cause::Failed as usize].fetch_add(1, Relaxed);
    }

    pub(super) fn event_dropped(&self, hook: Hook) {
        self.hooks[hook as usize].dropped.fetch_add(1, Relaxed);
    }

    pub(super) fn was_slow(&self, hook: Hook) {
        self.hooks[hook as usize].slow.fetch_add(1, Relaxed);
    }

    pub(super) fn took(&self, hook: Hook, time: Duration) {
        let of = &self.hooks[hook as usize];
        of.time_ns_sum.fetch_add(time.as_nanos() as u64, Relaxed);
        of.time[bucket(time)].fetch_add(1, Relaxed);
    }

    /// Deferred decisions that are open now.
    pub fn decisions_pending(&self) -> u64 {
        self.pending.load(Relaxed)
    }

    /// Takes one of `max` places for a deferred decision.
    pub(super) fn take_pending(&self, max: usize) -> bool {
        self.pending.fetch_update(Relaxed, Relaxed, |open| (open < max as u64).then_some(open + 1)).is_ok()
    }

    pub(super) fn give_back_pending(&self) {
        self.pending.fetch_sub(1, Relaxed);
    }
}

/// The range that a time belongs to.
fn bucket(time: Duration) -> usize {
    let ns = time.as_nanos();
    (0..TIME_BUCKETS - 1)
        .find(|bucket| time_bound_us(*bucket).is_some_and(|bound| ns <= u128::from(bound) * 1000))
        .unwrap_or(TIME_BUCKETS - 1)
}

/// Something that is asked, or told, and not over. It is one of those in flight until it is dropped.
pub(super) struct InFlight {
    counters: Arc<HookCounters>,
    hook: Hook,
}

impl InFlight {
    pub(super) fn new(counters: &Arc<HookCounters>, hook: Hook) -> Self {
        counters.hooks[hook as usize].in_flight.fetch_add(1, Relaxed);
        InFlight { counters: counters.clone(), hook }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.counters.hooks[self.hook as usize].in_flight.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ranges_of_times_follow_each_other() {
        let bounds: Vec<_> = (0..TIME_BUCKETS).map(time_bound_us).collect();
        assert_eq!(bounds[..7], [1, 2, 5, 10, 20, 50, 100].map(Some));
        assert_eq!(bounds[TIME_BUCKETS - 2..], [Some(10_000_000), None]);
        for (bucket_number, bound) in bounds.iter().enumerate() {
            let Some(bound) = bound else { break };
            assert_eq!(bucket(Duration::from_micros(*bound)), bucket_number);
            assert_eq!(bucket(Duration::from_micros(*bound) + Duration::from_nanos(1)), bucket_number + 1);
        }
        assert_eq!((bucket(Duration::ZERO), bucket(Duration::from_secs(3600))), (0, TIME_BUCKETS - 1));
    }

    #[test]
    fn each_count_has_its_place() {
        let counters = Arc::new(HookCounters::default());
        let causes = [
            Cause::Denied,
            Cause::Expired,
            Cause::Overflowed,
            Cause::WithoutTicket,
            Cause::Failed,
            Cause::Stopped,
            Cause::Departed,
        ];
        for (times, cause) in causes.into_iter().enumerate() {
            (0..=times).for_each(|_| counters.decided(Hook::Authenticate, Some(cause)));
        }
        counters.decided(Hook::Authenticate, None);
        counters.took(Hook::Authenticate, Duration::from_micros(3));
        let in_flight = InFlight::new(&counters, Hook::Authenticate);
        let stats = counters.hook(Hook::Authenticate);
        let by_cause = [
            stats.denied,
            stats.expired,
            stats.overflowed,
            stats.without_ticket,
            stats.failed,
            stats.stopped,
            stats.departed,
        ];
        assert_eq!(by_cause, [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!((stats.allowed, stats.denied_in_all(), stats.in_flight), (1, 28, 1));
        assert_eq!((stats.time_us_sum, stats.time[2]), (3, 1));
        drop(in_flight);
        assert_eq!(counters.hook(Hook::Authenticate).in_flight, 0);
        assert!(counters.hook(Hook::AuthorizePublish).is_blank());

        counters.told(Hook::Connected);
        counters.event_dropped(Hook::Connected);
        counters.event_failed(Hook::Connected);
        let stats = counters.hook(Hook::Connected);
        assert_eq!((stats.allowed, stats.told, stats.dropped, stats.failed), (0, 1, 1, 1));
    }

    #[test]
    fn only_authentication_goes_on() {
        let go_on = Verdict::Continue(None);
        assert_eq!(Cause::of(Hook::AuthExchange, &go_on), None);
        assert_eq!(Cause::of(Hook::Authenticate, &go_on), None);
        assert_eq!(Cause::of(Hook::AuthorizeSubscribe, &go_on), Some(Cause::Denied));
        assert_eq!(Cause::of(Hook::AuthorizePublish, &Verdict::Drop), Some(Cause::Denied));
        assert_eq!(Cause::of(Hook::AuthorizePublish, &Verdict::Failed), Some(Cause::Failed));
        assert_eq!(Cause::of(Hook::AuthorizePublish, &Verdict::ALLOW), None);
    }
}
