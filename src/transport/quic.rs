//! QUIC, by quinn: one connection, one stream, one client. It is the client that opens the stream, a bidirectional one;
//! it cannot open another, and datagrams are not taken.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use quinn::crypto::rustls::{HandshakeData, QuicServerConfig};
use quinn::{
    Connection, EndpointConfig, RecvStream, SendStream, ServerConfig, TokioRuntime, TransportConfig,
    ValidationTokenConfig, VarInt,
};
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use super::door::Door;
use super::socket::TCP_KEEPALIVE;
use super::stream::Stream;
use super::tls;
use crate::limits::{Place, Places};
use crate::model::{Text, TlsInfo};

/// Handshakes at the same time of clients that have not proved that they are where their packets seem to come from. One
/// more has to do so first, at the cost of a round trip [RFC 9000, 8.1.2].
const UNPROVED: usize = 100;

/// What is in flight on a connection in either direction, and what the broker keeps of it.
const WINDOW: u32 = 256 * 1024;

/// Silence after which the client is gone. Keep alive is MQTT's affair: a client that is there answers when the broker asks,
/// which it does earlier.
const IDLE: Duration = Duration::from_secs(600);

/// Connections that are asked for while nobody accepts them, and what they may send meanwhile, each and together. Those
/// that a hook is asked about are among them.
const MAX_INCOMING: usize = 4096;
const INCOMING_BYTES: u64 = 16 * 1024;
const INCOMING_BYTES_IN_ALL: u64 = 16 * 1024 * 1024;

/// How long a broker that stops goes on to close its connections.
const CLOSING: Duration = Duration::from_millis(200);

/// MQTT gives its reasons itself.
const NO_ERROR: VarInt = VarInt::from_u32(0);

/// A UDP socket that QUIC connections are accepted from. When it is gone, its connections go on, and so does the socket,
/// but there are no more of them.
#[derive(Debug)]
pub struct Endpoint {
    endpoint: quinn::Endpoint,
    /// What holds for all connections, apart from certificates.
    template: Arc<ServerConfig>,
    unproved: Places,
}

/// A connection that has been asked for.
pub struct Incoming {
    incoming: Box<quinn::Incoming>,
    template: Arc<ServerConfig>,
    /// Given back when the client has proved its address.
    unproved: Option<Place>,
}

