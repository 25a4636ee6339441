//! The properties of a message between their encoded form, in which they travel, and what a program reads and writes.

use std::fmt;

use bytes::Bytes;

use super::property::{CONTENT_TYPE, CORRELATION_DATA, PAYLOAD_FORMAT_INDICATOR, RESPONSE_TOPIC, USER_PROPERTY};
use super::reader::Reader;
use super::Fault;
use crate::model::{EncodedProperties, Properties, Text};

/// What a two byte length can tell of.
const MAX_FIELD_BYTES: usize = 65_535;

/// A property that MQTT cannot express.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inexpressible {
    pub property: &'static str,
    pub why: &'static str,
}

impl fmt::Display for Inexpressible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} {}", self.property, self.why)
    }
}

/// Reads the properties of a [`crate::model::Message`], which have been checked when they came in. The message expiry is
/// not among them.
pub fn read_properties(encoded: &[u8]) -> Properties {
    let mut properties = Properties::default();
    let mut reader = Reader::new(encoded, 0);
    while reader.has_more() && read_property(&mut reader, &mut properties).is_ok() {}
    properties
}

fn read_property(reader: &mut Reader<'_>, properties: &mut Properties) -> Result<(), Fault> {
    match reader.u8()? {
        PAYLOAD_FORMAT_INDICATOR => properties.payload_is_text = reader.u8()? == 1,
        CONTENT_TYPE => properties.content_type = Some(text(reader)?),
        RESPONSE_TOPIC => properties.response_topic = Some(text(reader)?),
        CORRELATION_DATA => properties.correlation_data = Some(Bytes::copy_from_slice(reader.binary()?)),
        USER_PROPERTY => {
            let name = text(reader)?;
            properties.user_properties.push((name, text(reader)?));
        }
        _ => return Err(Fault::malformed("property is not one of a message")),
    }
    Ok(())
}

fn text(reader: &mut Reader<'_>) -> Result<Text, Fault> {
    let bytes = reader.string()?;
    let text = std::str::from_utf8(bytes).map_err(|_| Fault::malformed("string is not UTF-8"))?;
    Ok(Text::from(text))
}

/// Encodes the properties of a message.
pub fn encode_properties(properties: &Properties) -> Result<EncodedProperties, Inexpressible> {
    let mut out = Vec::new();
    if properties.payload_is_text {
        out.extend([PAYLOAD_FORMAT_INDICATOR, 1]);
    }
    if let Some(content_type) = &properties.content_type {
        out.push(CONTENT_TYPE);
        put_text("content type", content_type, &mut out)?;
    }
    if let Some(response_topic) = &properties.response_topic {
        if response_topic.is_empty() || response_topic.contains(['+', '#']) {
            // [MQTT-3.3.2-14]
            return Err(Inexpressible { property: "response topic", why: "is no topic name" });
        }
        out.push(RESPONSE_TOPIC);
        put_text("response topic", response_topic, &mut out)?;
    }
    if let Some(correlation_data) = &properties.correlation_data {
        out.push(CORRELATION_DATA);
        put("correlation data", correlation_data, &mut out)?;
    }
    for (name, value) in &properties.user_properties {
        out.push(USER_PROPERTY);
        put_text("name of a user property", name, &mut out)?;
        put_text("value of a user property", value, &mut out)?;
    }
    Ok(EncodedProperties { encoded: out.into(), message_expiry_s: properties.message_expiry_s })
}

/// Checks text that is to be sent in a property.
pub fn check_property_text(property: &'static str, text: &str) -> Result<(), Inexpressible> {
    if text.contains('\0') {
        return Err(Inexpressible { property, why: "contains U+0000" }); // [MQTT-1.5.4-2]
    }
    if text.len() > MAX_FIELD_BYTES {
        return Err(Inexpressible { property, why: "is longer than 65535 bytes" });
    }
    Ok(())
}

fn put_text(property: &'static str, text: &Text, out: &mut Vec<u8>) -> Result<(), Inexpressible> {
    check_property_text(property, text)?;
    put(property, text.as_bytes(), out)
}

fn put(property: &'static str, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Inexpressible> {
    let length =
        u16::try_from(bytes.len()).map_err(|_| Inexpressible { property, why: "is longer than 65535 bytes" })?;
    out.extend(length.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let properties = Properties {
            payload_is_text: true,
            message_expiry_s: Some(7),
            content_type: Some(Text::from("text/plain")),
            response_topic: Some(Text::from("re/ply")),
            correlation_data: Some(Bytes::from_static(&[0, 255])),
            user_properties: vec![
                (Text::from("a"), Text::from("1")),
                (Text::from("a"), Text::from("2")),
                (Text::from(""), Text::from("")),
            ],
        };
        let encoded = encode_properties(&properties).unwrap();
        assert_eq!(encoded.message_expiry_s, Some(7));
        assert_eq!(read_properties(&encoded.encoded), Properties { message_expiry_s: None, ..properties });
        assert_eq!(read_properties(&[]), Properties::default());
        assert!(encode_properties(&Properties::default()).unwrap().encoded.is_empty());
    }

    #[test]
    fn what_mqtt_cannot_express_is_refused() {
        let long = Text::from("x".repeat(65_536));
        let with = |change: &dyn Fn(&mut Properties)| {
            let mut properties = Properties::default();
            change(&mut properties);
            encode_properties(&properties).map_err(|error| error.to_string())
        };
        let refused = |change: &dyn Fn(&mut Properties)| with(change).unwrap_err();
        assert_eq!(refused(&|p| p.content_type = Some(long.clone())), "the content type is longer than 65535 bytes");
        assert_eq!(refused(&|p| p.response_topic = Some(Text::from("a/#"))), "the response topic is no topic name");
        assert_eq!(refused(&|p| p.response_topic = Some(Text::from(""))), "the response topic is no topic name");
        assert_eq!(
            refused(&|p| p.correlation_data = Some(Bytes::from(vec![0; 65_536]))),
            "the correlation data is longer than 65535 bytes"
        );
        assert_eq!(
            refused(&|p| p.user_properties = vec![(Text::from("a"), Text::from("b\0"))]),
            "the value of a user property contains U+0000"
        );
    }
}
