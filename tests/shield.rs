//! Who is kept out: by network, by rate, and for having failed too often.

#[path = "support/brokers.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod brokers;
#[path = "support/mqtt.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod mqtt;
#[path = "support/websocket.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod websocket;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{mpsc, Arc, Weak};
use std::time::{Duration, Instant};

use brokers::{broker, broker_with_listener, eventually};
use jsonwebtoken::{encode, EncodingKey, Header};
use mqtt::{Client, Connect, LONG};
use rmqttc::broker::Broker;
use rmqttc::hooks::{Event, Hook, HookSet, Hooks};
use rmqttc::model::BanKind;
use rmqttc::observe::log::{self, Level};
use serde_json::json;
use socket2::{Domain, Socket, Type};
use websocket::{WebSocket, MQTT};

const BANNED: u8 = 0x8A;
const NOT_AUTHORIZED: u8 = 0x87;

/// Connects from an address of this machine.
fn connect_from(host: Ipv4Addr, address: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SocketAddr::from((host, 0)).into()).unwrap();
    socket.connect(&address.parse::<SocketAddr>().unwrap().into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

/// The code of CONNACK; `None` if the connection is closed without a word.
fn answer(mut stream: TcpStream, connect: &Connect<'_>) -> Option<u8> {
    stream.write_all(&connect.packet()).ok()?;
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).ok()?;
    Some(connack[3])
}

fn is_let_in(address: &str) -> bool {
    answer(TcpStream::connect(address).unwrap(), &Connect::v3("client")) == Some(0)
}

