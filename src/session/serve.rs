//! A connection from its first byte to its last.

use std::collections::VecDeque;
use std::future::{poll_fn, Future};
use std::io::{self, IoSlice};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::Guard;
use bytes::BytesMut;
use futures::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use super::admission::{admit, Admitted};
use super::arrival::{Arrival, Failure};
use super::blocks::Block;
use super::connection::Connection;
use super::counters::add;
use super::driver::{advance, Driver, Permit, Remains};
use super::handshake;
use super::hub::Hub;
use super::mailbox::Wants;
use super::metered::Metered;
use super::rights::ip_of;
use super::ruling::Refusal;
use super::settings::Settings;
use super::suspect::Suspect;
use super::throttle::Throttle;
use super::visit::Visit;
use crate::codec::{Connect, Packet};
use crate::config::ListenerLimits;
use crate::hooks::{Connack, DisconnectedBy, Event, Hook, Key, OwnedQuestion, PreConnect, Stage, Verdict};
use crate::limits::Barred;
use crate::model::{Client, ConnectionInfo, Protocol, Protocols, ReasonCode, Text};

/// How long a client may take to read the last words of the broker, and to close.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Where a connection comes from.
#[derive(Clone, Debug)]
pub struct Peer {
    /// `host:port`, or what the host program says.
    pub address: Text,
    /// The name of the listener, or what the host program says.
    pub listener: Text,
    pub connection: Arc<ConnectionInfo>,
    /// The versions of MQTT that it may speak.
    pub protocols: Protocols,
    /// Whether it may connect without anyone checking who it is.
    pub allow_anonymous: bool,
    /// The user name that its certificate stands for: it has proved who it is.
    pub certified: Option<Text>,
    /// Who it is, if the host program has made that out: nobody is asked then.
    pub identity: Option<Identity>,
    /// Limits of its listener, where they are not those of the broker.
    pub limits: Option<Arc<ListenerLimits>>,
    /// When the client has to have said all that CONNACK needs.
    pub connect_by: Instant,
    /// What carries the connection says when it ends, as TLS and WebSocket do; a socket just needs to be closed.
    pub has_own_end: bool,
}

/// Who a client is that the host program vouches for.
#[derive(Clone, Debug)]
pub struct Identity {
    /// In place of the one in CONNECT.
    pub username: Option<Text>,
}

/// Does what is to be done for one connection, which is boxed: each function that it passes through would hold room for all of
/// it. A panic ends this connection and is counted.
pub async fn guarded(hub: &Hub, connection: Pin<Box<impl Future<Output = ()>>>) {
    let mut guarded = AssertUnwindSafe(connection).catch_unwind();
    let patiently = poll_fn(|cx| {
        let _patience = hub.callbacks().patience();
        guarded.poll_unpin(cx)
    });
    if patiently.await.is_err() {
        add(&hub.counters().connection_panics, 1);
        tracing::error!("a panic has ended a connection");
    }
}

/// Serves one client until its connection ends, [`guarded`] by the caller. The stages are boxed one by one: a connection
/// that idles holds no memory for its beginning and its end.
pub async fn serve<S: AsyncRead + AsyncWrite + Unpin>(hub: Arc<Hub>, stream: S, peer: Box<Peer>) {
    let has_own_end = peer.has_own_end;
    let Some(driver) = Box::pin(open(&hub, stream, peer)).await else { return };
    let _serving = hub.serving();
    if let Some(parting) = part(driver.await, hub.is_stopping(), has_own_end) {
        parting.await;
    }
}

/// What is left to do for a connection that has ended, if anything is.
fn part<S: AsyncRead + AsyncWrite + Unpin>(
    remains: Remains<S>,
    stopping: bool,
    has_own_end: bool,
) -> Option<Pin<Box<impl Future<Output = ()>>>> {
    let hurry = match remains.closing.by {
        DisconnectedBy::Broker => stopping,
        DisconnectedBy::Client if remains.unwritten.is_empty() && !has_own_end => return None,
        // It may have asked for answers before it said goodbye.
        DisconnectedBy::Client => true,
        DisconnectedBy::Network => return None,
    };
    Some(Box::pin(finish(remains.stream, remains.unwritten, hurry)))
}

/// From the first byte to CONNACK; `None` if it has not come to that.
async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    hub: &Arc<Hub>,
    stream: S,
    peer: Box<Peer>,
) -> Option<Driver<Metered<S>>> {
    // What holds when it comes is what the client is told of, and what it is held to.
    let settings = Guard::into_inner(hub.settings());
    let settings = peer.limits.as_ref().map_or(settings.clone(), |own| Arc::new(settings.under(own)));
    let mut arrival = Arrival::new(
        Metered::new(stream, hub.clone()),
        settings.limits.max_packet_bytes,
        peer.connect_by,
        hub.memory(),
    );
    let connect = match arrival.packet().await {
        Ok(Packet::Connect(connect)) => connect,
        // The decoder refuses any other packet before CONNECT [MQTT-3.1.0-1].
        Ok(_) => return None,
        Err(failure) => {
            if let Some(refusal) = count(hub, &peer, failure) {
                let protocol = arrival.decoder.protocol();
                if let Some(protocol) = protocol.filter(|protocol| handshake::is_told(*protocol, refusal.reason)) {
                    Box::pin(refuse(arrival.stream, protocol, None, &refusal)).await;
                }
            }
            return None;
        }
    };
    let serial = hub.counters().next_serial();
    let mut client = Arc::new(handshake::client(&connect, &peer, settings.node_id, serial));
    match admit(hub, &mut arrival, &connect, &mut client, &peer, &settings).await {
        Ok(admitted) => begin(hub, arrival, &connect, client, admitted, &settings, peer.limits),
        Err(failure) => {
            if let Some(refusal) = count(hub, &peer, failure) {
                tell_connack(hub, &client, refusal.reason, refusal.words.clone(), false);
                let (protocol, most) = (connect.protocol, connect.maximum_packet_size);
                Box::pin(refuse(arrival.stream, protocol, most, &refusal)).await;
            }
            None
        }
    }
}

