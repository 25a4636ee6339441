//! PUBLISH to the client.

use std::time::Instant;

use hashbrown::HashMap;

use super::super::blocks::Blocks;
use super::super::closing::Closing;
use super::super::delivery::Delivery;
use super::super::mailbox::Dropped;
use super::super::state::State;
use super::super::window::Again;
use super::{Connection, Terms, TOPIC_ALIASES};
use crate::codec::PublishHead;
use crate::model::{Protocol, QoS, ReasonCode, Text};

impl Connection {
    /// Encodes what was in flight on an earlier connection, as far as the client takes it.
    pub(in crate::session) fn send_again(
        &mut self,
        state: &mut State,
        blocks: &mut Blocks,
        now: Instant,
    ) -> Result<(), Closing> {
        while state.window.may_send_again(self.terms.receive_maximum) {
            match state.window.send_again() {
                Some((packet_id, Again::Publish(delivery))) => {
                    // [MQTT-3.3.1-1]. What has become too large for the client counts as sent [MQTT-3.1.2-25].
                    let sent = encode(&self.terms, &mut self.aliases_out, delivery, packet_id, true, blocks, now);
                    if sent.is_err() {
                        state.window.give_up(packet_id);
                    }
                }
                Some((packet_id, Again::Release)) => {
                    self.encoder.pubrel(packet_id, ReasonCode::SUCCESS, None, &mut self.out)?;
                    // [MQTT-4.4.0-1]
                }
                None => break,
            }
        }
        Ok(())
    }

    /// How many more QoS 1 or 2 messages may be sent now.
    pub(in crate::session) fn room(&self, state: &State) -> usize {
        if state.window.is_caught_up() {
            state.window.room(self.terms.receive_maximum)
        } else {
            0
        }
    }

    /// Encodes a message for the client. The window must have room for one of QoS 1 or 2.
    pub(in crate::session) fn send(
        &mut self,
        delivery: Delivery,
        state: &mut State,
        blocks: &mut Blocks,
        now: Instant,
    ) -> Result<(), (Dropped, Delivery)> {
        if delivery.message.is_expired(now) {
            return Err((Dropped::Expired, delivery)); // [MQTT-3.3.2-5]
        }
        let assured = delivery.qos != QoS::AtMostOnce;
        let packet_id = if assured { state.window.next_packet_id() } else { 0 };
        if let Err(why) = encode(&self.terms, &mut self.aliases_out, &delivery, packet_id, false, blocks, now) {
            return Err((why, delivery));
        }
        if assured {
            state.window.sent(delivery);
        }
        Ok(())
    }
}

fn encode(
    terms: &Terms,
    aliases: &mut Option<HashMap<Text, u16>>,
    delivery: &Delivery,
    packet_id: u16,
    dup: bool,
    blocks: &mut Blocks,
    now: Instant,
) -> Result<(), Dropped> {
    let message = &delivery.message;
    let v5 = terms.protocol == Protocol::V5;
    let mut head = PublishHead {
        v5,
        dup,
        qos: delivery.qos,
        retain: delivery.retain,
        topic: &message.topic,
        packet_id,
        topic_alias: None,
        message_expiry_s: message.view().remaining_s(|| now).filter(|_| v5),
        subscription_ids: if v5 { delivery.identifiers.as_slice() } else { &[] },
        properties: &message.properties,
        payload_len: message.payload.len(),
    };
    if let Some(aliases) = aliases {
        let limit = terms.topic_alias_maximum.min(TOPIC_ALIASES);
        match aliases.get(&message.topic) {
            Some(alias) => {
                head.topic_alias = Some(*alias);
                head.topic = "";
            }
            None if aliases.len() < usize::from(limit) => {
                let alias = aliases.len() as u16 + 1;
                head.topic_alias = Some(alias);
                if head.packet_len() <= terms.maximum_packet_size {
                    aliases.insert(message.topic.clone(), alias);
                } else {
                    head.topic_alias = None;
                }
            }
            None => {}
        }
    }
    let len = head.packet_len();
    if len > terms.maximum_packet_size {
        return Err(Dropped::TooLarge); // [MQTT-3.1.2-24]
    }
    blocks.push(len, &message.payload, |out| {
        head.encode(out);
    });
    Ok(())
}
