//! `stillpoint twin`: the same load with backups, without, and without archiving.
//!
//! Exit status: 0 every bound was kept, 1 one was not, 2 the arms acknowledged too little to
//! judge by.

use std::fmt::Write as _;

use serde_json::json;
use stillpoint_reference::mutants::NoMutants;

use crate::campaign::pool::share_out;
use crate::command::args::{TwinArgs, TwinFormat};
use crate::command::figures::{count, duration};
use crate::command::table::Table;
use crate::command::{COULD_NOT_RUN, Host, Refusal};
use crate::interference::{
    ACKNOWLEDGED_MIN, ARMS, Arm, Arms, Capacity, Comparison, Judgement, Setup, find_capacity,
    judge, run,
};

const RATIO_HEADERS: [&str; 7] =
    ["operation", "quantile", "with", "without", "ratio", "95 % interval", "bound"];

const ARM_HEADERS: [&str; 9] = [
    "arm",
    "acknow-\nledged",
    "refused",
    "errors",
    "ops/s",
    "CPU\nbusy",
    "cuts",
    "attempts\nper cut",
    "hold\nmax",
];

/// Runs the arms of every seed and judges them.
pub(super) fn twin(args: &TwinArgs, host: &mut Host<'_>) -> Result<i32, Refusal> {
    let setup = Setup::standard();
    let capacity = find_capacity(&setup);
    let seeds = arms_of_seeds(&setup, &capacity, args, host)?;
    let judgement = judge(&seeds);
    let report = match args.format {
        TwinFormat::Table => text(&setup, &capacity, &seeds, &judgement),
        TwinFormat::Json => json_lines(&capacity, &seeds, &judgement),
    };
    host.out.write_all(report.as_bytes())?;
    Ok(match (judgement.conclusive(), judgement.kept()) {
        (false, _) => COULD_NOT_RUN,
        (true, kept) => i32::from(!kept),
    })
}

fn arms_of_seeds(
    setup: &Setup,
    capacity: &Capacity,
    args: &TwinArgs,
    host: &Host<'_>,
) -> Result<Vec<Arms>, Refusal> {
    let operations = setup.operations(capacity.load_per_s());
    let worlds = args.seeds as usize * ARMS.len();
    let work = |index: usize| {
        let (seed, arm) = (args.first_seed + (index / ARMS.len()) as u64, ARMS[index % ARMS.len()]);
        run(setup, seed, arm, operations, &NoMutants)
    };
    let reports = share_out(&host.limits(args.jobs, None), worlds, &work);
    let reports: Option<Vec<_>> = reports.into_iter().collect();
    let reports = reports.ok_or_else(|| Refusal("not every world was run to its end".into()))?;
    let mut seeds = vec![Arms::new(); args.seeds as usize];
    for (index, report) in reports.into_iter().enumerate() {
        seeds[index / ARMS.len()].insert(ARMS[index % ARMS.len()], report);
    }
    Ok(seeds)
}

// For people.

fn text(setup: &Setup, capacity: &Capacity, seeds: &[Arms], judgement: &Judgement) -> String {
    let mut text = setting(setup, capacity);
    let mut arms = Table::new(&ARM_HEADERS, &[0], &[]);
    ARMS.into_iter().for_each(|arm| arms.row(arm_row(seeds, arm)));
    let _ = writeln!(text, "{}", arms.draw());
    let _ = writeln!(text, "with backups, compared to without:");
    let _ = writeln!(text, "{}", ratios(&judgement.backups));
    let _ = writeln!(text, "with archiving (no backups), compared to without:");
    let _ = writeln!(text, "{}", ratios(&judgement.archive));
    for bound in &judgement.others {
        let _ = writeln!(text, "{}: {}", verdict(bound.kept), bound.what);
    }
    text + &conclusion(judgement)
}

fn setting(setup: &Setup, capacity: &Capacity) -> String {
    let mut text = format!(
        "{} nodes, {} partitions x 3, {} keys of {} bytes, 1/{} of a core per node\n",
        setup.nodes, setup.partitions, setup.keys, setup.body_bytes, setup.slowdown
    );
    for it in &capacity.probes {
        let (rate, p99) = (count(it.rate_per_s), duration(it.p99_ns));
        let word = if it.sustained { "sustained" } else { "too much" };
        let _ = writeln!(text, "  {rate} operations/s: p99 {p99}, {word}");
    }
    let (rate, load) = (count(capacity.rate_per_s), count(capacity.load_per_s()));
    let _ = writeln!(text, "capacity {rate} operations/s; load {load} operations/s\n");
    text
}

