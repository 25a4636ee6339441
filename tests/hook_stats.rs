//! What hooks have done is counted, hook by hook, and what they hold up is bounded.

#[path = "support/brokers.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod brokers;
#[path = "support/mqtt.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod mqtt;

use std::collections::HashSet;
use std::sync::mpsc::{sync_channel, Receiver, SyncSender};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::Duration;

use brokers::eventually;
use mqtt::{Client, Connect, LONG};
use rmqttc::broker::{Broker, Publish};
use rmqttc::hooks::{in_place, Answer, Event, Hook, HookSet, Hooks, Question, Verdict};
use rmqttc::model::QoS;
use serde_json::Value;

type Tell = Box<dyn Fn(&Event) + Send + Sync>;

/// Hooks of a test.
struct Told {
    set: HookSet,
    in_place: HookSet,
    tell: Tell,
}

impl Told {
    fn new(set: &[Hook], tell: impl Fn(&Event) + Send + Sync + 'static) -> Box<Told> {
        Box::new(Told { set: HookSet::of(set), in_place: HookSet::NONE, tell: Box::new(tell) })
    }

    fn in_place(set: &[Hook], tell: impl Fn(&Event) + Send + Sync + 'static) -> Box<Told> {
        Box::new(Told { in_place: HookSet::of(set), ..*Told::new(set, tell) })
    }
}

impl Hooks for Told {
    fn interest(&self) -> HookSet {
        self.set
    }

    fn in_place(&self) -> HookSet {
        self.in_place
    }

    fn decide(&self, _question: Question<'_>) -> Answer {
        Answer::Now(Verdict::ALLOW)
    }

    fn tell(&self, event: &Event) {
        (self.tell)(event);
    }
}

fn broker(more: &str, hooks: Box<Told>) -> (Broker, String) {
    let config = format!(
        r#"{{"listeners":[{{"address":"127.0.0.1:0"}}],"auth":{{"allow_anonymous":true}},
            "runtime":{{"worker_threads":1,"thread_name":"hs"}}{more}}}"#
    );
    let broker = Broker::new(&config).unwrap();
    broker.set_hooks(Some(hooks));
    broker.start().unwrap();
    let address = broker.listener(0).unwrap().address.to_string();
    (broker, address)
}

/// A hook that waits for a word each time.
fn hesitant() -> (impl Fn() + Send + Sync, SyncSender<()>) {
    let (word, words) = sync_channel::<()>(100);
    let words: Mutex<Receiver<()>> = Mutex::new(words);
    (move || words.lock().unwrap().recv_timeout(LONG).unwrap(), word)
}

/// Whether nothing comes for a client for so long.
fn is_silent(client: &Client, ms: u64) -> bool {
    client.socket().set_read_timeout(Some(Duration::from_millis(ms))).unwrap();
    let silent = client.socket().peek(&mut [0]).is_err();
    client.socket().set_read_timeout(Some(LONG)).unwrap();
    silent
}

fn threads_named(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|comm| comm.trim_end() == name).count()
}

const CONNECTED: &[Hook] = &[Hook::Connected];

