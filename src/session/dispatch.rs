//! The way of a message from its publisher to the sessions that get it.

use std::sync::Arc;
use std::time::Instant;

use super::counters::add;
use super::delivery::{Delivery, Frames, Outgoing};
use super::handle::Handle;
use super::hub::Hub;
use super::mailbox::{Dropped, Outcome, Way};
use super::receiver::Receiver;
use crate::hooks::{Hook, Mode};
use crate::model::topic::{self, TopicError};
use crate::model::Message;
use crate::router::{Group, Matched, Target};

/// Deliveries after which a batch ends: with many receivers for each message, others should not have to wait for long.
const DELIVERIES_PER_BATCH: usize = 4096;

/// Topics whose receivers one publisher remembers.
const REMEMBERED_TOPICS: usize = 64;

/// The longest topic that is remembered.
const REMEMBERED_BYTES: usize = 1024;

/// More receivers than this are not remembered by a publisher that idles.
const REMEMBERED_RECEIVERS: usize = 64;

/// Routes the messages of one publisher, a batch at a time: sessions are filled first, and woken once when the batch is
/// over.
#[derive(Default)]
pub(super) struct Dispatch {
    /// The key of the publisher's own subscriptions.
    publisher: Option<u64>,
    remembered: Remembered,
    frames: Frames,
    touched: Vec<Arc<Handle>>,
    /// Deliveries of this batch.
    deliveries: usize,
    /// A session that the publisher should wait for.
    crowded: Option<Arc<Handle>>,
}

impl Dispatch {
    pub(super) fn new(publisher: Option<u64>) -> Self {
        Dispatch { publisher, ..Dispatch::default() }
    }

    /// Gives the frames' memory to a message that is to be routed next.
    pub(super) fn frames(&mut self) -> Frames {
        std::mem::take(&mut self.frames)
    }

    /// Routes a message; to how many receivers. The topic is checked.
    pub(super) fn publish(&mut self, hub: &Hub, mut outgoing: Outgoing<'_>, now: Instant) -> Result<usize, TopicError> {
        let mut retained = None;
        if outgoing.source.retain {
            topic::check_name(outgoing.source.topic, hub.settings().max_topic_levels)?;
            let look_up = hub.look_ups().begin();
            retained = hub.retain(&mut outgoing, now).map(|retained| (retained, look_up));
        }
        let matched = match self.remembered.find(outgoing.source.topic, hub.router().generation()) {
            Some(matched) => matched,
            None => {
                topic::check_name(outgoing.source.topic, hub.settings().max_topic_levels)?;
                let matched = Arc::new(hub.router().matches(outgoing.source.topic, self.publisher));
                self.remembered.insert(outgoing.source.topic, matched.clone());
                matched
            }
        };
        if let Some((retained, look_up)) = retained {
            retained.matched(matched.generation);
            drop(look_up);
        }
        let way = Way { fan_out: matched.targets.len() > 1, in_advance: in_advance(hub) };
        for target in &matched.targets {
            self.deliver(hub, &mut outgoing, target, None, way, now);
        }
        let mut receivers = matched.targets.len();
        for group in &matched.groups {
            let publisher = outgoing.source.publisher.map(|client| &*client.id);
            if let Some(target) = group.pick(outgoing.source.topic, publisher, None) {
                self.deliver(hub, &mut outgoing, &target, Some(group), way, now);
                receivers += 1;
            }
        }
        self.deliveries += receivers;
        self.frames = outgoing.into_frames();
        Ok(receivers)
    }

    fn deliver(
        &mut self,
        hub: &Hub,
        outgoing: &mut Outgoing<'_>,
        target: &Target<Receiver>,
        group: Option<&Arc<Group<Receiver>>>,
        way: Way,
        now: Instant,
    ) {
        match &target.subscriber {
            Receiver::Host(queue) => {
                let retain = outgoing.source.retain && target.retain_as_published;
                let qos = outgoing.source.qos.min(target.qos);
                let message = outgoing.message();
                let as_it_is = message.retain == retain && message.qos == qos;
                queue.push(if as_it_is {
                    message.clone()
                } else {
                    Arc::new(Message { retain, qos, ..Message::clone(message) })
                });
            }
            Receiver::Session(handle) => {
                let outcome = handle.mailbox().offer(outgoing, target, group, way, handle.quota(), now);
                self.settle(hub, handle, outcome);
            }
        }
    }

