//! Looking for more work for a while, instead of sleeping at once.

use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::sync::Notify;
use tokio::task::yield_now;

/// While connections have had something to do, a task that has always another turn keeps a worker thread from sleeping: to be
/// woken for what comes next takes longer than to find it.
pub(super) struct BusyPoll {
    /// How long to look, after each piece of work. Zero: not at all.
    window: Duration,
    work: Notify,
}

impl BusyPoll {
    pub(super) fn new(window: Duration) -> Self {
        Self { window, work: Notify::new() }
    }

    /// A connection has had a turn.
    pub(super) fn note_work(&self) {
        if !self.window.is_zero() {
            self.work.notify_one();
        }
    }

    pub(super) async fn run(&self) {
        loop {
            self.work.notified().await;
            let mut last = Instant::now();
            while last.elapsed() < self.window {
                // The runtime looks for I/O before this task has its next turn.
                yield_now().await;
                if self.work.notified().now_or_never().is_some() {
                    last = Instant::now();
                }
            }
        }
    }
}
