//! One worker: fetch and verify a partition's chunks, replay them up to the cut, load the items.

use crate::archive::format::{
    ArchiveError, BackupManifest, BackupPart, Chunk, ChunkRef, LogEntry, PartRef, PartitionCut,
    Replay,
};
use crate::env::{Env, ObjectError, Observed};
use crate::ids::{Epoch, HashRange, Index, PartitionId, RestoreId, TableId};
use crate::metadata::ManifestRef;
use crate::mutants::Mutants;
use crate::node::service_times;
use crate::node::{Call, Machine, Reply, Shell};
use crate::partition::{Command, ItemKey, ItemStore, Partition, RestoreProgress, StoreFault};
use crate::points;
use crate::rare;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::rc::Rc;
use xxhash_rust::xxh3::xxh3_64;

/// Pauses between tries of a fetch, in nanoseconds.
const RETRY_NS: u64 = 50_000_000;
/// A fetch is tried so often before the worker gives up and leaves the plan to another.
const FETCH_TRIES_MAX: u32 = 8;
/// A batch is one log entry; it stops growing at this size.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// How long a worker tarries that does.
const TARRIES_NS: u64 = 300_000_000;
/// How long a batch may take to be committed.
const LOAD_NS_MAX: u64 = 3_000_000_000;

/// What a worker has to do.
#[derive(Clone, Debug)]
pub struct Worker {
    /// The restore.
    pub restore: RestoreId,
    /// The partition to fill.
    pub target: PartitionId,
    /// The partition of the backup.
    pub source: PartitionId,
    /// The backup's id in the archive.
    pub backup_key: String,
    /// Where the backup's manifest stands.
    pub manifest: ManifestRef,
}

/// Why a worker stopped before its partition was complete.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error("{0}")]
    Archive(#[from] ArchiveError),
    #[error("{object}: {why}")]
    Fetch { object: String, why: ObjectError },
    #[error("{object} is not the manifest that the catalog names: checksum {found:016x}")]
    OtherManifest { object: String, found: u64 },
    #[error("{object}: entry {index} of {partition} cannot be replayed ({why})")]
    NotReplayed { object: String, partition: PartitionId, index: u64, why: StoreFault },
    #[error("{partition} was replayed and cannot be read ({why})")]
    NotRead { partition: PartitionId, why: StoreFault },
    #[error("the backup has no {0}")]
    NoSuchPartition(PartitionId),
    #[error("this node does not lead {0}")]
    NotLeader(PartitionId),
}

type Items = BTreeMap<ItemKey, Bytes>;

/// The workers of a node, and what they share: the manifests and parts that were verified. Objects
/// never change, so these are good for as long as anybody works.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    targets: BTreeSet<PartitionId>,
    manifests: BTreeMap<String, Rc<BackupManifest>>,
    parts: BTreeMap<String, Rc<BackupPart>>,
}

impl Workers {
    /// Whether nobody fills this partition yet; from now on somebody does.
    fn begin(&mut self, target: PartitionId) -> bool {
        self.targets.insert(target)
    }

    fn end(&mut self, target: PartitionId) {
        self.targets.remove(&target);
        if self.targets.is_empty() {
            *self = Self::default();
        }
    }
}

impl Worker {
    /// Fills the partition, from wherever an earlier worker left it.
    pub async fn run<E: Env, M: Mutants>(&self, shell: &Shell<E, M>) -> Reply {
        if !shell.restoring().borrow_mut().begin(self.target) {
            return Reply::Failed(format!("{} is being filled already", self.target));
        }
        let result = self.fill(shell).await;
        shell.restoring().borrow_mut().end(self.target);
        match result {
            Ok(items) => Reply::Restored(items),
            Err(Stopped::NotLeader(_)) => Reply::NotLeader(None),
            Err(stopped) => Reply::Failed(stopped.to_string()),
        }
    }

    async fn fill<E: Env, M: Mutants>(&self, shell: &Shell<E, M>) -> Result<u64, Stopped> {
        let progress = self.progress(shell)?;
        if progress.complete {
            return Ok(progress.items);
        }
        shell.point(points::RESTORE_COPY, self.target.0);
        let (table, cut) = self.fetch_cut(shell).await?;
        let lenient = shell.core().mutants().restore_ends_where_it_cannot_read();
        let mut items = self.fetch_items(shell.env(), table, cut, lenient).await?;
        shell.point(points::RESTORE_BUILT, self.target.0);
        if shell.core().mutants().restore_drops_an_item() {
            items.pop_first();
        }
        self.load(shell, &items, progress).await?;
        let loaded = Command::Loaded { restore: self.restore, items: items.len() as u64 };
        self.propose(shell, &loaded).await?;
        shell.point(points::RESTORE_PARTITION, self.target.0);
        Ok(self.progress(shell)?.items)
    }

