//! Delivery through lost connections: the broker against a client and a ledger that know no more than the specification.

mod broker;
mod client;
mod ledger;

use std::collections::VecDeque;

use proptest::collection::vec;
use proptest::prelude::{any, prop, proptest, Just, ProptestConfig, Strategy};
use proptest::prop_oneof;
use proptest::sample::Index;

use self::broker::Broker;
use self::client::Client;
use self::ledger::Ledger;
use super::super::connection::Terms;
use super::support::terms;
use super::wire::Sent;
use crate::codec::Packet;
use crate::model::{Protocol, QoS};

#[derive(Clone, Debug)]
enum Action {
    /// Somebody publishes a message to the client's subscription.
    Offer(QoS, &'static str),
    /// The driver of the connection has its turn.
    Collect,
    /// Packets reach the client.
    ClientReads(usize),
    /// Packets reach the broker.
    BrokerReads(usize),
    AcknowledgeOldest,
    Acknowledge(Index),
    Refuse(Index),
    Publish,
    PublishAgain(Index, bool),
    Release(Index),
    /// The connection ends, and with it what is on its way.
    Lose,
    Resume {
        receive_maximum: usize,
        topic_alias_maximum: u16,
    },
}

fn action() -> impl Strategy<Value = Action> {
    let qos = prop::sample::select(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
    let resume = (1..12_usize, 0..3_u16);
    prop_oneof![
        10 => (qos, prop::sample::select(&["a", "b", "c"])).prop_map(|(qos, topic)| Action::Offer(qos, topic)),
        8 => Just(Action::Collect),
        5 => (1..8_usize).prop_map(Action::ClientReads),
        5 => (1..8_usize).prop_map(Action::BrokerReads),
        4 => Just(Action::AcknowledgeOldest),
        4 => any::<Index>().prop_map(Action::Acknowledge),
        1 => any::<Index>().prop_map(Action::Refuse),
        3 => Just(Action::Publish),
        1 => (any::<Index>(), any::<bool>()).prop_map(|(index, dup)| Action::PublishAgain(index, dup)),
        2 => any::<Index>().prop_map(Action::Release),
        1 => Just(Action::Lose),
        3 => resume.prop_map(|(receive_maximum, topic_alias_maximum)| {
            Action::Resume { receive_maximum, topic_alias_maximum }
        }),
    ]
}

/// A broker, a client, and what is on its way between them.
struct World {
    protocol: Protocol,
    broker: Broker,
    client: Client,
    ledger: Ledger,
    to_client: VecDeque<Sent>,
    to_broker: VecDeque<Packet>,
    connected: bool,
}

impl World {
    fn new(protocol: Protocol) -> World {
        World {
            protocol,
            broker: Broker::new(terms(protocol)),
            client: Client::default(),
            ledger: Ledger::default(),
            to_client: VecDeque::new(),
            to_broker: VecDeque::new(),
            connected: false,
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Offer(qos, topic) => {
                let number = self.ledger.offered(qos, topic, self.connected);
                self.broker.offer(qos, topic, &number.to_string());
            }
            Action::Lose => self.lose(),
            Action::Resume { .. } if self.connected => self.lose(),
            Action::Resume { receive_maximum, topic_alias_maximum } => {
                let topic_alias_maximum = if self.protocol == Protocol::V5 { topic_alias_maximum } else { 0 };
                self.broker.connect(Terms { receive_maximum, topic_alias_maximum, ..terms(self.protocol) });
                self.ledger.connected(receive_maximum);
                self.connected = true;
                self.to_broker.extend(self.client.resume());
            }
            _ if !self.connected => {}
            Action::Collect => {
                let sent = self.broker.collect();
                sent.iter().for_each(|packet| self.ledger.sent(packet));
                self.to_client.extend(sent);
            }
            Action::ClientReads(count) => {
                for packet in self.to_client.drain(..count.min(self.to_client.len())) {
                    self.client.take(packet, &self.ledger);
                }
            }
            Action::BrokerReads(count) => {
                for packet in self.to_broker.drain(..count.min(self.to_broker.len())) {
                    self.ledger.received(&packet);
                    self.broker.take(packet);
                }
            }
            Action::AcknowledgeOldest => self.to_broker.extend(self.client.acknowledge(0)),
            Action::Acknowledge(index) => {
                self.to_broker.extend(self.client.acknowledge(pick(index, self.client.owes())))
            }
            Action::Refuse(index) if self.protocol == Protocol::V5 => {
                self.to_broker.extend(self.client.refuse(pick(index, self.client.owes())));
            }
            Action::Refuse(_) => {}
            Action::Publish => self.to_broker.extend(self.client.publish()),
            Action::PublishAgain(index, dup) => {
                self.to_broker.extend(self.client.publish_again(pick(index, self.client.publishes()), dup));
            }
            Action::Release(index) => {
                self.to_broker.extend(self.client.release(pick(index, self.client.publishes())));
            }
        }
    }

    fn lose(&mut self) {
        if self.connected {
            self.broker.disconnect();
            self.client.disconnect();
            self.ledger.disconnected();
            self.to_client.clear();
            self.to_broker.clear();
            self.connected = false;
        }
    }

    /// Lets everything that has begun come to its end.
    fn settle(&mut self) {
        if !self.connected {
            self.act(Action::Resume { receive_maximum: 2, topic_alias_maximum: 1 });
        }
        let mut quiet = 0;
        for _ in 0..10_000 {
            self.act(Action::Collect);
            let mut idle = self.to_client.is_empty();
            self.act(Action::ClientReads(usize::MAX));
            while self.client.owes() > 0 {
                self.act(Action::AcknowledgeOldest);
            }
            for index in 0..self.client.publishes() {
                self.to_broker.extend(self.client.release(index));
            }
            idle &= self.to_broker.is_empty();
            self.act(Action::BrokerReads(usize::MAX));
            quiet = if idle { quiet + 1 } else { 0 };
            if quiet > 2 {
                return;
            }
        }
        panic!("it does not come to an end");
    }
}

fn pick(index: Index, count: usize) -> usize {
    if count == 0 {
        0
    } else {
        index.index(count)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 256, ..ProptestConfig::default() })]

    /// `[MQTT-4.3.1-1]`, `[MQTT-4.3.2-1]` to `[MQTT-4.3.3-13]`, `[MQTT-4.4.0-1]`, `[MQTT-4.6.0-1]` to `[MQTT-4.6.0-6]`,
    /// `[MQTT-4.9.0-1]`, `[MQTT-4.9.0-2]`: what the ledger and the client say holds at each step, and in the end
    /// everything has arrived.
    #[test]
    fn as_the_specification_says(
        protocol in prop::sample::select(&[Protocol::V3_1_1, Protocol::V5]),
        actions in vec(action(), 1..250),
    ) {
        let mut world = World::new(protocol);
        for action in actions {
            world.act(action);
        }
        world.settle();
        world.ledger.nothing_is_open();
        world.client.has_all_of(&world.ledger);
        world.broker.has_routed(world.client.published());
        world.broker.is_at_rest();
    }
}
