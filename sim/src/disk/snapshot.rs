//! What rests on a medium: taken as an image, put back, or gone.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_128;

use super::content::Content;
use super::image::DiskImage;
use super::inode::InodeId;
use super::names::Names;
use crate::host::HostId;
use crate::world::World;

/// What a disk held at some moment on its medium: neither the page cache nor files without a
/// durable name. Sectors that could not be read cannot be read in the image either. A clone
/// shares everything.
#[derive(Clone)]
pub struct DiskSnapshot(Rc<Resting>);

struct Resting {
    names: Names,
    files: BTreeMap<InodeId, Content>,
}

impl DiskSnapshot {
    /// An empty disk.
    fn empty() -> Self {
        Self(Rc::new(Resting { names: Names::default(), files: BTreeMap::new() }))
    }

    pub(super) fn of(image: &DiskImage) -> Self {
        let names = image.names.durable();
        let content = |inode: InodeId| image.inodes.get(&inode).map(|it| it.durable.clone());
        let files = names.inodes().filter_map(|it| Some((it, content(it)?))).collect();
        Self(Rc::new(Resting { names, files }))
    }

    pub(super) fn names(&self) -> &Names {
        &self.0.names
    }

    pub(super) fn contents(&self) -> &BTreeMap<InodeId, Content> {
        &self.0.files
    }

    /// The directories, sorted, without the root.
    pub fn dirs(&self) -> Vec<String> {
        self.0.names.dirs().map(str::to_string).collect()
    }

    /// Every file by its path, with all of its bytes, whether they can be read or not.
    pub fn files(&self) -> BTreeMap<String, Bytes> {
        let bytes = |inode| Bytes::copy_from_slice(self.0.files[&inode].bytes());
        self.0.names.files().map(|(path, inode)| (path.to_string(), bytes(inode))).collect()
    }

    /// What tells it from other images, whatever the numbers of its inodes. `digest` gives that
    /// of a content's bytes, which somebody may know already.
    pub(super) fn digest(&self, mut digest: impl FnMut(InodeId, &Content) -> u128) -> u128 {
        let mut all = Vec::new();
        let mut add = |part: &[u8]| {
            all.extend_from_slice(&(part.len() as u64).to_le_bytes());
            all.extend_from_slice(part);
        };
        self.0.names.dirs().for_each(|it| add(it.as_bytes()));
        for (path, inode) in self.0.names.files() {
            let content = &self.0.files[&inode];
            add(&[]);
            add(path.as_bytes());
            add(&digest(inode, content).to_le_bytes());
            content.bad().iter().for_each(|it| add(&it.to_le_bytes()));
        }
        xxh3_128(&all)
    }

    fn own_digest(&self) -> u128 {
        self.digest(|_, content| xxh3_128(content.bytes()))
    }
}

impl PartialEq for DiskSnapshot {
    /// Whether a program could not tell one from the other, by 128 bits of hash.
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0) || self.own_digest() == other.own_digest()
    }
}

impl Eq for DiskSnapshot {}

impl fmt::Debug for DiskSnapshot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = |(path, inode)| (path, self.0.files[&inode].len());
        let files: BTreeMap<&str, usize> = self.0.names.files().map(len).collect();
        out.debug_struct("DiskSnapshot").field("dirs", &self.dirs()).field("lens", &files).finish()
    }
}

impl World {
    /// What a power loss that takes all it can would leave of a disk, without the host noticing.
    pub fn image_disk(&self, host: HostId) -> DiskSnapshot {
        DiskSnapshot::of(&self.core().disks.borrow()[host.index()].image)
    }

    /// Puts an image in place of what the disk of a host holds: an older one of its own, as
    /// where a virtual machine is set back, or that of another machine. Its settings, its faults
    /// and its capacity stay. Counted as `disk.restored`.
    ///
    /// # Panics
    /// If the host is running.
    pub fn restore_disk_image(&self, host: HostId, image: &DiskSnapshot) {
        self.replace_medium(host, "disk.restored", image);
    }

    /// Empties the disk of a host, as if it had got a new one. Counted as `disk.wiped`.
    ///
    /// # Panics
    /// If the host is running.
    pub fn wipe_disk(&self, host: HostId) {
        self.replace_medium(host, "disk.wiped", &DiskSnapshot::empty());
    }

    fn replace_medium(&self, host: HostId, what: &'static str, image: &DiskSnapshot) {
        assert!(
            !self.is_up(host),
            "the disk of {host} is in use: call `crash` or `power_loss` first, `restart` after"
        );
        let core = self.core();
        core.disks.borrow_mut()[host.index()].meddle().replace(image);
        core.emit(host, what, &image.own_digest().to_le_bytes());
        core.count_fault(what, 1);
    }
}
