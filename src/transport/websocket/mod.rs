//! WebSocket. Requests and the heads of frames are tungstenite's business; messages are not, for they would be held until
//! they are complete.

mod decoder;
mod outgoing;
mod request;
mod stream;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::handshake::server::{write_response, Request, Response};
use tokio_tungstenite::tungstenite::http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::Error;

use self::request::Origin;
use self::stream::WebSocket;
use super::forwarded;
use crate::config;
use crate::limits::Networks;
use crate::model::Text;

/// How long a client may take to read why its request is refused.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What a listener demands of a request for WebSocket.
#[derive(Clone, Debug)]
pub struct WebSocketPolicy {
    path: String,
    /// Empty: all.
    origins: Vec<Origin>,
    max_frame_bytes: usize,
    /// Who may say whom it speaks for; `None` if nobody may.
    forwarders: Option<Networks>,
}

impl WebSocketPolicy {
    pub fn of(config: &config::Listener) -> Self {
        WebSocketPolicy {
            path: config.path.clone().unwrap_or_else(|| "/mqtt".to_owned()),
            origins: config.websocket.origins.iter().map(|origin| Origin::new(origin)).collect(),
            max_frame_bytes: config.websocket.max_frame_bytes as usize,
            forwarders: config.proxy.trust_forwarded.then(|| Networks::new(&config.proxy.trusted)),
        }
    }

    /// Whether whoever is there may say whom it speaks for. `None` for Unix sockets.
    pub fn trusts(&self, remote: Option<IpAddr>) -> bool {
        self.trusted(remote).is_some()
    }

    fn trusted(&self, remote: Option<IpAddr>) -> Option<&Networks> {
        self.forwarders.as_ref().filter(|trusted| remote.is_none_or(|remote| trusted.contain(remote)))
    }

    /// Answers the request. Besides the stream, the address of the client if a proxy at `remote` that is trusted tells it;
    /// `remote` is `None` for Unix sockets, which are trusted.
    #[allow(clippy::result_large_err, reason = "tungstenite wants its callback so")]
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut stream: S,
        remote: Option<IpAddr>,
    ) -> io::Result<(WebSocket<S>, Option<Text>)> {
        let mut client = None;
        let answer = |request: &Request, mut response: Response| {
            let (subprotocol, told) =
                self.judge(request, remote).map_err(|(status, text)| request::refusal(status, text))?;
            client = told;
            let chosen = HeaderValue::from_static(subprotocol); // [MQTT-6.0.0-4]
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, chosen);
            Ok(response)
        };
        // Nothing is read or written with what tungstenite makes of the stream: it needs no buffer.
        let config = WebSocketConfig::default().read_buffer_size(0);
        match accept_hdr_async_with_config(&mut stream, answer, Some(config)).await {
            Ok(_) => Ok((WebSocket::new(stream, self.max_frame_bytes), client)),
            Err(Error::Io(error)) => Err(error),
            Err(error) => {
                // Nobody waits for it: neither the time nor a failure matters to anyone.
                let _ = timeout(LAST_WORDS, refuse(&mut stream, &error)).await;
                Err(io::Error::new(io::ErrorKind::InvalidData, error))
            }
        }
    }

    /// Looks at what is particular about a request for WebSocket: the subprotocol to speak, and the client's address if a
    /// proxy tells it.
    fn judge(
        &self,
        request: &Request,
        remote: Option<IpAddr>,
    ) -> Result<(&'static str, Option<Text>), (StatusCode, &'static str)> {
        if request.uri().path() != self.path {
            return Err((StatusCode::NOT_FOUND, "MQTT is at another path"));
        }
        if !request::may_come_from(&self.origins, request) {
            return Err((StatusCode::FORBIDDEN, "this origin may not connect"));
        }
        let subprotocol = request::subprotocol(request)
            .ok_or((StatusCode::BAD_REQUEST, "the subprotocol has to be mqtt or mqttv3.1"))?;
        let client = self.trusted(remote).map(|trusted| forwarded::client(request.headers(), trusted)).transpose();
        let client = client.map_err(|_| (StatusCode::BAD_REQUEST, "the headers of proxies name different clients"))?;
        Ok((subprotocol, client.flatten()))
    }
}

/// Says why a request is refused, and closes. What the client has still sent is read: bytes that nobody has read would have
/// the system reset the connection, and the client might not get the answer.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, error: &Error) -> io::Result<()> {
    let mut answer = Vec::new();
    if let Some(response) = request::answer(error) {
        write_response(&mut answer, &response).map_err(io::Error::other)?;
        answer.extend(response.body().iter().flat_map(|body| body.bytes()));
    }
    let mut unwritten = &answer[..];
    while !unwritten.is_empty() {
        let written = poll_fn(|cx| Pin::new(&mut *stream).poll_write(cx, unwritten)).await?;
        unwritten = unwritten.get(written..).filter(|_| written > 0).ok_or(io::ErrorKind::WriteZero)?;
    }
    poll_fn(|cx| Pin::new(&mut *stream).poll_flush(cx)).await?;
    poll_fn(|cx| Pin::new(&mut *stream).poll_shutdown(cx)).await?;
    let mut waste = [0; 512];
    loop {
        let mut waste = ReadBuf::new(&mut waste);
        poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut waste)).await?;
        if waste.filled().is_empty() {
            return Ok(());
        }
    }
}
