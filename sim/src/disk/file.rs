//! Open files: reading, writing, syncing.

use std::io;
use std::rc::Rc;

use bytes::Bytes;

use super::Disk;
use super::device::{Class, Demand};
use super::faults::io_error;
use super::image::DiskImage;
use super::inode::InodeId;
use crate::completion::Completion;

/// An open file. It stays what it is when its name goes to another.
#[derive(Clone)]
pub struct File {
    pub(super) disk: Disk,
    inode: InodeId,
    background: bool,
    /// Keeps the inode from being freed when its last name is removed.
    open: Rc<()>,
}

impl File {
    pub(super) fn new(disk: Disk, inode: InodeId, open: Rc<()>) -> Self {
        Self { disk, inode, background: false, open }
    }

    fn submit<T: 'static>(
        &self,
        kind: &'static str,
        (class, bytes): (Class, usize),
        payload: Vec<u8>,
        effect: impl FnOnce(&mut DiskImage, InodeId) -> io::Result<T> + Clone + 'static,
        failure: impl FnOnce(&mut DiskImage, InodeId) -> io::Result<T> + Clone + 'static,
    ) -> Completion<io::Result<T>> {
        let (inode, background) = (self.inode, self.background);
        let demand = Demand { class, bytes: bytes as u64, background };
        // The effect keeps the file open until the operation is over.
        let open = self.open.clone();
        let effect = move |image: &mut DiskImage| {
            let _open = &open;
            effect(image, inode)
        };
        self.disk.submit(kind, demand, payload, effect, move |image| failure(image, inode))
    }

    /// What tells an operation from others: its file, two numbers, what it writes.
    fn payload(&self, first: u64, second: u64, data: &[u8]) -> Vec<u8> {
        let mut payload = Vec::with_capacity(24 + data.len());
        for number in [self.inode.0, first, second] {
            payload.extend_from_slice(&number.to_le_bytes());
        }
        payload.extend_from_slice(data);
        payload
    }

    /// Writes at `offset`; a gap before it reads as zeros. Durable only after a sync. Writes all,
    /// as a program does that goes on after a short write: see [`File::write_some_at`].
    ///
    /// # Errors
    /// ENOSPC if the disk is full: then as much is written as there is room for. EROFS if it is
    /// read-only. EIO if it fails ([`super::DiskFaults`]), or if it would have to read a bad
    /// sector of which only a part is written.
    pub fn write_at(&self, offset: u64, data: Bytes) -> Completion<io::Result<()>> {
        let payload = self.payload(offset, data.len() as u64, &data);
        let (work, landing) = ((Class::Write, data.len()), self.draw_landing());
        let write =
            move |image: &mut DiskImage, inode| image.write_at(inode, offset, data, landing);
        self.submit("disk.write", work, payload, write, |_, _| io_error())
    }

    /// Writes as much of `data` as one call of pwrite(2) would, at least one byte of it, and
    /// gives how much that was: less than all where the disk is full, or with
    /// [`super::DiskFaults::short_write_per_mille`].
    ///
    /// # Errors
    /// ENOSPC if there is room for nothing; else as [`File::write_at`].
    pub fn write_some_at(&self, offset: u64, data: Bytes) -> Completion<io::Result<usize>> {
        let payload = self.payload(offset, data.len() as u64, &data);
        let (work, landing) = ((Class::Write, data.len()), self.draw_landing());
        let short = self.draw_write_len(data.len());
        let write = move |image: &mut DiskImage, inode| {
            let part = data.slice(..short.unwrap_or(data.len()));
            if short.is_some() {
                image.strike("disk.short_write", inode, offset);
            }
            match image.write_some_at(inode, offset, part, landing)? {
                0 if !data.is_empty() => image.refuse(),
                written => Ok(written),
            }
        };
        self.submit("disk.write_some", work, payload, write, |_, _| io_error())
    }

    /// Writes at the end and gives the offset at which the data came to lie. Of two
    /// appends under way either may be first.
    ///
    /// # Errors
    /// As [`File::write_at`].
    pub fn append(&self, data: Bytes) -> Completion<io::Result<u64>> {
        let payload = self.payload(u64::MAX, data.len() as u64, &data);
        let (work, landing) = ((Class::Write, data.len()), self.draw_landing());
        let append = move |image: &mut DiskImage, inode| {
            let offset = image.len(inode)?;
            image.write_at(inode, offset, data, landing)?;
            Ok(offset)
        };
        self.submit("disk.append", work, payload, append, |_, _| io_error())
    }

    /// Reads up to `len` bytes at `offset`: fewer where the file ends, and, with
    /// [`super::DiskFaults::short_read_per_mille`], also before; none only at the end. Takes the
    /// time of the bytes that are there when it is called.
    ///
    /// # Errors
    /// EIO if the disk fails ([`super::DiskFaults`]) or a sector cannot be read.
    pub fn read_at(&self, offset: u64, len: usize) -> Completion<io::Result<Bytes>> {
        let payload = self.payload(offset, len as u64, &[]);
        let there = len.min(self.held(offset));
        let fate = self.draw_read_fate(there);
        let read = move |image: &mut DiskImage, inode| image.read_at(inode, offset, len, fate);
        self.submit("disk.read", (Class::Read, there), payload, read, |_, _| io_error())
    }

    /// How many bytes there are from `offset` on.
    fn held(&self, offset: u64) -> usize {
        let host = &self.disk.host;
        host.core.disks.borrow()[host.id().index()].image.held(self.inode, offset)
    }

    /// What [`File::read_at`] would give, at once and without the world noticing. For code
    /// that cannot wait; it owes the disk the time of the read.
    ///
    /// # Errors
    /// As [`File::read_at`].
    pub fn read_now(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let (core, host) = (&self.disk.host.core, self.disk.host.id());
        if core.disk_fails(host, Class::Read) {
            return io_error();
        }
        let fate = self.draw_read_fate(len.min(self.held(offset)));
        let image = &mut core.disks.borrow_mut()[host.index()].image;
        let result = image.read_at(self.inode, offset, len, fate);
        core.tell_disk_faults(host, image);
        result
    }

    /// The same open file, for work that can wait: its operations yield to those of the
    /// foreground, and one of them is under way at a time.
    #[must_use]
    pub fn in_background(&self) -> Self {
        Self { background: true, ..self.clone() }
    }

    /// The length of the file in bytes.
    ///
    /// # Errors
    /// None today; callers must expect Linux's.
    pub fn len(&self) -> Completion<io::Result<u64>> {
        let len = |image: &mut DiskImage, inode| image.len(inode);
        self.submit("disk.len", (Class::Stat, 0), self.payload(0, 0, &[]), len, |_, _| io_error())
    }

    /// Cuts the file off at `len` bytes, or lengthens it with zeros.
    ///
    /// # Errors
    /// ENOSPC if the disk is too small for that, EROFS if it is read-only, EIO if it fails;
    /// nothing changes then.
    pub fn set_len(&self, len: u64) -> Completion<io::Result<()>> {
        let set_len = move |image: &mut DiskImage, inode| image.set_len(inode, len);
        let payload = self.payload(len, 0, &[]);
        self.submit("disk.set_len", (Class::Write, 0), payload, set_len, |_, _| io_error())
    }

    /// Makes durable what the file held when this was called. Its name is another matter:
    /// see [`Disk::sync_dir`].
    ///
    /// # Errors
    /// EIO if the disk fails; then what was to be written is never written by a later sync
    /// either ([`super::DiskFaults`]). EROFS if it is read-only.
    pub fn sync(&self) -> Completion<io::Result<()>> {
        let host = &self.disk.host;
        let mark = host.core.disks.borrow()[host.id().index()].image.mark(self.inode);
        let lies = self.disk.draw_lie();
        let sync = move |image: &mut DiskImage, inode| match lies {
            true => image.pretend_sync(inode, mark),
            false => image.sync(inode, mark),
        };
        let forget = move |image: &mut DiskImage, inode| {
            image.forget(inode, mark)?;
            io_error()
        };
        self.submit("disk.sync", (Class::Sync, 0), self.payload(mark, 0, &[]), sync, forget)
    }
}
