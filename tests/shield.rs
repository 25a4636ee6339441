//! Who is kept out: by network, by rate, and for having failed too often.

#[path = "support/brokers.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod brokers;
#[path = "support/mqtt.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod mqtt;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use brokers::{broker, broker_with_listener, eventually};
use mqtt::{Client, Connect, LONG};
use rmqttc::broker::Broker;
use socket2::{Domain, Socket, Type};

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
