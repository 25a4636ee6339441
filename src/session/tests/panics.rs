//! A fault of the library ends the connection it concerns, and nothing else.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{ready, Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::in_memory::{packet, string, Caller, Place};
use super::wire::{Sent, SentPublish};
use crate::hooks::DisconnectedBy;

/// The byte that a [`Trap`] waits for.
const POISON: u8 = b'!';

/// A stream whose reader panics when it meets the byte.
struct Trap(DuplexStream);

impl AsyncRead for Trap {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.0).poll_read(cx, buf))?;
        assert!(!buf.filled()[before..].contains(&POISON), "as the test wants it");
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Trap {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A CONNECT whose session lasts, with a will to `will/{id}`.
fn connect(id: &str) -> Vec<u8> {
    let will = [&[0][..], &string(&format!("will/{id}")), &string("gone")].concat();
    packet(0x10, &[b"\0\x04MQTT\x05\x04\0\0\x05\x11\0\0\0\x64", &string(id), &will])
}

fn subscribe(filter: &str, qos: u8) -> Vec<u8> {
    packet(0x82, &[&[0, 1, 0], &string(filter), &[qos]])
}

/// A PUBLISH of QoS 1.
fn publish(topic: &str, packet_id: u8, payload: &str) -> Vec<u8> {
    packet(0x32, &[&string(topic), &[0, packet_id, 0], payload.as_bytes()])
}

fn message(qos: u8, packet_id: u16, dup: bool, topic: &str, payload: &str) -> Option<Sent> {
    let (topic, payload) = (topic.to_owned(), payload.to_owned());
    Some(Sent::Publish(SentPublish { dup, qos, packet_id, topic, payload, ..SentPublish::default() }))
}

#[tokio::test]
async fn a_panic_ends_one_connection() {
    let mut place = Place::new();
    let (mut other, _served) = place.client(&connect("other")).await;
    other.write(&subscribe("#", 1)).await;
    assert_eq!(other.read().await, Some(Sent::SubAck(1, vec![1])));

    let (victim, stream) = Caller::new();
    let served = place.serve(Trap(stream));
    let (mut victim, served) = place.greet(victim, served, &connect("victim")).await;
    victim.write(&subscribe("t", 1)).await;
    assert_eq!(victim.read().await, Some(Sent::SubAck(1, vec![1])));
    other.write(&publish("t", 1, "before")).await;
    assert_eq!(victim.read().await, message(1, 1, false, "t", "before"));
    assert_eq!(other.read().await, Some(Sent::PubAck(1, 0)));
    assert_eq!(other.read().await, message(1, 1, false, "t", "before"));
    assert_eq!((place.hub.connected_clients(), place.hub.sessions()), (2, 2));

    victim.write(&publish("t", 1, "!")).await;
    assert_eq!(victim.read().await, None, "the connection is closed");
    served.await.expect("the panic has been caught");
    assert_eq!(place.counters.connection_panics.load(Relaxed), 1);
    let gone = place.gone().await;
    assert_eq!((&*gone.client.id, gone.by, gone.reason_code), ("victim", DisconnectedBy::Broker, 0x80));
    assert_eq!(other.read().await, message(0, 0, false, "will/victim", "gone"));
    assert_eq!((place.hub.connected_clients(), place.hub.sessions()), (1, 2));

    // The others go on, new ones come, and the session is as it was.
    other.write(&publish("t", 2, "meanwhile")).await;
    assert_eq!(other.read().await, Some(Sent::PubAck(2, 0)));
    assert_eq!(other.read().await, message(1, 2, false, "t", "meanwhile"));
    let (mut new, _served) = place.client(&connect("new")).await;
    new.write(&packet(0xC0, &[])).await;
    assert_eq!(new.read().await, Some(Sent::PingResp));
    let (mut victim, _served) = place.client(&connect("victim")).await;
    assert!(victim.session_present);
    assert_eq!(victim.read().await, message(1, 1, true, "t", "before"));
    assert_eq!(victim.read().await, message(1, 2, false, "t", "meanwhile"));
    assert_eq!(place.counters.connection_panics.load(Relaxed), 1);
    place.close();
}

/// A connection that was none yet leaves no trace but the count.
#[tokio::test]
async fn a_panic_ahead_of_connect() {
    let place = Place::new();
    for bytes in [&b"!"[..], b"\x10\x7F\0\x04MQTT!"] {
        let (mut caller, stream) = Caller::new();
        let served = place.serve(Trap(stream));
        caller.write(bytes).await;
        assert_eq!(caller.read().await, None);
        served.await.expect("the panic has been caught");
    }
    assert_eq!(place.counters.connection_panics.load(Relaxed), 2);
    assert_eq!((place.hub.connected_clients(), place.hub.sessions()), (0, 0));
    let (_caller, _served) = place.client(&connect("new")).await;
    assert_eq!(place.hub.connected_clients(), 1);
    place.close();
}
