//! What a client sends, cut into pieces as a network cuts it: the decoder never panics, takes bytes with each packet,
//! and reads the same whatever the pieces are.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use rmqttc::codec::{Decoder, Fault, Packet};

/// Reads pieces of `piece` bytes to the end, or to the first fault.
fn decode(stream: &[u8], piece: usize, max_packet_bytes: u32) -> (Vec<Packet>, Option<Fault>) {
    let mut decoder = Decoder::new(max_packet_bytes);
    let mut buffer = BytesMut::new();
    let mut packets = Vec::new();
    for piece in stream.chunks(piece) {
        buffer.extend_from_slice(piece);
        loop {
            let before = buffer.len();
            match decoder.decode(&mut buffer) {
                Ok(Some(packet)) => {
                    assert!(buffer.len() < before);
                    packets.push(packet);
                }
                Ok(None) => {
                    assert_eq!(buffer.len(), before);
                    break;
                }
                Err(fault) => {
                    assert!(fault.reason.is_failure());
                    return (packets, Some(fault));
                }
            }
        }
    }
    (packets, None)
}

fuzz_target!(|input: &[u8]| {
    let [piece, limit, stream @ ..] = input else { return };
    let max_packet_bytes = 64 + 16 * u32::from(*limit);
    let whole = decode(stream, usize::MAX, max_packet_bytes);
    let pieces = decode(stream, 1 + usize::from(*piece), max_packet_bytes);
    assert_eq!(whole, pieces);
});
