//! A disk for one file, in memory: it keeps a journal of what it was asked, and fails on demand.

use crate::env::{Address, Env, File, ObjectError, Observed};
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::io;
use std::ops::Range;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// What changes a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Write(u64, Bytes),
    SetLen(u64),
    Sync,
}

impl Op {
    /// Does to the content what a disk would do.
    pub(super) fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write(at, bytes) => {
                let (start, end) = (*at as usize, *at as usize + bytes.len());
                content.resize(content.len().max(end), 0);
                content[start..end].copy_from_slice(bytes);
            }
            Self::SetLen(len) => content.resize(*len as usize, 0),
            Self::Sync => {}
        }
    }
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    journal: Vec<Op>,
    /// Every read that was waited for.
    paid: Vec<(u64, usize)>,
    /// What the next changes end with; none succeeds.
    outcomes: VecDeque<Option<i32>>,
    now_ns: u64,
    /// Changes until the disk never answers again.
    hang_after: Option<usize>,
}

/// The disk, and the node's environment around it.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk(Rc<RefCell<State>>);

/// A file on it.
#[derive(Clone, Debug)]
pub(super) struct DiskFile {
    disk: Disk,
    path: String,
}

pub(super) const FILE: &str = "items";
pub(super) const ENOSPC: i32 = 28;
pub(super) const EIO: i32 = 5;

impl Disk {
    /// A disk that holds this file.
    pub(super) fn holding(content: Vec<u8>) -> Self {
        let disk = Self::default();
        disk.0.borrow_mut().files.insert(FILE.to_owned(), content);
        disk
    }

    pub(super) fn content(&self) -> Vec<u8> {
        self.0.borrow().files.get(FILE).cloned().unwrap_or_default()
    }

    pub(super) fn flip(&self, bit: usize) {
        let mut state = self.0.borrow_mut();
        state.files.get_mut(FILE).expect("there is a file")[bit / 8] ^= 1 << (bit % 8);
    }

    pub(super) fn take_journal(&self) -> Vec<Op> {
        std::mem::take(&mut self.0.borrow_mut().journal)
    }

    pub(super) fn take_paid(&self) -> Vec<(u64, usize)> {
        std::mem::take(&mut self.0.borrow_mut().paid)
    }

    pub(super) fn now(&self) -> u64 {
        self.0.borrow().now_ns
    }

    /// The next changes end with these errors, one each; 0 for success.
    pub(super) fn fail_next(&self, errors: &[i32]) {
        let outcomes = errors.iter().map(|&errno| (errno != 0).then_some(errno));
        self.0.borrow_mut().outcomes.extend(outcomes);
    }

    /// After this many more changes the disk never answers again; none lets it answer.
    pub(super) fn hang_after(&self, changes: Option<usize>) {
        self.0.borrow_mut().hang_after = changes;
    }
}

impl DiskFile {
    async fn change(&self, op: Op) -> io::Result<()> {
        let hangs = {
            let left = &mut self.disk.0.borrow_mut().hang_after;
            let hangs = *left == Some(0);
            *left = left.map(|left| left.saturating_sub(1));
            hangs
        };
        if hangs {
            std::future::pending::<()>().await;
        }
        let mut state = self.disk.0.borrow_mut();
        if let Some(errno) = state.outcomes.pop_front().flatten() {
            return Err(io::Error::from_raw_os_error(errno));
        }
        if let Some(content) = state.files.get_mut(&self.path) {
            op.apply(content);
        }
        state.journal.push(op);
        Ok(())
    }
}

