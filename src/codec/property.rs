//! The properties of MQTT 5 packets, as clients may send them.

use std::ops::Range;

use bytes::Bytes;

use crate::model::ReasonCode;

use super::reader::Reader;
use super::Fault;

/// Property identifiers that more than the table of rules speaks of.
pub(super) const PAYLOAD_FORMAT_INDICATOR: u8 = 0x01;
const MESSAGE_EXPIRY_INTERVAL: u8 = 0x02;
pub(super) const CONTENT_TYPE: u8 = 0x03;
pub(super) const RESPONSE_TOPIC: u8 = 0x08;
pub(super) const CORRELATION_DATA: u8 = 0x09;
const SUBSCRIPTION_IDENTIFIER: u8 = 0x0B;
const AUTHENTICATION_METHOD: u8 = 0x15;
const AUTHENTICATION_DATA: u8 = 0x16;
const WILL_DELAY_INTERVAL: u8 = 0x18;
const SERVER_REFERENCE: u8 = 0x1C;
const TOPIC_ALIAS: u8 = 0x23;
pub(super) const USER_PROPERTY: u8 = 0x26;

/// What a list of properties belongs to. The numbers are bits of [`Rule::places`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Place {
    Connect = 1,
    Will = 2,
    Publish = 4,
    /// PUBACK, PUBREC, PUBREL, PUBCOMP.
    Ack = 8,
    Subscribe = 16,
    Unsubscribe = 32,
    Disconnect = 64,
    Auth = 128,
}

/// The type of a property's value, and which values are allowed.
#[derive(Clone, Copy)]
enum Value {
    /// A byte that is 0 or 1.
    Flag,
    U16,
    U32,
    PositiveU16,
    PositiveU32,
    PositiveVarInt,
    Alias,
    String,
    TopicName,
    Binary,
    StringPair,
}

#[derive(Clone, Copy)]
struct Rule {
    value: Value,
    /// Where a client may use it.
    places: u8,
}

const NOWHERE: Rule = Rule { value: Value::Binary, places: 0 };

/// By property identifier `[MQTT-5 2.2.2.2]`. Those that only a server sends are not for clients anywhere.
static RULES: [Rule; 0x28] = rules();

const fn rules() -> [Rule; 0x28] {
    const MESSAGE: u8 = Place::Publish as u8 | Place::Will as u8;
    const CONNECT: u8 = Place::Connect as u8;
    const AUTHENTICATION: u8 = CONNECT | Place::Auth as u8;
    const REASON: u8 = Place::Ack as u8 | Place::Disconnect as u8 | Place::Auth as u8;

    let table = [
        (PAYLOAD_FORMAT_INDICATOR, Value::Flag, MESSAGE),
        (MESSAGE_EXPIRY_INTERVAL, Value::U32, MESSAGE),
        (CONTENT_TYPE, Value::String, MESSAGE),
        (RESPONSE_TOPIC, Value::TopicName, MESSAGE),
        (CORRELATION_DATA, Value::Binary, MESSAGE),
        (SUBSCRIPTION_IDENTIFIER, Value::PositiveVarInt, Place::Subscribe as u8),
        (0x11, Value::U32, CONNECT | Place::Disconnect as u8), // session expiry interval
        (AUTHENTICATION_METHOD, Value::String, AUTHENTICATION),
        (AUTHENTICATION_DATA, Value::Binary, AUTHENTICATION),
        (0x17, Value::Flag, CONNECT), // request problem information
        (WILL_DELAY_INTERVAL, Value::U32, Place::Will as u8),
        (0x19, Value::Flag, CONNECT),        // request response information
        (0x1F, Value::String, REASON),       // reason string
        (0x21, Value::PositiveU16, CONNECT), // receive maximum
        (0x22, Value::U16, CONNECT),         // topic alias maximum
        (TOPIC_ALIAS, Value::Alias, Place::Publish as u8),
        (USER_PROPERTY, Value::StringPair, u8::MAX),
        (0x27, Value::PositiveU32, CONNECT), // maximum packet size
    ];
    let mut rules = [NOWHERE; 0x28];
    let mut index = 0;
    while index < table.len() {
        let (id, value, places) = table[index];
        rules[id as usize] = Rule { value, places };
        index += 1;
    }
    rules
}

