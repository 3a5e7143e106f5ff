//! How every story is told: one seed, one world, one report.

use super::demands::weigh;
use super::verdict::{Evidence, judge};
use super::{Drive, Plot, Run, Setting, Story, event_log};
use crate::report::{SeedReport, SeedRequest};
use crate::stage::workload::identity_of;
use crate::stage::{
    BackupTaken, Cluster, Faults, Restored, Session, Shape, Transcript, WAIT_NS_MAX,
};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use stillpoint_reference::api::TableDescription;
use stillpoint_reference::mutants::Mutants;
use stillpoint_reference::points;
use stillpoint_sim::{
    Coverage, Dice, DiskSettings, Expectation, HostId, NetSettings, Plan, RunError, World,
};

/// No run may last longer; what is not done by then proves nothing.
const RUN_NS_MAX: u64 = 300_000_000_000;

/// A restore that may refuse, and has not ended after this long, is taken to have refused.
const REFUSAL_NS: u64 = 8_000_000_000;

/// A cluster with its clients and its faults, and nothing has happened yet.
struct Scene {
    world: World,
    plot: Plot,
    shape: Shape,
    cluster: Cluster,
    faults: Faults,
    session: Rc<Session>,
    holds: Rc<Holds>,
}

/// Tells a story once, in a world that `run` runs.
pub(super) fn tell<M: Mutants>(
    story: &Story,
    request: &SeedRequest,
    mutants: &M,
    run: Run<'_>,
) -> SeedReport {
    let scene = match &request.plan {
        None => raise(story, request, mutants, &story.set, run),
        Some(named) => {
            let plan = settle(story, request, mutants, &named.plan, run);
            raise(story, request, mutants, &carrying_out(&plan), run)
        }
    };
    conclude(story, request, scene, run)
}

fn carrying_out(plan: &Plan) -> impl Fn(&Setting<'_>) {
    move |it| it.faults.carry_out(it.world, plan)
}

/// The plan with its strikes at the instants at which they come in this run.
fn settle<M: Mutants>(
    story: &Story,
    request: &SeedRequest,
    mutants: &M,
    plan: &Plan,
    run: Run<'_>,
) -> Plan {
    let request = SeedRequest { event_log: false, ..request.clone() };
    let settled = plan.settle(|so_far| {
        let scene = raise(story, &request, mutants, &carrying_out(so_far), run);
        let world = scene.world.clone();
        perform(scene, run);
        world.phases_passed()
    });
    settled.unwrap_or_else(|why| panic!("{why}"))
}

/// A world as it runs by itself.
pub(super) fn run_natively(world: &World, limit_ns: u64, driver: Drive) -> Result<(), RunError> {
    world.run(limit_ns, driver)
}

/// The same with other faults than the story's own.
pub(super) fn tell_as<M: Mutants>(
    story: &Story,
    request: &SeedRequest,
    mutants: &M,
    set: &dyn Fn(&Setting<'_>),
) -> SeedReport {
    let scene = raise(story, request, mutants, set, &run_natively);
    conclude(story, request, scene, &run_natively)
}

fn conclude(story: &Story, request: &SeedRequest, scene: Scene, run: Run<'_>) -> SeedReport {
    let (world, cluster, session) =
        (scene.world.clone(), scene.cluster.clone(), Rc::clone(&scene.session));
    let (faults, holds, shape) = (scene.faults.clone(), Rc::clone(&scene.holds), scene.shape);
    let mut played = perform(scene, run);
    if let Some(what) = played.unfinished.as_ref().filter(|_| story.plot.must_end) {
        let stuck = world.stuck(what, world.now_ns()).to_string();
        played.stuck = stuck.lines().skip(1).map(str::to_owned).collect();
    }
    played.wrongs.extend(
        faults.refused_without_cause(&world).into_iter().map(|it| {
            ("starts", format!("{it} refuses its disk, although nothing had damaged it"))
        }),
    );
    played.faults_missed = faults.were_missed(&world);
    let told = Told { world: &world, cluster: &cluster, session: &session, played: &played, shape };
    report(story, request, &told, &faults, &holds)
}

/// Those of these points that a run of the story without its faults passes, in order.
pub(super) fn rehearse<M: Mutants>(
    story: &Story,
    request: &SeedRequest,
    mutants: &M,
    points: &[&'static str],
    run: Run<'_>,
) -> Vec<&'static str> {
    let request = SeedRequest { event_log: false, ..request.clone() };
    let passed: Rc<RefCell<Vec<&'static str>>> = Rc::default();
    let listen = |it: &Setting<'_>| {
        for &point in points {
            let passed = Rc::clone(&passed);
            it.world.on_point(point, move |_, _, _| passed.borrow_mut().push(point));
        }
    };
    let scene = raise(story, &request, mutants, &listen, run);
    perform(scene, run);
    passed.take()
}

