//! A coordinator that fails while it seals: the cut is sealed as it was, or begun again.

use super::{Plot, Setting, Story};
use crate::report::Phase;
use crate::stage::{Strike, draw_down_ns};
use stillpoint_reference::points;

/// The story.
pub(super) const STORY: Story = Story {
    name: "seal-is-interrupted",
    claim: "a coordinator that fails while it seals leaves a cut that is whole, or none",
    phases: &[Phase::Seal],
    plot: Plot::USUAL,
    set,
};

fn set(it: &Setting<'_>) {
    let strikes = [
        Strike::Crash,
        Strike::PowerLoss,
        Strike::PowerLossOfZone,
        Strike::PowerLossEverywhere,
        Strike::Isolation,
        Strike::Deafness,
    ];
    let strike = *it.dice.pick(&strikes);
    it.faults.when(it.world, points::CUT_SEAL, 1, strike, draw_down_ns(it.dice));
}
