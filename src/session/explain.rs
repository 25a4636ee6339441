//! What would become of something that a client might do, and who decides it. Nothing is done, and nobody is asked.

use serde::Serialize;

use super::hub::Hub;
use super::ruling::{bad_topic, bar_to_subscribing, publishing_without_hook, subscribing_without_hook};
use super::ruling::{Bar, Basis, Standing};
use crate::hooks::Hook;
use crate::model::topic::{self, TopicError};
use crate::model::{Client, Protocol, ReasonCode, Text};

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
    pub rule: Option<&'static str>,
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
    Rule,
    /// A rule would forbid it, but the client is a superuser.
    Superuser,
    /// Nothing speaks against it.
    Default,
}

const SYS_TOPICS: &str = "acl.sys_topics";
const MAX_TOPIC_LEVELS: &str = "limits.max_topic_levels";

/// An answer before it is known whose it is.
struct Finding {
    allowed: Option<bool>,
    decided_by: DecidedBy,
    hook: Option<&'static str>,
    rule: Option<&'static str>,
    reason: Option<ReasonCode>,
    detail: String,
}

impl Finding {
    fn yes(decided_by: DecidedBy, rule: Option<&'static str>, detail: &str) -> Self {
        Finding { allowed: Some(true), decided_by, hook: None, rule, reason: None, detail: detail.to_owned() }
    }

    fn no(decided_by: DecidedBy, rule: Option<&'static str>, reason: ReasonCode, detail: String) -> Self {
        Finding { allowed: Some(false), decided_by, hook: None, rule, reason: Some(reason), detail }
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

    fn malformed(what: &str, error: TopicError, reason: ReasonCode) -> Self {
        let detail = format!("the {what} {error}");
        match error {
            TopicError::TooManyLevels { .. } => Finding::no(DecidedBy::Limit, Some(MAX_TOPIC_LEVELS), reason, detail),
            _ => Finding::no(DecidedBy::Validation, None, reason, detail),
        }
    }

    fn of(basis: Basis) -> Self {
        match basis {
            Basis::Default => Finding::yes(DecidedBy::Default, None, "no hook is set, and no rule speaks against it"),
            Basis::Superuser => {
                let detail = "the rule for topics of the broker does not hold for a superuser";
                Finding::yes(DecidedBy::Superuser, Some(SYS_TOPICS), detail)
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
        let finding = match action {
            Action::Publish => self.explain_publishing(&client, topic),
            Action::Subscribe => {
                let subscriptions = handle.subscriptions();
                let standing = Standing { count: subscriptions.len(), known: subscriptions.contains(topic) };
                drop(subscriptions);
                self.explain_subscribing(&client, topic, standing)
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

    fn explain_publishing(&self, client: &Client, topic: &str) -> Finding {
        if topic.is_empty() {
            let v5 = client.protocol == Protocol::V5;
            let reason = if v5 { ReasonCode::PROTOCOL_ERROR } else { ReasonCode::MALFORMED_PACKET };
            return Finding::malformed("topic name", TopicError::Empty, reason);
        }
        let is_asked = self.callbacks().wants(Hook::AuthorizePublish);
        let basis = publishing_without_hook(client, topic);
        // The rule comes before a look at the topic, a hook behind it.
        if !is_asked && !basis.allows() {
            return Finding::of(basis);
        }
        if let Err(error) = topic::check_name(topic, self.max_topic_levels()) {
            return Finding::malformed("topic name", error, bad_topic(error));
        }
        match is_asked {
            true => Finding::asked(Hook::AuthorizePublish),
            false => Finding::of(basis),
        }
    }

    fn explain_subscribing(&self, client: &Client, filter: &str, standing: Standing) -> Finding {
        let settings = self.settings();
        let limits = settings.filters();
        if let Some(bar) = bar_to_subscribing(filter, &limits, standing) {
            let reason = bar.reason();
            return match bar {
                Bar::Filter(error) => Finding::malformed("topic filter", error, reason),
                Bar::NoShared => {
                    let detail = "shared subscriptions are turned off".to_owned();
                    Finding::no(DecidedBy::Rule, Some("shared_subscriptions.enabled"), reason, detail)
                }
                Bar::TooMany => {
                    let detail = format!("the client has {} subscriptions", standing.count);
                    Finding::no(DecidedBy::Limit, Some("limits.max_subscriptions"), reason, detail)
                }
            };
        }
        match self.callbacks().wants(Hook::AuthorizeSubscribe) {
            true => Finding::asked(Hook::AuthorizeSubscribe),
            false => Finding::of(subscribing_without_hook(filter, client, &settings)),
        }
    }
}