fn raise<M: Mutants>(
    story: &Story,
    request: &SeedRequest,
    mutants: &M,
    set: &dyn Fn(&Setting<'_>),
    run: Run<'_>,
) -> Scene {
    let world = World::new(request.tape());
    if request.event_log {
        world.describe_payloads(event_log::describe);
        world.record_events(true);
    }
    let (plot, mut shape) = (story.plot, Shape::of(request.size));
    shape.load_ns = shape.load_ns.max(plot.load_ns_min);
    shape.writes_in_cut = plot.writes_in_cut;
    shape.chains_in_cut = plot.chains_in_cut;
    let transcript = Transcript::default();
    let hosts = world.build(&(plot.topology)(shape.nodes));
    shape.nodes = u16::try_from(hosts.len()).expect("a host's number has 16 bits");
    let cluster = Cluster::boot_on(&world, hosts, shape, plot.configure, mutants);
    let faults = Faults::new(&world, transcript.clone());
    set_the_weather(&world, &cluster.hosts);
    let dice = world.dice("story/faults");
    let holds = Holds::watch(&world);
    set(&Setting {
        world: &world,
        nodes: &cluster.hosts,
        shape,
        faults: &faults,
        dice: &dice,
        seed: request.seed,
        rehearse: &|points| rehearse(story, request, mutants, points, run),
    });
    let sorted = world.dice("story/table").chance(1, 2);
    let session = Session::new(&cluster, shape, sorted, transcript);
    Scene { world, plot, shape, cluster, faults, session, holds }
}

fn perform(scene: Scene, run: Run<'_>) -> Played {
    let Scene { world, plot, shape, faults, session, .. } = scene;
    let outcome: Rc<RefCell<Option<Played>>> = Rc::default();
    let (acted, acting_in) = (Rc::clone(&outcome), world.clone());
    let driver = async move {
        let acting = Acting { world: &acting_in, session: &session, plot, shape, faults: &faults };
        let played = acting.act().await;
        *acted.borrow_mut() = Some(played);
    };
    match run(&world, RUN_NS_MAX, Box::pin(driver)) {
        Ok(()) => outcome.take().expect("the driver leaves what it played when it is done"),
        Err(RunError::DriverPanicked(message)) => panic!("the driver of the story: {message}"),
        Err(why) => Played { unfinished: Some(why.to_string()), ..Played::default() },
    }
}

/// No two runs have the same machines: how far the zones are
/// from one another, how often a message is slow, and how slow the disks are.
fn set_the_weather(world: &World, nodes: &[HostId]) {
    let dice = world.dice("story/weather");
    let slow_per_mille = *dice.pick(&[0, 5, 50, 200]);
    let zones = [300_000..1_200_000, 300_000..1_200_000, 300_000..10_000_000];
    let cross_zone_ns = dice.pick(&zones).clone().into();
    world.set_net(NetSettings { slow_per_mille, cross_zone_ns, ..world.net() });
    if dice.chance(1, 2) {
        // One direction of one link takes another, longer way.
        let (from, to) = (*dice.pick(nodes), *dice.pick(nodes));
        world.set_link_latency(from, to, 2_000_000..20_000_000);
    }
    let sync_ns = dice.pick(&[100_000..400_000, 100_000..400_000, 1_000_000..8_000_000]).clone();
    for &node in nodes {
        world.set_disk(node, DiskSettings { sync_ns: sync_ns.clone(), ..DiskSettings::default() });
    }
}

/// What was achieved in a run.
#[derive(Default)]
pub(super) struct Played {
    pub(super) backups: Vec<BackupTaken>,
    pub(super) restored: Vec<(BackupTaken, Restored, Option<Restored>)>,
    /// What could not be done in time.
    pub(super) unfinished: Option<String>,
    /// What was still broken then, and on what everybody waited, if it had to be done.
    pub(super) stuck: Vec<String>,
    /// Whether a restore did not end that was allowed to refuse.
    pub(super) refused: bool,
    /// Whether faults were placed and none of them struck: such a run tells nothing of them.
    pub(super) faults_missed: bool,
    /// What the service did that it must not have done, whatever the oracles say.
    pub(super) wrongs: Vec<(&'static str, String)>,
}

/// Whoever drives a run.
struct Acting<'a> {
    world: &'a World,
    session: &'a Rc<Session>,
    plot: Plot,
    shape: Shape,
    faults: &'a Faults,
}

impl Acting<'_> {
    async fn act(self) -> Played {
        let (mut played, session) = (Played::default(), self.session);
        let Some(source) = session.create_table().await else {
            played.unfinished = Some("the table could not be made".to_owned());
            return played;
        };
        let dice = self.world.dice("story/plan");
        let begins_ns = session.now_ns();
        let offsets_ns = self.draw_requests(&dice);
        session.start_load(&self.world.dice("clients/workload"), &offsets_ns);
        for (n, offset_ns) in offsets_ns.iter().enumerate() {
            session.wait_until(begins_ns + offset_ns).await;
            let name = format!("nightly-{}", n + 1);
            if self.shape.writes_in_cut > 0 {
                session.start_burst(&self.world.dice("clients/burst"));
            }
            if self.shape.chains_in_cut > 0 {
                session.start_chains(&self.world.dice("clients/chains"));
            }
            // Whoever deletes the table does so while its last backup is made.
            let deletes = self.plot.deletes_table && n + 1 == offsets_ns.len();
            let backup = match deletes {
                true => self.back_up_and_delete(&name, &source, &mut played).await,
                false => session.back_up(&name, &source).await,
            };
            match backup {
                Some(backup) => played.backups.push(backup),
                None => played.unfinished = Some("a backup did not become AVAILABLE".to_owned()),
            }
        }
        if let Some(backup) = played.backups.last().cloned() {
            self.restore(backup, &dice, &mut played).await;
        }
        session.await_load().await;
        if !self.plot.deletes_table && session.read_everything().await.is_none() {
            played.unfinished = Some("the table could not be read at the end".to_owned());
        }
        played
    }

    /// When backups are asked for, from the beginning of the load.
    fn draw_requests(&self, dice: &Dice) -> Vec<u64> {
        let (backups, load_ns) = (u64::from(self.shape.backups), self.shape.load_ns);
        let third_ns = load_ns / 3;
        let share_ns = (load_ns - 2 * third_ns) / backups;
        (0..backups).map(|n| third_ns + n * share_ns + dice.range(0..share_ns)).collect()
    }

    /// How long a restore is waited for: not as long if it may refuse for ever.
    fn patience_ns(&self) -> u64 {
        match self.world.expectation() {
            Expectation::Survive => WAIT_NS_MAX,
            Expectation::Refuse => REFUSAL_NS,
        }
    }

    async fn restore(&self, backup: BackupTaken, dice: &Dice, played: &mut Played) {
        let session = self.session;
        match session.restore(&backup, "orders-restored", &|| self.patience_ns()).await {
            Some(first) => {
                // Once in four, the same backup is restored twice: both must be the same.
                let again = dice.chance(1, 4);
                let second = match again {
                    true => {
                        let again = "orders-restored-again";
                        session.restore(&backup, again, &|| self.patience_ns()).await
                    }
                    false => None,
                };
                played.restored.push((backup, first, second));
            }
            None if self.world.expectation() == Expectation::Refuse => {
                session.note("the restore is refused, as it may be");
                played.refused = true;
            }
            None => played.unfinished = Some("the restore did not end".to_owned()),
        }
    }

    /// Takes a backup while somebody insists that the table be deleted, and sees it gone.
    async fn back_up_and_delete(
        &self,
        name: &str,
        source: &TableDescription,
        played: &mut Played,
    ) -> Option<BackupTaken> {
        let (world, session) = (self.world, self.session);
        let passed = |point| world.point_counts().get(point).copied().unwrap_or(0);
        let (probed, available) = (passed(points::CUT_PROBE), passed(points::BACKUP_AVAILABLE));
        let deleting = async {
            // Before that, the deletion might come first, and there would be no backup.
            while passed(points::CUT_PROBE) == probed {
                world.driver().sleep(100_000).await;
            }
            let dice = world.dice("story/deletion");
            let deleted =
                session.insist_on_deletion(&dice, || self.faults.count_interference(world));
            (deleted.await, passed(points::BACKUP_AVAILABLE) > available)
        };
        let (backup, (deleted, in_time)) = both(session.back_up(name, source), deleting).await;
        if deleted && !in_time {
            let why = "the table could be deleted while its backup was made".to_owned();
            played.wrongs.push(("deletion", why));
        }
        if !deleted || !session.await_deletion().await {
            played.unfinished = Some("the table could not be deleted".to_owned());
        }
        backup
    }
}

