//! Power fails while a node's log is begun anew, and what stood in it before is removed.

use super::{Plot, Setting, Story};
use crate::stage::{Strike, draw_down_ns};
use std::cell::Cell;
use stillpoint_reference::node::Config;
use stillpoint_reference::points;

/// The story.
pub(super) const STORY: Story = Story {
    name: "compaction-loses-power",
    claim: "a log that loses power while it is begun anew says all that it said before",
    phases: &[],
    plot: Plot { configure, ..Plot::USUAL },
    set,
};

/// Logs are begun anew all the time, in many small segments.
fn configure(config: &mut Config) {
    config.log_segment_bytes_max = 2 << 10;
    config.log_bytes_max = 4 << 10;
    config.log_retained_entries_max = 4;
    config.checkpoint_interval_ns = 150_000_000;
}

/// From the decision to its end a compaction takes about so long.
const LASTS_NS: u64 = 4_000_000;

fn set(it: &Setting<'_>) {
    let (faults, passed) = (it.faults.clone(), Cell::new(0));
    let nth = it.dice.range(1..12);
    let after_ns = it.dice.range(0..LASTS_NS);
    let (strike, down_ns) = match it.dice.chance(1, 4) {
        true => (Strike::PowerLossEverywhere, draw_down_ns(it.dice)),
        false => (Strike::PowerLoss, draw_down_ns(it.dice)),
    };
    faults.expect();
    it.world.on_point(points::LOG_COMPACTED, move |world, host, _| {
        passed.set(passed.get() + 1);
        if passed.get() == nth {
            faults.at(world.now_ns() + after_ns, host, strike, down_ns);
        }
    });
}
