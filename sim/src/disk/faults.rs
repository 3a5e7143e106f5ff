//! How a disk fails by itself: what a world may set, host by host, and how it is drawn.
//!
//! Each fault has a stream of its own, `<host>/disk.<fault>`; one that is off draws nothing.
//! Whether a fault strikes an operation is drawn when the operation is submitted; what it does
//! to the files is in `image.rs`. Faults that a world commands are in `medium.rs`.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::device::Class;
use super::image::{EIO, error};
use super::{Disk, File};
use crate::core::Core;
use crate::host::HostId;
use crate::world::World;

/// What a rate per GiB is out of.
const GIB: u64 = 1 << 30;

/// How often a disk fails, and how; never by default. Can be changed at any time.
///
/// [`DiskFaults::NONE`] is a constant, so that a constant can be made of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
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
    /// Of a thousand syncs, of files and of directories, how many succeed without having made
    /// anything durable, as a drive does that answers a flush from its volatile cache. A later
    /// honest sync makes up for it. Counted as `disk.lying_sync`.
    pub lying_sync_per_mille: u64,
    /// Of a thousand reads of a file, how many find a sector gone bad, one of those they read:
    /// they and all later reads of it fail with EIO until it was overwritten whole, also after
    /// a loss of power. Counted as `disk.latent_sector`, and each operation that fails for a
    /// bad sector as `disk.unreadable`.
    pub latent_sector_per_mille: u64,
    /// How many bits turn over for good in a GiB that is read, on the medium and in the page
    /// cache. A read finds one at most. Counted as `disk.bit_rot`.
    pub rot_bits_per_gib_read: u64,
    /// Of a thousand writes to files, how many reach the medium in another place of some file,
    /// a whole number of sectors away, and never the place where they belong. Both are seen once
    /// the page cache is gone ([`World::drop_caches`], a loss of power). The wrong place is
    /// overwritten at once. Counted as `disk.misdirected_write`.
    ///
    /// Bairavasundaram et al., "An Analysis of Data Corruption in the Storage Stack" (FAST
    /// 2008), found such blocks in the field, by checksums that name the block.
    pub misdirected_write_per_mille: u64,
    /// Of a thousand writes to files, how many never reach the medium, whatever is synced
    /// later; only the length of the file does. Seen as above. Counted as `disk.phantom_write`.
    pub phantom_write_per_mille: u64,
    /// Of a thousand reads of a file, how many give fewer bytes than there are, but one at
    /// least, as read(2) may. Counted as `disk.short_read`.
    pub short_read_per_mille: u64,
    /// Of a thousand calls of [`File::write_some_at`], how many write less than they were
    /// given, but one byte at least, as write(2) may. Counted as `disk.short_write`.
    pub short_write_per_mille: u64,
    /// Of a thousand operations, how many take as much longer as `stall_ns` says. Counted as
    /// `disk.stall`.
    pub stall_per_mille: u64,
    /// How much longer an operation takes that stalls, in nanoseconds.
    pub stall_ns: Range<u64>,
}

impl DiskFaults {
    /// A disk that never fails. Its stalls, where they are turned on, take one to ten seconds.
    pub const NONE: Self = Self {
        read_error_per_mille: 0,
        write_error_per_mille: 0,
        sync_error_per_mille: 0,
        lying_sync_per_mille: 0,
        latent_sector_per_mille: 0,
        rot_bits_per_gib_read: 0,
        misdirected_write_per_mille: 0,
        phantom_write_per_mille: 0,
        short_read_per_mille: 0,
        short_write_per_mille: 0,
        stall_per_mille: 0,
        stall_ns: 1_000_000_000..10_000_000_000,
    };
}

impl DiskFaults {
    /// Whether what is stored may be lost or wrong because of them.
    pub(crate) fn damage(&self) -> bool {
        let Self { lying_sync_per_mille, latent_sector_per_mille, .. } = *self;
        let Self { rot_bits_per_gib_read, misdirected_write_per_mille, .. } = *self;
        lying_sync_per_mille
            + latent_sector_per_mille
            + rot_bits_per_gib_read
            + misdirected_write_per_mille
            + self.phantom_write_per_mille
            > 0
    }

