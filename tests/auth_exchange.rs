//! Enhanced authentication: the host program and a client to and fro, before CONNACK and again afterwards.

#[path = "conformance/client.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod client;

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use client::*;
use rmqttc::hooks::{
    complete, defer, Answer, Changes, Denial, Hook, HookSet, Hooks, Question, Remarks, Ticket, Verdict,
};
use rmqttc::model::Text;

/// Answers what the authentication data say: `go`, `more`, `no`, `no-8a`, `drop`, `fail`, `hold`; `slow-` before it defers.
#[derive(Clone, Default)]
struct Judge {
    in_place: bool,
    /// What has been asked, each with `;` behind it.
    log: Arc<Mutex<String>>,
    held: Arc<Mutex<Option<Ticket>>>,
}

const HOOKS: [Hook; 2] = [Hook::Authenticate, Hook::AuthExchange];

const SERVER_REFERENCE: u8 = 28;

fn text(text: &str) -> Option<Text> {
    Some(Text::from(text))
}

fn remarks() -> Remarks {
    let user_properties = vec![(Text::from("a"), Text::from("1")), (Text::from("a"), Text::from("2"))];
    Remarks { user_properties, server_reference: text("elsewhere") }
}

fn changes(auth_data: String) -> Option<Box<Changes>> {
    let auth_data = Some(Bytes::from(auth_data));
    Some(Box::new(Changes { auth_data, reason: text("words"), remarks: remarks(), ..Changes::default() }))
}

fn verdict(wish: &str, round: u32) -> Verdict {
    let denial = |code, reason| Denial { reason_code: Some(code), reason, remarks: Some(Box::new(remarks())) };
    match wish {
        "go" => Verdict::Allow(changes("welcome".to_owned())),
        "plain" => Verdict::ALLOW,
        "more" => Verdict::Continue(changes(format!("round {round}"))),
        "huge" => Verdict::Continue(changes("x".repeat(1000))),
        "no-8a" => Verdict::denied(denial(0x8A, text("go away"))),
        "no-9c" => Verdict::denied(denial(0x9C, None)),
        "drop" => Verdict::Drop,
        "fail" => Verdict::Failed,
        _ => Verdict::deny(),
    }
}

impl Hooks for Judge {
    fn interest(&self) -> HookSet {
        HookSet::of(&HOOKS)
    }

    fn in_place(&self) -> HookSet {
        HOOKS.into_iter().fold(HookSet::NONE, |set, hook| set.with(hook, self.in_place))
    }

    fn decide(&self, question: Question<'_>) -> Answer {
        let Question::AuthExchange(asked) = question else {
            self.log.lock().unwrap().push_str("authenticate;");
            return Answer::Now(Verdict::deny());
        };
        let data = asked.data.as_deref().map_or("-", |data| std::str::from_utf8(data).unwrap());
        let (client, method, round) = (&asked.client.id, &asked.method, asked.round);
        let again = if asked.again { " again" } else { "" };
        self.log.lock().unwrap().push_str(&format!("{client} {method} {data} {round}{again};"));
        if data == "hold" {
            *self.held.lock().unwrap() = defer();
            return Answer::Deferred;
        }
        let Some(wish) = data.strip_prefix("slow-") else { return Answer::Now(verdict(data, round)) };
        let (ticket, wish) = (defer().unwrap(), wish.to_owned());
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(10));
            // The client may have left meanwhile.
            let _ = complete(ticket, verdict(&wish, round));
        });
        Answer::Deferred
    }
}

impl Judge {
    fn asked(&self) -> String {
        std::mem::take(&mut *self.log.lock().unwrap())
    }

