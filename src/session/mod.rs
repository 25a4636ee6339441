//! Sessions and the connections of their clients.
//!
//! [`connection`] is the protocol, without I/O; [`driver`] moves its bytes; [`mailbox`] is where publishers leave messages
//! for it; [`hub`] is what all sessions of one run of a broker share.

mod admission;
mod arrival;
mod backlog;
mod blocks;
mod buffer;
mod closing;
mod connection;
mod counters;
mod deadlines;
mod delayed;
mod delivery;
mod dispatch;
mod driver;
mod exchange;
mod handle;
mod handshake;
mod heartbeat;
mod hub;
mod lease;
mod mailbox;
mod overload;
mod packet_ids;
mod receipt;
mod receiver;
mod replays;
mod retained;
mod ruling;
mod serve;
mod settings;
mod state;
mod subscription;
#[cfg(test)]
mod tests;
mod window;

pub use counters::SessionCounters;
pub use hub::{Full, HostMessage, Hub, NotPublished, Publisher, Unpublished};
pub use receipt::{Completion, Report, Stage};
pub use serve::{serve, Identity, Peer};
pub use subscription::{acknowledge, Consumer, Delivered, Overflow, Service, Subscription, SubscriptionStats};
