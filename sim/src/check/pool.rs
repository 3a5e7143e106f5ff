//! Seeds on all cores; the smallest that fails is the same on any number of them.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::property::Coverage;
use crate::world::World;

/// What became of a number of seeds.
pub(super) struct Outcome {
    /// The smallest seed that failed, and why.
    pub(super) failed: Option<(u64, String)>,
    /// What all seeds saw together, if none failed.
    pub(super) coverage: Coverage,
}

/// Runs the seeds `0..seeds` until one fails and none below it is left.
pub(super) fn run_seeds(
    seeds: u64,
    run: &(dyn Fn(u64) -> (Option<String>, World) + Sync),
) -> Outcome {
    let (next, failed_min) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
    let sum = Mutex::new(Outcome { failed: None, coverage: Coverage::default() });
    let work = || {
        let mut coverage = Coverage::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds || seed > failed_min.load(Ordering::Relaxed) {
                break;
            }
            let (failure, world) = run(seed);
            coverage.add(&world);
            if let Some(failure) = failure
                && failed_min.fetch_min(seed, Ordering::Relaxed) > seed
            {
                let mut sum = sum.lock().expect("nobody panics while holding it");
                if sum.failed.as_ref().is_none_or(|(first, _)| seed < *first) {
                    sum.failed = Some((seed, failure));
                }
            }
        }
        sum.lock().expect("nobody panics while holding it").coverage.merge(coverage);
    };
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        (0..workers).for_each(|_| drop(scope.spawn(work)));
    });
    sum.into_inner().expect("nobody panics while holding it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::Tape;

    #[test]
    fn the_smallest_failing_seed_is_found() {
        let run = |seed| {
            let failure = (seed % 7 == 6).then(|| format!("{seed} fails"));
            (failure, World::new(Tape::new(seed)))
        };
        for _ in 0..20 {
            assert_eq!(run_seeds(100, &run).failed, Some((6, "6 fails".to_string())));
        }
        let clean = run_seeds(6, &run);
        assert_eq!((clean.failed, clean.coverage.worlds()), (None, 6));
    }
}
