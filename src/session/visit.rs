use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::access::Rules;

/// The last connection that has come for a session: what has been agreed on, and when. [`crate::model::Client`] tells whose
/// it is.
#[derive(Clone, Default)]
pub(super) struct Visit {
    /// Access rules of the client's own.
    pub(super) rules: Option<Arc<Rules>>,
    /// Milliseconds since 1970.
    pub(super) connected_at_ms: u64,
    /// 0 while it lasts.
    pub(super) disconnected_at_ms: u64,
    pub(super) session_expiry_s: u32,
    pub(super) keep_alive_s: u16,
    pub(super) clean_start: bool,
}

impl Visit {
    /// It begins now.
    pub(super) fn begin(
        session_expiry_s: u32,
        keep_alive_s: u16,
        clean_start: bool,
        rules: Option<Arc<Rules>>,
    ) -> Self {
        Visit { rules, connected_at_ms: now_ms(), disconnected_at_ms: 0, session_expiry_s, keep_alive_s, clean_start }
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
