//! What the specifications say, seen from a client: each test names the statements of MQTT 5 that it shows, and
//! [`coverage`] keeps account of them in `docs/conformance.md`.

#[allow(dead_code, reason = "other test files use the rest of it")]
mod client;
mod coverage;

mod acks;
mod auth;
mod connack;
mod connect;
mod data_types;
mod disconnect;
mod flow_control;
mod handling_errors;
mod ordering;
mod ping;
mod publish;
mod qos;
mod retained;
mod session_state;
mod shared;
mod subscribe;
mod topic_alias;
mod topics;
mod unsubscribe;
mod v3;
mod websocket;
mod will;

#[allow(dead_code, reason = "what clients over WebSocket are made of")]
#[path = "../support/mqtt.rs"]
mod mqtt;
#[path = "../support/mod.rs"]
mod support;
