//! A message on its way to receivers.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::blocks::SHARED_PAYLOAD;
use super::buffer::READ_BYTES;
use super::receipt::{Receipt, Token};
use super::receiver::Receiver;
use super::returns::{Home, Spare};
use crate::codec::PublishHead;
use crate::limits::{Kind, Memory};
use crate::model::{Client, Message, Origin, QoS, Text};
use crate::router::{Group, Identifiers};

/// A message that one receiver is to get.
pub(super) struct Delivery {
    pub(super) message: Arc<Message>,
    /// The lower one of the message and the subscription `[MQTT-3.8.4-8]`.
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) identifiers: Identifiers,
    /// The shared subscription that chose the receiver.
    pub(super) group: Option<Arc<Group<Receiver>>>,
    /// Where the host program hears of it, if it wants to.
    pub(super) receipt: Option<Token>,
    /// The thread that has given it to its receiver, and made the message if nobody had kept it before.
    pub(super) home: Home,
}

/// What a waiting message takes besides its text and payload, which receivers share.
const DELIVERY_BYTES: usize = size_of::<Delivery>();

/// What it takes besides, on top of that: twice the place in a queue that has room for as many again, and what the
/// allocator adds to the message and its parts.
const DELIVERY_OVERHEAD: usize = size_of::<Delivery>() + 64;

impl Delivery {
    /// What it takes in memory where it waits. A payload that receivers share counts by itself.
    pub(super) fn memory(&self) -> usize {
        self.memory_of(self.size())
    }

    /// The same, if its size is known.
    pub(super) fn memory_of(&self, size: usize) -> usize {
        let payload = self.message.payload.len();
        let shared = if payload >= SHARED_PAYLOAD { payload } else { 0 };
        size + DELIVERY_OVERHEAD - shared
    }

    /// What it takes in memory, about, as the quota counts it.
    pub(super) fn size(&self) -> usize {
        DELIVERY_BYTES + self.message.size()
    }

    /// The same message once more, which no shared subscription and no receipt depends on.
    pub(super) fn without_ties(&self) -> Delivery {
        let (message, identifiers) = (self.message.clone(), self.identifiers.clone());
        let (qos, retain, home) = (self.qos, self.retain, self.home);
        Delivery { message, qos, retain, identifiers, group: None, receipt: None, home }
    }
}

/// A message as its publisher has it.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) topic: &'a str,
    pub(super) payload: &'a Bytes,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) properties: &'a Bytes,
    pub(super) expires_at: Option<Instant>,
    pub(super) origin: Origin,
    pub(super) publisher: Option<&'a Arc<Client>>,
    pub(super) receipt: Option<&'a Arc<Receipt>>,
}

/// A message that is being routed: borrowed from the packet it came in, until a receiver has to keep it.
pub(super) struct Outgoing<'a> {
    pub(super) source: Source<'a>,
    /// Where its payload counts.
    memory: Option<(&'a Arc<Memory>, Kind)>,
    message: Option<Arc<Message>>,
    payload_to_share: Option<Bytes>,
    /// The topic, if somebody keeps it.
    topic: Option<&'a Text>,
    /// Where a receiver before was to acknowledge it, which the next one does instead.
    pub(super) receipt: Option<Token>,
}

/// A message encoded with QoS 0, once for all receivers of one version, for the versions that have been asked for. The memory
/// serves one message after the other.
#[derive(Default)]
pub(super) struct Frames(Option<Box<Versions>>);

#[derive(Default)]
struct Versions {
    v3: Vec<u8>,
    v5: Vec<u8>,
}

impl Frames {
    /// Forgets the message before.
    pub(super) fn clear(&mut self) {
        if let Some(versions) = &mut self.0 {
            versions.v3.clear();
            versions.v5.clear();
        }
    }

    /// The whole packet, with the retain flag at 0.
    pub(super) fn get(&mut self, outgoing: &Outgoing<'_>, v5: bool) -> &[u8] {
        let versions = self.0.get_or_insert_default();
        let frame = if v5 { &mut versions.v5 } else { &mut versions.v3 };
        if frame.is_empty() {
            outgoing.head(v5, false).encode(frame);
            frame.extend_from_slice(outgoing.source.payload);
        }
        frame
    }
}

