//! In which phase of a backup or a restore a run is, and in which its faults struck.
//!
//! The phase is that of the last point passed that belongs to one: a story's backups and restores
//! follow one another, and where partitions of one restore are at different steps, a fault that is
//! placed at a point strikes in that point's phase. Only counted here; nothing is decided by it.

use crate::report::Phase;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use stillpoint_reference::points;
use stillpoint_sim::World;

/// The phase that a run is in once a point was passed; `None`: in none.
const AFTER: &[(&str, Option<Phase>)] = &[
    (points::CUT_PROBE, Some(Phase::Mark)),
    (points::CUT_MARKED, Some(Phase::Mark)),
    (points::CUT_RETRY, Some(Phase::Mark)),
    (points::CUT_CONFIRM, Some(Phase::Confirm)),
    (points::CUT_SEAL, Some(Phase::Seal)),
    (points::CUT_SEALED, Some(Phase::Archive)),
    (points::CUT_ABANDONED, None),
    (points::BACKUP_AVAILABLE, None),
    (points::RESTORE_PLAN, Some(Phase::Copy)),
    (points::RESTORE_HOSTED, Some(Phase::Copy)),
    (points::RESTORE_COPY, Some(Phase::Copy)),
    (points::RESTORE_FETCHED, Some(Phase::Copy)),
    (points::RESTORE_BUILT, Some(Phase::Copy)),
    (points::RESTORE_PROPOSE, Some(Phase::Apply)),
    (points::RESTORE_LOADED, Some(Phase::Apply)),
    (points::RESTORE_PARTITION, Some(Phase::Apply)),
    (points::RESTORE_NOTED, Some(Phase::Apply)),
    (points::RESTORE_FINISH, Some(Phase::Open)),
    (points::RESTORE_OPEN, None),
];

/// The phase to which a point belongs: that of the step which ends with it.
#[must_use]
pub fn phase_of(point: &str) -> Option<Phase> {
    match point {
        points::RESTORE_OPEN => Some(Phase::Open),
        _ => AFTER.iter().find(|(it, _)| *it == point).and_then(|(_, phase)| *phase),
    }
}

/// Where a run is, and what struck where.
#[derive(Debug, Default)]
pub(super) struct Phases {
    now: Cell<Option<Phase>>,
    struck: RefCell<BTreeMap<Phase, u64>>,
    /// Faults that last, such as a node that has become slow: they strike in each phase that
    /// begins meanwhile.
    lasting: Cell<u64>,
}

impl Phases {
    /// Follows a world from its beginning.
    pub(super) fn watch(world: &World) -> Rc<Self> {
        let phases: Rc<Self> = Rc::default();
        for &(point, after) in AFTER {
            let it = Rc::clone(&phases);
            world.on_point(point, move |_, _, _| it.enter(after));
        }
        phases
    }

    fn enter(&self, phase: Option<Phase>) {
        if self.now.replace(phase) != phase {
            self.count(self.lasting.get());
        }
    }

    fn count(&self, faults: u64) {
        if let Some(phase) = self.now.get().filter(|_| faults > 0) {
            *self.struck.borrow_mut().entry(phase).or_default() += faults;
        }
    }

    /// A fault strikes, at a point if it was placed at one.
    pub(super) fn strike(&self, point: Option<&str>) {
        match point.and_then(phase_of) {
            Some(phase) => *self.struck.borrow_mut().entry(phase).or_default() += 1,
            None => self.count(1),
        }
    }

    /// The fault that has just struck lasts.
    pub(super) fn begin_lasting(&self) {
        self.lasting.set(self.lasting.get() + 1);
    }

    /// A fault that lasted is over.
    pub(super) fn end_lasting(&self) {
        self.lasting.set(self.lasting.get() - 1);
    }

    /// How many faults struck in each phase.
    pub(super) fn struck(&self) -> BTreeMap<Phase, u64> {
        self.struck.borrow().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_counts_where_it_strikes_and_one_that_lasts_in_every_phase_after_it() {
        let phases = Phases::default();
        phases.strike(None);
        assert_eq!(phases.struck(), BTreeMap::new(), "no backup and no restore was under way");
        phases.enter(Some(Phase::Confirm));
        phases.strike(None);
        phases.begin_lasting();
        phases.enter(Some(Phase::Confirm));
        phases.enter(Some(Phase::Seal));
        phases.end_lasting();
        phases.enter(Some(Phase::Archive));
        phases.strike(Some(points::RESTORE_FINISH));
        let struck = [(Phase::Confirm, 1), (Phase::Seal, 1), (Phase::Open, 1)];
        assert_eq!(phases.struck(), BTreeMap::from(struck));
    }

    #[test]
    fn every_step_of_a_restore_has_its_phase() {
        assert!(points::RESTORE_STEPS.iter().all(|it| phase_of(it).is_some()));
        assert_eq!(phase_of(points::LEADER), None);
    }
}