impl File for DiskFile {
    async fn append(&self, bytes: Bytes) -> io::Result<()> {
        let end = self.size().await?;
        self.change(Op::Write(end, bytes)).await
    }
    async fn read_all(&self) -> io::Result<Bytes> {
        Ok(self.disk.content().into())
    }
    async fn truncate(&self, len: u64) -> io::Result<()> {
        self.change(Op::SetLen(len)).await
    }
    async fn write_at(&self, offset: u64, bytes: Bytes) -> io::Result<()> {
        self.change(Op::Write(offset, bytes)).await
    }
    async fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        self.pay_read(offset, len).await;
        self.read_now(offset, len)
    }
    async fn pay_read(&self, offset: u64, len: usize) {
        self.disk.0.borrow_mut().paid.push((offset, len));
    }
    fn read_now(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let state = self.disk.0.borrow();
        let content = state.files.get(&self.path).ok_or(io::ErrorKind::NotFound)?;
        let start = (offset as usize).min(content.len());
        let end = (start + len).min(content.len());
        Ok(Bytes::copy_from_slice(&content[start..end]))
    }
    async fn size(&self) -> io::Result<u64> {
        let state = self.disk.0.borrow();
        Ok(state.files.get(&self.path).map_or(0, Vec::len) as u64)
    }
    fn in_background(&self) -> Self {
        self.clone()
    }
    async fn sync(&self) -> io::Result<()> {
        self.change(Op::Sync).await
    }
}

const ABSENT: &str = "the item store has no business with this";

impl Env for Disk {
    type File = DiskFile;

    fn now_ns(&self) -> u64 {
        self.now()
    }
    fn wall_ms(&self) -> u64 {
        unreachable!("{ABSENT}")
    }
    fn sleep_until(&self, deadline_ns: u64) -> impl Future<Output = ()> + 'static {
        let mut state = self.0.borrow_mut();
        state.now_ns = state.now_ns.max(deadline_ns);
        std::future::ready(())
    }
    async fn work(&self, _: u64) {}

    async fn work_in_background(&self, _: u64) {}

    fn spawn(&self, _: &'static str, _: impl Future<Output = ()> + 'static) {
        unreachable!("{ABSENT}")
    }
    fn draw(&self, _: &'static str, _: u64) -> u64 {
        unreachable!("{ABSENT}")
    }
    fn send(&self, _: Address, _: Bytes) {
        unreachable!("{ABSENT}")
    }
    fn poll_receive(&self, _: &mut Context<'_>) -> Poll<(Address, Bytes)> {
        unreachable!("{ABSENT}")
    }
    async fn create_dir(&self, _: &str) -> io::Result<()> {
        Ok(())
    }
    async fn create(&self, path: &str) -> io::Result<DiskFile> {
        let taken = self.0.borrow_mut().files.insert(path.to_owned(), Vec::new());
        assert_eq!(taken, None, "created over a file");
        self.open(path).await
    }
    async fn open(&self, path: &str) -> io::Result<DiskFile> {
        let found = self.0.borrow().files.contains_key(path);
        let file = found.then(|| DiskFile { disk: self.clone(), path: path.to_owned() });
        file.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    async fn list(&self, _: &str) -> io::Result<Vec<String>> {
        Ok(self.0.borrow().files.keys().cloned().collect())
    }
    async fn remove(&self, path: &str) -> io::Result<()> {
        let removed = self.0.borrow_mut().files.remove(path);
        removed.map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
    async fn sync_dir(&self, _: &str) -> io::Result<()> {
        Ok(())
    }
    async fn put_if_absent(&self, _: &str, _: Bytes) -> Result<(), ObjectError> {
        unreachable!("{ABSENT}")
    }
    async fn get(&self, _: &str) -> Result<Bytes, ObjectError> {
        unreachable!("{ABSENT}")
    }
    async fn get_range(&self, _: &str, _: Range<u64>) -> Result<Bytes, ObjectError> {
        unreachable!("{ABSENT}")
    }
    async fn delete(&self, _: &str) -> Result<(), ObjectError> {
        unreachable!("{ABSENT}")
    }
    fn observe(&self, _: Observed<'_>) {}
}

/// Polls a future to its end, or until it waits for a disk that never answers.
pub(super) fn run<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..10_000 {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return Some(done);
        }
    }
    None
}

/// Polls a future to its end.
pub(super) fn finish<T>(future: impl Future<Output = T>) -> T {
    run(future).expect("the disk answers at once")
}
