use std::num::NonZeroU64;
use std::ptr;

use bytes::Bytes;

use super::guard::{self, or_default};
use super::properties::{
    read_encoded_properties, read_optional_bytes, read_optional_text, read_text, read_user_properties,
    rmqtt_properties_t, rmqtt_user_property_t,
};
use super::status::{rmqtt_status, rmqtt_status_t};
use super::versioned::{self, CBool, Versioned};
use super::view::{rmqtt_bytes_t, rmqtt_str_t};
use crate::broker::Error;
use crate::hooks::{self, Changes, Denial, Remarks, Ticket, Verdict};
use crate::model::{EncodedProperties, QoS};

/// What is decided.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rmqtt_verdict_kind {
    /// No. Also what any number without a name means.
    RMQTT_VERDICT_DENY = 0,
    /// Yes.
    RMQTT_VERDICT_ALLOW = 1,
    /// Later, through `rmqtt_decision_complete`; only as the answer of a hook that has called `rmqtt_decision_defer`.
    RMQTT_VERDICT_DEFERRED = 2,
    /// No, but the client is not told: its message goes nowhere and is acknowledged as if it had. Denies what is not a
    /// message.
    RMQTT_VERDICT_DROP = 3,
    /// Not yet: an enhanced authentication goes on, with `auth_data` as the challenge. From `authenticate`: the configuration
    /// is asked, as without the hook. Denies everything else.
    RMQTT_VERDICT_CONTINUE = 4,
    /// No, because the code that was to decide has failed: denies as `RMQTT_VERDICT_DENY` without details does, and is counted
    /// as a failure. For bindings that catch an exception.
    RMQTT_VERDICT_FAILED = 5,
}

/// A value of `enum rmqtt_verdict_kind`.
pub type rmqtt_verdict_kind_t = i32;

/// What a verdict that allows puts in the place of what was asked for: bits of `rmqtt_verdict_t.replace`.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum rmqtt_replace {
    /// The topic of a message, the filter of a subscription.
    RMQTT_REPLACE_TOPIC = 1,
    /// The payload of a message.
    RMQTT_REPLACE_PAYLOAD = 2,
    /// The QoS of a message; the highest QoS of a subscription, which can only be lowered.
    RMQTT_REPLACE_QOS = 4,
    /// Whether a message is retained.
    RMQTT_REPLACE_RETAIN = 8,
    /// All MQTT 5 properties of a message.
    RMQTT_REPLACE_PROPERTIES = 16,
    /// The client identifier of a client that connects. An MQTT 5 client is told if its CONNECT had none. What is empty or
    /// longer than `limits.max_client_id_length` refuses the client with 0x85.
    RMQTT_REPLACE_CLIENT_ID = 32,
    /// The session expiry interval of a client that connects, up to `session.max_expiry_s`. DISCONNECT can shorten it, not
    /// extend it. A clean session before MQTT 5 ends with its connection nevertheless.
    RMQTT_REPLACE_SESSION_EXPIRY = 64,
    /// The keep alive of an MQTT 5 client that connects, up to `limits.max_keepalive_s`.
    RMQTT_REPLACE_KEEP_ALIVE = 128,
}

/// Names a deferred decision. A plain number that needs no freeing, is never used again in this process, and stays
/// harmless when the decision, the client or the broker is gone. 0 is no ticket.
pub type rmqtt_decision_t = u64;

