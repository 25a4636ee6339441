//! The protocol of one connection, from an accepted CONNECT on: packets and messages in, packets and effects out. It owns
//! no socket and reads no clock.

use std::collections::HashMap;

use std::time::Instant;

use bytes::BytesMut;
use bytestring::ByteString;

use super::blocks::Blocks;
use super::closing::Closing;
use super::delivery::{remaining_s, Delivery};
use super::mailbox::Dropped;
use super::packet_ids::PacketIds;
use super::state::State;
use super::window::{Acknowledged, Again};
use crate::codec::{Ack, Auth, Disconnect, Encoder, Packet, Publish, PublishHead, Subscribe, Unsubscribe};
use crate::model::topic::{self, TopicError};
use crate::model::{Protocol, QoS, ReasonCode, RetainHandling, SubscriptionOptions, Text};
use crate::router::Subscribed;

/// Topic aliases that an MQTT 5 client may use, and that are used towards it at most.
pub(super) const TOPIC_ALIASES: u16 = 16;

/// What a connection needs of the broker.
pub(super) trait Host {
    /// Routes a message. The topic is that of the message, any alias resolved.
    fn publish(&mut self, topic: &str, publish: &Publish) -> Result<ReasonCode, TopicError>;

    /// Subscribes.
    fn subscribe(&mut self, filter: &str, options: SubscriptionOptions) -> Subscribed;

    /// Sees to it that, later, the retained messages are delivered that match and were published before the
    /// subscription's first generation.
    fn replay(&mut self, filter: Text, options: SubscriptionOptions, before: u64);

    /// Ends a subscription.
    fn unsubscribe(&mut self, filter: &str);
}

/// What the configuration and CONNECT have settled for one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) protocol: Protocol,
    /// QoS 1 and 2 messages that the client takes at once.
    pub(super) receive_maximum: usize,
    /// QoS 2 messages that an MQTT 5 client may have open.
    pub(super) own_receive_maximum: usize,
    /// The largest packet that the client takes.
    pub(super) maximum_packet_size: usize,
    /// Topic aliases that the client takes.
    pub(super) topic_alias_maximum: u16,
    pub(super) request_problem_information: bool,
    /// What CONNECT asked for, as far as the configuration allows.
    pub(super) session_expiry_s: u32,
    /// Whether CONNECT asked for a session that outlives the connection.
    pub(super) session_may_last: bool,
    pub(super) max_session_expiry_s: u32,
    pub(super) max_qos: QoS,
    pub(super) max_topic_levels: usize,
    /// 0 for no limit.
    pub(super) max_subscriptions: usize,
    pub(super) retain_available: bool,
    pub(super) shared_available: bool,
}

pub(super) struct Connection {
    terms: Terms,
    encoder: Encoder,
    /// Packets other than PUBLISH that wait to be written.
    pub(super) out: BytesMut,
    /// How long the session lasts beyond the connection; DISCONNECT may change it `[MQTT-5 3.14.2.2.2]`.
    pub(super) session_expiry_s: u32,
    /// QoS 2 messages that have come on this connection and are not released: they use up what the client may send. Those
    /// of connections before do not `[MQTT-5 4.9]`.
    open: PacketIds,
    aliases_in: Vec<Option<ByteString>>,
    aliases_out: Option<HashMap<Text, u16>>,
}

impl Connection {
    pub(super) fn new(terms: Terms) -> Self {
        let size = u32::try_from(terms.maximum_packet_size).unwrap_or(u32::MAX);
        Connection {
            terms,
            encoder: Encoder::new(terms.protocol, terms.request_problem_information, size),
            out: BytesMut::new(),
            session_expiry_s: terms.session_expiry_s,
            open: PacketIds::default(),
            aliases_in: Vec::new(),
            aliases_out: (terms.topic_alias_maximum > 0).then(HashMap::new),
        }
    }

    pub(super) fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    fn v5(&self) -> bool {
        self.terms.protocol == Protocol::V5
    }

