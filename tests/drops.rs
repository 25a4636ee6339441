//! `message_dropped` is told of what the statistics count, whichever way the message came.

#[path = "support/mqtt.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod mqtt;

use std::sync::mpsc::{channel, Sender};
use std::sync::Mutex;

use mqtt::{Client, Connect, LONG};
use rmqttc::broker::Broker;
use rmqttc::hooks::{DropCause, Event, Hook, HookSet, Hooks};

struct Told(Mutex<Sender<(String, DropCause)>>);

impl Hooks for Told {
    fn interest(&self) -> HookSet {
        HookSet::of(&[Hook::MessageDropped])
    }

    fn tell(&self, event: &Event) {
        let Event::MessageDropped(dropped) = event else { panic!("{event:?}") };
        let client = dropped.client.as_ref().map_or_else(String::new, |client| client.id.to_string());
        self.0.lock().unwrap().send((client, dropped.cause)).unwrap();
    }
}

/// The messages of a shared subscription that a member leaves behind go to another one, which has no room for them.
#[test]
fn messages_that_another_member_cannot_take_are_told() {
    let config = r#"{"listeners":[{"address":"127.0.0.1:0"}],"auth":{"allow_anonymous":true},
                     "limits":{"max_inflight":1,"max_queued_messages":1}}"#;
    let broker = Broker::new(config).unwrap();
    let (send, told) = channel();
    broker.set_hooks(Some(Box::new(Told(Mutex::new(send)))));
    broker.start().unwrap();
    let address = broker.listener(0).unwrap().address.to_string();
    let mut members = ["leaves", "stays"].map(|id| Connect::v3(id).persistent().open(&address).unwrap());
    for member in &mut members {
        assert_eq!(member.subscribe_with("$share/g/t", 1), Some(1));
    }
    let mut publisher = Client::connect(&address, "publisher").unwrap();
    // One that is not acknowledged for each of them, then one that waits for each.
    for round in 0..2 {
        for _ in 0..2 {
            publisher.publish("t", b"x", false);
        }
        if round == 0 {
            members.iter_mut().for_each(|member| assert_eq!(member.message().qos, 1));
        }
    }
    let [mut leaves, _stays] = members;
    leaves.send(0xE0, &[]);
    for _ in 0..2 {
        assert_eq!(told.recv_timeout(LONG).unwrap(), ("stays".to_owned(), DropCause::QueueFull));
    }
    assert_eq!(broker.stats().messages_dropped_queue_full, 2);
}
