//! A disk as programs use it: asynchronous, with Linux's errors.
//!
//! **Files** are inodes; names lead to them, in the root or in a directory of the root. An
//! open file stays what it is when its name is removed or goes to another.
//!
//! **Operations** are submitted by the call, wait for their turn, and take effect when they
//! complete. Those under way when the process dies happen or do not, as drawn.
//!
//! **Durability**: a write is in the page cache, and outlives a crash of the process. Only
//! [`File::sync`] makes content durable, as of the call, and only [`Disk::sync_dir`] the
//! names in a directory. Of all else any legal subset survives a loss of power.
//!
//! **Time** ([`DiskSettings`]): each operation has a latency, and all users of the disk share
//! its channels and its bandwidth. [`File::in_background`] is for work that yields.
//!
//! **Faults**, off by default: [`DiskFaults`] for errors on reads and writes and for syncs that
//! fail and then forget, [`World::set_disk_capacity`] for a full disk.
//!
//! What is not there: directories in directories, renamed or removed directories, hard
//! links, permissions, and changes by the system of its own accord (it never writes back by
//! itself; a loss of power makes up for that).
//!
//! Open files are in `file.rs`; `device.rs` takes operations through `queue.rs`; what the
//! disk holds is in `image.rs` and `names.rs`, what a power loss leaves in `crash.rs` and
//! `sectors.rs`; what can be set is in `settings.rs`.

mod crash;
mod device;
mod file;
mod image;
mod names;
mod queue;
mod sectors;
mod settings;

use std::io;

use bytes::Bytes;

use crate::completion::{Completion, completion};
use crate::host::{Host, HostId};
use crate::world::World;
pub(crate) use device::DiskState;
use device::{Class, Demand, Effect, Operation};
pub use file::File;
use image::{DiskImage, InodeId};
use settings::io_error;
pub use settings::{DiskFaults, DiskSettings};

/// The disk of the machine on which the calling process runs.
///
/// Paths are `name` or `directory/name`. Errors carry Linux's `raw_os_error`. With faults
/// on ([`DiskFaults`]) each operation can also fail with EIO. A path through a file instead
/// of a directory gives ENOTDIR.
#[derive(Clone)]
pub struct Disk {
    host: Host,
}

impl Disk {
    pub(crate) fn new(host: Host) -> Self {
        Self { host }
    }

