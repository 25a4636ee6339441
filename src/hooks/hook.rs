/// The hooks, by the number that they have in sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Hook {
    Authenticate = 0,
    Connected = 1,
    Disconnected = 2,
    PreConnect = 3,
    AuthorizePublish = 4,
    AuthorizeSubscribe = 5,
    AuthorizeUnsubscribe = 6,
    AuthorizeForward = 7,
}

impl Hook {
    /// Its name in the C ABI, in logs and in statistics.
    pub fn name(self) -> &'static str {
        match self {
            Hook::Authenticate => "authenticate",
            Hook::Connected => "connected",
            Hook::Disconnected => "disconnected",
            Hook::PreConnect => "pre_connect",
            Hook::AuthorizePublish => "authorize_publish",
            Hook::AuthorizeSubscribe => "authorize_subscribe",
            Hook::AuthorizeUnsubscribe => "authorize_unsubscribe",
            Hook::AuthorizeForward => "authorize_forward",
        }
    }
}

/// A set of hooks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HookSet(u32);

impl HookSet {
    pub const NONE: HookSet = HookSet(0);

    /// This set, and `hook` if `set`.
    pub fn with(self, hook: Hook, set: bool) -> HookSet {
        HookSet(self.0 | (u32::from(set) << hook as u8))
    }

    pub fn has(self, hook: Hook) -> bool {
        self.0 & (1 << hook as u8) != 0
    }

    pub(super) fn bits(self) -> u32 {
        self.0
    }

    pub(super) fn from_bits(bits: u32) -> HookSet {
        HookSet(bits)
    }
}
