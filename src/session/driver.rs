//! The I/O of one connection: bytes in, packets through [`Connection`], bytes out. One task, woken by its socket, by the
//! messages that come in for its session, and by its timer.

use std::collections::VecDeque;
use std::future::Future;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;
use tokio_util::io::poll_read_buf;

use super::blocks::{Block, Blocks};
use super::buffer::{self, READ_BYTES};
use super::closing::Closing;
use super::connection::{Connection, Host};
use super::counters::add;
use super::delivery::{Delivery, Outgoing, Source};
use super::dispatch::Dispatch;
use super::excess::{Excess, Told};
use super::handle::Handle;
use super::hub::{expires_at, Hub};
use super::lease::Lease;
use super::receipt::Token;
use super::receiver::{Receiver, REST};
use super::replays::Replays;
use super::rights::{Policy, Rights};
use super::ruling::{Bar, FilterLimits, Pace, Refusal, Ruling, Standing};
use super::state::State;
use super::throttle::Throttle;
use crate::access::Rules;
use crate::codec::{Decoder, Publish};
use crate::config::{ListenerLimits, RateExceeded};
use crate::hooks::{
    Asked, Asker, AuthExchange, AuthorizeForward, AuthorizeSubscribe, AuthorizeUnsubscribe, Changes, Decision,
    DisconnectedBy, DropCause, Event, Hook, Key, MessageAcked, MessageDelivered, Mode, OwnedQuestion, Question, Room,
    Unsubscribed, Verdict,
};
use crate::limits::{Kind, Pressure, Share};
use crate::model::topic::{self, TopicError};
use crate::model::{Client, MessageRef, Origin, ReasonCode, SubscriptionOptions, Text};

/// Reads that are worked off before the other connections of the thread get their turn.
const READS_PER_TURN: usize = 4;

/// What is taken from the mailbox for one write, about.
const WRITE_BYTES: usize = 128 * 1024;

/// Messages that are taken from the mailbox at once.
const DELIVERIES_PER_WRITE: usize = 256;

/// Blocks that are written at once.
const SLICES: usize = 16;

/// What a connection takes while it idles, besides its session: [`Driving`], its task and socket, and what the allocator
/// adds. The tests compare it with what the process takes.
const CONNECTION_BYTES: usize = 1792;

/// A client that does not read its acknowledgements is not read from while so many bytes of them wait.
const MAX_ANSWERS: usize = 64 * 1024;

/// A connection from CONNACK to its end.
pub(super) struct Driver<S>(Option<Box<Driving<S>>>);

/// What a client has been let in with.
#[derive(Default)]
pub(super) struct Permit {
    /// Access rules of its own.
    pub(super) rules: Option<Arc<Rules>>,
    /// When it has to go.
    pub(super) expires_at: Option<Instant>,
    /// Limits of its listener.
    pub(super) limits: Option<Arc<ListenerLimits>>,
    /// How fast it may publish, if that is limited.
    pub(super) throttle: Option<Box<Throttle>>,
}

struct Driving<S> {
    stream: S,
    hub: Arc<Hub>,
    client: Arc<Client>,
    permit: Permit,
    /// What it may publish, as far as it has been looked up.
    rights: Rights,
    /// What has been logged of it.
    told: Told,
    lease: Lease,
    /// The connection itself.
    _presence: Share,
    /// What has been read or is to be written, as far as it is left over from one turn to the next.
    buffers: Share,
    inbox: Inbox,
    connection: Connection,
    writing: VecDeque<Block>,
    /// Messages on their way from the mailbox to `writing`.
    taken: VecDeque<Delivery>,
    dispatch: Dispatch,
    replays: Replays,
    keep_alive: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
    /// The receiver that this publisher waits for, since when.
    waiting_for: Option<(Receiver, Instant)>,
    /// Memory runs short, and what this client has published last takes more of it: until when it is not read from.
    rests_until: Option<Instant>,
    /// What the host program has not made up its mind about. The packet that it is about waits, and those behind it.
    asked: Option<Box<Decision>>,
    /// The message that the host program has not made up its mind about, for this client. Those in `taken` are behind it.
    forwarding: Option<Box<(Delivery, Box<Decision>)>>,
    /// The topic that a hook was asked about in place, which the next message may have, too.
    asked_topic: Option<Text>,
    /// There is no room for the events that this client brings about: it is not read from, and its messages wait.
    held_back: Option<Box<Room>>,
}

/// What has been read.
struct Inbox {
    decoder: Decoder,
    input: BytesMut,
    /// When the last packet was complete.
    last_packet: Instant,
}

