//! A client that goes from partition to partition, each write because of the last, right through
//! the cut: the first write that it is acknowledged behind the cut, and all after it, are out.

use super::{Plot, Setting, Story};

/// The story.
pub(super) const STORY: Story = Story {
    name: "a-client-hops",
    claim: "a backup holds a client's writes, wherever they went, up to one of them",
    phases: &[],
    plot: Plot { chains_in_cut: 1, ..Plot::USUAL },
    set: |_: &Setting<'_>| {},
};
