//! What the leader of the metadata group sees through, outside its log: having partitions hosted
//! and dropped, having a sealed backup archived, having a restore done.
//!
//! Each flow runs for one term. It may be begun again by the next leader at any point: everything
//! it asks for is idempotent, and what it has achieved stands in the catalog.

use super::{Backup, BackupState, Catalog, Command, ManifestRef, Restore, Table, Work};
use crate::archive::format::{BackupManifest, PartRef, keys};
use crate::archive::{covered, put_surely};
use crate::env::{Env, ObjectError};
use crate::ids::{BackupId, NodeId, PartitionId, RestoreId, TableId, Term};
use crate::mutants::Mutants;
use crate::node::{Call, HostSpec, PartitionTarget, Reply, Shell};
use crate::points;
use crate::task::{join_all, join_some};
use std::collections::{BTreeMap, BTreeSet};
use xxhash_rust::xxh3::xxh3_64;

/// Between two tries of something that another node did not do.
const RETRY_NS: u64 = 50_000_000;
/// Tries to fill a partition come this close at first, since a new group has its leader soon, and
/// no further apart than that in the end.
const FILL_RETRY_NS_MIN: u64 = 5_000_000;
const FILL_RETRY_NS_MAX: u64 = 2_000_000_000;
/// So many partitions are filled at once.
const FILLED_AT_ONCE_MAX: usize = 256;
/// How often it is tried to remove what a deleted backup leaves.
const FORGET_TRIES_MAX: u32 = 5;
/// After this long without an answer a node is asked again. It goes on with what it was asked for
/// before, and says so.
const CALL_NS_MAX: u64 = 1_000_000_000;

/// Sees one piece of work through, for as long as this node leads the metadata group in `term`.
pub async fn see_through<E: Env, M: Mutants>(shell: Shell<E, M>, term: Term, work: Work) {
    let flow = Flow { shell, term };
    // The end of the term ends the flow: the next leader takes it up.
    let _over: Option<()> = match work {
        Work::Host(table) => flow.host_and_open(table).await,
        Work::Drop(table) => flow.drop_table(table).await,
        Work::Archive(backup) => flow.archive(backup).await,
        Work::Restore(restore) => flow.restore(restore).await,
        Work::Cut(_) => unreachable!("a cut is coordinated by the core"),
    };
}

/// Removes the manifest and the parts of a backup that was deleted. Segments stay: other backups
/// may need them. What cannot be removed now is garbage, and harmless.
pub async fn forget<E: Env, M: Mutants>(shell: Shell<E, M>, backup: Backup) {
    let env = shell.env();
    let (key, object) = (backup_key(&backup), keys::manifest(&backup_key(&backup)));
    for _ in 0..FORGET_TRIES_MAX {
        // The manifest goes last: while it is there, the parts can be found again.
        let parts = match env.get(&object).await {
            Ok(bytes) => BackupManifest::decode(&key, &bytes).map(|it| it.parts),
            Err(ObjectError::NotFound) => return,
            Err(_) => continue,
        };
        for part in parts.unwrap_or_default() {
            let _ = env.delete(&part.object).await;
        }
        if env.delete(&object).await.is_ok() {
            return;
        }
    }
}

/// What is known of a table's members, which are asked for something.
#[derive(Default)]
struct Told {
    /// Who has done it.
    done: BTreeSet<NodeId>,
    /// Partitions that have a leader, and so a quorum, though this node may not reach it.
    led: BTreeSet<PartitionId>,
}

impl Told {
    fn has_quorum(&self, partition: PartitionId, members: &[NodeId]) -> bool {
        let done = members.iter().filter(|it| self.done.contains(it)).count();
        done > members.len() / 2 || self.led.contains(&partition)
    }

    fn has_quorums(&self, table: &Table) -> bool {
        table.partitions.iter().all(|it| self.has_quorum(it.id, &it.members))
    }
}

struct Flow<E: Env, M> {
    shell: Shell<E, M>,
    term: Term,
}

