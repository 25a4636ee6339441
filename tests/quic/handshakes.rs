use std::collections::HashSet;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use quinn::{ConnectionError, TransportErrorCode};
use rmqttc::hooks::{Hook, Stage};
use rustls::ClientConfig;
use serde_json::json;

use crate::certificates::Authority;
use crate::mqtt::{Connect, LONG};
use crate::quic::Visitor;
use crate::secured::{config, eventually, material, start, Seen, Witness, NAMES};
use crate::{serve, serve_mutual, trusting};

/// The alerts of TLS that connections are refused with.
const UNKNOWN_CA: u8 = 48;
const CERTIFICATE_REVOKED: u8 = 44;
const CERTIFICATE_REQUIRED: u8 = 116;
const NO_APPLICATION_PROTOCOL: u8 = 120;

#[track_caller]
fn expect_alert(error: &ConnectionError, alert: u8) {
    let expected = TransportErrorCode::crypto(alert);
    assert!(matches!(error, ConnectionError::ConnectionClosed(close) if close.error_code == expected), "{error}");
}

#[test]
fn hooks_see_what_has_come_of_it() {
    let (broker, address, authority) = serve_mutual(json!({"username_from": "cn"}), json!({"allow_anonymous": false}));
    let identity = authority.client("pump-7").names(&["DNS:pump-7.example"]).issue();
    let visitor = Visitor::new();
    let witness = Witness::of(&broker, &[Hook::Connected]);
    Connect::v5("client").over(visitor.open(&address, &trusting(&authority, Some(&identity)))).unwrap();
    assert_eq!(witness.connected().as_deref(), Some("pump-7"));

    let witness = Witness::of(&broker, &[Hook::PreConnect, Hook::Authenticate]);
    let client = trusting(&authority, Some(&identity));
    let _client = Connect::v5("client").username("admin").over(visitor.open(&address, &client)).unwrap();
    let seen = witness.take(3);
    let [Seen::PreConnect(Stage::Accepted, from, first), Seen::PreConnect(Stage::Established, _, second), Seen::Authenticate(client, third)] =
        &seen[..]
    else {
        panic!("{seen:?}")
    };
    assert!(from.starts_with("127.0.0.1:"), "{from}");
    assert_eq!(&*first.transport, "quic");
    assert!(first.tls.is_none());
    assert_eq!(client.username.as_deref(), Some("pump-7"));
    for connection in [second, third] {
        let tls = connection.tls.as_deref().unwrap();
        assert_eq!(&*tls.version, "1.3");
        assert_eq!(tls.server_name.as_deref(), Some("localhost"));
        assert_eq!(tls.alpn.as_deref(), Some("mqtt"));
        let certificate = tls.certificate.as_deref().unwrap();
        assert_eq!(&*certificate.subject, "CN=pump-7");
        assert_eq!(certificate.der, identity.chain()[0].to_vec());
    }
}

#[test]
fn clients_that_are_not_wanted_are_refused() {
    let (broker, address, authority) = serve_mutual(json!({}), json!({}));
    let visitor = Visitor::new();
    expect_alert(&visitor.refusal(&address, &trusting(&authority, None)), CERTIFICATE_REQUIRED);
    let foreign = Authority::new("elsewhere").client("client").issue();
    expect_alert(&visitor.refusal(&address, &trusting(&authority, Some(&foreign))), UNKNOWN_CA);
    let own = authority.client("client").issue();
    let mut other = trusting(&authority, Some(&own));
    other.alpn_protocols = vec![b"h3".to_vec()];
    expect_alert(&visitor.refusal(&address, &other), NO_APPLICATION_PROTOCOL);
    // Unlike with TCP, it has to say what it speaks [RFC 9001, 8.1].
    other.alpn_protocols.clear();
    expect_alert(&visitor.refusal(&address, &other), NO_APPLICATION_PROTOCOL);
    eventually("all of them counted", || broker.stats().handshakes_failed == 4);
    let mut client = Connect::v5("client").over(visitor.open(&address, &trusting(&authority, Some(&own)))).unwrap();
    assert!(client.ping());
}

#[test]
fn a_certificate_that_has_been_revoked_is_refused() {
    let (authority, mut tls) = crate::mutual("required", json!({}));
    let (good, revoked) = (authority.client("good").issue(), authority.client("revoked").issue());
    tls["crl_pem"] = json!(authority.revoking(&[&revoked]));
    let (_broker, address) = crate::start(&crate::config("quic", tls, json!({})));
    let visitor = Visitor::new();
    expect_alert(&visitor.refusal(&address, &trusting(&authority, Some(&revoked))), CERTIFICATE_REVOKED);
    assert!(Connect::v5("c").over(visitor.open(&address, &trusting(&authority, Some(&good)))).unwrap().ping());
}

