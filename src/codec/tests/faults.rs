use bytes::BytesMut;

use crate::codec::Decoder;
use crate::model::Protocol;

use super::{connect, connect_start, connected, decode_after_connect, frame, reason_after_connect, ALL};

const V3: [Protocol; 2] = [Protocol::V3_1, Protocol::V3_1_1];
const V3_1_1: [Protocol; 1] = [Protocol::V3_1_1];
const V3_1: [Protocol; 1] = [Protocol::V3_1];
const V5: [Protocol; 1] = [Protocol::V5];

/// First bytes and bodies of packets, and the reason code of the fault: 0 for none.
fn check(protocols: &[Protocol], table: &[(u8, &[u8], u8)]) {
    for protocol in protocols {
        for (first, body, reason) in table {
            let actual = reason_after_connect(*protocol, &frame(*first, body));
            assert_eq!(actual, *reason, "{protocol:?} {first:X} {body:X?}: {actual:X}");
        }
    }
}

#[test]
fn first_bytes() {
    for protocol in ALL {
        for first in 0..=255_u8 {
            let v5 = protocol == Protocol::V5;
            let expected = match first {
                0x10 | 0x20 | 0x90 | 0xB0 | 0xD0 => Some(0x82),
                0x36 | 0x37 | 0x3E | 0x3F | 0x38 | 0x39 => Some(0x81),
                0x30..=0x3F | 0x40 | 0x50 | 0x62 | 0x70 | 0x82 | 0xA2 | 0xC0 | 0xE0 => None,
                0x6A | 0x8A | 0xAA if protocol == Protocol::V3_1 => None,
                0xF0 if v5 => None,
                _ => Some(0x81),
            };
            let fault = connected(protocol).decode(&mut BytesMut::from(&[first][..]));
            assert_eq!(fault.map_err(|fault| fault.reason.0), expected.map_or(Ok(None), Err), "{first:X}");
        }
    }
}

#[test]
fn first_packet() {
    for (first, expected) in
        [(0x10, None), (0x30, Some(0x82)), (0xC0, Some(0x82)), (0xF0, Some(0x82)), (0x11, Some(0x81))]
    {
        let mut decoder = Decoder::new(1000);
        let fault = decoder.decode(&mut BytesMut::from(&[first][..]));
        assert_eq!(fault.map_err(|fault| fault.reason.0), expected.map_or(Ok(None), Err), "{first:X}");
        assert_eq!(decoder.protocol(), None);
    }
    for protocol in ALL {
        assert_eq!(reason_after_connect(protocol, &connect(protocol)), 0x82);
    }
}

#[test]
fn lengths() {
    let reason = |bytes: &[u8]| decode_after_connect(Protocol::V5, bytes).map_err(|fault| fault.reason.0);
    assert_eq!(reason(b"\x30\xFF\xFF\xFF\xFF"), Err(0x81));
    assert_eq!(reason(b"\x30\xFF\xFF\xFF"), Ok(None));
    assert_eq!(reason(b"\xC0\x80\0"), Err(0x81));
    // 1000 bytes are allowed.
    assert_eq!(reason(b"\x30\xE5\x07"), Ok(None));
    assert_eq!(reason(b"\x30\xE6\x07"), Err(0x95));
    assert_eq!(reason(b"\x30\xFF\xFF\xFF\x7F"), Err(0x95));
}

#[test]
fn large_connect() {
    for protocol in ALL {
        let packet = connect(protocol);
        let mut decoder = Decoder::new(packet.len() as u32);
        assert!(matches!(decoder.decode(&mut BytesMut::from(&packet[..])), Ok(Some(_))));
        let mut decoder = Decoder::new(packet.len() as u32 - 1);
        let fault = decoder.decode(&mut BytesMut::from(&packet[..]));
        assert_eq!(fault.map_err(|fault| fault.reason.0), Err(0x95));
        assert_eq!(decoder.protocol(), Some(protocol));
        let mut decoder = Decoder::new(packet.len() as u32 - 1);
        let fault = decoder.decode(&mut BytesMut::from(&packet[..2]));
        assert_eq!(fault.map_err(|fault| fault.reason.0), Err(0x95));
        assert_eq!(decoder.protocol(), None);
    }
}

