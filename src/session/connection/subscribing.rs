//! SUBSCRIBE and UNSUBSCRIBE.

use super::super::closing::Closing;
use super::super::ruling::{bar_to_subscribing, Refusal, Ruling};
use super::{Connection, Held, Host};
use crate::codec::{Diagnosis, Subscribe, Unsubscribe};
use crate::hooks::Changes;
use crate::model::topic;
use crate::model::{QoS, ReasonCode, SubscriptionOptions, Text, UserProperties};

/// A SUBSCRIBE, and how far it has been worked off.
pub(super) struct Subscribing {
    packet: Subscribe,
    answers: Answers,
}

/// An UNSUBSCRIBE, and how far it has been worked off.
pub(super) struct Unsubscribing {
    packet: Unsubscribe,
    answers: Answers,
}

/// What the client is told about the filters of one packet.
struct Answers {
    reasons: Vec<ReasonCode>,
    /// The first reason string that there is: a packet has one.
    words: Option<Text>,
    user_properties: UserProperties,
}

impl Subscribing {
    pub(super) fn new(packet: Subscribe) -> Self {
        let answers = Answers::new(packet.filters.len());
        Subscribing { packet, answers }
    }
}

impl Unsubscribing {
    pub(super) fn new(packet: Unsubscribe) -> Self {
        let answers = Answers::new(packet.filters.len());
        Unsubscribing { packet, answers }
    }
}

impl Answers {
    fn new(filters: usize) -> Self {
        Answers { reasons: Vec::with_capacity(filters), words: None, user_properties: Vec::new() }
    }

    /// Takes what an answer tells besides its reason code.
    fn note(&mut self, words: Option<Text>, user_properties: UserProperties) {
        self.words = self.words.take().or(words);
        self.user_properties.extend(user_properties);
    }

    fn refuse(&mut self, refusal: Refusal) -> ReasonCode {
        self.note(refusal.words, refusal.remarks.map_or_else(Vec::new, |remarks| remarks.user_properties));
        refusal.reason
    }

    fn diagnosis(&self) -> Diagnosis<'_> {
        Diagnosis { reason_string: self.words.as_deref(), user_properties: &self.user_properties }
    }
}

impl Connection {
    /// Works off the filters of a SUBSCRIBE; `ruling` is that on the next one, if it is there already.
    pub(super) fn subscribe(
        &mut self,
        mut subscribing: Subscribing,
        mut ruling: Option<Ruling>,
        host: &mut impl Host,
    ) -> Result<(), Closing> {
        while let Some((filter, options)) = subscribing.packet.filters.get(subscribing.answers.reasons.len()) {
            let mut options = *options;
            options.qos = options.qos.min(self.terms.max_qos); // [MQTT-3.8.4-7]
            let bar = bar_to_subscribing(filter, &host.limits(), host.subscriptions(filter));
            let reason = match bar {
                Some(bar) => bar.reason(),
                None => match ruling.take().unwrap_or_else(|| host.may_subscribe(filter, options)) {
                    Ruling::Later => {
                        self.held = Some(Box::new(Held::Subscribe(subscribing)));
                        return Ok(());
                    }
                    Ruling::Refused(refusal) => subscribing.answers.refuse(*refusal),
                    Ruling::Dropped | Ruling::Challenged(_) => ReasonCode::NOT_AUTHORIZED,
                    Ruling::Allowed(changes) => {
                        let changes = changes.map_or_else(Changes::default, |changes| *changes);
                        subscribing.answers.note(changes.reason, changes.remarks.user_properties);
                        options.qos = options.qos.min(changes.qos.unwrap_or(QoS::ExactlyOnce));
                        self.grant(filter, changes.topic, options, host)
                    }
                },
            };
            if reason.is_failure() {
                host.not_subscribed(bar);
            }
            subscribing.answers.reasons.push(reason);
        }
        // One return code for each filter, in their order [MQTT-3.8.4-6].
        let Subscribing { packet, answers } = &subscribing;
        self.encoder.suback(packet.packet_id, &answers.reasons, Some(&answers.diagnosis()), &mut self.out)?;
        Ok(())
    }

    /// Subscribes to `wanted`, or to what the host program has put in its place.
    fn grant(
        &mut self,
        wanted: &str,
        instead: Option<Text>,
        options: SubscriptionOptions,
        host: &mut impl Host,
    ) -> ReasonCode {
        if let Some(instead) = &instead {
            if let Err(error) = topic::check_filter(instead, host.limits().max_topic_levels) {
                tracing::warn!(filter = %instead, "a subscription is refused: the filter that a hook has put in {error}");
                return ReasonCode::IMPLEMENTATION_SPECIFIC;
            }
        }
        host.subscribe(wanted, instead, options);
        ReasonCode(options.qos as u8)
    }

    /// Works off the filters of an UNSUBSCRIBE; `ruling` is that on the next one, if it is there already.
    pub(super) fn unsubscribe(
        &mut self,
        mut unsubscribing: Unsubscribing,
        mut ruling: Option<Ruling>,
        host: &mut impl Host,
    ) -> Result<(), Closing> {
        while let Some(filter) = unsubscribing.packet.filters.get(unsubscribing.answers.reasons.len()) {
            let reason = if topic::check_filter(filter, host.limits().max_topic_levels).is_err() {
                ReasonCode::TOPIC_FILTER_INVALID
            } else if !host.subscriptions(filter).known {
                ReasonCode::NO_SUBSCRIPTION_EXISTED
            } else {
                match ruling.take().unwrap_or_else(|| host.may_unsubscribe(filter)) {
                    Ruling::Later => {
                        self.held = Some(Box::new(Held::Unsubscribe(unsubscribing)));
                        return Ok(());
                    }
                    Ruling::Refused(refusal) => unsubscribing.answers.refuse(*refusal),
                    Ruling::Dropped | Ruling::Challenged(_) => ReasonCode::NOT_AUTHORIZED,
                    Ruling::Allowed(changes) => {
                        if let Some(changes) = changes {
                            unsubscribing.answers.note(changes.reason, changes.remarks.user_properties);
                        }
                        host.unsubscribe(filter);
                        ReasonCode::SUCCESS
                    }
                }
            };
            unsubscribing.answers.reasons.push(reason);
        }
        // [MQTT-3.10.4-5]
        let Unsubscribing { packet, answers } = &unsubscribing;
        self.encoder.unsuback(packet.packet_id, &answers.reasons, Some(&answers.diagnosis()), &mut self.out)?;
        Ok(())
    }
}