#[test]
fn networks() {
    let limits = |lists: &str| format!(r#","limits":{{{lists}}}"#);
    for (lists, from) in [
        (r#""ip_deny":["127.0.0.2/32"]"#, [true, false, true]),
        (r#""ip_allow":["127.0.0.2/31"]"#, [false, true, true]),
        (r#""ip_allow":["127.0.0.0/8"],"ip_deny":["127.0.0.2/31"]"#, [true, false, false]),
    ] {
        let (broker, address) = broker(&limits(lists));
        for (host, let_in) in (1..=3).zip(from) {
            let stream = connect_from(Ipv4Addr::new(127, 0, 0, host), &address);
            let expected = let_in.then_some(0);
            assert_eq!(answer(stream, &Connect::v3("client")), expected, "{lists} 127.0.0.{host}");
        }
        let stats = broker.stats();
        let kept_out = from.iter().filter(|let_in| !**let_in).count() as u64;
        assert_eq!((stats.connections_refused_network, stats.connections_refused), (kept_out, kept_out));
    }
}

#[test]
fn networks_change_while_the_broker_runs() {
    let config = |lists: &str| {
        format!(
            r#"{{"listeners":[{{"address":"127.0.0.1:0"}}],"auth":{{"allow_anonymous":true}},"limits":{{{lists}}}}}"#
        )
    };
    let broker = Broker::new(&config("")).unwrap();
    broker.start().unwrap();
    let address = broker.listener(0).unwrap().address.to_string();
    let mut client = Client::connect(&address, "stays").unwrap();
    broker.reload(&config(r#""ip_deny":["127.0.0.0/8"]"#)).unwrap();
    assert!(!is_let_in(&address));
    assert!(client.ping(), "clients that are there stay");
    broker.reload(&config(r#""ip_deny":[]"#)).unwrap();
    assert!(is_let_in(&address));
}

/// Two thousand connections as fast as can be, of which fifty a second may come; somebody else notices nothing.
#[test]
fn a_rate_for_each_address() {
    let (broker, address) = broker(r#","limits":{"conn_rate_per_ip_per_sec":50}"#);
    let mut other =
        Connect::v3("other").over(Client::over(connect_from(Ipv4Addr::new(127, 0, 0, 2), &address))).unwrap();
    let (begun, mut let_in) = (Instant::now(), 0u32);
    let mut pings = Vec::new();
    for number in 0..2_000 {
        let id = format!("client-{number}");
        let_in += u32::from(answer(TcpStream::connect(&address).unwrap(), &Connect::v3(&id)) == Some(0));
        if number % 100 == 0 {
            let pinged = Instant::now();
            assert!(other.ping());
            pings.push(pinged.elapsed());
        }
    }
    pings.sort_unstable();
    let seconds = begun.elapsed().as_secs_f64();
    println!("{let_in} of 2000 in {seconds:.1} s; the other's round trip: {:?} in the middle", pings[pings.len() / 2]);
    assert!(f64::from(let_in) <= 50.0 * (seconds + 1.0) + 1.0, "{let_in} in {seconds} s");
    assert!(let_in >= 50);
    assert_eq!(broker.stats().connections_refused_rate, 2_000 - u64::from(let_in));
    assert!(pings[pings.len() / 2] < Duration::from_millis(100), "{pings:?}");
}

#[test]
fn a_rate_in_all() {
    let (_broker, address) = broker(r#","limits":{"conn_rate_per_sec":20}"#);
    let begun = Instant::now();
    let let_in = (1..=200u8).filter(|host| {
        let stream = connect_from(Ipv4Addr::new(127, 0, 1, *host), &address);
        answer(stream, &Connect::v3("client")) == Some(0)
    });
    let let_in = let_in.count() as f64;
    assert!((20.0..=20.0 * (begun.elapsed().as_secs_f64() + 1.0) + 1.0).contains(&let_in), "{let_in}");
}

/// A broker that lets nobody in, with this in `limits.ban`.
fn strict(listener: &str, ban: &str) -> (Broker, String) {
    let listener = format!(r#","allow_anonymous":false{listener}"#);
    broker_with_listener(&listener, &format!(r#","limits":{{"ban":{{{ban}}}}}"#))
}

#[test]
fn who_fails_too_often_is_kept_out_for_a_while() {
    let (broker, address) = strict("", r#""failures":3,"window_ms":60000,"ban_ms":1500"#);
    let attempt = || answer(TcpStream::connect(&address).unwrap(), &Connect::v5("client"));
    for _ in 0..3 {
        assert_eq!(attempt(), Some(NOT_AUTHORIZED));
    }
    let banned = Instant::now();
    assert_eq!(attempt(), None, "closed without a word");
    let other = connect_from(Ipv4Addr::new(127, 0, 0, 2), &address);
    assert_eq!(answer(other, &Connect::v5("client")), Some(NOT_AUTHORIZED), "another address is not concerned");
    eventually("the ban is over", || attempt().is_some());
    assert!(banned.elapsed() > Duration::from_millis(1_000));
    let stats = broker.stats();
    assert!(stats.connections_refused_banned >= 1);
    assert_eq!(stats.connections_refused_authentication, 5);
}

#[test]
fn answers_come_later_the_more_often_somebody_fails() {
    let (_broker, address) = strict("", r#""failures":100"#);
    let begun = Instant::now();
    let times: Vec<_> = (0..5)
        .map(|_| {
            let asked = Instant::now();
            assert_eq!(answer(TcpStream::connect(&address).unwrap(), &Connect::v5("client")), Some(NOT_AUTHORIZED));
            asked.elapsed().as_millis()
        })
        .collect();
    println!("{times:?} ms");
    assert!(times[1] >= 100 && times[2] >= 200 && times[3] >= 400 && times[4] >= 800, "{times:?}");
    assert!(begun.elapsed() < LONG);
}

/// Whoever has to wait is refused all the same, be it that its time is over first, or that it does not wait.
#[test]
fn an_answer_that_comes_late_is_an_answer() {
    let (broker, address) = strict(r#","connect_timeout_ms":1000"#, r#""failures":100"#);
    for attempt in 0..6 {
        let answer = answer(TcpStream::connect(&address).unwrap(), &Connect::v5("client"));
        assert_eq!(answer, Some(NOT_AUTHORIZED), "{attempt}");
    }
    let mut impatient = TcpStream::connect(&address).unwrap();
    impatient.write_all(&Connect::v5("client").packet()).unwrap();
    eventually("it has failed", || broker.stats().connections_refused_authentication == 7);
    drop(impatient);
    eventually("it is counted as the others", || broker.stats().connections_refused == 7);
    assert_eq!(broker.stats().connections_timed_out, 0);
}

#[test]
fn bans_by_client_identifier_and_user_name() {
    let (_broker, address) = strict("", r#""failures":2,"by":["client_id","user"]"#);
    let attempt = |connect: Connect<'_>| answer(TcpStream::connect(&address).unwrap(), &connect);
    for _ in 0..2 {
        assert_eq!(attempt(Connect::v5("eve")), Some(NOT_AUTHORIZED));
        assert_eq!(attempt(Connect::v5("x").username("mallory")), Some(NOT_AUTHORIZED));
    }
    assert_eq!(attempt(Connect::v5("eve")), Some(BANNED));
    assert_eq!(attempt(Connect::v3("eve")), Some(5));
    assert_eq!(attempt(Connect::v5("y").username("mallory")), Some(BANNED));
    assert_eq!(attempt(Connect::v5("z").username("bob")), Some(NOT_AUTHORIZED));
}

/// It is not the name in CONNECT that counts, if something else tells who the client is.
#[test]
fn bans_of_a_user_whom_a_token_tells() {
    const SECRET: &str = "a secret of thirty-two characters";
    let config = json!({ "listeners": [{ "address": "127.0.0.1:0" }], "auth": { "jwt": { "secret": SECRET } } });
    let broker = Broker::new(&config.to_string()).unwrap();
    broker.start().unwrap();
    let address = broker.listener(0).unwrap().address.to_string();
    let token = |user: &str| {
        let claims = json!({ "sub": user, "exp": 4_000_000_000u64 });
        encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
    };
    let (eve, bob) = (token("eve"), token("bob"));
    let mut present = Connect::v5("of bob").username("x").password(&bob).open(&address).unwrap();
    let mut banned = Connect::v5("of eve").username("x").password(&eve).open(&address).unwrap();
    broker.ban(BanKind::User, "eve", None).unwrap();
    assert_eq!(banned.receive().map(|(kind, body)| (kind, body[0])), Some((0xE0, 0x98)));
    for id in ["of eve", "of bob"] {
        assert_eq!(Connect::v5(id).username("x").password(&eve).open(&address).err(), Some(BANNED), "{id}");
    }
    assert!(present.ping(), "its session is not for who is banned to take over");
    assert_eq!(broker.stats().connections_refused_banned, 2);
}

/// Bans the address of whoever connects, before the broker counts it among the clients that are connected.
struct Unwelcoming(Weak<Broker>);

impl Hooks for Unwelcoming {
    fn interest(&self) -> HookSet {
        HookSet::of(&[Hook::Connected])
    }

    fn in_place(&self) -> HookSet {
        self.interest()
    }

    fn tell(&self, event: &Event) {
        let Event::Connected(_) = event else { panic!("{event:?}") };
        self.0.upgrade().unwrap().ban(BanKind::Ip, "127.0.0.1", None).unwrap();
    }
}

#[test]
fn nobody_slips_in_while_being_banned() {
    let (broker, address) = broker("");
    let broker = Arc::new(broker);
    broker.set_hooks(Some(Box::new(Unwelcoming(Arc::downgrade(&broker)))));
    let mut client = Connect::v5("client").open(&address).unwrap();
    assert_eq!(client.receive().map(|(kind, body)| (kind, body[0])), Some((0xE0, 0x98)));
    assert!(client.receive().is_none() && !is_let_in(&address));
}

#[test]
fn who_comes_and_goes_all_the_time_is_kept_out() {
    let (_broker, address) = broker(r#","limits":{"ban":{"flaps":10}}"#);
    let let_in = (0..20).take_while(|_| is_let_in(&address)).count();
    assert_eq!(let_in, 10);
}

/// Behind a load balancer it is the clients' addresses that count.
#[test]
fn the_address_that_a_proxy_tells_of() {
    let (broker, address) = strict(r#","proxy":{"protocol":"v1"}"#, r#""failures":2,"ban_ms":60000"#);
    let attempt = |host: u8| {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.write_all(format!("PROXY TCP4 192.0.2.{host} 192.0.2.254 4000 1883\r\n").as_bytes()).unwrap();
        answer(stream, &Connect::v5("client"))
    };
    assert_eq!((attempt(1), attempt(1), attempt(1)), (Some(NOT_AUTHORIZED), Some(NOT_AUTHORIZED), None));
    assert_eq!(attempt(2), Some(NOT_AUTHORIZED));
    assert_eq!(broker.stats().connections_refused_banned, 1);
}

/// Behind a reverse proxy as well; who comes without one is looked at before the handshake.
#[test]
fn the_address_that_a_header_tells_of() {
    let listener = r#","type":"ws","proxy":{"trust_forwarded":true,"trusted":["127.0.0.1/32"]}"#;
    let (broker, address) = strict(listener, r#""failures":2,"ban_ms":60000"#);
    let attempt = |from: u8, host: u8| {
        let stream = connect_from(Ipv4Addr::new(127, 0, 0, from), &address);
        let request = websocket::request("/mqtt", &[MQTT, &format!("X-Forwarded-For: 192.0.2.{host}")]);
        let mut stream = WebSocket::upgrade(stream, &request).unwrap().0;
        stream.write_all(&Connect::v5("client").packet()).ok()?;
        let mut connack = [0; 4];
        stream.read_exact(&mut connack).ok()?;
        Some(connack[3])
    };
    assert_eq!((attempt(1, 1), attempt(1, 1), attempt(1, 1)), (Some(NOT_AUTHORIZED), Some(NOT_AUTHORIZED), None));
    assert_eq!(attempt(1, 2), Some(NOT_AUTHORIZED));
    assert_eq!(broker.stats().connections_refused_banned, 1);
    // What somebody says who is not trusted is not listened to.
    assert_eq!((attempt(2, 3), attempt(2, 4)), (Some(NOT_AUTHORIZED), Some(NOT_AUTHORIZED)));
    let mut byte = [0];
    let read = connect_from(Ipv4Addr::new(127, 0, 0, 2), &address).read(&mut byte);
    assert!(matches!(read, Ok(0) | Err(_)), "closed without a word: {read:?}");
    assert_eq!(broker.stats().connections_refused_banned, 2);
}

/// There being no place for anyone does not get anybody further than the gate.
#[test]
fn nobody_who_is_kept_out_is_told_that_there_is_no_place() {
    let (broker, address) = broker(r#","limits":{"max_connections":1,"ip_deny":["127.0.0.2/32"]}"#);
    let mut first = Connect::v5("first").open(&address).unwrap();
    let attempt = |host| answer(connect_from(Ipv4Addr::new(127, 0, 0, host), &address), &Connect::v3("client"));
    assert_eq!((attempt(1), attempt(2), attempt(3)), (Some(3), None, Some(3)));
    let stats = broker.stats();
    assert_eq!((stats.connections_refused_full, stats.connections_refused_network), (2, 1));
    assert_eq!(stats.connections_refused, 3);
    assert!(first.ping());
}

/// One line about each address and each cause; the others are for those who want to know it all.
#[test]
fn the_log_is_not_filled() {
    let (lines, logged) = mpsc::channel();
    let from = |host| Ipv4Addr::new(127, 9, 9, host);
    log::set(
        Level::Debug,
        Some(Box::new(move |line| {
            if line.message.contains("127.9.9.") && line.message.contains("not let in") {
                // Nobody listens any more when the test is over.
                let _ = lines.send((line.level, line.message.to_string()));
            }
        })),
    )
    .unwrap();
    let (_denying, denying) = broker(r#","limits":{"ip_deny":["127.9.9.0/24"]}"#);
    let (_strict, strict) = strict("", r#""failures":3"#);
    for _ in 0..4 {
        for host in [1, 2] {
            assert_eq!(answer(connect_from(from(host), &denying), &Connect::v5("client")), None);
        }
        answer(connect_from(from(1), &strict), &Connect::v5("client"));
    }
    let lines: Vec<_> = (0..12).map(|_| logged.recv_timeout(LONG).unwrap()).collect();
    let warned: Vec<_> = lines.iter().filter(|(level, _)| *level == Level::Warn).map(|(_, line)| line).collect();
    assert_eq!(warned.len(), 4, "{lines:?}");
    for (host, why) in [(1, "Network"), (2, "Network"), (1, "Authentication"), (1, "Banned")] {
        let address = format!("127.9.9.{host}:");
        let about = warned.iter().filter(|line| line.contains(&address) && line.contains(why)).count();
        assert_eq!(about, 1, "{address} {why}: {warned:?}");
    }
    assert_eq!(lines.iter().filter(|(level, _)| *level == Level::Debug).count(), 8);
}

/// What is remembered does not grow with the number of addresses, or of names.
#[test]
fn many_addresses_and_names() {
    let (addresses, names) = match std::env::var("RMQTT_LONG").as_deref() {
        Ok("1") => (65_000, 100_000),
        _ => (6_000, 10_000),
    };
    let ban = r#""failures":1,"by":["ip","client_id"]"#;
    let (broker, address) = strict("", ban);
    let resident = || {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    };
    let before = resident();
    let mut refused = 0;
    for number in 0..addresses {
        let host = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + number);
        let id = format!("client-{number}");
        refused += u64::from(answer(connect_from(host, &address), &Connect::v5(&id)) == Some(NOT_AUTHORIZED));
    }
    assert_eq!(refused, u64::from(addresses));
    let (_names_only, address) = strict("", r#""failures":1,"by":["client_id"]"#);
    for number in 0..names {
        let id = format!("client-{number}");
        assert_eq!(answer(TcpStream::connect(&address).unwrap(), &Connect::v5(&id)), Some(NOT_AUTHORIZED));
    }
    let grown = resident().saturating_sub(before);
    println!("{} MB for {addresses} addresses and {names} names", grown / 1_000_000);
    assert!(grown < 64 * 1024 * 1024, "{grown}");
    assert_eq!(broker.stats().connections_refused_authentication, u64::from(addresses));
}
