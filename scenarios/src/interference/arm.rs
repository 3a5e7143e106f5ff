//! One world of a twin run, from its boot to its figures.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use hdrhistogram::Histogram;
use stillpoint_reference::api::ExceptionName;
use stillpoint_reference::mutants::Mutants;
use stillpoint_reference::node::Config;
use stillpoint_reference::points;
use stillpoint_sim::{HostId, NetSettings, Tape, World};

use super::load::{Arrival, OPERATIONS, Operation, filling, request, schedule};
use super::{Arm, Setup};
use crate::stage::{Answer, Client, Cluster, Session, Shape, TABLE, Transcript, Unanswered};

/// Clients wait so long for an answer; routers answer sooner, if only by an error.
const PATIENCE_NS: u64 = 4_000_000_000;
/// The table is filled within this time, and what that leaves behind has as long to drain.
const FILLING_NS: u64 = 4_000_000_000;
/// The world is given so much longer than its load.
const SLACK_NS: u64 = 60_000_000_000;
/// How often the end of the load is asked for.
const POLL_NS: u64 = 10_000_000;
/// No latency is longer: the patience of clients, and a margin.
const LATENCY_NS_MAX: u64 = 10_000_000_000;
/// Digits that a histogram keeps: its figures are exact to 0.1 %.
const DIGITS: u8 = 3;
/// An arm without archiving would archive after this long: days later.
const NEVER_NS: u64 = 1_000_000_000_000_000;

/// What was seen of cuts.
#[derive(Clone, Debug, Default)]
pub struct Cuts {
    /// Cuts that were sealed.
    pub sealed: u64,
    /// Attempts that failed.
    pub retries: u64,
    /// How long each hold of each partition lasted, in nanoseconds.
    pub holds_ns: Vec<u64>,
    begun: BTreeMap<(HostId, u64), u64>,
}

/// The figures of one world.
#[derive(Clone, Debug)]
pub struct ArmReport {
    /// How long each operation that was answered took, in nanoseconds from when it was due.
    pub latencies: BTreeMap<Operation, Histogram<u64>>,
    /// Operations that were carried out.
    pub acknowledged: u64,
    /// Conditional writes whose condition was false: answered, but nothing was done.
    pub refused: u64,
    /// Everything else: errors, and no answer in time.
    pub errors: u64,
    /// Acknowledged operations per simulated second, from the first to be due to the last answer.
    pub throughput_per_s: u64,
    /// Cuts, where there were any.
    pub cuts: Cuts,
    /// How busy the busiest node's processor was, in thousandths.
    pub busy_per_mille: u64,
    /// The hash over every event of the world.
    pub hash: u64,
}

impl ArmReport {
    fn new() -> Self {
        let empty = || {
            Histogram::new_with_bounds(1, LATENCY_NS_MAX, DIGITS).expect("a range of nanoseconds")
        };
        Self {
            latencies: OPERATIONS.into_iter().map(|it| (it, empty())).collect(),
            acknowledged: 0,
            refused: 0,
            errors: 0,
            throughput_per_s: 0,
            cuts: Cuts::default(),
            busy_per_mille: 0,
            hash: 0,
        }
    }

    fn note(&mut self, operation: Operation, answer: &Result<Answer, Unanswered>, took_ns: u64) {
        match answer {
            Ok(Ok(_)) => self.acknowledged += 1,
            Ok(Err(error)) if error.exception == ExceptionName::ConditionalCheckFailed => {
                self.refused += 1;
            }
            _ => return self.errors += 1,
        }
        let histogram = self.latencies.get_mut(&operation).expect("every operation has one");
        histogram.saturating_record(took_ns);
    }
}

/// A cut that does not succeed within the shortest hold is tried again within the same, so often.
const SHORT_ATTEMPTS: u32 = 5;

/// Serves `count` operations in one world, spread over the time of the setup's load.
///
/// # Panics
/// The world came to no end: the service cannot even make a table, which is a bug.
#[must_use]
pub fn run<M: Mutants>(setup: &Setup, seed: u64, arm: Arm, count: u64, mutants: &M) -> ArmReport {
    let world = World::new(Tape::new(seed));
    let shape = shape_of(setup);
    let dice = world.dice("twin/load");
    let load = schedule(&dice, count, setup.keys, setup.load_ns);
    world.draw_by_instant();
    let cross_zone_ns = (setup.cross_zone_ns.0..setup.cross_zone_ns.1).into();
    world.set_net(NetSettings { cross_zone_ns, ..world.net() });
    let configure = |config: &mut Config| {
        // Sizes and intervals as they are meant for use: small runs have small ones.
        let usual = Config::new(config.me, config.cluster.clone());
        *config = Config { archive_interval_ns: config.archive_interval_ns, ..usual };
        (config.cut.hold_ns, config.cut.short_attempts) = (setup.hold_ns, SHORT_ATTEMPTS);
        if arm == Arm::NoArchive {
            config.archive_interval_ns = NEVER_NS;
        }
    };
    let cluster = Cluster::boot(&world, shape, configure, mutants);
    cluster.hosts.iter().for_each(|it| world.set_cpu_slowdown(*it, setup.slowdown));
    let session = Session::new(&cluster, shape, false, Transcript::default());
    let cuts = watch_cuts(&world);
    let playing = play(&world, setup, arm, &cluster, session, load);
    let played = world.run(setup.load_ns + SLACK_NS, playing);
    let mut report = played.unwrap_or_else(|why| panic!("a calm world came to no end: {why}"));
    report.cuts = cuts.take();
    report.hash = world.hash();
    report
}

