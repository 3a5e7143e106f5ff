//! A disk without space, or one that fails now and then, costs time and no data.

use super::{Plot, Setting, Story};
use crate::report::Phase;
use crate::stage::FAILING_DISK;
use stillpoint_reference::points;
use stillpoint_sim::{Fault, Strike};

/// The story.
pub(super) const STORY: Story = Story {
    name: "disk-fails",
    claim: "a full disk, a read, write or sync that fails: nothing acknowledged is lost",
    phases: &[Phase::Mark, Phase::Archive],
    plot: Plot { must_end: true, ..Plot::USUAL },
    set,
};

fn set(it: &Setting<'_>) {
    let fault = if it.dice.chance(1, 2) { Fault::FullDisk } else { FAILING_DISK };
    let places = [points::HOLD_BEGIN, points::ARCHIVE_PART, points::CHECKPOINT];
    let point = places[it.seed as usize % places.len()];
    let lasts_ns = it.dice.range(100_000_000..3_000_000_000);
    let strike = Strike::passer_of(point, it.dice.range(1..3), fault).for_ns(lasts_ns);
    it.faults.place(it.world, [strike]);
}
