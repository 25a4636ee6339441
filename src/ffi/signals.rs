//! Signals belong to the host program: no thread of the library takes one.

use std::mem::MaybeUninit;
use std::ptr;

/// Runs `body` with every signal blocked. Threads that it starts inherit that, and hand it on to theirs.
///
/// That also keeps SIGPIPE away: a vectored write to a peer that is gone raises it in the thread that writes, where it
/// stays pending and the write answers EPIPE.
pub(super) fn blocked<T>(body: impl FnOnce() -> T) -> T {
    let _restore = Restore::block_all();
    body()
}

struct Restore(Option<libc::sigset_t>);

impl Restore {
    fn block_all() -> Self {
        let mut all = MaybeUninit::uninit();
        let mut before = MaybeUninit::uninit();
        // SAFETY: both sets are writable, and sigfillset fills the first before it is read.
        let status = unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr())
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
