//! A disk as programs use it: asynchronous, with Linux's errors.
//!
//! Every operation is submitted by the call and takes effect when it completes, after a
//! drawn latency. Open files are in `file.rs`, what they hold in `image.rs`, what a power
//! loss leaves in `crash.rs`.

mod crash;
mod file;
mod image;

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;

use bytes::Bytes;

use crate::completion::{Completion, completion};
use crate::core::Core;
use crate::event::Event;
use crate::host::{Host, HostId};
use crate::world::World;
pub use file::File;
use image::{DiskImage, InodeId};

/// How fast a disk is; can be changed at any time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskSettings {
    /// Latency of writes and of changes to names, in nanoseconds.
    pub write_ns: Range<u64>,
    /// Latency of reads, in nanoseconds.
    pub read_ns: Range<u64>,
    /// Latency of syncs, in nanoseconds.
    pub sync_ns: Range<u64>,
    /// Of a thousand operations, how many take ten times their latency.
    pub slow_per_mille: u64,
}

impl Default for DiskSettings {
    /// A local NVMe drive.
    fn default() -> Self {
        Self {
            write_ns: 5_000..20_000,
            read_ns: 20_000..80_000,
            sync_ns: 100_000..400_000,
            slow_per_mille: 2,
        }
    }
}

#[derive(Clone, Copy)]
enum Cost {
    Write,
    Read,
    Sync,
}

type Effect = Box<dyn FnOnce(&mut DiskImage)>;

/// An operation that was submitted and has not completed.
struct Operation {
    kind: &'static str,
    payload: Vec<u8>,
    effect: Effect,
}

/// The disk of one machine.
#[derive(Default)]
pub(crate) struct DiskState {
    settings: DiskSettings,
    image: DiskImage,
    operations: BTreeMap<u64, Operation>,
    submitted: u64,
}

impl Core {
    fn disk_latency_ns(&self, host: HostId, cost: Cost) -> u64 {
        let mut hosts = self.hosts.borrow_mut();
        let mut dice = self.dice.borrow_mut();
        let latency = hosts[host.index()].stream("disk.latency", &mut dice);
        let slow = hosts[host.index()].stream("disk.slow", &mut dice);
        let settings = &self.disks.borrow()[host.index()].settings;
        let range = match cost {
            Cost::Write => &settings.write_ns,
            Cost::Read => &settings.read_ns,
            Cost::Sync => &settings.sync_ns,
        };
        let latency_ns = dice.range(latency, range);
        let per_mille = settings.slow_per_mille;
        let slow = per_mille > 0 && dice.chance(slow, per_mille, 1_000);
        self.count_fault("disk.slow", slow.into());
        if slow { latency_ns * 10 } else { latency_ns }
    }

    fn submit_disk_operation(&self, host: HostId, cost: Cost, operation: Operation) {
        let time_ns = self.now_ns.get() + self.disk_latency_ns(host, cost);
        let mut disks = self.disks.borrow_mut();
        let disk = &mut disks[host.index()];
        let number = disk.submitted;
        disk.submitted += 1;
        disk.operations.insert(number, operation);
        self.queue.borrow_mut().push(time_ns, Event::Disk { host, operation: number });
    }

    pub(crate) fn complete_disk_operation(&self, host: HostId, number: u64) {
        let mut disks = self.disks.borrow_mut();
        let disk = &mut disks[host.index()];
        // It is gone if the process died meanwhile.
        if let Some(operation) = disk.operations.remove(&number) {
            self.emit(host, operation.kind, &operation.payload);
            (operation.effect)(&mut disk.image);
        }
    }

    /// The process is dead: each operation under way happens now or never, as drawn.
    pub(crate) fn abandon_disk_operations(&self, host: HostId) {
        let mut disks = self.disks.borrow_mut();
        let disk = &mut disks[host.index()];
        let stream = {
            let mut dice = self.dice.borrow_mut();
            self.hosts.borrow_mut()[host.index()].stream("disk.in_flight", &mut dice)
        };
        for operation in std::mem::take(&mut disk.operations).into_values() {
            if self.dice.borrow_mut().chance(stream, 1, 2) {
                self.count_fault("disk.in_flight_lost", 1);
            } else {
                self.emit(host, operation.kind, &operation.payload);
                (operation.effect)(&mut disk.image);
            }
        }
        disk.image.close_all();
    }

    /// Forgets all operations: their effects hold handles of this very world.
    pub(crate) fn drop_disk_operations(&self) {
        self.disks.borrow_mut().iter_mut().for_each(|it| it.operations.clear());
    }

    /// Power is gone: the durable image and a drawn part of the rest survive.
    pub(crate) fn lose_page_cache(&self, host: HostId) {
        let mut disks = self.disks.borrow_mut();
        let mut dice = self.dice.borrow_mut();
        let stream = self.hosts.borrow_mut()[host.index()].stream("disk.crash", &mut dice);
        let mut choose = |choices: u64| dice.range(stream, &(0..choices));
        let losses = disks[host.index()].image.lose_power(&mut choose);
        self.count_fault("disk.sectors_lost", losses.sectors);
        self.count_fault("disk.names_lost", losses.names);
    }
}

