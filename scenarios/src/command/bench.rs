//! `stillpoint bench`: what a seed costs. Prints figures and judges none of them.

use std::sync::atomic::Ordering;

use crate::campaign::panics;
use crate::campaign::plan::Plan;
use crate::command::args::BenchArgs;
use crate::command::figures::{count, duration, per_second};
use crate::command::run::crashed;
use crate::command::table::Table;
use crate::command::{Host, Refusal, stories_named};
use crate::report::{Runner, Size};

const HEADERS: [&str; 8] =
    ["size", "seeds", "nodes", "partitions", "median", "p90", "slowest", "seeds/s/core"];

/// What was measured of one size.
#[derive(Default)]
struct Measured {
    /// Time of each seed, in nanoseconds.
    times_ns: Vec<u64>,
    nodes_max: u32,
    partitions_max: u32,
}

/// Measures both sizes on one thread.
pub(super) fn bench(
    runner: &dyn Runner,
    args: &BenchArgs,
    host: &mut Host<'_>,
) -> Result<i32, Refusal> {
    let stories: Vec<_> = stories_named(runner, &args.scenario)?.iter().map(|it| it.name).collect();
    let bar = host.bar(2 * args.seeds);
    let mut table = Table::new(&HEADERS, &[0], &[]);
    for size in [Size::Small, Size::Standard] {
        let runs = Some(args.seeds);
        let plan = Plan { stories: stories.clone(), first_seed: 1, runs, size };
        let measured = measure(runner, &plan, host, &mut || bar.inc(1))?;
        table.row(row(size, measured));
    }
    bar.finish_and_clear();
    writeln!(host.out, "{}", table.draw())?;
    match (host.cpu_ns)() {
        Some(_) => {
            writeln!(host.out, "processor time of one thread (/proc/thread-self/schedstat)")?
        }
        None => writeln!(host.out, "elapsed time: this machine does not tell a thread's own")?,
    }
    Ok(0)
}

fn measure(
    runner: &dyn Runner,
    plan: &Plan,
    host: &Host<'_>,
    progress: &mut dyn FnMut(),
) -> Result<Measured, Refusal> {
    let time_ns = || (host.cpu_ns)().unwrap_or_else(|| (host.now_ns)());
    let mut measured = Measured::default();
    for request in (0..).map_while(|index| plan.request(index)) {
        if host.interrupted.load(Ordering::Relaxed) {
            return Err(Refusal("interrupted before every seed had run".to_string()));
        }
        let begun_ns = time_ns();
        let report = panics::catch(|| runner.run(&request))
            .map_err(|message| Refusal(crashed(&request, &message)))?;
        measured.times_ns.push(time_ns().saturating_sub(begun_ns));
        measured.nodes_max = measured.nodes_max.max(report.nodes);
        measured.partitions_max = measured.partitions_max.max(report.partitions);
        progress();
    }
    measured.times_ns.sort_unstable();
    Ok(measured)
}

fn row(size: Size, measured: Measured) -> [String; 8] {
    let Measured { times_ns, nodes_max, partitions_max } = measured;
    let seeds = times_ns.len() as u64;
    [
        size.name().to_string(),
        count(seeds),
        count(u64::from(nodes_max)),
        count(u64::from(partitions_max)),
        duration(percentile(&times_ns, 50)),
        duration(percentile(&times_ns, 90)),
        duration(percentile(&times_ns, 100)),
        per_second(seeds, times_ns.iter().sum()),
    ]
}

/// The smallest value that at least `percent` of the sorted values do not exceed; 0 of none.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let sorted: Vec<u64> = (1..=10).collect();
        assert_eq!([50, 90, 100].map(|percent| percentile(&sorted, percent)), [5, 9, 10]);
        assert_eq!(percentile(&[7], 50), 7);
        assert_eq!(percentile(&[], 50), 0);
    }
}
