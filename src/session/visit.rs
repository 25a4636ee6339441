use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::access::Rules;
use crate::config::ListenerLimits;

/// The last connection that has come for a session: what has been agreed on, and when. [`crate::model::Client`] tells whose
/// it is.
#[derive(Clone, Default)]
pub(super) struct Visit {
    /// Access rules of the client's own.
    pub(super) rules: Option<Arc<Rules>>,
    /// Limits of its listener.
    pub(super) limits: Option<Arc<ListenerLimits>>,
    /// Milliseconds since 1970.
    pub(super) connected_at_ms: u64,
    /// 0 while it lasts.
    pub(super) disconnected_at_ms: u64,
    pub(super) session_expiry_s: u32,
    pub(super) keep_alive_s: u16,
    pub(super) clean_start: bool,
    /// How fast the client may publish is limited.
    pub(super) is_paced: bool,
}

impl Visit {
    /// That one, which begins now.
    pub(super) fn begin(self) -> Self {
        Visit { connected_at_ms: now_ms(), ..self }
    }

    /// It ends now, and the session lasts so much longer.
    pub(super) fn end(&mut self, session_expiry_s: u32) {
        self.disconnected_at_ms = now_ms();
        self.session_expiry_s = session_expiry_s;
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}
