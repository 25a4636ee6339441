//! A connection from being accepted to the first byte of MQTT. Each is a task of its own from the start: whoever is slow
//! here is waited for by nobody else.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout_at;

use crate::hooks::Stage;
use crate::limits::{Barred, Gate, Place, Places};
use crate::model::{ConnectionInfo, Text, TlsInfo};
use crate::session::{self, Hub, Peer};
use crate::transport::{Accepted, Announced, Door, Incoming, Link, Socket, Stream, WebSocketPolicy};

/// How long a client for which there is no place may take to say CONNECT, and be told.
const TURNED_AWAY: Duration = Duration::from_secs(1);

/// A connection that MQTT can begin on.
enum Ready<S> {
    /// Nothing stands between MQTT and the socket.
    Plain(Link<S>),
    Wrapped(Box<dyn Stream>),
}

/// Has a connection served by a task of its own until it ends and gives its places back. Needs a runtime.
pub(super) fn spawn(hub: &Arc<Hub>, in_all: &Places, accepted: Accepted) {
    let Accepted { incoming, door, places } = accepted;
    let Some(incoming) = knock(hub, incoming, &door) else { return };
    let peer = Box::new(peer_of(&incoming, &door));
    match incoming {
        Incoming::Tcp(link, remote) => run(hub, in_all, places, receive(hub, link, Some(remote), door, peer)),
        Incoming::Unix(link) => run(hub, in_all, places, receive(hub, link, None, door, peer)),
        #[cfg(feature = "quic")]
        Incoming::Quic(incoming) => run(hub, in_all, places, receive_quic(hub, incoming, door, peer)),
    }
}

/// Runs what a connection does as a task of its own, which has its places until then.
fn run<P: Send + 'static>(
    hub: &Arc<Hub>,
    in_all: &Places,
    places: P,
    connection: Pin<Box<impl Future<Output = ()> + Send + 'static>>,
) {
    let (hub, in_all) = (hub.clone(), in_all.clone());
    tokio::spawn(async move {
        session::guarded(&hub, connection).await;
        drop(places);
        hub.connection_closed(in_all.taken());
    });
}

/// Closes a connection for which there is no place. As many as can be afforded are told so, where nothing has to be negotiated
/// for that.
pub(super) fn turn_away(hub: &Arc<Hub>, incoming: Incoming, door: Arc<Door>, none_in_all: bool) {
    let Some(incoming) = knock(hub, incoming, &door) else { return };
    hub.turn_away(&incoming.address(), incoming.ip(), none_in_all);
    let has_handshake = door.proxy.is_some() || door.tls.is_some() || door.websocket.is_some();
    let Some(place) = (!has_handshake).then(|| hub.place_for_refusal()).flatten() else { return incoming.turn_away() };
    let peer = Peer { connect_by: Instant::now() + TURNED_AWAY, ..peer_of(&incoming, &door) };
    let hub = hub.clone();
    tokio::spawn(async move {
        session::guarded(
            &hub,
            Box::pin(async {
                match incoming {
                    Incoming::Tcp(link, _) => session::turn_away(&hub, link, peer).await,
                    Incoming::Unix(link) => session::turn_away(&hub, link, peer).await,
                    #[cfg(feature = "quic")]
                    Incoming::Quic(incoming) => incoming.refuse(),
                }
            }),
        )
        .await;
        drop(place);
    });
}

/// Sees to one more connection that is not let in, as far as that can be told before anything of it is read.
fn knock(hub: &Hub, incoming: Incoming, door: &Door) -> Option<Incoming> {
    let incoming = if hub.gate().counts_by_address() { incoming.proved()? } else { incoming };
    let ip = incoming.ip();
    // Whom a proxy speaks for is not known yet.
    let own = ip.filter(|_| !door.may_be_proxy(ip));
    let is_let_in = passes(hub, &incoming.address(), ip, |gate, now| {
        gate.admits_one()?;
        own.map_or(Ok(()), |ip| gate.admits_one_from(ip, now))
    });
    if is_let_in {
        return Some(incoming);
    }
    incoming.turn_away();
    None
}