    /// Takes a packet of the client. An error ends the connection.
    pub(super) fn handle(&mut self, packet: Packet, state: &mut State, host: &mut impl Host) -> Result<(), Closing> {
        match packet {
            Packet::Publish(publish) => self.publish(&publish, state, host),
            Packet::PubAck(ack) => {
                // Whatever the reason code, the message is not sent again [MQTT-4.4.0-2].
                state.window.puback(ack.packet_id);
                Ok(())
            }
            Packet::PubRec(ack) => self.pubrec(ack, state),
            Packet::PubRel(ack) => {
                self.open.remove(ack.packet_id);
                let known = state.received.remove(ack.packet_id);
                let reason = if known { ReasonCode::SUCCESS } else { ReasonCode::PACKET_IDENTIFIER_NOT_FOUND };
                self.encoder.pubcomp(ack.packet_id, reason, None, &mut self.out)?; // [MQTT-4.3.3-11]
                Ok(())
            }
            Packet::PubComp(ack) => {
                state.window.pubcomp(ack.packet_id);
                Ok(())
            }
            Packet::Subscribe(subscribe) => self.subscribe(&subscribe, state, host),
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(&unsubscribe, state, host),
            Packet::PingReq => {
                self.encoder.pingresp(&mut self.out)?; // [MQTT-3.12.4-1]
                Ok(())
            }
            Packet::Disconnect(disconnect) => Err(self.disconnect(&disconnect)),
            Packet::Auth(auth) => Err(self.auth(&auth)),
            // [MQTT-3.1.0-2]
            Packet::Connect(_) => Err(Closing::by_broker(ReasonCode::PROTOCOL_ERROR, "a second CONNECT")),
        }
    }

