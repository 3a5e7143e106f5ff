//! What no seed of a campaign came by, though one was to: a campaign that never passes a point
//! says nothing of what happens there, however many seeds are green.

use stillpoint_sim::Property;

use crate::campaign::tally::Tally;
use crate::report::Phase;

/// Something that no seed came by, though one was to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gap {
    /// A point that the service can pass.
    Point(&'static str),
    /// A claim that was never looked at, or never held where it is to hold sometimes.
    Property(&'static Property),
    /// A phase at which this story's faults are aimed, and in which none struck.
    Phase(&'static str, Phase),
}

impl Tally {
    /// Counts as gaps those of these points that no seed passes. If it is `required`, a campaign
    /// with gaps has not held.
    #[must_use]
    pub fn covering(self, points: &'static [&'static str], required: bool) -> Tally {
        Tally { points, coverage_required: required, ..self }
    }

    /// What no seed came by so far.
    pub fn gaps(&self) -> Vec<Gap> {
        let points = self.coverage.missed_points(self.points).into_iter().map(Gap::Point);
        // The empty path is that of every module.
        let properties = self.coverage.missed("").into_iter().map(Gap::Property);
        let phases = self.stories.iter().flat_map(|(info, story)| {
            let never = info.phases.iter().filter(|it| story.never_struck(**it));
            never.map(|it| Gap::Phase(info.name, *it))
        });
        points.chain(properties).chain(phases).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use stillpoint_sim::{Coverage, Tape, World, sometimes};

    use super::*;
    use crate::campaign::tally::StoryTally;
    use crate::report::StoryInfo;

    const POINTS: &[&str] = &["seen", "unseen"];

    /// What a world saw that came by `seen`, and in which a claim held or did not.
    fn coverage(holds: bool) -> Coverage {
        let world = World::new(Tape::new(1));
        sometimes!(world.driver(), holds, "it is a lucky day");
        world.driver().point("seen", 1);
        Coverage::of(&world)
    }

    fn tally(coverage: Coverage, struck: u64) -> Tally {
        let phases = &[Phase::Seal, Phase::Archive];
        let mut tally = Tally::new(vec![StoryInfo { name: "calm", claim: "", phases }]);
        let seeds_by_phase = BTreeMap::from([(Phase::Archive, 1), (Phase::Seal, struck)]);
        tally.stories[0].1 =
            StoryTally { seeds: 3, green: 3, seeds_by_phase, ..Default::default() };
        Tally { coverage, ..tally.covering(POINTS, false) }
    }

    #[test]
    fn gaps_are_points_and_claims_of_the_campaign_and_phases_of_a_story() {
        let gaps = tally(coverage(false), 0).gaps();
        let [Gap::Point("unseen"), Gap::Property(claim), Gap::Phase("calm", Phase::Seal)] =
            gaps[..]
        else {
            panic!("{gaps:?}");
        };
        assert_eq!(claim.claim, "it is a lucky day");
        assert_eq!(tally(coverage(true), 2).gaps(), [Gap::Point("unseen")]);
    }

    #[test]
    fn gaps_fail_a_campaign_only_where_that_is_asked_for() {
        use crate::campaign::tally::Conclusion;
        let tally = tally(coverage(true), 2);
        assert_eq!(tally.conclusion(), Conclusion::Held);
        let demanding = Tally { coverage_required: true, ..tally };
        assert_eq!(demanding.conclusion(), Conclusion::NotCovered(1));
        assert_eq!(demanding.conclusion().status(), 1);
        let covered = Tally { points: &["seen"], ..demanding };
        assert_eq!(covered.conclusion(), Conclusion::Held);
    }
}
