//! Plain data that every other module speaks: text, clients, messages, topics. No I/O, no locks, no threads.

mod ban;
mod client;
mod connection;
mod listener;
mod message;
mod properties;
mod reason;
mod subscription;
mod text;
pub mod topic;

pub use ban::{BanCause, BanKind};
pub use client::{Client, Protocol, Protocols};
pub use connection::{Certificate, ConnectionInfo, Credentials, ProxyInfo, TlsInfo};
pub use listener::ListenerInfo;
pub use message::{Message, MessageRef, Origin, QoS};
pub use properties::{EncodedProperties, Properties, UserProperties};
pub use reason::ReasonCode;
pub use subscription::{RetainHandling, SubscriptionOptions};
pub use text::Text;
