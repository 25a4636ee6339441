//! PUBLISH from the client.

use bytestring::ByteString;

use super::super::closing::Closing;
use super::super::excess::Excess;
use super::super::ruling::{bad_topic, diagnosis_of, Pace, Ruling};
use super::super::state::State;
use super::{with_room, Connection, Held, Host, TOPIC_ALIASES};
use crate::codec::{Diagnosis, Publish};
use crate::model::topic::TopicError;
use crate::model::{QoS, ReasonCode};

impl Connection {
    pub(super) fn publish(
        &mut self,
        mut publish: Publish,
        state: &mut State,
        host: &mut impl Host,
    ) -> Result<(), Closing> {
        let topic = match publish.topic_alias {
            None if publish.topic.is_empty() => {
                // [MQTT-3.3.2-1], [MQTT-4.7.3-1]
                let reason = if self.v5() { ReasonCode::PROTOCOL_ERROR } else { ReasonCode::MALFORMED_PACKET };
                return Err(Closing::by_broker(reason, "a PUBLISH without topic"));
            }
            None => std::mem::take(&mut publish.topic),
            Some(number) => self.resolve(number, &publish.topic)?,
        };
        if publish.qos > self.terms.max_qos {
            // [MQTT-3.2.2-11]
            return Err(Closing::beyond(Excess::ClosedLimit, ReasonCode::QOS_NOT_SUPPORTED, "QoS not supported"));
        }
        if publish.retain && !self.terms.retain_available && self.v5() {
            let reason = ReasonCode::RETAIN_NOT_SUPPORTED;
            return Err(Closing::beyond(Excess::ClosedLimit, reason, "retain not supported"));
            // [MQTT-3.2.2-14]
        }
        if publish.qos == QoS::ExactlyOnce {
            let counted = self.open.contains(publish.packet_id);
            if self.v5() && !counted && self.open.len() >= self.terms.own_receive_maximum {
                let reason = ReasonCode::RECEIVE_MAXIMUM_EXCEEDED;
                // [MQTT-3.3.4-8]
                return Err(Closing::beyond(Excess::ClosedLimit, reason, "receive maximum exceeded"));
            }
            if state.received.contains(publish.packet_id) {
                // It has been routed already [MQTT-4.3.3-10].
                self.count_open(publish.packet_id);
                self.encoder.pubrec(publish.packet_id, ReasonCode::SUCCESS, None, with_room(&mut self.out))?;
                return Ok(());
            }
        }
        match host.pace(&topic, &publish) {
            Pace::Kept => {}
            Pace::Dropped => return self.answer(&publish, ReasonCode::QUOTA_EXCEEDED, None, state),
            Pace::Exceeded => {
                return Err(Closing::beyond(
                    Excess::ClosedRate,
                    ReasonCode::MESSAGE_RATE_TOO_HIGH,
                    "message rate too high",
                ));
            }
        }
        match host.may_publish(&topic, &publish) {
            Ruling::Later => {
                self.held = Some(Box::new(Held::Publish { topic, publish }));
                Ok(())
            }
            ruling => self.publish_ruled(&topic, publish, ruling, state, host),
        }
    }

    pub(super) fn publish_ruled(
        &mut self,
        topic: &str,
        publish: Publish,
        ruling: Ruling,
        state: &mut State,
        host: &mut impl Host,
    ) -> Result<(), Closing> {
        let (reason, diagnosis) = match &ruling {
            Ruling::Allowed(changes) => match host.publish(topic, &publish, changes.as_deref()) {
                Ok(reason) => (reason, changes.as_deref().and_then(diagnosis_of)),
                Err(error @ TopicError::TooManyLevels { .. }) => (bad_topic(error), None),
                Err(error) => {
                    let words = if error == TopicError::Nul { "U+0000 in a topic" } else { "topic name invalid" };
                    return Err(Closing::by_broker(bad_topic(error), words));
                }
            },
            Ruling::Refused(refusal) => {
                host.refused(topic, &publish);
                (refusal.reason, refusal.diagnosis())
            }
            Ruling::Challenged(_) => {
                host.refused(topic, &publish);
                (ReasonCode::NOT_AUTHORIZED, None)
            }
            Ruling::Dropped | Ruling::Later => {
                host.refused(topic, &publish);
                (ReasonCode::SUCCESS, None)
            }
        };
        match publish.qos {
            QoS::AtMostOnce => Ok(()), // Most messages: not even a call is made for what they do not need.
            _ => self.answer(&publish, reason, diagnosis.as_ref(), state),
        }
    }

    /// Acknowledges a message. Before MQTT 5 there is no way to say no.
    fn answer(
        &mut self,
        publish: &Publish,
        reason: ReasonCode,
        diagnosis: Option<&Diagnosis<'_>>,
        state: &mut State,
    ) -> Result<(), Closing> {
        match publish.qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => self.encoder.puback(publish.packet_id, reason, diagnosis, with_room(&mut self.out))?,
            QoS::ExactlyOnce => {
                // Refused: the exchange is over with PUBREC.
                if !reason.is_failure() || !self.v5() {
                    state.received.insert(publish.packet_id);
                    self.count_open(publish.packet_id);
                }
                self.encoder.pubrec(publish.packet_id, reason, diagnosis, with_room(&mut self.out))?;
            }
        }
        Ok(())
    }

    /// Counts a QoS 2 message against the receive maximum that an MQTT 5 client has been told `[MQTT-5 4.9]`.
    fn count_open(&mut self, packet_id: u16) {
        if self.v5() {
            self.open.insert(packet_id);
        }
    }

    /// The topic behind an alias, which a topic that comes with it sets.
    fn resolve(&mut self, alias: u16, topic: &ByteString) -> Result<ByteString, Closing> {
        if alias == 0 || alias > TOPIC_ALIASES {
            // [MQTT-3.3.2-9]
            return Err(Closing::by_broker(ReasonCode::TOPIC_ALIAS_INVALID, "topic alias invalid"));
        }
        let index = usize::from(alias) - 1;
        if !topic.is_empty() {
            if self.aliases_in.len() <= index {
                self.aliases_in.resize(index + 1, None);
            }
            // A copy: the packet is part of a buffer that must not be kept.
            let copy = ByteString::from(&**topic);
            self.aliases_in[index] = Some(copy.clone());
            return Ok(copy);
        }
        let known = self.aliases_in.get(index).cloned().flatten();
        known.ok_or_else(|| Closing::by_broker(ReasonCode::PROTOCOL_ERROR, "a topic alias that has not been set"))
    }
}
