//! Who has misbehaved, and is kept out for a while.
//!
//! All that is remembered is bounded: whoever comes from many addresses, or under many names, makes the broker forget the
//! one that was heard of least recently, not grow.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;
use parking_lot::Mutex;

use super::Source;
use crate::model::BanCause;

/// Sources that failures are counted of.
const MAX_COUNTED: NonZeroUsize = NonZeroUsize::new(32_768).expect("not zero");

/// Bans at the same time: those that sources have brought about, and those of the host program, each.
const MAX_BANS: NonZeroUsize = NonZeroUsize::new(32_768).expect("not zero");

/// The first delay of an answer to somebody who has failed before; it doubles with each failure.
const FIRST_DELAY: Duration = Duration::from_millis(100);

/// The longest delay.
const MAX_DELAY: Duration = Duration::from_secs(5);

/// When somebody is banned, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BanPolicy {
    /// So many attempts to authenticate that fail within the window; 0 for never.
    pub failures: u32,
    /// So many connections within the window; 0 for never.
    pub flaps: u32,
    pub window: Duration,
    pub ban: Duration,
}

/// Somebody who is kept out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    pub source: Source,
    pub cause: BanCause,
    /// `None`: until the host program lifts it.
    pub until: Option<Instant>,
}

/// Counts failures and keeps bans.
pub struct Shield(Mutex<State>);

struct State {
    policy: BanPolicy,
    counted: LruCache<(Source, BanCause), Window>,
    /// Those that sources have brought about.
    earned: LruCache<Source, Ban>,
    /// Those of the host program: however many bring about one of their own, these are not forgotten for it.
    ordered: LruCache<Source, Ban>,
}

/// Failures in a window that slides: those of the window before count by how much of it is still in sight.
#[derive(Clone, Copy, Debug)]
struct Window {
    begun: Instant,
    before: u32,
    now: u32,
}

impl Shield {
    pub fn new(policy: BanPolicy) -> Self {
        let (earned, ordered) = (LruCache::new(MAX_BANS), LruCache::new(MAX_BANS));
        Shield(Mutex::new(State { policy, counted: LruCache::new(MAX_COUNTED), earned, ordered }))
    }

    /// Another policy for what happens from now on. Bans stay.
    pub fn set_policy(&self, policy: BanPolicy) {
        self.0.lock().policy = policy;
    }

    /// The ban that keeps somebody out.
    pub fn ban_of(&self, source: &Source, now: Instant) -> Option<Ban> {
        let mut state = self.0.lock();
        in_force(&mut state.ordered, source, now).or_else(|| in_force(&mut state.earned, source, now))
    }

    /// Counts a failure, or a connection; the ban that it brings about.
    pub fn failed(&self, source: &Source, cause: BanCause, now: Instant) -> Option<Ban> {
        let mut state = self.0.lock();
        let policy = state.policy;
        let allowed = match cause {
            BanCause::Flapping => policy.flaps,
            BanCause::Authentication | BanCause::Api => policy.failures,
        };
        // Whoever the host program keeps out is kept out as long as that has said.
        if allowed == 0 || in_force(&mut state.ordered, source, now).is_some() {
            return None;
        }
        let key = (source.clone(), cause);
        let window = state.counted.get_or_insert_mut(key.clone(), || Window::new(now));
        if window.count(now, policy.window) < allowed {
            return None;
        }
        state.counted.pop(&key);
        let ban = Ban { source: source.clone(), cause, until: now.checked_add(policy.ban) };
        state.earned.put(source.clone(), ban.clone());
        Some(ban)
    }

    /// Whether anybody may be kept out.
    pub fn has_bans(&self) -> bool {
        let state = self.0.lock();
        !(state.earned.is_empty() && state.ordered.is_empty())
    }

