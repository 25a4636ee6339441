//! The engine: for now RMQTT's own server, behind one seam. Nothing outside of this folder names RMQTT.
//!
//! One broker has one tokio runtime and one RMQTT context, both made at start and gone after stop, because RMQTT
//! spawns tasks that nothing but the end of their runtime ends.

mod clients;
mod handler;
mod in_process;
mod retain;
mod router;

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rmqtt::codec::types::{Publish as Packet, QoS as PacketQoS};
use rmqtt::context::ServerContext;
use rmqtt::router::DefaultRouter;
use rmqtt::server::MqttServer;
use rmqtt::session::SessionState;
use rmqtt::shared::DefaultShared;
use rmqtt::types::{From, Id, ListenerId, Publish};
use tokio::runtime::{Builder, Runtime};

use crate::config::{Config, Listener};
use crate::hooks::{Callbacks, SubscriptionQueue};
use crate::model::{QoS, Text};
use clients::Clients;
use retain::Retained;

pub use clients::EngineCounters;

/// RMQTT recurses once per topic level; the default stack of 2 MiB is enough for the levels that the configuration
/// allows in an optimized build, and this leaves room in one that is not.
const WORKER_STACK_BYTES: usize = 8 * 1024 * 1024;

/// Tasks that do not end when asked are left behind after this.
const RUNTIME_SHUTDOWN: Duration = Duration::from_secs(3);

/// How often expired retained messages are looked for.
const RETAIN_SWEEP: Duration = Duration::from_secs(10);

/// The listen queue of the kernel: a burst of connects beyond it costs each client a second.
const BACKLOG: i32 = 4096;

/// Handshakes of one listener at the same time; RMQTT holds the next client back. It sets aside some 5 KB for each as
/// soon as the first client comes, so this is no place for a number that is never met.
const HANDSHAKES: usize = 1_000;

/// Client identifiers that begin so are the broker's own; no network client may use one.
const RESERVED_CLIENT_ID: &str = "$rmqtt-c/";

thread_local! {
    static ON_WORKER: Cell<bool> = const { Cell::new(false) };
}

/// Says whether the current thread is a worker of an engine.
pub fn on_worker() -> bool {
    ON_WORKER.get()
}

/// Why an engine did not start. Nothing of it is left behind.
#[derive(Debug)]
pub enum StartError {
    /// The system refused the runtime's threads.
    Runtime(io::Error),
    /// A listener could not be bound.
    Bind { listener: String, address: String, cause: String },
}

/// A listener that is bound.
#[derive(Clone, Debug)]
pub struct BoundListener {
    pub name: Text,
    pub kind: Text,
    pub address: Text,
    pub port: u16,
}

/// A message that the host program publishes, already checked.
#[derive(Clone, Debug)]
pub struct OutgoingMessage {
    pub topic: String,
    pub payload: bytes::Bytes,
    pub qos: QoS,
    pub retain: bool,
}

/// A running broker.
pub struct Engine {
    runtime: Runtime,
    context: ServerContext,
    acceptors: tokio::task::JoinHandle<()>,
    clients: Arc<Clients>,
    retained: Arc<Retained>,
    listeners: Vec<BoundListener>,
    api: Id,
    started: Instant,
    started_at: SystemTime,
}

impl Engine {
    /// Binds every listener and accepts clients, or does nothing at all.
    pub fn start(
        config: &Config,
        callbacks: Arc<Callbacks>,
        counters: Arc<EngineCounters>,
    ) -> Result<Engine, StartError> {
        let mut builder = Builder::new_multi_thread();
        builder.on_thread_start(|| ON_WORKER.set(true));
        builder.enable_all().thread_name(&config.runtime.thread_name).thread_stack_size(WORKER_STACK_BYTES);
        if config.runtime.worker_threads > 0 {
            builder.worker_threads(config.runtime.worker_threads as usize);
        }
        let runtime = builder.build().map_err(StartError::Runtime)?;
        match runtime.block_on(Parts::start(config, callbacks, counters)) {
            Ok(parts) => Ok(parts.into_engine(runtime)),
            Err(error) => {
                runtime.shutdown_timeout(RUNTIME_SHUTDOWN);
                Err(error)
            }
        }
    }

    /// Stops accepting, closes every connection, and ends the runtime. Clients have up to `grace` to be closed in
    /// order, wills included; those that remain are cut off. All of them are reported as disconnected.
    pub fn stop(self, grace: Duration) {
        let Engine { runtime, context, acceptors, clients, .. } = self;
        acceptors.abort();
        runtime.block_on(async {
            let _ = acceptors.await;
            let _ = tokio::time::timeout(grace, close_all(&context, &clients)).await;
        });
        clients.disconnect_remaining();
        runtime.block_on(break_cycles(&context));
        let handle = runtime.handle().clone();
        runtime.shutdown_timeout(RUNTIME_SHUTDOWN);
        // The last sessions spawn a task when they are dropped, which panics outside of a runtime.
        let _inside = handle.enter();
        drop(context);
    }

