//! The load itself: each connection sends a request, waits for its answer, and sends the next.
//!
//! A thread for each connection, blocking: two system calls a request and nothing between them but
//! a few digits to write. A run has *phases*; a director, on the calling thread, says when the
//! next one begins. Phase 0 is never counted: connections warm up in it, and one phase is kept
//! from running into another.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::clock;
use super::http::{Answer, Client, Endpoint};
use super::request::{Kind, Template};

/// The phase that is not counted.
const UNCOUNTED: usize = 0;

/// The phase in which everybody leaves.
const OVER: usize = usize::MAX;

/// Connections walk over the keys in steps of this prime, so that neighbours in time are not
/// neighbours in the table.
const KEY_STRIDE: u64 = 7_919;

/// After a failure a connection waits so long, so that an endpoint that is gone is not stormed.
const FAILURE_PAUSE: Duration = Duration::from_millis(10);

/// How long connections warm up before they are counted.
const WARM_UP: Duration = Duration::from_millis(500);

/// What connections do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// PutItem, without a condition.
    Put,
    /// GetItem, strongly consistent.
    Get,
    /// One after the other.
    Mixed,
}

impl Operation {
    /// What it is called in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::Mixed => "mixed",
        }
    }

    fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Put => &[Kind::Put],
            Self::Get => &[Kind::Get],
            Self::Mixed => &[Kind::Put, Kind::Get],
        }
    }
}

/// A load on one table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) table: &'a str,
    pub(super) operation: Operation,
    pub(super) connections: usize,
    /// Items that are read and written: those of the numbers from 0 to here.
    pub(super) keys: u64,
    pub(super) item_bytes: u64,
}

/// What was counted in a phase, over all connections.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    /// How long the phase lasted.
    pub(super) elapsed_ns: u64,
    /// Latencies of the requests that began in this phase and succeeded, in nanoseconds.
    pub(super) latencies: Histogram<u64>,
    /// Requests whose answer came in this phase and was a success.
    pub(super) succeeded: u64,
    /// Requests that began in this phase and failed: refused, wrongly answered, not answered.
    pub(super) failed: u64,
    /// What the first of them got to hear.
    pub(super) first_failure: Option<String>,
    /// How often a connection was made.
    pub(super) connects: u64,
    /// Processor time of the generator's own threads, in nanoseconds.
    pub(super) cpu_ns: u64,
}

impl Tally {
    pub(super) fn new() -> Tally {
        let latencies = Histogram::new(3).expect("three digits are possible");
        Tally {
            elapsed_ns: 0,
            latencies,
            succeeded: 0,
            failed: 0,
            first_failure: None,
            connects: 0,
            cpu_ns: 0,
        }
    }

    pub(super) fn add(&mut self, other: &Tally) {
        self.elapsed_ns += other.elapsed_ns;
        self.latencies.add(&other.latencies).expect("a histogram grows as needed");
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.connects += other.connects;
        self.cpu_ns += other.cpu_ns;
        if self.first_failure.is_none() {
            self.first_failure.clone_from(&other.first_failure);
        }
    }
}

/// Says which phase it is; dropped, it ends the run, also if its owner panics.
pub(super) struct Director<'a> {
    phase: &'a AtomicUsize,
    stop: &'a AtomicBool,
    /// The phase under way and when it began.
    current: Cell<Option<(usize, Instant)>>,
    /// How long each phase lasted, in nanoseconds.
    elapsed_ns: RefCell<Vec<u64>>,
}

