use bytes::Bytes;

use super::Text;

/// Properties of an application message that concern those who exchange it `[MQTT-5 3.3.2.3]`. The broker passes them on;
/// only the message expiry interval means something to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// Payload format indicator: the payload is UTF-8 encoded text.
    pub payload_is_text: bool,
    pub message_expiry_s: Option<u32>,
    pub content_type: Option<Text>,
    pub response_topic: Option<Text>,
    pub correlation_data: Option<Bytes>,
    pub user_properties: UserProperties,
}

/// Names and values, in their order; a name may come more than once `[MQTT-3.3.2-18]`.
pub type UserProperties = Vec<(Text, Text)>;

/// [`Properties`] as they travel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedProperties {
    /// As in [`super::Message::properties`].
    pub encoded: Bytes,
    pub message_expiry_s: Option<u32>,
}
