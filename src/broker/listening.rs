//! The listeners of a broker that runs.

use std::sync::mpsc::{sync_channel, Receiver};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::{arrivals, Error};
use crate::access::Access;
use crate::config::{Config, Faults};
use crate::limits::Places;
use crate::runtime;
use crate::session::Hub;
use crate::transport::{self, Descriptors, Door, Listener};

/// How long the end of a listener is waited for. Its thread may be held up by a hook that is called in place.
const CLOSING: Duration = Duration::from_secs(2);

/// A listener that accepts connections, until it is closed.
pub(super) struct Open {
    pub(super) listener: Arc<Listener>,
    acceptor: JoinHandle<()>,
    /// Disconnected when the acceptor is gone, with its hold on the listener.
    gone: Receiver<()>,
}

impl Open {
    /// Needs a runtime.
    pub(super) fn begin(listener: Listener, hub: &Arc<Hub>, places: &Places) -> Open {
        let listener = Arc::new(listener);
        let (hub, places, accepting) = (hub.clone(), places.clone(), listener.clone());
        let (stays, gone) = sync_channel(0);
        let acceptor = tokio::spawn(async move {
            // What comes last is dropped first: whoever waits is told when the hold on the listener is gone.
            let _stays = stays;
            let accepting = accepting;
            let serve = |accepted| arrivals::spawn(&hub, &places, accepted);
            let turn_away = |incoming, door, none_in_all| arrivals::turn_away(&hub, incoming, door, none_in_all);
            accepting.accept(serve, turn_away).await;
        });
        Open { listener, acceptor, gone }
    }

    /// Accepts no more connections; those that there are go on. [`Closing::wait`] is to follow.
    pub(super) fn close(self) -> Closing {
        self.acceptor.abort();
        Closing { acceptor: self.acceptor, gone: self.gone }
    }
}

/// A listener that is about to be closed.
pub(super) struct Closing {
    acceptor: JoinHandle<()>,
    gone: Receiver<()>,
}

impl Closing {
    /// Waits until the socket is closed, so that its address is free. A thread that serves clients may be the one that has
    /// to do that: it does not wait.
    pub(super) fn wait(self) {
        if !runtime::on_worker() {
            // Nothing is ever sent.
            let _ = self.gone.recv_timeout(CLOSING);
        }
    }

    /// The same for a task.
    pub(super) async fn over(self) {
        // It was cancelled.
        let _ = self.acceptor.await;
    }
}

/// What a configuration comes to when the files that it names have been read.
pub(super) struct Loaded {
    /// What awaits the connections of each listener.
    pub(super) doors: Vec<Door>,
    pub(super) access: Access,
}

/// Reads the files that a configuration names; all faults at once. `before`: the door in whose place that of a listener is to
/// be put.
pub(super) fn load(config: &Config, before: impl Fn(usize) -> Option<Arc<Door>>) -> Result<Loaded, Error> {
    let (mut doors, mut faults) = (Vec::new(), Vec::new());
    for (index, listener) in config.listeners.iter().enumerate() {
        let before = before(index);
        match Door::new(listener, index, config.auth.allow_anonymous, before.as_ref().map(|door| &door.places)) {
            Ok(door) => doors.push(door),
            Err(found) => faults.extend(found),
        }
    }
    match Access::load(config) {
        Ok(access) if faults.is_empty() => return Ok(Loaded { doors, access }),
        Ok(_) => {}
        Err(found) => faults.extend(found),
    }
    Err(Error::InvalidConfig(Faults::new(faults)))
}

/// Binds a listener of the configuration. Needs a runtime.
pub(super) fn bind(
    config: &Config,
    index: usize,
    door: Door,
    descriptors: Descriptors,
    places: &Places,
) -> Result<Listener, Error> {
    let listener = &config.listeners[index];
    let pointer = || format!("/listeners/{index}/{}", listener.place_key());
    transport::bind(listener, door, descriptors, places).map_err(|error| Error::of_bind(&pointer(), error))
}