#[test]
fn the_metrics_are_json() {
    let (broker, address) = broker("", Told::new(&[Hook::Connected, Hook::AuthorizeSubscribe], |_| ()));
    let mut client = Connect::v5("c").open(&address).unwrap();
    client.subscribe_with("t", 1);
    eventually("told", || broker.hook_stats(Hook::Connected).told == 1);
    let metrics: Value = serde_json::from_str(&broker.metrics_json()).unwrap();
    assert_eq!((&metrics["connected_clients"], &metrics["decisions_allowed"]), (&1.into(), &1.into()));
    assert_eq!((&metrics["subscriptions"], &metrics["events_told"]), (&1.into(), &1.into()));
    let hooks: HashSet<&str> = metrics["hooks"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(hooks, HashSet::from(["connected", "authorize_subscribe"]));
    let asked = &metrics["hooks"]["authorize_subscribe"];
    assert_eq!((&asked["allowed"], &asked["denied"], &asked["in_flight"]), (&1.into(), &0.into(), &0.into()));
    assert_eq!(asked["time"]["count"], 1);
    // Hooks that have been called stay; those that are only set come and go.
    broker.set_hooks(Some(Told::new(&[Hook::Disconnected], |_| ())));
    let metrics: Value = serde_json::from_str(&broker.metrics_json()).unwrap();
    assert_eq!(metrics["hooks"].as_object().unwrap().len(), 3);
    broker.set_hooks(None);
    let metrics: Value = serde_json::from_str(&broker.metrics_json()).unwrap();
    assert_eq!(metrics["hooks"].as_object().unwrap().len(), 2);
}

/// The only worker thread runs the hook: nothing can be dispatched before it returns but in the hook itself.
#[test]
fn what_a_hook_in_place_publishes_waits_until_it_returns() {
    let own = Arc::new(Mutex::new(Weak::<Broker>::new()));
    let (seen, sees) = sync_channel(1);
    let publishing = own.clone();
    let (broker, address) = broker(
        "",
        Told::in_place(CONNECTED, move |_| {
            let broker: Arc<Broker> = publishing.lock().unwrap().upgrade().unwrap();
            assert!(in_place());
            let message = Publish { topic: "t".into(), payload: "x".into(), retain: true, ..Publish::default() };
            broker.publish(message).unwrap();
            seen.send(broker.stats().retained_messages).unwrap();
        }),
    );
    let broker = Arc::new(broker);
    *own.lock().unwrap() = Arc::downgrade(&broker);
    let _client = Client::connect(&address, "c").unwrap();
    assert_eq!(sees.recv_timeout(LONG), Ok(0));
    eventually("published", || broker.stats().retained_messages == 1);
    assert_eq!(broker.hook_stats(Hook::Connected).failed, 0);
}

#[test]
fn an_event_without_room_is_dropped() {
    let (wait, word) = hesitant();
    let (broker, address) = broker(r#","callbacks":{"queue":1}"#, Told::new(CONNECTED, move |_| wait()));
    let of = || broker.hook_stats(Hook::Connected);
    // Four threads, and one place. A thread may not have taken an event off the queue when the next one comes.
    let mut clients = Vec::new();
    while of().in_flight < 5 || of().dropped < 3 {
        let mut client = Client::connect(&address, &clients.len().to_string()).unwrap();
        assert!(client.ping(), "nobody is held back");
        clients.push(client);
    }
    let dropped = clients.len() as u64 - 5;
    assert_eq!((of().in_flight, of().dropped), (5, dropped));
    (0..5).for_each(|_| word.send(()).unwrap());
    eventually("told", || of().told == 5 && of().in_flight == 0);
    assert_eq!((of().dropped, broker.stats().events_dropped), (dropped, dropped));
}

/// One thread, whose hook waits; one event of another client in the queue; and a client whose event has found no room.
fn held_back(timeout_ms: u32) -> (Broker, String, SyncSender<()>, Vec<Client>) {
    let (wait, word) = hesitant();
    let more = format!(r#","callbacks":{{"queue":1,"threads":1,"timeout_ms":{timeout_ms},"event_overflow":"wait"}}"#);
    let (broker, address) = broker(&more, Told::new(CONNECTED, move |_| wait()));
    let mut clients = vec![Client::connect(&address, "runs").unwrap()];
    assert_eq!(clients[0].subscribe_with("t", 1), Some(1));
    eventually("it runs", || broker.hook_stats(Hook::Connected).in_flight == 1);
    thread::sleep(Duration::from_millis(20));
    for id in ["waits", "finds no room"] {
        clients.push(Client::connect(&address, id).unwrap());
    }
    eventually("three events", || broker.hook_stats(Hook::Connected).in_flight == 3);
    (broker, address, word, clients)
}

#[test]
fn a_client_whose_event_finds_no_room_waits_for_some() {
    let (broker, address, word, mut clients) = held_back(600_000);
    let of = || broker.hook_stats(Hook::Connected);
    let mut last = clients.pop().unwrap();
    last.send(0xc0, &[]);
    assert!(is_silent(&last, 100), "it is not read from");
    // So it goes for everybody whose messages may be events.
    let (topic, payload) = ("t".into(), "x".into());
    broker.publish(Publish { topic, payload, qos: QoS::AtLeastOnce, ..Publish::default() }).unwrap();
    assert!(is_silent(&clients[0], 100), "it is not sent messages");
    word.send(()).unwrap();
    assert!(is_silent(&last, 50), "one waits, one runs");
    word.send(()).unwrap();
    assert_eq!(last.receive().unwrap().0, 0xd0);
    assert_eq!(clients[0].message().topic, "t");
    word.send(()).unwrap();
    eventually("told", || of().told == 3);
    assert_eq!((of().dropped, of().in_flight), (0, 0));
    word.send(()).unwrap();
    let mut next = Client::connect(&address, "next").unwrap();
    assert!(next.ping());
    eventually("told", || of().told == 4);
}

#[test]
fn a_client_does_not_wait_for_ever() {
    let (broker, address, word, mut clients) = held_back(200);
    let of = || broker.hook_stats(Hook::Connected);
    assert!(clients[2].ping(), "after its time");
    assert_eq!(of().dropped, 0);
    // The queue is as full as before: nobody waits any more, and events are dropped.
    for id in ["4", "5"] {
        let mut client = Client::connect(&address, id).unwrap();
        assert!(client.ping());
        clients.push(client);
    }
    assert_eq!(of().dropped, 2);
    (0..3).for_each(|_| word.send(()).unwrap());
    eventually("told", || of().told == 3);
    // There is room again.
    word.send(()).unwrap();
    clients.push(Client::connect(&address, "6").unwrap());
    eventually("told", || of().told == 4);
    assert_eq!(of().dropped, 2);
}

#[test]
fn a_client_that_is_held_back_can_be_closed() {
    let (broker, _address, word, mut clients) = held_back(600_000);
    let stopping = thread::spawn(move || broker.stop(LONG).unwrap());
    assert!(clients[2].receive().is_none());
    (0..3).for_each(|_| word.send(()).unwrap());
    stopping.join().unwrap();
}

#[test]
fn decisions_have_room_while_events_have_none() {
    let (wait, word) = hesitant();
    let (begin, begun) = sync_channel(3);
    let hooks = Told::new(&[Hook::Connected, Hook::AuthorizeSubscribe], move |event| match event {
        Event::Connected(client) if &*client.id == "first" => {
            begin.send(()).unwrap();
            wait();
        }
        _ => (),
    });
    let (broker, address) = broker(r#","callbacks":{"queue":1,"threads":2}"#, hooks);
    // One client connects again and again: all of its events wait behind its first one.
    let _first = Client::connect(&address, "first").unwrap();
    begun.recv_timeout(LONG).unwrap();
    let _second = Client::connect(&address, "first").unwrap();
    let _third = Client::connect(&address, "first").unwrap();
    eventually("full", || broker.hook_stats(Hook::Connected).dropped == 1);
    let mut other = Connect::v5("other").open(&address).unwrap();
    assert_eq!(other.subscribe_with("t", 1), Some(1));
    let stats = broker.hook_stats(Hook::AuthorizeSubscribe);
    assert_eq!((stats.allowed, stats.denied_in_all()), (1, 0));
    (0..2).for_each(|_| word.send(()).unwrap());
}

#[test]
fn slow_hooks_in_place_are_watched_from_start_to_stop() {
    let (wait, word) = hesitant();
    let config = r#"{"listeners":[{"address":"127.0.0.1:0"}],"auth":{"allow_anonymous":true},
        "runtime":{"worker_threads":1,"thread_name":"slow"}}"#;
    let broker = Broker::new(config).unwrap();
    broker.set_hooks(Some(Told::new(CONNECTED, |_| ())));
    broker.start().unwrap();
    assert_eq!(threads_named("slow-watch"), 0, "nothing to watch");
    broker.set_hooks(Some(Told::in_place(CONNECTED, move |_| wait())));
    eventually("a thread", || threads_named("slow-watch") == 1);
    let address = broker.listener(0).unwrap().address.to_string();
    let client = thread::spawn(move || Client::connect(&address, "c").unwrap());
    let of = || broker.hook_stats(Hook::Connected);
    eventually("seen", || of().slow == 1);
    assert_eq!((of().in_flight, of().told), (1, 0));
    thread::sleep(Duration::from_millis(50));
    word.send(()).unwrap();
    drop(client.join().unwrap());
    eventually("told", || of().told == 1);
    assert_eq!((of().slow, of().in_flight, broker.stats().slow_hook_calls), (1, 0, 1));
    broker.stop(LONG).unwrap();
    assert_eq!(threads_named("slow-watch"), 0);
    for _ in 0..1000 {
        broker.start().unwrap();
        broker.stop(Duration::ZERO).unwrap();
    }
    eventually("no thread", || threads_named("slow-watch") == 0);
}
