//! Crashes a restore at each of its steps, once each, and says how many there were.
//!
//! `cargo run --release -p stillpoint-scenarios --example restore_steps -- 1 2 3` does so for the
//! seeds 1, 2 and 3; without arguments for seed 1.

use std::collections::BTreeMap;
use std::process::ExitCode;
use stillpoint_scenarios::report::Verdict;
use stillpoint_scenarios::stories::restore_crashes_at_each_step::sweep;

fn main() -> ExitCode {
    let mut seeds: Vec<u64> = std::env::args().skip(1).filter_map(|it| it.parse().ok()).collect();
    if seeds.is_empty() {
        seeds.push(1);
    }
    let mut all_exact = true;
    for seed in seeds {
        let (mut kinds, mut steps, mut crashes, mut exact) = (BTreeMap::new(), 0, 0, 0);
        for (step, report) in sweep(seed) {
            *kinds.entry(step).or_insert(0) += 1;
            steps += 1;
            crashes += report.faults.get("crash").copied().unwrap_or(0);
            match report.verdict {
                Verdict::Green => exact += 1,
                other => println!("seed {seed}, crashing at step {steps}, {step}: {other:?}"),
            }
        }
        let verdict =
            if exact == steps { "all exact".to_owned() } else { format!("{exact} exact") };
        println!("seed {seed}: {steps} steps, {crashes} crashes, {verdict}");
        kinds.iter().for_each(|(step, count)| println!("  {step:20} {count}"));
        all_exact &= exact == steps && crashes == steps;
    }
    if all_exact { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
