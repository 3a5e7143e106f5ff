//! The root of a backup. Once the manifest is stored, the backup is complete: it names
//! every part, and proves that the parts hold every partition exactly once.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::envelope::Kind;
use super::error::{ArchiveError, Fault, require_eq, require_next};
use super::keys;
use super::part::PartitionSpan;

const KIND: Kind = Kind { name: "backup manifest", magic: *b"SPbm" };

/// Where a part lies, and what must be found there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRef {
    /// Key of the part object.
    pub object: String,
    /// Bytes of the object.
    pub len: u64,
    /// The checksum at its end.
    pub checksum: u64,
    /// The partitions in it, in its order.
    pub partitions: Vec<PartitionSpan>,
}

/// The manifest of one backup, stored under [`keys::manifest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupManifest {
    /// The backup's id: the last component of its ARN.
    pub backup_id: String,
    /// The backup's ARN.
    pub backup_arn: String,
    /// The table that was backed up.
    pub table_id: u128,
    /// Its name at that time.
    pub table_name: String,
    /// The instant that the backup shows, in milliseconds since the Unix epoch.
    pub sealed_at_ms: u64,
    /// Source table details in the catalog's own encoding.
    pub source_details: Bytes,
    /// Number of partitions at the cut, as the cut's coordinator counted them.
    pub partition_count: u64,
    /// The parts.
    pub parts: Vec<PartRef>,
}

impl BackupManifest {
    /// The object to be stored under [`keys::manifest`].
    ///
    /// # Errors
    ///
    /// If the parts do not hold every partition exactly once, or the hash ranges do not
    /// tile the key space.
    pub fn encode(&self) -> Result<Bytes, ArchiveError> {
        self.check(&keys::manifest(&self.backup_id))?;
        Ok(KIND.encode_value(self).0)
    }

    /// Reads the manifest of `backup_id`, fetched from [`keys::manifest`].
    ///
    /// # Errors
    ///
    /// If the bytes are damaged, it is the manifest of another backup, or its parts do not
    /// hold every partition exactly once.
    pub fn decode(backup_id: &str, bytes: &Bytes) -> Result<BackupManifest, ArchiveError> {
        let object = keys::manifest(backup_id);
        let (manifest, _): (BackupManifest, u64) = KIND.decode_value(&object, bytes)?;
        let found = manifest.backup_id.as_str();
        require_eq(&object, "backup id", Fault::Identity, backup_id, found)?;
        manifest.check(&object)?;
        Ok(manifest)
    }

    /// Every partition once, as many as were counted, and every hash value once.
    fn check(&self, object: &str) -> Result<(), ArchiveError> {
        let mut seen = BTreeSet::new();
        let mut spans = Vec::new();
        for span in self.parts.iter().flat_map(|part| &part.partitions) {
            if !seen.insert(span.partition) {
                let place = format!("partition {}", span.partition);
                return Err(ArchiveError::new(object, place, Fault::Overlap, "once", "twice"));
            }
            spans.push((span.hash_start, span.hash_end, span.partition));
        }
        let (expected, found) = (self.partition_count, spans.len() as u64);
        let fault = if found < expected { Fault::Hole } else { Fault::Overlap };
        require_eq(object, "number of partitions in all parts", fault, expected, found)?;
        spans.sort_unstable();
        check_ranges(object, &spans)
    }
}

/// Refuses sorted ranges (start, end, partition) that do not tile 0 to `u64::MAX`.
fn check_ranges(object: &str, spans: &[(u64, u64, u64)]) -> Result<(), ArchiveError> {
    let mut next = Some(0);
    for &(start, end, partition) in spans {
        let place = format!("partition {partition}, hash range {start:016x} to {end:016x}");
        let Some(expected) = next else {
            return Err(ArchiveError::new(object, place, Fault::Overlap, "no more ranges", "one"));
        };
        require_next(object, &place, expected, start)?;
        if end < start {
            let fault = Fault::Malformed;
            return Err(ArchiveError::new(object, place, fault, "a range of hash values", "none"));
        }
        next = end.checked_add(1);
    }
    match next {
        None => Ok(()),
        Some(hash) => {
            let expected = format!("a partition that holds hash {hash:016x}");
            Err(ArchiveError::new(object, "hash ranges", Fault::Hole, expected, "none"))
        }
    }
}
