//! TLS as clients and hooks see it.

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "support/certificates.rs"]
mod certificates;
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "support/mqtt.rs"]
mod mqtt;
#[path = "support/tls.rs"]
mod tls;

use certificates::Authority;
use mqtt::Connect;
use rmqttc::broker::Broker;
use serde_json::{json, Value};

const NAMES: [&str; 2] = ["DNS:localhost", "IP:127.0.0.1"];

/// A broker with one listener; its address.
fn serve(tls: Value, listener: Value) -> (Broker, String) {
    let mut config = json!({"type": "tls", "address": "127.0.0.1:0", "allow_anonymous": true, "tls": tls});
    config.as_object_mut().unwrap().extend(listener.as_object().unwrap().clone());
    let broker = Broker::new(&json!({"listeners": [config], "runtime": {"worker_threads": 2}}).to_string()).unwrap();
    broker.start().unwrap();
    let address = broker.listener(0).unwrap().address.to_string();
    (broker, address)
}

#[test]
fn both_versions_are_spoken() {
    let authority = Authority::new("authority");
    let server = authority.server(&NAMES);
    let (_broker, address) = serve(json!({"cert_pem": server.certificate, "key_pem": server.key}), json!({}));
    for version in rustls::ALL_VERSIONS {
        let config = authority.client_config_with(None, &[version]);
        let mut client = Connect::v5("client").over(tls::open(&address, &config)).unwrap();
        assert!(client.ping());
    }
}
