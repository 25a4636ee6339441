//! The bytes of a connection, plain or in TLS. Blocks or does not, as its socket.

use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};

use rustls::ClientConnection;

use crate::{sys, tls};

pub enum Stream {
    Plain(TcpStream),
    Secure(Box<Secure>),
}

pub struct Secure {
    tls: ClientConnection,
    /// rustls reads no more than 4 KiB at once; the socket is to be read in larger pieces.
    socket: BufReader<TcpStream>,
}

/// What is read from the socket of a secure connection at once.
const READ_BYTES: usize = 256 * 1024;

impl Stream {
    pub fn new(socket: TcpStream, secure: bool) -> io::Result<Self> {
        Ok(if secure {
            let socket = BufReader::with_capacity(READ_BYTES, socket);
            Stream::Secure(Box::new(Secure { tls: tls::client()?, socket }))
        } else {
            Stream::Plain(socket)
        })
    }

    pub fn socket(&self) -> &TcpStream {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Secure(secure) => secure.socket.get_ref(),
        }
    }

    /// Whether a read that did not fill its buffer has emptied the socket. That of a secure connection may end with a
    /// record.
    pub fn is_emptied_by_a_short_read(&self) -> bool {
        matches!(self, Stream::Plain(_))
    }

    /// Sends the last bytes of the connection together with its end.
    pub fn end(self, bytes: &[u8]) {
        match self {
            Stream::Plain(socket) => sys::send_with_end(socket, bytes),
            Stream::Secure(mut secure) => {
                // The other side may be gone already; nobody is left to tell.
                let _ = secure.tls.writer().write_all(bytes);
                secure.tls.send_close_notify();
                let _ = secure.send();
            }
        }
    }
}

impl Secure {
    /// Sends what is encrypted, as far as the socket takes it.
    fn send(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(self.socket.get_mut())?;
        }
        Ok(())
    }

    fn send_some(&mut self) -> io::Result<()> {
        match self.send() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            result => result,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.read(into),
            Stream::Secure(secure) => secure.read(into),
        }
    }
}

impl Read for Secure {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => return result,
            }
            if self.tls.read_tls(&mut self.socket)? == 0 {
                return Ok(0);
            }
            self.tls.process_new_packets().map_err(io::Error::other)?;
            self.send_some()?;
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.write(bytes),
            Stream::Secure(secure) => secure.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(_) => Ok(()),
            Stream::Secure(secure) => secure.flush(),
        }
    }
}

impl Write for Secure {
    /// Takes what there is room for, be it encrypted but not sent.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.tls.writer().write(bytes)?;
        match self.send() {
            Err(error) if error.kind() == ErrorKind::WouldBlock && count > 0 => Ok(count),
            result => result.map(|()| count),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send_some()
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket().as_fd()
    }
}
