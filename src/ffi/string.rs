use super::guard::or_default;
use super::view::rmqtt_str_t;
use crate::model::Text;

/// Text that the caller keeps: UTF-8, with a NUL behind it.
pub struct rmqtt_string_t {
    text: Text,
}

impl rmqtt_string_t {
    pub(super) fn into_raw(text: String) -> *mut rmqtt_string_t {
        Box::into_raw(Box::new(rmqtt_string_t { text: Text::from(text) }))
    }
}

/// Shows the text of a string.
///
/// @param string A string, or NULL.
/// @return The text, which lives as long as the string; absent for NULL.
///
/// **Threads.** Any.
///
/// # Safety
/// `string` is NULL or came from this library and has not been freed.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_string_view(string: *const rmqtt_string_t) -> rmqtt_str_t {
    // SAFETY: NULL or a live string, by the contract of the function.
    or_default(|| unsafe { string.as_ref() }.map_or(rmqtt_str_t::ABSENT, |string| rmqtt_str_t::of(&string.text)))
}

/// Frees a string.
///
/// @param string A string, which must not be used any more, or NULL.
///
/// **Threads.** Any.
///
/// # Safety
/// `string` is NULL or came from this library and has not been freed.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_string_free(string: *mut rmqtt_string_t) {
    if !string.is_null() {
        // SAFETY: every string that leaves the library is a leaked box, and this one is alive.
        or_default(|| drop(unsafe { Box::from_raw(string) }));
    }
}