    fn ticket(&self) -> Ticket {
        let begin = Instant::now();
        loop {
            if let Some(ticket) = self.held.lock().unwrap().take() {
                return ticket;
            }
            assert!(begin.elapsed() < Duration::from_secs(10), "nothing has been deferred");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Nobody gets in without the hook.
fn judged(in_place: bool, more: &str) -> (Judge, Server) {
    let server = Server::anonymous(false, more);
    let judge = Judge { in_place, ..Judge::default() };
    server.broker.set_hooks(Some(Box::new(judge.clone())));
    (judge, server)
}

fn each_way(test: impl Fn(Judge, Server)) {
    for in_place in [false, true] {
        let (judge, server) = judged(in_place, "");
        test(judge, server);
    }
}

fn method(name: &str) -> Vec<u8> {
    bytes(property::AUTHENTICATION_METHOD, name)
}

fn data(data: &str) -> Vec<u8> {
    bytes(property::AUTHENTICATION_DATA, data)
}

fn connect(wish: &str) -> Connect {
    Connect::new("client").property(method("M")).property(data(wish))
}

const CONTINUE: u8 = 0x18;
const AGAIN: u8 = 0x19;

fn auth(code: u8, wish: &str) -> Vec<u8> {
    auth_with(code, &[method("M"), data(wish)])
}

fn auth_with(code: u8, list: &[Vec<u8>]) -> Vec<u8> {
    packet(AUTH, &[vec![code], properties(list)].concat())
}

/// AUTH with this code and this data, and what else the hook has said.
#[track_caller]
fn expect_auth(client: &mut Client, code: u8, wanted: Option<&str>) {
    let auth = client.expect(AUTH);
    assert_eq!(auth.code, code);
    check(&auth, wanted);
}

#[track_caller]
fn check(packet: &Packet, wanted: Option<&str>) {
    assert_eq!(packet.data(property::AUTHENTICATION_METHOD), Some(&b"M"[..]));
    assert_eq!(packet.data(property::AUTHENTICATION_DATA), wanted.map(str::as_bytes));
    if wanted.is_some() {
        assert_eq!(packet.data(property::REASON_STRING), Some(&b"words"[..]));
        assert_eq!(packet.user_properties(), [("a", "1"), ("a", "2")]);
    }
}

#[track_caller]
fn expect_refused(client: &mut Client, code: u8) -> Packet {
    let connack = client.expect(CONNACK);
    assert_eq!(connack.code, code, "{connack:?}");
    client.expect_closed();
    connack
}

#[test]
fn connect_may_say_enough() {
    each_way(|judge, server| {
        for wish in ["go", "slow-go"] {
            let mut client = server.connect(&connect(wish));
            check(&client.connack, Some("welcome"));
            assert_eq!(judge.asked(), format!("client M {wish} 1;"));
            client.expect_quiet();
        }
        check(&server.connect(&connect("plain")).connack, None);
        assert_eq!(judge.asked(), "client M plain 1;");
        let without_data = Connect::new("client").property(method("M"));
        assert_eq!(server.refusal(&without_data), 0x87);
        assert_eq!(judge.asked(), "client M - 1;");
        assert_eq!(server.refusal(&Connect::new("client")), 0x87);
        assert_eq!(judge.asked(), "authenticate;");
    });
}

#[test]
fn client_and_hook_go_on_until_the_hook_has_made_up_its_mind() {
    each_way(|judge, server| {
        let mut client = server.send_connect(&connect("more"));
        for (round, wish) in [(1, "slow-more"), (2, "more"), (3, "slow-go")] {
            expect_auth(&mut client, CONTINUE, Some(&format!("round {round}")));
            client.send_raw(&auth(CONTINUE, wish));
        }
        let connack = client.expect(CONNACK);
        assert_eq!(connack.code, 0);
        check(&connack, Some("welcome"));
        assert_eq!(judge.asked(), "client M more 1;client M slow-more 2;client M more 3;client M slow-go 4;");
        client.expect_quiet();
        assert_eq!(server.broker.stats().connections, 1);
    });
}

/// A client need not wait for the challenge to answer it.
#[test]
fn answers_may_come_ahead_of_their_questions() {
    each_way(|judge, server| {
        let mut client = server.open(5);
        let ping = packet(PINGREQ, &[]);
        client.send_raw(&[connect("slow-more").bytes(), auth(CONTINUE, "more"), auth(CONTINUE, "go"), ping].concat());
        expect_auth(&mut client, CONTINUE, Some("round 1"));
        expect_auth(&mut client, CONTINUE, Some("round 2"));
        assert_eq!(client.expect(CONNACK).code, 0);
        client.expect(PINGRESP);
        assert_eq!(judge.asked(), "client M slow-more 1;client M more 2;client M go 3;");
    });
}

#[test]
fn any_round_may_be_the_last() {
    each_way(|_, server| {
        for (wish, code) in
            [("no", 0x87), ("slow-no", 0x87), ("drop", 0x87), ("fail", 0x87), ("no-8a", 0x8A), ("no-9c", 0x9C)]
        {
            let mut clients = [server.send_connect(&connect(wish)), server.send_connect(&connect("more"))];
            expect_auth(&mut clients[1], CONTINUE, Some("round 1"));
            clients[1].send_raw(&auth(CONTINUE, wish));
            for client in &mut clients {
                let connack = expect_refused(client, code);
                let told = if code == 0x87 { vec![] } else { vec![("a", "1"), ("a", "2")] };
                assert_eq!(connack.user_properties(), told);
                let words = (code == 0x8A).then_some(&b"go away"[..]);
                assert_eq!(connack.data(property::REASON_STRING), words);
                let elsewhere = (code == 0x9C).then_some(&b"elsewhere"[..]);
                assert_eq!(connack.data(SERVER_REFERENCE), elsewhere);
            }
        }
        assert_eq!(server.broker.stats().connections, 0);
        assert_eq!(server.broker.stats().connections_refused, 12);
    });
}

/// [MQTT-3.1.2-30]
#[test]
fn nothing_but_auth_and_disconnect_is_allowed_before_connack() {
    each_way(|_, server| {
        for (wrong, code) in [
            (packet(PINGREQ, &[]), 0x82),
            (Publish::new("t", "x").bytes(5), 0x82),
            (connect("go").bytes(), 0x82),
            (auth(AGAIN, "go"), 0x82),
            (auth_with(CONTINUE, &[method("other"), data("go")]), 0x8C),
            (auth_with(CONTINUE, &[data("go")]), 0x82),
            (packet(AUTH | 1, &[]), 0x81),
        ] {
            let mut client = server.send_connect(&connect("more"));
            expect_auth(&mut client, CONTINUE, Some("round 1"));
            client.send_raw(&wrong);
            expect_refused(&mut client, code);
        }
        let refused = server.broker.stats().connections_refused;
        let mut client = server.send_connect(&connect("more"));
        expect_auth(&mut client, CONTINUE, Some("round 1"));
        client.send(DISCONNECT, &[]);
        client.expect_closed();
        assert_eq!(server.broker.stats().connections_refused, refused);
    });
}

#[test]
fn a_client_that_does_not_answer_runs_out_of_time() {
    let broker = rmqttc::broker::Broker::new(
        r#"{"listeners":[{"address":"127.0.0.1:0","connect_timeout_ms":200}],"runtime":{"worker_threads":1}}"#,
    )
    .unwrap();
    broker.set_hooks(Some(Box::new(Judge::default())));
    let server = Server::of(broker);
    let mut client = server.send_connect(&connect("more"));
    expect_auth(&mut client, CONTINUE, Some("round 1"));
    let begin = Instant::now();
    client.expect_closed();
    assert!(begin.elapsed() < Duration::from_secs(5));
    assert_eq!(server.broker.stats().connections_timed_out, 1);
    assert_eq!(server.broker.stats().connections_refused, 0);
}

#[test]
fn a_client_that_leaves_needs_no_decision() {
    for in_place in [false, true] {
        let (judge, server) = judged(in_place, r#""callbacks":{"timeout_ms":600000}"#);
        for round in 1..=2 {
            let mut client = server.send_connect(&connect(if round == 1 { "hold" } else { "more" }));
            if round == 2 {
                expect_auth(&mut client, CONTINUE, Some("round 1"));
                client.send_raw(&auth(CONTINUE, "hold"));
            }
            let ticket = judge.ticket();
            assert_eq!(server.broker.stats().decisions_pending, 1);
            client.drop_connection();
            assert_eq!(server.broker.stats().decisions_pending, 0);
            assert!(complete(ticket, Verdict::ALLOW).is_err());
        }
        assert_eq!(server.broker.stats().sessions, 0);
    }
}

#[test]
fn a_decision_that_is_not_made_in_time_denies() {
    let (judge, server) = judged(false, r#""callbacks":{"timeout_ms":100}"#);
    assert_eq!(server.refusal(&connect("hold")), 0x87);
    let mut client = server.connect(&connect("go"));
    client.send_raw(&auth(AGAIN, "hold"));
    client.expect_disconnect(0x87);
    assert_eq!(server.broker.stats().decisions_expired, 2);
    drop(judge);
}

#[test]
fn nobody_goes_on_for_ever() {
    each_way(|judge, server| {
        let mut client = server.send_connect(&connect("more"));
        for round in 1..64 {
            expect_auth(&mut client, CONTINUE, Some(&format!("round {round}")));
            client.send_raw(&auth(CONTINUE, "more"));
        }
        expect_refused(&mut client, 0x87);
        assert!(judge.asked().ends_with("client M more 64;"));

        let mut client = server.connect(&connect("go"));
        client.send_raw(&auth(AGAIN, "more"));
        for round in 1..64 {
            expect_auth(&mut client, CONTINUE, Some(&format!("round {round}")));
            client.send_raw(&auth(CONTINUE, "more"));
        }
        client.expect_disconnect(0x87);
        assert!(judge.asked().ends_with("client M more 64 again;"));
    });
}

#[test]
fn the_hook_may_be_taken_away() {
    each_way(|judge, server| {
        let mut beginning = server.send_connect(&connect("more"));
        expect_auth(&mut beginning, CONTINUE, Some("round 1"));
        let mut connected = server.connect(&Connect { id: "other".into(), ..connect("go") });
        server.broker.set_hooks(None);
        beginning.send_raw(&auth(CONTINUE, "go"));
        expect_refused(&mut beginning, 0x87);
        connected.send_raw(&auth(AGAIN, "go"));
        connected.expect_disconnect(0x87);
        assert_eq!(server.refusal(&connect("go")), 0x8C);
        drop(judge);
    });
}

#[test]
fn a_challenge_that_the_client_does_not_take_ends_it() {
    each_way(|_, server| {
        let small = |wish| connect(wish).maximum_packet_size(500);
        assert_eq!(server.refusal(&small("huge")), 0x95);
        let mut client = server.connect(&small("go"));
        client.send_raw(&auth(AGAIN, "huge"));
        client.expect_disconnect(0x95);
    });
}

#[test]
fn reasons_are_not_sent_to_who_does_not_want_them() {
    each_way(|_, server| {
        let quiet = connect("more").property(byte(property::REQUEST_PROBLEM_INFORMATION, 0));
        let mut client = server.send_connect(&quiet);
        assert!(!client.expect(AUTH).has_problem_information());
        client.send_raw(&auth(CONTINUE, "go"));
        assert_eq!(client.expect(CONNACK).code, 0);
        client.send_raw(&auth(AGAIN, "go"));
        assert!(!client.expect(AUTH).has_problem_information());
        // DISCONNECT is not among the packets that this is about.
        client.send_raw(&auth(AGAIN, "no-8a"));
        let disconnect = client.expect(DISCONNECT);
        assert_eq!(disconnect.data(property::REASON_STRING), Some(&b"go away"[..]));
        assert_eq!(disconnect.user_properties(), [("a", "1"), ("a", "2")]);
    });
}

#[test]
fn a_client_authenticates_again() {
    each_way(|judge, server| {
        let mut client = server.connect(&connect("go"));
        client.subscribe("t", 0);
        judge.asked();
        for _ in 0..2 {
            client.send_raw(&auth(AGAIN, "go"));
            expect_auth(&mut client, 0, Some("welcome"));
            client.send_raw(&auth(AGAIN, "slow-more"));
            expect_auth(&mut client, CONTINUE, Some("round 1"));
            // It is still who it was.
            client.publish(Publish::new("t", "between"));
            client.expect_message("between");
            client.send_raw(&auth(CONTINUE, "slow-plain"));
            expect_auth(&mut client, 0, None);
            assert_eq!(judge.asked(), "client M go 1 again;client M slow-more 1 again;client M slow-plain 2 again;");
        }
        client.expect_quiet();
    });
}

/// What comes behind AUTH is not handled before it has been decided.
#[test]
fn packets_behind_auth_wait() {
    each_way(|judge, server| {
        let mut client = server.connect(&connect("go"));
        client.subscribe("t", 0);
        client.send_raw(&[auth(AGAIN, "hold"), Publish::new("t", "x").bytes(5)].concat());
        let ticket = judge.ticket();
        assert_eq!(server.broker.stats().messages_received, 0);
        complete(ticket, Verdict::ALLOW).unwrap();
        client.expect(AUTH);
        client.expect_message("x");
    });
}

#[test]
fn who_fails_to_authenticate_again_is_disconnected() {
    each_way(|_, server| {
        for (packets, code) in [
            (vec![auth(AGAIN, "no")], 0x87),
            (vec![auth(AGAIN, "slow-no")], 0x87),
            (vec![auth(AGAIN, "drop")], 0x87),
            (vec![auth(AGAIN, "fail")], 0x87),
            (vec![auth(AGAIN, "more"), auth(CONTINUE, "no-8a")], 0x80),
            (vec![auth(AGAIN, "no-9c")], 0x9C),
            (vec![auth(CONTINUE, "go")], 0x82),
            (vec![auth(AGAIN, "go"), auth(CONTINUE, "go")], 0x82),
            (vec![auth(AGAIN, "more"), auth(AGAIN, "go")], 0x82),
            (vec![auth_with(AGAIN, &[method("other")])], 0x82),
            (vec![auth(AGAIN, "more"), auth_with(CONTINUE, &[method("other")])], 0x82),
        ] {
            let mut client = server.connect(&connect("go"));
            for (index, packet) in packets.iter().enumerate() {
                client.send_raw(packet);
                if index + 1 < packets.len() {
                    client.expect(AUTH);
                }
            }
            let disconnect = client.expect_disconnect(code);
            // CONNACK has a code for banned clients, DISCONNECT has not.
            let denied = [0x80, 0x9C].contains(&code);
            assert_eq!(disconnect.has(property::USER_PROPERTY), denied);
            assert_eq!(disconnect.has(SERVER_REFERENCE), code == 0x9C);
        }
    });
}
