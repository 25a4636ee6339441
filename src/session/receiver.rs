use std::sync::Arc;

use super::handle::Handle;
use crate::hooks::SubscriptionQueue;
use crate::router::Subscriber;

/// Who subscribes: a client's session or the host program.
#[derive(Clone)]
pub(super) enum Receiver {
    Session(Arc<Handle>),
    Host(Arc<SubscriptionQueue>),
}

/// Keys of the host program's subscriptions are odd, those of sessions even: each side counts for itself.
impl Subscriber for Receiver {
    fn key(&self) -> u64 {
        match self {
            Receiver::Session(handle) => 2 * handle.number(),
            Receiver::Host(queue) => host_key(queue.id()),
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
            Receiver::Host(queue) => queue.waiting(),
        }
    }
}

pub(super) fn host_key(subscription: u64) -> u64 {
    2 * subscription + 1
}
