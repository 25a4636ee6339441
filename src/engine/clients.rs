use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rmqtt::types::{FromType, Id, Publish};

use super::from_packet_qos;
use crate::hooks::{Callbacks, Connected, Disconnected, DisconnectedBy};
use crate::model::{Client, Message, Origin, Protocol, Text};

/// The MQTT 5 reason code "server shutting down".
pub(super) const SERVER_SHUTTING_DOWN: u8 = 0x8B;

/// The words to it. Only a stop kicks clients in this engine.
pub(super) const STOPPING: &str = "the broker is stopping";

/// What the engine has counted. Shared by all runs of a broker.
#[derive(Debug, Default)]
pub struct EngineCounters {
    pub connections: AtomicU64,
    pub messages_received: AtomicU64,
    pub messages_sent: AtomicU64,
    pub messages_dropped: AtomicU64,
    next_serial: AtomicU64,
}

/// The connections of one run, by RMQTT's identity of them, and what the host program is told about them.
pub(super) struct Clients {
    listeners: Vec<Text>,
    callbacks: Arc<Callbacks>,
    pub(super) counters: Arc<EngineCounters>,
    known: Mutex<Registry>,
    in_process: AtomicU64,
}

/// Departed clients that are still known: their last messages may be on the way to a subscription, which asks for the
/// publisher.
const MAX_GONE: usize = 1024;

/// How long a client that has been let in may take to be connected: a takeover waits 5 s for the session before.
/// Beyond it, its handshake has failed, of which RMQTT tells nobody.
const HANDSHAKE: Duration = Duration::from_secs(60);

struct Registry {
    clients: HashMap<Id, Known>,
    gone: VecDeque<Id>,
    /// The number of clients at which failed handshakes are looked for again.
    sweep_at: usize,
}

struct Known {
    client: Arc<Client>,
    phase: Phase,
}

enum Phase {
    LetIn(Instant),
    Connected,
    Gone,
}

impl Known {
    fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Connected)
    }
}

impl Clients {
    pub(super) fn new(listeners: Vec<Text>, callbacks: Arc<Callbacks>, counters: Arc<EngineCounters>) -> Self {
        let known = Registry { clients: HashMap::new(), gone: VecDeque::new(), sweep_at: MAX_GONE };
        Clients { listeners, callbacks, counters, known: Mutex::new(known), in_process: AtomicU64::new(0) }
    }

    /// A client that asks to connect; remembered once it is let in.
    pub(super) fn introduce(&self, id: &Id, protocol: Protocol) -> Arc<Client> {
        let listener = usize::from(id.lid()).checked_sub(1).and_then(|index| self.listeners.get(index));
        Arc::new(Client {
            id: Text::from(&*id.client_id),
            username: id.username.as_ref().map(|name| Text::from(&**name)),
            address: Text::from(id.remote_addr.map(|address| address.to_string()).unwrap_or_default()),
            listener: listener.cloned().unwrap_or_else(|| Text::from("")),
            node_id: id.node(),
            serial: self.counters.next_serial.fetch_add(1, Relaxed) + 1,
            protocol,
        })
    }

    pub(super) fn let_in(&self, id: &Id, client: Arc<Client>) {
        let mut known = self.known.lock();
        if known.clients.len() >= known.sweep_at {
            known.clients.retain(|_, known| !matches!(known.phase, Phase::LetIn(since) if since.elapsed() > HANDSHAKE));
            known.sweep_at = MAX_GONE.max(2 * known.clients.len());
        }
        known.clients.insert(id.clone(), Known { client, phase: Phase::LetIn(Instant::now()) });
    }

    pub(super) fn connected(&self, id: &Id) {
        let client = match self.known.lock().clients.get_mut(id) {
            Some(known) => {
                known.phase = Phase::Connected;
                known.client.clone()
            }
            None => return,
        };
        self.counters.connections.fetch_add(1, Relaxed);
        self.callbacks.connected(Connected { client });
    }

    pub(super) fn disconnected(&self, id: &Id, by: DisconnectedBy, reason_code: u8, reason: Text) {
        let mut known = self.known.lock();
        let client = match known.clients.get_mut(id) {
            Some(Known { client, phase: phase @ Phase::Connected }) => {
                *phase = Phase::Gone;
                client.clone()
            }
            _ => return,
        };
        known.gone.push_back(id.clone());
        if known.gone.len() > MAX_GONE {
            if let Some(oldest) = known.gone.pop_front() {
                known.clients.remove(&oldest);
            }
        }
        drop(known);
        self.callbacks.disconnected(Disconnected { client, by, reason_code, reason });
    }

    pub(super) fn any_connected(&self) -> bool {
        self.known.lock().clients.values().any(Known::is_connected)
    }

    /// Reports those that the end of the runtime cuts off.
    pub(super) fn disconnect_remaining(&self) {
        let known = self.known.lock();
        let remaining = known.clients.iter().filter(|(_, known)| known.is_connected());
        let remaining: Vec<Id> = remaining.map(|(id, _)| id.clone()).collect();
        drop(known);
        for id in remaining {
            self.disconnected(&id, DisconnectedBy::Broker, SERVER_SHUTTING_DOWN, Text::from(STOPPING));
        }
    }

    /// RMQTT's message as the host program sees it.
    pub(super) fn message(&self, from: &rmqtt::types::From, publish: &Publish) -> Message {
        let origin = match from.typ() {
            // A live message reaches a subscription of the API without its retain flag.
            _ if publish.retain => Origin::Retained,
            FromType::Custom => Origin::Client,
            FromType::Admin => Origin::Api,
            FromType::LastWill => Origin::Will,
            FromType::Bridge => Origin::Bridge,
            FromType::System => Origin::System,
        };
        Message {
            topic: Text::from(&*publish.topic),
            payload: publish.payload.clone(),
            qos: from_packet_qos(publish.qos),
            retain: publish.retain,
            origin,
            publisher: self.known.lock().clients.get(&from.id).map(|known| known.client.clone()),
        }
    }

    pub(super) fn in_process_added(&self) {
        self.in_process.fetch_add(1, SeqCst);
    }

    pub(super) fn in_process_removed(&self) {
        self.in_process.fetch_sub(1, SeqCst);
    }

    pub(super) fn in_process_subscriptions(&self) -> u64 {
        self.in_process.load(SeqCst)
    }
}
