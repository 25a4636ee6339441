use std::ffi::c_int;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::time::Duration;

use super::broker::{null, rmqtt_broker_t, with_broker};
use super::error::rmqtt_error_t;
use super::status::rmqtt_status_t;
use super::versioned::{self, CBool, Versioned};
use super::view::rmqtt_str_t;
use crate::broker::{Error, Peer};
use crate::model::Text;

/// What a program knows about a connection that it brings. Start with `rmqtt_peer_init()`, or with zeroes and
/// `struct_size`: zero is the default everywhere. No text is longer than 65535 bytes or contains U+0000.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_peer_t {
    /// `sizeof(rmqtt_peer_t)`, set by the caller.
    pub struct_size: usize,
    /// Where it comes from, as hooks and the log show it. Absent: host and port of the other end for a TCP socket, "unix"
    /// for any other, "pair" for `rmqtt_broker_connect_pair`.
    pub address: rmqtt_str_t,
    /// What hooks and the log show as the name of its listener. Absent: "attached".
    pub listener: rmqtt_str_t,
    /// The user name of a client that is `authenticated`, in place of the one in CONNECT. Absent: the one in CONNECT.
    /// Without `authenticated` it must be absent.
    pub username: rmqtt_str_t,
    /// How long the client may take until its CONNECT is complete, in milliseconds, at most 3600000. 0 means 15000.
    pub connect_timeout_ms: u32,
    /// The program vouches for the client: neither the hooks `authenticate` and `auth_exchange` nor the configuration are
    /// asked who it is, and the password of CONNECT is not looked at. Otherwise the hooks decide as about any client, and
    /// without hooks `auth.allow_anonymous`.
    pub authenticated: CBool,
    /// Zero.
    pub reserved: [u8; 3],
}

// SAFETY: `repr(C)`, size first; pointers, integers and `CBool`, which any bits make.
unsafe impl Versioned for rmqtt_peer_t {
    const NAME: &'static str = "the peer";
    const FIRST_SIZE: usize = 64;
}

/// Serves the client at the other end of a connected socket, from its first byte on, like one that a listener has
/// accepted: the hook `pre_connect` is asked, `limits.max_connections` counts it, and the stop of the broker disconnects it.
///
/// @param broker A running broker.
/// @param fd A connected stream socket: TCP (IPv4 or IPv6) or Unix. It is made non-blocking and close-on-exec, as are
///        duplicates of it where they share that; TCP sends without delay.
/// @param peer What is known about the client, or NULL for the defaults.
/// @param err Receives the error. May be NULL.
/// @return `RMQTT_OK`: what becomes of the client is told by hooks; `RMQTT_ERR_INVALID_ARGUMENT` for a broker that is NULL,
///         a descriptor that is not open or no such socket, a bad `struct_size`, or a peer that is not in order;
///         `RMQTT_ERR_WOULD_BLOCK` if there are `limits.max_connections` already, which is counted as refused;
///         `RMQTT_ERR_INVALID_STATE` if the broker does not run; `RMQTT_ERR_IO`; `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
///
/// **Ownership.** `fd` passes to the library whatever the answer is: it is closed when the connection ends, or before this
/// returns a failure.
///
/// **Threads.** Any, callbacks included.
///
/// # Safety
/// `broker` is NULL or alive; `fd` is the caller's to give away; `peer` is NULL or as large as it says, with views that are
/// readable as far as they say; `err` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_attach_fd(
    broker: *mut rmqtt_broker_t,
    fd: c_int,
    peer: *const rmqtt_peer_t,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    // SAFETY: the caller gives the descriptor away.
    let descriptor = unsafe { take(fd) };
    let body = move |broker: &rmqtt_broker_t| {
        let descriptor = descriptor.ok_or_else(|| Error::InvalidArgument(format!("{fd} is no open descriptor")))?;
        // SAFETY: the contract of the function is passed on.
        broker.broker.attach(descriptor, unsafe { read_peer(peer) }?)
    };
    // SAFETY: the contract of the function is passed on.
    unsafe { with_broker(broker, err, body) }
}