/// Properties that have been checked: what the broker itself needs of them, and where the others are.
#[derive(Debug, Default)]
pub(super) struct Properties {
    pub(super) topic_alias: Option<u16>,
    pub(super) message_expiry_s: Option<u32>,
    /// Where the value of the message expiry interval is in the packet.
    pub(super) message_expiry_at: usize,
    /// Has a bit for each identifier.
    seen: u64,
    section: Range<usize>,
    /// What in the section the broker does not pass on, in order, at the end of the section if there is nothing.
    cuts: [Range<usize>; 2],
}

impl Properties {
    /// Checks a list of properties and the length in front of it.
    #[inline]
    pub(super) fn check(reader: &mut Reader<'_>, place: Place) -> Result<Properties, Fault> {
        let length = reader.var_int()?;
        if length == 0 {
            return Ok(Properties::default());
        }
        let start = reader.at();
        let section = reader.take(length as usize)?;
        Properties::walk(section, start, place)
    }

    /// `start` is where the section is in the packet.
    fn walk(section: &[u8], start: usize, place: Place) -> Result<Properties, Fault> {
        let end = start + section.len();
        let mut found = Properties { section: start..end, cuts: [end..end, end..end], ..Properties::default() };
        let mut cuts = found.cuts.iter_mut();
        let mut reader = Reader::new(section, 0);
        while reader.has_more() {
            let at = start + reader.at();
            let id = reader.u8()?;
            let rule = RULES.get(usize::from(id)).unwrap_or(&NOWHERE);
            if rule.places & place as u8 == 0 {
                return Err(misplaced(id, place));
            }
            let bit = 1 << id;
            if found.seen & bit != 0 && id != USER_PROPERTY {
                return Err(Fault::protocol_error("property is there more than once"));
            }
            found.seen |= bit;
            let number = rule.value.check(&mut reader)?;
            match id {
                MESSAGE_EXPIRY_INTERVAL => {
                    found.message_expiry_s = Some(number);
                    found.message_expiry_at = at + 1;
                }
                // Not more than two bytes have been read.
                TOPIC_ALIAS => found.topic_alias = Some(number as u16),
                WILL_DELAY_INTERVAL => {}
                _ => continue,
            }
            if let Some(cut) = cuts.next() {
                *cut = at..start + reader.at();
            }
        }
        if found.has(AUTHENTICATION_DATA) && !found.has(AUTHENTICATION_METHOD) {
            // [MQTT-5 3.1.2.11.10]
            return Err(Fault::protocol_error("authentication data without a method"));
        }
        Ok(found)
    }

    fn has(&self, id: u8) -> bool {
        self.seen & (1 << id) != 0
    }

    pub(super) fn has_authentication_method(&self) -> bool {
        self.has(AUTHENTICATION_METHOD)
    }

    fn passed_on(&self) -> [Range<usize>; 3] {
        let [first, second] = &self.cuts;
        [self.section.start..first.start, first.end..second.start, second.end..self.section.end]
    }

    /// The properties that the broker passes on. Shares the packet if they are in one piece.
    #[inline]
    pub(super) fn share(&self, packet: &Bytes) -> Bytes {
        if self.section.is_empty() {
            return Bytes::new();
        }
        let pieces = self.passed_on();
        let mut pieces = pieces.iter().filter(|piece| !piece.is_empty());
        match (pieces.next(), pieces.next()) {
            (None, _) => Bytes::new(),
            (Some(piece), None) => packet.slice(piece.clone()),
            _ => self.copy(packet),
        }
    }

    /// As [`Properties::share`], as a copy.
    pub(super) fn copy(&self, packet: &[u8]) -> Bytes {
        let [first, second, third] = self.passed_on();
        Bytes::from([&packet[first], &packet[second], &packet[third]].concat())
    }
}

