//! Committing: redb's writes, carried out by the disk one after another.

use super::door::Door;
use super::overlay::Step;
use super::view::View;
use super::writing::{Writing, edits};
use super::{Base, Versions};
use crate::env::{Env, File};
use crate::ids::{Index, PartitionId};
use crate::partition::{ItemKey, StoreFault};
use bytes::Bytes;
use redb::Database;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::Poll;
use tokio::sync::Mutex;

/// How often a write is tried that fails for another reason than want of space.
const WRITE_TRIES: u32 = 3;
/// The first wait for space, in nanoseconds; it doubles.
const SPACE_WAIT_NS: u64 = 1_000_000;
/// The longest wait for space, in nanoseconds.
const SPACE_WAIT_NS_MAX: u64 = 1_000_000_000;

/// What one commit puts to rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// What has changed, by partition.
    pub partitions: BTreeMap<PartitionId, PartitionBatch>,
    /// Partitions whose items and images go. One that also has changes begins afresh with them.
    pub removed: BTreeSet<PartitionId>,
}

/// What one commit puts to rest for one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionBatch {
    /// What the partition knows besides its items, for [`Checkpoint::images`].
    pub image: Bytes,
    /// Whether the items that rest now are forgotten first.
    pub replace: bool,
    /// Each changed item, with the log sequence number of its write; none removes it.
    pub changes: Rc<Versions>,
}

/// Items of all partitions of one node, at rest in one file.
pub struct Checkpoint<E: Env> {
    pub(super) inner: Rc<Inner<E>>,
}

impl<E: Env> Clone for Checkpoint<E> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

pub(super) struct Inner<E: Env> {
    pub(super) env: E,
    pub(super) file: E::File,
    pub(super) door: Rc<Door>,
    /// There until this is dropped.
    pub(super) database: Option<Database>,
    /// Held by the one who commits.
    pub(super) turn: Mutex<()>,
}

impl<E: Env> Drop for Inner<E> {
    fn drop(&mut self) {
        // redb would say farewell with a commit, which nobody is there to carry out.
        self.door.overlay().close();
        let database = self.database.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
    }
}

impl<E: Env> Inner<E> {
    pub(super) fn database(&self) -> &Database {
        self.database.as_ref().expect("it is there until this is dropped")
    }

    /// Has the disk do what redb asked for, in order. A crash may fall between any two steps.
    pub(super) async fn carry_out(&self) -> Result<(), StoreFault> {
        let file = self.file.in_background();
        loop {
            self.door.check()?;
            let Some(step) = self.door.overlay().next() else { return Ok(()) };
            if let Err(error) = self.perform(&file, &step).await {
                return Err(self.door.fail(StoreFault { why: format!("the disk: {error}") }));
            }
            self.door.overlay().done(&step);
        }
    }

    async fn perform(&self, file: &E::File, step: &Step) -> io::Result<()> {
        let (mut tries, mut wait_ns) = (1, SPACE_WAIT_NS);
        loop {
            let outcome = match step {
                Step::Write(at, bytes) => file.write_at(*at, bytes.clone()).await,
                Step::SetLen(len) => file.truncate(*len).await,
                // What a failed sync left unwritten, a second one may take for written.
                Step::Sync => return file.sync().await,
            };
            match outcome {
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                    self.env.sleep_until(self.env.now_ns() + wait_ns).await;
                    wait_ns = (wait_ns * 2).min(SPACE_WAIT_NS_MAX);
                }
                Err(_) if tries < WRITE_TRIES => tries += 1,
                outcome => return outcome,
            }
        }
    }

    /// Has the disk take the time that these reads cost.
    pub(super) async fn pay(&self, file: &E::File, reads: Vec<(u64, usize)>) {
        for (offset, len) in reads {
            file.pay_read(offset, len).await;
        }
    }
}

impl<E: Env> Checkpoint<E> {
    /// The image of each partition as of the last commit.
    ///
    /// # Errors
    /// The store is damaged.
    pub fn images(&self) -> Result<BTreeMap<PartitionId, Bytes>, StoreFault> {
        self.view()?.images()
    }

    /// A frozen view of the last commit. One that is still on its way to the disk counts.
    ///
    /// # Errors
    /// The store is damaged.
    pub fn view(&self) -> Result<View, StoreFault> {
        View::new(&self.inner.door, self.inner.database())
    }

    /// Makes a batch durable, all or nothing: returns when the disk has it. Those who call while
    /// another commit is under way wait for their turn; others run between slices of the changes.
    /// A disk without space is waited for.
    ///
    /// Dropped before it ends, the batch is durable later or never: with the next commit, if redb
    /// had it, else not at all.
    ///
    /// # Errors
    /// The store is damaged, or the disk failed. Whether the batch is durable is not known.
    pub async fn commit(&self, batch: Batch) -> Result<(), StoreFault> {
        let inner = &self.inner;
        let _turn = inner.turn.lock().await;
        let file = inner.file.in_background();
        let mut edits = edits(batch);
        let writing = Writing::begin(&inner.door, inner.database())?;
        loop {
            let reads = writing.apply(&mut edits)?;
            inner.pay(&file, reads).await;
            if edits.is_empty() {
                break;
            }
            give_way().await;
        }
        let reads = writing.commit()?;
        inner.pay(&file, reads).await;
        inner.carry_out().await
    }

    /// The reads that [`Base`] and [`Checkpoint::images`] asked of the disk since the last call, as
    /// offset and length in bytes: what was answered from memory is not among them.
    #[must_use]
    pub fn take_reads(&self) -> Vec<(u64, usize)> {
        self.inner.door.overlay().take_reads()
    }

    /// Has the disk take the time that these reads cost, one after another.
    pub async fn pay(&self, reads: Vec<(u64, usize)>) {
        self.inner.pay(&self.inner.file, reads).await;
    }
}

impl<E: Env> fmt::Debug for Checkpoint<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Checkpoint")
    }
}

impl<E: Env> Base for Checkpoint<E> {
    fn get(
        &self,
        partition: PartitionId,
        key: &ItemKey,
    ) -> Result<Option<(Index, Bytes)>, StoreFault> {
        self.view()?.get(partition, key)
    }

    fn scan(
        &self,
        partition: PartitionId,
        after: Option<&ItemKey>,
        take: &mut dyn FnMut(&ItemKey, Index, &Bytes) -> bool,
    ) -> Result<(), StoreFault> {
        self.view()?.scan(partition, after, take)
    }
}

/// Lets other tasks run.
async fn give_way() {
    let mut given = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut given, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