    /// The higher rate of each two, and the longer stalls.
    pub(crate) fn worse_of(&self, other: &Self) -> Self {
        let worse = |rate: fn(&Self) -> u64| rate(self).max(rate(other));
        let stalls_longer = other.stall_per_mille > 0
            && (self.stall_per_mille == 0 || other.stall_ns.end > self.stall_ns.end);
        Self {
            read_error_per_mille: worse(|it| it.read_error_per_mille),
            write_error_per_mille: worse(|it| it.write_error_per_mille),
            sync_error_per_mille: worse(|it| it.sync_error_per_mille),
            lying_sync_per_mille: worse(|it| it.lying_sync_per_mille),
            latent_sector_per_mille: worse(|it| it.latent_sector_per_mille),
            rot_bits_per_gib_read: worse(|it| it.rot_bits_per_gib_read),
            misdirected_write_per_mille: worse(|it| it.misdirected_write_per_mille),
            phantom_write_per_mille: worse(|it| it.phantom_write_per_mille),
            short_read_per_mille: worse(|it| it.short_read_per_mille),
            short_write_per_mille: worse(|it| it.short_write_per_mille),
            stall_per_mille: worse(|it| it.stall_per_mille),
            stall_ns: if stalls_longer { &other.stall_ns } else { &self.stall_ns }.clone(),
        }
    }
}

impl Default for DiskFaults {
    fn default() -> Self {
        Self::NONE
    }
}

/// Where a write comes to lie on the medium. The numbers are raw draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Landing {
    Home,
    Nowhere,
    Elsewhere(u64),
}

/// What goes wrong with a read that does not fail. The numbers are raw draws.
#[derive(Clone, Copy, Default)]
pub(super) struct ReadFate {
    pub(super) spoils_sector: Option<u64>,
    pub(super) rots_bit: Option<u64>,
    pub(super) len_max: Option<usize>,
}

impl Core {
    /// Whether something that happens in `num` of `den` cases does, under a name of its own.
    pub(super) fn disk_strikes(
        &self,
        host: HostId,
        name: &'static str,
        (num, den): (u64, u64),
    ) -> bool {
        if num == 0 {
            return false;
        }
        let mut dice = self.dice.borrow_mut();
        let stream = self.hosts.borrow_mut()[host.index()].stream(name, &mut dice);
        dice.chance(stream, num, den)
    }

    fn disk_raw(&self, host: HostId, name: &'static str) -> u64 {
        let mut dice = self.dice.borrow_mut();
        let stream = self.hosts.borrow_mut()[host.index()].stream(name, &mut dice);
        dice.raw(stream)
    }

    /// A number of a range, under a name of its own.
    pub(super) fn disk_range(&self, host: HostId, name: &'static str, range: &Range<u64>) -> u64 {
        let mut dice = self.dice.borrow_mut();
        let stream = self.hosts.borrow_mut()[host.index()].stream(name, &mut dice);
        dice.range(stream, range)
    }

    /// Whether an operation of this class fails, drawn under a name of its own.
    pub(super) fn disk_fails(&self, host: HostId, class: Class) -> bool {
        let (per_mille, name) = {
            let disk = &self.disks.borrow()[host.index()];
            if !disk.may_fail {
                return false;
            }
            let faults = &disk.faults;
            match class {
                Class::Read => (faults.read_error_per_mille, "disk.read_error"),
                Class::Write => (faults.write_error_per_mille, "disk.write_error"),
                Class::Sync => (faults.sync_error_per_mille, "disk.sync_error"),
                Class::Stat => (0, ""),
            }
        };
        let fails = self.disk_strikes(host, name, (per_mille, 1_000));
        self.count_fault(name, fails.into());
        fails
    }

    /// How much longer an operation takes for a stall of its own, in nanoseconds.
    pub(super) fn disk_stall_ns(&self, host: HostId, faults: &DiskFaults) -> u64 {
        let chance = (faults.stall_per_mille, 1_000);
        if !self.disk_strikes(host, "disk.stall", chance) {
            return 0;
        }
        self.count_fault("disk.stall", 1);
        self.disk_range(host, "disk.stall", &faults.stall_ns)
    }
}

