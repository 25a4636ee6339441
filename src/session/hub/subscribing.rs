//! Subscriptions of sessions: made and ended by clients, or by the host program for them.

use std::sync::Arc;

use super::super::handle::Handle;
use super::super::receiver::Receiver;
use super::super::subscriptions::Noted;
use super::Hub;
use crate::hooks::{Event, Hook, Key, Subscribed, Unsubscribed};
use crate::model::{Client, SubscriptionOptions, Text};

/// A subscription that has been made.
pub(in crate::session) struct Made {
    pub(in crate::session) noted: Noted,
    /// As in [`crate::router::Subscribed`].
    pub(in crate::session) generation: u64,
    existed: bool,
}

impl Made {
    pub(in crate::session) fn event(&self, client: &Arc<Client>, options: SubscriptionOptions) -> Event {
        let (filter, granted) = (self.noted.wanted.clone(), self.noted.filter.clone());
        Event::Subscribed(Subscribed { client: client.clone(), filter, granted, options })
    }

    pub(in crate::session) fn wants_retained(&self, options: &SubscriptionOptions) -> bool {
        options.wants_retained(&self.noted.filter, self.existed)
    }
}

/// What the host program has named and there is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    Client,
    Subscription,
}

impl Hub {
    /// Subscribes a session to `wanted`, or to what has been put `instead`. `None`: the session is over.
    pub(in crate::session) fn subscribe_session(
        &self,
        handle: &Arc<Handle>,
        client: &Arc<Client>,
        wanted: &str,
        instead: Option<Text>,
        options: SubscriptionOptions,
    ) -> Option<Made> {
        // Held throughout, so that what is noted is what the router has. What the router tells of is only queued.
        let mut subscriptions = handle.subscriptions();
        if subscriptions.is_over() {
            return None;
        }
        let noted = subscriptions.insert(wanted, instead, options);
        let receiver = Receiver::Session(handle.clone());
        let subscribed = self.add_subscription(&noted.filter, receiver, options, Some(client));
        if !subscribed.existed {
            self.count_subscriptions(1);
        }
        self.release(&noted, handle, client);
        handle.count_subscriptions(&subscriptions);
        Some(Made { noted, generation: subscribed.generation, existed: subscribed.existed })
    }

    /// Ends what a session has as `wanted`. `None`: it has no such subscription.
    pub(in crate::session) fn unsubscribe_session(
        &self,
        handle: &Handle,
        client: &Arc<Client>,
        wanted: &str,
    ) -> Option<Noted> {
        let mut subscriptions = handle.subscriptions(); // held throughout, as above
        let noted = subscriptions.remove(wanted)?;
        self.release(&noted, handle, client);
        handle.count_subscriptions(&subscriptions);
        Some(noted)
    }

    fn release(&self, noted: &Noted, handle: &Handle, client: &Arc<Client>) {
        let released = noted.released.as_ref();
        if released.is_some_and(|filter| self.remove_subscription(filter, handle.key(), Some(client))) {
            self.count_subscriptions(-1);
        }
    }

    /// Ends all subscriptions of a session, which gets no more of them.
    pub(super) fn end_subscriptions(&self, handle: &Handle, client: Option<&Arc<Client>>) {
        let mut subscriptions = handle.subscriptions(); // held throughout, as above
        let ended = subscriptions.end().filter(|filter| self.remove_subscription(filter, handle.key(), client));
        self.count_subscriptions(-(ended.count() as i64));
    }

    /// Subscribes a client, connected or not, to a filter that has been checked. Nobody is asked.
    pub fn subscribe_client(&self, client_id: &str, filter: &str, options: SubscriptionOptions) -> Result<(), Missing> {
        let (handle, client) = self.find(client_id).ok_or(Missing::Client)?;
        let made = self.subscribe_session(&handle, &client, filter, None, options).ok_or(Missing::Client)?;
        self.tell_for_host(Hook::Subscribed, &client, || made.event(&client, options));
        let mut mailbox = handle.mailbox();
        if let Some(released) = &made.noted.released {
            mailbox.cancel_replay(released);
        }
        let mut wake = false;
        if made.wants_retained(&options) {
            // They wait there for a client that is away.
            mailbox.replays().push(made.noted.filter, options, made.generation);
            wake = mailbox.notify();
        }
        drop(mailbox);
        if wake {
            handle.waker().wake();
        }
        Ok(())
    }

    /// Ends what a client has subscribed to as `filter`. Nobody is asked.
    pub fn unsubscribe_client(&self, client_id: &str, filter: &str) -> Result<(), Missing> {
        let (handle, client) = self.find(client_id).ok_or(Missing::Client)?;
        let noted = self.unsubscribe_session(&handle, &client, filter).ok_or(Missing::Subscription)?;
        if let Some(released) = &noted.released {
            // The connection notices by itself.
            handle.mailbox().cancel_replay(released);
        }
        let event = || Event::Unsubscribed(Unsubscribed { client: client.clone(), filter: noted.wanted });
        self.tell_for_host(Hook::Unsubscribed, &client, event);
        Ok(())
    }

    /// Tells of what the host program has done to a client. If a hook in place has done it, a callback thread tells: that
    /// hook might be the one to be told, and so on without end.
    fn tell_for_host(&self, hook: Hook, client: &Client, event: impl FnOnce() -> Event) {
        self.callbacks.tell_outside(hook, || Key::Client(client.id.clone()), event);
    }

    /// How many would get a message to a topic that has been checked, if it were published now.
    pub fn subscribers(&self, topic: &str) -> u64 {
        let matched = self.router.matches(topic, None);
        (matched.targets.len() + matched.groups.len()) as u64
    }
}
