//! What a disk holds: files by inode (`inode.rs`), and the names that lead to them (`names.rs`);
//! and what each operation does to it, the faults that strike it included.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;

use bytes::Bytes;

use super::content::{Change, Content, SECTOR};
use super::faults::{Landing, ReadFate};
use super::inode::{Inode, InodeId};
use super::names::NameTable;
use super::snapshot::DiskSnapshot;
use crate::dice::scale;

// Error numbers of Linux (asm-generic/errno-base.h and errno.h).
pub(super) const ENOENT: i32 = 2;
pub(super) const EIO: i32 = 5;
const EBADF: i32 = 9;
pub(super) const EEXIST: i32 = 17;
pub(super) const ENOTDIR: i32 = 20;
pub(super) const EISDIR: i32 = 21;
pub(super) const EINVAL: i32 = 22;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;
pub(super) const ENOTEMPTY: i32 = 39;

pub(super) fn error<T>(number: i32) -> io::Result<T> {
    Err(io::Error::from_raw_os_error(number))
}

/// The content of one disk.
#[derive(Default)]
pub(super) struct DiskImage {
    pub(super) inodes: BTreeMap<InodeId, Inode>,
    inodes_made: u64,
    pub(super) names: NameTable,
    /// In bytes; `None` is without bounds.
    pub(super) capacity: Option<u64>,
    /// Whether every change is refused.
    pub(super) read_only: bool,
    /// How many operations were refused for want of space since somebody asked.
    pub(super) refused: u64,
    /// The faults that took effect since somebody asked, each with what it did.
    pub(super) struck: Vec<(&'static str, Vec<u8>)>,
}

impl DiskImage {
    /// A copy to try things on; it shares the bytes of the files until they change.
    pub(super) fn fork(&self) -> Self {
        let fork = |(id, inode): (&InodeId, &Inode)| (*id, inode.fork());
        Self {
            inodes: self.inodes.iter().map(fork).collect(),
            inodes_made: self.inodes_made,
            names: self.names.clone(),
            capacity: self.capacity,
            read_only: self.read_only,
            refused: 0,
            struck: Vec::new(),
        }
    }

    /// What is left of a disk whose medium was replaced: the settings, not the content.
    pub(super) fn replace(&mut self, medium: &DiskSnapshot) {
        let files = medium.contents();
        let next = files.last_key_value().map_or(0, |(last, _)| last.0 + 1);
        self.inodes_made = self.inodes_made.max(next);
        self.names.replace(medium.names().clone());
        let resting = |(id, content): (&InodeId, &Content)| (*id, Inode::resting(content.clone()));
        self.inodes = files.iter().map(resting).collect();
    }

    fn inode(&self, inode: InodeId) -> io::Result<&Inode> {
        self.inodes.get(&inode).map_or_else(|| error(EBADF), Ok)
    }

