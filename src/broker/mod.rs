//! The broker as a safe Rust type: everything that the C ABI offers, without `unsafe`.

mod arrivals;
mod attached;
mod bans;
mod clients;
mod error;
mod listening;
mod messages;
mod reload;
mod retained;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::config::{self, Config, EventOverflow};
use crate::hooks::{
    in_callback, in_place, CallbackPool, Callbacks, Event, Hook, HookCounters, HookStats, HookTable, Hooks, Key,
};
use crate::limits::{Kind, Places};
use crate::model::{ListenerInfo, Text};
use crate::observe::{metrics, Stats};
use crate::runtime;
use crate::session::{Hub, SessionCounters};
use crate::transport::{Descriptors, Door, Listener};

pub use attached::Peer;
pub use bans::{BanInfo, BanList};
pub use clients::{to_json, Action, ClientInfo, ClientPage, ClientQuery, Explanation, Presence};
pub use error::Error;
pub use messages::{Delivery, Publish, SubscribeOptions, Subscription};
pub use reload::Report;

use listening::{bind, load, Closing, Loaded, Open};

/// A broker. It can be started and stopped as often as wanted.
pub struct Broker {
    inner: Arc<Inner>,
}

struct Inner {
    /// What of it a run cannot change under way holds from the next start on.
    config: ArcSwap<Config>,
    descriptors: Descriptors,
    hooks: Arc<HookTable>,
    hook_counters: Arc<HookCounters>,
    session_counters: Arc<SessionCounters>,
    messages_published: AtomicU64,
    next_subscription: AtomicU64,
    /// Held for the whole of a start, a stop or a reload.
    lifecycle: Mutex<()>,
    /// Held for reading during each call that needs a running broker, for writing only to exchange it.
    run: RwLock<Option<Run>>,
}

/// What exists between a start and a stop.
struct Run {
    runtime: Runtime,
    hub: Arc<Hub>,
    /// For connections of all kinds.
    places: Places,
    /// What a reload changes. Locked for moments only, in which nobody is called.
    in_force: Mutex<InForce>,
    callbacks: Arc<Callbacks>,
    started: Instant,
    started_at: SystemTime,
}

/// What a reload changes of a run.
struct InForce {
    /// The configuration, as far as it holds.
    config: Arc<Config>,
    /// In the order of the configuration.
    open: Vec<Open>,
    heartbeat: Option<JoinHandle<()>>,
}

/// Opens every door and binds every listener, or none. Needs a runtime.
fn listen(
    config: &Config,
    doors: Vec<Door>,
    descriptors: Descriptors,
    places: &Places,
) -> Result<Vec<Listener>, Error> {
    doors.into_iter().enumerate().map(|(index, door)| bind(config, index, door, descriptors, places)).collect()
}

/// Tasks that do not end when asked are left behind after this.
const RUNTIME_SHUTDOWN: Duration = Duration::from_secs(3);

impl Run {
    /// Binds every listener and accepts clients, or does nothing at all.
    fn start(
        config: &Arc<Config>,
        descriptors: Descriptors,
        callbacks: Arc<Callbacks>,
        counters: Arc<SessionCounters>,
    ) -> Result<Run, Error> {
        let Loaded { doors, access } = load(config, |_| None)?;
        let runtime = runtime::start(&config.runtime)
            .map_err(|error| Error::Io(format!("the worker threads could not be started: {error}")))?;
        let inside = runtime.enter();
        let places = Places::new(config.limits.max_connections as usize);
        let bound = match listen(config, doors, descriptors, &places) {
            Ok(bound) => bound,
            Err(error) => {
                drop(inside);
                runtime.shutdown_timeout(RUNTIME_SHUTDOWN);
                return Err(error);
            }
        };
        let (hub, host_messages) = Hub::new(config, callbacks.clone(), counters, access);
        tokio::spawn(hub.clone().keep_time());
        tokio::spawn(hub.clone().watch_memory());
        tokio::spawn(hub.clone().publish_for_host(host_messages));
        tokio::spawn(hub.clone().publish_delayed());
        tokio::spawn(hub.clone().poll_busily());
        let open = bound.into_iter().map(|listener| Open::begin(listener, &hub, &places)).collect();
        drop(inside);
        Ok(Run {
            runtime,
            hub,
            places,
            in_force: Mutex::new(InForce { config: config.clone(), open, heartbeat: None }),
            callbacks,
            started: Instant::now(),
            started_at: SystemTime::now(),
        })
    }

