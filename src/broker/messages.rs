//! Messages of the host program: what it publishes, and what it subscribes to.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Broker, Error, Inner, NOT_RUNNING};
use crate::codec::encode_properties;
use crate::hooks::in_place;
use crate::model::{topic, EncodedProperties, Properties, QoS, RetainHandling, SubscriptionOptions, Text};
use crate::session::{
    self, Bounds, Completion, Consumer, HostMessage, NotPublished, Overflow, Service, SubscriptionStats, Unpublished,
};

/// The largest packet that MQTT can express, without its fixed header `[MQTT-2.1.4]`.
const MAX_REMAINING_LENGTH: usize = 268_435_455;

/// The longest delay: what MQTT can express in seconds.
const MAX_DELAY: Duration = Duration::from_secs(u32::MAX as u64);

/// Messages that wait for a subscription if its options do not say.
const DEFAULT_MAX_QUEUED_MESSAGES: u32 = 1000;

/// What those may take in memory if the options of the subscription do not say.
const DEFAULT_MAX_QUEUED_BYTES: u64 = 16 * 1024 * 1024;

/// Messages of one call to a consumer that takes several, if its options do not say.
const DEFAULT_MAX_BATCH: u32 = 256;

/// Messages of one call at most.
const MAX_BATCH: u32 = 65_536;

/// Messages that may be unacknowledged at a time, at most.
const MAX_RECEIVE_MAXIMUM: u32 = 65_535;

/// A message to publish.
#[derive(Default)]
pub struct Publish {
    pub topic: Text,
    pub payload: Bytes,
    pub qos: QoS,
    pub retain: bool,
    pub properties: Option<Box<Properties>>,
    /// The only client that gets it, whatever it is subscribed to. `None`: everyone who is subscribed.
    pub client_id: Option<Text>,
    /// When it is published, from now on.
    pub delay: Duration,
    /// How long the call may wait for room.
    pub wait: Duration,
    /// Told of what becomes of it.
    pub completion: Option<Completion>,
}

/// How to subscribe in-process. Zero is the default everywhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct SubscribeOptions {
    /// The highest QoS of its messages.
    pub qos: QoS,
    pub retain_handling: RetainHandling,
    /// The retain flag as the publisher set it, instead of false.
    pub retain_as_published: bool,
    /// Not the messages that the host program publishes.
    pub no_local: bool,
    /// Messages that may wait for the consumer. 0 means 1000.
    pub max_queued_messages: u32,
    /// What those may take in memory, about. 0 means 16 MiB.
    pub max_queued_bytes: u64,
    pub overflow: Overflow,
    /// Messages of QoS 1 and 2 are acknowledged with [`session::acknowledge`], instead of by the return of the call.
    pub manual_ack: bool,
    /// With `manual_ack`: messages that may be unacknowledged at a time. 0 means 65535.
    pub receive_maximum: u32,
    /// Messages of one call, if the consumer takes several. 0 means 256.
    pub max_batch: u32,
}

/// The topic that has been checked last: many messages of a batch have the same.
#[derive(Default)]
pub(super) struct Checked(Option<Text>);

/// Whether a consumer takes messages one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    OneByOne,
    Batches,
}

fn invalid(text: impl Into<String>) -> Error {
    Error::InvalidArgument(text.into())
}

impl From<NotPublished> for Error {
    fn from(why: NotPublished) -> Self {
        match why {
            NotPublished::Undecided => Error::WouldBlock("too many messages of the host program wait to be published"),
            NotPublished::Crowded => Error::WouldBlock("a receiver of the message has no room for more"),
            NotPublished::Delayed => Error::WouldBlock("there are as many delayed messages as allowed"),
            NotPublished::Starved => Error::WouldBlock("too little of limits.memory_budget_bytes is left"),
            NotPublished::Unreported => Error::WouldBlock("too many messages wait for their completion"),
            NotPublished::NoClient => Error::NotFound("there is no client with that identifier".to_owned()),
            NotPublished::Stopping => NOT_RUNNING,
        }
    }
}

