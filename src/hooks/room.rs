//! Waiting for room in the queue of events, so that none has to be dropped.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::futures::OwnedNotified;
use tokio::time::Sleep;

use super::CallbackPool;

thread_local! {
    static PATIENT: Cell<bool> = const { Cell::new(false) };
}

/// While it is there, the current thread serves a client that waits when the queue of events is full: what the client has
/// brought about until then is queued beyond the queue's capacity.
pub struct Patience(bool);

impl Patience {
    pub(super) fn begin(waits: bool) -> Patience {
        Patience(PATIENT.replace(waits))
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        PATIENT.set(self.0);
    }
}

pub(super) fn is_patient() -> bool {
    PATIENT.get()
}

/// Ready when there is room for events again, or nobody should wait any longer.
pub struct Room {
    pool: Arc<CallbackPool>,
    told: Pin<Box<OwnedNotified>>,
    deadline: Pin<Box<Sleep>>,
}

impl Room {
    /// Needs a runtime.
    pub(super) fn new(pool: &Arc<CallbackPool>, timeout: Duration) -> Room {
        let deadline = Box::pin(tokio::time::sleep(timeout));
        Room { told: Box::pin(pool.room()), pool: pool.clone(), deadline }
    }
}

impl Future for Room {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        while self.pool.is_crowded() {
            if self.told.as_mut().poll(cx).is_ready() {
                // Others may have been quicker to fill the queue again.
                self.told = Box::pin(self.pool.room());
                continue;
            }
            if self.deadline.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if self.pool.give_up() {
                tracing::warn!("no room for events in time: more are dropped");
            }
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Instant;

    use super::super::pool::{Key, Kind, Refused};
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    /// A pool of one thread, which is busy until a number of messages have come.
    fn busy(capacity: usize) -> (Arc<CallbackPool>, mpsc::Sender<()>) {
        let pool = Arc::new(CallbackPool::start(1, capacity, "test", Arc::default()).unwrap());
        let (go_on, wait) = mpsc::channel::<()>();
        let (started, start) = mpsc::channel();
        let job = move || {
            started.send(()).unwrap();
            wait.recv_timeout(LONG).unwrap();
        };
        pool.submit(Kind::Event(1), Key::Host, job).unwrap();
        start.recv_timeout(LONG).unwrap();
        (pool, go_on)
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
    }

    #[test]
    fn who_waits_goes_on_when_half_of_the_events_are_gone() {
        let (pool, go_on) = busy(2);
        let (step, steps) = mpsc::channel::<()>();
        let steps = Arc::new(std::sync::Mutex::new(steps));
        for number in 0..3 {
            assert!(!pool.is_crowded(), "{number}");
            let steps = steps.clone();
            pool.submit_patiently(1, Key::Host, move || steps.lock().unwrap().recv_timeout(LONG).unwrap()).unwrap();
        }
        assert!(pool.is_crowded());
        assert_eq!(pool.submit(Kind::Event(1), Key::Host, || ()), Err(Refused::Full), "not everybody is patient");
        runtime().block_on(async {
            let mut room = Box::pin(Room::new(&pool, LONG));
            assert!(tokio::time::timeout(Duration::from_millis(20), &mut room).await.is_err());
            // Two wait, one runs.
            go_on.send(()).unwrap();
            assert!(tokio::time::timeout(Duration::from_millis(20), &mut room).await.is_err());
            step.send(()).unwrap();
            room.await;
        });
        assert!(!pool.is_crowded());
        step.send(()).unwrap();
        step.send(()).unwrap();
        pool.close();
    }

    #[test]
    fn nobody_waits_for_longer_than_allowed() {
        let (pool, go_on) = busy(1);
        pool.submit_patiently(1, Key::Host, || ()).unwrap();
        pool.submit_patiently(1, Key::Host, || ()).unwrap();
        let begin = Instant::now();
        runtime().block_on(async { Room::new(&pool, Duration::from_millis(50)).await });
        assert!((Duration::from_millis(50)..LONG).contains(&begin.elapsed()));
        assert!(!pool.is_crowded());
        assert_eq!(pool.submit_patiently(1, Key::Host, || ()), Err(Refused::Full), "waiting has been of no use");
        assert!(!pool.is_crowded());
        // When the queue has been emptied, waiting makes sense again.
        let (send, receive) = mpsc::channel();
        assert!(pool.submit_always(Key::Host, move || send.send(()).unwrap()));
        go_on.send(()).unwrap();
        receive.recv_timeout(LONG).unwrap();
        pool.submit_patiently(1, Key::Host, || ()).unwrap();
        pool.close();
    }
}
