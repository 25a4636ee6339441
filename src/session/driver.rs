//! The I/O of one connection: bytes in, packets through [`Connection`], bytes out. One task, woken by its socket, by the
//! messages that come in for its session, and by its timer.

use std::collections::VecDeque;
use std::future::Future;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Sleep;
use tokio_util::io::poll_read_buf;

use super::blocks::{Block, Blocks};
use super::buffer;
use super::closing::Closing;
use super::connection::{Connection, Host};
use super::counters::add;
use super::delivery::{Delivery, Outgoing, Source};
use super::dispatch::Dispatch;
use super::handle::Handle;
use super::hub::Hub;
use super::lease::Lease;
use super::receiver::Receiver;
use super::replays::Replays;
use crate::codec::{Decoder, Publish};
use crate::hooks::DisconnectedBy;
use crate::model::topic::TopicError;
use crate::model::{Client, Origin, ReasonCode, SubscriptionOptions, Text};
use crate::router::Subscribed;

/// Reads that are worked off before the other connections of the thread get their turn.
const READS_PER_TURN: usize = 4;

/// What is taken from the mailbox for one write, about.
const WRITE_BYTES: usize = 128 * 1024;

/// Messages that are taken from the mailbox at once.
const DELIVERIES_PER_WRITE: usize = 256;

/// Blocks that are written at once.
const SLICES: usize = 16;

/// A client that does not read its acknowledgements is not read from while so many bytes of them wait.
const MAX_ANSWERS: usize = 64 * 1024;

/// How long a publisher waits for a receiver whose queue is filling up, before the receiver's queue is left to its policy
/// until it has been emptied.
const PATIENCE: Duration = Duration::from_millis(200);

/// A connection from CONNACK to its end.
pub(super) struct Driver<S>(Option<Box<Driving<S>>>);

