//! From a disk and a configuration to a running node.

use super::checkpoint::Found;
use super::core::{Config, Core};
use super::keeper;
use super::log_writer::{LogError, LogWriter};
use super::message::LogRecord;
use super::shell::{Shell, Surface};
use crate::archive;
use crate::env::Env;
use crate::ids::{Incarnation, NodeId, PartitionId};
use crate::mutants::Mutants;
use crate::store::{Checkpoint, Opened};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use tokio::sync::mpsc;

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// Its log could not be opened.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Its items could not be opened.
    #[error("the items at rest cannot be opened: {0}")]
    Items(io::Error),
    /// Its first record could not be written.
    #[error("the log cannot be written: {0}")]
    Io(#[from] io::Error),
}

/// Runs a node until its process ends.
///
/// # Errors
/// The node could not start; nothing was changed that recovery would not find again.
pub async fn serve<E: Env, M: Mutants>(
    env: E,
    config: Config,
    mutants: M,
) -> Result<(), BootError> {
    let (mut log, records) = LogWriter::open(&env, config.me, config.log_segment_bytes_max).await?;
    let started = |it: &LogRecord| match it {
        LogRecord::Started(times) => Some(*times),
        _ => None,
    };
    let times = records.iter().filter_map(started).max().unwrap_or(0) + 1;
    // No promise and no message may carry this incarnation before it is durable.
    log.write(&[LogRecord::Started(times)]).await?;
    let incarnation = Incarnation(times);
    let (checkpoint, images) = open_checkpoint(&env, config.me).await.map_err(BootError::Items)?;
    let base = Rc::new(checkpoint.clone());
    let found = Found { records, lsn: log.lsn_durable(), images, base };
    let core = Core::new(config, mutants, found, incarnation, env.now_ns());
    let (inputs, arriving) = mpsc::unbounded_channel();
    let (log_jobs, log_queue) = mpsc::unbounded_channel();
    let surface = Surface { checkpoint, log: log_jobs, log_bytes: log.log_bytes() };
    let shell = Shell::new(env.clone(), core, inputs.clone(), surface);
    env.spawn("log", log.run(log_queue, inputs));
    env.spawn("checkpoint", keeper::keep_checkpoints(shell.clone()));
    env.spawn("archive", archive::keep_archiving(shell.clone()));
    shell.run(arriving).await;
    Ok(())
}

/// The checkpoint and the images in it. One that is damaged is a fresh one with none: what it held
/// comes back from the logs and from the leaders.
async fn open_checkpoint<E: Env>(
    env: &E,
    node: NodeId,
) -> io::Result<(Checkpoint<E>, BTreeMap<PartitionId, Bytes>)> {
    let (Opened::Sound(checkpoint) | Opened::Fresh(checkpoint, _)) =
        Checkpoint::open(env, node).await?;
    if let Ok(images) = checkpoint.images() {
        return Ok((checkpoint, images));
    }
    checkpoint.discard().await?;
    let (Opened::Sound(checkpoint) | Opened::Fresh(checkpoint, _)) =
        Checkpoint::open(env, node).await?;
    Ok((checkpoint, BTreeMap::new()))
}
