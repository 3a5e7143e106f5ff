//! While a replication group has no majority its partition cannot be cut, so no backup of the table
//! can be made: it is given up, hinders nobody, leaves nothing behind, and the next one succeeds.

use super::{Plot, Setting, Story};
use crate::report::Phase;
use crate::stage::machines;
use stillpoint_reference::points;
use stillpoint_sim::{Fault, Strike};

/// A backup is given up after so long here.
const GIVE_UP_NS: u64 = 700_000_000;

/// The story.
pub(super) const STORY: Story = Story {
    name: "backup-is-given-up",
    claim: "a backup that cannot be cut is given up and leaves nothing; the next one is exact",
    phases: &[Phase::Mark],
    plot: Plot {
        must_end: true,
        topology: |nodes| machines(nodes.max(6)),
        configure: |it| it.cut.give_up_ns = GIVE_UP_NS,
        ..Plot::USUAL
    },
    set,
};

fn set(it: &Setting<'_>) {
    // The second machines of their zones: some partitions are on these, and the catalog is not.
    let others = &it.nodes[3..6];
    let spared = it.dice.range(0..3) as usize;
    let lost = (0..3).filter(|n| *n != spared).map(|n| it.machine(others[n]));
    let lasts_ns = it.dice.range(GIVE_UP_NS..3 * GIVE_UP_NS);
    it.faults.place(
        it.world,
        lost.map(|whom| {
            let loss = Strike::on(whom, Fault::PowerLoss).for_ns(lasts_ns);
            loss.when_passing(&[points::CUT_PROBE], 1)
        }),
    );
}
