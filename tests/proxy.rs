//! The PROXY protocol in front of a listener: who the client is for hooks, clients' lists and the log, and what becomes of
//! headers that are none.

#[path = "support/brokers.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod brokers;
#[path = "support/mqtt.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod mqtt;
#[path = "support/proxy_header.rs"]
mod proxy_header;
#[path = "support/transports.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod transports;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use brokers::eventually;
use mqtt::{Client, Connect, LONG};
use proxy_header::*;
use rmqttc::broker::{Broker, ClientQuery};
use rmqttc::model::ProxyInfo;
use transports::{broker_of, Watcher};

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 1883\r\n";

fn listener(proxy: &str) -> String {
    format!(r#"{{"address":"127.0.0.1:0","proxy":{{{proxy}}}}}"#)
}

fn start(proxy: &str) -> (Broker, String) {
    let broker = broker_of(&listener(proxy));
    let address = broker.listener(0).unwrap().address.to_string();
    (broker, address)
}

/// Sends a header and CONNECT at once; whether CONNACK comes, or the connection is closed.
fn connects(address: &str, header: &[u8]) -> Option<Client> {
    let mut client = Client::open(address);
    client.send_bytes(&[header, &Connect::v3("client").packet()].concat());
    match client.receive() {
        Some((0x20, body)) => {
            assert_eq!(body, [0, 0]);
            Some(client)
        }
        None => None,
        other => panic!("{other:?}"),
    }
}

/// What the hooks have seen of one connection, which all of them must have seen alike: the client's address, and the one of
/// the other end if that is another one.
#[track_caller]
fn seen(watcher: &Watcher) -> (String, Option<String>, Option<ProxyInfo>) {
    let seen = watcher.take();
    assert_eq!(seen.iter().map(|seen| seen.hook).collect::<Vec<_>>(), ["accepted", "authenticate"]);
    let of = |seen: &transports::Seen| {
        let connection = &seen.connection;
        let proxy = connection.proxy_address.as_ref().map(|address| address.to_string());
        (seen.address.clone(), proxy, connection.proxy.as_deref().cloned())
    };
    assert_eq!(of(&seen[0]), of(&seen[1]));
    of(&seen[0])
}

#[test]
fn the_client_is_whom_the_header_names() {
    let (broker, address) = start(r#""protocol":"any""#);
    let watcher = Watcher::of(&broker);
    let ipv6 = |ip: &[u8; 16]| v2(PROXY, TCP6, &[ip, &[0xFE; 16], &[0x12, 0x67, 0x07, 0x5B][..]].concat());
    let mut mapped = [0; 16];
    mapped[10..].copy_from_slice(&[0xFF, 0xFF, 192, 0, 2, 7]);
    let documentation = [0x20, 1, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    for (header, expected) in [
        (V1.to_vec(), "192.0.2.7:4711"),
        (b"PROXY TCP6 2001:db8::1 ::1 4711 1883\r\n".to_vec(), "[2001:db8::1]:4711"),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 4711 1883\r\n".to_vec(), "192.0.2.7:4711"),
        (b"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n".to_vec(), "0.0.0.0:0"),
        (v2_tcp4(&[]), "192.0.2.7:4711"),
        (ipv6(&documentation), "[2001:db8::1]:4711"),
        (ipv6(&mapped), "192.0.2.7:4711"),
    ] {
        let client = connects(&address, &header).unwrap();
        let local = client.socket().local_addr().unwrap().to_string();
        assert_eq!(seen(&watcher), (expected.to_owned(), Some(local), None));
        assert_eq!(*broker.client("client").unwrap().address, *expected);
        let host = expected.rsplit_once(':').map(|(host, _)| host.trim_matches(['[', ']']).to_owned());
        let query = ClientQuery { address: host, limit: 10, ..ClientQuery::default() };
        assert_eq!(broker.clients(&query).unwrap().clients.len(), 1, "{expected}");
    }
}

#[test]
fn a_header_may_name_nobody() {
    let (broker, address) = start(r#""protocol":"any""#);
    let watcher = Watcher::of(&broker);
    for header in [
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY UNKNOWN 192.0.2.7 192.0.2.1 4711 1883\r\n".to_vec(),
        b"PROXY UNKNOWN and whatever else\rthere is on the line\r\n".to_vec(),
        v2(LOCAL, 0, &[]),
        // All but its length is to be ignored.
        v2(LOCAL, TCP4, &[]),
        v2(LOCAL, 0xFF, b"whatever there is"),
        v2(PROXY, 0, &[]),
        v2(PROXY, 0x01, &[]),
        v2(PROXY, 0x10, &[1; 12]),
        v2(PROXY, UNIX, &[b'/'; 216]),
    ] {
        let client = connects(&address, &header).unwrap();
        let local = client.socket().local_addr().unwrap().to_string();
        assert_eq!(seen(&watcher), (local, None, None), "{header:?}");
    }
}

#[test]
fn the_version_is_the_configured_one() {
    let headers = [b"".to_vec(), V1.to_vec(), v2_tcp4(&[])];
    for (protocol, accepted) in [
        ("none", [true, false, false]),
        ("v1", [false, true, false]),
        ("v2", [false, false, true]),
        ("any", [false, true, true]),
    ] {
        let (broker, address) = start(&format!(r#""protocol":"{protocol}""#));
        for (header, accepted) in headers.iter().zip(accepted) {
            assert_eq!(connects(&address, header).is_some(), accepted, "{protocol} {header:?}");
        }
        let refused = accepted.iter().filter(|accepted| !**accepted).count() as u64;
        let stats = broker.stats();
        // Without the protocol, a header is a packet that MQTT does not know.
        let counted = if protocol == "none" { stats.connections_refused } else { stats.handshakes_failed };
        assert_eq!((counted, stats.connections), (refused, 3 - refused), "{protocol}");
    }
}

#[test]
fn what_the_load_balancer_tells_besides_is_kept() {
    let (broker, address) = start(r#""protocol":"v2""#);
    let watcher = Watcher::of(&broker);
    let unix = |tlvs: &[u8]| v2(PROXY, UNIX, &[&[0; 216], tlvs].concat());
    let text = |text: &str| Some(text.into());
    let secured = [(0x21, &b"TLSv1.3"[..]), (0x22, b"pump-7"), (0x23, b"TLS_AES_128_GCM_SHA256")];
    let told = [tlv(0x01, b"mqtt"), tlv(0x02, b"broker.example"), tlv(0x05, b"\0id\xFF"), tlv(0x04, &[0; 9])].concat();
    let all = ProxyInfo {
        authority: text("broker.example"),
        alpn: text("mqtt"),
        tls_version: text("TLSv1.3"),
        common_name: text("pump-7"),
        unique_id: Some(b"\0id\xFF"[..].into()),
    };
    let version = ProxyInfo { tls_version: text("TLSv1.3"), ..ProxyInfo::default() };
    for (header, expected) in [
        (v2_tcp4(&[&told[..], &ssl(7, 0, &secured)].concat()), Some(all.clone())),
        // HAProxy has no name for clients of Unix sockets, and says this much of them.
        (v2(PROXY, 0, &[&told[..], &ssl(7, 0, &secured)].concat()), Some(all.clone())),
        (unix(&[&told[..], &ssl(5, 0, &secured)].concat()), Some(all)),
        // Not verified; no certificate; no TLS.
        (v2_tcp4(&ssl(7, 1, &secured)), Some(version.clone())),
        (v2_tcp4(&ssl(1, 0, &secured)), Some(version)),
        (v2_tcp4(&ssl(0, 0, &secured)), None),
        (v2_tcp4(&ssl(7, 0, &[])), None),
        // Half of a name would be another name.
        (v2_tcp4(&ssl(7, 0, &[(0x22, b"admin\0.example"), (0x21, b"\xFF")])), None),
        (v2_tcp4(&[tlv(0x02, b"a\0b"), tlv(0x01, &[0xC3])].concat()), None),
        // To be ignored: a type of nobody, a network namespace.
        (v2_tcp4(&[tlv(0xEE, b"?"), tlv(0x30, b"ns")].concat()), None),
    ] {
        connects(&address, &header).unwrap();
        assert_eq!(seen(&watcher).2, expected, "{header:?}");
    }
}

#[test]
fn a_checksum_is_verified() {
    assert_eq!(crc32c(b"123456789"), 0xE306_9283);
    let (broker, address) = start(r#""protocol":"v2""#);
    let behind = tlv(0x02, b"broker.example");
    let header = |checksum: u32| v2_tcp4(&[tlv(0x03, &checksum.to_be_bytes()), behind.clone()].concat());
    let right = crc32c(&header(0));
    assert!(connects(&address, &header(right)).is_some());
    for wrong in [v2_tcp4(&tlv(0x03, b"")), v2_tcp4(&tlv(0x03, &[0; 5])), header(0), header(!right)] {
        assert!(connects(&address, &wrong).is_none());
    }
    assert_eq!(broker.stats().handshakes_failed, 4);
}

/// A segment may hold a header and all of a client's first words, or a part of an octet's neighbours.
#[test]
fn nothing_of_mqtt_is_lost_whatever_pieces_it_comes_in() {
    let (_broker, address) = start(r#""protocol":"any""#);
    let mut told = Connect::v3("client").packet();
    let subscribe = mqtt::packet(0x82, &[&[0, 1], &mqtt::text("t")[..], &[0]].concat());
    let publish = mqtt::packet(0x30, &[&mqtt::text("t")[..], b"payload"].concat());
    told.extend([subscribe, publish].concat());
    for header in [V1.to_vec(), b"PROXY UNKNOWN\r\n".to_vec(), v2_tcp4(&tlv(0x02, b"a")), v2(LOCAL, 0, &[])] {
        let whole = [&header[..], &told].concat();
        let expect = |client: &mut Client| {
            assert_eq!(client.expect(0x20), [0, 0]);
            assert_eq!(client.expect(0x90), [0, 1, 0]);
            assert_eq!(client.message().payload, b"payload");
        };
        let mut client = Client::open(&address);
        client.send_bytes(&whole);
        expect(&mut client);
        let mut client = Client::open(&address);
        for octet in &whole {
            client.send_bytes(std::slice::from_ref(octet));
        }
        expect(&mut client);
        for at in [1, 11, 12, 13, 15, header.len() - 1, header.len(), header.len() + 1] {
            let mut client = Client::open(&address);
            client.send_bytes(&whole[..at]);
            client.send_bytes(&whole[at..]);
            expect(&mut client);
        }
    }
}

#[test]
fn hostile_headers_end_the_connection() {
    let (broker, address) = start(r#""protocol":"any","timeout_ms":3600000"#);
    let watcher = Watcher::of(&broker);
    let ip = &[1; 12][..];
    let mut long_line = b"PROXY UNKNOWN ".to_vec();
    long_line.resize(107, b'x');
    // Whatever is taken for a header stands for a client that has yet to say CONNECT.
    let headers = [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"PROXY\tTCP4 192.0.2.7 192.0.2.1 4711 1883\r\n".to_vec(),
        b"PROXY  TCP4 192.0.2.7 192.0.2.1 4711 1883\r\n".to_vec(),
        b"proxy TCP4 192.0.2.7 192.0.2.1 4711 1883\r\n".to_vec(),
        b"PROXY TCP5 192.0.2.7 192.0.2.1 4711 1883\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 1883\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 1883 \r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 1883 1\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 192.0.2.1 4711\r1883\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 192.0.2.1 4711\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 65536\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 192.0.2.1 +4711 1883\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 192.0.2.1 04711 1883\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.7 192.0.2.1 -1 1883\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.07 192.0.2.1 4711 1883\r\n".to_vec(),
        b"PROXY TCP4 2001:db8::1 ::1 4711 1883\r\n".to_vec(),
        b"PROXY TCP6 192.0.2.7 192.0.2.1 4711 1883\r\n".to_vec(),
        b"PROXY TCP6 fe80::1%lo ::1 4711 1883\r\n".to_vec(),
        b"PROXY TCP4 \xFF 192.0.2.1 4711 1883\r\n".to_vec(),
        b"PROXY UNKNOWNS\r\n".to_vec(),
        b"PROXY \n\n\n\n\n\n".to_vec(),
        long_line,
        // Version 1 and 3, a command and a family that do not exist, datagrams, too short for its addresses.
        v2(0x11, TCP4, ip),
        v2(0x31, TCP4, ip),
        v2(0x22, TCP4, ip),
        v2(PROXY, 0x41, ip),
        v2(PROXY, 0x13, ip),
        v2(PROXY, 0x12, ip),
        v2(PROXY, 0x22, &[1; 36]),
        v2(PROXY, 0x02, &[]),
        v2(PROXY, TCP4, &ip[1..]),
        v2(PROXY, TCP6, &[1; 35]),
        v2(PROXY, UNIX, &[1; 215]),
        // Longer than anybody sends: refused before the rest of it has come.
        v2(PROXY, TCP4, &[0; 16_385])[..16].to_vec(),
        v2(LOCAL, 0, &[0; 65_535])[..16].to_vec(),
        // Extensions that end nowhere.
        v2_tcp4(&[1]),
        v2_tcp4(&[1, 0]),
        v2_tcp4(&[1, 0, 1]),
        v2_tcp4(&[1, 0xFF, 0xFF, 0]),
        v2_tcp4(&tlv(0x05, &[0; 129])),
        v2_tcp4(&tlv(0x20, &[0; 4])),
        v2_tcp4(&ssl(1, 0, &[])[..7]),
        v2_tcp4(&tlv(0x20, &[1, 0, 0, 0, 0, 0x21, 0, 1])),
    ];
    for (index, header) in headers.iter().enumerate() {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.write_all(header).unwrap();
        // Not a word is said to it.
        let mut said = Vec::new();
        let ended = stream.read_to_end(&mut said);
        assert!(ended.is_ok() || ended.unwrap_err().kind() == std::io::ErrorKind::ConnectionReset, "{header:?}");
        assert!(said.is_empty());
        eventually(&format!("it is counted: {header:?}"), || broker.stats().handshakes_failed == index as u64 + 1);
    }
    // One that goes in the middle.
    TcpStream::connect(&address).unwrap().write_all(&V1[..20]).unwrap();
    TcpStream::connect(&address).unwrap().write_all(&v2_tcp4(&[])[..20]).unwrap();
    eventually("both are counted", || broker.stats().handshakes_failed == headers.len() as u64 + 2);
    assert!(watcher.take().is_empty());
    assert!(connects(&address, V1).is_some());
    assert_eq!(broker.stats().connections_timed_out, 0);
}

#[test]
fn only_trusted_networks_may_speak_for_others() {
    for (trusted, accepted) in
        [(r#""10.0.0.0/8","::1/128""#, false), (r#""10.0.0.0/8","127.0.0.1/32""#, true), (r#""127.0.0.2/32""#, false)]
    {
        let (broker, address) = start(&format!(r#""protocol":"any","trusted":[{trusted}]"#));
        let watcher = Watcher::of(&broker);
        assert_eq!(connects(&address, V1).is_some(), accepted, "{trusted}");
        assert_eq!(broker.stats().handshakes_failed, u64::from(!accepted));
        assert_eq!(watcher.take().is_empty(), !accepted);
    }
}

/// Load balancers that say nothing, or a part of a header, hold up nobody.
#[test]
fn stalled_headers_end_in_time() {
    let timeout = Duration::from_secs(3);
    let (broker, address) = start(r#""protocol":"any","timeout_ms":3000"#);
    let beginnings = [b"".to_vec(), V1[..30].to_vec(), v2_tcp4(&[])[..20].to_vec()];
    let begin = Instant::now();
    let stalled: Vec<Client> = (0..300)
        .map(|index| {
            let mut client = Client::open(&address);
            client.send_bytes(&beginnings[index % beginnings.len()]);
            client
        })
        .collect();
    let asked = Instant::now();
    let mut client = connects(&address, V1).unwrap();
    let waited = asked.elapsed();
    if begin.elapsed() < timeout {
        assert_eq!(broker.stats().connections_timed_out, 0);
        assert!(waited < Duration::from_secs(1), "{waited:?}");
    }
    for mut stalled in stalled {
        assert_eq!(stalled.receive(), None);
    }
    assert!(begin.elapsed() >= timeout);
    eventually("all are counted", || broker.stats().connections_timed_out == 300);
    assert_eq!(broker.stats().handshakes_failed, 0);
    assert!(client.ping());
}

/// Whatever the timeout of the header is, that of CONNECT is not exceeded.
#[test]
fn the_header_takes_of_the_time_for_connect() {
    let listener =
        r#"{"address":"127.0.0.1:0","connect_timeout_ms":200,"proxy":{"protocol":"v1","timeout_ms":3600000}}"#;
    let broker = broker_of(listener);
    let mut client = Client::open(&broker.listener(0).unwrap().address);
    assert_eq!(client.receive(), None);
    eventually("it is counted", || broker.stats().connections_timed_out == 1);
}

/// Headers that are on their way do not keep a broker from stopping.
#[test]
fn a_stop_waits_for_no_header() {
    let (broker, address) = start(r#""protocol":"any","timeout_ms":3600000"#);
    let mut stalled = Client::open(&address);
    stalled.send_bytes(&V1[..20]);
    let begin = Instant::now();
    broker.stop(Duration::from_secs(60)).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(20));
    assert_eq!(stalled.receive(), None);
}
