use std::ffi::c_void;
use std::ptr;

use super::client::rmqtt_client_t;
use super::decision::{rmqtt_verdict_kind, rmqtt_verdict_kind_t, rmqtt_verdict_t};
use super::message::rmqtt_message_t;
use super::user_data::{rmqtt_drop_fn, UserData};
use super::versioned::{CBool, Versioned};
use super::view::{rmqtt_bytes_t, rmqtt_str_t};
use crate::hooks::{Answer, Authenticate, Connected, Disconnected, Hook, HookSet, Hooks, Question, Verdict};

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

/// Hears that a client is connected.
pub type rmqtt_connected_fn =
    Option<unsafe extern "C-unwind" fn(event: *const rmqtt_connected_t, user_data: *mut c_void)>;

/// Hears that a client is gone.
pub type rmqtt_disconnected_fn =
    Option<unsafe extern "C-unwind" fn(event: *const rmqtt_disconnected_t, user_data: *mut c_void)>;

/// The code of the host program that the broker asks and tells. Start with `rmqtt_hooks_init()`, or with zeroes and
/// `struct_size`. NULL: not interested, at no cost.
///
/// **Threads.** Hooks run on the callback threads of the broker (`callbacks.threads`), never on those that serve
/// clients. Those of one client run one at a time and in order; those of different clients run at the same time. They
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

impl ForeignHooks {
    pub(super) fn new(table: rmqtt_hooks_t) -> Self {
        ForeignHooks { table, user_data: UserData::new(table.user_data, table.drop) }
    }
}

impl ForeignHooks {
    fn authenticate(&self, event: &Authenticate) -> Answer {
        let Some(authenticate) = self.table.authenticate else {
            return Answer::Now(Verdict::deny());
        };
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
        let mut verdict = rmqtt_verdict_t::blank();
        // SAFETY: whoever set the hook promised a function that takes these; all of them outlive the call.
        let kind = unsafe { authenticate(&event, &mut verdict, self.user_data.pointer()) };
        if kind == rmqtt_verdict_kind::RMQTT_VERDICT_ALLOW as i32 {
            Answer::Now(Verdict::ALLOW)
        } else if kind == rmqtt_verdict_kind::RMQTT_VERDICT_DEFERRED as i32 {
            Answer::Deferred
        } else {
            // SAFETY: the hook was told what a reason string has to be.
            Answer::Now(Verdict::Deny(unsafe { verdict.denial() }))
        }
    }
}

impl Hooks for ForeignHooks {
    fn interest(&self) -> HookSet {
        HookSet::NONE
            .with(Hook::Authenticate, self.table.authenticate.is_some())
            .with(Hook::Connected, self.table.connected.is_some())
            .with(Hook::Disconnected, self.table.disconnected.is_some())
    }

    fn decide(&self, question: Question<'_>) -> Answer {
        match question {
            Question::Authenticate(question) => self.authenticate(question),
            _ => Answer::Now(Verdict::deny()),
        }
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