struct Driving<S> {
    stream: S,
    hub: Arc<Hub>,
    client: Arc<Client>,
    lease: Lease,
    decoder: Decoder,
    connection: Connection,
    input: BytesMut,
    writing: VecDeque<Block>,
    /// Messages on their way from the mailbox to `writing`.
    taken: VecDeque<Delivery>,
    dispatch: Dispatch,
    replays: Replays,
    keep_alive: Option<Duration>,
    last_packet: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    /// The receiver that this publisher waits for, since when.
    waiting_for: Option<(Arc<Handle>, Instant)>,
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
        match driving.turn(cx) {
            Ok(()) => Poll::Pending,
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
        lease: Lease,
        decoder: Decoder,
        connection: Connection,
        input: BytesMut,
        keep_alive: Option<Duration>,
    ) -> Self {
        let dispatch = Dispatch::new(Some(lease.handle().key()));
        Driver(Some(Box::new(Driving {
            stream,
            hub,
            client,
            lease,
            decoder,
            connection,
            input,
            writing: VecDeque::new(),
            taken: VecDeque::new(),
            dispatch,
            replays: Replays::default(),
            keep_alive,
            last_packet: Instant::now(),
            timer: None,
            waiting_for: None,
        })))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driving<S> {
    fn end(mut self, closing: Closing) -> Remains<S> {
        self.dispatch.flush();
        if closing.by == DisconnectedBy::Broker {
            self.connection.say_goodbye(&closing); // [MQTT-4.13.1-1]
        }
        let Driving { stream, lease, mut connection, mut writing, .. } = self;
        if !connection.out.is_empty() {
            writing.push_back(Block::Shared(connection.out.split().freeze()));
        }
        lease.leave(closing.clone(), connection.session_expiry_s);
        Remains { stream, unwritten: writing, closing }
    }

    /// Does what can be done now, but not for too long. The task is woken when there is more.
    fn turn(&mut self, cx: &mut Context<'_>) -> Result<(), Closing> {
        for _ in 0..READS_PER_TURN {
            let now = Instant::now();
            let finished = self.work_off_input(now)?;
            let replayed = self.replay(now);
            self.write(cx, now)?;
            self.look_after_receiver(cx, now);
            if !self.may_read() {
                return self.arm_timer(cx, now);
            }
            if !finished || replayed {
                continue;
            }
            buffer::reserve(&mut self.input);
            match poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.input) {
                Poll::Ready(Ok(0)) => return Err(Closing::by_network("connection closed by the peer")),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Err(Closing::by_network("connection failed")),
                Poll::Pending => {
                    buffer::release(&mut self.input);
                    self.dispatch.rest();
                    return self.arm_timer(cx, now);
                }
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn may_read(&self) -> bool {
        self.waiting_for.is_none() && self.connection.out.len() < MAX_ANSWERS
    }

    /// Looks whether the receiver that this publisher waits for has room again.
    fn look_after_receiver(&mut self, cx: &mut Context<'_>, now: Instant) {
        let Some((receiver, since)) = &self.waiting_for else { return };
        let mut mailbox = receiver.mailbox();
        if mailbox.await_room(cx.waker(), receiver.quota()) {
            if now < *since + PATIENCE {
                return;
            }
            mailbox.give_up_waiting();
        }
        drop(mailbox);
        self.waiting_for = None;
        self.lease.handle().mailbox().set_owner_waits(false);
    }

    /// Handles the packets that have been read, a batch at most, until a receiver has to be waited for or too many answers
    /// wait; whether all of them.
    fn work_off_input(&mut self, now: Instant) -> Result<bool, Closing> {
        if self.input.is_empty() {
            return Ok(true);
        }
        if !self.may_read() {
            return Ok(false);
        }
        let mut host = Doors {
            hub: &self.hub,
            client: &self.client,
            handle: self.lease.handle().clone(),
            dispatch: &mut self.dispatch,
            replays: &mut self.replays,
            now,
            received: 0,
        };
        let mut finished = false;
        let mut result = Ok(());
        while result.is_ok() && !host.dispatch.is_full() && self.connection.out.len() < MAX_ANSWERS {
            match self.decoder.decode(&mut self.input) {
                Ok(Some(packet)) => {
                    self.last_packet = now;
                    result = self.connection.handle(packet, self.lease.state(), &mut host);
                }
                Ok(None) => {
                    finished = true;
                    break;
                }
                Err(fault) => result = Err(fault.into()),
            }
        }
        add(&self.hub.counters().messages_received, host.received);
        self.dispatch.flush();
        if let Some(receiver) = self.dispatch.take_crowded() {
            self.lease.handle().mailbox().set_owner_waits(true);
            self.waiting_for = Some((receiver, now));
        }
        result.map(|()| finished)
    }

    /// Queues retained messages for new subscriptions, a page at a time, if there is room; whether there was.
    fn replay(&mut self, now: Instant) -> bool {
        if self.replays.is_empty() {
            return false;
        }
        let handle = self.lease.handle().clone();
        let room = handle.mailbox().room(handle.quota());
        let Some(replay) = self.replays.front().filter(|_| room > 0) else { return false };
        let (deliveries, over) = self.hub.replay(replay, room, now);
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

    /// Writes what there is, as far as the socket takes it.
    fn write(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), Closing> {
        loop {
            if self.writing.is_empty() {
                self.collect(now)?;
                if self.writing.is_empty() {
                    return Ok(());
                }
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

    /// Moves answers and messages to `writing`.
    fn collect(&mut self, now: Instant) -> Result<(), Closing> {
        if !self.connection.out.is_empty() {
            self.writing.push_back(Block::Shared(self.connection.out.split().freeze()));
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
        let mut sent = mailbox.take_encoded(&mut self.writing, WRITE_BYTES);
        mailbox.take_plain(&mut self.taken, DELIVERIES_PER_WRITE);
        let mut bytes = 0;
        while room > 0 && bytes < WRITE_BYTES {
            let Some(delivery) = mailbox.take_assured() else { break };
            bytes += delivery.message.size();
            room -= 1;
            self.taken.push_back(delivery);
        }
        mailbox.release_publishers(handle.quota());
        drop(mailbox);

        for delivery in self.taken.drain(..) {
            if let Err(why) = self.connection.send(delivery, state, &mut blocks, now) {
                self.hub.counters().message_dropped(why);
            }
        }
        sent += blocks.messages();
        blocks.take(&mut self.writing, usize::MAX);
        // PUBREL for what was under way before.
        if !self.connection.out.is_empty() {
            self.writing.push_back(Block::Shared(self.connection.out.split().freeze()));
        }
        if self.writing.is_empty() {
            // An idle connection holds no memory for what it does not write.
            self.connection.out = BytesMut::new();
            self.writing = VecDeque::new();
            self.taken = VecDeque::new();
        }
        add(&self.hub.counters().messages_sent, sent);
        handle.set_in_flight(state.window.outstanding());
        Ok(())
    }

    /// Sees to it that the task is woken at the next deadline; ends the connection if one has passed.
    fn arm_timer(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), Closing> {
        let next = match &self.waiting_for {
            // What a publisher that is held back has sent meanwhile is not known yet.
            Some((_, since)) => Some(*since + PATIENCE),
            None => self.keep_alive.map(|keep_alive| self.last_packet + keep_alive),
        };
        let Some(at) = next else { return Ok(()) };
        if at <= now && self.waiting_for.is_none() {
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
        blocks.pop_front();
    }
}

/// The broker as a connection sees it.
struct Doors<'a> {
    hub: &'a Hub,
    client: &'a Arc<Client>,
    handle: Arc<Handle>,
    dispatch: &'a mut Dispatch,
    replays: &'a mut Replays,
    now: Instant,
    received: usize,
}

impl Host for Doors<'_> {
    fn publish(&mut self, topic: &str, publish: &Publish) -> Result<ReasonCode, TopicError> {
        self.received += 1;
        let source = Source {
            topic,
            payload: &publish.payload,
            qos: publish.qos,
            retain: publish.retain,
            properties: &publish.properties,
            expires_at: publish.message_expiry_s.map(|seconds| self.now + Duration::from_secs(seconds.into())),
            origin: Origin::Client,
            publisher: Some(self.client),
        };
        let outgoing = Outgoing::new(source, self.dispatch.frames());
        match self.dispatch.publish(self.hub, outgoing, self.now) {
            Ok(0) => Ok(ReasonCode::NO_MATCHING_SUBSCRIBERS),
            Ok(_) => Ok(ReasonCode::SUCCESS),
            Err(error) => {
                add(&self.hub.counters().dropped_refused, 1);
                Err(error)
            }
        }
    }

    fn subscribe(&mut self, filter: &str, options: SubscriptionOptions) -> Subscribed {
        let subscribed = self.hub.router().subscribe(filter, Receiver::Session(self.handle.clone()), options);
        if !subscribed.existed {
            self.hub.count_subscriptions(1);
        }
        subscribed
    }

    fn replay(&mut self, filter: Text, options: SubscriptionOptions, before: u64) {
        self.replays.push(filter, options, before);
    }

    fn unsubscribe(&mut self, filter: &str) {
        if self.hub.router().unsubscribe(filter, self.handle.key()) {
            self.hub.count_subscriptions(-1);
        }
        // Its retained messages are not wanted any more.
        self.replays.cancel(filter);
    }
}