    /// How long somebody who fails has to wait for the answer, by how often that has happened within the window.
    pub fn delay(&self, source: &Source, now: Instant) -> Duration {
        let state = self.0.lock();
        let key = (source.clone(), BanCause::Authentication);
        let failures = state.counted.peek(&key).map_or(0, |window| window.in_sight(now, state.policy.window));
        match failures {
            0 => Duration::ZERO,
            n => FIRST_DELAY.saturating_mul(1 << (n - 1).min(16)).min(MAX_DELAY),
        }
    }

    /// Keeps somebody out whom the host program does not want; for ever without `duration`. That replaces any ban before.
    pub fn ban(&self, source: Source, duration: Option<Duration>, now: Instant) -> Ban {
        let until = duration.and_then(|duration| now.checked_add(duration));
        let ban = Ban { source: source.clone(), cause: BanCause::Api, until };
        let mut state = self.0.lock();
        state.earned.pop(&source);
        state.ordered.put(source, ban.clone());
        ban
    }

    /// Lets somebody in again, with nothing counted; whether that one was banned.
    pub fn lift(&self, source: &Source) -> bool {
        let mut state = self.0.lock();
        for cause in [BanCause::Authentication, BanCause::Flapping] {
            state.counted.pop(&(source.clone(), cause));
        }
        let (earned, ordered) = (state.earned.pop(source), state.ordered.pop(source));
        earned.or(ordered).is_some()
    }

    /// All who are kept out now.
    pub fn bans(&self, now: Instant) -> Vec<Ban> {
        let state = self.0.lock();
        let each = state.ordered.iter().chain(&state.earned).map(|(_, ban)| ban);
        each.filter(|ban| !ban.is_over(now)).cloned().collect()
    }
}

/// The ban of a source, if it is not over.
fn in_force(bans: &mut LruCache<Source, Ban>, source: &Source, now: Instant) -> Option<Ban> {
    // Most are not there: no change of the order for them.
    if bans.peek(source)?.is_over(now) {
        bans.pop(source);
    }
    bans.peek(source).cloned()
}

impl Ban {
    fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

impl Window {
    fn new(now: Instant) -> Self {
        Window { begun: now, before: 0, now: 0 }
    }

    /// One more; how many are in sight.
    fn count(&mut self, now: Instant, length: Duration) -> u32 {
        let passed = now.saturating_duration_since(self.begun);
        if passed >= length.saturating_mul(2) {
            *self = Window::new(now);
        } else if passed >= length {
            *self = Window { begun: self.begun + length, before: self.now, now: 0 };
        }
        self.now = self.now.saturating_add(1);
        self.in_sight(now, length)
    }

