//! A leader that crashes between Mark and Confirm voids the attempt, and never the cut.

use super::{Plot, Setting, Story};
use crate::report::Phase;
use crate::stage::draw_down_ns;
use stillpoint_reference::points;
use stillpoint_sim::{Fault, Strike};

/// The story.
pub(super) const STORY: Story = Story {
    name: "leader-crashes-in-cut",
    claim: "a leader that crashes between mark and confirm voids the attempt, never the cut",
    phases: &[Phase::Mark],
    plot: Plot::USUAL,
    set,
};

fn set(it: &Setting<'_>) {
    // With the marker appended, with it committed, or (the coordinator) about to confirm.
    let point = *it.dice.pick(&[points::HOLD_BEGIN, points::CUT_MARKED, points::CUT_CONFIRM]);
    let nth = match point {
        points::CUT_CONFIRM => 1,
        _ => 1 + it.dice.range(0..u64::from(it.shape.partitions)),
    };
    let faults = [Fault::Crash, Fault::PowerLoss, Fault::CutOff, Fault::Deaf];
    let fault = it.dice.pick(&faults).clone();
    let strike = Strike::passer_of(point, nth, fault).for_ns(draw_down_ns(it.dice));
    it.faults.place(it.world, [strike]);
}
