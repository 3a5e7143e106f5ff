//! Turns a panic into a sentence with its place, so that none reaches a user.
//!
//! What a panic means is decided by whoever catches it: in a simulated node it is that node's
//! crash, anywhere else a bug of the simulation.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook};

thread_local! {
    /// The last panic on this thread, as the hook saw it: only the hook knows the place.
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Makes this process remember panics instead of printing them. Call it once, at the start of
/// the program; without it [`catch`] still works but does not know the place.
pub fn remember_instead_of_printing() {
    set_hook(Box::new(|info: &PanicHookInfo<'_>| {
        let place = info.location().map(|at| format!(" at {}:{}", at.file(), at.line()));
        let text = format!("{}{}", message(info.payload()), place.unwrap_or_default());
        LAST.with_borrow_mut(|last| *last = Some(text));
    }));
}

/// Runs `work`. `Err` carries the panic's message and, if the hook is set, its place.
pub fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    LAST.with_borrow_mut(Option::take);
    // What `work` was changing is given up with it, so no broken state can be seen afterwards.
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        LAST.with_borrow_mut(Option::take).unwrap_or_else(|| message(payload.as_ref()).to_string())
    })
}

fn message(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a panic without a message"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_message_and_success_passes_through() {
        assert_eq!(catch(|| 3), Ok(3));
        let failed = catch(|| -> u32 { panic!("partition {} is gone", 7) });
        assert!(failed.unwrap_err().starts_with("partition 7 is gone"));
    }
}
