//! Clients that query: every item of one partition key, page by page and from either end.

use super::session::{Session, TABLE, seen};
use crate::history::{OpId, WriteId};
use std::collections::BTreeMap;
use stillpoint_reference::api::{QueryInput, Request, Response};
use stillpoint_reference::item::Item;

/// Less than the items of one partition key, so that paging is exercised.
const PAGE_ITEMS: i32 = 2;

impl Session {
    /// Reads all items that share the partition key of `key`. In the history it is a strong read
    /// of each: whatever was seen of an item was there at some instant of the whole query.
    pub(super) async fn query(&self, key: u32, by: WriteId) {
        let invoke = |key: u32| {
            let id = self.key_id(key);
            (key, self.history.borrow_mut().invoke_read(by.client, id, self.now_ns()))
        };
        let invoked: Vec<(u32, OpId)> = self.space.siblings(key).map(invoke).collect();
        let Some(items) = self.query_pages(key, by).await else { return };
        let found: BTreeMap<u32, &Item> =
            items.iter().filter_map(|it| Some((self.space.number_of(it)?, it))).collect();
        for (key, op) in invoked {
            if let Some(seen) = seen(found.get(&key).copied()) {
                self.last_seen.borrow_mut().insert(key, seen);
                self.history.borrow_mut().acknowledge_read(op, seen, self.now_ns());
            }
        }
    }

    /// The items of all pages, or nothing if a page was not answered.
    async fn query_pages(&self, key: u32, by: WriteId) -> Option<Vec<Item>> {
        let partition = &self.space.schema.partition.name;
        let value = self.space.key(key).remove(partition).expect("a key of the schema");
        let mut input = QueryInput {
            scan_index_forward: by.seq.is_multiple_of(2),
            limit: Some(PAGE_ITEMS),
            consistent_read: true,
            ..QueryInput::new(TABLE, "pk = :pk", BTreeMap::from([(":pk".to_owned(), value)]))
        };
        let (mut items, mut call) = (Vec::new(), by);
        loop {
            match self.call(call, Request::Query(input.clone())).await {
                Ok(Ok(Response::Query(output))) => {
                    items.extend(output.items);
                    input.exclusive_start_key = output.last_evaluated_key;
                    if input.exclusive_start_key.is_none() {
                        return Some(items);
                    }
                }
                _ => return None,
            }
            call = self.next_write(by.client);
        }
    }
}