impl<E: Env, M: Mutants> Flow<E, M> {
    /// Something of the catalog; `None` once the term is over or it is not there.
    fn look<T>(&self, at: impl FnOnce(&Catalog) -> Option<T>) -> Option<T> {
        self.shell.core().catalog_in(self.term).and_then(at)
    }

    fn in_term(&self) -> Option<()> {
        self.look(|_| Some(()))
    }

    async fn pause(&self) {
        let env = self.shell.env();
        env.sleep_until(env.now_ns() + RETRY_NS).await;
    }

    /// Has the metadata log take a command, until it has.
    async fn decide(&self, command: Command) -> Option<()> {
        loop {
            self.in_term()?;
            let deadline_ns = self.shell.env().now_ns() + CALL_NS_MAX;
            let call = Call::Metadata(command.clone());
            // A command that was taken already is refused as stale: it is decided as well.
            if let Ok(Reply::Applied(_)) = self.shell.call(self.shell.me(), call, deadline_ns).await
            {
                return Some(());
            }
            self.pause().await;
        }
    }

    async fn call(&self, node: NodeId, call: Call) -> Option<Reply> {
        let deadline_ns = self.shell.env().now_ns() + CALL_NS_MAX;
        self.shell.call(node, call, deadline_ns).await.ok()
    }

    // Hosting.

    async fn host_and_open(&self, id: TableId) -> Option<()> {
        let table = self.look(|it| it.table_by_id(id).cloned())?;
        self.host(&table, Some(Command::OpenTable(id))).await
    }

    /// Has every member host its replicas. As soon as every partition has a quorum, `then` is
    /// decided; the others are still asked until they have done it.
    async fn host(&self, table: &Table, then: Option<Command>) -> Option<()> {
        self.ask_members(table, |specs| Call::Host(specs.to_vec()), then).await
    }

    /// Has every member do what `call` makes of its replicas. As soon as a quorum of every
    /// partition has done so, `then` is decided; the others are still asked until they have.
    async fn ask_members(
        &self,
        table: &Table,
        call: impl Fn(&[HostSpec]) -> Call,
        mut then: Option<Command>,
    ) -> Option<()> {
        let specs = specs_by_node(table);
        let mut told = Told::default();
        loop {
            self.tell(&specs, &call, &mut told).await?;
            if told.has_quorums(table)
                && let Some(command) = then.take()
            {
                self.decide(command).await?;
            }
            if specs.keys().all(|it| told.done.contains(it)) {
                return Some(());
            }
            self.pause().await;
        }
    }

    /// Asks those members once who have not done it, or of whom one of their partitions has no
    /// quorum yet: by now they may lead it.
    async fn tell(
        &self,
        specs: &BTreeMap<NodeId, Vec<HostSpec>>,
        call: &impl Fn(&[HostSpec]) -> Call,
        told: &mut Told,
    ) -> Option<()> {
        self.in_term()?;
        let open = |it: &HostSpec| !told.has_quorum(it.partition, &it.members);
        let asked =
            specs.iter().filter(|(it, specs)| !told.done.contains(it) || specs.iter().any(open));
        let asked = asked.map(|(node, specs)| {
            let call = call(specs);
            async move { (*node, self.call(*node, call).await) }
        });
        for (node, reply) in join_all(asked).await {
            match reply {
                Some(Reply::Done) => drop(told.done.insert(node)),
                Some(Reply::Hosted { led }) => {
                    told.done.insert(node);
                    told.led.extend(led);
                }
                _ => {}
            }
        }
        Some(())
    }

    /// The table is gone as soon as no partition of it has a quorum that could serve it. A member
    /// that is away then is told when it comes back; until then the catalog remembers the table.
    async fn drop_table(&self, id: TableId) -> Option<()> {
        let (table, then) = self.look(|it| match it.table_by_id(id) {
            Some(table) => Some((table.clone(), Some(Command::DropTable(id)))),
            None => Some((it.dropped(id)?.clone(), None)),
        })?;
        let partitions = |specs: &[HostSpec]| specs.iter().map(|it| it.partition).collect();
        self.ask_members(&table, |specs| Call::Drop(partitions(specs)), then).await?;
        self.decide(Command::ForgetTable(id)).await
    }