    /// Routes a message to everyone who is subscribed, ahead of what is published later.
    pub fn publish(&self, message: OutgoingMessage) -> Result<(), String> {
        let packet = Packet {
            dup: false,
            retain: message.retain,
            qos: to_packet_qos(message.qos),
            topic: message.topic.into(),
            packet_id: None,
            payload: message.payload,
            // RMQTT writes subscription identifiers into the properties: without any, they are lost.
            properties: Some(Default::default()),
        };
        let publish = Publish::from(packet).create_time(unix_ms(SystemTime::now()) as i64);
        let from = From::from_admin(self.api.clone());
        let routed = SessionState::forwards(&self.context, from, publish, false, Some(Duration::ZERO));
        self.runtime.block_on(routed).map_err(|error| error.to_string())
    }

    /// Delivers every message that matches `filter` to `queue`, the retained ones first.
    pub fn subscribe(&self, filter: &str, replay: bool, queue: Arc<SubscriptionQueue>) -> Result<(), String> {
        let subscribed = in_process::subscribe(&self.context, &self.clients, filter, replay, queue);
        self.runtime.block_on(subscribed).map_err(|error| error.to_string())
    }

    /// Ends the subscription of that number.
    pub fn unsubscribe(&self, subscription: u64) {
        self.runtime.block_on(in_process::unsubscribe(&self.context, subscription));
    }

    pub fn listeners(&self) -> &[BoundListener] {
        &self.listeners
    }

    pub fn connected_clients(&self) -> u64 {
        non_negative(self.context.connections.count())
    }

    /// Sessions of network clients, those of absent clients included.
    pub fn sessions(&self) -> u64 {
        non_negative(self.context.sessions.count()).saturating_sub(self.clients.in_process_subscriptions())
    }

    /// Subscriptions of network clients.
    pub fn subscriptions(&self) -> u64 {
        non_negative(self.context.stats.subscriptions.count()).saturating_sub(self.clients.in_process_subscriptions())
    }

    pub fn in_process_subscriptions(&self) -> u64 {
        self.clients.in_process_subscriptions()
    }

    pub fn retained_messages(&self) -> u64 {
        self.retained.len() as u64
    }

    /// When the engine started, in milliseconds since 1970.
    pub fn started_at_ms(&self) -> u64 {
        unix_ms(self.started_at)
    }

    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

/// What is made inside of the runtime.
struct Parts {
    context: ServerContext,
    acceptors: tokio::task::JoinHandle<()>,
    clients: Arc<Clients>,
    retained: Arc<Retained>,
    listeners: Vec<BoundListener>,
    api: Id,
}

impl Parts {
    async fn start(
        config: &Config,
        callbacks: Arc<Callbacks>,
        counters: Arc<EngineCounters>,
    ) -> Result<Parts, StartError> {
        let mut listeners = Vec::new();
        let mut bound = Vec::new();
        for (index, listener) in config.listeners.iter().enumerate() {
            let (socket, listener) = bind(config, listener, index)?;
            bound.push(socket);
            listeners.push(listener);
        }

        let context = ServerContext::new()
            .node_id(config.node_id)
            .busy_check_enable(false)
            .mqtt_max_sessions(config.limits.max_sessions as isize)
            .build()
            .await;
        let retained = Arc::new(Retained::new(config.retain.enabled));
        let names = listeners.iter().map(|listener| listener.name.clone()).collect();
        let clients = Arc::new(Clients::new(names, callbacks.clone(), counters));
        *context.extends.retain_mut().await = Box::new(retain::Adapter(retained.clone()));
        *context.extends.router_mut().await = Box::new(router::Router::new(context.clone()));
        *context.extends.shared_subscription_mut().await = Box::new(router::RoundRobin::default());
        handler::register(&context, config, &clients, callbacks).await;

        let mut server = MqttServer::new(context.clone());
        for (index, socket) in bound.into_iter().enumerate() {
            server = server.listener_by_id(socket, listener_id(index));
        }
        let server = server.build();
        let acceptors = tokio::spawn(async move {
            if let Err(error) = server.run().await {
                tracing::error!(%error, "the server ended");
            }
        });
        let sweeper = retained.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(RETAIN_SWEEP).await;
                sweeper.sweep();
            }
        });
        let api = Id::new(config.node_id, 0, None, None, format!("{RESERVED_CLIENT_ID}api").into(), None);
        Ok(Parts { context, acceptors, clients, retained, listeners, api })
    }

    fn into_engine(self, runtime: Runtime) -> Engine {
        let Parts { context, acceptors, clients, retained, listeners, api } = self;
        Engine {
            runtime,
            context,
            acceptors,
            clients,
            retained,
            listeners,
            api,
            started: Instant::now(),
            started_at: SystemTime::now(),
        }
    }
}

