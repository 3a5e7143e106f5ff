//! The functions of the C library through which a program reaches the machine, each with a
//! stand-in of the same name: it says what is being asked for and hands the call on.
//!
//! The linker prefers a binary's own function to the C library's, so std and every dependency
//! call these. Whether a call is worth a word is decided in `lib.rs`.

use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};
use std::mem::transmute;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

use crate::{What, notice};

/// The C library's own function behind a stand-in. Found at first use without a lock: a lock
/// would call `syscall`, which is one of them.
struct Next {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
}

impl Next {
    const fn new(name: &'static CStr) -> Next {
        Next { name, address: AtomicPtr::new(null_mut()) }
    }

    fn address(&self) -> *mut c_void {
        let known = self.address.load(Ordering::Relaxed);
        if !known.is_null() {
            return known;
        }
        // SAFETY: the name ends in a zero, and `dlsym` keeps no pointer to it.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) };
        assert!(!found.is_null(), "the C library is without {:?}", self.name);
        self.address.store(found, Ordering::Relaxed);
        found
    }
}

/// Declares stand-ins: name and parameters as in the C library, then what a call means.
macro_rules! stand_ins {
    ($($name:ident, $c_name:literal, ($($arg:ident: $type:ty),*) -> $result:ty: $what:expr;)+) => {
        $(
            /// Stands in for the C library's function of this name.
            ///
            /// # Safety
            /// As for the function itself.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name($($arg: $type),*) -> $result {
                static NEXT: Next = Next::new($c_name);
                notice(|| $what);
                // SAFETY: the address is that of the function with this name and signature, and
                // the caller keeps that function's contract.
                unsafe {
                    let next: unsafe extern "C" fn($($type),*) -> $result =
                        transmute(NEXT.address());
                    next($($arg),*)
                }
            }
        )+
    };
}

// Functions with a variable number of arguments (`syscall`, `open`) are declared with all that
// they can have. On the 64-bit Linux systems that this is built for these are passed in the same
// registers either way, and one that the caller left out is handed on unread, as it was found.
stand_ins! {
    getrandom, c"getrandom", (buffer: *mut c_void, length: usize, flags: c_uint) -> isize:
        Some(What::RandomBytes);
    getentropy, c"getentropy", (buffer: *mut c_void, length: usize) -> c_int:
        Some(What::RandomBytes);
    clock_gettime, c"clock_gettime", (clock: c_int, time: *mut c_void) -> c_int:
        Some(clock_of(clock));
    gettimeofday, c"gettimeofday", (time: *mut c_void, zone: *mut c_void) -> c_int:
        Some(What::WallClock);
    time, c"time", (time: *mut c_long) -> c_long:
        Some(What::WallClock);
    pthread_create, c"pthread_create",
        (thread: *mut c_void, attributes: *const c_void, start: *mut c_void, argument: *mut c_void)
        -> c_int: Some(What::Thread);
    open, c"open", (path: *const c_char, flags: c_int, mode: c_uint) -> c_int:
        file_of(path);
    open64, c"open64", (path: *const c_char, flags: c_int, mode: c_uint) -> c_int:
        file_of(path);
    openat, c"openat", (at: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int:
        file_of(path);
    openat64, c"openat64", (at: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int:
        file_of(path);
    syscall, c"syscall",
        (number: c_long, a: c_long, b: c_long, c: c_long, d: c_long, e: c_long, f: c_long)
        -> c_long: call_of(number, a);
}

fn clock_of(clock: c_int) -> What {
    match clock {
        libc::CLOCK_MONOTONIC | libc::CLOCK_MONOTONIC_RAW | libc::CLOCK_BOOTTIME => {
            What::MonotonicClock
        }
        libc::CLOCK_REALTIME => What::WallClock,
        other => What::OtherClock(other),
    }
}

fn file_of(path: *const c_char) -> Option<What> {
    if path.is_null() {
        return None;
    }
    // SAFETY: whoever opens a file passes a path that ends in a zero and lives that long.
    let path = unsafe { CStr::from_ptr(path) };
    Some(What::File(path.to_string_lossy().into_owned()))
}

/// The system calls that some packages make without the function of the same name.
fn call_of(number: c_long, first: c_long) -> Option<What> {
    match number {
        libc::SYS_getrandom => Some(What::RandomBytes),
        libc::SYS_clock_gettime => Some(clock_of(first as c_int)),
        _ => None,
    }
}