    fn publish(&mut self, publish: &Publish, state: &mut State, host: &mut impl Host) -> Result<(), Closing> {
        let alias;
        let topic: &str = match publish.topic_alias {
            None if publish.topic.is_empty() => {
                return Err(if self.v5() {
                    Closing::by_broker(ReasonCode::PROTOCOL_ERROR, "a PUBLISH without topic")
                // [MQTT-3.3.2-1]
                } else {
                    Closing::by_broker(ReasonCode::MALFORMED_PACKET, "a PUBLISH without topic")
                });
            }
            None => &publish.topic,
            Some(number) => {
                alias = self.resolve(number, &publish.topic)?;
                &alias
            }
        };
        if publish.qos > self.terms.max_qos {
            // [MQTT-3.2.2-11]
            return Err(Closing::by_broker(ReasonCode::QOS_NOT_SUPPORTED, "QoS not supported"));
        }
        if publish.retain && !self.terms.retain_available && self.v5() {
            let reason = ReasonCode::RETAIN_NOT_SUPPORTED;
            return Err(Closing::by_broker(reason, "retain not supported")); // [MQTT-3.2.2-14]
        }
        if publish.qos == QoS::ExactlyOnce {
            let counted = self.open.contains(publish.packet_id);
            if self.v5() && !counted && self.open.len() >= self.terms.own_receive_maximum {
                let reason = ReasonCode::RECEIVE_MAXIMUM_EXCEEDED;
                // [MQTT-3.3.4-8]
                return Err(Closing::by_broker(reason, "receive maximum exceeded"));
            }
            if state.received.contains(publish.packet_id) {
                // It has been routed already [MQTT-4.3.3-10].
                self.count_open(publish.packet_id);
                self.encoder.pubrec(publish.packet_id, ReasonCode::SUCCESS, None, &mut self.out)?;
                return Ok(());
            }
        }
        let reason = match host.publish(topic, publish) {
            Ok(reason) => reason,
            Err(TopicError::TooManyLevels { .. }) => ReasonCode::TOPIC_NAME_INVALID,
            Err(TopicError::Nul) => {
                // [MQTT-1.5.4-2]
                return Err(Closing::by_broker(ReasonCode::MALFORMED_PACKET, "U+0000 in a topic"));
            }
            Err(_) => {
                // [MQTT-3.3.2-2]
                return Err(Closing::by_broker(ReasonCode::TOPIC_NAME_INVALID, "topic name invalid"));
            }
        };
        match publish.qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => self.encoder.puback(publish.packet_id, reason, None, &mut self.out)?,
            QoS::ExactlyOnce => {
                // Refused: the exchange is over with PUBREC.
                if !reason.is_failure() || !self.v5() {
                    state.received.insert(publish.packet_id);
                    self.count_open(publish.packet_id);
                }
                self.encoder.pubrec(publish.packet_id, reason, None, &mut self.out)?;
            }
        }
        Ok(())
    }

    /// Counts a QoS 2 message against the receive maximum that an MQTT 5 client has been told `[MQTT-5 4.9]`.
    fn count_open(&mut self, packet_id: u16) {
        if self.v5() {
            self.open.insert(packet_id);
        }
    }

    /// The topic behind an alias, which a topic that comes with it sets.
    fn resolve(&mut self, alias: u16, topic: &ByteString) -> Result<ByteString, Closing> {
        if alias == 0 || alias > TOPIC_ALIASES {
            // [MQTT-3.3.2-9]
            return Err(Closing::by_broker(ReasonCode::TOPIC_ALIAS_INVALID, "topic alias invalid"));
        }
        let index = usize::from(alias) - 1;
        if !topic.is_empty() {
            if self.aliases_in.len() <= index {
                self.aliases_in.resize(index + 1, None);
            }
            // A copy: the packet is part of a buffer that must not be kept.
            let copy = ByteString::from(&**topic);
            self.aliases_in[index] = Some(copy.clone());
            return Ok(copy);
        }
        let known = self.aliases_in.get(index).cloned().flatten();
        known.ok_or_else(|| Closing::by_broker(ReasonCode::PROTOCOL_ERROR, "a topic alias that has not been set"))
    }

    fn pubrec(&mut self, ack: Ack, state: &mut State) -> Result<(), Closing> {
        match state.window.pubrec(ack.packet_id, ack.reason) {
            Acknowledged::Release => {
                self.encoder.pubrel(ack.packet_id, ReasonCode::SUCCESS, None, &mut self.out)?;
                // [MQTT-4.3.3-4]
            }
            Acknowledged::Done => {}
            Acknowledged::Unknown if ack.reason.is_failure() => {}
            Acknowledged::Unknown => {
                let reason = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;
                self.encoder.pubrel(ack.packet_id, reason, None, &mut self.out)?;
            }
        }
        Ok(())
    }

    fn subscribe(&mut self, subscribe: &Subscribe, state: &mut State, host: &mut impl Host) -> Result<(), Closing> {
        let mut reasons = Vec::with_capacity(subscribe.filters.len());
        for (filter, options) in &subscribe.filters {
            reasons.push(self.subscribe_one(filter, *options, state, host));
        }
        // One return code for each filter, in their order [MQTT-3.8.4-6].
        self.encoder.suback(subscribe.packet_id, &reasons, None, &mut self.out)?;
        Ok(())
    }

    fn subscribe_one(
        &mut self,
        filter: &str,
        mut options: SubscriptionOptions,
        state: &mut State,
        host: &mut impl Host,
    ) -> ReasonCode {
        if topic::check_filter(filter, self.terms.max_topic_levels).is_err() {
            return ReasonCode::TOPIC_FILTER_INVALID;
        }
        let shared = topic::is_shared(filter);
        if shared && !self.terms.shared_available {
            return ReasonCode::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED;
        }
        let max = self.terms.max_subscriptions;
        let known = state.subscriptions.contains_key(filter);
        if max > 0 && !known && state.subscriptions.len() >= max {
            return ReasonCode::QUOTA_EXCEEDED;
        }
        options.qos = options.qos.min(self.terms.max_qos); // [MQTT-3.8.4-7]
        let subscribed = host.subscribe(filter, options);
        let filter = match state.subscriptions.get_key_value(filter) {
            Some((known, _)) => known.clone(),
            None => Text::from(filter),
        };
        state.subscriptions.insert(filter.clone(), options);
        // Nobody is to get a retained message because of a shared subscription [MQTT-5 4.8.2].
        let replay = match options.retain_handling {
            RetainHandling::SendAtSubscribe => !shared,
            RetainHandling::SendIfNew => !shared && !subscribed.existed,
            RetainHandling::DoNotSend => false,
        };
        if replay {
            host.replay(filter, options, subscribed.generation);
        }
        ReasonCode(options.qos as u8)
    }

    fn unsubscribe(
        &mut self,
        unsubscribe: &Unsubscribe,
        state: &mut State,
        host: &mut impl Host,
    ) -> Result<(), Closing> {
        let mut reasons = Vec::with_capacity(unsubscribe.filters.len());
        for filter in &unsubscribe.filters {
            reasons.push(if topic::check_filter(filter, self.terms.max_topic_levels).is_err() {
                ReasonCode::TOPIC_FILTER_INVALID
            } else if state.subscriptions.remove(&**filter).is_some() {
                host.unsubscribe(filter);
                ReasonCode::SUCCESS
            } else {
                ReasonCode::NO_SUBSCRIPTION_EXISTED
            });
        }
        self.encoder.unsuback(unsubscribe.packet_id, &reasons, &mut self.out)?; // [MQTT-3.10.4-5]
        Ok(())
    }

    fn disconnect(&mut self, disconnect: &Disconnect) -> Closing {
        if let Some(expiry_s) = disconnect.session_expiry_s {
            if !self.terms.session_may_last && expiry_s > 0 {
                // [MQTT-5 3.14.2.2.2]
                return Closing::by_broker(ReasonCode::PROTOCOL_ERROR, "a session that was to end cannot last");
            }
            self.session_expiry_s = expiry_s.min(self.terms.max_session_expiry_s);
        }
        // [MQTT-3.14.4-3]
        let with_will = disconnect.reason != ReasonCode::SUCCESS;
        Closing::by_client(disconnect.reason, disconnect.reason_string.as_deref(), with_will)
    }

    /// Nobody has agreed on a method `[MQTT-4.12.0-7]`.
    fn auth(&self, _auth: &Auth) -> Closing {
        Closing::by_broker(ReasonCode::PROTOCOL_ERROR, "AUTH without an authentication method in CONNECT")
    }

    /// Encodes what was in flight on an earlier connection, as far as the client takes it.
    pub(super) fn send_again(&mut self, state: &mut State, blocks: &mut Blocks, now: Instant) -> Result<(), Closing> {
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
    pub(super) fn room(&self, state: &State) -> usize {
        if state.window.is_caught_up() {
            state.window.room(self.terms.receive_maximum)
        } else {
            0
        }
    }

    /// Encodes a message for the client. The window must have room for one of QoS 1 or 2.
    pub(super) fn send(
        &mut self,
        delivery: Delivery,
        state: &mut State,
        blocks: &mut Blocks,
        now: Instant,
    ) -> Result<(), Dropped> {
        if delivery.message.is_expired(now) {
            return Err(Dropped::Expired); // [MQTT-3.3.2-5]
        }
        let assured = delivery.qos != QoS::AtMostOnce;
        let packet_id = if assured { state.window.next_packet_id() } else { 0 };
        encode(&self.terms, &mut self.aliases_out, &delivery, packet_id, false, blocks, now)?;
        if assured {
            state.window.sent(delivery);
        }
        Ok(())
    }

    /// Writes the DISCONNECT that an MQTT 5 client gets before the broker closes.
    pub(super) fn say_goodbye(&mut self, closing: &Closing) {
        // A client that does not even take this just sees the end.
        let _ = self.encoder.disconnect(closing.reason, Some(&closing.words), &mut self.out);
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
        message_expiry_s: remaining_s(message.expires_at, now).filter(|_| v5),
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
