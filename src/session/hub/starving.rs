//! Who would get a message, and whether there is memory for that.

use std::sync::Arc;

use super::super::handle::Handle;
use super::super::receiver::Receiver;
use super::super::ruling::FilterLimits;
use super::Hub;
use crate::config::ListenerLimits;
use crate::limits::Pressure;
use crate::model::QoS;

/// Receivers of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::session) struct Crowd {
    /// A group counts as one.
    pub(in crate::session) all: usize,
    /// Those who have a backlog. For a group, that is not known before it has its turn.
    pub(in crate::session) crowded: usize,
}

impl Crowd {
    /// How many get no message of this kind.
    pub(in crate::session) fn starved(&self, qos: QoS, pressure: Pressure) -> usize {
        let mark = if qos == QoS::AtMostOnce { Pressure::Tight } else { Pressure::Full };
        match pressure {
            Pressure::Beyond => self.all,
            pressure if pressure >= mark => self.crowded,
            _ => 0,
        }
    }

    /// Whether there is somebody who should get a message of this kind, and nobody does.
    pub(in crate::session) fn is_starved(&self, qos: QoS, pressure: Pressure) -> bool {
        self.all > 0 && self.starved(qos, pressure) == self.all
    }
}

impl Hub {
    /// Those who would get a message with a payload of `len` bytes: one session, or whoever is subscribed to the topic.
    /// `publisher`: the key of whoever publishes it, unless that is the host program.
    pub(in crate::session) fn crowd(
        &self,
        topic: &str,
        len: usize,
        to: Option<&Arc<Handle>>,
        publisher: Option<u64>,
    ) -> Crowd {
        let has_backlog =
            |handle: &Handle| handle.mailbox().has_backlog(topic.len() + len, handle.memory().in_flight.bytes());
        if let Some(handle) = to {
            return Crowd { all: 1, crowded: has_backlog(handle).into() };
        }
        let matched = self.router.matches(topic, publisher);
        let is_crowded = |receiver: &Receiver| match receiver {
            Receiver::Session(handle) => has_backlog(handle),
            Receiver::Host(subscription) => subscription.has_backlog(len),
        };
        let crowded = matched.targets.iter().filter(|target| is_crowded(&target.subscriber)).count();
        Crowd { all: matched.targets.len() + matched.groups.len(), crowded }
    }

    /// What bounds the filters of a client now, whose listener may have limits of its own.
    pub(in crate::session) fn filter_limits(&self, own: Option<&ListenerLimits>) -> FilterLimits {
        let none_more = self.memory.pressure() >= Pressure::Full;
        FilterLimits { none_more, ..self.settings().filters(own) }
    }
}