    fn inode_mut(&mut self, inode: InodeId) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&inode).map_or_else(|| error(EBADF), Ok)
    }

    /// A fault took effect on a file, here.
    pub(super) fn strike(&mut self, fault: &'static str, inode: InodeId, place: u64) {
        self.struck.push((fault, [inode.0.to_le_bytes(), place.to_le_bytes()].concat()));
    }

    fn check_writable(&mut self) -> io::Result<()> {
        if !self.read_only {
            return Ok(());
        }
        self.struck.push(("disk.read_only", Vec::new()));
        error(EROFS)
    }

    pub(super) fn create_dir(&mut self, dir: &str) -> io::Result<()> {
        self.names.check_new_dir(dir)?;
        self.check_writable()?;
        self.names.create_dir(dir);
        Ok(())
    }

    pub(super) fn find(&self, path: &str) -> io::Result<InodeId> {
        self.names.cached().find(path)
    }

    pub(super) fn create(&mut self, path: &str) -> io::Result<InodeId> {
        self.names.check_free(path)?;
        self.check_writable()?;
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
        self.names.check_parent(path)?;
        self.check_writable()?;
        self.names.unlink(path)
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.names.check_parent(from)?;
        self.names.check_parent(to)?;
        self.check_writable()?;
        self.names.rename(from, to)
    }

    pub(super) fn sync_dir(&mut self, dir: &str, mark: u64) -> io::Result<()> {
        self.names.check_dir(dir)?;
        self.check_writable()?;
        self.names.sync(dir, mark)?;
        self.free_inodes();
        Ok(())
    }

    /// A sync of a directory that does nothing.
    pub(super) fn pretend_sync_dir(&mut self, dir: &str) -> io::Result<()> {
        self.sync_dir(dir, 0)?;
        self.struck.push(("disk.lying_sync", dir.as_bytes().to_vec()));
        Ok(())
    }

    pub(super) fn forget_dir(&mut self, dir: &str, mark: u64) -> io::Result<()> {
        self.names.forget(dir, mark)?;
        self.free_inodes();
        Ok(())
    }

    /// A token that keeps an inode while it is held.
    pub(super) fn hold_open(&self, inode: InodeId) -> Rc<()> {
        self.inodes[&inode].hold_open()
    }

    /// Nobody has anything open any more.
    pub(super) fn close_all(&mut self) {
        self.inodes.values_mut().for_each(Inode::close);
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
    pub(super) fn write_at(
        &mut self,
        inode: InodeId,
        offset: u64,
        data: Bytes,
        landing: Landing,
    ) -> io::Result<()> {
        let asked = data.len();
        let written = self.write_some_at(inode, offset, data, landing)?;
        if written < asked { self.refuse() } else { Ok(()) }
    }

    /// Writes as much as there is room for, perhaps nothing, and gives how much that is.
    pub(super) fn write_some_at(
        &mut self,
        inode: InodeId,
        offset: u64,
        data: Bytes,
        landing: Landing,
    ) -> io::Result<usize> {
        self.check_writable()?;
        let limit = self.limit(inode, offset + data.len() as u64)?;
        let fits = if data.is_empty() { 0 } else { limit.saturating_sub(offset) as usize };
        let data = if fits < data.len() { data.slice(..fits) } else { data };
        let range = offset as usize..offset as usize + data.len();
        if !self.inode(inode)?.cached.is_writable(&range) {
            return self.unreadable(inode, offset);
        }
        let written = data.len();
        match landing {
            Landing::Home => self.inode_mut(inode)?.change(Change::Write { offset, data }),
            Landing::Nowhere => {
                self.inode_mut(inode)?.change_unwritten(&Change::Write { offset, data });
                self.strike("disk.phantom_write", inode, offset);
            }
            Landing::Elsewhere(place) => {
                let change = Change::Write { offset, data: data.clone() };
                self.inode_mut(inode)?.change_unwritten(&change);
                self.misplace(inode, offset, &data, place);
            }
        }
        Ok(written)
    }

    /// What was written lands in another place: so many sectors further on than it should, on
    /// a medium that holds one file after the other. The page cache does not notice.
    fn misplace(&mut self, inode: InodeId, offset: u64, data: &[u8], raw: u64) {
        self.strike("disk.misdirected_write", inode, offset);
        let sectors = |it: &Inode| it.durable.sectors() as u64;
        let all: u64 = self.inodes.values().map(sectors).sum();
        let before: u64 = self.inodes.range(..inode).map(|(_, it)| sectors(it)).sum();
        let home = before + offset / SECTOR as u64;
        // The file may not reach that far yet, and then no sector is its home.
        let others = all - u64::from(offset / (SECTOR as u64) < sectors(&self.inodes[&inode]));
        if others == 0 {
            return;
        }
        let mut place = scale(raw, others);
        if others < all && place >= home {
            place += 1;
        }
        for victim in self.inodes.values_mut() {
            if place < sectors(victim) {
                let at = place as usize * SECTOR + offset as usize % SECTOR;
                return victim.durable.overwrite(at, data);
            }
            place -= sectors(victim);
        }
    }

    pub(super) fn refuse<T>(&mut self) -> io::Result<T> {
        self.refused += 1;
        error(ENOSPC)
    }

    fn unreadable<T>(&mut self, inode: InodeId, offset: u64) -> io::Result<T> {
        self.strike("disk.unreadable", inode, offset);
        error(EIO)
    }

    /// A read as a program makes it.
    pub(super) fn read_at(
        &mut self,
        inode: InodeId,
        offset: u64,
        len: usize,
        fate: ReadFate,
    ) -> io::Result<Bytes> {
        if let Some(raw) = fate.spoils_sector {
            let range = within(&self.inode(inode)?.cached, offset, len);
            self.spoil_one(inode, &range, raw);
        }
        let content = &self.inode(inode)?.cached;
        let range = within(content, offset, len);
        if !content.is_readable(&range) {
            return self.unreadable(inode, offset);
        }
        let mut bytes = Bytes::copy_from_slice(&content.bytes()[range.clone()]);
        if let Some(raw) = fate.rots_bit
            && !range.is_empty()
        {
            let bit = scale(raw, range.len() as u64 * 8);
            self.flip(inode, range.start + bit as usize / 8, (bit % 8) as u8);
            self.strike("disk.bit_rot", inode, range.start as u64 + bit / 8);
            bytes = self.peek(inode, offset, len)?;
        }
        if let Some(len_max) = fate.len_max
            && len_max < bytes.len()
        {
            bytes.truncate(len_max);
            self.strike("disk.short_read", inode, offset);
        }
        Ok(bytes)
    }

    /// One of the sectors of a range goes bad.
    fn spoil_one(&mut self, inode: InodeId, range: &std::ops::Range<usize>, raw: u64) {
        if range.is_empty() {
            return;
        }
        let sectors = range.start / SECTOR..range.end.div_ceil(SECTOR);
        let sector = sectors.start + scale(raw, sectors.len() as u64) as usize;
        if self.inodes.get_mut(&inode).is_some_and(|it| it.spoil(sector)) {
            self.strike("disk.latent_sector", inode, (sector * SECTOR) as u64);
        }
    }

    /// What a read would give if nothing went wrong.
    pub(super) fn peek(&self, inode: InodeId, offset: u64, len: usize) -> io::Result<Bytes> {
        let content = &self.inode(inode)?.cached;
        Ok(Bytes::copy_from_slice(&content.bytes()[within(content, offset, len)]))
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
        self.check_writable()?;
        if self.limit(inode, len)? < len {
            return self.refuse();
        }
        self.inode_mut(inode)?.change(Change::SetLen(len));
        Ok(())
    }

    /// Turns one bit of a file over, where it rests and where it is cached. Answers whether the
    /// file has such a byte.
    pub(super) fn flip(&mut self, inode: InodeId, byte: usize, bit: u8) -> bool {
        let Some(inode) = self.inodes.get_mut(&inode) else { return false };
        inode.cached.flip(byte, bit);
        inode.durable.flip(byte, bit)
    }

    /// What is clean in the page cache is gone from it.
    pub(super) fn drop_caches(&mut self) {
        self.inodes.values_mut().for_each(Inode::drop_clean);
    }

    /// How many changes the file has seen so far.
    pub(super) fn mark(&self, inode: InodeId) -> u64 {
        self.inodes.get(&inode).map_or(0, Inode::mark)
    }

    pub(super) fn sync(&mut self, inode: InodeId, mark: u64) -> io::Result<()> {
        self.check_writable()?;
        self.inode_mut(inode)?.harden(mark);
        Ok(())
    }

    /// A sync that does nothing.
    pub(super) fn pretend_sync(&mut self, inode: InodeId, mark: u64) -> io::Result<()> {
        self.sync(inode, 0)?;
        self.strike("disk.lying_sync", inode, mark);
        Ok(())
    }

    pub(super) fn forget(&mut self, inode: InodeId, mark: u64) -> io::Result<()> {
        self.inode_mut(inode)?.forget(mark);
        Ok(())
    }
}

/// The bytes that are there of those asked for.
fn within(content: &Content, offset: u64, len: usize) -> std::ops::Range<usize> {
    let there = content.len();
    let start = there.min(usize::try_from(offset).unwrap_or(usize::MAX));
    start..there.min(start.saturating_add(len))
}
