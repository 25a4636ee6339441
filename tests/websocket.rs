//! MQTT over WebSocket, down to the frame.

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "support/brokers.rs"]
mod brokers;
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "support/certificates.rs"]
mod certificates;
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "support/mqtt.rs"]
mod mqtt;
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "support/tls.rs"]
mod tls;
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "support/websocket.rs"]
mod websocket;

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use brokers::{broker_with_listener, eventually, Bystander};
use certificates::Authority;
use mqtt::{packet, text, Client, Connect, LONG};
use rmqttc::broker::{Broker, ClientQuery};
use rmqttc::hooks::{Answer, Hook, HookSet, Hooks, Question, Stage, Verdict};
use serde_json::json;
use websocket::*;

/// A broker with one listener for WebSocket, with more configuration for it.
fn serve(listener: &str) -> (Broker, String) {
    broker_with_listener(&format!(r#","type":"ws"{listener}"#), "")
}

/// What is answered to a request.
fn answer(address: &str, request: &str) -> Response {
    match WebSocket::upgrade(socket(address), request) {
        Ok((_, response)) => response,
        Err(response) => response,
    }
}

/// A connection on which CONNECT has been accepted.
fn connected(address: &str, id: &str) -> WebSocket<TcpStream> {
    let mut client = WebSocket::open(address);
    client.send_frame(BINARY, &Connect::v3(id).packet());
    client.expect_frame(BINARY, &[0x20, 2, 0, 0]);
    client
}

const PINGREQ: [u8; 2] = [0xC0, 0];
const PINGRESP: [u8; 2] = [0xD0, 0];

#[test]
fn requests_that_are_none_are_told_why() {
    let (broker, address) = serve("");
    let good = request("/mqtt", &[MQTT]);
    let cases = [
        (good.replace("GET", "POST"), 405),
        (good.replace("HTTP/1.1", "HTTP/1.0"), 505),
        (good.replace("Upgrade: websocket", "Upgrade: h2c"), 426),
        (good.replace("keep-alive, Upgrade", "keep-alive"), 426),
        ("GET /mqtt HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(), 426),
        (good.replace("Version: 13", "Version: 8"), 426),
        (good.replace("Key: ", "Key: x"), 400),
        (good.replace("Sec-WebSocket-Key", "X-Key"), 400),
        (good.replace("/mqtt ", "/ "), 404),
        (good.replace("/mqtt ", "/mqtt/ "), 404),
        (good.replace("/mqtt ", "/MQTT "), 404),
        (good.replace("GET /mqtt", "GET"), 400),
        ("\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n".to_owned(), 400),
        (good.clone() + "junk", 400),
    ];
    for (index, (request, status)) in cases.iter().enumerate() {
        let response = answer(&address, request);
        assert_eq!(response.status, *status, "{request}: {response:?}");
        assert!(!response.body.is_empty());
        assert_eq!(response.header("connection"), Some("close"));
        eventually("the failure is counted", || broker.stats().handshakes_failed == index as u64 + 1);
    }
    assert_eq!(
        answer(&address, &good.replace("Version: 13", "Version: 8")).header("sec-websocket-version"),
        Some("13")
    );
    assert_eq!(answer(&address, &good.replace("GET", "PUT")).header("allow"), Some("GET"));
    assert_eq!(answer(&address, &good.replace("/mqtt ", "/mqtt?token=1 ")).status, 101);
}

#[test]
fn the_path_is_configured() {
    let (_broker, address) = serve(r#","path":"/broker/ws""#);
    assert_eq!(answer(&address, &request("/broker/ws", &[MQTT])).status, 101);
    assert_eq!(answer(&address, &request("/mqtt", &[MQTT])).status, 404);
}

#[test]
fn the_subprotocol_is_mqtt() {
    let (_broker, address) = serve("");
    let chosen = |lines: &[&str]| {
        let response = answer(&address, &request("/mqtt", lines));
        match response.status {
            101 => response.header("sec-websocket-protocol").map(str::to_owned),
            status => {
                assert_eq!((status, response.header("sec-websocket-protocol")), (400, None));
                assert!(response.body.contains("subprotocol"));
                None
            }
        }
    };
    assert_eq!(chosen(&[MQTT]).as_deref(), Some("mqtt"));
    assert_eq!(chosen(&["sec-websocket-protocol:mqttv3.1"]).as_deref(), Some("mqttv3.1"));
    assert_eq!(chosen(&["Sec-WebSocket-Protocol: chat, mqtt , mqttv3.1"]).as_deref(), Some("mqtt"));
    assert_eq!(chosen(&["Sec-WebSocket-Protocol: mqttv3.1,mqtt"]).as_deref(), Some("mqttv3.1"));
    assert_eq!(chosen(&["Sec-WebSocket-Protocol: chat", MQTT]).as_deref(), Some("mqtt"));
    for none in [&[][..], &["Sec-WebSocket-Protocol: chat"], &["Sec-WebSocket-Protocol: MQTT"]] {
        assert_eq!(chosen(none), None, "{none:?}");
    }
    // Extensions are not agreed on.
    let deflate = ["Sec-WebSocket-Extensions: permessage-deflate", MQTT];
    assert_eq!(answer(&address, &request("/mqtt", &deflate)).header("sec-websocket-extensions"), None);
}

#[test]
fn only_pages_of_some_origins_may_connect() {
    let (_broker, address) = serve(r#","websocket":{"origins":["https://example.com","http://[::1]:8080"]}"#);
    let status = |lines: &[&str]| answer(&address, &request("/mqtt", &[&[MQTT], lines].concat())).status;
    assert_eq!(status(&[]), 101);
    for origin in ["https://example.com", "HTTPS://EXAMPLE.com", "https://example.com:443", "http://[::1]:8080"] {
        assert_eq!(status(&[&format!("Origin: {origin}")]), 101, "{origin}");
    }
    for origin in ["http://example.com", "https://example.com:8443", "https://example.com.evil", "null", "", "\u{fc}"] {
        assert_eq!(status(&[&format!("Origin: {origin}")]), 403, "{origin}");
    }
    assert_eq!(status(&["Origin: https://example.com", "Origin: https://evil.example"]), 403);

    let (_broker, address) = serve("");
    assert_eq!(answer(&address, &request("/mqtt", &[MQTT, "Origin: https://anywhere"])).status, 101);
}

#[test]
fn a_request_may_come_in_pieces() {
    let (_broker, address) = serve("");
    let mut stream = socket(&address);
    for piece in request("/mqtt", &[MQTT]).as_bytes().chunks(7) {
        stream.write_all(piece).unwrap();
        thread::sleep(Duration::from_millis(1));
    }
    let (mut client, _) = WebSocket::upgrade(stream, "").unwrap();
    client.send_frame(PING, b"");
    client.expect_frame(PONG, b"");
}

#[test]
fn a_head_without_end_is_not_kept() {
    let (broker, address) = serve("");
    let head = request("/mqtt", &[MQTT]);
    let begin = head.trim_end_matches("\r\n");
    let long = format!("{begin}\r\nX-Long: {}", "x".repeat(16 << 20));
    let mut stream = socket(&address);
    // All of it is read, so that the answer is not lost.
    stream.write_all(long.as_bytes()).unwrap();
    assert_eq!(receive_response(&mut BufReader::new(stream)).unwrap().status, 431);
    let many = format!("{begin}\r\n{}", "X: y\r\n".repeat(200));
    assert_eq!(answer(&address, &many).status, 431);
    eventually("both are counted", || broker.stats().handshakes_failed == 2);
}

/// Bytes in one message of frames of this size, and of empty ones.
fn fragmented(bytes: &[u8], size: usize) -> Vec<u8> {
    let middle: Vec<u8> = bytes.chunks(size).flat_map(|chunk| frame(0, chunk)).collect();
    [frame(0x02, b""), middle, frame(0x80, b"")].concat()
}

#[test]
fn packets_and_messages_begin_and_end_where_they_like() {
    let (_broker, address) = serve("");
    let connect = Connect::v3("client").packet();
    let subscribe = packet(0x82, &[&[0, 1][..], &text("t"), &[0]].concat());
    let publish = packet(0x30, &[&text("t")[..], &[b'x'; 300]].concat());
    let all = [&connect[..], &subscribe, &publish, &PINGREQ].concat();
    let ways = [
        frame(BINARY, &all),
        all.chunks(3).flat_map(|chunk| frame(BINARY, chunk)).collect(),
        fragmented(&all, 50),
        [frame(BINARY, b""), fragmented(&all[..40], 1), frame(PONG, b""), fragmented(&all[40..], 7)].concat(),
    ];
    for (index, frames) in ways.into_iter().enumerate() {
        let mut stream = WebSocket::open(&address);
        stream.send_raw(&frames);
        let mut client = Client::over(stream);
        let mut received: Vec<_> = (0..4).map(|_| client.receive().unwrap()).collect();
        // The answer to PINGREQ may overtake the message.
        received.sort_unstable();
        let expected = [(0x20, vec![0, 0]), (0x30, publish[3..].to_vec()), (0x90, vec![0, 1, 0]), (0xD0, vec![])];
        assert_eq!(received, expected, "{index}");
    }
    let mut client = WebSocket::open(&address);
    for byte in frame(BINARY, &connect) {
        client.send_raw(&[byte]);
    }
    client.expect_frame(BINARY, &[0x20, 2, 0, 0]);
}

#[test]
fn pings_are_answered_whether_mqtt_flows_or_not() {
    let (_broker, address) = serve("");
    let mut client = WebSocket::open(&address);
    client.send_frame(PING, b"before CONNECT");
    client.expect_frame(PONG, b"before CONNECT");
    client.send_frame(BINARY, &Connect::v3("client").packet());
    client.expect_frame(BINARY, &[0x20, 2, 0, 0]);
    client.send_frame(PING, &[7; 125]);
    client.expect_frame(PONG, &[7; 125]);
    // Within a message, and within a packet.
    client.send_raw(&[frame(0x02, &PINGREQ[..1]), frame(PING, b"in between")].concat());
    client.expect_frame(PONG, b"in between");
    client.send_frame(0x80, &PINGREQ[1..]);
    client.expect_frame(BINARY, &PINGRESP);
    // A pong that nobody has asked for is no matter.
    client.send_raw(&[frame(PONG, b"unasked"), frame(PONG, b""), frame(BINARY, &PINGREQ)].concat());
    client.expect_frame(BINARY, &PINGRESP);
}

/// Of pings that come while nothing can be written, the last one is answered at least, and the others take no memory.
#[test]
fn pings_without_end_are_survived() {
    let (_broker, address) = serve("");
    let mut client = connected(&address, "client");
    let pings = frame(PING, &[7; 125]).repeat(1000);
    for _ in 0..200 {
        client.send_raw(&pings);
    }
    client.send_frame(PING, b"last");
    let mut answered = 0;
    while client.receive_frame().expect("the connection is open") != (PONG, b"last".to_vec()) {
        answered += 1;
    }
    // Those that the sockets have had room for.
    assert!(answered < 200_000, "all of them have been kept");
    client.send_frame(BINARY, &PINGREQ);
    client.expect_frame(BINARY, &PINGRESP);
}

#[test]
fn close_is_answered_and_ends_the_connection() {
    let (broker, address) = serve("");
    let mut watcher = Client::over(WebSocket::open(&address));
    watcher = Connect::v3("watcher").over(watcher).unwrap();
    watcher.subscribe("will");
    let codes: [&[u8]; 4] = [&[], &1000u16.to_be_bytes(), &4999u16.to_be_bytes(), b"\x03\xE9going away"];
    for payload in codes {
        let mut client = WebSocket::open(&address);
        client.send_frame(BINARY, &Connect { will: Some(("will", b"gone")), ..Connect::v3("client") }.packet());
        client.expect_frame(BINARY, &[0x20, 2, 0, 0]);
        // What comes behind it is not looked at.
        client.send_raw(&[frame(CLOSE, payload), frame(TEXT, b"late")].concat());
        client.expect_frame(CLOSE, &payload[..payload.len().min(2)]);
        assert_eq!(client.receive_frame(), None);
        assert_eq!(watcher.message().payload, b"gone");
    }
    // Without a word, too.
    let client = connected(&address, "client");
    assert_eq!(broker.connected_clients(), 2);
    drop(client);
    eventually("the client is gone", || broker.connected_clients() == 1);
}

#[test]
fn disconnect_is_answered_with_close() {
    let (_broker, address) = serve("");
    let mut client = connected(&address, "client");
    client.send_frame(BINARY, &[0xE0, 0]);
    client.expect_close(1000);
}

/// Frames that no client may send, each with the code that says so.
#[test]
fn frames_against_the_rules_end_the_connection() {
    let (broker, address) = serve("");
    let bystander = Bystander::over(websocket::open(&address));
    let claim = |first: u8, length: u64| [head(first, length), vec![0; 4]].concat();
    let cases: Vec<(&str, Vec<u8>, u16)> = vec![
        ("text", frame(TEXT, b"hello"), 1003),
        ("text that is MQTT", frame(TEXT, &PINGREQ), 1003),
        ("text that is not UTF-8", frame(TEXT, &[0xFF]), 1003),
        ("text that has only begun", frame(0x01, b""), 1003),
        ("a head of text", claim(TEXT, 100), 1003),
        ("not masked", vec![BINARY, 2, 0xC0, 0], 1002),
        ("a ping that is not masked", vec![PING, 0], 1002),
        ("reserved bit 1", frame(BINARY | 0x40, &PINGREQ), 1002),
        ("reserved bit 2", frame(BINARY | 0x20, &PINGREQ), 1002),
        ("reserved bit 3", frame(PING | 0x10, b""), 1002),
        ("reserved opcode 3", frame(0x83, b""), 1002),
        ("reserved opcode 7", frame(0x87, b""), 1002),
        ("reserved opcode 11", frame(0x8B, b""), 1002),
        ("reserved opcode 15", frame(0x8F, b""), 1002),
        ("a continuation of nothing", frame(0x80, &PINGREQ), 1002),
        ("a message within a message", [frame(0x02, b""), frame(BINARY, b"")].concat(), 1002),
        ("a ping in fragments", frame(0x09, b""), 1002),
        ("a long ping", frame(PING, &[0; 126]), 1002),
        ("a ping without end", claim(PING, u64::MAX), 1002),
        ("a close with half a code", frame(CLOSE, &[3]), 1002),
        ("a close with a code that must not be sent", frame(CLOSE, &1005u16.to_be_bytes()), 1002),
        ("a close with code 0", frame(CLOSE, &[0, 0]), 1002),
        ("a close whose text is not UTF-8", frame(CLOSE, b"\x03\xE8\xFF"), 1007),
        ("a large frame", claim(BINARY, 1_048_577), 1009),
        ("a frame without end", claim(BINARY, u64::MAX), 1009),
    ];
    for (what, bytes, code) in &cases {
        for before_connect in [true, false] {
            let mut client = if before_connect { WebSocket::open(&address) } else { connected(&address, "client") };
            // What has come before is looked at.
            let pinged = [frame(PING, b"first"), bytes.clone(), frame(BINARY, &PINGREQ)].concat();
            client.send_raw(&pinged);
            client.expect_frame(PONG, b"first");
            let frame = client.receive_frame();
            assert_eq!(frame, Some((CLOSE, code.to_be_bytes().to_vec())), "{what}");
            assert_eq!(client.receive_frame(), None, "{what}");
        }
    }
    assert!(bystander.finish() > 0);
    assert_eq!(broker.stats().connection_panics, 0);
}

#[test]
fn frames_and_messages_are_limited() {
    let (_broker, address) = serve(r#","websocket":{"max_frame_bytes":64}"#);
    let mut client = connected(&address, "client");
    // Packets may be larger.
    let publish = packet(0x32, &[&text("t")[..], &[0, 7], &[b'x'; 1000]].concat());
    client.send_raw(&publish.chunks(64).flat_map(|chunk| frame(BINARY, chunk)).collect::<Vec<_>>());
    client.expect_frame(BINARY, &[0x40, 2, 0, 7]);
    let in_one = frame(BINARY, &PINGREQ.repeat(33));
    let in_two = [frame(0x02, &PINGREQ.repeat(16)), frame(0x80, &PINGREQ.repeat(17))].concat();
    for (frames, answers) in [(in_one, 0), (in_two, 16)] {
        let mut client = connected(&address, "client");
        client.send_raw(&frames);
        let (mut received, mut close) = (Vec::new(), Vec::new());
        while let Some((first, payload)) = client.receive_frame() {
            let all = if first == CLOSE { &mut close } else { &mut received };
            all.extend(payload);
        }
        assert_eq!(received, PINGRESP.repeat(answers));
        assert_eq!(close, 1009u16.to_be_bytes());
    }
}

/// A client that is still sending when it is told is not cut off before it can read it.
#[test]
fn a_client_that_sends_too_much_hears_of_it() {
    let (_broker, address) = serve("");
    let mut socket = connected(&address, "client").into_inner();
    socket.write_all(&[head(BINARY, 8 << 20), vec![0; 4], vec![0; 8 << 20]].concat()).unwrap();
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, [&[CLOSE, 2][..], &1009u16.to_be_bytes()].concat());
}

/// One that neither reads nor closes is not waited for.
#[test]
fn a_client_that_does_not_hear_is_left() {
    let (broker, address) = serve("");
    let mut client = connected(&address, "client");
    client.send_frame(TEXT, b"");
    eventually("the client is left alone", || broker.connected_clients() == 0);
    client.expect_close(1003);
}

#[test]
fn large_messages_reach_a_client_that_reads_slowly() {
    let (_broker, address) = broker_with_listener(r#","type":"ws""#, r#","limits":{"max_queued_bytes":10000000}"#);
    let payload: Vec<u8> = (0..700_000u32).map(|n| (n % 251) as u8).collect();
    let mut subscriber = Connect::v5("subscriber").over(websocket::open(&address)).unwrap();
    subscriber.subscribe_with("large", 1);
    let mut slow = connected(&address, "slow");
    slow.send_frame(BINARY, &packet(0x82, &[&[0, 1][..], &text("large"), &[0]].concat()));
    slow.expect_frame(BINARY, &[0x90, 3, 0, 1, 0]);

    let mut publisher = Connect::v5("publisher").over(websocket::open(&address)).unwrap();
    for _ in 0..8 {
        assert!(publisher.publish("large", &payload, false));
    }
    for _ in 0..8 {
        let message = subscriber.message();
        assert!(message.payload == payload);
        subscriber.acknowledge(message.id);
    }
    // A ping is answered between two messages, whatever waits behind them.
    slow.send_frame(PING, b"still there");
    let expected = packet(0x30, &[&text("large")[..], &payload].concat()).repeat(8);
    let (mut received, mut pongs) = (Vec::new(), 0);
    while received.len() < expected.len() || pongs == 0 {
        match slow.receive_frame().expect("the connection is open") {
            (BINARY, payload) => received.extend(payload),
            (PONG, payload) => {
                assert_eq!(payload, b"still there");
                assert!(received.len() < expected.len(), "the pong comes last");
                pongs += 1;
            }
            other => panic!("{other:?}"),
        }
        thread::sleep(Duration::from_millis(1));
    }
    assert!(received == expected);
    slow.send_frame(BINARY, &PINGREQ);
    slow.expect_frame(BINARY, &PINGRESP);
}

#[test]
fn the_broker_says_why_it_closes() {
    let (broker, address) = serve("");
    let mut client = WebSocket::open(&address);
    client.send_frame(BINARY, &Connect { keep_alive_s: 1, ..Connect::v5("client") }.packet());
    let (first, connack) = client.receive_frame().unwrap();
    assert_eq!((first, &connack[..1], connack[3]), (BINARY, &[0x20][..], 0));
    // Pings of WebSocket do not keep MQTT alive.
    let begin = Instant::now();
    client.send_frame(PING, b"");
    client.expect_frame(PONG, b"");
    let (first, disconnect) = client.receive_frame().unwrap();
    assert_eq!((first, disconnect[0], disconnect[2]), (BINARY, 0xE0, 0x8D));
    assert!(begin.elapsed() >= Duration::from_millis(1000));
    client.expect_close(1000);

    let mut client = WebSocket::open(&address);
    client.send_frame(BINARY, &Connect::v5("client").packet());
    client.receive_frame().unwrap();
    broker.stop(Duration::from_secs(5)).unwrap();
    let (first, disconnect) = client.receive_frame().unwrap();
    assert_eq!((first, disconnect[0], disconnect[2]), (BINARY, 0xE0, 0x8B));
    client.expect_close(1000);
}

/// Notes where clients come from.
#[derive(Clone, Default)]
struct Doorman(Arc<Mutex<Vec<String>>>);

impl Hooks for Doorman {
    fn interest(&self) -> HookSet {
        HookSet::of(&[Hook::PreConnect, Hook::Authenticate])
    }

    fn decide(&self, question: Question<'_>) -> Answer {
        let (what, address, connection) = match &question {
            Question::PreConnect(asked) if asked.stage == Stage::Accepted => {
                ("accepted", &asked.address, &asked.connection)
            }
            Question::PreConnect(asked) => ("established", &asked.address, &asked.connection),
            Question::Authenticate(asked) => ("authenticate", &asked.client.address, &asked.connection),
            other => panic!("{other:?}"),
        };
        let proxy = connection.proxy_address.as_ref().map_or("nobody".to_owned(), |proxy| bare(proxy).to_owned());
        let address = if what == "accepted" { bare(address) } else { address };
        let line = format!("{what} {} {address} for {proxy}", connection.transport);
        self.0.lock().unwrap().push(line);
        Answer::Now(Verdict::ALLOW)
    }
}

/// Without the port of a client of these tests.
fn bare(address: &str) -> &str {
    if address.starts_with("127.0.0.1:") {
        "127.0.0.1"
    } else {
        address
    }
}

/// What the hooks see of a client whose request has these lines; the status if it is refused.
fn seen(listener: &str, lines: &[&str]) -> Result<Vec<String>, u16> {
    let (broker, address) = serve(listener);
    let doorman = Doorman::default();
    broker.set_hooks(Some(Box::new(doorman.clone())));
    let request = request("/mqtt", &[&[MQTT], lines].concat());
    let (stream, _) = WebSocket::upgrade(socket(&address), &request).map_err(|response| response.status)?;
    Connect::v5("client").over(Client::over(stream)).unwrap();
    let seen = doorman.0.lock().unwrap().clone();
    Ok(seen)
}

#[test]
fn hooks_see_the_client_behind_a_proxy() {
    const TRUSTING: &str = r#","proxy":{"trust_forwarded":true}"#;
    let through_proxy = |client: &str| {
        Ok(vec![
            "accepted ws 127.0.0.1 for nobody".to_owned(),
            format!("established ws {client} for 127.0.0.1"),
            format!("authenticate ws {client} for 127.0.0.1"),
        ])
    };
    let cases: [(&[&str], &str); 6] = [
        (&["Forwarded: for=192.0.2.7;proto=https"], "192.0.2.7"),
        (&["Forwarded: for=192.0.2.6, for=\"[2001:db8::7]:4711\""], "[2001:db8::7]:4711"),
        (&["X-Forwarded-For: 192.0.2.6, 192.0.2.7, 127.0.0.9"], "192.0.2.7"),
        (&["X-Forwarded-For: 192.0.2.6", "X-Forwarded-For: 2001:db8::7"], "2001:db8::7"),
        (&["X-Real-IP: 192.0.2.7", "X-Forwarded-For: unknown"], "192.0.2.7"),
        (&["X-Real-IP: 192.0.2.7", "X-Forwarded-For: 192.0.2.7", "Forwarded: for=_hidden"], "192.0.2.7"),
    ];
    for (lines, client) in cases {
        assert_eq!(seen(TRUSTING, lines), through_proxy(client), "{lines:?}");
    }
    let directly = seen(TRUSTING, &[]).unwrap();
    assert!(directly[1].starts_with("established ws 127.0.0.1:") && directly[1].ends_with(" for nobody"));
    for lines in [&["Forwarded: for=unknown"][..], &["X-Forwarded-For: 192.0.2.7, ?"], &["X-Real-IP: \u{fc}"]] {
        let seen = seen(TRUSTING, lines).unwrap();
        assert!(seen[1].starts_with("established ws 127.0.0.1:") && seen[1].ends_with(" for nobody"), "{lines:?}");
    }
    // A client may have put the one of them there that its proxy does not write.
    assert_eq!(seen(TRUSTING, &["Forwarded: for=192.0.2.6", "X-Forwarded-For: 192.0.2.7"]), Err(400));
}

#[test]
fn nobody_else_says_where_a_client_comes_from() {
    let lines = ["Forwarded: for=192.0.2.7", "X-Forwarded-For: 192.0.2.7", "X-Real-IP: 192.0.2.7"];
    for listener in ["", r#","proxy":{"trust_forwarded":true,"trusted":["10.0.0.0/8"]}"#] {
        let seen = seen(listener, &lines).unwrap();
        for line in &seen[1..] {
            assert!(line.contains(" ws 127.0.0.1:") && line.ends_with(" for nobody"), "{line}");
        }
    }
}

#[test]
fn a_client_is_found_by_an_address_without_a_port() {
    let (broker, address) = serve(r#","proxy":{"trust_forwarded":true}"#);
    let request = request("/mqtt", &[MQTT, "X-Forwarded-For: 2001:db8::1:7"]);
    let (stream, _) = WebSocket::upgrade(socket(&address), &request).unwrap();
    let _client = Connect::v5("client").over(Client::over(stream)).unwrap();
    let found = |address: &str| {
        let query = ClientQuery { address: Some(address.to_owned()), limit: 10, ..ClientQuery::default() };
        broker.clients(&query).unwrap().clients.len()
    };
    assert_eq!(found("2001:db8::1:7"), 1);
    assert_eq!(found("[2001:db8::1:7]"), 1);
    assert_eq!(found("2001:db8::1"), 0);
}

/// Whoever does not come to the end of its request is waited for by nobody, and not for long.
#[test]
fn upgrades_that_stall_hold_up_nobody() {
    const STALLED: usize = 200;
    let (broker, address) = serve(r#","connect_timeout_ms":3000"#);
    let begin = Instant::now();
    let whole = request("/mqtt", &[MQTT]);
    let stalled: Vec<_> = (0..STALLED)
        .map(|index| {
            let mut stream = socket(&address);
            // Nothing, a part of the request, all but the last byte, and a request that no CONNECT comes after.
            let length = [0, 20, whole.len() - 1, whole.len()][index % 4];
            stream.write_all(&whole.as_bytes()[..length]).unwrap();
            stream
        })
        .collect();
    let mut client = Connect::v5("client").over(websocket::open(&address)).unwrap();
    assert!(client.ping());
    assert!(begin.elapsed() < Duration::from_millis(3000), "they have held the client up");
    for mut stream in stalled {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty() || rest.starts_with(b"HTTP/1.1 101 "));
    }
    assert!(begin.elapsed() >= Duration::from_millis(3000) && begin.elapsed() < LONG);
    eventually("all are counted", || broker.stats().connections_timed_out == STALLED as u64);
    assert!(client.ping());
}

#[test]
fn websocket_over_tls_is_the_same() {
    let authority = Authority::new("authority");
    let server = authority.server(&["DNS:localhost"]);
    let tls = json!({"cert_pem": server.certificate, "key_pem": server.key});
    let (_broker, address) = broker_with_listener(&format!(r#","type":"wss","tls":{tls}"#), "");
    let config = authority.client_config(None);
    let open = |lines: &[&str]| {
        let stream = tls::handshake(&address, &config, "localhost").unwrap();
        WebSocket::upgrade(stream, &request("/mqtt", lines))
    };
    let mut client = Connect::v5("client").over(Client::over(open(&[MQTT]).ok().unwrap().0)).unwrap();
    client.subscribe_with("large", 1);
    let payload = vec![b'x'; 300_000];
    client.send_publish(0x32, "large", 7, &payload);
    let mut received = [client.receive().unwrap(), client.receive().unwrap()];
    received.sort_unstable();
    assert!(received[0].0 == 0x32 && received[0].1.ends_with(&payload) && received[1].0 == 0x40);

    let (mut client, _) = open(&[MQTT]).ok().unwrap();
    client.send_frame(PING, b"hello");
    client.expect_frame(PONG, b"hello");
    client.send_frame(TEXT, b"hello");
    client.expect_close(1003);
    assert_eq!(open(&[]).err().unwrap().status, 400);
}
