use std::ffi::c_void;
use std::ptr;

use super::client::rmqtt_client_t;
use super::decision::{rmqtt_verdict_kind, rmqtt_verdict_kind_t, rmqtt_verdict_t};
use super::message::rmqtt_message_t;
use super::user_data::{rmqtt_drop_fn, UserData};
use super::versioned::{CBool, Versioned};
use super::view::{rmqtt_bytes_t, rmqtt_str_t};
use crate::broker::Error;
use crate::hooks::{
    Answer, Authenticate, AuthorizeForward, AuthorizeSubscribe, AuthorizeUnsubscribe, Connected, Disconnected, Hook,
    HookSet, Hooks, PreConnect, Question, Verdict,
};
use crate::model::Message;

/// A client wants to connect. All of it lives as long as the hook runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_authenticate_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// Who wants to connect.
    pub client: *const rmqtt_client_t,
    /// The will; NULL if CONNECT has none.
    pub will: *const rmqtt_message_t,
    /// The password; absent if CONNECT has none.
    pub password: rmqtt_bytes_t,
    /// The keep alive that CONNECT asks for, in seconds; 0 for none.
    pub keep_alive_s: u16,
    /// Clean start, in MQTT before 5 clean session: whether the session before is to be discarded.
    pub clean_start: CBool,
    /// Zero.
    pub reserved: [u8; 5],
}

/// A client is connected. All of it lives as long as the hook runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_connected_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// Who is connected.
    pub client: *const rmqtt_client_t,
}

/// Who ended a connection.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rmqtt_disconnected_by {
    /// The client, with a DISCONNECT.
    RMQTT_DISCONNECTED_BY_CLIENT = 1,
    /// The broker: for a fault of the client, its silence, a new connection under its name, or a stop.
    RMQTT_DISCONNECTED_BY_BROKER = 2,
    /// The network: the connection ended without a DISCONNECT.
    RMQTT_DISCONNECTED_BY_NETWORK = 3,
}

/// A value of `enum rmqtt_disconnected_by`.
pub type rmqtt_disconnected_by_t = i32;

/// A client that was connected is gone. All of it lives as long as the hook runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_disconnected_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// Who is gone.
    pub client: *const rmqtt_client_t,
    /// Why, in words.
    pub reason: rmqtt_str_t,
    /// A value of `enum rmqtt_disconnected_by`.
    pub by: rmqtt_disconnected_by_t,
    /// Why, as an MQTT 5 DISCONNECT reason code, whatever the client speaks.
    pub reason_code: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// Decides whether a client may connect.
///
/// @param event Who wants to connect, with what.
/// @param verdict The details of the answer, to be filled at will; see `rmqtt_verdict_t`.
/// @param user_data That of the hooks.
/// @return `RMQTT_VERDICT_ALLOW`; `RMQTT_VERDICT_DEFERRED` after `rmqtt_decision_defer`; anything else denies.
pub type rmqtt_authenticate_fn = Option<
    unsafe extern "C-unwind" fn(
        event: *const rmqtt_authenticate_t,
        verdict: *mut rmqtt_verdict_t,
        user_data: *mut c_void,
    ) -> rmqtt_verdict_kind_t,
>;

/// A connection that has sent nothing yet. All of it lives as long as the hook runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_pre_connect_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// Where it comes from, such as `192.0.2.1:49152`.
    pub address: rmqtt_str_t,
    /// The name of the listener that accepted it.
    pub listener: rmqtt_str_t,
}

/// A message is to be published. All of it lives as long as the hook runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_authorize_publish_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// The message, with its publisher. Its origin is `RMQTT_ORIGIN_CLIENT`, `RMQTT_ORIGIN_API`, or `RMQTT_ORIGIN_WILL`: a
    /// will is asked about when its client connects, and again when it is published.
    pub message: *const rmqtt_message_t,
}

/// A client wants to subscribe. All of it lives as long as the hook runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_authorize_subscribe_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// Who wants to subscribe.
    pub client: *const rmqtt_client_t,
    /// The topic filter, `$share/{group}/` included.
    pub filter: rmqtt_str_t,
    /// The subscription identifier; 0 for none.
    pub identifier: u32,
    /// The highest QoS that it asks for, at most `limits.max_qos`.
    pub qos: u8,
    /// Not the messages that the client publishes itself.
    pub no_local: CBool,
    /// The retain flag as publishers set it.
    pub retain_as_published: CBool,
    /// As in MQTT 5: 0 delivers retained messages, 1 does for a new subscription, 2 does not.
    pub retain_handling: u8,
}

