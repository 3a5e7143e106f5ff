//! A restore whose workers crash goes on where it was, and brings back the same table.

use super::{Plot, Setting, Story};
use crate::report::Phase;
use crate::stage::draw_down_ns;
use stillpoint_reference::points;
use stillpoint_sim::{Fault, Strike};

/// The story.
pub(super) const STORY: Story = Story {
    name: "restore-worker-crashes",
    claim: "a restore whose workers crash at any step is resumed and exact",
    phases: &[Phase::Apply],
    plot: Plot::USUAL,
    set,
};

fn set(it: &Setting<'_>) {
    let partitions = u64::from(it.shape.partitions);
    let steps = [
        (points::RESTORE_COPY, partitions),
        (points::RESTORE_LOADED, 3 * partitions),
        (points::RESTORE_LOADED, 3 * partitions),
        (points::RESTORE_PARTITION, partitions),
    ];
    let &(point, times) = it.dice.pick(&steps);
    let nth = 1 + it.dice.range(0..times);
    let fault = it.dice.pick(&[Fault::Crash, Fault::PowerLoss]).clone();
    let strike = Strike::passer_of(point, nth, fault).for_ns(draw_down_ns(it.dice));
    it.faults.place(it.world, [strike]);
}
