//! Structs that grow: each begins with `size_t struct_size`, so that either side may be older than the other.

use std::mem::{size_of, MaybeUninit};
use std::ptr;

use crate::broker::Error;

/// A `bool` that C wrote. Rust's own must be 0 or 1 to the bit; memory that a C program filled may hold anything.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default)]
pub struct CBool(u8);

impl CBool {
    pub(super) fn get(self) -> bool {
        self.0 != 0
    }
}

impl From<bool> for CBool {
    fn from(value: bool) -> Self {
        CBool(value.into())
    }
}

/// No program that knows the struct gives a larger size; a larger one is memory that was not initialized.
const LARGEST: usize = 64 * 1024;

/// A struct that begins with `struct_size: usize`.
///
/// # Safety
/// The struct is `repr(C)`, its first field is `struct_size: usize`, and every bit pattern, all zeroes included, is a
/// valid value of it.
pub(super) unsafe trait Versioned: Copy {
    /// What the name of the struct is in errors.
    const NAME: &'static str;
    /// The size in the first version of the ABI: no program gives a smaller one.
    const FIRST_SIZE: usize;
}

/// Whether a struct may have that size.
pub(super) fn check_size<T: Versioned>(size: usize) -> Result<(), Error> {
    if (T::FIRST_SIZE..=LARGEST).contains(&size) {
        return Ok(());
    }
    Err(Error::InvalidArgument(format!("{} has a struct_size that no version of it has", T::NAME)))
}

/// Reads a struct that C filled. What an older program does not know is zero; what a newer one knows beyond us must be.
///
/// # Safety
/// `given` must be NULL or point to a `struct_size` and as many bytes as it says.
pub(super) unsafe fn read<T: Versioned>(given: *const T) -> Result<T, Error> {
    let invalid = |text: &str| Error::InvalidArgument(format!("{} {text}", T::NAME));
    if given.is_null() {
        return Err(invalid("is NULL"));
    }
    // SAFETY: the caller's promise; the size is the first field.
    let size = unsafe { given.cast::<usize>().read_unaligned() };
    check_size::<T>(size)?;
    let known = size.min(size_of::<T>());
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: `size` bytes are readable by the caller's promise, `known` is not more, nor more than `T` has.
    unsafe { ptr::copy_nonoverlapping(given.cast::<u8>(), value.as_mut_ptr().cast::<u8>(), known) };
    for offset in known..size {
        // SAFETY: within the `size` bytes that the caller promised.
        if unsafe { given.cast::<u8>().add(offset).read() } != 0 {
            return Err(invalid("uses fields that this version of the library does not know"));
        }
    }
    // SAFETY: every bit pattern is a valid value, which is what implementing the trait promises.
    Ok(unsafe { value.assume_init() })
}

/// Fills a struct that C provides, as far as it reaches, and sets its `struct_size` to what was filled.
///
/// # Safety
/// `out` must be NULL or point to a `struct_size` and as many writable bytes as it says.
pub(super) unsafe fn write<T: Versioned>(out: *mut T, value: &T) -> Result<(), Error> {
    let invalid = |text: &str| Error::InvalidArgument(format!("{} {text}", T::NAME));
    if out.is_null() {
        return Err(invalid("is NULL"));
    }
    // SAFETY: the caller's promise; the size is the first field.
    let size = unsafe { out.cast::<usize>().read_unaligned() };
    check_size::<T>(size)?;
    let filled = size.min(size_of::<T>());
    // SAFETY: `size` bytes are writable by the caller's promise, and `filled` is not more, nor more than `T` has.
    unsafe {
        ptr::copy_nonoverlapping(ptr::from_ref(value).cast::<u8>(), out.cast::<u8>(), filled);
        out.cast::<usize>().write_unaligned(filled);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a program of the future might pass: the struct below and 16 bytes more.
    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Future {
        now: Now,
        tail: [u8; 16],
    }

    #[repr(C)]
    #[derive(Clone, Copy)]
    struct Now {
        struct_size: usize,
        first: u64,
        added: u64,
    }

    // SAFETY: `repr(C)`, size first, integers only.
    unsafe impl Versioned for Now {
        const NAME: &'static str = "now";
        const FIRST_SIZE: usize = 16;
    }

    fn read_now(value: &Future) -> Result<Now, String> {
        // SAFETY: the sizes in these tests are not beyond the struct, or refused.
        unsafe { read(ptr::from_ref(value).cast::<Now>()) }.map_err(|error| error.to_string())
    }

    fn future(struct_size: usize) -> Future {
        Future { now: Now { struct_size, first: 1, added: 2 }, tail: [0; 16] }
    }

    #[test]
    fn smaller_equal_and_larger_structs_are_read() {
        for (size, added) in [(16, 0), (24, 2), (40, 2)] {
            let now = read_now(&future(size)).unwrap();
            assert_eq!((now.first, now.added), (1, added), "{size}");
        }
    }

    #[test]
    fn sizes_that_cannot_be_and_unknown_fields_are_refused() {
        for size in [0, 8, 15, LARGEST + 1, usize::MAX] {
            assert_eq!(read_now(&future(size)).err().unwrap(), "now has a struct_size that no version of it has");
        }
        let mut newer = future(40);
        newer.tail[15] = 1;
        assert_eq!(read_now(&newer).err().unwrap(), "now uses fields that this version of the library does not know");
        // SAFETY: NULL is allowed.
        assert!(unsafe { read::<Now>(ptr::null()) }.is_err());
    }

    #[test]
    fn only_what_the_caller_has_is_written() {
        for (size, filled, added) in [(16, 16, 7), (24, 24, 2), (40, 24, 2)] {
            let mut out = Future { now: Now { struct_size: size, first: 7, added: 7 }, tail: [7; 16] };
            // SAFETY: the sizes are not beyond the struct.
            unsafe { write(ptr::from_mut(&mut out).cast::<Now>(), &future(0).now) }.unwrap();
            assert_eq!((out.now.struct_size, out.now.first, out.now.added), (filled, 1, added));
            assert_eq!(out.tail, [7; 16]);
        }
        let mut small = future(8);
        // SAFETY: refused before anything is written.
        assert!(unsafe { write(ptr::from_mut(&mut small).cast::<Now>(), &future(0).now) }.is_err());
        // SAFETY: NULL is allowed.
        assert!(unsafe { write::<Now>(ptr::null_mut(), &future(0).now) }.is_err());
    }
}
