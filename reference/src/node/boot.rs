//! From a disk and a configuration to a running node.

use super::checkpoint::Found;
use super::core::{Config, Core};
use super::keeper;
use super::log_writer::{LogError, LogWriter};
use super::message::LogRecord;
use super::shell::{Shell, Surface};
use crate::archive;
use crate::env::{Env, Observed};
use crate::ids::{Incarnation, NodeId, PartitionId};
use crate::mutants::Mutants;
use crate::partition::StoreFault;
use crate::points;
use crate::store::{self, Checkpoint, OnDamage, Opened};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use tokio::sync::mpsc::{self, UnboundedReceiver};

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// Its log could not be opened.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Its disk is blank: there is no log, not even an empty one.
    #[error(
        "the disk of {0} is blank: what it held is gone, and with it what {0} had promised its \
         replication groups; a node that forgets its promises must not come back under its name, \
         and a disk that never held anything is to be formatted first"
    )]
    Blank(NodeId),
    /// It ran until its log could not be written: what the disk holds is for recovery to find out.
    #[error("the log cannot be written any more: {0}; start the node again to recover")]
    LogFailed(io::Error),
    /// Its items could not be opened.
    #[error("the items at rest cannot be opened: {0}")]
    Items(io::Error),
    /// It ran until its items could not be read or written, and no other node has them.
    #[error(
        "the items at rest cannot be used any more: {}; nothing was changed, start the node again \
         to see what the disk holds",
        .0.why
    )]
    ItemsFailed(StoreFault),
    /// Its first record could not be written.
    #[error("the log cannot be written: {0}")]
    Io(#[from] io::Error),
}

/// Makes a disk that never held anything the disk of a node; no effect on one that is that already.
///
/// Nobody but who sets up the machine knows whether a blank disk is new or has lost what it held,
/// so [`serve`] never does this by itself.
///
/// # Errors
/// The log cannot be read or written. Formatting again is safe as long as it never succeeded.
pub async fn format<E: Env>(env: &E, config: &Config) -> Result<(), BootError> {
    let (mut log, records) = LogWriter::open(env, config.me, config.log_segment_bytes_max).await?;
    if records.is_empty() {
        log.write(&[LogRecord::Started(0)]).await?;
    }
    Ok(())
}

/// Runs a node until its process ends, or its storage fails.
///
/// # Errors
/// The node could not start (on a disk that was never formatted, say), or could not go on: the
/// process must end, since flows of it go on running. Nothing was changed that recovery would not
/// find again.
pub async fn serve<E: Env, M: Mutants>(
    env: E,
    config: Config,
    mutants: M,
) -> Result<Infallible, BootError> {
    let (mut log, records) = LogWriter::open(&env, config.me, config.log_segment_bytes_max).await?;
    if records.is_empty() {
        return Err(BootError::Blank(config.me));
    }
    let started = |it: &LogRecord| match it {
        LogRecord::Started(times) | LogRecord::Compacted { started: times, .. } => Some(*times),
        _ => None,
    };
    let times = records.iter().filter_map(started).max().unwrap_or(0) + 1;
    // No promise and no message may carry this incarnation before it is durable.
    log.write(&[LogRecord::Started(times)]).await?;
    let incarnation = Incarnation(times);
    let on_damage = on_damage(&config, &records);
    let opened = open_checkpoint(&env, config.me, on_damage).await;
    let (checkpoint, images) = opened.map_err(BootError::Items)?;
    let base = Rc::new(checkpoint.clone());
    let found = Found { records, lsn: log.lsn_durable(), images, base };
    let core = Core::new(config, mutants, found, incarnation, env.now_ns());
    let (inputs, arriving) = mpsc::unbounded_channel();
    let (log_jobs, log_queue) = mpsc::unbounded_channel();
    let surface = Surface { checkpoint, log: log_jobs, log_bytes: log.log_bytes() };
    let (failed, failure) = mpsc::unbounded_channel();
    let shell = Shell::new(env.clone(), core, inputs.clone(), surface, failed.clone());
    env.spawn("log", async move {
        if let Err(why) = log.run(log_queue, inputs).await {
            let _ = failed.send(BootError::LogFailed(why));
        }
    });
    env.spawn("checkpoint", keeper::keep_checkpoints(shell.clone()));
    env.spawn("archive", archive::keep_archiving(shell.clone()));
    Err(run_until_failure(shell.run(arriving), failure).await)
}

/// What becomes of damaged items. A cluster of one node whose log has been compacted has them
/// nowhere else.
fn on_damage(config: &Config, records: &[LogRecord]) -> OnDamage {
    let compacted = records.iter().any(|it| matches!(it, LogRecord::Compacted { .. }));
    let only_copy = config.cluster.is_one_node() && compacted;
    if only_copy { OnDamage::Keep } else { OnDamage::Discard }
}

/// Runs the node; it ends only with its storage.
async fn run_until_failure(
    run: impl Future<Output = ()>,
    mut failure: UnboundedReceiver<BootError>,
) -> BootError {
    let mut run = pin!(run);
    poll_fn(|cx| {
        if let Poll::Ready(Some(why)) = failure.poll_recv(cx) {
            return Poll::Ready(why);
        }
        let _ = run.as_mut().poll(cx);
        Poll::Pending
    })
    .await
}

/// The checkpoint and the images in it. One that is damaged is a fresh one with none, unless it is
/// to be kept: what it held comes back from the logs and from the leaders.
async fn open_checkpoint<E: Env>(
    env: &E,
    node: NodeId,
    on_damage: OnDamage,
) -> io::Result<(Checkpoint<E>, BTreeMap<PartitionId, Bytes>)> {
    let checkpoint = open_telling(env, node, on_damage).await?;
    match checkpoint.images() {
        Ok(images) => return Ok((checkpoint, images)),
        Err(fault) if on_damage == OnDamage::Keep => return Err(store::damaged(&fault.why)),
        Err(_) => checkpoint.discard().await?,
    }
    Ok((open_telling(env, node, on_damage).await?, BTreeMap::new()))
}

async fn open_telling<E: Env>(
    env: &E,
    node: NodeId,
    on_damage: OnDamage,
) -> io::Result<Checkpoint<E>> {
    match Checkpoint::open(env, node, on_damage).await? {
        Opened::Sound(checkpoint) | Opened::Fresh(checkpoint, None) => Ok(checkpoint),
        Opened::Fresh(checkpoint, Some(_)) => {
            env.observe(Observed::Point { name: points::CHECKPOINT_LOST, detail: 0 });
            Ok(checkpoint)
        }
    }
}

impl BootError {
    /// Whether a disk failed that may work at the next start; if not, a person must look.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Log(LogError::Io(_)) | Self::LogFailed(_) | Self::Io(_) => true,
            Self::ItemsFailed(_) => true,
            Self::Items(why) => {
                !matches!(why.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidData)
            }
            Self::Log(LogError::Wal(_) | LogError::Record { .. }) | Self::Blank(_) => false,
        }
    }
}