impl<'a> Director<'a> {
    fn new(phase: &'a AtomicUsize, stop: &'a AtomicBool, phases: usize) -> Director<'a> {
        let elapsed_ns = RefCell::new(vec![0; phases]);
        Director { phase, stop, current: Cell::new(None), elapsed_ns }
    }

    /// From now on this phase is counted, for so long or until the user wants to stop.
    pub(super) fn phase(&self, number: usize, time: Duration) {
        let begun = self.begin(number);
        self.wait_until(begun + time);
        self.pause();
    }

    /// From now on this phase is counted. Returns when that was.
    pub(super) fn begin(&self, number: usize) -> Instant {
        let begun = clock::now();
        self.current.set(Some((number, begun)));
        self.phase.store(number + 1, Ordering::Relaxed);
        begun
    }

    /// From now on nothing is counted.
    pub(super) fn pause(&self) {
        self.phase.store(UNCOUNTED, Ordering::Relaxed);
        if let Some((number, begun)) = self.current.take() {
            self.elapsed_ns.borrow_mut()[number] += clock::ns_since(begun);
        }
    }

    /// Waits until then, or until the user wants to stop.
    pub(super) fn wait_until(&self, instant: Instant) {
        while !self.stopped() && clock::now() < instant {
            let left = instant.saturating_duration_since(clock::now());
            clock::sleep(left.min(Duration::from_millis(50)));
        }
    }

    /// Whether the user wants to stop.
    pub(super) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl Drop for Director<'_> {
    fn drop(&mut self) {
        self.phase.store(OVER, Ordering::Relaxed);
    }
}

/// Puts the load on the endpoint while `direct` goes through the phases 0 to `phases` - 1. Returns
/// what it returned, and what was counted in each phase.
pub(super) fn run<T>(
    load: &Load<'_>,
    phases: usize,
    stop: &AtomicBool,
    direct: impl FnOnce(&Director<'_>) -> T,
) -> (T, Vec<Tally>) {
    let phase = AtomicUsize::new(UNCOUNTED);
    let work = &|number| Connection::new(load, number, phases).work(&phase, stop);
    std::thread::scope(|scope| {
        let director = Director::new(&phase, stop, phases);
        let threads: Vec<_> =
            (0..load.connections).map(|number| scope.spawn(move || work(number))).collect();
        director.wait_until(clock::now() + WARM_UP);
        let outcome = direct(&director);
        let mut total = vec![Tally::new(); phases];
        for (total, elapsed_ns) in total.iter_mut().zip(director.elapsed_ns.take()) {
            total.elapsed_ns = elapsed_ns;
        }
        drop(director);
        for thread in threads {
            let tallies = thread.join().expect("a connection's thread does not panic");
            total.iter_mut().zip(&tallies).for_each(|(total, tally)| total.add(tally));
        }
        (outcome, total)
    })
}

/// One connection and what it has counted.
struct Connection<'a> {
    client: Client<'a>,
    requests: Vec<(Kind, Template)>,
    load: &'a Load<'a>,
    number: u64,
    tallies: Vec<Tally>,
}

impl<'a> Connection<'a> {
    fn new(load: &'a Load<'a>, number: usize, phases: usize) -> Connection<'a> {
        let template = |kind| Template::new(load.endpoint, load.table, kind, load.item_bytes);
        let requests = load.operation.kinds().iter().map(|kind| (*kind, template(*kind)));
        Connection {
            client: Client::new(load.endpoint),
            requests: requests.collect(),
            load,
            number: number as u64,
            tallies: vec![Tally::new(); phases],
        }
    }

    fn work(mut self, phase: &AtomicUsize, stop: &AtomicBool) -> Vec<Tally> {
        let current = || phase.load(Ordering::Relaxed);
        let (mut phase, mut cpu_ns, mut connects) = (current(), clock::thread_cpu_ns(), 0);
        for turn in 0.. {
            if phase == OVER || stop.load(Ordering::Relaxed) {
                break;
            }
            let succeeded = self.one_call(turn, phase);
            let next = current();
            if let Some(tally) = self.tally(next).filter(|_| succeeded) {
                tally.succeeded += 1;
            }
            if next != phase {
                let (before_ns, connected) = (cpu_ns, connects);
                (cpu_ns, connects) = (clock::thread_cpu_ns(), self.client.connects);
                if let Some(tally) = self.tally(phase) {
                    tally.cpu_ns += cpu_ns - before_ns;
                    tally.connects += connects - connected;
                }
                phase = next;
            }
        }
        self.tallies
    }

    fn tally(&mut self, phase: usize) -> Option<&mut Tally> {
        // Phase 0 is not counted, hence the shift by one; the last one has no place either.
        phase.checked_sub(1).and_then(|place| self.tallies.get_mut(place))
    }

    fn one_call(&mut self, turn: u64, phase: usize) -> bool {
        let place = (turn % self.requests.len() as u64) as usize;
        let (kind, template) = &mut self.requests[place];
        let start = self.number * self.load.keys / self.load.connections as u64;
        let key = turn.wrapping_mul(KEY_STRIDE).wrapping_add(start) % self.load.keys;
        let version = turn * self.load.connections as u64 + self.number;
        let request = template.fill(key, version);
        let begun = clock::now();
        let outcome = match self.client.call(request) {
            Ok(answer) => judge(*kind, &answer, self.load.item_bytes),
            Err(error) => Err(error.to_string()),
        };
        let latency_ns = clock::ns_since(begun);
        let succeeded = outcome.is_ok();
        if let Some(tally) = self.tally(phase) {
            match outcome {
                Ok(()) => tally.latencies.record(latency_ns).expect("a histogram grows as needed"),
                Err(what) => {
                    tally.failed += 1;
                    tally.first_failure.get_or_insert(what);
                }
            }
        }
        if !succeeded {
            clock::sleep(FAILURE_PAUSE);
        }
        succeeded
    }
}

