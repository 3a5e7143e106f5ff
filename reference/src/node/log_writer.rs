//! The node's one log on disk: read back at the start, then appended to and synced in batches.
//!
//! One task owns it. While a sync is under way records gather; the next batch takes them all, so
//! one fsync serves every partition of the node. A disk that is full is waited for. Any other
//! failure ends the process: what the disk then holds is unknown, and only recovery may say.

use super::core::Input;
use super::message::LogRecord;
use crate::env::{Env, File, Observed};
use crate::ids::NodeId;
use crate::points;
use crate::rare;
use crate::wal;
use bytes::Bytes;
use std::cell::Cell;
use std::io;
use std::ops::Range;
use std::rc::Rc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const DIR: &str = "log";
/// Waits for space, in nanoseconds: doubling from the first up to the last.
const SPACE_WAIT_NS: u64 = 1_000_000;
const SPACE_WAIT_NS_MAX: u64 = 1_000_000_000;
/// All records of this format are [`LogRecord`]s in postcard.
const KIND: u8 = 1;

/// Why a node's log could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A file operation failed.
    #[error("the log cannot be read or written: {0}")]
    Io(#[from] io::Error),
    /// The log is damaged, or not this node's.
    #[error(transparent)]
    Wal(#[from] wal::WalError),
    /// A record is intact but says nothing that this build understands.
    #[error("log record {lsn} is not understood ({why}); start the version that wrote it")]
    Record {
        /// Which record.
        lsn: u64,
        /// What was wrong.
        why: postcard::Error,
    },
}

/// What the writer is asked to do, in order.
#[derive(Debug)]
pub(super) enum LogJob {
    /// Write this.
    Append(LogRecord),
    /// Begin anew with these, and remove what was before.
    Compact(Vec<LogRecord>),
}

/// The log, open for appending.
#[derive(Debug)]
pub(super) struct LogWriter<E: Env> {
    env: E,
    node: NodeId,
    file: E::File,
    /// The oldest segment that is there and is not about to go.
    oldest: u64,
    /// Segments to be removed.
    removals: UnboundedSender<Range<u64>>,
    segment: u64,
    segment_bytes: u64,
    /// The size of all segments, for those who decide when to compact.
    log_bytes: Rc<Cell<u64>>,
    segment_bytes_max: u64,
    lsn_durable: u64,
}

impl<E: Env> LogWriter<E> {
    /// Reads the log back, cuts off a torn tail, and opens its newest segment.
    pub(super) async fn open(
        env: &E,
        node: NodeId,
        segment_bytes_max: u64,
    ) -> Result<(Self, Vec<LogRecord>), LogError> {
        env.create_dir(DIR).await?;
        env.sync_dir("").await?;
        let mut segments = Vec::new();
        for name in env.list(DIR).await? {
            if let Some(number) = wal::parse_segment_file_name(&name) {
                let file = env.open(&format!("{DIR}/{name}")).await?;
                segments.push((number, file.read_all().await?));
            }
        }
        let recovered = wal::recover(&segments, node.0)?;
        let records = recovered.records.iter().map(decode).collect::<Result<Vec<_>, _>>()?;
        judge(&recovered, &records)?;
        let (segment, next_lsn) = (recovered.tail.map(|it| it.segment), recovered.next_lsn);
        let (file, segment, segment_bytes) = match (segment, recovered.tail) {
            (Some(segment), Some(tail)) if tail.valid_len > 0 => {
                let file = env.open(&path(segment)).await?;
                if tail.torn_bytes > 0 {
                    file.truncate(tail.valid_len).await?;
                }
                // After a sync that failed, the page cache shows what no later sync will write
                // (LWN 752063): only what is written again is sure to be written.
                let newest = segments.last().expect("it has a tail").1.clone();
                file.write_at(0, newest.slice(..tail.valid_len as usize)).await?;
                file.sync().await?;
                // The last process may have died before it had synced the segment's name.
                env.sync_dir(DIR).await?;
                (file, segment, tail.valid_len)
            }
            (Some(segment), _) => {
                env.remove(&path(segment)).await?;
                begin_segment(env, node, segment, next_lsn).await?
            }
            (None, _) => begin_segment(env, node, wal::FIRST_SEGMENT, next_lsn).await?,
        };
        let sealed = segments.iter().filter(|(it, _)| *it < segment);
        let log_bytes = segment_bytes + sealed.map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
        let (removals, to_remove) = unbounded_channel();
        env.spawn("log.remove", remove_segments(env.clone(), to_remove));
        let writer = Self {
            env: env.clone(),
            node,
            file,
            oldest: segments.first().map_or(segment, |(it, _)| *it),
            removals,
            segment,
            segment_bytes,
            log_bytes: Rc::new(Cell::new(log_bytes)),
            segment_bytes_max,
            lsn_durable: next_lsn - 1,
        };
        Ok((writer, records))
    }

    /// The size of the log on disk, in bytes, as it changes.
    pub(super) fn log_bytes(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.log_bytes)
    }

    /// The last record that is durable.
    pub(super) fn lsn_durable(&self) -> u64 {
        self.lsn_durable
    }

    /// Appends records and makes them durable.
    pub(super) async fn write(&mut self, records: &[LogRecord]) -> io::Result<()> {
        if self.segment_bytes >= self.segment_bytes_max {
            self.next_segment().await?;
        }
        let mut batch = Vec::new();
        let mut lsn = self.lsn_durable;
        for record in records {
            lsn += 1;
            let payload = postcard::to_stdvec(record).expect("a record is plain data");
            wal::append_record(&mut batch, lsn, self.lsn_durable, KIND, &payload);
        }
        let batch = Bytes::from(batch);
        let len = batch.len() as u64;
        append_whole(&self.env, &self.file, self.segment_bytes, batch).await?;
        self.segment_bytes += len;
        self.log_bytes.set(self.log_bytes.get() + len);
        self.file.sync().await?;
        self.lsn_durable = lsn;
        Ok(())
    }

    async fn next_segment(&mut self) -> io::Result<()> {
        let (next, first_lsn) = (self.segment + 1, self.lsn_durable + 1);
        let begun = begin_segment(&self.env, self.node, next, first_lsn).await?;
        (self.file, self.segment, self.segment_bytes) = begun;
        Ok(())
    }

    /// Begins anew with `records`, which say all that the log must still say. What stood before may
    /// then go, while the log goes on.
    async fn compact(&mut self, records: &[LogRecord]) -> io::Result<()> {
        self.next_segment().await?;
        self.write(records).await?;
        let _ = self.removals.send(self.oldest..self.segment);
        self.oldest = self.segment;
        self.log_bytes.set(self.segment_bytes);
        Ok(())
    }

    async fn carry_out(&mut self, batch: &mut Vec<LogRecord>, job: LogJob) -> io::Result<()> {
        match job {
            LogJob::Append(record) => batch.push(record),
            LogJob::Compact(records) => {
                if !batch.is_empty() {
                    self.write(&std::mem::take(batch)).await?;
                }
                self.compact(&records).await?;
            }
        }
        Ok(())
    }

    /// Everything that waits, in as few writes as can be.
    async fn write_waiting(
        &mut self,
        first: LogJob,
        jobs: &mut UnboundedReceiver<LogJob>,
    ) -> io::Result<()> {
        let mut batch = Vec::new();
        self.carry_out(&mut batch, first).await?;
        let alone = self.env.rarely(rare::LOG_WRITES_ONE);
        while !alone && let Ok(next) = jobs.try_recv() {
            self.carry_out(&mut batch, next).await?;
        }
        if batch.is_empty() { Ok(()) } else { self.write(&batch).await }
    }

    /// Writes what comes, until it cannot: then the process must end, and recovery find out what
    /// the disk holds.
    pub(super) async fn run(
        mut self,
        mut jobs: UnboundedReceiver<LogJob>,
        inputs: UnboundedSender<Input>,
    ) -> io::Result<()> {
        while let Some(first) = jobs.recv().await {
            self.write_waiting(first, &mut jobs).await?;
            let _ = inputs.send(Input::Persisted(self.lsn_durable));
        }
        Ok(())
    }
}

