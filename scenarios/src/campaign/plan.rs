//! Which run comes at which place of a campaign: round robin over the stories, so that a
//! campaign that is cut short has seen all of them about equally often.

use crate::report::{SeedRequest, Size};

/// An endless or bounded sequence of runs, addressed by index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Names of the stories; never empty.
    pub stories: Vec<&'static str>,
    /// The first seed of each story.
    pub first_seed: u64,
    /// How many runs in all; `None` goes on until somebody stops asking.
    pub runs: Option<u64>,
    /// The size of every run.
    pub size: Size,
}

impl Plan {
    /// The run at `index`, or `None` past the end (also past the last seed there is).
    pub fn request(&self, index: u64) -> Option<SeedRequest> {
        if self.runs.is_some_and(|runs| index >= runs) {
            return None;
        }
        let stories = self.stories.len() as u64;
        let story = self.stories[(index % stories) as usize];
        let seed = self.first_seed.checked_add(index / stories)?;
        Some(SeedRequest { size: self.size, ..SeedRequest::new(story, seed) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// Every prefix is balanced: no story is more than one seed ahead of another.
        #[test]
        fn stories_take_turns(prefix in 1u64..200, first_seed in 0u64..1000) {
            let plan = Plan {
                stories: vec!["a", "b", "c"], first_seed, runs: None, size: Size::Small,
            };
            let mut next: BTreeMap<&str, u64> =
                plan.stories.iter().map(|story| (*story, first_seed)).collect();
            for index in 0..prefix {
                let request = plan.request(index).expect("the plan has no end");
                let expected = next.get_mut(request.story).expect("a story of the plan");
                prop_assert_eq!(request.seed, *expected);
                *expected += 1;
            }
            let (low, high) = (next.values().min(), next.values().max());
            prop_assert!(high.copied() <= low.map(|low| low + 1));
        }
    }

    #[test]
    fn the_plan_ends_after_its_runs_and_at_the_last_number() {
        let stories = vec!["a", "b"];
        let mut plan = Plan { stories, first_seed: 9, runs: Some(3), size: Size::Small };
        assert!(plan.request(2).is_some());
        assert_eq!(plan.request(3), None);
        plan.first_seed = u64::MAX;
        assert!(plan.request(1).is_some());
        assert_eq!(plan.request(2), None);
    }
}
