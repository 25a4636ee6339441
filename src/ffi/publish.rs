use std::ffi::c_void;
use std::mem::{offset_of, size_of};
use std::ptr;
use std::time::Duration;

use bytes::Bytes;

use super::broker::{null, rmqtt_broker_t, with_broker};
use super::error::rmqtt_error_t;
use super::properties::{read_properties, rmqtt_properties_t};
use super::status::rmqtt_status_t;
use super::user_data::{rmqtt_drop_fn, UserData};
use super::versioned::{self, CBool, Versioned};
use super::view::{rmqtt_bytes_t, rmqtt_str_t};
use crate::broker::{Error, Publish};
use crate::model::{QoS, Text};
use crate::session::{Completion, Report, Stage};

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
    pub reserved: [u8; 2],
    /// How long the call may wait for room, in milliseconds, before it answers `RMQTT_ERR_WOULD_BLOCK`. Inside a hook with
    /// `RMQTT_HOOK_INLINE` it never waits.
    pub wait_ms: u32,
    /// The MQTT 5 properties; NULL for none. Clients of older versions get the message without them.
    pub properties: *const rmqtt_properties_t,
    /// The only client that gets the message, whatever it is subscribed to; absent: everyone who is subscribed.
    pub client_id: rmqtt_str_t,
    /// When it is published, in milliseconds from now on, at most 4294967295000. Its message expiry interval begins then.
    /// Delayed messages are gone when the broker stops.
    pub delay_ms: u64,
    /// Told of what becomes of the message; NULL if nobody wants to know. `callbacks.max_pending` messages may be open.
    pub on_report: rmqtt_publish_report_fn,
    /// Passed to `on_report`.
    pub user_data: *mut c_void,
    /// Frees `user_data`, or NULL. Called once, when nothing more will be reported, also when publishing fails.
    pub drop: rmqtt_drop_fn,
}

// SAFETY: `repr(C)`, size first; pointers, integers, `CBool`, which any bits make, and functions that may be NULL.
unsafe impl Versioned for rmqtt_publish_t {
    const NAME: &'static str = "the message";
    const FIRST_SIZE: usize = 48;
}

/// How far a message has come.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rmqtt_publish_stage {
    /// It is queued for everyone who gets it.
    RMQTT_PUBLISH_QUEUED = 1,
    /// Everyone who was connected when it was queued, and gets it with QoS 1 or 2, has acknowledged it or is gone.
    RMQTT_PUBLISH_ACKNOWLEDGED = 2,
    /// It goes nowhere: the hook `authorize_publish` has refused it.
    RMQTT_PUBLISH_REFUSED = 3,
}

/// A value of `enum rmqtt_publish_stage`.
pub type rmqtt_publish_stage_t = i32;

/// What has become of a message of this program.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_publish_report_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// How many receivers it was queued for: sessions of clients, and subscriptions of this program.
    pub receivers: u64,
    /// How many of those have acknowledged it. For a client that is an answer to QoS 1 or 2, for a subscription of this
    /// program the return of its function or `rmqtt_delivery_ack`. 0 before the last report.
    pub acknowledged: u64,
    /// Receivers that were to acknowledge it, but have gone, or lost it to their full queue. 0 before the last report.
    pub lost: u64,
    /// A value of `enum rmqtt_publish_stage`.
    pub stage: rmqtt_publish_stage_t,
    /// Nothing more will be reported.
    pub last: CBool,
    /// Zero.
    pub reserved: [u8; 3],
}

/// Hears what has become of a message. `report` lives until this returns.
pub type rmqtt_publish_report_fn =
    Option<unsafe extern "C-unwind" fn(report: *const rmqtt_publish_report_t, user_data: *mut c_void)>;

fn completion(
    on_report: unsafe extern "C-unwind" fn(*const rmqtt_publish_report_t, *mut c_void),
    user_data: UserData,
) -> Completion {
    Box::new(move |report: Report| {
        let stage = match report.stage {
            Stage::Queued => rmqtt_publish_stage::RMQTT_PUBLISH_QUEUED,
            Stage::Acknowledged => rmqtt_publish_stage::RMQTT_PUBLISH_ACKNOWLEDGED,
            Stage::Refused => rmqtt_publish_stage::RMQTT_PUBLISH_REFUSED,
        };
        let report = rmqtt_publish_report_t {
            struct_size: size_of::<rmqtt_publish_report_t>(),
            receivers: report.receivers as u64,
            acknowledged: report.acknowledged as u64,
            lost: report.lost as u64,
            stage: stage as rmqtt_publish_stage_t,
            last: report.is_last.into(),
            reserved: [0; 3],
        };
        // SAFETY: whoever published promised a function that takes these; both outlive the call.
        unsafe { on_report(&report, user_data.pointer()) };
    })
}

