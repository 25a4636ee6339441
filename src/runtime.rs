//! The threads that serve clients. Each run of a broker has its own, which end with it.

use std::cell::Cell;
use std::io;

use tokio::runtime::{Builder, Runtime};

use crate::config;

thread_local! {
    static ON_WORKER: Cell<bool> = const { Cell::new(false) };
}

/// Says whether the current thread serves the clients of a broker.
pub fn on_worker() -> bool {
    ON_WORKER.get()
}

/// Starts the threads. Fails if the system refuses one.
pub fn start(config: &config::Runtime) -> io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.on_thread_start(|| ON_WORKER.set(true)).enable_all().thread_name(&config.thread_name);
    if config.worker_threads > 0 {
        builder.worker_threads(config.worker_threads as usize);
    }
    builder.build()
}
