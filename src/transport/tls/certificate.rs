use std::net::{Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use ring::digest;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use super::distinguished_name;
use crate::model::{Certificate, Text};

/// What hooks see of a certificate; `None` if it cannot be read.
pub(super) fn read(der: &[u8]) -> Option<Certificate> {
    let (_, parsed) = parse_x509_certificate(der).ok()?;
    Some(Certificate {
        subject: Text::from(distinguished_name::write(parsed.subject())),
        common_name: common_name(&parsed).map(Text::from),
        issuer: Text::from(distinguished_name::write(parsed.issuer())),
        serial: Text::from(hex(serial(&parsed))),
        not_before_s: parsed.validity().not_before.timestamp(),
        not_after_s: parsed.validity().not_after.timestamp(),
        sha256: Text::from(hex(digest::digest(&digest::SHA256, der).as_ref())),
        alternative_names: alternative_names(&parsed)?.into_iter().map(Text::from).collect(),
        der: Bytes::copy_from_slice(der),
    })
}

/// Of several, the one that stands first in the subject as it is written: the most specific one. Where names are compared,
/// what cannot be seen would deceive, so it is no name.
fn common_name(certificate: &X509Certificate<'_>) -> Option<String> {
    let attribute = certificate.subject().iter_common_name().last()?;
    let name = distinguished_name::text(attribute.attr_value())?;
    (!name.is_empty() && is_visible(&name)).then(|| name.into_owned())
}

/// The octets of the number, without the one that only says that it is not negative.
fn serial<'a>(certificate: &X509Certificate<'a>) -> &'a [u8] {
    match certificate.raw_serial() {
        [0, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    }
}

fn alternative_names(certificate: &X509Certificate<'_>) -> Option<Vec<String>> {
    let Some(names) = certificate.subject_alternative_name().ok()? else { return Some(Vec::new()) };
    let names = names.value.general_names.iter().filter_map(alternative_name);
    Some(names.filter(|name| is_visible(name)).collect())
}

fn alternative_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(format!("DNS:{name}")),
        GeneralName::URI(uri) => Some(format!("URI:{uri}")),
        GeneralName::RFC822Name(address) => Some(format!("email:{address}")),
        GeneralName::IPAddress(octets) => match <[u8; 4]>::try_from(*octets) {
            Ok(v4) => Some(format!("IP:{}", Ipv4Addr::from(v4))),
            Err(_) => <[u8; 16]>::try_from(*octets).ok().map(|v6| format!("IP:{}", Ipv6Addr::from(v6))),
        },
        _ => None,
    }
}

fn is_visible(text: &str) -> bool {
    !text.contains(char::is_control)
}

fn hex(octets: &[u8]) -> String {
    use std::fmt::Write;
    octets.iter().fold(String::with_capacity(2 * octets.len()), |mut digits, octet| {
        let _ = write!(digits, "{octet:02x}");
        digits
    })
}
