//! How every story is told: one seed, one world, one report.

use super::verdict::{Evidence, judge};
use super::{Setting, Story, event_log};
use crate::report::{SeedReport, SeedRequest};
use crate::stage::workload::identity_of;
use crate::stage::{BackupTaken, Cluster, Faults, Restored, Schedule, Session, Shape, Transcript};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use stillpoint_reference::mutants::Mutants;
use stillpoint_reference::points;
use stillpoint_sim::{DiskSettings, HostId, NetSettings, RunError, Tape, World};

/// No run may last longer; what is not done by then proves nothing.
const RUN_NS_MAX: u64 = 300_000_000_000;

/// Tells a story once.
pub(super) fn tell<M: Mutants>(story: &Story, request: &SeedRequest, mutants: &M) -> SeedReport {
    let world = World::new(Tape::new(request.seed));
    if request.event_log {
        world.describe_payloads(event_log::describe);
        world.record_events(true);
    }
    let shape = Shape::of(request.size);
    let transcript = Transcript::default();
    let cluster = Cluster::boot(&world, shape, story.configure(), mutants);
    let (faults, schedule) = Faults::new(cluster.hosts.clone(), transcript.clone());
    set_the_weather(&world, &cluster.hosts);
    let dice = world.dice("story/faults");
    let (nodes, holds) = (&cluster.hosts[..], Holds::watch(&world));
    (story.set)(&Setting { world: &world, nodes, shape, faults: &faults, dice: &dice });
    let sorted = world.dice("story/table").chance(1, 2);
    let session = Session::new(&cluster, shape, sorted, transcript.clone());
    let story_of = play(&world, &session, shape, schedule, faults.clone());
    let ended = world.run(RUN_NS_MAX, story_of);
    let mut played = match ended {
        Ok(played) => played,
        Err(RunError::DriverPanicked(message)) => panic!("the driver of the story: {message}"),
        Err(why) => Played { unfinished: Some(why.to_string()), ..Played::default() },
    };
    played.places_faults = faults.are_placed();
    report(story, request, &world, &cluster, &session, &played, &holds)
}

/// No two runs have the same machines: how far the zones are
/// from one another, how often a message is slow, and how slow the disks are.
fn set_the_weather(world: &World, nodes: &[HostId]) {
    let dice = world.dice("story/weather");
    let slow_per_mille = *dice.pick(&[0, 5, 50, 200]);
    let zones = [300_000..1_200_000, 300_000..1_200_000, 300_000..10_000_000];
    let cross_zone_ns = dice.pick(&zones).clone();
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
    /// Whether the story places faults, so that a run in which none struck tells nothing of it.
    pub(super) places_faults: bool,
}

/// Plays while what is scheduled is carried out.
async fn play(
    world: &World,
    session: &Rc<Session>,
    shape: Shape,
    schedule: Schedule,
    faults: Faults,
) -> Played {
    let mut playing = pin!(act(world, session, shape));
    let mut scheduled = pin!(schedule.carry_out(world.clone(), faults));
    poll_fn(|cx| {
        // The schedule never ends.
        let _ = scheduled.as_mut().poll(cx);
        playing.as_mut().poll(cx)
    })
    .await
}

async fn act(world: &World, session: &Rc<Session>, shape: Shape) -> Played {
    let mut played = Played::default();
    let Some(source) = session.create_table().await else {
        played.unfinished = Some("the table could not be made".to_owned());
        return played;
    };
    let dice = world.dice("story/plan");
    let begins_ns = session.now_ns();
    let third_ns = shape.load_ns / 3;
    let share_ns = (shape.load_ns - 2 * third_ns) / u64::from(shape.backups);
    let offsets_ns: Vec<u64> = (0..u64::from(shape.backups))
        .map(|n| third_ns + n * share_ns + dice.range(0..share_ns))
        .collect();
    session.start_load(&world.dice("clients/workload"), &offsets_ns);
    for (n, offset_ns) in offsets_ns.iter().enumerate() {
        session.wait_until(begins_ns + offset_ns).await;
        match session.back_up(&format!("nightly-{}", n + 1), &source).await {
            Some(backup) => played.backups.push(backup),
            None => played.unfinished = Some("a backup did not become AVAILABLE".to_owned()),
        }
    }
    if let Some(backup) = played.backups.last().cloned() {
        match session.restore(&backup, "orders-restored").await {
            Some(first) => {
                // Once in four, the same backup is restored twice: both must be the same.
                let again = dice.chance(1, 4);
                let second = match again {
                    true => session.restore(&backup, "orders-restored-again").await,
                    false => None,
                };
                played.restored.push((backup, first, second));
            }
            None => played.unfinished = Some("the restore did not end".to_owned()),
        }
    }
    session.await_load().await;
    if session.read_everything().await.is_none() {
        played.unfinished = Some("the table could not be read at the end".to_owned());
    }
    played
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

fn report(
    story: &Story,
    request: &SeedRequest,
    world: &World,
    cluster: &Cluster,
    session: &Session,
    played: &Played,
    holds: &Holds,
) -> SeedReport {
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
        nodes: u32::from(Shape::of(request.size).nodes),
        partitions: Shape::of(request.size).partitions,
        writes_acknowledged: acknowledged.count() as u64,
        backups_available: played.backups.len() as u32,
        restores_compared: played.restored.len() as u32,
        items_compared: items.filter(|it| identity_of(it).is_some()).count() as u64,
        faults: faults_of(world),
        skew_ns_max: judged.skew_ns_max,
        write_p50_ns: percentile(&latencies_ns, 50),
        write_p99_ns: percentile(&latencies_ns, 99),
        hold_ns_max: *holds.longest_ns.borrow(),
        available_ns_max: available_ns.max().unwrap_or(0),
        simulated_ns: world.now_ns(),
        events: world.events_count(),
        crashes_by_panic: judged.panics,
        verdict: judged.verdict,
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
            "net.lost" => "message lost",
            "net.duplicated" => "message twice",
            "net.slow" => "message slow",
            "net.slow_link" => "link slow",
            "disk.slow" => "disk slow",
            "disk.sectors_lost" => "sector lost",
            "disk.names_lost" => "name lost",
            "object.slow_down" => "503",
            "object.timeout" => "timeout",
            "clock.offset" => "clock wrong",
            "process.panic" => "panic",
            _ => return None,
        })
    };
    let counts = world.fault_counts().into_iter();
    counts.filter_map(|(kind, number)| Some((name_of(kind)?.to_owned(), number))).collect()
}
