use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::{OwnedFd, RawFd};
use std::sync::Mutex;
use std::time::Duration;

use rmqttc::broker::{Broker, Error};
use rmqttc::hooks::Hook;
use rustls::pki_types::CertificateDer;
use serde_json::{json, Value};

use crate::certificates::Authority;
use crate::mqtt::Connect;
use crate::quic::Visitor;
use crate::secured::{config, material, start, Seen, Witness, NAMES};
use crate::{serve, trusting};

#[test]
fn the_port_is_free_when_the_broker_has_stopped() {
    let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let (broker, _, client) = serve(json!({ "address": address }));
    let visitor = Visitor::new();
    for _ in 0..3 {
        let call = visitor.call(&address, &client).unwrap();
        assert!(Connect::v5("client").over(call.open()).unwrap().ping());
        // With a client, and one that has not come further than its handshake.
        let _half_open = visitor.call(&address, &client).unwrap();
        broker.stop(Duration::from_secs(5)).unwrap();
        drop(UdpSocket::bind(&address).unwrap());
        broker.start().unwrap();
    }
}

#[test]
fn another_certificate_is_for_new_connections() {
    let authority = Authority::new("authority");
    let (before, after) = (authority.server(&NAMES), authority.server(&NAMES));
    let (broker, address) = start(&config("quic", material(&before, json!({})), json!({})));
    let (client, visitor) = (trusting(&authority, None), Visitor::new());
    let shown = |call: &crate::quic::Call| {
        let chain = call.connection.peer_identity().unwrap().downcast::<Vec<CertificateDer<'static>>>().unwrap();
        *chain
    };
    let first = visitor.call(&address, &client).unwrap();
    let mut connected = Connect::v5("client").over(first.open()).unwrap();
    assert!(shown(&first) == before.chain());
    broker.reload(&config("quic", material(&after, json!({})), json!({ "address": address })).to_string()).unwrap();
    assert!(shown(&visitor.call(&address, &client).unwrap()) == after.chain());
    assert!(connected.ping());
}

/// A listener that is taken away leaves its clients where they are.
#[test]
fn clients_outlive_their_listener() {
    let authority = Authority::new("authority");
    let mut config = config("quic", material(&authority.server(&NAMES), json!({})), json!({}));
    let (broker, address) = start(&config);
    let visitor = Visitor::new();
    let mut client = Connect::v5("client").over(visitor.open(&address, &trusting(&authority, None))).unwrap();
    config["listeners"] = json!([{"address": "127.0.0.1:0"}]);
    broker.reload(&config.to_string()).unwrap();
    assert!(client.ping());
    broker.stop(Duration::from_secs(5)).unwrap();
    assert_eq!(client.end(), Some(0x8B));
}

static INHERITED: Mutex<Option<OwnedFd>> = Mutex::new(None);

fn inherited(_: RawFd) -> io::Result<OwnedFd> {
    INHERITED.lock().unwrap().as_ref().ok_or(io::ErrorKind::NotFound)?.try_clone()
}

#[test]
fn a_socket_may_be_bound_already() {
    let authority = Authority::new("authority");
    let mut config = config("quic", material(&authority.server(&NAMES), json!({})), json!({"fd": 3}));
    config["listeners"][0]["address"] = Value::Null;
    let broker = Broker::with_descriptors(&config.to_string(), inherited).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    *INHERITED.lock().unwrap() = Some(socket.into());
    broker.start().unwrap();
    assert_eq!(broker.listener(0).unwrap().address.to_string(), address);
    let visitor = Visitor::new();
    assert!(Connect::v5("c").over(visitor.open(&address, &trusting(&authority, None))).unwrap().ping());
    broker.stop(Duration::from_secs(5)).unwrap();
    // One of another kind would be of no use.
    *INHERITED.lock().unwrap() = Some(TcpListener::bind("127.0.0.1:0").unwrap().into());
    let Err(Error::Bind(fault)) = broker.start() else { panic!("started") };
    assert!(fault.message.contains("not a UDP socket"), "{fault}");
}

#[test]
fn ipv6_lets_both_in_unless_it_is_alone() {
    let (broker, address, client) = serve(json!({"address": "[::]:0"}));
    let port = broker.listener(0).unwrap().port;
    let witness = Witness::of(&broker, &[Hook::PreConnect]);
    for (from, to) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "[::1]")] {
        let visitor = Visitor::at(from);
        assert!(Connect::v5("c").over(visitor.open(&format!("{to}:{port}"), &client)).unwrap().ping());
        let seen = witness.take(2);
        let Seen::PreConnect(_, shown, _) = &seen[0] else { panic!("{seen:?}") };
        assert!(shown.starts_with(&format!("{to}:")), "{shown}");
    }
    assert!(UdpSocket::bind(("127.0.0.1", port)).is_err(), "{address}");
    let (alone, ..) = serve(json!({"address": "[::]:0", "ipv6_only": true}));
    // That is free.
    UdpSocket::bind(("127.0.0.1", alone.listener(0).unwrap().port)).unwrap();
}
