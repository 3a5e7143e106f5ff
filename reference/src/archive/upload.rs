//! Uploading new log entries, and the parts of backups that list them.

use super::format::{
    BackupPart, ChunkRef, LogEntry, PartitionCut, PartitionSpan, SegmentBuilder, keys,
};
use crate::env::{Env, ObjectError};
use crate::ids::{BackupId, Index, PartitionId, TableId};
use crate::mutants::Mutants;
use crate::node::service_times;
use crate::node::{Call, Hosted, Machine, PartitionTarget, Reply, Shell};
use crate::partition::{Command, Partition};
use crate::points;
use crate::rare;
use crate::task::join_all;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// Pauses between tries of an upload, in nanoseconds: doubling from the first up to the last.
const RETRY_NS_MIN: u64 = 20_000_000;
const RETRY_NS_MAX: u64 = 1_000_000_000;
/// How long a committed upload may take to be noted in the partitions' logs.
const NOTE_NS_MAX: u64 = 2_000_000_000;
/// How often a part asks for its partitions to be archived before it makes do with what is.
const PART_TRIES_MAX: usize = 5;

/// Which partitions are to be archived, and how far they must be.
enum Wanted<'a> {
    /// All that have something new to show.
    Changed,
    /// These, at least up to these entries.
    UpTo(&'a BTreeMap<PartitionId, Index>),
}

/// New entries of one partition.
struct Run {
    partition: PartitionId,
    previous_term: u64,
    entries: Vec<LogEntry>,
    bytes: usize,
}

/// Archives whatever is new, at regular intervals, for as long as the node lives.
pub async fn keep_archiving<E: Env, M: Mutants>(shell: Shell<E, M>) {
    let interval_ns = shell.core().config().archive_interval_ns;
    loop {
        // Nodes do not upload in step with one another.
        let jitter_ns = shell.env().draw("archive.jitter", interval_ns / 4 + 1);
        let next_ns = shell.env().now_ns() + interval_ns - interval_ns / 8 + jitter_ns;
        if !shell.env().rarely(rare::ARCHIVES_AT_ONCE) {
            shell.env().sleep_until(next_ns).await;
        }
        archive(&shell, Wanted::Changed).await;
    }
}

async fn archive<E: Env, M: Mutants>(shell: &Shell<E, M>, wanted: Wanted<'_>) {
    // One upload at a time: a second one would send the same entries again.
    let mut sequence = shell.archiving().lock().await;
    let bytes_max = shell.core().config().archive_segment_bytes_max;
    for (table, runs) in collect(shell, &wanted) {
        for segment in split(runs, bytes_max) {
            *sequence += 1;
            upload(shell, table, *sequence, segment).await;
        }
    }
}

/// The new committed entries of the partitions that this node leads, by table.
fn collect<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    wanted: &Wanted<'_>,
) -> BTreeMap<TableId, Vec<Run>> {
    let core = shell.core();
    let mut tables: BTreeMap<TableId, Vec<Run>> = BTreeMap::new();
    for hosted in core.hosted().values() {
        if let Some(state) = led(hosted)
            && is_wanted(hosted, state, wanted)
        {
            tables.entry(state.table).or_default().push(run_of(hosted, state));
        }
    }
    tables
}

fn led(hosted: &Hosted) -> Option<&Partition> {
    match &hosted.machine {
        Machine::Partition(state, Some(_)) => Some(state),
        _ => None,
    }
}

fn is_wanted(hosted: &Hosted, state: &Partition, wanted: &Wanted<'_>) -> bool {
    let archived = state.archived_through();
    match wanted {
        Wanted::Changed => {
            let new = hosted.replica.log().range(archived.next(), state.applied());
            new.iter().any(|it| Command::changes_items(&it.payload))
        }
        Wanted::UpTo(cuts) => {
            cuts.get(&state.id).is_some_and(|cut| archived < *cut && *cut <= state.applied())
        }
    }
}

fn run_of(hosted: &Hosted, state: &Partition) -> Run {
    let (archived, log) = (state.archived_through(), hosted.replica.log());
    let previous_term = log.term_at(archived).expect("what is archived was committed").0;
    let new = log.range(archived.next(), state.applied());
    let entries: Vec<LogEntry> = new
        .iter()
        .map(|it| LogEntry { term: it.term.0, index: it.index.0, payload: it.payload.clone() })
        .collect();
    let bytes = entries.iter().map(LogEntry::encoded_len).sum();
    Run { partition: state.id, previous_term, entries, bytes }
}

/// Groups runs into segments of about `bytes_max` bytes; a longer run has one for itself.
fn split(runs: Vec<Run>, bytes_max: usize) -> Vec<Vec<Run>> {
    let mut segments: Vec<Vec<Run>> = Vec::new();
    let mut bytes = usize::MAX;
    for run in runs {
        if bytes.saturating_add(run.bytes) > bytes_max {
            segments.push(Vec::new());
            bytes = 0;
        }
        bytes += run.bytes;
        segments.last_mut().expect("one was begun").push(run);
    }
    segments
}

async fn upload<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    table: TableId,
    sequence: u64,
    runs: Vec<Run>,
) {
    let (me, incarnation) = (shell.me(), shell.core().incarnation());
    let key = keys::segment(table.0, me.0, incarnation.0, sequence);
    shell.point(points::ARCHIVE_UPLOAD, runs.len() as u64);
    let bytes = runs.iter().map(|it| it.bytes).sum();
    shell.env().work_in_background(service_times::of_archiving(bytes)).await;
    let mut segment = SegmentBuilder::new(table.0, key.clone());
    for run in runs {
        segment
            .push(run.partition.0, run.previous_term, run.entries)
            .expect("a log has no holes and its terms do not go back");
    }
    let (object, chunks) = segment.finish();
    put_surely(shell.env(), &key, object).await;
    join_all(chunks.into_iter().map(|(id, chunk)| note(shell, PartitionId(id), chunk))).await;
}

