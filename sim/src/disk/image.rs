//! What a disk holds: files by inode, and the names that lead to them (`names.rs`).
//!
//! A change is applied to the page cache at once and kept, in order, until a sync makes
//! it durable. Which of the kept changes outlive a power loss is settled in `crash.rs`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::rc::Rc;

use bytes::Bytes;

use super::names::NameTable;

// Error numbers of Linux (asm-generic/errno-base.h and errno.h).
pub(super) const ENOENT: i32 = 2;
pub(super) const EIO: i32 = 5;
const EBADF: i32 = 9;
pub(super) const EEXIST: i32 = 17;
pub(super) const ENOTDIR: i32 = 20;
pub(super) const EISDIR: i32 = 21;
pub(super) const EINVAL: i32 = 22;
const ENOSPC: i32 = 28;
pub(super) const ENOTEMPTY: i32 = 39;

pub(super) fn error<T>(number: i32) -> io::Result<T> {
    Err(io::Error::from_raw_os_error(number))
}

/// Names a file whatever its path is. Never used twice on one disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InodeId(pub(super) u64);

/// A change to a file's content that is not known to be durable.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Write { offset: u64, data: Bytes },
    SetLen(u64),
}

impl Change {
    pub(super) fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, data } => {
                let start = *offset as usize;
                let end = start + data.len();
                if content.len() < end && !data.is_empty() {
                    content.resize(end, 0);
                }
                if !data.is_empty() {
                    content[start..end].copy_from_slice(data);
                }
            }
            Self::SetLen(len) => content.resize(*len as usize, 0),
        }
    }
}

/// A file's content.
#[derive(Default)]
pub(super) struct Inode {
    pub(super) durable: Vec<u8>,
    pub(super) cached: Vec<u8>,
    /// What leads from `durable` to `cached`, but for what a failed sync forgot.
    pub(super) pending: VecDeque<Change>,
    /// How many changes were made durable before those.
    hardened: u64,
    /// Held by everyone who has the file open.
    open: Rc<()>,
}

impl Inode {
    pub(super) fn change(&mut self, change: Change) {
        change.apply(&mut self.cached);
        self.pending.push_back(change);
    }

    /// How many changes there were so far.
    fn mark(&self) -> u64 {
        self.hardened + self.pending.len() as u64
    }

    /// Makes durable the changes before `mark`.
    pub(super) fn harden(&mut self, mark: u64) {
        while self.hardened < mark {
            let change = self.pending.pop_front().expect("a mark counts changes that were made");
            change.apply(&mut self.durable);
            self.hardened += 1;
        }
    }

    /// The sync of the changes before `mark` failed: their data is marked clean although
    /// it was not written. The lengths that were set are no data, and stay pending.
    pub(super) fn forget(&mut self, mark: u64) {
        let covered = mark.saturating_sub(self.hardened) as usize;
        for change in self.pending.iter_mut().take(covered) {
            if let Change::Write { data, .. } = change {
                *data = Bytes::new();
            }
        }
    }

    /// The file is what is on the medium.
    pub(super) fn drop_cache(&mut self) {
        if self.cached != self.durable {
            self.cached.clone_from(&self.durable);
        }
    }

    fn is_open(&self) -> bool {
        Rc::strong_count(&self.open) > 1
    }
}

/// The content of one disk.
#[derive(Default)]
pub(super) struct DiskImage {
    pub(super) inodes: BTreeMap<InodeId, Inode>,
    inodes_made: u64,
    pub(super) names: NameTable,
    /// In bytes; `None` is without bounds.
    pub(super) capacity: Option<u64>,
    /// How many operations were refused for want of space since somebody asked.
    pub(super) refused: u64,
}

impl DiskImage {
    fn inode(&self, inode: InodeId) -> io::Result<&Inode> {
        self.inodes.get(&inode).map_or_else(|| error(EBADF), Ok)
    }