/// The reason code of a CONNECT of its parts, and the protocol it is answered in.
fn connect_reason(parts: &[&[u8]]) -> (u8, Option<Protocol>) {
    let mut decoder = Decoder::new(1000);
    let reason = match decoder.decode(&mut BytesMut::from(&frame(0x10, &parts.concat())[..])) {
        Ok(Some(_)) => 0,
        Ok(None) => panic!("not a whole packet: {parts:X?}"),
        Err(fault) => fault.reason.0,
    };
    (reason, decoder.protocol())
}

#[test]
fn protocol_versions() {
    let rest = b"\x02\0\0\0\0\x01c";
    for (start, expected) in [
        (&b"\0\x04MQTT\x03"[..], (0x84, Some(Protocol::V3_1_1))),
        (b"\0\x04MQTT\x00", (0x84, Some(Protocol::V3_1_1))),
        (b"\0\x04MQTT\x06", (0x84, Some(Protocol::V5))),
        (b"\0\x04MQTT\x7F", (0x84, Some(Protocol::V5))),
        (b"\0\x04MQTT\x84", (0x84, Some(Protocol::V3_1_1))),
        (b"\0\x06MQIsdp\x04", (0x84, Some(Protocol::V3_1))),
        (b"\0\x04mqtt\x05", (0x84, None)),
        (b"\0\0\x05", (0x84, None)),
        (b"\0\x02\xFF\xFF\x05", (0x84, None)),
    ] {
        assert_eq!(connect_reason(&[start, rest]), expected, "{start:X?}");
    }
    for (start, expected) in [(&b""[..], (0x81, None)), (b"\0\x04MQT", (0x81, None)), (b"\0\x04MQTT", (0x81, None))] {
        assert_eq!(connect_reason(&[start]), expected, "{start:X?}");
    }
    // The rest is faulty, but the version is known.
    for protocol in ALL {
        assert_eq!(connect_reason(&[connect_start(protocol)]), (0x81, Some(protocol)));
    }
}

