//! One file: what is on the medium, what the running system sees, and what leads from one to
//! the other.
//!
//! A change is applied to the page cache at once and kept, in order, until a sync makes
//! it durable. Which of the kept changes outlive a power loss is settled in `sectors.rs`.

use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;

use super::content::{Change, Content};

/// Names a file whatever its path is. Never used twice on one disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct InodeId(pub(super) u64);

/// A file's content.
#[derive(Default)]
pub(super) struct Inode {
    pub(super) durable: Content,
    pub(super) cached: Content,
    /// What leads from `durable` to `cached`, but for what never reaches the medium.
    pub(super) pending: VecDeque<Change>,
    /// How many changes were made durable before those.
    hardened: u64,
    /// Held by everyone who has the file open.
    open: Rc<()>,
}

impl Inode {
    /// A file that is on the medium and nowhere else.
    pub(super) fn resting(content: Content) -> Self {
        Self { durable: content.clone(), cached: content, ..Self::default() }
    }

    /// The same file on a disk of its own, open if this one is.
    pub(super) fn fork(&self) -> Self {
        Self {
            durable: self.durable.clone(),
            cached: self.cached.clone(),
            pending: self.pending.clone(),
            hardened: self.hardened,
            open: if self.is_open() { self.open.clone() } else { Rc::default() },
        }
    }

    /// A token that keeps the file while it is held.
    pub(super) fn hold_open(&self) -> Rc<()> {
        self.open.clone()
    }

    /// Nobody has it open any more.
    pub(super) fn close(&mut self) {
        self.open = Rc::default();
    }

    pub(super) fn change(&mut self, change: Change) {
        self.cached.apply(&change);
        self.pending.push_back(change);
    }

    /// A change whose data the running system sees and the medium never gets.
    pub(super) fn change_unwritten(&mut self, change: &Change) {
        let written = change.without_data(self.cached.len());
        self.cached.apply(change);
        self.pending.push_back(written);
    }

    /// How many changes there were so far.
    pub(super) fn mark(&self) -> u64 {
        self.hardened + self.pending.len() as u64
    }

    /// Makes durable the changes before `mark`.
    pub(super) fn harden(&mut self, mark: u64) {
        while self.hardened < mark {
            let change = self.pending.pop_front().expect("a mark counts changes that were made");
            self.durable.apply(&change);
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
    pub(super) fn lose_cache(&mut self) {
        self.cached = self.durable.clone();
    }

    /// What is clean is read from the medium again. The length is the inode's and stays.
    pub(super) fn drop_clean(&mut self) {
        let len = self.cached.len();
        self.lose_cache();
        self.pending.iter().for_each(|it| self.cached.apply(it));
        self.cached.stretch(len);
    }

    /// A sector on the medium goes bad; where it is about to be overwritten whole, the running
    /// system does not notice. Answers whether it is there and was good.
    pub(super) fn spoil(&mut self, sector: usize) -> bool {
        if !self.durable.spoil(sector) {
            return false;
        }
        let mut expected = self.durable.clone();
        self.pending.iter().for_each(|it| expected.apply(it));
        if expected.bad().contains(&sector) {
            self.cached.spoil(sector);
        }
        true
    }

    pub(super) fn is_open(&self) -> bool {
        Rc::strong_count(&self.open) > 1
    }
}