/// Reads messages to publish, one after the other. Topic and payload are copied. What belongs to a message that nobody has
/// asked for is freed in the end.
struct Messages {
    next: *const u8,
    left: usize,
    /// How far one is from the next.
    stride: usize,
    /// The topic of the one before: programs publish to few topics at a time.
    topic: Text,
}

impl Messages {
    /// # Safety
    /// `messages` is NULL or points to `count` of them, each as large as the first one says, with views that are readable as
    /// far as they say.
    unsafe fn new(messages: *const rmqtt_publish_t, count: usize) -> Result<Messages, Error> {
        if count > 0 && messages.is_null() {
            return Err(null("the message"));
        }
        // SAFETY: not NULL; the size is the first field.
        let stride = if count > 0 { unsafe { messages.cast::<usize>().read_unaligned() } } else { 0 };
        if count > 1 {
            versioned::check_size::<rmqtt_publish_t>(stride)?;
        }
        Ok(Messages { next: messages.cast(), left: count, stride, topic: Text::default() })
    }

    fn advance(&mut self) -> Option<*const rmqtt_publish_t> {
        self.left = self.left.checked_sub(1)?;
        let message = self.next;
        self.next = message.wrapping_add(self.stride);
        Some(message.cast())
    }
}

impl Iterator for Messages {
    type Item = Result<Publish, Error>;

    fn next(&mut self) -> Option<Result<Publish, Error>> {
        let message = self.advance()?;
        // SAFETY: whoever made this has promised as much.
        let user_data = unsafe { take_user_data(message) };
        // SAFETY: as above.
        Some(unsafe { read(message, self.stride, user_data, &mut self.topic) })
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        while let Some(message) = self.advance() {
            // SAFETY: whoever made this has promised as much.
            drop(unsafe { take_user_data(message) });
        }
    }
}

/// The user data of a message, if it is large enough to have any. It is freed whatever becomes of the message.
///
/// # Safety
/// `message` is as large as it says.
unsafe fn take_user_data(message: *const rmqtt_publish_t) -> Option<UserData> {
    // SAFETY: the caller's promise; the size is the first field.
    let size = unsafe { message.cast::<usize>().read_unaligned() };
    if size < offset_of!(rmqtt_publish_t, drop) + size_of::<rmqtt_drop_fn>() {
        return None;
    }
    // SAFETY: both fields are within what the caller promised.
    unsafe {
        let pointer = ptr::addr_of!((*message).user_data).read_unaligned();
        let drop = ptr::addr_of!((*message).drop).read_unaligned();
        Some(UserData::new(pointer, drop))
    }
}

/// # Safety
/// `message` is as large as it says, and its views are readable as far as they say.
unsafe fn read(
    message: *const rmqtt_publish_t,
    stride: usize,
    user_data: Option<UserData>,
    last_topic: &mut Text,
) -> Result<Publish, Error> {
    // SAFETY: the caller's promise is passed on.
    let message = unsafe { versioned::read(message) }?;
    if message.struct_size != stride {
        return Err(Error::InvalidArgument("the messages differ in their struct_size".to_owned()));
    }
    if message.reserved != [0; 2] {
        return Err(Error::InvalidArgument("the message has reserved bytes that are not zero".to_owned()));
    }
    let qos = QoS::try_from(message.qos)
        .map_err(|qos| Error::InvalidArgument(format!("the QoS of the message is {qos}, not 0, 1 or 2")))?;
    // SAFETY: readable by the caller's promise.
    let (topic, payload) = unsafe { (message.topic.read("the topic")?, message.payload.read("the payload")?) };
    if **last_topic != *topic {
        *last_topic = Text::from(topic);
    }
    let properties = match message.properties.is_null() {
        true => None,
        // SAFETY: readable by the caller's promise.
        false => Some(Box::new(unsafe { read_properties(message.properties) }?)),
    };
    let client_id = match message.client_id.is_absent() {
        true => None,
        // SAFETY: readable by the caller's promise.
        false => Some(Text::from(unsafe { message.client_id.read("the client identifier") }?)),
    };
    let user_data = user_data.unwrap_or_else(|| UserData::new(ptr::null_mut(), None));
    Ok(Publish {
        topic: last_topic.clone(),
        payload: Bytes::copy_from_slice(payload),
        qos,
        retain: message.retain.get(),
        properties,
        client_id,
        delay: Duration::from_millis(message.delay_ms),
        wait: Duration::from_millis(message.wait_ms.into()),
        completion: message.on_report.map(|on_report| completion(on_report, user_data)),
    })
}

