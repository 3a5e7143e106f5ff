//! What a disk holds: inodes and names, each as the running system sees it and as it is
//! on the medium, with the changes in between.
//!
//! A change is applied to the page cache at once and kept, in order, until a sync makes
//! it durable. Which of the kept changes outlive a power loss is settled in `crash.rs`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::rc::Rc;

use bytes::Bytes;

// Error numbers of Linux (asm-generic/errno-base.h).
const ENOENT: i32 = 2;
const EBADF: i32 = 9;
const EEXIST: i32 = 17;
const ENOTDIR: i32 = 20;
const EISDIR: i32 = 21;
const EINVAL: i32 = 22;

fn error<T>(number: i32) -> io::Result<T> {
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
    /// What leads from `durable` to `cached`.
    pub(super) pending: VecDeque<Change>,
    /// How many changes were made durable before those.
    hardened: u64,
    /// Held by everyone who has the file open.
    open: Rc<()>,
}

impl Inode {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.cached);
        self.pending.push_back(change);
    }

    fn harden(&mut self, mark: u64) {
        while self.hardened < mark {
            let change = self.pending.pop_front().expect("a mark counts changes that were made");
            change.apply(&mut self.durable);
            self.hardened += 1;
        }
    }
}

/// A change to names that is not known to be durable.
#[derive(Clone, Debug)]
pub(super) enum NameChange {
    CreateDir { dir: String },
    Link { path: String, inode: InodeId },
    Unlink { path: String },
    Rename { from: String, to: String, inode: InodeId },
}

impl NameChange {
    fn paths(&self) -> (&str, Option<&str>) {
        match self {
            Self::CreateDir { dir: path } | Self::Link { path, .. } | Self::Unlink { path } => {
                (path, None)
            }
            Self::Rename { from, to, .. } => (from, Some(to)),
        }
    }

    fn is_in(&self, dir: &str) -> bool {
        let (path, other) = self.paths();
        parent(path) == dir || other.is_some_and(|it| parent(it) == dir)
    }

    fn shares_path_with(&self, other: &Self) -> bool {
        let ((a, b), (c, d)) = (self.paths(), other.paths());
        a == c || Some(a) == d || b == Some(c) || (b.is_some() && b == d)
    }
}

/// Directories and the names in them.
#[derive(Clone, Default)]
pub(super) struct Names {
    dirs: BTreeSet<String>,
    pub(super) files: BTreeMap<String, InodeId>,
}

impl Names {
    pub(super) fn apply(&mut self, change: &NameChange) {
        match change {
            NameChange::CreateDir { dir } => {
                self.dirs.insert(dir.clone());
            }
            NameChange::Link { path, inode } => {
                self.files.insert(path.clone(), *inode);
            }
            NameChange::Unlink { path } => {
                self.files.remove(path);
            }
            NameChange::Rename { from, to, inode } => {
                self.files.remove(from);
                self.files.insert(to.clone(), *inode);
            }
        }
    }

    fn has_dir(&self, dir: &str) -> bool {
        dir.is_empty() || self.dirs.contains(dir)
    }

    /// Drops the names in directories that are not there: nothing leads to them.
    pub(super) fn drop_unreachable(&mut self) {
        let dirs = std::mem::take(&mut self.dirs);
        self.files.retain(|path, _| parent(path).is_empty() || dirs.contains(parent(path)));
        self.dirs = dirs;
    }
}

/// The directory a path lies in; `""` is the root.
fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// The content of one disk.
#[derive(Default)]
pub(super) struct DiskImage {
    pub(super) inodes: BTreeMap<InodeId, Inode>,
    inodes_made: u64,
    pub(super) names: Names,
    pub(super) durable_names: Names,
    /// What leads from `durable_names` to `names`, each with its number.
    pub(super) pending_names: Vec<(u64, NameChange)>,
    name_changes: u64,
}

impl DiskImage {
    fn change_names(&mut self, change: NameChange) {
        self.names.apply(&change);
        self.pending_names.push((self.name_changes, change));
        self.name_changes += 1;
    }

    fn inode(&self, inode: InodeId) -> io::Result<&Inode> {
        self.inodes.get(&inode).map_or_else(|| error(EBADF), Ok)
    }

