//! Encoded packets that wait for a socket.

use std::cell::RefCell;
use std::collections::VecDeque;

use bytes::Bytes;

/// The size of the first block of an empty queue: what a lone message needs.
const SMALL_BLOCK: usize = 1024;

/// The size that blocks grow to while more comes in than goes out.
const LARGE_BLOCK: usize = 64 * 1024;

/// Blocks of the largest size that a thread keeps for what it encodes next: the allocator would give such memory back to the
/// system, and ask for it again, with each of them.
const SPARE_BLOCKS: usize = 4;

thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Payloads from this size on are shared between their receivers instead of copied for each.
pub(super) const SHARED_PAYLOAD: usize = 8 * 1024;

/// Bytes to be written.
#[derive(Debug)]
pub(super) enum Block {
    /// Whole packets, one after the other; the last may be the head of a packet whose payload is the next block.
    Packets {
        data: Vec<u8>,
        /// What comes before has been written or dropped.
        start: usize,
        /// PUBLISH packets in it.
        messages: usize,
    },
    /// The payload of the packet that the block before ends with.
    Shared(Bytes),
    /// Packets that are no messages.
    Answers(Bytes),
}

impl Block {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Block::Packets { data, start, .. } => &data[*start..],
            Block::Shared(bytes) | Block::Answers(bytes) => bytes,
        }
    }

    /// What it takes in memory, besides a payload, which counts by itself. Blocks of such sizes that come and go leave gaps
    /// between them, which the allocator keeps: a third again in the tests, some of which others fill.
    pub(super) fn memory(&self) -> usize {
        size_of::<Block>()
            + match self {
                Block::Packets { data, .. } => data.capacity() + data.capacity() / 4,
                Block::Shared(_) => 0,
                Block::Answers(bytes) => bytes.len(),
            }
    }

    pub(super) fn messages(&self) -> usize {
        match self {
            Block::Packets { messages, .. } => *messages,
            Block::Shared(_) | Block::Answers(_) => 0,
        }
    }

    /// What has been written leaves its memory to what comes next.
    pub(super) fn recycle(self) {
        let Block::Packets { mut data, .. } = self else { return };
        if data.capacity() == LARGE_BLOCK {
            data.clear();
            SPARE.with_borrow_mut(|spares| {
                if spares.len() < SPARE_BLOCKS {
                    spares.push(data);
                }
            });
        }
    }

    /// Takes `count` bytes off the front.
    pub(super) fn advance(&mut self, count: usize) {
        match self {
            Block::Packets { start, .. } => *start += count,
            Block::Shared(bytes) | Block::Answers(bytes) => drop(bytes.split_to(count)),
        }
    }
}

/// Encoded PUBLISH packets in order, in blocks of growing size, so that nothing is moved when more is appended.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    queue: VecDeque<Block>,
    bytes: usize,
    messages: usize,
    memory: usize,
}

impl Blocks {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Bytes of all packets.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What the blocks take in memory, filled or not.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    /// How many packets there are.
    pub(super) fn messages(&self) -> usize {
        self.messages
    }

    /// Appends one packet of `len` bytes: `write` appends its head, which `payload` follows.
    pub(super) fn push(&mut self, len: usize, payload: &Bytes, write: impl FnOnce(&mut Vec<u8>)) {
        let shared = payload.len() >= SHARED_PAYLOAD;
        let needed = if shared { len - payload.len() } else { len };
        let data = self.room(needed);
        write(data);
        if shared {
            self.append(Block::Shared(payload.clone()));
        } else {
            data.extend_from_slice(payload);
        }
        self.bytes += len;
        self.messages += 1;
    }

    /// Appends one packet that is encoded already.
    pub(super) fn push_encoded(&mut self, packet: &[u8]) -> &mut [u8] {
        self.bytes += packet.len();
        self.messages += 1;
        let data = self.room(packet.len());
        let at = data.len();
        data.extend_from_slice(packet);
        &mut data[at..]
    }

    /// The last block, with room for `needed` bytes; counts a message into it.
    fn room(&mut self, needed: usize) -> &mut Vec<u8> {
        let (fits, capacity) = match self.queue.back() {
            Some(Block::Packets { data, .. }) => {
                (data.capacity() - data.len() >= needed, (4 * data.capacity()).min(LARGE_BLOCK))
            }
            Some(Block::Shared(_) | Block::Answers(_)) => (false, LARGE_BLOCK.min(8 * SMALL_BLOCK)),
            None => (false, SMALL_BLOCK),
        };
        if !fits {
            let capacity = capacity.max(needed);
            let spare = if capacity == LARGE_BLOCK { SPARE.with_borrow_mut(Vec::pop) } else { None };
            let data = spare.unwrap_or_else(|| Vec::with_capacity(capacity));
            self.append(Block::Packets { data, start: 0, messages: 0 });
        }
        match self.queue.back_mut() {
            Some(Block::Packets { data, messages, .. }) => {
                *messages += 1;
                data
            }
            _ => unreachable!("a block of packets has just been seen to"),
        }
    }

