//! How fast is an endpoint? Puts load on one server that speaks DynamoDB's protocol over HTTP, this
//! one or another, and measures what its clients wait for: puts and gets, CreateBackup and restore
//! by the size of the table, and puts while backups are taken against puts without.
//!
//! It judges no contents (the oracles do) and starts no server. It may use real time, threads and
//! sockets, and is the generator for servers that run on the same two cores: so it costs little,
//! and says how much.

mod backups;
mod clock;
mod closed_loop;
mod control;
mod http;
mod probe;
mod request;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub use backups::{Interference, Sized};
pub use closed_loop::Operation;
use control::{Control, Failure};
use hdrhistogram::Histogram;
pub use http::Endpoint;
pub use probe::{Place, fsyncs};
use serde::Serialize;

use closed_loop::{Load, Tally};

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Operations and numbers of connections.
    pub loads: Vec<(Operation, usize)>,
    /// How long each is measured.
    pub time: Duration,
    /// Items that the load reads and writes.
    pub keys: u64,
    /// An item's size, in bytes as DynamoDB counts them.
    pub item_bytes: u64,
    /// Sizes of the table at which it is backed up and restored, ascending; none if not at all.
    pub items: Vec<u64>,
    /// How long filling a table up to a size may take.
    pub fill: Duration,
    /// Pairs of intervals, with backups and without, that are compared.
    pub pairs: usize,
}

/// Latencies as they are reported, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Latencies {
    /// Half of the requests were answered sooner.
    pub p50_ns: u64,
    /// 99 of 100.
    pub p99_ns: u64,
    /// 999 of 1,000.
    pub p999_ns: u64,
    /// The slowest.
    pub max_ns: u64,
}

impl Latencies {
    /// The points of a histogram of nanoseconds.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Latencies {
        let at = |quantile| histogram.value_at_quantile(quantile);
        let (p50_ns, p99_ns, p999_ns) = (at(0.5), at(0.99), at(0.999));
        Latencies { p50_ns, p99_ns, p999_ns, max_ns: histogram.max() }
    }
}

/// What one load found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Speed {
    /// What the connections did.
    pub operation: &'static str,
    /// How many there were.
    pub connections: usize,
    /// How long it was measured.
    pub elapsed_ns: u64,
    /// Requests that succeeded.
    pub succeeded: u64,
    /// Requests that did not; they count for nothing else.
    pub failed: u64,
    /// What the first of those got to hear.
    pub first_failure: Option<String>,
    /// Of those that succeeded.
    #[serde(flatten)]
    pub latencies: Latencies,
    /// Connections made meanwhile: an endpoint that closes them makes its clients pay for that.
    pub connects: u64,
    /// Processor time of the generator itself.
    pub generator_cpu_ns: u64,
}

/// All that was measured of an endpoint.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// One for each load.
    pub speeds: Vec<Speed>,
    /// One for each size of the table.
    pub sizes: Vec<Sized>,
    /// Puts with backups against puts without.
    pub interference: Option<Interference>,
    /// What could not be measured, a line each.
    pub failures: Vec<String>,
}

impl Report {
    /// Whether everything that was asked for was measured and nothing was refused.
    #[must_use]
    pub fn clean(&self) -> bool {
        let none_failed = self.speeds.iter().all(|it| it.failed == 0 && it.succeeded > 0);
        let undisturbed = self.interference.as_ref().is_none_or(|it| it.failed == 0);
        self.failures.is_empty() && none_failed && undisturbed
    }
}

/// What a run needs besides its plan.
pub struct Run<'a> {
    /// Whom it is about.
    pub endpoint: &'a Endpoint,
    /// A name for the table of this run; others begin with it.
    pub table: &'a str,
    /// Set when the user wants to stop: what is measured until then is reported.
    pub stop: &'a AtomicBool,
    /// Hears what is done next.
    pub progress: &'a dyn Fn(&str),
}

impl<'a> Run<'a> {
    fn load(&self, plan: &Plan, operation: Operation, connections: usize) -> Load<'a> {
        let (keys, item_bytes) = (plan.keys, plan.item_bytes);
        let (endpoint, table) = (self.endpoint, self.table);
        Load { endpoint, table, operation, connections, keys, item_bytes }
    }

    fn stopped(&self) -> bool {
        self.stop.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// Measures an endpoint. Takes away every table and backup that it made, also when it is stopped.
///
/// # Errors
///
/// A line for the user if no table can be made and filled: then there is nothing to measure.
pub fn measure(run: &Run<'_>, plan: &Plan) -> Result<Report, String> {
    let mut control = Control::new(run.endpoint);
    (run.progress)("making a table");
    control.create_table(run.table).map_err(|it| it.what)?;
    let outcome = measure_table(run, plan, &mut control);
    let gone = control.delete_table(run.table);
    let mut report = outcome?;
    report.failures.extend(gone.err().map(|failure| left_behind(run.table, &failure)));
    Ok(report)
}

fn left_behind(what: &str, failure: &Failure) -> String {
    format!("{what} is left behind: {}", failure.what)
}

fn measure_table(run: &Run<'_>, plan: &Plan, control: &mut Control<'_>) -> Result<Report, String> {
    let load = run.load(plan, Operation::Put, 8);
    let deadline = clock::now() + plan.fill;
    let filled = closed_loop::fill(&load, 0, plan.keys, deadline, run.stop)?;
    if filled < plan.keys {
        return Err(format!("only {filled} of {} items could be put in time", plan.keys));
    }
    let mut report = Report::default();
    for (operation, connections) in &plan.loads {
        if !run.stopped() {
            (run.progress)(&format!("{} at {connections} connections", operation.name()));
            report.speeds.push(speed(run, plan, *operation, *connections));
        }
    }
    backups::by_size(run, plan, control, &mut report);
    Ok(report)
}

fn speed(run: &Run<'_>, plan: &Plan, operation: Operation, connections: usize) -> Speed {
    let load = run.load(plan, operation, connections);
    let ((), tallies) =
        closed_loop::run(&load, 1, run.stop, |director| director.phase(0, plan.time));
    let [tally]: [Tally; 1] = tallies.try_into().expect("one phase, one tally");
    Speed {
        operation: operation.name(),
        connections,
        elapsed_ns: tally.elapsed_ns,
        succeeded: tally.succeeded,
        failed: tally.failed,
        first_failure: tally.first_failure,
        latencies: Latencies::of(&tally.latencies),
        connects: tally.connects,
        generator_cpu_ns: tally.cpu_ns,
    }
}
