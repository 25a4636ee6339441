use std::io::Cursor;

use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;

/// What the head of a frame takes at most.
const MAX_HEAD: usize = 14;

/// The longest payload of a control frame.
const MAX_CONTROL: u64 = 125;

/// Takes the payload out of the frames of a client. MQTT does not care where frames begin and end, so that neither a frame
/// nor a message is held until it is complete: an idle client takes no memory, whatever it has sent, and a frame that has
/// begun takes none for what its length claims.
#[derive(Debug)]
pub(super) struct Decoder {
    max_bytes: u64,
    head: [u8; MAX_HEAD],
    /// How much of the next frame's head has come.
    head_bytes: usize,
    /// The frame whose payload is on its way.
    frame: Option<Frame>,
    /// The length so far of a message whose last frame has not begun.
    message: Option<u64>,
    /// The payload so far of a control frame.
    control: Vec<u8>,
}

#[derive(Debug)]
struct Frame {
    kind: Kind,
    /// Turned so that its first octet is for the next one of the payload.
    mask: [u8; 4],
    left: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Data,
    Close,
    Ping,
    Pong,
}

/// What some bytes have held.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Decoded {
    /// So many bytes of payload are in front now.
    pub(super) payload: usize,
    /// What the last ping, if there was one, wants to have back.
    pub(super) ping: Option<Vec<u8>>,
    /// Nothing more is to be decoded.
    pub(super) end: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The client closes; the code to answer with.
    Close(Option<CloseCode>),
    /// The client has broken a rule; the code that says which.
    Violation(CloseCode),
}

impl Decoder {
    /// `max_bytes`: the longest frame, and the longest message of several.
    pub(super) fn new(max_bytes: usize) -> Self {
        let head = [0; MAX_HEAD];
        Decoder { max_bytes: max_bytes as u64, head, head_bytes: 0, frame: None, message: None, control: Vec::new() }
    }

    /// Moves the payload that is in `bytes` to the front.
    pub(super) fn decode(&mut self, bytes: &mut [u8]) -> Decoded {
        let mut decoded = Decoded::default();
        let mut at = 0;
        while at < bytes.len() && decoded.end.is_none() {
            let Some(frame) = &mut self.frame else {
                match self.read_head(&bytes[at..]) {
                    Ok(taken) => at += taken,
                    Err(code) => decoded.end = Some(End::Violation(code)),
                }
                self.finish_frame(&mut decoded);
                continue;
            };
            let taken = usize::try_from(frame.left).unwrap_or(usize::MAX).min(bytes.len() - at);
            let payload = &mut bytes[at..at + taken];
            unmask(payload, frame.mask);
            frame.mask.rotate_left(taken % 4);
            frame.left -= taken as u64;
            if frame.kind == Kind::Data {
                bytes.copy_within(at..at + taken, decoded.payload);
                decoded.payload += taken;
            } else {
                self.control.extend_from_slice(payload);
            }
            at += taken;
            self.finish_frame(&mut decoded);
        }
        decoded
    }

    /// Reads on in the head of a frame; how many bytes of it were there.
    fn read_head(&mut self, bytes: &[u8]) -> Result<usize, CloseCode> {
        let fresh = bytes.len().min(MAX_HEAD - self.head_bytes);
        let filled = self.head_bytes + fresh;
        self.head[self.head_bytes..filled].copy_from_slice(&bytes[..fresh]);
        let mut head = Cursor::new(&self.head[..filled]);
        match FrameHeader::parse(&mut head) {
            Ok(Some((header, length))) => {
                let taken = head.position() as usize - self.head_bytes;
                self.head_bytes = 0;
                self.begin_frame(&header, length)?;
                Ok(taken)
            }
            Ok(None) => {
                self.head_bytes = filled;
                Ok(fresh)
            }
            Err(_) => Err(CloseCode::Protocol),
        }
    }

    fn begin_frame(&mut self, header: &FrameHeader, length: u64) -> Result<(), CloseCode> {
        let Some(mask) = header.mask else { return Err(CloseCode::Protocol) };
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(CloseCode::Protocol);
        }
        let kind = match header.opcode {
            OpCode::Control(_) if !header.is_final || length > MAX_CONTROL => return Err(CloseCode::Protocol),
            OpCode::Control(Control::Close) => Kind::Close,
            OpCode::Control(Control::Ping) => Kind::Ping,
            OpCode::Control(Control::Pong) => Kind::Pong,
            // [MQTT-6.0.0-1]
            OpCode::Data(Data::Text) => return Err(CloseCode::Unsupported),
            OpCode::Data(Data::Binary) if self.message.is_none() => Kind::Data,
            OpCode::Data(Data::Continue) if self.message.is_some() => Kind::Data,
            OpCode::Data(_) | OpCode::Control(Control::Reserved(_)) => return Err(CloseCode::Protocol),
        };
        if kind == Kind::Data {
            let message = self.message.unwrap_or(0).saturating_add(length);
            if message > self.max_bytes {
                return Err(CloseCode::Size);
            }
            self.message = (!header.is_final).then_some(message);
        }
        self.frame = Some(Frame { kind, mask, left: length });
        Ok(())
    }

    /// Does what a frame asks for that is complete.
    fn finish_frame(&mut self, decoded: &mut Decoded) {
        let Some(frame) = self.frame.take_if(|frame| frame.left == 0) else { return };
        let control = std::mem::take(&mut self.control);
        match frame.kind {
            Kind::Data | Kind::Pong => {}
            Kind::Ping => decoded.ping = Some(control),
            Kind::Close => decoded.end = Some(goodbye(&control)),
        }
    }
}

/// What becomes of a Close with this payload: a code, and a text in UTF-8.
fn goodbye(payload: &[u8]) -> End {
    match payload {
        [] => End::Close(None),
        [high, low, reason @ ..] => {
            let code = CloseCode::from(u16::from_be_bytes([*high, *low]));
            if std::str::from_utf8(reason).is_err() {
                End::Violation(CloseCode::Invalid)
            } else if !code.is_allowed() {
                End::Violation(CloseCode::Protocol)
            } else {
                End::Close(Some(code))
            }
        }
        [_] => End::Violation(CloseCode::Protocol),
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let narrow = u64::from(u32::from_ne_bytes(mask));
    let wide = narrow << 32 | narrow;
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        if let Ok(octets) = <[u8; 8]>::try_from(&*chunk) {
            chunk.copy_from_slice(&(u64::from_ne_bytes(octets) ^ wide).to_ne_bytes());
        }
    }
    for (octet, mask) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *octet ^= mask;
    }
}