    fn in_sight(&self, now: Instant, length: Duration) -> u32 {
        let passed = now.saturating_duration_since(self.begun).as_secs_f64() / length.as_secs_f64().max(f64::EPSILON);
        if passed >= 2.0 {
            0
        } else if passed >= 1.0 {
            (f64::from(self.now) * (2.0 - passed)) as u32
        } else {
            self.now.saturating_add((f64::from(self.before) * (1.0 - passed)) as u32)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::model::Text;

    const POLICY: BanPolicy =
        BanPolicy { failures: 3, flaps: 3, window: Duration::from_secs(10), ban: Duration::from_secs(60) };

    fn address(number: u32) -> Source {
        Source::Ip(IpAddr::from(Ipv4Addr::from(number)).into())
    }

    #[test]
    fn enough_failures_are_a_ban_for_a_while() {
        let (shield, begun) = (Shield::new(POLICY), Instant::now());
        let (one, other) = (address(1), Source::Username(Text::from("eve")));
        let after = |seconds| begun + Duration::from_secs(seconds);
        assert_eq!(shield.failed(&one, BanCause::Authentication, after(0)), None);
        assert_eq!(shield.failed(&one, BanCause::Flapping, after(1)), None, "counted apart");
        assert_eq!(shield.failed(&one, BanCause::Authentication, after(1)), None);
        assert_eq!(shield.failed(&other, BanCause::Authentication, after(1)), None);
        let ban = shield.failed(&one, BanCause::Authentication, after(2)).expect("the third one");
        assert_eq!(ban.until, Some(after(62)));
        assert_eq!(shield.ban_of(&one, after(61)), Some(ban.clone()));
        assert_eq!(shield.bans(after(61)), [ban]);
        assert_eq!(shield.ban_of(&other, after(61)), None);
        assert_eq!(shield.ban_of(&one, after(62)), None, "it is over");
        assert!(shield.bans(after(62)).is_empty());
        assert_eq!(shield.failed(&one, BanCause::Authentication, after(62)), None, "it begins anew");
    }

    #[test]
    fn failures_are_forgotten_bit_by_bit() {
        let (shield, begun) = (Shield::new(POLICY), Instant::now());
        for second in [0, 8, 24, 40, 56] {
            let at = begun + Duration::from_secs(second);
            assert_eq!(shield.failed(&address(1), BanCause::Authentication, at), None, "{second}");
        }
        for (second, banned) in [(100, false), (108, false), (111, false), (112, true)] {
            let at = begun + Duration::from_secs(second);
            assert_eq!(shield.failed(&address(2), BanCause::Authentication, at).is_some(), banned, "{second}");
        }
    }

    #[test]
    fn answers_come_later_and_later() {
        let policy = BanPolicy { failures: 100, ..POLICY };
        let (shield, now) = (Shield::new(policy), Instant::now());
        let mut delays = Vec::new();
        for _ in 0..8 {
            delays.push(shield.delay(&address(1), now).as_millis());
            shield.failed(&address(1), BanCause::Authentication, now);
        }
        assert_eq!(delays, [0, 100, 200, 400, 800, 1600, 3200, 5000]);
        assert_eq!(shield.delay(&address(1), now + Duration::from_secs(30)), Duration::ZERO);
    }

    #[test]
    fn the_host_program_bans_and_lifts() {
        let (shield, now) = (Shield::new(BanPolicy { failures: 0, ..POLICY }), Instant::now());
        assert_eq!(shield.failed(&address(1), BanCause::Authentication, now), None, "no policy");
        shield.ban(address(1), None, now);
        let years = Duration::from_secs(100_000_000);
        assert!(shield.ban_of(&address(1), now + years).is_some());
        assert!(shield.lift(&address(1)) && !shield.lift(&address(1)));
        assert_eq!(shield.ban_of(&address(1), now), None);
    }

    #[test]
    fn many_sources_take_no_more_room() {
        let policy = BanPolicy { failures: 1, ..POLICY };
        let (shield, now) = (Shield::new(policy), Instant::now());
        let many = 3 * MAX_BANS.get() as u32;
        for number in 0..many {
            assert!(shield.failed(&address(number), BanCause::Authentication, now).is_some());
        }
        assert_eq!(shield.bans(now).len(), MAX_BANS.get());
        assert!(shield.ban_of(&address(many - 1), now).is_some());
        assert!(shield.ban_of(&address(0), now).is_none(), "the one that was heard of least recently has given way");
    }

    #[test]
    fn what_the_host_program_has_said_is_not_undone_by_others() {
        let (shield, now) = (Shield::new(BanPolicy { failures: 1, ..POLICY }), Instant::now());
        shield.ban(address(0), None, now);
        assert_eq!(shield.failed(&address(0), BanCause::Authentication, now), None, "for ever is longer");
        for number in 1..=MAX_BANS.get() as u32 + 1 {
            assert!(shield.failed(&address(number), BanCause::Authentication, now).is_some());
        }
        let later = now + 2 * POLICY.ban;
        assert_eq!(shield.bans(later), [Ban { source: address(0), cause: BanCause::Api, until: None }]);
        assert!(shield.ban_of(&address(2), now + POLICY.ban / 2).is_some());
        shield.ban(address(2), Some(Duration::from_secs(1)), now);
        assert!(shield.ban_of(&address(2), now + POLICY.ban / 2).is_none(), "replaced by the shorter one");
    }
}