    /// Lets those who listen know that the broker lives, if it is configured to, and in no other way than that. Called when
    /// others find it running.
    fn beat(&self, heartbeat: &config::Heartbeat, id: &Text) {
        let beating = heartbeat.enabled.then(|| {
            let period = Duration::from_millis(heartbeat.interval_ms);
            self.runtime.spawn(self.hub.clone().beat(id.clone(), period, self.started))
        });
        let before = std::mem::replace(&mut self.in_force.lock().heartbeat, beating);
        if let Some(before) = before {
            before.abort();
        }
    }

    fn listeners(&self) -> Vec<ListenerInfo> {
        self.in_force.lock().open.iter().map(|open| open.listener.info()).collect()
    }

    /// The configuration, as far as it holds.
    fn config(&self) -> Arc<Config> {
        self.in_force.lock().config.clone()
    }

    /// Stops accepting, closes every connection, and ends the threads. Clients have up to `grace` to be told; those that
    /// remain are cut off. All of them are reported as disconnected.
    fn stop(self, grace: Duration) {
        let listeners = self.listeners();
        let Run { runtime, hub, in_force, callbacks, .. } = self;
        callbacks.stop();
        let open = in_force.into_inner().open;
        let farewells: Vec<_> = open.iter().map(|open| open.listener.farewell()).collect();
        let closing: Vec<Closing> = open.into_iter().map(Open::close).collect();
        runtime.block_on(async {
            for closing in closing {
                closing.over().await;
            }
            for listener in listeners {
                callbacks.tell(Hook::ListenerDown, || Key::Broker, || Event::ListenerDown(listener));
            }
            hub.stop(grace).await;
            for farewell in farewells {
                farewell.await;
            }
        });
        runtime.shutdown_timeout(RUNTIME_SHUTDOWN);
        hub.clear();
        hub.drain_host();
        callbacks.close();
        hub.forget_host();
    }
}

impl Broker {
    /// Checks a configuration without making a broker.
    pub fn validate(config_json: &str) -> Result<(), Error> {
        Self::read(config_json).map(drop)
    }

    /// Reads a configuration, and the files that it names.
    fn read(config_json: &str) -> Result<Config, Error> {
        let config = Config::parse(config_json).map_err(Error::InvalidConfig)?;
        load(&config, |_| None)?;
        Ok(config)
    }

    /// Makes a broker that does not run yet.
    pub fn new(config_json: &str) -> Result<Broker, Error> {
        Broker::with_descriptors(config_json, |_| Err(io::ErrorKind::Unsupported.into()))
    }

    /// As above. `descriptors` is asked for those that listeners have in place of an address.
    pub fn with_descriptors(config_json: &str, descriptors: Descriptors) -> Result<Broker, Error> {
        let config = Self::read(config_json)?;
        Ok(Broker {
            inner: Arc::new(Inner {
                config: ArcSwap::from_pointee(config),
                descriptors,
                hooks: Arc::default(),
                hook_counters: Arc::default(),
                session_counters: Arc::default(),
                messages_published: AtomicU64::new(0),
                next_subscription: AtomicU64::new(0),
                lifecycle: Mutex::new(()),
                run: RwLock::new(None),
            }),
        })
    }

