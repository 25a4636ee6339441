//! A connection's hold on its session.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::OwnedMutexGuard;

use super::closing::{Closing, STOPPING};
use super::counters::add;
use super::dispatch::Departed;
use super::handle::Handle;
use super::handshake::will_message;
use super::hub::{Hub, Lack};
use super::mailbox::Wants;
use super::receiver::Receiver;
use super::state::{PendingWill, State};
use super::visit::Visit;
use crate::codec::Will;
use crate::hooks::{Disconnected, DisconnectedBy, DropCause, Event, Hook, Key, SessionEnd};
use crate::model::{Client, QoS, ReasonCode, Text};
use crate::router::Group;

/// A session in the hands of a connection. When it is dropped, the session is on its own again, whatever became of the
/// connection.
pub(super) struct Lease {
    hub: Arc<Hub>,
    handle: Arc<Handle>,
    state: OwnedMutexGuard<State>,
    /// Whether the session was there before.
    present: bool,
    /// From the moment the client is connected.
    client: Option<Arc<Client>>,
    will: Option<Will>,
    session_expiry_s: u32,
    closing: Option<Box<Closing>>,
}

impl Lease {
    /// Takes the session of a client. The connection that has it now is closed.
    pub(super) async fn take(hub: &Arc<Hub>, client_id: &Text, clean_start: bool) -> Result<Lease, Lack> {
        let mut instead = false;
        loop {
            let handle = hub.session(client_id, instead)?;
            let state = handle.take_seat().await;
            if state.ended {
                instead = true;
                continue; // It ended while this connection waited for it.
            }
            let mut lease = Lease {
                hub: hub.clone(),
                handle,
                present: state.begun,
                state,
                client: None,
                will: None,
                session_expiry_s: 0,
                closing: None,
            };
            lease.state.begun = true;
            let end = match lease.handle.mailbox().is_discarded() {
                true => Some(SessionEnd::Discarded),
                false => clean_start.then_some(SessionEnd::CleanStart), // [MQTT-3.1.2-4]
            };
            match end.filter(|_| lease.present) {
                Some(end) => {
                    hub.end_session(&lease.handle, &mut lease.state, end, Instant::now());
                    instead = true;
                }
                None => return Ok(lease),
            }
        }
    }

    /// The client is connected: it gets messages from now on, and the host program is told.
    pub(super) fn connect(&mut self, client: Arc<Client>, will: Option<Will>, visit: Visit, wants: Wants) {
        let state = &mut *self.state;
        state.will = None; // [MQTT-3.1.3-9]
        state.expires_at = None;
        self.hub.schedule(&self.handle, state);
        state.window.reconnect();
        self.client = Some(client.clone());
        self.will = will;
        self.session_expiry_s = visit.session_expiry_s;
        // Hooks that are told of it may want it closed.
        self.handle.mailbox().expect(client.clone(), visit);
        self.hub.client_came();
        let key = || Key::Client(client.id.clone());
        let callbacks = self.hub.callbacks();
        if self.present {
            callbacks.tell(Hook::SessionResumed, key, || Event::SessionResumed(client.clone()));
        } else {
            callbacks.tell(Hook::SessionCreated, key, || Event::SessionCreated(client.clone()));
        }
        callbacks.tell(Hook::Connected, key, || Event::Connected(client.clone()));
        self.handle.mailbox().connect(client.clone(), wants);
        self.handle.set_online(true);
        self.handle.give_way_if_contended();
        if self.hub.is_stopping() {
            self.handle.close(Closing::by_broker(ReasonCode::SERVER_SHUTTING_DOWN, STOPPING));
        }
        // Whoever has banned it just before did not find it among those that are connected.
        if self.hub.is_banned(&client, Instant::now()) {
            self.handle.close(Closing::by_host(ReasonCode::ADMINISTRATIVE_ACTION));
        }
    }

    pub(super) fn handle(&self) -> &Arc<Handle> {
        &self.handle
    }

    /// Whether the session was there before.
    pub(super) fn is_present(&self) -> bool {
        self.present
    }

    pub(super) fn state(&mut self) -> &mut State {
        &mut self.state
    }

    /// Gives the session back.
    pub(super) fn leave(mut self, closing: Closing, session_expiry_s: u32) {
        self.session_expiry_s = session_expiry_s;
        self.closing = Some(Box::new(closing));
    }

