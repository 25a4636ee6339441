//! The protocol of one connection, from an accepted CONNECT on: packets and messages in, packets and effects out. It owns
//! no socket and reads no clock.

mod authenticating;
mod publishing;
mod sending;
mod subscribing;

use bytes::BytesMut;
use bytestring::ByteString;
use hashbrown::HashMap;

use super::closing::Closing;
use super::delivery::Delivery;
use super::packet_ids::PacketIds;
use super::ruling::{Bar, FilterLimits, Pace, Ruling, Standing};
use super::state::State;
use super::window::Acknowledged;
use crate::codec::{Ack, Diagnosis, Disconnect, Encoder, Packet, Publish};
use crate::hooks::Changes;
use crate::model::topic::TopicError;
use crate::model::{Protocol, QoS, ReasonCode, SubscriptionOptions, Text};
use authenticating::Authentication;
use subscribing::{Subscribing, Unsubscribing};

pub(super) use authenticating::MAX_ROUNDS;

/// Topic aliases that an MQTT 5 client may use, and that are used towards it at most.
pub(super) const TOPIC_ALIASES: u16 = 16;

/// Room for acknowledgements, when the first one is made.
const FIRST_ANSWERS: usize = 256;

/// What a connection needs of the broker.
pub(super) trait Host {
    /// Counts a message that has come; whether the client is too fast.
    fn pace(&mut self, topic: &str, publish: &Publish) -> Pace;

    /// Asks whether a client may publish a message. Its topic is `topic`, any alias resolved, and may be none at all.
    fn may_publish(&mut self, topic: &str, publish: &Publish) -> Ruling;

    /// Asks whether a client may subscribe.
    fn may_subscribe(&mut self, filter: &str, options: SubscriptionOptions) -> Ruling;

    /// Asks whether a client may unsubscribe.
    fn may_unsubscribe(&mut self, filter: &str) -> Ruling;

    /// Asks whether a client has authenticated again with what this round of the exchange has brought.
    fn may_authenticate(&mut self, method: &Text, data: Option<&[u8]>, round: u32) -> Ruling;

    /// Routes a message, with what the ruling has changed of it.
    fn publish(&mut self, topic: &str, publish: &Publish, changes: Option<&Changes>) -> Result<ReasonCode, TopicError>;

    /// Counts a message that may not be published.
    fn refused(&mut self, topic: &str, publish: &Publish);

    /// Hears that the client has acknowledged a message, with PUBACK or PUBREC.
    fn acknowledged(&mut self, delivery: Delivery, reason: ReasonCode);

    /// What bounds the filters of the client now.
    fn limits(&self) -> FilterLimits;

    /// What the session is subscribed to already.
    fn subscriptions(&self, wanted: &str) -> Standing;

    /// Subscribes the client to `wanted`, or to what the host program has put `instead`, and sees to it that it gets the
    /// retained messages later that the options ask for.
    fn subscribe(&mut self, wanted: &str, instead: Option<Text>, options: SubscriptionOptions);

    /// The client does not get a subscription that it wants.
    fn not_subscribed(&mut self, bar: Option<Bar>);

    /// Ends a subscription; whether there was one.
    fn unsubscribe(&mut self, wanted: &str) -> bool;
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
    pub(super) retain_available: bool,
}

/// Where acknowledgements go, with room for those of a batch: it would grow with nearly each of them at first.
fn with_room(out: &mut BytesMut) -> &mut BytesMut {
    if out.capacity() == 0 {
        out.reserve(FIRST_ANSWERS);
    }
    out
}

