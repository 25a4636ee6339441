//! Access rules: an ordered list, the first one that fits decides.
//!
//! Publishing is looked up in a tree of the rules' topics, so that it costs the depth of the topic and not the number of
//! rules. Subscribing is a question about a set of topics, which the rules are gone through for: those that have to do with
//! the first level of the filter.

mod pattern;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;

use self::pattern::Pattern;
use self::tree::Tree;
use super::filters::{covers, intersection};
use crate::config::{self, AclAction, Effect};
use crate::model::topic;

/// Who it is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub username: Option<&'a str>,
    pub client_id: &'a str,
    /// `None` if its address is none of the Internet.
    pub ip: Option<IpAddr>,
}

/// What the rules say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ruling {
    pub allowed: bool,
    /// The position of the rule that says so; `None` if it is the default.
    pub rule: Option<usize>,
}

/// The access rules of a broker, ready to be asked.
#[derive(Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    publishing: Tree,
    subscribing: FirstLevels,
    default_publish: bool,
    default_subscribe: bool,
}

#[derive(Debug)]
struct Rule {
    allow: bool,
    patterns: Vec<Pattern>,
    users: Names,
    client_ids: Names,
    ips: Vec<IpNet>,
    /// A bit for each QoS.
    qos: u8,
    retain: Option<bool>,
}

/// Names that a rule is for.
#[derive(Debug, Default)]
struct Names {
    exact: Vec<Box<str>>,
    /// What stood in front of an asterisk.
    prefixes: Vec<Box<str>>,
}

/// The rules about subscribing by the first level of their topics.
#[derive(Debug, Default)]
struct FirstLevels {
    literal: HashMap<Box<str>, Vec<usize>>,
    /// Those that may have to do with any first level.
    other: Vec<usize>,
    all: Vec<usize>,
}

impl Rules {
    /// Compiles rules that have been checked.
    pub fn new(rules: &[config::AclRule], default_publish: Effect, default_subscribe: Effect) -> Self {
        let mut compiled = Rules {
            rules: rules.iter().map(Rule::new).collect(),
            publishing: Tree::default(),
            subscribing: FirstLevels::default(),
            default_publish: default_publish == Effect::Allow,
            default_subscribe: default_subscribe == Effect::Allow,
        };
        for (index, (config, rule)) in rules.iter().zip(&compiled.rules).enumerate() {
            if config.action != AclAction::Subscribe {
                rule.patterns.iter().for_each(|pattern| compiled.publishing.insert(pattern, index, rule));
            }
            if config.action != AclAction::Publish {
                compiled.subscribing.insert(index, rule);
            }
        }
        compiled
    }

    /// Whether any message may be published: no rule forbids one.
    pub fn are_open_to_publish(&self) -> bool {
        self.default_publish && self.rules.iter().all(|rule| rule.allow)
    }

    /// Whether a message may be published to a topic.
    pub fn publish(&self, subject: &Subject<'_>, topic: &str, qos: u8, retain: bool) -> Ruling {
        let fits = |index: usize| {
            let rule = &self.rules[index];
            rule.is_about(subject, qos) && rule.retain.is_none_or(|wanted| wanted == retain)
        };
        match self.publishing.first(topic, subject, &self.rules, fits) {
            Some(index) => Ruling { allowed: self.rules[index].allow, rule: Some(index) },
            None => Ruling { allowed: self.default_publish, rule: None },
        }
    }

    /// Whether a filter, `$share/{group}/` included, may be subscribed to: all that it could match must be allowed.
    ///
    /// A rule that forbids some of it decides, unless a rule before has allowed just that; a rule that allows all of it
    /// decides; one that allows some of it leaves the rest to those behind.
    pub fn subscribe(&self, subject: &Subject<'_>, filter: &str, qos: u8) -> Ruling {
        let filter = topic::split_share(filter).1;
        let mut allowed_so_far: Vec<String> = Vec::new();
        for index in self.subscribing.candidates(filter) {
            let rule = &self.rules[index];
            // The retain flag is the publisher's.
            if rule.retain.is_some() || !rule.is_about(subject, qos) {
                continue;
            }
            for pattern in rule.patterns.iter().filter_map(|pattern| pattern.expand(subject, rule.allow)) {
                if !rule.allow {
                    let forbidden = intersection(&pattern, filter);
                    let is_left = |both: &String| !allowed_so_far.iter().any(|allowed| covers(allowed, both));
                    if forbidden.as_ref().is_some_and(is_left) {
                        return Ruling { allowed: false, rule: Some(index) };
                    }
                } else if covers(&pattern, filter) {
                    return Ruling { allowed: true, rule: Some(index) };
                } else if intersection(&pattern, filter).is_some() {
                    allowed_so_far.push(pattern);
                }
            }
        }
        Ruling { allowed: self.default_subscribe, rule: None }
    }
}

impl Rule {
    fn new(config: &config::AclRule) -> Self {
        Rule {
            allow: config.effect == Effect::Allow,
            patterns: config.topics.iter().map(|topic| Pattern::parse(topic)).collect(),
            users: Names::new(&config.users),
            client_ids: Names::new(&config.client_ids),
            ips: config.ips.clone(),
            qos: match &config.qos[..] {
                [] => u8::MAX,
                some => some.iter().fold(0, |bits, qos| bits | 1 << qos),
            },
            retain: config.retain,
        }
    }

    fn is_about(&self, subject: &Subject<'_>, qos: u8) -> bool {
        let is_from = |ip: IpAddr| self.ips.iter().any(|network| network.contains(&ip.to_canonical()));
        self.qos & 1 << qos != 0
            && (self.users.are_all() || subject.username.is_some_and(|name| self.users.contain(name)))
            && (self.client_ids.are_all() || self.client_ids.contain(subject.client_id))
            && (self.ips.is_empty() || subject.ip.is_some_and(is_from))
    }
}

impl Names {
    fn new(names: &[String]) -> Self {
        let mut known = Names::default();
        for name in names {
            match name.strip_suffix('*') {
                Some(prefix) => known.prefixes.push(prefix.into()),
                None => known.exact.push(name.as_str().into()),
            }
        }
        known.exact.sort();
        known
    }

    /// Whether nobody is named.
    fn are_all(&self) -> bool {
        self.exact.is_empty() && self.prefixes.is_empty()
    }

    fn contain(&self, name: &str) -> bool {
        self.exact.binary_search_by(|known| (**known).cmp(name)).is_ok()
            || self.prefixes.iter().any(|prefix| name.starts_with(&**prefix))
    }

    /// Those named, if they are all named in full.
    fn all_exact(&self) -> Option<&[Box<str>]> {
        (self.prefixes.is_empty() && !self.exact.is_empty()).then_some(&self.exact)
    }
}

impl FirstLevels {
    fn insert(&mut self, index: usize, rule: &Rule) {
        self.all.push(index);
        for pattern in &rule.patterns {
            let place = match pattern.first_literal() {
                Some(level) => self.literal.entry(level.into()).or_default(),
                None => &mut self.other,
            };
            if place.last() != Some(&index) {
                place.push(index);
            }
        }
    }

    /// The rules that may have to do with a filter, in order.
    fn candidates(&self, filter: &str) -> Vec<usize> {
        let first = filter.split('/').next().unwrap_or_default();
        if first == "+" || first == "#" {
            return self.all.clone();
        }
        let mut candidates = self.other.clone();
        candidates.extend(self.literal.get(first).into_iter().flatten());
        candidates.sort_unstable();
        candidates.dedup();
        candidates
    }
}
