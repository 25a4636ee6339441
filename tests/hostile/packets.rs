//! Packets that break the rules: the client hears why, is disconnected, and nobody else notices.

use std::time::{Duration, Instant};

use crate::brokers::{broker, Bystander};
use crate::mqtt::{packet, text, Client, Connect};

const MALFORMED: u8 = 0x81;
const PROTOCOL_ERROR: u8 = 0x82;
const TOPIC_NAME_INVALID: u8 = 0x90;
const TOPIC_ALIAS_INVALID: u8 = 0x94;

/// A PUBLISH of MQTT 5 with QoS 1.
fn publish(topic: &[u8], id: u16, properties: &[u8]) -> Vec<u8> {
    let topic = [&(topic.len() as u16).to_be_bytes()[..], topic].concat();
    packet(0x32, &[&topic[..], &id.to_be_bytes(), &[properties.len() as u8], properties, b"x"].concat())
}

#[test]
fn faults_of_mqtt_5_have_their_reason_codes() {
    let (_broker, address) = broker("");
    let bystander = Bystander::start(&address);
    let subscribe = |options: u8| packet(0x82, &[&[0, 1, 0], &text("t")[..], &[options]].concat());
    let content_type = &[3, 0, 1, b'x'][..];
    let faults: Vec<(&str, Vec<u8>, u8)> = vec![
        ("text that is no UTF-8", publish(b"a\xC3(", 1, &[]), MALFORMED),
        ("half of a surrogate pair", publish(b"a\xED\xA0\x80", 1, &[]), MALFORMED),
        ("an overlong form", publish(b"a\xC0\x80", 1, &[]), MALFORMED),
        ("U+0000", publish(b"a\0b", 1, &[]), MALFORMED),
        ("U+0000 in a filter", packet(0x82, b"\0\x01\0\0\x03a\0b\0"), MALFORMED),
        ("a wildcard in a topic name", publish(b"a/+", 1, &[]), TOPIC_NAME_INVALID),
        ("all levels in a topic name", publish(b"#", 1, &[]), TOPIC_NAME_INVALID),
        ("no topic", publish(b"", 1, &[]), PROTOCOL_ERROR),
        ("QoS 3", packet(0x36, b"\0\x01t\0\x01\0x"), MALFORMED),
        ("flags of PINGREQ", vec![0xC1, 0], MALFORMED),
        ("flags of SUBSCRIBE", packet(0x80, b"\0\x01\0\0\x01t\0"), MALFORMED),
        ("flags of UNSUBSCRIBE", packet(0xA0, b"\0\x01\0\0\x01t"), MALFORMED),
        ("flags of PUBREL", packet(0x60, b"\0\x01"), MALFORMED),
        ("flags of DISCONNECT", vec![0xE1, 0], MALFORMED),
        ("reserved bits of subscription options", subscribe(0xC0), MALFORMED),
        ("QoS 3 of a subscription", subscribe(3), PROTOCOL_ERROR),
        ("retain handling 3", subscribe(0x30), PROTOCOL_ERROR),
        ("a subscription of nothing", packet(0x82, b"\0\x01\0"), PROTOCOL_ERROR),
        ("packet type 0", vec![0x00, 0], MALFORMED),
        ("a length of five bytes", vec![0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], MALFORMED),
        ("packet identifier 0 of PUBLISH", publish(b"t", 0, &[]), PROTOCOL_ERROR),
        ("packet identifier 0 of SUBSCRIBE", packet(0x82, b"\0\0\0\0\x01t\0"), PROTOCOL_ERROR),
        ("packet identifier 0 of UNSUBSCRIBE", packet(0xA2, b"\0\0\0\0\x01t"), PROTOCOL_ERROR),
        ("properties longer than the packet", packet(0x32, b"\0\x01t\0\x01\x7Fx"), MALFORMED),
        ("a property that ends too early", publish(b"t", 1, &[3, 0, 9, b'x']), MALFORMED),
        ("a property that nobody knows", publish(b"t", 1, &[0x7F, 0]), MALFORMED),
        ("a property of another packet", publish(b"t", 1, &[33, 0, 1]), MALFORMED),
        ("a property twice", publish(b"t", 1, &[content_type, content_type].concat()), PROTOCOL_ERROR),
        ("a property out of range", publish(b"t", 1, &[1, 2]), PROTOCOL_ERROR),
        ("topic alias 0", publish(b"t", 1, &[35, 0, 0]), TOPIC_ALIAS_INVALID),
        ("a topic alias too high", publish(b"t", 1, &[35, 0xFF, 0xFF]), TOPIC_ALIAS_INVALID),
        ("a topic alias that has not been set", publish(b"", 1, &[35, 0, 1]), PROTOCOL_ERROR),
        ("a second CONNECT", Connect::v5("faulty").packet(), PROTOCOL_ERROR),
        ("a packet that only brokers send", packet(0x20, &[0, 0, 0]), PROTOCOL_ERROR),
        ("AUTH that nobody has agreed on", packet(0xF0, &[0x18, 0]), PROTOCOL_ERROR),
    ];
    for (what, bytes, code) in faults {
        let mut client = Connect::v5("faulty").open(&address).unwrap();
        client.send_bytes(&bytes);
        assert_eq!(client.end(), Some(code), "{what}");
    }
    bystander.finish();
}

