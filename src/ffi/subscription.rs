use std::ffi::c_void;
use std::mem::size_of;
use std::ptr;

use super::broker::{null, rmqtt_broker_t, with_broker};
use super::error::rmqtt_error_t;
use super::guard::{self, or_default};
use super::message::{rmqtt_delivery_t, rmqtt_message_fn, rmqtt_message_t, rmqtt_messages_fn, Parts};
use super::status::rmqtt_status_t;
use super::user_data::{rmqtt_drop_fn, UserData};
use super::versioned::{self, CBool, Versioned};
use super::view::rmqtt_str_t;
use crate::broker::{Delivery, Error, SubscribeOptions, Subscription};
use crate::model::{QoS, RetainHandling};
use crate::session::{self, Consumer, Delivered, Overflow, SubscriptionStats};

/// What happens to a message that finds the queue of a subscription full.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rmqtt_overflow {
    /// It is dropped, and counted.
    RMQTT_OVERFLOW_DROP_NEWEST = 0,
    /// The oldest ones give way to it; they are dropped, and counted.
    RMQTT_OVERFLOW_DROP_OLDEST = 1,
    /// If it was published with QoS 1 or 2, it is queued all the same, and its publisher has to wait until a quarter of the
    /// room is there again: a client is not read from meanwhile, `rmqtt_broker_publish` answers `RMQTT_ERR_WOULD_BLOCK`.
    /// With QoS 0, it is dropped, and counted.
    RMQTT_OVERFLOW_BLOCK = 2,
}

/// How to subscribe. Start with `rmqtt_subscribe_options_init()`, or with zeroes and `struct_size`: zero is the default
/// everywhere.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_subscribe_options_t {
    /// `sizeof(rmqtt_subscribe_options_t)`, set by the caller.
    pub struct_size: usize,
    /// Messages that may wait for the function. 0 means 1000.
    pub max_queued_messages: u32,
    /// The highest QoS of the messages, 0 to 2. Messages come with the lower one of it and their own.
    pub qos: u8,
    /// As in MQTT 5: 0 and 1 deliver the retained messages first, 2 does not. (Every subscription of this program is a new
    /// one.) A shared subscription never gets them.
    pub retain_handling: u8,
    /// A value of `enum rmqtt_overflow`.
    pub overflow: u8,
    /// Messages of QoS 1 and 2 are acknowledged with `rmqtt_delivery_ack`, instead of by the return of the function.
    pub manual_ack: CBool,
    /// What the messages that wait may take in memory, about, in bytes. 0 means 16 MiB. One message may always wait.
    pub max_queued_bytes: u64,
    /// With `manual_ack`: how many messages may be unacknowledged at a time, up to 65535; no more are delivered then, but when
    /// the broker stops. 0 means 65535.
    pub receive_maximum: u32,
    /// With `rmqtt_broker_subscribe_batch`: messages of one call, up to 65536. 0 means 256.
    pub max_batch: u32,
    /// The retain flag of messages as their publisher set it, instead of false.
    pub retain_as_published: CBool,
    /// Not the messages that this program publishes. Not for a shared subscription.
    pub no_local: CBool,
    /// Zero.
    pub reserved: [u8; 6],
}

// SAFETY: `repr(C)`, size first; integers, and `CBool`, which any bits make.
unsafe impl Versioned for rmqtt_subscribe_options_t {
    const NAME: &'static str = "the options";
    const FIRST_SIZE: usize = 16;
}

/// A snapshot of a subscription of this program. Start with `rmqtt_subscription_stats_init()`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_subscription_stats_t {
    /// `sizeof(rmqtt_subscription_stats_t)`, set by the caller.
    pub struct_size: usize,
    /// Counter: messages that the function has had.
    pub delivered: u64,
    /// Counter: messages acknowledged with `rmqtt_delivery_ack`.
    pub acknowledged: u64,
    /// Counter: messages dropped, because the queue was full or they had expired.
    pub dropped: u64,
    /// Gauge: messages that wait.
    pub queued_messages: u64,
    /// Gauge: what those take in memory, about, in bytes.
    pub queued_bytes: u64,
    /// Gauge: messages that the function has had, and that have to be acknowledged.
    pub unacknowledged: u64,
    /// Whether it is paused.
    pub paused: CBool,
    /// Zero.
    pub reserved: [u8; 7],
}