    fn append(&mut self, block: Block) {
        self.memory += block.memory();
        self.queue.push_back(block);
    }

    fn pop(&mut self) -> Option<Block> {
        let block = self.queue.pop_front()?;
        self.memory -= block.memory();
        Some(block)
    }

    /// Moves blocks to `out`, at least one if there is any, until `out` has been given `max_bytes`.
    pub(super) fn take(&mut self, out: &mut VecDeque<Block>, max_bytes: usize) {
        if out.is_empty() && self.bytes <= max_bytes {
            *out = std::mem::take(self).queue;
            return;
        }
        let mut taken = 0;
        // A packet's payload goes with its head: what stays behind must begin with a packet.
        while taken < max_bytes || matches!(self.queue.front(), Some(Block::Shared(_))) {
            let Some(block) = self.pop() else { break };
            taken += block.bytes().len();
            self.messages -= block.messages();
            out.push_back(block);
        }
        self.bytes -= taken;
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
    }

    /// Drops the oldest packet.
    pub(super) fn drop_front(&mut self) -> bool {
        let Some(Block::Packets { data, start, messages }) = self.queue.front_mut() else { return false };
        let packet = &data[*start..];
        let length = packet_len(packet);
        let here = length.min(packet.len());
        *start += here;
        *messages -= 1;
        let emptied = *start == data.len();
        self.bytes -= here;
        self.messages -= 1;
        if emptied {
            self.pop();
        }
        if here < length {
            if let Some(payload) = self.pop() {
                self.bytes -= payload.bytes().len();
            }
        }
        true
    }

    /// Forgets everything; how many packets that were.
    pub(super) fn clear(&mut self) -> usize {
        std::mem::take(self).messages
    }
}

/// The length of the packet that `bytes` begin with, by its fixed header.
fn packet_len(bytes: &[u8]) -> usize {
    let (mut length, mut shift, mut header) = (0, 0, 1);
    for byte in bytes.iter().skip(1) {
        header += 1;
        length |= usize::from(byte & 0x7F) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    header + length
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(blocks: &mut Blocks, payload_len: usize) -> Vec<u8> {
        let payload = Bytes::from(vec![b'x'; payload_len]);
        let mut head = vec![0x30];
        let mut left = payload_len + 3;
        loop {
            head.push((left % 128) as u8 | if left >= 128 { 0x80 } else { 0 });
            left /= 128;
            if left == 0 {
                break;
            }
        }
        head.extend([0, 1, b't']);
        blocks.push(head.len() + payload_len, &payload, |out| out.extend_from_slice(&head));
        [&head[..], &payload].concat()
    }

    fn drain(blocks: &mut Blocks, max: usize) -> (Vec<u8>, usize) {
        let mut out = VecDeque::new();
        blocks.take(&mut out, max);
        (out.iter().flat_map(|block| block.bytes()).copied().collect(), out.iter().map(Block::messages).sum())
    }

    #[test]
    fn bytes_come_out_in_order_and_are_counted() {
        let mut blocks = Blocks::default();
        let mut expected = Vec::new();
        for size in [1, 10, 2_000, SHARED_PAYLOAD, 5, 100_000, 70_000, 3] {
            expected.extend(push(&mut blocks, size));
        }
        assert_eq!((blocks.bytes(), blocks.messages()), (expected.len(), 8));
        let mut seen = Vec::new();
        let mut messages = 0;
        while !blocks.is_empty() {
            let (bytes, count) = drain(&mut blocks, 1);
            seen.extend(bytes);
            messages += count;
        }
        assert_eq!(seen, expected);
        assert_eq!((messages, blocks.bytes(), blocks.messages()), (8, 0, 0));
    }

    #[test]
    fn the_oldest_packet_can_be_dropped() {
        let sizes = [1, 10, SHARED_PAYLOAD, 5, 200, 100_000, 3];
        for dropped in 0..=sizes.len() {
            let mut blocks = Blocks::default();
            let packets: Vec<_> = sizes.iter().map(|size| push(&mut blocks, *size)).collect();
            for _ in 0..dropped {
                assert!(blocks.drop_front());
            }
            assert_eq!(blocks.messages(), sizes.len() - dropped);
            let expected = packets[dropped..].concat();
            assert_eq!(blocks.bytes(), expected.len());
            assert_eq!(drain(&mut blocks, usize::MAX).0, expected);
            assert!(!blocks.drop_front());
        }
    }

    #[test]
    fn many_small_packets_share_blocks() {
        let mut blocks = Blocks::default();
        for _ in 0..10_000 {
            push(&mut blocks, 64);
        }
        assert!(blocks.queue.len() < 20, "{} blocks", blocks.queue.len());
    }
}
