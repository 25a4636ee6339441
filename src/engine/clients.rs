use std::collections::HashMap;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use std::sync::Arc;

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
    /// From the question whether it may connect until it is gone.
    known: Mutex<HashMap<Id, Known>>,
    in_process: AtomicU64,
}

struct Known {
    client: Arc<Client>,
    connected: bool,
}

impl Clients {
    pub(super) fn new(listeners: Vec<Text>, callbacks: Arc<Callbacks>, counters: Arc<EngineCounters>) -> Self {
        Clients { listeners, callbacks, counters, known: Mutex::default(), in_process: AtomicU64::new(0) }
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
        self.known.lock().insert(id.clone(), Known { client, connected: false });
    }

    pub(super) fn connected(&self, id: &Id) {
        let client = match self.known.lock().get_mut(id) {
            Some(known) => {
                known.connected = true;
                known.client.clone()
            }
            None => return,
        };
        self.counters.connections.fetch_add(1, Relaxed);
        self.callbacks.connected(Connected { client });
    }

    pub(super) fn disconnected(&self, id: &Id, by: DisconnectedBy, reason_code: u8, reason: Text) {
        let known = self.known.lock().remove(id);
        if let Some(Known { client, connected: true }) = known {
            self.callbacks.disconnected(Disconnected { client, by, reason_code, reason });
        }
    }

    pub(super) fn any_connected(&self) -> bool {
        self.known.lock().values().any(|known| known.connected)
    }

    /// Reports those that the end of the runtime cuts off.
    pub(super) fn disconnect_remaining(&self) {
        let ids: Vec<Id> = self.known.lock().keys().cloned().collect();
        for id in ids {
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
            publisher: self.known.lock().get(&from.id).map(|known| known.client.clone()),
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
