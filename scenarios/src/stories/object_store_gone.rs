//! An object store that is gone for a minute delays a backup, and no writer.

use super::{Plot, Setting, Story};
use crate::report::Phase;
use crate::stage::{STORE_IS_SILENT, STORE_REFUSES};
use stillpoint_reference::points;
use stillpoint_sim::Strike;

/// How long it is gone.
const GONE_NS: u64 = 60_000_000_000;

/// The story.
pub(super) const STORY: Story = Story {
    name: "object-store-gone",
    claim: "with the object store gone for a minute a backup is late, and no writer is disturbed",
    phases: &[Phase::Archive],
    plot: Plot {
        // The request comes in the load's second third, so half a minute of load comes after.
        load_ns_min: GONE_NS * 3 / 2,
        must_end: true,
        write_ns_max: Some(2_000_000_000),
        ..Plot::USUAL
    },
    set,
};

fn set(it: &Setting<'_>) {
    let points = [points::CUT_PROBE, points::HOLD_BEGIN, points::CUT_CONFIRM, points::CUT_SEAL];
    let fault = it.dice.pick(&[STORE_REFUSES, STORE_IS_SILENT]).clone();
    let &point = it.dice.pick(&points);
    let strike = Strike::of_store(fault).when_passing(&[point], 1).for_ns(GONE_NS);
    it.faults.place(it.world, [strike]);
}
