//! What a tester wants done at an instant, whoever drives the world then.

use std::collections::BTreeMap;

use crate::core::Core;
use crate::world::World;

type Call = Box<dyn FnOnce(&World)>;

/// Calls that are not due yet.
#[derive(Default)]
pub(crate) struct Calls {
    made: u64,
    waiting: BTreeMap<u64, Call>,
}

impl Calls {
    /// Takes out all calls, to be dropped outside of any borrow.
    pub(crate) fn clear(&mut self) -> impl Sized + use<> {
        std::mem::take(&mut self.waiting)
    }
}

impl Core {
    /// See [`World::at`]; for an instant that is not over.
    pub(crate) fn call_at(&self, time_ns: u64, call: Call) {
        let mut calls = self.calls.borrow_mut();
        let number = calls.made;
        calls.made += 1;
        calls.waiting.insert(number, call);
        self.queue.borrow_mut().push_call(time_ns, number);
    }
}

impl World {
    /// Does something to the world at `time_ns` of its time, or at once if that is over: before
    /// any task runs at that instant, and after whatever else happens at it.
    ///
    /// The call must not keep a clone of the world, which would then never be freed; it is
    /// handed one.
    pub fn at(&self, time_ns: u64, call: impl FnOnce(&World) + 'static) {
        self.core().call_at(time_ns.max(self.now_ns()), Box::new(call));
    }

    /// Makes a call whose instant has come.
    pub(crate) fn make_call(&self, number: u64) {
        let call = self.core().calls.borrow_mut().waiting.remove(&number);
        if let Some(call) = call {
            call(self);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use crate::{Tape, World};

    #[test]
    fn calls_are_made_at_their_instants_and_may_make_others() {
        let world = World::new(Tape::new(1));
        let made: Rc<RefCell<Vec<(u64, u64)>>> = Rc::default();
        for at_ns in [300, 100] {
            let made = Rc::clone(&made);
            world.at(at_ns, move |world| {
                made.borrow_mut().push((at_ns, world.now_ns()));
                let later = Rc::clone(&made);
                world.at(0, move |world| later.borrow_mut().push((0, world.now_ns())));
            });
        }
        let driver = world.driver();
        world.run(1_000, async move { driver.sleep(500).await }).expect("it ends");
        assert_eq!(*made.borrow(), [(100, 100), (0, 100), (300, 300), (0, 300)]);
    }
}