fn shape_of(setup: &Setup) -> Shape {
    Shape {
        nodes: setup.nodes,
        partitions: setup.partitions,
        keys: setup.keys,
        body_bytes: setup.body_bytes,
        ..Shape::of(crate::report::Size::Standard)
    }
}

async fn play(
    world: &World,
    setup: &Setup,
    arm: Arm,
    cluster: &Cluster,
    session: Rc<Session>,
    load: Vec<Arrival>,
) -> ArmReport {
    let source = session.create_table().await.expect("a calm cluster makes a table");
    let host = cluster.client.host().clone();
    let clients = Clients { client: cluster.client.clone(), session: Rc::clone(&session) };
    clients.serve(filling(setup.keys, FILLING_NS), 0).await;
    host.sleep(FILLING_NS).await;
    let busy_before_ns = busy_ns(world, cluster);
    let (begun_ns, filled) = (host.now_ns(), setup.keys);
    if arm == Arm::Backups {
        let (session, interval_ns, lasts_ns) =
            (Rc::clone(&session), setup.backup_interval_ns, setup.load_ns);
        let operator = host.clone();
        host.spawn("operator", async move {
            let mut due_ns = interval_ns / 2;
            while due_ns < lasts_ns {
                operator.sleep_until(begun_ns + due_ns).await;
                session.back_up(&format!("twin-{due_ns}"), &source).await;
                due_ns += interval_ns;
            }
        });
    }
    let mut report = clients.serve(load, filled).await;
    let took_ns = host.now_ns() - begun_ns;
    let per_s = u128::from(report.acknowledged) * 1_000_000_000 / u128::from(took_ns.max(1));
    report.throughput_per_s = per_s as u64;
    let busy = busy_ns(world, cluster).into_iter().zip(busy_before_ns);
    let busiest_ns = busy.map(|(after, before)| after - before).max().unwrap_or(0);
    report.busy_per_mille = busiest_ns * 1_000 / took_ns.max(1);
    report
}

fn busy_ns(world: &World, cluster: &Cluster) -> Vec<u64> {
    cluster.hosts.iter().map(|it| world.cpu_busy_ns(*it)).collect()
}

/// Those who ask, all on one machine.
struct Clients {
    client: Client,
    session: Rc<Session>,
}

impl Clients {
    /// Sends each request when it is due, whatever became of those before, and waits for the
    /// last answer. Requests are numbered from `first`.
    async fn serve(&self, arrivals: Vec<Arrival>, first: u32) -> ArmReport {
        let report = Rc::new(RefCell::new(ArmReport::new()));
        let (host, begun_ns) = (self.client.host(), self.client.host().now_ns());
        for (n, arrival) in (first..).zip(arrivals) {
            let due_ns = begun_ns + arrival.at_ns;
            host.sleep_until(due_ns).await;
            let request = request(&self.session.space, TABLE, arrival, n);
            let (client, report) = (self.client.clone(), Rc::clone(&report));
            host.spawn("operation", async move {
                let answer = client.call(u64::from(n) + 1, request, PATIENCE_NS).await;
                let took_ns = client.host().now_ns() - due_ns;
                report.borrow_mut().note(arrival.operation, &answer, took_ns);
            });
        }
        while Rc::strong_count(&report) > 1 {
            host.sleep(POLL_NS).await;
        }
        Rc::into_inner(report).expect("all operations have ended").into_inner()
    }
}

fn watch_cuts(world: &World) -> Rc<RefCell<Cuts>> {
    let cuts: Rc<RefCell<Cuts>> = Rc::default();
    let seen = |name, note: fn(&mut Cuts, HostId, u64, u64)| {
        let cuts = Rc::clone(&cuts);
        world.on_point(name, move |world, host, detail| {
            note(&mut cuts.borrow_mut(), host, detail, world.now_ns());
        });
    };
    seen(points::CUT_SEALED, |it, _, _, _| it.sealed += 1);
    seen(points::CUT_RETRY, |it, _, _, _| it.retries += 1);
    seen(points::HOLD_BEGIN, |it, host, partition, now_ns| {
        it.begun.insert((host, partition), now_ns);
    });
    seen(points::HOLD_END, |it, host, partition, now_ns| {
        let begun_ns = it.begun.remove(&(host, partition));
        it.holds_ns.extend(begun_ns.map(|begun_ns| now_ns - begun_ns));
    });
    cuts
}
