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
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use tokio::sync::{mpsc, oneshot};

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// Its log could not be opened.
    #[error(transparent)]
    Log(#[from] LogError),
    /// It ran until its log could not be written: what the disk holds is for recovery to find out.
    #[error("the log cannot be written any more: {0}; start the node again to recover")]
    LogFailed(io::Error),
    /// Its items could not be opened.
    #[error("the items at rest cannot be opened: {0}")]
    Items(io::Error),
    /// Its first record could not be written.
    #[error("the log cannot be written: {0}")]
    Io(#[from] io::Error),
}

/// Runs a node until its process ends, or its storage fails.
///
/// # Errors
/// The node could not start, or could not go on: the process must end, since flows of it go on
/// running. Nothing was changed that recovery would not find again.
pub async fn serve<E: Env, M: Mutants>(
    env: E,
    config: Config,
    mutants: M,
) -> Result<Infallible, BootError> {
    let (mut log, records) = LogWriter::open(&env, config.me, config.log_segment_bytes_max).await?;
    let started = |it: &LogRecord| match it {
        LogRecord::Started(times) | LogRecord::Compacted { started: times, .. } => Some(*times),
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
    let (failed, failure) = oneshot::channel();
    env.spawn("log", async move {
        if let Err(why) = log.run(log_queue, inputs).await {
            let _ = failed.send(why);
        }
    });
    env.spawn("checkpoint", keeper::keep_checkpoints(shell.clone()));
    env.spawn("archive", archive::keep_archiving(shell.clone()));
    Err(BootError::LogFailed(run_until_failure(shell.run(arriving), failure).await))
}

/// Runs the node; it ends only with its log.
async fn run_until_failure(
    run: impl Future<Output = ()>,
    mut failure: oneshot::Receiver<io::Error>,
) -> io::Error {
    let mut run = pin!(run);
    poll_fn(|cx| {
        if let Poll::Ready(Ok(why)) = Pin::new(&mut failure).poll(cx) {
            return Poll::Ready(why);
        }
        let _ = run.as_mut().poll(cx);
        Poll::Pending
    })
    .await
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

impl BootError {
    /// Whether a disk failed that may work at the next start; if not, a person must look.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Log(LogError::Io(_)) | Self::LogFailed(_) | Self::Io(_) => true,
            Self::Items(why) => why.kind() != io::ErrorKind::Unsupported,
            Self::Log(LogError::Wal(_) | LogError::Record { .. }) => false,
        }
    }
}