impl Endpoint {
    /// Needs a runtime.
    pub fn new(socket: UdpSocket, door: &Door) -> io::Result<Endpoint> {
        let mut template = ServerConfig::with_crypto(crypto(door)?);
        template.transport = Arc::new(transport());
        // Whoever comes back would have to be remembered, so that nobody comes back twice.
        template.validation_token = ValidationTokenConfig::default();
        template.validation_token.sent(0);
        template
            .max_incoming(MAX_INCOMING)
            .incoming_buffer_size(INCOMING_BYTES)
            .incoming_buffer_size_total(INCOMING_BYTES_IN_ALL);
        let (config, runtime) = (EndpointConfig::default(), Arc::new(TokioRuntime));
        let endpoint = quinn::Endpoint::new(config, Some(template.clone()), socket, runtime)?;
        Ok(Endpoint { endpoint, template: Arc::new(template), unproved: Places::new(UNPROVED) })
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// The next connection; `None` when the endpoint is closed.
    pub async fn accept(&self) -> Option<Incoming> {
        loop {
            let incoming = self.endpoint.accept().await?;
            let mut unproved = None;
            if !incoming.remote_address_validated() {
                unproved = self.unproved.take();
                if unproved.is_none() {
                    // It cannot fail: whoever has not proved its address may be asked to.
                    let _ = incoming.retry();
                    continue;
                }
            }
            return Some(Incoming { incoming: Box::new(incoming), template: self.template.clone(), unproved });
        }
    }

    /// Closes all connections, and waits until their clients have been told.
    pub fn farewell(&self) -> impl Future<Output = ()> {
        let endpoint = self.endpoint.clone();
        async move {
            endpoint.close(NO_ERROR, b"");
            // Clients that cannot be reached are not waited for.
            let _ = timeout(CLOSING, endpoint.wait_idle()).await;
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.endpoint.set_server_config(None);
    }
}

impl Incoming {
    /// IPv4 as such, as for TCP.
    pub fn remote_address(&self) -> SocketAddr {
        let remote = self.incoming.remote_address();
        SocketAddr::new(remote.ip().to_canonical(), remote.port())
    }

    /// Itself, if the client has proved its address; else it is asked to, at the cost of a round trip.
    pub fn proved(self) -> Option<Self> {
        if self.incoming.remote_address_validated() {
            return Some(self);
        }
        // It cannot fail: whoever has not proved its address may be asked to.
        let _ = self.incoming.retry();
        None
    }

    pub fn refuse(self) {
        self.incoming.refuse();
    }

    /// Shakes hands, and waits for the client's stream.
    pub async fn establish(self, door: &Door) -> io::Result<(Box<dyn Stream>, TlsInfo)> {
        let Incoming { incoming, template, unproved } = self;
        let mut config = ServerConfig::clone(&template);
        // The certificates are those of the door that the client comes through.
        config.crypto = crypto(door)?;
        let connection = incoming.accept_with(Arc::new(config))?.await?;
        drop(unproved);
        let info = describe(&connection)?;
        let (send, receive) = connection.accept_bi().await?;
        Ok((Box::new(QuicStream { connection, send, receive, end: End::NotYet }), info))
    }
}

fn crypto(door: &Door) -> io::Result<Arc<QuicServerConfig>> {
    let tls = door.tls.as_ref().ok_or(io::ErrorKind::InvalidInput)?;
    QuicServerConfig::try_from(tls.config().clone()).map(Arc::new).map_err(io::Error::other)
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(WINDOW))
        .receive_window(VarInt::from_u32(WINDOW))
        .send_window(WINDOW.into())
        .keep_alive_interval(Some(TCP_KEEPALIVE))
        .max_idle_timeout(IDLE.try_into().ok());
    transport
}

fn describe(connection: &Connection) -> io::Result<TlsInfo> {
    let data = connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
    let (alpn, server_name) = data.map_or((None, None), |data| (data.protocol, data.server_name));
    let chain = connection.peer_identity().and_then(|chain| chain.downcast::<Vec<CertificateDer<'static>>>().ok());
    Ok(TlsInfo {
        version: Text::from("1.3"),
        cipher_suite: None,
        server_name: server_name.map(Text::from),
        alpn: alpn.as_deref().and_then(tls::text),
        certificate: tls::certificate_of(chain.as_deref().map(Vec::as_slice))?,
    })
}

/// The bytes of a client. The connection is closed when they are.
struct QuicStream {
    connection: Connection,
    send: SendStream,
    receive: RecvStream,
    end: End,
}

/// How far the end of what is sent has come.
enum End {
    NotYet,
    /// Until the client has acknowledged all of it. Closing a connection takes back what is still on its way.
    Awaited(Pin<Box<dyn Future<Output = io::Result<()>> + Send>>),
    Over,
}

impl AsyncRead for QuicStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        AsyncRead::poll_read(Pin::new(&mut self.receive), cx, buffer)
    }
}

impl AsyncWrite for QuicStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.send), cx, bytes)
    }

    /// Nothing waits here: what has been written is sent.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            match &mut self.end {
                End::NotYet => {
                    // A client that wants no more has said so: there is nothing to finish.
                    let _ = self.send.finish();
                    let acknowledged = self.send.stopped();
                    self.end = End::Awaited(Box::pin(async { acknowledged.await.map(drop).map_err(io::Error::from) }));
                }
                End::Awaited(acknowledged) => {
                    let result = ready!(acknowledged.as_mut().poll(cx));
                    self.end = End::Over;
                    return Poll::Ready(result);
                }
                End::Over => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl Drop for QuicStream {
    fn drop(&mut self) {
        self.connection.close(NO_ERROR, b"");
    }
}
