//! What many worlds together saw of the catalog, and of what else was to be seen.

use std::collections::{BTreeMap, BTreeSet};

use super::{Property, PropertyKind, Tally, catalog};
use crate::world::World;

/// Adds up worlds; the order in which they come does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    worlds: u64,
    tallies: BTreeMap<&'static str, Tally>,
    points: BTreeMap<String, u64>,
}

impl Coverage {
    /// What one world saw.
    pub fn of(world: &World) -> Self {
        let mut coverage = Self::default();
        coverage.add(world);
        coverage
    }

    /// Adds what a world saw.
    pub fn add(&mut self, world: &World) {
        self.worlds += 1;
        for (claim, it) in world.tallies() {
            self.count(claim, it);
        }
        for (point, times) in world.point_counts() {
            *self.points.entry(point.to_string()).or_default() += times;
        }
    }

    fn count(&mut self, claim: &'static str, tally: Tally) {
        let sum = self.tallies.entry(claim).or_default();
        sum.held += tally.held;
        sum.failed += tally.failed;
    }

    /// Adds what others have added up.
    pub fn merge(&mut self, other: Self) {
        self.worlds += other.worlds;
        for (claim, it) in other.tallies {
            self.count(claim, it);
        }
        for (point, times) in other.points {
            *self.points.entry(point).or_default() += times;
        }
    }

    /// How many worlds were added.
    pub fn worlds(&self) -> u64 {
        self.worlds
    }

    /// Those of the catalog whose module begins with `module` and that no world has met: a
    /// `sometimes!` that never held, a place that was never reached, an `always!` that was never
    /// looked at. An `unreachable!` is met by not being reached.
    pub fn missed(&self, module: &str) -> Vec<&'static Property> {
        let met = |it: &Property| {
            let tally = self.tallies.get(it.claim).copied().unwrap_or_default();
            match it.kind {
                PropertyKind::Always => tally.held + tally.failed > 0,
                PropertyKind::Sometimes | PropertyKind::Reachable => tally.held > 0,
                PropertyKind::Unreachable => true,
            }
        };
        catalog().into_iter().filter(|it| it.module.starts_with(module) && !met(it)).collect()
    }

    /// Those of these points ([`Host::point`](crate::Host::point)) that no world has passed, for
    /// programs that know nothing of this crate and list their points themselves.
    pub fn missed_points<'a>(&self, points: &[&'a str]) -> BTreeSet<&'a str> {
        points.iter().copied().filter(|it| !self.points.contains_key(*it)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Tape, always, reachable, sometimes, unreachable};

    fn world(seed: u64) -> World {
        let world = World::new(Tape::new(seed));
        let host = world.driver();
        let lucky = world.dice("test/luck").chance(1, 4);
        always!(host, seed < 100, "seeds are small here", "this one is {seed}");
        sometimes!(host, lucky, "one in four is lucky");
        if seed == 7 {
            reachable!(host, "the seventh comes by");
        }
        if seed == 1_000 {
            unreachable!(host, "nobody goes so far", "{} did", seed);
        }
        world
    }

    fn missed(coverage: &Coverage) -> Vec<&'static str> {
        coverage.missed(module_path!()).iter().map(|it| it.claim).collect()
    }

    #[test]
    fn what_no_world_met_is_known_from_the_catalog() {
        let (mut coverage, mut rest) = (Coverage::default(), Coverage::default());
        let all = ["one in four is lucky", "seeds are small here", "the seventh comes by"];
        assert_eq!(missed(&coverage), all);
        (0..7).for_each(|seed| coverage.add(&world(seed)));
        assert_eq!(missed(&coverage), ["the seventh comes by"]);
        (7..9).for_each(|seed| rest.add(&world(seed)));
        coverage.merge(rest);
        assert_eq!((missed(&coverage), coverage.worlds()), (vec![], 9));
        assert!(world(8).violations().is_empty());
    }

    #[test]
    fn a_violation_says_what_and_where() {
        let violations = world(1_000).violations();
        let texts: Vec<String> = violations.iter().map(ToString::to_string).collect();
        assert!(texts[0].starts_with("always! at sim/src/property/coverage.rs:"), "{}", texts[0]);
        assert!(texts[0].ends_with("seeds are small here: this one is 1000 (host 0, at 0 ns)"));
        assert!(texts[1].contains("nobody goes so far: 1000 did"), "{}", texts[1]);
    }

    #[test]
    fn points_that_were_not_passed_are_named() {
        let mut coverage = Coverage::default();
        let world = World::new(Tape::new(1));
        world.driver().point("seen", 1);
        coverage.add(&world);
        assert_eq!(coverage.missed_points(&["seen", "unseen"]), ["unseen"].into());
    }
}
