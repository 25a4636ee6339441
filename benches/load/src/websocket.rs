//! WebSocket by hand, only what the load needs: one frame for each packet, as MQTT clients send them.

use std::io::{Read, Write};

use crate::stream::Stream;
use crate::Result;

/// A key for the answer, which nobody looks at; 16 bytes in Base64.
const REQUEST: &str = "GET /mqtt HTTP/1.1\r\n\
    Host: localhost\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: cm1xdHQtYyBiZW5jaCA6KQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Protocol: mqtt\r\n\r\n";

/// The longest answer to it.
const ANSWER: usize = 4096;

const CONTINUATION: u8 = 0;
const BINARY: u8 = 2;
const FINAL: u8 = 0x80;
const MASKED: u8 = 0x80;

/// Asks for WebSocket, and waits until the broker speaks it.
pub fn upgrade(stream: &mut Stream) -> Result<()> {
    let failed = |error: std::io::Error| format!("connection: {error}");
    stream.write_all(REQUEST.as_bytes()).map_err(failed)?;
    let mut answer = Vec::new();
    // One by one, as frames may follow.
    while !answer.ends_with(b"\r\n\r\n") && answer.len() < ANSWER {
        let mut byte = [0];
        stream.read_exact(&mut byte).map_err(failed)?;
        answer.push(byte[0]);
    }
    if answer.starts_with(b"HTTP/1.1 101 ") {
        return Ok(());
    }
    let line = String::from_utf8_lossy(&answer);
    Err(format!("the broker does not speak WebSocket: {}", line.lines().next().unwrap_or_default()))
}

/// Appends a packet as a frame. The mask is zero: all that it costs the broker is the same, and the generator nothing.
pub fn frame(packet: &[u8], out: &mut Vec<u8>) {
    out.push(FINAL | BINARY);
    match packet.len() {
        len @ 0..126 => out.push(MASKED | len as u8),
        len @ 126..=0xFFFF => {
            out.push(MASKED | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(MASKED | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(packet);
}

/// Takes the frames off what a broker sends, in whatever pieces it comes.
#[derive(Default)]
pub struct Unframer {
    /// What has come of a header, and how much that is.
    header: [u8; 10],
    len: usize,
    /// What is still to come of the frame.
    left: u64,
}

impl Unframer {
    /// Leaves the contents of the frames at the front, and tells how long they are.
    pub fn unframe(&mut self, bytes: &mut [u8]) -> Result<usize> {
        let (mut from, mut to) = (0, 0);
        while from < bytes.len() {
            if self.left == 0 {
                self.header[self.len] = bytes[from];
                self.len += 1;
                from += 1;
                if let Some(left) = content_len(&self.header[..self.len])? {
                    (self.left, self.len) = (left, 0);
                }
            } else {
                let count = (bytes.len() - from).min(usize::try_from(self.left).unwrap_or(usize::MAX));
                bytes.copy_within(from..from + count, to);
                from += count;
                to += count;
                self.left -= count as u64;
            }
        }
        Ok(to)
    }
}

/// How long the content of a frame is, as soon as its header is whole.
fn content_len(header: &[u8]) -> Result<Option<u64>> {
    let &[first, second, ref length @ ..] = header else { return Ok(None) };
    let opcode = first & 0x0F;
    if opcode != BINARY && opcode != CONTINUATION {
        return Err(format!("the broker sent a frame of kind {opcode:#x}"));
    }
    Ok(match second {
        0..126 => Some(second.into()),
        126 => length.first_chunk().map(|length| u16::from_be_bytes(*length).into()),
        127 => length.first_chunk().map(|length| u64::from_be_bytes(*length)),
        MASKED.. => return Err("the broker sent a frame with a mask".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the broker sends it: without a mask.
    fn sent(packet: &[u8]) -> Vec<u8> {
        let mut frame_bytes = Vec::new();
        frame(packet, &mut frame_bytes);
        let mask = frame_bytes.len() - packet.len() - 4;
        frame_bytes[1] &= !MASKED;
        frame_bytes.drain(mask..mask + 4);
        frame_bytes
    }

    #[test]
    fn frames_in_pieces_are_put_together() {
        let packets = [vec![1; 5], vec![], vec![2; 200], vec![3; 70_000]];
        let stream: Vec<u8> = packets.iter().flat_map(|packet| sent(packet)).collect();
        for piece in [1, 2, 3, 7, 1000, stream.len()] {
            let (mut unframer, mut seen) = (Unframer::default(), Vec::new());
            for bytes in stream.chunks(piece) {
                let mut bytes = bytes.to_vec();
                let count = unframer.unframe(&mut bytes).unwrap();
                seen.extend_from_slice(&bytes[..count]);
            }
            assert!(seen == packets.concat(), "in pieces of {piece}");
        }
    }

    #[test]
    fn only_packets_are_expected() {
        for mut frame in [[0x88, 0], [0x89, 0], [0x81, 0], [0x82, 0x80]] {
            assert!(Unframer::default().unframe(&mut frame).is_err(), "{frame:?}");
        }
    }
}
