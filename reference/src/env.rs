//! The one door through which the service reaches time, chance, network, disk and objects.
//!
//! The core never touches it; the shell is generic over it. The simulator, and the server on
//! tokio, each implement it once. A node is one thread: nothing here needs to be `Send`.

use crate::ids::{Index, NodeId, PartitionId, TableId, Term};
use bytes::Bytes;
use std::fmt;
use std::future::Future;
use std::io;
use std::ops::Range;
use std::task::{Context, Poll};

/// Where a message comes from or goes to: a node of the cluster, or a client of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// A storage node.
    Node(NodeId),
    /// A client, by a number that only the environment understands.
    Client(u64),
}

/// What the service lets its environment see. Nothing of it ever flows back.
#[derive(Debug)]
pub enum Observed<'a> {
    /// A replica learned that this entry is committed.
    Committed {
        /// The table the partition belongs to; none for the metadata group.
        table: Option<TableId>,
        /// The partition whose log it is.
        partition: PartitionId,
        /// Where the entry stands.
        index: Index,
        /// The term in which it was appended.
        term: Term,
        /// The entry as it was replicated.
        payload: &'a [u8],
    },
    /// Execution passed a named point ("cut.confirm"), about something with this number.
    Point {
        /// The point's name; the names in use stand in [`crate::points`].
        name: &'static str,
        /// What it is about: a partition, an attempt, a backup.
        detail: u64,
    },
}

/// Why an object store operation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ObjectError {
    /// There is no such object.
    NotFound,
    /// A conditional put found the key taken.
    AlreadyExists,
    /// The store asks to slow down (HTTP 503); nothing was done.
    SlowDown,
    /// No answer came: the operation may or may not have happened.
    Timeout,
    /// The store refused for another reason.
    Other(String),
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => write!(f, "no such object"),
            Self::AlreadyExists => write!(f, "the object exists already"),
            Self::SlowDown => write!(f, "the object store asks to slow down (503)"),
            Self::Timeout => write!(f, "the object store did not answer; the outcome is unknown"),
            Self::Other(why) => write!(f, "the object store refused: {why}"),
        }
    }
}

impl std::error::Error for ObjectError {}

/// A file that is open, named by its environment.
pub trait File: Clone + 'static {
    /// Appends at the end of the file.
    fn append(&self, bytes: Bytes) -> impl Future<Output = io::Result<()>>;
    /// Reads the whole file.
    fn read_all(&self) -> impl Future<Output = io::Result<Bytes>>;
    /// Cuts the file to `len` bytes.
    fn truncate(&self, len: u64) -> impl Future<Output = io::Result<()>>;
    /// Writes at `offset`; a gap before it reads as zeros.
    fn write_at(&self, offset: u64, bytes: Bytes) -> impl Future<Output = io::Result<()>>;
    /// Reads up to `len` bytes at `offset`: fewer where the file ends.
    fn read_at(&self, offset: u64, len: usize) -> impl Future<Output = io::Result<Bytes>>;
    /// The bytes that [`File::read_at`] would give, at once and on this thread. Whoever uses it
    /// owes the disk the time of the read, and pays it with [`File::pay_read`] before answering.
    ///
    /// # Errors
    /// The disk cannot read.
    fn read_now(&self, offset: u64, len: usize) -> io::Result<Bytes>;
    /// Has the disk take the time that a [`File::read_now`] of this cost. On a real machine it was
    /// spent by then, and this returns at once.
    fn pay_read(&self, offset: u64, len: usize) -> impl Future<Output = ()>;
    /// The length of the file in bytes.
    fn size(&self) -> impl Future<Output = io::Result<u64>>;
    /// The same file, for work that can wait: its operations yield to those of others.
    #[must_use]
    fn in_background(&self) -> Self;
    /// Makes content and length durable.
    fn sync(&self) -> impl Future<Output = io::Result<()>>;
}

/// The environment of one node.
pub trait Env: Clone + 'static {
    /// An open file.
    type File: File;

    /// This machine's monotonic clock, in nanoseconds.
    fn now_ns(&self) -> u64;
    /// This machine's wall clock, in milliseconds since 1970. Nothing may rest on its accuracy.
    fn wall_ms(&self) -> u64;
    /// Waits until the monotonic clock shows `deadline_ns`.
    fn sleep_until(&self, deadline_ns: u64) -> impl Future<Output = ()> + 'static;
    /// Starts a task that ends with the process. The name is for schedules and logs.
    fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + 'static);
    /// A number below `bound`, drawn for this concern.
    fn draw(&self, concern: &'static str, bound: u64) -> u64;

    /// Takes this machine's processor for `cost_ns` nanoseconds, behind what was asked of it
    /// before. On a real machine the processor has been spent by then, and this returns at once.
    fn work(&self, cost_ns: u64) -> impl Future<Output = ()>;
    /// As [`Env::work`], for what can wait: it yields to everything else.
    fn work_in_background(&self, cost_ns: u64) -> impl Future<Output = ()>;

    /// Sends a datagram: it may be lost, repeated or overtaken.
    fn send(&self, to: Address, payload: Bytes);
    /// The next datagram that arrived.
    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<(Address, Bytes)>;

    /// Makes a directory if it is missing.
    fn create_dir(&self, dir: &str) -> impl Future<Output = io::Result<()>>;
    /// Creates a file that must not exist.
    fn create(&self, path: &str) -> impl Future<Output = io::Result<Self::File>>;
    /// Opens a file that exists.
    fn open(&self, path: &str) -> impl Future<Output = io::Result<Self::File>>;
    /// The names in a directory, sorted.
    fn list(&self, dir: &str) -> impl Future<Output = io::Result<Vec<String>>>;
    /// Removes a file.
    fn remove(&self, path: &str) -> impl Future<Output = io::Result<()>>;
    /// Makes the entries of a directory durable; the empty name is the node's own folder.
    fn sync_dir(&self, dir: &str) -> impl Future<Output = io::Result<()>>;

    /// Stores an object under a key that nobody has taken yet.
    fn put_if_absent(
        &self,
        key: &str,
        object: Bytes,
    ) -> impl Future<Output = Result<(), ObjectError>>;
    /// Fetches an object.
    fn get(&self, key: &str) -> impl Future<Output = Result<Bytes, ObjectError>>;
    /// Fetches a part of an object.
    fn get_range(
        &self,
        key: &str,
        range: Range<u64>,
    ) -> impl Future<Output = Result<Bytes, ObjectError>>;
    /// Deletes an object; one that is missing counts as deleted.
    fn delete(&self, key: &str) -> impl Future<Output = Result<(), ObjectError>>;

    /// Whether the service is to do what it hardly ever does at this place, one of those in
    /// [`crate::rare`]. Never, unless the environment is out to find bugs.
    fn rarely(&self, _place: &'static str) -> bool {
        false
    }

    /// Lets the environment see something.
    fn observe(&self, seen: Observed<'_>);
}

/// Waits for `task` until the monotonic clock shows `deadline_ns`; `None` if it did not end.
pub async fn timeout<E: Env, T>(
    env: &E,
    deadline_ns: u64,
    task: impl Future<Output = T>,
) -> Option<T> {
    let mut task = std::pin::pin!(task);
    let mut sleep = std::pin::pin!(env.sleep_until(deadline_ns));
    std::future::poll_fn(|cx| {
        if let Poll::Ready(done) = task.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        sleep.as_mut().poll(cx).map(|()| None)
    })
    .await
}
