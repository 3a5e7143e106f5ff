//! What travels between nodes, and between clients and nodes; and what a node's log holds.

use crate::api::{BackupArn, Request, Response, ReturnValues, WireError};
use crate::archive::format::PartRef;
use crate::cut;
use crate::expression::{Condition, Update};
use crate::ids::{
    BackupId, Epoch, HashRange, Index, NodeId, PartitionId, Position, RestoreId, TableId, Term,
};
use crate::item::{Item, KeyRange, ValidationError};
use crate::metadata::{Applied, Backup, Command, ManifestRef, Refusal, Restore, Table};
use crate::partition::{ItemKey, RequestId};
use crate::replication::{self, Entry, Heartbeat, Record, Sender};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// A datagram.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Wire {
    /// From node to node.
    Peer(Envelope),
    /// From a client to a request router.
    Request {
        /// The client's number for it, unique over the client's life.
        id: u64,
        /// What is asked for.
        request: Box<Request>,
    },
    /// The answer to a request.
    Response {
        /// The client's number for the request.
        id: u64,
        /// What came of it.
        response: Result<Box<Response>, WireError>,
    },
}

impl Wire {
    /// The bytes that are sent: the message and a checksum of it, since the checksums of UDP and
    /// TCP let one damaged packet in thousands pass (Stone and Partridge, "When the CRC and TCP
    /// Checksum Disagree", SIGCOMM 2000).
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut bytes = postcard::to_stdvec(self).expect("a message is plain data");
        let checksum = xxh3_64(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes.into()
    }

    /// Reads what [`Wire::encode`] wrote.
    ///
    /// # Errors
    /// The bytes are no message, or were damaged on their way.
    pub fn decode(bytes: &[u8]) -> Result<Self, postcard::Error> {
        let whole = bytes.split_last_chunk::<8>();
        let (message, checksum) = whole.ok_or(postcard::Error::DeserializeUnexpectedEnd)?;
        match u64::from_le_bytes(*checksum) == xxh3_64(message) {
            true => postcard::from_bytes(message),
            false => Err(postcard::Error::DeserializeBadCrc),
        }
    }
}

/// Everything that one node has to say to another at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// Which life of the sender speaks, and under which promise to the receiver.
    pub sender: Sender,
    /// The sender's number for it, so that a repeated one is noticed.
    pub number: u64,
    /// The messages, in order.
    pub messages: Vec<PeerMessage>,
}

/// A message from node to node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PeerMessage {
    /// The sender lives.
    Heartbeat(Heartbeat),
    /// The sender believes that the receiver leads these, in these terms.
    Believed(Vec<(PartitionId, Term)>),
    /// The sender does not lead these in these terms.
    Relinquished(Vec<(PartitionId, Term)>),
    /// Of one replication group.
    Replica(PartitionId, replication::Message),
    /// The sender hosts no replica of this partition, and was never told to give one up: it was
    /// away when the others were told to host theirs.
    NotHosted(PartitionId),
    /// The receiver is a member of this group and is to host its replica.
    Host(HostSpec),
    /// Is nobody else elected where I lead in these terms? One round for many partitions.
    Check {
        /// The round.
        round: u64,
        /// Partitions and the terms in which the sender leads them.
        leads: Vec<(PartitionId, Term)>,
    },
    /// Nobody else was elected here, in these terms.
    Checked {
        /// The round.
        round: u64,
        /// The partitions whose term at the sender is still that one.
        partitions: Vec<PartitionId>,
    },
    /// Of a cut.
    Cut(cut::Message),
    /// The sender wants something done.
    Call(u64, Box<Call>),
    /// The answer to a call.
    Reply(u64, Box<Reply>),
}

/// A replica that a node is to host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSpec {
    /// The table.
    pub table: TableId,
    /// The partition.
    pub partition: PartitionId,
    /// Its range.
    pub range: HashRange,
    /// Which version of that range.
    pub epoch: Epoch,
    /// The group, the preferred leader first.
    pub members: Vec<NodeId>,
}

/// A partition of a sealed backup and where it is cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionTarget {
    /// The partition.
    pub partition: PartitionId,
    /// Its range.
    pub range: HashRange,
    /// Where its marker stands.
    pub cut: Position,
}