/// A decision with its details. Start with `rmqtt_verdict_init()`, or with zeroes and `struct_size`: that denies.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_verdict_t {
    /// `sizeof(rmqtt_verdict_t)`; set by the library where a hook gets one to fill.
    pub struct_size: usize,
    /// Why, for an MQTT 5 client, whatever is decided, in the packet that answers it; absent for no reason string. Of those
    /// for the filters of one SUBSCRIBE or UNSUBSCRIBE, the first is sent.
    /// Borrowed: for the call, or, where a hook fills it, until the library has read it right after the hook has
    /// returned, so no local buffer.
    pub reason_string: rmqtt_str_t,
    /// A value of `enum rmqtt_verdict_kind` but `RMQTT_VERDICT_DEFERRED`. Not read where a hook fills one: its return value
    /// decides.
    pub kind: rmqtt_verdict_kind_t,
    /// The MQTT 5 reason code of a denial, 0x80 or above; 0 for 0x87, not authorized. One that the packet of the answer
    /// does not have is sent as 0x80. A client of an older protocol that connects gets 1 for 0x84, 2 for 0x85, 3 for a
    /// code that tells of the broker, 4 for 0x86, else 5.
    pub reason_code: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// With `RMQTT_REPLACE_TOPIC`: the topic name or the filter. Borrowed like `reason_string`. What is none refuses what
    /// was asked for with 0x83, implementation specific error.
    pub topic: rmqtt_str_t,
    /// With `RMQTT_REPLACE_PAYLOAD`. Borrowed like `reason_string`.
    pub payload: rmqtt_bytes_t,
    /// Bits of `enum rmqtt_replace`; those that do not belong to the question are not looked at. Only where `kind` or the
    /// hook's answer is `RMQTT_VERDICT_ALLOW`.
    pub replace: u32,
    /// With `RMQTT_REPLACE_QOS`: 0, 1 or 2; another number denies.
    pub qos: u8,
    /// With `RMQTT_REPLACE_RETAIN`.
    pub retain: CBool,
    /// With `RMQTT_REPLACE_KEEP_ALIVE`: seconds; 0 for none.
    pub keep_alive_s: u16,
    /// With `RMQTT_REPLACE_PROPERTIES`: the properties of the message; NULL for none. Borrowed like `reason_string`.
    pub properties: *const rmqtt_properties_t,
    /// User properties for an MQTT 5 client, in the packet that answers it, `user_property_count` of them. Borrowed like
    /// `reason_string`. Those for the filters of one SUBSCRIBE or UNSUBSCRIBE are sent together.
    pub user_properties: *const rmqtt_user_property_t,
    /// How many user properties there are.
    pub user_property_count: usize,
    /// With `RMQTT_REPLACE_CLIENT_ID`: not empty. Borrowed like `reason_string`.
    pub client_id: rmqtt_str_t,
    /// Authentication data for the client of an `auth_exchange`, with a yes or to go on; absent for none. Borrowed like
    /// `reason_string`.
    pub auth_data: rmqtt_bytes_t,
    /// Response information for an MQTT 5 client that connects and has asked for it; absent for none. Borrowed like
    /// `reason_string`.
    pub response_information: rmqtt_str_t,
    /// Where an MQTT 5 client that may not connect, or not stay connected, should go, for 0x9C and 0x9D; absent for none.
    /// Borrowed like `reason_string`.
    pub server_reference: rmqtt_str_t,
    /// With `RMQTT_REPLACE_SESSION_EXPIRY`: seconds; 4294967295 for never.
    pub session_expiry_s: u32,
    /// The configured access rules do not hold for the client that connects.
    pub superuser: CBool,
    /// Zero.
    pub reserved_tail: [u8; 3],
}

// SAFETY: `repr(C)`, size first; pointers and integers, which any bits make.
unsafe impl Versioned for rmqtt_verdict_t {
    const NAME: &'static str = "the verdict";
    const FIRST_SIZE: usize = 32;
}

impl rmqtt_verdict_t {
    /// What a hook gets to fill.
    pub(super) fn blank() -> Self {
        rmqtt_verdict_t {
            struct_size: size_of::<rmqtt_verdict_t>(),
            reason_string: rmqtt_str_t::ABSENT,
            kind: rmqtt_verdict_kind::RMQTT_VERDICT_DENY as i32,
            reason_code: 0,
            reserved: [0; 3],
            topic: rmqtt_str_t::ABSENT,
            payload: rmqtt_bytes_t::ABSENT,
            replace: 0,
            qos: 0,
            retain: false.into(),
            keep_alive_s: 0,
            properties: ptr::null(),
            user_properties: ptr::null(),
            user_property_count: 0,
            client_id: rmqtt_str_t::ABSENT,
            auth_data: rmqtt_bytes_t::ABSENT,
            response_information: rmqtt_str_t::ABSENT,
            server_reference: rmqtt_str_t::ABSENT,
            session_expiry_s: 0,
            superuser: false.into(),
            reserved_tail: [0; 3],
        }
    }

