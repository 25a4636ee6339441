use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release, SeqCst},
};
use std::sync::Arc;

use futures::task::AtomicWaker;
use parking_lot::Mutex;

use super::closing::Closing;
use super::excess::Told;
use super::mailbox::Mailbox;
use super::quota::{SessionQuota, SharedQuota};
use super::state::State;
use super::subscriptions::Subscriptions;
use super::tally::{Taken, Tally};
use crate::limits::{Kind, Memory, Share};
use crate::model::{Client, ReasonCode, Text};

/// What a session takes without a client identifier, subscriptions and messages: [`Handle`], [`State`], its places in the
/// lists of sessions, and what the allocator adds. The tests compare it with what the process takes.
const SESSION_BYTES: usize = 1152;

/// What a session has of the memory budget.
pub(super) struct Held {
    /// Set with the mailbox locked.
    pub(super) waiting: Share,
    /// Set by whoever has the seat.
    pub(super) in_flight: Share,
    /// Set with the subscriptions locked.
    pub(super) session: Share,
}

impl Held {
    fn new(memory: &Arc<Memory>, session: usize) -> Self {
        let share = |kind, bytes| Share::new(memory, kind, bytes);
        Held {
            waiting: share(Kind::Queues, 0),
            in_flight: share(Kind::Queues, 0),
            session: share(Kind::Sessions, session),
        }
    }
}

/// A session as everybody else sees it: where its messages go, and who holds it.
pub(super) struct Handle {
    number: u64,
    client_id: Text,
    quota: SessionQuota,
    mailbox: Mutex<Mailbox>,
    /// Wakes the connection.
    waker: AtomicWaker,
    online: AtomicBool,
    in_flight: AtomicUsize,
    /// No hook is called while it is locked: hooks may subscribe and unsubscribe the same client.
    subscriptions: Mutex<Subscriptions>,
    tally: Tally,
    /// What has been logged of messages that it does not get.
    told: Mutex<Told>,
    taken: Taken,
    memory: Held,
    /// Locked by the connection that the session belongs to for as long as it lasts. The lock is fair: connections
    /// under one client identifier take turns in the order in which they came.
    seat: Arc<tokio::sync::Mutex<State>>,
    /// Connections that wait for the seat.
    contenders: AtomicUsize,
}

impl Handle {
    pub(super) fn new(number: u64, client_id: Text, quota: Arc<SharedQuota>, memory: &Arc<Memory>) -> Self {
        let memory = Held::new(memory, SESSION_BYTES + 2 * client_id.len());
        Handle {
            number,
            client_id,
            quota: SessionQuota::new(quota),
            mailbox: Mutex::default(),
            waker: AtomicWaker::new(),
            online: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            subscriptions: Mutex::default(),
            tally: Tally::default(),
            told: Mutex::default(),
            taken: Taken::default(),
            memory,
            seat: Arc::default(),
            contenders: AtomicUsize::new(0),
        }
    }

    /// Unique in this run of the broker.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The key of its subscriptions.
    pub(super) fn key(&self) -> u64 {
        2 * self.number
    }

    pub(super) fn client_id(&self) -> &Text {
        &self.client_id
    }

    /// Tells the memory account what waits in the mailbox.
    pub(super) fn count_messages(&self, mailbox: &Mailbox) {
        self.memory.waiting.set(mailbox.memory());
    }

    /// Tells the memory account what the session is subscribed to.
    pub(super) fn count_subscriptions(&self, subscriptions: &Subscriptions) {
        self.memory.session.set(SESSION_BYTES + 2 * self.client_id.len() + subscriptions.memory());
    }

    /// The session has ended: whoever still knows it keeps nothing that counts.
    pub(super) fn count_no_more(&self) {
        let Held { waiting, in_flight, session } = &self.memory;
        [waiting, in_flight, session].into_iter().for_each(|share| share.set(0));
    }

    pub(super) fn told(&self) -> &Mutex<Told> {
        &self.told
    }

    /// What it has of the memory budget.
    pub(super) fn memory(&self) -> &Held {
        &self.memory
    }

    /// The one that holds now.
    pub(super) fn quota(&self) -> &SessionQuota {
        &self.quota
    }

    /// The last connection that had the session.
    pub(super) fn client(&self) -> Option<Arc<Client>> {
        self.mailbox.lock().client().cloned()
    }

    pub(super) fn mailbox(&self) -> parking_lot::MutexGuard<'_, Mailbox> {
        self.mailbox.lock()
    }

    pub(super) fn waker(&self) -> &AtomicWaker {
        &self.waker
    }

    pub(super) fn seat(&self) -> &Arc<tokio::sync::Mutex<State>> {
        &self.seat
    }

    pub(super) fn is_online(&self) -> bool {
        self.online.load(Acquire)
    }

    pub(super) fn set_online(&self, online: bool) {
        self.online.store(online, Release);
    }

    /// Messages that wait or are in flight.
    pub(super) fn load(&self) -> usize {
        self.mailbox.lock().messages() + self.in_flight()
    }

    /// Messages that have been sent, and not acknowledged to the end.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    pub(super) fn set_in_flight(&self, count: usize) {
        self.in_flight.store(count, Relaxed);
    }

    pub(super) fn subscriptions(&self) -> parking_lot::MutexGuard<'_, Subscriptions> {
        self.subscriptions.lock()
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    pub(super) fn taken(&self) -> &Taken {
        &self.taken
    }

    /// Asks the connection to close, if there is one.
    pub(super) fn close(&self, closing: Closing) {
        if self.mailbox.lock().close(closing) {
            self.waker.wake();
        }
    }

    /// Waits for the session, which the connection that has it is asked to give up `[MQTT-3.1.4-3]`.
    pub(super) async fn take_seat(&self) -> tokio::sync::OwnedMutexGuard<State> {
        let _contender = Contender::new(self);
        self.give_way();
        self.seat.clone().lock_owned().await
    }

    /// Has the connection close if another one waits for the session.
    pub(super) fn give_way_if_contended(&self) {
        if self.contenders.load(SeqCst) > 0 {
            self.give_way();
        }
    }

    fn give_way(&self) {
        self.close(Closing::by_broker(ReasonCode::SESSION_TAKEN_OVER, "session taken over"));
    }
}

/// A connection that waits for the session, until it has it or is gone.
struct Contender<'a>(&'a Handle);

impl<'a> Contender<'a> {
    fn new(handle: &'a Handle) -> Self {
        handle.contenders.fetch_add(1, SeqCst);
        Contender(handle)
    }
}

impl Drop for Contender<'_> {
    fn drop(&mut self) {
        self.0.contenders.fetch_sub(1, SeqCst);
    }
}
