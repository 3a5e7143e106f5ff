//! A zone that loses power while a backup is archived delays the backup and takes nothing from it.

use super::{Plot, Setting, Story};
use crate::report::Phase;
use crate::stage::draw_down_ns;
use stillpoint_reference::points;
use stillpoint_sim::{Fault, Strike, Whom};

/// The story.
pub(super) const STORY: Story = Story {
    name: "zone-fails-while-archiving",
    claim: "a zone that loses power while a backup is archived takes nothing from it",
    phases: &[Phase::Archive],
    plot: Plot::USUAL,
    set,
};

fn set(it: &Setting<'_>) {
    let point = *it.dice.pick(&[points::ARCHIVE_PART, points::CUT_SEALED, points::ARCHIVE_UPLOAD]);
    let nth = match point {
        points::CUT_SEALED => 1,
        _ => 1 + it.dice.range(0..u64::from(it.shape.nodes)),
    };
    let loss = Strike::on(Whom::ZoneOfPasser, Fault::PowerLoss).when_passing(&[point], nth);
    it.faults.place(it.world, [loss.for_ns(draw_down_ns(it.dice))]);
}