/// A client wants to give a subscription up. All of it lives as long as the hook runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_authorize_unsubscribe_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// Who wants to unsubscribe.
    pub client: *const rmqtt_client_t,
    /// The topic filter, as the client has subscribed to it.
    pub filter: rmqtt_str_t,
}

/// A message is to be sent to a client for the first time. All of it lives as long as the hook runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_authorize_forward_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// Who is to get it.
    pub client: *const rmqtt_client_t,
    /// The message, with its publisher.
    pub message: *const rmqtt_message_t,
    /// The QoS that it is sent with: the lower one of the message's and the subscription's.
    pub qos: u8,
    /// The retain flag that it is sent with.
    pub retain: CBool,
    /// Zero.
    pub reserved: [u8; 6],
}

/// Decides whether a connection may say anything; if not, it is closed without a word.
///
/// @param event Where it comes from.
/// @param verdict The details of the answer. None of them is looked at here.
/// @param user_data That of the hooks.
/// @return As `rmqtt_authenticate_fn`.
pub type rmqtt_pre_connect_fn = Option<
    unsafe extern "C-unwind" fn(
        event: *const rmqtt_pre_connect_t,
        verdict: *mut rmqtt_verdict_t,
        user_data: *mut c_void,
    ) -> rmqtt_verdict_kind_t,
>;

/// Decides whether a message may be published.
///
/// @param event The message.
/// @param verdict The details of the answer: a reason code and string for PUBACK or PUBREC, or what is to be published
///                instead.
/// @param user_data That of the hooks.
/// @return As `rmqtt_authenticate_fn`, or `RMQTT_VERDICT_DROP`.
pub type rmqtt_authorize_publish_fn = Option<
    unsafe extern "C-unwind" fn(
        event: *const rmqtt_authorize_publish_t,
        verdict: *mut rmqtt_verdict_t,
        user_data: *mut c_void,
    ) -> rmqtt_verdict_kind_t,
>;

/// Decides whether a client may subscribe, filter by filter.
///
/// @param event Who wants to subscribe to what.
/// @param verdict The details of the answer: a reason code for SUBACK, a lower QoS, or another filter.
/// @param user_data That of the hooks.
/// @return As `rmqtt_authenticate_fn`.
pub type rmqtt_authorize_subscribe_fn = Option<
    unsafe extern "C-unwind" fn(
        event: *const rmqtt_authorize_subscribe_t,
        verdict: *mut rmqtt_verdict_t,
        user_data: *mut c_void,
    ) -> rmqtt_verdict_kind_t,
>;

/// Decides whether a client may unsubscribe, filter by filter.
///
/// @param event Who wants to unsubscribe from what.
/// @param verdict The details of the answer: a reason code for UNSUBACK, which clients before MQTT 5 do not see.
/// @param user_data That of the hooks.
/// @return As `rmqtt_authenticate_fn`.
pub type rmqtt_authorize_unsubscribe_fn = Option<
    unsafe extern "C-unwind" fn(
        event: *const rmqtt_authorize_unsubscribe_t,
        verdict: *mut rmqtt_verdict_t,
        user_data: *mut c_void,
    ) -> rmqtt_verdict_kind_t,
>;

/// Decides whether a client gets a message: a live one, one that has waited for it, or a retained one. It is asked once
/// for each receiver and message, before the first time that it is sent.
///
/// @param event Who is to get what.
/// @param verdict The details of the answer: another topic, payload or retain flag for this client, or a lower QoS.
/// @param user_data That of the hooks.
/// @return As `rmqtt_authenticate_fn`. Whatever denies drops the message for this client.
pub type rmqtt_authorize_forward_fn = Option<
    unsafe extern "C-unwind" fn(
        event: *const rmqtt_authorize_forward_t,
        verdict: *mut rmqtt_verdict_t,
        user_data: *mut c_void,
    ) -> rmqtt_verdict_kind_t,
>;

/// Hears that a client is connected.
pub type rmqtt_connected_fn =
    Option<unsafe extern "C-unwind" fn(event: *const rmqtt_connected_t, user_data: *mut c_void)>;

