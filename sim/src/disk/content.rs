//! The content of a file: its bytes, the sectors of it that cannot be read, and the changes
//! that programs make.
//!
//! **A sector that went bad** gives EIO to whoever reads any part of it, as if nothing of it
//! were in the page cache. It is well again once it was overwritten whole, for a drive then
//! puts another in its place (Bairavasundaram et al., "An Analysis of Latent Sector Errors in
//! Disk Drives", SIGMETRICS 2007, section 2): to the running system at once, from the page
//! cache; for good when that write is on the medium. A write to a part of it must read the rest
//! first, and fails like a read. Where the file is cut off before it, it is nobody's sector.

use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

use bytes::Bytes;

/// What a disk writes whole or not at all, in bytes.
pub(super) const SECTOR: usize = 512;

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

    /// What of it reaches the medium where its data never does: the length of the file is
    /// written by the journal.
    pub(super) fn without_data(&self, len_before: usize) -> Self {
        match self {
            Self::Write { offset, data } if *offset as usize + data.len() > len_before => {
                Self::SetLen(offset + data.len() as u64)
            }
            Self::Write { offset, .. } => Self::Write { offset: *offset, data: Bytes::new() },
            Self::SetLen(len) => Self::SetLen(*len),
        }
    }
}

/// The bytes of a file and the sectors that cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    /// Shared among copies until one of them changes.
    bytes: Rc<Vec<u8>>,
    bad: BTreeSet<usize>,
}

impl Content {
    /// Bad sectors beyond the end are not taken along.
    pub(super) fn new(bytes: Vec<u8>, mut bad: BTreeSet<usize>) -> Self {
        bad.retain(|it| it * SECTOR < bytes.len());
        Self { bytes: Rc::new(bytes), bad }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// How many sectors it takes, the last perhaps in part.
    pub(super) fn sectors(&self) -> usize {
        self.len().div_ceil(SECTOR)
    }

    pub(super) fn bad(&self) -> &BTreeSet<usize> {
        &self.bad
    }

    /// Whether both are one copy, which can be told without a look at the bytes.
    pub(super) fn shares_with(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.bytes, &other.bytes)
    }

    pub(super) fn apply(&mut self, change: &Change) {
        if !self.bad.is_empty() {
            self.heal(change);
        }
        change.apply(Rc::make_mut(&mut self.bytes));
    }

    /// Forgets the bad sectors that a change overwrites whole or cuts off.
    fn heal(&mut self, change: &Change) {
        let len = self.len();
        match change {
            Change::Write { offset, data } => {
                let written = *offset as usize..*offset as usize + data.len();
                self.bad.retain(|it| !covers(&written, &within(*it, len)));
            }
            Change::SetLen(new) => self.bad.retain(|it| it * SECTOR < *new as usize),
        }
    }

    /// Whether all bytes of the range that are there can be read.
    pub(super) fn is_readable(&self, range: &Range<usize>) -> bool {
        self.bad.is_empty() || self.bad_in(range).next().is_none()
    }

    /// Whether a write there needs to read no bad sector first.
    pub(super) fn is_writable(&self, range: &Range<usize>) -> bool {
        let is_whole = |sector: usize| covers(range, &within(sector, self.len()));
        self.bad.is_empty() || self.bad_in(range).all(is_whole)
    }

    fn bad_in(&self, range: &Range<usize>) -> impl Iterator<Item = usize> {
        let sectors = match range.is_empty() {
            true => 0..0,
            false => range.start / SECTOR..range.end.div_ceil(SECTOR),
        };
        self.bad.range(sectors).copied()
    }

    /// A sector goes bad. Answers whether it is there and was good.
    pub(super) fn spoil(&mut self, sector: usize) -> bool {
        sector < self.sectors() && self.bad.insert(sector)
    }

    /// Turns one bit over. Answers whether there is such a byte.
    pub(super) fn flip(&mut self, byte: usize, bit: u8) -> bool {
        match Rc::make_mut(&mut self.bytes).get_mut(byte) {
            Some(it) => *it ^= 1 << (bit % 8),
            None => return false,
        }
        true
    }

    /// Puts bytes over those that are there; what would lie behind the end is dropped.
    pub(super) fn overwrite(&mut self, offset: usize, data: &[u8]) {
        let bytes = Rc::make_mut(&mut self.bytes);
        let start = bytes.len().min(offset);
        let end = bytes.len().min(start + data.len());
        bytes[start..end].copy_from_slice(&data[..end - start]);
    }

    /// Makes it as long as that, without a change to what cannot be read.
    pub(super) fn stretch(&mut self, len: usize) {
        if len != self.len() {
            Rc::make_mut(&mut self.bytes).resize(len, 0);
        }
    }
}

fn covers(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

/// The bytes of a sector in a file of that length.
fn within(sector: usize, len: usize) -> Range<usize> {
    sector * SECTOR..len.min((sector + 1) * SECTOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_bad(len: usize, bad: usize) -> Content {
        Content::new(vec![1; len], BTreeSet::from([bad]))
    }

    fn write(offset: u64, len: usize) -> Change {
        Change::Write { offset, data: vec![2; len].into() }
    }

    #[test]
    fn only_what_touches_a_bad_sector_fails() {
        let content = with_bad(1_500, 1);
        assert!(content.is_readable(&(0..512)) && content.is_readable(&(1_024..1_500)));
        assert!(!content.is_readable(&(511..513)) && !content.is_readable(&(1_023..1_024)));
        assert!(content.is_readable(&(600..600)), "to read nothing touches nothing");
        assert!(content.is_writable(&(0..512)) && content.is_writable(&(512..1_024)));
        assert!(!content.is_writable(&(0..1_023)) && !content.is_writable(&(513..1_024)));
    }

    #[test]
    fn a_bad_sector_heals_when_it_is_overwritten_whole_or_cut_off() {
        let heals = |change: &Change| {
            let mut content = with_bad(1_200, 2);
            content.apply(change);
            content.bad.is_empty()
        };
        assert!(heals(&write(1_024, 176)), "the last sector ends where the file does");
        assert!(heals(&write(0, 1_200)) && heals(&Change::SetLen(1_024)));
        assert!(!heals(&write(0, 1_024)) && !heals(&Change::SetLen(1_100)));
    }

    #[test]
    fn a_write_without_its_data_is_its_length() {
        let growing = write(1_000, 24).without_data(1_000);
        assert!(matches!(growing, Change::SetLen(1_024)));
        let inside = write(0, 24).without_data(1_000);
        assert!(matches!(inside, Change::Write { data, .. } if data.is_empty()));
    }

    #[test]
    fn what_is_misplaced_ends_where_the_file_does() {
        let mut content = Content::new(vec![1; 10], BTreeSet::new());
        content.overwrite(8, &[2; 5]);
        content.overwrite(99, &[3; 5]);
        assert_eq!(content.bytes(), [1, 1, 1, 1, 1, 1, 1, 1, 2, 2]);
    }
}
