use std::ffi::c_void;
use std::ptr;

use super::client::rmqtt_client_t;
use super::connection::{rmqtt_connection_t, with_connection};
use super::decision::{rmqtt_verdict_kind, rmqtt_verdict_kind_t, rmqtt_verdict_t};
use super::hook_events::*;
use super::hook_questions::*;
use super::listener::rmqtt_listener_info_t;
use super::message::{rmqtt_message_t, with_view};
use super::properties::{pointer_to, user_properties_of};
use super::user_data::{rmqtt_drop_fn, UserData};
use super::versioned::Versioned;
use super::view::{rmqtt_bytes_t, rmqtt_str_t};
use crate::broker::Error;
use crate::hooks::{
    Answer, AuthExchange, Authenticate, AuthorizeForward, AuthorizeSubscribe, AuthorizeUnsubscribe, Event, Hook,
    HookSet, Hooks, MessagePublished, PreConnect, Question, SessionEnd, Subscribed, Subscriber, Verdict,
};
use crate::model::{Client, MessageRef};

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
    /// `auth_exchange`.
    RMQTT_HOOK_AUTH_EXCHANGE = 8,
    /// `connack`.
    RMQTT_HOOK_CONNACK = 9,
    /// `session_created`.
    RMQTT_HOOK_SESSION_CREATED = 10,
    /// `session_resumed`.
    RMQTT_HOOK_SESSION_RESUMED = 11,
    /// `session_taken_over`.
    RMQTT_HOOK_SESSION_TAKEN_OVER = 12,
    /// `session_terminated`.
    RMQTT_HOOK_SESSION_TERMINATED = 13,
    /// `subscribed`.
    RMQTT_HOOK_SUBSCRIBED = 14,
    /// `unsubscribed`.
    RMQTT_HOOK_UNSUBSCRIBED = 15,
    /// `message_published`.
    RMQTT_HOOK_MESSAGE_PUBLISHED = 16,
    /// `message_delivered`.
    RMQTT_HOOK_MESSAGE_DELIVERED = 17,
    /// `message_acked`.
    RMQTT_HOOK_MESSAGE_ACKED = 18,
    /// `message_dropped`.
    RMQTT_HOOK_MESSAGE_DROPPED = 19,
    /// `will_published`.
    RMQTT_HOOK_WILL_PUBLISHED = 20,
    /// `retained_changed`.
    RMQTT_HOOK_RETAINED_CHANGED = 21,
    /// `first_subscriber`.
    RMQTT_HOOK_FIRST_SUBSCRIBER = 22,
    /// `last_subscriber`.
    RMQTT_HOOK_LAST_SUBSCRIBER = 23,
    /// `listener_up`.
    RMQTT_HOOK_LISTENER_UP = 24,
    /// `listener_down`.
    RMQTT_HOOK_LISTENER_DOWN = 25,
    /// `overload`.
    RMQTT_HOOK_OVERLOAD = 26,
    /// `client_banned`.
    RMQTT_HOOK_CLIENT_BANNED = 27,
}

/// In `rmqtt_hooks_t.flags`: the hook promises to take microseconds, and is called in place, on the thread that serves the
/// client. Not for `first_subscriber` and `last_subscriber`.
pub const RMQTT_HOOK_INLINE: u8 = 1;

