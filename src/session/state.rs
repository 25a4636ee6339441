//! What a session remembers `[MQTT-4.1.0-1]`.

use std::sync::Arc;
use std::time::Instant;

use super::packet_ids::PacketIds;
use super::window::Window;
use crate::model::Message;

/// What a session remembers between connections, besides the messages in its mailbox and its subscriptions. Held by
/// its connection, if there is one.
#[derive(Default)]
pub(super) struct State {
    pub(super) window: Window,
    /// QoS 2 messages that the client has sent and not released `[MQTT-4.3.3-10]`.
    pub(super) received: PacketIds,
    /// While no client is connected: when the session ends. `None`: never.
    pub(super) expires_at: Option<Instant>,
    /// While no client is connected: the will that is still to be published.
    pub(super) will: Option<PendingWill>,
    /// The entry in the list of deadlines.
    pub(super) deadline: Option<Instant>,
    /// A connection has had the session before.
    pub(super) begun: bool,
    /// The session is over. Whoever finds it so has to begin another.
    pub(super) ended: bool,
}

/// A will whose delay has not passed `[MQTT-3.1.3-9]`.
pub(super) struct PendingWill {
    pub(super) at: Instant,
    pub(super) message: Arc<Message>,
    /// The session that it is not sent to if its subscription says no local.
    pub(super) publisher: u64,
}
