//! The store against a map, a disk that crashes anywhere, and bits that rot.

mod crash;
mod disk;
mod faults;
mod model;
mod rot;
mod speed;

use super::{Base, Batch, Checkpoint, Opened, PartitionBatch};
use crate::ids::{Index, NodeId, PartitionId};
use crate::item::PrimaryKey;
use crate::partition::{ItemKey, StoreFault};
use bytes::Bytes;
use disk::{Disk, finish};
use std::collections::BTreeMap;
use std::rc::Rc;

const NODE: NodeId = NodeId(3);

/// Small, so that pages leave redb's cache and are asked of the disk.
const CACHE_BYTES: usize = 64 << 10;

/// What a store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Content {
    images: BTreeMap<PartitionId, Bytes>,
    items: BTreeMap<(PartitionId, ItemKey), (Index, Bytes)>,
}

impl Content {
    fn apply(&mut self, batch: &Batch) {
        for partition in &batch.removed {
            self.images.remove(partition);
            self.items.retain(|(of, _), _| of != partition);
        }
        for (partition, part) in &batch.partitions {
            if part.replace {
                self.items.retain(|(of, _), _| of != partition);
            }
            self.images.insert(*partition, part.image.clone());
            for (key, (index, item)) in part.changes.iter() {
                let place = (*partition, key.clone());
                match item {
                    Some(item) => self.items.insert(place, (*index, item.clone())),
                    None => self.items.remove(&place),
                };
            }
        }
    }
}

/// All that a store holds, by scans of these partitions.
fn content_of(
    base: &impl Base,
    images: BTreeMap<PartitionId, Bytes>,
    partitions: impl Iterator<Item = u64>,
) -> Result<Content, StoreFault> {
    let mut content = Content { images, items: BTreeMap::new() };
    for partition in partitions.map(PartitionId) {
        let mut last = None;
        base.scan(partition, None, &mut |key, index, item| {
            assert!(last.as_ref() < Some(key), "a scan went backwards");
            last = Some(key.clone());
            content.items.insert((partition, key.clone()), (index, item.clone()));
            true
        })?;
    }
    Ok(content)
}

fn try_open(disk: &Disk) -> std::io::Result<Opened<Disk>> {
    finish(Checkpoint::open_with_cache(disk, NODE, CACHE_BYTES))
}

fn open(disk: &Disk) -> Opened<Disk> {
    try_open(disk).expect("the disk is well")
}

fn open_sound(disk: &Disk) -> Checkpoint<Disk> {
    match open(disk) {
        Opened::Sound(checkpoint) => checkpoint,
        Opened::Fresh(_, why) => panic!("the file was discarded: {why:?}"),
    }
}

fn open_fresh(disk: &Disk) -> Checkpoint<Disk> {
    match open(disk) {
        Opened::Fresh(checkpoint, None) => checkpoint,
        Opened::Fresh(_, Some(why)) => panic!("there was a damaged file: {why}"),
        Opened::Sound(_) => panic!("there was a file"),
    }
}

fn key(name: &str, sort: u32) -> ItemKey {
    let sort = Bytes::copy_from_slice(&sort.to_be_bytes());
    ItemKey::new(PrimaryKey { partition: Bytes::copy_from_slice(name.as_bytes()), sort })
}

/// A value whose bytes are told by its number.
fn value(number: u64, len: usize) -> Bytes {
    number.to_le_bytes().into_iter().cycle().take(len).collect::<Vec<u8>>().into()
}

/// A batch for one partition that puts `count` items of `len` bytes, from the number `first` on.
fn puts(partition: u64, first: u64, count: u64, len: usize) -> Batch {
    let numbers = first..first + count;
    let put =
        |n: u64| (key(&format!("item-{}", n / 4), n as u32 % 4), (Index(n), Some(value(n, len))));
    let part = PartitionBatch {
        image: value(first, 40),
        replace: false,
        changes: Rc::new(numbers.map(put).collect()),
    };
    Batch { partitions: BTreeMap::from([(PartitionId(partition), part)]), ..Batch::default() }
}
