use std::ffi::c_char;
use std::ptr;
use std::slice;

use bytes::Bytes;

use crate::broker::Error;
use crate::model::Text;

/// Text: UTF-8, `len` bytes at `ptr`.
///
/// Into the library: borrowed for the call; a terminator is not needed, and with `len` 0 `ptr` is not read. `ptr` NULL
/// with `len` 0 is text that is absent, where something can be.
///
/// Out of the library: a NUL follows the last byte, so that `ptr` serves as a C string; `ptr` is NULL where the text is
/// absent. Each function says how long it lives.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_str_t {
    /// The first byte.
    pub ptr: *const c_char,
    /// Bytes, a terminator not counted.
    pub len: usize,
}

/// Octets: `len` bytes at `ptr`. As `rmqtt_str_t`, but any bytes, and nothing follows them.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_bytes_t {
    /// The first byte.
    pub ptr: *const u8,
    /// Bytes.
    pub len: usize,
}

impl rmqtt_str_t {
    pub(super) const ABSENT: rmqtt_str_t = rmqtt_str_t { ptr: ptr::null(), len: 0 };

    /// A view of text that outlives it; the caller sees to that.
    pub(super) fn of(text: &Text) -> rmqtt_str_t {
        rmqtt_str_t { ptr: text.as_bytes_with_nul().as_ptr().cast(), len: text.len() }
    }

    pub(super) fn is_absent(self) -> bool {
        self.ptr.is_null() && self.len == 0
    }

    pub(super) fn of_option(text: Option<&Text>) -> rmqtt_str_t {
        text.map_or(Self::ABSENT, Self::of)
    }

    /// A view of a constant that ends in NUL.
    pub(super) fn of_static(terminated: &'static str) -> rmqtt_str_t {
        debug_assert!(terminated.ends_with('\0'));
        rmqtt_str_t { ptr: terminated.as_ptr().cast(), len: terminated.len() - 1 }
    }

    /// The text, which `what` names in the error.
    ///
    /// # Safety
    /// `ptr` must be readable for `len` bytes, unchanged for `'a`.
    pub(super) unsafe fn read<'a>(self, what: &str) -> Result<&'a str, Error> {
        let bytes = rmqtt_bytes_t { ptr: self.ptr.cast(), len: self.len };
        // SAFETY: the promise of the caller is passed on.
        let bytes = unsafe { bytes.read(what) }?;
        std::str::from_utf8(bytes)
            .map_err(|error| Error::InvalidArgument(format!("{what} is not UTF-8 from byte {}", error.valid_up_to())))
    }
}

impl rmqtt_bytes_t {
    pub(super) const ABSENT: rmqtt_bytes_t = rmqtt_bytes_t { ptr: ptr::null(), len: 0 };

    /// A view of bytes that outlive it; the caller sees to that.
    pub(super) fn of(bytes: &[u8]) -> rmqtt_bytes_t {
        rmqtt_bytes_t { ptr: bytes.as_ptr(), len: bytes.len() }
    }

    pub(super) fn of_option(bytes: Option<&Bytes>) -> rmqtt_bytes_t {
        bytes.map_or(Self::ABSENT, |bytes| Self::of(bytes))
    }

    /// The octets, which `what` names in the error.
    ///
    /// # Safety
    /// `ptr` must be readable for `len` bytes, unchanged for `'a`.
    pub(super) unsafe fn read<'a>(self, what: &str) -> Result<&'a [u8], Error> {
        if self.len == 0 {
            return Ok(&[]);
        }
        if self.ptr.is_null() {
            return Err(Error::InvalidArgument(format!("{what} is NULL but {} bytes long", self.len)));
        }
        if self.len > isize::MAX as usize {
            return Err(Error::InvalidArgument(format!("{what} is longer than memory can be")));
        }
        // SAFETY: not NULL and not too long, as just seen; the rest is the promise of the caller.
        Ok(unsafe { slice::from_raw_parts(self.ptr, self.len) })
    }
}
