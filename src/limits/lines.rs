use std::hash::Hash;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use lru::LruCache;
use parking_lot::Mutex;

/// How often the same is logged of the same source.
pub const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Lines in that interval: as many as are remembered to have been logged.
const MAX_LOGGED: NonZeroUsize = NonZeroUsize::new(4_096).expect("not zero");

/// What has been logged of whom: whoever brings about a line again and again, or in the name of many, does not fill the log.
pub struct Lines<K: Hash + Eq> {
    logged: Mutex<LruCache<K, Instant>>,
}

impl<K: Hash + Eq> Default for Lines<K> {
    fn default() -> Self {
        Lines { logged: Mutex::new(LruCache::new(MAX_LOGGED)) }
    }
}

impl<K: Hash + Eq> Lines<K> {
    /// Whether it is time to log this again. If so, it counts as logged.
    pub fn is_due(&self, what: K, now: Instant) -> bool {
        let is_recent = |at: &Instant| now.saturating_duration_since(*at) < LOG_INTERVAL;
        let mut logged = self.logged.lock();
        // Nothing but a line changes the order: the last one is the oldest.
        let is_full = logged.len() == logged.cap().get() && logged.peek_lru().is_some_and(|(_, at)| is_recent(at));
        if logged.peek(&what).map_or(is_full, is_recent) {
            return false;
        }
        logged.put(what, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_about_many_sources_are_bounded() {
        let (lines, begun) = (Lines::default(), Instant::now());
        let after = |seconds| begun + Duration::from_secs(seconds);
        let logged = |at| (0..20_000).filter(|number| lines.is_due(("rate", *number), at)).count();
        assert!(lines.is_due(("rate", 0), after(0)) && lines.is_due(("full", 0), after(0)));
        assert!(!lines.is_due(("rate", 0), after(9)) && lines.is_due(("rate", 0), after(10)));
        assert!(!lines.is_due(("rate", 0), after(19)));
        assert_eq!(logged(after(20)), MAX_LOGGED.get());
        assert_eq!(logged(after(29)), 0);
        assert_eq!(logged(after(30)), MAX_LOGGED.get());
    }
}