    /// The name of this broker: while it runs, the one that it has started with.
    pub fn id(&self) -> Text {
        let running = self.inner.run().as_ref().map(Run::config);
        Text::from(running.unwrap_or_else(|| self.inner.config.load_full()).broker_id())
    }

    /// Puts hooks in the place of those before, which are returned, at any time. Calls under way end with the hooks they
    /// began with.
    pub fn set_hooks(&self, hooks: Option<Box<dyn Hooks>>) -> Option<Arc<Box<dyn Hooks>>> {
        let before = self.inner.hooks.set(hooks);
        self.inner.watch();
        before
    }

    /// Binds every listener and lets clients in. If one cannot be bound, none is.
    pub fn start(&self) -> Result<(), Error> {
        let _lifecycle = self.inner.lifecycle()?;
        if self.running() {
            return Err(Error::InvalidState("the broker is running already"));
        }
        let config = self.inner.config.load_full();
        let counters = self.inner.hook_counters.clone();
        let (threads, queue) = (config.callbacks.threads as usize, config.callbacks.queue as usize);
        let pool = CallbackPool::start(threads, queue, &config.runtime.thread_name, counters.clone())
            .map_err(|error| Error::Io(format!("the callback threads could not be started: {error}")))?;
        let callbacks = Callbacks::new(
            self.inner.hooks.clone(),
            Arc::new(pool),
            counters,
            Duration::from_millis(config.callbacks.timeout_ms),
            config.callbacks.max_pending as usize,
        );
        callbacks.be_patient(config.callbacks.event_overflow == EventOverflow::Wait);
        let callbacks = Arc::new(callbacks);
        match Run::start(&config, self.inner.descriptors, callbacks.clone(), self.inner.session_counters.clone()) {
            Ok(run) => {
                let listeners = run.listeners();
                for listener in &listeners {
                    tracing::info!(listener = %listener.name, address = %listener.address, "listening");
                }
                *self.inner.run.write() = Some(run);
                self.inner.watch();
                if let Some(run) = self.inner.run().as_ref() {
                    run.beat(&config.sys_topics.heartbeat, &Text::from(config.broker_id()));
                }
                for listener in listeners {
                    callbacks.tell(Hook::ListenerUp, || Key::Broker, || Event::ListenerUp(listener));
                }
                Ok(())
            }
            Err(error) => {
                callbacks.close();
                Err(error)
            }
        }
    }

    /// Closes the listeners, then the connections, for which clients have up to `grace`; waits for the callbacks that
    /// run or are queued, and ends every thread. A broker that does not run stays as it is.
    pub fn stop(&self, grace: Duration) -> Result<(), Error> {
        if in_callback() {
            return Err(Error::WouldDeadlock("a callback cannot stop a broker: stopping waits for callbacks to end"));
        }
        let _lifecycle = self.inner.lifecycle.lock();
        // Taken in a statement of its own: the lock must be free when callbacks are waited for.
        let run = self.inner.run.write().take();
        if let Some(run) = run {
            run.stop(grace);
            tracing::info!("stopped");
        }
        Ok(())
    }

    pub fn running(&self) -> bool {
        self.inner.run().is_some()
    }

    /// The clients connected now.
    pub fn connected_clients(&self) -> u64 {
        self.inner.run().as_ref().map_or(0, |run| run.hub.connected_clients())
    }

    /// How many listeners are configured.
    pub fn listener_count(&self) -> usize {
        self.inner.config.load().listeners.len()
    }

    /// A listener: where it is bound while the broker runs, else where it will be.
    pub fn listener(&self, index: usize) -> Option<ListenerInfo> {
        if let Some(run) = self.inner.run().as_ref() {
            return run.in_force.lock().open.get(index).map(|open| open.listener.info());
        }
        let config = self.inner.config.load();
        let listener = config.listeners.get(index)?;
        Some(ListenerInfo {
            name: Text::from(listener.display_name(index)),
            kind: Text::from(listener.kind.as_str()),
            address: Text::from(listener.place()),
            port: listener.socket_address().map_or(0, |address| address.port()),
        })
    }

