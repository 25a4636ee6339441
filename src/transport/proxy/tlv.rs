//! What version 2 tells besides addresses: a list of types, lengths and values.

use std::io;

use bytes::Bytes;
use crc::{Crc, CRC_32_ISCSI};
use ppp::v2::{Type, TypeLengthValue, TypeLengthValues};

use super::invalid;
use crate::model::{ProxyInfo, Text};

const ALPN: u8 = Type::ALPN as u8;
const AUTHORITY: u8 = Type::Authority as u8;
const CRC32C: u8 = Type::CRC32C as u8;
const UNIQUE_ID: u8 = Type::UniqueId as u8;
const SSL: u8 = Type::SSL as u8;
const SSL_VERSION: u8 = Type::SSLVersion as u8;
const SSL_COMMON_NAME: u8 = Type::SSLCommonName as u8;

/// What stands before the value: its type and its length.
const START: usize = 3;

const MAX_UNIQUE_ID: usize = 128;

/// Bits of the field `client` of SSL: the client has come over TLS, and has shown a certificate on this connection, or on
/// an earlier one of its TLS session.
const CLIENT_SSL: u8 = 1;
const CLIENT_CERT: u8 = 2 | 4;

const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// Reads the values that end `header`. `None` if they tell nothing that is kept.
pub(super) fn read(header: &[u8], tlvs: &[u8]) -> io::Result<Option<Box<ProxyInfo>>> {
    let mut info = ProxyInfo::default();
    let mut at = header.len() - tlvs.len();
    for tlv in TypeLengthValues::from(tlvs) {
        let tlv = tlv.map_err(invalid)?;
        at += START;
        match tlv.kind {
            ALPN => info.alpn = text(&tlv),
            AUTHORITY => info.authority = text(&tlv),
            CRC32C => verify(header, at, &tlv.value)?,
            UNIQUE_ID if tlv.len() > MAX_UNIQUE_ID => return Err(invalid("the unique identifier is too long")),
            UNIQUE_ID => info.unique_id = Some(Bytes::copy_from_slice(&tlv.value)),
            SSL => read_ssl(&tlv.value, &mut info)?,
            _ => {}
        }
        at += tlv.len();
    }
    Ok((info != ProxyInfo::default()).then(|| Box::new(info)))
}

/// Reads what is told of the client's TLS: two fields, and values within the value.
fn read_ssl(value: &[u8], info: &mut ProxyInfo) -> io::Result<()> {
    let Some((&[client, verify @ ..], tlvs)) = value.split_first_chunk::<5>() else {
        return Err(invalid("what is told of TLS is too short"));
    };
    let is_verified = client & CLIENT_CERT != 0 && verify == [0; 4];
    for tlv in TypeLengthValues::from(tlvs) {
        let tlv = tlv.map_err(invalid)?;
        match tlv.kind {
            SSL_VERSION if client & CLIENT_SSL != 0 => info.tls_version = text(&tlv),
            SSL_COMMON_NAME if is_verified => info.common_name = text(&tlv),
            _ => {}
        }
    }
    Ok(())
}

/// What is not UTF-8 or contains U+0000 is not there for hooks: half of a name would be another name.
fn text(tlv: &TypeLengthValue<'_>) -> Option<Text> {
    let text = std::str::from_utf8(&tlv.value).ok()?;
    (!text.contains('\0')).then(|| Text::from(text))
}

/// The checksum at `at` is that of the whole header with zeroes in its place.
fn verify(header: &[u8], at: usize, checksum: &[u8]) -> io::Result<()> {
    let mut digest = CHECKSUM.digest();
    digest.update(header.get(..at).unwrap_or_default());
    digest.update(&[0; 4]);
    digest.update(header.get(at + 4..).unwrap_or_default());
    if checksum == digest.finalize().to_be_bytes() {
        Ok(())
    } else {
        Err(invalid("the checksum is wrong"))
    }
}
