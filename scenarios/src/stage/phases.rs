//! The phases of a backup and a restore, by the points that the service passes, and how many faults
//! struck in each.
//!
//! The phase is that of the last point passed that belongs to one: a story's backups and restores
//! follow one another, and where partitions of one restore are at different steps, a fault that is
//! placed at a point strikes in that point's phase. Only counted here; nothing is decided by it.

use crate::report::Phase;
use std::cell::RefCell;
use std::collections::BTreeMap;
use stillpoint_reference::points;
use stillpoint_sim::{Carried, Fault, PhaseSpan, World};

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

/// Has a world know its phases by the names of [`Phase::name`].
pub(super) fn name(world: &World) {
    let named: Vec<_> = AFTER.iter().map(|(it, phase)| (*it, phase.map(Phase::name))).collect();
    world.name_phases(&named);
}

/// The phase to which a point belongs: that of the step which ends with it.
#[must_use]
pub fn phase_of(point: &str) -> Option<Phase> {
    match point {
        points::RESTORE_OPEN => Some(Phase::Open),
        _ => AFTER.iter().find(|(it, _)| *it == point).and_then(|(_, phase)| *phase),
    }
}

fn phase_named(name: &str) -> Option<Phase> {
    AFTER.iter().filter_map(|it| it.1).find(|it| it.name() == name)
}

/// Whether a fault only slows things down, so that all goes on under it.
#[must_use]
pub fn is_a_burden(fault: &Fault) -> bool {
    matches!(
        fault,
        Fault::SlowDisk { .. }
            | Fault::SlowLinks { .. }
            | Fault::StoreBusy { .. }
            | Fault::StoreDown(_)
            | Fault::FailingStore(_)
    )
}

/// How many faults struck in each phase; burdens also in each that began while they lasted.
pub(super) fn struck(struck: &[Carried], passed: &[PhaseSpan]) -> BTreeMap<Phase, u64> {
    let counts = Counts::default();
    for it in struck {
        counts.count(it.phase);
        let until_ns = it.lifted_ns.unwrap_or(u64::MAX);
        let began_under_it = |span: &&PhaseSpan| (it.at_ns + 1..until_ns).contains(&span.begin_ns);
        if is_a_burden(&it.fault) {
            passed.iter().filter(began_under_it).for_each(|it| counts.count(Some(it.phase)));
        }
    }
    counts.0.into_inner()
}

/// A number for each phase.
#[derive(Debug, Default)]
pub(super) struct Counts(RefCell<BTreeMap<Phase, u64>>);

impl Counts {
    /// Counts one more in the phase of this name.
    pub(super) fn count(&self, phase: Option<&str>) {
        if let Some(phase) = phase.and_then(phase_named) {
            *self.0.borrow_mut().entry(phase).or_default() += 1;
        }
    }

    /// The sums with others.
    pub(super) fn add_to(&self, mut others: BTreeMap<Phase, u64>) -> BTreeMap<Phase, u64> {
        for (phase, count) in &*self.0.borrow() {
            *others.entry(*phase).or_default() += count;
        }
        others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(fault: Fault, at_ns: u64, phase: Option<&'static str>) -> Carried {
        Carried { fault, what: String::new(), hosts: Vec::new(), at_ns, lifted_ns: Some(35), phase }
    }

    #[test]
    fn a_fault_counts_where_it_strikes_and_a_burden_in_every_phase_after_it() {
        let span = |phase: Phase, begin_ns| PhaseSpan {
            phase: phase.name(),
            begin_ns,
            end_ns: begin_ns + 10,
        };
        let passed = [
            span(Phase::Confirm, 10),
            span(Phase::Seal, 20),
            span(Phase::Seal, 30),
            span(Phase::Archive, 40),
        ];
        let idle = carried(Fault::Crash, 5, None);
        let crash = carried(Fault::Crash, 12, Some("confirm"));
        let slow = carried(Fault::SlowDisk { times: 2 }, 13, Some("confirm"));
        let counts = struck(&[idle, crash, slow], &passed);
        assert_eq!(counts, BTreeMap::from([(Phase::Confirm, 2), (Phase::Seal, 2)]));
        let interfered = Counts::default();
        interfered.count(Some("open"));
        interfered.count(None);
        assert_eq!(interfered.add_to(counts)[&Phase::Open], 1);
    }

    #[test]
    fn every_step_of_a_restore_has_its_phase() {
        assert!(points::RESTORE_STEPS.iter().all(|it| phase_of(it).is_some()));
        assert_eq!(phase_of(points::LEADER), None);
    }
}
