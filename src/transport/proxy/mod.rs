//! The PROXY protocol: a header in front of all other bytes, in which a load balancer tells whom it speaks for.
//!
//! Its two versions are those of <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>. A header that is not as it
//! says there ends the connection: whatever came next might be taken for what it is not.

mod tlv;
mod v1;
mod v2;

#[cfg(test)]
mod tests;

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::BufMut;
use tokio::io::AsyncRead;
use tokio_util::io::read_buf;

use super::link::{Link, Socket};
use super::socket::canonical;
use crate::config::{self, ProxyProtocol};
use crate::limits::Networks;
use crate::model::ProxyInfo;

/// What a listener does about the PROXY protocol.
#[derive(Clone, Debug)]
pub struct ProxyPolicy {
    version: ProxyProtocol,
    trusted: Networks,
    pub timeout: Duration,
}

/// What a header says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// The client's address; `None` where the header names none, as for a health check by the load balancer itself.
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
    pub async fn read<S: Socket>(&self, link: &mut Link<S>, remote: Option<IpAddr>) -> io::Result<Announced> {
        if remote.is_some_and(|address| !self.trusted.contain(address)) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it does not come from a trusted network"));
        }
        take(link, self.version).await
    }
}

/// Takes a header of a version that may be. Nothing can be put back, so only octets are read that belong to it for sure.
async fn take<S: AsyncRead + Unpin>(stream: &mut S, version: ProxyProtocol) -> io::Result<Announced> {
    // No header of version 1 is as short as the signature of version 2.
    let mut header = Vec::with_capacity(v1::MAX_LENGTH);
    fill(stream, &mut header, v2::SIGNATURE.len()).await?;
    let (is_v1, is_v2) = (header.starts_with(v1::SIGNATURE), header == v2::SIGNATURE);
    match version {
        ProxyProtocol::V1 | ProxyProtocol::Any if is_v1 => {
            while let Some(length) = v1::certain_length(&header)? {
                read_up_to(stream, &mut header, length).await?;
            }
            v1::parse(&header)
        }
        ProxyProtocol::V2 | ProxyProtocol::Any if is_v2 => {
            fill(stream, &mut header, v2::START).await?;
            let length = v2::length(&header)?;
            fill(stream, &mut header, length).await?;
            v2::parse(&header)
        }
        _ => Err(invalid("it does not begin with a header of the version that is expected")),
    }
}

/// Reads until `header` has so many octets.
async fn fill<S: AsyncRead + Unpin>(stream: &mut S, header: &mut Vec<u8>, length: usize) -> io::Result<()> {
    header.reserve_exact(length.saturating_sub(header.len()));
    while header.len() < length {
        read_up_to(stream, header, length).await?;
    }
    Ok(())
}

/// Reads what is there, until `header` has at most so many octets.
async fn read_up_to<S: AsyncRead + Unpin>(stream: &mut S, header: &mut Vec<u8>, length: usize) -> io::Result<()> {
    let missing = length.saturating_sub(header.len());
    match read_buf(stream, &mut header.limit(missing)).await? {
        0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ends within the header")),
        _ => Ok(()),
    }
}

fn invalid(error: impl Into<Box<dyn Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// The client's address, as it is shown.
fn source(address: impl Into<IpAddr>, port: u16) -> Option<SocketAddr> {
    Some(canonical(SocketAddr::new(address.into(), port)))
}
