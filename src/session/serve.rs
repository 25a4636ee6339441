//! A connection from its first byte to its last.

use std::collections::VecDeque;
use std::future::{pending, poll_fn, Future};
use std::io::{self, IoSlice};
use std::panic::AssertUnwindSafe;
use std::pin::{pin, Pin};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{timeout, timeout_at};
use tokio_util::io::poll_read_buf;

use super::blocks::Block;
use super::connection::Connection;
use super::counters::add;
use super::driver::{advance, Driver};
use super::handshake::{self, Refusal};
use super::hub::Hub;
use super::lease::Lease;
use super::mailbox::Wants;
use super::ruling::allowed_without_hook;
use crate::codec::{Connect, Decoder, Packet, Will};
use crate::hooks::{Authenticate, DisconnectedBy, Hook, Key, OwnedQuestion, PreConnect, Verdict};
use crate::model::{Client, Message, Protocol, ReasonCode, Text};

/// What is read at once of a connection that has not said CONNECT yet.
const FIRST_READ: usize = 1024;

/// How long a client may take to read the last words of the broker, and to close.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Where a connection comes from.
#[derive(Clone, Debug)]
pub struct Peer {
    /// `host:port`.
    pub address: Text,
    /// The listener, by its position in the configuration and by its name.
    pub listener: usize,
    pub listener_name: Text,
    /// When CONNECT has to be complete.
    pub connect_by: Instant,
}

/// Serves one client until its connection ends. A panic ends this connection and is counted.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(hub: Arc<Hub>, stream: S, peer: Peer) {
    let shared = hub.clone();
    let mut served = pin!(AssertUnwindSafe(serve_guarded(hub, stream, peer)).catch_unwind());
    let patiently = poll_fn(|cx| {
        let _patience = shared.callbacks().patience();
        served.as_mut().poll(cx)
    });
    if patiently.await.is_err() {
        add(&shared.counters().connection_panics, 1);
        tracing::error!("a panic has ended a connection");
    }
}

/// The stages are boxed one by one: a connection that idles holds no memory for its beginning and its end.
async fn serve_guarded<S: AsyncRead + AsyncWrite + Unpin>(hub: Arc<Hub>, stream: S, peer: Peer) {
    let Some(driver) = Box::pin(open(&hub, stream, peer)).await else { return };
    let remains = driver.await;
    match remains.closing.by {
        DisconnectedBy::Broker => Box::pin(finish(remains.stream, remains.unwritten, hub.is_stopping())).await,
        // It may have asked for answers before it said goodbye.
        DisconnectedBy::Client if !remains.unwritten.is_empty() => {
            Box::pin(finish(remains.stream, remains.unwritten, true)).await;
        }
        _ => {}
    }
}

/// From the first byte to CONNACK; `None` if it has not come to that.
async fn open<S: AsyncRead + AsyncWrite + Unpin>(hub: &Arc<Hub>, mut stream: S, peer: Peer) -> Option<Driver<S>> {
    if !may_begin(hub, &peer).await {
        add(&hub.counters().connections_refused, 1);
        tracing::debug!(address = %peer.address, "closed: refused by the hook");
        return None;
    }
    let mut decoder = Decoder::new(hub.settings().max_packet_bytes);
    let mut input = BytesMut::new();
    let connect_by = peer.connect_by;
    let connect = match timeout_at(connect_by.into(), read_connect(&mut stream, &mut decoder, &mut input)).await {
        Ok(Ok(connect)) => connect,
        Ok(Err(Faulty::Gone)) => return None,
        Ok(Err(Faulty::Fault(fault))) => {
            add(&hub.counters().connections_refused, 1);
            tracing::debug!(address = %peer.address, reason = %fault.reason, "CONNECT refused: {}", fault.text);
            if let Some(protocol) = decoder.protocol().filter(|protocol| handshake::is_told(*protocol, fault.reason)) {
                refuse(stream, protocol, None, &Refusal::new(fault.reason)).await;
            }
            return None;
        }
        Err(_) => {
            add(&hub.counters().connections_timed_out, 1);
            tracing::debug!(address = %peer.address, "no CONNECT in time");
            return None;
        }
    };
    let admitted = tokio::select! {
        biased;
        admitted = admit(hub, &connect, &peer) => admitted,
        // Nobody waits for the decision any more, nor wants the session.
        () = departure(&mut stream, &mut input) => return None,
    };
    match admitted {
        Ok((client, lease)) => begin(hub, stream, decoder, input, &connect, client, lease),
        Err(refusal) => {
            add(&hub.counters().connections_refused, 1);
            tracing::debug!(address = %peer.address, client_id = %connect.client_id, reason = %refusal.reason, "refused");
            refuse(stream, connect.protocol, connect.maximum_packet_size, &refusal).await;
            None
        }
    }
}