impl<'a> Outgoing<'a> {
    pub(super) fn new(source: Source<'a>) -> Self {
        Outgoing { source, memory: None, message: None, payload_to_share: None, topic: None, receipt: None }
    }

    /// A message that is kept already.
    pub(super) fn of(message: &'a Arc<Message>) -> Self {
        let source = Source {
            topic: &message.topic,
            payload: &message.payload,
            qos: message.qos,
            retain: message.retain,
            properties: &message.properties,
            expires_at: message.expires_at,
            origin: message.origin,
            publisher: message.publisher.as_ref(),
            receipt: None,
        };
        let mut outgoing = Outgoing::new(source);
        outgoing.message = Some(message.clone());
        outgoing
    }

    /// A message of the host program, which hears of it.
    pub(super) fn of_host(message: &'a Arc<Message>, receipt: Option<&'a Arc<Receipt>>) -> Self {
        let mut outgoing = Outgoing::of(message);
        outgoing.source.receipt = receipt;
        outgoing
    }

    /// Has its payload count if it is shared between receivers.
    pub(super) fn count(&mut self, memory: &'a Arc<Memory>, kind: Kind) {
        self.memory = Some((memory, kind));
    }

    /// Spares the message to keep a copy of its topic.
    pub(super) fn keep_topic(&mut self, topic: &'a Text) {
        self.topic = Some(topic);
    }

    /// The message to keep, which holds on to no packet.
    pub(super) fn message(&mut self) -> &Arc<Message> {
        if self.message.is_none() {
            let mut spare = Spare::find();
            // Small ones are not shared with anybody but through the message: a copy counts no references.
            let payload = match self.payload_to_share.take() {
                Some(payload) => payload,
                None => self.own_payload(&mut spare),
            };
            self.message = Some(spare.message(Message {
                topic: self.topic.map_or_else(|| Text::from(self.source.topic), Text::clone),
                payload,
                qos: self.source.qos,
                retain: self.source.retain,
                properties: Bytes::copy_from_slice(self.source.properties),
                expires_at: self.source.expires_at,
                origin: self.source.origin,
                publisher: self.source.publisher.cloned(),
            }));
        }
        self.message.get_or_insert_with(|| unreachable!("it has just been made"))
    }

    /// What a receiver with `qos` has to acknowledge to the host program.
    pub(super) fn token(&mut self, qos: QoS) -> Option<Token> {
        if qos == QoS::AtMostOnce {
            return None;
        }
        self.receipt.take().or_else(|| self.source.receipt.map(Receipt::token))
    }

    /// The payload, in memory that holds nothing but it, or not much else: what is read from a socket lies in a buffer
    /// that a small payload must not keep alive.
    pub(super) fn payload_to_share(&mut self) -> &Bytes {
        if let Some(message) = &self.message {
            return &message.payload;
        }
        if self.payload_to_share.is_none() {
            self.payload_to_share = Some(self.own_payload(&mut Spare::default()));
        }
        self.payload_to_share.get_or_insert_with(|| unreachable!("it has just been made"))
    }

    fn own_payload(&self, spare: &mut Spare) -> Bytes {
        let payload = self.source.payload;
        let (payload, overhead) = match payload.len() >= 4 * SHARED_PAYLOAD {
            true => (payload.clone(), READ_BYTES / 2),
            false => (spare.payload(payload), 0),
        };
        match self.memory {
            Some((memory, kind)) if payload.len() >= SHARED_PAYLOAD => memory.count(kind, payload, overhead),
            _ => payload,
        }
    }

    /// The head of the packet for QoS 0, without identifiers.
    pub(super) fn head(&self, v5: bool, retain: bool) -> PublishHead<'_> {
        PublishHead {
            v5,
            dup: false,
            qos: QoS::AtMostOnce,
            retain,
            topic: self.source.topic,
            packet_id: 0,
            topic_alias: None,
            message_expiry_s: None,
            subscription_ids: &[],
            properties: self.source.properties,
            payload_len: self.source.payload.len(),
        }
    }
}
