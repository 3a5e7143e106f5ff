//! The answer to an operation that was submitted: given once, awaited once.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::waits::waits_for;
use crate::wake::must_run;

struct State<T> {
    /// The kind of operation.
    kind: &'static str,
    value: Option<T>,
    waker: Option<Waker>,
}

/// The side that gives the answer.
pub(crate) struct Completer<T>(Rc<RefCell<State<T>>>);

impl<T> Clone for Completer<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Completer<T> {
    /// Gives the answer and wakes who waits for it.
    pub(crate) fn finish(self, value: T) {
        let mut state = self.0.borrow_mut();
        state.value = Some(value);
        if let Some(waker) = state.waker.take() {
            waker.wake();
        }
    }
}

/// The answer to an operation that is under way.
///
/// The call that returned it has submitted the operation; dropping it does not take the
/// operation back, one merely never hears of it.
#[must_use = "an operation is only known to be done once it was awaited"]
pub struct Completion<T>(Rc<RefCell<State<T>>>);

impl<T> Future for Completion<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut state = self.0.borrow_mut();
        match state.value.take() {
            Some(value) => Poll::Ready(value),
            None => {
                waits_for(|| format!("the answer to {}", state.kind));
                if state.waker.is_none() {
                    must_run();
                }
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// Both sides. If the giving side is dropped unused the answer never comes, as for a
/// process that died.
pub(crate) fn completion<T>(kind: &'static str) -> (Completer<T>, Completion<T>) {
    let state = Rc::new(RefCell::new(State { kind, value: None, waker: None }));
    (Completer(state.clone()), Completion(state))
}
