//! What the tests of listeners share: descriptors, Unix sockets, and what hooks see of a connection.

use std::io::{self, Read, Write};
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex};

use rmqttc::broker::Broker;
use rmqttc::hooks::{Answer, Hook, HookSet, Hooks, Question, Stage, Verdict};
use rmqttc::model::ConnectionInfo;

use crate::mqtt::Connect;

/// A broker that has been started, and lets everyone in. `listeners` are objects with commas between them.
pub fn broker_of(listeners: &str) -> Broker {
    let broker = unstarted(listeners);
    broker.start().unwrap_or_else(|error| panic!("{listeners}: {error}"));
    broker
}

pub fn unstarted(listeners: &str) -> Broker {
    let config =
        format!(r#"{{"listeners":[{listeners}],"auth":{{"allow_anonymous":true}},"runtime":{{"worker_threads":2}}}}"#);
    Broker::with_descriptors(&config, duplicate).unwrap_or_else(|error| panic!("{listeners}: {error}"))
}

/// Why a broker does not start.
pub fn no_start(listeners: &str) -> String {
    unstarted(listeners).start().unwrap_err().to_string()
}

/// As the C ABI does it.
fn duplicate(descriptor: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: tests keep what they configure open.
    unsafe { BorrowedFd::borrow_raw(descriptor) }.try_clone_to_owned()
}

/// A question about a connection: the hook, what it was shown as the address, and what else is known.
#[derive(Clone, Debug)]
pub struct Seen {
    pub hook: &'static str,
    pub address: String,
    pub listener: String,
    pub connection: Arc<ConnectionInfo>,
}

/// Hooks that let in everyone and write down what they see.
#[derive(Clone, Default)]
pub struct Watcher(Arc<Mutex<Vec<Seen>>>);

impl Watcher {
    pub fn of(broker: &Broker) -> Watcher {
        let watcher = Watcher::default();
        broker.set_hooks(Some(Box::new(watcher.clone())));
        watcher
    }

    /// What has been seen since the last call.
    pub fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Hooks for Watcher {
    fn interest(&self) -> HookSet {
        HookSet::of(&[Hook::PreConnect, Hook::Authenticate])
    }

    fn decide(&self, question: Question<'_>) -> Answer {
        let seen = match question {
            Question::PreConnect(asked) => Seen {
                hook: match asked.stage {
                    Stage::Accepted => "accepted",
                    Stage::Established => "established",
                },
                address: asked.address.to_string(),
                listener: asked.listener.to_string(),
                connection: asked.connection.clone(),
            },
            Question::Authenticate(asked) => Seen {
                hook: "authenticate",
                address: asked.client.address.to_string(),
                listener: asked.client.listener.to_string(),
                connection: asked.connection.clone(),
            },
            other => panic!("{other:?}"),
        };
        self.0.lock().unwrap().push(seen);
        Answer::Now(Verdict::ALLOW)
    }
}

/// Sends some octets with a CONNECT behind them; the code of CONNACK, or `None` if the broker closes the connection.
pub fn connack(stream: &mut (impl Read + Write), before: &[u8]) -> Option<u8> {
    stream.write_all(&[before, &Connect::v3("client").packet()].concat()).unwrap();
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).ok()?;
    assert_eq!(connack[..3], [0x20, 2, 0]);
    Some(connack[3])
}
