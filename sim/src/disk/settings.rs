//! How fast a disk is and how large: what a world may set, host by host. How it fails is in
//! `faults.rs`.

use std::ops::Range;

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

    /// How fast the disk of a host is.
    pub fn disk_settings(&self, host: HostId) -> DiskSettings {
        self.core().disks.borrow()[host.index()].settings.clone()
    }

    /// How many bytes the files of a host may hold; `None` is without bounds.
    pub fn disk_capacity(&self, host: HostId) -> Option<u64> {
        self.core().disks.borrow()[host.index()].image.capacity
    }

    /// Whether the disk of a host can only be read.
    pub fn is_disk_read_only(&self, host: HostId) -> bool {
        self.core().disks.borrow()[host.index()].image.read_only
    }

    /// How many bytes the files of a host may hold; `None`, the default, is without bounds.
    /// Beyond that writes fail with ENOSPC, counted as `disk.no_space`. A file counts with
    /// its length, holes included, until its last name is gone and nobody has it open.
    pub fn set_disk_capacity(&self, host: HostId, bytes: Option<u64>) {
        self.core().disks.borrow_mut()[host.index()].meddle().capacity = bytes;
    }
}
