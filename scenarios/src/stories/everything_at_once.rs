//! Whatever a seed draws from all faults at once, no promise breaks.

use super::{Plot, Setting, Story};
use crate::stage::{Strike, draw_down_ns};
use stillpoint_reference::points;

/// The story.
pub(super) const STORY: Story = Story {
    name: "everything-at-once",
    claim: "with a lossy network, a failing object store, wrong clocks and crashes, all holds",
    phases: &[],
    plot: Plot::USUAL,
    set,
};

fn set(it: &Setting<'_>) {
    let mut net = it.world.net();
    net.loss_per_million = it.dice.range(0..5_000);
    net.duplicate_per_million = it.dice.range(0..10_000);
    it.world.set_net(net);
    let mut objects = it.world.objects();
    objects.slow_down_per_mille = it.dice.range(0..100);
    objects.timeout_per_mille = it.dice.range(0..50);
    it.world.set_objects(objects);
    for &node in it.nodes {
        let offset_ms = it.dice.range(0..120_000) as i64 - 60_000;
        it.world.set_clock_offset(node, offset_ms * 1_000_000);
    }
    let instants = [
        points::LEADER,
        points::HOLD_BEGIN,
        points::CUT_MARKED,
        points::CUT_HELD,
        points::CUT_SEALED,
        points::ARCHIVE_PART,
        points::RESTORE_COPY,
        points::RESTORE_LOADED,
    ];
    let strikes = [
        Strike::Crash,
        Strike::PowerLoss,
        Strike::PowerLossOfZone,
        Strike::Isolation,
        Strike::Deafness,
    ];
    for _ in 0..it.dice.range(1..4) {
        let (point, strike) = (*it.dice.pick(&instants), *it.dice.pick(&strikes));
        let nth = 1 + it.dice.range(0..8);
        it.faults.when(it.world, point, nth, strike, draw_down_ns(it.dice));
    }
}