    fn inode_mut(&mut self, inode: InodeId) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&inode).map_or_else(|| error(EBADF), Ok)
    }

    pub(super) fn create_dir(&mut self, dir: &str) -> io::Result<()> {
        self.names.create_dir(dir)
    }

    pub(super) fn find(&self, path: &str) -> io::Result<InodeId> {
        self.names.cached().find(path)
    }

    pub(super) fn create(&mut self, path: &str) -> io::Result<InodeId> {
        self.names.check_free(path)?;
        let inode = InodeId(self.inodes_made);
        self.inodes_made += 1;
        self.inodes.insert(inode, Inode::default());
        self.names.link(path, inode);
        Ok(inode)
    }

    pub(super) fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.names.list(dir)
    }

    pub(super) fn remove(&mut self, path: &str) -> io::Result<()> {
        self.names.unlink(path)
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.names.rename(from, to)
    }

    pub(super) fn sync_dir(&mut self, dir: &str, mark: u64) -> io::Result<()> {
        self.names.sync(dir, mark)?;
        self.free_inodes();
        Ok(())
    }

    pub(super) fn forget_dir(&mut self, dir: &str, mark: u64) -> io::Result<()> {
        self.names.forget(dir, mark)?;
        self.free_inodes();
        Ok(())
    }

    /// A token that keeps an inode while it is held.
    pub(super) fn hold_open(&self, inode: InodeId) -> Rc<()> {
        self.inodes[&inode].open.clone()
    }

    /// Nobody has anything open any more.
    pub(super) fn close_all(&mut self) {
        self.inodes.values_mut().for_each(|it| it.open = Rc::default());
        self.free_inodes();
    }

    /// Frees the inodes to which no name leads, nor may lead after a power loss.
    pub(super) fn free_inodes(&mut self) {
        let linked = self.names.linked();
        self.inodes.retain(|id, inode| linked.contains(id) || inode.is_open());
    }

    /// How many bytes more the files may hold. A file takes its length, holes included, as
    /// long as it has a name or is open.
    fn room(&self) -> u64 {
        let Some(capacity) = self.capacity else {
            return u64::MAX;
        };
        let named: BTreeSet<InodeId> = self.names.cached().inodes().collect();
        let takes_space = |(id, inode): &(&InodeId, &Inode)| named.contains(id) || inode.is_open();
        let taken = self.inodes.iter().filter(takes_space).map(|(_, it)| it.cached.len() as u64);
        capacity.saturating_sub(taken.sum())
    }

    /// Grows a file to `len` bytes at most: gives the length that there is room for.
    fn limit(&self, inode: InodeId, len: u64) -> io::Result<u64> {
        let now = self.inode(inode)?.cached.len() as u64;
        if len <= now {
            return Ok(len);
        }
        Ok(len.min(now.saturating_add(self.room())))
    }

    /// Where the disk is full, as much is written as there is room for, as by a program
    /// that goes on after a short write.
    pub(super) fn write_at(&mut self, inode: InodeId, offset: u64, data: Bytes) -> io::Result<()> {
        let end = offset + data.len() as u64;
        let limit = self.limit(inode, end)?;
        let fits = if data.is_empty() { 0 } else { limit.saturating_sub(offset) };
        let is_full = fits < data.len() as u64;
        let data = if is_full { data.slice(..fits as usize) } else { data };
        self.inode_mut(inode)?.change(Change::Write { offset, data });
        if is_full { self.refuse() } else { Ok(()) }
    }

    fn refuse(&mut self) -> io::Result<()> {
        self.refused += 1;
        error(ENOSPC)
    }

    pub(super) fn read_at(&self, inode: InodeId, offset: u64, len: usize) -> io::Result<Bytes> {
        let content = &self.inode(inode)?.cached;
        let start = content.len().min(usize::try_from(offset).unwrap_or(usize::MAX));
        let end = content.len().min(start.saturating_add(len));
        Ok(Bytes::copy_from_slice(&content[start..end]))
    }

    /// How many bytes there are from `offset` on.
    pub(super) fn held(&self, inode: InodeId, offset: u64) -> usize {
        let content = self.inodes.get(&inode).map_or(0, |it| it.cached.len());
        content.saturating_sub(usize::try_from(offset).unwrap_or(usize::MAX))
    }

    pub(super) fn len(&self, inode: InodeId) -> io::Result<u64> {
        Ok(self.inode(inode)?.cached.len() as u64)
    }

    pub(super) fn set_len(&mut self, inode: InodeId, len: u64) -> io::Result<()> {
        if self.limit(inode, len)? < len {
            return self.refuse();
        }
        self.inode_mut(inode)?.change(Change::SetLen(len));
        Ok(())
    }

    /// How many changes the file has seen so far.
    /// Turns one bit of a file over, where it rests and where it is cached. Answers whether the
    /// file has such a byte.
    pub(super) fn flip(&mut self, inode: InodeId, byte: usize, bit: u8) -> bool {
        let Some(inode) = self.inodes.get_mut(&inode) else { return false };
        for content in [&mut inode.durable, &mut inode.cached] {
            if let Some(it) = content.get_mut(byte) {
                *it ^= 1 << (bit % 8);
            }
        }
        inode.durable.len() > byte
    }

    pub(super) fn mark(&self, inode: InodeId) -> u64 {
        self.inodes.get(&inode).map_or(0, Inode::mark)
    }

    pub(super) fn sync(&mut self, inode: InodeId, mark: u64) -> io::Result<()> {
        self.inode_mut(inode)?.harden(mark);
        Ok(())
    }

    pub(super) fn forget(&mut self, inode: InodeId, mark: u64) -> io::Result<()> {
        self.inode_mut(inode)?.forget(mark);
        Ok(())
    }
}