/// Asks whether the connection may say anything at all.
async fn may_begin(hub: &Hub, peer: &Peer) -> bool {
    let question = || {
        let (address, listener) = (peer.address.clone(), peer.listener_name.clone());
        OwnedQuestion::PreConnect(PreConnect { address, listener })
    };
    let asked = hub.callbacks().ask(Hook::PreConnect, || Key::Peer(peer.address.clone()), question);
    matches!(asked.verdict().await, None | Some(Verdict::Allow(_)))
}

enum Faulty {
    Gone,
    Fault(crate::codec::Fault),
}

async fn read_connect<S: AsyncRead + Unpin>(
    stream: &mut S,
    decoder: &mut Decoder,
    input: &mut BytesMut,
) -> Result<Box<Connect>, Faulty> {
    loop {
        input.reserve(FIRST_READ);
        let read = poll_fn(|cx| poll_read_buf(Pin::new(&mut *stream), cx, input)).await;
        if !matches!(read, Ok(1..)) {
            return Err(Faulty::Gone);
        }
        match decoder.decode(input).map_err(Faulty::Fault)? {
            Some(Packet::Connect(connect)) => return Ok(connect),
            // The decoder refuses any other packet before CONNECT [MQTT-3.1.0-1].
            Some(_) => return Err(Faulty::Gone),
            None => {}
        }
    }
}

/// Returns when the client is gone without having sent more. One that does not wait for CONNACK may have said all that
/// it has to say, and be gone as well: what it has sent counts.
async fn departure<S: AsyncRead + Unpin>(stream: &mut S, input: &mut BytesMut) {
    if input.is_empty() {
        input.reserve(FIRST_READ);
        if !matches!(poll_fn(|cx| poll_read_buf(Pin::new(&mut *stream), cx, input)).await, Ok(1..)) {
            return;
        }
    }
    pending().await
}

/// Decides whether a client may connect, and finds its session.
async fn admit(hub: &Arc<Hub>, connect: &Connect, peer: &Peer) -> Result<(Arc<Client>, Lease), Refusal> {
    let settings = hub.settings();
    handshake::check(connect, settings)?;
    let serial = hub.counters().next_serial();
    let id = if connect.client_id.is_empty() {
        handshake::assign_client_id(serial) // [MQTT-3.1.3-6]
    } else {
        Text::from(&*connect.client_id)
    };
    let client = Arc::new(Client {
        id,
        username: connect.username.as_ref().map(|name| Text::from(&**name)),
        address: peer.address.clone(),
        listener: peer.listener_name.clone(),
        node_id: settings.node_id,
        serial,
        protocol: connect.protocol,
        superuser: false,
    });
    let question = Authenticate {
        client: client.clone(),
        password: connect.password.clone(),
        keep_alive_s: connect.keep_alive_s,
        clean_start: connect.clean_start,
        will: connect.will.as_ref().map(|will| registered(will, &client)),
        properties: handshake::properties(connect),
    };
    let key = || Key::Client(client.id.clone());
    let asked = hub.callbacks().ask(Hook::Authenticate, key, || OwnedQuestion::Authenticate(Box::new(question)));
    match asked.verdict().await {
        Some(Verdict::Allow(_)) => {}
        Some(Verdict::Deny(denial)) => return Err(denial.into()),
        Some(_) => return Err(Refusal::new(ReasonCode::NOT_AUTHORIZED)),
        // Nobody can check credentials: those that come with some are as anonymous as those without.
        None if settings.allow_anonymous.get(peer.listener).copied().unwrap_or(false) => {}
        None => return Err(Refusal::new(ReasonCode::NOT_AUTHORIZED)),
    }
    if let Some(will) = &connect.will {
        let question = || OwnedQuestion::AuthorizePublish(Arc::new(registered(will, &client)));
        let asked = hub.callbacks().ask(Hook::AuthorizePublish, key, question);
        match asked.verdict().await {
            None if allowed_without_hook(&will.topic) => {}
            None => return Err(Refusal::new(ReasonCode::NOT_AUTHORIZED)),
            Some(Verdict::Allow(_)) => {}
            Some(Verdict::Deny(denial)) => return Err(denial.into()),
            Some(_) => return Err(Refusal::new(ReasonCode::NOT_AUTHORIZED)),
        }
    }
    if hub.is_stopping() {
        return Err(Refusal::new(ReasonCode::SERVER_UNAVAILABLE));
    }
    match Lease::take(hub, &client.id, connect.clean_start).await {
        Ok(lease) => Ok((client, lease)),
        Err(_) => Err(Refusal::new(ReasonCode::QUOTA_EXCEEDED)),
    }
}

