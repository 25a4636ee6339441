use std::ffi::c_void;

/// Frees what `user_data` points to.
///
/// Called exactly once, after every call of the callback it came with has returned; no call starts once it has
/// started. Ownership of `user_data` passes with the registering call, whatever that call answers.
pub type rmqtt_drop_fn = Option<unsafe extern "C-unwind" fn(user_data: *mut c_void)>;

/// A `user_data` with its destructor, which runs when this is dropped.
pub(super) struct UserData {
    pointer: *mut c_void,
    drop: rmqtt_drop_fn,
}

// SAFETY: the pointer is not read here, only handed back; the header says that callbacks come from threads of the
// library and, for hooks, from several at a time.
unsafe impl Send for UserData {}
// SAFETY: as above.
unsafe impl Sync for UserData {}

impl UserData {
    pub(super) fn new(pointer: *mut c_void, drop: rmqtt_drop_fn) -> Self {
        UserData { pointer, drop }
    }

    pub(super) fn pointer(&self) -> *mut c_void {
        self.pointer
    }
}

impl Drop for UserData {
    fn drop(&mut self) {
        if let Some(drop) = self.drop {
            // SAFETY: the registering call promised a function that takes this pointer, and this runs once.
            unsafe { drop(self.pointer) };
        }
    }
}
