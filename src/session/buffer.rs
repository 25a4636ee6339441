//! Memory to read into, which an idle connection does not hold.

use std::cell::RefCell;

use bytes::BytesMut;

/// What is read from a socket at once at most.
pub(super) const READ_BYTES: usize = 64 * 1024;

/// Buffers that a thread keeps for the next connection that has something to read.
const SPARE_BUFFERS: usize = 4;

/// An unfinished packet up to this size is moved to memory of its own size while its rest is on the way.
const SMALL_REST: usize = 4 * 1024;

thread_local! {
    static SPARE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// Sees to room for one read. A packet that has begun gets room as its bytes come, not as its length claims.
pub(super) fn reserve(buffer: &mut BytesMut) {
    if buffer.capacity() - buffer.len() >= READ_BYTES / 2 {
        return;
    }
    if buffer.capacity() < READ_BYTES {
        if let Some(mut spare) = SPARE.with_borrow_mut(Vec::pop) {
            spare.extend_from_slice(buffer);
            *buffer = spare;
            return;
        }
    }
    buffer.reserve(READ_BYTES);
}

/// Gives up memory while nothing comes in.
pub(super) fn release(buffer: &mut BytesMut) {
    if buffer.capacity() < READ_BYTES / 2 || buffer.len() > SMALL_REST {
        if buffer.is_empty() {
            *buffer = BytesMut::new();
        }
        return;
    }
    let rest = if buffer.is_empty() { BytesMut::new() } else { BytesMut::from(&buffer[..]) };
    let mut spare = std::mem::replace(buffer, rest);
    spare.clear();
    SPARE.with_borrow_mut(|spares| {
        // A message that is still on its way may hold on to the memory, which is then freed with it.
        if spares.len() < SPARE_BUFFERS && spare.try_reclaim(READ_BYTES) && spare.capacity() <= 2 * READ_BYTES {
            spares.push(spare);
        }
    });
}