/// The disk of the machine on which the calling process runs.
///
/// Paths are `name` or `directory/name`. Operations under way when the process dies
/// happen or do not, as drawn. Errors carry Linux's `raw_os_error`.
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
        cost: Cost,
        payload: Vec<u8>,
        effect: impl FnOnce(&mut DiskImage) -> io::Result<T> + 'static,
    ) -> Completion<io::Result<T>> {
        let (completer, answer) = completion();
        if self.host.is_current() {
            let effect: Effect = Box::new(move |image| completer.finish(effect(image)));
            let operation = Operation { kind, payload, effect };
            self.host.core.submit_disk_operation(self.host.id(), cost, operation);
        }
        answer
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// EEXIST if the name is taken, EINVAL for a directory in a directory.
    pub fn create_dir(&self, dir: &str) -> Completion<io::Result<()>> {
        let dir = dir.to_string();
        let payload = dir.clone().into_bytes();
        self.submit("disk.create_dir", Cost::Write, payload, move |it| it.create_dir(&dir))
    }

    fn open_with(
        &self,
        kind: &'static str,
        cost: Cost,
        path: &str,
        find: impl FnOnce(&mut DiskImage, &str) -> io::Result<InodeId> + 'static,
    ) -> Completion<io::Result<File>> {
        let (disk, path) = (self.clone(), path.to_string());
        let payload = path.clone().into_bytes();
        self.submit(kind, cost, payload, move |image| {
            let inode = find(image, &path)?;
            let open = image.hold_open(inode);
            Ok(File::new(disk, inode, open))
        })
    }

    /// Opens a file that is there.
    ///
    /// # Errors
    /// ENOENT if it is not, EISDIR if it is a directory.
    pub fn open(&self, path: &str) -> Completion<io::Result<File>> {
        self.open_with("disk.open", Cost::Read, path, |image, path| image.find(path))
    }

    /// Makes an empty file and opens it.
    ///
    /// # Errors
    /// EEXIST if the name is taken, ENOENT if there is no such directory.
    pub fn create(&self, path: &str) -> Completion<io::Result<File>> {
        self.open_with("disk.create", Cost::Write, path, |image, path| image.create(path))
    }

    /// The names in a directory, sorted; `""` is the root.
    ///
    /// # Errors
    /// ENOENT if there is no such directory, ENOTDIR if it is a file.
    pub fn list(&self, dir: &str) -> Completion<io::Result<Vec<String>>> {
        let dir = dir.to_string();
        let payload = dir.clone().into_bytes();
        self.submit("disk.list", Cost::Read, payload, move |it| it.list(&dir))
    }

    /// Removes the name of a file. Who has it open can go on using it.
    ///
    /// # Errors
    /// ENOENT if it is not there, EISDIR if it is a directory.
    pub fn remove(&self, path: &str) -> Completion<io::Result<()>> {
        let path = path.to_string();
        let payload = path.clone().into_bytes();
        self.submit("disk.remove", Cost::Write, payload, move |it| it.remove(&path))
    }

    /// Renames a file, in place of the one that has the new name, if any.
    ///
    /// # Errors
    /// ENOENT if the file or the target's directory is not there, EISDIR if either path
    /// is a directory.
    pub fn rename(&self, from: &str, to: &str) -> Completion<io::Result<()>> {
        let payload = format!("{from}\0{to}").into_bytes();
        let (from, to) = (from.to_string(), to.to_string());
        self.submit("disk.rename", Cost::Write, payload, move |it| it.rename(&from, &to))
    }

    /// Makes the names in a directory durable as they were when this was called.
    ///
    /// # Errors
    /// ENOENT if there is no such directory, ENOTDIR if it is a file.
    pub fn sync_dir(&self, dir: &str) -> Completion<io::Result<()>> {
        let dir = dir.to_string();
        let core = self.host.core.clone();
        let mark = core.disks.borrow()[self.host.id().index()].image.names_mark();
        let payload = dir.clone().into_bytes();
        self.submit("disk.sync_dir", Cost::Sync, payload, move |it| it.sync_dir(&dir, mark))
    }
}

impl World {
    /// Changes how fast the disk of a host is, for operations submitted from now on.
    pub fn set_disk(&self, host: HostId, settings: DiskSettings) {
        self.core().disks.borrow_mut()[host.index()].settings = settings;
    }

    /// What a file holds at this moment, page cache included, without the host noticing;
    /// `None` if there is no such file.
    pub fn peek_file(&self, host: HostId, path: &str) -> Option<Bytes> {
        let disks = self.core().disks.borrow();
        let image = &disks[host.index()].image;
        image.read_at(image.find(path).ok()?, 0, usize::MAX).ok()
    }
}
