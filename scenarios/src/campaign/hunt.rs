//! The hunt for planted bugs: how often does which oracle catch which mutant, and does anything
//! sound the alarm when nothing is planted?
//!
//! Every mutant runs on the same seeds as the clean control, so an alarm that also rings
//! without the mutant is not mistaken for a catch.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::report::{MutantInfo, SeedReport, SeedRequest, Size, Verdict};

/// The runs of a hunt, in an order that treats all mutants alike when it is cut short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunt {
    requests: Vec<SeedRequest>,
}

impl Hunt {
    /// `seeds` runs of each mutant, spread over its stories, and one clean run of each pair of
    /// story and seed among them.
    pub fn new(mutants: &[MutantInfo], seeds: u64, first_seed: u64, size: Size) -> Hunt {
        let mut requests = Vec::new();
        let mut controlled = BTreeSet::new();
        for round in 0..seeds {
            for mutant in mutants {
                let stories = mutant.stories.len() as u64;
                let story = mutant.stories[(round % stories) as usize];
                let seed = first_seed.saturating_add(round / stories);
                let clean = SeedRequest { size, ..SeedRequest::new(story, seed) };
                if controlled.insert((story, seed)) {
                    requests.push(clean.clone());
                }
                requests.push(SeedRequest { mutant: Some(mutant.name), ..clean });
            }
        }
        Hunt { requests }
    }

    /// The run at `index`, or `None` past the end.
    pub fn request(&self, index: u64) -> Option<SeedRequest> {
        self.requests.get(usize::try_from(index).ok()?).cloned()
    }

    /// How many runs there are in all.
    pub fn len(&self) -> u64 {
        self.requests.len() as u64
    }

    /// Whether there is nothing to run.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }
}

/// What became of one mutant, or of the clean control.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Catch {
    /// Seeds that were run.
    pub tried: u64,
    /// Seeds in which an alarm rang.
    pub caught: u64,
    /// Seeds an oracle could not decide.
    pub undecided: u64,
    /// In how many seeds each oracle rang.
    pub oracles: BTreeMap<String, u64>,
    /// The run with the smallest seed (then story) that was caught.
    pub first: Option<SeedRequest>,
}

impl Catch {
    fn add(&mut self, request: &SeedRequest, report: &SeedReport) {
        self.tried += 1;
        match &report.verdict {
            Verdict::Broken(failures) => {
                self.caught += 1;
                let oracles: BTreeSet<&String> = failures.iter().map(|it| &it.oracle).collect();
                for oracle in oracles {
                    *self.oracles.entry(oracle.clone()).or_default() += 1;
                }
                let key = |it: &SeedRequest| (it.seed, it.story);
                if self.first.as_ref().is_none_or(|first| key(request) < key(first)) {
                    self.first = Some(request.clone());
                }
            }
            Verdict::Undecided(_) => self.undecided += 1,
            Verdict::Green | Verdict::Vacuous(_) => {}
        }
    }
}

/// What became of all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bag {
    /// Each mutant with its catch, in the order in which they are shown.
    pub mutants: Vec<(MutantInfo, Catch)>,
    /// The same seeds without a mutant: here nothing may ring.
    pub control: Catch,
}

impl Bag {
    /// Nothing caught yet.
    pub fn new(mutants: Vec<MutantInfo>) -> Bag {
        let mutants = mutants.into_iter().map(|info| (info, Catch::default())).collect();
        Bag { mutants, control: Catch::default() }
    }

    /// Counts one report.
    ///
    /// # Panics
    /// If the request names a mutant that is not hunted.
    pub fn add(&mut self, request: &SeedRequest, report: &SeedReport) {
        let Some(name) = request.mutant else {
            return self.control.add(request, report);
        };
        let entry = self.mutants.iter_mut().find(|(info, _)| info.name == name);
        entry.expect("a hunt only runs its own mutants").1.add(request, report);
    }

    /// Mutants that were tried and never caught.
    pub fn survivors(&self) -> Vec<&'static str> {
        let free = |(_, catch): &&(MutantInfo, Catch)| catch.tried > 0 && catch.caught == 0;
        self.mutants.iter().filter(free).map(|(info, _)| info.name).collect()
    }

    /// Mutants that were not tried once.
    pub fn untried(&self) -> Vec<&'static str> {
        let untried = |(_, catch): &&(MutantInfo, Catch)| catch.tried == 0;
        self.mutants.iter().filter(untried).map(|(info, _)| info.name).collect()
    }

    /// The exit status: 1 if a mutant survived, or the control rang or could not be decided;
    /// 2 if a mutant was not tried; else 0.
    pub fn status(&self) -> i32 {
        if !self.survivors().is_empty() || self.control.caught + self.control.undecided > 0 {
            1
        } else if !self.untried().is_empty() {
            2
        } else {
            0
        }
    }
}

/// The interval that contains the true probability of `hits` in `tries` with 95 % confidence
/// (Wilson 1927; unlike the textbook interval it is sound near 0 and 1). For printing only.
pub fn wilson_95(hits: u64, tries: u64) -> (f64, f64) {
    if tries == 0 {
        return (0.0, 1.0);
    }
    let z = 1.959_964;
    let n = tries as f64;
    let p = hits as f64 / n;
    let scale = 1.0 + z * z / n;
    let middle = (p + z * z / (2.0 * n)) / scale;
    let half = z / scale * libm::sqrt(p * (1.0 - p) / n + z * z / (4.0 * n * n));
    ((middle - half).max(0.0), (middle + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mutant(name: &'static str, stories: &[&'static str]) -> MutantInfo {
        MutantInfo { name, what: "", stories: stories.to_vec() }
    }

    #[test]
    fn every_mutant_gets_its_seeds_and_every_pair_one_clean_run() {
        let mutants = [mutant("m", &["a", "b"]), mutant("n", &["a"])];
        let hunt = Hunt::new(&mutants, 4, 1, Size::Small);
        let count = |name| hunt.requests.iter().filter(|it| it.mutant == name).count();
        assert_eq!((count(Some("m")), count(Some("n"))), (4, 4));
        // m takes a1 b1 a2 b2, n takes a1 a2 a3 a4: six different pairs.
        assert_eq!(count(None), 6);
        assert_eq!(hunt.request(hunt.len()), None);
    }

    #[test]
    fn the_interval_is_wilsons() {
        // Both from Agresti and Coull (1998), who give 0 of 20 and 5 of 10 as examples.
        let (low, high) = wilson_95(0, 20);
        assert!(low == 0.0 && (high - 0.1611).abs() < 1e-3, "{high}");
        let (low, high) = wilson_95(5, 10);
        assert!((low - 0.2366).abs() < 1e-3 && (high - 0.7634).abs() < 1e-3);
    }

    proptest! {
        #[test]
        fn the_interval_contains_the_share_and_stays_within_bounds(
            tries in 1u64..500, part in 0u64..500,
        ) {
            let hits = part.min(tries);
            let (low, high) = wilson_95(hits, tries);
            let share = hits as f64 / tries as f64;
            prop_assert!(0.0 <= low && low <= share + 1e-12);
            prop_assert!(share <= high + 1e-12 && high <= 1.0);
        }
    }
}
