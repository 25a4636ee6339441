//! TLS, by rustls.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::server::TlsStream;

use crate::config::{self, Fault, ListenerType};
use crate::model::{Text, TlsInfo};

/// The TLS side of a listener: certificates, keys, and whom it trusts.
#[derive(Clone, Debug)]
pub struct TlsServer {
    config: Arc<rustls::ServerConfig>,
    fingerprint: [u8; 32],
}

impl TlsServer {
    /// Reads what the configuration names. Each fault has the pointer of the key that is to blame, below `pointer`.
    pub fn load(_config: &config::Tls, _pointer: &str, _kind: ListenerType) -> Result<TlsServer, Vec<Fault>> {
        Err(Vec::new())
    }

    /// A digest of all that has been read: certificates, keys, lists.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// Shakes hands.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<(TlsStream<S>, TlsInfo)> {
        let _ = (stream, &self.config);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The user name that a client's certificate stands for; `None` if the configuration wants none or the client has shown
    /// no certificate. A certificate without one is an error.
    pub fn username(&self, _info: &TlsInfo) -> io::Result<Option<Text>> {
        Ok(None)
    }
}