// SAFETY: `repr(C)`, size first; integers, and `CBool`, which any bits make.
unsafe impl Versioned for rmqtt_subscription_stats_t {
    const NAME: &'static str = "the statistics";
    const FIRST_SIZE: usize = 64;
}

impl From<SubscriptionStats> for rmqtt_subscription_stats_t {
    fn from(stats: SubscriptionStats) -> Self {
        let SubscriptionStats {
            delivered,
            acknowledged,
            dropped,
            queued_messages,
            queued_bytes,
            unacknowledged,
            paused,
        } = stats;
        rmqtt_subscription_stats_t {
            struct_size: size_of::<rmqtt_subscription_stats_t>(),
            delivered,
            acknowledged,
            dropped,
            queued_messages,
            queued_bytes,
            unacknowledged,
            paused: paused.into(),
            reserved: [0; 7],
        }
    }
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

/// Has the function of a subscription called no more, until `rmqtt_subscription_resume`. A call that runs goes on; so does a
/// call with several messages. Messages that come wait, as many as its queue takes.
///
/// @param subscription A subscription.
/// @return `RMQTT_OK`, also if it is paused already; `RMQTT_ERR_INVALID_ARGUMENT` for NULL; `RMQTT_ERR_FORKED`;
///         `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any, its own function included.
///
/// # Safety
/// `subscription` is NULL or alive.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_subscription_pause(subscription: *mut rmqtt_subscription_t) -> rmqtt_status_t {
    // SAFETY: the contract of the function is passed on.
    unsafe {
        with_subscription(subscription, |subscription| {
            subscription.pause();
            Ok(())
        })
    }
}

/// Has the function of a subscription called again.
///
/// @param subscription A subscription.
/// @return `RMQTT_OK`, also if it is not paused; `RMQTT_ERR_INVALID_ARGUMENT` for NULL; `RMQTT_ERR_FORKED`;
///         `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any, its own function included.
///
/// # Safety
/// `subscription` is NULL or alive.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_subscription_resume(subscription: *mut rmqtt_subscription_t) -> rmqtt_status_t {
    // SAFETY: the contract of the function is passed on.
    unsafe {
        with_subscription(subscription, |subscription| {
            subscription.resume();
            Ok(())
        })
    }
}

/// Takes a snapshot of a subscription.
///
/// @param subscription A subscription.
/// @param out Filled on success.
/// @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for NULL or a bad `struct_size`; `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any, its own function included. Never waits for a call.
///
/// # Safety
/// `subscription` is NULL or alive; `out` is NULL or as large as it says.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_subscription_stats(
    subscription: *const rmqtt_subscription_t,
    out: *mut rmqtt_subscription_stats_t,
) -> rmqtt_status_t {
    // SAFETY: the contract of the function is passed on.
    unsafe { with_subscription(subscription, |subscription| versioned::write(out, &subscription.stats().into())) }
}

/// Acknowledges a message that has been delivered to a subscription with `manual_ack`, in whatever order. Until then it
/// counts against the subscription's `receive_maximum`. When the subscription ends without that, one of QoS 1 of a shared
/// subscription goes to another member; any other is not delivered again.
///
/// @param delivery `delivery` of the message.
/// @return `RMQTT_OK`; `RMQTT_ERR_EXPIRED` if it has been acknowledged already, or its subscription or its run of the broker
///         is over; `RMQTT_ERR_INVALID_ARGUMENT` for 0; `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any, inside and outside of callbacks, also after the function has returned.
#[no_mangle]
pub extern "C" fn rmqtt_delivery_ack(delivery: rmqtt_delivery_t) -> rmqtt_status_t {
    guard::status(ptr::null_mut(), || match delivery {
        0 => Err(Error::InvalidArgument("0 is no delivery".to_owned())),
        delivery if session::acknowledge(delivery) => Ok(()),
        _ => Err(Error::Expired("the delivery has been acknowledged, or its subscription is over")),
    })
}

/// # Safety
/// `subscription` is NULL or alive.
unsafe fn with_subscription(
    subscription: *const rmqtt_subscription_t,
    body: impl FnOnce(&Subscription) -> Result<(), Error>,
) -> rmqtt_status_t {
    // SAFETY: the caller's promise.
    match unsafe { subscription.as_ref() } {
        Some(given) if given.process != std::process::id() => guard::forked(ptr::null_mut()),
        Some(given) => guard::status(ptr::null_mut(), || body(&given.subscription)),
        None => guard::status(ptr::null_mut(), || Err(null("the subscription"))),
    }
}

