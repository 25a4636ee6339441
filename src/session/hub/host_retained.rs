//! What the host program does with retained messages itself.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::super::blocks::SHARED_PAYLOAD;
use super::super::delivery::Outgoing;
use super::retaining::as_retained;
use super::{HostMessage, Hub, RETAINED_PAGE};
use crate::hooks::RetainedChange;
use crate::limits::Kind;
use crate::model::{Message, Origin, QoS, Text};
use crate::retain::Cursor;

/// The stamp of a message that nobody has got by itself: there was no subscription yet when its receivers were looked up.
const BEFORE_ALL: u64 = 0;

/// There are as many retained messages as allowed, or there is too little memory for another one.
#[derive(Debug)]
pub struct Full;

impl Hub {
    /// Retains a message of the host program, which goes to later subscriptions only. No hook is asked about it.
    pub fn set_retained(&self, message: HostMessage) -> Result<(), Full> {
        let mut message = message;
        if message.payload.len() >= SHARED_PAYLOAD {
            message.payload = self.memory.count(Kind::Retained, message.payload, 0);
        }
        let message = Arc::new(Message { retain: true, ..message.into_message(Origin::Api, Instant::now()) });
        let kept = self.retain(&mut Outgoing::of(&message), Instant::now());
        if let Some(retained) = &kept.retained {
            retained.matched(BEFORE_ALL);
        }
        self.has_retained(&kept, &message);
        if kept.full.is_some() {
            Err(Full)
        } else {
            Ok(())
        }
    }

    /// The retained message of a topic.
    pub fn retained_message(&self, topic: &str) -> Option<Arc<Message>> {
        self.retained.get(topic, Instant::now()).map(|retained| Arc::new(as_retained(&retained.message)))
    }

    /// Some of the retained messages that match a filter, in the order of their names, and where the next ones are.
    pub fn retained_page(&self, filter: &str, cursor: Option<&Cursor>) -> (Vec<Arc<Message>>, Option<Cursor>) {
        let page = self.retained.page(filter, cursor, RETAINED_PAGE, Instant::now());
        let messages = page.messages.iter().map(|(_, retained)| Arc::new(as_retained(&retained.message)));
        (messages.collect(), page.next)
    }

    /// Forgets the retained messages that match a filter; how many.
    pub fn delete_retained(&self, filter: &str) -> u64 {
        let now = Instant::now();
        let (mut deleted, mut cursor) = (0, None);
        loop {
            let page = self.retained.page(filter, cursor.as_ref(), RETAINED_PAGE, now);
            for (topic, _) in page.messages {
                // Somebody else may have been faster.
                if self.retained.remove(&topic) {
                    deleted += 1;
                    self.retained_changed(RetainedChange::Removed, &taken_back(topic));
                }
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return deleted,
            }
        }
    }
}

/// The empty message that takes one back.
fn taken_back(topic: String) -> Arc<Message> {
    Arc::new(Message {
        topic: Text::from(topic),
        payload: Bytes::new(),
        qos: QoS::AtMostOnce,
        retain: true,
        properties: Bytes::new(),
        expires_at: None,
        origin: Origin::Api,
        publisher: None,
    })
}
