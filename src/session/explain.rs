//! What would become of something that a client might do, and who decides it. Nothing is done, and nobody is asked.

use serde::Serialize;

use super::hub::Hub;
use super::rights::{Basis, Policy};
use super::ruling::{bad_topic, bar_to_subscribing, Bar, Standing};
use super::visit::Visit;
use crate::hooks::Hook;
use crate::limits::Pressure;
use crate::model::topic::{self, TopicError};
use crate::model::{Client, Protocol, QoS, ReasonCode, Text};

/// What a client might do. The numbers are part of the C ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(i32)]
pub enum Action {
    Publish = 1,
    Subscribe = 2,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    pub client_id: Text,
    pub action: Action,
    /// The topic name or filter.
    pub topic: String,
    /// `None`: that is for a hook to say.
    pub allowed: Option<bool>,
    pub decided_by: DecidedBy,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook: Option<&'static str>,
    /// What of the configuration is behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What the client is told if it may not: the MQTT 5 reason code, also for older clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<u8>,
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DecidedBy {
    /// It is not what MQTT allows.
    Validation,
    /// There is no more of it.
    Limit,
    Hook,
    /// A rule of the configuration. Those of `acl.file` are counted on behind those of `acl.rules`.
    Rule,
    /// A rule that the client's token has brought, or the service that let it in.
    OwnRule,
    /// A rule would forbid it, but the client is a superuser.
    Superuser,
    /// Nothing speaks against it.
    Default,
}

const SYS_TOPICS: &str = "acl.sys_topics";
const DEFAULT_PUBLISH: &str = "acl.default_publish";
const DEFAULT_SUBSCRIBE: &str = "acl.default_subscribe";
const MEMORY_BUDGET: &str = "limits.memory_budget_bytes";
const MAX_TOPIC_LEVELS: [&str; 2] = ["limits.max_topic_levels", "listeners[].limits.max_topic_levels"];
const MAX_SUBSCRIPTIONS: [&str; 2] = ["limits.max_subscriptions", "listeners[].limits.max_subscriptions"];

/// What is said besides of a client whose listener, or the broker, has a limit for it.
const PACED: &str = ", as fast as publish_msgs_per_sec and publish_bytes_per_sec let the client";

/// An answer before it is known whose it is.
struct Finding {
    allowed: Option<bool>,
    decided_by: DecidedBy,
    hook: Option<&'static str>,
    rule: Option<String>,
    reason: Option<ReasonCode>,
    detail: String,
}

impl Finding {
    fn yes(decided_by: DecidedBy, rule: Option<&str>, detail: &str) -> Self {
        let (rule, detail) = (rule.map(str::to_owned), detail.to_owned());
        Finding { allowed: Some(true), decided_by, hook: None, rule, reason: None, detail }
    }

    fn no(decided_by: DecidedBy, rule: Option<&str>, reason: ReasonCode, detail: String) -> Self {
        let rule = rule.map(str::to_owned);
        Finding { allowed: Some(false), decided_by, hook: None, rule, reason: Some(reason), detail }
    }

    fn ruled(decided_by: DecidedBy, rule: Option<&str>, allowed: bool, detail: &str) -> Self {
        match allowed {
            true => Finding::yes(decided_by, rule, detail),
            false => Finding::no(decided_by, rule, ReasonCode::NOT_AUTHORIZED, detail.to_owned()),
        }
    }

    fn asked(hook: Hook) -> Self {
        Finding {
            allowed: None,
            decided_by: DecidedBy::Hook,
            hook: Some(hook.name()),
            rule: None,
            reason: None,
            detail: format!("the hook {} is asked each time", hook.name()),
        }
    }

    /// `levels`: the key that says how many a topic may have.
    fn malformed(what: &str, error: TopicError, levels: &str, reason: ReasonCode) -> Self {
        let detail = format!("the {what} {error}");
        match error {
            TopicError::TooManyLevels { .. } => Finding::no(DecidedBy::Limit, Some(levels), reason, detail),
            _ => Finding::no(DecidedBy::Validation, None, reason, detail),
        }
    }

    /// `default`: the key that decides where no rule does.
    fn of(basis: Basis, default: &str) -> Self {
        match basis {
            Basis::Default { allowed: true } => {
                Finding::yes(DecidedBy::Default, None, "no hook is set, and no rule speaks against it")
            }
            Basis::Default { allowed: false } => {
                Finding::ruled(DecidedBy::Default, Some(default), false, "no hook is set, and no rule allows it")
            }
            Basis::Superuser { system_topic } => {
                let rule = system_topic.then_some(SYS_TOPICS);
                Finding::yes(DecidedBy::Superuser, rule, "what would forbid it does not hold for a superuser")
            }
            Basis::Rule { allowed, index } => {
                let rule = format!("acl.rules[{index}]");
                Finding::ruled(DecidedBy::Rule, Some(&rule), allowed, "the first rule that fits says so")
            }
            Basis::OwnRule { allowed, index } => {
                let detail = format!("rule {index} of those that the client was let in with says so");
                Finding::ruled(DecidedBy::OwnRule, None, allowed, &detail)
            }
            Basis::SystemTopic { allowed: true } => {
                Finding::yes(DecidedBy::Rule, Some(SYS_TOPICS), "topics of the broker may be read")
            }
            Basis::SystemTopic { allowed: false } => {
                let detail = "topics of the broker are not open to clients for this".to_owned();
                Finding::no(DecidedBy::Rule, Some(SYS_TOPICS), ReasonCode::NOT_AUTHORIZED, detail)
            }
        }
    }
}

impl Hub {
    /// `None`: there is no such client.
    pub fn explain(&self, client_id: &str, action: Action, topic: &str) -> Option<Explanation> {
        let (handle, client) = self.find(client_id)?;
        let visit = handle.mailbox().visit().clone();
        let finding = match action {
            Action::Publish => {
                let finding = self.explain_publishing(&client, &visit, topic);
                self.explain_memory(finding, topic, handle.key())
            }
            Action::Subscribe => {
                let subscriptions = handle.subscriptions();
                let standing = Standing { count: subscriptions.len(), known: subscriptions.contains(topic) };
                drop(subscriptions);
                self.explain_subscribing(&client, &visit, topic, standing)
            }
        };
        Some(Explanation {
            client_id: client.id.clone(),
            action,
            topic: topic.to_owned(),
            allowed: finding.allowed,
            decided_by: finding.decided_by,
            hook: finding.hook,
            rule: finding.rule,
            reason_code: finding.reason.map(|reason| reason.0),
            detail: finding.detail,
        })
    }

