//! A table whose deletion is demanded from the moment its backup is asked for.
//!
//! As long as the backup is CREATING the table is in use (the Developer Guide says so of
//! DeleteTable). As soon as it is AVAILABLE the table may go, and the backup outlives it.

use super::{Plot, Setting, Story};
use crate::report::Phase;

/// The story.
pub(super) const STORY: Story = Story {
    name: "table-deleted",
    claim: "a table stays while its backup is made, and the backup outlives the table",
    phases: &[Phase::Archive],
    plot: Plot { deletes_table: true, must_end: true, ..Plot::USUAL },
    set: |_: &Setting<'_>| {},
};
