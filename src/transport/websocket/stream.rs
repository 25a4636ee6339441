use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{ready, Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{sleep, Sleep};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::decoder::{Decoded, Decoder, End};
use super::outgoing::{Outgoing, MAX_MESSAGE};

/// How long a client that has broken a rule may take to hear of it.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Slices that are written at once.
const SLICES: usize = 16;

/// The bytes of MQTT in the messages of a WebSocket. Holds no buffer: what is read is decoded where it is read to, and what is
/// written goes to the socket with a head in front of it.
#[derive(Debug)]
pub struct WebSocket<S> {
    socket: S,
    decoder: Decoder,
    outgoing: Outgoing,
    reading: Reading,
}

#[derive(Debug)]
enum Reading {
    Open,
    /// All that is read has been passed on.
    Ended(End),
    /// The client has been told what rule it has broken. What it has still sent is read: bytes that nobody has read would have
    /// the system reset the connection, and the client might not hear why.
    SeeingOff(Pin<Box<Sleep>>),
    Closed,
}

impl<S> WebSocket<S> {
    /// One that both sides have agreed on. `max_bytes`: the longest frame, and the longest message.
    pub(super) fn new(socket: S, max_bytes: usize) -> Self {
        let (decoder, outgoing) = (Decoder::new(max_bytes), Outgoing::default());
        WebSocket { socket, decoder, outgoing, reading: Reading::Open }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Writes the framing that is due.
    fn poll_framing(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.outgoing.say_pong();
            if self.outgoing.framing().is_empty() {
                return Poll::Ready(Ok(()));
            }
            let written = ready!(Pin::new(&mut self.socket).poll_write(cx, self.outgoing.framing()))?;
            self.outgoing.advance(written)?;
        }
    }

    fn poll_flush_all(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_framing(cx))?;
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    /// Says Close and nothing after it.
    fn poll_close(&mut self, cx: &mut Context<'_>, code: Option<CloseCode>) -> Poll<io::Result<()>> {
        self.outgoing.say_close(code);
        ready!(self.poll_flush_all(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    /// Reads from the socket and decodes; whether anything has come, if only framing.
    fn poll_decode(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<bool>> {
        let before = out.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, out))?;
        let Some(bytes) = out.filled_mut().get_mut(before..).filter(|bytes| !bytes.is_empty()) else {
            return Poll::Ready(Ok(false));
        };
        let Decoded { payload, ping, end } = self.decoder.decode(bytes);
        out.set_filled(before + payload);
        if let Some(end) = end {
            self.reading = Reading::Ended(end);
        }
        if let Some(ping) = ping {
            self.outgoing.answer(ping);
            // If it cannot be written now, it is when the socket has room.
            if let Poll::Ready(Err(error)) = self.poll_flush_all(cx) {
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(Ok(true))
    }

    /// Answers what has ended the reading.
    fn end(&mut self, cx: &mut Context<'_>, end: End) -> io::Result<()> {
        self.reading = Reading::Closed;
        match end {
            End::Close(code) => {
                self.outgoing.say_close(code);
                // A client that does not read need not hear it.
                let _ = self.poll_flush_all(cx)?;
            }
            End::Violation(code) => {
                let has_said_close = self.outgoing.has_said_close();
                self.outgoing.say_close(Some(code));
                if has_said_close || !self.outgoing.has_said_close() {
                    return Err(violation());
                }
                self.reading = Reading::SeeingOff(Box::pin(sleep(LAST_WORDS)));
            }
        }
        Ok(())
    }

    /// Waits until the client has heard the last words and closed, but not for long.
    fn poll_seen_off(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Reading::SeeingOff(patience) = &mut self.reading {
            if patience.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
        }
        if let Poll::Ready(Err(error)) = self.poll_close(cx, None) {
            return Poll::Ready(Err(error));
        }
        let mut waste = [0; 512];
        loop {
            let mut waste = ReadBuf::new(&mut waste);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut waste))?;
            if waste.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

fn violation() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the client has broken a rule of WebSocket")
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for WebSocket<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        if out.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            match self.reading {
                Reading::Open => {
                    let is_open = ready!(self.poll_decode(cx, out))?;
                    if !is_open || out.filled().len() > before {
                        return Poll::Ready(Ok(()));
                    }
                }
                Reading::Ended(end) => self.end(cx, end)?,
                Reading::SeeingOff(_) => {
                    // Whatever comes of it, the connection is over.
                    let _ = ready!(self.poll_seen_off(cx));
                    self.reading = Reading::Closed;
                    return Poll::Ready(Err(violation()));
                }
                Reading::Closed => return Poll::Ready(Ok(())),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for WebSocket<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    /// Writes one message. Whoever has been told that only a part of it is written, or nothing yet, writes the rest next.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.outgoing.has_said_close() {
            return match self.reading {
                // Reading is about to end the connection.
                Reading::SeeingOff(_) => Poll::Pending,
                _ => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            };
        }
        let slices = &slices[..slices.len().min(SLICES)];
        let length = slices.iter().map(|slice| slice.len()).sum::<usize>().min(MAX_MESSAGE);
        if length == 0 {
            return Poll::Ready(Ok(0));
        }
        let WebSocket { socket, outgoing, .. } = &mut *self;
        outgoing.begin(length);
        loop {
            let mut gathered = [IoSlice::new(&[]); SLICES + 1];
            let mut room = outgoing.owed();
            gathered[0] = IoSlice::new(outgoing.framing());
            for (gathered, slice) in gathered[1..].iter_mut().zip(slices) {
                let taken = slice.len().min(room);
                *gathered = IoSlice::new(&slice[..taken]);
                room -= taken;
            }
            let written = ready!(Pin::new(&mut *socket).poll_write_vectored(cx, &gathered[..=slices.len()]))?;
            let payload = outgoing.advance(written)?;
            if payload > 0 {
                return Poll::Ready(Ok(payload));
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush_all(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_close(cx, Some(CloseCode::Normal))
    }
}
