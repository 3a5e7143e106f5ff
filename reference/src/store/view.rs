//! Reading: one commit, frozen for as long as it is looked at.

use super::door::{Door, fault};
use super::{Base, key, record};
use crate::ids::{Index, PartitionId};
use crate::partition::{ItemKey, StoreFault};
use bytes::Bytes;
use redb::{Database, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

/// Items, by their encoded keys.
pub(super) const ITEMS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("items");
/// The image of each partition.
pub(super) const IMAGES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("images");

/// What was committed when it was made, whatever is committed after. While it lives, the space of
/// what has been replaced since is not used again.
pub struct View {
    door: Rc<Door>,
    items: ReadOnlyTable<&'static [u8], &'static [u8]>,
    images: ReadOnlyTable<u64, &'static [u8]>,
}

impl View {
    pub(super) fn new(door: &Rc<Door>, database: &Database) -> Result<Self, StoreFault> {
        let (items, images) = door.enter(|| {
            let transaction = database.begin_read().map_err(fault)?;
            let items = transaction.open_table(ITEMS).map_err(fault)?;
            Ok((items, transaction.open_table(IMAGES).map_err(fault)?))
        })?;
        Ok(Self { door: door.clone(), items, images })
    }

    /// The image of each partition.
    ///
    /// # Errors
    /// The store is damaged.
    pub fn images(&self) -> Result<BTreeMap<PartitionId, Bytes>, StoreFault> {
        self.door.enter(|| {
            let mut images = BTreeMap::new();
            for entry in self.images.iter().map_err(fault)? {
                let (partition, image) = entry.map_err(fault)?;
                let partition = PartitionId(partition.value());
                images.insert(partition, record::read_image(partition, image.value())?);
            }
            Ok(images)
        })
    }
}

impl Base for View {
    fn get(
        &self,
        partition: PartitionId,
        key: &ItemKey,
    ) -> Result<Option<(Index, Bytes)>, StoreFault> {
        let key = key::encode(partition, key);
        self.door.enter(|| {
            let found = self.items.get(key.as_slice()).map_err(fault)?;
            found.map(|item| record::read_item(&key, item.value())).transpose()
        })
    }

    fn scan(
        &self,
        partition: PartitionId,
        after: Option<&ItemKey>,
        take: &mut dyn FnMut(&ItemKey, Index, &Bytes) -> bool,
    ) -> Result<(), StoreFault> {
        let range = key::range(partition, after);
        // A panic of the one who takes is not redb's: it goes on where it came from.
        let mut panicked = None;
        self.door.enter(|| {
            for entry in self.items.range::<&[u8]>(key::borrowed(&range)).map_err(fault)? {
                let (place, item) = entry.map_err(fault)?;
                let (index, bytes) = record::read_item(place.value(), item.value())?;
                let (_, key) = key::decode(place.value())
                    .ok_or_else(|| StoreFault { why: "a key cannot be read".to_owned() })?;
                match catch_unwind(AssertUnwindSafe(|| take(&key, index, &bytes))) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(panic) => {
                        panicked = Some(panic);
                        break;
                    }
                }
            }
            Ok(())
        })?;
        panicked.map_or(Ok(()), |panic| resume_unwind(panic))
    }
}