/// A packet that waits for a ruling.
enum Held {
    Publish {
        topic: ByteString,
        publish: Publish,
    },
    Subscribe(Subscribing),
    Unsubscribe(Unsubscribing),
    /// What matters of it has been kept already.
    Auth,
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
    /// What waits for a ruling. Nothing else is handled meanwhile.
    held: Option<Box<Held>>,
    /// If the client has connected with an authentication method.
    authentication: Option<Box<Authentication>>,
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
            held: None,
            authentication: None,
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
            Packet::Publish(publish) => self.publish(publish, state, host),
            Packet::PubAck(ack) => {
                // Whatever the reason code, the message is not sent again [MQTT-4.4.0-2].
                if let Acknowledged::Done(Some(delivery)) = state.window.puback(ack.packet_id) {
                    host.acknowledged(delivery, ack.reason);
                }
                Ok(())
            }
            Packet::PubRec(ack) => self.pubrec(ack, state, host),
            Packet::PubRel(ack) => {
                self.open.remove(ack.packet_id);
                let known = state.received.remove(ack.packet_id);
                let reason = if known { ReasonCode::SUCCESS } else { ReasonCode::PACKET_IDENTIFIER_NOT_FOUND };
                self.encoder.pubcomp(ack.packet_id, reason, None, with_room(&mut self.out))?; // [MQTT-4.3.3-11]
                Ok(())
            }
            Packet::PubComp(ack) => {
                state.window.pubcomp(ack.packet_id);
                Ok(())
            }
            Packet::Subscribe(packet) => self.subscribe(Subscribing::new(packet), None, host),
            Packet::Unsubscribe(packet) => self.unsubscribe(Unsubscribing::new(packet), None, host),
            Packet::PingReq => {
                self.encoder.pingresp(&mut self.out)?; // [MQTT-3.12.4-1]
                Ok(())
            }
            Packet::Disconnect(disconnect) => Err(self.disconnect(&disconnect)),
            Packet::Auth(auth) => self.auth(&auth, host),
            // [MQTT-3.1.0-2]
            Packet::Connect(_) => Err(Closing::by_broker(ReasonCode::PROTOCOL_ERROR, "a second CONNECT")),
        }
    }

    /// Whether a packet waits for a ruling.
    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Goes on with the packet that has waited for this ruling.
    pub(super) fn resume(&mut self, ruling: Ruling, state: &mut State, host: &mut impl Host) -> Result<(), Closing> {
        match self.held.take().map(|held| *held) {
            Some(Held::Publish { topic, publish }) => self.publish_ruled(&topic, publish, ruling, state, host),
            Some(Held::Subscribe(subscribing)) => self.subscribe(subscribing, Some(ruling), host),
            Some(Held::Unsubscribe(unsubscribing)) => self.unsubscribe(unsubscribing, Some(ruling), host),
            Some(Held::Auth) => self.auth_ruled(ruling),
            None => Ok(()),
        }
    }

    fn pubrec(&mut self, ack: Ack, state: &mut State, host: &mut impl Host) -> Result<(), Closing> {
        let acknowledged = match state.window.pubrec(ack.packet_id, ack.reason) {
            Acknowledged::Release(delivery) => {
                // [MQTT-4.3.3-4]
                self.encoder.pubrel(ack.packet_id, ReasonCode::SUCCESS, None, with_room(&mut self.out))?;
                delivery
            }
            Acknowledged::Done(delivery) => delivery,
            Acknowledged::Unknown if ack.reason.is_failure() => None,
            Acknowledged::Unknown => {
                let reason = ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;
                self.encoder.pubrel(ack.packet_id, reason, None, with_room(&mut self.out))?;
                None
            }
        };
        if let Some(delivery) = acknowledged {
            host.acknowledged(delivery, ack.reason);
        }
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

    /// Writes the DISCONNECT that an MQTT 5 client gets before the broker closes.
    pub(super) fn say_goodbye(&mut self, closing: &Closing) {
        let remarks = closing.remarks.as_deref();
        let diagnosis = Diagnosis {
            reason_string: Some(&closing.words),
            user_properties: remarks.map_or(&[], |remarks| &remarks.user_properties),
        };
        let server_reference = remarks.and_then(|remarks| remarks.server_reference.as_deref());
        // A client that does not even take this just sees the end.
        let _ = self.encoder.disconnect(closing.reason, server_reference, Some(&diagnosis), &mut self.out);
    }
}