/// # Safety
/// `options` is NULL or as large as it says.
unsafe fn read_options(options: *const rmqtt_subscribe_options_t) -> Result<SubscribeOptions, Error> {
    if options.is_null() {
        return Ok(SubscribeOptions::default());
    }
    // SAFETY: the caller's promise is passed on.
    let options = unsafe { versioned::read(options) }?;
    let invalid = |text: String| Err(Error::InvalidArgument(text));
    if options.reserved != [0; 6] {
        return invalid("the options have reserved bytes that are not zero".to_owned());
    }
    let Ok(qos) = QoS::try_from(options.qos) else {
        return invalid(format!("the QoS of the options is {}, not 0, 1 or 2", options.qos));
    };
    let retain_handling = match options.retain_handling {
        0 => RetainHandling::SendAtSubscribe,
        1 => RetainHandling::SendIfNew,
        2 => RetainHandling::DoNotSend,
        other => return invalid(format!("the retain handling is {other}, not 0, 1 or 2")),
    };
    let overflow = match i32::from(options.overflow) {
        n if n == rmqtt_overflow::RMQTT_OVERFLOW_DROP_NEWEST as i32 => Overflow::DropNewest,
        n if n == rmqtt_overflow::RMQTT_OVERFLOW_DROP_OLDEST as i32 => Overflow::DropOldest,
        n if n == rmqtt_overflow::RMQTT_OVERFLOW_BLOCK as i32 => Overflow::Block,
        other => return invalid(format!("there is no overflow with the number {other}")),
    };
    Ok(SubscribeOptions {
        qos,
        retain_handling,
        retain_as_published: options.retain_as_published.get(),
        no_local: options.no_local.get(),
        max_queued_messages: options.max_queued_messages,
        max_queued_bytes: options.max_queued_bytes,
        overflow,
        manual_ack: options.manual_ack.get(),
        receive_maximum: options.receive_maximum,
        max_batch: options.max_batch,
    })
}

/// A function of C that takes messages one by one, as the broker sees it.
fn one_by_one(
    on_message: unsafe extern "C-unwind" fn(*const rmqtt_message_t, *mut c_void),
    user_data: UserData,
) -> Consumer {
    Box::new(move |messages| {
        for message in messages {
            let view = message.view();
            let parts = Parts::of(&view);
            let message = parts.view(&view, message.number());
            // SAFETY: whoever subscribed promised a function that takes these; all of them outlive the call.
            unsafe { on_message(&message, user_data.pointer()) };
        }
    })
}

/// Where the messages of one call are laid out.
#[derive(Default)]
struct Room {
    parts: Vec<Parts>,
    views: Vec<rmqtt_message_t>,
    pointers: Vec<*const rmqtt_message_t>,
}

// SAFETY: there is nothing in it between the calls, of which one runs at a time.
unsafe impl Send for Room {}

/// A function of C that takes several messages, as the broker sees it.
fn in_batches(
    on_messages: unsafe extern "C-unwind" fn(*const *const rmqtt_message_t, usize, *mut c_void),
    user_data: UserData,
) -> Consumer {
    let mut room = Room::default();
    Box::new(move |messages: &[Delivered]| {
        let Room { parts, views, pointers } = &mut room;
        parts.extend(messages.iter().map(|message| Parts::of(&message.view())));
        let all = messages.iter().zip(&*parts);
        views.extend(all.map(|(message, parts)| parts.view(&message.view(), message.number())));
        pointers.extend(views.iter().map(ptr::from_ref));
        // SAFETY: as above.
        unsafe { on_messages(pointers.as_ptr(), pointers.len(), user_data.pointer()) };
        // The memory is for the next call, what was in it is over.
        pointers.clear();
        views.clear();
        parts.clear();
    })
}