    fn submit<T: 'static>(
        &self,
        kind: &'static str,
        demand: Demand,
        payload: Vec<u8>,
        effect: impl FnOnce(&mut DiskImage) -> io::Result<T> + 'static,
        failure: impl FnOnce(&mut DiskImage) -> io::Result<T> + 'static,
    ) -> Completion<io::Result<T>> {
        let (completer, answer) = completion(kind);
        if self.host.is_current() {
            let (core, host) = (&self.host.core, self.host.id());
            let effect: Effect = match core.disk_fails(host, demand.class) {
                false => Box::new(move |image| completer.finish(effect(image))),
                true => Box::new(move |image| completer.finish(failure(image))),
            };
            let operation = Operation { kind, payload, effect, background: demand.background };
            core.submit_disk_operation(host, demand, operation);
        }
        answer
    }

    /// Submits what is about a path or two, and fails without effect if it fails.
    fn submit_named<T: 'static>(
        &self,
        kind: &'static str,
        class: Class,
        path: &str,
        effect: impl FnOnce(&mut DiskImage) -> io::Result<T> + 'static,
    ) -> Completion<io::Result<T>> {
        let payload = path.as_bytes().to_vec();
        self.submit(kind, Demand::of(class), payload, effect, |_| io_error())
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// EEXIST if the name is taken, EINVAL for a directory in a directory.
    pub fn create_dir(&self, dir: &str) -> Completion<io::Result<()>> {
        let own = dir.to_string();
        self.submit_named("disk.create_dir", Class::Write, dir, move |it| it.create_dir(&own))
    }

    fn open_with(
        &self,
        kind: &'static str,
        class: Class,
        path: &str,
        find: impl FnOnce(&mut DiskImage, &str) -> io::Result<InodeId> + 'static,
    ) -> Completion<io::Result<File>> {
        let (disk, own) = (self.clone(), path.to_string());
        self.submit_named(kind, class, path, move |image| {
            let inode = find(image, &own)?;
            let open = image.hold_open(inode);
            Ok(File::new(disk, inode, open))
        })
    }

    /// Opens a file that is there.
    ///
    /// # Errors
    /// ENOENT if it is not, EISDIR if it is a directory.
    pub fn open(&self, path: &str) -> Completion<io::Result<File>> {
        self.open_with("disk.open", Class::Read, path, |image, path| image.find(path))
    }

    /// Makes an empty file and opens it.
    ///
    /// # Errors
    /// EEXIST if the name is taken, ENOENT if there is no such directory.
    pub fn create(&self, path: &str) -> Completion<io::Result<File>> {
        self.open_with("disk.create", Class::Write, path, |image, path| image.create(path))
    }

    /// The names in a directory, sorted; `""` is the root.
    ///
    /// # Errors
    /// ENOENT if there is no such directory, ENOTDIR if it is a file.
    pub fn list(&self, dir: &str) -> Completion<io::Result<Vec<String>>> {
        let own = dir.to_string();
        self.submit_named("disk.list", Class::Read, dir, move |it| it.list(&own))
    }

    /// Removes the name of a file. Who has it open can go on using it.
    ///
    /// # Errors
    /// ENOENT if it is not there, EISDIR if it is a directory.
    pub fn remove(&self, path: &str) -> Completion<io::Result<()>> {
        let own = path.to_string();
        self.submit_named("disk.remove", Class::Write, path, move |it| it.remove(&own))
    }

    /// Renames a file, in place of the one that has the new name, if any.
    ///
    /// # Errors
    /// ENOENT if the file or the target's directory is not there, EISDIR if the target is
    /// a directory (ENOTEMPTY if it is the file's own). This disk does not rename
    /// directories: ENOTDIR if the target is a file, and EINVAL otherwise.
    pub fn rename(&self, from: &str, to: &str) -> Completion<io::Result<()>> {
        let both = format!("{from}\0{to}");
        let (from, to) = (from.to_string(), to.to_string());
        self.submit_named("disk.rename", Class::Write, &both, move |it| it.rename(&from, &to))
    }

    /// Makes the names in a directory durable as they were when this was called.
    ///
    /// # Errors
    /// ENOENT if there is no such directory, ENOTDIR if it is a file.
    pub fn sync_dir(&self, dir: &str) -> Completion<io::Result<()>> {
        let mark = {
            let disks = self.host.core.disks.borrow();
            disks[self.host.id().index()].image.names.mark()
        };
        let (synced, forgotten) = (dir.to_string(), dir.to_string());
        self.submit(
            "disk.sync_dir",
            Demand::of(Class::Sync),
            dir.as_bytes().to_vec(),
            move |it| it.sync_dir(&synced, mark),
            move |it| it.forget_dir(&forgotten, mark).and_then(|()| io_error()),
        )
    }
}

impl World {
    /// Lets a file rot: turns over `bits` bits at drawn places, on the medium and in the page
    /// cache, for good. No effect where there is no such file.
    pub fn rot_file(&self, host: HostId, path: &str, bits: u64) {
        let core = self.core();
        let mut disks = core.disks.borrow_mut();
        let image = &mut disks[host.index()].image;
        let Ok(inode) = image.find(path) else { return };
        let len = image.len(inode).unwrap_or(0);
        let mut dice = core.dice.borrow_mut();
        let stream = core.hosts.borrow_mut()[host.index()].stream("disk.rot", &mut dice);
        for _ in 0..if len == 0 { 0 } else { bits } {
            let byte = dice.range(stream, &(0..len)) as usize;
            let bit = dice.range(stream, &(0..8)) as u8;
            core.count_fault("disk.bit_rot", image.flip(inode, byte, bit).into());
        }
        core.emit(host, "disk.rot", path.as_bytes());
    }

    /// What a file holds at this moment, page cache included, without the host noticing;
    /// `None` if there is no such file.
    pub fn peek_file(&self, host: HostId, path: &str) -> Option<Bytes> {
        let disks = self.core().disks.borrow();
        let image = &disks[host.index()].image;
        image.read_at(image.find(path).ok()?, 0, usize::MAX).ok()
    }
}
