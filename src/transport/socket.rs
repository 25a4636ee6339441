//! Sockets that connections are accepted from.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use socket2::{Domain, SockAddr, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, UnixListener};

use crate::config::{self, ListenerType};

/// The listen queue of the kernel: a burst of connects beyond it costs each client a second.
const BACKLOG: i32 = 4096;

/// Silence after which the system looks whether the other end of a connection still exists. It finds what a client
/// without keep alive cannot tell.
pub(super) const TCP_KEEPALIVE: Duration = Duration::from_secs(300);

/// Binds the socket that a listener of the configuration accepts TCP connections from, or takes one that the host program
/// has bound.
pub(super) fn tcp(config: &config::Listener, inherited: Option<OwnedFd>) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = match inherited {
        Some(descriptor) => Socket::from(descriptor),
        None => bind_tcp(config)?,
    };
    prepare(&socket)?;
    // On Linux, the sockets that are accepted have the options of the one that listens: three calls fewer for each.
    socket.set_tcp_nodelay(true)?;
    SockRef::from(&socket).set_tcp_keepalive(&TcpKeepalive::new().with_time(TCP_KEEPALIVE))?;
    let listener = TcpListener::from_std(socket.into())?;
    let local = listener.local_addr()?;
    Ok((listener, local))
}

fn bind_tcp(config: &config::Listener) -> io::Result<Socket> {
    let address = config.socket_address().ok_or(io::ErrorKind::InvalidInput)?;
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.cloexec(), None)?;
    // A port whose last connections are still being forgotten can be bound again.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(config.ipv6_only)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

fn prepare(socket: &Socket) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    socket.listen(BACKLOG)
}

/// Binds the socket that a listener of the configuration has for QUIC, or takes one that the host program has bound.
#[cfg(feature = "quic")]
pub(super) fn udp(config: &config::Listener, inherited: Option<OwnedFd>) -> io::Result<std::net::UdpSocket> {
    let socket = match inherited {
        Some(descriptor) => Socket::from(descriptor),
        None => {
            let address = config.socket_address().ok_or(io::ErrorKind::InvalidInput)?;
            let socket = Socket::new(Domain::for_address(address), Type::DGRAM.cloexec(), None)?;
            if address.is_ipv6() {
                socket.set_only_v6(config.ipv6_only)?;
            }
            socket.bind(&address.into())?;
            socket
        }
    };
    if socket.r#type()? != Type::DGRAM {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a UDP socket"));
    }
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Binds a Unix socket, or takes one that the host program has bound; its path.
pub(super) fn unix(config: &config::Listener, inherited: Option<OwnedFd>) -> io::Result<(UnixListener, String)> {
    debug_assert_eq!(config.kind, ListenerType::Unix);
    let path = config.path.clone().unwrap_or_default();
    let socket = match inherited {
        Some(descriptor) => Socket::from(descriptor),
        None => {
            let socket = Socket::new(Domain::UNIX, Type::STREAM.cloexec(), None)?;
            socket.bind(&SockAddr::unix(&path)?)?;
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(config.file_mode()))?;
            socket
        }
    };
    prepare(&socket)?;
    Ok((UnixListener::from_std(socket.into())?, path))
}