/// Hears that a client is gone.
pub type rmqtt_disconnected_fn =
    Option<unsafe extern "C-unwind" fn(event: *const rmqtt_disconnected_t, user_data: *mut c_void)>;

/// The hooks by number: the index of a hook in `rmqtt_hooks_t.flags`.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rmqtt_hook {
    /// `authenticate`.
    RMQTT_HOOK_AUTHENTICATE = 0,
    /// `connected`.
    RMQTT_HOOK_CONNECTED = 1,
    /// `disconnected`.
    RMQTT_HOOK_DISCONNECTED = 2,
    /// `pre_connect`.
    RMQTT_HOOK_PRE_CONNECT = 3,
    /// `authorize_publish`.
    RMQTT_HOOK_AUTHORIZE_PUBLISH = 4,
    /// `authorize_subscribe`.
    RMQTT_HOOK_AUTHORIZE_SUBSCRIBE = 5,
    /// `authorize_unsubscribe`.
    RMQTT_HOOK_AUTHORIZE_UNSUBSCRIBE = 6,
    /// `authorize_forward`.
    RMQTT_HOOK_AUTHORIZE_FORWARD = 7,
}

/// In `rmqtt_hooks_t.flags`: the hook promises to take microseconds, and is called in place, on the thread that serves the
/// client. Not for `connected` and `disconnected`.
pub const RMQTT_HOOK_INLINE: u8 = 1;

/// The code of the host program that the broker asks and tells. Start with `rmqtt_hooks_init()`, or with zeroes and
/// `struct_size`. NULL: not interested, at no cost.
///
/// **Threads.** Hooks run on the callback threads of the broker (`callbacks.threads`), never on those that serve
/// clients, unless a flag says `RMQTT_HOOK_INLINE`: such a hook must not block, for it holds up other clients. Those of one client run one at a time and in order; those of different clients run at the same time. They
/// may call every function of this library; `rmqtt_broker_stop` answers `RMQTT_ERR_WOULD_DEADLOCK`. They may block: that
/// holds up their client and one callback thread.
///
/// **No answer is a no.** A decision that is not made within `callbacks.timeout_ms`, for which the queue has no room,
/// whose answer is a number without a meaning, or that a stop overtakes, is denied.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_hooks_t {
    /// `sizeof(rmqtt_hooks_t)`, set by the caller.
    pub struct_size: usize,
    /// Passed to every hook.
    pub user_data: *mut c_void,
    /// Frees `user_data`, or NULL.
    pub drop: rmqtt_drop_fn,
    /// Decides whether a client may connect. Without it, the configuration decides.
    pub authenticate: rmqtt_authenticate_fn,
    /// Hears that a client is connected.
    pub connected: rmqtt_connected_fn,
    /// Hears that a client that was connected is gone.
    pub disconnected: rmqtt_disconnected_fn,
    /// Decides whether a connection may say anything.
    pub pre_connect: rmqtt_pre_connect_fn,
    /// Decides whether a message may be published. Without it, every message may, but no client's to `$SYS/#`.
    pub authorize_publish: rmqtt_authorize_publish_fn,
    /// Decides whether a client may subscribe. Without it, it may.
    pub authorize_subscribe: rmqtt_authorize_subscribe_fn,
    /// Decides whether a client may unsubscribe. Without it, it may.
    pub authorize_unsubscribe: rmqtt_authorize_unsubscribe_fn,
    /// 0 or `RMQTT_HOOK_INLINE` for each hook, by `enum rmqtt_hook`.
    pub flags: [u8; 64],
    /// Decides whether a client gets a message. Without it, it does.
    pub authorize_forward: rmqtt_authorize_forward_fn,
}

// SAFETY: `repr(C)`, size first; pointers and optional functions. A function pointer may hold any bits but zero, which
// is none: that it is callable is what the caller promises.
unsafe impl Versioned for rmqtt_hooks_t {
    const NAME: &'static str = "the hooks";
    const FIRST_SIZE: usize = 48;
}

/// The hooks of C as the broker sees them.
pub(super) struct ForeignHooks {
    table: rmqtt_hooks_t,
    user_data: UserData,
}

// SAFETY: the raw pointer in the table is that of `user_data`, which says why it may be shared.
unsafe impl Send for ForeignHooks {}
// SAFETY: as above.
unsafe impl Sync for ForeignHooks {}

