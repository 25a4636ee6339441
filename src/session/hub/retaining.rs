//! Retained messages: which are kept, who is told, and who gets them later.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::delivery::{Delivery, Outgoing};
use super::super::replays::Replay;
use super::super::retained::{LookUps, Retained};
use super::super::returns::Home;
use super::{key_of, Hub, Lack, RETAINED_PAGE};
use crate::hooks::{Event, Hook, RetainedChange, RetainedChanged};
use crate::limits::Pressure;
use crate::model::{Message, Origin};

/// Expired retained messages are looked for this often at most.
const RETAIN_SWEEP: Duration = Duration::from_secs(1);

/// What retaining a message has come to.
pub(in crate::session) struct Kept {
    /// The message, if it is to be retained, whether or not there was room for it.
    pub(in crate::session) retained: Option<Arc<Retained>>,
    /// `None`: all is as it was. Also `None` if there was no room.
    pub(in crate::session) change: Option<RetainedChange>,
    /// What there was too little of, if it could not be kept.
    pub(in crate::session) full: Option<Lack>,
}

impl Kept {
    const NOTHING: Kept = Kept { retained: None, change: None, full: None };
}

impl Hub {
    pub(in crate::session) fn look_ups(&self) -> &LookUps {
        &self.look_ups
    }

    /// Retains a message, or forgets the one of its topic. When the receivers have been looked up, what is retained has to
    /// be told, and [`Hub::has_retained`] does the rest.
    pub(in crate::session) fn retain(&self, outgoing: &mut Outgoing<'_>, now: Instant) -> Kept {
        let source = outgoing.source;
        let settings = self.settings();
        if !settings.retain {
            return Kept::NOTHING;
        }
        if source.payload.is_empty() {
            let existed = self.retained.remove(source.topic); // [MQTT-3.3.1-6], [MQTT-3.3.1-7]
            return Kept { change: existed.then_some(RetainedChange::Removed), ..Kept::NOTHING };
        }
        let refuse = |why| self.not_retained(source.publisher.map(|client| &**client), source.topic, why, now);
        if source.payload.len() > settings.max_retained_payload_bytes {
            refuse("larger than retain.max_payload_bytes");
            return Kept::NOTHING;
        }
        if source.expires_at.is_some_and(|at| at <= now) {
            return Kept::NOTHING;
        }
        let retained = Retained::new(outgoing.message().clone(), &self.memory);
        if !self.has_memory_for(&retained) {
            refuse("there is too little memory");
            return Kept { retained: Some(retained), change: None, full: Some(Lack::Memory) };
        }
        let full = self.retained.set(source.topic, retained.clone(), source.expires_at).is_err();
        if let Some(at) = source.expires_at.filter(|_| !full) {
            self.sweep_by(at);
        }
        if full {
            refuse("there are retain.max_messages already");
        }
        let change = (!full).then_some(RetainedChange::Set);
        Kept { retained: Some(retained), change, full: full.then_some(Lack::Places) }
    }

    /// Whether a message may be retained: while there is too little memory, only in place of one that takes as much.
    fn has_memory_for(&self, retained: &Retained) -> bool {
        let size = |retained: &Retained| retained.memory() + retained.message.payload.len();
        self.memory.pressure() < Pressure::Full
            || self
                .retained
                .get(&retained.message.topic, Instant::now())
                .is_some_and(|before| size(&before) >= size(retained))
    }

    /// Sees to what follows from [`Hub::retain`], when nothing is locked any more.
    pub(in crate::session) fn has_retained(&self, kept: &Kept, message: &Arc<Message>) {
        if kept.full == Some(Lack::Places) {
            self.overloads.retained_messages.begin(&self.callbacks);
        }
        if let Some(change) = kept.change {
            self.retained_changed(change, message);
        }
    }

    pub(super) fn retained_changed(&self, change: RetainedChange, message: &Arc<Message>) {
        let event = || Event::RetainedChanged(RetainedChanged { change, message: message.clone() });
        self.callbacks.tell_outside(Hook::RetainedChanged, || key_of(message.publisher.as_ref()), event);
        if change != RetainedChange::Set {
            self.overloads.retained_messages.relax(&self.callbacks, self.retained.count());
        }
    }

    /// Sees to it that what expires at `at` is forgotten soon after.
    fn sweep_by(&self, at: Instant) {
        let mut sweep_at = self.sweep_at.lock();
        if sweep_at.is_none_or(|planned| at < planned) {
            *sweep_at = Some(at);
            self.deadlines.look_again();
        }
    }

    pub(super) fn sweep(&self, now: Instant) {
        let due = self.sweep_at.lock().is_some_and(|at| at <= now);
        if due {
            self.retained.sweep(now, |retained| self.retained_changed(RetainedChange::Expired, &retained.message));
            let mut sweep_at = self.sweep_at.lock();
            // Under the lock: what is retained meanwhile comes after.
            *sweep_at = self.retained.next_expiry().map(|at| at.max(now + RETAIN_SWEEP));
        }
    }

    /// Up to `max` of the retained messages for a subscription of a session; none while retaining is turned off. The replay
    /// moves on; whether it is over.
    pub(in crate::session) fn replay(&self, replay: &mut Replay, max: usize, now: Instant) -> (Vec<Delivery>, bool) {
        if !self.settings().retain {
            return (Vec::new(), true);
        }
        let page = self.retained.page(&replay.filter, replay.cursor.as_ref(), max.clamp(1, RETAINED_PAGE), now);
        let wanted =
            page.messages.into_iter().filter(|(_, retained)| retained.is_from_before(replay.before, &self.look_ups));
        let deliveries = wanted.map(|(_, retained)| Delivery {
            qos: retained.message.qos.min(replay.options.qos),
            retain: true, // [MQTT-3.3.1-8]
            identifiers: replay.options.identifier.into(),
            group: None,
            receipt: None,
            home: Home::here(),
            message: Arc::new(as_retained(&retained.message)),
        });
        let deliveries = deliveries.collect();
        replay.cursor = page.next;
        (deliveries, replay.cursor.is_none())
    }

    pub fn retained_messages(&self) -> u64 {
        self.retained.count() as u64
    }
}

/// A retained message as a new subscription gets it.
pub(super) fn as_retained(message: &Message) -> Message {
    Message { origin: Origin::Retained, ..message.clone() }
}
