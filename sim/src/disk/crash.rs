//! What a power loss leaves of a disk.
//!
//! The durable image survives. Of the changes since the last sync:
//!
//! - each 512-byte sector ends, independently, as any one of the versions it had, so
//!   writes are torn and reordered at sector size;
//! - truncations take effect in order, a drawn number of them, each wholly or not at
//!   all, as a journalling file system does it;
//! - the file is as long as what survived makes it; gaps read as zeros;
//! - changes to names survive as a drawn prefix, in order.
//!
//! Every choice is drawn so that 0 means "nothing was lost".

use std::collections::{BTreeMap, VecDeque};

use super::image::{Change, DiskImage, Inode};

/// What a disk writes whole or not at all, in bytes.
const SECTOR: usize = 512;

/// What did not survive.
#[derive(Default)]
pub(super) struct Losses {
    /// Sectors that are older than they were in the page cache.
    pub(super) sectors: u64,
    /// Changes to names.
    pub(super) names: u64,
}

/// A sector as it was after some change: the bytes of it that lay within the file.
#[derive(Clone)]
struct Version {
    bytes: Vec<u8>,
    /// The change that made it; `None` is the durable one.
    change: Option<usize>,
}

impl DiskImage {
    /// Drops the page cache. `choose(n)` draws one of `0..n`, where 0 is the newest.
    pub(super) fn lose_power(&mut self, choose: &mut dyn FnMut(u64) -> u64) -> Losses {
        let mut losses = Losses {
            names: self.lose_names(choose),
            ..Losses::default()
        };
        self.free_inodes();
        for inode in self.inodes.values_mut() {
            losses.sectors += lose_sectors(inode, choose);
        }
        losses
    }

    fn lose_names(&mut self, choose: &mut dyn FnMut(u64) -> u64) -> u64 {
        let pending = std::mem::take(&mut self.pending_names);
        let lost = if pending.is_empty() {
            0
        } else {
            choose(pending.len() as u64 + 1)
        };
        for (_, change) in &pending[..pending.len() - lost as usize] {
            self.durable_names.apply(change);
        }
        self.durable_names.drop_unreachable();
        self.names = self.durable_names.clone();
        lost
    }
}

/// Settles what a file holds after a power loss; gives the number of sectors that lost
/// something.
fn lose_sectors(inode: &mut Inode, choose: &mut dyn FnMut(u64) -> u64) -> u64 {
    let pending = std::mem::take(&mut inode.pending);
    if pending.is_empty() {
        return 0;
    }
    let histories = histories(&inode.durable, &pending);
    let truncations = truncations(inode.durable.len(), &pending);
    let kept_truncations = match truncations.len() {
        0 => 0,
        all => all - choose(all as u64 + 1) as usize,
    };
    let (kept, undone) = truncations.split_at(kept_truncations);
    let mut lost = 0;
    let mut chosen = BTreeMap::new();
    for (sector, history) in histories {
        let legal = legal_versions(&history, kept, undone);
        let back = if legal.len() > 1 {
            choose(legal.len() as u64) as usize
        } else {
            0
        };
        let version = &legal[legal.len() - 1 - back];
        lost += u64::from(version.change != history.last().and_then(|it| it.change));
        chosen.insert(sector, version.bytes.clone());
    }
    inode.durable = assemble(std::mem::take(&mut inode.durable), &chosen);
    inode.cached = inode.durable.clone();
    lost
}

/// All versions of each sector that a pending change touched, oldest first.
fn histories(durable: &[u8], pending: &VecDeque<Change>) -> BTreeMap<usize, Vec<Version>> {
    let mut histories: BTreeMap<usize, Vec<Version>> = BTreeMap::new();
    let mut content = durable.to_vec();
    for (number, change) in pending.iter().enumerate() {
        let len_before = content.len();
        change.apply(&mut content);
        for sector in touched(change, len_before) {
            let first = || {
                vec![Version {
                    bytes: sector_of(durable, sector),
                    change: None,
                }]
            };
            let version = Version {
                bytes: sector_of(&content, sector),
                change: Some(number),
            };
            histories.entry(sector).or_insert_with(first).push(version);
        }
    }
    histories
}

/// The sectors that a change touches in a file that was `len` bytes long.
///
/// Growth touches the last sector only: those before it are zeros whether it survives or
/// a later one does.
fn touched(change: &Change, len: usize) -> std::ops::Range<usize> {
    match change {
        Change::Write { data, .. } if data.is_empty() => 0..0,
        Change::Write { offset, data } => {
            let start = *offset as usize;
            start / SECTOR..(start + data.len()).div_ceil(SECTOR)
        }
        Change::SetLen(new) => {
            let new = *new as usize;
            match new < len {
                true => new / SECTOR..len.div_ceil(SECTOR),
                false => (new.div_ceil(SECTOR)).saturating_sub(1)..new.div_ceil(SECTOR),
            }
        }
    }
}

/// The part of a sector that lies within the file.
fn sector_of(content: &[u8], sector: usize) -> Vec<u8> {
    let start = content.len().min(sector * SECTOR);
    let end = content.len().min(start + SECTOR);
    content[start..end].to_vec()
}

/// The changes that shortened the file, by number.
fn truncations(durable_len: usize, pending: &VecDeque<Change>) -> Vec<usize> {
    let mut len = durable_len;
    let mut truncations = Vec::new();
    for (number, change) in pending.iter().enumerate() {
        match change {
            Change::Write { data, .. } if data.is_empty() => {}
            Change::Write { offset, data } => len = len.max(*offset as usize + data.len()),
            Change::SetLen(new) => {
                if (*new as usize) < len {
                    truncations.push(number);
                }
                len = *new as usize;
            }
        }
    }
    truncations
}

/// The versions between the last truncation of this sector that took effect and the
/// first that did not.
fn legal_versions<'a>(history: &'a [Version], kept: &[usize], undone: &[usize]) -> &'a [Version] {
    let made_by = |version: &Version, changes: &[usize]| {
        version
            .change
            .is_some_and(|it| changes.binary_search(&it).is_ok())
    };
    let from = history
        .iter()
        .rposition(|it| made_by(it, kept))
        .unwrap_or(0);
    let to = history
        .iter()
        .position(|it| made_by(it, undone))
        .unwrap_or(history.len());
    &history[from..to]
}

/// The file made of the chosen sectors and the durable rest.
fn assemble(mut content: Vec<u8>, chosen: &BTreeMap<usize, Vec<u8>>) -> Vec<u8> {
    let untouched = (0..content.len().div_ceil(SECTOR))
        .rev()
        .find(|it| !chosen.contains_key(it));
    let mut len = untouched.map_or(0, |it| content.len().min((it + 1) * SECTOR));
    for (sector, bytes) in chosen {
        let start = sector * SECTOR;
        if content.len() < start + SECTOR {
            content.resize(start + SECTOR, 0);
        }
        content[start..start + bytes.len()].copy_from_slice(bytes);
        content[start + bytes.len()..start + SECTOR].fill(0);
        if !bytes.is_empty() {
            len = len.max(start + bytes.len());
        }
    }
    content.truncate(len);
    content
}