/// Waits for space: longer each time, and nothing is acknowledged meanwhile.
struct SpaceWait<'a, E: Env> {
    env: &'a E,
    next_ns: u64,
}

impl<'a, E: Env> SpaceWait<'a, E> {
    fn new(env: &'a E) -> Self {
        Self { env, next_ns: SPACE_WAIT_NS }
    }

    async fn wait(&mut self) {
        self.env.observe(Observed::Point { name: points::DISK_FULL, detail: self.next_ns });
        self.env.sleep_until(self.env.now_ns() + self.next_ns).await;
        self.next_ns = (2 * self.next_ns).min(SPACE_WAIT_NS_MAX);
    }
}

impl<E: Env> Drop for SpaceWait<'_, E> {
    fn drop(&mut self) {
        if self.next_ns > SPACE_WAIT_NS {
            self.env.observe(Observed::Point { name: points::DISK_HAS_SPACE, detail: 0 });
        }
    }
}

/// Appends at `end`. Where there is no space, it waits until there is: what was written in part is
/// cut off first.
async fn append_whole<E: Env>(env: &E, file: &E::File, end: u64, bytes: Bytes) -> io::Result<()> {
    let mut space = SpaceWait::new(env);
    loop {
        match file.append(bytes.clone()).await {
            Err(why) if why.kind() == io::ErrorKind::StorageFull => {
                file.truncate(end).await?;
                space.wait().await;
            }
            outcome => return outcome,
        }
    }
}

