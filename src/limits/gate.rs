//! Who may connect at all, before anything is read: networks, bans, and how many come in a second.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use lru::LruCache;
use parking_lot::Mutex;

use super::{Allowance, BanPolicy, Bucket, Lines, Network, Networks, Shield, Source};
use crate::config::{self, BanBy};

/// Addresses that a rate is kept of.
const MAX_RATED: NonZeroUsize = NonZeroUsize::new(65_536).expect("not zero");

/// Why a connection is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Barred {
    /// Its network is not let in.
    Network,
    /// It is banned.
    Banned,
    /// Too many connections have come in this second, in all or from there.
    Rate,
    /// There are as many connections, or sessions, as allowed.
    Full,
    /// Its CONNECT goes beyond a limit.
    Limit,
    /// There is too little memory.
    Memory,
    /// It could not show who it is.
    Authentication,
}

/// Decides about connections by where they come from. What it remembers is bounded.
pub struct Gate {
    policy: ArcSwap<Policy>,
    rates: Mutex<LruCache<Network, Bucket>>,
    lines: Lines<(Barred, Option<Network>)>,
    shield: Shield,
}

struct Policy {
    allow: Networks,
    deny: Networks,
    in_all: Option<Bucket>,
    per_ip: Option<Allowance>,
    /// Empty if nothing is counted.
    by: Vec<BanBy>,
}

impl Gate {
    pub fn new(limits: &config::Limits) -> Self {
        Gate {
            policy: ArcSwap::from_pointee(Policy::of(limits)),
            rates: Mutex::new(LruCache::new(MAX_RATED)),
            lines: Lines::default(),
            shield: Shield::new(ban_policy(&limits.ban)),
        }
    }

    /// Has other limits hold from now on. Bans stay.
    pub fn set(&self, limits: &config::Limits) {
        let policy = Policy::of(limits);
        if policy.per_ip != self.policy.load().per_ip {
            self.rates.lock().clear();
        }
        self.policy.store(Arc::new(policy));
        self.shield.set_policy(ban_policy(&limits.ban));
    }

    /// Whether one more connection may come, from wherever.
    pub fn admits_one(&self) -> Result<(), Barred> {
        match &self.policy.load().in_all {
            Some(bucket) if !bucket.take_one() => Err(Barred::Rate),
            _ => Ok(()),
        }
    }

    /// Whether connections are counted by where they come from. If so, that is not to be what anybody may have made up: it
    /// would count against whoever is there.
    pub fn counts_by_address(&self) -> bool {
        self.policy.load().per_ip.is_some()
    }

    /// Whether one more connection may come from there.
    pub fn admits_one_from(&self, address: IpAddr, now: Instant) -> Result<(), Barred> {
        let policy = self.policy.load();
        if policy.deny.contain(address) || !(policy.allow.is_empty() || policy.allow.contain(address)) {
            return Err(Barred::Network);
        }
        let network = Network::from(address);
        if self.shield.ban_of(&Source::Ip(network), now).is_some() {
            return Err(Barred::Banned);
        }
        let Some(allowance) = policy.per_ip else { return Ok(()) };
        let mut rates = self.rates.lock();
        let bucket = rates.get_or_insert(network, || Bucket::new(allowance));
        bucket.take_one().then_some(()).ok_or(Barred::Rate)
    }

    pub fn shield(&self) -> &Shield {
        &self.shield
    }

    /// Who is counted, and banned, of a client that comes from there and calls itself so.
    pub fn sources(&self, address: Option<IpAddr>, client_id: &str, username: Option<&str>) -> Vec<Source> {
        let source = |by: &BanBy| match by {
            BanBy::Ip => address.map(|address| Source::Ip(address.into())),
            BanBy::ClientId => Some(Source::ClientId(client_id.into())),
            BanBy::User => username.map(|name| Source::Username(name.into())),
        };
        self.policy.load().by.iter().filter_map(source).collect()
    }

    /// Whether it is time to log this of a source again.
    pub fn is_worth_a_line(&self, why: Barred, address: Option<IpAddr>, now: Instant) -> bool {
        self.lines.is_due((why, address.map(Network::from)), now)
    }
}

impl Policy {
    fn of(limits: &config::Limits) -> Self {
        let allowance = |per_second| Allowance::new(per_second, 0);
        let mut by = Vec::new();
        for one in &limits.ban.by {
            if !by.contains(one) {
                by.push(*one);
            }
        }
        if limits.ban.failures == 0 && limits.ban.flaps == 0 {
            by.clear();
        }
        Policy {
            allow: Networks::new(&limits.ip_allow),
            deny: Networks::new(&limits.ip_deny),
            in_all: allowance(limits.conn_rate_per_sec).map(Bucket::new),
            per_ip: allowance(limits.conn_rate_per_ip_per_sec),
            by,
        }
    }
}

fn ban_policy(ban: &config::Ban) -> BanPolicy {
    BanPolicy {
        failures: ban.failures,
        flaps: ban.flaps,
        window: Duration::from_millis(ban.window_ms),
        ban: Duration::from_millis(ban.ban_ms),
    }
}
