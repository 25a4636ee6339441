//! QoS 1 and QoS 2 messages on their way to a client.

use std::collections::VecDeque;

use super::delivery::Delivery;
use super::mailbox::KEPT_PLACES;
use crate::model::{QoS, ReasonCode};

/// Packet identifiers run from 1 to 65535.
const PACKET_IDS: u64 = 65_535;

/// The in-flight messages of a session, in the order in which they were sent `[MQTT-4.6.0-1]`.
///
/// Messages are numbered from 0; the packet identifier follows from the number, so that an acknowledgement finds its
/// message without a search. The window outlives connections; what `sent` counts does not `[MQTT-4.9.0-1]`.
#[derive(Default)]
pub(super) struct Window {
    slots: VecDeque<Slot>,
    /// The number of the first slot.
    first: u64,
    /// The number of the first slot that has not been sent on this connection.
    unsent: u64,
    /// Slots sent on this connection that are not acknowledged: they use up the client's receive maximum.
    outstanding: usize,
    /// Slots that are not acknowledged to the end, on whatever connection they were sent.
    open: usize,
    /// What the messages take in memory.
    memory: usize,
}

enum Slot {
    /// Acknowledged, but not those before it.
    Done,
    /// PUBLISH has been sent.
    Publish(Delivery),
    /// PUBREL has been sent.
    Release,
}

impl Slot {
    fn into_delivery(self) -> Option<Delivery> {
        match self {
            Slot::Publish(delivery) => Some(delivery),
            Slot::Done | Slot::Release => None,
        }
    }
}

/// What is to be sent again after a reconnect.
pub(super) enum Again<'a> {
    Publish(&'a Delivery),
    Release,
}

/// What follows from an acknowledgement. Whoever acknowledges a PUBLISH for the first time gets to know which one.
pub(super) enum Acknowledged {
    /// The exchange is over.
    Done(Option<Delivery>),
    /// PUBREL is to be sent.
    Release(Option<Delivery>),
    /// No such packet identifier is in use.
    Unknown,
}

impl Window {
    /// Forgets what has been sent on the connection before.
    pub(super) fn reconnect(&mut self) {
        self.unsent = self.first;
        self.outstanding = 0;
    }

    /// How many more messages may be sent to a client that takes `receive_maximum` at once `[MQTT-3.3.4-9]`.
    pub(super) fn room(&self, receive_maximum: usize) -> usize {
        // A client that leaves one message unacknowledged while it acknowledges those behind it gets no more when the
        // gap has grown to twice what it takes at once.
        let span = (2 * receive_maximum).clamp(16, PACKET_IDS as usize);
        receive_maximum.saturating_sub(self.outstanding).min(span.saturating_sub(self.slots.len()))
    }

    /// The next message that was sent on an earlier connection and not on this one, with its packet identifier. It
    /// counts as sent.
    pub(super) fn send_again(&mut self) -> Option<(u16, Again<'_>)> {
        loop {
            let index = (self.unsent - self.first) as usize;
            let id = packet_id(self.unsent);
            if matches!(self.slots.get(index)?, Slot::Done) {
                self.unsent += 1;
                continue;
            }
            self.unsent += 1;
            self.outstanding += 1;
            return match self.slots.get(index)? {
                Slot::Publish(delivery) => Some((id, Again::Publish(delivery))),
                _ => Some((id, Again::Release)),
            };
        }
    }

    /// Whether the client takes more of what was sent on earlier connections.
    pub(super) fn may_send_again(&self, receive_maximum: usize) -> bool {
        !self.is_caught_up() && self.outstanding < receive_maximum
    }

    /// Whether everything that was sent on earlier connections has been sent on this one, too.
    pub(super) fn is_caught_up(&self) -> bool {
        self.unsent == self.first + self.slots.len() as u64
    }

    /// The packet identifier of the next message.
    pub(super) fn next_packet_id(&self) -> u16 {
        packet_id(self.first + self.slots.len() as u64)
    }

    /// Takes in a message that has been sent with [`Window::next_packet_id`].
    pub(super) fn sent(&mut self, delivery: Delivery) {
        self.memory += delivery.memory();
        self.slots.push_back(Slot::Publish(delivery));
        self.unsent = self.first + self.slots.len() as u64;
        self.outstanding += 1;
        self.open += 1;
    }