    /// The verdict of that kind, whose details are here. Details that make no sense deny.
    ///
    /// # Safety
    /// The views are readable as far as they say.
    #[inline]
    pub(super) unsafe fn verdict(&self, kind: rmqtt_verdict_kind_t) -> Verdict {
        let is = |known: rmqtt_verdict_kind| kind == known as i32;
        if is(rmqtt_verdict_kind::RMQTT_VERDICT_ALLOW) || is(rmqtt_verdict_kind::RMQTT_VERDICT_CONTINUE) {
            let changes = match self.is_plain() {
                true => Ok(None),
                // SAFETY: the caller's promise.
                false => unsafe { self.changes() }.map(Some),
            };
            match changes {
                Ok(changes) if is(rmqtt_verdict_kind::RMQTT_VERDICT_ALLOW) => Verdict::Allow(changes),
                Ok(changes) => Verdict::Continue(changes),
                Err(error) => {
                    tracing::warn!(%error, "a verdict cannot be understood: denied");
                    Verdict::Failed
                }
            }
        } else if is(rmqtt_verdict_kind::RMQTT_VERDICT_DROP) {
            Verdict::Drop
        } else if is(rmqtt_verdict_kind::RMQTT_VERDICT_DENY) {
            // SAFETY: the caller's promise.
            Verdict::Deny(unsafe { self.denial() })
        } else {
            Verdict::Failed
        }
    }

    /// Whether there are no details of a yes: then it is not to cost anything.
    #[inline]
    fn is_plain(&self) -> bool {
        self.replace == 0
            && self.reason_string.len == 0
            && self.user_property_count == 0
            && self.auth_data.ptr.is_null()
            && self.auth_data.len == 0
            && self.response_information.ptr.is_null()
            && self.response_information.len == 0
            && !self.superuser.get()
    }

    /// What is put in the place of what was asked for, and what the client is told besides.
    ///
    /// # Safety
    /// The views are readable as far as they say.
    unsafe fn changes(&self) -> Result<Box<Changes>, Error> {
        let replaces = |bit: rmqtt_replace| self.replace & bit as u32 != 0;
        let mut changes = Changes { superuser: self.superuser.get(), ..Changes::default() };
        // SAFETY: the caller's promise, for all that is read here.
        unsafe {
            if replaces(rmqtt_replace::RMQTT_REPLACE_TOPIC) {
                changes.topic = Some(read_text(self.topic, "topic of the verdict")?);
            }
            if replaces(rmqtt_replace::RMQTT_REPLACE_PAYLOAD) {
                changes.payload = Some(Bytes::copy_from_slice(self.payload.read("the payload of the verdict")?));
            }
            if replaces(rmqtt_replace::RMQTT_REPLACE_PROPERTIES) {
                changes.properties = Some(match self.properties.is_null() {
                    true => EncodedProperties::default(),
                    false => read_encoded_properties(self.properties)?,
                });
            }
            if replaces(rmqtt_replace::RMQTT_REPLACE_CLIENT_ID) {
                changes.client_id = Some(read_text(self.client_id, "client identifier of the verdict")?);
            }
            changes.auth_data = read_optional_bytes(self.auth_data, "the authentication data")?;
            changes.response_information = read_optional_text(self.response_information, "response information")?;
            changes.reason = read_optional_text(self.reason_string, "reason string")?.filter(|text| !text.is_empty());
            changes.remarks = self.remarks()?;
        }
        if replaces(rmqtt_replace::RMQTT_REPLACE_QOS) {
            let qos = QoS::try_from(self.qos)
                .map_err(|qos| Error::InvalidArgument(format!("the QoS of the verdict is {qos}, not 0, 1 or 2")))?;
            changes.qos = Some(qos);
        }
        changes.retain = replaces(rmqtt_replace::RMQTT_REPLACE_RETAIN).then(|| self.retain.get());
        changes.session_expiry_s =
            replaces(rmqtt_replace::RMQTT_REPLACE_SESSION_EXPIRY).then_some(self.session_expiry_s);
        changes.keep_alive_s = replaces(rmqtt_replace::RMQTT_REPLACE_KEEP_ALIVE).then_some(self.keep_alive_s);
        Ok(Box::new(changes))
    }