/// Tells a client that there is no place for it, if it says CONNECT in time.
pub async fn turn_away<S: AsyncRead + AsyncWrite + Unpin>(hub: &Arc<Hub>, stream: S, peer: Peer) {
    let max_packet_bytes = hub.settings().limits.max_packet_bytes;
    let mut arrival = Arrival::new(Metered::new(stream, hub.clone()), max_packet_bytes, peer.connect_by, hub.memory());
    if let Ok(Packet::Connect(connect)) = arrival.packet().await {
        let refusal = Refusal::new(ReasonCode::QUOTA_EXCEEDED);
        refuse(arrival.stream, connect.protocol, connect.maximum_packet_size, &refusal).await;
    }
}

/// Counts a connection that comes to nothing; what its client is told.
fn count(hub: &Hub, peer: &Peer, failure: Failure) -> Option<Refusal> {
    let (refusal, text) = match failure {
        Failure::Gone => return None,
        Failure::TimedOut => {
            add(&hub.counters().connections_timed_out, 1);
            tracing::debug!(address = %peer.address, "not connected in time");
            return None;
        }
        Failure::Fault(fault) => {
            let barred = (fault.reason == ReasonCode::PACKET_TOO_LARGE).then_some(Barred::Limit);
            (Refusal { barred, ..Refusal::new(fault.reason) }, fault.text)
        }
        Failure::Refused(refusal) => (refusal, "not accepted"),
    };
    add(&hub.counters().connections_refused, 1);
    if let Some(why) = refusal.barred {
        hub.count_barred(why, &peer.address, ip_of(&peer.address), Instant::now());
    }
    tracing::debug!(address = %peer.address, reason = %refusal.reason, "CONNECT refused: {text}");
    Some(refusal)
}

/// Tells how a CONNECT is answered.
fn tell_connack(hub: &Hub, client: &Arc<Client>, code: ReasonCode, reason: Option<Text>, session_present: bool) {
    let event = || Event::Connack(Connack { client: client.clone(), reason_code: code.0, reason, session_present });
    hub.callbacks().tell(Hook::Connack, || Key::Client(client.id.clone()), event);
}

/// Asks whether the connection may say anything more.
pub async fn may_begin(hub: &Hub, peer: &Peer, stage: Stage) -> bool {
    let question = || {
        let (address, listener, connection) = (peer.address.clone(), peer.listener.clone(), peer.connection.clone());
        OwnedQuestion::PreConnect(PreConnect { stage, address, listener, connection })
    };
    let asked = hub.callbacks().ask(Hook::PreConnect, || Key::Peer(peer.address.clone()), question);
    if matches!(asked.verdict().await, None | Some(Verdict::Allow(_))) {
        return true;
    }
    add(&hub.counters().connections_refused, 1);
    tracing::debug!(address = %peer.address, "closed: refused by the hook");
    false
}

/// Connects the client to its session and writes CONNACK.
fn begin<S: AsyncRead + AsyncWrite + Unpin>(
    hub: &Arc<Hub>,
    arrival: Arrival<Metered<S>>,
    connect: &Connect,
    client: Arc<Client>,
    admitted: Admitted,
    settings: &Settings,
    limits: Option<Arc<ListenerLimits>>,
) -> Option<Driver<Metered<S>>> {
    let Admitted { mut lease, granted, rules, expires_at } = admitted;
    let terms = handshake::terms(connect, settings, &granted);
    let mut connection = Connection::new(terms);
    let ack = handshake::accept(connect, settings, &granted, &terms, &client, lease.is_present());
    let encoder = *connection.encoder();
    if encoder.connack(&ack, &mut connection.out).is_err() {
        tracing::debug!(client_id = %client.id, "its maximum packet size leaves no room for CONNACK");
        return None;
    }
    if let Some(method) = &connect.authentication_method {
        connection.agree_on(Text::from(&**method));
    }
    tell_connack(hub, &client, ReasonCode::SUCCESS, granted.reason.clone(), ack.session_present);
    let wants = Wants {
        v5: terms.protocol == Protocol::V5,
        maximum_packet_size: terms.maximum_packet_size,
        aliases: terms.topic_alias_maximum > 0,
    };
    add(&hub.counters().connections, 1);
    let will = connect.will.as_ref().map(|will| handshake::keep_will(will, hub.memory()));
    let keep_alive_s = handshake::keep_alive(connect, settings, &granted);
    let Arrival { mut stream, decoder, input, .. } = arrival;
    stream.belong_to(lease.handle().clone());
    let throttle = Throttle::new(&settings.limits.rates, Instant::now());
    let visit = Visit {
        rules: rules.clone(),
        limits: limits.clone(),
        session_expiry_s: terms.session_expiry_s,
        keep_alive_s,
        clean_start: connect.clean_start,
        is_paced: throttle.is_some(),
        ..Visit::default()
    };
    lease.handle().quota().set_own(limits.as_deref());
    lease.connect(client.clone(), will, visit.begin(), wants);
    Suspect::of(hub, &client).connected(hub);
    let permit = Permit { rules, expires_at, limits, throttle };
    let silence = handshake::silence(keep_alive_s);
    Some(Driver::new(stream, hub.clone(), client, permit, lease, decoder, connection, input, silence))
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
    finish(stream, VecDeque::from([Block::Answers(out.freeze())]), false).await;
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
