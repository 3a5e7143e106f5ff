//! The measured rates, what is demanded of them, and both as tables.

use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Modify, Style};

use crate::engine::Engine;
use crate::memory::Memory;
use crate::workload::Workload;

/// All rounds of all engines for one workload and size.
pub struct Row {
    /// What was done.
    pub workload: Workload,
    /// By how many.
    pub endpoints: u32,
    /// For each engine that took part its rate in each round, in units per processor second.
    pub rates: Vec<(Engine, Vec<f64>)>,
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

impl Row {
    fn rounds(&self, engine: Engine) -> Option<&Vec<f64>> {
        self.rates.iter().find(|it| it.0 == engine).map(|it| &it.1)
    }

    /// The median rate of an engine, if it took part.
    fn rate(&self, engine: Engine) -> Option<f64> {
        self.rounds(engine).cloned().map(median)
    }

    /// How much faster ours is: the median of the rounds' ratios.
    fn ratio(&self, engine: Engine) -> Option<f64> {
        let pairs = self.rounds(Engine::Ours)?.iter().zip(self.rounds(engine)?);
        Some(median(pairs.map(|(ours, other)| ours / other).collect()))
    }

    /// Against whichever of madsim's two ways is the faster.
    fn ratio_to_madsim(&self) -> Option<f64> {
        let ways = [Engine::MadsimDatagram, Engine::MadsimCall];
        ways.into_iter().filter_map(|it| self.ratio(it)).min_by(f64::total_cmp)
    }
}

/// A demand and what was measured.
pub struct Bar {
    what: String,
    unit: &'static str,
    at_least: bool,
    bound: f64,
    measured: f64,
}

impl Bar {
    /// Whether the demand is met.
    pub fn met(&self) -> bool {
        if self.at_least { self.measured >= self.bound } else { self.measured <= self.bound }
    }

    fn cells(&self) -> [String; 4] {
        let side = if self.at_least { ">=" } else { "<=" };
        let bound = format!("{side} {}{}", self.bound, self.unit);
        let verdict = if self.met() { "met" } else { "MISSED" };
        [self.what.clone(), bound, format!("{:.2}{}", self.measured, self.unit), verdict.into()]
    }
}

/// The demands on one row.
pub fn bars_of(row: &Row) -> Vec<Bar> {
    let mut bars = Vec::new();
    let mut at_least = |what: &str, unit, bound, measured: Option<f64>| {
        let what = format!("{} of {} {what}", row.workload.name(), row.endpoints);
        bars.extend(measured.map(|measured| Bar { what, unit, at_least: true, bound, measured }));
    };
    let busy = row.workload != Workload::Idle;
    if busy && [16, 128, 1_000].contains(&row.endpoints) {
        at_least("against madsim", " x", 5.0, row.ratio_to_madsim());
    }
    if busy && row.endpoints == 30 {
        at_least("against turmoil", " x", 10.0, row.ratio(Engine::Turmoil));
    }
    if busy && row.endpoints == 16 {
        at_least("against a bare loop", " x", 0.1, row.ratio(Engine::Bare));
    }
    if busy && row.endpoints == 4_096 {
        let millions = row.rate(Engine::Ours).map(|it| it / 1e6);
        at_least("per processor second", " M", 1.0, millions);
    }
    if !busy && row.endpoints == 1_000 {
        at_least("against madsim", " x", 2.5, row.ratio_to_madsim());
    }
    bars
}

/// The demands on memory: 16 MiB for 4,096 endpoints, and no growth over time.
pub fn bars_of_memory(endpoints: u32, memory: Memory) -> Vec<Bar> {
    let mib = |kib: u64| kib as f64 / 1024.0;
    let bar = |what: &str, bound, measured| {
        let what = format!("memory of {endpoints} endpoints, {what}");
        Bar { what, unit: " MiB", at_least: false, bound, measured }
    };
    let growth_kib = memory.peak_kib - memory.middle_kib;
    vec![
        bar("after a third of the run", 16.0, mib(memory.first_kib)),
        bar("at most", 16.0, mib(memory.peak_kib)),
        bar("growth in the last third", 0.25, mib(growth_kib)),
    ]
}

fn rate_cell(rate: Option<f64>) -> String {
    rate.map_or("-".into(), |it| format!("{:.3} M", it / 1e6))
}

/// The rates, in millions of messages or wakes per second of processor time, each with the
/// factor by which ours is faster.
pub fn rates(rows: &[Row]) -> String {
    let mut table = Builder::default();
    let head = ["workload".into(), "endpoints".into()];
    table.push_record(head.into_iter().chain(Engine::ALL.map(|it| it.name().to_string())));
    for row in rows {
        let cell = |engine| match row.ratio(engine) {
            Some(ratio) if engine != Engine::Ours => {
                format!("{} ({ratio:.2} x)", rate_cell(row.rate(engine)))
            }
            _ => rate_cell(row.rate(engine)),
        };
        let head = [row.workload.name().to_string(), row.endpoints.to_string()];
        table.push_record(head.into_iter().chain(Engine::ALL.map(cell)));
    }
    let mut table = table.build();
    table.with(Style::psql());
    table.with(Modify::new(Columns::new(1..)).with(Alignment::right()));
    table.to_string()
}

/// The demands.
pub fn verdicts(bars: &[Bar]) -> String {
    let mut table = Builder::default();
    table.push_record(["demand", "bound", "measured", ""]);
    bars.iter().for_each(|it| table.push_record(it.cells()));
    let mut table = table.build();
    table.with(Style::psql());
    table.with(Modify::new(Columns::new(1..3)).with(Alignment::right()));
    table.to_string()
}