fn arm_row(seeds: &[Arms], arm: Arm) -> [String; 9] {
    let reports = || seeds.iter().map(|it| &it[&arm]);
    let sum = |value: fn(&crate::interference::ArmReport) -> u64| reports().map(value).sum::<u64>();
    let mean = |value| sum(value) / (seeds.len() as u64).max(1);
    let (sealed, retries) = (sum(|it| it.cuts.sealed), sum(|it| it.cuts.retries));
    let attempts = match sealed {
        0 => "-".to_string(),
        _ => format!("{:.2}", (sealed + retries) as f64 / sealed as f64),
    };
    let hold_ns = reports().flat_map(|it| &it.cuts.holds_ns).max().copied().unwrap_or(0);
    [
        arm.name().to_string(),
        count(sum(|it| it.acknowledged)),
        count(sum(|it| it.refused)),
        count(sum(|it| it.errors)),
        count(mean(|it| it.throughput_per_s)),
        format!("{}%", mean(|it| it.busy_per_mille) / 10),
        count(sealed),
        attempts,
        duration(hold_ns),
    ]
}

fn ratios(comparisons: &[Comparison]) -> String {
    let mut table = Table::new(&RATIO_HEADERS, &[0, 1, 6], &[]);
    for it in comparisons {
        let (mean, low, high) = it.ratio;
        table.row([
            it.operation.name().to_string(),
            it.quantile.name().to_string(),
            duration(it.first_ns as u64),
            duration(it.second_ns as u64),
            format!("{mean:.4}"),
            format!("{low:.4} to {high:.4}"),
            it.bound.map_or("-".to_string(), |bound| {
                format!("{:.1}% {}", bound * 100.0, verdict(it.kept()))
            }),
        ]);
    }
    table.draw()
}

fn verdict(kept: bool) -> &'static str {
    if kept { "kept" } else { "NOT KEPT" }
}

fn conclusion(judgement: &Judgement) -> String {
    let fewest = count(judgement.acknowledged_min);
    match (judgement.conclusive(), judgement.kept()) {
        (false, _) => format!(
            "\nnot judged: {} seeds, {fewest} operations acknowledged; at least 2 and {} needed\n",
            judgement.seeds,
            count(ACKNOWLEDGED_MIN)
        ),
        (true, true) => format!(
            "\n{} seeds, at least {fewest} operations acknowledged in each arm: every bound kept\n",
            judgement.seeds
        ),
        (true, false) => "\na backup was felt: not every bound was kept\n".to_string(),
    }
}

// For programs.

fn json_lines(capacity: &Capacity, seeds: &[Arms], judgement: &Judgement) -> String {
    let mut lines = vec![json!({
        "capacity_per_s": capacity.rate_per_s,
        "load_per_s": capacity.load_per_s(),
        "seeds": judgement.seeds,
        "acknowledged_min": judgement.acknowledged_min,
        "conclusive": judgement.conclusive(),
        "kept": judgement.kept(),
    })];
    for (arm, report) in seeds.iter().flatten() {
        lines.push(json!({
            "arm": arm.name(),
            "acknowledged": report.acknowledged,
            "errors": report.errors,
            "throughput_per_s": report.throughput_per_s,
            "cuts": report.cuts.sealed,
            "retries": report.cuts.retries,
            "hold_ns_max": report.cuts.holds_ns.iter().max(),
            "hash": format!("{:016x}", report.hash),
        }));
    }
    let named = [("backups", &judgement.backups), ("archive", &judgement.archive)];
    for (what, it) in named.into_iter().flat_map(|(what, all)| all.iter().map(move |it| (what, it)))
    {
        let (mean, low, high) = it.ratio;
        lines.push(json!({
            "compared": what,
            "operation": it.operation.name(),
            "quantile": it.quantile.name(),
            "with_ns": it.first_ns,
            "without_ns": it.second_ns,
            "ratio": [mean, low, high],
            "bound": it.bound,
            "kept": it.kept(),
        }));
    }
    lines.iter().map(|it| format!("{it}\n")).collect()
}
