//! Beyond the budget: objects of the archive are lost, cut off or rotten. A restore may refuse, for
//! ever; what it brings back must be right.

use super::{Plot, Setting, Story};
use crate::report::Phase;
use stillpoint_reference::points;
use stillpoint_sim::{Expectation, Fault, Plan, Strike};

/// The story.
pub(super) const STORY: Story = Story {
    name: "archive-is-damaged",
    claim: "a restore from a damaged archive is refused or exact, and nothing in between",
    phases: &[Phase::Archive, Phase::Copy],
    plot: Plot::USUAL,
    set,
};

fn set(it: &Setting<'_>) {
    let (prefix, n) = (String::new(), it.dice.range(1..5));
    let faults = [
        Fault::ObjectsLost { prefix: prefix.clone(), n },
        Fault::ObjectsTruncated { prefix: prefix.clone(), n },
        Fault::ObjectsRotten { prefix, n },
    ];
    // Between backup and restore, or when parts of the restore have been fetched.
    let (point, nth) = match it.seed % 2 {
        0 => (points::BACKUP_AVAILABLE, 1),
        _ => (points::RESTORE_FETCHED, 1 + it.dice.range(0..10)),
    };
    let damage = Strike::of_store(it.dice.pick(&faults).clone()).when_passing(&[point], nth);
    it.faults.carry_out(it.world, &Plan::of([damage]).expecting(Expectation::Refuse));
}
