//! The PROXY protocol in front of TLS and WebSocket.

#[path = "support/certificates.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod certificates;
#[path = "support/mqtt.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod mqtt;
#[path = "support/proxy_header.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod proxy_header;
#[path = "support/transports.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod transports;
#[path = "support/websocket.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod websocket;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use certificates::Authority;
use mqtt::{Client, Connect, LONG};
use proxy_header::{tlv, v2_tcp4};
use rmqttc::broker::Broker;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::json;
use transports::{broker_of, Seen, Watcher};
use websocket::{WebSocket, MQTT};

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 1883\r\n";

/// A connection whose first words have a header before them, in the same segment.
struct Balanced {
    header: Vec<u8>,
    stream: TcpStream,
}

impl Balanced {
    fn open(broker: &Broker, header: &[u8]) -> Balanced {
        let stream = TcpStream::connect(&*broker.listener(0).unwrap().address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        Balanced { header: header.to_vec(), stream }
    }

    fn secure(self, config: &ClientConfig) -> StreamOwned<ClientConnection, Balanced> {
        let name = ServerName::try_from("localhost").unwrap();
        StreamOwned::new(ClientConnection::new(Arc::new(config.clone()), name).unwrap(), self)
    }
}

impl Read for Balanced {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.stream.read(room)
    }
}

impl Write for Balanced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = std::mem::take(&mut self.header);
        all.extend(bytes);
        self.stream.write_all(&all)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// A client is served whose address is this one once its handshakes are over. What each hook has seen of it.
fn serve(broker: &Broker, watcher: &Watcher, client: Client, address: &str, proxy: &str) -> Vec<Seen> {
    let mut client = Connect::v3("client").over(client).unwrap();
    assert!(client.ping());
    assert_eq!(*broker.client("client").unwrap().address, *address);
    let seen = watcher.take();
    assert_eq!(seen.iter().map(|seen| seen.hook).collect::<Vec<_>>(), ["accepted", "established", "authenticate"]);
    for (seen, address) in seen.iter().zip(["192.0.2.7:4711", address, address]) {
        assert_eq!((&*seen.address, seen.connection.proxy_address.as_deref()), (address, Some(proxy)));
    }
    seen
}

#[test]
fn a_header_stands_before_tls() {
    let authority = Authority::new("authority");
    let server = authority.server(&["DNS:localhost"]);
    let config = authority.client_config(None);
    let listener = json!({
        "type": "tls", "address": "127.0.0.1:0", "proxy": {"protocol": "any"},
        "tls": {"cert_pem": server.certificate, "key_pem": server.key},
    });
    let broker = broker_of(&listener.to_string());
    let watcher = Watcher::of(&broker);
    for header in [V1.to_vec(), v2_tcp4(&tlv(0x02, b"broker.example"))] {
        let connection = Balanced::open(&broker, &header);
        let local = connection.stream.local_addr().unwrap().to_string();
        let client = Client::over(connection.secure(&config));
        let seen = serve(&broker, &watcher, client, "192.0.2.7:4711", &local);
        for (seen, is_secured) in seen.iter().zip([false, true, true]) {
            assert_eq!(seen.connection.tls.is_some(), is_secured);
            assert_eq!(seen.connection.proxy.is_some(), header != V1);
        }
    }
    // Without one, what comes is not for TLS to read.
    let mut client = Client::over(Balanced::open(&broker, b"").secure(&config));
    client.send_bytes(&Connect::v3("client").packet());
    assert_eq!(client.receive(), None);
    assert_eq!(broker.stats().handshakes_failed, 1);
}

#[test]
fn a_header_stands_before_websocket() {
    let listener = json!({"type": "ws", "address": "127.0.0.1:0", "proxy": {"protocol": "any"}});
    let broker = broker_of(&listener.to_string());
    let watcher = Watcher::of(&broker);
    for header in [V1.to_vec(), v2_tcp4(&[])] {
        let connection = Balanced::open(&broker, &header);
        let local = connection.stream.local_addr().unwrap().to_string();
        let (stream, _) = WebSocket::upgrade(connection, &websocket::request("/mqtt", &[MQTT])).unwrap();
        serve(&broker, &watcher, Client::over(stream), "192.0.2.7:4711", &local);
    }
}

#[test]
fn a_header_stands_before_tls_and_websocket() {
    let authority = Authority::new("authority");
    let server = authority.server(&["DNS:localhost"]);
    let config = authority.client_config(None);
    let listener = json!({
        "type": "wss", "address": "127.0.0.1:0", "proxy": {"protocol": "v2"},
        "tls": {"cert_pem": server.certificate, "key_pem": server.key},
    });
    let broker = broker_of(&listener.to_string());
    let watcher = Watcher::of(&broker);
    let connection = Balanced::open(&broker, &v2_tcp4(&[]));
    let local = connection.stream.local_addr().unwrap().to_string();
    let stream = connection.secure(&config);
    let (stream, _) = WebSocket::upgrade(stream, &websocket::request("/mqtt", &[MQTT])).unwrap();
    serve(&broker, &watcher, Client::over(stream), "192.0.2.7:4711", &local);
}

/// What a request says of its client counts if it comes from a trusted network: that of the reverse proxy behind the load
/// balancer, which the header names.
#[test]
fn a_reverse_proxy_may_stand_behind_a_load_balancer() {
    for (trusted, address) in [("192.0.2.0/24", "198.51.100.9"), ("10.0.0.0/8", "192.0.2.7:4711")] {
        let listener = json!({
            "type": "ws", "address": "127.0.0.1:0",
            "proxy": {"protocol": "any", "trusted": ["127.0.0.1/32", trusted], "trust_forwarded": true},
        });
        let broker = broker_of(&listener.to_string());
        let watcher = Watcher::of(&broker);
        let connection = Balanced::open(&broker, V1);
        let local = connection.stream.local_addr().unwrap().to_string();
        let request = websocket::request("/mqtt", &[MQTT, "X-Forwarded-For: 198.51.100.9"]);
        let (stream, _) = WebSocket::upgrade(connection, &request).unwrap();
        serve(&broker, &watcher, Client::over(stream), address, &local);
    }
}