/// The code of the host program that the broker asks and tells. Start with `rmqtt_hooks_init()`, or with zeroes and
/// `struct_size`. NULL: not interested, at no cost.
///
/// **Threads.** Hooks run on the callback threads of the broker (`callbacks.threads`), never on those that serve
/// clients, unless a flag says `RMQTT_HOOK_INLINE`: such a hook must not block, for it holds up other clients. Those of one
/// client run one at a time and in order; those of different clients run at the same time. They may call every function of
/// this library; `rmqtt_broker_stop` answers `RMQTT_ERR_WOULD_DEADLOCK`. They may block: that holds up their client and one
/// callback thread.
///
/// **No answer is a no.** A decision that is not made within `callbacks.timeout_ms`, for which the queue has no room,
/// whose answer is a number without a meaning, or that a stop overtakes, is denied.
///
/// **Events.** What happens to an event that finds `callbacks.queue` of them waiting says `callbacks.event_overflow`.
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
    /// Decides whether a message may be published. Without it, every message may, but no client's to `$SYS/#` that is not
    /// a superuser.
    pub authorize_publish: rmqtt_authorize_publish_fn,
    /// Decides whether a client may subscribe. Without it, it may, but to `$SYS/#` only if `acl.sys_topics` says so.
    pub authorize_subscribe: rmqtt_authorize_subscribe_fn,
    /// Decides whether a client may unsubscribe. Without it, it may.
    pub authorize_unsubscribe: rmqtt_authorize_unsubscribe_fn,
    /// 0 or `RMQTT_HOOK_INLINE` for each hook, by `enum rmqtt_hook`.
    pub flags: [u8; 64],
    /// Decides whether a client gets a message. Without it, it does.
    pub authorize_forward: rmqtt_authorize_forward_fn,
    /// Decides about each round of an enhanced authentication, in the place of `authenticate`. Without it, a client that asks
    /// for one is refused with 0x8C.
    pub auth_exchange: rmqtt_auth_exchange_fn,
    /// Hears how a CONNECT has been answered.
    pub connack: rmqtt_connack_fn,
    /// Hears that a client has got a session that there was not before.
    pub session_created: rmqtt_session_fn,
    /// Hears that a client has got the session that was kept for it.
    pub session_resumed: rmqtt_session_fn,
    /// Hears that a connection loses its session to a new one under its client identifier; `disconnected` follows.
    pub session_taken_over: rmqtt_session_fn,
    /// Hears that a session is over, with all that was kept in it.
    pub session_terminated: rmqtt_session_fn,
    /// Hears that a client has subscribed.
    pub subscribed: rmqtt_subscribed_fn,
    /// Hears that a client has unsubscribed.
    pub unsubscribed: rmqtt_unsubscribed_fn,
    /// Hears of each message that is on its way, wills and those of the host program included.
    pub message_published: rmqtt_message_published_fn,
    /// Hears of each message that is written to a client for the first time.
    pub message_delivered: rmqtt_message_delivered_fn,
    /// Hears of each message that a client has acknowledged.
    pub message_acked: rmqtt_message_acked_fn,
    /// Hears of each message that does not reach a receiver.
    pub message_dropped: rmqtt_message_dropped_fn,
    /// Hears of each will that is on its way; so does `message_published`.
    pub will_published: rmqtt_message_published_fn,
    /// Hears that the retained message of a topic has changed.
    pub retained_changed: rmqtt_retained_changed_fn,
    /// Hears that a filter that nobody was subscribed to has its first subscriber. Not inline.
    pub first_subscriber: rmqtt_subscriber_fn,
    /// Hears that nobody is subscribed to a filter any more; a stop, which ends all subscriptions, is not told so. Not inline.
    pub last_subscriber: rmqtt_subscriber_fn,
    /// Hears that a listener is open, or is called so from now on.
    pub listener_up: rmqtt_listener_fn,
    /// Hears that a listener is closed, or is called so no longer.
    pub listener_down: rmqtt_listener_fn,
    /// Hears that a limit of the broker as a whole is reached, or that there is room again.
    pub overload: rmqtt_overload_fn,
    /// Hears that somebody is kept out from now on.
    pub client_banned: rmqtt_client_banned_fn,
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

