//! Clients over QUIC.

use std::future::Future;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, ConnectionError, EndpointConfig, RecvStream, SendStream, TokioRuntime};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::mqtt::{Client, LONG};

/// Where connections come from.
pub struct Visitor {
    runtime: Runtime,
    endpoint: quinn::Endpoint,
}

/// A connection without a stream.
#[derive(Clone)]
pub struct Call {
    visitor: Arc<Visitor>,
    pub connection: Connection,
}

/// The bytes of the stream of a connection.
struct Wire {
    call: Call,
    send: SendStream,
    receive: RecvStream,
}

impl Visitor {
    pub fn new() -> Arc<Visitor> {
        Visitor::at("127.0.0.1:0")
    }

    pub fn at(address: &str) -> Arc<Visitor> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let socket = UdpSocket::bind(address).unwrap();
        let inside = runtime.enter();
        let endpoint = quinn::Endpoint::new(EndpointConfig::default(), None, socket, Arc::new(TokioRuntime)).unwrap();
        drop(inside);
        Arc::new(Visitor { runtime, endpoint })
    }

    pub fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(async { timeout(LONG, what).await }).expect("nothing came")
    }

    /// Begins a handshake.
    pub fn begin(&self, address: SocketAddr, config: &rustls::ClientConfig, name: &str) -> quinn::Connecting {
        let _inside = self.runtime.enter();
        let crypto = QuicClientConfig::try_from(config.clone()).unwrap();
        let config = quinn::ClientConfig::new(Arc::new(crypto));
        self.endpoint.connect_with(config, address, name).unwrap()
    }

    /// Shakes hands. Before the broker has seen the client's certificate, the client takes it for done.
    pub fn call(self: &Arc<Self>, address: &str, config: &rustls::ClientConfig) -> Result<Call, ConnectionError> {
        let connecting = self.begin(address.parse().unwrap(), config, "localhost");
        Ok(Call { visitor: self.clone(), connection: self.wait(connecting)? })
    }

    /// A client that has opened its stream and sends nothing yet.
    pub fn open(self: &Arc<Self>, address: &str, config: &rustls::ClientConfig) -> Client {
        self.call(address, config).unwrap().open()
    }

    /// Why the broker ends the connection.
    pub fn refusal(self: &Arc<Self>, address: &str, config: &rustls::ClientConfig) -> ConnectionError {
        self.call(address, config).map_or_else(|error| error, |call| call.end())
    }
}

impl Call {
    /// Opens the stream. The broker knows of it when something is sent.
    pub fn open(&self) -> Client {
        let (send, receive) = self.visitor.wait(self.connection.open_bi()).unwrap();
        Client::over(Wire { call: self.clone(), send, receive })
    }

    /// Waits until the connection has ended.
    pub fn end(&self) -> ConnectionError {
        self.visitor.wait(self.connection.closed())
    }
}

impl Wire {
    fn wait<T>(runtime: &Runtime, what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        runtime.block_on(async { timeout(LONG, what).await }).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Read for Wire {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = async { Ok(self.receive.read(room).await?.unwrap_or(0)) };
        Wire::wait(&self.call.visitor.runtime, read)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = async { Ok(self.send.write(bytes).await?) };
        Wire::wait(&self.call.visitor.runtime, written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
