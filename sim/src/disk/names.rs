//! Directories and the names in them: as the running system sees them, as they are on the
//! medium, and the changes in between.
//!
//! A change is seen at once and kept, in order, until a sync of its directory. Which of
//! the kept ones outlive a power loss is settled in `crash.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::image::{EEXIST, EINVAL, EISDIR, ENOENT, ENOTDIR, ENOTEMPTY, error};
use super::inode::InodeId;

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

    /// Whether this change cannot be on the medium without that earlier one.
    pub(super) fn needs(&self, earlier: &Self) -> bool {
        let ((a, b), (c, d)) = (self.paths(), earlier.paths());
        let same_name = a == c || Some(a) == d || b == Some(c) || (b.is_some() && b == d);
        same_name
            || matches!((b, earlier), (Some(to), Self::CreateDir { dir }) if parent(to) == dir)
    }
}

/// What names there are at one moment, or on the medium.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    dirs: BTreeSet<String>,
    files: BTreeMap<String, InodeId>,
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

    pub(super) fn inodes(&self) -> impl Iterator<Item = InodeId> {
        self.files.values().copied()
    }

    pub(super) fn dirs(&self) -> impl Iterator<Item = &str> {
        self.dirs.iter().map(String::as_str)
    }

    pub(super) fn files(&self) -> impl Iterator<Item = (&str, InodeId)> {
        self.files.iter().map(|(path, inode)| (path.as_str(), *inode))
    }

    fn has_dir(&self, dir: &str) -> bool {
        dir.is_empty() || self.dirs.contains(dir)
    }

    fn check_dir(&self, dir: &str) -> io::Result<()> {
        match self.has_dir(dir) {
            true => Ok(()),
            false if self.files.contains_key(dir) => error(ENOTDIR),
            false => error(ENOENT),
        }
    }

    /// Drops the names in directories that are not there: nothing leads to them.
    fn drop_unreachable(&mut self) {
        let dirs = std::mem::take(&mut self.dirs);
        self.files.retain(|path, _| parent(path).is_empty() || dirs.contains(parent(path)));
        self.dirs = dirs;
    }

    pub(super) fn find(&self, path: &str) -> io::Result<InodeId> {
        self.check_dir(parent(path))?;
        match self.files.get(path) {
            Some(&inode) => Ok(inode),
            None if self.has_dir(path) => error(EISDIR),
            None => error(ENOENT),
        }
    }
}

/// The directory a path lies in; `""` is the root.
fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

/// The names of one disk.
#[derive(Clone, Default)]
pub(super) struct NameTable {
    cached: Names,
    durable: Names,
    /// What leads from `durable` to `cached`, each with its number, but for what a failed
    /// sync forgot.
    pending: Vec<(u64, NameChange)>,
    changes: u64,
}

impl NameTable {
    fn change(&mut self, change: NameChange) {
        self.cached.apply(&change);
        self.pending.push((self.changes, change));
        self.changes += 1;
    }

    /// What the running system sees.
    pub(super) fn cached(&self) -> &Names {
        &self.cached
    }

    /// How many changes there were so far.
    pub(super) fn mark(&self) -> u64 {
        self.changes
    }

    /// Every inode to which a name leads, or may lead after a power loss.
    pub(super) fn linked(&self) -> BTreeSet<InodeId> {
        let in_change = |(_, change): &(u64, NameChange)| match change {
            NameChange::Link { inode, .. } | NameChange::Rename { inode, .. } => Some(*inode),
            NameChange::CreateDir { .. } | NameChange::Unlink { .. } => None,
        };
        let pending = self.pending.iter().filter_map(in_change);
        self.cached.inodes().chain(self.durable.inodes()).chain(pending).collect()
    }

    /// Whether a directory may be made under this name.
    pub(super) fn check_new_dir(&self, dir: &str) -> io::Result<()> {
        if self.cached.has_dir(dir) || self.cached.files.contains_key(dir) {
            return error(EEXIST);
        }
        if dir.contains('/') { error(EINVAL) } else { Ok(()) }
    }

    pub(super) fn create_dir(&mut self, dir: &str) {
        self.change(NameChange::CreateDir { dir: dir.to_string() });
    }

    pub(super) fn check_dir(&self, dir: &str) -> io::Result<()> {
        self.cached.check_dir(dir)
    }

    /// Whether there is a directory for this path to lie in.
    pub(super) fn check_parent(&self, path: &str) -> io::Result<()> {
        self.cached.check_dir(parent(path))
    }