    /// Counts a message as acknowledged that cannot be sent again.
    pub(super) fn give_up(&mut self, packet_id: u16) {
        if let Some(index) = self.find(packet_id) {
            self.finish(index);
        }
    }

    /// PUBACK.
    pub(super) fn puback(&mut self, packet_id: u16) -> Acknowledged {
        match self.find(packet_id) {
            Some(index) if matches!(&self.slots[index], Slot::Publish(d) if d.qos == QoS::AtLeastOnce) => {
                self.finish(index)
            }
            _ => Acknowledged::Unknown,
        }
    }

    /// PUBREC. A failure ends the exchange `[MQTT-4.3.3-4]`.
    pub(super) fn pubrec(&mut self, packet_id: u16, reason: ReasonCode) -> Acknowledged {
        let Some(index) = self.find(packet_id) else { return Acknowledged::Unknown };
        match &self.slots[index] {
            Slot::Publish(delivery) if delivery.qos != QoS::ExactlyOnce => Acknowledged::Unknown,
            Slot::Publish(_) if reason.is_failure() => self.finish(index),
            Slot::Publish(_) => {
                let slot = std::mem::replace(&mut self.slots[index], Slot::Release);
                Acknowledged::Release(self.take_out(slot))
            }
            Slot::Release => Acknowledged::Release(None),
            Slot::Done => Acknowledged::Unknown,
        }
    }

    /// PUBCOMP.
    pub(super) fn pubcomp(&mut self, packet_id: u16) -> Acknowledged {
        match self.find(packet_id) {
            Some(index) if matches!(self.slots[index], Slot::Release) => self.finish(index),
            _ => Acknowledged::Unknown,
        }
    }

    /// Takes out the messages that `choose` wants, which have been sent but not acknowledged. Their packet identifiers
    /// are free again.
    pub(super) fn withdraw(&mut self, mut choose: impl FnMut(&Delivery) -> bool) -> Vec<Delivery> {
        let mut withdrawn = Vec::new();
        for index in 0..self.slots.len() {
            if matches!(&self.slots[index], Slot::Publish(delivery) if choose(delivery)) {
                if let Slot::Publish(delivery) = std::mem::replace(&mut self.slots[index], Slot::Done) {
                    self.memory -= delivery.memory();
                    withdrawn.push(delivery);
                    self.open -= 1;
                }
            }
        }
        self.trim();
        withdrawn
    }

    /// Nobody waits for the acknowledgements of a client that has gone.
    pub(super) fn forget_receipts(&mut self) {
        for slot in &mut self.slots {
            if let Slot::Publish(delivery) = slot {
                delivery.receipt = None;
            }
        }
    }

    /// Messages sent on this connection that are not acknowledged.
    #[cfg(test)]
    pub(super) fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Messages that are not acknowledged to the end, on whatever connection they were sent.
    pub(super) fn open(&self) -> usize {
        self.open
    }

    /// What the messages take that may have to be sent again.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    fn take_out(&mut self, slot: Slot) -> Option<Delivery> {
        let delivery = slot.into_delivery()?;
        self.memory -= delivery.memory();
        Some(delivery)
    }

    fn find(&self, packet_id: u16) -> Option<usize> {
        let first = self.first % PACKET_IDS;
        let wanted = u64::from(packet_id).checked_sub(1)?;
        let index = ((wanted + PACKET_IDS - first) % PACKET_IDS) as usize;
        (index < self.slots.len()).then_some(index)
    }

    fn finish(&mut self, index: usize) -> Acknowledged {
        let slot = std::mem::replace(&mut self.slots[index], Slot::Done);
        self.open -= usize::from(!matches!(slot, Slot::Done));
        if self.first + (index as u64) < self.unsent {
            self.outstanding = self.outstanding.saturating_sub(1);
        }
        self.trim();
        Acknowledged::Done(self.take_out(slot))
    }

    fn trim(&mut self) {
        while matches!(self.slots.front(), Some(Slot::Done)) {
            self.slots.pop_front();
            self.first += 1;
        }
        self.unsent = self.unsent.max(self.first);
        if self.slots.is_empty() {
            // An idle session holds no memory for what it is not sending.
            if self.slots.capacity() > KEPT_PLACES {
                self.slots = VecDeque::new();
            }
        }
    }
}

fn packet_id(number: u64) -> u16 {
    (number % PACKET_IDS) as u16 + 1
}