/// Clients that connect and say nothing hold up nobody, and their time is limited.
#[test]
fn silent_clients_end() {
    const SILENT: usize = 50;
    let timeout = Duration::from_secs(2);
    let (broker, address, config) = serve(json!({"connect_timeout_ms": timeout.as_millis() as u64}));
    let visitor = Visitor::new();
    let mut calls: Vec<_> = (0..SILENT).map(|_| visitor.call(&address, &config).unwrap()).collect();
    // Half of them begin with CONNECT.
    let clients: Vec<_> = calls
        .iter()
        .step_by(2)
        .map(|call| {
            let mut client = call.open();
            client.send_bytes(&[0x10]);
            client
        })
        .collect();
    let connecting = Instant::now();
    let mut client = Connect::v5("client").over(visitor.open(&address, &config)).unwrap();
    assert!(client.ping());
    assert!(connecting.elapsed() < timeout, "{:?}", connecting.elapsed());
    for call in calls.drain(..) {
        assert!(matches!(call.end(), ConnectionError::ApplicationClosed(_)));
    }
    drop(clients);
    eventually("all of them counted", || broker.stats().connections_timed_out == SILENT as u64);
    assert!(client.ping());
}

/// Begins so many handshakes that nobody will go on with; where they seem to come from.
fn spoofed(count: usize, address: &str, config: &ClientConfig) -> Vec<UdpSocket> {
    // Takes the first packets of clients, which believe it to be the broker.
    let trap = UdpSocket::bind("127.0.0.1:0").unwrap();
    trap.set_read_timeout(Some(LONG)).unwrap();
    let lured = Visitor::new();
    let mut known = HashSet::new();
    let mut spoofed = Vec::new();
    let mut packet = [0; 2048];
    let mut lures = Vec::new();
    while spoofed.len() < count {
        lures.push(lured.begin(trap.local_addr().unwrap(), config, "localhost"));
        loop {
            let (length, _) = trap.recv_from(&mut packet).unwrap();
            // Some are sent again. Behind five bytes, there is a number that is new for each connection.
            if known.insert(packet[5..14].to_vec()) {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                socket.set_read_timeout(Some(LONG)).unwrap();
                socket.send_to(&packet[..length], address).unwrap();
                spoofed.push(socket);
                break;
            }
        }
    }
    spoofed
}

/// Packets whose sender is not where they come from take up so many handshakes and no more. Others then prove where they
/// are, and are served.
#[test]
fn senders_that_are_elsewhere_are_bounded() {
    const UNPROVED: usize = 100;
    const SENT: usize = 150;
    let timeout = Duration::from_secs(4);
    let (broker, address, config) = serve(json!({"connect_timeout_ms": timeout.as_millis() as u64}));
    let spoofed = spoofed(SENT, &address, &config);
    let is_retry = |socket: &UdpSocket| {
        let mut packet = [0; 2048];
        socket.recv(&mut packet).expect("no answer");
        packet[0] & 0xB0 == 0xB0 // [RFC 9000, 17.2.5]
    };
    let retries = spoofed.iter().filter(|socket| is_retry(socket)).count();
    assert_eq!(retries, SENT - UNPROVED);
    let visitor = Visitor::new();
    let mut client = Connect::v5("client").over(visitor.open(&address, &config)).unwrap();
    assert!(client.ping());
    eventually("they have ended", || broker.stats().connections_timed_out == UNPROVED as u64);
    assert!(client.ping());
}

/// What only seems to come from an address does not count against whoever is there.
#[test]
fn senders_that_are_elsewhere_use_up_nothing() {
    let authority = Authority::new("authority");
    let mut settings = config("quic", material(&authority.server(&NAMES), json!({})), json!({}));
    settings["limits"] = json!({"conn_rate_per_ip_per_sec": 1});
    let (broker, address) = start(&settings);
    let client = trusting(&authority, None);
    for socket in spoofed(5, &address, &client) {
        socket.recv(&mut [0; 2048]).expect("no answer");
    }
    let visitor = Visitor::new();
    let mut first = Connect::v5("first").over(visitor.open(&address, &client)).unwrap();
    eventually("one comes too soon", || {
        let _ = visitor.refusal(&address, &client);
        broker.stats().connections_refused_rate > 0
    });
    assert!(first.ping());
}
