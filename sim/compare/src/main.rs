//! Compares the speed of this repository's engine with that of others, on one thread, by
//! processor time, in interleaved rounds. `README.md` has the command and what came out.

#[cfg(not(all(madsim, tokio_unstable)))]
compile_error!(
    "madsim simulates only under `--cfg madsim`. Build inside sim/compare, whose \
     .cargo/config.toml sets it, and without RUSTFLAGS in the environment, which override it."
);

#[cfg(madsim)]
mod bare;
#[cfg(madsim)]
mod engine;
#[cfg(madsim)]
mod memory;
#[cfg(madsim)]
mod on_madsim;
#[cfg(madsim)]
mod on_tokio;
#[cfg(madsim)]
mod on_turmoil;
#[cfg(madsim)]
mod ours;
#[cfg(madsim)]
mod table;
#[cfg(madsim)]
mod workload;

#[cfg(madsim)]
fn main() -> std::process::ExitCode {
    compare::main()
}

#[cfg(not(madsim))]
fn main() {}

#[cfg(madsim)]
mod compare {
    //! The rounds.

    use std::process::ExitCode;
    use std::time::Duration;

    use clap::Parser;

    use crate::engine::Engine;
    use crate::memory;
    use crate::table::{self, Row};
    use crate::workload::{Job, Workload};

    /// Compares this engine with madsim, turmoil, tokio and a bare event loop.
    #[derive(Parser)]
    struct Arguments {
        /// How many endpoints, for each line of the table.
        #[arg(long, value_delimiter = ',', default_values_t = [16, 30, 128, 1_000, 4_096])]
        endpoints: Vec<u32>,
        /// How many interleaved rounds; the median counts.
        #[arg(long, default_value_t = 5)]
        rounds: u32,
        /// Processor time of one engine in one round, in milliseconds.
        #[arg(long, default_value_t = 200)]
        budget_ms: u64,
        /// The most endpoints that turmoil is given: its cost is their cube.
        #[arg(long, default_value_t = 30)]
        turmoil_max: u32,
        /// Only this workload: ping, ring or idle.
        #[arg(long)]
        only: Option<String>,
        /// Only the engine whose name begins so, as for a profiler; ratios then lack.
        #[arg(long, default_value = "")]
        engine: String,
        /// Exit with 1 if a demand is missed.
        #[arg(long)]
        check: bool,
        /// Only measure the memory of so many endpoints in this process, and print it.
        #[arg(long, hide = true)]
        memory_of: Option<u32>,
    }

    /// How many units keep the engine busy for about `budget`.
    fn calibrate(engine: Engine, job: Job, budget: Duration) -> Job {
        let mut job = Job { units: 2_000, ..job };
        loop {
            let measured = engine.measure(job);
            if measured.cpu() * 3 >= budget {
                let units = measured.per_cpu_second() * budget.as_secs_f64();
                return Job { units: units as u64, ..job };
            }
            job.units *= 3;
        }
    }

    fn row(arguments: &Arguments, workload: Workload, endpoints: u32) -> Row {
        let budget = Duration::from_millis(arguments.budget_ms);
        let job = Job { workload, endpoints, units: 0 };
        let taking_part = Engine::ALL
            .into_iter()
            .filter(|it| it.takes(workload, endpoints, arguments.turmoil_max))
            .filter(|it| it.name().starts_with(&arguments.engine));
        let jobs: Vec<_> = taking_part.map(|it| (it, calibrate(it, job, budget))).collect();
        let mut rates: Vec<_> = jobs.iter().map(|it| (it.0, Vec::new())).collect();
        for _ in 0..arguments.rounds {
            for ((engine, job), (_, rounds)) in jobs.iter().zip(&mut rates) {
                rounds.push(engine.measure(*job).per_cpu_second());
            }
        }
        eprintln!("{} of {endpoints} measured", workload.name());
        Row { workload, endpoints, rates }
    }

    pub(crate) fn main() -> ExitCode {
        let arguments = Arguments::parse();
        if let Some(endpoints) = arguments.memory_of {
            memory::child(endpoints);
            return ExitCode::SUCCESS;
        }
        let wanted = |it: &Workload| arguments.only.as_deref().is_none_or(|only| only == it.name());
        let mut rows = Vec::new();
        for workload in Workload::ALL.into_iter().filter(wanted) {
            let sizes = arguments.endpoints.iter();
            rows.extend(sizes.map(|&endpoints| row(&arguments, workload, endpoints)));
        }
        let mut bars: Vec<_> = rows.iter().flat_map(table::bars_of).collect();
        if arguments.engine.is_empty() {
            bars.extend(table::bars_of_memory(4_096, memory::measure(4_096)));
        }
        println!("{}\n\n{}", table::rates(&rows), table::verdicts(&bars));
        let missed = bars.iter().any(|it| !it.met());
        ExitCode::from(u8::from(arguments.check && missed))
    }
}
