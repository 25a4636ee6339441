//! What event hooks are told.

use std::sync::Arc;
use std::time::Duration;

use super::Hook;
use crate::model::{BanCause, BanKind, Client, ListenerInfo, Message, QoS, SubscriptionOptions, Text};

/// What an event's message may take for each of its places in the queue.
const BYTES_PER_PLACE: usize = 4096;

/// Something that has happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// CONNECT has been answered.
    Connack(Connack),
    Connected(Arc<Client>),
    Disconnected(Disconnected),
    /// A client has got a session that there was not before.
    SessionCreated(Arc<Client>),
    /// A client has got the session that was kept for it.
    SessionResumed(Arc<Client>),
    /// A connection loses its session to a new one under the same client identifier. That it is gone is told next.
    SessionTakenOver(Arc<Client>),
    SessionTerminated(SessionTerminated),
    Subscribed(Subscribed),
    Unsubscribed(Unsubscribed),
    MessagePublished(MessagePublished),
    MessageDelivered(MessageDelivered),
    MessageAcked(MessageAcked),
    MessageDropped(MessageDropped),
    WillPublished(MessagePublished),
    RetainedChanged(RetainedChanged),
    FirstSubscriber(Subscriber),
    LastSubscriber(Subscriber),
    ListenerUp(ListenerInfo),
    ListenerDown(ListenerInfo),
    Overload(Overload),
    ClientBanned(ClientBanned),
}

impl Event {
    /// How many places it takes in the queue: one, and one more for each so many bytes of its message, so that events that
    /// wait do not take more memory than they should.
    pub(super) fn places(&self) -> usize {
        let message = match self {
            Event::MessagePublished(event) | Event::WillPublished(event) => &event.message,
            Event::MessageDelivered(event) => &event.message,
            Event::MessageAcked(event) => &event.message,
            Event::MessageDropped(event) => &event.message,
            Event::RetainedChanged(event) => &event.message,
            _ => return 1,
        };
        1 + message.size() / BYTES_PER_PLACE
    }

    /// The hook that is told of it.
    pub fn hook(&self) -> Hook {
        match self {
            Event::Connack(_) => Hook::Connack,
            Event::Connected(_) => Hook::Connected,
            Event::Disconnected(_) => Hook::Disconnected,
            Event::SessionCreated(_) => Hook::SessionCreated,
            Event::SessionResumed(_) => Hook::SessionResumed,
            Event::SessionTakenOver(_) => Hook::SessionTakenOver,
            Event::SessionTerminated(_) => Hook::SessionTerminated,
            Event::Subscribed(_) => Hook::Subscribed,
            Event::Unsubscribed(_) => Hook::Unsubscribed,
            Event::MessagePublished(_) => Hook::MessagePublished,
            Event::MessageDelivered(_) => Hook::MessageDelivered,
            Event::MessageAcked(_) => Hook::MessageAcked,
            Event::MessageDropped(_) => Hook::MessageDropped,
            Event::WillPublished(_) => Hook::WillPublished,
            Event::RetainedChanged(_) => Hook::RetainedChanged,
            Event::FirstSubscriber(_) => Hook::FirstSubscriber,
            Event::LastSubscriber(_) => Hook::LastSubscriber,
            Event::ListenerUp(_) => Hook::ListenerUp,
            Event::ListenerDown(_) => Hook::ListenerDown,
            Event::Overload(_) => Hook::Overload,
            Event::ClientBanned(_) => Hook::ClientBanned,
        }
    }
}

/// A CONNECT that could be read has been answered.
#[derive(Clone, Debug)]
pub struct Connack {
    pub client: Arc<Client>,
    /// The MQTT 5 reason code, also for older clients.
    pub reason_code: u8,
    pub reason: Option<Text>,
    pub session_present: bool,
}

/// Who ended a connection. The numbers are part of the C ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum DisconnectedBy {
    /// The client said DISCONNECT.
    Client = 1,
    /// The broker closed it.
    Broker = 2,
    /// The transport ended without a word.
    Network = 3,
}

/// A connected client is gone.
#[derive(Clone, Debug)]
pub struct Disconnected {
    pub client: Arc<Client>,
    pub by: DisconnectedBy,
    /// The MQTT 5 reason code, also for older clients.
    pub reason_code: u8,
    pub reason: Text,
}

/// Why a session is over. The numbers are part of the C ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum SessionEnd {
    /// It was to last no longer than its connection.
    Disconnected = 1,
    /// Its client did not come back in time.
    Expired = 2,
    /// Its client came back and wanted a new one.
    CleanStart = 3,
    /// The broker stops.
    Stopped = 4,
    /// The host program has discarded it.
    Discarded = 5,
}

