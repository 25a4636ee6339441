//! Where connections come from, and what stands between a socket and MQTT: PROXY protocol, TLS, WebSocket, QUIC.

mod adopted;
mod door;
mod forwarded;
mod link;
mod listener;
mod proxy;
#[cfg(feature = "quic")]
mod quic;
mod socket;
mod socket_file;
mod stream;
mod tls;
mod websocket;

pub use adopted::{adopt, pair, Adopted, AdoptedLink, Unfit};
pub use door::Door;
pub use link::{Link, Socket, TcpLink};
pub use listener::{bind, Accepted, BindError, Descriptors, Incoming, Listener};
pub use proxy::Announced;
#[cfg(feature = "quic")]
pub use quic::Incoming as QuicIncoming;
pub use stream::Stream;
pub use websocket::WebSocketPolicy;