    /// What else the client is told.
    ///
    /// # Safety
    /// The views are readable as far as they say.
    unsafe fn remarks(&self) -> Result<Remarks, Error> {
        // SAFETY: the caller's promise.
        unsafe {
            Ok(Remarks {
                user_properties: read_user_properties(self.user_properties, self.user_property_count)?,
                server_reference: read_optional_text(self.server_reference, "server reference")?,
            })
        }
    }

    /// The details of a denial. Those that MQTT cannot express are left out: the denial stands.
    ///
    /// # Safety
    /// The views are readable as far as they say.
    unsafe fn denial(&self) -> Option<Box<Denial>> {
        // A plain no is not to cost anything either.
        let is_plain = self.reason_code < 0x80
            && self.reason_string.len == 0
            && self.user_property_count == 0
            && self.server_reference.ptr.is_null();
        if is_plain {
            return None;
        }
        // SAFETY: the caller's promise.
        let (reason, remarks) = unsafe { (read_optional_text(self.reason_string, "reason string"), self.remarks()) };
        let remarks = remarks.unwrap_or_default();
        Some(Box::new(Denial {
            reason_code: Some(self.reason_code).filter(|code| *code >= 0x80),
            reason: reason.ok().flatten().filter(|text| !text.is_empty()),
            remarks: (remarks != Remarks::default()).then(|| Box::new(remarks)),
        }))
    }
}

/// Inside a decision hook: takes a ticket, with which the decision is completed later, from any thread, before or after
/// the hook has returned. The hook then answers `RMQTT_VERDICT_DEFERRED`.
///
/// The time allowed is `callbacks.timeout_ms` from when the decision was asked for. A hook that answers
/// `RMQTT_VERDICT_ALLOW` or `RMQTT_VERDICT_DENY` although it took a ticket has decided, and the ticket expires.
///
/// @return A ticket, the same one if called again in the same hook; 0 outside of a decision hook, when the time is up,
///         and when `callbacks.max_pending` decisions are open: the hook should deny then, and is taken to if it defers.
///
/// **Threads.** The one that runs the hook.
#[no_mangle]
pub extern "C" fn rmqtt_decision_defer() -> rmqtt_decision_t {
    or_default(|| hooks::defer().map_or(0, |ticket| ticket.0.get()))
}

/// Completes a deferred decision. The first call counts.
///
/// @param decision A ticket.
/// @param verdict What is decided. A kind without a name denies.
/// @return `RMQTT_OK`; `RMQTT_ERR_EXPIRED` if it has been decided already, by whomever, and for numbers that are no
///         tickets; `RMQTT_ERR_INVALID_ARGUMENT` if `verdict` is NULL or has a bad `struct_size`: the decision stays
///         open then; `RMQTT_ERR_PANIC`.
///
/// **Threads.** Any. The broker need not exist any more.
///
/// # Safety
/// `verdict` is NULL or as large as it says, with a `reason_string` that is readable as far as it says.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_decision_complete(
    decision: rmqtt_decision_t,
    verdict: *const rmqtt_verdict_t,
) -> rmqtt_status_t {
    let mut expired = false;
    let status = guard::status(ptr::null_mut(), || {
        // SAFETY: the contract of the function is passed on.
        let given = unsafe { versioned::read(verdict) }?;
        if given.reserved != [0; 3] || given.reserved_tail != [0; 3] {
            return Err(Error::InvalidArgument("the verdict has reserved bytes that are not zero".to_owned()));
        }
        // SAFETY: readable by the contract of the function.
        let verdict = unsafe { given.verdict(given.kind) };
        let ticket = NonZeroU64::new(decision).map(Ticket);
        expired = ticket.is_none_or(|ticket| hooks::complete(ticket, verdict).is_err());
        Ok(())
    });
    if expired {
        return rmqtt_status::RMQTT_ERR_EXPIRED as rmqtt_status_t;
    }
    status
}
