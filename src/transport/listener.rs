use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::task::yield_now;

#[cfg(feature = "quic")]
use super::quic;
use super::socket::{self, canonical};
use super::socket_file::SocketFile;
use super::{Door, Link, TcpLink};
use crate::config::{self, ListenerType};
use crate::limits::{Place, Places};
use crate::model::{ListenerInfo, Text};

/// How long accepting pauses when the system has no descriptor left for another connection.
const PAUSE: Duration = Duration::from_millis(50);

/// Makes a descriptor of its own of one that the host program has, by its number.
pub type Descriptors = fn(RawFd) -> io::Result<OwnedFd>;

/// Why a listener could not be bound.
#[derive(Debug)]
pub struct BindError {
    pub listener: String,
    pub address: String,
    pub cause: io::Error,
}

/// A bound socket that connections are accepted from.
#[derive(Debug)]
pub struct Listener {
    address: Text,
    port: u16,
    socket: Bound,
    door: ArcSwap<Door>,
    places_in_all: Places,
}

#[derive(Debug)]
enum Bound {
    Tcp(TcpListener),
    Unix {
        /// Dropped first: the file is removed before the socket is closed.
        _file: Option<SocketFile>,
        listener: UnixListener,
    },
    #[cfg(feature = "quic")]
    Quic(quic::Endpoint),
}

/// A connection that has been accepted, with the places that it takes.
pub struct Accepted {
    pub incoming: Incoming,
    pub door: Arc<Door>,
    pub places: [Place; 2],
}

pub enum Incoming {
    Tcp(TcpLink, SocketAddr),
    Unix(Link<UnixStream>),
    #[cfg(feature = "quic")]
    Quic(quic::Incoming),
}

/// Binds one listener of the configuration, whose connections come through `door`. Needs a runtime.
pub fn bind(
    config: &config::Listener,
    door: Door,
    descriptors: Descriptors,
    places_in_all: &Places,
) -> Result<Listener, BindError> {
    match bind_socket(config, &door, descriptors) {
        Ok((socket, address, port)) => Ok(Listener {
            address: Text::from(address),
            port,
            socket,
            door: ArcSwap::from_pointee(door),
            places_in_all: places_in_all.clone(),
        }),
        Err(cause) => Err(BindError { listener: door.name.to_string(), address: config.place(), cause }),
    }
}

fn bind_socket(config: &config::Listener, door: &Door, descriptors: Descriptors) -> io::Result<(Bound, String, u16)> {
    let inherited = config.fd.map(|fd| descriptors(fd as RawFd)).transpose()?;
    match config.kind {
        ListenerType::Tcp | ListenerType::Tls | ListenerType::Ws | ListenerType::Wss => {
            let (listener, local) = socket::tcp(config, inherited)?;
            Ok((Bound::Tcp(listener), local.to_string(), local.port()))
        }
        ListenerType::Unix => {
            let (file, listener, path) = socket::unix(config, inherited)?;
            Ok((Bound::Unix { _file: file, listener }, path, 0))
        }
        ListenerType::Quic => bind_quic(config, door, inherited),
    }
}

#[cfg(feature = "quic")]
fn bind_quic(config: &config::Listener, door: &Door, inherited: Option<OwnedFd>) -> io::Result<(Bound, String, u16)> {
    let endpoint = quic::Endpoint::new(socket::udp(config, inherited)?, door)?;
    let local = endpoint.local_addr()?;
    Ok((Bound::Quic(endpoint), local.to_string(), local.port()))
}

#[cfg(not(feature = "quic"))]
fn bind_quic(_: &config::Listener, _: &Door, _: Option<OwnedFd>) -> io::Result<(Bound, String, u16)> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this library was built without QUIC"))
}

/// Connections that are accepted before those that have come are served: of a storm of them, each is done with while the
/// processor has what it needs for it at hand.
const IN_A_ROW: u32 = 16;

impl Bound {
    async fn accept(&self) -> io::Result<Incoming> {
        match self {
            Bound::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok(Incoming::Tcp(Link::new(stream), canonical(address)))
            }
            Bound::Unix { listener, .. } => Ok(Incoming::Unix(Link::new(listener.accept().await?.0))),
            #[cfg(feature = "quic")]
            Bound::Quic(endpoint) => match endpoint.accept().await {
                Some(incoming) => Ok(Incoming::Quic(incoming)),
                None => std::future::pending().await, // It is closed only when it is dropped.
            },
        }
    }
}