impl Disk {
    /// Whether a fault strikes that is on with this rate. A dead process draws nothing.
    fn strikes(&self, name: &'static str, den: u64, rate: impl FnOnce(&DiskFaults) -> u64) -> bool {
        let (core, host) = (&self.host.core, self.host.id());
        let num = rate(&core.disks.borrow()[host.index()].faults);
        num > 0 && self.host.is_current() && core.disk_strikes(host, name, (num, den))
    }

    /// A raw draw of a fault if it strikes.
    fn struck(
        &self,
        name: &'static str,
        den: u64,
        rate: impl FnOnce(&DiskFaults) -> u64,
    ) -> Option<u64> {
        let strikes = self.strikes(name, den, rate);
        strikes.then(|| self.host.core.disk_raw(self.host.id(), name))
    }

    /// Whether no fault at all is on, so that none needs to be asked for.
    fn never_fails(&self) -> bool {
        !self.host.core.disks.borrow()[self.host.id().index()].may_fail
    }

    /// Whether a sync of the moment only pretends.
    pub(super) fn draw_lie(&self) -> bool {
        self.strikes("disk.lying_sync", 1_000, |it| it.lying_sync_per_mille)
    }
}

impl File {
    pub(super) fn draw_landing(&self) -> Landing {
        let disk = &self.disk;
        if disk.never_fails() {
            return Landing::Home;
        }
        let elsewhere =
            disk.struck("disk.misdirected_write", 1_000, |it| it.misdirected_write_per_mille);
        let nowhere = disk.strikes("disk.phantom_write", 1_000, |it| it.phantom_write_per_mille);
        match (elsewhere, nowhere) {
            (Some(place), _) => Landing::Elsewhere(place),
            (None, true) => Landing::Nowhere,
            (None, false) => Landing::Home,
        }
    }

    /// The fate of a read for which so many bytes are there.
    pub(super) fn draw_read_fate(&self, len: usize) -> ReadFate {
        let disk = &self.disk;
        if disk.never_fails() {
            return ReadFate::default();
        }
        let rot_out_of = GIB / (len as u64).clamp(1, GIB);
        ReadFate {
            spoils_sector: disk
                .struck("disk.latent_sector", 1_000, |it| it.latent_sector_per_mille),
            rots_bit: disk.struck("disk.bit_rot", rot_out_of, |it| it.rot_bits_per_gib_read),
            len_max: self.draw_len("disk.short_read", len, |it| it.short_read_per_mille),
        }
    }

    /// How much of a write is written, if not all.
    pub(super) fn draw_write_len(&self, len: usize) -> Option<usize> {
        self.draw_len("disk.short_write", len, |it| it.short_write_per_mille)
    }

    /// A length from one byte to one less than all, if the fault strikes. To move one byte is
    /// to move all.
    fn draw_len(
        &self,
        name: &'static str,
        len: usize,
        rate: impl FnOnce(&DiskFaults) -> u64,
    ) -> Option<usize> {
        let host = &self.disk.host;
        let strikes = len > 1 && self.disk.strikes(name, 1_000, rate);
        strikes.then(|| host.core.disk_range(host.id(), name, &(1..len as u64)) as usize)
    }
}

/// What a failed operation answers.
pub(super) fn io_error<T>() -> std::io::Result<T> {
    error(EIO)
}

impl World {
    /// Changes how often the disk of a host fails, from now on.
    ///
    /// # Panics
    /// If stalls are on and `stall_ns` is empty.
    pub fn set_disk_faults(&self, host: HostId, faults: DiskFaults) {
        let can_stall = faults.stall_per_mille == 0 || !faults.stall_ns.is_empty();
        assert!(can_stall, "stalls are on, but `stall_ns` holds no length to draw");
        let disk = &mut self.core().disks.borrow_mut()[host.index()];
        disk.may_fail = faults != DiskFaults::NONE;
        disk.faults = faults;
    }

    /// How often the disk of a host fails at present.
    pub fn disk_faults(&self, host: HostId) -> DiskFaults {
        self.core().disks.borrow()[host.index()].faults.clone()
    }
}
