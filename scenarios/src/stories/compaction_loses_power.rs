//! Power fails while a node's log is begun anew, and what stood in it before is removed.

use super::{Plot, Setting, Story};
use crate::stage::draw_down_ns;
use stillpoint_reference::node::Config;
use stillpoint_reference::points;
use stillpoint_sim::{Fault, Strike, When, Whom};

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
    let nth = it.dice.range(1..10);
    let after_ns = it.dice.range(0..LASTS_NS);
    let whom = if it.dice.chance(1, 4) { Whom::Everyone } else { Whom::Passer };
    let when = When::Passing { points: vec![points::LOG_COMPACTED.to_owned()], nth, after_ns };
    let loss = Strike { when, ..Strike::on(whom, Fault::PowerLoss) };
    it.faults.place(it.world, [loss.for_ns(draw_down_ns(it.dice))]);
}
