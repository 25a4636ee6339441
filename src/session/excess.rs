//! What clients that are connected want beyond what they may, or beyond what there is memory for.

use std::fmt::Display;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use tracing::field::display;

use super::counters::{add, SessionCounters};
use super::handle::Handle;
use super::hub::Hub;
use super::rights::ip_of;
use crate::limits::{Source, LOG_INTERVAL};
use crate::model::Client;

/// What it is, and what comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Excess {
    /// It publishes too fast, and waits.
    Throttled,
    /// It publishes too fast, and the message goes nowhere.
    TooFast,
    /// It publishes too fast, and has to go.
    ClosedRate,
    /// It does what it has been told not to do, and has to go.
    ClosedLimit,
    /// It is too slow for its messages, and has to go.
    ClosedSlow,
    /// There is too little memory, and it has to go.
    ClosedMemory,
    /// It publishes to what it may not, and the message goes nowhere.
    NotPublished,
    /// It may not subscribe to that.
    NotSubscribed,
    /// It has as many subscriptions as it may, or the filter is more than it may have.
    NotSubscribedLimit,
    /// There is too little memory for its subscription.
    NotSubscribedMemory,
    /// As many messages wait for it as may, and some are dropped.
    QueueFull,
    /// There is too little memory for messages to wait for it.
    Starved,
    /// There is no place for what it wants to be retained, or too little memory.
    NotRetained,
}

impl Excess {
    fn words(self) -> &'static str {
        match self {
            Excess::Throttled => "publishes too fast: not read from for a while",
            Excess::TooFast => "publishes too fast: messages go nowhere",
            Excess::ClosedRate => "publishes too fast: disconnected",
            Excess::ClosedLimit => "goes beyond a limit: disconnected",
            Excess::ClosedSlow => "too slow for its messages: disconnected",
            Excess::ClosedMemory => "too little memory: disconnected",
            Excess::NotPublished => "publishes to what it may not: messages go nowhere",
            Excess::NotSubscribed => "subscribes to what it may not: refused",
            Excess::NotSubscribedLimit => "subscribes beyond a limit: refused",
            Excess::NotSubscribedMemory => "subscribes, and there is too little memory: refused",
            Excess::QueueFull => "too slow for its messages: some are dropped",
            Excess::Starved => "too little memory: messages to it are dropped",
            Excess::NotRetained => "not retained",
        }
    }

    /// `None`: it counts among what is refused for other causes, too.
    fn counter(self, counters: &SessionCounters) -> Option<&AtomicU64> {
        Some(match self {
            Excess::Throttled => &counters.publishes_throttled,
            Excess::ClosedRate => &counters.closed_rate,
            Excess::ClosedLimit => &counters.closed_limit,
            Excess::ClosedSlow => &counters.closed_slow,
            Excess::ClosedMemory => &counters.closed_memory,
            Excess::NotSubscribedLimit => &counters.subscriptions_refused_limit,
            Excess::NotSubscribedMemory => &counters.subscriptions_refused_memory,
            Excess::NotRetained => &counters.not_retained,
            Excess::TooFast | Excess::NotPublished | Excess::NotSubscribed | Excess::QueueFull | Excess::Starved => {
                return None;
            }
        })
    }
}

/// What has been logged lately of one connection, or session, which asks nobody else for each message. Nothing for most.
#[derive(Default)]
pub(super) struct Told(Vec<(Excess, Instant)>);

impl Told {
    /// Whether this is worth asking for a line again.
    fn is_due(&mut self, excess: Excess, now: Instant) -> bool {
        match self.0.iter_mut().find(|(known, _)| *known == excess) {
            Some((_, at)) if now.saturating_duration_since(*at) < LOG_INTERVAL => return false,
            Some((_, at)) => *at = now,
            None => self.0.push((excess, now)),
        }
        true
    }
}

impl Hub {
    /// Counts what a client is refused, and logs it once in a while: for each connection, and for all from one address.
    #[cold]
    pub(super) fn exceeded(&self, excess: Excess, client: &Client, told: &mut Told, now: Instant) {
        self.count_excess(excess);
        if told.is_due(excess, now) {
            self.log_excess(excess, Some(client), None, now);
        }
    }

    /// The same for a connection that is closed; `why` are the words that it is closed with.
    #[cold]
    pub(super) fn closed_for(&self, excess: Excess, client: &Client, why: &str) {
        self.count_excess(excess);
        self.log_excess(excess, Some(client), Some(&why), Instant::now());
    }

    /// The same for messages that do not reach a client, which is not there perhaps.
    #[cold]
    pub(super) fn lost(&self, excess: Excess, handle: &Handle, now: Instant) {
        if handle.told().lock().is_due(excess, now) {
            self.log_excess(excess, handle.client().as_deref(), None, now);
        }
    }

    /// The same for a message that is not retained. `publisher`: not the host program.
    #[cold]
    pub(super) fn not_retained(&self, publisher: Option<&Client>, topic: &str, why: &str, now: Instant) {
        self.count_excess(Excess::NotRetained);
        self.log_excess(Excess::NotRetained, publisher, Some(&format_args!("{topic:?}: {why}")), now);
    }

    fn count_excess(&self, excess: Excess) {
        if let Some(counter) = excess.counter(self.counters()) {
            add(counter, 1);
        }
    }

    /// `client`: not the host program.
    fn log_excess(&self, excess: Excess, client: Option<&Client>, why: Option<&dyn Display>, now: Instant) {
        let source = client.map(|client| match ip_of(&client.address) {
            Some(ip) => Source::Ip(ip.into()),
            None => Source::ClientId(client.id.clone()),
        });
        let (client_id, address) = (client.map(|client| &*client.id), client.map(|client| &*client.address));
        let (why, words) = (why.map(display), excess.words());
        if self.excesses().is_due((excess, source), now) {
            tracing::warn!(client_id, address, why, "{words}; for a while, more of the same are logged at debug");
        } else {
            tracing::debug!(client_id, address, why, "{words}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_connection_asks_for_a_line_once_in_a_while() {
        let (mut told, begun) = (Told::default(), Instant::now());
        let mut due = |excess, seconds| told.is_due(excess, begun + Duration::from_secs(seconds));
        assert!(due(Excess::TooFast, 0) && !due(Excess::TooFast, 0) && !due(Excess::TooFast, 9));
        assert!(due(Excess::NotPublished, 9), "another matter");
        assert!(due(Excess::TooFast, 10) && !due(Excess::NotPublished, 18) && !due(Excess::TooFast, 19));
        assert_eq!(told.0.len(), 2);
    }
}
