//! Who is kept out, told and carried out.

use std::ops::{Bound, ControlFlow};
use std::time::{Duration, Instant};

use super::super::closing::Closing;
use super::super::rights::ip_of;
use super::Hub;
use crate::hooks::{ClientBanned, Event, Hook, Key};
use crate::limits::{Ban, Source};
use crate::model::ReasonCode;

impl Hub {
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