    /// How far the partition is, if this node leads it.
    fn progress<E: Env, M: Mutants>(
        &self,
        shell: &Shell<E, M>,
    ) -> Result<RestoreProgress, Stopped> {
        let core = shell.core();
        let machine = core.hosted().get(&self.target).map(|it| &it.machine);
        let Some(Machine::Partition(state, Some(_))) = machine else {
            return Err(Stopped::NotLeader(self.target));
        };
        let none =
            RestoreProgress { restore: self.restore, through: None, items: 0, complete: false };
        Ok(state.restore().cloned().unwrap_or(none))
    }

    // Fetching.

    /// The table that was backed up, and the partition as the backup lists it.
    async fn fetch_cut<E: Env, M: Mutants>(
        &self,
        shell: &Shell<E, M>,
    ) -> Result<(u128, PartitionCut), Stopped> {
        let manifest = self.fetch_manifest(shell).await?;
        let missing = || Stopped::NoSuchPartition(self.source);
        let holds = |it: &u64| *it == self.source.0;
        let mut parts = manifest.parts.iter();
        let reference = parts.find(|part| part.partitions.iter().any(|it| holds(&it.partition)));
        let part = self.fetch_part(shell, &manifest, reference.ok_or_else(missing)?).await?;
        let cut = part.partitions.iter().find(|it| holds(&it.span.partition));
        cut.map(|it| (manifest.table_id, it.clone())).ok_or_else(missing)
    }

    async fn fetch_manifest<E: Env, M: Mutants>(
        &self,
        shell: &Shell<E, M>,
    ) -> Result<Rc<BackupManifest>, Stopped> {
        let object = &self.manifest.object;
        if let Some(known) = shell.restoring().borrow().manifests.get(object) {
            return Ok(Rc::clone(known));
        }
        let bytes = fetch(shell.env(), object, None).await?;
        let found = xxh3_64(&bytes);
        if found != self.manifest.checksum {
            return Err(Stopped::OtherManifest { object: object.clone(), found });
        }
        let manifest = Rc::new(BackupManifest::decode(&self.backup_key, &bytes)?);
        let mut workers = shell.restoring().borrow_mut();
        workers.manifests.insert(object.clone(), Rc::clone(&manifest));
        Ok(manifest)
    }

    async fn fetch_part<E: Env, M: Mutants>(
        &self,
        shell: &Shell<E, M>,
        manifest: &BackupManifest,
        reference: &PartRef,
    ) -> Result<Rc<BackupPart>, Stopped> {
        let object = &reference.object;
        if let Some(known) = shell.restoring().borrow().parts.get(object) {
            return Ok(Rc::clone(known));
        }
        let bytes = fetch(shell.env(), object, None).await?;
        let part = BackupPart::decode(&self.backup_key, manifest.table_id, reference, &bytes)?;
        let part = Rc::new(part);
        shell.restoring().borrow_mut().parts.insert(object.clone(), Rc::clone(&part));
        Ok(part)
    }

    async fn fetch_chunk<E: Env>(
        &self,
        env: &E,
        table: u128,
        reference: &ChunkRef,
    ) -> Result<Chunk, Stopped> {
        let range = reference.offset..reference.offset + reference.len;
        let bytes = fetch(env, &reference.object, Some(range)).await?;
        env.work_in_background(service_times::of_replay(bytes.len())).await;
        Ok(Chunk::decode(table, self.source.0, reference, &bytes)?)
    }

    async fn fetch_items<E: Env>(
        &self,
        env: &E,
        table: u128,
        cut: PartitionCut,
        lenient: bool,
    ) -> Result<Items, Stopped> {
        let mut replay = Replay::new(table, &cut);
        let range = HashRange { start: cut.span.hash_start, end: cut.span.hash_end };
        // The very state machine that built the partition builds it again.
        let mut state = Partition::new(self.source, TableId(table), range, Epoch(1));
        for reference in &cut.chunks {
            let chunk = match self.fetch_chunk(env, table, reference).await {
                Err(_) if lenient => break,
                chunk => chunk?,
            };
            for LogEntry { index, payload, .. } in replay.accept(chunk)? {
                state.apply(Index(index), &payload).map_err(|why| {
                    let object = reference.object.clone();
                    Stopped::NotReplayed { object, partition: self.source, index, why }
                })?;
            }
        }
        if !lenient {
            replay.finish()?;
        }
        let mut items = Items::new();
        let read = state.store().scan(None, &mut |key, item| {
            items.insert(key.clone(), item.clone());
            true
        });
        read.map_err(|why| Stopped::NotRead { partition: self.source, why })?;
        Ok(items)
    }