/// Reads one message. What belongs to it is freed if it is not used.
///
/// # Safety
/// `message` is NULL or as large as it says, and its views are readable as far as they say.
pub(super) unsafe fn read_publish(message: *const rmqtt_publish_t) -> Result<Publish, Error> {
    // SAFETY: the caller's promise is passed on.
    unsafe { Messages::new(message, 1) }?.next().unwrap_or_else(|| Err(null("the message")))
}

/// Publishes a message to everyone who is subscribed: clients, and subscriptions of this program. It is on its way to
/// all of them when this returns, ahead of what is published later; only if the hook `authorize_publish` is set, it waits
/// for the hook's decision first, behind what this program has published before, and may go nowhere. What a hook with
/// `RMQTT_HOOK_INLINE` publishes waits, too: it is on its way after the hook has returned. A delayed message is published,
/// and the hook asked, when it is due.
///
/// @param broker A running broker.
/// @param message The message; copied.
/// @param err Receives the error. May be NULL.
/// @return `RMQTT_OK`, also if nobody is subscribed; `RMQTT_ERR_INVALID_ARGUMENT` for NULL, a bad `struct_size`, a topic
///         that is not a topic name or has too many levels, a QoS above `limits.max_qos`, a retained message where
///         `retain.enabled` is false or for one client, properties that MQTT does not allow, a payload that is not the
///         UTF-8 that its format indicator says, a delay out of range, or a message larger than MQTT allows;
///         `RMQTT_ERR_NOT_FOUND` if there is no session of the client `client_id`; `RMQTT_ERR_WOULD_BLOCK` if there is no
///         room after `wait_ms`: a receiver has too much to work off, `callbacks.queue` messages wait for the hook,
///         `delayed.max_messages` or `delayed.max_bytes` is reached, or `callbacks.max_pending` messages are to be reported
///         on (the last two are never waited for); `RMQTT_ERR_INVALID_STATE` if the broker does not run;
///         `RMQTT_ERR_FORKED`; `RMQTT_ERR_INTERNAL`; `RMQTT_ERR_PANIC`. Nothing is published then.
///
/// **Threads.** Any, callbacks included. Messages of one thread keep their order; what it publishes in inline hooks may come
/// after what it publishes outside of them. `on_report` is called on a callback thread, one call at a time for all messages
/// of the broker.
///
/// **Ownership.** `user_data` passes to the library whatever the answer is: `drop` is called for it exactly once. When the
/// broker stops before the last report, `drop` is all that is called.
///
/// # Safety
/// `broker` is NULL or alive; `message` is NULL or as large as it says, with views that are readable as far as they
/// say; `on_report` and `drop` are NULL or functions of these types that take `user_data`; `err` is NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_publish(
    broker: *mut rmqtt_broker_t,
    message: *const rmqtt_publish_t,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    // SAFETY: the contract of the function is passed on.
    unsafe {
        let messages = Messages::new(message, 1);
        with_broker(broker, err, |broker| broker.broker.publish_all(messages?).1)
    }
}

/// Publishes messages one after the other, each as `rmqtt_broker_publish` does, and faster. It ends at the first one that is
/// not published.
///
/// @param broker A running broker.
/// @param messages An array of `count` messages of one `struct_size`; copied. May be NULL if `count` is 0.
/// @param count How many.
/// @param accepted Receives how many have been published, those at the front. May be NULL.
/// @param err Receives the error of the one that was not. May be NULL.
/// @return `RMQTT_OK` if all of them have been published; else what `rmqtt_broker_publish` answers to the message at
///         `messages[*accepted]`.
///
/// **Threads.** As `rmqtt_broker_publish`. `wait_ms` of each message begins when its turn has come.
///
/// **Ownership.** The `user_data` of all messages passes to the library, also of those that are not published: `drop` is
/// called for each exactly once.
///
/// # Safety
/// `broker` is NULL or alive; `messages` is NULL or `count` messages, each as large as the first one says, with what
/// `rmqtt_broker_publish` asks for; `accepted` and `err` are NULL or writable.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_broker_publish_batch(
    broker: *mut rmqtt_broker_t,
    messages: *const rmqtt_publish_t,
    count: usize,
    accepted: *mut usize,
    err: *mut *mut rmqtt_error_t,
) -> rmqtt_status_t {
    if !accepted.is_null() {
        // SAFETY: not NULL, so writable by the contract of the function.
        unsafe { accepted.write(0) };
    }
    // SAFETY: the contract of the function is passed on.
    unsafe {
        let messages = Messages::new(messages, count);
        with_broker(broker, err, |broker| {
            let (published, result) = broker.broker.publish_all(messages?);
            if !accepted.is_null() {
                accepted.write(published);
            }
            result
        })
    }
}
