//! Clients over TLS.

use std::io::{self, Read};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::mqtt::{Client, LONG};

pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Connects and shakes hands. With TLS 1.3, the client has done so before the broker has seen its certificate: what the
/// broker says to it comes with the first read.
pub fn handshake(address: &str, config: &ClientConfig, server_name: &str) -> io::Result<Stream> {
    let socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(LONG))?;
    socket.set_write_timeout(Some(LONG))?;
    let name = ServerName::try_from(server_name.to_owned()).unwrap();
    let connection = ClientConnection::new(Arc::new(config.clone()), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// A client that has shaken hands and sends nothing yet.
pub fn open(address: &str, config: &ClientConfig) -> Client {
    Client::over(handshake(address, config, "localhost").unwrap())
}

/// What becomes of a client that is not let in: the words of rustls.
pub fn refusal(address: &str, config: &ClientConfig) -> String {
    let failed = handshake(address, config, "localhost").and_then(|mut stream| stream.read(&mut [0]));
    match failed {
        Ok(read) => panic!("not refused, but {read} bytes have come"),
        Err(error) => error.to_string(),
    }
}
