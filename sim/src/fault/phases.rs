//! Named phases of what a system does, as its points tell them.
//!
//! Nothing is decided by a phase: it says where faults struck, and a rehearsal tells a plan when
//! a phase begins and ends.

use std::collections::BTreeMap;

use crate::world::World;

/// A phase that a run went through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseSpan {
    /// Its name.
    pub phase: &'static str,
    /// When it began, in nanoseconds of the world's time.
    pub begin_ns: u64,
    /// When it ended; `u64::MAX` if it has not ([`PhaseSpan::has_ended`]).
    pub end_ns: u64,
}

impl PhaseSpan {
    /// Whether the run has come to its end.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.end_ns != u64::MAX
    }
}

/// Where a run is.
#[derive(Default)]
pub(crate) struct Phases {
    now: Option<(&'static str, u64)>,
    passed: Vec<PhaseSpan>,
    /// To which phase each point belongs that was passed last: that which it begins, or else
    /// that which it ends.
    of_point: BTreeMap<String, Option<&'static str>>,
}

impl Phases {
    fn pass(&mut self, point: &str, after: Option<&'static str>, now_ns: u64) {
        let before = self.now.map(|it| it.0);
        self.of_point.insert(point.to_string(), after.or(before));
        if before == after {
            return;
        }
        if let Some((phase, begin_ns)) = self.now.take() {
            self.passed.push(PhaseSpan { phase, begin_ns, end_ns: now_ns });
        }
        self.now = after.map(|it| (it, now_ns));
    }

    /// The phase to which a point belongs that is being passed, or else the phase of the moment.
    pub(super) fn at(&self, point: Option<&str>) -> Option<&'static str> {
        let of_point = point.and_then(|it| self.of_point.get(it).copied());
        of_point.unwrap_or(self.now.map(|it| it.0))
    }
}

impl World {
    /// Names the phases of what is put to the test: for each of these points, the phase in which
    /// the system is after it was passed, `None` for in none. Call it once, before the run and
    /// before other callbacks are set for these points.
    pub fn name_phases(&self, after: &[(&str, Option<&'static str>)]) {
        for &(point, after) in after {
            let name = point.to_string();
            self.on_point(point, move |world, _, _| {
                let now_ns = world.now_ns();
                world.core().active.borrow_mut().phases.pass(&name, after, now_ns);
            });
        }
    }

    /// The phase of the moment.
    pub fn phase(&self) -> Option<&'static str> {
        self.core().active.borrow().phases.at(None)
    }

    /// The phases that the run went through, in order; that of the moment is the last, and has not
    /// ended.
    pub fn phases_passed(&self) -> Vec<PhaseSpan> {
        let active = self.core().active.borrow();
        let phases = &active.phases;
        let now =
            phases.now.map(|(phase, begin_ns)| PhaseSpan { phase, begin_ns, end_ns: u64::MAX });
        phases.passed.iter().cloned().chain(now).collect()
    }
}
