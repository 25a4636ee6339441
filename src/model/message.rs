use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Client, Text};

/// Quality of service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum QoS {
    #[default]
    AtMostOnce = 0,
    AtLeastOnce = 1,
    ExactlyOnce = 2,
}

impl TryFrom<u8> for QoS {
    type Error = u8;

    fn try_from(value: u8) -> Result<Self, u8> {
        match value {
            0 => Ok(QoS::AtMostOnce),
            1 => Ok(QoS::AtLeastOnce),
            2 => Ok(QoS::ExactlyOnce),
            other => Err(other),
        }
    }
}

/// What made a message enter the broker. The numbers are part of the C ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Origin {
    /// A connected client published it.
    Client = 1,
    /// The host program published it.
    Api = 2,
    /// It is the will of a client that is gone.
    Will = 3,
    /// It was retained and is replayed to a new subscription.
    Retained = 4,
    /// A bridge brought it.
    Bridge = 5,
    /// Another node of the cluster sent it.
    Cluster = 6,
    /// The broker itself made it.
    System = 7,
    /// It was published earlier, to be delivered now.
    Delayed = 8,
}

/// An application message on its way through the broker.
#[derive(Clone, Debug)]
pub struct Message {
    pub topic: Text,
    pub payload: Bytes,
    pub qos: QoS,
    pub retain: bool,
    /// The MQTT 5 properties that receivers get as they are, encoded as in a PUBLISH, without a length in front.
    pub properties: Bytes,
    /// When it is of no use any more.
    pub expires_at: Option<Instant>,
    pub origin: Origin,
    /// The connection that published it, or whose will it is.
    pub publisher: Option<Arc<Client>>,
}

/// A message as it is looked at, wherever its parts are.
#[derive(Clone, Copy, Debug)]
pub struct MessageRef<'a> {
    pub topic: &'a Text,
    pub payload: &'a [u8],
    pub qos: QoS,
    pub retain: bool,
    /// As in [`Message::properties`].
    pub properties: &'a [u8],
    pub expires_at: Option<Instant>,
    pub origin: Origin,
    pub publisher: Option<&'a Arc<Client>>,
    /// The message itself, if it is kept somewhere.
    pub shared: Option<&'a Arc<Message>>,
}

impl MessageRef<'_> {
    /// A message of its own, which holds on to nothing.
    pub fn to_message(&self) -> Message {
        Message {
            topic: self.topic.clone(),
            payload: Bytes::copy_from_slice(self.payload),
            qos: self.qos,
            retain: self.retain,
            properties: Bytes::copy_from_slice(self.properties),
            expires_at: self.expires_at,
            origin: self.origin,
            publisher: self.publisher.cloned(),
        }
    }

    /// Seconds that are left of it, as a receiver is told `[MQTT-3.3.2-6]`; at least 1, for what has been sent before must be
    /// sent again.
    pub fn remaining_s(&self, now: impl FnOnce() -> Instant) -> Option<u32> {
        let left = self.expires_at?.saturating_duration_since(now());
        let seconds = (left + Duration::from_millis(999)).as_secs().max(1);
        Some(u32::try_from(seconds).unwrap_or(u32::MAX))
    }
}

impl Message {
    pub fn view(self: &Arc<Self>) -> MessageRef<'_> {
        MessageRef {
            shared: Some(self),
            topic: &self.topic,
            payload: &self.payload,
            qos: self.qos,
            retain: self.retain,
            properties: &self.properties,
            expires_at: self.expires_at,
            origin: self.origin,
            publisher: self.publisher.as_ref(),
        }
    }

    pub fn is_expired(&self, now: Instant) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// What it takes in memory, about.
    pub fn size(&self) -> usize {
        size_of::<Message>() + self.topic.len() + self.properties.len() + self.payload.len()
    }
}