/// Waits for both.
async fn both<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> (A, B) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    let (mut first, mut second) = (None, None);
    poll_fn(|cx| {
        if first.is_none()
            && let Poll::Ready(done) = one.as_mut().poll(cx)
        {
            first = Some(done);
        }
        if second.is_none()
            && let Poll::Ready(done) = other.as_mut().poll(cx)
        {
            second = Some(done);
        }
        if first.is_some() && second.is_some() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    (first.expect("it is done"), second.expect("it is done"))
}

/// How long each partition's writes were held, as the world's clock shows it.
struct Holds {
    begun: RefCell<BTreeMap<(HostId, u64), u64>>,
    longest_ns: RefCell<u64>,
}

impl Holds {
    fn watch(world: &World) -> Rc<Self> {
        let holds = Rc::new(Self { begun: RefCell::default(), longest_ns: RefCell::new(0) });
        let begin = Rc::clone(&holds);
        world.on_point(points::HOLD_BEGIN, move |world, host, partition| {
            begin.begun.borrow_mut().insert((host, partition), world.now_ns());
        });
        let end = Rc::clone(&holds);
        world.on_point(points::HOLD_END, move |world, host, partition| {
            if let Some(begun_ns) = end.begun.borrow_mut().remove(&(host, partition)) {
                let mut longest_ns = end.longest_ns.borrow_mut();
                *longest_ns = (*longest_ns).max(world.now_ns() - begun_ns);
            }
        });
        holds
    }
}

/// A run that has come to its end.
struct Told<'a> {
    world: &'a World,
    cluster: &'a Cluster,
    session: &'a Session,
    played: &'a Played,
    shape: Shape,
}

