//! Open files: reading, writing, syncing.

use std::io;
use std::rc::Rc;

use bytes::Bytes;

use super::Disk;
use super::device::{Class, Demand};
use super::image::{DiskImage, InodeId};
use super::settings::io_error;
use crate::completion::Completion;

/// An open file. It stays what it is when its name goes to another.
#[derive(Clone)]
pub struct File {
    disk: Disk,
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
        effect: impl FnOnce(&mut DiskImage, InodeId) -> io::Result<T> + 'static,
        failure: impl FnOnce(&mut DiskImage, InodeId) -> io::Result<T> + 'static,
    ) -> Completion<io::Result<T>> {
        let (inode, background) = (self.inode, self.background);
        let demand = Demand { class, bytes: bytes as u64, background };
        // The effect keeps the file open until the operation is over.
        let open = self.open.clone();
        let effect = move |image: &mut DiskImage| {
            let _open = open;
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

    /// Writes at `offset`; a gap before it reads as zeros. Durable only after a sync.
    ///
    /// # Errors
    /// ENOSPC if the disk is full: then as much is written as there is room for. EIO if
    /// the disk fails ([`super::DiskFaults`]).
    pub fn write_at(&self, offset: u64, data: Bytes) -> Completion<io::Result<()>> {
        let payload = self.payload(offset, data.len() as u64, &data);
        let work = (Class::Write, data.len());
        let write = move |image: &mut DiskImage, inode| image.write_at(inode, offset, data);
        self.submit("disk.write", work, payload, write, |_, _| io_error())
    }

    /// Writes at the end and gives the offset at which the data came to lie. Of two
    /// appends under way either may be first.
    ///
    /// # Errors
    /// As [`File::write_at`].
    pub fn append(&self, data: Bytes) -> Completion<io::Result<u64>> {
        let payload = self.payload(u64::MAX, data.len() as u64, &data);
        let work = (Class::Write, data.len());
        let append = move |image: &mut DiskImage, inode| {
            let offset = image.len(inode)?;
            image.write_at(inode, offset, data)?;
            Ok(offset)
        };
        self.submit("disk.append", work, payload, append, |_, _| io_error())
    }

    /// Reads up to `len` bytes at `offset`: fewer where the file ends. Takes the time of
    /// the bytes that are there when it is called.
    ///
    /// # Errors
    /// EIO if the disk fails ([`super::DiskFaults`]).
    pub fn read_at(&self, offset: u64, len: usize) -> Completion<io::Result<Bytes>> {
        let payload = self.payload(offset, len as u64, &[]);
        let host = &self.disk.host;
        let held = host.core.disks.borrow()[host.id().index()].image.held(self.inode, offset);
        let work = (Class::Read, len.min(held));
        let read = move |image: &mut DiskImage, inode| image.read_at(inode, offset, len);
        self.submit("disk.read", work, payload, read, |_, _| io_error())
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
        core.disks.borrow()[host.index()].image.read_at(self.inode, offset, len)
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
    /// ENOSPC if the disk is too small for that, EIO if it fails; nothing changes then.
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
    /// either ([`super::DiskFaults`]).
    pub fn sync(&self) -> Completion<io::Result<()>> {
        let host = &self.disk.host;
        let mark = host.core.disks.borrow()[host.id().index()].image.mark(self.inode);
        let sync = move |image: &mut DiskImage, inode| image.sync(inode, mark);
        let forget = move |image: &mut DiskImage, inode| {
            image.forget(inode, mark)?;
            io_error()
        };
        self.submit("disk.sync", (Class::Sync, 0), self.payload(mark, 0, &[]), sync, forget)
    }
}
