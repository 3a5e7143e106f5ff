//! How fast a disk is, how large, and how it fails: what a world may set, host by host.

use std::ops::Range;

use super::device::Class;
use super::image::{EIO, error};
use crate::core::Core;
use crate::host::HostId;
use crate::world::World;

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
    /// Bytes that all users together can read and write in a second. A write pays when it
    /// is made, as with direct I/O; a sync pays for no bytes again.
    pub bytes_per_second: u64,
    /// Operations that can be under way at once; the others wait. With the latencies it
    /// bounds the operations per second.
    pub parallel: u32,
    /// In nanoseconds: how long the background yields to a foreground that never rests,
    /// before one of its operations goes first.
    pub background_wait_ns_max: u64,
}

impl Default for DiskSettings {
    /// A local NVMe drive.
    ///
    /// The data sheet of the Samsung PM983 (rev. 1.0, 2018; 1.92 and 3.84 TB) has
    /// 15 µs for sequential and 85 and 50 µs for random reads and writes, 540,000
    /// random reads a second, and sequential writes of about 2 GB/s. 32 channels of 20 to 80 µs
    /// come to about 640,000 reads a second. How slow syncs are, how often an operation is
    /// slow, and how long the background waits are choices.
    fn default() -> Self {
        Self {
            write_ns: 5_000..20_000,
            read_ns: 20_000..80_000,
            sync_ns: 100_000..400_000,
            slow_per_mille: 2,
            bytes_per_second: 2_000_000_000,
            parallel: 32,
            background_wait_ns_max: 20_000_000,
        }
    }
}

impl DiskSettings {
    /// How long the bus is taken by so many bytes.
    pub(super) fn transfer_ns(&self, bytes: u64) -> u64 {
        let ns = (u128::from(bytes) * 1_000_000_000).div_ceil(u128::from(self.bytes_per_second));
        u64::try_from(ns).unwrap_or(u64::MAX)
    }
}

/// How often operations of a disk fail; never by default. Can be changed at any time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskFaults {
    /// Of a thousand reads (and opens and lists), how many fail with EIO. Counted as
    /// `disk.read_error`.
    pub read_error_per_mille: u64,
    /// Of a thousand writes, changes of length and changes to names, how many fail with
    /// EIO and have no effect. Counted as `disk.write_error`.
    pub write_error_per_mille: u64,
    /// Of a thousand syncs, how many fail with EIO *and then forget*: the page cache still
    /// shows what was to be written, but it is marked clean, and a later sync succeeds
    /// without having written it, as Linux does it (<https://lwn.net/Articles/752063/>).
    /// The same for the names of a directory. Counted as `disk.sync_error`.
    pub sync_error_per_mille: u64,
}

impl Core {
    /// Whether an operation of this class fails, drawn under a name of its own.
    pub(super) fn disk_fails(&self, host: HostId, class: Class) -> bool {
        let faults = &self.disks.borrow()[host.index()].faults;
        let (per_mille, name) = match class {
            Class::Read => (faults.read_error_per_mille, "disk.read_error"),
            Class::Write => (faults.write_error_per_mille, "disk.write_error"),
            Class::Sync => (faults.sync_error_per_mille, "disk.sync_error"),
            Class::Stat => (0, ""),
        };
        if per_mille == 0 {
            return false;
        }
        let mut dice = self.dice.borrow_mut();
        let stream = self.hosts.borrow_mut()[host.index()].stream(name, &mut dice);
        let fails = dice.chance(stream, per_mille, 1_000);
        self.count_fault(name, fails.into());
        fails
    }
}

/// What a failed operation answers.
pub(super) fn io_error<T>() -> std::io::Result<T> {
    error(EIO)
}

impl World {
    /// Changes how fast the disk of a host is, for operations submitted from now on; those
    /// that wait already keep their latency.
    ///
    /// # Panics
    /// If it could do nothing at all: no channel, or no bandwidth.
    pub fn set_disk(&self, host: HostId, settings: DiskSettings) {
        assert!(settings.parallel > 0, "a disk without a channel");
        assert!(settings.bytes_per_second > 0, "a disk without bandwidth");
        let core = self.core();
        let mut disks = core.disks.borrow_mut();
        disks[host.index()].settings = settings;
        core.start_disk_operations(host, &mut disks[host.index()]);
    }

    /// Changes how often operations on the disk of a host fail, from now on.
    pub fn set_disk_faults(&self, host: HostId, faults: DiskFaults) {
        self.core().disks.borrow_mut()[host.index()].faults = faults;
    }

    /// How many bytes the files of a host may hold; `None`, the default, is without bounds.
    /// Beyond that writes fail with ENOSPC, counted as `disk.no_space`. A file counts with
    /// its length, holes included, until its last name is gone and nobody has it open.
    pub fn set_disk_capacity(&self, host: HostId, bytes: Option<u64>) {
        self.core().disks.borrow_mut()[host.index()].image.capacity = bytes;
    }
}
