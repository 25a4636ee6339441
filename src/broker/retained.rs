//! Retained messages, as the host program looks after them.

use std::sync::Arc;
use std::time::Instant;

use super::messages::Checked;
use super::{Broker, Error, Publish};
use crate::model::{topic, Message};
use crate::session::{Bounds, Full};

const FULL: &str = "as many messages are retained as retain.max_messages allows";

impl Broker {
    /// Shows `each` every retained message that matches `filter`, in the order of their names, level by level. Nothing is
    /// locked meanwhile: it may call whatever it wants to.
    pub fn retained(&self, filter: &str, mut each: impl FnMut(&Arc<Message>)) -> Result<(), Error> {
        self.check_retained_filter(filter)?;
        let mut cursor = None;
        loop {
            let (messages, next) = self.inner.with_hub(|hub| Ok(hub.retained_page(filter, cursor.as_ref())))?;
            for message in &messages {
                // It may have waited for those before it.
                if !message.is_expired(Instant::now()) {
                    each(message);
                }
            }
            match next {
                Some(next) => cursor = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// The retained message of a topic.
    pub fn retained_get(&self, topic: &str) -> Result<Arc<Message>, Error> {
        topic::check_name(topic, self.max_topic_levels())
            .map_err(|error| Error::InvalidArgument(format!("the topic {error}")))?;
        let message = self.inner.with_hub(|hub| Ok(hub.retained_message(topic)))?;
        message.ok_or_else(|| Error::NotFound(format!("no message is retained for {topic:?}")))
    }

    /// Retains a message for later subscriptions; those that there are do not get it.
    pub fn retained_set(&self, message: Publish) -> Result<(), Error> {
        let config = self.inner.config.load();
        if !message.delay.is_zero() || message.completion.is_some() {
            let text = "a message that is retained without being sent has no delay, and nobody to report to";
            return Err(Error::InvalidArgument(text.to_owned()));
        }
        let message = Self::check(Bounds::of(&config), Publish { retain: true, ..message }, &mut Checked::default())?;
        let (size, max) = (message.payload.len(), config.retain.max_payload_bytes as usize);
        if size == 0 {
            return Err(Error::InvalidArgument("the payload is empty: nothing retains that".to_owned()));
        }
        if max > 0 && size > max {
            let text = format!("the payload has {size} bytes, retain.max_payload_bytes is {max}");
            return Err(Error::InvalidArgument(text));
        }
        self.inner.with_hub(|hub| hub.set_retained(message).map_err(|Full| Error::WouldBlock(FULL)))
    }

    /// Forgets every retained message that matches `filter`; how many.
    pub fn retained_delete(&self, filter: &str) -> Result<u64, Error> {
        self.check_retained_filter(filter)?;
        self.inner.with_hub(|hub| Ok(hub.delete_retained(filter)))
    }

    fn check_retained_filter(&self, filter: &str) -> Result<(), Error> {
        topic::check_filter(filter, self.max_topic_levels())
            .map_err(|error| Error::InvalidArgument(format!("the filter {error}")))?;
        if topic::is_shared(filter) {
            return Err(Error::InvalidArgument("the filter is that of a shared subscription".to_owned()));
        }
        Ok(())
    }

    fn max_topic_levels(&self) -> usize {
        self.inner.config.load().limits.max_topic_levels as usize
    }
}
