//! Sessions and the connections of their clients.
//!
//! [`connection`] is the protocol, without I/O; [`driver`] moves its bytes; [`mailbox`] is where publishers leave messages
//! for it; [`hub`] is what all sessions of one run of a broker share.

mod admission;
mod arrival;
mod backlog;
mod blocks;
mod buffer;
mod busy_poll;
mod closing;
mod connection;
mod counters;
mod deadlines;
mod delayed;
mod delivery;
mod dispatch;
mod driver;
mod excess;
mod exchange;
mod explain;
mod handle;
mod handshake;
mod heartbeat;
mod hub;
mod in_process;
mod lease;
mod mailbox;
mod metered;
mod overload;
mod packet_ids;
mod quota;
mod receipt;
mod receiver;
mod replays;
mod retained;
mod returns;
mod rights;
mod routes;
mod ruling;
mod serve;
mod settings;
mod state;
mod subscriptions;
mod suspect;
mod tally;
#[cfg(test)]
mod tests;
mod throttle;
mod visit;
mod window;

pub use counters::SessionCounters;
pub use explain::{Action, Explanation};
pub use hub::{
    ClientInfo, ClientPage, ClientQuery, Full, HostMessage, Hub, Load, Missing, NotPublished, Presence, Publisher,
    Unpublished,
};
pub use in_process::{acknowledge, Consumer, Delivered, Overflow, Service, Subscription, SubscriptionStats};
pub use receipt::{Completion, Report, Stage};
pub use rights::ip_of;
pub use serve::{guarded, may_begin, serve, turn_away, Identity, Peer};
pub use settings::Bounds;