#[test]
fn connect_flags_and_payload() {
    let will = b"\0\x01t\0\x01p";
    /// Flags; the payload, where "will" stands for the will properties of MQTT 5; reason codes for 3.1, 3.1.1, 5.
    type Row<'a> = (u8, &'a [&'a [u8]], [u8; 3]);
    let table: &[Row<'_>] = &[
        (0x02, &[b"\0\x01c"], [0, 0, 0]),
        (0x00, &[b"\0\x01c"], [0, 0, 0]),
        (0x03, &[b"\0\x01c"], [0x81; 3]),
        (0x02, &[b"\0\0"], [0x85, 0, 0]),
        (0x00, &[b"\0\0"], [0x85, 0x85, 0]),
        (0x02, &[b"\0\x01"], [0x81; 3]),
        (0x02, &[b"\0\x01c", b"x"], [0x81; 3]),
        (0x02, &[b"\0\x01\xFF"], [0x81; 3]),
        (0x02, &[b"\0\x01\0"], [0x81; 3]),
        (0x0A, &[b"\0\x01c"], [0x81; 3]),
        (0x22, &[b"\0\x01c"], [0x81; 3]),
        (0x1E, &[b"\0\x01c", b"will", will], [0x81; 3]),
        (0x36, &[b"\0\x01c", b"will", will], [0; 3]),
        (0x06, &[b"\0\x01c", b"will", b"\0\x01t\0\x02p"], [0x81; 3]),
        (0x06, &[b"\0\x01c", b"will", b"\0\x01\xFF\0\x01p"], [0x81; 3]),
        (0x06, &[b"\0\x01c", b"will", b"\0\x01\0\0\x01p"], [0x81; 3]),
        (0x06, &[b"\0\x01c"], [0x81; 3]),
        (0x42, &[b"\0\x01c\0\x01p"], [0x81, 0x81, 0]),
        (0x82, &[b"\0\x01c\0\x01u"], [0; 3]),
        (0x82, &[b"\0\x01c"], [0x81; 3]),
        (0x82, &[b"\0\x01c\0\x01\xFF"], [0x81; 3]),
        (0xC2, &[b"\0\x01c\0\x01u\0\x02\xFF\0"], [0; 3]),
        (0xC2, &[b"\0\x01c\0\x01u\0\x02\xFF"], [0x81; 3]),
        // What is malformed comes before what is wrong with the client identifier.
        (0x00, &[b"\0\0x"], [0x81; 3]),
    ];
    for (flags, payload, reasons) in table {
        for (protocol, reason) in ALL.into_iter().zip(reasons) {
            let properties: &[u8] = if protocol == Protocol::V5 { b"\0" } else { b"" };
            let flags = [*flags];
            let mut parts = vec![connect_start(protocol), &flags, b"\0\x3C", properties];
            parts.extend(payload.iter().map(|part| if *part == b"will" { properties } else { part }));
            assert_eq!(connect_reason(&parts), (*reason, Some(protocol)), "{parts:X?}");
        }
    }
}

#[test]
fn connect_properties() {
    for (properties, reason) in [
        (&b"\x11\0\0\0\x05"[..], 0),
        (b"\x21\0\0", 0x82),
        (b"\x27\0\0\0\0", 0x82),
        (b"\x16\0\x01d", 0x82),
        (b"\x17\x02", 0x82),
        (b"\x17\x01\x17\x01", 0x82),
        (b"\x18\0\0\0\0", 0x81),
        (b"\x21\0", 0x81),
    ] {
        let length = [properties.len() as u8];
        let parts = [connect_start(Protocol::V5), b"\x02\0\0", &length, properties, b"\0\x01c"];
        assert_eq!(connect_reason(&parts).0, reason, "{properties:X?}");
        let parts = [connect_start(Protocol::V5), b"\x06\0\0\0\0\x01c", &length, properties, b"\0\x01t\0\0"];
        let in_will = if properties[0] == 0x18 { 0 } else { 0x81 };
        assert_eq!(connect_reason(&parts).0, in_will, "{properties:X?}");
    }
}

#[test]
fn publish() {
    check(
        &V3,
        &[
            (0x30, b"\0\x01t", 0),
            (0x30, b"\0\x01tpayload", 0),
            (0x32, b"\0\x01t\0\x01", 0),
            (0x3A, b"\0\x01t\0\x01", 0),
            (0x32, b"\0\x01t\0\0", 0x82),
            (0x34, b"\0\x01t\0\0", 0x82),
            (0x34, b"\0\x01t\0", 0x81),
            (0x30, b"", 0x81),
            (0x30, b"\0\x02t", 0x81),
            (0x30, b"\0\0p", 0x81),
            (0x30, b"\0\x01\xFF", 0x81),
            // Left to the session.
            (0x30, b"\0\x01\0", 0),
            (0x30, b"\0\x01#", 0),
        ],
    );
    check(
        &V5,
        &[
            (0x30, b"\0\x01t\0", 0),
            (0x30, b"\0\x01t\0payload", 0),
            (0x32, b"\0\x01t\0\x01\0", 0),
            (0x32, b"\0\x01t\0\0\0", 0x82),
            (0x30, b"\0\x01t", 0x81),
            (0x30, b"\0\x01t\x05", 0x81),
            (0x30, b"\0\x01t\x80\0", 0x81),
            (0x30, b"\0\x01\xFF\0", 0x81),
            (0x30, b"\0\0\0", 0x82),
            (0x30, b"\0\0\x03\x23\0\x01", 0),
            (0x30, b"\0\x01t\x03\x23\0\0", 0x94),
            (0x30, b"\0\x01t\x02\x0B\x01", 0x82),
            (0x30, b"\0\x01t\x05\x02\0\0\0\0", 0),
            (0x30, b"\0\x01t\x02\x01\x02", 0x82),
            (0x30, b"\0\x01t\x04\x01\x01\x01\x01", 0x82),
            (0x30, b"\0\x01t\x05\x11\0\0\0\0", 0x81),
            (0x30, b"\0\x01t\x01\x7F", 0x81),
            (0x30, b"\0\x01t\x01\xFF", 0x81),
        ],
    );
}

#[test]
fn acknowledgements() {
    for first in [0x40, 0x50, 0x62, 0x70] {
        check(&ALL, &[(first, b"\0\x01", 0), (first, b"\0\0", 0x82), (first, b"\0", 0x81), (first, b"", 0x81)]);
        check(&V3, &[(first, b"\0\x01\0", 0x81)]);
        check(
            &V5,
            &[
                (first, b"\0\x01\0", 0),
                (first, b"\0\x01\0\0", 0),
                (first, b"\0\x01\0\0\0", 0x81),
                (first, b"\0\x01\0\x01", 0x81),
                (first, b"\0\x01\0\x05\x1F\0\x02ab", 0),
                (first, b"\0\x01\0\x05\x1F\0\x02a\0", 0x81),
                (first, b"\0\x01\0\x03\x23\0\x01", 0x81),
                (first, b"\0\x01\x04", 0x82),
            ],
        );
        for reason in 0..=255 {
            let good: &[u8] =
                if first < 0x60 { &[0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99] } else { &[0, 0x92] };
            check(&V5, &[(first, &[0, 1, reason], if good.contains(&reason) { 0 } else { 0x82 })]);
        }
    }
}

#[test]
fn subscribe() {
    check(
        &V3,
        &[
            (0x82, b"\0\x01\0\x01f\x00", 0),
            (0x82, b"\0\x01\0\x01f\x02\0\x01g\x01", 0),
            (0x82, b"\0\x01\0\x01f\x03", 0x81),
            (0x82, b"\0\x01\0\x01f\x04", 0x81),
            (0x82, b"\0\x01\0\x01f\x80", 0x81),
            (0x82, b"\0\x01", 0x82),
            (0x82, b"\0\0\0\x01f\x00", 0x82),
            (0x82, b"\0", 0x81),
            (0x82, b"\0\x01\0\x01f", 0x81),
            (0x82, b"\0\x01\0\0\0", 0x81),
            (0x82, b"\0\x01\0\x01\xFF\0", 0x81),
            (0x82, b"\0\x01\0\x01\0\0", 0x81),
            // Left to the session.
            (0x82, b"\0\x01\0\x02##\0", 0),
        ],
    );
    check(
        &V5,
        &[
            (0x82, b"\0\x01\0\0\x01f\x00", 0),
            (0x82, b"\0\x01\0\0\x01f\x2E", 0),
            (0x82, b"\0\x01\0\0\x01f\x03", 0x82),
            (0x82, b"\0\x01\0\0\x01f\x30", 0x82),
            (0x82, b"\0\x01\0\0\x01f\x40", 0x81),
            (0x82, b"\0\x01\0\0\x01f\x80", 0x81),
            (0x82, b"\0\x01\0\0\x0A$share/g/f\x00", 0),
            (0x82, b"\0\x01\0\0\x0A$share/g/f\x04", 0x82),
            (0x82, b"\0\x01\0", 0x82),
            (0x82, b"\0\x01", 0x81),
            (0x82, b"\0\0\0\0\x01f\x00", 0x82),
            (0x82, b"\0\x01\x02\x0B\0\0\x01f\x00", 0x82),
            (0x82, b"\0\x01\x02\x0B\x01\0\x01f\x00", 0),
            (0x82, b"\0\x01\x04\x0B\x01\x0B\x01\0\x01f\x00", 0x82),
            (0x82, b"\0\x01\x03\x0B\x81\0\0\x01f\x00", 0x81),
            (0x82, b"\0\x01\x02\x01\x01\0\x01f\x00", 0x81),
            (0x82, b"\0\x01\0\0\x01f", 0x81),
            (0x82, b"\0\x01\0\0\x01\0\0", 0x81),
            // Left to the session.
            (0x82, b"\0\x01\0\0\0\0", 0),
        ],
    );
}

#[test]
fn unsubscribe() {
    check(
        &V3,
        &[
            (0xA2, b"\0\x01\0\x01f\0\x01g", 0),
            (0xA2, b"\0\x01", 0x82),
            (0xA2, b"\0\0\0\x01f", 0x82),
            (0xA2, b"\0\x01\0\0", 0x81),
            (0xA2, b"\0\x01\0\x02f", 0x81),
            (0xA2, b"\0\x01\0\x01\0", 0x81),
        ],
    );
    check(
        &V5,
        &[
            (0xA2, b"\0\x01\0\0\x01f\0\x01g", 0),
            (0xA2, b"\0\x01\x07\x26\0\x01a\0\x01b\0\x01f", 0),
            (0xA2, b"\0\x01\x02\x0B\x01\0\x01f", 0x81),
            (0xA2, b"\0\x01\0", 0x82),
            (0xA2, b"\0\0\0\0\x01f", 0x82),
            (0xA2, b"\0\x01\0\0\x02f", 0x81),
            (0xA2, b"\0\x01\0\0\0", 0),
        ],
    );
}

#[test]
fn ping_and_disconnect() {
    check(&ALL, &[(0xC0, b"", 0), (0xC0, b"\0", 0x81), (0xE0, b"", 0)]);
    check(&V3, &[(0xE0, b"\0", 0x81)]);
    check(
        &V5,
        &[
            (0xE0, b"\0\0", 0),
            (0xE0, b"\x04\x05\x11\0\0\0\x09", 0),
            (0xE0, b"\0\0\0", 0x81),
            (0xE0, b"\0\x01", 0x81),
            (0xE0, b"\0\x04\x1C\0\x01s", 0x82),
            (0xE0, b"\0\x03\x23\0\x01", 0x81),
        ],
    );
    for reason in 0..=255 {
        let from_client = matches!(reason, 0 | 4 | 0x80..=0x83 | 0x90 | 0x93..=0x99);
        check(&V5, &[(0xE0, &[reason], if from_client { 0 } else { 0x82 })]);
    }
}

#[test]
fn auth() {
    check(
        &V5,
        &[
            (0xF0, b"\x18\x04\x15\0\x01m", 0),
            (0xF0, b"\x19\x08\x15\0\x01m\x16\0\x01d", 0),
            (0xF0, b"\x18\x04\x16\0\x01d", 0x82),
            (0xF0, b"\x18\0", 0x82),
            (0xF0, b"\x18", 0x82),
            (0xF0, b"", 0x82),
            (0xF0, b"\0\x04\x15\0\x01m", 0x82),
            (0xF0, b"\x87\x04\x15\0\x01m", 0x82),
            (0xF0, b"\x18\x04\x15\0\x01m\0", 0x81),
            (0xF0, b"\x18\x05\x15\0\x01m", 0x81),
        ],
    );
}

#[test]
fn dup_is_of_mqtt_3_1() {
    for (first, body) in [(0x6A, &b"\0\x01"[..]), (0x8A, b"\0\x01\0\x01f\0"), (0xAA, b"\0\x01\0\x01f")] {
        check(&V3_1, &[(first, body, 0)]);
        check(&V3_1_1, &[(first, body, 0x81)]);
    }
}
