//! Plain data that every other module speaks: text, clients, messages, topics. No I/O, no locks, no threads.

mod client;
mod message;
mod reason;
mod subscription;
mod text;
pub mod topic;

pub use client::{Client, Protocol};
pub use message::{Message, Origin, QoS};
pub use reason::ReasonCode;
pub use subscription::{RetainHandling, SubscriptionOptions};
pub use text::Text;
