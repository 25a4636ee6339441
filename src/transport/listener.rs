use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpSocket};

use super::{Link, TcpLink};
use crate::config;
use crate::limits::{Place, Places};
use crate::model::{ListenerInfo, Text};

/// The listen queue of the kernel: a burst of connects beyond it costs each client a second.
const BACKLOG: u32 = 4096;

/// Silence after which the system looks whether the other end of a connection still exists. It finds what a client
/// without keep alive cannot tell.
pub(super) const TCP_KEEPALIVE: Duration = Duration::from_secs(300);

/// How long accepting pauses when the system has no descriptor left for another connection.
const PAUSE: Duration = Duration::from_millis(50);

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
    pub bound: ListenerInfo,
    socket: TcpListener,
    places: Places,
    places_in_all: Places,
}

/// Binds one listener of the configuration. Needs a runtime.
pub fn bind(config: &config::Listener, index: usize, places_in_all: &Places) -> Result<Listener, BindError> {
    let name = config.display_name(index);
    match bind_socket(config) {
        Ok((socket, local)) => Ok(Listener {
            bound: ListenerInfo {
                name: Text::from(name),
                kind: Text::from(config.kind.as_str()),
                address: Text::from(local.to_string()),
                port: local.port(),
            },
            socket,
            places: Places::new(config.max_connections as usize),
            places_in_all: places_in_all.clone(),
        }),
        Err(cause) => Err(BindError { listener: name, address: config.address.clone(), cause }),
    }
}

fn bind_socket(config: &config::Listener) -> io::Result<(TcpListener, SocketAddr)> {
    let address = config.socket_address().ok_or(io::ErrorKind::InvalidInput)?;
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A port whose last connections are still being forgotten can be bound again.
    socket.set_reuseaddr(true)?;
    // On Linux, the sockets that are accepted have the options of the one that listens: three calls fewer for each.
    socket.set_nodelay(true)?;
    SockRef::from(&socket).set_tcp_keepalive(&TcpKeepalive::new().with_time(TCP_KEEPALIVE))?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?;
    let local = listener.local_addr()?;
    Ok((listener, local))
}

impl Listener {
    /// Accepts connections and hands them to `serve`, each with the places that it takes; never returns. Whatever comes
    /// of a connection is the business of `serve`, which must not block. One for which there is no place is closed, and
    /// `turned_away` is told.
    pub async fn accept(self, serve: impl Fn(TcpLink, SocketAddr, [Place; 2]), turned_away: impl Fn(bool)) {
        loop {
            let (stream, address) = match self.socket.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // A client that has gone already is no trouble; a lack of descriptors lasts a while.
                    if !is_of_the_client(&error) {
                        tracing::warn!(listener = %self.bound.name, %error, "no connection can be accepted");
                        tokio::time::sleep(PAUSE).await;
                    }
                    continue;
                }
            };
            let (place, place_in_all) = (self.places.take(), self.places_in_all.take());
            let none_in_all = place_in_all.is_none();
            let (Some(place), Some(place_in_all)) = (place, place_in_all) else {
                turned_away(none_in_all);
                tracing::debug!(listener = %self.bound.name, %address, "closed: as many connections as allowed");
                continue;
            };
            serve(Link::new(stream), address, [place, place_in_all]);
        }
    }
}

fn is_of_the_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