impl Value {
    /// Checks a value, and returns it if it is a number.
    fn check(self, reader: &mut Reader<'_>) -> Result<u32, Fault> {
        match self {
            Value::Flag => match reader.u8()? {
                flag @ (0 | 1) => Ok(flag.into()),
                _ => Err(Fault::protocol_error("property is neither 0 nor 1")),
            },
            Value::U16 => reader.u16().map(u32::from),
            Value::U32 => reader.u32(),
            Value::PositiveU16 => positive(reader.u16()?.into()),
            Value::PositiveU32 => positive(reader.u32()?),
            Value::PositiveVarInt => positive(reader.var_int()?),
            Value::Alias => match reader.u16()? {
                // [MQTT-3.3.2-8]
                0 => Err(Fault { reason: ReasonCode::TOPIC_ALIAS_INVALID, text: "topic alias is 0" }),
                alias => Ok(alias.into()),
            },
            Value::String => reader.string().map(|_| 0),
            Value::TopicName => {
                if reader.string()?.iter().any(|byte| matches!(byte, b'+' | b'#')) {
                    // [MQTT-3.3.2-14]
                    return Err(Fault::protocol_error("response topic contains a wildcard"));
                }
                Ok(0)
            }
            Value::Binary => reader.binary().map(|_| 0),
            Value::StringPair => {
                reader.string()?;
                reader.string().map(|_| 0)
            }
        }
    }
}

fn positive(value: u32) -> Result<u32, Fault> {
    if value == 0 {
        return Err(Fault::protocol_error("property is 0"));
    }
    Ok(value)
}

