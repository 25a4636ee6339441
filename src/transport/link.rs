use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{ready, Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::model::Credentials;

/// A TCP connection.
pub type TcpLink = Link<TcpStream>;

/// A connection whose writes raise no signal.
///
/// A write to a connection that the peer has closed raises SIGPIPE, which ends a host program that has not arranged for
/// it. Of the writes of the standard library, only the plain one to TCP is sure to ask the system not to.
#[derive(Debug)]
pub struct Link<S>(S);

impl<S> Link<S> {
    pub fn new(stream: S) -> Self {
        Link(stream)
    }
}

/// What tokio's sockets have in common.
pub trait Socket: AsyncRead + AsyncWrite + AsFd + Unpin {
    /// Who is at the other end, if the system knows.
    fn credentials(&self) -> Option<Credentials>;
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    fn try_to_write(&self, write: impl FnMut() -> io::Result<usize>) -> io::Result<usize>;
}

macro_rules! sockets {
    ($($type:ty, $credentials:expr);*) => {
        $(impl Socket for $type {
            fn credentials(&self) -> Option<Credentials> {
                let credentials: fn(&$type) -> Option<Credentials> = $credentials;
                credentials(self)
            }

            fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_write_ready(cx)
            }

            fn try_to_write(&self, write: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
                self.try_io(Interest::WRITABLE, write)
            }
        })*
    };
}

sockets!(TcpStream, |_| None; UnixStream, |stream| {
    let known = stream.peer_cred().ok()?;
    Some(Credentials { pid: known.pid(), uid: known.uid(), gid: known.gid() })
});

impl<S: Socket> Link<S> {
    /// Who is at the other end, if the system knows.
    pub fn credentials(&self) -> Option<Credentials> {
        self.0.credentials()
    }
}

impl<S: Socket> AsyncRead for Link<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S: Socket> AsyncWrite for Link<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            let write = || match slices {
                [single] => SockRef::from(&self.0).send_with_flags(single, libc::MSG_NOSIGNAL),
                several => SockRef::from(&self.0).send_vectored_with_flags(several, libc::MSG_NOSIGNAL),
            };
            match self.0.try_to_write(write) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                result => return Poll::Ready(result),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
