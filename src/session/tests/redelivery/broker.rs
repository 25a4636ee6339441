use std::collections::VecDeque;

use super::super::super::blocks::Blocks;
use super::super::super::connection::Terms;
use super::super::super::mailbox::Wants;
use super::super::desk::{quota, text, Desk};
use super::super::talk::Talk;
use super::super::wire::{self, Sent};
use crate::codec::Packet;
use crate::config::SlowConsumer;
use crate::model::{Protocol, QoS};

/// Few enough for a turn of the driver not to take all that waits.
const DELIVERIES_PER_WRITE: usize = 4;
const WRITE_BYTES: usize = 64;

/// A session of the broker: what a driver does, without its socket.
pub(super) struct Broker {
    talk: Talk,
    desk: Desk,
    v5: bool,
}

impl Broker {
    pub(super) fn new(terms: Terms) -> Broker {
        let quota = quota(SlowConsumer::DropNewest, usize::MAX, usize::MAX);
        Broker { talk: Talk::new(terms), desk: Desk::new(quota), v5: terms.protocol == Protocol::V5 }
    }

    pub(super) fn offer(&mut self, qos: QoS, topic: &'static str, payload: &str) {
        self.desk.topic = topic;
        self.desk.offer(qos, payload);
    }

    pub(super) fn connect(&mut self, terms: Terms) {
        self.talk.connect(terms);
        let aliases = terms.topic_alias_maximum > 0;
        self.desk.connect(Wants { v5: self.v5, maximum_packet_size: terms.maximum_packet_size, aliases });
    }

    pub(super) fn disconnect(&mut self) {
        self.desk.mailbox.disconnect();
    }

    pub(super) fn take(&mut self, packet: Packet) {
        let handled = self.talk.connection.handle(packet, &mut self.talk.state, &mut self.talk.host);
        assert_eq!(handled, Ok(()));
    }

    /// As the driver's `collect`.
    pub(super) fn collect(&mut self) -> Vec<Sent> {
        let Talk { connection, state, .. } = &mut self.talk;
        let Desk { mailbox, quota, now, .. } = &mut self.desk;
        let mut bytes = connection.out.split().to_vec();
        let mut blocks = Blocks::default();
        assert_eq!(connection.send_again(state, &mut blocks, *now), Ok(()));
        let mut room = connection.room(state).min(DELIVERIES_PER_WRITE);

        let (mut writing, mut taken) = (VecDeque::new(), VecDeque::new());
        assert_eq!(mailbox.look(), None);
        mailbox.take_encoded(&mut writing, WRITE_BYTES);
        mailbox.take_plain(&mut taken, DELIVERIES_PER_WRITE);
        while room > 0 {
            let Some(delivery) = mailbox.take_assured() else { break };
            room -= 1;
            taken.push_back(delivery);
        }
        mailbox.release_publishers(quota);

        for delivery in taken {
            assert!(connection.send(delivery, state, &mut blocks, *now).is_ok());
        }
        blocks.take(&mut writing, usize::MAX);
        writing.iter().for_each(|block| bytes.extend_from_slice(block.bytes()));
        bytes.extend_from_slice(&connection.out.split());
        wire::packets(self.v5, &bytes)
    }

    /// QoS 2 messages of the client have been routed once each `[MQTT-4.3.3-10]`, in order `[MQTT-4.6.0-5]`.
    pub(super) fn has_routed(&self, numbers: usize) {
        let routed: Vec<usize> =
            self.talk.host.published.iter().map(|(_, publish)| text(&publish.payload).parse().unwrap()).collect();
        assert_eq!(routed, (0..numbers).collect::<Vec<_>>());
    }

    pub(super) fn is_at_rest(&self) {
        assert_eq!((self.desk.mailbox.messages(), self.desk.bytes()), (0, 0));
        assert_eq!((self.talk.state.window.outstanding(), self.talk.state.received.len()), (0, 0));
        assert!(self.talk.room() > 0);
    }
}
