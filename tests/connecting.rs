//! What a hook that lets a client in may say besides, and how CONNECT has been answered.

#[path = "conformance/client.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod client;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use client::*;
use rmqttc::hooks::{
    complete, defer, Answer, Changes, Denial, Event, Hook, HookSet, Hooks, Question, Remarks, Verdict,
};
use rmqttc::model::Text;

/// Answers by user name, or with an authentication method by that; who is not on the list is denied.
#[derive(Clone)]
struct Doorman {
    in_place: bool,
    list: Arc<HashMap<&'static str, Verdict>>,
    /// What has been told, each with `;` behind it.
    log: Arc<Mutex<String>>,
    /// The client of the last event or question.
    last: Arc<Mutex<String>>,
}

const HOOKS: [Hook; 6] = [
    Hook::Authenticate,
    Hook::AuthExchange,
    Hook::AuthorizeSubscribe,
    Hook::Connack,
    Hook::Connected,
    Hook::Disconnected,
];

const SERVER_REFERENCE: u8 = 28;

impl Hooks for Doorman {
    fn interest(&self) -> HookSet {
        HookSet::of(&HOOKS)
    }

    fn in_place(&self) -> HookSet {
        HOOKS.into_iter().fold(HookSet::NONE, |set, hook| set.with(hook, self.in_place))
    }

    fn decide(&self, question: Question<'_>) -> Answer {
        let name = match question {
            Question::Authenticate(asked) => asked.client.username.as_deref().unwrap_or("").to_owned(),
            Question::AuthExchange(asked) => asked.method.to_string(),
            Question::AuthorizeSubscribe(asked) => {
                *self.last.lock().unwrap() = format!("{} {}", asked.client.id, asked.client.superuser);
                return Answer::Now(Verdict::ALLOW);
            }
            other => panic!("{other:?}"),
        };
        let (name, slow) = name.strip_prefix("slow-").map_or((&*name, false), |name| (name, true));
        let verdict = self.list.get(name).cloned().unwrap_or_else(Verdict::deny);
        if !slow {
            return Answer::Now(verdict);
        }
        let ticket = defer().unwrap();
        thread::spawn(move || complete(ticket, verdict));
        Answer::Deferred
    }

    fn tell(&self, event: &Event) {
        let text = match event {
            Event::Connack(connack) => format!(
                "connack {} {:#x} {} {};",
                connack.client.id,
                connack.reason_code,
                connack.reason.as_deref().unwrap_or("-"),
                connack.session_present
            ),
            Event::Connected(client) => format!("+{};", client.id),
            Event::Disconnected(event) => format!("-{};", event.client.id),
            other => panic!("{other:?}"),
        };
        self.log.lock().unwrap().push_str(&text);
    }
}

impl Doorman {
    #[track_caller]
    fn expect(&self, log: &str) {
        let begin = Instant::now();
        while *self.log.lock().unwrap() != log {
            assert!(begin.elapsed() < Duration::from_secs(10), "{} instead of {log}", self.log.lock().unwrap());
            thread::sleep(Duration::from_millis(1));
        }
        self.log.lock().unwrap().clear();
    }
}