    fn inode_mut(&mut self, inode: InodeId) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&inode).map_or_else(|| error(EBADF), Ok)
    }

    pub(super) fn create_dir(&mut self, dir: &str) -> io::Result<()> {
        if dir.is_empty() || dir.contains('/') {
            return error(EINVAL);
        }
        if self.names.has_dir(dir) || self.names.files.contains_key(dir) {
            return error(EEXIST);
        }
        self.change_names(NameChange::CreateDir { dir: dir.to_string() });
        Ok(())
    }

    pub(super) fn find(&self, path: &str) -> io::Result<InodeId> {
        match self.names.files.get(path) {
            Some(&inode) => Ok(inode),
            None if self.names.has_dir(path) => error(EISDIR),
            None => error(ENOENT),
        }
    }

    pub(super) fn create(&mut self, path: &str) -> io::Result<InodeId> {
        if self.names.files.contains_key(path) || self.names.has_dir(path) {
            return error(EEXIST);
        }
        if !self.names.has_dir(parent(path)) {
            return error(ENOENT);
        }
        let inode = InodeId(self.inodes_made);
        self.inodes_made += 1;
        self.inodes.insert(inode, Inode::default());
        self.change_names(NameChange::Link { path: path.to_string(), inode });
        Ok(inode)
    }

    fn check_dir(&self, dir: &str) -> io::Result<()> {
        match self.names.has_dir(dir) {
            true => Ok(()),
            false if self.names.files.contains_key(dir) => error(ENOTDIR),
            false => error(ENOENT),
        }
    }

    pub(super) fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.check_dir(dir)?;
        let files = self.names.files.keys().filter(|it| parent(it) == dir);
        let dirs = self.names.dirs.iter().filter(|_| dir.is_empty());
        let name = |path: &String| path.rsplit('/').next().unwrap_or(path).to_string();
        let names: BTreeSet<String> = files.chain(dirs).map(name).collect();
        Ok(names.into_iter().collect())
    }

    pub(super) fn remove(&mut self, path: &str) -> io::Result<()> {
        self.find(path)?;
        self.change_names(NameChange::Unlink { path: path.to_string() });
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let inode = self.find(from)?;
        if self.names.has_dir(to) {
            return error(EISDIR);
        }
        if !self.names.has_dir(parent(to)) {
            return error(ENOENT);
        }
        // Linux does nothing when both names are the same file.
        if from != to {
            let (from, to) = (from.to_string(), to.to_string());
            self.change_names(NameChange::Rename { from, to, inode });
        }
        Ok(())
    }

    /// How many changes to names there were so far.
    pub(super) fn names_mark(&self) -> u64 {
        self.name_changes
    }

    /// Makes durable the changes before `mark` to names in `dir`, and the earlier ones
    /// they build on. Nothing else: a program that forgot another directory finds out.
    pub(super) fn sync_dir(&mut self, dir: &str, mark: u64) -> io::Result<()> {
        self.check_dir(dir)?;
        let mut hardened: Vec<(u64, NameChange)> = Vec::new();
        for (number, change) in self.pending_names.iter().rev() {
            let needed = hardened.iter().any(|(_, it)| it.shares_path_with(change));
            if *number < mark && (needed || change.is_in(dir)) {
                hardened.push((*number, change.clone()));
            }
        }
        hardened.reverse();
        for (_, change) in &hardened {
            self.durable_names.apply(change);
        }
        let is_hardened = |number| hardened.iter().any(|(it, _)| *it == number);
        self.pending_names.retain(|(number, _)| !is_hardened(*number));
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
        let mut linked: BTreeSet<InodeId> = self.names.files.values().copied().collect();
        linked.extend(self.durable_names.files.values());
        linked.extend(self.pending_names.iter().filter_map(|(_, change)| match change {
            NameChange::Link { inode, .. } | NameChange::Rename { inode, .. } => Some(*inode),
            NameChange::CreateDir { .. } | NameChange::Unlink { .. } => None,
        }));
        self.inodes.retain(|id, inode| linked.contains(id) || Rc::strong_count(&inode.open) > 1);
    }

    pub(super) fn write_at(&mut self, inode: InodeId, offset: u64, data: Bytes) -> io::Result<()> {
        self.inode_mut(inode)?.change(Change::Write { offset, data });
        Ok(())
    }

    pub(super) fn read_at(&self, inode: InodeId, offset: u64, len: usize) -> io::Result<Bytes> {
        let content = &self.inode(inode)?.cached;
        let start = content.len().min(usize::try_from(offset).unwrap_or(usize::MAX));
        let end = content.len().min(start.saturating_add(len));
        Ok(Bytes::copy_from_slice(&content[start..end]))
    }

    pub(super) fn len(&self, inode: InodeId) -> io::Result<u64> {
        Ok(self.inode(inode)?.cached.len() as u64)
    }

    pub(super) fn set_len(&mut self, inode: InodeId, len: u64) -> io::Result<()> {
        self.inode_mut(inode)?.change(Change::SetLen(len));
        Ok(())
    }

    /// How many changes the file has seen so far.
    pub(super) fn mark(&self, inode: InodeId) -> u64 {
        self.inodes.get(&inode).map_or(0, |it| it.hardened + it.pending.len() as u64)
    }

    pub(super) fn sync(&mut self, inode: InodeId, mark: u64) -> io::Result<()> {
        self.inode_mut(inode)?.harden(mark);
        Ok(())
    }
}
