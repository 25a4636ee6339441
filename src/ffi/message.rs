use std::ffi::c_void;
use std::mem::{offset_of, size_of};
use std::ptr;
use std::sync::Arc;

use super::client::rmqtt_client_t;
use super::guard::or_default;
use super::properties::{rmqtt_properties_t, PropertiesView};
use super::versioned::CBool;
use super::view::{rmqtt_bytes_t, rmqtt_str_t};
use crate::model::{Message, MessageRef};

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

/// A message that this program has to acknowledge, in whatever broker of the process. 0 is none.
pub type rmqtt_delivery_t = u64;

/// What `rmqtt_message_retain` finds the message of a view by.
pub struct rmqtt_message_owner_t(Owner);

/// Where the message of a view is, as long as the view lives.
enum Owner {
    Shared(*const Arc<Message>),
    /// In the packet that it came in.
    Borrowed(*const MessageRef<'static>),
}

/// A message that the broker hands to the host program. All of it lives as long as the callback that gets it runs; see
/// `rmqtt_message_retain` for longer.
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
    /// What `rmqtt_delivery_ack` takes; 0 if nothing has to be acknowledged.
    pub delivery: rmqtt_delivery_t,
    /// For `rmqtt_message_retain`.
    pub owner: *const rmqtt_message_owner_t,
}

/// Receives a message. `message` and what it points to live until this returns.
pub type rmqtt_message_fn =
    Option<unsafe extern "C-unwind" fn(message: *const rmqtt_message_t, user_data: *mut c_void)>;

/// Receives messages of one subscription, `count` of them, at least one. `messages` and what it points to live until this
/// returns.
pub type rmqtt_messages_fn =
    Option<unsafe extern "C-unwind" fn(messages: *const *const rmqtt_message_t, count: usize, user_data: *mut c_void)>;

/// What a view of a message points to besides the message.
pub(super) struct Parts {
    publisher: Option<rmqtt_client_t>,
    /// Few messages have any: the others should not have to make room for them.
    properties: Option<Box<(PropertiesView, rmqtt_properties_t)>>,
    owner: rmqtt_message_owner_t,
}

impl Parts {
    /// `message` must stay where it is as long as there are views of it, unless it is one that is shared.
    #[inline]
    pub(super) fn of(message: &MessageRef<'_>) -> Parts {
        let with_raw = |view: PropertiesView| {
            // It points to what stays where it is when the view is moved.
            let raw = view.raw();
            Box::new((view, raw))
        };
        Parts {
            publisher: message.publisher.map(|client| rmqtt_client_t::of(client)),
            properties: PropertiesView::of(message).map(with_raw),
            owner: rmqtt_message_owner_t(match message.shared {
                Some(shared) => Owner::Shared(ptr::from_ref(shared)),
                None => Owner::Borrowed(ptr::from_ref(message).cast()),
            }),
        }
    }

    /// A view of `message`, which must not outlive either, nor see the parts moved.
    #[inline]
    pub(super) fn view(&self, message: &MessageRef<'_>, delivery: rmqtt_delivery_t) -> rmqtt_message_t {
        rmqtt_message_t {
            struct_size: size_of::<rmqtt_message_t>(),
            topic: rmqtt_str_t::of(message.topic),
            payload: rmqtt_bytes_t::of(message.payload),
            publisher: self.publisher.as_ref().map_or(ptr::null(), ptr::from_ref),
            origin: message.origin as rmqtt_origin_t,
            qos: message.qos as u8,
            retain: message.retain.into(),
            reserved: [0; 2],
            properties: self.properties.as_ref().map_or(ptr::null(), |properties| ptr::from_ref(&properties.1)),
            delivery,
            owner: ptr::from_ref(&self.owner),
        }
    }
}

/// Calls `body` with a view of `message`.
pub(super) fn with_view<T>(message: MessageRef<'_>, body: impl FnOnce(&rmqtt_message_t) -> T) -> T {
    let parts = Parts::of(&message);
    body(&parts.view(&message, 0))
}

/// A message that the host program keeps. The view comes first: its address is that of the whole.
#[repr(C)]
struct Kept {
    view: rmqtt_message_t,
    parts: Parts,
    message: Arc<Message>,
}

impl Kept {
    fn keep(message: Arc<Message>, given: &rmqtt_message_t) -> *const rmqtt_message_t {
        let reference = message.view();
        let parts = Parts::of(&reference);
        // Where the parts are is known when they are in their place.
        let view = rmqtt_message_t { qos: given.qos, retain: given.retain, ..parts.view(&reference, given.delivery) };
        let mut kept = Box::new(Kept { view, parts, message });
        kept.parts.owner = rmqtt_message_owner_t(Owner::Shared(ptr::from_ref(&kept.message)));
        kept.view.owner = ptr::from_ref(&kept.parts.owner);
        kept.view.publisher = kept.parts.publisher.as_ref().map_or(ptr::null(), ptr::from_ref);
        Box::into_raw(kept).cast()
    }
}

/// Keeps a message beyond the callback that it was handed to. Topic and payload are not copied, with one exception: those
/// that a hook with `RMQTT_HOOK_INLINE` gets to see are.
///
/// @param message A message that the library has handed to this program, in a callback that still runs, or one that has
///        been kept.
/// @return The same message, which the caller releases with `rmqtt_message_release`; NULL for NULL, and after a panic. Its
///         message expiry interval is that of now.
///
/// **Threads.** Any. **Ownership.** A message that is kept may be read by several threads at a time, outlives its broker if
/// it must, and takes the memory of its topic, payload and properties until it is released.
///
/// # Safety
/// `message` is NULL or such a message, or a copy of its struct.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_message_retain(message: *const rmqtt_message_t) -> *const rmqtt_message_t {
    or_default(|| {
        // SAFETY: the contract of the function.
        let Some(given) = (unsafe { message.as_ref() }) else { return ptr::null() };
        if given.struct_size < offset_of!(rmqtt_message_t, owner) + size_of::<*const rmqtt_message_owner_t>() {
            return ptr::null();
        }
        // SAFETY: as above: what it points to lives as long as the view.
        let Some(rmqtt_message_owner_t(owner)) = (unsafe { given.owner.as_ref() }) else { return ptr::null() };
        let message = match owner {
            // SAFETY: as above.
            Owner::Shared(shared) => unsafe { (**shared).clone() },
            // SAFETY: as above. What is borrowed is copied before the view is gone.
            Owner::Borrowed(message) => Arc::new(unsafe { &**message }.to_message()),
        };
        Kept::keep(message, given)
    })
}

/// Releases a message that has been kept.
///
/// @param message What `rmqtt_message_retain` has returned, once for each time, or NULL.
///
/// **Threads.** Any.
///
/// # Safety
/// `message` is NULL or a message that is kept, which must not be used any more.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_message_release(message: *const rmqtt_message_t) {
    if message.is_null() {
        return;
    }
    // SAFETY: it came out of a box of this type, whose first field it is.
    let kept = unsafe { Box::from_raw(message.cast_mut().cast::<Kept>()) };
    or_default(|| drop(kept));
}
