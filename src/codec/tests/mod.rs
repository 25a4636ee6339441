//! Tests of what packets look like on the wire, both ways.

mod any_bytes;
mod encoding;
mod faults;
mod packets;
mod publishing;

use bytes::BytesMut;

use crate::model::Protocol;

use super::{Decoder, Fault, Packet};

const ALL: [Protocol; 3] = [Protocol::V3_1, Protocol::V3_1_1, Protocol::V5];

/// A packet of its first byte and what is behind the remaining length, which is below 128.
fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    assert!(body.len() < 128);
    [&[first, body.len() as u8][..], body].concat()
}

/// The beginning of a CONNECT, up to the protocol level.
fn connect_start(protocol: Protocol) -> &'static [u8] {
    match protocol {
        Protocol::V3_1 => b"\0\x06MQIsdp\x03",
        Protocol::V3_1_1 => b"\0\x04MQTT\x04",
        Protocol::V5 => b"\0\x04MQTT\x05",
    }
}

/// A simple good CONNECT.
fn connect(protocol: Protocol) -> Vec<u8> {
    let properties: &[u8] = if protocol == Protocol::V5 { b"\0" } else { b"" };
    frame(0x10, &[connect_start(protocol), b"\x02\0\x3C", properties, b"\0\x01c"].concat())
}

/// A decoder that has seen the simple CONNECT.
fn connected(protocol: Protocol) -> Decoder {
    let mut decoder = Decoder::new(1000);
    let packet = decoder.decode(&mut BytesMut::from(&connect(protocol)[..]));
    assert!(matches!(packet, Ok(Some(Packet::Connect(_)))), "{packet:?}");
    assert_eq!(decoder.protocol(), Some(protocol));
    decoder
}

fn decode_after_connect(protocol: Protocol, bytes: &[u8]) -> Result<Option<Packet>, Fault> {
    connected(protocol).decode(&mut BytesMut::from(bytes))
}

/// The reason code of the fault of a packet, 0 if there is none. The packet must be whole.
fn reason_after_connect(protocol: Protocol, bytes: &[u8]) -> u8 {
    match decode_after_connect(protocol, bytes) {
        Ok(Some(_)) => 0,
        Ok(None) => panic!("not a whole packet: {bytes:X?}"),
        Err(fault) => fault.reason.0,
    }
}
