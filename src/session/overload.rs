//! Limits that hold for the broker as a whole, and whether the host program has been told that one is reached.

use std::sync::atomic::{
    AtomicBool, AtomicU32,
    Ordering::{Relaxed, SeqCst},
};

use crate::config::Config;
use crate::hooks::{Callbacks, Event, Hook, Key, Overload, Resource};

/// The limits that the sessions of a broker share.
pub(super) struct Overloads {
    pub(super) connections: Limit,
    pub(super) sessions: Limit,
    pub(super) retained_messages: Limit,
}

impl Overloads {
    pub(super) fn of(config: &Config) -> Self {
        let limit =
            |resource, limit: u32| Limit { resource, limit: AtomicU32::new(limit), reached: AtomicBool::new(false) };
        Overloads {
            connections: limit(Resource::Connections, config.limits.max_connections),
            sessions: limit(Resource::Sessions, config.limits.max_sessions),
            retained_messages: limit(Resource::RetainedMessages, config.retain.max_messages),
        }
    }

    /// Tells that something has to be refused for want of memory, or no longer.
    pub(super) fn tell_memory(&self, callbacks: &Callbacks, begun: bool, limit: u64) {
        tell(callbacks, Overload { resource: Resource::Memory, begun, limit });
    }
}

/// One limit. It counts as reached from when something is refused until a tenth of it is free again, so that somebody who
/// comes and goes at the edge is not told of each time.
pub(super) struct Limit {
    resource: Resource,
    /// 0 for none.
    limit: AtomicU32,
    reached: AtomicBool,
}

impl Limit {
    /// There is another limit from now on; [`Limit::relax`] is to follow.
    pub(super) fn set(&self, limit: u32) {
        self.limit.store(limit, Relaxed);
    }

    /// Something has been refused.
    pub(super) fn begin(&self, callbacks: &Callbacks) {
        if !self.reached.swap(true, SeqCst) {
            self.tell(callbacks, true);
        }
    }

    /// Something has gone, and `left` is still there.
    pub(super) fn relax(&self, callbacks: &Callbacks, left: usize) {
        let limit = self.limit.load(Relaxed);
        let enough = limit == 0 || left <= (limit - limit.div_ceil(10)) as usize;
        if self.reached.load(SeqCst) && enough && self.reached.swap(false, SeqCst) {
            self.tell(callbacks, false);
        }
    }

    fn tell(&self, callbacks: &Callbacks, begun: bool) {
        tell(callbacks, Overload { resource: self.resource, begun, limit: self.limit.load(Relaxed).into() });
    }
}

fn tell(callbacks: &Callbacks, overload: Overload) {
    let Overload { resource, begun, limit } = overload;
    if begun {
        tracing::warn!(?resource, limit, "a limit of the broker is reached");
    } else {
        tracing::info!(?resource, limit, "there is room again");
    }
    callbacks.tell_outside(Hook::Overload, || Key::Broker, || Event::Overload(overload));
}
