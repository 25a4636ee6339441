//! Passwords that are hashed: it takes all of a processor, and memory.

use std::sync::Arc;
use std::thread;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Has as much of it done at the same time as there are places.
pub(super) struct Hashing {
    places: Arc<Semaphore>,
}

impl Hashing {
    /// A place for each processor.
    pub(super) fn new() -> Self {
        Hashing::with_places(thread::available_parallelism().map_or(1, |count| count.get()))
    }

    fn with_places(places: usize) -> Self {
        Hashing { places: Arc::new(Semaphore::new(places)) }
    }

    /// What comes of `work`, which is not done on a thread that serves clients: it takes milliseconds by design. `None` if it
    /// fails. Work that has begun goes on if nobody waits for it any more, and has its place until it is over: whoever comes
    /// and goes cannot have more of it done at once.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let place = self.places.clone().acquire_owned().await.ok()?;
        let in_place = move || {
            let result = work();
            drop(place);
            result
        };
        spawn_blocking(in_place).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::sync::mpsc;
    use std::time::Duration;

    use futures::poll;
    use parking_lot::Mutex;
    use tokio::runtime::Runtime;

    use super::*;

    const PLACES: usize = 2;
    const DEADLINE: Duration = Duration::from_secs(30);

    #[test]
    fn whoever_comes_and_goes_has_no_more_of_it_done_at_once() {
        let (runtime, hashing) = (Runtime::new().unwrap(), Hashing::with_places(PLACES));
        // Nothing of it ends before the end is allowed.
        let (allow, end) = mpsc::channel::<()>();
        let end = Arc::new(Mutex::new(end));
        let (begin, begun) = mpsc::channel();
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let work = || {
            let (begin, end, now, most) = (begin.clone(), end.clone(), now.clone(), most.clone());
            move || {
                most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                begin.send(()).unwrap();
                let _ = end.lock().recv_timeout(DEADLINE);
                now.fetch_sub(1, SeqCst);
            }
        };
        let come_and_go = || {
            runtime.block_on(async {
                assert!(poll!(Box::pin(hashing.run(work()))).is_pending());
            });
        };
        (0..PLACES).for_each(|_| come_and_go());
        (0..PLACES).for_each(|_| begun.recv_timeout(DEADLINE).unwrap());
        (0..100).for_each(|_| come_and_go());
        // Who stays gets a place when one is left, and nobody has got one before.
        runtime.block_on(async {
            let mut patient = Box::pin(hashing.run(work()));
            assert!(poll!(&mut patient).is_pending());
            drop(allow);
            assert!(patient.await.is_some());
        });
        // All that has begun is over then.
        drop(runtime);
        assert_eq!((begun.try_iter().count(), most.load(SeqCst), now.load(SeqCst)), (1, PLACES, 0));
    }
}