/// Creates a file. A directory without space for its name is waited for, and so is a process with
/// too many files open.
async fn create<E: Env>(env: &E, path: &str) -> io::Result<E::File> {
    let mut space = SpaceWait::new(env);
    loop {
        match env.create(path).await {
            Err(why) if why.kind() == io::ErrorKind::StorageFull || is_out_of_files(&why) => {
                space.wait().await;
            }
            outcome => return outcome,
        }
    }
}

/// Too many files open, in this process (EMFILE) or on this machine (ENFILE).
fn is_out_of_files(why: &io::Error) -> bool {
    matches!(why.raw_os_error(), Some(23 | 24))
}

/// Removes segments, one at a time: of several names that were not synced, any may come back, and
/// a hole between two segments is no log. Nobody waits for it.
async fn remove_segments<E: Env>(env: E, mut ranges: UnboundedReceiver<Range<u64>>) {
    while let Some(range) = ranges.recv().await {
        for segment in range {
            loop {
                let removed = match env.remove(&path(segment)).await {
                    Err(why) if why.kind() != io::ErrorKind::NotFound => Err(why),
                    _ => env.sync_dir(DIR).await,
                };
                if removed.is_ok() {
                    break;
                }
                env.sleep_until(env.now_ns() + SPACE_WAIT_NS_MAX).await;
            }
        }
    }
}

fn path(segment: u64) -> String {
    format!("{DIR}/{}", wal::segment_file_name(segment))
}

async fn begin_segment<E: Env>(
    env: &E,
    node: NodeId,
    segment: u64,
    first_lsn: u64,
) -> io::Result<(E::File, u64, u64)> {
    let file = create(env, &path(segment)).await?;
    let header = wal::encode_header(node.0, segment, first_lsn);
    let len = header.len() as u64;
    append_whole(env, &file, 0, Bytes::from(header)).await?;
    file.sync().await?;
    env.sync_dir(DIR).await?;
    Ok((file, segment, len))
}

/// What came before a compacted log is removed only once that is synced: where it is gone and the
/// compacted log is not whole, no crash did that.
fn judge(recovered: &wal::Recovered, records: &[LogRecord]) -> Result<(), LogError> {
    let (Some(oldest), Some(tail)) = (recovered.segments.first(), recovered.tail) else {
        return Ok(());
    };
    if oldest.segment == wal::FIRST_SEGMENT || LogRecord::has_whole_compaction(records) {
        return Ok(());
    }
    Err(LogError::Wal(wal::WalError::Corrupt {
        segment: tail.segment,
        offset: tail.valid_len,
        lsn: recovered.next_lsn,
        why: wal::Damage::CompactionCut,
        evidence: wal::Evidence::NoPredecessor,
    }))
}

fn decode(record: &wal::Record) -> Result<LogRecord, LogError> {
    postcard::from_bytes(&record.payload).map_err(|why| LogError::Record { lsn: record.lsn, why })
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::ids::PartitionId;
    use crate::node::LogRecord;
    use crate::wal::{SegmentSpan, Tail};

    fn judged(segment: u64, records: &[LogRecord]) -> Result<(), String> {
        let segments = vec![SegmentSpan { segment, first_lsn: 100, next_lsn: 102 }];
        let tail = Some(Tail { segment, valid_len: 600, torn_bytes: 440 });
        let recovered =
            crate::wal::Recovered { records: Vec::new(), next_lsn: 102, segments, tail };
        judge(&recovered, records).map_err(|it| it.to_string())
    }

    /// With a bit turned over in its last batch a log looks as if a crash had cut it short; not so
    /// if that batch stands for all that came before, and that is gone.
    #[test]
    fn a_compacted_log_that_is_cut_short_is_refused_where_nothing_else_is_left() {
        let compacted = |records| LogRecord::Compacted { started: 3, records };
        let dropped = |id| LogRecord::Dropped(PartitionId(id));
        let begun = [LogRecord::Started(1), dropped(1), compacted(2), dropped(2)];
        assert_eq!(judged(1, &begun), Ok(()), "what stood before is there");
        assert_eq!(judged(5, &[compacted(2), dropped(1), dropped(2)]), Ok(()));
        let whole = [dropped(9), compacted(1), dropped(1), LogRecord::Started(4)];
        assert_eq!(judged(5, &whole), Ok(()), "its predecessors go one by one");
        let started = LogRecord::Started(4);
        for cut in [vec![], vec![compacted(2), dropped(1)], vec![compacted(1), started]] {
            let why = judged(5, &cut).expect_err("acknowledged records are gone");
            assert!(why.contains("the records that stand for all that came before"), "{why}");
            assert!(why.contains("its predecessors are gone"), "{why}");
        }
    }
}