/// An answer is a success if it says so and, where an item was asked for, holds one: an endpoint
/// that refuses everything, or answers 200 to everything, scores nothing.
fn judge(kind: Kind, answer: &Answer<'_>, item_bytes: u64) -> Result<(), String> {
    let text = || String::from_utf8_lossy(&answer.body[..answer.body.len().min(300)]);
    if answer.status != 200 {
        return Err(format!("HTTP {}: {}", answer.status, text()));
    }
    match kind {
        Kind::Get if (answer.body.len() as u64) < item_bytes => {
            Err(format!("an item was asked for and not returned: {}", text()))
        }
        // What was not written is sent back in a batch's answer.
        Kind::Batch(_) if answer.body.windows(10).any(|it| it == b"PutRequest") => {
            Err(format!("not all written: {}", text()))
        }
        _ => Ok(()),
    }
}

/// Writes the items of the numbers from `from` to `to`, in any order, until `deadline`. Returns
/// how many of them stand, counted from 0 without a gap.
///
/// # Errors
///
/// What an endpoint answered that neither takes BatchWriteItem nor PutItem.
pub(super) fn fill(
    load: &Load<'_>,
    from: u64,
    to: u64,
    deadline: Instant,
    stop: &AtomicBool,
) -> Result<u64, String> {
    let batch = Kind::Batch(super::request::BATCH_ITEMS_MAX);
    let mut client = Client::new(load.endpoint);
    let mut probe = Template::new(load.endpoint, load.table, Kind::Batch(1), load.item_bytes);
    let offered = client.call(probe.fill(0, 0)).is_ok_and(|answer| answer.status == 200);
    let kind = if offered { batch } else { Kind::Put };
    let next = AtomicU64::new(from);
    let late = || stop.load(Ordering::Relaxed) || clock::now() >= deadline;
    let work = || fill_some(load, kind, &next, to, &late);
    let outcomes: Vec<Result<(), String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..load.connections).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|it| it.join().expect("a filling thread does not panic")).collect()
    });
    outcomes.into_iter().collect::<Result<(), String>>()?;
    Ok(next.into_inner().min(to))
}

fn fill_some(
    load: &Load<'_>,
    kind: Kind,
    next: &AtomicU64,
    to: u64,
    late: &dyn Fn() -> bool,
) -> Result<(), String> {
    let mut client = Client::new(load.endpoint);
    let new = |kind| Template::new(load.endpoint, load.table, kind, load.item_bytes);
    let mut template = new(kind);
    let many = if let Kind::Batch(items) = kind { items } else { 1 };
    while !late() {
        let first = next.fetch_add(many, Ordering::Relaxed);
        if first >= to {
            break;
        }
        if many > to - first {
            template = new(Kind::Batch(to - first));
        }
        let answer = client.call(template.fill(first, 0)).map_err(|error| error.to_string())?;
        judge(kind, &answer, load.item_bytes)?;
    }
    Ok(())
}
