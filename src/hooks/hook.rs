/// Declares the hooks: their numbers, which are part of the C ABI, and their names.
macro_rules! hooks {
    ($($hook:ident = $number:literal, $name:literal;)*) => {
        /// The hooks, by the number that they have in sets.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Hook {
            $($hook = $number,)*
        }

        impl Hook {
            pub const ALL: &'static [Hook] = &[$(Hook::$hook,)*];

            pub const COUNT: usize = Hook::ALL.len();

            /// The hook of that number.
            pub fn of_number(number: i32) -> Option<Hook> {
                match number {
                    $($number => Some(Hook::$hook),)*
                    _ => None,
                }
            }

            /// Its name in the C ABI, in logs and in statistics.
            pub fn name(self) -> &'static str {
                match self {
                    $(Hook::$hook => $name,)*
                }
            }
        }
    };
}

hooks! {
    Authenticate = 0, "authenticate";
    Connected = 1, "connected";
    Disconnected = 2, "disconnected";
    PreConnect = 3, "pre_connect";
    AuthorizePublish = 4, "authorize_publish";
    AuthorizeSubscribe = 5, "authorize_subscribe";
    AuthorizeUnsubscribe = 6, "authorize_unsubscribe";
    AuthorizeForward = 7, "authorize_forward";
    AuthExchange = 8, "auth_exchange";
    Connack = 9, "connack";
    SessionCreated = 10, "session_created";
    SessionResumed = 11, "session_resumed";
    SessionTakenOver = 12, "session_taken_over";
    SessionTerminated = 13, "session_terminated";
    Subscribed = 14, "subscribed";
    Unsubscribed = 15, "unsubscribed";
    MessagePublished = 16, "message_published";
    MessageDelivered = 17, "message_delivered";
    MessageAcked = 18, "message_acked";
    MessageDropped = 19, "message_dropped";
    WillPublished = 20, "will_published";
    RetainedChanged = 21, "retained_changed";
    FirstSubscriber = 22, "first_subscriber";
    LastSubscriber = 23, "last_subscriber";
    ListenerUp = 24, "listener_up";
    ListenerDown = 25, "listener_down";
    Overload = 26, "overload";
    ClientBanned = 27, "client_banned";
}

impl Hook {
    /// Whether it is asked for a decision; if not, it is told of an event.
    pub fn decides(self) -> bool {
        HookSet::DECISIONS.has(self)
    }
}

/// A set of hooks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HookSet(u32);

impl HookSet {
    pub const NONE: HookSet = HookSet(0);

    pub const DECISIONS: HookSet = HookSet::of(&[
        Hook::Authenticate,
        Hook::PreConnect,
        Hook::AuthorizePublish,
        Hook::AuthorizeSubscribe,
        Hook::AuthorizeUnsubscribe,
        Hook::AuthorizeForward,
        Hook::AuthExchange,
    ]);

    /// Those that are never called in place: the calls for one filter have to come in the order of what they tell of,
    /// whichever thread that happens on.
    pub const QUEUED_ONLY: HookSet = HookSet::of(&[Hook::FirstSubscriber, Hook::LastSubscriber]);

    pub const fn of(hooks: &[Hook]) -> HookSet {
        let (mut bits, mut index) = (0, 0);
        while index < hooks.len() {
            bits |= 1 << hooks[index] as u8;
            index += 1;
        }
        HookSet(bits)
    }

    /// This set, and `hook` if `set`.
    pub fn with(self, hook: Hook, set: bool) -> HookSet {
        HookSet(self.0 | (u32::from(set) << hook as u8))
    }

    /// This set without `others`.
    pub fn without(self, others: HookSet) -> HookSet {
        HookSet(self.0 & !others.0)
    }

    pub fn has(self, hook: Hook) -> bool {
        self.0 & (1 << hook as u8) != 0
    }

    pub fn has_any(self, others: HookSet) -> bool {
        self.0 & others.0 != 0
    }

    pub(super) fn bits(self) -> u32 {
        self.0
    }

    pub(super) fn from_bits(bits: u32) -> HookSet {
        HookSet(bits)
    }
}
