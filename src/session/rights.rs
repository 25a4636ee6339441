//! What a client may do where no hook is asked.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hashbrown::HashMap;

use super::hub::Hub;
use super::ruling::SYSTEM_TOPICS;
use super::settings::Settings;
use crate::access::{Access, Rules, Subject};
use crate::model::topic;
use crate::model::{Client, QoS};

/// Topics that a publisher remembers to be allowed, or not.
const REMEMBERED_TOPICS: usize = 64;

/// The longest topic that is remembered.
const REMEMBERED_BYTES: usize = 1024;

/// What decides if no hook is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Basis {
    /// No rule fits.
    Default { allowed: bool },
    /// The topic is one of the broker's own, for which there is a rule.
    SystemTopic { allowed: bool },
    /// An access rule of the configuration, by its position.
    Rule { allowed: bool, index: usize },
    /// An access rule that the client's token has brought, or the service that let it in.
    OwnRule { allowed: bool, index: usize },
    /// It would not be allowed, but that does not hold for the client.
    Superuser { system_topic: bool },
}

impl Basis {
    pub(super) fn allows(self) -> bool {
        match self {
            Basis::Default { allowed }
            | Basis::SystemTopic { allowed }
            | Basis::Rule { allowed, .. }
            | Basis::OwnRule { allowed, .. } => allowed,
            Basis::Superuser { .. } => true,
        }
    }

    fn unless_superuser(self, client: &Client) -> Self {
        if client.superuser && !self.allows() {
            Basis::Superuser { system_topic: matches!(self, Basis::SystemTopic { .. }) }
        } else {
            self
        }
    }
}

/// The rules that are about one client.
#[derive(Clone, Copy)]
pub(super) struct Policy<'a> {
    pub(super) access: &'a Access,
    pub(super) sys_topics_readable: bool,
    /// Those that are its own stand before the configured ones.
    pub(super) own: Option<&'a Rules>,
}

impl<'a> Policy<'a> {
    pub(super) fn of(settings: &'a Settings, own: Option<&'a Rules>) -> Self {
        Policy { access: &settings.access, sys_topics_readable: settings.sys_topics_readable, own }
    }

    /// Whether a client may publish to a topic, be it a message or its will.
    pub(super) fn publishing(&self, client: &Client, topic: &str, qos: QoS, retain: bool) -> Basis {
        let basis = match topic.starts_with(SYSTEM_TOPICS) {
            true => Basis::SystemTopic { allowed: false },
            false => self.look_up(client, |rules, subject| rules.publish(subject, topic, qos as u8, retain)),
        };
        basis.unless_superuser(client)
    }

    /// Whether a client may subscribe to a filter, `$share/{group}/` included.
    pub(super) fn subscribing(&self, client: &Client, filter: &str, qos: QoS) -> Basis {
        let look_up = || self.look_up(client, |rules, subject| rules.subscribe(subject, filter, qos as u8));
        let unshared = topic::split_share(filter).1;
        let is_system = unshared == "$SYS" || unshared.starts_with(SYSTEM_TOPICS);
        let basis = match (is_system, self.sys_topics_readable) {
            (false, _) => look_up(),
            (true, false) => Basis::SystemTopic { allowed: false },
            // What is open to all may still be closed to some.
            (true, true) => match look_up() {
                Basis::Default { .. } => Basis::SystemTopic { allowed: true },
                rule => rule,
            },
        };
        basis.unless_superuser(client)
    }

    fn look_up(&self, client: &Client, ask: impl Fn(&Rules, &Subject<'_>) -> crate::access::Ruling) -> Basis {
        let subject =
            Subject { username: client.username.as_deref(), client_id: &client.id, ip: ip_of(&client.address) };
        if let Some(own) = self.own {
            let ruling = ask(own, &subject);
            if let Some(index) = ruling.rule {
                return Basis::OwnRule { allowed: ruling.allowed, index };
            }
        }
        let ruling = ask(self.access.rules(), &subject);
        match ruling.rule {
            Some(index) => Basis::Rule { allowed: ruling.allowed, index },
            None => Basis::Default { allowed: ruling.allowed },
        }
    }
}

/// The address of a client, if it is one of the Internet.
pub fn ip_of(address: &str) -> Option<IpAddr> {
    address.parse::<SocketAddr>().map(|address| address.ip()).or_else(|_| address.parse()).ok()
}

/// What one connection may publish, with what has been looked up before.
#[derive(Default)]
pub(super) struct Rights {
    /// That of the settings which it has been looked up in.
    version: u64,
    /// Every topic may be published to that is not the broker's own.
    open: bool,
    last: Option<Box<str>>,
    last_answers: Answers,
    others: HashMap<Box<str>, Answers>,
}

/// What is known of one topic, for each QoS and retain flag: a bit that says whether it is, and one that says what.
#[derive(Clone, Copy, Default)]
struct Answers {
    known: u8,
    allowed: u8,
}

impl Answers {
    fn get(self, bit: u8) -> Option<bool> {
        (self.known & bit != 0).then_some(self.allowed & bit != 0)
    }

    fn set(&mut self, bit: u8, allowed: bool) {
        self.known |= bit;
        self.allowed |= if allowed { bit } else { 0 };
    }
}

impl Rights {
    /// Whether the client may publish to a topic.
    pub(super) fn may_publish(
        &mut self,
        hub: &Hub,
        client: &Arc<Client>,
        own: Option<&Rules>,
        topic: &str,
        qos: QoS,
        retain: bool,
    ) -> bool {
        let version = hub.settings_version();
        if self.version != version {
            let open = own.is_none() && hub.settings().access.rules().are_open_to_publish();
            *self = Rights { version, open, ..Rights::default() };
        }
        let is_system = topic.starts_with(SYSTEM_TOPICS);
        if self.open && !is_system {
            return true;
        }
        let bit = 1 << (2 * qos as u8 + u8::from(retain));
        let is_last = self.last.as_deref() == Some(topic);
        let known = if is_last { Some(self.last_answers) } else { self.others.get(topic).copied() };
        if let Some(allowed) = known.and_then(|answers| answers.get(bit)) {
            return allowed;
        }
        // The rule for topics of the broker comes before a look at the topic, other rules behind it.
        if !is_system && topic::check_name(topic, hub.max_topic_levels()).is_err() {
            return true; // What is wrong with the topic is said where it is routed.
        }
        let allowed = Policy::of(&hub.settings(), own).publishing(client, topic, qos, retain).allows();
        let mut answers = known.unwrap_or_default();
        answers.set(bit, allowed);
        self.remember(topic, answers, is_last);
        allowed
    }

    fn remember(&mut self, topic: &str, answers: Answers, is_last: bool) {
        if topic.len() > REMEMBERED_BYTES {
            return;
        }
        if self.others.len() >= REMEMBERED_TOPICS {
            self.others.clear();
        }
        if !is_last {
            self.last = Some(topic.into());
        }
        self.last_answers = answers;
        self.others.insert(topic.into(), answers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_clients() {
        for (address, ip) in [
            ("192.0.2.1:1883", Some("192.0.2.1")),
            ("[2001:db8::1]:1883", Some("2001:db8::1")),
            ("192.0.2.1", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("unix", None),
            ("serial:/dev/ttyS0", None),
        ] {
            assert_eq!(ip_of(address), ip.map(|ip| ip.parse().unwrap()), "{address}");
        }
    }
}
