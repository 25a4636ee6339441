//! Brokers with one listener that has certificates, and what hooks learn of its clients.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::sync::{Arc, Mutex};

use rmqttc::broker::Broker;
use rmqttc::hooks::{Answer, Event, Hook, HookSet, Hooks, Question, Stage, Verdict};
use rmqttc::model::{Client, ConnectionInfo};
use serde_json::{json, Value};

pub use crate::brokers::eventually;
use crate::certificates::{Authority, Issued};

/// What servers of tests are called.
pub const NAMES: [&str; 2] = ["DNS:localhost", "IP:127.0.0.1"];

/// The configuration of a broker with one listener.
pub fn config(kind: &str, tls: Value, listener: Value) -> Value {
    let mut config = json!({"type": kind, "address": "127.0.0.1:0", "allow_anonymous": true, "tls": tls});
    config.as_object_mut().unwrap().extend(listener.as_object().unwrap().clone());
    json!({"listeners": [config], "runtime": {"worker_threads": 2}})
}

pub fn start(config: &Value) -> (Broker, String) {
    let broker = Broker::new(&config.to_string()).unwrap();
    broker.start().unwrap();
    let address = broker.listener(0).unwrap().address.to_string();
    (broker, address)
}

/// The `tls` object of a server, with something added.
pub fn material(server: &Issued, more: Value) -> Value {
    let mut tls = json!({"cert_pem": server.certificate, "key_pem": server.key});
    tls.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    tls
}

/// An authority, and the material of a server that asks clients for certificates of it.
pub fn mutual(client_auth: &str, more: Value) -> (Authority, Value) {
    let authority = Authority::new("authority");
    let server = authority.server(&NAMES);
    let mut tls = material(&server, json!({"client_ca_pem": authority.pem(), "client_auth": client_auth}));
    tls.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    (authority, tls)
}

/// Lets everyone in, and remembers what it has been shown.
#[derive(Clone)]
pub struct Witness {
    hooks: HookSet,
    pub seen: Arc<Mutex<Vec<Seen>>>,
}

#[derive(Clone, Debug)]
pub enum Seen {
    PreConnect(Stage, String, Arc<ConnectionInfo>),
    Authenticate(Arc<Client>, Arc<ConnectionInfo>),
    Connected(Arc<Client>),
}

impl Witness {
    /// Has the broker show it these hooks.
    pub fn of(broker: &Broker, hooks: &[Hook]) -> Witness {
        let witness = Witness { hooks: HookSet::of(hooks), seen: Arc::default() };
        broker.set_hooks(Some(Box::new(witness.clone())));
        witness
    }

    /// What it has been shown, as soon as there is as much of it.
    pub fn take(&self, count: usize) -> Vec<Seen> {
        eventually("hooks called", || self.seen.lock().unwrap().len() >= count);
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    /// The user name of the client that has connected.
    pub fn connected(&self) -> Option<String> {
        match self.take(1).last().unwrap() {
            Seen::Connected(client) => client.username.as_ref().map(|name| name.to_string()),
            other => panic!("{other:?}"),
        }
    }

    fn note(&self, seen: Seen) {
        self.seen.lock().unwrap().push(seen);
    }
}

impl Hooks for Witness {
    fn interest(&self) -> HookSet {
        self.hooks
    }

    fn decide(&self, question: Question<'_>) -> Answer {
        match question {
            Question::PreConnect(asked) => {
                self.note(Seen::PreConnect(asked.stage, asked.address.to_string(), asked.connection.clone()));
            }
            Question::Authenticate(asked) => {
                self.note(Seen::Authenticate(asked.client.clone(), asked.connection.clone()));
            }
            other => panic!("{other:?}"),
        }
        Answer::Now(Verdict::ALLOW)
    }

    fn tell(&self, event: &Event) {
        if let Event::Connected(client) = event {
            self.note(Seen::Connected(client.clone()));
        }
    }
}
