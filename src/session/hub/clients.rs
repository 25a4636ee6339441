//! Clients as the host program sees them.

use std::ops::{Bound, ControlFlow};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::super::closing::Closing;
use super::super::handle::Handle;
use super::Hub;
use crate::model::{Client, Protocol, ReasonCode, Text};

/// Sessions that are taken out of the list at once: nobody else can begin or end one meanwhile.
const CHUNK: usize = 256;

/// Which clients are asked for. What is `None`, or empty, does not matter.
#[derive(Clone, Debug, Default)]
pub struct ClientQuery {
    pub client_id_prefix: Option<String>,
    pub username: Option<String>,
    /// `host`, or `host:port`.
    pub address: Option<String>,
    /// The name of the listener.
    pub listener: Option<String>,
    pub presence: Presence,
    /// The client identifier behind which to begin.
    pub after: Option<String>,
    /// How many at most.
    pub limit: usize,
}

/// Whether a client is connected. The numbers are part of the C ABI.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(i32)]
pub enum Presence {
    #[default]
    Any = 0,
    Connected = 1,
    NotConnected = 2,
}

/// Some of the clients that were asked for.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ClientPage {
    /// In the order of their client identifiers.
    pub clients: Vec<ClientInfo>,
    /// Where to go on, if there may be more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Text>,
}

/// A session, and the last connection that had it.
#[derive(Clone, Debug, Serialize)]
pub struct ClientInfo {
    pub client_id: Text,
    pub connected: bool,
    pub protocol: &'static str,
    pub username: Option<Text>,
    pub address: Text,
    pub listener: Text,
    pub node_id: u64,
    pub serial: u64,
    pub superuser: bool,
    /// The one that holds; 0 for none.
    pub keep_alive_s: u16,
    pub clean_start: bool,
    pub session_expiry_s: u32,
    /// Milliseconds since 1970.
    pub connected_at_ms: u64,
    pub disconnected_at_ms: Option<u64>,
    /// In the order of their filters.
    pub subscriptions: Vec<SubscriptionInfo>,
    pub queued_messages: u64,
    /// As `limits.max_queued_bytes` counts them.
    pub queued_bytes: u64,
    /// Messages that have been sent, and not acknowledged to the end.
    pub in_flight: u64,
    /// Over all connections of the session, as below.
    pub messages_received: u64,
    pub messages_sent: u64,
    pub messages_dropped: u64,
    pub bytes_received: u64,
    pub bytes_sent: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct SubscriptionInfo {
    /// As the client has it.
    pub filter: Text,
    /// The filter whose messages it gets: a hook may have put another one in the place of that one.
    pub granted: Text,
    pub qos: u8,
    pub no_local: bool,
    pub retain_as_published: bool,
    pub retain_handling: u8,
    pub identifier: Option<u32>,
}

/// What waits in all sessions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Load {
    pub queued_messages: u64,
    pub queued_bytes: u64,
    pub in_flight: u64,
}

impl ClientQuery {
    fn wants(&self, client: &Client, connected: bool) -> bool {
        let is = |wanted: &Option<String>, value: Option<&Text>| match given(wanted) {
            Some(wanted) => value.is_some_and(|value| **value == *wanted),
            None => true,
        };
        let present = match self.presence {
            Presence::Any => true,
            Presence::Connected => connected,
            Presence::NotConnected => !connected,
        };
        present
            && is(&self.username, client.username.as_ref())
            && is(&self.listener, Some(&client.listener))
            && given(&self.address).is_none_or(|wanted| is_from(&client.address, wanted))
    }
}

fn given(wanted: &Option<String>) -> Option<&str> {
    wanted.as_deref().filter(|wanted| !wanted.is_empty())
}