/// What is left of a connection: the stream, and bytes that should still be written to it.
pub(super) struct Remains<S> {
    pub(super) stream: S,
    pub(super) unwritten: VecDeque<Block>,
    pub(super) closing: Closing,
}

/// Serves the client until the connection has to end, and gives the session back.
impl<S: AsyncRead + AsyncWrite + Unpin> Future for Driver<S> {
    type Output = Remains<S>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Remains<S>> {
        let Some(driving) = &mut self.0 else { return Poll::Pending };
        driving.lease.handle().waker().register(cx.waker());
        match driving.turn(cx).and_then(|()| driving.count_buffers()) {
            Ok(()) => {
                // Nobody waits for that.
                driving.hub.returns().collect();
                driving.hub.busy_poll().note_work();
                Poll::Pending
            }
            Err(closing) => match self.0.take() {
                Some(driving) => Poll::Ready((*driving).end(closing)),
                None => Poll::Pending,
            },
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    #[allow(clippy::too_many_arguments, reason = "the parts of a connection, put together once")]
    pub(super) fn new(
        stream: S,
        hub: Arc<Hub>,
        client: Arc<Client>,
        permit: Permit,
        lease: Lease,
        decoder: Decoder,
        connection: Connection,
        input: BytesMut,
        keep_alive: Option<Duration>,
    ) -> Self {
        let dispatch = Dispatch::new(hub.memory(), Some(lease.handle().key()));
        let share = |kind, bytes| Share::new(hub.memory(), kind, bytes);
        let (presence, buffers) = (share(Kind::Sessions, CONNECTION_BYTES), share(Kind::Buffers, 0));
        Driver(Some(Box::new(Driving {
            stream,
            hub,
            client,
            permit,
            rights: Rights::default(),
            told: Told::default(),
            lease,
            _presence: presence,
            buffers,
            inbox: Inbox { decoder, input, last_packet: Instant::now() },
            connection,
            writing: VecDeque::new(),
            taken: VecDeque::new(),
            dispatch,
            replays: Replays::default(),
            keep_alive,
            timer: None,
            waiting_for: None,
            rests_until: None,
            asked: None,
            forwarding: None,
            asked_topic: None,
            held_back: None,
        })))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driving<S> {
    fn end(mut self, closing: Closing) -> Remains<S> {
        self.dispatch.flush();
        if let Some(excess) = closing.excess {
            self.hub.closed_for(excess, &self.client, &closing.words);
        }
        if closing.by == DisconnectedBy::Broker {
            self.connection.say_goodbye(&closing); // [MQTT-4.13.1-1]
        }
        let Driving { stream, lease, mut connection, mut writing, forwarding, taken, .. } = self;
        let unsent = forwarding.into_iter().map(|waiting| waiting.0).chain(taken);
        lease.handle().mailbox().put_back(unsent);
        if !connection.out.is_empty() {
            writing.push_back(Block::Answers(connection.out.split().freeze()));
        }
        lease.leave(closing.clone(), connection.session_expiry_s);
        Remains { stream, unwritten: writing, closing }
    }

    /// Does what can be done now, but not for too long. The task is woken when there is more.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<(), Closing> {
        for _ in 0..READS_PER_TURN {
            let now = Instant::now();
            self.dispatch.wake_some();
            self.end_pause(now);
            if self.is_held_back(cx) {
                self.wake_others(cx);
                // Answers that have been given are not held back.
                return self.write(cx, now);
            }
            self.hear_decision(cx, now)?;
            let finished = self.work_off_input(now)?;
            // One that has just been asked for has to know whom to wake.
            self.hear_decision(cx, now)?;
            let replayed = self.replay(now);
            self.write(cx, now)?;
            if self.wake_others(cx) {
                return Ok(());
            }
            // What has been written may have left room for more of them.
            let replayed = replayed || self.may_replay();
            self.look_after_receiver(cx, now);
            if self.must_wait_for_room() {
                continue;
            }
            if !self.may_read() {
                return self.arm_timer(cx, now);
            }
            // While a decision is out, all that is looked for is whether the client has gone.
            if self.asked.is_some() && !self.inbox.input.is_empty() {
                return Ok(());
            }
            if !finished || replayed {
                continue;
            }
            buffer::reserve(&mut self.inbox.input);
            match poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.inbox.input) {
                Poll::Ready(Ok(0)) => return Err(Closing::by_network("connection closed by the peer")),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Err(Closing::by_network("connection failed")),
                Poll::Pending => {
                    buffer::release(&mut self.inbox.input);
                    self.dispatch.rest();
                    self.asked_topic = None;
                    return self.arm_timer(cx, now);
                }
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Whether there are receivers of its messages that have not been woken: the task goes on with that when others have had
    /// their turn.
    fn wake_others(&self, cx: &mut Context<'_>) -> bool {
        let has_to_wake = self.dispatch.has_to_wake();
        if has_to_wake {
            cx.waker().wake_by_ref();
        }
        has_to_wake
    }

    /// Whether there is no room for events of this client yet. It is woken when there is.
    fn is_held_back(&mut self, cx: &mut Context<'_>) -> bool {
        while self.must_wait_for_room() {
            let Some(room) = &mut self.held_back else { break };
            if Pin::new(&mut **room).poll(cx).is_pending() {
                return true;
            }
            self.held_back = None;
        }
        false
    }

    /// Looks whether there is room for events; if not, the client is held back from now on.
    fn must_wait_for_room(&mut self) -> bool {
        if self.held_back.is_none() {
            self.held_back = self.hub.callbacks().room_for_events().map(Box::new);
        }
        self.held_back.is_some()
    }

    /// Goes on with the packet that waits, if the host program has made up its mind.
    fn hear_decision(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), Closing> {
        while let Some(decision) = &mut self.asked {
            let Poll::Ready(verdict) = Pin::new(&mut **decision).poll(cx) else { return Ok(()) };
            self.asked = None;
            self.with_host(now, |_, connection, state, host| connection.resume(verdict.into(), state, host))?;
        }
        Ok(())
    }

    /// Runs `body` with the broker as the connection sees it, and settles what has come of it.
    fn with_host<T>(
        &mut self,
        now: Instant,
        body: impl FnOnce(&mut Inbox, &mut Connection, &mut State, &mut Doors<'_>) -> Result<T, Closing>,
    ) -> Result<T, Closing> {
        self.dispatch.begin();
        let mut host = Doors {
            hub: &self.hub,
            client: &self.client,
            rules: self.permit.rules.as_deref(),
            limits: self.permit.limits.as_deref(),
            throttle: self.permit.throttle.as_deref_mut(),
            rights: &mut self.rights,
            told: &mut self.told,
            handle: self.lease.handle().clone(),
            dispatch: &mut self.dispatch,
            replays: &mut self.replays,
            asked: &mut self.asked,
            asked_topic: &mut self.asked_topic,
            asker: None,
            now,
            received: 0,
        };
        let result = body(&mut self.inbox, &mut self.connection, self.lease.state(), &mut host);
        let received = host.received;
        drop(host);
        add(&self.hub.counters().messages_received, received);
        let window = &self.lease.state().window;
        let (in_flight, held) = (window.open(), window.memory());
        let handle = self.lease.handle();
        add(&handle.tally().messages_received, received);
        handle.set_in_flight(in_flight);
        self.dispatch.grow(handle.memory().in_flight.note(held));
        self.dispatch.end_batch();
        self.dispatch.bring_back(&self.hub);
        if self.dispatch.take_burden() {
            self.rests_until = Some(now + REST);
        }
        if let Some(receiver) = self.dispatch.take_crowded() {
            handle.mailbox().set_owner_waits(true);
            self.waiting_for = Some((receiver, now));
        }
        result
    }

    fn may_read(&self) -> bool {
        self.waiting_for.is_none()
            && self.rests_until.is_none()
            && self.paused_until().is_none()
            && self.connection.out.len() < MAX_ANSWERS
    }

    /// Until when a client that has published too fast is not read from.
    fn paused_until(&self) -> Option<Instant> {
        self.permit.throttle.as_ref()?.paused_until()
    }

    fn end_pause(&mut self, now: Instant) {
        if self.permit.throttle.as_mut().is_some_and(|throttle| throttle.may_go_on(now)) {
            // It may have talked all the time, and nobody has listened.
            self.inbox.last_packet = now;
        }
    }

    /// Looks whether the receiver that this publisher waits for has room again.
    fn look_after_receiver(&mut self, cx: &mut Context<'_>, now: Instant) {
        self.rests_until = self.rests_until.filter(|until| now < *until);
        let Some((receiver, since)) = &self.waiting_for else { return };
        if receiver.await_room(cx.waker()) {
            if receiver.patience().is_none_or(|patience| now < *since + patience) {
                return;
            }
            receiver.give_up_waiting();
        }
        self.waiting_for = None;
        self.lease.handle().mailbox().set_owner_waits(false);
    }

    /// Tells the memory account what is left over of this turn. A connection ends that holds a good deal of a packet that is
    /// not complete when there is no memory at all: those who are half through a large packet would wait for each other.
    fn count_buffers(&self) -> Result<(), Closing> {
        let unwritten: usize = self.writing.iter().map(Block::memory).sum();
        self.buffers.set(self.inbox.input.capacity() + self.connection.out.capacity() + unwritten);
        if self.inbox.input.len() > READ_BYTES && self.may_read() && self.buffers.pressure() == Pressure::Beyond {
            return Err(Closing::beyond(
                Excess::ClosedMemory,
                ReasonCode::QUOTA_EXCEEDED,
                "too little memory for so large a packet",
            ));
        }
        Ok(())
    }

    /// Handles the packets that have been read, a batch at most, until a receiver has to be waited for or too many answers
    /// wait; whether all of them.
    fn work_off_input(&mut self, now: Instant) -> Result<bool, Closing> {
        if self.inbox.input.is_empty() {
            return Ok(true);
        }
        if !self.may_read() || self.connection.is_held() {
            return Ok(false);
        }
        self.with_host(now, |inbox, connection, state, host| {
            let callbacks = host.hub.callbacks();
            while !host.dispatch.is_full()
                && connection.out.len() < MAX_ANSWERS
                && !connection.is_held()
                && !host.is_paused()
                && !callbacks.is_crowded()
            {
                let Some(packet) = inbox.decoder.decode(&mut inbox.input)? else { return Ok(true) };
                inbox.last_packet = now;
                connection.handle(packet, state, host)?;
            }
            Ok(false)
        })
    }

    /// Queues retained messages for new subscriptions, a page at a time, if there is room; whether there was.
    fn replay(&mut self, now: Instant) -> bool {
        if self.replays.is_empty() {
            return false;
        }
        let handle = self.lease.handle().clone();
        let room = self.room_for_replay();
        let Some(replay) = self.replays.front().filter(|_| room > 0) else { return false };
        // The host program may have ended the subscription.
        let is_wanted = handle.subscriptions().has_filter(&replay.filter);
        let (deliveries, over) = if is_wanted { self.hub.replay(replay, room, now) } else { (Vec::new(), true) };
        for delivery in deliveries {
            self.dispatch.deliver_to(&self.hub, &handle, delivery, now);
        }
        if over {
            self.replays.pop();
        }
        // Its own queue is what there was room in; nobody has to be waited for.
        self.dispatch.take_crowded();
        true
    }

    fn room_for_replay(&self) -> usize {
        let handle = self.lease.handle();
        let mailbox = handle.mailbox();
        // While memory runs short, what has been sent makes room.
        if self.hub.memory().pressure() >= Pressure::Slow && mailbox.has_backlog(0, 0) {
            return 0;
        }
        mailbox.room(handle.quota())
    }

    fn may_replay(&self) -> bool {
        !self.replays.is_empty() && self.room_for_replay() > 0
    }

    /// Writes what there is, as far as the socket takes it.
    fn write(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), Closing> {
        let mut is_more = true;
        loop {
            while self.writing.is_empty() {
                if !is_more {
                    self.release_writing();
                    return self.flush(cx);
                }
                is_more = self.collect(cx, now)?;
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut count = 0;
            for (slice, block) in slices.iter_mut().zip(&self.writing) {
                *slice = IoSlice::new(block.bytes());
                count += 1;
            }
            match Pin::new(&mut self.stream).poll_write_vectored(cx, &slices[..count]) {
                Poll::Ready(Ok(0)) | Poll::Ready(Err(_)) => return Err(Closing::by_network("connection failed")),
                Poll::Ready(Ok(written)) => advance(&mut self.writing, written),
                Poll::Pending => {
                    // Somebody may want the connection closed that the client keeps from being written to.
                    return match self.lease.handle().mailbox().close_request() {
                        Some(closing) => Err(closing),
                        None => Ok(()),
                    };
                }
            }
        }
    }

    /// What lies between here and the socket may hold bytes that the socket had no room for.
    fn flush(&mut self, cx: &mut Context<'_>) -> Result<(), Closing> {
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Ready(Err(_)) => Err(Closing::by_network("connection failed")),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    /// The next message that has been taken and may be sent.
    fn next_to_send(&mut self, cx: &mut Context<'_>) -> Option<Delivery> {
        while !self.must_wait_for_room() {
            let (delivery, asked) = match self.forwarding.take() {
                Some(mut waiting) => match Pin::new(&mut *waiting.1).poll(cx) {
                    Poll::Ready(verdict) => (waiting.0, Asked::Decided(verdict)),
                    Poll::Pending => {
                        self.forwarding = Some(waiting);
                        return None;
                    }
                },
                None => {
                    let delivery = self.taken.pop_front()?;
                    let asked = self.ask_about(&delivery);
                    (delivery, asked)
                }
            };
            match asked {
                Asked::Nobody => return Some(delivery),
                Asked::Later(decision) => self.forwarding = Some(Box::new((delivery, decision))),
                Asked::Decided(Verdict::Allow(None)) => return Some(delivery),
                Asked::Decided(Verdict::Allow(Some(changes))) => match self.hub.change_delivery(delivery, &changes) {
                    Ok(delivery) => return Some(delivery),
                    Err(delivery) => self.refuse(delivery),
                },
                Asked::Decided(_) => self.refuse(delivery),
            }
        }
        None
    }

    fn refuse(&self, delivery: Delivery) {
        add(&self.hub.counters().dropped_refused, 1);
        add(&self.lease.handle().tally().messages_dropped, 1);
        self.hub.tell_dropped(Some(self.client.clone()), || delivery.message, DropCause::Refused);
    }

    fn tell_delivered(&self, delivered: Option<MessageDelivered>) {
        if let Some(delivered) = delivered {
            let key = || Key::Client(self.client.id.clone());
            self.hub.callbacks().tell(Hook::MessageDelivered, key, || Event::MessageDelivered(delivered));
        }
    }

    fn ask_about(&self, delivery: &Delivery) -> Asked {
        let key = || Key::Client(self.client.id.clone());
        let question = || {
            OwnedQuestion::AuthorizeForward(AuthorizeForward {
                client: self.client.clone(),
                message: delivery.message.clone(),
                qos: delivery.qos,
                retain: delivery.retain,
            })
        };
        self.hub.callbacks().ask(Hook::AuthorizeForward, key, question)
    }

    /// An idle connection holds no memory for what it does not write.
    fn release_writing(&mut self) {
        self.connection.out = BytesMut::new();
        self.writing = VecDeque::new();
        if self.taken.is_empty() {
            self.taken = VecDeque::new();
        }
    }

    /// Moves answers and messages to `writing`; whether there are more that wait for nothing but their turn. What comes from
    /// now on has the task woken.
    fn collect(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<bool, Closing> {
        if !self.connection.out.is_empty() {
            self.writing.push_back(Block::Answers(self.connection.out.split().freeze()));
        }
        let handle = self.lease.handle().clone();
        let state = self.lease.state();
        let mut blocks = Blocks::default();
        self.connection.send_again(state, &mut blocks, now)?;
        let mut room = self.connection.room(state).min(DELIVERIES_PER_WRITE);

        let mut mailbox = handle.mailbox();
        if let Some(closing) = mailbox.look() {
            return Err(closing);
        }
        let has_all = self.taken.is_empty() && self.forwarding.is_none() && blocks.is_empty();
        if has_all && self.connection.out.is_empty() && mailbox.is_at_rest() {
            return Ok(false); // Mostly: what wakes a publisher is its socket.
        }
        if let Some(replays) = mailbox.take_replays() {
            self.replays.append(*replays);
        }
        let mut sent = mailbox.take_encoded(&mut self.writing, WRITE_BYTES);
        // What waits for the host program keeps its place in front of the others.
        if self.taken.is_empty() && self.forwarding.is_none() {
            mailbox.take_plain(&mut self.taken, DELIVERIES_PER_WRITE);
            let mut bytes = 0;
            self.taken.reserve(mailbox.assured().min(room));
            while room > 0 && bytes < WRITE_BYTES {
                let Some(delivery) = mailbox.take_assured() else { break };
                bytes += delivery.message.size();
                room -= 1;
                self.taken.push_back(delivery);
            }
        }
        mailbox.release_publishers(handle.quota());
        // What is sent is in flight then: the account is told when that is known, of the difference.
        self.dispatch.grow(handle.memory().waiting.note(mailbox.memory()));
        let is_drained = mailbox.messages() == 0;
        drop(mailbox);

        let are_messages = !self.taken.is_empty() || self.forwarding.is_some() || sent > 0;
        while let Some(delivery) = self.next_to_send(cx) {
            let delivered = self.hub.callbacks().wants(Hook::MessageDelivered).then(|| MessageDelivered {
                client: self.client.clone(),
                message: delivery.message.clone(),
                qos: delivery.qos,
                retain: delivery.retain,
            });
            match self.connection.send(delivery, self.lease.state(), &mut blocks, now) {
                Ok(()) => self.tell_delivered(delivered),
                Err((why, delivery)) => {
                    self.hub.counters().message_dropped(why);
                    add(&handle.tally().messages_dropped, 1);
                    self.hub.tell_dropped(Some(self.client.clone()), || delivery.message, why.into());
                }
            }
        }
        sent += blocks.messages();
        blocks.take(&mut self.writing, usize::MAX);
        // PUBREL for what was under way before.
        if !self.connection.out.is_empty() {
            self.writing.push_back(Block::Answers(self.connection.out.split().freeze()));
        }
        add(&self.hub.counters().messages_sent, sent);
        add(&handle.tally().messages_sent, sent);
        handle.set_in_flight(self.lease.state().window.open());
        let waiting = self.forwarding.iter().map(|waiting| &waiting.0).chain(&self.taken);
        let (messages, bytes) = waiting.fold((0, 0), |(count, sum), waiting| (count + 1, sum + waiting.size()));
        handle.taken().set(messages, bytes);
        self.dispatch.grow(handle.memory().in_flight.note(self.lease.state().window.memory() + bytes));
        self.dispatch.tell_memory();
        Ok(are_messages && !is_drained && self.forwarding.is_none() && self.taken.is_empty())
    }

    /// Sees to it that the task is woken at the next deadline; ends the connection if one has passed.
    fn arm_timer(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), Closing> {
        if self.asked.is_some() {
            return Ok(()); // It has a deadline of its own.
        }
        let paused_until = self.paused_until();
        let next = match &self.waiting_for {
            // What a publisher that is held back has sent meanwhile is not known yet.
            Some((receiver, since)) => receiver.patience().map(|patience| *since + patience),
            None if self.rests_until.is_some() || paused_until.is_some() => self.rests_until.max(paused_until),
            None => self.keep_alive.map(|keep_alive| self.inbox.last_packet + keep_alive),
        };
        if self.permit.expires_at.is_some_and(|at| at <= now) {
            return Err(Closing::by_broker(
                ReasonCode::NOT_AUTHORIZED,
                "what the client has been let in with has expired",
            ));
        }
        let next = next.into_iter().chain(self.permit.expires_at).min();
        let Some(at) = next else { return Ok(()) };
        if at <= now && self.waiting_for.is_none() && self.rests_until.is_none() && paused_until.is_none() {
            // [MQTT-3.1.2-22]
            return Err(Closing::by_broker(ReasonCode::KEEP_ALIVE_TIMEOUT, "keep alive timeout"));
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at.into())));
        // The deadline of a client that talks moves with each packet: the timer is set again when it goes off.
        let armed = timer.deadline().into_std();
        if timer.is_elapsed() || at < armed {
            timer.as_mut().reset(at.into());
        }
        if timer.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Ok(())
    }
}

/// Takes `count` bytes off the front.
pub(super) fn advance(blocks: &mut VecDeque<Block>, mut count: usize) {
    while let Some(front) = blocks.front_mut() {
        let len = front.bytes().len();
        if count < len {
            front.advance(count);
            return;
        }
        count -= len;
        if let Some(written) = blocks.pop_front() {
            written.recycle();
        }
    }
}

/// The broker as a connection sees it.
struct Doors<'a> {
    hub: &'a Hub,
    client: &'a Arc<Client>,
    rules: Option<&'a Rules>,
    limits: Option<&'a ListenerLimits>,
    throttle: Option<&'a mut Throttle>,
    rights: &'a mut Rights,
    told: &'a mut Told,
    handle: Arc<Handle>,
    dispatch: &'a mut Dispatch,
    replays: &'a mut Replays,
    asked: &'a mut Option<Box<Decision>>,
    asked_topic: &'a mut Option<Text>,
    /// Asks in place about the messages of this batch.
    asker: Option<Asker<'a>>,
    now: Instant,
    received: usize,
}

impl Doors<'_> {
    fn rule(&mut self, asked: Asked) -> Ruling {
        match asked {
            Asked::Nobody => Ruling::Allowed(None),
            Asked::Decided(verdict) => verdict.into(),
            Asked::Later(decision) => {
                *self.asked = Some(decision);
                Ruling::Later
            }
        }
    }

    fn key(&self) -> Key {
        Key::Client(self.client.id.clone())
    }

    fn max_topic_levels(&self) -> usize {
        let of_all = self.hub.max_topic_levels();
        self.limits.map_or(of_all, |own| own.topic_levels(of_all))
    }

    /// Whether the client has published too fast.
    fn is_paused(&self) -> bool {
        self.throttle.as_ref().is_some_and(|throttle| throttle.paused_until().is_some())
    }

    /// The client is refused something.
    fn exceeds(&mut self, excess: Excess) {
        self.hub.exceeded(excess, self.client, self.told, self.now);
    }

    /// Counts a message that goes nowhere because of its topic.
    fn no_topic(&mut self, source: Source<'_>, error: TopicError) -> TopicError {
        if matches!(error, TopicError::TooManyLevels { .. }) {
            self.exceeds(Excess::NotPublished);
        }
        self.hub.refuse(|| Outgoing::new(source).message().clone());
        error
    }

    /// The message as it is routed, which borrows the packet.
    fn source<'b>(&self, topic: &'b str, publish: &'b Publish) -> Source<'b>
    where
        Self: 'b,
    {
        Source {
            topic,
            payload: &publish.payload,
            qos: publish.qos,
            retain: publish.retain,
            properties: &publish.properties,
            expires_at: expires_at(publish.message_expiry_s, self.now),
            origin: Origin::Client,
            publisher: Some(self.client),
            receipt: None,
        }
    }
}

impl Host for Doors<'_> {
    fn pace(&mut self, topic: &str, publish: &Publish) -> Pace {
        let Some(throttle) = &mut self.throttle else { return Pace::Kept };
        let bytes = topic.len() + publish.properties.len() + publish.payload.len();
        let pace = match throttle.count(bytes, self.now) {
            None => return Pace::Kept,
            Some(RateExceeded::Throttle) => {
                self.exceeds(Excess::Throttled);
                return Pace::Kept;
            }
            Some(RateExceeded::Drop) => {
                self.exceeds(Excess::TooFast);
                Pace::Dropped
            }
            Some(RateExceeded::Disconnect) => Pace::Exceeded,
        };
        self.received += 1;
        add(&self.hub.counters().dropped_rate, 1);
        let source = self.source(topic, publish);
        self.hub.tell_dropped(None, || Outgoing::new(source).message().clone(), DropCause::RateExceeded);
        pace
    }

    fn may_publish(&mut self, topic: &str, publish: &Publish) -> Ruling {
        let hub = self.hub;
        let callbacks = hub.callbacks();
        let mode = callbacks.mode(Hook::AuthorizePublish);
        if mode == Mode::Absent {
            return match self.rights.may_publish(hub, self.client, self.rules, topic, publish.qos, publish.retain) {
                true => Ruling::Allowed(None),
                false => {
                    self.exceeds(Excess::NotPublished);
                    Ruling::refused(Refusal::new(ReasonCode::NOT_AUTHORIZED))
                }
            };
        }
        if self.asked_topic.as_ref().is_none_or(|known| **known != *topic) {
            *self.asked_topic = None;
            if topic::check_name(topic, self.max_topic_levels()).is_err() {
                return Ruling::Allowed(None); // What is wrong with the topic is said where it is routed.
            }
        }
        if mode == Mode::Queued {
            let message = Outgoing::new(self.source(topic, publish)).message().clone();
            let question = OwnedQuestion::AuthorizePublish(message);
            let asked = callbacks.ask_later(Hook::AuthorizePublish, self.key(), question);
            return self.rule(asked);
        }
        let text = self.asked_topic.get_or_insert_with(|| Text::from(topic));
        let message = MessageRef {
            topic: text,
            payload: &publish.payload,
            qos: publish.qos,
            retain: publish.retain,
            properties: &publish.properties,
            expires_at: expires_at(publish.message_expiry_s, self.now),
            origin: Origin::Client,
            publisher: Some(self.client),
            shared: None,
        };
        let asker = self.asker.get_or_insert_with(|| callbacks.asker(Hook::AuthorizePublish));
        let asked = asker.ask(Question::AuthorizePublish(message));
        self.rule(asked)
    }

    fn may_subscribe(&mut self, filter: &str, options: SubscriptionOptions) -> Ruling {
        let callbacks = self.hub.callbacks();
        if callbacks.mode(Hook::AuthorizeSubscribe) == Mode::Absent
            && !Policy::of(&self.hub.settings(), self.rules).subscribing(self.client, filter, options.qos).allows()
        {
            self.exceeds(Excess::NotSubscribed);
            return Ruling::refused(Refusal::new(ReasonCode::NOT_AUTHORIZED));
        }
        let (client, filter) = (|| self.client.clone(), || Text::from(filter));
        let question =
            || OwnedQuestion::AuthorizeSubscribe(AuthorizeSubscribe { client: client(), filter: filter(), options });
        let asked = callbacks.ask(Hook::AuthorizeSubscribe, || self.key(), question);
        self.rule(asked)
    }

    fn may_unsubscribe(&mut self, filter: &str) -> Ruling {
        let (client, filter) = (|| self.client.clone(), || Text::from(filter));
        let question =
            || OwnedQuestion::AuthorizeUnsubscribe(AuthorizeUnsubscribe { client: client(), filter: filter() });
        let asked = self.hub.callbacks().ask(Hook::AuthorizeUnsubscribe, || self.key(), question);
        self.rule(asked)
    }

    fn may_authenticate(&mut self, method: &Text, data: Option<&[u8]>, round: u32) -> Ruling {
        let question = || {
            OwnedQuestion::AuthExchange(AuthExchange {
                client: self.client.clone(),
                connection: None,
                method: method.clone(),
                data: data.map(Bytes::copy_from_slice),
                round,
                again: true,
            })
        };
        match self.hub.callbacks().ask(Hook::AuthExchange, || self.key(), question) {
            // The hook that let the client in is gone.
            Asked::Nobody => Ruling::refused(Refusal::new(ReasonCode::NOT_AUTHORIZED)),
            asked => self.rule(asked),
        }
    }

    fn publish(&mut self, topic: &str, publish: &Publish, changes: Option<&Changes>) -> Result<ReasonCode, TopicError> {
        self.received += 1;
        let mut source = self.source(topic, publish);
        if self.limits.is_some() {
            // The router knows only what holds for all.
            if let Err(error) = topic::check_name(topic, self.max_topic_levels()) {
                return Err(self.no_topic(source, error));
            }
        }
        if let Some(changes) = changes {
            match self.hub.change(source, changes) {
                Some(changed) => source = changed,
                None => return Ok(ReasonCode::IMPLEMENTATION_SPECIFIC),
            }
        }
        match self.dispatch.publish(self.hub, Outgoing::new(source), self.now) {
            Ok(_) if self.dispatch.is_starved() => Ok(ReasonCode::QUOTA_EXCEEDED),
            Ok(0) => Ok(ReasonCode::NO_MATCHING_SUBSCRIBERS),
            Ok(_) => Ok(ReasonCode::SUCCESS),
            Err(error) => Err(self.no_topic(source, error)),
        }
    }

    fn refused(&mut self, topic: &str, publish: &Publish) {
        self.received += 1;
        let source = self.source(topic, publish);
        self.hub.refuse(|| Outgoing::new(source).message().clone());
    }

    fn acknowledged(&mut self, delivery: Delivery, reason: ReasonCode) {
        let Delivery { message, qos, receipt, home, .. } = delivery;
        receipt.into_iter().for_each(Token::acknowledge);
        if !self.hub.callbacks().wants(Hook::MessageAcked) {
            return self.dispatch.done_with(message, home);
        }
        let (client, reason_code) = (self.client.clone(), reason.0);
        let event = || Event::MessageAcked(MessageAcked { client, message, qos, reason_code });
        self.hub.callbacks().tell(Hook::MessageAcked, || self.key(), event);
    }

    fn limits(&self) -> FilterLimits {
        self.hub.filter_limits(self.limits)
    }

    fn subscriptions(&self, wanted: &str) -> Standing {
        let subscriptions = self.handle.subscriptions();
        Standing { count: subscriptions.len(), known: subscriptions.contains(wanted) }
    }

    fn subscribe(&mut self, wanted: &str, instead: Option<Text>, options: SubscriptionOptions) {
        let Some(made) = self.hub.subscribe_session(&self.handle, self.client, wanted, instead, options) else {
            return; // It does not end as long as its connection has it.
        };
        if let Some(released) = &made.noted.released {
            self.replays.cancel(released);
        }
        self.hub.callbacks().tell(Hook::Subscribed, || self.key(), || made.event(self.client, options));
        if made.wants_retained(&options) {
            self.replays.push(made.noted.filter, options, made.generation);
        }
    }

    fn not_subscribed(&mut self, bar: Option<Bar>) {
        add(&self.hub.counters().subscriptions_refused, 1);
        match bar {
            Some(Bar::TooMany | Bar::NoShared | Bar::Filter(TopicError::TooManyLevels { .. })) => {
                self.exceeds(Excess::NotSubscribedLimit);
            }
            Some(Bar::Memory) => self.exceeds(Excess::NotSubscribedMemory),
            Some(Bar::Filter(_)) | None => {}
        }
    }

    fn unsubscribe(&mut self, wanted: &str) -> bool {
        let Some(noted) = self.hub.unsubscribe_session(&self.handle, self.client, wanted) else { return false };
        // Its retained messages are not wanted any more.
        if let Some(released) = &noted.released {
            self.replays.cancel(released);
        }
        let event = || Event::Unsubscribed(Unsubscribed { client: self.client.clone(), filter: noted.wanted });
        self.hub.callbacks().tell(Hook::Unsubscribed, || self.key(), event);
        true
    }
}
