//! The state of the catalog and how each command changes it.

use super::command::{Applied, Command, Refusal, TableSpec};
use super::placement::Cluster;
use crate::api::{BackupArn, BillingMode, ProvisionedThroughput};
use crate::ids::{
    Attempt, BackupId, Epoch, HashRange, NodeId, PartitionId, Position, RestoreId, TableId,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The state of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TableStatus {
    /// Its replicas are being placed, or a restore fills it.
    Creating,
    /// It is open.
    Active,
    /// Its replicas are being removed.
    Deleting,
}

/// One partition in the partition map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionInfo {
    /// Its name.
    pub id: PartitionId,
    /// The hashes that it is responsible for.
    pub range: HashRange,
    /// Which version of that range.
    pub epoch: Epoch,
    /// The nodes that keep it, the preferred leader first.
    pub members: Vec<NodeId>,
}

/// A table in the catalog.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Its identity.
    pub id: TableId,
    /// Its name.
    pub name: String,
    /// What it was made to be.
    pub spec: TableSpec,
    /// When it was asked for.
    pub created_ms: u64,
    /// Its state.
    pub status: TableStatus,
    /// Its partitions; their ranges tile all hashes.
    pub partitions: Vec<PartitionInfo>,
    /// The restore that fills it, while it does.
    pub restore: Option<RestoreId>,
}

/// Where a backup's manifest stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestRef {
    /// The object.
    pub object: String,
    /// The checksum of the whole object.
    pub checksum: u64,
}

/// How far a backup has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum BackupState {
    /// Its cut is not sealed; this is the current attempt, if one has begun.
    Cutting(Option<Attempt>),
    /// Its cut is sealed; the log up to there is being archived.
    Sealed {
        /// Where each partition's marker stands.
        positions: Vec<(PartitionId, Position)>,
        /// The instant of the backup, by the coordinator's wall clock.
        instant_ms: u64,
    },
    /// It can be restored.
    Available {
        /// The instant of the backup, by the coordinator's wall clock.
        instant_ms: u64,
        /// Where its manifest stands.
        manifest: ManifestRef,
        /// The archived bytes that it refers to.
        size_bytes: u64,
    },
}

/// A backup in the catalog.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Backup {
    /// Its number.
    pub id: BackupId,
    /// Its ARN.
    pub arn: BackupArn,
    /// The name it was given; names need not be unique.
    pub name: String,
    /// When it was asked for.
    pub requested_ms: u64,
    /// The table as it was then.
    pub table: Table,
    /// How far it has come.
    pub state: BackupState,
    /// How many restores read from it.
    pub restoring: u32,
}

/// A restore under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Restore {
    /// Its number.
    pub id: RestoreId,
    /// The backup.
    pub backup: BackupId,
    /// The backup's ARN.
    pub backup_arn: BackupArn,
    /// The table that the backup was made of.
    pub source_table: String,
    /// The instant that is restored: when the backup was asked for.
    pub restore_ms: u64,
    /// Where the backup's manifest stands.
    pub manifest: ManifestRef,
    /// The new table.
    pub target: TableId,
    /// Each partition of the new table: which one of the backup it is made from, and how many
    /// items it holds once it is complete.
    pub partitions: BTreeMap<PartitionId, (PartitionId, Option<u64>)>,
}

/// What the leader of the metadata group has to see through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// Have a table's partitions hosted, then open it.
    Host(TableId),
    /// Have a table's replicas removed.
    Drop(TableId),
    /// Cut.
    Cut(BackupId),
    /// Have the log archived up to a sealed cut.
    Archive(BackupId),
    /// Fill a new table from a backup.
    Restore(RestoreId),
}

/// The catalog.
#[derive(Debug, Serialize, Deserialize)]
pub struct Catalog {
    #[serde(skip)]
    cluster: Cluster,
    tables: BTreeMap<String, Table>,
    backups: BTreeMap<BackupId, Backup>,
    /// Tables that are gone, of which a member may still host replicas.
    dropped: BTreeMap<TableId, Table>,
    restores: BTreeMap<RestoreId, Restore>,
    next_partition: u64,
    next_backup: u64,
    next_attempt: u64,
    next_restore: u64,
}

