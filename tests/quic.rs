//! QUIC as clients and hooks see it.
#![cfg(feature = "quic")]

#[path = "support/brokers.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod brokers;
#[path = "support/certificates.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod certificates;
#[path = "support/mqtt.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod mqtt;
#[path = "support/quic.rs"]
mod quic;
#[path = "support/secured.rs"]
mod secured;

#[path = "quic/connections.rs"]
mod connections;
#[path = "quic/handshakes.rs"]
mod handshakes;
#[path = "quic/listeners.rs"]
mod listeners;

use rmqttc::broker::Broker;
use rustls::ClientConfig;
use serde_json::{json, Value};

use certificates::{Authority, Issued};
use secured::{config, material, mutual, start, NAMES};

/// What clients of this authority have.
fn trusting(authority: &Authority, identity: Option<&Issued>) -> ClientConfig {
    let mut client = authority.client_config_with(identity, &[&rustls::version::TLS13]);
    client.alpn_protocols = vec![b"mqtt".to_vec()];
    client
}

/// A broker that asks for no certificates; its address, and what clients have.
fn serve(listener: Value) -> (Broker, String, ClientConfig) {
    let authority = Authority::new("authority");
    let (broker, address) = start(&config("quic", material(&authority.server(&NAMES), json!({})), listener));
    (broker, address, trusting(&authority, None))
}

/// One that does.
fn serve_mutual(more: Value, listener: Value) -> (Broker, String, Authority) {
    let (authority, tls) = mutual("required", more);
    let (broker, address) = start(&config("quic", tls, listener));
    (broker, address, authority)
}
