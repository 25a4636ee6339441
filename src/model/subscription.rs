use std::num::NonZeroU32;

use super::{topic, QoS};

/// What a subscription asks for besides its filter `[MQTT-5 3.8.3.1]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubscriptionOptions {
    /// The highest QoS of its messages.
    pub qos: QoS,
    /// Not the messages that the subscriber itself publishes.
    pub no_local: bool,
    /// The retain flag as the publisher set it, instead of false.
    pub retain_as_published: bool,
    pub retain_handling: RetainHandling,
    /// The subscription identifier, at most 268435455, that comes with its messages.
    pub identifier: Option<NonZeroU32>,
}

impl SubscriptionOptions {
    /// Whether a subscription to `filter` is to get retained messages, which may have `existed` before.
    pub fn wants_retained(&self, filter: &str, existed: bool) -> bool {
        // Nobody is to get a retained message because of a shared subscription [MQTT-5 4.8.2].
        !topic::is_shared(filter)
            && match self.retain_handling {
                RetainHandling::SendAtSubscribe => true,
                RetainHandling::SendIfNew => !existed,
                RetainHandling::DoNotSend => false,
            }
    }
}

/// When a subscription gets the retained messages that match. The numbers are those of MQTT 5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum RetainHandling {
    #[default]
    SendAtSubscribe = 0,
    SendIfNew = 1,
    DoNotSend = 2,
}
