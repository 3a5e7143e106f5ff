//! A node that has become slow and stays so does not keep a backup from its end.

use super::{Plot, Setting, Story};
use crate::report::Phase;
use stillpoint_sim::{Fault, Strike};

/// A backup must be AVAILABLE within this time, whoever is slow.
const AVAILABLE_NS_MAX: u64 = 60_000_000_000;

/// The story.
pub(super) const STORY: Story = Story {
    name: "node-becomes-slow",
    claim: "with a node that is slow for good, a backup is AVAILABLE within a minute",
    phases: &[Phase::Mark, Phase::Archive, Phase::Apply],
    plot: Plot { must_end: true, available_ns_max: Some(AVAILABLE_NS_MAX), ..Plot::USUAL },
    set,
};

fn set(it: &Setting<'_>) {
    let times = it.dice.range(20..51);
    let at_ns = it.dice.range(0..1_000_000_000);
    let node = it.machine(*it.dice.pick(it.nodes));
    let burdens = [Fault::SlowDisk { times }, Fault::SlowLinks { times }];
    it.faults.place(it.world, burdens.map(|slow| Strike::on(node.clone(), slow).at_ns(at_ns)));
}
