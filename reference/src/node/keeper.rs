//! The flow that keeps a node's checkpoint: when one is due, what follows it, and a fresh one in
//! place of one that is lost.

use super::shell::Shell;
use crate::env::{Env, timeout};
use crate::mutants::Mutants;
use crate::partition::StoreFault;
use crate::points;
use crate::rare;
use crate::store::{Checkpoint, OnDamage, Opened};

/// Pauses between tries to found a fresh checkpoint, in nanoseconds.
const REFOUND_NS: u64 = 1_000_000_000;

/// Makes checkpoints, at intervals or when one is wanted, for as long as the node lives.
pub(super) async fn keep_checkpoints<E: Env, M: Mutants>(shell: Shell<E, M>) {
    let interval_ns = shell.core().config().checkpoint_interval_ns;
    loop {
        // Nodes do not write in step with one another.
        let jitter_ns = shell.env().draw("checkpoint.jitter", interval_ns / 4 + 1);
        let next_ns = shell.env().now_ns() + interval_ns - interval_ns / 8 + jitter_ns;
        if !shell.env().rarely(rare::CHECKPOINTS_AT_ONCE) {
            let _ = timeout(shell.env(), next_ns, shell.checkpoint_wanted()).await;
        }
        if !shell.core().has_unsaved() {
            continue;
        }
        if save(&shell).await {
            compact_log(&shell);
        }
    }
}

/// Makes one checkpoint, part by part; answers whether all went well.
async fn save<E: Env, M: Mutants>(shell: &Shell<E, M>) -> bool {
    let mut saved = shell.save_part().await;
    while saved && shell.core().checkpoint_goes_on() {
        saved = shell.save_part().await;
    }
    saved
}

/// A log of which checkpoints hold the greater part is begun anew without it.
fn compact_log<E: Env, M: Mutants>(shell: &Shell<E, M>) {
    let log_bytes = shell.log_bytes();
    let kept_bytes = shell.core().log_bytes_kept();
    let is_long = log_bytes > shell.core().config().log_bytes_max.max(2 * kept_bytes);
    if is_long || shell.env().rarely(rare::COMPACTS_AT_ONCE) {
        shell.compact_log();
        shell.point(points::LOG_COMPACTED, kept_bytes);
    }
}

/// Discards a checkpoint that cannot be trusted and founds a fresh one. What it held comes back
/// from the logs and from the leaders.
pub(super) async fn refound<E: Env, M: Mutants>(shell: Shell<E, M>, _fault: StoreFault) {
    loop {
        if shell.checkpoint().discard().await.is_ok() {
            let opened = Checkpoint::open(shell.env(), shell.me(), OnDamage::Discard).await;
            if let Ok(Opened::Sound(fresh) | Opened::Fresh(fresh, _)) = opened {
                return shell.refound(fresh);
            }
        }
        shell.env().sleep_until(shell.env().now_ns() + REFOUND_NS).await;
    }
}
