use std::ffi::c_void;

use super::guard::or_default;
use super::message::{rmqtt_message_t, with_view};
use super::user_data::UserData;
use super::versioned::{self, Versioned};
use crate::broker::{Error, SubscribeOptions, Subscription};
use crate::hooks::Consumer;

/// Retained messages are delivered when the subscription is made.
const SEND_RETAINED: u8 = 0;
/// As before: every subscription of this program is a new one.
const SEND_RETAINED_IF_NEW: u8 = 1;
/// Retained messages are not delivered.
const DO_NOT_SEND_RETAINED: u8 = 2;

/// How to subscribe. Start with `rmqtt_subscribe_options_init()`, or with zeroes and `struct_size`: zero is the default
/// everywhere.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_subscribe_options_t {
    /// `sizeof(rmqtt_subscribe_options_t)`, set by the caller.
    pub struct_size: usize,
    /// Messages that may wait for the function; more are dropped and counted. 0 means 1000.
    pub max_queued_messages: u32,
    /// The QoS. This version delivers with 0 only.
    pub qos: u8,
    /// As in MQTT 5: 0 and 1 deliver the retained messages first, 2 does not.
    pub retain_handling: u8,
    /// Zero.
    pub reserved: [u8; 2],
}

// SAFETY: `repr(C)`, size first, integers only.
unsafe impl Versioned for rmqtt_subscribe_options_t {
    const NAME: &'static str = "the options";
    const FIRST_SIZE: usize = 16;
}

/// A subscription of the host program, made by `rmqtt_broker_subscribe`.
///
/// It outlives its broker if it must, without receiving anything any more.
pub struct rmqtt_subscription_t {
    subscription: Subscription,
    process: u32,
}

impl rmqtt_subscription_t {
    pub(super) fn into_raw(subscription: Subscription) -> *mut Self {
        Box::into_raw(Box::new(rmqtt_subscription_t { subscription, process: std::process::id() }))
    }
}

/// Ends a subscription and frees it.
///
/// When this returns, no call of its function runs or will run, and its `drop` has been called. In its own function,
/// both hold once that function has returned.
///
/// @param subscription A subscription, which must not be used any more, or NULL.
///
/// **Threads.** Any. It waits for a call that runs on another thread, so two functions must not free each other's
/// subscription at the same time.
///
/// # Safety
/// `subscription` is NULL or alive.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_subscription_free(subscription: *mut rmqtt_subscription_t) {
    if subscription.is_null() {
        return;
    }
    // SAFETY: every subscription that leaves the library is a leaked box, and this one is alive.
    let subscription = unsafe { Box::from_raw(subscription) };
    if subscription.process != std::process::id() {
        // The threads it would wait for are those of the parent.
        std::mem::forget(subscription);
        return;
    }
    or_default(|| drop(subscription.subscription));
}

/// # Safety
/// `options` is NULL or as large as it says.
pub(super) unsafe fn read_options(options: *const rmqtt_subscribe_options_t) -> Result<SubscribeOptions, Error> {
    if options.is_null() {
        return Ok(SubscribeOptions::default());
    }
    // SAFETY: the caller's promise is passed on.
    let options = unsafe { versioned::read(options) }?;
    if options.reserved != [0; 2] {
        return Err(Error::InvalidArgument("the options have reserved bytes that are not zero".to_owned()));
    }
    match options.qos {
        0 => {}
        1 | 2 => return Err(Error::Unsupported("this version delivers to the program with QoS 0 only")),
        qos => return Err(Error::InvalidArgument(format!("the QoS of the options is {qos}, not 0, 1 or 2"))),
    }
    let replay_retained = match options.retain_handling {
        SEND_RETAINED | SEND_RETAINED_IF_NEW => true,
        DO_NOT_SEND_RETAINED => false,
        other => return Err(Error::InvalidArgument(format!("the retain handling is {other}, not 0, 1 or 2"))),
    };
    Ok(SubscribeOptions { replay_retained, max_queued_messages: options.max_queued_messages })
}

/// The function of C as the broker sees it.
pub(super) fn consumer(
    on_message: unsafe extern "C-unwind" fn(*const rmqtt_message_t, *mut c_void),
    user_data: UserData,
) -> Consumer {
    Box::new(move |message| {
        with_view(message.view(), |message| {
            // SAFETY: whoever subscribed promised a function that takes these; all of them outlive the call.
            unsafe { on_message(message, user_data.pointer()) };
        });
    })
}