fn guarded(in_place: bool, list: &[(&'static str, Verdict)], more: &str) -> (Doorman, Server) {
    let server = Server::anonymous(false, more);
    let list = Arc::new(list.iter().cloned().collect());
    let doorman = Doorman { in_place, list, log: Arc::default(), last: Arc::default() };
    server.broker.set_hooks(Some(Box::new(doorman.clone())));
    (doorman, server)
}

fn allow(change: impl FnOnce(&mut Changes)) -> Verdict {
    let mut changes = Changes::default();
    change(&mut changes);
    Verdict::Allow(Some(Box::new(changes)))
}

fn renamed(id: &str) -> Verdict {
    allow(|changes| changes.client_id = Some(Text::from(id)))
}

fn remarks(server_reference: Option<&str>) -> Remarks {
    let user_properties = vec![(Text::from("a"), Text::from("1")), (Text::from("b"), Text::from("2"))];
    Remarks { user_properties, server_reference: server_reference.map(Text::from) }
}

/// By user name, and by authentication method where there are any.
fn connects(version: u8, id: &str, name: &str) -> Vec<Connect> {
    let base = if version == 5 { Connect::new(id) } else { Connect::v3(id) };
    let mut all = vec![base.clone().username(name), base.clone().username(format!("slow-{name}"))];
    if version == 5 {
        all.push(base.clone().property(bytes(property::AUTHENTICATION_METHOD, name)));
    }
    all
}

#[test]
fn a_hook_may_give_another_client_identifier() {
    for in_place in [false, true] {
        let (doorman, server) = guarded(in_place, &[("x", renamed("other")), ("same", Verdict::ALLOW)], "");
        for version in [4, 5] {
            for id in ["client", ""] {
                for connect in connects(version, id, "x") {
                    let mut client = server.connect(&connect);
                    let told = (version == 5 && id.is_empty()).then_some(&b"other"[..]);
                    assert_eq!(client.connack.data(property::ASSIGNED_CLIENT_ID), told);
                    client.subscribe("t", 0);
                    assert_eq!(*doorman.last.lock().unwrap(), "other false");
                    client.disconnect();
                    doorman.expect("connack other 0x0 - false;+other;-other;");
                }
            }
        }
        // One session, whatever the clients call themselves.
        let first = server.connect(&Connect::new("one").expiry(100).username("x"));
        let second = server.connect(&Connect::new("two").expiry(100).resume().username("x"));
        assert!(second.connack.session_present);
        first.drop_connection();
        assert_eq!(server.broker.stats().sessions, 1);
        doorman.expect("connack other 0x0 - false;+other;-other;connack other 0x0 - true;+other;");
        let third = server.connect(&Connect::new("other").expiry(100).resume().username("same"));
        assert!(third.connack.session_present);
    }
}

#[test]
fn what_is_no_client_identifier_is_refused() {
    let list =
        [("empty", renamed("")), ("nul", renamed("a\0b")), ("long", renamed("123456789")), ("ok", renamed("12345678"))];
    let (doorman, server) = guarded(false, &list, r#""limits":{"max_client_id_length":8}"#);
    for name in ["empty", "nul", "long"] {
        assert_eq!(server.refusal(&Connect::new("client").username(name)), 0x85);
        doorman.expect("connack client 0x85 - false;");
        assert_eq!(server.refusal(&Connect::v3("client").username(name)), 2);
        doorman.expect("connack client 0x85 - false;");
    }
    server.connect(&Connect::new("client").username("ok"));
    assert_eq!(server.broker.stats().connections, 1);
}

#[test]
fn a_superuser_may_publish_where_no_other_client_may() {
    let list = [("root", allow(|changes| changes.superuser = true)), ("user", Verdict::ALLOW)];
    let (doorman, server) = guarded(false, &list, "");
    let mut subscriber = server.connect(&Connect::new("subscriber").username("user"));
    subscriber.subscribe("$SYS/#", 0);
    assert_eq!(*doorman.last.lock().unwrap(), "subscriber false");
    let will = Will::new("$SYS/will", "gone");
    for connect in connects(5, "client", "root") {
        let mut client = server.connect(&connect.will(will.clone()));
        client.subscribe("t", 0);
        assert_eq!(*doorman.last.lock().unwrap(), "client true");
        client.publish(Publish::new("$SYS/x", "here").qos(1));
        subscriber.expect_message("here");
        client.drop_connection();
        subscriber.expect_message("gone");
    }
    let user = Connect::new("client").username("user");
    assert_eq!(server.refusal(&user.clone().will(will)), 0x87);
    let mut client = server.connect(&user);
    client.send_publish(&Publish::new("$SYS/x", "no").qos(1));
    assert_eq!(client.expect(PUBACK).code, 0x87);
}

#[test]
fn a_hook_may_decide_how_long_a_session_lasts() {
    let expiry = |seconds| allow(move |changes| changes.session_expiry_s = Some(seconds));
    let list = [("short", expiry(0)), ("long", expiry(60)), ("longer", expiry(200)), ("as-asked", Verdict::ALLOW)];
    let (_, server) = guarded(false, &list, r#""session":{"max_expiry_s":100}"#);
    let told = |name, asked| {
        let client = server.connect(&Connect::new("client").username(name).expiry(asked));
        let told = client.connack.number(property::SESSION_EXPIRY);
        client.disconnect();
        (told, server.broker.stats().sessions)
    };
    assert_eq!(told("as-asked", 50), (None, 1));
    assert_eq!(told("as-asked", 150), (Some(100), 1));
    assert_eq!(told("short", 50), (Some(0), 0));
    assert_eq!(told("long", 60), (None, 1));
    assert_eq!(told("long", 0), (Some(60), 1));
    assert_eq!(told("longer", 50), (Some(100), 1));
    // It is not for the client to make more of it with DISCONNECT, but it may make less.
    let short = server.connect(&Connect::new("client").username("short").expiry(50));
    short.disconnect_with(0, &[four(property::SESSION_EXPIRY, 50)]);
    assert_eq!(server.broker.stats().sessions, 0);
    let long = server.connect(&Connect::new("client").username("long").expiry(50));
    long.disconnect_with(0, &[four(property::SESSION_EXPIRY, 0)]);
    assert_eq!(server.broker.stats().sessions, 0);

    let left = |connect: Connect, name| {
        server.connect(&connect.username(name)).disconnect();
        server.broker.stats().sessions
    };
    assert_eq!(left(Connect::v3("client").resume(), "as-asked"), 1);
    assert_eq!(left(Connect::v3("client").resume(), "short"), 0);
    assert_eq!(left(Connect::v3("client").resume(), "long"), 1);
    // Clean session means just that.
    assert_eq!(left(Connect::v3("client"), "long"), 0);
}

#[test]
fn a_hook_may_give_another_keep_alive() {
    let keep_alive = |seconds| allow(move |changes| changes.keep_alive_s = Some(seconds));
    let list = [("one", keep_alive(1)), ("none", keep_alive(0)), ("much", keep_alive(1000)), ("plain", Verdict::ALLOW)];
    let (_, server) = guarded(false, &list, r#""limits":{"max_keepalive_s":500}"#);
    let told = |name, asked| {
        let client = server.connect(&Connect::new("told").username(name).keep_alive(asked));
        client.connack.number(property::SERVER_KEEP_ALIVE)
    };
    assert_eq!(told("plain", 10), None);
    assert_eq!(told("one", 10), Some(1));
    assert_eq!(told("one", 1), None);
    assert_eq!(told("much", 10), Some(500));
    assert_eq!(told("none", 10), Some(500));
    let mut silent = server.connect(&Connect::new("silent").username("one").keep_alive(100));
    // It cannot be told.
    let mut older = server.connect(&Connect::v3("older").username("one").keep_alive(100));
    silent.expect_disconnect(0x8D);
    older.expect_quiet();
    let (_, server) = guarded(false, &list, "");
    let client = server.connect(&Connect::new("client").username("none").keep_alive(1));
    assert_eq!(client.connack.number(property::SERVER_KEEP_ALIVE), Some(0));
}

#[test]
fn connack_carries_what_the_hook_says() {
    let granted = allow(|changes| {
        changes.reason = Some(Text::from("welcome"));
        changes.remarks = remarks(Some("elsewhere"));
        changes.response_information = Some(Text::from("answers/"));
        changes.auth_data = Some(Bytes::from("proof"));
    });
    let denied = |code| {
        let remarks = Some(Box::new(remarks(Some("elsewhere"))));
        Verdict::denied(Denial { reason_code: Some(code), reason: Some(Text::from("go")), remarks })
    };
    let list = [("yes", granted), ("no", denied(0x86)), ("moved", denied(0x9D))];
    for in_place in [false, true] {
        let (doorman, server) = guarded(in_place, &list, "");
        for connect in connects(5, "client", "yes") {
            let by_method = connect.username.is_none();
            let connack = server.connect(&connect).connack;
            assert_eq!(connack.data(property::REASON_STRING), Some(&b"welcome"[..]));
            assert_eq!(connack.user_properties(), [("a", "1"), ("b", "2")]);
            assert!(!connack.has(property::RESPONSE_INFORMATION));
            assert!(!connack.has(SERVER_REFERENCE));
            // Authentication data belong to a method [MQTT-4.12.0-6].
            assert_eq!(connack.has(property::AUTHENTICATION_DATA), by_method);
            assert_eq!(connack.has(property::AUTHENTICATION_METHOD), by_method);
            doorman.expect("connack client 0x0 welcome false;+client;-client;");
            let asks = connect.property(byte(property::REQUEST_RESPONSE_INFORMATION, 1));
            let connack = server.connect(&asks).connack;
            assert_eq!(connack.data(property::RESPONSE_INFORMATION), Some(&b"answers/"[..]));
            doorman.expect("connack client 0x0 welcome false;+client;-client;");
        }
        for (name, code) in [("no", 0x86), ("moved", 0x9D)] {
            for connect in connects(5, "client", name) {
                let mut client = server.send_connect(&connect);
                let connack = client.expect(CONNACK);
                assert_eq!(connack.code, code);
                assert_eq!(connack.data(property::REASON_STRING), Some(&b"go"[..]));
                assert_eq!(connack.user_properties(), [("a", "1"), ("b", "2")]);
                assert_eq!(connack.has(SERVER_REFERENCE), code == 0x9D);
                client.expect_closed();
                doorman.expect(&format!("connack client {code:#x} go false;"));
            }
        }
        // Neither is there room for any of it before MQTT 5.
        assert_eq!(server.connect(&Connect::v3("client").username("yes")).connack.raw, [0x20, 2, 0, 0]);
        doorman.expect("connack client 0x0 welcome false;+client;-client;");
        assert_eq!(server.refusal(&Connect::v3("client").username("moved")), 3);
        doorman.expect("connack client 0x9d go false;");
    }
}

/// Whoever refuses it, and as soon as it could be read.
#[test]
fn every_connect_that_is_answered_is_told_of() {
    for in_place in [false, true] {
        let (doorman, server) =
            guarded(in_place, &[("x", Verdict::ALLOW)], r#""limits":{"max_qos":1,"max_sessions":1}"#);
        assert_eq!(server.refusal(&Connect::new("a").username("y")), 0x87);
        doorman.expect("connack a 0x87 - false;");
        assert_eq!(server.refusal(&Connect::v3("a").username("y")), 5);
        doorman.expect("connack a 0x87 - false;");
        assert_eq!(server.refusal(&Connect::new("a").username("x").will(Will::new("t", "").qos(2))), 0x9B);
        doorman.expect("connack a 0x9b - false;");
        assert_eq!(server.refusal(&Connect::new("a").username("x").will(Will::new("$SYS/t", ""))), 0x87);
        doorman.expect("connack a 0x87 - false;");
        let client = server.connect(&Connect::new("b").expiry(100).username("x"));
        doorman.expect("connack b 0x0 - false;+b;");
        assert_eq!(server.refusal(&Connect::new("a").username("x")), 0x97);
        doorman.expect("connack a 0x97 - false;");
        // The connection before has gone when the next one is answered.
        let _client = server.connect(&Connect::new("b").resume().username("x"));
        doorman.expect("-b;connack b 0x0 - true;+b;");
        drop(client);
        // What cannot be read is nobody's.
        let mut bad = server.open(5);
        bad.send(CONNECT, &[0]);
        bad.expect_closed();
        let mut silent = server.open(5);
        silent.send(PINGREQ, &[]);
        silent.expect_closed();
        assert_eq!(server.refusal(&Connect::new("a").username("y")), 0x87);
        doorman.expect("connack a 0x87 - false;");
    }
}
