use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::certificates::{Authority, Directory};
use crate::mqtt::{Connect, LONG};
use crate::secured::{config, eventually, material, start, NAMES};
use crate::tls::{self, handshake, refusal};

#[test]
fn both_versions_are_spoken() {
    let authority = Authority::new("authority");
    let (_broker, address) = start(&config("tls", material(&authority.server(&NAMES), json!({})), json!({})));
    for version in rustls::ALL_VERSIONS {
        let client = authority.client_config_with(None, &[version]);
        let mut client = Connect::v5("client").over(tls::open(&address, &client)).unwrap();
        assert!(client.ping());
    }
}

#[test]
fn an_older_version_than_the_oldest_is_refused() {
    let authority = Authority::new("authority");
    let tls = material(&authority.server(&NAMES), json!({"min_version": "1.3"}));
    let (broker, address) = start(&config("tls", tls, json!({})));
    let old = authority.client_config_with(None, &[&rustls::version::TLS12]);
    assert_eq!(refusal(&address, &old), "received fatal alert: ProtocolVersion");
    eventually("counted", || broker.stats().handshakes_failed == 1);
    let mut client = Connect::v5("client").over(tls::open(&address, &authority.client_config(None))).unwrap();
    assert!(client.ping());
}

#[test]
fn files_are_as_good_as_texts() {
    let authority = Authority::new("authority");
    let server = authority.server(&NAMES);
    let directory = Directory::new();
    let tls = json!({
        "cert_file": directory.write("server.pem", &server.certificate),
        "key_file": directory.write("server.key", &server.key),
        "client_ca_file": directory.write("ca.pem", &authority.pem()),
        "crl_file": directory.write("crl.pem", &authority.revoking(&[])),
        "client_auth": "required",
    });
    let (_broker, address) = start(&config("tls", tls, json!({})));
    let client = authority.client("client").issue();
    let mut client = Connect::v3("client").over(tls::open(&address, &authority.client_config(Some(&client)))).unwrap();
    assert!(client.ping());
}

/// Clients need not say what they speak; if they do, it has to be MQTT.
#[test]
fn another_protocol_is_refused() {
    let authority = Authority::new("authority");
    let (broker, address) = start(&config("tls", material(&authority.server(&NAMES), json!({})), json!({})));
    let mut client = authority.client_config(None);
    client.alpn_protocols = vec![b"h2".to_vec()];
    assert_eq!(refusal(&address, &client), "received fatal alert: NoApplicationProtocol");
    eventually("counted", || broker.stats().handshakes_failed == 1);
    client.alpn_protocols.push(b"mqtt".to_vec());
    let stream = handshake(&address, &client, "localhost").unwrap();
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"mqtt"[..]));
}

/// Web browsers have HTTP within.
#[test]
fn websocket_is_http() {
    let authority = Authority::new("authority");
    let (_broker, address) = start(&config("wss", material(&authority.server(&NAMES), json!({})), json!({})));
    let mut client = authority.client_config(None);
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = handshake(&address, &client, "localhost").unwrap();
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[test]
fn bytes_that_are_no_tls_are_refused() {
    let authority = Authority::new("authority");
    let (broker, address) = start(&config("tls", material(&authority.server(&NAMES), json!({})), json!({})));
    let mut plain = TcpStream::connect(&address).unwrap();
    plain.set_read_timeout(Some(LONG)).unwrap();
    plain.write_all(&Connect::v5("plain").packet()).unwrap();
    // An alert, and the end.
    let mut answer = Vec::new();
    plain.read_to_end(&mut answer).unwrap();
    assert_eq!(answer.first(), Some(&21));
    drop(plain);
    eventually("counted", || broker.stats().handshakes_failed == 1);
    // One that goes away without a word has failed as well.
    drop(TcpStream::connect(&address).unwrap());
    eventually("counted", || broker.stats().handshakes_failed == 2);
}

#[test]
fn the_name_of_the_server_picks_the_certificate() {
    let authority = Authority::new("authority");
    let main = authority.server(&["DNS:localhost", "IP:127.0.0.1", "DNS:plant.example", "DNS:b.a.plant.example"]);
    let wild = authority.server(&["DNS:*.plant.example"]);
    let exact = authority.server(&["DNS:a.plant.example", "DNS:Office.example"]);
    let more: Vec<_> = [&wild, &exact].map(|issued| material(issued, json!({}))).into();
    let (_broker, address) = start(&config("tls", material(&main, json!({ "certificates": more })), json!({})));
    let client = authority.client_config(None);
    for (name, expected) in [
        ("localhost", &main),
        ("127.0.0.1", &main), // An address is not told.
        ("plant.example", &main),
        ("b.a.plant.example", &main), // A wildcard is one label.
        ("x.plant.example", &wild),
        ("a.plant.example", &wild), // It is the first.
        ("OFFICE.example", &exact),
    ] {
        let stream = handshake(&address, &client, name).unwrap();
        assert!(stream.conn.peer_certificates().unwrap() == expected.chain(), "{name}");
    }
}

/// They hold up nobody, and their time is limited.
#[test]
fn stalled_handshakes_end() {
    const STALLED: u64 = 200;
    let timeout = Duration::from_secs(2);
    let authority = Authority::new("authority");
    let tls = material(&authority.server(&NAMES), json!({}));
    let listener = json!({"connect_timeout_ms": timeout.as_millis() as u64});
    let (broker, address) = start(&config("tls", tls, listener));
    let begin = Instant::now();
    let stalled: Vec<TcpStream> = (0..STALLED)
        .map(|index| {
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.set_read_timeout(Some(LONG)).unwrap();
            // Half of them begin.
            if index % 2 == 0 {
                stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]).unwrap();
            }
            stream
        })
        .collect();
    let connecting = Instant::now();
    let mut client = Connect::v5("client").over(tls::open(&address, &authority.client_config(None))).unwrap();
    assert!(client.ping());
    assert!(connecting.elapsed() < timeout, "{:?}", connecting.elapsed());
    for mut stream in stalled {
        assert!(matches!(stream.read(&mut [0; 16]), Ok(0) | Err(_)));
    }
    assert!(begin.elapsed() >= timeout);
    eventually("all of them counted", || broker.stats().connections_timed_out == STALLED);
    assert_eq!(broker.stats().handshakes_failed, 0);
    assert!(client.ping());
}