/// Delivers every message that matches a topic filter to a function of this program, the retained ones first. Access
/// rules for clients do not apply.
///
/// @param broker A running broker.
/// @param filter A topic filter; `$share/{group}/{filter}` takes turns with the other members of the group, clients
///        included.
/// @param options Options, or NULL for the defaults.
/// @param on_message Called for each message, in order, one call at a time, on a callback thread.
/// @param user_data Passed to `on_message`.
/// @param drop Frees `user_data`, or NULL. Called once, also when this call fails.
/// @param out Receives the subscription, which the caller frees with `rmqtt_subscription_free`; NULL after a failure.
/// @param err Receives the error. May be NULL.
/// @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for a broker, function or `out` that is NULL, a filter that is none or
///         has too many levels, or options out of range; `RMQTT_ERR_INVALID_STATE` if the broker does not run;
///         `RMQTT_ERR_FORKED`; `RMQTT_ERR_INTERNAL`; `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any, callbacks included. What happens when the function is slower than messages come is a matter of
/// `options->overflow`. The subscription ends with the stop of the broker: what waits is delivered then, however much of it
/// is unacknowledged, and `rmqtt_broker_stop` returns after that. What waits for a subscription that is paused is dropped.
///
/// # Safety
/// `broker` is NULL or alive; `filter` is readable as far as it says; `options` is NULL or as large as it says;
/// `on_message` and `drop` are NULL or functions of these types that take `user_data`; `out` and `err` are NULL or
/// writable.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_subscribe(
    broker: *mut rmqtt_broker_t,
    filter: rmqtt_str_t,
    options: *const rmqtt_subscribe_options_t,
    on_message: rmqtt_message_fn,
    user_data: *mut c_void,
    drop: rmqtt_drop_fn,
    out: *mut *mut rmqtt_subscription_t,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    let user_data = UserData::new(user_data, drop);
    let consumer = on_message.map(|on_message| (Delivery::OneByOne, one_by_one(on_message, user_data)));
    // SAFETY: the contract of the function is passed on.
    unsafe { subscribe(broker, filter, options, consumer, out, err) }
}

/// As `rmqtt_broker_subscribe`, but hands over as many messages as there are, up to `options->max_batch`, in one call. With
/// many small messages that is several times as fast.
///
/// @param broker A running broker.
/// @param filter A topic filter, as `rmqtt_broker_subscribe` takes it.
/// @param options Options, or NULL for the defaults.
/// @param on_messages Called with messages in order, one call at a time, on a callback thread.
/// @param user_data Passed to `on_messages`.
/// @param drop Frees `user_data`, or NULL. Called once, also when this call fails.
/// @param out Receives the subscription, which the caller frees with `rmqtt_subscription_free`; NULL after a failure.
/// @param err Receives the error. May be NULL.
/// @return As `rmqtt_broker_subscribe`.
///
/// **Threads.** As `rmqtt_broker_subscribe`. Without `manual_ack`, the return of a call acknowledges all of its messages.
///
/// # Safety
/// As `rmqtt_broker_subscribe`.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_subscribe_batch(
    broker: *mut rmqtt_broker_t,
    filter: rmqtt_str_t,
    options: *const rmqtt_subscribe_options_t,
    on_messages: rmqtt_messages_fn,
    user_data: *mut c_void,
    drop: rmqtt_drop_fn,
    out: *mut *mut rmqtt_subscription_t,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    let user_data = UserData::new(user_data, drop);
    let consumer = on_messages.map(|on_messages| (Delivery::Batches, in_batches(on_messages, user_data)));
    // SAFETY: the contract of the function is passed on.
    unsafe { subscribe(broker, filter, options, consumer, out, err) }
}

/// # Safety
/// As [`rmqtt_broker_subscribe`].
unsafe fn subscribe(
    broker: *mut rmqtt_broker_t,
    filter: rmqtt_str_t,
    options: *const rmqtt_subscribe_options_t,
    consumer: Option<(Delivery, Consumer)>,
    out: *mut *mut rmqtt_subscription_t,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    let body = move |broker: &rmqtt_broker_t| {
        if out.is_null() {
            return Err(null("the place for the subscription"));
        }
        // SAFETY: not NULL, so writable by the contract of the function.
        unsafe { out.write(ptr::null_mut()) };
        let (delivery, consumer) = consumer.ok_or_else(|| null("the function"))?;
        // SAFETY: readable by the contract of the function.
        let (filter, options) = unsafe { (filter.read("the filter")?, read_options(options)?) };
        let subscription = broker.broker.subscribe(filter, options, delivery, consumer)?;
        // SAFETY: as above.
        unsafe { out.write(rmqtt_subscription_t::into_raw(subscription)) };
        Ok(())
    };
    // SAFETY: the contract of the function is passed on.
    unsafe { with_broker(broker, err, body) }
}
