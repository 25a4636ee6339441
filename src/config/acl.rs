//! What clients may do when no hook decides about it.

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::topic;

/// What clients may do when no hook decides about it.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Acl {
    /// What becomes of a PUBLISH that no rule fits.
    pub default_publish: Effect,

    /// What becomes of a filter of a SUBSCRIBE that no rule decides about.
    pub default_subscribe: Effect,

    /// What clients may do with the topics below `$SYS/`, which the broker and the host program publish to. No client
    /// may publish to them.
    pub sys_topics: SysTopicsAccess,

    /// More rules, behind those below: a file with a JSON array of them.
    #[schemars(extend("format" = "text"))]
    pub file: String,

    /// The access rules, in order: the first one that fits decides. They do not hold for superusers.
    #[schemars(length(max = 100_000))]
    pub rules: Vec<AclRule>,
}

/// One access rule. What it does not say does not matter to it.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AclRule {
    /// What becomes of that which it fits.
    pub effect: Effect,

    /// What it is about.
    #[serde(default)]
    pub action: AclAction,

    /// Topic filters. `%u` stands for the user name of the client, `%c` for its client identifier, `%i` for its IP address,
    /// `%%` for a percent sign.
    #[schemars(length(min = 1, max = 1024), extend("items" = {"type": "string", "format": "acl-topic"}))]
    pub topics: Vec<String>,

    /// User names; one that ends with `*` stands for all that begin so. Empty: all, and clients without one.
    #[serde(default)]
    #[schemars(extend("items" = {"type": "string", "format": "text"}))]
    pub users: Vec<String>,

    /// Client identifiers, as above.
    #[serde(default)]
    #[schemars(extend("items" = {"type": "string", "format": "text"}))]
    pub client_ids: Vec<String>,

    /// The networks that clients come from, such as `10.0.0.0/8`. Empty: all.
    #[serde(default)]
    #[schemars(with = "Vec<String>", extend("items" = {"type": "string", "format": "ip-network"}))]
    pub ips: Vec<IpNet>,

    /// The QoS of the message, or the one that the filter asks for. Empty: any.
    #[serde(default)]
    #[schemars(extend("items" = {"type": "integer", "minimum": 0, "maximum": 2}))]
    pub qos: Vec<u8>,

    /// The retain flag of the message. A rule that has one is about publishing only.
    #[serde(default)]
    pub retain: Option<bool>,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It may be.
    #[default]
    Allow,
    /// It is refused.
    Deny,
}

/// What a client does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AclAction {
    /// It publishes, or has a will.
    Publish,
    /// It subscribes.
    Subscribe,
    /// Either.
    #[default]
    All,
}

/// What clients may do with the topics below `$SYS/`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SysTopicsAccess {
    /// Nothing.
    #[default]
    Deny,
    /// Subscribe to them.
    Read,
}

/// What is wrong with a topic of a rule.
pub(super) fn check_topic(text: &str) -> Option<String> {
    // A topic cannot have more levels than this, whatever the configuration says.
    const MAX_LEVELS: usize = 512;
    if let Err(error) = topic::check_filter(text, MAX_LEVELS) {
        return Some(format!("{text:?} {error}"));
    }
    if topic::is_shared(text) {
        return Some(format!("{text:?} is shared; rules are about the filter behind the group"));
    }
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        match rest.as_bytes().get(at + 1) {
            Some(b'u' | b'c' | b'i' | b'%') => rest = &rest[at + 2..],
            _ => return Some(format!("{text:?} has a % without u, c, i or % behind it")),
        }
    }
    None
}
