//! rmqtt-c: an MQTT broker to link.
pub mod broker;
pub mod config;
pub mod engine;
pub mod ffi;
pub mod hooks;
pub mod model;
pub mod observe;
pub mod retain;
