//! Headers in any pieces, of any octets.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::FutureExt;
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::io::{AsyncRead, ReadBuf};

use super::{take, v1, v2, Announced};
use crate::config::ProxyProtocol;

/// A connection whose octets come in pieces of these sizes, again and again.
struct Pieces {
    octets: Vec<u8>,
    taken: usize,
    sizes: Vec<usize>,
    turn: usize,
}

impl Pieces {
    fn new(octets: Vec<u8>, sizes: Vec<usize>) -> Self {
        Pieces { octets, taken: 0, sizes, turn: 0 }
    }

    /// What comes of it; it never has to be waited for.
    fn take(&mut self, version: ProxyProtocol) -> io::Result<Announced> {
        take(self, version).now_or_never().unwrap()
    }

    fn rest(&self) -> &[u8] {
        &self.octets[self.taken..]
    }
}

impl AsyncRead for Pieces {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let piece = this.sizes.get(this.turn % this.sizes.len().max(1)).copied().unwrap_or(usize::MAX);
        let length = piece.min(buffer.remaining()).min(this.octets.len() - this.taken);
        buffer.put_slice(&this.octets[this.taken..this.taken + length]);
        this.taken += length;
        this.turn += 1;
        Poll::Ready(Ok(()))
    }
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind][..], &(value.len() as u16).to_be_bytes(), value].concat()
}

fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    [v2::SIGNATURE, &[command, family], &(rest.len() as u16).to_be_bytes(), rest].concat()
}

fn ipv4() -> impl Strategy<Value = SocketAddr> {
    (any::<[u8; 4]>(), any::<u16>()).prop_map(|(ip, port)| (Ipv4Addr::from(ip), port).into())
}

fn ipv6() -> impl Strategy<Value = SocketAddr> {
    (any::<[u16; 8]>(), any::<u16>()).prop_map(|(ip, port)| (Ipv6Addr::from(ip), port).into())
}

fn line(family: &str, from: SocketAddr, to: SocketAddr) -> Vec<u8> {
    format!("PROXY {family} {} {} {} {}\r\n", from.ip(), to.ip(), from.port(), to.port()).into_bytes()
}

fn block(from: SocketAddr, to: SocketAddr, tlvs: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let ip = |address: SocketAddr| match address {
        SocketAddr::V4(address) => address.ip().octets().to_vec(),
        SocketAddr::V6(address) => address.ip().octets().to_vec(),
    };
    let ports = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    let tlvs: Vec<u8> = tlvs.iter().flat_map(|(kind, value)| tlv(*kind, value)).collect();
    let family = if from.is_ipv4() { 0x11 } else { 0x21 };
    binary(0x21, family, &[ip(from), ip(to), ports, tlvs].concat())
}

/// A header, and the address that it names.
fn header() -> impl Strategy<Value = (Vec<u8>, Option<SocketAddr>)> {
    // Of a type that nobody has given a meaning.
    let tlvs = || vec((0xE0..=0xEFu8, vec(any::<u8>(), 0..300)), 0..4);
    prop_oneof![
        (ipv4(), ipv4()).prop_map(|(from, to)| (line("TCP4", from, to), Some(from))),
        (ipv6(), ipv6()).prop_map(|(from, to)| (line("TCP6", from, to), Some(from))),
        "( [!-~]{0,15}){0,5}".prop_map(|rest| (format!("PROXY UNKNOWN{rest}\r\n").into_bytes(), None)),
        (ipv4(), ipv4(), tlvs()).prop_map(|(from, to, tlvs)| (block(from, to, &tlvs), Some(from))),
        (ipv6(), ipv6(), tlvs()).prop_map(|(from, to, tlvs)| (block(from, to, &tlvs), Some(from))),
        (any::<u8>(), vec(any::<u8>(), 0..500)).prop_map(|(family, rest)| (binary(0x20, family, &rest), None)),
    ]
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

proptest! {
    #[test]
    fn exactly_the_header_is_taken(
        (header, source) in header(),
        behind in vec(any::<u8>(), 0..200),
        sizes in vec(1..40usize, 0..6),
    ) {
        let mut stream = Pieces::new([&header[..], &behind].concat(), sizes);
        let announced = stream.take(ProxyProtocol::Any).unwrap();
        prop_assert_eq!(announced.source, source.map(canonical));
        prop_assert_eq!(stream.rest(), &behind[..]);
    }

    #[test]
    fn a_header_that_breaks_off_is_none((header, _) in header(), part in 0.0..1.0f64, sizes in vec(1..40usize, 0..6)) {
        let length = (header.len() as f64 * part) as usize;
        let mut stream = Pieces::new(header[..length].to_vec(), sizes);
        prop_assert_eq!(stream.take(ProxyProtocol::Any).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    /// Whatever comes, nothing panics, and nothing is read that could not be part of a header.
    #[test]
    fn any_octets(
        signature in prop_oneof![Just(&b""[..]), Just(v1::SIGNATURE), Just(&b"PROXY TCP4 "[..]), Just(v2::SIGNATURE)],
        command in prop_oneof![Just(0x20u8), Just(0x21), any::<u8>()],
        rest in vec(any::<u8>(), 0..700),
        sizes in vec(1..40usize, 0..6),
    ) {
        let mut octets = signature.to_vec();
        if signature == v2::SIGNATURE {
            octets.push(command);
        }
        octets.extend(rest);
        let bound = match octets.get(14..16) {
            Some(length) if octets.starts_with(v2::SIGNATURE) => 16 + usize::from(length[0]) * 256 + usize::from(length[1]),
            _ if octets.starts_with(v1::SIGNATURE) => {
                octets.iter().position(|octet| *octet == b'\n').map_or(v1::MAX_LENGTH, |end| (end + 2).max(12))
            }
            _ => 16,
        };
        let mut stream = Pieces::new(octets, sizes);
        let result = stream.take(ProxyProtocol::Any);
        prop_assert!(stream.taken <= bound, "{} octets taken, at most {} belong to it", stream.taken, bound);
        if let (Ok(_), true) = (&result, stream.octets.starts_with(v1::SIGNATURE)) {
            prop_assert!(stream.octets[..stream.taken].ends_with(b"\r\n"));
        }
    }

    /// A header with any octets in place of some of its own.
    #[test]
    fn any_damage((mut header, _) in header(), damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        for (at, octet) in damage {
            let at = at.index(header.len());
            header[at] = octet;
        }
        let length = header.len();
        let mut stream = Pieces::new([header, vec![b'x'; 70_000]].concat(), Vec::new());
        let result = stream.take(ProxyProtocol::Any);
        // Its end may be what has been damaged.
        prop_assert!(stream.taken <= length.max(v1::MAX_LENGTH) || stream.octets.starts_with(v2::SIGNATURE));
        drop(result);
    }

    /// Any extensions: read as far as they are ones, or refused.
    #[test]
    fn any_extensions(tlvs in vec(any::<u8>(), 0..60), kinds in vec((0..0x40u8, vec(any::<u8>(), 0..20)), 0..4)) {
        let kinds: Vec<u8> = kinds.iter().flat_map(|(kind, value)| tlv(*kind, value)).collect();
        let header = binary(0x21, 0x11, &[&[1; 12][..], &kinds, &tlvs].concat());
        let length = header.len();
        let mut stream = Pieces::new(header, Vec::new());
        drop(stream.take(ProxyProtocol::V2));
        prop_assert_eq!(stream.taken, length);
    }
}
