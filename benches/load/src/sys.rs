//! The system calls that the standard library does not have. All `unsafe` is here.

use std::io;
use std::mem::size_of;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn on_signal(_: libc::c_int) {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

/// Lets SIGINT and SIGTERM only be noted, so that brokers that were started are ended on the way out.
pub fn note_signals() {
    let handler: extern "C" fn(libc::c_int) = on_signal;
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: an all-zero sigaction is a valid one: no flags, an empty mask. The handler only stores to an atomic.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as libc::sighandler_t;
            libc::sigaction(signal, &action, std::ptr::null_mut());
        }
    }
}

pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Allows this process, and the brokers it will start, so many descriptors at least, if it may. Tells how many it has.
pub fn raise_descriptor_limit(wanted: u64) -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid for writes.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return 0;
    }
    if limit.rlim_cur >= wanted {
        return limit.rlim_cur;
    }
    // Only a privileged process may raise the hard limit, and none needs to when it is high enough.
    let privileged = libc::rlimit { rlim_cur: wanted, rlim_max: limit.rlim_max.max(wanted) };
    let plain = libc::rlimit { rlim_cur: wanted.min(limit.rlim_max), rlim_max: limit.rlim_max };
    for raised in [privileged, plain] {
        // SAFETY: `raised` is valid for reads.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raised) } == 0 {
            return raised.rlim_cur;
        }
    }
    limit.rlim_cur
}

/// Units of processor time in a second, as `/proc` counts it.
pub fn ticks_per_second() -> f64 {
    // SAFETY: takes a number, touches no memory.
    unsafe { libc::sysconf(libc::_SC_CLK_TCK) as f64 }
}

/// Asks a process to end.
pub fn terminate(pid: u32) {
    signal(pid, libc::SIGTERM);
}

/// Lets a process stand still. Its sockets take what fits into their buffers.
pub fn halt(pid: u32) {
    signal(pid, libc::SIGSTOP);
}

/// Lets it run again.
pub fn resume(pid: u32) {
    signal(pid, libc::SIGCONT);
}

fn signal(pid: u32, signal: libc::c_int) {
    // SAFETY: takes numbers, touches no memory.
    unsafe { libc::kill(pid as libc::pid_t, signal) };
}

/// Lets this thread run before all others, if it may. Programs that it starts would inherit that.
pub fn prefer_this_thread() {
    const NICEST: libc::c_int = -20;
    const THIS: libc::id_t = 0;
    // SAFETY: takes numbers, touches no memory. On Linux it concerns the calling thread only.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, THIS, NICEST) };
}

/// Lets a socket keep so many bytes that are not sent, if the system allows it.
pub fn set_send_buffer(socket: &TcpStream, bytes: usize) -> io::Result<()> {
    set_option(socket, libc::SO_SNDBUF, bytes)
}

/// Lets a socket keep so many bytes that are not read.
pub fn set_receive_buffer(socket: &TcpStream, bytes: usize) -> io::Result<()> {
    set_option(socket, libc::SO_RCVBUF, bytes)
}

/// A socket is readable only when it has so many bytes.
pub fn set_low_water(socket: &TcpStream, bytes: usize) -> io::Result<()> {
    set_option(socket, libc::SO_RCVLOWAT, bytes)
}

fn set_option(socket: &TcpStream, option: libc::c_int, value: usize) -> io::Result<()> {
    let value = value as libc::c_int;
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: these options are ints and the pointer is to one.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, (&raw const value).cast(), len) })?;
    Ok(())
}

/// A port of an address that nothing uses, held until the descriptor is dropped. Unlike one that a `TcpListener` finds, it is
/// none that a connection of late keeps: not every broker can listen at such a port.
pub fn unused_port(address: Ipv4Addr) -> io::Result<(OwnedFd, u16)> {
    // SAFETY: takes numbers, touches no memory.
    let fd = check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: `fd` was opened just now and nothing else has it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut address = sockaddr(SocketAddrV4::new(address, 0));
    let mut len = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    // SAFETY: pointer and length are those of an address, which the second call overwrites.
    check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), len) })?;
    check(unsafe { libc::getsockname(fd.as_raw_fd(), (&raw mut address).cast(), &mut len) })?;
    Ok((fd, u16::from_be(address.sin_port)))
}

/// A socket that has begun to connect, from a source address if one is given, and does not block.
pub fn connecting(to: SocketAddrV4, from: Option<Ipv4Addr>) -> io::Result<TcpStream> {
    // SAFETY: takes numbers, touches no memory.
    let fd =
        check(unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0) })?;
    // SAFETY: `fd` was opened just now and nothing else has it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    if let Some(from) = from {
        // The port is chosen when connecting: then it has to be unused only towards this one destination.
        let one: libc::c_int = 1;
        // SAFETY: the option is an int and the pointer is to one.
        check(unsafe {
            let (option, len) = (libc::IP_BIND_ADDRESS_NO_PORT, size_of::<libc::c_int>() as libc::socklen_t);
            libc::setsockopt(fd.as_raw_fd(), libc::IPPROTO_IP, option, (&raw const one).cast(), len)
        })?;
        let address = sockaddr(SocketAddrV4::new(from, 0));
        // SAFETY: pointer and length are those of an address.
        check(unsafe {
            libc::bind(fd.as_raw_fd(), (&raw const address).cast(), size_of::<libc::sockaddr_in>() as u32)
        })?;
    }
    let address = sockaddr(to);
    // SAFETY: pointer and length are those of an address.
    let status =
        unsafe { libc::connect(fd.as_raw_fd(), (&raw const address).cast(), size_of::<libc::sockaddr_in>() as u32) };
    match check(status) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(TcpStream::from(fd)),
    }
}