fn misplaced(id: u8, place: Place) -> Fault {
    match (id, place) {
        // Both are valid for the type of packet, but not from a client.
        (SUBSCRIPTION_IDENTIFIER, Place::Publish) => {
            // [MQTT-3.3.4-6]
            Fault::protocol_error("client publishes with a subscription identifier")
        }
        (SERVER_REFERENCE, Place::Disconnect) => Fault::protocol_error("client sends a server reference"),
        // "An Identifier which is not valid for its packet type ... is a Malformed Packet" [MQTT-5 2.2.2.2].
        _ => Fault::malformed("property is unknown or not for this packet"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: [Place; 8] = [
        Place::Connect,
        Place::Will,
        Place::Publish,
        Place::Ack,
        Place::Subscribe,
        Place::Unsubscribe,
        Place::Disconnect,
        Place::Auth,
    ];

    fn check(properties: &[u8], place: Place) -> Result<Properties, u8> {
        let mut packet = vec![0xAA, properties.len() as u8];
        packet.extend_from_slice(properties);
        Properties::check(&mut Reader::new(&packet, 1), place).map_err(|fault| fault.reason.0)
    }

    /// A property and the reason code of its fault.
    type Bad = (&'static [u8], u8);

    /// One good value of each property that a client may send, where it may, and bad values of it.
    const GOOD_AND_BAD: [(&[u8], u8, &[Bad]); 18] = [
        (b"\x01\x01", 2 | 4, &[(b"\x01\x02", 0x82), (b"\x01", 0x81)]),
        (b"\x02\0\0\0\0", 2 | 4, &[(b"\x02\0\0\0", 0x81)]),
        (b"\x03\0\x01a", 2 | 4, &[(b"\x03\0\x01\xFF", 0x81), (b"\x03\0\x01\0", 0x81)]),
        (b"\x08\0\x01a", 2 | 4, &[(b"\x08\0\x01\xFF", 0x81), (b"\x08\0\x01#", 0x82), (b"\x08\0\x03a/+", 0x82)]),
        (b"\x09\0\x01\xFF", 2 | 4, &[(b"\x09\0\x02\xFF", 0x81)]),
        (b"\x0B\x01", 16, &[(b"\x0B\0", 0x82), (b"\x0B\x81\0", 0x81), (b"\x0B\x81", 0x81)]),
        (b"\x11\0\0\0\0", 1 | 64, &[(b"\x11\0\0\0", 0x81)]),
        (b"\x15\0\x01a", 1 | 128, &[(b"\x15\0\x01\xFF", 0x81)]),
        (b"\x15\0\x01a\x16\0\x01\xFF", 1 | 128, &[(b"\x16\0\x01\xFF", 0x82), (b"\x15\0\0\x16\0\x01", 0x81)]),
        (b"\x17\0", 1, &[(b"\x17\x02", 0x82)]),
        (b"\x18\0\0\0\0", 2, &[(b"\x18\0\0\0", 0x81)]),
        (b"\x19\x01", 1, &[(b"\x19\xFF", 0x82)]),
        (b"\x1F\0\x01a", 8 | 64 | 128, &[(b"\x1F\0\x01\xFF", 0x81)]),
        (b"\x21\0\x01", 1, &[(b"\x21\0\0", 0x82), (b"\x21\0", 0x81)]),
        (b"\x22\0\0", 1, &[(b"\x22\0", 0x81)]),
        (b"\x23\0\x01", 4, &[(b"\x23\0\0", 0x94), (b"\x23\0", 0x81)]),
        (b"\x26\0\x01a\0\0", 255, &[(b"\x26\0\x01a", 0x81), (b"\x26\0\0\0\x01\0", 0x81)]),
        (b"\x27\0\0\0\x01", 1, &[(b"\x27\0\0\0\0", 0x82)]),
    ];

    #[test]
    fn values_and_places() {
        for (good, places, bad) in GOOD_AND_BAD {
            for place in PLACES {
                let allowed = places & place as u8 != 0;
                assert_eq!(check(good, place).is_ok(), allowed, "{good:X?} {place:?}");
                if !allowed {
                    let from_server = good[0] == SUBSCRIPTION_IDENTIFIER && place == Place::Publish;
                    assert_eq!(check(good, place).err(), Some(if from_server { 0x82 } else { 0x81 }), "{good:X?}");
                    continue;
                }
                let twice = if good[0] == USER_PROPERTY { None } else { Some(0x82) };
                assert_eq!(check(&[good, good].concat(), place).err(), twice, "{good:X?} twice");
                for (bad, reason) in bad {
                    assert_eq!(check(bad, place).err(), Some(*reason), "{bad:X?} {place:?}");
                }
            }
        }
    }

    #[test]
    fn never_from_a_client() {
        let known: Vec<u8> = GOOD_AND_BAD.iter().map(|(good, ..)| good[0]).chain([AUTHENTICATION_DATA]).collect();
        for id in (0..=255).filter(|id| !known.contains(id)) {
            for place in PLACES {
                let moved = id == SERVER_REFERENCE && place == Place::Disconnect;
                let expected = if moved { 0x82 } else { 0x81 };
                assert_eq!(check(&[id, 0, 0, 0, 0], place).err(), Some(expected), "{id:X} {place:?}");
            }
        }
    }

    #[test]
    fn length() {
        for (bytes, reason) in
            [(&b""[..], 0x81), (b"\x03\x01\x01", 0x81), (b"\x80\0", 0x81), (b"\xFF\xFF\xFF\xFF", 0x81)]
        {
            let checked = Properties::check(&mut Reader::new(bytes, 0), Place::Publish);
            assert_eq!(checked.map_err(|fault| fault.reason.0).err(), Some(reason));
        }
    }

    #[test]
    fn passed_on() {
        let expiry = b"\x02\0\0\0\x07";
        let alias = b"\x23\0\x05";
        let format = b"\x01\x01";
        let user = b"\x26\0\x01a\0\x01b";
        for (properties, expected) in [
            (vec![], vec![]),
            (vec![&expiry[..], alias], vec![]),
            (vec![&format[..], user], vec![&format[..], user]),
            (vec![&alias[..], format, user], vec![&format[..], user]),
            (vec![&format[..], user, expiry], vec![&format[..], user]),
            (vec![&format[..], expiry, user], vec![&format[..], user]),
            (vec![&user[..], alias, format, expiry, user], vec![&user[..], format, user]),
        ] {
            let section = properties.concat();
            let found = check(&section, Place::Publish).expect("good properties");
            let packet = Bytes::from([&[0xAA, section.len() as u8][..], &section].concat());
            assert_eq!(found.share(&packet), expected.concat());
            assert_eq!(found.copy(&packet), expected.concat());
            let has_expiry = properties.contains(&&expiry[..]);
            assert_eq!(found.message_expiry_s, has_expiry.then_some(7));
            assert_eq!(found.topic_alias, properties.contains(&&alias[..]).then_some(5));
            if has_expiry {
                assert_eq!(packet[found.message_expiry_at..][..4], expiry[1..]);
            }
        }
    }
}
