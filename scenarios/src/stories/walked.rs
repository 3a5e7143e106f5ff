//! Two scenarios small enough to be explored crash point by crash point: a backup and a restore.
//!
//! Three nodes, a table of two partitions, a handful of items, and writes that go on while the
//! backup is cut. What is explored is the span from the request to AVAILABLE or to ACTIVE, and the
//! oracles are those of the stories. One machine dies and comes back, so nothing excuses a run
//! that does not come to its end.

use super::Planted;
use super::telling::Played;
use super::verdict::{Evidence, judge};
use crate::report::{Failure, Verdict};
use crate::stage::{BackupTaken, Cluster, Restored, Session, Shape, Transcript, WAIT_NS_MAX};
use std::cell::RefCell;
use std::rc::Rc;
use stillpoint_reference::mutants::{Mutants, NoMutants};
use stillpoint_reference::node::Config;
use stillpoint_sim::World;

/// No run may last longer.
const RUN_NS_MAX: u64 = 300_000_000_000;
/// The backup is asked for so long after the load began.
const REQUEST_NS: u64 = 60_000_000;

/// The smallest table whose cut has to agree on anything.
const SHAPE: Shape = Shape {
    nodes: 3,
    partitions: 2,
    writes: 18,
    keys: 6,
    body_bytes: 600,
    backups: 1,
    load_ns: 120_000_000,
    restore_batch_items: 2,
    writes_in_cut: 0,
    chains_in_cut: 0,
};

/// Logs that go on to another file, checkpoints and compactions within the span.
fn configure(config: &mut Config) {
    config.log_segment_bytes_max = 4 << 10;
    config.log_bytes_max = 8 << 10;
    config.log_retained_entries_max = 8;
    config.checkpoint_interval_ns = 60_000_000;
}

/// What is explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Walked {
    /// From the request for a backup until it is AVAILABLE.
    Backup,
    /// From the request for a restore until its table is ACTIVE.
    Restore,
}

impl Walked {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Backup, Self::Restore];

    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Restore => "restore",
        }
    }
}

/// Plays a scenario in a fresh world, with the planted bug of this name if one is given.
///
/// # Errors
/// What the oracles found, or why the run proves nothing.
///
/// # Panics
/// There is no such bug, or the simulation itself failed.
pub fn play(walked: Walked, mutant: Option<&str>, world: &World) -> Result<(), String> {
    match mutant {
        None => play_with(walked, &NoMutants, world),
        Some(name) => {
            let planted = Planted::by_name(name);
            let planted = planted.unwrap_or_else(|| panic!("no mutant is called {name}"));
            play_with(walked, &planted, world)
        }
    }
}

fn play_with<M: Mutants>(walked: Walked, mutants: &M, world: &World) -> Result<(), String> {
    let cluster = Cluster::boot(world, SHAPE, configure, mutants);
    let session = Session::new(&cluster, SHAPE, false, Transcript::default());
    let outcome: Rc<RefCell<Played>> = Rc::default();
    let acting = act(walked, world.clone(), Rc::clone(&session), Rc::clone(&outcome));
    let ended = world.run(RUN_NS_MAX, acting);
    let mut played = outcome.take();
    if let Err(why) = ended {
        played.unfinished = Some(why.to_string());
    }
    let judged = judge(&Evidence { world, cluster: &cluster, session: &session, played: &played });
    conclude(judged.verdict)
}

/// A run that is not green is a finding.
fn conclude(verdict: Verdict) -> Result<(), String> {
    let told = |it: &Failure| format!("{}: {}", it.oracle, it.explanation);
    match verdict {
        Verdict::Green => Ok(()),
        Verdict::Vacuous(why) => Err(format!("progress: {why}")),
        Verdict::Undecided(why) => Err(format!("undecided: {why}")),
        Verdict::Broken(failures) => Err(failures.iter().map(told).collect::<Vec<_>>().join("\n")),
    }
}

async fn act(walked: Walked, world: World, session: Rc<Session>, outcome: Rc<RefCell<Played>>) {
    let result = act_or_say_why(walked, &world, &session).await;
    let mut played = outcome.borrow_mut();
    match result {
        Ok((backup, restored)) => {
            played.backups.push(backup.clone());
            played.restored.push((backup, restored, None));
        }
        Err(why) => played.unfinished = Some(why.to_owned()),
    }
}

async fn act_or_say_why(
    walked: Walked,
    world: &World,
    session: &Rc<Session>,
) -> Result<(BackupTaken, Restored), &'static str> {
    let source = session.create_table().await.ok_or("the table could not be made")?;
    let begins_ns = session.now_ns();
    session.start_load(&world.dice("clients/workload"), &[REQUEST_NS]);
    session.wait_until(begins_ns + REQUEST_NS).await;
    let span = |of, on| match (walked == of, on) {
        (false, _) => {}
        (true, true) => world.begin_span(),
        (true, false) => world.end_span(),
    };
    span(Walked::Backup, true);
    let backup = session.back_up("nightly", &source).await;
    span(Walked::Backup, false);
    let backup = backup.ok_or("a backup did not become AVAILABLE")?;
    span(Walked::Restore, true);
    let table = session.restore_until_active(&backup, "orders-restored", &|| WAIT_NS_MAX).await;
    span(Walked::Restore, false);
    let table = table.ok_or("the restore did not end")?;
    let items = session.scan("orders-restored").await.ok_or("the restored table is mute")?;
    session.await_load().await;
    session.read_everything().await.ok_or("the table could not be read at the end")?;
    Ok((backup, Restored { table, items }))
}