    /// A snapshot. Never waits for a client or a callback; looks at each session once.
    pub fn stats(&self) -> Stats {
        let inner = &self.inner;
        let (hooks, sessions) = (&inner.hook_counters, &inner.session_counters);
        let of_hooks: Vec<HookStats> = Hook::ALL.iter().map(|hook| hooks.hook(*hook)).collect();
        let sum = |of: fn(&HookStats) -> u64| of_hooks.iter().map(of).sum::<u64>();
        let decisions = |of: fn(&HookStats) -> u64| {
            let deciding = Hook::ALL.iter().zip(&of_hooks).filter(|(hook, _)| hook.decides());
            deciding.map(|(_, stats)| of(stats)).sum::<u64>()
        };
        let mut stats = Stats {
            connections: sessions.connections.load(Relaxed),
            messages_received: sessions.messages_received.load(Relaxed),
            messages_sent: sessions.messages_sent.load(Relaxed),
            messages_published: inner.messages_published.load(Relaxed),
            messages_delivered: sessions.messages_delivered.load(Relaxed),
            messages_dropped: sessions.dropped(),
            decisions_allowed: sum(|stats| stats.allowed),
            decisions_denied: decisions(HookStats::denied_in_all),
            decisions_expired: sum(|stats| stats.expired),
            decisions_overflowed: sum(|stats| stats.overflowed),
            decisions_pending: hooks.decisions_pending(),
            events_dropped: sum(|stats| stats.dropped),
            callback_panics: hooks.callback_panics(),
            messages_dropped_queue_full: sessions.dropped_queue_full.load(Relaxed),
            messages_dropped_expired: sessions.dropped_expired.load(Relaxed),
            messages_dropped_too_large: sessions.dropped_too_large.load(Relaxed),
            messages_dropped_client_gone: sessions.dropped_client_gone.load(Relaxed),
            messages_dropped_refused: sessions.dropped_refused.load(Relaxed),
            messages_dropped_memory: sessions.dropped_memory.load(Relaxed),
            connections_refused: sessions.connections_refused.load(Relaxed),
            connections_timed_out: sessions.connections_timed_out.load(Relaxed),
            connection_panics: sessions.connection_panics.load(Relaxed),
            handshakes_failed: sessions.handshakes_failed.load(Relaxed),
            connections_refused_network: sessions.refused_network.load(Relaxed),
            connections_refused_banned: sessions.refused_banned.load(Relaxed),
            connections_refused_rate: sessions.refused_rate.load(Relaxed),
            connections_refused_authentication: sessions.refused_authentication.load(Relaxed),
            messages_dropped_rate: sessions.dropped_rate.load(Relaxed),
            publishes_throttled: sessions.publishes_throttled.load(Relaxed),
            connections_closed_rate: sessions.closed_rate.load(Relaxed),
            connections_refused_full: sessions.refused_full.load(Relaxed),
            connections_refused_limit: sessions.refused_limit.load(Relaxed),
            connections_refused_memory: sessions.refused_memory.load(Relaxed),
            connections_closed_limit: sessions.closed_limit.load(Relaxed),
            connections_closed_slow: sessions.closed_slow.load(Relaxed),
            connections_closed_memory: sessions.closed_memory.load(Relaxed),
            subscriptions_refused: sessions.subscriptions_refused.load(Relaxed),
            subscriptions_refused_limit: sessions.subscriptions_refused_limit.load(Relaxed),
            subscriptions_refused_memory: sessions.subscriptions_refused_memory.load(Relaxed),
            messages_not_retained: sessions.not_retained.load(Relaxed),
            decisions_without_ticket: sum(|stats| stats.without_ticket),
            decisions_failed: decisions(|stats| stats.failed),
            decisions_stopped: sum(|stats| stats.stopped),
            decisions_departed: sum(|stats| stats.departed),
            events_told: sum(|stats| stats.told),
            slow_hook_calls: sum(|stats| stats.slow),
            bytes_received: sessions.bytes_received.load(Relaxed),
            bytes_sent: sessions.bytes_sent.load(Relaxed),
            ..Stats::default()
        };
        if let Some(run) = inner.run().as_ref() {
            let since_1970 = run.started_at.duration_since(UNIX_EPOCH).unwrap_or_default();
            stats.started_at_ms = since_1970.as_millis() as u64;
            stats.uptime_ms = run.started.elapsed().as_millis() as u64;
            stats.connected_clients = run.hub.connected_clients();
            stats.sessions = run.hub.sessions();
            stats.subscriptions = run.hub.subscriptions();
            stats.in_process_subscriptions = run.hub.host_subscriptions();
            stats.delayed_messages = run.hub.delayed_messages();
            stats.retained_messages = run.hub.retained_messages();
            let load = run.hub.load();
            stats.queued_messages = load.queued_messages;
            stats.queued_bytes = load.queued_bytes;
            stats.in_flight = load.in_flight;
            let memory = run.hub.memory();
            stats.memory_queues = memory.held(Kind::Queues);
            stats.memory_retained = memory.held(Kind::Retained);
            stats.memory_sessions = memory.held(Kind::Sessions);
            stats.memory_buffers = memory.held(Kind::Buffers);
            stats.memory_used = memory.used();
        }
        stats
    }

