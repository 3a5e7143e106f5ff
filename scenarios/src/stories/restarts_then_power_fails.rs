//! What a process left behind that died at its first steps is made durable by the next.
//!
//! Every process dies within its first milliseconds, when it may have made its log's first segment
//! but not yet its name durable. The next process finds the segment. Later the power fails.

use super::{Plot, Setting, Story};
use stillpoint_sim::{Fault, Strike, Whom};

/// The story.
pub(super) const STORY: Story = Story {
    name: "restarts-then-power-fails",
    claim: "processes that die at their first steps, and a power failure later, lose nothing",
    phases: &[],
    plot: Plot::USUAL,
    set,
};

fn set(it: &Setting<'_>) {
    for &node in it.nodes {
        let at_ns = it.dice.range(100_000..8_000_000);
        let crash = Strike::on(it.machine(node), Fault::Crash);
        it.faults.place(it.world, [crash.at_ns(at_ns).for_ns(1_000_000)]);
    }
    let at_ns = it.dice.range(1_000_000_000..2_500_000_000);
    let down_ns = it.dice.range(50_000_000..500_000_000);
    let loss = Strike::on(Whom::Everyone, Fault::PowerLoss);
    it.faults.place(it.world, [loss.at_ns(at_ns).for_ns(down_ns)]);
}