    // Loading.

    async fn load<E: Env, M: Mutants>(
        &self,
        shell: &Shell<E, M>,
        items: &Items,
        mut progress: RestoreProgress,
    ) -> Result<(), Stopped> {
        let batch_items = shell.core().config().restore_batch_items;
        let resumed = progress.through.is_some();
        let mut skip = if resumed && shell.core().mutants().resumed_restore_skips_a_range() {
            batch_items
        } else {
            0
        };
        loop {
            let skipped = std::mem::take(&mut skip);
            if shell.env().rarely(rare::RESTORE_TARRIES) {
                shell.env().sleep_until(shell.env().now_ns() + TARRIES_NS).await;
            }
            let one = shell.env().rarely(rare::RESTORES_ONE);
            let items_max = if one { 1 } else { batch_items };
            let batch = next_batch(items, progress.through.as_ref(), skipped, items_max);
            if batch.is_empty() {
                return Ok(());
            }
            let after = progress.through.clone();
            let load = Command::Load { restore: self.restore, after, items: batch };
            self.propose(shell, &load).await?;
            shell.point(points::RESTORE_LOADED, self.target.0);
            progress = self.progress(shell)?;
        }
    }

    async fn propose<E: Env, M: Mutants>(
        &self,
        shell: &Shell<E, M>,
        command: &Command,
    ) -> Result<(), Stopped> {
        shell.point(points::RESTORE_PROPOSE, self.target.0);
        let (partition, payload) = (self.target, command.encode());
        let deadline_ns = shell.env().now_ns() + LOAD_NS_MAX;
        match shell.call(shell.me(), Call::Propose { partition, payload }, deadline_ns).await {
            Ok(Reply::Done) => Ok(()),
            _ => Err(Stopped::NotLeader(self.target)),
        }
    }
}

/// Fetches an object or a part of it; what may pass is tried again, what is missing is an error.
async fn fetch<E: Env>(
    env: &E,
    object: &str,
    range: Option<std::ops::Range<u64>>,
) -> Result<Bytes, Stopped> {
    let mut tries = 0;
    loop {
        let fetched = match range.clone() {
            Some(range) => env.get_range(object, range).await,
            None => env.get(object).await,
        };
        tries += 1;
        match fetched {
            Ok(bytes) => {
                let (name, detail) = (points::RESTORE_FETCHED, bytes.len() as u64);
                env.observe(Observed::Point { name, detail });
                return Ok(bytes);
            }
            Err(ObjectError::SlowDown | ObjectError::Timeout) if tries < FETCH_TRIES_MAX => {
                let jitter_ns = env.draw("restore.retry", RETRY_NS);
                env.sleep_until(env.now_ns() + RETRY_NS + jitter_ns).await;
            }
            Err(why) => return Err(Stopped::Fetch { object: object.to_owned(), why }),
        }
    }
}

/// The items behind `after` that make the next batch: at most `items_max`, and no more bytes than a
/// log entry should have, but at least one item if there is one.
fn next_batch(
    items: &Items,
    after: Option<&ItemKey>,
    skipped: usize,
    items_max: usize,
) -> Vec<(ItemKey, Bytes)> {
    let start = after.map_or(Bound::Unbounded, Bound::Excluded);
    let behind = items.range((start, Bound::Unbounded)).skip(skipped).take(items_max);
    let mut bytes = 0;
    let fitting = behind.take_while(|(_, item)| {
        let fits = bytes == 0 || bytes + item.len() <= BATCH_BYTES_MAX;
        bytes += item.len();
        fits
    });
    fitting.map(|(key, item)| (key.clone(), item.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::PrimaryKey;

    /// Two hundred and fifty-six of the largest items made an entry that no log record could hold.
    #[test]
    fn a_batch_of_the_largest_items_stays_small_and_none_is_left_out() {
        let key =
            |n: u8| ItemKey::new(PrimaryKey { partition: vec![n].into(), sort: Bytes::new() });
        for item_bytes in [1, 400 << 10, 2 * BATCH_BYTES_MAX] {
            let item = Bytes::from(vec![0; item_bytes]);
            let items: Items = (0..100).map(|n| (key(n), item.clone())).collect();
            let (mut after, mut loaded) = (None, 0);
            loop {
                let batch = next_batch(&items, after.as_ref(), 0, 256);
                let Some((last, _)) = batch.last() else { break };
                let bytes: usize = batch.iter().map(|(_, item)| item.len()).sum();
                assert!(bytes <= BATCH_BYTES_MAX || batch.len() == 1, "{bytes} bytes");
                (after, loaded) = (Some(last.clone()), loaded + batch.len());
            }
            assert_eq!(loaded, 100);
        }
    }
}