/// Whether `address` is `wanted`, or that with a port behind it.
fn is_from(address: &str, wanted: &str) -> bool {
    fn bare(host: &str) -> &str {
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }
    // An IPv6 address that has a port is between brackets: the last colon of one that has none is its own.
    let host = match address.rsplit_once(':') {
        Some((host, _)) if !host.contains(':') || host.ends_with(']') => host,
        _ => address,
    };
    address == wanted || bare(host) == bare(wanted)
}

impl Hub {
    /// A page of the clients that have a session.
    pub fn clients(&self, query: &ClientQuery) -> ClientPage {
        let prefix = query.client_id_prefix.as_deref().unwrap_or_default();
        let from = match given(&query.after).filter(|after| *after >= prefix) {
            Some(after) => Bound::Excluded(after),
            None => Bound::Included(prefix),
        };
        let mut page = ClientPage::default();
        self.each_session(from, |handle| {
            if !handle.client_id().starts_with(prefix) {
                return ControlFlow::Break(());
            }
            if page.clients.len() == query.limit {
                page.next = page.clients.last().map(|last| last.client_id.clone());
                return ControlFlow::Break(());
            }
            page.clients.extend(describe(handle, |client, connected| query.wants(client, connected)));
            ControlFlow::Continue(())
        });
        page
    }

    /// One client that has a session.
    pub fn client(&self, client_id: &str) -> Option<ClientInfo> {
        let handle = self.sessions.lock().get(client_id).cloned()?;
        describe(&handle, |_, _| true)
    }

    /// Asks the connection of a client to close, and has its session end if it is to be discarded. `false`: there is no such
    /// client, or it is not connected and was to be disconnected only.
    pub fn disconnect_client(&self, client_id: &str, reason: ReasonCode, discard: bool) -> bool {
        let Some((handle, _)) = self.find(client_id) else { return false };
        let mut mailbox = handle.mailbox();
        let attended = mailbox.is_attended();
        if discard {
            mailbox.discard();
        }
        let wake = mailbox.close(Closing::by_host(reason));
        drop(mailbox);
        if wake {
            handle.waker().wake();
        }
        if discard && !attended {
            // Whoever keeps the time ends it: the caller may be a hook, and what follows from the end may be asked about.
            self.deadlines.set(Instant::now(), &handle);
        }
        attended || discard
    }

    /// What waits in all sessions. Looks at each of them.
    pub fn load(&self) -> Load {
        let mut load = Load::default();
        self.each_session(Bound::Included(""), |handle| {
            let (messages, bytes) = queued(handle);
            load.queued_messages += messages;
            load.queued_bytes += bytes;
            load.in_flight += handle.in_flight() as u64;
            ControlFlow::Continue(())
        });
        load
    }

    /// The session of a client that has been connected, and the last connection that had it.
    pub(in crate::session) fn find(&self, client_id: &str) -> Option<(Arc<Handle>, Arc<Client>)> {
        let handle = self.sessions.lock().get(client_id).cloned()?;
        let mailbox = handle.mailbox();
        // One that is discarded is as good as gone.
        let is_there = mailbox.is_attended() || !mailbox.is_discarded();
        let client = mailbox.client().filter(|_| is_there).cloned();
        drop(mailbox);
        client.map(|client| (handle, client))
    }

    /// Shows `look` the sessions in the order of their client identifiers, until it has seen enough.
    pub(super) fn each_session(&self, from: Bound<&str>, mut look: impl FnMut(&Handle) -> ControlFlow<()>) {
        let mut from = from.map(Text::from);
        loop {
            let range = (from.as_ref().map(|from| &**from), Bound::Unbounded);
            let sessions = self.sessions.lock();
            let chunk: Vec<_> = sessions.range::<str, _>(range).take(CHUNK).map(|(_, handle)| handle.clone()).collect();
            drop(sessions);
            let Some(last) = chunk.last() else { return };
            from = Bound::Excluded(last.client_id().clone());
            if chunk.iter().any(|handle| look(handle).is_break()) || chunk.len() < CHUNK {
                return;
            }
        }
    }
}

