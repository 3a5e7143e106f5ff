//! Runs seeds on several threads until the plan, the time or the user's patience ends.
//!
//! Each seed runs on one thread and knows nothing of the others. Reports are handed to the
//! caller's thread as they come; whoever adds them up must not depend on their order.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;

use crate::campaign::panics;
use crate::report::{Runner, SeedReport, SeedRequest};

/// When to stop, and how many threads to use meanwhile.
pub struct Limits<'a> {
    /// Worker threads, at least one.
    pub jobs: usize,
    /// The machine's monotonic clock, in nanoseconds.
    pub now_ns: &'a (dyn Fn() -> u64 + Sync),
    /// No seed is begun that would probably end after this moment of `now_ns`.
    pub deadline_ns: Option<u64>,
    /// Set from outside to stop after the seeds under way.
    pub interrupted: &'a AtomicBool,
}

/// One run that was made.
#[derive(Debug)]
pub struct Done {
    /// Its place in the plan.
    pub index: u64,
    /// What was asked.
    pub request: SeedRequest,
    /// What was reported.
    pub report: SeedReport,
    /// How long its thread took, in real nanoseconds.
    pub busy_ns: u64,
}

/// A panic outside the simulated nodes: a bug of the simulation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crash {
    /// The run that panicked.
    pub request: SeedRequest,
    /// Message and place.
    pub message: String,
}

/// Why no more seeds were handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// The plan was carried out.
    Finished,
    /// The deadline was near.
    OutOfTime,
    /// The user asked to stop.
    Interrupted,
    /// The simulation itself failed; of several such runs, the first of the plan.
    Crashed(Box<Crash>),
}

/// Makes the runs `plan(0)`, `plan(1)`, … until `plan` has no more, and hands each report to
/// `each` on the calling thread, in no particular order.
pub fn run_all(
    runner: &dyn Runner,
    plan: &(dyn Fn(u64) -> Option<SeedRequest> + Sync),
    limits: &Limits<'_>,
    each: &mut dyn FnMut(Done),
) -> Ending {
    let desk = Desk::new(runner, plan, limits);
    let mut crashes: Vec<(u64, Box<Crash>)> = Vec::new();
    // Bounded, so that seeds wait for whoever counts them instead of piling up in memory.
    let (sender, receiver) = mpsc::sync_channel(limits.jobs.max(1));
    std::thread::scope(|scope| {
        for _ in 0..limits.jobs.max(1) {
            let sender = sender.clone();
            scope.spawn(|| desk.work(sender));
        }
        drop(sender);
        for outcome in receiver {
            match outcome {
                Ok(done) => each(done),
                Err(crash) => crashes.push(crash),
            }
        }
    });
    match crashes.into_iter().min_by_key(|(index, _)| *index) {
        Some((_, crash)) => Ending::Crashed(crash),
        None => desk.ending(),
    }
}

/// Does the pieces of work 0 to `count` on several threads; results stand in the order of the
/// pieces. A piece that panicked, or was not begun because the user asked to stop, has none.
pub fn share_out<T: Send>(
    limits: &Limits<'_>,
    count: usize,
    work: &(dyn Fn(usize) -> T + Sync),
) -> Vec<Option<T>> {
    let next = AtomicU64::new(0);
    let (sender, receiver) = mpsc::channel();
    let carry = |sender: mpsc::Sender<(usize, T)>| {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed) as usize;
            if index >= count || limits.interrupted.load(Ordering::Relaxed) {
                return;
            }
            if let Ok(done) = panics::catch(|| work(index)) {
                // The receiver outlives the threads.
                let _ = sender.send((index, done));
            }
        }
    };
    let mut results: Vec<Option<T>> = (0..count).map(|_| None).collect();
    std::thread::scope(|scope| {
        for _ in 0..limits.jobs.max(1) {
            let sender = sender.clone();
            scope.spawn(|| carry(sender));
        }
        drop(sender);
        receiver.into_iter().for_each(|(index, done)| results[index] = Some(done));
    });
    results
}

/// Where the threads fetch their next seed.
struct Desk<'a> {
    runner: &'a dyn Runner,
    plan: &'a (dyn Fn(u64) -> Option<SeedRequest> + Sync),
    limits: &'a Limits<'a>,
    next: AtomicU64,
    longest_ns: AtomicU64,
    crashed: AtomicBool,
    out_of_time: AtomicBool,
    cut_short: AtomicBool,
}

type Outcome = Result<Done, (u64, Box<Crash>)>;

impl<'a> Desk<'a> {
    fn new(
        runner: &'a dyn Runner,
        plan: &'a (dyn Fn(u64) -> Option<SeedRequest> + Sync),
        limits: &'a Limits<'a>,
    ) -> Desk<'a> {
        Desk {
            runner,
            plan,
            limits,
            next: AtomicU64::new(0),
            longest_ns: AtomicU64::new(0),
            crashed: AtomicBool::new(false),
            out_of_time: AtomicBool::new(false),
            cut_short: AtomicBool::new(false),
        }
    }

    fn work(&self, sender: mpsc::SyncSender<Outcome>) {
        loop {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(request) = (self.plan)(index) else {
                return;
            };
            // Asked only when there is something left to do: a plan that ends at the very
            // moment of the deadline was carried out.
            if self.must_stop() || sender.send(self.run(index, request)).is_err() {
                return;
            }
        }
    }

    fn run(&self, index: u64, request: SeedRequest) -> Outcome {
        let begun_ns = (self.limits.now_ns)();
        let outcome = panics::catch(|| self.runner.run(&request));
        let busy_ns = (self.limits.now_ns)().saturating_sub(begun_ns);
        self.longest_ns.fetch_max(busy_ns, Ordering::Relaxed);
        match outcome {
            Ok(report) => Ok(Done { index, request, report, busy_ns }),
            Err(message) => {
                self.crashed.store(true, Ordering::Relaxed);
                Err((index, Box::new(Crash { request, message })))
            }
        }
    }

    fn must_stop(&self) -> bool {
        if self.limits.interrupted.load(Ordering::Relaxed) {
            self.cut_short.store(true, Ordering::Relaxed);
            return true;
        }
        if self.deadline_is_near() {
            self.out_of_time.store(true, Ordering::Relaxed);
            return true;
        }
        self.crashed.load(Ordering::Relaxed)
    }

    /// The longest seed so far tells how long the next may take; twice that, for safety.
    fn deadline_is_near(&self) -> bool {
        let margin_ns = self.longest_ns.load(Ordering::Relaxed).saturating_mul(2);
        self.limits
            .deadline_ns
            .is_some_and(|deadline_ns| (self.limits.now_ns)() + margin_ns >= deadline_ns)
    }

    fn ending(&self) -> Ending {
        if self.cut_short.load(Ordering::Relaxed) {
            Ending::Interrupted
        } else if self.out_of_time.load(Ordering::Relaxed) {
            Ending::OutOfTime
        } else {
            Ending::Finished
        }
    }
}