/// What one node asks of another, or of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Call {
    /// Put or delete one item.
    Write {
        /// The partition.
        partition: PartitionId,
        /// The client's number for the request.
        request: RequestId,
        /// Which item.
        key: ItemKey,
        /// The new item, encoded; none deletes.
        item: Option<Bytes>,
        /// What must hold of the item that is there.
        condition: Option<Condition>,
        /// Whether the answer carries the item that was there.
        return_old: bool,
    },
    /// Change attributes of one item, or create it.
    Update {
        /// The partition.
        partition: PartitionId,
        /// The client's number for the request.
        request: RequestId,
        /// Which item.
        key: ItemKey,
        /// Its key attributes, of which a new item consists at first.
        attributes: Item,
        /// The change.
        update: Update,
        /// What must hold of the item that is there.
        condition: Option<Condition>,
        /// What the answer carries.
        returned: ReturnValues,
    },
    /// Read one item.
    Get {
        /// The partition.
        partition: PartitionId,
        /// Which item.
        key: ItemKey,
        /// Whether it must be the newest version.
        consistent: bool,
    },
    /// Read a page of items in key order.
    Scan {
        /// The partition.
        partition: PartitionId,
        /// Behind this key.
        after: Option<ItemKey>,
        /// At most so many.
        items_max: u32,
        /// Stops behind the item that reaches this size.
        bytes_max: u32,
        /// Whether they must be the newest versions.
        consistent: bool,
    },
    /// Read a page of the items of one partition key.
    Query {
        /// The partition.
        partition: PartitionId,
        /// The keys.
        range: KeyRange,
        /// Whether the lowest key comes first, or the highest.
        forward: bool,
        /// At most so many.
        items_max: u32,
        /// Stops behind the item that reaches this size.
        bytes_max: u32,
        /// Whether they must be the newest versions.
        consistent: bool,
    },
    /// Apply this to the catalog.
    Metadata(Command),
    /// Look up a table by its name.
    Table(String),
    /// Look up all tables.
    Tables,
    /// Look up a backup by its ARN.
    Backup(BackupArn),
    /// Look up all backups.
    Backups,
    /// Look up a backup by its ARN, as soon as its cut is sealed or given up.
    Sealed(BackupArn),
    /// Host these replicas.
    Host(Vec<HostSpec>),
    /// Remove these replicas.
    Drop(Vec<PartitionId>),
    /// Archive those of these partitions that the receiver leads, up to their cuts, and write a
    /// part of the backup that lists them.
    ArchivePart {
        /// The backup.
        backup: BackupId,
        /// The backup's id in the archive.
        backup_key: String,
        /// The table.
        table: TableId,
        /// The partitions.
        partitions: Vec<PartitionTarget>,
    },
    /// Fill a partition that the receiver leads from one of a backup.
    RestorePartition {
        /// The restore.
        restore: RestoreId,
        /// The partition to fill.
        target: PartitionId,
        /// The partition of the backup.
        source: PartitionId,
        /// The backup's id in the archive.
        backup_key: String,
        /// Where the backup's manifest stands.
        manifest: ManifestRef,
    },
    /// Append this to the log of a partition that the receiver leads, and answer once committed.
    Propose {
        /// The partition.
        partition: PartitionId,
        /// The entry.
        payload: Bytes,
    },
    /// Take in a snapshot of a partition's state, batch by batch; the last is answered once the
    /// state is durable.
    Install(Box<Install>),
}