impl Catalog {
    /// An empty catalog of this cluster.
    #[must_use]
    pub fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            tables: BTreeMap::new(),
            dropped: BTreeMap::new(),
            backups: BTreeMap::new(),
            restores: BTreeMap::new(),
            next_partition: PartitionId::METADATA.0 + 1,
            next_backup: 1,
            next_attempt: 1,
            next_restore: 1,
        }
    }

    /// The same catalog for the cluster as its nodes know it now; a stored catalog has none.
    #[must_use]
    pub fn of(self, cluster: Cluster) -> Self {
        Self { cluster, ..self }
    }

    /// The cluster that it is of.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// The table of this name.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    /// The table of this identity.
    #[must_use]
    pub fn table_by_id(&self, id: TableId) -> Option<&Table> {
        self.tables.values().find(|it| it.id == id)
    }

    /// A table that is gone, as long as a member may still host replicas of it.
    #[must_use]
    pub fn dropped(&self, id: TableId) -> Option<&Table> {
        self.dropped.get(&id)
    }

    /// All tables, by name.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.values()
    }

    /// A backup by its number.
    #[must_use]
    pub fn backup(&self, id: BackupId) -> Option<&Backup> {
        self.backups.get(&id)
    }

    /// A backup by its ARN.
    #[must_use]
    pub fn backup_by_arn(&self, arn: &BackupArn) -> Option<&Backup> {
        self.backups.values().find(|it| it.arn == *arn)
    }

    /// All backups, in the order in which they were asked for.
    pub fn backups(&self) -> impl Iterator<Item = &Backup> {
        self.backups.values()
    }

    /// A restore under way.
    #[must_use]
    pub fn restore(&self, id: RestoreId) -> Option<&Restore> {
        self.restores.get(&id)
    }

    /// Everything that a new leader has to see through.
    #[must_use]
    pub fn outstanding(&self) -> Vec<Work> {
        let tables = self.tables.values().filter_map(|it| match it.status {
            TableStatus::Deleting => Some(Work::Drop(it.id)),
            // An open table may have members that were away when it was made.
            TableStatus::Creating | TableStatus::Active if it.restore.is_none() => {
                Some(Work::Host(it.id))
            }
            TableStatus::Creating | TableStatus::Active => None,
        });
        // A member that was away when its table was dropped is told when it comes back.
        let tables = tables.chain(self.dropped.keys().map(|it| Work::Drop(*it)));
        let backups = self.backups.values().filter_map(|it| match it.state {
            BackupState::Cutting(_) => Some(Work::Cut(it.id)),
            BackupState::Sealed { .. } => Some(Work::Archive(it.id)),
            BackupState::Available { .. } => None,
        });
        let restores = self.restores.keys().map(|it| Work::Restore(*it));
        tables.chain(backups).chain(restores).collect()
    }

    /// Applies one command. Says what it did, and what is to be seen through because of it.
    ///
    /// # Errors
    /// The command does not fit the state; nothing has changed.
    pub fn apply(&mut self, command: Command) -> Result<(Applied, Option<Work>), Refusal> {
        match command {
            Command::CreateTable { name, id, spec, created_ms } => {
                let partitions = self.partitions_of(&spec);
                let table = self.new_table(name, id, spec, created_ms, partitions, None)?;
                Ok((Applied::Table(table), Some(Work::Host(id))))
            }
            Command::OpenTable(id) => {
                let table = self.table_mut(id)?;
                if table.status != TableStatus::Creating || table.restore.is_some() {
                    return Err(Refusal::Stale);
                }
                table.status = TableStatus::Active;
                Ok((Applied::Table(table.clone()), None))
            }
            Command::DeleteTable(name) => self.delete_table(&name),
            Command::DropTable(id) => {
                let table = self.table_mut(id)?;
                if table.status != TableStatus::Deleting {
                    return Err(Refusal::Stale);
                }
                let name = table.name.clone();
                let table = self.tables.remove(&name).expect("it was just found");
                self.dropped.insert(id, table.clone());
                Ok((Applied::Table(table), None))
            }
            Command::ForgetTable(id) => {
                self.dropped.remove(&id).ok_or(Refusal::Stale)?;
                Ok((Applied::Noted, None))
            }
            Command::StartBackup { table, name, suffix, requested_ms } => {
                self.start_backup(&table, name, suffix, requested_ms)
            }
            Command::BeginAttempt(id) => self.begin_attempt(id),
            Command::Seal { backup, attempt, positions, instant_ms } => {
                self.seal(backup, attempt, positions, instant_ms)
            }
            Command::Abandon(id) => {
                let cutting = |it: &Backup| matches!(it.state, BackupState::Cutting(_));
                self.backups.get(&id).filter(|it| cutting(it)).ok_or(Refusal::Stale)?;
                let backup = self.backups.remove(&id).expect("it was just found");
                Ok((Applied::Backup(backup), None))
            }
            Command::Complete { backup, manifest, size_bytes } => {
                self.complete(backup, manifest, size_bytes)
            }
            Command::DeleteBackup(arn) => self.delete_backup(&arn),
            Command::StartRestore { backup, target, id, billing, requested_ms } => {
                self.start_restore(&backup, target, id, billing, requested_ms)
            }
            Command::PartitionRestored { restore, partition, items } => {
                let it = self.restores.get_mut(&restore).ok_or(Refusal::Stale)?;
                it.partitions.get_mut(&partition).ok_or(Refusal::Stale)?.1 = Some(items);
                Ok((Applied::Noted, None))
            }
            Command::FinishRestore(id) => self.finish_restore(id),
        }
    }

    fn table_mut(&mut self, id: TableId) -> Result<&mut Table, Refusal> {
        self.tables.values_mut().find(|it| it.id == id).ok_or(Refusal::TableNotFound)
    }

    /// As Amazon's paper has it: a partition serves up to 1,000 write or 3,000 read units.
    fn partitions_of(&self, spec: &TableSpec) -> Vec<HashRange> {
        let count = match spec.billing_mode {
            BillingMode::PayPerRequest => u64::from(self.cluster.partitions_on_demand),
            BillingMode::Provisioned => {
                let ProvisionedThroughput { read_capacity_units, write_capacity_units } =
                    spec.throughput;
                let writes = (write_capacity_units.max(0) as u64).saturating_mul(3);
                let units = writes.saturating_add(read_capacity_units.max(0) as u64);
                units.div_ceil(3_000).max(1)
            }
        };
        let max = self.cluster.partitions_max.max(1);
        HashRange::tiles(u32::try_from(count).unwrap_or(max).min(max))
    }

    fn new_table(
        &mut self,
        name: String,
        id: TableId,
        spec: TableSpec,
        created_ms: u64,
        ranges: Vec<HashRange>,
        restore: Option<RestoreId>,
    ) -> Result<Table, Refusal> {
        if let Some(there) = self.tables.get(&name) {
            return Err(match there.status {
                TableStatus::Active => Refusal::TableExists,
                TableStatus::Creating | TableStatus::Deleting => Refusal::TableInUse,
            });
        }
        let first = self.next_partition;
        self.next_partition += ranges.len() as u64;
        let partitions = ranges.into_iter().zip(first..).map(|(range, id)| {
            let id = PartitionId(id);
            PartitionInfo { id, range, epoch: Epoch(1), members: self.cluster.members(id) }
        });
        let partitions = partitions.collect();
        let status = TableStatus::Creating;
        let table = Table { id, name: name.clone(), spec, created_ms, status, partitions, restore };
        self.tables.insert(name, table.clone());
        Ok(table)
    }

    fn delete_table(&mut self, name: &str) -> Result<(Applied, Option<Work>), Refusal> {
        let id = self.tables.get(name).ok_or(Refusal::TableNotFound)?.id;
        let unarchived = |it: &Backup| !matches!(it.state, BackupState::Available { .. });
        if self.backups.values().any(|it| it.table.id == id && unarchived(it)) {
            return Err(Refusal::TableBeingBackedUp);
        }
        let table = self.table_mut(id)?;
        if table.status == TableStatus::Creating {
            return Err(Refusal::TableInUse);
        }
        table.status = TableStatus::Deleting;
        Ok((Applied::Table(table.clone()), Some(Work::Drop(id))))
    }

    fn start_backup(
        &mut self,
        table: &str,
        name: String,
        suffix: u32,
        requested_ms: u64,
    ) -> Result<(Applied, Option<Work>), Refusal> {
        let table = self.tables.get(table).ok_or(Refusal::TableNotFound)?.clone();
        if table.status != TableStatus::Active {
            return Err(Refusal::TableInUse);
        }
        let id = BackupId(self.next_backup);
        self.next_backup += 1;
        let arn = self.cluster.table_arn(&table.name).backup(requested_ms, suffix);
        let state = BackupState::Cutting(None);
        let backup = Backup { id, arn, name, requested_ms, table, state, restoring: 0 };
        self.backups.insert(id, backup.clone());
        Ok((Applied::Backup(backup), Some(Work::Cut(id))))
    }

    fn begin_attempt(&mut self, id: BackupId) -> Result<(Applied, Option<Work>), Refusal> {
        let attempt = Attempt(self.next_attempt);
        let backup = self.backups.get_mut(&id).ok_or(Refusal::Stale)?;
        let BackupState::Cutting(current) = &mut backup.state else { return Err(Refusal::Stale) };
        *current = Some(attempt);
        self.next_attempt += 1;
        Ok((Applied::Backup(backup.clone()), None))
    }

    fn seal(
        &mut self,
        id: BackupId,
        attempt: Attempt,
        positions: Vec<(PartitionId, Position)>,
        instant_ms: u64,
    ) -> Result<(Applied, Option<Work>), Refusal> {
        let backup = self.backups.get_mut(&id).ok_or(Refusal::Stale)?;
        if backup.state != BackupState::Cutting(Some(attempt)) {
            return Err(Refusal::Stale);
        }
        backup.state = BackupState::Sealed { positions, instant_ms };
        Ok((Applied::Backup(backup.clone()), Some(Work::Archive(id))))
    }

    fn complete(
        &mut self,
        id: BackupId,
        manifest: ManifestRef,
        size_bytes: u64,
    ) -> Result<(Applied, Option<Work>), Refusal> {
        let backup = self.backups.get_mut(&id).ok_or(Refusal::Stale)?;
        let BackupState::Sealed { instant_ms, .. } = backup.state else {
            return Err(Refusal::Stale);
        };
        backup.state = BackupState::Available { instant_ms, manifest, size_bytes };
        Ok((Applied::Backup(backup.clone()), None))
    }

    fn delete_backup(&mut self, arn: &BackupArn) -> Result<(Applied, Option<Work>), Refusal> {
        let backup = self.backup_by_arn(arn).ok_or(Refusal::BackupNotFound)?;
        if !matches!(backup.state, BackupState::Available { .. }) {
            return Err(Refusal::BackupBeingCreated);
        }
        if backup.restoring > 0 {
            return Err(Refusal::BackupBeingRestored);
        }
        let id = backup.id;
        let backup = self.backups.remove(&id).expect("it was just found");
        Ok((Applied::Backup(backup), None))
    }

    fn start_restore(
        &mut self,
        arn: &BackupArn,
        target: String,
        target_id: TableId,
        billing: Option<(BillingMode, ProvisionedThroughput)>,
        requested_ms: u64,
    ) -> Result<(Applied, Option<Work>), Refusal> {
        let backup = self.backup_by_arn(arn).ok_or(Refusal::BackupNotFound)?.clone();
        let BackupState::Available { manifest, .. } = backup.state else {
            return Err(Refusal::BackupBeingCreated);
        };
        let mut spec = backup.table.spec;
        if let Some(overriding) = billing {
            (spec.billing_mode, spec.throughput) = overriding;
        }
        let id = RestoreId(self.next_restore);
        let ranges = backup.table.partitions.iter().map(|it| it.range).collect();
        let table = self.new_table(target, target_id, spec, requested_ms, ranges, Some(id))?;
        self.next_restore += 1;
        let sources = backup.table.partitions.iter().map(|it| (it.id, None));
        let restore = Restore {
            id,
            backup: backup.id,
            backup_arn: backup.arn,
            source_table: backup.table.name,
            restore_ms: backup.requested_ms,
            manifest,
            target: target_id,
            partitions: table.partitions.iter().map(|it| it.id).zip(sources).collect(),
        };
        self.restores.insert(id, restore.clone());
        self.backups.get_mut(&backup.id).expect("it was just found").restoring += 1;
        Ok((Applied::Restore(restore, table), Some(Work::Restore(id))))
    }

    fn finish_restore(&mut self, id: RestoreId) -> Result<(Applied, Option<Work>), Refusal> {
        let complete = |it: &Restore| it.partitions.values().all(|(_, items)| items.is_some());
        self.restores.get(&id).filter(|it| complete(it)).ok_or(Refusal::Stale)?;
        let restore = self.restores.remove(&id).expect("it was just found");
        if let Some(backup) = self.backups.get_mut(&restore.backup) {
            backup.restoring -= 1;
        }
        let table = self.table_mut(restore.target)?;
        table.status = TableStatus::Active;
        table.restore = None;
        Ok((Applied::Restore(restore, table.clone()), None))
    }
}