impl Broker {
    /// Publishes a message to everyone who is subscribed, or to one client. It is on its way to all of them when this
    /// returns, unless it is delayed, or a hook has to be asked about it or calls this in place.
    pub fn publish(&self, publish: Publish) -> Result<(), Error> {
        self.publish_all(std::iter::once(Ok(publish))).1
    }

    /// Publishes messages one after the other, as far as possible; how many, and why no more.
    pub fn publish_all(
        &self,
        messages: impl IntoIterator<Item = Result<Publish, Error>>,
    ) -> (usize, Result<(), Error>) {
        let mut messages = messages.into_iter();
        let mut published = 0;
        let mut checked = Checked::default();
        let mut next = None;
        let result = loop {
            // The run is not held while anybody waits: a stop would wait, too.
            let (hub, blocked, deadline) = {
                let run = self.inner.run();
                let Some(run) = run.as_ref() else { break Err(NOT_RUNNING) };
                let (mut publisher, bounds) = (run.hub.publisher(), run.hub.bounds());
                let blocked = loop {
                    let (message, deadline) = match next.take() {
                        Some(next) => next,
                        None => match messages.next() {
                            None => break Ok(None),
                            Some(Err(error)) => break Err(error),
                            Some(Ok(message)) => {
                                let wait = message.wait;
                                match Self::check(bounds, message, &mut checked) {
                                    Err(error) => break Err(error),
                                    Ok(message) => (message, deadline(wait)),
                                }
                            }
                        },
                    };
                    match publisher.publish(message) {
                        Ok(()) => published += 1,
                        Err(Unpublished { why, message: Some(message) }) => match deadline {
                            Some(deadline) => break Ok(Some((message, why, deadline))),
                            None => break Err(why.into()),
                        },
                        Err(Unpublished { why, message: None }) => break Err(why.into()),
                    }
                };
                match blocked {
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                    Ok(Some((message, why, deadline))) => (run.hub.clone(), (message, why), deadline),
                }
            };
            let (message, why) = blocked;
            if let Err(why) = hub.await_room(&message, why, deadline) {
                break Err(why.into());
            }
            next = Some((*message, Some(deadline)));
        };
        self.inner.messages_published.fetch_add(published as u64, Relaxed);
        (published, result)
    }

    /// Checks a message as if it came from a client.
    pub(super) fn check(bounds: Bounds, publish: Publish, checked: &mut Checked) -> Result<HostMessage, Error> {
        let levels = bounds.max_topic_levels;
        if checked.0.as_ref().is_none_or(|topic| *topic != publish.topic) {
            topic::check_name(&publish.topic, levels).map_err(|error| invalid(format!("the topic {error}")))?;
            checked.0 = Some(publish.topic.clone());
        }
        if publish.qos as u8 > bounds.max_qos {
            return Err(invalid(format!("the QoS is above limits.max_qos, {}", bounds.max_qos)));
        }
        if publish.retain && !bounds.retain {
            return Err(invalid("retained messages are turned off by retain.enabled"));
        }
        if publish.retain && publish.client_id.is_some() {
            return Err(invalid("a message to one client cannot be retained"));
        }
        if publish.delay > MAX_DELAY {
            return Err(invalid("the delay is longer than 4294967295 seconds"));
        }
        let properties = match &publish.properties {
            Some(properties) => encode(properties, &publish.payload, levels)?,
            None => EncodedProperties::default(),
        };
        let Publish { topic, payload, qos, retain, client_id, delay, completion, .. } = publish;
        if topic.len() + payload.len() + properties.encoded.len() > MAX_REMAINING_LENGTH - 16 {
            return Err(invalid("the message is larger than an MQTT packet can be"));
        }
        Ok(HostMessage { topic, payload, qos, retain, properties, to: client_id, delay, completion })
    }