    // Archiving a sealed backup.

    async fn archive(&self, id: BackupId) -> Option<()> {
        let backup = self.look(|it| it.backup(id).cloned())?;
        let targets = targets_of(&backup)?;
        let (parts, size_bytes) = self.collect_parts(&backup, targets).await?;
        let manifest = self.write_manifest(&backup, parts).await?;
        self.decide(Command::Complete { backup: id, manifest, size_bytes }).await
    }

    /// Has the leaders archive up to the cut and list what they have, until every partition is
    /// covered exactly once.
    async fn collect_parts(
        &self,
        backup: &Backup,
        mut uncovered: BTreeMap<PartitionId, (PartitionTarget, Vec<NodeId>)>,
    ) -> Option<(Vec<PartRef>, u64)> {
        let (mut parts, mut size_bytes) = (Vec::new(), 0);
        loop {
            self.in_term()?;
            let mut by_node: BTreeMap<NodeId, Vec<PartitionTarget>> = BTreeMap::new();
            for (target, members) in uncovered.values() {
                for node in members {
                    by_node.entry(*node).or_default().push(target.clone());
                }
            }
            let asked = by_node.into_iter().map(|(node, partitions)| {
                let call = Call::ArchivePart {
                    backup: backup.id,
                    backup_key: backup_key(backup),
                    table: backup.table.id,
                    partitions,
                };
                self.call(node, call)
            });
            for reply in join_all(asked).await {
                let Some(Reply::Part(part, bytes)) = reply else { continue };
                let covers: BTreeSet<PartitionId> = covered(&part);
                // Leadership may have moved meanwhile: a part that overlaps another is left out.
                if covers.iter().all(|it| uncovered.contains_key(it)) {
                    covers.iter().for_each(|it| drop(uncovered.remove(it)));
                    parts.push(part);
                    size_bytes += bytes;
                }
            }
            if uncovered.is_empty() {
                return Some((parts, size_bytes));
            }
            self.pause().await;
        }
    }

    /// Writes the manifest. If an earlier leader has written one, that one counts: it is complete.
    async fn write_manifest(&self, backup: &Backup, parts: Vec<PartRef>) -> Option<ManifestRef> {
        let BackupState::Sealed { instant_ms, .. } = backup.state else { return None };
        let manifest = BackupManifest {
            backup_id: backup_key(backup),
            backup_arn: backup.arn.to_string(),
            table_id: backup.table.id.0,
            table_name: backup.table.name.clone(),
            sealed_at_ms: instant_ms,
            source_details: postcard::to_stdvec(&backup.table).expect("plain data").into(),
            partition_count: backup.table.partitions.len() as u64,
            parts,
        };
        let object = manifest.encode().expect("the parts cover every partition exactly once");
        let key = keys::manifest(&backup_key(backup));
        loop {
            self.in_term()?;
            put_surely(self.shell.env(), &key, object.clone()).await;
            // What counts is what stands there now, whoever wrote it. Nothing refers to it yet, so
            // what is damaged may be replaced.
            match self.shell.env().get(&key).await {
                Ok(written) if BackupManifest::decode(&backup_key(backup), &written).is_ok() => {
                    return Some(ManifestRef { object: key, checksum: xxh3_64(&written) });
                }
                Ok(_) => drop(self.shell.env().delete(&key).await),
                Err(_) => {}
            }
            self.pause().await;
        }
    }

    // Restoring.

