//! However many partitions there are, each of them writes while the cut is made.
//!
//! At `--size large` these are 1,024 partitions, at `--size huge` 4,096.

use super::{Plot, Setting, Story};

/// The story.
pub(super) const STORY: Story = Story {
    name: "every-partition-writes",
    claim: "with writes on every partition between request and seal, a backup is one instant",
    phases: &[],
    plot: Plot { writes_in_cut: 6, writes_in_cut_min: 3, ..Plot::USUAL },
    set: |_: &Setting<'_>| {},
};