impl rmqtt_hooks_t {
    /// Why the flags are not what they may be.
    pub(super) fn check_flags(&self) -> Result<(), Error> {
        for (index, flags) in self.flags.into_iter().enumerate() {
            let may_be_inline =
                Hook::ALL.iter().any(|hook| *hook as usize == index && !HookSet::QUEUED_ONLY.has(*hook));
            if flags & !RMQTT_HOOK_INLINE != 0 || (flags != 0 && !may_be_inline) {
                return Err(Error::InvalidArgument(format!("flags[{index}] of the hooks is {flags}")));
            }
        }
        Ok(())
    }

    /// Whether a hook is set.
    fn has(&self, hook: Hook) -> bool {
        match hook {
            Hook::Authenticate => self.authenticate.is_some(),
            Hook::Connected => self.connected.is_some(),
            Hook::Disconnected => self.disconnected.is_some(),
            Hook::PreConnect => self.pre_connect.is_some(),
            Hook::AuthorizePublish => self.authorize_publish.is_some(),
            Hook::AuthorizeSubscribe => self.authorize_subscribe.is_some(),
            Hook::AuthorizeUnsubscribe => self.authorize_unsubscribe.is_some(),
            Hook::AuthorizeForward => self.authorize_forward.is_some(),
            Hook::AuthExchange => self.auth_exchange.is_some(),
            Hook::Connack => self.connack.is_some(),
            Hook::SessionCreated => self.session_created.is_some(),
            Hook::SessionResumed => self.session_resumed.is_some(),
            Hook::SessionTakenOver => self.session_taken_over.is_some(),
            Hook::SessionTerminated => self.session_terminated.is_some(),
            Hook::Subscribed => self.subscribed.is_some(),
            Hook::Unsubscribed => self.unsubscribed.is_some(),
            Hook::MessagePublished => self.message_published.is_some(),
            Hook::MessageDelivered => self.message_delivered.is_some(),
            Hook::MessageAcked => self.message_acked.is_some(),
            Hook::MessageDropped => self.message_dropped.is_some(),
            Hook::WillPublished => self.will_published.is_some(),
            Hook::RetainedChanged => self.retained_changed.is_some(),
            Hook::FirstSubscriber => self.first_subscriber.is_some(),
            Hook::LastSubscriber => self.last_subscriber.is_some(),
            Hook::ListenerUp => self.listener_up.is_some(),
            Hook::ListenerDown => self.listener_down.is_some(),
            Hook::Overload => self.overload.is_some(),
            Hook::ClientBanned => self.client_banned.is_some(),
        }
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

    #[inline(never)]
    fn decide_more(&self, question: Question<'_>) -> Option<Answer> {
        match question {
            Question::PreConnect(question) => self.pre_connect(question),
            Question::Authenticate(question) => self.authenticate(question),
            Question::AuthExchange(question) => self.auth_exchange(question),
            Question::AuthorizePublish(message) => self.authorize_publish(message),
            Question::AuthorizeSubscribe(question) => self.authorize_subscribe(question),
            Question::AuthorizeUnsubscribe(question) => self.authorize_unsubscribe(question),
            Question::AuthorizeForward(question) => self.authorize_forward(question),
        }
    }

    fn authenticate(&self, event: &Authenticate) -> Option<Answer> {
        let authenticate = self.table.authenticate?;
        let call = |connection: &rmqtt_connection_t, will: *const rmqtt_message_t| {
            let client = rmqtt_client_t::of(&event.client);
            let properties = &event.properties;
            let user_properties = user_properties_of(&properties.user_properties);
            let event = rmqtt_authenticate_t {
                struct_size: size_of::<rmqtt_authenticate_t>(),
                client: &client,
                will,
                password: rmqtt_bytes_t::of_option(event.password.as_ref()),
                keep_alive_s: event.keep_alive_s,
                clean_start: event.clean_start.into(),
                request_response_information: properties.request_response_information.into(),
                request_problem_information: properties.request_problem_information.into(),
                reserved: [0; 3],
                user_properties: pointer_to(&user_properties),
                user_property_count: user_properties.len(),
                session_expiry_s: properties.session_expiry_s,
                maximum_packet_size: properties.maximum_packet_size.unwrap_or(0),
                receive_maximum: properties.receive_maximum,
                topic_alias_maximum: properties.topic_alias_maximum,
                reserved_tail: [0; 4],
                connection,
            };
            // SAFETY: whoever set the hook promised a function that takes these; all of them outlive the call.
            self.ask(|verdict, user_data| unsafe { authenticate(&event, verdict, user_data) })
        };
        Some(with_connection(&event.connection, |connection| match &event.will {
            Some(will) => with_view(will.view(), |will| call(connection, will)),
            None => call(connection, ptr::null()),
        }))
    }

    fn auth_exchange(&self, event: &AuthExchange) -> Option<Answer> {
        let exchange = self.table.auth_exchange?;
        let call = |connection: *const rmqtt_connection_t| {
            let client = rmqtt_client_t::of(&event.client);
            let event = rmqtt_auth_exchange_t {
                struct_size: size_of::<rmqtt_auth_exchange_t>(),
                client: &client,
                method: rmqtt_str_t::of(&event.method),
                data: rmqtt_bytes_t::of_option(event.data.as_ref()),
                round: event.round,
                again: event.again.into(),
                reserved: [0; 3],
                connection,
            };
            // SAFETY: as in `authenticate`.
            self.ask(|verdict, user_data| unsafe { exchange(&event, verdict, user_data) })
        };
        Some(match &event.connection {
            Some(connection) => with_connection(connection, |connection| call(connection)),
            None => call(ptr::null()),
        })
    }

    fn pre_connect(&self, event: &PreConnect) -> Option<Answer> {
        let pre_connect = self.table.pre_connect?;
        Some(with_connection(&event.connection, |connection| {
            let event = rmqtt_pre_connect_t {
                struct_size: size_of::<rmqtt_pre_connect_t>(),
                address: rmqtt_str_t::of(&event.address),
                listener: rmqtt_str_t::of(&event.listener),
                connection,
                stage: event.stage as rmqtt_stage_t,
                reserved: [0; 4],
            };
            // SAFETY: as in `authenticate`.
            self.ask(|verdict, user_data| unsafe { pre_connect(&event, verdict, user_data) })
        }))
    }

    fn authorize_publish(&self, message: MessageRef<'_>) -> Option<Answer> {
        let authorize = self.table.authorize_publish?;
        Some(with_view(message, |message| {
            let event = rmqtt_authorize_publish_t { struct_size: size_of::<rmqtt_authorize_publish_t>(), message };
            // SAFETY: as in `authenticate`.
            self.ask(|verdict, user_data| unsafe { authorize(&event, verdict, user_data) })
        }))
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
        Some(with_view(event.message.view(), |message| {
            let event = rmqtt_authorize_forward_t {
                struct_size: size_of::<rmqtt_authorize_forward_t>(),
                client: &client,
                message,
                qos: event.qos as u8,
                retain: event.retain.into(),
                reserved: [0; 6],
            };
            // SAFETY: as in `authenticate`.
            self.ask(|verdict, user_data| unsafe { authorize(&event, verdict, user_data) })
        }))
    }

    /// Calls an event hook, if it is set.
    fn call<T>(&self, hook: Option<unsafe extern "C-unwind" fn(*const T, *mut c_void)>, event: &T) {
        if let Some(hook) = hook {
            // SAFETY: whoever set the hook promised a function that takes these; all of them outlive the call.
            unsafe { hook(event, self.user_data.pointer()) };
        }
    }

    fn tell_session(&self, hook: rmqtt_session_fn, client: &Client, end: Option<SessionEnd>) {
        let client = rmqtt_client_t::of(client);
        let event = rmqtt_session_event_t {
            struct_size: size_of::<rmqtt_session_event_t>(),
            client: &client,
            end: end.map_or(0, |end| end as rmqtt_session_end_t),
            reserved: [0; 4],
        };
        self.call(hook, &event);
    }

    fn tell_published(&self, hook: rmqtt_message_published_fn, event: &MessagePublished) {
        with_view(event.message.view(), |message| {
            let event = rmqtt_message_published_t {
                struct_size: size_of::<rmqtt_message_published_t>(),
                message,
                receivers: event.receivers as u64,
            };
            self.call(hook, &event);
        });
    }

    fn tell_subscriber(&self, hook: rmqtt_subscriber_fn, event: &Subscriber) {
        let client = event.client.as_deref().map(rmqtt_client_t::of);
        let event = rmqtt_subscriber_event_t {
            struct_size: size_of::<rmqtt_subscriber_event_t>(),
            filter: rmqtt_str_t::of(&event.filter),
            client: client.as_ref().map_or(ptr::null(), ptr::from_ref),
        };
        self.call(hook, &event);
    }

    fn tell_subscribed(&self, event: &Subscribed) {
        let client = rmqtt_client_t::of(&event.client);
        let options = &event.options;
        let event = rmqtt_subscribed_t {
            struct_size: size_of::<rmqtt_subscribed_t>(),
            client: &client,
            filter: rmqtt_str_t::of(&event.filter),
            granted: rmqtt_str_t::of(&event.granted),
            identifier: options.identifier.map_or(0, u32::from),
            qos: options.qos as u8,
            no_local: options.no_local.into(),
            retain_as_published: options.retain_as_published.into(),
            retain_handling: options.retain_handling as u8,
        };
        self.call(self.table.subscribed, &event);
    }
}

impl Hooks for ForeignHooks {
    fn interest(&self) -> HookSet {
        Hook::ALL.iter().fold(HookSet::NONE, |set, hook| set.with(*hook, self.table.has(*hook)))
    }