/// Before MQTT 5 there is no way to say why.
#[test]
fn faults_of_mqtt_3_end_the_connection_without_a_word() {
    let (_broker, address) = broker("");
    let bystander = Bystander::start(&address);
    let faults: [&[u8]; 14] = [
        b"\x32\x07\0\x03a\xC3(\0\x01",
        b"\x32\x07\0\x03a\0b\0\x01",
        b"\x32\x07\0\x03a/+\0\x01",
        b"\x32\x04\0\0\0\x01",
        b"\x32\x05\0\x01t\0\0",
        b"\x36\x05\0\x01t\0\x01",
        b"\x30\x01\0",
        b"\xC1\0",
        b"\x80\x06\0\x01\0\x01t\0",
        b"\x82\x06\0\x01\0\x01t\x03",
        b"\x82\x02\0\x01",
        b"\x82\x06\0\0\0\x01t\0",
        b"\xF0\0",
        b"\x30\xFF\xFF\xFF\xFF\x01",
    ];
    for bytes in faults {
        let mut client = Client::connect(&address, "faulty").unwrap();
        client.send_bytes(bytes);
        assert_eq!(client.receive(), None, "{bytes:02x?}");
    }
    bystander.finish();
}

/// The answer comes before the packet has: nothing of it is kept.
#[test]
fn a_packet_that_claims_to_be_too_large_is_not_waited_for() {
    let (_broker, address) = broker(r#","limits":{"max_packet_bytes":65536}"#);
    let bystander = Bystander::start(&address);
    let claims: [&[u8]; 2] = [&[0xFF, 0xFF, 0xFF, 0x7F], &[0x81, 0x80, 0x04]];
    for claim in claims {
        let mut client = Connect::v5("large").open(&address).unwrap();
        client.send_bytes(&[&[0x30], claim].concat());
        assert_eq!(client.end(), Some(0x95));
    }
    // As large as allowed is no trouble: the limit counts the whole packet.
    let mut client = Connect::v5("large").open(&address).unwrap();
    let overhead = client.publish_packet(0x32, "t", 7, &[0; 60_000]).len() - 60_000;
    assert!(client.publish("t", &vec![0; 65_536 - overhead], false));
    client.send_publish(0x32, "t", 7, &vec![0; 65_537 - overhead]);
    assert_eq!(client.end(), Some(0x95));
    bystander.finish();
}

#[test]
fn who_is_taken_over_hears_of_it() {
    let (_broker, address) = broker("");
    let bystander = Bystander::start(&address);
    let mut first = Connect::v5("twin").open(&address).unwrap();
    let mut second = Client::connect(&address, "twin").unwrap();
    assert_eq!(first.end(), Some(0x8E));
    let third = Connect::v5("twin").open(&address).unwrap();
    assert_eq!(second.receive(), None);
    drop(third);
    bystander.finish();
}

#[test]
fn who_is_silent_for_too_long_hears_of_it() {
    let (_broker, address) = broker("");
    let bystander = Bystander::start(&address);
    let begin = Instant::now();
    let mut client = Connect { keep_alive_s: 1, ..Connect::v5("silent") }.open(&address).unwrap();
    assert_eq!(client.end(), Some(0x8D));
    let after = begin.elapsed();
    assert!(after >= Duration::from_millis(1_500) && after < Duration::from_secs(4), "{after:?}");

    // Half of a packet is no sign of life that counts for ever.
    let mut client = Connect { keep_alive_s: 1, ..Connect::v5("halting") }.open(&address).unwrap();
    let begin = Instant::now();
    client.send_bytes(&[0x30, 10, 0]);
    assert_eq!(client.end(), Some(0x8D));
    assert!(begin.elapsed() < Duration::from_secs(4));
    bystander.finish();
}

#[test]
fn a_stop_is_told() {
    let (broker, address) = broker("");
    let mut client = Connect::v5("told").open(&address).unwrap();
    broker.stop(Duration::from_secs(2)).unwrap();
    assert_eq!(client.end(), Some(0x8B));
}

/// Packets in any order, of which each alone is fine or is not: the process goes on, and so does everybody else.
#[test]
fn noise_ends_nothing_but_its_own_connection() {
    let (broker, address) = broker("");
    let bystander = Bystander::start(&address);
    // Not random, so that a failure comes again.
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for round in 0..400 {
        let connect = if round % 2 == 0 { Connect::v5("noise") } else { Connect::v3("noise") };
        let mut client = connect.open(&address).unwrap();
        for _ in 0..8 {
            let mut bytes = match next() % 5 {
                0 => publish(b"t/u", 1, &[]),
                1 => packet(0x82, &[&[0, 1, 0][..], &text("t/#"), &[1]].concat()),
                2 => packet(0xA2, &[&[0, 1, 0][..], &text("t/#")].concat()),
                3 => packet(0x62, &[0, 1]),
                _ => (0..next() % 40).map(|_| next() as u8).collect(),
            };
            if let Some(at) = (next() as usize).checked_rem(bytes.len()) {
                bytes[at] ^= 1 << (next() % 8);
            }
            client.send_bytes(&bytes);
        }
    }
    bystander.finish();
    assert_eq!(broker.stats().connection_panics, 0);
}
