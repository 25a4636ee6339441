//! How sessions begin, are found again, and end.

use std::future::pending;
use std::sync::atomic::Ordering::{Relaxed, Release, SeqCst};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::closing::{Closing, STOPPING};
use super::super::delivery::Delivery;
use super::super::dispatch::{Departed, Dispatch};
use super::super::handle::Handle;
use super::super::state::State;
use super::{Hub, Lack};
use crate::hooks::{Event, Hook, Key, SessionEnd, SessionTerminated};
use crate::limits::Pressure;
use crate::model::{Client, QoS, ReasonCode, Text};

/// When to look again at a session that is due but held by a handshake.
const RETRY: Duration = Duration::from_secs(1);

impl Hub {
    // Sessions.

    /// Finds the session of a client, or makes one, unless there are as many as allowed, or there is too little memory for one
    /// that does not come `instead` of another.
    pub(in crate::session) fn session(&self, client_id: &Text, instead: bool) -> Result<Arc<Handle>, Lack> {
        let mut sessions = self.sessions.lock();
        if let Some(handle) = sessions.get(client_id) {
            return Ok(handle.clone());
        }
        let max = self.settings().max_sessions;
        if max > 0 && sessions.len() >= max {
            drop(sessions);
            self.overloads.sessions.begin(&self.callbacks);
            return Err(Lack::Places);
        }
        if !instead && self.memory.pressure() >= Pressure::Full {
            return Err(Lack::Memory);
        }
        let number = self.next_number.fetch_add(1, Relaxed);
        let handle = Arc::new(Handle::new(number, client_id.clone(), self.settings.quota().clone(), &self.memory));
        sessions.insert(client_id.clone(), handle.clone());
        Ok(handle)
    }

    /// Ends a session: its subscriptions, its messages, its will, its name.
    pub(in crate::session) fn end_session(
        self: &Arc<Self>,
        handle: &Arc<Handle>,
        state: &mut State,
        end: SessionEnd,
        now: Instant,
    ) {
        if std::mem::replace(&mut state.ended, true) {
            return;
        }
        let client = handle.client();
        self.end_subscriptions(handle, client.as_ref());
        // [MQTT-4.8.2-5]: a QoS 2 message that has been sent goes to nobody else.
        let mut orphans = state.window.withdraw(|delivery| delivery.group.is_some() && delivery.qos < QoS::ExactlyOnce);
        orphans.extend(handle.mailbox().withdraw(|delivery| delivery.group.is_some()));
        self.redispatch(orphans, Departed::Session(handle), now);
        handle.mailbox().clear();
        handle.count_no_more();
        if let Some(deadline) = state.deadline.take() {
            self.deadlines.clear(deadline, handle);
        }
        let mut sessions = self.sessions.lock();
        if sessions.get(handle.client_id()).is_some_and(|current| Arc::ptr_eq(current, handle)) {
            sessions.remove(handle.client_id());
        }
        let left = sessions.len();
        drop(sessions);
        self.overloads.sessions.relax(&self.callbacks, left);
        if let Some(client) = client {
            self.tell_session_terminated(client, end);
        }
        // [MQTT-3.1.3-9]: the end of the session cuts the delay of the will short.
        if let Some(will) = state.will.take() {
            self.publish_will(&will.message, will.publisher, now);
        }
        *state = State { ended: true, ..State::default() };
    }

    fn tell_session_terminated(&self, client: Arc<Client>, end: SessionEnd) {
        let key = || Key::Client(client.id.clone());
        let event = || Event::SessionTerminated(SessionTerminated { client: client.clone(), end });
        self.callbacks.tell(Hook::SessionTerminated, key, event);
    }

    /// Gives messages of shared subscriptions to other members.
    pub(in crate::session) fn redispatch(&self, deliveries: Vec<Delivery>, departed: Departed<'_>, now: Instant) {
        if deliveries.is_empty() {
            return;
        }
        let mut dispatch = Dispatch::new(&self.memory, None);
        for delivery in deliveries {
            dispatch.redispatch(self, delivery, departed, now);
        }
        dispatch.flush();
    }