/// A session is over, with all that was kept in it.
#[derive(Clone, Debug)]
pub struct SessionTerminated {
    /// The last connection that had it.
    pub client: Arc<Client>,
    pub end: SessionEnd,
}

/// A client has subscribed.
#[derive(Clone, Debug)]
pub struct Subscribed {
    pub client: Arc<Client>,
    /// As in SUBSCRIBE.
    pub filter: Text,
    /// What it gets: a hook may have put another filter in the place of that one.
    pub granted: Text,
    /// With the QoS that was granted.
    pub options: SubscriptionOptions,
}

/// A client has unsubscribed.
#[derive(Clone, Debug)]
pub struct Unsubscribed {
    pub client: Arc<Client>,
    /// As it was subscribed to.
    pub filter: Text,
}

/// A message is on its way.
#[derive(Clone, Debug)]
pub struct MessagePublished {
    /// With what a hook has changed of it.
    pub message: Arc<Message>,
    /// How many sessions and subscriptions of the host program it goes to.
    pub receivers: usize,
}

/// A message is written to a client, for the first time.
#[derive(Clone, Debug)]
pub struct MessageDelivered {
    pub client: Arc<Client>,
    pub message: Arc<Message>,
    /// With which QoS and retain flag.
    pub qos: QoS,
    pub retain: bool,
}

/// A client has acknowledged a message: with PUBACK, or with PUBREC.
#[derive(Clone, Debug)]
pub struct MessageAcked {
    pub client: Arc<Client>,
    pub message: Arc<Message>,
    pub qos: QoS,
    pub reason_code: u8,
}

/// Why a message was dropped. The numbers are part of the C ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum DropCause {
    /// As much waits as may.
    QueueFull = 1,
    /// It has expired.
    Expired = 2,
    /// The client takes no packets so large.
    TooLarge = 3,
    /// The client went before it was sent, and it is not kept.
    ClientGone = 4,
    /// A hook or a rule said no.
    Refused = 5,
    /// Its client has published too fast.
    RateExceeded = 6,
    /// There is too little memory left.
    Memory = 7,
}

/// A message does not reach a receiver, or nobody at all.
#[derive(Clone, Debug)]
pub struct MessageDropped {
    /// Who does not get it. `None`: nobody does, or a subscription of the host program does not.
    pub client: Option<Arc<Client>>,
    pub message: Arc<Message>,
    pub cause: DropCause,
}

/// What has become of the retained message of a topic. The numbers are part of the C ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum RetainedChange {
    /// There is one, or another one.
    Set = 1,
    /// It has been taken back: with an empty one, or by the host program.
    Removed = 2,
    /// It has expired.
    Expired = 3,
}

/// The retained message of a topic has changed.
#[derive(Clone, Debug)]
pub struct RetainedChanged {
    pub change: RetainedChange,
    /// The message that is retained, that took it back, or that has expired. The host program takes one back with an empty
    /// one, too.
    pub message: Arc<Message>,
}

/// Somebody is the first to subscribe to a filter, or the last to give it up.
#[derive(Clone, Debug)]
pub struct Subscriber {
    /// Without `$share/{group}/`.
    pub filter: Text,
    /// The client. `None`: the host program.
    pub client: Option<Arc<Client>>,
}

/// What there may be too much of. The numbers are part of the C ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Resource {
    /// Connections, `limits.max_connections`.
    Connections = 1,
    /// Sessions, `limits.max_sessions`.
    Sessions = 2,
    /// Retained messages, `retain.max_messages`.
    RetainedMessages = 3,
    /// Memory, `limits.memory_budget_bytes`.
    Memory = 4,
}

/// A limit that holds for the broker as a whole is reached, or there is room again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overload {
    pub resource: Resource,
    /// Whether it has begun; if not, it is over.
    pub begun: bool,
    pub limit: u64,
}

/// Somebody is kept out from now on.
#[derive(Clone, Debug)]
pub struct ClientBanned {
    pub kind: BanKind,
    /// The address, client identifier or user name.
    pub value: Text,
    pub cause: BanCause,
    /// `None`: until the host program lets it in again.
    pub duration: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::model::Origin;

    #[test]
    fn large_messages_take_more_places() {
        let event = |size: usize| {
            let message = Arc::new(Message {
                topic: Text::from("t"),
                payload: Bytes::from(vec![0; size]),
                qos: QoS::AtMostOnce,
                retain: false,
                properties: Bytes::new(),
                expires_at: None,
                origin: Origin::Api,
                publisher: None,
            });
            Event::MessagePublished(MessagePublished { message, receivers: 0 })
        };
        assert_eq!([event(0), event(3_000), event(5_000), event(1 << 20)].map(|event| event.places()), [1, 1, 2, 257]);
    }
}