/// Whether a connection is let in whose client turns out to be there.
fn may_come(hub: &Hub, address: &str, ip: Option<IpAddr>) -> bool {
    let Some(from) = ip else { return true };
    passes(hub, address, ip, |gate, now| gate.admits_one_from(from, now))
}

fn passes(
    hub: &Hub,
    address: &str,
    ip: Option<IpAddr>,
    check: impl FnOnce(&Gate, Instant) -> Result<(), Barred>,
) -> bool {
    let now = Instant::now();
    let Err(why) = check(hub.gate(), now) else { return true };
    hub.bar(why, address, ip, now);
    false
}

/// Has a connection served that the host program has brought, as above.
pub(super) fn spawn_attached<S: Socket + Send + 'static>(
    hub: &Arc<Hub>,
    in_all: &Places,
    link: Link<S>,
    peer: Box<Peer>,
    place: Place,
) {
    let serving = hub.clone();
    let connection = Box::pin(async move {
        if Box::pin(session::may_begin(&serving, &peer, Stage::Accepted)).await {
            session::serve(serving, link, peer).await;
        }
    });
    run(hub, in_all, place, connection);
}

fn peer_of(incoming: &Incoming, door: &Door) -> Peer {
    Peer {
        address: incoming.address(),
        listener: door.name.clone(),
        connection: door.plain.clone(),
        protocols: door.protocols,
        allow_anonymous: door.allow_anonymous,
        certified: None,
        identity: None,
        limits: door.limits.clone(),
        connect_by: Instant::now() + door.connect_timeout,
        has_own_end: false,
    }
}

/// Serves a connection of a socket. What prepares it is boxed by itself: a connection that idles holds no memory for it.
fn receive<S: Socket + Send + 'static>(
    hub: &Arc<Hub>,
    link: Link<S>,
    remote: Option<SocketAddr>,
    door: Arc<Door>,
    mut peer: Box<Peer>,
) -> Pin<Box<impl Future<Output = ()> + Send + 'static>> {
    let (hub, preparing) = (hub.clone(), hub.clone());
    let prepared = Box::pin(async move {
        let ready = prepare(&preparing, link, remote, door, &mut peer).await?;
        Some((ready, peer))
    });
    Box::pin(async move {
        match prepared.await {
            Some((Ready::Plain(link), peer)) => session::serve(hub, link, peer).await,
            Some((Ready::Wrapped(stream), mut peer)) => {
                peer.has_own_end = true;
                session::serve(hub, stream, peer).await;
            }
            None => {}
        }
    })
}

/// Does what comes before MQTT; `None` if nothing becomes of the connection. What takes much room, and not every connection
/// needs, is boxed.
async fn prepare<S: Socket + Send + 'static>(
    hub: &Arc<Hub>,
    mut link: Link<S>,
    mut remote: Option<SocketAddr>,
    door: Arc<Door>,
    peer: &mut Peer,
) -> Option<Ready<S>> {
    if let Some(credentials) = link.credentials() {
        info(peer).credentials = Some(credentials);
    }
    if let Some(proxy) = &door.proxy {
        let read_by = peer.connect_by.min(Instant::now() + proxy.timeout);
        let announced = proxy.read(&mut link, remote.map(|at| at.ip()));
        let Announced { source, info: told } =
            Box::pin(in_time(hub, peer, read_by, "PROXY protocol", announced)).await?;
        if let Some(source) = source {
            come_from(peer, Text::from(source.to_string()));
            remote = Some(source);
            if !may_come(hub, &peer.address, Some(source.ip())) {
                return None;
            }
        }
        info(peer).proxy = told;
    }
    if !session::may_begin(hub, peer, Stage::Accepted).await {
        return None;
    }
    let ip = remote.map(|remote| remote.ip());
    let stream: Box<dyn Stream> = match (&door.tls, &door.websocket) {
        (None, None) => return Some(Ready::Plain(link)),
        (None, Some(websocket)) => Box::pin(upgrade(hub, &door, peer, websocket, link, ip)).await?,
        (Some(tls), websocket) => {
            let (stream, told) = Box::pin(in_time(hub, peer, peer.connect_by, "TLS", tls.accept(link))).await?;
            learn(hub, peer, &door, told)?;
            match websocket {
                None => Box::new(stream),
                Some(websocket) => Box::pin(upgrade(hub, &door, peer, websocket, stream, ip)).await?,
            }
        }
    };
    session::may_begin(hub, peer, Stage::Established).await.then_some(Ready::Wrapped(stream))
}

