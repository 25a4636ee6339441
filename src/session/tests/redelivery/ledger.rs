use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::super::wire::{Sent, SentPublish};
use crate::codec::Packet;
use crate::model::QoS;

/// What the specification says of each message for the client, and of each packet identifier.
#[derive(Default)]
pub(super) struct Ledger {
    messages: Vec<Message>,
    /// Packet identifiers in use, and the numbers of their messages.
    in_use: BTreeMap<u16, usize>,
    /// QoS 0 messages that are still to be sent on this connection.
    plain: VecDeque<usize>,
    receive_maximum: usize,
    /// Sent on this connection, and not acknowledged.
    unacknowledged: BTreeSet<u16>,
    /// The last QoS 1 or 2 message that was sent on this connection.
    last: Option<usize>,
}

struct Message {
    qos: QoS,
    topic: &'static str,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Waiting,
    Published(u16),
    Released,
    Done,
}

impl Ledger {
    /// Takes a new message in; its number.
    pub(super) fn offered(&mut self, qos: QoS, topic: &'static str, connected: bool) -> usize {
        let number = self.messages.len();
        self.messages.push(Message { qos, topic, phase: Phase::Waiting });
        if qos == QoS::AtMostOnce && connected {
            self.plain.push_back(number);
        }
        number
    }

    pub(super) fn connected(&mut self, receive_maximum: usize) {
        self.receive_maximum = receive_maximum;
    }

    pub(super) fn disconnected(&mut self) {
        self.plain.clear();
        self.unacknowledged.clear();
        self.last = None;
    }

    /// The broker has written a packet.
    pub(super) fn sent(&mut self, packet: &Sent) {
        match packet {
            Sent::Publish(publish) => self.published(publish),
            Sent::PubRel(packet_id, reason) => {
                assert_eq!(*reason, 0, "the client has not made up packet identifiers");
                let number = self.in_use.get(packet_id).expect("a packet identifier in use");
                assert_eq!(self.messages[*number].phase, Phase::Released, "[MQTT-4.3.3-4]");
            }
            _ => {}
        }
    }

    fn published(&mut self, publish: &SentPublish) {
        let number: usize = publish.payload.parse().expect("a number");
        let message = &mut self.messages[number];
        assert_eq!(publish.qos, message.qos as u8);
        if publish.qos == 0 {
            assert_eq!(self.plain.pop_front(), Some(number), "QoS 0 in order, and once");
            return;
        }
        assert!(self.last.is_none_or(|last| last < number), "{number} behind {:?}: [MQTT-4.6.0-1]", self.last);
        self.last = Some(number);
        let packet_id = publish.packet_id;
        match message.phase {
            Phase::Waiting => {
                assert!(!publish.dup, "[MQTT-4.3.2-2], [MQTT-4.3.3-2]");
                assert_eq!(self.in_use.insert(packet_id, number), None, "[MQTT-2.2.1-4]");
                message.phase = Phase::Published(packet_id);
            }
            Phase::Published(before) => {
                assert!(publish.dup, "[MQTT-3.3.1-1]");
                assert_eq!(packet_id, before, "[MQTT-4.4.0-1]");
            }
            phase => panic!("message {number} is sent although it is {phase:?}: [MQTT-4.3.3-6]"),
        }
        assert!(self.unacknowledged.insert(packet_id), "sent twice on one connection: [MQTT-4.4.0-1]");
        assert!(self.unacknowledged.len() <= self.receive_maximum, "[MQTT-3.3.4-9]");
    }

    /// A packet of the client has reached the broker.
    pub(super) fn received(&mut self, packet: &Packet) {
        match packet {
            Packet::PubAck(ack) => self.done(ack.packet_id),
            Packet::PubRec(ack) if ack.reason.is_failure() => self.done(ack.packet_id),
            Packet::PubRec(ack) => self.messages[self.in_use[&ack.packet_id]].phase = Phase::Released,
            Packet::PubComp(ack) => self.done(ack.packet_id),
            _ => {}
        }
    }

    fn done(&mut self, packet_id: u16) {
        let Some(number) = self.in_use.remove(&packet_id) else { return };
        self.messages[number].phase = Phase::Done;
        self.unacknowledged.remove(&packet_id);
    }

    /// The topic of a message.
    pub(super) fn topic(&self, number: usize) -> &'static str {
        self.messages[number].topic
    }

    /// The numbers of the messages of QoS 1 and 2.
    pub(super) fn assured(&self) -> impl Iterator<Item = usize> + '_ {
        let assured = |(number, message): (usize, &Message)| (message.qos != QoS::AtMostOnce).then_some(number);
        self.messages.iter().enumerate().filter_map(assured)
    }

    pub(super) fn nothing_is_open(&self) {
        for number in self.assured() {
            assert_eq!(self.messages[number].phase, Phase::Done, "message {number}");
        }
        assert!(self.in_use.is_empty() && self.plain.is_empty() && self.unacknowledged.is_empty());
    }
}