/// Messages that wait for a session, and what they take.
fn queued(handle: &Handle) -> (u64, u64) {
    let mailbox = handle.mailbox();
    let messages = mailbox.messages() + handle.taken().messages();
    (messages as u64, (mailbox.bytes() + handle.taken().bytes()) as u64)
}

/// A session, if a client has been connected to it that is wanted.
fn describe(handle: &Handle, wanted: impl FnOnce(&Client, bool) -> bool) -> Option<ClientInfo> {
    let mailbox = handle.mailbox();
    let connected = mailbox.is_attended();
    let client = mailbox.client().filter(|_| connected || !mailbox.is_discarded()).cloned();
    let visit = mailbox.visit().clone();
    drop(mailbox);
    let client = client.filter(|client| wanted(client, connected))?;
    let (queued_messages, queued_bytes) = queued(handle);
    let tally = handle.tally();
    let count = |counter: &AtomicU64| counter.load(Relaxed);
    Some(ClientInfo {
        client_id: client.id.clone(),
        connected,
        protocol: match client.protocol {
            Protocol::V3_1 => "3.1",
            Protocol::V3_1_1 => "3.1.1",
            Protocol::V5 => "5",
        },
        username: client.username.clone(),
        address: client.address.clone(),
        listener: client.listener.clone(),
        node_id: client.node_id,
        serial: client.serial,
        superuser: client.superuser,
        keep_alive_s: visit.keep_alive_s,
        clean_start: visit.clean_start,
        session_expiry_s: visit.session_expiry_s,
        connected_at_ms: visit.connected_at_ms,
        disconnected_at_ms: (!connected).then_some(visit.disconnected_at_ms),
        subscriptions: subscriptions(handle),
        queued_messages,
        queued_bytes,
        in_flight: handle.in_flight() as u64,
        messages_received: count(&tally.messages_received),
        messages_sent: count(&tally.messages_sent),
        messages_dropped: count(&tally.messages_dropped),
        bytes_received: count(&tally.bytes_received),
        bytes_sent: count(&tally.bytes_sent),
    })
}

fn subscriptions(handle: &Handle) -> Vec<SubscriptionInfo> {
    let all = handle.subscriptions().sorted();
    let info = |(filter, granted): (Text, super::super::subscriptions::Granted)| SubscriptionInfo {
        filter,
        granted: granted.filter,
        qos: granted.options.qos as u8,
        no_local: granted.options.no_local,
        retain_as_published: granted.options.retain_as_published,
        retain_handling: granted.options.retain_handling as u8,
        identifier: granted.options.identifier.map(|identifier| identifier.get()),
    };
    all.into_iter().map(info).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_match_with_or_without_their_port() {
        for wanted in ["127.0.0.1", "127.0.0.1:1883"] {
            assert!(is_from("127.0.0.1:1883", wanted), "{wanted}");
        }
        for wanted in ["127.0.0", "127.0.0.1:188", "1883", ":1883", "127.0.0.1:", "127.0.0.1:18833"] {
            assert!(!is_from("127.0.0.1:1883", wanted), "{wanted}");
        }
        for wanted in ["::1", "[::1]", "[::1]:1883"] {
            assert!(is_from("[::1]:1883", wanted), "{wanted}");
        }
        assert!(!is_from("[::1]:1883", "[:"));
        assert!(is_from("memory", "memory") && !is_from("memory", "mem"));
    }

    #[test]
    fn addresses_that_have_no_port_match() {
        assert!(is_from("127.0.0.1", "127.0.0.1") && !is_from("127.0.0.1", "127.0.0.1:1883"));
        for wanted in ["2001:db8::1:2", "[2001:db8::1:2]"] {
            assert!(is_from("2001:db8::1:2", wanted), "{wanted}");
        }
        for wanted in ["2001:db8::1", "2001:db8::", "2001:db8::1:", "[2001:db8::1:2]:1883"] {
            assert!(!is_from("2001:db8::1:2", wanted), "{wanted}");
        }
    }
}