/// The decision hooks: those that may be called in place.
const DECISIONS: [Hook; 6] = [
    Hook::Authenticate,
    Hook::PreConnect,
    Hook::AuthorizePublish,
    Hook::AuthorizeSubscribe,
    Hook::AuthorizeUnsubscribe,
    Hook::AuthorizeForward,
];

impl rmqtt_hooks_t {
    /// Why the flags are not what they may be.
    pub(super) fn check_flags(&self) -> Result<(), Error> {
        for (index, flags) in self.flags.into_iter().enumerate() {
            let decides = DECISIONS.iter().any(|hook| *hook as usize == index);
            if flags & !RMQTT_HOOK_INLINE != 0 || (flags != 0 && !decides) {
                return Err(Error::InvalidArgument(format!("flags[{index}] of the hooks is {flags}")));
            }
        }
        Ok(())
    }
}

impl ForeignHooks {
    pub(super) fn new(table: rmqtt_hooks_t) -> Self {
        ForeignHooks { table, user_data: UserData::new(table.user_data, table.drop) }
    }

    /// Calls a decision hook, and reads its answer.
    fn ask(&self, hook: impl FnOnce(*mut rmqtt_verdict_t, *mut c_void) -> rmqtt_verdict_kind_t) -> Answer {
        let mut verdict = rmqtt_verdict_t::blank();
        let kind = hook(&mut verdict, self.user_data.pointer());
        if kind == rmqtt_verdict_kind::RMQTT_VERDICT_DEFERRED as i32 {
            return Answer::Deferred;
        }
        // SAFETY: the hook was told what the views have to be.
        Answer::Now(unsafe { verdict.verdict(kind) })
    }

    fn authenticate(&self, event: &Authenticate) -> Option<Answer> {
        let authenticate = self.table.authenticate?;
        let client = rmqtt_client_t::of(&event.client);
        let will = event.will.as_ref().map(|will| rmqtt_message_t::of(will, Some(&client)));
        let event = rmqtt_authenticate_t {
            struct_size: size_of::<rmqtt_authenticate_t>(),
            client: &client,
            will: will.as_ref().map_or(ptr::null(), ptr::from_ref),
            password: event.password.as_ref().map_or(rmqtt_bytes_t::ABSENT, |password| rmqtt_bytes_t::of(password)),
            keep_alive_s: event.keep_alive_s,
            clean_start: event.clean_start.into(),
            reserved: [0; 5],
        };
        // SAFETY: whoever set the hook promised a function that takes these; all of them outlive the call.
        Some(self.ask(|verdict, user_data| unsafe { authenticate(&event, verdict, user_data) }))
    }

    fn pre_connect(&self, event: &PreConnect) -> Option<Answer> {
        let pre_connect = self.table.pre_connect?;
        let event = rmqtt_pre_connect_t {
            struct_size: size_of::<rmqtt_pre_connect_t>(),
            address: rmqtt_str_t::of(&event.address),
            listener: rmqtt_str_t::of(&event.listener),
        };
        // SAFETY: as in `authenticate`.
        Some(self.ask(|verdict, user_data| unsafe { pre_connect(&event, verdict, user_data) }))
    }

    fn authorize_publish(&self, message: &Message) -> Option<Answer> {
        let authorize = self.table.authorize_publish?;
        let publisher = message.publisher.as_deref().map(rmqtt_client_t::of);
        let message = rmqtt_message_t::of(message, publisher.as_ref());
        let event =
            rmqtt_authorize_publish_t { struct_size: size_of::<rmqtt_authorize_publish_t>(), message: &message };
        // SAFETY: as in `authenticate`.
        Some(self.ask(|verdict, user_data| unsafe { authorize(&event, verdict, user_data) }))
    }

    fn authorize_subscribe(&self, event: &AuthorizeSubscribe) -> Option<Answer> {
        let authorize = self.table.authorize_subscribe?;
        let client = rmqtt_client_t::of(&event.client);
        let options = &event.options;
        let event = rmqtt_authorize_subscribe_t {
            struct_size: size_of::<rmqtt_authorize_subscribe_t>(),
            client: &client,
            filter: rmqtt_str_t::of(&event.filter),
            identifier: options.identifier.map_or(0, u32::from),
            qos: options.qos as u8,
            no_local: options.no_local.into(),
            retain_as_published: options.retain_as_published.into(),
            retain_handling: options.retain_handling as u8,
        };
        // SAFETY: as in `authenticate`.
        Some(self.ask(|verdict, user_data| unsafe { authorize(&event, verdict, user_data) }))
    }

