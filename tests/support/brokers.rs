//! Brokers for tests, and a client that must not notice what others do.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rmqttc::broker::Broker;

use crate::mqtt::{Client, Connect, LONG};

/// A broker that lets everyone in. `more` is appended to the configuration, with a comma before it.
pub fn broker(more: &str) -> (Broker, String) {
    broker_with_listener("", more)
}

/// The same, with something appended to the configuration of its listener, too.
pub fn broker_with_listener(listener: &str, more: &str) -> (Broker, String) {
    let config = format!(
        r#"{{"listeners":[{{"address":"127.0.0.1:0"{listener}}}],"auth":{{"allow_anonymous":true}},
            "runtime":{{"worker_threads":2}}{more}}}"#
    );
    let broker = Broker::new(&config).unwrap();
    broker.start().unwrap();
    let address = broker.listener(0).unwrap().address.to_string();
    (broker, address)
}

/// Waits for something that nobody tells.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < LONG, "never came true: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A client that publishes to itself, with QoS 1, for as long as others misbehave.
pub struct Bystander {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u32>,
}

impl Bystander {
    pub fn start(address: &str) -> Bystander {
        Self::over(Client::open(address))
    }

    /// One whose connection is there already.
    pub fn over(client: Client) -> Bystander {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let mut client = Connect::v5("bystander").over(client).unwrap();
        assert_eq!(client.subscribe_with("bystander", 1), Some(1));
        let thread = thread::spawn(move || {
            let mut rounds = 0u32;
            // One more when it is over: the broker serves on.
            loop {
                let last = stopped.load(Relaxed);
                let number = rounds.to_be_bytes();
                client.send_publish(0x32, "bystander", 1, &number);
                let (mut acknowledged, mut received) = (false, false);
                while !(acknowledged && received) {
                    match client.receive().expect("the bystander has been disconnected") {
                        (0x40, _) => acknowledged = true,
                        (0x32, body) => {
                            assert_eq!(body[body.len() - 4..], number);
                            client.send(0x40, &body[11..13]);
                            received = true;
                        }
                        other => panic!("the bystander got {other:?}"),
                    }
                }
                rounds += 1;
                if last {
                    return rounds;
                }
            }
        });
        Bystander { stop, thread }
    }

    /// How many of its messages have come back to it.
    pub fn finish(self) -> u32 {
        self.stop.store(true, Relaxed);
        self.thread.join().expect("the bystander has suffered")
    }
}
