use std::ffi::c_void;
use std::ptr;

use bytes::Bytes;

use super::client::rmqtt_client_t;
use super::properties::{rmqtt_properties_t, PropertiesView};
use super::versioned::{self, CBool, Versioned};
use super::view::{rmqtt_bytes_t, rmqtt_str_t};
use crate::broker::{Error, Publish};
use crate::model::{MessageRef, QoS};

/// What made a message enter the broker.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rmqtt_origin {
    /// A connected client published it.
    RMQTT_ORIGIN_CLIENT = 1,
    /// The host program published it.
    RMQTT_ORIGIN_API = 2,
    /// It is the will of a client.
    RMQTT_ORIGIN_WILL = 3,
    /// It was retained, and comes because of a new subscription.
    RMQTT_ORIGIN_RETAINED = 4,
    /// A bridge brought it.
    RMQTT_ORIGIN_BRIDGE = 5,
    /// Another node of the cluster sent it.
    RMQTT_ORIGIN_CLUSTER = 6,
    /// The broker itself made it.
    RMQTT_ORIGIN_SYSTEM = 7,
    /// It was published earlier, to be delivered now.
    RMQTT_ORIGIN_DELAYED = 8,
}

/// A value of `enum rmqtt_origin`.
pub type rmqtt_origin_t = i32;

/// A message that the broker hands to the host program. All of it lives as long as the callback that gets it runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_message_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// The topic name.
    pub topic: rmqtt_str_t,
    /// The payload.
    pub payload: rmqtt_bytes_t,
    /// The connection that published it, or whose will it is; NULL if there is none, or if it is long gone.
    pub publisher: *const rmqtt_client_t,
    /// A value of `enum rmqtt_origin`. A number that a program does not know is one of a later version.
    pub origin: rmqtt_origin_t,
    /// The QoS, 0 to 2.
    pub qos: u8,
    /// Whether it is a retained message.
    pub retain: CBool,
    /// Zero.
    pub reserved: [u8; 2],
    /// The MQTT 5 properties; NULL if it has none.
    pub properties: *const rmqtt_properties_t,
}

/// Receives a message. `message` and what it points to live until this returns.
pub type rmqtt_message_fn =
    Option<unsafe extern "C-unwind" fn(message: *const rmqtt_message_t, user_data: *mut c_void)>;

/// A message to publish. Start with `rmqtt_publish_init()`, or with zeroes and `struct_size`: zero is the default
/// everywhere.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_publish_t {
    /// `sizeof(rmqtt_publish_t)`, set by the caller.
    pub struct_size: usize,
    /// The topic name: no wildcards, at most `limits.max_topic_levels` levels.
    pub topic: rmqtt_str_t,
    /// The payload; may be empty.
    pub payload: rmqtt_bytes_t,
    /// The QoS, 0 to `limits.max_qos`.
    pub qos: u8,
    /// Whether the broker keeps it for later subscriptions. With an empty payload, it forgets the one it has.
    pub retain: CBool,
    /// Zero.
    pub reserved: [u8; 6],
}

// SAFETY: `repr(C)`, size first; pointers, integers and `CBool`, which any bits make.
unsafe impl Versioned for rmqtt_publish_t {
    const NAME: &'static str = "the message";
    const FIRST_SIZE: usize = 48;
}

/// Calls `body` with a view of `message`.
pub(super) fn with_view<T>(message: MessageRef<'_>, body: impl FnOnce(&rmqtt_message_t) -> T) -> T {
    let publisher = message.publisher.map(|client| rmqtt_client_t::of(client));
    let properties = PropertiesView::of(&message);
    let properties = properties.as_ref().map(PropertiesView::raw);
    body(&rmqtt_message_t {
        struct_size: size_of::<rmqtt_message_t>(),
        topic: rmqtt_str_t::of(message.topic),
        payload: rmqtt_bytes_t::of(message.payload),
        publisher: publisher.as_ref().map_or(ptr::null(), ptr::from_ref),
        origin: message.origin as rmqtt_origin_t,
        qos: message.qos as u8,
        retain: message.retain.into(),
        reserved: [0; 2],
        properties: properties.as_ref().map_or(ptr::null(), ptr::from_ref),
    })
}

/// Reads a message to publish. Topic and payload are copied.
///
/// # Safety
/// `message` is NULL or as large as it says, and its views are readable as far as they say.
pub(super) unsafe fn read_publish(message: *const rmqtt_publish_t) -> Result<Publish, Error> {
    // SAFETY: the caller's promise is passed on.
    let message = unsafe { versioned::read(message) }?;
    if message.reserved != [0; 6] {
        return Err(Error::InvalidArgument("the message has reserved bytes that are not zero".to_owned()));
    }
    let qos = QoS::try_from(message.qos)
        .map_err(|qos| Error::InvalidArgument(format!("the QoS of the message is {qos}, not 0, 1 or 2")))?;
    // SAFETY: readable by the caller's promise.
    let (topic, payload) = unsafe { (message.topic.read("the topic")?, message.payload.read("the payload")?) };
    Ok(Publish { topic: topic.to_owned(), payload: Bytes::copy_from_slice(payload), qos, retain: message.retain.get() })
}