impl Incoming {
    /// Where it comes from, if that is an address of the Internet.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Incoming::Tcp(_, address) => Some(address.ip()),
            Incoming::Unix(_) => None,
            #[cfg(feature = "quic")]
            Incoming::Quic(incoming) => Some(canonical(incoming.remote_address()).ip()),
        }
    }

    /// Itself, if it comes from there for sure. One that only seems to is asked to show it, and comes again then.
    pub fn proved(self) -> Option<Self> {
        match self {
            Incoming::Tcp(..) | Incoming::Unix(_) => Some(self),
            #[cfg(feature = "quic")]
            Incoming::Quic(incoming) => incoming.proved().map(Incoming::Quic),
        }
    }

    /// Where it comes from, as hooks and the log show it.
    pub fn address(&self) -> Text {
        match self {
            Incoming::Tcp(_, address) => Text::from(address.to_string()),
            Incoming::Unix(_) => Text::from("unix"),
            #[cfg(feature = "quic")]
            Incoming::Quic(incoming) => Text::from(canonical(incoming.remote_address()).to_string()),
        }
    }

    /// Closes it at once.
    pub fn turn_away(self) {
        match self {
            Incoming::Tcp(..) | Incoming::Unix(_) => {}
            #[cfg(feature = "quic")]
            Incoming::Quic(incoming) => incoming.refuse(),
        }
    }
}

impl Listener {
    /// As the host program sees it.
    pub fn info(&self) -> ListenerInfo {
        let door = self.door.load();
        let kind = Text::from(door.kind.as_str());
        ListenerInfo { name: door.name.clone(), kind, address: self.address.clone(), port: self.port }
    }

    /// Where its socket is bound; `None` for Unix sockets.
    pub fn bound(&self) -> Option<SocketAddr> {
        self.address.parse().ok()
    }

    /// What awaits its connections.
    pub fn door(&self) -> Arc<Door> {
        self.door.load_full()
    }

    /// Puts another door in the place of the one that there is, which is for the same kind of socket.
    pub fn exchange(&self, door: Door) {
        self.door.store(Arc::new(door));
    }

    /// Closes what is left of its connections, and waits until their clients have been told, where the system does not see to
    /// that. To be called while the listener is open, to be awaited when its clients are gone.
    pub fn farewell(&self) -> impl Future<Output = ()> {
        #[cfg(feature = "quic")]
        let farewell = match &self.socket {
            Bound::Quic(endpoint) => Some(endpoint.farewell()),
            Bound::Tcp(_) | Bound::Unix { .. } => None,
        };
        async move {
            #[cfg(feature = "quic")]
            if let Some(farewell) = farewell {
                farewell.await;
            }
        }
    }

    /// Accepts connections and hands them to `serve`; never returns. Whatever comes of a connection is the business of
    /// `serve`, which must not block. One for which there is no place, with the listener or in all, is given to `turn_away`.
    pub async fn accept(&self, serve: impl Fn(Accepted), turn_away: impl Fn(Incoming, Arc<Door>, bool)) {
        let mut in_a_row = 0;
        loop {
            in_a_row += 1;
            if in_a_row == IN_A_ROW {
                in_a_row = 0;
                yield_now().await;
            }
            let incoming = match self.socket.accept().await {
                Ok(incoming) => incoming,
                Err(error) => {
                    // A client that has gone already is no trouble; a lack of descriptors lasts a while.
                    if !is_of_the_client(&error) {
                        tracing::warn!(listener = %self.door.load().name, %error, "no connection can be accepted");
                        tokio::time::sleep(PAUSE).await;
                    }
                    continue;
                }
            };
            let door = self.door.load_full();
            let (place, place_in_all) = (door.places.take(), self.places_in_all.take());
            let none_in_all = place_in_all.is_none();
            let (Some(place), Some(place_in_all)) = (place, place_in_all) else {
                turn_away(incoming, door, none_in_all);
                continue;
            };
            serve(Accepted { incoming, door, places: [place, place_in_all] });
        }
    }
}

fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
