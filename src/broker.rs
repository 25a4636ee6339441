//! The broker as a safe Rust type: everything that the C ABI offers, without `unsafe`.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use crate::config::{Config, Faults};
use crate::engine::{BoundListener, Engine, EngineCounters, OutgoingMessage, StartError};
use crate::hooks::{in_callback, CallbackPool, Callbacks, Consumer, HookCounters, HookTable, Hooks, SubscriptionQueue};
use crate::model::{topic, QoS, Text};
use crate::observe::Stats;

/// The largest packet that MQTT can express, without its fixed header `[MQTT-2.1.4]`.
const MAX_REMAINING_LENGTH: usize = 268_435_455;

/// Messages that wait for an in-process subscription if its options do not say.
const DEFAULT_MAX_QUEUED: u32 = 1000;

/// Why a call did not do what it should.
#[derive(Debug)]
pub enum Error {
    /// An argument is not what the function takes.
    InvalidArgument(String),
    /// The configuration has faults.
    InvalidConfig(Faults),
    /// Not now: the broker runs, or does not.
    InvalidState(&'static str),
    /// A listener could not be bound.
    Bind(String),
    /// The system refused something.
    Io(String),
    /// This version or this build cannot do that.
    Unsupported(&'static str),
    /// The call would wait for the callback that makes it.
    WouldDeadlock(&'static str),
    /// A fault of the library itself.
    Internal(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::InvalidConfig(faults) => faults.fmt(f),
            Error::InvalidState(text) | Error::Unsupported(text) | Error::WouldDeadlock(text) => f.write_str(text),
            Error::InvalidArgument(text) | Error::Bind(text) | Error::Io(text) | Error::Internal(text) => {
                f.write_str(text)
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<StartError> for Error {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Runtime(error) => Error::Io(format!("the worker threads could not be started: {error}")),
            StartError::Bind { listener, address, cause } => {
                Error::Bind(format!("listener \"{listener}\" could not be bound to {address}: {cause}"))
            }
        }
    }
}

/// A message to publish.
#[derive(Clone, Debug, Default)]
pub struct Publish {
    pub topic: String,
    pub payload: Bytes,
    pub qos: QoS,
    pub retain: bool,
}

/// How to subscribe in-process.
#[derive(Clone, Copy, Debug)]
pub struct SubscribeOptions {
    /// Whether retained messages are delivered first.
    pub replay_retained: bool,
    /// Messages that may wait for the consumer; more are dropped and counted. 0 means 1000.
    pub max_queued_messages: u32,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        SubscribeOptions { replay_retained: true, max_queued_messages: 0 }
    }
}

/// A broker. It can be started and stopped as often as wanted.
pub struct Broker {
    inner: Arc<Inner>,
}

struct Inner {
    config: Config,
    id: Text,
    hooks: Arc<HookTable>,
    hook_counters: Arc<HookCounters>,
    engine_counters: Arc<EngineCounters>,
    messages_published: AtomicU64,
    next_subscription: AtomicU64,
    /// Held for the whole of a start or a stop.
    lifecycle: Mutex<()>,
    /// Held for reading during each call that needs a running broker, for writing only to exchange it.
    run: RwLock<Option<Run>>,
}

/// What exists between a start and a stop.
struct Run {
    engine: Engine,
    callbacks: Arc<Callbacks>,
}

impl Broker {
    /// Checks a configuration without making a broker.
    pub fn validate(config_json: &str) -> Result<(), Error> {
        Config::parse(config_json).map(drop).map_err(Error::InvalidConfig)
    }

    /// Makes a broker that does not run yet.
    pub fn new(config_json: &str) -> Result<Broker, Error> {
        let config = Config::parse(config_json).map_err(Error::InvalidConfig)?;
        let id = Text::from(config.broker_id());
        Ok(Broker {
            inner: Arc::new(Inner {
                config,
                id,
                hooks: Arc::default(),
                hook_counters: Arc::default(),
                engine_counters: Arc::default(),
                messages_published: AtomicU64::new(0),
                next_subscription: AtomicU64::new(0),
                lifecycle: Mutex::new(()),
                run: RwLock::new(None),
            }),
        })
    }

    /// The name of this broker.
    pub fn id(&self) -> &Text {
        &self.inner.id
    }

    /// Puts hooks in the place of those before, at any time. Calls under way end with the hooks they began with.
    pub fn set_hooks(&self, hooks: Option<Box<dyn Hooks>>) {
        self.inner.hooks.set(hooks);
    }

    /// Binds every listener and lets clients in. If one cannot be bound, none is.
    pub fn start(&self) -> Result<(), Error> {
        let _lifecycle = if in_callback() {
            // A stop that is under way waits for this very callback.
            let busy = Error::WouldDeadlock("the broker is being started or stopped, which may wait for this callback");
            self.inner.lifecycle.try_lock().ok_or(busy)?
        } else {
            self.inner.lifecycle.lock()
        };
        if self.running() {
            return Err(Error::InvalidState("the broker is running already"));
        }
        let config = &self.inner.config;
        let counters = self.inner.hook_counters.clone();
        let (threads, queue) = (config.callbacks.threads as usize, config.callbacks.queue as usize);
        let pool = CallbackPool::start(threads, queue, &config.runtime.thread_name, counters.clone())
            .map_err(|error| Error::Io(format!("the callback threads could not be started: {error}")))?;
        let callbacks = Arc::new(Callbacks::new(
            self.inner.hooks.clone(),
            Arc::new(pool),
            counters,
            Duration::from_millis(config.callbacks.timeout_ms),
            config.callbacks.max_pending as usize,
        ));
        match Engine::start(config, callbacks.clone(), self.inner.engine_counters.clone()) {
            Ok(engine) => {
                for listener in engine.listeners() {
                    tracing::info!(listener = %listener.name, address = %listener.address, "listening");
                }
                *self.inner.run.write() = Some(Run { engine, callbacks });
                Ok(())
            }
            Err(error) => {
                callbacks.pool().close();
                Err(error.into())
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
        if let Some(Run { engine, callbacks }) = run {
            engine.stop(grace);
            callbacks.pool().close();
            tracing::info!("stopped");
        }
        Ok(())
    }

    pub fn running(&self) -> bool {
        self.inner.run.read().is_some()
    }

    /// The clients connected now.
    pub fn connected_clients(&self) -> u64 {
        self.inner.run.read().as_ref().map_or(0, |run| run.engine.connected_clients())
    }

    /// How many listeners are configured.
    pub fn listener_count(&self) -> usize {
        self.inner.config.listeners.len()
    }

    /// A listener: where it is bound while the broker runs, else where it will be.
    pub fn listener(&self, index: usize) -> Option<BoundListener> {
        if let Some(run) = self.inner.run.read().as_ref() {
            return run.engine.listeners().get(index).cloned();
        }
        let listener = self.inner.config.listeners.get(index)?;
        Some(BoundListener {
            name: Text::from(listener.display_name(index)),
            kind: Text::from(listener.kind.as_str()),
            address: Text::from(listener.address.as_str()),
            port: listener.socket_address().map_or(0, |address| address.port()),
        })
    }

    /// A snapshot. Never waits for a client or a callback.
    pub fn stats(&self) -> Stats {
        let inner = &self.inner;
        let (hooks, engine) = (&inner.hook_counters, &inner.engine_counters);
        let mut stats = Stats {
            connections: engine.connections.load(Relaxed),
            messages_received: engine.messages_received.load(Relaxed),
            messages_sent: engine.messages_sent.load(Relaxed),
            messages_published: inner.messages_published.load(Relaxed),
            messages_delivered: hooks.messages_delivered(),
            messages_dropped: engine.messages_dropped.load(Relaxed) + hooks.messages_dropped(),
            decisions_allowed: hooks.decisions_allowed(),
            decisions_denied: hooks.decisions_denied(),
            decisions_expired: hooks.decisions_expired(),
            decisions_overflowed: hooks.decisions_overflowed(),
            decisions_pending: hooks.decisions_pending(),
            events_dropped: hooks.events_dropped(),
            callback_panics: hooks.callback_panics(),
            ..Stats::default()
        };
        if let Some(Run { engine, .. }) = inner.run.read().as_ref() {
            stats.started_at_ms = engine.started_at_ms();
            stats.uptime_ms = engine.uptime().as_millis() as u64;
            stats.connected_clients = engine.connected_clients();
            stats.sessions = engine.sessions();
            stats.subscriptions = engine.subscriptions();
            stats.in_process_subscriptions = engine.in_process_subscriptions();
            stats.retained_messages = engine.retained_messages();
        }
        stats
    }

    /// Publishes a message to everyone who is subscribed. It is on its way to all of them when this returns.
    pub fn publish(&self, publish: Publish) -> Result<(), Error> {
        let config = &self.inner.config;
        let levels = config.limits.max_topic_levels as usize;
        topic::check_name(&publish.topic, levels)
            .map_err(|error| Error::InvalidArgument(format!("the topic {error}")))?;
        if publish.qos as u8 > config.limits.max_qos {
            return Err(Error::InvalidArgument(format!("the QoS is above limits.max_qos, {}", config.limits.max_qos)));
        }
        if publish.retain && !config.retain.enabled {
            return Err(Error::InvalidArgument("retained messages are turned off by retain.enabled".to_owned()));
        }
        if publish.topic.len() + publish.payload.len() > MAX_REMAINING_LENGTH - 16 {
            return Err(Error::InvalidArgument("the message is larger than an MQTT packet can be".to_owned()));
        }
        let Publish { topic, payload, qos, retain } = publish;
        self.inner.with_engine(|engine| {
            engine.publish(OutgoingMessage { topic, payload, qos, retain }).map_err(Error::Internal)
        })?;
        self.inner.messages_published.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Delivers every message that matches `filter` to `consumer`, one at a time and in order, on a callback thread.
    pub fn subscribe(
        &self,
        filter: &str,
        options: SubscribeOptions,
        consumer: Consumer,
    ) -> Result<Subscription, Error> {
        topic::check_filter(filter, self.inner.config.limits.max_topic_levels as usize)
            .map_err(|error| Error::InvalidArgument(format!("the filter {error}")))?;
        let run = self.inner.run.read();
        let Run { engine, callbacks } = run.as_ref().ok_or(NOT_RUNNING)?;
        let max_queued = match options.max_queued_messages {
            0 => DEFAULT_MAX_QUEUED,
            max => max,
        };
        let id = self.inner.next_subscription.fetch_add(1, Relaxed) + 1;
        let counters = self.inner.hook_counters.clone();
        let queue = SubscriptionQueue::new(id, max_queued as usize, consumer, callbacks.pool().clone(), counters);
        engine.subscribe(filter, options.replay_retained, queue.clone()).map_err(Error::Internal)?;
        Ok(Subscription { queue, broker: Arc::downgrade(&self.inner) })
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
    fn with_engine<T>(&self, call: impl FnOnce(&Engine) -> Result<T, Error>) -> Result<T, Error> {
        call(&self.run.read().as_ref().ok_or(NOT_RUNNING)?.engine)
    }
}

/// An in-process subscription. It ends when it is dropped, or with the run of its broker.
pub struct Subscription {
    queue: Arc<SubscriptionQueue>,
    broker: Weak<Inner>,
}

impl Drop for Subscription {
    /// When this returns, the consumer is not called any more and is dropped; from inside the consumer itself, both
    /// hold once it has returned.
    fn drop(&mut self) {
        if let Some(inner) = self.broker.upgrade() {
            // A broker that has stopped since has ended the subscription itself.
            let _ = inner.with_engine(|engine| {
                engine.unsubscribe(self.queue.id());
                Ok(())
            });
        }
        self.queue.close();
    }
}
