//! One connection, one stream, one client.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use futures::FutureExt;
use quinn::ConnectionError;
use serde_json::json;

use crate::mqtt::Connect;
use crate::quic::Visitor;
use crate::secured::{config, eventually, material, start, NAMES};
use crate::{certificates::Authority, serve, trusting};

/// An orderly end.
fn is_closed(error: &ConnectionError) -> bool {
    matches!(error, ConnectionError::ApplicationClosed(close) if close.error_code == 0u32.into())
}

#[test]
fn clients_talk() {
    let (_broker, address, client) = serve(json!({}));
    let visitor = Visitor::new();
    let mut receiver = Connect::v5("receiver").over(visitor.open(&address, &client)).unwrap();
    receiver.subscribe("t");
    let mut sender = Connect::v3("sender").over(visitor.open(&address, &client)).unwrap();
    for size in [0, 1, 1_200, 65_536, 1_000_000] {
        let payload: Vec<u8> = (0..size).map(|index| (index % 251) as u8).collect();
        assert!(sender.publish("t", &payload, false));
        assert!(receiver.message().payload == payload, "{size}");
    }
    assert!(receiver.ping() && sender.ping());
}

#[test]
fn a_slow_reader_gets_everything() {
    const MESSAGES: usize = 40;
    let payload = |number: usize| vec![number as u8; 200_000];
    let authority = Authority::new("authority");
    let mut config = config("quic", material(&authority.server(&NAMES), json!({})), json!({}));
    config["limits"] = json!({"max_queued_bytes": 0, "max_queued_messages": 0});
    let (_broker, address) = start(&config);
    let (client, visitor) = (trusting(&authority, None), Visitor::new());
    let mut reader = Connect::v5("reader").over(visitor.open(&address, &client)).unwrap();
    reader.subscribe("t");
    let mut sender = Connect::v5("sender").over(visitor.open(&address, &client)).unwrap();
    for number in 0..MESSAGES {
        assert!(sender.publish("t", &payload(number), false));
    }
    for number in 0..MESSAGES {
        // Much more slowly than they come.
        thread::sleep(Duration::from_millis(2));
        assert!(reader.message().payload == payload(number), "{number}");
    }
    assert!(reader.ping());
}

#[test]
fn there_is_one_stream() {
    let (_broker, address, client) = serve(json!({}));
    let visitor = Visitor::new();
    let call = visitor.call(&address, &client).unwrap();
    let mut client = Connect::v5("client").over(call.open()).unwrap();
    assert!(client.ping());
    assert!(call.connection.open_bi().now_or_never().is_none());
    assert!(call.connection.open_uni().now_or_never().is_none());
    assert_eq!(call.connection.max_datagram_size(), None);
    assert!(client.ping());
}

/// A network that can be made to hold what the broker sends; its address.
fn relay(broker: &str) -> (String, Arc<AtomicBool>) {
    let (front, back) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
    back.connect(broker).unwrap();
    let (address, holds) = (front.local_addr().unwrap().to_string(), Arc::new(AtomicBool::new(false)));
    let (front, back) = (Arc::new(front), Arc::new(back));
    let client = Arc::new(Mutex::new(None));
    let forth = {
        let (front, back, client) = (front.clone(), back.clone(), client.clone());
        move || {
            let mut packet = [0; 2048];
            while let Ok((length, from)) = front.recv_from(&mut packet) {
                *client.lock().unwrap() = Some(from);
                let _ = back.send(&packet[..length]);
            }
        }
    };
    let held = holds.clone();
    let and_back = move || {
        let mut packet = [0; 2048];
        while let Ok(length) = back.recv(&mut packet) {
            while held.load(Relaxed) {
                thread::sleep(Duration::from_millis(1));
            }
            let _ = front.send_to(&packet[..length], client.lock().unwrap().unwrap());
        }
    };
    thread::spawn(forth);
    thread::spawn(and_back);
    (address, holds)
}

/// What a client has been sent before it said goodbye is not taken back, and then the connection is closed.
#[test]
fn a_client_that_leaves_gets_what_is_on_its_way() {
    const SIZE: usize = 200_000;
    let (broker, address, config) = serve(json!({}));
    let (relayed, holds) = relay(&address);
    let visitor = Visitor::new();
    let call = visitor.call(&relayed, &config).unwrap();
    let mut client = Connect::v3("client").over(call.open()).unwrap();
    client.subscribe("t");
    let mut sender = Connect::v3("sender").over(visitor.open(&address, &config)).unwrap();
    holds.store(true, Relaxed);
    assert!(sender.publish("t", &[7; SIZE], false));
    eventually("all of it handed to QUIC", || broker.stats().bytes_sent > SIZE as u64);
    client.send(0xE0, &[]);
    eventually("it has gone", || broker.connected_clients() == 1);
    holds.store(false, Relaxed);
    assert!(client.message().payload == [7; SIZE]);
    assert_eq!(client.receive(), None);
    let end = call.end();
    assert!(is_closed(&end), "{end}");
}

#[test]
fn a_client_that_goes_away_is_gone() {
    let (broker, address, client) = serve(json!({}));
    let visitor = Visitor::new();
    // It ends its stream, or its connection.
    let call = visitor.call(&address, &client).unwrap();
    drop(Connect::v5("a").over(call.open()).unwrap());
    let end = call.end();
    assert!(is_closed(&end), "{end}");
    let call = visitor.call(&address, &client).unwrap();
    let _client = Connect::v5("b").over(call.open()).unwrap();
    call.connection.close(7u32.into(), b"");
    eventually("both gone", || broker.connected_clients() == 0);
}

/// They arrive before the connection is closed.
#[test]
fn last_words_arrive() {
    let (broker, address, client) = serve(json!({}));
    let visitor = Visitor::new();
    // CONNECT is refused.
    let call = visitor.call(&address, &client).unwrap();
    let refused = Connect { version: 9, ..Connect::v5("client") };
    assert_eq!(refused.over(call.open()).err(), Some(0x84));
    let end = call.end();
    assert!(is_closed(&end), "{end}");
    // Another connection takes the session over.
    let call = visitor.call(&address, &client).unwrap();
    let mut first = Connect::v5("client").over(call.open()).unwrap();
    let second = visitor.call(&address, &client).unwrap();
    let mut taker = Connect::v5("client").over(second.open()).unwrap();
    assert_eq!(first.end(), Some(0x8E));
    drop(first);
    let end = call.end();
    assert!(is_closed(&end), "{end}");
    // The broker stops.
    broker.stop(Duration::from_secs(5)).unwrap();
    assert_eq!(taker.end(), Some(0x8B));
    let end = second.end();
    assert!(is_closed(&end), "{end}");
}
