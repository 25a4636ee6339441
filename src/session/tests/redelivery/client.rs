use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::super::support::{puback, pubcomp, publish, pubrec, pubrel};
use super::super::wire::{Sent, SentPublish};
use super::ledger::Ledger;
use crate::codec::{Packet, Publish};
use crate::model::QoS;

/// QoS 2 messages that the client publishes at the same time: as many as the broker takes.
const OPEN: u16 = 4;

/// A client that keeps its session.
#[derive(Default)]
pub(super) struct Client {
    /// Acknowledgements that it has not sent.
    owed: Vec<Owed>,
    aliases: BTreeMap<u16, String>,
    /// QoS 2 messages that it has taken and that the broker has not released, by packet identifier.
    unreleased: BTreeMap<u16, usize>,
    /// QoS 1 and 2 messages that it has had, or has refused.
    had: BTreeSet<usize>,
    /// QoS 2 messages that it has had.
    had_once: BTreeSet<usize>,
    /// QoS 2 messages of its own, by packet identifier.
    publishing: BTreeMap<u16, Publishing>,
    published: usize,
}

#[derive(Clone, Copy)]
enum Owed {
    Ack(u16),
    Rec(u16, usize),
    Comp(u16),
}

struct Publishing {
    number: usize,
    phase: Phase,
}

#[derive(PartialEq, Eq)]
enum Phase {
    Published,
    Received,
    Released,
}

impl Client {
    pub(super) fn disconnect(&mut self) {
        self.owed.clear();
        self.aliases.clear();
    }

    /// What it sends again on the next connection `[MQTT-4.4.0-1]`.
    pub(super) fn resume(&mut self) -> Vec<Packet> {
        let mut open: Vec<_> = self.publishing.iter_mut().collect();
        open.sort_by_key(|(_, publishing)| publishing.number);
        let again = open.into_iter().map(|(packet_id, publishing)| match publishing.phase {
            Phase::Published => own(*packet_id, publishing.number, true),
            Phase::Received | Phase::Released => {
                publishing.phase = Phase::Released;
                pubrel(*packet_id)
            }
        });
        again.collect()
    }

    pub(super) fn take(&mut self, packet: Sent, ledger: &Ledger) {
        match packet {
            Sent::Publish(publish) => self.take_message(publish, ledger),
            Sent::PubRel(packet_id, _) => {
                self.unreleased.remove(&packet_id);
                self.owed.push(Owed::Comp(packet_id)); // [MQTT-4.3.3-11]
            }
            Sent::PubRec(packet_id, reason) => {
                assert_eq!(reason, 0);
                let publishing = self.publishing.get_mut(&packet_id).expect("a PUBLISH that the broker answers");
                if publishing.phase == Phase::Published {
                    publishing.phase = Phase::Received;
                }
            }
            Sent::PubComp(packet_id, _) => drop(self.publishing.remove(&packet_id)),
            other => panic!("{other:?} answers nothing"),
        }
    }

    fn take_message(&mut self, publish: SentPublish, ledger: &Ledger) {
        let number: usize = publish.payload.parse().expect("a number");
        let topic = match publish.alias {
            Some(alias) if publish.topic.is_empty() => self.aliases.get(&alias).expect("an alias that is set").clone(),
            Some(alias) => {
                self.aliases.insert(alias, publish.topic.clone());
                publish.topic
            }
            None => publish.topic,
        };
        assert_eq!(topic, ledger.topic(number));
        if publish.qos == 0 {
            return;
        }
        let new = !self.had.contains(&number);
        assert!(!new || self.had.last().is_none_or(|last| *last < number), "[MQTT-4.6.0-6]");
        assert!(new || publish.dup, "a message comes again without DUP");
        if publish.qos == 1 {
            self.owed.push(Owed::Ack(publish.packet_id));
        } else {
            if let Some(before) = self.unreleased.get(&publish.packet_id) {
                assert_eq!(*before, number, "a packet identifier that is in use");
            }
            self.owed.push(Owed::Rec(publish.packet_id, number));
        }
        self.had.insert(number);
    }

    pub(super) fn owes(&self) -> usize {
        self.owed.len()
    }

    /// Acknowledges one of what it owes an acknowledgement for.
    pub(super) fn acknowledge(&mut self, index: usize) -> Option<Packet> {
        if index >= self.owed.len() {
            return None;
        }
        Some(match self.owed.remove(index) {
            Owed::Ack(packet_id) => puback(packet_id),
            Owed::Rec(packet_id, number) => {
                if self.unreleased.insert(packet_id, number).is_none() {
                    assert!(self.had_once.insert(number), "message {number} is there twice: [MQTT-4.3.3-10]");
                }
                pubrec(packet_id, 0)
            }
            Owed::Comp(packet_id) => pubcomp(packet_id),
        })
    }

    /// Refuses a QoS 2 message that it has not taken yet.
    pub(super) fn refuse(&mut self, index: usize) -> Option<Packet> {
        match self.owed.get(index) {
            Some(Owed::Rec(packet_id, _)) if !self.unreleased.contains_key(packet_id) => {
                let packet_id = *packet_id;
                self.owed.remove(index);
                Some(pubrec(packet_id, 0x83))
            }
            _ => None,
        }
    }

    /// Publishes a message of its own, if the broker takes one more.
    pub(super) fn publish(&mut self) -> Option<Packet> {
        let packet_id = (1..=OPEN).find(|packet_id| !self.publishing.contains_key(packet_id))?;
        let number = self.published;
        self.published += 1;
        self.publishing.insert(packet_id, Publishing { number, phase: Phase::Published });
        Some(own(packet_id, number, false))
    }

    pub(super) fn publishes(&self) -> usize {
        self.publishing.len()
    }

    /// Publishes again what has not been answered, as impatient clients do.
    pub(super) fn publish_again(&mut self, index: usize, dup: bool) -> Option<Packet> {
        let (packet_id, publishing) = self.publishing.iter().nth(index)?;
        (publishing.phase == Phase::Published).then(|| own(*packet_id, publishing.number, dup))
    }

    pub(super) fn release(&mut self, index: usize) -> Option<Packet> {
        let (packet_id, publishing) = self.publishing.iter_mut().nth(index)?;
        if publishing.phase != Phase::Received {
            return None;
        }
        publishing.phase = Phase::Released;
        Some(pubrel(*packet_id))
    }

    /// How many messages it has published.
    pub(super) fn published(&self) -> usize {
        self.published
    }

    pub(super) fn has_all_of(&self, ledger: &Ledger) {
        for number in ledger.assured() {
            assert!(self.had.contains(&number), "message {number} is lost");
        }
        assert!(self.unreleased.is_empty() && self.owed.is_empty() && self.publishing.is_empty());
    }
}

fn own(packet_id: u16, number: usize, dup: bool) -> Packet {
    let payload = Bytes::from(number.to_string());
    Packet::Publish(Publish { dup, payload, ..publish(QoS::ExactlyOnce, packet_id) })
}