fn report(
    story: &Story,
    request: &SeedRequest,
    told: &Told<'_>,
    faults: &Faults,
    holds: &Holds,
) -> SeedReport {
    let Told { world, cluster, session, played, shape } = *told;
    let evidence = Evidence { world, cluster, session, played };
    let judged = judge(&evidence);
    let items = played.restored.iter().flat_map(|(_, first, second)| {
        first.items.iter().chain(second.iter().flat_map(|it| &it.items))
    });
    let available_ns = played.backups.iter().map(|it| it.available_ns - it.request_ns);
    let history = session.history.borrow();
    let acknowledged =
        history.operations.iter().filter(|it| it.writes() && it.acknowledged_ns().is_some());
    let mut latencies_ns = session.latencies_ns.borrow().clone();
    latencies_ns.sort_unstable();
    let event_log = match request.event_log {
        true => world.transcript().lines().map(str::to_owned).collect(),
        false => Vec::new(),
    };
    SeedReport {
        story: story.name,
        seed: request.seed,
        hash: world.hash(),
        nodes: u32::from(shape.nodes),
        partitions: shape.partitions,
        writes_acknowledged: acknowledged.count() as u64,
        backups_available: played.backups.len() as u32,
        restores_compared: played.restored.len() as u32,
        restores_refused: u32::from(played.refused),
        items_compared: items.filter(|it| identity_of(it).is_some()).count() as u64,
        faults: faults_of(world),
        faults_by_phase: faults.struck_by_phase(world),
        writes_in_cut_min: played.backups.iter().filter_map(|it| it.writes_in_cut_min).min(),
        skew_ns_max: judged.skew_ns_max,
        write_p50_ns: percentile(&latencies_ns, 50),
        write_p99_ns: percentile(&latencies_ns, 99),
        hold_ns_max: *holds.longest_ns.borrow(),
        available_ns_max: available_ns.max().unwrap_or(0),
        simulated_ns: world.now_ns(),
        events: world.events_count(),
        draws: world.draws(),
        tape_fit: world.tape_fit(),
        coverage: Coverage::of(world),
        crashes_by_panic: judged.panics,
        verdict: weigh(&story.plot, judged.verdict, played, session),
        transcript: session.transcript.lines(),
        event_log,
    }
}

