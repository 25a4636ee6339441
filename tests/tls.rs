//! TLS as clients and hooks see it.

#[path = "support/brokers.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod brokers;
#[path = "support/certificates.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod certificates;
#[path = "support/mqtt.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod mqtt;
#[path = "support/secured.rs"]
mod secured;
#[path = "support/tls.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod tls;

#[path = "tls/faults.rs"]
mod faults;
#[path = "tls/handshakes.rs"]
mod handshakes;
#[path = "tls/hooks.rs"]
mod hooks;
#[path = "tls/mutual.rs"]
mod mutual;
#[path = "tls/resumption.rs"]
mod resumption;
#[path = "tls/traffic.rs"]
mod traffic;
