//! Points that programs pass, and who wants to know.
//!
//! A callback runs when the task that reached the point has yielded, never inside it, so
//! it may do anything to the world, even crash the host that called.

use std::collections::{BTreeMap, VecDeque};

use crate::core::Core;
use crate::host::HostId;
use crate::world::World;

type Callback = Box<dyn FnMut(&World, HostId, u64)>;

/// Counts, callbacks, and the points reached in the poll that is going on.
#[derive(Default)]
pub(crate) struct Points {
    counts: BTreeMap<&'static str, u64>,
    callbacks: BTreeMap<String, Vec<Callback>>,
    reached: VecDeque<(&'static str, HostId, u64)>,
}

impl Points {
    /// Whether callbacks have to be run.
    pub(crate) fn are_reached(&self) -> bool {
        !self.reached.is_empty()
    }
}

impl Core {
    pub(crate) fn reach_point(&self, host: HostId, name: &'static str, detail: u64) {
        let mut payload = detail.to_le_bytes().to_vec();
        payload.extend_from_slice(name.as_bytes());
        self.emit(host, "point", &payload);
        let mut points = self.points.borrow_mut();
        *points.counts.entry(name).or_default() += 1;
        if points.callbacks.contains_key(name) {
            points.reached.push_back((name, host, detail));
        }
    }

    /// Drops all callbacks, outside of any borrow.
    pub(crate) fn clear_callbacks(&self) {
        let callbacks = std::mem::take(&mut self.points.borrow_mut().callbacks);
        drop(callbacks);
    }
}

impl World {
    /// Calls `callback` whenever a program reaches the point `name`, with the host and
    /// the detail it gave.
    ///
    /// A callback must not keep a clone of the world, which would then never be freed;
    /// it is handed one.
    pub fn on_point(&self, name: &str, callback: impl FnMut(&World, HostId, u64) + 'static) {
        let mut points = self.core().points.borrow_mut();
        points.callbacks.entry(name.to_string()).or_default().push(Box::new(callback));
    }

    /// How often each point was reached.
    pub fn point_counts(&self) -> BTreeMap<&'static str, u64> {
        self.core().points.borrow().counts.clone()
    }

    /// Runs the callbacks of the points that were reached since the last call.
    pub(crate) fn run_callbacks(&self) {
        let next = || self.core().points.borrow_mut().reached.pop_front();
        while let Some((name, host, detail)) = next() {
            // Taken out while they run: a callback may set another for the same point.
            let taken = self.core().points.borrow_mut().callbacks.get_mut(name).map(std::mem::take);
            let mut taken = taken.unwrap_or_default();
            taken.iter_mut().for_each(|it| it(self, host, detail));
            let mut points = self.core().points.borrow_mut();
            let slot = points.callbacks.entry(name.to_string()).or_default();
            taken.append(slot);
            *slot = taken;
        }
    }
}
