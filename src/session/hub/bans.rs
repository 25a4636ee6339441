//! Who is kept out, told and carried out.

use std::net::IpAddr;
use std::ops::{Bound, ControlFlow};
use std::time::{Duration, Instant};

use super::super::closing::Closing;
use super::super::counters::add;
use super::super::rights::ip_of;
use super::Hub;
use crate::hooks::{ClientBanned, Event, Hook, Key};
use crate::limits::{Ban, Barred, Gate, Place, Source};
use crate::model::{BanKind, Client, ReasonCode};

impl Hub {
    /// Who may connect at all.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Counts a connection that is not let in, before its client has said anything.
    pub fn bar(&self, why: Barred, address: &str, ip: Option<IpAddr>, now: Instant) {
        add(&self.counters.connections_refused, 1);
        self.count_barred(why, address, ip, now);
    }

    /// Counts a connection for which there was no place, be it with its listener or in all.
    pub fn turn_away(&self, address: &str, ip: Option<IpAddr>, none_in_all: bool) {
        self.bar(Barred::Full, address, ip, Instant::now());
        if none_in_all {
            self.overloads.connections.begin(&self.callbacks);
        }
    }

    /// A place for a connection that is read from only to be refused, if there is one.
    pub fn place_for_refusal(&self) -> Option<Place> {
        self.refusals.take()
    }

    /// Counts why a connection is refused.
    pub(in crate::session) fn count_barred(&self, why: Barred, address: &str, ip: Option<IpAddr>, now: Instant) {
        let counter = match why {
            Barred::Network => &self.counters.refused_network,
            Barred::Banned => &self.counters.refused_banned,
            Barred::Rate => &self.counters.refused_rate,
            Barred::Full => &self.counters.refused_full,
            Barred::Limit => &self.counters.refused_limit,
            Barred::Memory => &self.counters.refused_memory,
            Barred::Authentication => &self.counters.refused_authentication,
        };
        add(counter, 1);
        if self.gate.is_worth_a_line(why, ip, now) {
            tracing::warn!(%address, ?why, "not let in; for a while, more of the same are logged at debug");
        } else {
            tracing::debug!(%address, ?why, "not let in");
        }
    }

    /// Whether a client is kept out, be it by its address or one of its names.
    pub(in crate::session) fn is_banned(&self, client: &Client, now: Instant) -> bool {
        let shield = self.gate.shield();
        if !shield.has_bans() {
            return false;
        }
        let names = [(BanKind::ClientId, Some(&client.id)), (BanKind::User, client.username.as_ref())];
        let names = names.into_iter().filter_map(|(kind, name)| Source::of(kind, name?));
        let mut sources = ip_of(&client.address).map(|ip| Source::Ip(ip.into())).into_iter().chain(names);
        sources.any(|source| shield.ban_of(&source, now).is_some())
    }

    /// Keeps somebody out; until it is let in again, without `duration`. Clients that are connected have to go.
    pub fn ban(&self, source: Source, duration: Option<Duration>) {
        let now = Instant::now();
        let ban = self.gate.shield().ban(source, duration, now);
        self.banned(&ban, now);
        self.disconnect_all(&ban.source);
    }

    /// Lets somebody in again; whether that one was kept out.
    pub fn lift_ban(&self, source: &Source) -> bool {
        self.gate.shield().lift(source)
    }

    /// All who are kept out, with what is left of it.
    pub fn bans(&self) -> Vec<(Ban, Option<Duration>)> {
        let now = Instant::now();
        let left = |ban: Ban| {
            let left = ban.until.map(|until| until.saturating_duration_since(now));
            (ban, left)
        };
        self.gate.shield().bans(now).into_iter().map(left).collect()
    }

    /// Tells of a ban.
    pub(in crate::session) fn banned(&self, ban: &Ban, now: Instant) {
        tracing::warn!(source = %ban.source, cause = ?ban.cause, "banned");
        let event = || ClientBanned {
            kind: ban.source.kind(),
            value: ban.source.value(),
            cause: ban.cause,
            duration: ban.until.map(|until| until.saturating_duration_since(now)),
        };
        self.callbacks.tell_outside(Hook::ClientBanned, || Key::Broker, || Event::ClientBanned(event()));
    }

    fn disconnect_all(&self, source: &Source) {
        let closing = || Closing::by_host(ReasonCode::ADMINISTRATIVE_ACTION);
        if let Source::ClientId(id) = source {
            if let Some((handle, _)) = self.find(id) {
                handle.close(closing());
            }
            return;
        }
        self.each_session(Bound::Included(""), |handle| {
            let client = handle.client().filter(|_| handle.is_online());
            if client.is_some_and(|client| source.is(&client, ip_of(&client.address))) {
                handle.close(closing());
            }
            ControlFlow::Continue(())
        });
    }
}
