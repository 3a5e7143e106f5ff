//! With a zone that never comes back, backups and restores still come to their end.

use super::{Plot, Setting, Story};
use crate::report::Phase;
use stillpoint_reference::points;
use stillpoint_sim::{Fault, Strike, Whom};

/// The story.
pub(super) const STORY: Story = Story {
    name: "zone-lost-for-good",
    claim: "with a zone lost for good, backups and restores end and are exact",
    phases: &[Phase::Mark, Phase::Archive, Phase::Copy],
    plot: Plot { must_end: true, ..Plot::USUAL },
    set,
};

fn set(it: &Setting<'_>) {
    let (partitions, nodes) = (u64::from(it.shape.partitions), u64::from(it.shape.nodes));
    let places = [
        (points::HOLD_BEGIN, partitions),
        (points::ARCHIVE_PART, nodes),
        (points::RESTORE_COPY, partitions),
    ];
    // Evenly over the seeds, so that each place has its share.
    let (point, times) = places[it.seed as usize % places.len()];
    let nth = 1 + it.dice.range(0..times);
    let loss = Strike::on(Whom::ZoneOfPasser, Fault::PowerLoss).when_passing(&[point], nth);
    it.faults.place(it.world, [loss]);
}
