//! The C ABI: one file per C noun, in the order of the header, and the plumbing that no C program sees.
//!
//! This is the only folder with `unsafe`. Everything that comes from C is checked here once; what goes on from here
//! is safe Rust.
#![deny(missing_docs, clippy::undocumented_unsafe_blocks, clippy::missing_safety_doc)]
#![allow(non_camel_case_types, reason = "the names are those of the C header")]

mod guard;
mod signals;
mod user_data;
mod versioned;

// In the order of the header.
mod bans;
mod broker;
mod client;
mod clients;
mod connection;
mod decision;
mod error;
mod hook_events;
mod hook_questions;
mod hooks;
mod library;
mod listener;
mod log;
mod message;
mod peer;
mod properties;
mod publish;
mod reload;
mod retained;
mod stats;
mod status;
mod string;
mod subscription;
mod view;

pub use bans::*;
pub use broker::*;
pub use client::*;
pub use clients::*;
pub use connection::*;
pub use decision::*;
pub use error::*;
pub use hook_events::*;
pub use hook_questions::*;
pub use hooks::*;
pub use library::*;
pub use listener::*;
pub use log::*;
pub use message::*;
pub use peer::*;
pub use properties::*;
pub use publish::*;
pub use reload::*;
pub use retained::*;
pub use stats::*;
pub use status::*;
pub use string::*;
pub use subscription::*;
pub use user_data::rmqtt_drop_fn;
pub use versioned::CBool;
pub use view::*;
