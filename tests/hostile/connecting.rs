//! Before CONNACK, and the limits on connections.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use rmqttc::broker::Broker;

use crate::brokers::{broker, broker_with_listener, eventually, Bystander};
use crate::mqtt::{Client, Connect, LONG};

/// Writes `bytes` with 50 ms between them; how long after `begin` the other end has closed the connection.
fn trickle(mut stream: TcpStream, begin: Instant, bytes: &[u8]) -> Duration {
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut bytes = bytes.iter();
    while begin.elapsed() < LONG {
        if let Some(byte) = bytes.next() {
            if stream.write_all(&[*byte]).is_err() {
                return begin.elapsed();
            }
        }
        match stream.read(&mut [0; 64]) {
            Ok(0) => return begin.elapsed(),
            Ok(_) => panic!("an answer to half of a CONNECT"),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return begin.elapsed(),
        }
    }
    panic!("the connection is never closed");
}

/// The time counts from the first moment of the connection, not from its first or its last byte.
#[test]
fn who_does_not_say_connect_is_closed_in_time() {
    let (broker, address) = broker_with_listener(r#","connect_timeout_ms":300"#, "");
    let bystander = Bystander::start(&address);
    let hello = Connect::v5("a client identifier that takes more than three hundred milliseconds").packet();
    let idle: &[u8] = &[];
    thread::scope(|scope| {
        let slow: Vec<_> = [idle, &hello[..1], &hello[..20], &hello]
            .into_iter()
            .enumerate()
            .map(|(index, bytes)| {
                let begin = Instant::now();
                let stream = TcpStream::connect(&address).unwrap();
                scope.spawn(move || {
                    if index == 2 {
                        // At once, and then nothing.
                        (&stream).write_all(bytes).unwrap();
                        return trickle(stream, begin, &[]);
                    }
                    trickle(stream, begin, bytes)
                })
            })
            .collect();
        // They keep nobody out.
        let begin = Instant::now();
        assert!(Connect::v5("prompt").open(&address).is_ok());
        assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
        for thread in slow {
            let after = thread.join().unwrap();
            assert!(after >= Duration::from_millis(300) && after < Duration::from_secs(3), "{after:?}");
        }
    });
    eventually("only the bystander is connected", || broker.connected_clients() == 1);
    bystander.finish();
}

#[test]
fn a_connect_that_is_faulty_is_refused() {
    let (_broker, address) = broker("");
    let bystander = Bystander::start(&address);
    let good = Connect::v5("c").packet();
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let with = |properties: &[u8]| Connect { properties: properties.to_vec(), ..Connect::v5("c") }.packet();
    // A protocol version, a flag that is reserved, a will QoS without a will, text that is none, and properties.
    let refused: [(Vec<u8>, u8); 8] = [
        (changed(8, 6), 0x84),
        (changed(9, 0x03), 0x81),
        (changed(9, 0x0A), 0x81),
        (changed(good.len() - 1, 0xFF), 0x81),
        (changed(good.len() - 1, 0x00), 0x81),
        (with(&[33, 0, 0]), 0x82),
        (with(&[33, 0, 1, 33, 0, 1]), 0x82),
        (with(&[0x7F, 0]), 0x81),
    ];
    for (bytes, code) in refused {
        let mut client = Client::open(&address);
        client.send_bytes(&bytes);
        assert_eq!(client.receive().map(|(first, body)| (first, body[1])), Some((0x20, code)), "{bytes:02x?}");
        assert_eq!(client.receive(), None);
    }
    // Of these the version is not known, so nothing is answered.
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\xC0\0",
        b"\x10\xFF\xFF\xFF\xFF\x7F",
        b"\x11\x0D\0\x04MQTT\x04\x02\0\0\0\x01c",
    ] {
        let mut client = Client::open(&address);
        client.send_bytes(bytes);
        assert_eq!(client.receive(), None, "{bytes:02x?}");
    }
    bystander.finish();
}

#[test]
fn connections_are_limited_by_listener_and_in_all() {
    let config = r#"{"listeners":[{"address":"127.0.0.1:0","max_connections":2},{"address":"127.0.0.1:0"}],
        "auth":{"allow_anonymous":true},"limits":{"max_connections":3}}"#;
    let broker = Broker::new(config).unwrap();
    broker.start().unwrap();
    let [narrow, wide] = [0, 1].map(|index| broker.listener(index).unwrap().address.to_string());
    // They are told that there is no place for them.
    let is_refused = |address: &str| {
        let code = |version| Connect { version, ..Connect::v3("refused") }.open(address).err();
        let codes = (code(4), code(5));
        assert!(codes.0.is_none() || codes == (Some(3), Some(0x97)), "{codes:?}");
        codes.0.is_some()
    };
    let first = Client::connect(&narrow, "first").unwrap();
    // One that has not said CONNECT takes a place, too.
    let silent = Client::open(&narrow);
    eventually("the listener is full", || is_refused(&narrow));
    let mut last = Client::connect(&wide, "last").unwrap();
    assert!(is_refused(&wide) && is_refused(&narrow));
    assert!(last.ping());

    // No more than a few are, and not for long.
    let crowd: Vec<_> = (0..200).map(|_| Client::open(&wide)).collect();
    let begun = Instant::now();
    let closed = crowd.into_iter().map(|mut client| assert_eq!(client.receive(), None)).count();
    assert_eq!(closed, 200);
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(last.ping());

    // A place that is free again can be taken by the next one.
    drop(first);
    eventually("somebody is let in", || {
        let mut client = Client::open(&wide);
        client.send_bytes(&Connect::v3("let in").packet());
        client.receive().is_some_and(|(_, connack)| connack == [0, 0])
    });
    drop(silent);
    eventually("both places of the listener are free", || {
        let clients = ["a", "b"].map(|id| {
            let mut client = Client::open(&narrow);
            client.send_bytes(&Connect::v3(id).packet());
            client
        });
        clients.map(|mut client| client.receive().is_some_and(|(_, connack)| connack == [0, 0])) == [true, true]
    });
    assert!(last.ping());
}

#[test]
fn the_clients_own_limits_hold() {
    let (_broker, address) =
        broker(r#","limits":{"max_client_id_length":8,"max_topic_levels":2,"max_subscriptions":1,"max_qos":1}"#);
    assert_eq!(Client::connect(&address, "nine-long").err(), Some(2));
    assert_eq!(Connect::v5("nine-long").open(&address).err(), Some(0x85));
    let mut client = Connect::v5("short").open(&address).unwrap();
    assert_eq!(client.subscribe_with("a/b", 2), Some(1));
    assert_eq!(client.subscribe("b"), Some(0x97));
    assert_eq!(client.subscribe("a/b/c"), Some(0x8F));
    client.send_publish(0x34, "a/b", 1, b"x");
    assert_eq!(client.end(), Some(0x9B));
}
