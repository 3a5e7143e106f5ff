//! Open files: reading, writing, syncing.

use std::io;
use std::rc::Rc;

use bytes::Bytes;

use super::image::{DiskImage, InodeId};
use super::{Cost, Disk};
use crate::completion::Completion;

/// An open file. It stays what it is when its name goes to another.
#[derive(Clone)]
pub struct File {
    disk: Disk,
    inode: InodeId,
    /// Keeps the inode from being freed when its last name is removed.
    open: Rc<()>,
}

impl File {
    pub(super) fn new(disk: Disk, inode: InodeId, open: Rc<()>) -> Self {
        Self { disk, inode, open }
    }

    fn submit<T: 'static>(
        &self,
        kind: &'static str,
        cost: Cost,
        arguments: (u64, u64),
        data: &[u8],
        effect: impl FnOnce(&mut DiskImage, InodeId) -> io::Result<T> + 'static,
    ) -> Completion<io::Result<T>> {
        let inode = self.inode;
        let mut payload = Vec::with_capacity(24 + data.len());
        for number in [inode.0, arguments.0, arguments.1] {
            payload.extend_from_slice(&number.to_le_bytes());
        }
        payload.extend_from_slice(data);
        // The effect keeps the file open until the operation is over.
        let open = self.open.clone();
        self.disk.submit(kind, cost, payload, move |image| {
            let _open = open;
            effect(image, inode)
        })
    }

    /// Writes at `offset`; a gap before it reads as zeros. Durable only after a sync.
    ///
    /// # Errors
    /// None today; callers must expect Linux's.
    pub fn write_at(&self, offset: u64, data: Bytes) -> Completion<io::Result<()>> {
        let arguments = (offset, data.len() as u64);
        self.submit("disk.write", Cost::Write, arguments, &data.clone(), move |image, inode| {
            image.write_at(inode, offset, data)
        })
    }

    /// Writes at the end and gives the offset at which the data came to lie. Of two
    /// appends under way either may be first.
    ///
    /// # Errors
    /// As [`File::write_at`].
    pub fn append(&self, data: Bytes) -> Completion<io::Result<u64>> {
        let arguments = (u64::MAX, data.len() as u64);
        self.submit("disk.append", Cost::Write, arguments, &data.clone(), move |image, inode| {
            let offset = image.len(inode)?;
            image.write_at(inode, offset, data)?;
            Ok(offset)
        })
    }

    /// Reads up to `len` bytes at `offset`: fewer where the file ends.
    ///
    /// # Errors
    /// As [`File::write_at`].
    pub fn read_at(&self, offset: u64, len: usize) -> Completion<io::Result<Bytes>> {
        let arguments = (offset, len as u64);
        self.submit("disk.read", Cost::Read, arguments, &[], move |image, inode| {
            image.read_at(inode, offset, len)
        })
    }

    /// What [`File::read_at`] would give, at once and without the world noticing. For code
    /// that cannot wait; it owes the disk the time of the read.
    ///
    /// # Errors
    /// As [`File::write_at`].
    pub fn read_now(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let host = &self.disk.host;
        host.core.disks.borrow()[host.id().index()].image.read_at(self.inode, offset, len)
    }

    /// The same open file, for work that can wait.
    #[must_use]
    pub fn in_background(&self) -> Self {
        self.clone()
    }

    /// The length of the file in bytes.
    ///
    /// # Errors
    /// As [`File::write_at`].
    pub fn len(&self) -> Completion<io::Result<u64>> {
        self.submit("disk.len", Cost::Read, (0, 0), &[], |image, inode| image.len(inode))
    }

    /// Cuts the file off at `len` bytes, or lengthens it with zeros.
    ///
    /// # Errors
    /// As [`File::write_at`].
    pub fn set_len(&self, len: u64) -> Completion<io::Result<()>> {
        self.submit("disk.set_len", Cost::Write, (len, 0), &[], move |image, inode| {
            image.set_len(inode, len)
        })
    }

    /// Makes durable what the file held when this was called. Its name is another matter:
    /// see [`Disk::sync_dir`].
    ///
    /// # Errors
    /// As [`File::write_at`].
    pub fn sync(&self) -> Completion<io::Result<()>> {
        let host = &self.disk.host;
        let mark = host.core.disks.borrow()[host.id().index()].image.mark(self.inode);
        self.submit("disk.sync", Cost::Sync, (mark, 0), &[], move |image, inode| {
            image.sync(inode, mark)
        })
    }
}
