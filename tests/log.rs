//! The log of `tracing` and of `log` reaches the one sink; the sink is dropped when it is replaced.
//!
//! One test: the log belongs to the process.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::mpsc;
use std::sync::Arc;
use std::time::Duration;

use rmqttc::observe::log::{set, Level, Line};

const LONG: Duration = Duration::from_secs(20);

struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

fn shown(line: &Line) -> String {
    format!("{:?} {} {}", line.level, line.target, line.message)
}

#[test]
fn both_worlds_reach_the_sink() {
    let dropped = Arc::new(AtomicBool::new(false));
    let guard = SetOnDrop(dropped.clone());
    let (lines, received) = mpsc::channel();
    set(
        Level::Info,
        Some(Box::new(move |line| {
            let _alive = &guard;
            // A sink that logs must not feed itself.
            tracing::error!("from the sink");
            assert_ne!(&*line.message, "panic in the sink", "on purpose");
            lines.send(shown(line)).unwrap();
        })),
    )
    .unwrap();

    tracing::debug!("too low");
    tracing::info!(target: "a", port = 7, name = %"x", "with fields");
    log::debug!("too low");
    log::warn!(target: "b", "plain {}", 1);
    tracing::error!(target: "c", "panic in the sink");
    tracing::error!(target: "c", "with a NUL: \0");
    let expected = ["Info a with fields port=7 name=x", "Warn b plain 1", "Error c with a NUL: \u{fffd}"];
    for expected in expected {
        assert_eq!(received.recv_timeout(LONG).unwrap(), expected);
    }

    assert!(!dropped.load(SeqCst));
    let (lines, received) = mpsc::channel();
    set(Level::Trace, Some(Box::new(move |line| lines.send(shown(line)).unwrap()))).unwrap();
    assert!(dropped.load(SeqCst), "the sink before is gone when `set` returns");
    log::trace!(target: "d", "low");
    assert_eq!(received.recv_timeout(LONG).unwrap(), "Trace d low");

    set(Level::Trace, None).unwrap();
    tracing::error!("to nobody");
    assert_eq!(received.recv_timeout(LONG), Err(mpsc::RecvTimeoutError::Disconnected));
}
