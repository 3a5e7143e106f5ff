//! Queries: a page of the items of one partition key, from either end.

use super::core::Core;
use super::message::Reply;
use crate::ids::PartitionId;
use crate::item::KeyRange;
use crate::mutants::Mutants;
use crate::partition::{ItemKey, ItemStore, StoreFault};
use bytes::Bytes;
use std::collections::VecDeque;

impl<M: Mutants> Core<M> {
    pub(super) fn query(
        &self,
        partition: PartitionId,
        range: &KeyRange,
        forward: bool,
        (items_max, bytes_max): (usize, usize),
        consistent: bool,
        now_ns: u64,
    ) -> Result<Reply, StoreFault> {
        let state = match self.readable(partition, consistent, now_ns) {
            Ok(state) => state,
            Err(reply) => return Ok(reply),
        };
        let mut page = Page { forward, items_max, bytes_max, ..Page::default() };
        // A scan begins behind a key, so the lowest key of all is asked for by itself.
        let first = ItemKey::new(range.first());
        if range.contains(&first.primary)
            && let Some(item) = state.store().get(&first)?
        {
            page.take(&first, &item);
        }
        if !page.complete() {
            let mut take = |key: &ItemKey, item: &Bytes| {
                range.contains(&key.primary) && {
                    page.take(key, item);
                    !page.complete()
                }
            };
            state.store().scan(Some(&first), &mut take)?;
        }
        Ok(Reply::Page { items: page.in_order(), more: page.more })
    }
}

/// The first items of a range, or the last ones. The store is read upwards in either case: from
/// the highest key downwards, a page is what is left when the range has gone by. So that costs
/// as much time as the range is long, but no more memory than a page.
#[derive(Default)]
struct Page {
    forward: bool,
    items_max: usize,
    bytes_max: usize,
    items: VecDeque<(ItemKey, Bytes)>,
    bytes: usize,
    /// Whether there is an item that has no place on the page.
    more: bool,
}

impl Page {
    /// Takes the next item upwards.
    fn take(&mut self, key: &ItemKey, item: &Bytes) {
        if self.forward && (self.items.len() >= self.items_max || self.bytes >= self.bytes_max) {
            self.more = true;
            return;
        }
        self.bytes += item.len();
        self.items.push_back((key.clone(), item.clone()));
        while !self.forward && self.lowest_is_beyond() {
            let (_, item) = self.items.pop_front().expect("there is one beyond the limits");
            self.bytes -= item.len();
            self.more = true;
        }
    }

    /// Whether the page is full without its lowest item.
    fn lowest_is_beyond(&self) -> bool {
        let lowest = self.items.front().map_or(0, |(_, item)| item.len());
        self.items.len() > self.items_max
            || (self.items.len() > 1 && self.bytes - lowest >= self.bytes_max)
    }

    /// Whether no further item upwards can change it.
    fn complete(&self) -> bool {
        self.forward && self.more
    }

    fn in_order(&mut self) -> Vec<(ItemKey, Bytes)> {
        let items = std::mem::take(&mut self.items);
        if self.forward { items.into() } else { items.into_iter().rev().collect() }
    }
}
