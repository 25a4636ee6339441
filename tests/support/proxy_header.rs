//! Headers of the PROXY protocol, made by hand: what reads them must not be what makes them.

/// PROXY.
pub const PROXY: u8 = 0x21;
/// LOCAL.
pub const LOCAL: u8 = 0x20;
/// TCP over IPv4, TCP over IPv6, a Unix stream socket.
pub const TCP4: u8 = 0x11;
pub const TCP6: u8 = 0x21;
pub const UNIX: u8 = 0x31;

/// A header of version 2, of any content.
pub fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, family][..], &(rest.len() as u16).to_be_bytes(), rest].concat()
}

/// One of a client at 192.0.2.7:4711, with more behind the addresses.
pub fn v2_tcp4(tlvs: &[u8]) -> Vec<u8> {
    v2(PROXY, TCP4, &[&[192, 0, 2, 7, 192, 0, 2, 1, 0x12, 0x67, 0x07, 0x5B], tlvs].concat())
}

pub fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    [&[kind][..], &(value.len() as u16).to_be_bytes(), value].concat()
}

/// What is told of the client's TLS.
pub fn ssl(client: u8, verify: u32, values: &[(u8, &[u8])]) -> Vec<u8> {
    let values: Vec<u8> = values.iter().flat_map(|(kind, value)| tlv(*kind, value)).collect();
    tlv(0x20, &[&[client][..], &verify.to_be_bytes(), &values].concat())
}

/// CRC32c, bit by bit.
pub fn crc32c(octets: &[u8]) -> u32 {
    !octets.iter().fold(!0, |crc, octet| {
        (0..8).fold(crc ^ u32::from(*octet), |crc, _| (crc >> 1) ^ if crc & 1 != 0 { 0x82F6_3B78 } else { 0 })
    })
}
