use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::handle::Handle;
use super::in_process::Subscription;
use crate::router::Subscriber;

/// How long a publisher waits for a client whose queue is filling up, before the queue is left to its policy until it has
/// been emptied.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long a publisher rests after a batch that adds to what waits for others while memory runs short.
pub(super) const REST: Duration = Duration::from_millis(20);

/// Who subscribes: a client's session or the host program.
#[derive(Clone)]
pub(super) enum Receiver {
    Session(Arc<Handle>),
    Host(Arc<Subscription>),
}

/// Keys of the host program's subscriptions are odd, those of sessions even: each side counts for itself.
impl Subscriber for Receiver {
    fn key(&self) -> u64 {
        match self {
            Receiver::Session(handle) => 2 * handle.number(),
            Receiver::Host(subscription) => host_key(subscription.id()),
        }
    }

    fn is_online(&self) -> bool {
        match self {
            Receiver::Session(handle) => handle.is_online(),
            Receiver::Host(_) => true,
        }
    }

    fn load(&self) -> usize {
        match self {
            Receiver::Session(handle) => handle.load(),
            Receiver::Host(subscription) => subscription.load(),
        }
    }
}

impl Receiver {
    pub(super) fn is(&self, other: &Receiver) -> bool {
        self.key() == other.key()
    }

    /// Has it look at what has come.
    pub(super) fn wake(&self) {
        match self {
            Receiver::Session(handle) => handle.waker().wake(),
            Receiver::Host(subscription) => subscription.wake(),
        }
    }

    /// Has `waker` woken when there is room again; `false` if there is.
    pub(super) fn await_room(&self, waker: &Waker) -> bool {
        match self {
            Receiver::Session(handle) => handle.mailbox().await_room(waker, handle.quota()),
            Receiver::Host(subscription) => subscription.await_room(waker),
        }
    }

    /// Whether publishers should wait.
    pub(super) fn is_crowded(&self) -> bool {
        match self {
            Receiver::Session(handle) => handle.mailbox().is_crowded(handle.quota()),
            Receiver::Host(subscription) => subscription.is_crowded(),
        }
    }

    /// How long a publisher waits for room. `None`: as long as it takes, because the host program wants it so.
    pub(super) fn patience(&self) -> Option<Duration> {
        match self {
            Receiver::Session(_) => Some(PATIENCE),
            Receiver::Host(_) => None,
        }
    }

    /// A publisher has waited in vain.
    pub(super) fn give_up_waiting(&self) {
        if let Receiver::Session(handle) = self {
            handle.mailbox().give_up_waiting();
        }
    }
}

pub(super) fn host_key(subscription: u64) -> u64 {
    2 * subscription + 1
}