    /// Delivers a message to one session, whatever its subscriptions.
    pub(super) fn deliver_to(&mut self, hub: &Hub, handle: &Arc<Handle>, delivery: Delivery, now: Instant) {
        let outcome = handle.mailbox().offer_delivery(delivery, handle.quota(), now);
        self.settle(hub, handle, outcome);
    }

    /// Gives a message that a shared subscription's member cannot take to another member.
    pub(super) fn redispatch(&mut self, hub: &Hub, delivery: Delivery, departed: u64, now: Instant) {
        let Some(group) = delivery.group else { return };
        let message = delivery.message;
        let publisher = message.publisher.as_ref().map(|client| &*client.id);
        match group.pick(&message.topic, publisher, Some(departed)) {
            Some(target) => {
                let mut outgoing = Outgoing::of(&message);
                let way = Way { fan_out: false, in_advance: in_advance(hub) };
                self.deliver(hub, &mut outgoing, &target, Some(&group), way, now);
            }
            None => add(&hub.counters().dropped_client_gone, 1),
        }
    }

    fn settle(&mut self, hub: &Hub, handle: &Arc<Handle>, outcome: Outcome) {
        let wake = match outcome {
            Outcome::Queued { wake, crowded } => {
                if crowded {
                    self.crowded = Some(handle.clone());
                }
                wake
            }
            Outcome::Full { dropped, wake } => {
                add(&hub.counters().dropped_queue_full, dropped.full);
                add(&hub.counters().dropped_expired, dropped.expired);
                wake
            }
            Outcome::TooLarge => {
                hub.counters().message_dropped(Dropped::TooLarge);
                false
            }
            Outcome::Absent => false,
        };
        if wake {
            self.touched.push(handle.clone());
        }
    }

    /// Ends a batch: wakes the connections of the sessions that have got something.
    pub(super) fn flush(&mut self) {
        self.deliveries = 0;
        for handle in self.touched.drain(..) {
            handle.waker().wake();
        }
    }

    /// Gives up memory while nothing is published.
    pub(super) fn rest(&mut self) {
        if self.remembered.receivers > REMEMBERED_RECEIVERS {
            self.remembered = Remembered::default();
        }
        self.frames = Frames::default();
        self.touched = Vec::new();
    }

    /// A session of the batch whose queue is filling up.
    pub(super) fn take_crowded(&mut self) -> Option<Arc<Handle>> {
        self.crowded.take()
    }

    /// Whether the batch should end here.
    pub(super) fn is_full(&self) -> bool {
        self.crowded.is_some() || self.deliveries >= DELIVERIES_PER_BATCH
    }
}

/// Whether messages may be encoded before anyone is asked about the receiver.
fn in_advance(hub: &Hub) -> bool {
    hub.callbacks().mode(Hook::AuthorizeForward) == Mode::Absent
}

/// The receivers of the topics that were published to last.
#[derive(Default)]
struct Remembered {
    generation: u64,
    /// Of all topics that are remembered.
    receivers: usize,
    last: Option<(Box<str>, Arc<Matched<Receiver>>)>,
    others: hashbrown::HashMap<Box<str>, Arc<Matched<Receiver>>>,
}

impl Remembered {
    fn find(&mut self, topic: &str, generation: u64) -> Option<Arc<Matched<Receiver>>> {
        if self.generation != generation {
            *self = Remembered { generation, ..Remembered::default() };
            return None;
        }
        if let Some((last, matched)) = &self.last {
            if **last == *topic {
                return Some(matched.clone());
            }
        }
        self.others.get(topic).cloned()
    }

    fn insert(&mut self, topic: &str, matched: Arc<Matched<Receiver>>) {
        // Otherwise, a subscription has come in between.
        if matched.generation != self.generation || topic.len() > REMEMBERED_BYTES {
            return;
        }
        if self.others.len() >= REMEMBERED_TOPICS {
            *self = Remembered { generation: self.generation, ..Remembered::default() };
        }
        self.receivers += matched.targets.len();
        if let Some((topic, matched)) = self.last.replace((topic.into(), matched)) {
            self.others.insert(topic, matched);
        }
    }
}