    fn explain_publishing(&self, client: &Client, visit: &Visit, topic: &str) -> Finding {
        let of_all = self.max_topic_levels();
        let levels = visit.limits.as_deref().map_or(of_all, |own| own.topic_levels(of_all));
        let levels_key = MAX_TOPIC_LEVELS[usize::from(levels < of_all)];
        if topic.is_empty() {
            let v5 = client.protocol == Protocol::V5;
            let reason = if v5 { ReasonCode::PROTOCOL_ERROR } else { ReasonCode::MALFORMED_PACKET };
            return Finding::malformed("topic name", TopicError::Empty, levels_key, reason);
        }
        let is_asked = self.callbacks().wants(Hook::AuthorizePublish);
        // As a message of QoS 0 that is not to be retained.
        let basis =
            Policy::of(&self.settings(), visit.rules.as_deref()).publishing(client, topic, QoS::AtMostOnce, false);
        // The rule for topics of the broker comes before a look at the topic, hooks and other rules behind it.
        if !is_asked && basis == (Basis::SystemTopic { allowed: false }) {
            return Finding::of(basis, DEFAULT_PUBLISH);
        }
        if let Err(error) = topic::check_name(topic, levels) {
            return Finding::malformed("topic name", error, levels_key, bad_topic(error));
        }
        let mut finding = match is_asked {
            true => Finding::asked(Hook::AuthorizePublish),
            false => Finding::of(basis, DEFAULT_PUBLISH),
        };
        if visit.is_paced && finding.allowed != Some(false) {
            finding.detail.push_str(PACED);
        }
        finding
    }

    /// What becomes of a message that may be published if memory runs short.
    fn explain_memory(&self, mut finding: Finding, topic: &str, publisher: u64) -> Finding {
        let pressure = self.memory().pressure();
        if finding.allowed == Some(false) || pressure < Pressure::Tight {
            return finding;
        }
        let crowd = self.crowd(topic, 0, None, Some(publisher));
        let starves = |qos| crowd.is_starved(qos, pressure);
        if !starves(QoS::AtMostOnce) {
            if let starved @ 1.. = crowd.starved(QoS::AtMostOnce, pressure) {
                let not = format!(", but for want of memory not to {starved} of {} who would get it", crowd.all);
                finding.detail.push_str(&not);
            }
            return finding;
        }
        let but = if starves(QoS::AtLeastOnce) { "" } else { ", but for messages of QoS 1 and 2" };
        let detail = format!("there is too little memory for whoever would get it{but}");
        Finding::no(DecidedBy::Limit, Some(MEMORY_BUDGET), ReasonCode::QUOTA_EXCEEDED, detail)
    }

    fn explain_subscribing(&self, client: &Client, visit: &Visit, filter: &str, standing: Standing) -> Finding {
        let settings = self.settings();
        let own = visit.limits.as_deref();
        let limits = self.filter_limits(own);
        if let Some(bar) = bar_to_subscribing(filter, &limits, standing) {
            let reason = bar.reason();
            return match bar {
                Bar::Filter(error) => {
                    let is_own = limits.max_topic_levels < self.max_topic_levels();
                    Finding::malformed("topic filter", error, MAX_TOPIC_LEVELS[usize::from(is_own)], reason)
                }
                Bar::NoShared => {
                    let detail = "shared subscriptions are turned off".to_owned();
                    Finding::no(DecidedBy::Rule, Some("shared_subscriptions.enabled"), reason, detail)
                }
                Bar::TooMany => {
                    let detail = format!("the client has {} subscriptions", standing.count);
                    let is_own = own.is_some_and(|own| own.max_subscriptions.is_some());
                    Finding::no(DecidedBy::Limit, Some(MAX_SUBSCRIPTIONS[usize::from(is_own)]), reason, detail)
                }
                Bar::Memory => {
                    let detail = "there is too little memory for another subscription".to_owned();
                    Finding::no(DecidedBy::Limit, Some(MEMORY_BUDGET), reason, detail)
                }
            };
        }
        match self.callbacks().wants(Hook::AuthorizeSubscribe) {
            true => Finding::asked(Hook::AuthorizeSubscribe),
            false => {
                let basis = Policy::of(&settings, visit.rules.as_deref()).subscribing(client, filter, QoS::AtMostOnce);
                Finding::of(basis, DEFAULT_SUBSCRIBE)
            }
        }
    }
}
