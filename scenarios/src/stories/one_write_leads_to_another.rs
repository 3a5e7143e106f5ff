//! Clients go on because of what was acknowledged, from partition to partition, while the cut is
//! made early in one place and late in another.
//!
//! One node hears the others late, so its partitions are marked last. Whoever is acknowledged a
//! write elsewhere behind a marker, and then writes there before Mark comes, would tear the backup.

use super::{Plot, Setting, Story};
use std::cell::Cell;
use stillpoint_reference::node::Config;
use stillpoint_reference::points;
use stillpoint_sim::HostId;

/// The story.
pub(super) const STORY: Story = Story {
    name: "one-write-leads-to-another",
    claim: "no write is in a backup without the one that led to it, however uneven the cut",
    phases: &[],
    plot: Plot { chains_in_cut: 24, configure, ..Plot::USUAL },
    set,
};

/// How late a message reaches the one node, in nanoseconds.
const LATE_NS: std::ops::Range<u64> = 30_000_000..60_000_000;
/// So the first attempt at the cut outlasts that, while the chains are under way.
const HOLD_NS: u64 = 320_000_000;

fn configure(config: &mut Config) {
    (config.cut.hold_ns, config.cut.hold_ns_max) = (HOLD_NS, HOLD_NS);
}

/// From the first probe on a node other than the coordinator hears the others late. Had it always,
/// it would lead nothing by now.
fn set(it: &Setting<'_>) {
    let (nodes, shift) = (it.nodes.to_vec(), it.dice.range(0..it.nodes.len() as u64 - 1));
    let struck = Cell::new(false);
    it.world.on_point(points::CUT_PROBE, move |world, coordinator, _| {
        if struck.replace(true) {
            return;
        }
        let others: Vec<HostId> = nodes.iter().copied().filter(|it| *it != coordinator).collect();
        let late = others[shift as usize];
        for &from in nodes.iter().filter(|it| **it != late) {
            world.set_link_latency(from, late, LATE_NS);
        }
    });
}
