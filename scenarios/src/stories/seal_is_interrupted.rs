//! A coordinator that fails while it seals: the cut is sealed as it was, or begun again.

use super::{Plot, Setting, Story};
use crate::report::Phase;
use crate::stage::draw_down_ns;
use stillpoint_reference::points;
use stillpoint_sim::{Fault, Strike, Whom};

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
        (Whom::Passer, Fault::Crash),
        (Whom::Passer, Fault::PowerLoss),
        (Whom::ZoneOfPasser, Fault::PowerLoss),
        (Whom::Everyone, Fault::PowerLoss),
        (Whom::Passer, Fault::CutOff),
        (Whom::Passer, Fault::Deaf),
    ];
    let (whom, fault) = it.dice.pick(&strikes).clone();
    let strike = Strike::on(whom, fault).when_passing(&[points::CUT_SEAL], 1);
    it.faults.place(it.world, [strike.for_ns(draw_down_ns(it.dice))]);
}
