use std::ptr;
use std::slice;
use std::time::Instant;

use bytes::Bytes;

use super::versioned::{self, CBool, Versioned};
use super::view::{rmqtt_bytes_t, rmqtt_str_t};
use crate::broker::Error;
use crate::codec::{self, check_property_text, encode_properties};
use crate::model::{EncodedProperties, MessageRef, Properties, Text, UserProperties};

/// A user property of MQTT 5: a name with a value. Names may come more than once, in an order that is kept.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_user_property_t {
    /// The name.
    pub name: rmqtt_str_t,
    /// The value.
    pub value: rmqtt_str_t,
}

/// The MQTT 5 properties of a message that those who exchange it have put in. Start with `rmqtt_properties_init()`, or with
/// zeroes and `struct_size`: none of them is there.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_properties_t {
    /// `sizeof(rmqtt_properties_t)`, set by the caller; in what the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// Content type; absent if there is none.
    pub content_type: rmqtt_str_t,
    /// Response topic, a topic name; absent if there is none.
    pub response_topic: rmqtt_str_t,
    /// Correlation data; absent if there is none.
    pub correlation_data: rmqtt_bytes_t,
    /// User properties, `user_property_count` of them; NULL if there are none.
    pub user_properties: *const rmqtt_user_property_t,
    /// How many user properties there are.
    pub user_property_count: usize,
    /// Message expiry interval, in seconds: what is left of it. Only with `has_message_expiry`.
    pub message_expiry_s: u32,
    /// Whether the message expires.
    pub has_message_expiry: CBool,
    /// Payload format indicator: 1 if the payload is UTF-8 text, else 0.
    pub payload_format_indicator: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

// SAFETY: `repr(C)`, size first; pointers, integers and `CBool`, which any bits make.
unsafe impl Versioned for rmqtt_properties_t {
    const NAME: &'static str = "the properties";
    const FIRST_SIZE: usize = 80;
}

/// Properties, and what a view of them points to.
pub(super) struct PropertiesView {
    properties: Properties,
    user_properties: Vec<rmqtt_user_property_t>,
}

impl PropertiesView {
    /// Those of a message; `None` if it has none, which costs nothing.
    #[inline]
    pub(super) fn of(message: &MessageRef<'_>) -> Option<Self> {
        if message.properties.is_empty() && message.expires_at.is_none() {
            return None;
        }
        Some(Self::read(message))
    }

    fn read(message: &MessageRef<'_>) -> Self {
        let message_expiry_s = message.remaining_s(Instant::now);
        let properties = Properties { message_expiry_s, ..codec::read_properties(message.properties) };
        let user_properties = user_properties_of(&properties.user_properties);
        PropertiesView { properties, user_properties }
    }

    pub(super) fn raw(&self) -> rmqtt_properties_t {
        let properties = &self.properties;
        rmqtt_properties_t {
            struct_size: size_of::<rmqtt_properties_t>(),
            content_type: rmqtt_str_t::of_option(properties.content_type.as_ref()),
            response_topic: rmqtt_str_t::of_option(properties.response_topic.as_ref()),
            correlation_data: rmqtt_bytes_t::of_option(properties.correlation_data.as_ref()),
            user_properties: pointer_to(&self.user_properties),
            user_property_count: self.user_properties.len(),
            message_expiry_s: properties.message_expiry_s.unwrap_or(0),
            has_message_expiry: properties.message_expiry_s.is_some().into(),
            payload_format_indicator: properties.payload_is_text.into(),
            reserved: [0; 2],
        }
    }
}

/// Views of user properties, which must outlive them.
pub(super) fn user_properties_of(properties: &UserProperties) -> Vec<rmqtt_user_property_t> {
    let view = |(name, value): &(Text, Text)| rmqtt_user_property_t {
        name: rmqtt_str_t::of(name),
        value: rmqtt_str_t::of(value),
    };
    properties.iter().map(view).collect()
}

