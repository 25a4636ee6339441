use std::num::NonZeroU64;
use std::ptr;

use bytes::Bytes;

use super::guard::{self, or_default};
use super::status::{rmqtt_status, rmqtt_status_t};
use super::versioned::{self, CBool, Versioned};
use super::view::{rmqtt_bytes_t, rmqtt_str_t};
use crate::broker::Error;
use crate::hooks::{self, Changes, Denial, Ticket, Verdict};
use crate::model::{QoS, Text};

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
    /// Why, for an MQTT 5 client; absent for no reason string.
    /// Borrowed: for the call, or, where a hook fills it, until the library has read it right after the hook has
    /// returned, so no local buffer.
    pub reason_string: rmqtt_str_t,
    /// `RMQTT_VERDICT_ALLOW`, `RMQTT_VERDICT_DENY` or `RMQTT_VERDICT_DROP`. Not read where a hook fills one: its return value decides.
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
    /// Zero.
    pub reserved_too: [u8; 2],
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
            reserved_too: [0; 2],
        }
    }

    /// The verdict of that kind, whose details are here. Details that make no sense deny.
    ///
    /// # Safety
    /// The views are readable as far as they say.
    pub(super) unsafe fn verdict(&self, kind: rmqtt_verdict_kind_t) -> Verdict {
        if kind == rmqtt_verdict_kind::RMQTT_VERDICT_ALLOW as i32 {
            // SAFETY: the caller's promise.
            match unsafe { self.changes() } {
                Ok(changes) => Verdict::Allow(changes),
                Err(error) => {
                    tracing::warn!(%error, "a verdict cannot be understood: denied");
                    Verdict::deny()
                }
            }
        } else if kind == rmqtt_verdict_kind::RMQTT_VERDICT_DROP as i32 {
            Verdict::Drop
        } else {
            // SAFETY: the caller's promise.
            Verdict::Deny(unsafe { self.denial() })
        }
    }

    /// What is put in the place of what was asked for.
    ///
    /// # Safety
    /// The views are readable as far as they say.
    unsafe fn changes(&self) -> Result<Option<Box<Changes>>, Error> {
        if self.replace == 0 {
            return Ok(None);
        }
        let replaces = |bit: rmqtt_replace| self.replace & bit as u32 != 0;
        let mut changes = Changes::default();
        if replaces(rmqtt_replace::RMQTT_REPLACE_TOPIC) {
            // SAFETY: the caller's promise.
            let topic = unsafe { self.topic.read("the topic of the verdict") }?;
            if topic.contains('\0') {
                return Err(Error::InvalidArgument("the topic of the verdict contains U+0000".to_owned()));
            }
            changes.topic = Some(Text::from(topic));
        }
        if replaces(rmqtt_replace::RMQTT_REPLACE_PAYLOAD) {
            // SAFETY: the caller's promise.
            changes.payload = Some(Bytes::copy_from_slice(unsafe { self.payload.read("the payload of the verdict") }?));
        }
        if replaces(rmqtt_replace::RMQTT_REPLACE_QOS) {
            let qos = QoS::try_from(self.qos)
                .map_err(|qos| Error::InvalidArgument(format!("the QoS of the verdict is {qos}, not 0, 1 or 2")))?;
            changes.qos = Some(qos);
        }
        if replaces(rmqtt_replace::RMQTT_REPLACE_RETAIN) {
            changes.retain = Some(self.retain.get());
        }
        Ok(Some(Box::new(changes)))
    }

    /// The details of a denial. Text that is not UTF-8 is left out: the denial stands.
    ///
    /// # Safety
    /// `reason_string` is readable as far as it says.
    pub(super) unsafe fn denial(&self) -> Denial {
        // SAFETY: the caller's promise.
        let reason = unsafe { self.reason_string.read("the reason string") };
        Denial {
            reason_code: Some(self.reason_code).filter(|code| *code >= 0x80),
            reason: reason.ok().filter(|text| !text.is_empty() && !text.contains('\0')).map(Text::from),
        }
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
/// @param verdict What is decided. A kind other than `RMQTT_VERDICT_ALLOW` and `RMQTT_VERDICT_DROP` denies.
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
        if given.reserved != [0; 3] || given.reserved_too != [0; 2] {
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
