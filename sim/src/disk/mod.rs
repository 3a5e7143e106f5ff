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
//! **Faults**, off by default: [`DiskFaults`] for what a disk does by itself (errors, syncs that
//! fail and forget or that lie, sectors that go bad, rot, writes that go astray or nowhere, short
//! reads and writes, stalls); and calls on the [`World`](crate::World) for what a world decides:
//! a full disk, a read-only one, rot and bad sectors in a file, a stalled or empty device, an
//! older image back in its place, and a power loss with exactly one of its outcomes.
//!
//! The page cache is never short of room: what was written is read from it until
//! [`World::drop_caches`](crate::World::drop_caches) or a power loss. So what is wrong on the
//! medium alone is seen only after these.
//!
//! What is not there: directories in directories, renamed or removed directories, hard
//! links, permissions, and changes by the system of its own accord (it never writes back by
//! itself; a loss of power makes up for that).
//!
//! Open files are in `file.rs`; `device.rs` takes operations through `queue.rs`; what the disk
//! holds is in `image.rs`, `inode.rs`, `content.rs` and `names.rs`, what a power loss leaves in
//! `crash.rs` and `sectors.rs`, and all that it could leave in `outcomes.rs`; what can be set is
//! in `settings.rs` and `faults.rs`, what can be done to the medium in `medium.rs` and
//! `snapshot.rs`.

mod content;
mod crash;
mod device;
mod faults;
mod file;
mod image;
mod inode;
mod medium;
mod names;
mod outcomes;
mod queue;
mod sectors;
mod settings;
mod snapshot;

use std::io;

use crate::completion::{Completer, Completion, completion};
use crate::host::Host;
pub(crate) use device::Disks;
use device::{Class, Demand, Effect, Operation};
pub use faults::DiskFaults;
use faults::io_error;
pub use file::File;
use image::DiskImage;
use inode::InodeId;
pub use outcomes::{Outcomes, POWER_LOSS_TRIES_MAX};
pub use settings::DiskSettings;
pub use snapshot::DiskSnapshot;

/// The disk of the machine on which the calling process runs.
///
/// Paths are `name` or `directory/name`. Errors carry Linux's `raw_os_error`. With faults
/// on ([`DiskFaults`]) each operation can also fail with EIO, and on a read-only disk each that
/// would change something fails with EROFS. A path through a file instead of a directory gives
/// ENOTDIR.
#[derive(Clone)]
pub struct Disk {
    host: Host,
}

/// What an operation does, and who is told what came of it.
struct Answered<T, E> {
    effect: E,
    completer: Completer<io::Result<T>>,
}

impl<T, E: FnOnce(&mut DiskImage) -> io::Result<T> + Clone> Effect for Answered<T, E> {
    fn finish(self: Box<Self>, image: &mut DiskImage) {
        let result = (self.effect)(image);
        self.completer.finish(result);
    }

    fn rehearse(&self, copy: &mut DiskImage) {
        drop((self.effect.clone())(copy));
    }
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
        effect: impl FnOnce(&mut DiskImage) -> io::Result<T> + Clone + 'static,
        failure: impl FnOnce(&mut DiskImage) -> io::Result<T> + Clone + 'static,
    ) -> Completion<io::Result<T>> {
        let (completer, answer) = completion(kind);
        if self.host.is_current() {
            let (core, host) = (&self.host.core, self.host.id());
            let effect: Box<dyn Effect> = match core.disk_fails(host, demand.class) {
                false => Box::new(Answered { effect, completer }),
                true => Box::new(Answered { effect: failure, completer }),
            };
            let Demand { class, background, .. } = demand;
            let operation = Operation { kind, payload, effect, class, background };
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
        effect: impl FnOnce(&mut DiskImage) -> io::Result<T> + Clone + 'static,
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
        find: impl FnOnce(&mut DiskImage, &str) -> io::Result<InodeId> + Clone + 'static,
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
        let (lies, synced, forgotten) = (self.draw_lie(), dir.to_string(), dir.to_string());
        self.submit(
            "disk.sync_dir",
            Demand::of(Class::Sync),
            dir.as_bytes().to_vec(),
            move |it| match lies {
                true => it.pretend_sync_dir(&synced),
                false => it.sync_dir(&synced, mark),
            },
            move |it| it.forget_dir(&forgotten, mark).and_then(|()| io_error()),
        )
    }
}