    /// Sees to it that a session ends, and its will is published, when it is time.
    pub(in crate::session) fn schedule(&self, handle: &Arc<Handle>, state: &mut State) {
        if let Some(before) = state.deadline.take() {
            self.deadlines.clear(before, handle);
        }
        let will = state.will.as_ref().map(|will| will.at);
        state.deadline = match (state.expires_at, will) {
            (Some(expiry), Some(will)) => Some(expiry.min(will)),
            (expiry, will) => expiry.or(will),
        };
        if let Some(at) = state.deadline {
            self.deadlines.set(at, handle);
        }
    }

    /// Keeps a worker thread awake for a while when clients have kept it busy, if that is configured. Never returns.
    pub async fn poll_busily(self: Arc<Self>) {
        self.busy_poll.run().await;
    }

    /// Ends sessions and publishes wills as they fall due, and sweeps retained messages that have expired. Never returns.
    pub async fn keep_time(self: Arc<Self>) {
        loop {
            let now = Instant::now();
            self.sweep(now);
            let next = loop {
                match self.deadlines.pop(now) {
                    Ok(Some(handle)) => self.fall_due(&handle, now),
                    Ok(None) => {}
                    Err(next) => break next,
                }
            };
            let sweep_at = *self.sweep_at.lock();
            let until = [next, sweep_at].into_iter().flatten().min();
            let due = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until.into()).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = due => {}
                () = self.deadlines.changed() => {}
            }
        }
    }

    fn fall_due(self: &Arc<Self>, handle: &Arc<Handle>, now: Instant) {
        let Ok(mut state) = handle.seat().try_lock() else {
            // A session that is in use has no deadline any more; one whose client does not get past the handshake does.
            if !handle.is_online() {
                self.deadlines.set(now + RETRY, handle);
            }
            return;
        };
        state.deadline = None;
        if handle.is_online() || state.ended {
            return;
        }
        if handle.mailbox().is_discarded() {
            self.end_session(handle, &mut state, SessionEnd::Discarded, now);
            return;
        }
        if state.expires_at.is_some_and(|at| at <= now) {
            self.end_session(handle, &mut state, SessionEnd::Expired, now);
            return;
        }
        if state.will.as_ref().is_some_and(|will| will.at <= now) {
            if let Some(will) = state.will.take() {
                self.publish_will(&will.message, will.publisher, now);
            }
        }
        self.schedule(handle, &mut state);
    }

    /// Asks every client to go, and returns when all have gone and know why, or `grace` has passed.
    pub async fn stop(&self, grace: Duration) {
        self.stopping.store(true, Release);
        let handles: Vec<_> = self.sessions.lock().values().cloned().collect();
        for handle in handles {
            handle.close(Closing::by_broker(ReasonCode::SERVER_SHUTTING_DOWN, STOPPING));
        }
        let gone = async {
            loop {
                let nobody = self.nobody.notified();
                tokio::pin!(nobody);
                nobody.as_mut().enable();
                let left = [&self.connected, &self.served, &self.wills_asked];
                if left.iter().all(|count| count.load(SeqCst) == 0) {
                    return;
                }
                nobody.await;
            }
        };
        // Whoever has not gone by then is cut off.
        let _ = tokio::time::timeout(grace, gone).await;
    }

    /// Ends all sessions once their connections are gone. Their wills wait no longer `[MQTT-3.1.2-8]`.
    pub fn clear(self: &Arc<Self>) {
        let handles: Vec<_> = self.sessions.lock().values().cloned().collect();
        for handle in &handles {
            let will = handle.seat().try_lock().ok().and_then(|mut state| state.will.take());
            if let Some(will) = will {
                self.publish_will(&will.message, will.publisher, Instant::now());
            }
        }
        self.sessions.lock().clear();
        // Messages that wait refer to the sessions they wait for.
        for handle in handles {
            let client = handle.client();
            if let Some(client) = client {
                self.tell_session_terminated(client, SessionEnd::Stopped);
            }
            handle.mailbox().clear();
            handle.count_no_more();
            if let Ok(mut state) = handle.seat().try_lock() {
                *state = State { ended: true, ..State::default() };
            }
        }
    }
}
