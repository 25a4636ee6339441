//! Clients of [`serve`] whose bytes go through memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures::FutureExt;
use tokio::io::{duplex, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc::{channel, Receiver, Sender};
use tokio::task::{unconstrained, JoinHandle};
use tokio::time::timeout;

use super::super::{guarded, serve, Hub, Peer, SessionCounters};
use super::wire::{self, Sent};
use crate::access::Access;
use crate::config::Config;
use crate::hooks::{CallbackPool, Callbacks, Disconnected, Event, Hook, HookCounters, HookSet, HookTable, Hooks};
use crate::model::{ConnectionInfo, Protocols, Text};

/// Longer than anything takes that works.
const DEADLINE: Duration = Duration::from_secs(20);

/// Sessions without listeners.
pub(super) struct Place {
    pub(super) hub: Arc<Hub>,
    pub(super) counters: Arc<SessionCounters>,
    callbacks: Arc<Callbacks>,
    gone: Receiver<Disconnected>,
}

struct Told(Sender<Disconnected>);

impl Hooks for Told {
    fn interest(&self) -> HookSet {
        HookSet::NONE.with(Hook::Disconnected, true)
    }

    fn tell(&self, event: &Event) {
        let Event::Disconnected(event) = event else { panic!("{event:?}") };
        self.0.try_send(event.clone()).expect("the test looks at what it is told");
    }
}

impl Place {
    pub(super) fn new() -> Place {
        let config = r#"{"listeners":[{"address":"127.0.0.1:0"}],"auth":{"allow_anonymous":true}}"#;
        let (config, table, hook_counters) =
            (Config::parse(config).unwrap(), HookTable::default(), HookCounters::default());
        let (sender, gone) = channel::<Disconnected>(1024);
        table.set(Some(Box::new(Told(sender))));
        let hook_counters = Arc::new(hook_counters);
        let pool = CallbackPool::start(1, 16, "test", hook_counters.clone()).unwrap();
        let callbacks =
            Arc::new(Callbacks::new(Arc::new(table), Arc::new(pool), hook_counters, Duration::from_secs(1), 1));
        let counters = Arc::<SessionCounters>::default();
        let access = Access::load(&config).map_err(|_| "faults").unwrap();
        let hub = Hub::new(&config, callbacks.clone(), counters.clone(), access).0;
        Place { hub, counters, callbacks, gone }
    }

    /// Serves whoever is at the other end of a stream.
    pub(super) fn serve<S>(&self, stream: S) -> JoinHandle<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let peer = Box::new(Peer {
            address: Text::from("memory"),
            listener: Text::from("tcp-0"),
            connection: Arc::new(ConnectionInfo::new("memory")),
            protocols: Protocols::ALL,
            allow_anonymous: true,
            certified: None,
            identity: None,
            limits: None,
            connect_by: Instant::now() + DEADLINE,
            has_own_end: false,
        });
        let hub = self.hub.clone();
        tokio::spawn(async move { guarded(&hub, Box::pin(serve(hub.clone(), stream, peer))).await })
    }

    /// A connected client.
    pub(super) async fn client(&self, connect: &[u8]) -> (Caller, JoinHandle<()>) {
        let (caller, stream) = Caller::new();
        self.greet(caller, self.serve(stream), connect).await
    }

    /// Has a client that is served already connect.
    pub(super) async fn greet(
        &self,
        mut caller: Caller,
        served: JoinHandle<()>,
        connect: &[u8],
    ) -> (Caller, JoinHandle<()>) {
        caller.write(connect).await;
        let answer = caller.read().await;
        assert!(matches!(answer, Some(Sent::ConnAck { reason: 0, .. })), "{answer:?}");
        caller.session_present = answer == Some(Sent::ConnAck { session_present: true, reason: 0 });
        (caller, served)
    }

    /// The next client that is gone.
    pub(super) async fn gone(&mut self) -> Disconnected {
        timeout(DEADLINE, self.gone.recv()).await.expect("a client that is gone").expect("hooks are set")
    }

    /// Ends the callback threads; nothing must be left to be told.
    pub(super) fn close(mut self) {
        self.callbacks.pool().close();
        assert!(self.gone.try_recv().is_err());
    }
}

/// A client of MQTT 5.
pub(super) struct Caller {
    stream: DuplexStream,
    input: BytesMut,
    pub(super) session_present: bool,
}

impl Caller {
    /// A client, and the stream to serve it through.
    pub(super) fn new() -> (Caller, DuplexStream) {
        let (stream, other) = duplex(1 << 20);
        (Caller { stream, input: BytesMut::new(), session_present: false }, other)
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) {
        timeout(DEADLINE, self.stream.write_all(bytes)).await.expect("in time").expect("somebody reads");
    }

    /// Whether something has come that has not been read.
    pub(super) fn has_something(&mut self) -> bool {
        let reading = unconstrained(self.stream.read_buf(&mut self.input));
        matches!(reading.now_or_never(), Some(Ok(1..))) || !self.input.is_empty()
    }

    /// The next packet; `None` at the end.
    pub(super) async fn read(&mut self) -> Option<Sent> {
        loop {
            if let Some((packet, length)) = wire::first(true, &self.input) {
                let _ = self.input.split_to(length);
                return Some(packet);
            }
            let read = timeout(DEADLINE, self.stream.read_buf(&mut self.input)).await.expect("in time");
            if read.unwrap_or(0) == 0 {
                assert!(self.input.is_empty(), "half a packet: {:?}", self.input);
                return None;
            }
        }
    }
}

/// A packet of its first byte and its parts, which together are shorter than 128 bytes.
pub(super) fn packet(first: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    assert!(body.len() < 128);
    [&[first, body.len() as u8][..], &body].concat()
}

/// A text with its length in front.
pub(super) fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}
