//! The stream of a client, whose bytes are counted.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::counters::add;
use super::handle::Handle;
use super::hub::Hub;

pub(super) struct Metered<S> {
    stream: S,
    hub: Arc<Hub>,
    account: Account,
}

/// Who it is that sends and receives.
enum Account {
    /// Nobody knows yet.
    Open {
        received: u32,
        sent: u32,
    },
    Session(Arc<Handle>),
}

impl<S> Metered<S> {
    pub(super) fn new(stream: S, hub: Arc<Hub>) -> Self {
        Metered { stream, hub, account: Account::Open { received: 0, sent: 0 } }
    }

    /// What has been counted, and will be, is that session's.
    pub(super) fn belong_to(&mut self, session: Arc<Handle>) {
        if let Account::Open { received, sent } = self.account {
            add(&session.tally().bytes_received, received as usize);
            add(&session.tally().bytes_sent, sent as usize);
        }
        self.account = Account::Session(session);
    }

    fn count_received(&mut self, count: usize) {
        add(&self.hub.counters().bytes_received, count);
        match &mut self.account {
            Account::Open { received, .. } => *received = received.saturating_add(narrow(count)),
            Account::Session(session) => add(&session.tally().bytes_received, count),
        }
    }

    fn count_sent(&mut self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = result {
            add(&self.hub.counters().bytes_sent, count);
            match &mut self.account {
                Account::Open { sent, .. } => *sent = sent.saturating_add(narrow(count)),
                Account::Session(session) => add(&session.tally().bytes_sent, count),
            }
        }
        result
    }
}

/// Nobody says so much before CONNACK.
fn narrow(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = out.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, out);
        self.count_received(out.filled().len() - before);
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.count_sent(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.count_sent(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
