//! Sockets of TCP listeners: inherited ones, IPv6, and the versions of MQTT that are spoken there.

#[cfg(feature = "quic")]
#[path = "support/certificates.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod certificates;
#[path = "support/mqtt.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod mqtt;
#[path = "support/transports.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod transports;

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

use mqtt::{Client, Connect};
use socket2::{Domain, Socket, Type};
use transports::{broker_of, connack, no_start, unstarted, Watcher};

fn of_fd(kind: &str, descriptor: RawFd) -> String {
    format!(r#"{{"type":"{kind}","fd":{descriptor}}}"#)
}

#[test]
fn a_socket_can_be_inherited() {
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    let bound = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    bound.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    for (descriptor, address) in [
        (listening.as_raw_fd(), listening.local_addr().unwrap()),
        (bound.as_raw_fd(), bound.local_addr().unwrap().as_socket().unwrap()),
    ] {
        let broker = unstarted(&of_fd("tcp", descriptor));
        for _ in 0..2 {
            let before = broker.listener(0).unwrap();
            assert_eq!((&*before.address, before.port), (&*format!("fd:{descriptor}"), 0));
            broker.start().unwrap();
            let shown = broker.listener(0).unwrap();
            assert_eq!((&*shown.address, shown.port), (&*address.to_string(), address.port()));
            Client::connect(&address.to_string(), "client").unwrap();
            broker.stop(Duration::ZERO).unwrap();
        }
        // Who comes between two runs waits for the next one: the host program's socket is still open.
        let mut early = Client::open(&address.to_string());
        early.send_bytes(&Connect::v3("early").packet());
        broker.start().unwrap();
        assert_eq!(early.expect(0x20), [0, 0]);
    }
    drop(listening.accept().map_err(|error| assert_eq!(error.kind(), ErrorKind::WouldBlock)));
}

#[test]
fn a_descriptor_that_does_not_fit_is_an_error() {
    let file = File::open("/dev/null").unwrap();
    let unbound = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    let connected = TcpStream::connect(listening.local_addr().unwrap()).unwrap();
    let (pair, _other) = UnixStream::pair().unwrap();
    let (datagrams, _other_datagrams) = UnixDatagram::pair().unwrap();
    let unbound_unix = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let gone = UdpSocket::bind("127.0.0.1:0").unwrap();
    // A number that no other test of this process is likely to get meanwhile.
    let closed = unsafe { libc::fcntl(gone.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 900) };
    assert!(closed >= 900);
    unsafe { libc::close(closed) };
    for (kind, descriptor, expected) in [
        ("tcp", closed, "Bad file descriptor (os error 9)"),
        ("tcp", file.as_raw_fd(), "the descriptor is not a socket"),
        ("tcp", udp.as_raw_fd(), "the descriptor is not a TCP socket"),
        ("tcp", pair.as_raw_fd(), "the descriptor is not a TCP socket"),
        ("ws", unbound_unix.as_raw_fd(), "the descriptor is not a TCP socket"),
        ("tcp", unbound.as_raw_fd(), "the descriptor is a socket that has not been bound"),
        ("tcp", connected.as_raw_fd(), "the descriptor is a connection, not a socket that can listen"),
        ("unix", listening.as_raw_fd(), "the descriptor is not a Unix stream socket"),
        ("unix", datagrams.as_raw_fd(), "the descriptor is not a Unix stream socket"),
        ("unix", pair.as_raw_fd(), "the descriptor is a connection, not a socket that can listen"),
        ("unix", unbound_unix.as_raw_fd(), "the descriptor is a socket that has not been bound"),
    ] {
        let expected = format!("listener \"{kind}-0\" could not be bound to fd:{descriptor}: {expected}");
        assert_eq!(no_start(&of_fd(kind, descriptor)), expected);
    }
    // All of them are as they were.
    assert!(unbound.local_addr().unwrap().as_socket().unwrap().port() == 0);
    let (mut accepted, _) = listening.accept().unwrap();
    drop(connected);
    assert_eq!(accepted.read(&mut [0]).unwrap(), 0);
}

#[cfg(feature = "quic")]
#[test]
fn quic_needs_a_udp_socket() {
    let server = certificates::Authority::new("authority").server(&["DNS:localhost"]);
    let listening = TcpListener::bind("127.0.0.1:0").unwrap();
    let (datagrams, _other) = UnixDatagram::pair().unwrap();
    let unbound = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    for (descriptor, expected) in [
        (listening.as_raw_fd(), "the descriptor is not a UDP socket"),
        (datagrams.as_raw_fd(), "the descriptor is not a UDP socket"),
        (unbound.as_raw_fd(), "the descriptor is a socket that has not been bound"),
    ] {
        let tls = serde_json::json!({"cert_pem": server.certificate, "key_pem": server.key});
        let listener = serde_json::json!({"type": "quic", "fd": descriptor, "tls": tls});
        let expected = format!("listener \"quic-0\" could not be bound to fd:{descriptor}: {expected}");
        assert_eq!(no_start(&listener.to_string()), expected);
    }
}

#[test]
fn ipv6_lets_ipv4_in_unless_told_otherwise() {
    let broker = broker_of(
        r#"{"address":"[::]:0"},{"address":"[::]:0","ipv6_only":true},{"address":"[::1]:0"},{"address":"127.0.0.1:0"}"#,
    );
    let watcher = Watcher::of(&broker);
    let ports: Vec<u16> = (0..4).map(|index| broker.listener(index).unwrap().port).collect();
    assert!(ports.iter().all(|port| *port != 0));
    assert_eq!(*broker.listener(0).unwrap().address, *format!("[::]:{}", ports[0]));
    assert_eq!(*broker.listener(2).unwrap().address, *format!("[::1]:{}", ports[2]));
    for (port, v4, v6) in
        [(ports[0], true, true), (ports[1], false, true), (ports[2], false, true), (ports[3], true, false)]
    {
        for (host, connects) in [("127.0.0.1", v4), ("[::1]", v6)] {
            let address = format!("{host}:{port}");
            let stream = TcpStream::connect(&address);
            assert_eq!(stream.is_ok(), connects, "{address}");
            let Ok(mut stream) = stream else { continue };
            stream.set_read_timeout(Some(mqtt::LONG)).unwrap();
            assert_eq!(connack(&mut stream, b""), Some(0));
            let local = stream.local_addr().unwrap().to_string();
            assert!(local.starts_with(host));
            let seen = watcher.take();
            assert_eq!(seen.len(), 2);
            assert!(seen.iter().all(|seen| seen.address == local), "{seen:?}");
        }
    }
}

#[test]
fn an_ipv4_client_of_ipv6_is_in_the_networks_of_ipv4() {
    let broker = broker_of(r#"{"address":"[::]:0","proxy":{"protocol":"v1","trusted":["127.0.0.1/32"]}}"#);
    let port = broker.listener(0).unwrap().port;
    for (host, trusted) in [("127.0.0.1", true), ("[::1]", false)] {
        let mut stream = TcpStream::connect(format!("{host}:{port}")).unwrap();
        stream.set_read_timeout(Some(mqtt::LONG)).unwrap();
        assert_eq!(connack(&mut stream, b"PROXY UNKNOWN\r\n"), trusted.then_some(0), "{host}");
    }
}

#[test]
fn only_the_configured_versions_are_spoken() {
    for (protocols, accepted) in [
        (r#""3.1","3.1.1","5""#, [true, true, true]),
        (r#""5""#, [false, false, true]),
        (r#""3.1.1""#, [false, true, false]),
        (r#""3.1","5""#, [true, false, true]),
    ] {
        let broker = broker_of(&format!(r#"{{"address":"127.0.0.1:0","protocols":[{protocols}]}}"#));
        let address = broker.listener(0).unwrap().address;
        for ((version, accepted), refusal) in [3, 4, 5].into_iter().zip(accepted).zip([1, 1, 0x84]) {
            let mut client = Client::open(&address);
            client.send_bytes(&Connect { version, ..Connect::v3("client") }.packet());
            let code = if accepted { 0 } else { refusal };
            let connack = client.expect(0x20);
            assert_eq!((connack[0], connack[1]), (0, code), "{protocols} {version}");
            assert!(accepted || client.receive().is_none());
        }
        let refused = accepted.iter().filter(|accepted| !**accepted).count() as u64;
        assert_eq!(broker.stats().connections_refused, refused);
    }
}