    async fn restore(&self, id: RestoreId) -> Option<()> {
        let (restore, backup, table) = self.look(|it| {
            let restore = it.restore(id)?.clone();
            let backup = it.backup(restore.backup)?.clone();
            let table = it.table_by_id(restore.target)?.clone();
            Some((restore, backup, table))
        })?;
        self.shell.point(points::RESTORE_PLAN, id.0);
        self.host_quorum(&table).await?;
        self.shell.point(points::RESTORE_HOSTED, id.0);
        let key = backup_key(&backup);
        let pending = restore.partitions.iter().filter(|(_, (_, items))| items.is_none());
        let filled = pending
            .map(|(&target, &(source, _))| self.fill(&restore, &table, &key, target, source));
        let filled = join_some(filled, FILLED_AT_ONCE_MAX).await;
        filled.into_iter().collect::<Option<Vec<()>>>()?;
        self.shell.point(points::RESTORE_FINISH, id.0);
        self.decide(Command::FinishRestore(id)).await?;
        // Members that were away when the table was made are still to host their replicas.
        self.host(&table, None).await
    }

    async fn host_quorum(&self, table: &Table) -> Option<()> {
        let specs = specs_by_node(table);
        let mut told = Told::default();
        loop {
            self.tell(&specs, &|specs: &[HostSpec]| Call::Host(specs.to_vec()), &mut told).await?;
            if told.has_quorums(table) {
                return Some(());
            }
            self.pause().await;
        }
    }

    /// Has the leader of one new partition fill it, whoever that is at the time.
    async fn fill(
        &self,
        restore: &Restore,
        table: &Table,
        backup_key: &str,
        target: PartitionId,
        source: PartitionId,
    ) -> Option<()> {
        let members = &table.partitions.iter().find(|it| it.id == target)?.members;
        let (mut turn, mut pause_ns) = (0, FILL_RETRY_NS_MIN);
        loop {
            self.in_term()?;
            let node = members[turn % members.len()];
            turn += 1;
            let call = Call::RestorePartition {
                restore: restore.id,
                target,
                source,
                backup_key: backup_key.to_owned(),
                manifest: restore.manifest.clone(),
            };
            if let Some(Reply::Restored(items)) = self.call(node, call).await {
                let restore = restore.id;
                let done = Command::PartitionRestored { restore, partition: target, items };
                self.decide(done).await?;
                self.shell.point(points::RESTORE_NOTED, target.0);
                return Some(());
            }
            // Damage in the archive may last: the table stays closed, and it is tried less often.
            self.shell.env().sleep_until(self.shell.env().now_ns() + pause_ns).await;
            pause_ns = (pause_ns * 3 / 2).min(FILL_RETRY_NS_MAX);
        }
    }
}

/// The id of a backup in the archive; the catalog's number makes it unique for good.
fn backup_key(backup: &Backup) -> String {
    let (created_ms, suffix) = (backup.arn.created_ms, backup.arn.suffix);
    format!("{created_ms:014}-{suffix:08x}-{:x}", backup.id.0)
}

fn specs_by_node(table: &Table) -> BTreeMap<NodeId, Vec<HostSpec>> {
    let mut by_node: BTreeMap<NodeId, Vec<HostSpec>> = BTreeMap::new();
    for it in &table.partitions {
        let spec = HostSpec {
            table: table.id,
            partition: it.id,
            range: it.range,
            epoch: it.epoch,
            members: it.members.clone(),
        };
        for node in &it.members {
            by_node.entry(*node).or_default().push(spec.clone());
        }
    }
    by_node
}

fn targets_of(backup: &Backup) -> Option<BTreeMap<PartitionId, (PartitionTarget, Vec<NodeId>)>> {
    let BackupState::Sealed { positions, .. } = &backup.state else { return None };
    let cuts: BTreeMap<_, _> = positions.iter().copied().collect();
    let target = |it: &super::PartitionInfo| {
        let cut = *cuts.get(&it.id)?;
        let target = PartitionTarget { partition: it.id, range: it.range, cut };
        Some((it.id, (target, it.members.clone())))
    };
    backup.table.partitions.iter().map(target).collect()
}
