use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use rmqtt::codec::v3;
use rmqtt::codec::v5;
use tokio_util::codec::Decoder as _;

use crate::codec::{Decoder, Packet};
use crate::model::Protocol;

use super::packets::stream;
use super::{connected, ALL};

/// Decodes until there is a fault or nothing is left. The codec must have taken every packet that passed the checks.
fn decode_all(mut decoder: Decoder, bytes: &[u8]) {
    let mut buffer = BytesMut::from(bytes);
    loop {
        let before = buffer.len();
        match decoder.decode(&mut buffer) {
            Ok(Some(_)) => assert!(buffer.len() < before),
            Ok(None) => break,
            Err(fault) => {
                assert!(fault.reason.is_failure());
                assert_ne!(fault.text, "packet is refused by the codec");
                break;
            }
        }
    }
}

/// A packet with a fixed header that fits, so that what is behind it is looked at.
fn framed(first: u8, body: &[u8]) -> Vec<u8> {
    [&[first, (body.len() % 128) as u8 | 0x80, (body.len() / 128) as u8][..], body].concat()
}

const FIRST_BYTES: [u8; 12] = [0x30, 0x32, 0x34, 0x3D, 0x40, 0x50, 0x62, 0x70, 0x82, 0xA2, 0xE0, 0xF0];

proptest! {
    #[test]
    fn anything(bytes in vec(any::<u8>(), 0..400)) {
        decode_all(Decoder::new(300), &bytes);
        for protocol in ALL {
            decode_all(connected(protocol), &bytes);
        }
    }

    #[test]
    fn anything_in_a_packet(first in prop::sample::select(&FIRST_BYTES), body in vec(any::<u8>(), 128..300)) {
        decode_all(Decoder::new(1000), &framed(0x10, &[b"\0\x04MQTT\x05", &body[..]].concat()));
        for protocol in ALL {
            decode_all(connected(protocol), &framed(first, &body));
        }
    }

    #[test]
    fn changed_packets(
        protocol in prop::sample::select(&ALL),
        changes in vec((any::<Index>(), prop_oneof![0..8_u8, any::<u8>()]), 1..4),
    ) {
        for (index, packet) in stream(protocol).into_iter().enumerate() {
            let mut packet = packet;
            for (at, byte) in &changes {
                let at = at.index(packet.len());
                packet[at] = *byte;
            }
            let decoder = if index == 0 { Decoder::new(1000) } else { connected(protocol) };
            decode_all(decoder, &packet);
        }
    }

    /// What is accepted, the codec would have accepted too.
    #[test]
    fn stricter_than_the_codec(
        protocol in prop::sample::select(&ALL),
        changes in vec((any::<Index>(), prop_oneof![0..8_u8, any::<u8>()]), 1..4),
    ) {
        for mut packet in stream(protocol).into_iter().skip(1) {
            for (at, byte) in &changes {
                let at = at.index(packet.len());
                packet[at] = *byte;
            }
            let Ok(Some(decoded)) = connected(protocol).decode(&mut BytesMut::from(&packet[..])) else { continue };
            // MQTT 3.1 knows a DUP flag there; the codec knows no message expiry interval of 0.
            let dup = matches!(packet[0], 0x6A | 0x8A | 0xAA);
            if dup || matches!(&decoded, Packet::Publish(publish) if publish.message_expiry_s == Some(0)) {
                continue;
            }
            let mut buffer = BytesMut::from(&packet[..]);
            let accepted = match protocol {
                Protocol::V5 => matches!(v5::Codec::new(0, 0).decode(&mut buffer), Ok(Some(_))),
                _ => matches!(v3::Codec::new(0).decode(&mut buffer), Ok(Some(_))),
            };
            prop_assert!(accepted, "{:X?} {:?}", packet, decoded);
        }
    }
}
