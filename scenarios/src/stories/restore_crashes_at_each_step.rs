//! A restore is crashed at each of its steps, once each, and brings back the same table.
//!
//! The steps are recorded in a run of the same seed in which nothing crashes: the run that does
//! crash is the same run up to that step. A seed of the story crashes at one step; [`sweep`]
//! goes through all of them.

use super::telling::{rehearse, run_natively, tell_as};
use super::{Plot, Setting, Story};
use crate::report::{Phase, SeedReport, SeedRequest};
use crate::stage::{draw_down_ns, phase_of};
use stillpoint_reference::mutants::NoMutants;
use stillpoint_reference::points::RESTORE_STEPS;
use stillpoint_sim::{Fault, Strike, Whom};

/// The story.
pub(super) const STORY: Story = Story {
    name: "restore-crashes-at-each-step",
    claim: "a restore that crashes at any of its steps, whoever does it, is resumed and exact",
    phases: &[Phase::Copy, Phase::Apply, Phase::Open],
    plot: Plot { must_end: true, ..Plot::USUAL },
    set,
};

/// Crashes at a step of a phase; the phases share the seeds evenly, although they have very
/// different numbers of steps.
fn set(it: &Setting<'_>) {
    let phase = STORY.phases[it.seed as usize % STORY.phases.len()];
    let steps = (it.rehearse)(RESTORE_STEPS);
    let of_phase = (1..).zip(&steps).filter(|(_, step)| phase_of(step) == Some(phase));
    let numbers: Vec<u64> = of_phase.map(|(number, _)| number).collect();
    if !numbers.is_empty() {
        crash_at(it, *it.dice.pick(&numbers));
    }
}

/// Crashes the node that does this step of the restore, from 1.
fn crash_at(it: &Setting<'_>, step: u64) {
    let crash = Strike::on(Whom::Passer, Fault::Crash).when_passing(RESTORE_STEPS, step);
    it.faults.place(it.world, [crash.for_ns(draw_down_ns(it.dice))]);
}

/// How often the restore of this run passes a step when nothing crashes.
#[must_use]
pub fn steps(seed: u64) -> Vec<&'static str> {
    let request = SeedRequest::new(STORY.name, seed);
    rehearse(&STORY, &request, &NoMutants, RESTORE_STEPS, &run_natively)
}

/// The run of this seed in which the node that does step `step` (from 1) crashes there.
#[must_use]
pub fn crashing_at(seed: u64, step: u64) -> SeedReport {
    let request = SeedRequest::new(STORY.name, seed);
    tell_as(&STORY, &request, &NoMutants, &|it| crash_at(it, step))
}

/// One run for each step of the restore of this seed, each crashing at its step.
pub fn sweep(seed: u64) -> impl Iterator<Item = (&'static str, SeedReport)> {
    (1..).zip(steps(seed)).map(move |(number, step)| (step, crashing_at(seed, number)))
}
