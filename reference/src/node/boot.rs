//! From a disk and a configuration to a running node.

use super::core::{Config, Core};
use super::log_writer::{LogError, LogWriter};
use super::message::LogRecord;
use super::shell::Shell;
use crate::archive;
use crate::env::Env;
use crate::ids::Incarnation;
use crate::mutants::Mutants;
use std::io;
use tokio::sync::mpsc;

/// Why a node could not start.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// Its log could not be opened.
    #[error(transparent)]
    Log(#[from] LogError),
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
    let lsn = log.lsn_durable();
    let core = Core::new(config, mutants, records, incarnation, lsn, env.now_ns());
    let (inputs, arriving) = mpsc::unbounded_channel();
    let (log_records, log_queue) = mpsc::unbounded_channel();
    let shell = Shell::new(env.clone(), core, inputs.clone(), log_records);
    env.spawn("log", log.run(log_queue, inputs));
    env.spawn("archive", archive::keep_archiving(shell.clone()));
    shell.run(arriving).await;
    Ok(())
}
