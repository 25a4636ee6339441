//! The sign of life that the broker publishes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;
use tokio::time::{interval, MissedTickBehavior};

use super::delivery::Outgoing;
use super::hub::Hub;
use super::ruling::SYSTEM_TOPICS;
use crate::model::{Message, Origin, QoS, Text};

/// What it says.
#[derive(Serialize)]
struct Heartbeat<'a> {
    id: &'a str,
    uptime_ms: u64,
    connected_clients: u64,
}

impl Hub {
    /// Publishes that the broker named `id` lives, at once and then every `period`. Never returns.
    pub async fn beat(self: Arc<Self>, id: Text, period: Duration, started: Instant) {
        let topic = Text::from(format!("{SYSTEM_TOPICS}{id}/heartbeat"));
        let mut beats = interval(period);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beats.tick().await;
            let uptime_ms = started.elapsed().as_millis() as u64;
            let heartbeat = Heartbeat { id: &id, uptime_ms, connected_clients: self.connected_clients() };
            match serde_json::to_vec(&heartbeat) {
                Ok(payload) => self.publish_heartbeat(&topic, payload),
                Err(error) => tracing::error!(%error, "the heartbeat could not be written"),
            }
        }
    }

    /// No hook is asked whether the broker may.
    fn publish_heartbeat(&self, topic: &Text, payload: Vec<u8>) {
        let message = Arc::new(Message {
            topic: topic.clone(),
            payload: Bytes::from(payload),
            qos: QoS::AtMostOnce,
            retain: false,
            properties: Bytes::new(),
            expires_at: None,
            origin: Origin::System,
            publisher: None,
        });
        self.publish_now(Outgoing::of(&message), None, Instant::now());
    }
}
