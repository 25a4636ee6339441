use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use super::super::blocks::Blocks;
use super::super::closing::Closing;
use super::super::connection::{Connection, Host, Terms};
use super::super::delivery::Delivery;
use super::super::mailbox::Dropped;
use super::super::ruling::{Bar, FilterLimits, Pace, Ruling, Standing};
use super::super::state::State;
use super::wire::{self, Sent, SentPublish};
use crate::codec::{Packet, Publish};
use crate::hooks::Changes;
use crate::model::topic::{self, TopicError};
use crate::model::{Protocol, ReasonCode, SubscriptionOptions, Text};

/// A broker that writes down what it is asked to do.
pub(super) struct FakeHost {
    pub(super) published: Vec<(String, Publish)>,
    /// What it says of how fast messages come.
    pub(super) pace: Pace,
    /// What it says of a message with a good topic.
    pub(super) reason: ReasonCode,
    pub(super) subscriptions: BTreeMap<String, SubscriptionOptions>,
    pub(super) replayed: Vec<String>,
    pub(super) acknowledged: Vec<(String, ReasonCode)>,
    pub(super) limits: FilterLimits,
}

impl Host for FakeHost {
    fn pace(&mut self, _topic: &str, _publish: &Publish) -> Pace {
        self.pace
    }

    fn may_publish(&mut self, _topic: &str, _publish: &Publish) -> Ruling {
        Ruling::Allowed(None)
    }

    fn may_subscribe(&mut self, _filter: &str, _options: SubscriptionOptions) -> Ruling {
        Ruling::Allowed(None)
    }

    fn may_unsubscribe(&mut self, _filter: &str) -> Ruling {
        Ruling::Allowed(None)
    }

    fn may_authenticate(&mut self, _method: &Text, _data: Option<&[u8]>, _round: u32) -> Ruling {
        Ruling::Allowed(None)
    }

    fn publish(&mut self, topic: &str, publish: &Publish, _: Option<&Changes>) -> Result<ReasonCode, TopicError> {
        topic::check_name(topic, self.limits.max_topic_levels)?;
        self.published.push((topic.to_owned(), Publish { topic: topic.into(), ..publish.clone() }));
        Ok(self.reason)
    }

    fn refused(&mut self, _topic: &str, _publish: &Publish) {}

    fn acknowledged(&mut self, delivery: Delivery, reason: ReasonCode) {
        self.acknowledged.push((delivery.message.topic.to_string(), reason));
    }

    fn limits(&self) -> FilterLimits {
        self.limits
    }

    fn subscriptions(&self, wanted: &str) -> Standing {
        Standing { count: self.subscriptions.len(), known: self.subscriptions.contains_key(wanted) }
    }

    fn subscribe(&mut self, wanted: &str, _instead: Option<Text>, options: SubscriptionOptions) {
        let existed = self.subscriptions.insert(wanted.to_owned(), options).is_some();
        if options.wants_retained(wanted, existed) {
            self.replayed.push(wanted.to_owned());
        }
    }

    fn not_subscribed(&mut self, _bar: Option<Bar>) {}

    fn unsubscribe(&mut self, wanted: &str) -> bool {
        assert!(self.subscriptions.remove(wanted).is_some(), "{wanted} has been subscribed to");
        true
    }
}

/// A session and its connection, without bytes and sockets.
pub(super) struct Talk {
    pub(super) connection: Connection,
    pub(super) state: State,
    pub(super) host: FakeHost,
    v5: bool,
}

impl Talk {
    pub(super) fn new(terms: Terms) -> Talk {
        let host = FakeHost {
            published: Vec::new(),
            pace: Pace::Kept,
            reason: ReasonCode::SUCCESS,
            subscriptions: BTreeMap::new(),
            replayed: Vec::new(),
            acknowledged: Vec::new(),
            limits: FilterLimits {
                max_topic_levels: 8,
                max_subscriptions: 0,
                shared_available: true,
                none_more: false,
            },
        };
        Talk { connection: Connection::new(terms), state: State::default(), host, v5: terms.protocol == Protocol::V5 }
    }

    /// The client says something; how the broker answers.
    pub(super) fn say(&mut self, packet: Packet) -> Vec<Sent> {
        let handled = self.connection.handle(packet, &mut self.state, &mut self.host);
        assert_eq!(handled, Ok(()));
        self.answers()
    }

    /// The client says something that the connection does not survive.
    pub(super) fn end(&mut self, packet: Packet) -> Closing {
        let handled = self.connection.handle(packet, &mut self.state, &mut self.host);
        assert_eq!(self.answers(), [], "nothing is answered to what ends the connection");
        handled.expect_err("the connection ends")
    }

    /// As [`Talk::end`]; the reason code.
    pub(super) fn fail(&mut self, packet: Packet) -> u8 {
        self.end(packet).reason.0
    }

    pub(super) fn answers(&mut self) -> Vec<Sent> {
        wire::packets(self.v5, &self.connection.out.split())
    }

    /// Sends a message; what the client gets.
    pub(super) fn send(&mut self, delivery: Delivery, now: Instant) -> Result<SentPublish, Dropped> {
        let mut blocks = Blocks::default();
        let sent = self.connection.send(delivery, &mut self.state, &mut blocks, now);
        let mut packets = wire::packets(self.v5, &encoded(&mut blocks));
        sent.map_err(|(why, _)| why)?;
        match packets.pop() {
            Some(Sent::Publish(publish)) if packets.is_empty() => Ok(publish),
            other => panic!("one PUBLISH, not {other:?} behind {packets:?}"),
        }
    }

    /// Goes on with the session on another connection; what is sent at once.
    pub(super) fn resume(&mut self, terms: Terms, now: Instant) -> Vec<Sent> {
        self.connect(terms);
        self.send_again(now)
    }

    /// Begins another connection.
    pub(super) fn connect(&mut self, terms: Terms) {
        self.connection = Connection::new(terms);
        self.v5 = terms.protocol == Protocol::V5;
        self.state.window.reconnect();
    }

    /// What is sent of what was in flight on the connection before: PUBLISH first, then PUBREL.
    pub(super) fn send_again(&mut self, now: Instant) -> Vec<Sent> {
        let mut blocks = Blocks::default();
        assert_eq!(self.connection.send_again(&mut self.state, &mut blocks, now), Ok(()));
        let mut sent = wire::packets(self.v5, &encoded(&mut blocks));
        sent.extend(self.answers());
        sent
    }

    pub(super) fn room(&self) -> usize {
        self.connection.room(&self.state)
    }
}

/// All bytes of the blocks.
pub(super) fn encoded(blocks: &mut Blocks) -> Vec<u8> {
    let mut out = VecDeque::new();
    blocks.take(&mut out, usize::MAX);
    out.iter().flat_map(|block| block.bytes()).copied().collect()
}