    /// Delivers every message that matches `filter` to `consumer`, in order, on a callback thread.
    pub fn subscribe(
        &self,
        filter: &str,
        options: SubscribeOptions,
        delivery: Delivery,
        consumer: Consumer,
    ) -> Result<Subscription, Error> {
        topic::check_filter(filter, self.inner.config.load().limits.max_topic_levels as usize)
            .map_err(|error| invalid(format!("the filter {error}")))?;
        if options.no_local && topic::is_shared(filter) {
            return Err(invalid("a shared subscription cannot be without local messages"));
            // [MQTT-3.8.3-4]
        }
        let service = service(&options, delivery)?;
        let run = self.inner.run();
        let hub = &run.as_ref().ok_or(NOT_RUNNING)?.hub;
        let id = self.inner.next_subscription.fetch_add(1, Relaxed) + 1;
        let queue = hub
            .new_subscription(id, service, consumer)
            .ok_or_else(|| Error::Internal("the process has no number left for a subscription".to_owned()))?;
        let options = SubscriptionOptions {
            qos: options.qos,
            no_local: false, // The publisher's own key is that of a session: the queue's end looks after it.
            retain_as_published: options.retain_as_published,
            retain_handling: options.retain_handling,
            identifier: None,
        };
        hub.subscribe(filter, options, &queue);
        Ok(Subscription { queue, broker: Arc::downgrade(&self.inner) })
    }
}

/// Until when a call may wait. One within a hook that is called in place may not: the thread has clients to serve.
fn deadline(wait: Duration) -> Option<Instant> {
    (!wait.is_zero() && !in_place()).then(|| Instant::now() + wait)
}

fn encode(properties: &Properties, payload: &[u8], levels: usize) -> Result<EncodedProperties, Error> {
    if properties.payload_is_text && std::str::from_utf8(payload).is_err() {
        return Err(invalid("the payload is not UTF-8, as its payload format indicator says"));
    }
    if let Some(response_topic) = &properties.response_topic {
        topic::check_name(response_topic, levels).map_err(|error| invalid(format!("the response topic {error}")))?;
    }
    encode_properties(properties).map_err(|error| invalid(error.to_string()))
}

fn service(options: &SubscribeOptions, delivery: Delivery) -> Result<Service, Error> {
    let or = |given: u32, default: u32| if given == 0 { default } else { given };
    let max_batch = or(options.max_batch, DEFAULT_MAX_BATCH);
    if max_batch > MAX_BATCH {
        return Err(invalid("the largest batch is above 65536"));
    }
    let receive_maximum = or(options.receive_maximum, MAX_RECEIVE_MAXIMUM);
    if receive_maximum > MAX_RECEIVE_MAXIMUM {
        return Err(invalid("the receive maximum is above 65535"));
    }
    let max_bytes = match options.max_queued_bytes {
        0 => DEFAULT_MAX_QUEUED_BYTES,
        max => max,
    };
    Ok(Service {
        max_messages: or(options.max_queued_messages, DEFAULT_MAX_QUEUED_MESSAGES) as usize,
        max_bytes: usize::try_from(max_bytes).unwrap_or(usize::MAX),
        overflow: options.overflow,
        batch: match delivery {
            Delivery::OneByOne => 1,
            Delivery::Batches => max_batch as usize,
        },
        receive_maximum: options.manual_ack.then_some(receive_maximum as usize),
        no_local: options.no_local,
    })
}

/// An in-process subscription. It ends when it is dropped, or with the run of its broker.
pub struct Subscription {
    queue: Arc<session::Subscription>,
    broker: Weak<Inner>,
}

impl Subscription {
    /// No call begins any more until [`Subscription::resume`]; one that runs goes on.
    pub fn pause(&self) {
        self.queue.pause();
    }

    pub fn resume(&self) {
        self.queue.resume();
    }

    pub fn stats(&self) -> SubscriptionStats {
        self.queue.stats()
    }
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
