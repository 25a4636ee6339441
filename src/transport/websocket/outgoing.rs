use std::io;

use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;

/// The longest message that is sent: what a length of 16 bits can say. Between messages there is room for a pong.
pub(super) const MAX_MESSAGE: usize = 65_535;

/// What stands between payload and payload on its way to a client. The payload itself is not held: it goes from the session to
/// the socket.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// Heads of frames and control frames, which come before any payload.
    framing: Vec<u8>,
    /// What is missing of the payload of the frame that has begun.
    owed: usize,
    /// The ping to be answered when that frame is complete. A later one takes its place, as RFC 6455 allows.
    ping: Option<Vec<u8>>,
    has_said_close: bool,
}

impl Outgoing {
    pub(super) fn framing(&self) -> &[u8] {
        &self.framing
    }

    pub(super) fn owed(&self) -> usize {
        self.owed
    }

    pub(super) fn has_said_close(&self) -> bool {
        self.has_said_close
    }

    pub(super) fn answer(&mut self, ping: Vec<u8>) {
        self.ping = Some(ping);
    }

    /// Begins a message of so many bytes, unless one has begun.
    pub(super) fn begin(&mut self, length: usize) {
        self.say_pong();
        if self.owed == 0 {
            self.head(OpCode::Data(Data::Binary), length);
            self.owed = length;
        }
    }

    /// Says pong if it is due, and can be said. One that waits for the socket is enough.
    pub(super) fn say_pong(&mut self) {
        if self.owed > 0 || self.has_said_close || !self.framing.is_empty() {
            return;
        }
        if let Some(ping) = self.ping.take() {
            self.head(OpCode::Control(Control::Pong), ping.len());
            self.framing.extend(ping);
        }
    }

    /// Says Close once, with a code unless the client's has none. Within a frame it cannot be said.
    pub(super) fn say_close(&mut self, code: Option<CloseCode>) {
        if self.owed > 0 || self.has_said_close {
            return;
        }
        self.say_pong();
        self.has_said_close = true;
        let code = code.map(|code| u16::from(code).to_be_bytes());
        let payload = code.as_ref().map_or(&[][..], |code| &code[..]);
        self.head(OpCode::Control(Control::Close), payload.len());
        self.framing.extend(payload);
    }

    /// So many bytes have been written, framing first; how many of them were payload.
    pub(super) fn advance(&mut self, written: usize) -> io::Result<usize> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let framing = written.min(self.framing.len());
        self.framing.drain(..framing);
        let payload = written - framing;
        self.owed = self.owed.saturating_sub(payload);
        Ok(payload)
    }

    fn head(&mut self, opcode: OpCode, length: usize) {
        let header = FrameHeader { opcode, ..FrameHeader::default() };
        // Memory takes whatever is written to it.
        let _ = header.format(length as u64, &mut self.framing);
    }
}
