//! Names as RFC 4514 writes them.

use std::borrow::Cow;
use std::fmt::Write;

use x509_parser::asn1_rs::{Any, BmpString, Tag};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// The attributes that are not written as numbers: those of the RFC, and others that are registered for LDAP and common in
/// certificates.
const SHORT_NAMES: [(&str, &str); 16] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.42", "givenName"),
    ("2.5.4.46", "dnQualifier"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// The last part first, as LDAP has it: `CN=pump-7,O=Plant`.
pub(super) fn write(name: &X509Name<'_>) -> String {
    let parts: Vec<_> = name.iter_rdn().collect();
    let mut out = String::new();
    for part in parts.iter().rev() {
        let mut separator = if out.is_empty() { "" } else { "," };
        for attribute in part.iter() {
            out.push_str(separator);
            write_attribute(attribute, &mut out);
            separator = "+";
        }
    }
    out
}

/// The text of a value, if it is one.
pub(super) fn text<'a>(value: &'a Any<'_>) -> Option<Cow<'a, str>> {
    match value.tag() {
        Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::NumericString => {
            std::str::from_utf8(value.data).ok().map(Cow::Borrowed)
        }
        Tag::BmpString => BmpString::try_from(value.clone()).ok().map(|text| Cow::Owned(text.string())),
        _ => None,
    }
}

fn write_attribute(attribute: &AttributeTypeAndValue<'_>, out: &mut String) {
    let number = attribute.attr_type().to_id_string();
    let short = SHORT_NAMES.iter().find(|(known, _)| *known == number).map(|(_, short)| *short);
    out.push_str(short.unwrap_or(&number));
    out.push('=');
    match (short, text(attribute.attr_value())) {
        (Some(_), Some(text)) => write_text(&text, out),
        _ => write_octets(attribute.attr_value(), out),
    }
}

fn write_text(text: &str, out: &mut String) {
    let last = text.chars().count().saturating_sub(1);
    for (index, c) in text.chars().enumerate() {
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => out.extend(['\\', c]),
            ' ' if index == 0 || index == last => out.push_str("\\ "),
            '#' if index == 0 => out.push_str("\\#"),
            // Only NUL has to be written so. Nor does any other one belong into a line of text.
            c if c.is_control() => {
                let mut room = [0; 4];
                for octet in c.encode_utf8(&mut room).bytes() {
                    let _ = write!(out, "\\{octet:02x}");
                }
            }
            c => out.push(c),
        }
    }
}

/// The encoding of a value that has no text.
fn write_octets(value: &Any<'_>, out: &mut String) {
    use x509_parser::asn1_rs::ToDer;
    out.push('#');
    for octet in value.to_der_vec().unwrap_or_default() {
        let _ = write!(out, "{octet:02x}");
    }
}
