//! How fast one client may publish.

use std::time::{Duration, Instant};

use crate::config::{Limits, RateExceeded};
use crate::limits::{Allowance, Meter};

/// After so many messages that go nowhere, the client is not read from for a [`BREATH`]: it would keep a processor busy
/// with nothing else, and others would have to wait.
const DROPPED_AT_ONCE: u32 = 64;

/// The shortest time that a timer knows.
const BREATH: Duration = Duration::from_millis(1);

/// The rates of a client.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    messages: Option<Allowance>,
    bytes: Option<Allowance>,
    exceeded: RateExceeded,
}

impl Rates {
    pub(super) fn of(limits: &Limits) -> Self {
        Rates {
            messages: Allowance::new(limits.publish_msgs_per_sec, limits.publish_burst_msgs),
            bytes: Allowance::new(limits.publish_bytes_per_sec, limits.publish_burst_bytes),
            exceeded: limits.on_rate_exceeded,
        }
    }
}

/// What a client that has a rate has used of it.
pub(super) struct Throttle {
    messages: Option<Meter>,
    bytes: Option<Meter>,
    exceeded: RateExceeded,
    /// Messages that went nowhere since it was paused last.
    dropped: u32,
    /// When it may go on that has been too fast.
    paused_until: Option<Instant>,
}

impl Throttle {
    /// `None` if there is no limit. Boxed, for most clients have none.
    pub(super) fn new(rates: &Rates, now: Instant) -> Option<Box<Self>> {
        let Rates { messages, bytes, exceeded } = *rates;
        let meter = |allowance| Meter::new(allowance, now);
        let (messages, bytes) = (messages.map(meter), bytes.map(meter));
        let is_limited = messages.is_some() || bytes.is_some();
        is_limited.then(|| Box::new(Throttle { messages, bytes, exceeded, dropped: 0, paused_until: None }))
    }

    /// Counts a message; what is to be done about it if it is too much. One that goes nowhere uses up nothing.
    pub(super) fn count(&mut self, bytes: usize, now: Instant) -> Option<RateExceeded> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        if self.exceeded != RateExceeded::Throttle && !self.has_room(bytes, now) {
            self.dropped += 1;
            if self.dropped >= DROPPED_AT_ONCE {
                self.paused_until = Some(now + BREATH);
            }
            return Some(self.exceeded);
        }
        let mut paid_at = None;
        for (meter, count) in [(&mut self.messages, 1), (&mut self.bytes, bytes)] {
            if let Some(meter) = meter {
                meter.take(count, now);
                paid_at = paid_at.max(meter.in_debt_until(now));
            }
        }
        if self.exceeded != RateExceeded::Throttle {
            return None;
        }
        self.paused_until = self.paused_until.max(paid_at);
        paid_at.map(|_| RateExceeded::Throttle)
    }

    fn has_room(&self, bytes: u32, now: Instant) -> bool {
        let has = |meter: &Option<Meter>, count| meter.as_ref().is_none_or(|meter| meter.has(count, now));
        has(&self.messages, 1) && has(&self.bytes, bytes)
    }

    /// Until when the client is not read from.
    pub(super) fn paused_until(&self) -> Option<Instant> {
        self.paused_until
    }

    /// Whether a pause is over now.
    pub(super) fn may_go_on(&mut self, now: Instant) -> bool {
        let is_over = self.paused_until.is_some_and(|until| until <= now);
        if is_over {
            self.paused_until = None;
            self.dropped = 0;
        }
        is_over
    }
}
