//! What the decoder makes of frames, beside what tungstenite makes of them.

use std::io::{self, Cursor, Read, Write};

use proptest::prelude::*;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig, WebSocketContext};

use super::decoder::{Decoder, End};
use super::outgoing::Outgoing;

const MAX_BYTES: usize = 500;

/// A frame of a client, masked unless `mask` is `None`.
fn frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let flag = if mask.is_some() { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..=125 => bytes.push(flag | short as u8),
        long => {
            bytes.push(flag | 126);
            bytes.extend((long as u16).to_be_bytes());
        }
    }
    bytes.extend(mask.into_iter().flatten());
    let mask = mask.unwrap_or_default();
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(octet, mask)| octet ^ mask));
    bytes
}

/// What has come of bytes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    payload: Vec<u8>,
    pings: Vec<Vec<u8>>,
    end: Option<End>,
}

/// Decodes bytes that come in pieces of this size.
fn decode(bytes: &[u8], size: usize) -> Outcome {
    let mut decoder = Decoder::new(MAX_BYTES);
    let mut outcome = Outcome::default();
    for piece in bytes.chunks(size) {
        let mut piece = piece.to_vec();
        let decoded = decoder.decode(&mut piece);
        outcome.payload.extend(&piece[..decoded.payload]);
        outcome.pings.extend(decoded.ping);
        outcome.end = decoded.end;
        if outcome.end.is_some() {
            break;
        }
    }
    outcome
}

/// Bytes to be read, where writing leads nowhere.
struct Input<'a>(Cursor<&'a [u8]>);

impl Read for Input<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.read(room)
    }
}

impl Write for Input<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What tungstenite makes of the same bytes, of messages that are complete.
fn judge(bytes: &[u8]) -> Outcome {
    let config = WebSocketConfig::default().max_message_size(Some(MAX_BYTES)).max_frame_size(Some(MAX_BYTES));
    let mut context = WebSocketContext::new(Role::Server, Some(config));
    let mut input = Input(Cursor::new(bytes));
    let mut outcome = Outcome::default();
    loop {
        outcome.end = match context.read(&mut input) {
            Ok(Message::Binary(payload)) => {
                outcome.payload.extend(payload);
                continue;
            }
            Ok(Message::Ping(payload)) => {
                outcome.pings.push(payload.to_vec());
                continue;
            }
            Ok(Message::Close(close)) => match close {
                // The code in the place of one that is not allowed.
                Some(close) if close.reason == "Protocol violation" => Some(End::Violation(CloseCode::Protocol)),
                close => Some(End::Close(close.map(|close| close.code))),
            },
            Ok(_) => continue,
            Err(Error::Capacity(_)) => Some(End::Violation(CloseCode::Size)),
            Err(Error::Utf8(_)) => Some(End::Violation(CloseCode::Invalid)),
            Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => None,
            Err(_) => Some(End::Violation(CloseCode::Protocol)),
        };
        return outcome;
    }
}

/// Frames as clients send them, and as they must not; none of text, which MQTT forbids.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let opcode =
        prop_oneof![8 => Just(2u8), 8 => Just(0u8), 3 => Just(9u8), 2 => Just(10u8), 1 => Just(8u8), 1 => 0u8..16];
    let opcode = opcode.prop_filter("no text", |opcode| *opcode != 1);
    let flags = prop_oneof![6 => Just(0x80u8), 6 => Just(0u8), 1 => any::<u8>().prop_map(|flags| flags & 0xF0)];
    let mask = prop_oneof![20 => any::<[u8; 4]>().prop_map(Some), 1 => Just(None)];
    let payload = prop_oneof![
        2 => proptest::collection::vec(any::<u8>(), 0..20),
        1 => proptest::collection::vec(any::<u8>(), 0..200),
        1 => (0u16..5100).prop_map(|code| code.to_be_bytes().to_vec()),
    ];
    let frame = (flags, opcode, mask, payload).prop_map(|(flags, opcode, mask, payload)| {
        let control = opcode & 8 != 0;
        // Most control frames are whole and short.
        let flags = if control && flags == 0 { 0x80 } else { flags };
        frame(flags | opcode, mask, &payload)
    });
    proptest::collection::vec(frame, 0..12).prop_map(|frames| frames.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn frames_mean_what_tungstenite_takes_them_for(bytes in frames()) {
        let (ours, theirs) = (decode(&bytes, bytes.len().max(1)), judge(&bytes));
        prop_assert_eq!(ours.end, theirs.end);
        // Of messages that are not complete, theirs has nothing.
        prop_assert!(ours.payload.starts_with(&theirs.payload));
        prop_assert_eq!(ours.pings.last(), theirs.pings.last());
    }

    #[test]
    fn it_does_not_matter_in_what_pieces_they_come(bytes in frames(), size in 1usize..40) {
        let (whole, pieces) = (decode(&bytes, bytes.len().max(1)), decode(&bytes, size));
        prop_assert_eq!(whole.payload, pieces.payload);
        prop_assert_eq!(whole.pings.last(), pieces.pings.last());
        prop_assert_eq!(whole.end, pieces.end);
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300), size in 1usize..40) {
        decode(&bytes, size);
    }
}