    fn give_back(&mut self) {
        let now = Instant::now();
        let (hub, handle, state) = (&self.hub, &self.handle, &mut *self.state);
        let Some(client) = self.client.take() else {
            // The handshake came to nothing: a session that it began has never been.
            if !self.present {
                hub.end_session(handle, state, SessionEnd::Disconnected, now);
            }
            return;
        };
        handle.set_online(false);
        handle.taken().set(0, 0);
        let mut mailbox = handle.mailbox();
        let is_discarded = mailbox.is_discarded();
        if is_discarded {
            self.session_expiry_s = 0;
        }
        mailbox.visit_mut().end(self.session_expiry_s);
        let (encoded, plain) = mailbox.disconnect();
        // A waker keeps the memory of the connection's task.
        handle.waker().take();
        handle.count_messages(&mailbox);
        drop(mailbox);
        state.window.forget_receipts();
        add(&hub.counters().dropped_client_gone, encoded + plain.len());
        add(&handle.tally().messages_dropped, encoded + plain.len());
        for delivery in plain {
            hub.tell_dropped(Some(client.clone()), || delivery.message, DropCause::ClientGone);
        }
        let closing = self.closing.take().map(|closing| *closing).unwrap_or_else(|| {
            if hub.is_stopping() {
                return Closing::by_broker(ReasonCode::SERVER_SHUTTING_DOWN, STOPPING);
            }
            Closing::by_broker(ReasonCode::UNSPECIFIED_ERROR, "the connection was cut off")
        });
        let key = || Key::Client(client.id.clone());
        let by_itself = closing.by == DisconnectedBy::Broker && !closing.by_host;
        if closing.reason == ReasonCode::SESSION_TAKEN_OVER && by_itself {
            hub.callbacks().tell(Hook::SessionTakenOver, key, || Event::SessionTakenOver(client.clone()));
        }
        let disconnected = || {
            Event::Disconnected(Disconnected {
                client: client.clone(),
                by: closing.by,
                reason_code: closing.reason.0,
                reason: Text::from(closing.words.replace('\0', "")),
            })
        };
        hub.callbacks().tell(Hook::Disconnected, key, disconnected);
        if let Some(will) = self.will.take().filter(|_| closing.with_will) {
            // Whichever comes first ends the wait [MQTT-3.1.3-9].
            let delay = Duration::from_secs(will.delay_s.min(self.session_expiry_s).into());
            let message = Arc::new(will_message(&will, &client, now, delay));
            if delay.is_zero() {
                hub.publish_will(&message, handle.key(), now);
            } else {
                state.will = Some(PendingWill { at: now + delay, message, publisher: handle.key() });
            }
        }
        if self.session_expiry_s == 0 {
            let end = if is_discarded { SessionEnd::Discarded } else { SessionEnd::Disconnected };
            hub.end_session(handle, state, end, now); // [MQTT-3.1.2-6]
        } else {
            let expiry = self.session_expiry_s;
            // [MQTT-3.1.2-11.2]: the highest number means never.
            state.expires_at = (expiry < u32::MAX).then(|| now + Duration::from_secs(expiry.into()));
            hub.schedule(handle, state);
            self.redispatch(now);
            self.handle.set_in_flight(self.state.window.open());
            self.handle.memory().in_flight.set(self.state.window.memory());
        }
        self.hub.client_went();
    }

    /// Messages of shared subscriptions do not wait for a client that is gone while another member is there. One of QoS 2
    /// that has been sent does `[MQTT-4.8.2-4]`.
    fn redispatch(&mut self, now: Instant) {
        let key = self.handle.key();
        let wanted =
            |group: &Option<Arc<Group<Receiver>>>| group.as_ref().is_some_and(|group| group.has_online_other_than(key));
        let mut orphans =
            self.state.window.withdraw(|delivery| delivery.qos < QoS::ExactlyOnce && wanted(&delivery.group));
        let mut mailbox = self.handle.mailbox();
        orphans.extend(mailbox.withdraw(|delivery| wanted(&delivery.group)));
        self.handle.count_messages(&mailbox);
        drop(mailbox);
        self.hub.redispatch(orphans, Departed::Session(&self.handle), now);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.give_back();
    }
}