/// A will as the hooks see it when it is registered. It holds on to no packet.
fn registered(will: &Will, client: &Arc<Client>) -> Message {
    handshake::will_message(&handshake::keep_will(will), client, Instant::now(), Duration::ZERO)
}

/// Connects the client to its session and writes CONNACK.
fn begin<S: AsyncRead + AsyncWrite + Unpin>(
    hub: &Arc<Hub>,
    stream: S,
    decoder: Decoder,
    input: BytesMut,
    connect: &Connect,
    client: Arc<Client>,
    mut lease: Lease,
) -> Option<Driver<S>> {
    let settings = hub.settings();
    let terms = handshake::terms(connect, settings);
    let mut connection = Connection::new(terms);
    let present = lease.is_present();
    let encoder = *connection.encoder();
    if handshake::accept(connect, settings, &terms, &client, present, &encoder, &mut connection.out).is_err() {
        tracing::debug!(client_id = %client.id, "its maximum packet size leaves no room for CONNACK");
        return None;
    }
    let wants = Wants {
        v5: terms.protocol == Protocol::V5,
        maximum_packet_size: terms.maximum_packet_size,
        aliases: terms.topic_alias_maximum > 0,
    };
    add(&hub.counters().connections, 1);
    let will = connect.will.as_ref().map(handshake::keep_will);
    lease.connect(client.clone(), will, terms.session_expiry_s, wants);
    let keep_alive = handshake::keep_alive(connect, settings);
    Some(Driver::new(stream, hub.clone(), client, lease, decoder, connection, input, keep_alive))
}

/// Answers a CONNECT that is not accepted, and closes.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    protocol: Protocol,
    maximum_packet_size: Option<u32>,
    refusal: &Refusal,
) {
    let mut out = BytesMut::new();
    handshake::refuse(protocol, maximum_packet_size, refusal, &mut out);
    finish(stream, VecDeque::from([Block::Shared(out.freeze())]), false).await;
}

/// Writes the last words and closes. What the client has still sent is read, for a while: bytes that nobody has read
/// would have the system reset the connection, and the client might not get the last words.
async fn finish<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, mut unwritten: VecDeque<Block>, hurry: bool) {
    let last_words = async {
        write_all(&mut stream, &mut unwritten).await?;
        poll_fn(|cx| Pin::new(&mut stream).poll_shutdown(cx)).await?;
        if !hurry {
            drain(&mut stream).await?;
        }
        io::Result::Ok(())
    };
    // Nobody waits for it: neither the time nor a failure matters to anyone.
    let _ = timeout(LAST_WORDS, last_words).await;
}

async fn write_all<S: AsyncWrite + Unpin>(stream: &mut S, blocks: &mut VecDeque<Block>) -> io::Result<()> {
    while let Some(block) = blocks.front() {
        let slices = [IoSlice::new(block.bytes())];
        match poll_fn(|cx| Pin::new(&mut *stream).poll_write_vectored(cx, &slices)).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => advance(blocks, written),
        }
    }
    Ok(())
}

async fn drain<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<()> {
    let mut waste = [0; 512];
    loop {
        let mut waste = ReadBuf::new(&mut waste);
        poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut waste)).await?;
        if waste.filled().is_empty() {
            return Ok(());
        }
    }
}