/// Has a connection that comes from `remote` carry MQTT in WebSocket.
async fn upgrade<S: Stream + 'static>(
    hub: &Hub,
    door: &Door,
    peer: &mut Peer,
    websocket: &WebSocketPolicy,
    stream: S,
    remote: Option<IpAddr>,
) -> Option<Box<dyn Stream>> {
    let accepted = in_time(hub, peer, peer.connect_by, "WebSocket", websocket.accept(stream, remote));
    let (stream, client) = accepted.await?;
    be_forwarded(hub, door, peer, client, remote)?;
    Some(Box::new(stream))
}

/// Notes where a reverse proxy at `remote` says that the client is; `None` if it is not let in from there.
fn be_forwarded(hub: &Hub, door: &Door, peer: &mut Peer, client: Option<Text>, remote: Option<IpAddr>) -> Option<()> {
    let ip = match client {
        Some(client) => {
            let ip = session::ip_of(&client);
            come_from(peer, client);
            ip
        }
        // One that says nothing is a client itself, and has not been looked at yet, unless another one has told of it.
        None => remote.filter(|_| door.proxy.is_none() && door.may_be_proxy(remote)),
    };
    may_come(hub, &peer.address, ip).then_some(())
}

/// Serves a connection of QUIC.
#[cfg(feature = "quic")]
fn receive_quic(
    hub: &Arc<Hub>,
    incoming: crate::transport::QuicIncoming,
    door: Arc<Door>,
    mut peer: Box<Peer>,
) -> Pin<Box<impl Future<Output = ()> + Send + 'static>> {
    let (hub, preparing) = (hub.clone(), hub.clone());
    let prepared = Box::pin(async move {
        let hub = &preparing;
        if !session::may_begin(hub, &peer, Stage::Accepted).await {
            incoming.refuse();
            return None;
        }
        let established = incoming.establish(&door);
        let (stream, told) = in_time(hub, &peer, peer.connect_by, "QUIC", established).await?;
        learn(hub, &mut peer, &door, told)?;
        session::may_begin(hub, &peer, Stage::Established).await.then_some((stream, peer))
    });
    Box::pin(async move {
        if let Some((stream, mut peer)) = prepared.await {
            peer.has_own_end = true;
            session::serve(hub, stream, peer).await;
        }
    })
}

/// Waits for a part of the beginning. One that fails or takes too long is counted.
async fn in_time<T>(
    hub: &Hub,
    peer: &Peer,
    by: Instant,
    what: &str,
    part: impl Future<Output = io::Result<T>>,
) -> Option<T> {
    let (address, listener) = (&peer.address, &peer.listener);
    match timeout_at(by.into(), part).await {
        Ok(Ok(done)) => return Some(done),
        Ok(Err(error)) => {
            hub.handshake_failed();
            tracing::debug!(%address, %listener, %error, "closed: {what}");
        }
        Err(_) => {
            hub.handshake_timed_out();
            tracing::debug!(%address, %listener, "closed: {what} not in time");
        }
    }
    None
}

fn info(peer: &mut Peer) -> &mut ConnectionInfo {
    Arc::make_mut(&mut peer.connection)
}

/// The client is somewhere else than at the other end of the connection.
fn come_from(peer: &mut Peer, address: Text) {
    let proxy = std::mem::replace(&mut peer.address, address);
    let info = info(peer);
    info.proxy_address = info.proxy_address.take().or(Some(proxy));
}

/// Notes what the TLS handshake has brought; `None` if the certificate does not say what it has to.
fn learn(hub: &Hub, peer: &mut Peer, door: &Door, told: TlsInfo) -> Option<()> {
    if let Some(tls) = &door.tls {
        match tls.username(&told) {
            Ok(username) => peer.certified = username,
            Err(error) => {
                hub.handshake_failed();
                tracing::debug!(address = %peer.address, listener = %peer.listener, %error, "closed: TLS");
                return None;
            }
        }
    }
    info(peer).tls = Some(Box::new(told));
    Some(())
}
