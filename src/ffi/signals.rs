//! Signals belong to the host program: no thread of the library takes one that is meant for the process.

use std::mem::MaybeUninit;
use std::ptr;

/// Signals that concern the one thread they are delivered to, besides the real-time ones: faults, which a managed
/// runtime turns into exceptions of the callback that caused them, and those with which collectors stop threads. A
/// callback thread that held them back would hang or end such a program.
const OF_A_THREAD: [libc::c_int; 8] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS, libc::SIGPWR, libc::SIGXCPU];

/// Runs `body` with every signal blocked that is meant for the process. Threads that it starts inherit that, and what
/// the caller blocks itself, and hand it on to theirs.
///
/// That also keeps SIGPIPE away: a vectored write to a peer that is gone raises it in the thread that writes, where it
/// stays pending and the write answers EPIPE.
pub(super) fn blocked<T>(body: impl FnOnce() -> T) -> T {
    let _restore = Restore::block();
    body()
}

struct Restore(Option<libc::sigset_t>);

impl Restore {
    fn block() -> Self {
        let mut set = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        // SAFETY: both sets are writable, and sigfillset fills the first before it is changed and read.
        let status = unsafe {
            libc::sigfillset(set.as_mut_ptr());
            for signal in OF_A_THREAD.into_iter().chain(libc::SIGRTMIN()..=libc::SIGRTMAX()) {
                libc::sigdelset(set.as_mut_ptr(), signal);
            }
            libc::pthread_sigmask(libc::SIG_BLOCK, set.as_ptr(), before.as_mut_ptr())
        };
        // SAFETY: pthread_sigmask has filled the set if it succeeded.
        Restore((status == 0).then(|| unsafe { before.assume_init() }))
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // SAFETY: the set came from pthread_sigmask.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before, ptr::null_mut()) };
        }
    }
}