    fn in_place(&self) -> HookSet {
        let is_inline = |hook: Hook| self.table.flags[hook as usize] & RMQTT_HOOK_INLINE != 0;
        Hook::ALL.iter().fold(HookSet::NONE, |set, hook| set.with(*hook, is_inline(*hook)))
    }

    fn decide(&self, question: Question<'_>) -> Answer {
        let answer = match question {
            // Asked for each message: it is not to pay for the room that the others need.
            Question::AuthorizePublish(message) => self.authorize_publish(message),
            other => self.decide_more(other),
        };
        // A hook that has been taken away since cannot allow anything.
        answer.unwrap_or_else(|| Answer::Now(Verdict::deny()))
    }

    fn tell(&self, event: &Event) {
        let table = &self.table;
        match event {
            Event::Connack(event) => {
                let client = rmqtt_client_t::of(&event.client);
                let event = rmqtt_connack_t {
                    struct_size: size_of::<rmqtt_connack_t>(),
                    client: &client,
                    reason_string: rmqtt_str_t::of_option(event.reason.as_ref()),
                    reason_code: event.reason_code,
                    session_present: event.session_present.into(),
                    reserved: [0; 6],
                };
                self.call(table.connack, &event);
            }
            Event::Connected(client) => {
                let client = rmqtt_client_t::of(client);
                let event = rmqtt_connected_t { struct_size: size_of::<rmqtt_connected_t>(), client: &client };
                self.call(table.connected, &event);
            }
            Event::Disconnected(event) => {
                let client = rmqtt_client_t::of(&event.client);
                let event = rmqtt_disconnected_t {
                    struct_size: size_of::<rmqtt_disconnected_t>(),
                    client: &client,
                    reason: rmqtt_str_t::of(&event.reason),
                    by: event.by as rmqtt_disconnected_by_t,
                    reason_code: event.reason_code,
                    reserved: [0; 3],
                };
                self.call(table.disconnected, &event);
            }
            Event::SessionCreated(client) => self.tell_session(table.session_created, client, None),
            Event::SessionResumed(client) => self.tell_session(table.session_resumed, client, None),
            Event::SessionTakenOver(client) => self.tell_session(table.session_taken_over, client, None),
            Event::SessionTerminated(event) => {
                self.tell_session(table.session_terminated, &event.client, Some(event.end));
            }
            Event::Subscribed(event) => self.tell_subscribed(event),
            Event::Unsubscribed(event) => {
                let client = rmqtt_client_t::of(&event.client);
                let event = rmqtt_unsubscribed_t {
                    struct_size: size_of::<rmqtt_unsubscribed_t>(),
                    client: &client,
                    filter: rmqtt_str_t::of(&event.filter),
                };
                self.call(table.unsubscribed, &event);
            }
            Event::MessagePublished(event) => self.tell_published(table.message_published, event),
            Event::WillPublished(event) => self.tell_published(table.will_published, event),
            Event::MessageDelivered(event) => with_view(event.message.view(), |message| {
                let client = rmqtt_client_t::of(&event.client);
                let event = rmqtt_message_delivered_t {
                    struct_size: size_of::<rmqtt_message_delivered_t>(),
                    client: &client,
                    message,
                    qos: event.qos as u8,
                    retain: event.retain.into(),
                    reserved: [0; 6],
                };
                self.call(table.message_delivered, &event);
            }),
            Event::MessageAcked(event) => with_view(event.message.view(), |message| {
                let client = rmqtt_client_t::of(&event.client);
                let event = rmqtt_message_acked_t {
                    struct_size: size_of::<rmqtt_message_acked_t>(),
                    client: &client,
                    message,
                    qos: event.qos as u8,
                    reason_code: event.reason_code,
                    reserved: [0; 6],
                };
                self.call(table.message_acked, &event);
            }),
            Event::MessageDropped(event) => with_view(event.message.view(), |message| {
                let client = event.client.as_deref().map(rmqtt_client_t::of);
                let event = rmqtt_message_dropped_t {
                    struct_size: size_of::<rmqtt_message_dropped_t>(),
                    client: client.as_ref().map_or(ptr::null(), ptr::from_ref),
                    message,
                    cause: event.cause as rmqtt_drop_cause_t,
                    reserved: [0; 4],
                };
                self.call(table.message_dropped, &event);
            }),
            Event::RetainedChanged(event) => with_view(event.message.view(), |message| {
                let event = rmqtt_retained_changed_t {
                    struct_size: size_of::<rmqtt_retained_changed_t>(),
                    message,
                    change: event.change as rmqtt_retained_change_t,
                    reserved: [0; 4],
                };
                self.call(table.retained_changed, &event);
            }),
            Event::FirstSubscriber(event) => self.tell_subscriber(table.first_subscriber, event),
            Event::LastSubscriber(event) => self.tell_subscriber(table.last_subscriber, event),
            Event::ListenerUp(listener) => self.call(table.listener_up, &rmqtt_listener_info_t::of(listener)),
            Event::ListenerDown(listener) => self.call(table.listener_down, &rmqtt_listener_info_t::of(listener)),
            Event::Overload(event) => {
                let event = rmqtt_overload_t {
                    struct_size: size_of::<rmqtt_overload_t>(),
                    limit: event.limit,
                    resource: event.resource as rmqtt_resource_t,
                    begun: event.begun.into(),
                    reserved: [0; 3],
                };
                self.call(table.overload, &event);
            }
            Event::ClientBanned(event) => {
                let event = rmqtt_client_banned_t {
                    struct_size: size_of::<rmqtt_client_banned_t>(),
                    value: rmqtt_str_t::of(&event.value),
                    kind: event.kind as rmqtt_ban_kind_t,
                    cause: event.cause as rmqtt_ban_cause_t,
                    ban_ms: event.duration.map_or(0, |left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1)),
                };
                self.call(table.client_banned, &event);
            }
        }
    }
}
