//! What a node's disk has let rot is found, discarded, and comes back from the other nodes.

use super::{Plot, Setting, Story};
use crate::report::Phase;
use crate::stage::{checkpoint_file, draw_down_ns};
use stillpoint_reference::points;
use stillpoint_sim::{Fault, Strike};

/// The story.
pub(super) const STORY: Story = Story {
    name: "checkpoint-rots",
    claim: "a rotten checkpoint is never believed: its node gets its state back from the others",
    phases: &[Phase::Mark, Phase::Copy],
    plot: Plot { must_end: true, ..Plot::USUAL },
    set,
};

fn set(it: &Setting<'_>) {
    let bits = it.dice.range(1..40);
    let path = Some(checkpoint_file());
    let fault = match it.dice.chance(1, 2) {
        true => Fault::CrashAndRot { path, bits },
        false => Fault::Rot { path, bits },
    };
    let places = [points::HOLD_BEGIN, points::RESTORE_COPY, points::CHECKPOINT];
    let point = places[it.seed as usize % places.len()];
    // A checkpoint holds most after some time.
    let nth = it.dice.range(1..5);
    let strike = Strike::passer_of(point, nth, fault).for_ns(draw_down_ns(it.dice));
    it.faults.place(it.world, [strike]);
}