    /// Whether a file may be made under this path.
    pub(super) fn check_free(&self, path: &str) -> io::Result<()> {
        self.cached.check_dir(parent(path))?;
        let taken = self.cached.files.contains_key(path) || self.cached.has_dir(path);
        if taken { error(EEXIST) } else { Ok(()) }
    }

    pub(super) fn link(&mut self, path: &str, inode: InodeId) {
        self.change(NameChange::Link { path: path.to_string(), inode });
    }

    pub(super) fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.cached.check_dir(dir)?;
        let files = self.cached.files.keys().filter(|it| parent(it) == dir);
        let dirs = self.cached.dirs.iter().filter(|_| dir.is_empty());
        let name = |path: &String| path.rsplit('/').next().unwrap_or(path).to_string();
        let names: BTreeSet<String> = files.chain(dirs).map(name).collect();
        Ok(names.into_iter().collect())
    }

    pub(super) fn unlink(&mut self, path: &str) -> io::Result<()> {
        self.cached.find(path)?;
        self.change(NameChange::Unlink { path: path.to_string() });
        Ok(())
    }

    /// Checks in the order in which Linux does: both directories, the old name, whether one
    /// path lies in the other, and what kinds they are of.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.cached.check_dir(parent(from))?;
        self.cached.check_dir(parent(to))?;
        let inode = match self.cached.files.get(from) {
            Some(&inode) => inode,
            None if !self.cached.has_dir(from) => return error(ENOENT),
            None if parent(to) == from => return error(EINVAL),
            None if self.cached.files.contains_key(to) => return error(ENOTDIR),
            None => return error(EINVAL),
        };
        if parent(from) == to {
            return error(ENOTEMPTY);
        }
        if self.cached.has_dir(to) {
            return error(EISDIR);
        }
        // Linux does nothing when both names are the same file.
        if from != to {
            let (from, to) = (from.to_string(), to.to_string());
            self.change(NameChange::Rename { from, to, inode });
        }
        Ok(())
    }

    /// Takes out what a sync of `dir` is about, in order: the changes before `mark` to
    /// names in it, and the earlier ones that they need. Nothing else: a program that
    /// forgot another directory finds out.
    fn take_covered(&mut self, dir: &str, mark: u64) -> Vec<NameChange> {
        let mut covered: Vec<(u64, NameChange)> = Vec::new();
        for (number, change) in self.pending.iter().rev() {
            let needed = || covered.iter().any(|(_, it)| it.needs(change));
            if *number < mark && (change.is_in(dir) || needed()) {
                covered.push((*number, change.clone()));
            }
        }
        covered.reverse();
        let is_covered = |number| covered.binary_search_by_key(&number, |(it, _)| *it).is_ok();
        self.pending.retain(|(number, _)| !is_covered(*number));
        covered.into_iter().map(|(_, change)| change).collect()
    }

    /// Makes durable the changes before `mark` to names in `dir`.
    pub(super) fn sync(&mut self, dir: &str, mark: u64) -> io::Result<()> {
        self.cached.check_dir(dir)?;
        for change in self.take_covered(dir, mark) {
            self.durable.apply(&change);
        }
        Ok(())
    }

    /// The sync failed: what it should have made durable is still seen, and no later sync
    /// will write it.
    pub(super) fn forget(&mut self, dir: &str, mark: u64) -> io::Result<()> {
        self.cached.check_dir(dir)?;
        self.take_covered(dir, mark);
        Ok(())
    }

    /// What the medium leads to.
    pub(super) fn durable(&self) -> Names {
        let mut durable = self.durable.clone();
        durable.drop_unreachable();
        durable
    }

    /// These are the names, on the medium and in the page cache.
    pub(super) fn replace(&mut self, names: Names) {
        self.pending.clear();
        self.durable = names;
        self.cached = self.durable.clone();
    }

    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The changes whose fate is open, in order.
    pub(super) fn take_pending(&mut self) -> Vec<NameChange> {
        std::mem::take(&mut self.pending).into_iter().map(|(_, change)| change).collect()
    }

    /// The names on the medium and these changes are what is left.
    pub(super) fn lose_cache(&mut self, survivors: &[NameChange]) {
        survivors.iter().for_each(|it| self.durable.apply(it));
        self.durable.drop_unreachable();
        self.cached = self.durable.clone();
    }
}