/// Writes to the partition's log that a run stands in the archive. If this node leads it no more,
/// the next leader archives the run again.
async fn note<E: Env, M: Mutants>(shell: &Shell<E, M>, partition: PartitionId, chunk: ChunkRef) {
    let payload = Command::Archived(chunk).encode();
    let deadline_ns = shell.env().now_ns() + NOTE_NS_MAX;
    let _ = shell.call(shell.me(), Call::Propose { partition, payload }, deadline_ns).await;
}

/// Stores an object under a key that nobody else uses, however often it takes.
///
/// A put whose answer was lost is repeated, and then finds its own object there.
pub async fn put_surely<E: Env>(env: &E, key: &str, object: Bytes) {
    let mut pause_ns = RETRY_NS_MIN;
    loop {
        match env.put_if_absent(key, object.clone()).await {
            Ok(()) | Err(ObjectError::AlreadyExists) => return,
            Err(_) => {
                let jitter_ns = env.draw("archive.retry", pause_ns);
                env.sleep_until(env.now_ns() + pause_ns / 2 + jitter_ns).await;
                pause_ns = (pause_ns * 2).min(RETRY_NS_MAX);
            }
        }
    }
}

/// The parts that a node is writing or has written lately: whoever asks again, because the first
/// answer was late or lost, is not answered by writing another.
#[derive(Debug, Default)]
pub(crate) struct Parts(BTreeMap<BackupId, (Vec<PartitionTarget>, Option<Reply>)>);

/// So many are remembered.
const PARTS_MAX: usize = 16;

impl Parts {
    /// Begins a part, unless it is under way or written: then this is the answer.
    fn begin(&mut self, backup: BackupId, targets: &[PartitionTarget]) -> Option<Reply> {
        match self.0.get(&backup) {
            Some((_, None)) => Some(Reply::Failed("the part is being written".to_owned())),
            Some((same, Some(reply @ Reply::Part(..)))) if same == targets => Some(reply.clone()),
            _ => {
                self.0.insert(backup, (targets.to_vec(), None));
                None
            }
        }
    }

    fn end(&mut self, backup: BackupId, reply: Reply) {
        if let Some((_, answer)) = self.0.get_mut(&backup) {
            *answer = Some(reply);
        }
        let finished = self.0.iter().find(|(_, (_, answer))| answer.is_some());
        if self.0.len() > PARTS_MAX
            && let Some(oldest) = finished.map(|(id, _)| *id)
        {
            self.0.remove(&oldest);
        }
    }
}

/// Archives up to their cuts those of `targets` that this node leads, and writes a part of the
/// backup that lists them.
pub async fn write_part<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    backup: BackupId,
    backup_key: String,
    table: TableId,
    targets: Vec<PartitionTarget>,
) -> Reply {
    if let Some(reply) = shell.parts().borrow_mut().begin(backup, &targets) {
        return reply;
    }
    shell.point(points::ARCHIVE_PART, backup.0);
    let reply = archive_and_list(shell, backup_key, table, targets).await;
    shell.parts().borrow_mut().end(backup, reply.clone());
    reply
}

async fn archive_and_list<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    backup_key: String,
    table: TableId,
    targets: Vec<PartitionTarget>,
) -> Reply {
    let cuts: BTreeMap<PartitionId, Index> =
        targets.iter().map(|it| (it.partition, it.cut.index)).collect();
    for _ in 0..PART_TRIES_MAX {
        if collect(shell, &Wanted::UpTo(&cuts)).is_empty() {
            break;
        }
        archive(shell, Wanted::UpTo(&cuts)).await;
    }
    let partitions: Vec<PartitionCut> =
        targets.iter().filter_map(|it| archived_cut(shell, it)).collect();
    if partitions.is_empty() {
        return Reply::NotLeader(None);
    }
    let sequence = {
        let mut sequence = shell.archiving().lock().await;
        *sequence += 1;
        *sequence
    };
    let bytes = partitions.iter().flat_map(|it| &it.chunks).map(|it| it.len).sum();
    let part = BackupPart { backup_id: backup_key.clone(), table_id: table.0, partitions };
    let key = keys::part(&backup_key, shell.me().0, shell.core().incarnation().0, sequence);
    match part.encode(&key) {
        Ok((object, reference)) => {
            put_surely(shell.env(), &key, object).await;
            Reply::Part(reference, bytes)
        }
        Err(why) => Reply::Failed(why.to_string()),
    }
}

/// The partition with its chunks up to the cut, if this node leads it and they are archived.
fn archived_cut<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    target: &PartitionTarget,
) -> Option<PartitionCut> {
    let core = shell.core();
    let state = led(core.hosted().get(&target.partition)?)?;
    if state.archived_through() < target.cut.index {
        return None;
    }
    let one_more = core.mutants().entry_behind_the_marker_is_taken_in()
        && state.archived_through() > target.cut.index;
    let (cut_index, cut_term) = (target.cut.index.0 + u64::from(one_more), target.cut.term.0);
    let up_to_cut = state.archive().iter().filter(|it| it.first <= cut_index);
    let span = PartitionSpan {
        partition: target.partition.0,
        hash_start: target.range.start,
        hash_end: target.range.end,
    };
    Some(PartitionCut { span, cut_index, cut_term, chunks: up_to_cut.cloned().collect() })
}

/// The partitions that a part covers.
#[must_use]
pub(crate) fn covered(part: &super::format::PartRef) -> BTreeSet<PartitionId> {
    part.partitions.iter().map(|it| PartitionId(it.partition)).collect()
}
