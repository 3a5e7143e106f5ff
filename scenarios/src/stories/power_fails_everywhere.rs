//! After power fails in every zone at once, everything that was acknowledged is there.

use super::{Plot, Setting, Story};
use crate::report::Phase;
use crate::stage::draw_down_ns;
use stillpoint_reference::points;
use stillpoint_sim::{Fault, Strike, Whom};

/// The story.
pub(super) const STORY: Story = Story {
    name: "power-fails-everywhere",
    claim: "after a power failure in all zones at once, what was acknowledged is still there",
    phases: &[Phase::Confirm],
    plot: Plot::USUAL,
    set,
};

fn set(it: &Setting<'_>) {
    let partitions = u64::from(it.shape.partitions);
    let instants = [(points::HOLD_END, partitions), (points::CUT_HELD, partitions)];
    let &(point, times) = it.dice.pick(&instants);
    let nth = 1 + it.dice.range(0..times);
    let loss = Strike::on(Whom::Everyone, Fault::PowerLoss).when_passing(&[point], nth);
    it.faults.place(it.world, [loss.for_ns(draw_down_ns(it.dice))]);
}