/// RMQTT numbers listeners with 16 bits; the configuration allows 1024. 0 is for what comes from no listener.
fn listener_id(index: usize) -> ListenerId {
    index as ListenerId + 1
}

fn bind(
    config: &Config,
    listener: &Listener,
    index: usize,
) -> Result<(rmqtt::net::Listener, BoundListener), StartError> {
    let name = listener.display_name(index);
    let fail = |cause: String| StartError::Bind { listener: name.clone(), address: listener.address.clone(), cause };
    let address = listener.socket_address().ok_or_else(|| fail("is not an address".to_owned()))?;
    let limits = &config.limits;
    let mut socket = rmqtt::net::Builder::new()
        .name(&name)
        .laddr(address)
        .backlog(BACKLOG)
        .reuseaddr(Some(true))
        .nodelay(true)
        // The handler of this engine decides about anonymous clients; RMQTT would not even ask it.
        .allow_anonymous(false)
        .handshake_timeout(Duration::from_millis(listener.connect_timeout_ms))
        .max_handshaking_limit(HANDSHAKES)
        .max_packet_size(limits.max_packet_bytes)
        .max_keepalive(limits.max_keepalive_s as u16)
        .max_inflight(NonZeroU16::new(limits.max_inflight as u16).unwrap_or(NonZeroU16::MAX))
        .max_mqueue_len(limits.max_queued_messages as usize)
        .max_clientid_len(limits.max_client_id_length as usize)
        .max_qos_allowed(to_packet_qos(QoS::try_from(limits.max_qos).unwrap_or(QoS::ExactlyOnce)))
        .max_topic_levels(limits.max_topic_levels as usize)
        .max_subscriptions(limits.max_subscriptions as usize)
        .max_topic_aliases(TOPIC_ALIASES)
        // With both at zero nothing is sent again on a live connection, and no message gets an expiry it never had.
        .message_retry_interval(Duration::ZERO)
        .message_expiry_interval(Duration::ZERO)
        .bind()
        .and_then(|socket| socket.tcp())
        .map_err(|error| fail(error.to_string()))?;
    let local: SocketAddr = socket.local_addr().map_err(|error| fail(error.to_string()))?;
    // RMQTT keys its handshake queues by the configured port: two listeners on port 0 would share one.
    let mut with_real_port = (*socket.cfg).clone();
    with_real_port.laddr = local;
    socket.cfg = Arc::new(with_real_port);
    let listener = BoundListener {
        name: Text::from(name),
        kind: Text::from(listener.kind.as_str()),
        address: Text::from(local.to_string()),
        port: local.port(),
    };
    Ok((socket, listener))
}

/// Topic aliases an MQTT 5 client may use towards the broker, and the broker at most towards a client.
const TOPIC_ALIASES: u16 = 16;

/// Closes every session in order and waits until the connections are gone.
async fn close_all(context: &ServerContext, clients: &Clients) {
    // Collected first: a lock of the map must not be held while one of its sessions is waited for.
    let entries: Vec<_> = context.extends.shared().await.iter().collect();
    let kicks = entries.into_iter().map(|mut entry| async move { entry.kick(true, true, true).await.err() });
    for error in futures::future::join_all(kicks).await.into_iter().flatten() {
        tracing::debug!(%error, "a session did not end in order");
    }
    while context.connections.count() > 0 || clients.any_connected() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The context refers to itself through its extensions, and would never be freed.
async fn break_cycles(context: &ServerContext) {
    *context.extends.shared_mut().await = Box::new(DefaultShared::new(None));
    *context.extends.router_mut().await = Box::new(DefaultRouter::new(None));
}

fn to_packet_qos(qos: QoS) -> PacketQoS {
    match qos {
        QoS::AtMostOnce => PacketQoS::AtMostOnce,
        QoS::AtLeastOnce => PacketQoS::AtLeastOnce,
        QoS::ExactlyOnce => PacketQoS::ExactlyOnce,
    }
}

fn from_packet_qos(qos: PacketQoS) -> QoS {
    match qos {
        PacketQoS::AtMostOnce => QoS::AtMostOnce,
        PacketQoS::AtLeastOnce => QoS::AtLeastOnce,
        PacketQoS::ExactlyOnce => QoS::ExactlyOnce,
    }
}

fn non_negative(count: isize) -> u64 {
    u64::try_from(count).unwrap_or(0)
}

fn unix_ms(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
