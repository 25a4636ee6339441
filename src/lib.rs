//! An MQTT 3.1, 3.1.1 and 5.0 broker that a program links.
//!
//! The product is the C library `librmqttc` with `include/rmqtt.h`; see [`ffi`] for the C ABI and [`broker`] for the
//! same thing as a safe Rust type. Modules use those below them only:
//!
//! ```text
//! ffi -> broker -> { observe, runtime, session, transport } -> { access, codec, hooks, limits, retain, router } -> config -> model
//! ```
#![deny(unsafe_op_in_unsafe_fn)]

pub mod access;
pub mod broker;
pub mod codec;
pub mod config;
pub mod ffi;
pub mod hooks;
pub mod limits;
pub mod model;
pub mod observe;
pub mod retain;
pub mod router;
pub mod runtime;
pub mod session;
pub mod transport;