/// The value that `percent` of the sorted values do not exceed; zero if there are none.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(0)
}

/// The faults that took effect, under the names of the table. What only follows from one, like a
/// message that finds nobody, is not counted again.
fn faults_of(world: &World) -> BTreeMap<String, u64> {
    let name_of = |kind: &str| {
        Some(match kind {
            "process.crash" => "crash",
            "power.loss" => "power loss",
            "net.isolated" => "cut off",
            "net.deafened" => "deaf",
            "net.flapped" => "flap",
            "net.corrupted" => "message damaged",
            "net.reordered" => "message overtaken",
            "net.lost" => "message lost",
            "net.duplicated" => "message twice",
            "net.slow" => "message slow",
            "net.slow_link" | "net.slow_host" => "link slow",
            "disk.slow" => "disk slow",
            "disk.sectors_lost" => "sector lost",
            "disk.names_lost" => "name lost",
            "disk.bit_rot" => "bit rot",
            "disk.read_error" => "read error",
            "disk.write_error" => "write error",
            "disk.sync_error" => "sync error",
            "disk.no_space" => "no space",
            "disk.read_only" => "read-only",
            "disk.latent_sector" => "sector bad",
            "disk.device_stall" => "disk stalled",
            "disk.short_read" | "disk.short_write" => "short transfer",
            "object.slow_down" | "object.throttled" => "503",
            "object.timeout" => "timeout",
            "object.refused" | "object.silent" | "object.broken_off" => "store away",
            "object.truncated_get" | "object.corrupted_get" => "get garbled",
            "object.stale_list" => "list stale",
            "object.lost" | "object.truncated" | "object.bit_rot" => "object damaged",
            "clock.offset" | "clock.wall_drift" | "clock.wall_frozen" => "clock wrong",
            "clock.monotonic_drift" => "clock drifts",
            "process.paused" => "pause",
            "process.panic" => "panic",
            "buggify" => "rare branch",
            _ => return None,
        })
    };
    let mut faults = BTreeMap::new();
    for (kind, number) in world.fault_counts() {
        if let Some(name) = name_of(kind) {
            *faults.entry(name.to_owned()).or_default() += number;
        }
    }
    faults
}
