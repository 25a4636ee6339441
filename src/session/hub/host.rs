//! What the host program publishes and subscribes to.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::super::delivery::{Frames, Outgoing, Source};
use super::super::receiver::{host_key, Receiver};
use super::retaining::as_retained;
use super::{Hub, RETAINED_PAGE};
use crate::hooks::{in_place, Changes, Hook, Key, Mode, SubscriptionQueue};
use crate::model::{topic, Message, Origin, QoS, RetainHandling, SubscriptionOptions, Text};

/// A message that the host program publishes, already checked.
#[derive(Clone, Debug)]
pub struct HostMessage {
    pub topic: String,
    pub payload: Bytes,
    pub qos: QoS,
    pub retain: bool,
}

impl HostMessage {
    pub(super) fn as_seen(&self) -> Message {
        Message {
            topic: Text::from(self.topic.as_str()),
            payload: self.payload.clone(),
            qos: self.qos,
            retain: self.retain,
            properties: Bytes::new(),
            expires_at: None,
            origin: Origin::Api,
            publisher: None,
        }
    }
}

/// As many messages of the host program wait for their decision as may.
#[derive(Debug)]
pub struct Busy;

impl Hub {
    /// Publishes a message of the host program. If a hook has to be asked about it, it waits for its turn; so does what a
    /// hook publishes that is called in place, which might never end otherwise.
    pub fn publish(&self, message: HostMessage) -> Result<(), Busy> {
        if self.callbacks.mode(Hook::AuthorizePublish) == Mode::Absent && !in_place() {
            self.publish_host_message(&message, None);
            return Ok(());
        }
        self.host_messages.try_send(message).map_err(|_| Busy)
    }

    fn publish_host_message(&self, message: &HostMessage, changes: Option<&Changes>) {
        let properties = Bytes::new();
        let source = Source {
            topic: &message.topic,
            payload: &message.payload,
            qos: message.qos,
            retain: message.retain,
            properties: &properties,
            expires_at: None,
            origin: Origin::Api,
            publisher: None,
        };
        if let Some(source) = self.change_if(source, changes) {
            self.publish_now(Outgoing::new(source, Frames::default()), None, Instant::now());
        }
    }

    /// Has the hook decide about the messages of the host program, one after the other. Never returns.
    pub async fn publish_for_host(self: Arc<Self>, mut waiting: mpsc::Receiver<HostMessage>) {
        while let Some(message) = waiting.recv().await {
            if let Some(changes) = self.ask_about(Key::Host, Arc::new(message.as_seen())).await {
                self.publish_host_message(&message, changes.as_deref());
            }
        }
    }

    /// Delivers every message that matches `filter` to `queue`, the retained ones first if asked to.
    pub fn subscribe(&self, filter: &str, replay: bool, queue: Arc<SubscriptionQueue>) {
        let options = SubscriptionOptions { retain_handling: RetainHandling::DoNotSend, ..Default::default() };
        self.host_subscriptions.lock().insert(queue.id(), filter.to_owned());
        let before = self.add_subscription(filter, Receiver::Host(queue.clone()), options, None).generation;
        // Nobody is to get a retained message because of a shared subscription [MQTT-5 4.8.2].
        if !replay || topic::is_shared(filter) {
            return;
        }
        let now = Instant::now();
        let mut cursor = None;
        loop {
            let page = self.retained.page(filter, cursor.as_ref(), RETAINED_PAGE, now);
            for (_, retained) in
                page.messages.into_iter().filter(|(_, retained)| retained.is_from_before(before, &self.look_ups))
            {
                let qos = retained.message.qos.min(options.qos);
                let message = as_retained(&retained.message);
                queue.push(Arc::new(Message { qos, ..message }));
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return,
            }
        }
    }

    /// Ends the host program's subscription of that number.
    pub fn unsubscribe(&self, subscription: u64) {
        let filter = self.host_subscriptions.lock().remove(&subscription);
        if let Some(filter) = filter {
            self.remove_subscription(&filter, host_key(subscription), None);
        }
    }
}