/// Sends the last bytes of a connection together with its end, as soon as it is closed.
pub fn send_with_end(stream: TcpStream, bytes: &[u8]) {
    let flags = libc::MSG_MORE | libc::MSG_NOSIGNAL;
    // SAFETY: pointer and length are those of the slice. The other side may be gone already; nobody is left to tell.
    unsafe { libc::send(stream.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) };
}

fn sockaddr(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from(*address.ip()).to_be() },
        sin_zero: [0; 8],
    }
}

/// Something happened on the descriptor that was added with this token.
pub struct Event {
    pub token: usize,
    pub writable: bool,
    /// The other side has closed, or the connection has failed: read until that shows.
    pub closing: bool,
}

/// Waits for many descriptors.
pub struct Epoll {
    fd: OwnedFd,
    events: Vec<libc::epoll_event>,
}

impl Epoll {
    pub fn new() -> io::Result<Self> {
        // SAFETY: takes a number, touches no memory.
        let fd = check(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: `fd` was opened just now and nothing else has it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { fd, events: vec![libc::epoll_event { events: 0, u64: 0 }; 256] })
    }

    /// Edge-triggered: an event tells of a change, and comes again only after the descriptor was used up. That saves a
    /// system call whenever there is something to write or no longer.
    pub fn add(&self, descriptor: &impl AsFd, token: usize) -> io::Result<()> {
        self.register(descriptor, token, libc::EPOLLIN | libc::EPOLLOUT | libc::EPOLLRDHUP | libc::EPOLLET)
    }

    /// Does not tell that there is room to write, and so is not woken by it.
    pub fn add_to_read(&self, descriptor: &impl AsFd, token: usize) -> io::Result<()> {
        self.register(descriptor, token, libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLET)
    }

    fn register(&self, descriptor: &impl AsFd, token: usize, interest: libc::c_int) -> io::Result<()> {
        let mut event = libc::epoll_event { events: interest as u32, u64: token as u64 };
        let descriptor = descriptor.as_fd().as_raw_fd();
        // SAFETY: `event` is valid; both descriptors are open.
        check(unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), libc::EPOLL_CTL_ADD, descriptor, &mut event) })?;
        Ok(())
    }

    /// What has happened, after at most `timeout`, rounded up to milliseconds. Fails when a signal wants the program to
    /// end.
    pub fn wait(&mut self, timeout: Duration) -> Result<impl Iterator<Item = Event> + '_, String> {
        let timeout = timeout.as_micros().div_ceil(1000) as libc::c_int;
        let room = self.events.len() as libc::c_int;
        // SAFETY: pointer and length are those of the vector.
        let count = unsafe { libc::epoll_wait(self.fd.as_raw_fd(), self.events.as_mut_ptr(), room, timeout) };
        if interrupted() {
            return Err("interrupted".to_owned());
        }
        let count = match check(count) {
            Ok(count) => count as usize,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Err(error) => return Err(format!("epoll: {error}")),
        };
        Ok(self.events[..count].iter().map(|event| {
            let flags = event.events as libc::c_int;
            Event {
                token: event.u64 as usize,
                writable: flags & libc::EPOLLOUT != 0,
                closing: flags & (libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) != 0,
            }
        }))
    }
}

/// A clock that wakes an [`Epoll`] at a fixed rate. The timeout of `wait` is too coarse for that.
pub struct Timer(OwnedFd);

impl Timer {
    pub fn new(interval: Duration) -> io::Result<Self> {
        let flags = libc::TFD_NONBLOCK | libc::TFD_CLOEXEC;
        // SAFETY: takes numbers, touches no memory.
        let fd = check(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) })?;
        // SAFETY: `fd` was opened just now and nothing else has it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let step = libc::timespec {
            tv_sec: interval.as_secs() as libc::time_t,
            tv_nsec: interval.subsec_nanos() as libc::c_long,
        };
        let setting = libc::itimerspec { it_interval: step, it_value: step };
        // SAFETY: `setting` is valid for reads; the old setting is not asked for.
        check(unsafe { libc::timerfd_settime(fd.as_raw_fd(), 0, &setting, std::ptr::null_mut()) })?;
        Ok(Self(fd))
    }

    /// Takes note that it has rung, so that it wakes again.
    pub fn clear(&self) {
        let mut count = 0u64;
        // SAFETY: pointer and length are those of an integer. That it has not rung yet is no failure.
        unsafe { libc::read(self.0.as_raw_fd(), (&raw mut count).cast(), size_of::<u64>()) };
    }
}

impl AsFd for Timer {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn check(status: libc::c_int) -> io::Result<libc::c_int> {
    if status < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(status)
    }
}
