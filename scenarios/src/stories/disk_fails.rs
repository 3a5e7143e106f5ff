//! A disk without space, or one that fails now and then, costs time and no data.

use super::{Plot, Setting, Story};
use crate::report::Phase;
use crate::stage::Strike;
use stillpoint_reference::points;

/// The story.
pub(super) const STORY: Story = Story {
    name: "disk-fails",
    claim: "a full disk, a read, write or sync that fails: nothing acknowledged is lost",
    phases: &[Phase::Mark, Phase::Archive],
    plot: Plot { must_end: true, ..Plot::USUAL },
    set,
};

fn set(it: &Setting<'_>) {
    let strike = if it.dice.chance(1, 2) { Strike::FullDisk } else { Strike::FailingDisk };
    let places = [points::HOLD_BEGIN, points::ARCHIVE_PART, points::CHECKPOINT];
    let point = places[it.seed as usize % places.len()];
    let lasts_ns = it.dice.range(100_000_000..3_000_000_000);
    it.faults.when(it.world, point, it.dice.range(1..3), strike, lasts_ns);
}
