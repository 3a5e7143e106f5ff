//! The world's own record of what was committed: the one white-box input of the oracles.
//!
//! Every replica reports every entry that it learns to be committed. Two replicas that report
//! different entries for one place have broken replication itself, and the recorder says so.

use crate::history::{CommittedLog, KeyNames, LogEntry, PartitionLog, WriteId};
use bytes::Bytes;
use std::collections::BTreeMap;
use stillpoint_reference::ids::{Index, PartitionId, TableId, Term};
use stillpoint_reference::item::{AttributeValue, KeySchema, PrimaryKey};
use stillpoint_reference::partition::Command;

/// All committed logs of a run.
#[derive(Debug, Default)]
pub struct Recorder {
    logs: BTreeMap<PartitionId, Log>,
    conflicts: Vec<String>,
    /// Writes of each partition between the beginning of a count and its end.
    counts: BTreeMap<PartitionId, u64>,
    counting: bool,
}

#[derive(Debug)]
struct Log {
    table: Option<TableId>,
    entries: BTreeMap<Index, (Term, Bytes)>,
}

impl Recorder {
    /// A replica reported a committed entry.
    pub fn committed(
        &mut self,
        table: Option<TableId>,
        partition: PartitionId,
        index: Index,
        term: Term,
        payload: &[u8],
    ) {
        let empty = || Log { table, entries: BTreeMap::new() };
        let log = self.logs.entry(partition).or_insert_with(empty);
        match log.entries.get(&index) {
            None => {
                log.entries.insert(index, (term, Bytes::copy_from_slice(payload)));
                if self.counting && matches!(Command::decode(payload), Ok(Some(Command::Write(_))))
                {
                    *self.counts.entry(partition).or_default() += 1;
                }
            }
            Some((before, bytes)) if *before == term && bytes == payload => {}
            Some((before, _)) => self.conflicts.push(format!(
                "{partition}: entry {} is committed in term {} at one replica, and as another \
                 entry in term {} at another",
                index.0, before.0, term.0
            )),
        }
    }

    /// Begins to count, from zero, the writes that each partition commits.
    pub fn begin_count(&mut self) {
        (self.counts, self.counting) = (BTreeMap::new(), true);
    }

    /// Ends the count, if one goes on.
    pub fn end_count(&mut self) {
        self.counting = false;
    }

    /// Of this table's partitions, the fewest writes that one committed during the last count;
    /// `None` if it has none.
    #[must_use]
    pub fn fewest_counted(&self, table: TableId) -> Option<u64> {
        let partitions = self.logs.iter().filter(|(_, log)| log.table == Some(table));
        partitions.map(|(id, _)| self.counts.get(id).copied().unwrap_or(0)).min()
    }

    /// Where replicas disagreed about what is committed.
    #[must_use]
    pub fn conflicts(&self) -> &[String] {
        &self.conflicts
    }

    /// The committed writes of a table, as the oracles read them.
    #[must_use]
    pub fn log_of(&self, table: TableId, schema: &KeySchema, keys: &mut KeyNames) -> CommittedLog {
        let logs = self.logs.iter().filter(|(_, log)| log.table == Some(table));
        let partitions = logs.map(|(id, log)| {
            let entries = log.entries.values();
            let entries = entries.filter_map(|(_, payload)| log_entry(payload, schema, keys));
            PartitionLog { id: id.0, entries: entries.collect() }
        });
        CommittedLog { partitions: partitions.collect() }
    }
}

fn log_entry(payload: &[u8], schema: &KeySchema, keys: &mut KeyNames) -> Option<LogEntry> {
    let Ok(Some(Command::Write(write))) = Command::decode(payload) else { return None };
    let key = keys.intern(&key_name(schema, &write.key.primary));
    let (client, seq) = ((write.request.0 >> 32) as u32, write.request.0 as u32);
    Some(LogEntry { key, write: WriteId { client, seq }, deletes: write.item.is_none() })
}

/// A key as people and oracles name it: its attributes' values.
#[must_use]
pub fn key_name(schema: &KeySchema, key: &PrimaryKey) -> String {
    let item = schema.to_item(key);
    let values = schema.attributes().map(|it| match &item[&it.name] {
        AttributeValue::S(text) => text.clone(),
        AttributeValue::N(number) => number.to_string(),
        other => format!("{other:?}"),
    });
    values.collect::<Vec<_>>().join("/")
}
