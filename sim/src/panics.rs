//! Panics of simulated code: caught, put into words, and not printed.
//!
//! A panic in a machine's task is that machine's crash and a finding for the oracles, not
//! noise on the terminal. The hook is installed once per process and only keeps quiet on
//! a thread that is polling a world at that moment.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use crate::host::HostId;

/// A panic in a task of a host, which was that host's crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PanicReport {
    /// The host that died of it.
    pub host: HostId,
    /// When, in virtual nanoseconds.
    pub time_ns: u64,
    /// The panic message and where in the source it was raised.
    pub message: String,
}

thread_local! {
    static POLLING: Cell<bool> = const { Cell::new(false) };
    static MESSAGE: RefCell<Option<String>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// Installs the hook, at the first call in this process.
pub(crate) fn install_hook() {
    HOOK.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info| {
            if is_running_program() {
                MESSAGE.with(|it| *it.borrow_mut() = Some(message_of(info)));
            } else {
                previous(info);
            }
        }));
    });
}

fn message_of(info: &PanicHookInfo<'_>) -> String {
    let text = info.payload_as_str().unwrap_or("a panic without a message");
    match info.location() {
        Some(place) => format!("{text} at {}:{}", place.file(), place.line()),
        None => text.to_string(),
    }
}

/// Whether this thread is running code of a simulated program, driver or callback right now,
/// not the world around it. Whoever watches a thread from outside asks this (the tripwire does).
pub fn is_running_program() -> bool {
    POLLING.try_with(Cell::get) == Ok(true)
}

/// Runs simulated code; gives the message if it panics.
pub(crate) fn guarded<R>(code: impl FnOnce() -> R) -> Result<R, String> {
    let outer = POLLING.replace(true);
    // Whatever the code left half done belongs to the host, which is discarded.
    let result = catch_unwind(AssertUnwindSafe(code));
    POLLING.set(outer);
    result.map_err(|_| MESSAGE.take().unwrap_or_else(|| "a panic that the hook missed".into()))
}
