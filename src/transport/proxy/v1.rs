//! Version 1: a line of text.

use std::io;

use ppp::v1::{Addresses, Header};

use super::{invalid, source, Announced};

pub(super) const SIGNATURE: &[u8] = b"PROXY ";

/// The longest line, with its end.
pub(super) const MAX_LENGTH: usize = 107;

/// How far a line reaches at least that has begun like this; `None` if this is all of it.
pub(super) fn certain_length(line: &[u8]) -> io::Result<Option<usize>> {
    if line.contains(&b'\n') {
        return Ok(None);
    }
    let missing = if line.ends_with(b"\r") { 1 } else { 2 };
    let length = line.len() + missing;
    if length > MAX_LENGTH {
        return Err(invalid("the line is too long"));
    }
    Ok(Some(length))
}

pub(super) fn parse(line: &[u8]) -> io::Result<Announced> {
    // Whatever follows, the receiver has to ignore it. The crate takes no more than the four words of an address.
    if let Some(rest) = line.strip_prefix(b"PROXY UNKNOWN") {
        if rest == b"\r\n" || (rest.starts_with(b" ") && rest.ends_with(b"\r\n")) {
            return Ok(Announced::default());
        }
    }
    // The crate takes +80 for a port.
    if line.contains(&b'+') {
        return Err(invalid("a port is not a number"));
    }
    let header = Header::try_from(line).map_err(invalid)?;
    let source = match header.addresses {
        Addresses::Tcp4(addresses) => source(addresses.source_address, addresses.source_port),
        Addresses::Tcp6(addresses) => source(addresses.source_address, addresses.source_port),
        Addresses::Unknown => None,
    };
    Ok(Announced { source, info: None })
}
