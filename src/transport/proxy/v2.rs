//! Version 2: the binary one.

use std::io;

use ppp::v2::{Addresses, Header, ParseError, Protocol};

use super::{invalid, source, tlv, Announced};

pub(super) use ppp::v2::PROTOCOL_PREFIX as SIGNATURE;

/// The part that every header has. It ends with the length of the rest.
pub(super) const START: usize = 16;

/// The longest rest that is read. The specification has 65 535 octets, but the largest thing to be expected in it is a
/// certificate; HAProxy itself takes no more than this.
const MAX_REST: usize = 16 * 1024;

/// Version 2, command LOCAL: the connection is the load balancer's own.
const LOCAL: u8 = 0x20;

/// How long the header is that starts like this. What can be found wrong with it by now need not be waited for.
pub(super) fn length(start: &[u8]) -> io::Result<usize> {
    let Some(&[_, _, high, low]) = start.last_chunk() else { return Err(invalid("the header is too short")) };
    if !is_local(start) {
        match Header::try_from(start) {
            Ok(_) | Err(ParseError::Partial(..)) => {}
            Err(error) => return Err(invalid(error)),
        }
    }
    let rest = usize::from(u16::from_be_bytes([high, low]));
    if rest > MAX_REST {
        return Err(invalid("the header is too long"));
    }
    Ok(START + rest)
}

pub(super) fn parse(header: &[u8]) -> io::Result<Announced> {
    // All the rest is to be ignored then, whatever it is.
    if is_local(header) {
        return Ok(Announced::default());
    }
    let parsed = Header::try_from(header).map_err(invalid)?;
    let source = match (parsed.protocol, parsed.addresses) {
        (Protocol::Datagram, _) => return Err(invalid("the client's connection is one of datagrams")),
        (Protocol::Stream, Addresses::IPv4(addresses)) => source(addresses.source_address, addresses.source_port),
        (Protocol::Stream, Addresses::IPv6(addresses)) => source(addresses.source_address, addresses.source_port),
        // A Unix socket, or something that the load balancer has no name for.
        _ => None,
    };
    let tlvs = match parsed.addresses {
        // The crate takes all there is for an address, where there is none.
        Addresses::Unspecified => header.get(START..).unwrap_or_default(),
        _ => parsed.tlv_bytes(),
    };
    Ok(Announced { source, info: tlv::read(header, tlvs)? })
}

fn is_local(header: &[u8]) -> bool {
    header.get(SIGNATURE.len()) == Some(&LOCAL)
}
