//! Connections that need no listener: descriptors that the host program has, and pairs of them.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;

use socket2::{Domain, Socket, TcpKeepalive, Type};
use tokio::net::{TcpStream, UnixStream};

use super::link::{Link, TcpLink};
use super::socket::{canonical, TCP_KEEPALIVE};

/// A connection that has been adopted.
#[derive(Debug)]
pub struct Adopted {
    pub link: AdoptedLink,
    /// The address of the other end, where addresses tell something.
    pub address: Option<SocketAddr>,
}

/// Its bytes.
#[derive(Debug)]
pub enum AdoptedLink {
    Tcp(TcpLink),
    Unix(Link<UnixStream>),
}

/// Why a descriptor is not adopted.
#[derive(Debug)]
pub enum Unfit {
    /// It is not what can be served.
    Wrong(&'static str),
    Refused(io::Error),
}

impl From<io::Error> for Unfit {
    fn from(error: io::Error) -> Self {
        Unfit::Refused(error)
    }
}

/// Makes a connection of a descriptor, which is closed if it is none. Needs a runtime.
pub fn adopt(descriptor: OwnedFd) -> Result<Adopted, Unfit> {
    let socket = Socket::from(descriptor);
    match socket.r#type() {
        Ok(Type::STREAM) => {}
        Ok(_) => return Err(Unfit::Wrong("is not a stream socket")),
        Err(_) => return Err(Unfit::Wrong("is not a socket")),
    }
    let address = socket.peer_addr().map_err(|_| Unfit::Wrong("is not connected"))?;
    let is_ip = match address.domain() {
        Domain::IPV4 | Domain::IPV6 => true,
        Domain::UNIX => false,
        _ => return Err(Unfit::Wrong("is neither a TCP nor a Unix socket")),
    };
    socket.set_nonblocking(true)?;
    socket.set_cloexec(true)?;
    let link = if is_ip {
        // As those that are accepted. One that does not know them is slower, but works.
        let _ = socket.set_tcp_nodelay(true);
        let _ = socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(TCP_KEEPALIVE));
        AdoptedLink::Tcp(Link::new(TcpStream::from_std(socket.into())?))
    } else {
        AdoptedLink::Unix(Link::new(UnixStream::from_std(socket.into())?))
    };
    Ok(Adopted { link, address: address.as_socket().map(canonical) })
}

/// Two ends of a connection: the broker's, and one that blocks, for whoever is to be the client. Needs a runtime.
pub fn pair() -> io::Result<(AdoptedLink, OwnedFd)> {
    let (served, other) = StdUnixStream::pair()?;
    served.set_nonblocking(true)?;
    Ok((AdoptedLink::Unix(Link::new(UnixStream::from_std(served)?)), other.into()))
}