/// A batch of a snapshot that a leader sends to a follower.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Install {
    /// The partition.
    pub partition: PartitionId,
    /// The term in which the sender leads it.
    pub term: Term,
    /// The last entry whose result the snapshot is.
    pub at: Position,
    /// The number of this batch, from 0 on.
    pub batch: u64,
    /// Items in key order, each with the entry that wrote it.
    pub items: Vec<(ItemKey, Index, Bytes)>,
    /// Consecutive entries behind `base`, the last at `at`: those that may not be archived.
    pub tail: Vec<Entry>,
    /// What the first entry of the tail follows.
    pub base: Position,
    /// The state besides items ([`super::Image`]), which ends the snapshot.
    pub image: Option<Bytes>,
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// The write is committed; these attributes were asked for: of a put or delete, the item
    /// that was there before.
    Written(Option<Item>),
    /// The write's condition does not hold of this; nothing was written.
    ConditionFailed(Option<Item>),
    /// No update can make an item of what is there; nothing was written.
    Invalid(ValidationError),
    /// The item, encoded.
    Item(Option<Bytes>),
    /// Items in the order asked for, encoded; whether there are more behind them.
    Page {
        /// Keys and encoded items.
        items: Vec<(ItemKey, Bytes)>,
        /// Whether there are more, of those that were asked for.
        more: bool,
    },
    /// What the catalog did.
    Applied(Box<Result<Applied, Refusal>>),
    /// The table and the restore that fills it.
    Table(Option<Box<(Table, Option<Restore>)>>),
    /// Names of tables, in order.
    Tables(Vec<String>),
    /// The backup.
    Backup(Option<Box<Backup>>),
    /// All backups, in the order in which they were asked for.
    Backups(Vec<Backup>),
    /// Done, durably.
    Done,
    /// The replicas are hosted, durably.
    Hosted {
        /// Those of their partitions that this node leads.
        led: Vec<PartitionId>,
    },
    /// A part of the backup, and the archived bytes it refers to; the partitions that it covers.
    Part(PartRef, u64),
    /// The partition is complete, with so many items.
    Restored(u64),
    /// The receiver does not lead the group, or not yet; nothing was done. Perhaps this node does.
    NotLeader(Option<NodeId>),
    /// The receiver has no such partition; nothing was done.
    NotHosted,
    /// Leadership was lost underway: the outcome is unknown.
    Unknown,
    /// Could not be done.
    Failed(String),
}

/// Why a call has no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError {
    /// None came in time; the outcome is unknown.
    Timeout,
}

/// Who made a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller {
    /// The node.
    pub node: NodeId,
    /// Its number for the call.
    pub id: u64,
}

/// A record of the node's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum LogRecord {
    /// The node started so many times.
    Started(u64),
    /// The node hosts this replica from here on.
    Hosted(HostSpec),
    /// The node hosts this replica no more.
    Dropped(PartitionId),
    /// Of one replica.
    Replica(PartitionId, Record),
    /// All that a compacted log kept of one replica, but for the entries, which follow.
    Kept(PartitionId, Box<Kept>),
    /// A compacted log begins.
    Compacted {
        /// How often the node had started.
        started: u64,
        /// So many records follow that belong to it. A crash may have kept the last of them from
        /// the disk; then none of them counts, and what stood before does.
        records: u64,
    },
}

impl LogRecord {
    /// Whether a life of the node or a compacted log begins here: nothing before it goes on.
    fn begins_anew(&self) -> bool {
        matches!(self, Self::Started(_) | Self::Compacted { .. })
    }

    /// What counts of the records of a log: nothing that stood before a compacted one that is
    /// whole, and nothing of one that is not.
    pub(super) fn that_count(records: Vec<Self>) -> Vec<Self> {
        let mut counting = Vec::new();
        let mut records = records.into_iter().peekable();
        while let Some(record) = records.next() {
            let Self::Compacted { records: expected, .. } = record else {
                counting.push(record);
                continue;
            };
            let mut kept = Vec::new();
            while expected > kept.len() as u64
                && let Some(next) = records.next_if(|it| !it.begins_anew())
            {
                kept.push(next);
            }
            if kept.len() as u64 == expected {
                counting = kept;
            }
        }
        counting
    }

    /// Whether a compacted log stands among these records, whole.
    pub(super) fn has_whole_compaction(records: &[Self]) -> bool {
        records.iter().enumerate().any(|(at, it)| {
            let Self::Compacted { records: expected, .. } = it else { return false };
            let behind = records[at + 1..].iter().take_while(|it| !it.begins_anew());
            behind.count() as u64 >= *expected
        })
    }
}

/// What a compacted log keeps of one replica, beside its entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What is hosted; none for the metadata group.
    pub spec: Option<HostSpec>,
    /// The replica's term, and whom it voted for in it.
    pub vote: (Term, Option<NodeId>),
    /// The entry behind which its log begins.
    pub base: Position,
}
