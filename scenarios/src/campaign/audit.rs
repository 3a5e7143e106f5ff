//! The determinism audit: does a seed give the same hash the second time, after other seeds,
//! on other threads, in another process, and from another build?
//!
//! A seed that does not repeat itself cannot be replayed, so this is asked before anything else.
//! Which event it was is `parting.rs`'s business.

use std::collections::BTreeMap;

use crate::campaign::plan::Plan;
use crate::campaign::pool::{Done, Ending, Limits, run_all};
use crate::report::{Runner, SeedRequest};

/// Hashes by place in the plan.
pub type Hashes = BTreeMap<u64, u64>;

/// Runs the plan and returns its hashes, or why it was not carried out.
pub fn hashes(
    runner: &dyn Runner,
    plan: &Plan,
    limits: &Limits<'_>,
    progress: &mut dyn FnMut(),
) -> Result<Hashes, Ending> {
    let mut hashes = Hashes::new();
    let mut each = |done: Done| {
        hashes.insert(done.index, done.report.hash);
        progress();
    };
    match run_all(runner, &|index| plan.request(index), limits, &mut each) {
        Ending::Finished => Ok(hashes),
        ending => Err(ending),
    }
}

/// A seed that did not repeat itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The run in question.
    pub request: SeedRequest,
    /// Its hash the first time; `None` if it was not run.
    pub first: Option<u64>,
    /// Its hash the second time; `None` if it was not run.
    pub second: Option<u64>,
}

/// The first run of the plan whose hashes differ.
pub fn first_difference(plan: &Plan, first: &Hashes, second: &Hashes) -> Option<Difference> {
    let differing = |index: &u64| first.get(index) != second.get(index);
    let index = first.keys().chain(second.keys()).copied().filter(differing).min()?;
    let request = plan.request(index)?;
    let (first, second) = (first.get(&index).copied(), second.get(&index).copied());
    Some(Difference { request, first, second })
}

/// Writes hashes as the child process prints them: `index hash` in hexadecimal, one a line.
pub fn to_lines(hashes: &Hashes) -> String {
    hashes.iter().map(|(index, hash)| format!("{index:x} {hash:016x}\n")).collect()
}

/// Reads what [`to_lines`] wrote; `None` if a line is something else.
pub fn from_lines(text: &str) -> Option<Hashes> {
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    text.lines()
        .map(|line| {
            let (index, hash) = line.split_once(' ')?;
            Some((number(index)?, number(hash)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Size;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lines_bring_back_what_was_written(
            hashes in prop::collection::btree_map(any::<u64>(), any::<u64>(), 0..20),
        ) {
            prop_assert_eq!(from_lines(&to_lines(&hashes)), Some(hashes));
        }
    }

    #[test]
    fn the_first_difference_is_the_earliest_of_the_plan_and_sees_missing_runs() {
        let stories = vec!["a", "b"];
        let plan = Plan { stories, first_seed: 1, runs: Some(4), size: Size::Small };
        let first = Hashes::from([(0, 10), (1, 11), (2, 12), (3, 13)]);
        assert_eq!(first_difference(&plan, &first, &first), None);
        let mut second = first.clone();
        second.insert(3, 99);
        second.remove(&2);
        let found = first_difference(&plan, &first, &second).expect("two runs differ");
        assert_eq!((found.request.story, found.request.seed), ("a", 2));
        assert_eq!((found.first, found.second), (Some(12), None));
        assert_eq!(from_lines("not a hash"), None);
    }
}