    /// A snapshot of one hook.
    pub fn hook_stats(&self, hook: Hook) -> HookStats {
        self.inner.hook_counters.hook(hook)
    }

    /// All statistics as a JSON object, with those of the hooks that are set or have been called.
    pub fn metrics_json(&self) -> String {
        let interest = self.inner.hooks.interest();
        let hooks = Hook::ALL.iter().map(|hook| (*hook, self.hook_stats(*hook)));
        metrics::json(&self.stats(), hooks.filter(|(hook, stats)| interest.has(*hook) || !stats.is_blank()))
    }
}

impl Drop for Broker {
    /// Stops the broker without grace. A callback cannot wait for itself, so from there a thread is started that does.
    fn drop(&mut self) {
        if !in_callback() {
            // Nothing can fail outside of a callback.
            let _ = self.stop(Duration::ZERO);
            return;
        }
        let broker = Broker { inner: self.inner.clone() };
        let reaper = thread::Builder::new().name("rmqtt-reaper".to_owned()).spawn(move || drop(broker));
        if let Err(error) = reaper {
            tracing::error!(%error, "no thread to stop a broker that was dropped in a callback");
        }
    }
}

const NOT_RUNNING: Error = Error::InvalidState("the broker is not running");

impl Inner {
    /// For one start, stop or reload at a time.
    fn lifecycle(&self) -> Result<MutexGuard<'_, ()>, Error> {
        if !in_callback() {
            return Ok(self.lifecycle.lock());
        }
        // A stop that is under way waits for this very callback.
        let busy = "the broker is being started, stopped or reloaded, which may wait for this callback";
        self.lifecycle.try_lock().ok_or(Error::WouldDeadlock(busy))
    }

    fn with_hub<T>(&self, call: impl FnOnce(&Hub) -> Result<T, Error>) -> Result<T, Error> {
        call(&self.run().as_ref().ok_or(NOT_RUNNING)?.hub)
    }

    /// The run, held for reading. A hook that is called in place may run within a call that holds it already: it must not
    /// wait behind a stop that waits for that call.
    fn run(&self) -> RwLockReadGuard<'_, Option<Run>> {
        if in_place() {
            self.run.read_recursive()
        } else {
            self.run.read()
        }
    }

    /// Has hooks that are called in place watched, if there are any and the broker runs.
    fn watch(&self) {
        if let Some(run) = self.run().as_ref() {
            run.callbacks.watch(&run.config().runtime.thread_name);
        }
    }
}