    fn authorize_unsubscribe(&self, event: &AuthorizeUnsubscribe) -> Option<Answer> {
        let authorize = self.table.authorize_unsubscribe?;
        let client = rmqtt_client_t::of(&event.client);
        let event = rmqtt_authorize_unsubscribe_t {
            struct_size: size_of::<rmqtt_authorize_unsubscribe_t>(),
            client: &client,
            filter: rmqtt_str_t::of(&event.filter),
        };
        // SAFETY: as in `authenticate`.
        Some(self.ask(|verdict, user_data| unsafe { authorize(&event, verdict, user_data) }))
    }

    fn authorize_forward(&self, event: &AuthorizeForward) -> Option<Answer> {
        let authorize = self.table.authorize_forward?;
        let client = rmqtt_client_t::of(&event.client);
        let publisher = event.message.publisher.as_deref().map(rmqtt_client_t::of);
        let message = rmqtt_message_t::of(&event.message, publisher.as_ref());
        let event = rmqtt_authorize_forward_t {
            struct_size: size_of::<rmqtt_authorize_forward_t>(),
            client: &client,
            message: &message,
            qos: event.qos as u8,
            retain: event.retain.into(),
            reserved: [0; 6],
        };
        // SAFETY: as in `authenticate`.
        Some(self.ask(|verdict, user_data| unsafe { authorize(&event, verdict, user_data) }))
    }
}

impl Hooks for ForeignHooks {
    fn interest(&self) -> HookSet {
        let table = &self.table;
        HookSet::NONE
            .with(Hook::Authenticate, table.authenticate.is_some())
            .with(Hook::Connected, table.connected.is_some())
            .with(Hook::Disconnected, table.disconnected.is_some())
            .with(Hook::PreConnect, table.pre_connect.is_some())
            .with(Hook::AuthorizePublish, table.authorize_publish.is_some())
            .with(Hook::AuthorizeSubscribe, table.authorize_subscribe.is_some())
            .with(Hook::AuthorizeUnsubscribe, table.authorize_unsubscribe.is_some())
            .with(Hook::AuthorizeForward, table.authorize_forward.is_some())
    }

    fn in_place(&self) -> HookSet {
        let is_inline = |hook: Hook| self.table.flags[hook as usize] & RMQTT_HOOK_INLINE != 0;
        DECISIONS.into_iter().fold(HookSet::NONE, |set, hook| set.with(hook, is_inline(hook)))
    }

    fn decide(&self, question: Question<'_>) -> Answer {
        let answer = match question {
            Question::PreConnect(question) => self.pre_connect(question),
            Question::Authenticate(question) => self.authenticate(question),
            Question::AuthorizePublish(message) => self.authorize_publish(message),
            Question::AuthorizeSubscribe(question) => self.authorize_subscribe(question),
            Question::AuthorizeUnsubscribe(question) => self.authorize_unsubscribe(question),
            Question::AuthorizeForward(question) => self.authorize_forward(question),
        };
        // A hook that has been taken away since cannot allow anything.
        answer.unwrap_or_else(|| Answer::Now(Verdict::deny()))
    }

    fn connected(&self, event: &Connected) {
        if let Some(connected) = self.table.connected {
            let client = rmqtt_client_t::of(&event.client);
            let event = rmqtt_connected_t { struct_size: size_of::<rmqtt_connected_t>(), client: &client };
            // SAFETY: as in `authenticate`.
            unsafe { connected(&event, self.user_data.pointer()) };
        }
    }

    fn disconnected(&self, event: &Disconnected) {
        if let Some(disconnected) = self.table.disconnected {
            let client = rmqtt_client_t::of(&event.client);
            let event = rmqtt_disconnected_t {
                struct_size: size_of::<rmqtt_disconnected_t>(),
                client: &client,
                reason: rmqtt_str_t::of(&event.reason),
                by: event.by as rmqtt_disconnected_by_t,
                reason_code: event.reason_code,
                reserved: [0; 3],
            };
            // SAFETY: as in `authenticate`.
            unsafe { disconnected(&event, self.user_data.pointer()) };
        }
    }
}
