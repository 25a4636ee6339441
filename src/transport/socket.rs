//! Sockets that connections are accepted from: bound here, or by the host program.

use std::io;
use std::net::SocketAddr;
#[cfg(feature = "quic")]
use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::time::Duration;

use socket2::{Domain, SockAddr, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, UnixListener};

use super::socket_file::{self, SocketFile};
use crate::config;

/// The listen queue of the kernel: a burst of connects beyond it costs each client a second.
const BACKLOG: i32 = 4096;

/// Silence after which the system looks whether the other end of a connection still exists. It finds what a client
/// without keep alive cannot tell.
pub(super) const TCP_KEEPALIVE: Duration = Duration::from_secs(300);

/// Binds the socket that a listener of the configuration accepts TCP connections from, or takes one that the host program
/// has bound.
pub(super) fn tcp(config: &config::Listener, inherited: Option<OwnedFd>) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = match inherited {
        Some(descriptor) => inherit(descriptor, Wanted::Tcp)?,
        None => bind_ip(config, Type::STREAM)?,
    };
    prepare(&socket)?;
    // On Linux, the sockets that are accepted have the options of the one that listens: three calls fewer for each.
    socket.set_tcp_nodelay(true)?;
    SockRef::from(&socket).set_tcp_keepalive(&TcpKeepalive::new().with_time(TCP_KEEPALIVE))?;
    let listener = TcpListener::from_std(socket.into())?;
    let local = listener.local_addr()?;
    Ok((listener, local))
}

/// As above, for QUIC.
#[cfg(feature = "quic")]
pub(super) fn udp(config: &config::Listener, inherited: Option<OwnedFd>) -> io::Result<UdpSocket> {
    let socket = match inherited {
        Some(descriptor) => inherit(descriptor, Wanted::Udp)?,
        None => bind_ip(config, Type::DGRAM)?,
    };
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// As above, for a Unix socket; its file, if that is the broker's, and its path.
pub(super) fn unix(
    config: &config::Listener,
    inherited: Option<OwnedFd>,
) -> io::Result<(Option<SocketFile>, UnixListener, String)> {
    let path = config.path.as_deref().unwrap_or_default();
    let (socket, file) = match inherited {
        Some(descriptor) => (inherit(descriptor, Wanted::Unix)?, None),
        None => {
            let (socket, file) = socket_file::bind(path, config.file_mode())?;
            (socket, Some(file))
        }
    };
    // Only now, with the permissions set, can anyone connect.
    prepare(&socket)?;
    let path = if file.is_some() { path.to_owned() } else { name(&socket.local_addr()?) };
    Ok((file, UnixListener::from_std(socket.into())?, path))
}

fn bind_ip(config: &config::Listener, kind: Type) -> io::Result<Socket> {
    let address = config.socket_address().ok_or(io::ErrorKind::InvalidInput)?;
    let socket = Socket::new(Domain::for_address(address), kind.cloexec(), None)?;
    if kind == Type::STREAM {
        // A port whose last connections are still being forgotten can be bound again.
        socket.set_reuse_address(true)?;
    }
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

/// What the type of a listener needs of a descriptor.
#[derive(Clone, Copy)]
enum Wanted {
    Tcp,
    #[cfg(feature = "quic")]
    Udp,
    Unix,
}

/// Makes a socket of a descriptor if it is a bound one of the wanted kind. Whether it listens already does not matter.
fn inherit(descriptor: OwnedFd, wanted: Wanted) -> io::Result<Socket> {
    let unfit = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("the descriptor is {what}"));
    let socket = Socket::from(descriptor);
    let kind = socket.r#type().map_err(|_| unfit("not a socket"))?;
    let local = socket.local_addr()?;
    let (fits, misfit) = match wanted {
        Wanted::Tcp => (kind == Type::STREAM && (local.is_ipv4() || local.is_ipv6()), "not a TCP socket"),
        #[cfg(feature = "quic")]
        Wanted::Udp => (kind == Type::DGRAM && (local.is_ipv4() || local.is_ipv6()), "not a UDP socket"),
        Wanted::Unix => (kind == Type::STREAM && local.is_unix(), "not a Unix stream socket"),
    };
    if !fits {
        return Err(unfit(misfit));
    }
    if socket.peer_addr().is_ok() {
        return Err(unfit("a connection, not a socket that can listen"));
    }
    // Listening would have the system choose a port that nobody knows.
    if local.is_unnamed() || local.as_socket().is_some_and(|address| address.port() == 0) {
        return Err(unfit("a socket that has not been bound"));
    }
    Ok(socket)
}

/// The path of a Unix socket; with `@` before it if it is a name that is in no file system.
fn name(address: &SockAddr) -> String {
    let path = address.as_pathname().map(|path| path.display().to_string());
    let in_no_file_system =
        || address.as_abstract_namespace().map(|name| format!("@{}", String::from_utf8_lossy(name)));
    path.or_else(in_no_file_system).unwrap_or_default()
}

/// An address as it is shown: that of an IPv4 client is one of IPv4, whatever socket it has come through.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
