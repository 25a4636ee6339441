//! A connection before CONNACK: its packets one by one, within the time that there is for them.

use std::future::{pending, poll_fn, Future};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout_at;
use tokio_util::io::{poll_read_buf, poll_write_buf};

use super::mailbox::MODEST;
use super::ruling::Refusal;
use crate::codec::{Decoder, Fault, Packet};
use crate::limits::{Barred, Kind, Memory, Pressure, Share};
use crate::model::ReasonCode;

/// What is read at once of a connection that is not accepted yet.
const FIRST_READ: usize = 1024;

pub(super) struct Arrival<S> {
    pub(super) stream: S,
    pub(super) decoder: Decoder,
    pub(super) input: BytesMut,
    /// What has been read.
    buffers: Share,
    /// When the client has to have said all that is needed.
    connect_by: Instant,
}

/// Why nothing becomes of it.
#[derive(Debug)]
pub(super) enum Failure {
    /// The client has gone.
    Gone,
    /// The client has taken too long.
    TimedOut,
    /// The client has sent what is no packet.
    Fault(Fault),
    Refused(Refusal),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::Refused(refusal)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Arrival<S> {
    pub(super) fn new(stream: S, max_packet_bytes: u32, connect_by: Instant, memory: &Arc<Memory>) -> Self {
        let buffers = Share::new(memory, Kind::Buffers, 0);
        Arrival { stream, decoder: Decoder::new(max_packet_bytes), input: BytesMut::new(), buffers, connect_by }
    }

    /// The next packet of the client.
    pub(super) async fn packet(&mut self) -> Result<Packet, Failure> {
        let connect_by = self.connect_by;
        let read = async {
            loop {
                if let Some(packet) = self.decoder.decode(&mut self.input).map_err(Failure::Fault)? {
                    return Ok(packet);
                }
                // Nobody knows yet who sends so much.
                if self.input.len() > MODEST && self.buffers.pressure() >= Pressure::Full {
                    return Err(Failure::Refused(Refusal::of(Barred::Memory, ReasonCode::QUOTA_EXCEEDED)));
                }
                if !self.read().await {
                    return Err(Failure::Gone);
                }
            }
        };
        timeout_at(connect_by.into(), read).await.unwrap_or(Err(Failure::TimedOut))
    }

    /// Sends a packet that the client has to answer.
    pub(super) async fn send(&mut self, mut packet: BytesMut) -> Result<(), Failure> {
        let connect_by = self.connect_by;
        let write = async {
            while !packet.is_empty() {
                let written = poll_fn(|cx| poll_write_buf(Pin::new(&mut self.stream), cx, &mut packet)).await;
                if !matches!(written, Ok(1..)) {
                    return Err(Failure::Gone);
                }
            }
            poll_fn(|cx| Pin::new(&mut self.stream).poll_flush(cx)).await.map_err(|_| Failure::Gone)
        };
        timeout_at(connect_by.into(), write).await.unwrap_or(Err(Failure::TimedOut))
    }

    /// As [`Arrival::wait_for`], for what may take longer than the client has.
    pub(super) async fn wait_in_time<T>(&mut self, what: impl Future<Output = T>) -> Result<T, Failure> {
        let connect_by = self.connect_by;
        timeout_at(connect_by.into(), self.wait_for(what)).await.unwrap_or(Err(Failure::TimedOut))
    }

    /// Waits for what is not up to the client. If the client goes meanwhile, nobody wants it any more.
    pub(super) async fn wait_for<T>(&mut self, what: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            done = what => Ok(done),
            () = self.departure() => Err(Failure::Gone),
        }
    }

    /// Returns when the client is gone without having sent more. One that does not wait for an answer may have said all
    /// that it has to say, and be gone as well: what it has sent counts.
    async fn departure(&mut self) {
        if self.input.is_empty() && !self.read().await {
            return;
        }
        pending().await
    }

    /// Whether there was something to read, rather than the end.
    async fn read(&mut self) -> bool {
        self.input.reserve(FIRST_READ);
        let read = poll_fn(|cx| poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.input)).await;
        self.buffers.set(self.input.capacity());
        matches!(read, Ok(1..))
    }
}