/// NULL instead of a pointer to nothing.
pub(super) fn pointer_to(properties: &[rmqtt_user_property_t]) -> *const rmqtt_user_property_t {
    if properties.is_empty() {
        ptr::null()
    } else {
        properties.as_ptr()
    }
}

/// Reads user properties. They are copied.
///
/// # Safety
/// `count` of them are readable at `properties`, and their views as far as they say.
pub(super) unsafe fn read_user_properties(
    properties: *const rmqtt_user_property_t,
    count: usize,
) -> Result<UserProperties, Error> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if properties.is_null() || count > isize::MAX as usize / size_of::<rmqtt_user_property_t>() {
        return Err(Error::InvalidArgument(format!("the user properties are NULL, or more than can be: {count}")));
    }
    // SAFETY: neither NULL nor too many, as just seen; the rest is the promise of the caller.
    let properties = unsafe { slice::from_raw_parts(properties, count) };
    let read = |property: &rmqtt_user_property_t| {
        // SAFETY: the promise of the caller.
        unsafe {
            let name = read_text(property.name, "name of a user property")?;
            Ok((name, read_text(property.value, "value of a user property")?))
        }
    };
    properties.iter().map(read).collect()
}

/// Reads text that is to be sent in a property. It is copied.
///
/// # Safety
/// `text` is readable as far as it says.
pub(super) unsafe fn read_text(text: rmqtt_str_t, what: &'static str) -> Result<Text, Error> {
    // SAFETY: the promise of the caller.
    let text = unsafe { text.read(what) }?;
    check_property_text(what, text).map_err(|error| Error::InvalidArgument(error.to_string()))?;
    Ok(Text::from(text))
}

/// As [`read_text`], for text that may be absent.
///
/// # Safety
/// `text` is readable as far as it says.
pub(super) unsafe fn read_optional_text(text: rmqtt_str_t, what: &'static str) -> Result<Option<Text>, Error> {
    if text.is_absent() {
        return Ok(None);
    }
    // SAFETY: the promise of the caller.
    unsafe { read_text(text, what) }.map(Some)
}

/// Reads the properties of a message.
///
/// # Safety
/// `properties` is NULL or as large as it says, and what it points to is readable as far as it says.
pub(super) unsafe fn read_properties(properties: *const rmqtt_properties_t) -> Result<Properties, Error> {
    // SAFETY: the promise of the caller, here and below.
    let given = unsafe { versioned::read(properties) }?;
    if given.reserved != [0; 2] || given.payload_format_indicator > 1 {
        let text = "the properties have reserved bytes that are not zero, or a payload format indicator above 1";
        return Err(Error::InvalidArgument(text.to_owned()));
    }
    // SAFETY: as above.
    Ok(unsafe {
        Properties {
            payload_is_text: given.payload_format_indicator == 1,
            message_expiry_s: given.has_message_expiry.get().then_some(given.message_expiry_s),
            content_type: read_optional_text(given.content_type, "content type")?,
            response_topic: read_optional_text(given.response_topic, "response topic")?,
            correlation_data: read_optional_bytes(given.correlation_data, "correlation data")?,
            user_properties: read_user_properties(given.user_properties, given.user_property_count)?,
        }
    })
}

/// Reads the properties of a message, and encodes them.
///
/// # Safety
/// As [`read_properties`].
pub(super) unsafe fn read_encoded_properties(
    properties: *const rmqtt_properties_t,
) -> Result<EncodedProperties, Error> {
    // SAFETY: the promise of the caller.
    let properties = unsafe { read_properties(properties) }?;
    encode_properties(&properties).map_err(|error| Error::InvalidArgument(error.to_string()))
}

/// Reads bytes that may be absent. They are copied.
///
/// # Safety
/// `bytes` are readable as far as they say.
pub(super) unsafe fn read_optional_bytes(bytes: rmqtt_bytes_t, what: &str) -> Result<Option<Bytes>, Error> {
    if bytes.ptr.is_null() && bytes.len == 0 {
        return Ok(None);
    }
    // SAFETY: the promise of the caller.
    unsafe { bytes.read(what) }.map(|bytes| Some(Bytes::copy_from_slice(bytes)))
}
