//! Limits of one client: what a listener has of its own, and what becomes of a client that is too fast.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Limits, SlowConsumer};

/// What becomes of a client that publishes faster than it may. It is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RateExceeded {
    /// Nothing is lost: the client is not read from until it is within the rate again.
    #[default]
    Throttle,
    /// The message goes nowhere. With QoS 1 and 2 an MQTT 5 client is told, with reason code 0x97, quota exceeded.
    Drop,
    /// The message goes nowhere, and the client is disconnected, with reason code 0x96, message rate too high.
    Disconnect,
}

/// Limits for the clients of one listener. What is not there, or null, is as in `limits`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ListenerLimits {
    /// In place of `limits.max_client_id_length`.
    #[schemars(range(max = 65_535))]
    pub max_client_id_length: Option<u32>,

    /// In place of `limits.max_keepalive_s`.
    #[schemars(range(min = 1, max = 65_535))]
    pub max_keepalive_s: Option<u32>,

    /// In place of `limits.max_packet_bytes`.
    #[schemars(range(min = 64, max = 268_435_460))]
    pub max_packet_bytes: Option<u32>,

    /// In place of `limits.max_inflight`.
    #[schemars(range(min = 1, max = 65_535))]
    pub max_inflight: Option<u32>,

    /// In place of `limits.max_queued_messages`, from the time that a client connects until it does so elsewhere.
    #[schemars(range(max = 10_000_000))]
    pub max_queued_messages: Option<u32>,

    /// In place of `limits.max_queued_bytes`, in the same way.
    #[schemars(range(max = 1_099_511_627_776u64))]
    pub max_queued_bytes: Option<u64>,

    /// In place of `limits.slow_consumer`, in the same way.
    pub slow_consumer: Option<SlowConsumer>,

    /// In place of `limits.max_subscriptions`.
    #[schemars(range(max = 2_147_483_647))]
    pub max_subscriptions: Option<u32>,

    /// Beside `limits.max_topic_levels`: the lower of the two holds.
    #[schemars(range(min = 1, max = 512))]
    pub max_topic_levels: Option<u32>,

    /// In place of `limits.max_qos`.
    #[schemars(range(max = 2))]
    pub max_qos: Option<u8>,

    /// In place of `limits.publish_msgs_per_sec`.
    #[schemars(range(max = 1_000_000_000))]
    pub publish_msgs_per_sec: Option<u32>,

    /// In place of `limits.publish_burst_msgs`.
    #[schemars(range(max = 1_000_000_000))]
    pub publish_burst_msgs: Option<u32>,

    /// In place of `limits.publish_bytes_per_sec`.
    #[schemars(range(max = 4_294_967_295u64))]
    pub publish_bytes_per_sec: Option<u32>,

    /// In place of `limits.publish_burst_bytes`.
    #[schemars(range(max = 4_294_967_295u64))]
    pub publish_burst_bytes: Option<u32>,

    /// In place of `limits.on_rate_exceeded`.
    pub on_rate_exceeded: Option<RateExceeded>,
}

impl ListenerLimits {
    /// Those that hold for the clients of the listener.
    pub fn over(&self, limits: &Limits) -> Limits {
        Limits {
            max_client_id_length: self.max_client_id_length.unwrap_or(limits.max_client_id_length),
            max_keepalive_s: self.max_keepalive_s.unwrap_or(limits.max_keepalive_s),
            max_packet_bytes: self.max_packet_bytes.unwrap_or(limits.max_packet_bytes),
            max_inflight: self.max_inflight.unwrap_or(limits.max_inflight),
            max_queued_messages: self.max_queued_messages.unwrap_or(limits.max_queued_messages),
            max_queued_bytes: self.max_queued_bytes.unwrap_or(limits.max_queued_bytes),
            slow_consumer: self.slow_consumer.unwrap_or(limits.slow_consumer),
            max_subscriptions: self.max_subscriptions.unwrap_or(limits.max_subscriptions),
            max_topic_levels: self.topic_levels(limits.max_topic_levels as usize) as u32,
            max_qos: self.max_qos.unwrap_or(limits.max_qos),
            publish_msgs_per_sec: self.publish_msgs_per_sec.unwrap_or(limits.publish_msgs_per_sec),
            publish_burst_msgs: self.publish_burst_msgs.unwrap_or(limits.publish_burst_msgs),
            publish_bytes_per_sec: self.publish_bytes_per_sec.unwrap_or(limits.publish_bytes_per_sec),
            publish_burst_bytes: self.publish_burst_bytes.unwrap_or(limits.publish_burst_bytes),
            on_rate_exceeded: self.on_rate_exceeded.unwrap_or(limits.on_rate_exceeded),
            ..limits.clone()
        }
    }

    /// The levels that topics may have where `of_all` are what the broker takes.
    pub fn topic_levels(&self, of_all: usize) -> usize {
        self.max_topic_levels.map_or(of_all, |own| of_all.min(own as usize))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, Value};

    use super::*;
    use crate::config::schema;

    #[test]
    fn listeners_have_the_ranges_of_the_limits() {
        let schema = schema();
        let limits = &schema["properties"]["limits"]["properties"];
        let own = &schema["properties"]["listeners"]["items"]["properties"]["limits"]["properties"];
        for (key, property) in own.as_object().unwrap() {
            for bound in ["minimum", "maximum"] {
                assert_eq!(property[bound], limits[key][bound], "{bound} of {key}");
            }
        }
    }

    /// Whatever a listener says, and only that, is other than in the limits.
    #[test]
    fn each_key_of_a_listener_holds() {
        let before = serde_json::to_value(Limits::default()).unwrap();
        let own = serde_json::to_value(ListenerLimits::default()).unwrap();
        for key in own.as_object().unwrap().keys() {
            let other: Value = match key.as_str() {
                "slow_consumer" => json!("drop_oldest"),
                "on_rate_exceeded" => json!("drop"),
                "max_qos" => json!(1),
                _ => json!(64 - 7),
            };
            let own: ListenerLimits = serde_json::from_value(json!({ key: other })).unwrap();
            let mut expected = before.clone();
            expected[key] = other;
            assert_eq!(serde_json::to_value(own.over(&Limits::default())).unwrap(), expected);
        }
    }
}
