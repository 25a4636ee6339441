//! Plain data that every other module speaks: text, clients, messages, topics. No I/O, no locks, no threads.

mod client;
mod message;
mod text;
pub mod topic;

pub use client::{Client, Protocol};
pub use message::{Message, Origin, QoS};
pub use text::Text;