/// Makes a connection without a network, for any MQTT client that takes a descriptor: a pair of Unix sockets, one of which
/// the broker serves as `rmqtt_broker_attach_fd` does.
///
/// @param broker A running broker.
/// @param peer What is known about the client, or NULL for the defaults.
/// @param fd Receives the client's end, which blocks and is close-on-exec; -1 after a failure.
/// @param err Receives the error. May be NULL.
/// @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for a broker or `fd` that is NULL, a bad `struct_size`, or a peer that is
///         not in order; `RMQTT_ERR_WOULD_BLOCK` if there are `limits.max_connections` already, which is counted as
///         refused; `RMQTT_ERR_INVALID_STATE` if the broker does not run; `RMQTT_ERR_IO` if there are no descriptors left;
///         `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
///
/// **Ownership.** The caller closes its end. Writing to it when the broker has closed its own raises SIGPIPE, as with any
/// socket: use `MSG_NOSIGNAL`.
///
/// **Threads.** Any, callbacks included. A client that waits for the broker must not do so in a hook with
/// `RMQTT_HOOK_INLINE`.
///
/// # Safety
/// `broker` is NULL or alive; `peer` is NULL or as large as it says, with views that are readable as far as they say; `fd`
/// and `err` are NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_connect_pair(
    broker: *mut rmqtt_broker_t,
    peer: *const rmqtt_peer_t,
    fd: *mut c_int,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    if !fd.is_null() {
        // SAFETY: not NULL, so writable by the contract of the function.
        unsafe { fd.write(-1) };
    }
    let body = |broker: &rmqtt_broker_t| {
        if fd.is_null() {
            return Err(null("the place for the descriptor"));
        }
        // SAFETY: the contract of the function is passed on.
        let descriptor = broker.broker.connect_pair(unsafe { read_peer(peer) }?)?;
        // SAFETY: as above.
        unsafe { fd.write(descriptor.into_raw_fd()) };
        Ok(())
    };
    // SAFETY: the contract of the function is passed on.
    unsafe { with_broker(broker, err, body) }
}

/// Takes over a descriptor. `None`: there is none of that number, and nothing to close.
///
/// # Safety
/// If it is open, the caller gives it away.
unsafe fn take(fd: c_int) -> Option<OwnedFd> {
    // SAFETY: asking for the flags of any number is fine.
    let is_open = fd >= 0 && unsafe { libc::fcntl(fd, libc::F_GETFD) } >= 0;
    // SAFETY: open, and by the promise of the caller nobody else's.
    is_open.then(|| unsafe { OwnedFd::from_raw_fd(fd) })
}

/// # Safety
/// `peer` is NULL or as large as it says, and its views are readable as far as they say.
unsafe fn read_peer(peer: *const rmqtt_peer_t) -> Result<Peer, Error> {
    if peer.is_null() {
        return Ok(Peer::default());
    }
    // SAFETY: the caller's promise is passed on.
    let peer = unsafe { versioned::read(peer) }?;
    if peer.reserved != [0; 3] {
        return Err(Error::InvalidArgument("the peer has reserved bytes that are not zero".to_owned()));
    }
    let read = |text: rmqtt_str_t, what| {
        if text.ptr.is_null() && text.len == 0 {
            return Ok(None);
        }
        // SAFETY: readable by the caller's promise.
        unsafe { text.read(what) }.map(|text| Some(Text::from(text)))
    };
    Ok(Peer {
        address: read(peer.address, "the address")?,
        listener: read(peer.listener, "the listener")?,
        authenticated: peer.authenticated.get(),
        username: read(peer.username, "the user name")?,
        connect_timeout: Duration::from_millis(peer.connect_timeout_ms.into()),
    })
}
