//! QUIC, by quinn: one connection, one stream, one client.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use super::door::Door;
use super::stream::Stream;
use crate::model::TlsInfo;

/// A UDP socket that QUIC connections are accepted from.
#[derive(Debug)]
pub struct Endpoint(quinn::Endpoint);

/// A connection that has been asked for.
pub struct Incoming(quinn::Incoming);

impl Endpoint {
    /// Needs a runtime.
    pub fn new(_socket: UdpSocket, _door: &Door) -> io::Result<Endpoint> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Another certificate for the connections to come.
    pub fn renew(&self, _door: &Door) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// The next connection; `None` when the endpoint is closed.
    pub async fn accept(&self) -> Option<Incoming> {
        self.0.accept().await.map(Incoming)
    }
}

impl Incoming {
    pub fn remote_address(&self) -> SocketAddr {
        self.0.remote_address()
    }

    pub fn refuse(self) {
        self.0.refuse();
    }

    /// Shakes hands, and waits for the client's stream.
    pub async fn establish(self, _door: &Door) -> io::Result<(Box<dyn Stream>, TlsInfo)> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
