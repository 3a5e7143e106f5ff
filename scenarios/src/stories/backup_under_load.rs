//! A backup under load, without faults, is an exact cut, and its restore is exact.

use super::{Plot, Setting, Story};

/// The story.
pub(super) const STORY: Story = Story {
    name: "backup-under-load",
    claim: "without faults, a backup under load shows one instant and its restore is exact",
    phases: &[],
    plot: Plot::USUAL,
    set: |_: &Setting<'_>| {},
};