const MASK: Option<[u8; 4]> = Some([1, 2, 3, 4]);

#[test]
fn text_is_refused_when_it_begins() {
    let text = frame(0x81, MASK, b"hello");
    let end = Some(End::Violation(CloseCode::Unsupported));
    assert_eq!(decode(&text, 100), Outcome { end, ..Outcome::default() });
    assert_eq!(decode(&text[..6], 1).end, end);
    // What has come before is not lost.
    let outcome = decode(&[frame(0x82, MASK, b"mqtt"), text].concat(), 100);
    assert_eq!(outcome, Outcome { payload: b"mqtt".to_vec(), end, ..Outcome::default() });
}

#[test]
fn lengths_are_limited_as_they_are_claimed() {
    let claim = |first: u8, length: u64| [&[first, 0xFF][..], &length.to_be_bytes(), &[0; 4]].concat();
    let too_large = Some(End::Violation(CloseCode::Size));
    assert_eq!(decode(&claim(0x82, MAX_BYTES as u64), 100).end, None);
    for length in [MAX_BYTES as u64 + 1, u64::from(u32::MAX) + 1, u64::MAX] {
        assert_eq!(decode(&claim(0x82, length), 100).end, too_large, "{length}");
    }
    let fragments = [frame(2, MASK, &[7; 300]), frame(0, MASK, &[8; 200])].concat();
    let with_last = |length| decode(&[&fragments[..], &claim(0x80, length)].concat(), 100);
    assert_eq!(with_last(0).end, None);
    assert_eq!(with_last(0).payload.len(), 500);
    assert_eq!(with_last(1).end, too_large);
    assert_eq!(with_last(u64::MAX).end, too_large);
    // The next message has all of it again.
    assert_eq!(decode(&[frame(0x82, MASK, &[7; 500]), frame(0x82, MASK, &[8; 500])].concat(), 7).payload.len(), 1000);
}

#[test]
fn pongs_that_cannot_be_written_are_not_kept() {
    let mut outgoing = Outgoing::default();
    for number in 0..1000u32 {
        outgoing.answer(number.to_be_bytes().to_vec());
        outgoing.say_pong();
    }
    let pong = |number: u32| [&[0x8A, 4][..], &number.to_be_bytes()].concat();
    assert_eq!(outgoing.framing(), pong(0));
    outgoing.advance(6).unwrap();
    outgoing.say_pong();
    assert_eq!(outgoing.framing(), pong(999));
}

/// Within a frame there is no room for another one.
#[test]
fn control_frames_wait_for_the_end_of_a_message() {
    let mut outgoing = Outgoing::default();
    outgoing.begin(300);
    assert_eq!(outgoing.framing(), [0x82, 126, 1, 44]);
    outgoing.answer(b"a".to_vec());
    for (written, payload) in [(3, 0), (2, 1), (298, 298)] {
        assert_eq!(outgoing.advance(written).unwrap(), payload);
        outgoing.say_pong();
        outgoing.say_close(Some(CloseCode::Normal));
        assert!(!outgoing.has_said_close());
        assert!(outgoing.framing().len() <= 1);
    }
    outgoing.advance(1).unwrap();
    outgoing.say_close(Some(CloseCode::Normal));
    assert_eq!(outgoing.framing(), [0x8A, 1, b'a', 0x88, 2, 3, 0xE8]);
    outgoing.say_close(None);
    assert_eq!(outgoing.framing().len(), 7);
}
