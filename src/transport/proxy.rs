//! The PROXY protocol: a header in front of all other bytes, in which a load balancer tells whom it speaks for.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::link::{Link, Socket};
use super::networks::Networks;
use crate::config::{self, ProxyProtocol};
use crate::model::ProxyInfo;

/// What a listener does about the PROXY protocol.
#[derive(Clone, Debug)]
pub struct ProxyPolicy {
    version: ProxyProtocol,
    trusted: Networks,
    pub timeout: Duration,
}

/// What a header says.
#[derive(Clone, Debug, Default)]
pub struct Announced {
    /// The client's address; `None` for a connection of the load balancer's own, such as a health check.
    pub source: Option<SocketAddr>,
    pub info: Option<Box<ProxyInfo>>,
}

impl ProxyPolicy {
    /// `None` if connections have no header.
    pub fn of(config: &config::Proxy) -> Option<Self> {
        (config.protocol != ProxyProtocol::None).then(|| ProxyPolicy {
            version: config.protocol,
            trusted: Networks::new(&config.trusted),
            timeout: Duration::from_millis(config.timeout_ms),
        })
    }

    /// Takes the header off the connection, and not a byte more. `remote` is `None` for Unix sockets.
    pub async fn read<S: Socket>(&self, _link: &mut Link<S>, _remote: Option<IpAddr>) -> io::Result<Announced> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
