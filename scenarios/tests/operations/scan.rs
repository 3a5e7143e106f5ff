//! Scan.

use super::common::{as_set, colour, colours, item, key, n, refused, s, scan, simple, sorted};
use bytes::Bytes;
use stillpoint_reference::api::{DeleteItemInput, ExceptionName, ScanInput};
use stillpoint_reference::item::{AttributeValue, Item};
use stillpoint_scenarios::stage::{Operator, operate};

/// All items, by pages of `limit` items; no page may have more.
async fn by_pages(it: &Operator, limit: i32) -> Vec<Item> {
    let (mut items, mut start) = (Vec::new(), None);
    loop {
        let page = it.scan(scan("orders", Some(limit), start)).await.expect("accepted");
        assert!(page.items.len() <= limit as usize);
        assert_eq!((page.count, page.scanned_count), (page.items.len() as u32, page.count));
        items.extend(page.items);
        match page.last_evaluated_key {
            Some(last) => start = Some(last),
            None => return items,
        }
    }
}

#[test]
fn pages_of_any_length_show_each_item_once() {
    for nodes in [1, 3] {
        operate(nodes, async |it| {
            it.open_table("orders", &simple()).await;
            let written = colours(25, "red");
            it.fill("orders", written.clone()).await;
            for limit in [1, 2, 7, 24, 25, 26, 1_000] {
                let read = by_pages(&it, limit).await;
                assert_eq!(read.len(), written.len(), "limit {limit}");
                assert_eq!(as_set(&read), as_set(&written), "limit {limit}");
            }
        });
    }
}

#[test]
fn items_of_one_partition_key_come_in_the_order_of_their_sort_keys() {
    operate(3, async |it| {
        it.open_table("orders", &sorted()).await;
        let at = |sk: &str| item([("pk", s("a")), ("sk", n(sk))]);
        it.fill("orders", ["10", "-1E5", "9.5", "0", "1E-130"].map(at)).await;
        let expected = ["-1E5", "0", "1E-130", "9.5", "10"].map(at);
        assert_eq!(it.scan_all("orders").await.0, expected);
    });
}

/// S 16, the pages of a scan.
#[test]
fn a_page_ends_at_a_megabyte_and_nothing_is_lost() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        let body = |at: u8| AttributeValue::B(Bytes::from(vec![at; 300 << 10]));
        let large = (0..12).map(|at| item([("pk", s(&at.to_string())), ("body", body(at))]));
        let large: Vec<Item> = large.collect();
        it.fill("orders", large.clone()).await;
        let (read, pages) = it.scan_all("orders").await;
        assert_eq!(read.len(), large.len());
        assert_eq!(as_set(&read), as_set(&large));
        // Four items of 300 KB are the first to exceed a megabyte.
        assert!((3..=4).contains(&pages), "{pages} pages");
    });
}

#[test]
fn a_page_may_begin_behind_a_key_that_nobody_has() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        it.fill("orders", colours(10, "red")).await;
        let (all, _) = it.scan_all("orders").await;
        let second = all[1]["pk"].clone();
        it.delete_item(DeleteItemInput::new("orders", item([("pk", second.clone())])))
            .await
            .expect("accepted");
        let rest = it.scan(scan("orders", None, Some(item([("pk", second)])))).await;
        assert_eq!(rest.expect("accepted").items, all[2..]);
    });
}

#[test]
fn what_is_no_scan_is_refused() {
    operate(1, async |it| {
        refused(it.scan(scan("orders", None, None)).await, ExceptionName::ResourceNotFound);
        it.open_table("orders", &simple()).await;
        refused(it.scan(scan("orders", Some(0), None)).await, ExceptionName::Validation);
        let start = Some(item([("sk", n("1"))]));
        refused(it.scan(scan("orders", None, start)).await, ExceptionName::Validation);
        let weak = ScanInput { consistent_read: false, ..scan("orders", None, Some(key("a"))) };
        assert_eq!(it.scan(weak).await.expect("accepted").items, []);
    });
}

#[test]
fn a_table_made_anew_is_not_confused_with_the_one_before() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        it.fill("orders", colours(10, "red")).await;
        // So that every router remembers the table.
        for _ in 0..20 {
            it.scan_all("orders").await;
        }
        it.drop_table("orders").await;
        it.open_table("orders", &simple()).await;
        it.fill("orders", [colour("a", "green")]).await;
        for _ in 0..20 {
            assert_eq!(it.scan_all("orders").await.0, [colour("a", "green")]);
        }
    });
}
