use super::guard::or_default;
use super::status::{rmqtt_status, rmqtt_status_t};
use super::view::rmqtt_str_t;

/// The version of the binary interface: the number in the name of the shared library, `librmqttc.so.0`.
///
/// It changes when a program must be compiled again. A program that loads the library at run time compares it with
/// what `rmqtt_abi_version` answers.
pub const RMQTT_ABI_VERSION: u32 = 0;

/// Features by name, with the state they have in this build.
const FEATURES: &[(&str, bool)] = &[
    ("tcp", true),
    ("tls", true),
    ("websocket", true),
    ("quic", cfg!(feature = "quic")),
    ("unix", true),
    ("persistence", false),
    ("cluster", false),
];

/// Tells the version of the binary interface that the library was built with.
///
/// @return The `RMQTT_ABI_VERSION` of the library. **Threads.** Any.
#[no_mangle]
pub extern "C" fn rmqtt_abi_version() -> u32 {
    RMQTT_ABI_VERSION
}

/// Tells the version of the library, such as "0.1.0".
///
/// @return The version, which lives for ever. **Threads.** Any.
#[no_mangle]
pub extern "C" fn rmqtt_version() -> rmqtt_str_t {
    rmqtt_str_t::of_static(concat!(env!("CARGO_PKG_VERSION"), "\0"))
}

/// Tells whether this build of the library has a feature. A function of a feature that it has not exists all the same
/// and answers `RMQTT_ERR_UNSUPPORTED`.
///
/// @param name "tcp", "tls", "websocket", "quic", "unix", "persistence" or "cluster".
/// @return `true` if it is built in; `false` if not, and for names that this version does not know.
///
/// # Safety
/// `name` is readable as far as it says.
#[no_mangle]
pub unsafe extern "C" fn rmqtt_has_feature(name: rmqtt_str_t) -> bool {
    or_default(|| {
        // SAFETY: readable by the contract of the function.
        let name = unsafe { name.read("the name") };
        name.is_ok_and(|name| FEATURES.contains(&(name, true)))
    })
}

/// Names a status, such as "RMQTT_ERR_BIND" for `RMQTT_ERR_BIND`.
///
/// @param status Any number.
/// @return The name, which lives for ever; "unknown status" for a number that this version does not know.
///         **Threads.** Any.
#[no_mangle]
pub extern "C" fn rmqtt_status_name(status: rmqtt_status_t) -> rmqtt_str_t {
    macro_rules! names {
        ($($name:ident)*) => {
            match rmqtt_status::ALL.into_iter().find(|known| *known as rmqtt_status_t == status) {
                $(Some(rmqtt_status::$name) => concat!(stringify!($name), "\0"),)*
                None => "unknown status\0",
            }
        };
    }
    rmqtt_str_t::of_static(names! {
        RMQTT_OK RMQTT_ERR_INVALID_ARGUMENT RMQTT_ERR_INVALID_CONFIG RMQTT_ERR_INVALID_STATE RMQTT_ERR_BIND
        RMQTT_ERR_IO RMQTT_ERR_UNSUPPORTED RMQTT_ERR_WOULD_DEADLOCK RMQTT_ERR_EXPIRED RMQTT_ERR_FORKED
        RMQTT_ERR_PANIC RMQTT_ERR_INTERNAL RMQTT_ERR_WOULD_BLOCK RMQTT_ERR_NOT_FOUND
    })
}
