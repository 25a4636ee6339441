//! Messages of the host program: what it publishes, and what it subscribes to.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};

use bytes::Bytes;

use super::{Broker, Error, Inner, Run, NOT_RUNNING};
use crate::config::Config;
use crate::hooks::{Consumer, SubscriptionQueue};
use crate::model::{topic, QoS};
use crate::session::{Busy, HostMessage};

/// The largest packet that MQTT can express, without its fixed header `[MQTT-2.1.4]`.
const MAX_REMAINING_LENGTH: usize = 268_435_455;

/// Messages that wait for an in-process subscription if its options do not say.
const DEFAULT_MAX_QUEUED: u32 = 1000;

const BUSY: &str = "too many messages of the host program wait to be published";

/// A message to publish.
#[derive(Clone, Debug, Default)]
pub struct Publish {
    pub topic: String,
    pub payload: Bytes,
    pub qos: QoS,
    pub retain: bool,
}

/// How to subscribe in-process.
#[derive(Clone, Copy, Debug)]
pub struct SubscribeOptions {
    /// Whether retained messages are delivered first.
    pub replay_retained: bool,
    /// Messages that may wait for the consumer; more are dropped and counted. 0 means 1000.
    pub max_queued_messages: u32,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        SubscribeOptions { replay_retained: true, max_queued_messages: 0 }
    }
}

impl Broker {
    /// Publishes a message to everyone who is subscribed. It is on its way to all of them when this returns, unless a
    /// hook has to be asked about it or calls this in place.
    pub fn publish(&self, publish: Publish) -> Result<(), Error> {
        let message = checked(&self.inner.config, publish)?;
        self.inner.with_hub(|hub| hub.publish(message).map_err(|Busy| Error::WouldBlock(BUSY)))?;
        self.inner.messages_published.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Delivers every message that matches `filter` to `consumer`, one at a time and in order, on a callback thread.
    pub fn subscribe(
        &self,
        filter: &str,
        options: SubscribeOptions,
        consumer: Consumer,
    ) -> Result<Subscription, Error> {
        topic::check_filter(filter, self.inner.config.limits.max_topic_levels as usize)
            .map_err(|error| Error::InvalidArgument(format!("the filter {error}")))?;
        let run = self.inner.run();
        let Run { hub, callbacks, .. } = run.as_ref().ok_or(NOT_RUNNING)?;
        let max_queued = match options.max_queued_messages {
            0 => DEFAULT_MAX_QUEUED,
            max => max,
        };
        let id = self.inner.next_subscription.fetch_add(1, Relaxed) + 1;
        let counters = self.inner.hook_counters.clone();
        let queue = SubscriptionQueue::new(id, max_queued as usize, consumer, callbacks.pool().clone(), counters);
        hub.subscribe(filter, options.replay_retained, queue.clone());
        Ok(Subscription { queue, broker: Arc::downgrade(&self.inner) })
    }
}

/// A message of the host program, if it may be published as it is.
pub(super) fn checked(config: &Config, publish: Publish) -> Result<HostMessage, Error> {
    let levels = config.limits.max_topic_levels as usize;
    topic::check_name(&publish.topic, levels).map_err(|error| Error::InvalidArgument(format!("the topic {error}")))?;
    if publish.qos as u8 > config.limits.max_qos {
        return Err(Error::InvalidArgument(format!("the QoS is above limits.max_qos, {}", config.limits.max_qos)));
    }
    if publish.retain && !config.retain.enabled {
        return Err(Error::InvalidArgument("retained messages are turned off by retain.enabled".to_owned()));
    }
    if publish.topic.len() + publish.payload.len() > MAX_REMAINING_LENGTH - 16 {
        return Err(Error::InvalidArgument("the message is larger than an MQTT packet can be".to_owned()));
    }
    let Publish { topic, payload, qos, retain } = publish;
    Ok(HostMessage { topic, payload, qos, retain })
}

/// An in-process subscription. It ends when it is dropped, or with the run of its broker.
pub struct Subscription {
    queue: Arc<SubscriptionQueue>,
    broker: Weak<Inner>,
}

impl Drop for Subscription {
    /// When this returns, the consumer is not called any more and is dropped; from inside the consumer itself, both
    /// hold once it has returned.
    fn drop(&mut self) {
        if let Some(inner) = self.broker.upgrade() {
            // A broker that has stopped since has ended the subscription itself.
            let _ = inner.with_hub(|hub| {
                hub.unsubscribe(self.queue.id());
                Ok(())
            });
        }
        self.queue.close();
    }
}
