//! What a world does to a disk from outside: rot, bad sectors, a dropped page cache, a stall, a
//! switch to read-only; and a look at a file.

use bytes::Bytes;

use super::image::DiskImage;
use super::inode::InodeId;
use crate::host::HostId;
use crate::world::World;

impl World {
    /// Works on the files of a host with a choice of one of `0..n`.
    fn on_medium<T>(
        &self,
        host: HostId,
        stream: &'static str,
        work: impl FnOnce(&mut DiskImage, &mut dyn FnMut(u64) -> u64) -> T,
    ) -> T {
        let core = self.core();
        let mut disks = core.disks.borrow_mut();
        let mut dice = core.dice.borrow_mut();
        let stream = core.hosts.borrow_mut()[host.index()].stream(stream, &mut dice);
        work(disks[host.index()].meddle(), &mut |n| dice.range(stream, &(0..n)))
    }

    /// Lets a file rot: turns over `bits` bits at drawn places, on the medium and in the page
    /// cache, for good. No effect where there is no such file. Counted as `disk.bit_rot`.
    pub fn rot_file(&self, host: HostId, path: &str, bits: u64) {
        let core = self.core();
        let Ok(inode) = core.disks.borrow()[host.index()].image.find(path) else { return };
        let turned = self.on_medium(host, "disk.rot", |image, choose| {
            let len = image.len(inode).unwrap_or(0);
            let bits = if len == 0 { 0 } else { bits };
            (0..bits).map(|_| u64::from(rot_one(image, inode, len, choose))).sum()
        });
        core.count_fault("disk.bit_rot", turned);
        core.emit(host, "disk.rot", path.as_bytes());
    }

    /// Lets a disk rot: turns over `bits` bits of what rests on the medium, each in a file drawn
    /// in proportion to its length; as [`World::rot_file`] for the rest. No effect on an empty
    /// disk.
    pub fn rot_any(&self, host: HostId, bits: u64) {
        let turned = self.on_medium(host, "disk.rot_any", |image, choose| {
            let len = |image: &DiskImage| -> u64 {
                image.inodes.values().map(|it| it.durable.len() as u64).sum()
            };
            let bits = if len(image) == 0 { 0 } else { bits };
            let mut turned = 0;
            for _ in 0..bits {
                let (byte, bit) = (choose(len(image)), choose(8) as u8);
                let (inode, byte) = place(image, byte);
                turned += u64::from(image.flip(inode, byte as usize, bit));
            }
            turned
        });
        self.core().count_fault("disk.bit_rot", turned);
        self.core().emit(host, "disk.rot_any", &bits.to_le_bytes());
    }

    /// Lets `n` sectors of a file go bad, at drawn places of what rests on the medium: whoever
    /// reads from them gets EIO until they were overwritten whole; a power loss heals nothing.
    /// Gives how many did: fewer than `n` if a place was drawn twice or nothing is there.
    /// Counted as `disk.latent_sector`.
    pub fn fail_sectors(&self, host: HostId, path: &str, n: u64) -> u64 {
        let failed = self.on_medium(host, "disk.latent_places", |image, choose| {
            let inode = image.find(path).ok().and_then(|it| image.inodes.get_mut(&it));
            let Some(inode) = inode else { return 0 };
            let sectors = inode.durable.sectors() as u64;
            let n = if sectors == 0 { 0 } else { n };
            (0..n).map(|_| u64::from(inode.spoil(choose(sectors) as usize))).sum()
        });
        self.core().count_fault("disk.latent_sector", failed);
        self.core().emit(host, "disk.fail_sectors", path.as_bytes());
        failed
    }

    /// Empties the page cache of a host of all that is clean (`drop_caches`, as in proc(5)):
    /// it is read from the medium again, and shows what a failed sync forgot, what a write
    /// that went astray overwrote, and what one that went nowhere did not. What is dirty and the
    /// lengths of files stay. Counted as `disk.caches_dropped`.
    pub fn drop_caches(&self, host: HostId) {
        let core = self.core();
        core.disks.borrow_mut()[host.index()].meddle().drop_caches();
        core.emit(host, "disk.caches_dropped", &[]);
        core.count_fault("disk.caches_dropped", 1);
    }

    /// Makes the disk of a host do nothing at all for so many nanoseconds from now: nothing
    /// starts, and what is under way completes at the end. A power loss ends it, and so does
    /// [`World::end_disk_stall`]. Counted as `disk.device_stall`.
    pub fn stall_disk(&self, host: HostId, for_ns: u64) {
        let core = self.core();
        core.stall_disk_until(host, self.now_ns().saturating_add(for_ns));
        core.emit(host, "disk.device_stall", &for_ns.to_le_bytes());
        core.count_fault("disk.device_stall", 1);
    }

    /// Ends what [`World::stall_disk`] began: what was held up completes at this instant. No effect
    /// on a disk that does not stall.
    pub fn end_disk_stall(&self, host: HostId) {
        self.core().end_disk_stall(host);
    }

    /// Makes the disk of a host read-only, or no longer so, as ext4 does by itself after an error
    /// where it is mounted with `errors=remount-ro` (ext4(5)). Every change fails with EROFS,
    /// and so do syncs, with nothing made durable, as `ext4_sync_file` (Linux, fs/ext4/fsync.c)
    /// answers for a file system that was aborted. Each such failure is counted as
    /// `disk.read_only`. Lasts over restarts and power losses.
    pub fn set_disk_read_only(&self, host: HostId, read_only: bool) {
        let core = self.core();
        core.disks.borrow_mut()[host.index()].meddle().read_only = read_only;
        core.emit(host, "disk.set_read_only", &[read_only.into()]);
    }

    /// What a file holds at this moment, page cache included, without the host noticing and
    /// whether it can be read or not; `None` if there is no such file.
    pub fn peek_file(&self, host: HostId, path: &str) -> Option<Bytes> {
        let disks = self.core().disks.borrow();
        let image = &disks[host.index()].image;
        image.peek(image.find(path).ok()?, 0, usize::MAX).ok()
    }
}

/// Turns one bit over in a file of that length. Answers whether the medium has such a byte.
fn rot_one(
    image: &mut DiskImage,
    inode: InodeId,
    len: u64,
    choose: &mut dyn FnMut(u64) -> u64,
) -> bool {
    let byte = choose(len) as usize;
    image.flip(inode, byte, choose(8) as u8)
}

/// The file in which a byte lies on a medium that holds one after the other, and where in it.
fn place(image: &DiskImage, mut byte: u64) -> (InodeId, u64) {
    for (&inode, content) in &image.inodes {
        let len = content.durable.len() as u64;
        if byte < len {
            return (inode, byte);
        }
        byte -= len;
    }
    unreachable!("a byte is drawn among those that there are")
}
