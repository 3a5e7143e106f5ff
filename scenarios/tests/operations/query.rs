//! Query.

use super::common::{colour, colours, item, key, n, refused, s, simple, sorted};
use bytes::Bytes;
use stillpoint_reference::api::{
    DeleteItemInput, ExceptionName, QueryInput, QueryOutput, Select, UpdateItemInput, WireError,
};
use stillpoint_reference::item::{AttributeValue, Item, KeySchema, ScalarAttributeType};
use stillpoint_scenarios::stage::{Operator, operate};

/// A strong query with these values.
fn query<const LEN: usize>(condition: &str, values: [(&str, AttributeValue); LEN]) -> QueryInput {
    QueryInput { consistent_read: true, ..QueryInput::new("orders", condition, item(values)) }
}

/// The items under these sort keys.
fn at<const LEN: usize>(pk: &str, sorts: [&str; LEN]) -> Vec<Item> {
    sorts.map(|sk| item([("pk", s(pk)), ("sk", n(sk))])).into()
}

/// A sorted table of a few partition keys; `a` has seven items.
async fn filled(it: &Operator) {
    it.open_table("orders", &sorted()).await;
    it.fill("orders", at("a", ["10", "-1E5", "9.5", "0", "1E-130", "-2", "1E100"])).await;
    it.fill("orders", at("b", ["0", "1"])).await;
    it.fill("orders", at("aa", ["3"])).await;
}

/// All items by pages, in one direction or the other.
async fn by_pages(it: &Operator, mut input: QueryInput, limit: i32) -> Vec<Item> {
    let mut items = Vec::new();
    input.limit = Some(limit);
    loop {
        let page = it.query(input.clone()).await.expect("accepted");
        assert!(page.items.len() <= limit as usize);
        assert_eq!((page.count, page.scanned_count), (page.items.len() as u32, page.count));
        items.extend(page.items);
        match page.last_evaluated_key {
            Some(last) => input.exclusive_start_key = Some(last),
            None => return items,
        }
    }
}

#[test]
fn pages_of_any_length_show_each_item_of_the_partition_key_once_and_in_order() {
    for nodes in [1, 3] {
        operate(nodes, async |it| {
            filled(&it).await;
            let mut expected = at("a", ["-1E5", "-2", "0", "1E-130", "9.5", "10", "1E100"]);
            for scan_index_forward in [true, false] {
                for limit in [1, 2, 3, 6, 7, 8, 1_000] {
                    let all = query("pk = :pk", [(":pk", s("a"))]);
                    let all = QueryInput { scan_index_forward, ..all };
                    let read = by_pages(&it, all, limit).await;
                    assert_eq!(read, expected, "limit {limit}, forward {scan_index_forward}");
                }
                expected.reverse();
            }
        });
    }
}

#[test]
fn conditions_on_the_sort_key_compare_numbers() {
    operate(3, async |it| {
        filled(&it).await;
        for (condition, expected) in [
            ("sk = :x", at("a", ["0"])),
            ("sk < :x", at("a", ["-1E5", "-2"])),
            ("sk <= :x", at("a", ["-1E5", "-2", "0"])),
            ("sk > :x", at("a", ["1E-130", "9.5", "10", "1E100"])),
            ("sk >= :x", at("a", ["0", "1E-130", "9.5", "10", "1E100"])),
            (":x >= sk", at("a", ["-1E5", "-2", "0"])),
        ] {
            let values = [(":pk", s("a")), (":x", n("0"))];
            let input = query(&format!("pk = :pk AND {condition}"), values);
            for limit in [1, 2, 10] {
                assert_eq!(by_pages(&it, input.clone(), limit).await, expected, "{condition}");
                let backward = QueryInput { scan_index_forward: false, ..input.clone() };
                let mut read = by_pages(&it, backward, limit).await;
                read.reverse();
                assert_eq!(read, expected, "{condition}, backward");
            }
        }
        let values = [(":pk", s("a")), (":x", n("-2")), (":y", n("9.50"))];
        let between = query("pk = :pk AND sk BETWEEN :x AND :y", values);
        assert_eq!(by_pages(&it, between, 3).await, at("a", ["-2", "0", "1E-130", "9.5"]));
    });
}

#[test]
fn strings_and_bytes_are_in_the_order_of_their_bytes() {
    operate(3, async |it| {
        let strings = KeySchema::simple("pk", ScalarAttributeType::S);
        it.open_table("orders", &strings.with_sort("sk", ScalarAttributeType::S)).await;
        let at = |sk: &str| item([("pk", s("a")), ("sk", s(sk))]);
        it.fill("orders", ["b", "ä", "a", "B", "ab", "\u{10FFFF}", "aa\u{10FFFF}x"].map(at)).await;
        let all = query("pk = :pk", [(":pk", s("a"))]);
        let ordered = ["B", "a", "aa\u{10FFFF}x", "ab", "b", "ä", "\u{10FFFF}"].map(at);
        assert_eq!(by_pages(&it, all, 2).await, ordered);
        for (start, expected) in [("a", 1..4), ("aa", 2..3), ("\u{10FFFF}", 6..7), ("c", 0..0)] {
            let condition = "pk = :pk AND begins_with(sk, :it)";
            let begins = query(condition, [(":pk", s("a")), (":it", s(start))]);
            assert_eq!(by_pages(&it, begins, 2).await, ordered[expected], "{start}");
        }
    });
}

#[test]
fn bytes_that_end_the_alphabet_have_no_end_behind_them() {
    operate(1, async |it| {
        let schema = KeySchema::simple("pk", ScalarAttributeType::B);
        it.open_table("orders", &schema.with_sort("sk", ScalarAttributeType::B)).await;
        let b = |bytes: &'static [u8]| AttributeValue::B(Bytes::from_static(bytes));
        let at = |sk| item([("pk", b(b"\xff")), ("sk", b(sk))]);
        it.fill("orders", [at(b"\xfe"), at(b"\xff"), at(b"\xff\xff\x01")]).await;
        let values = [(":pk", b(b"\xff")), (":it", b(b"\xff"))];
        let begins = query("pk = :pk AND begins_with(sk, :it)", values);
        assert_eq!(by_pages(&it, begins, 1).await, [at(b"\xff"), at(b"\xff\xff\x01")]);
    });
}

#[test]
fn a_table_without_a_sort_key_has_one_item_at_most() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        it.fill("orders", colours(10, "red")).await;
        for scan_index_forward in [true, false] {
            let of =
                |pk: &str| QueryInput { scan_index_forward, ..query("pk = :pk", [(":pk", s(pk))]) };
            let page = it.query(of("key-3")).await.expect("accepted");
            assert_eq!(page.items, [colour("key-3", "red")]);
            assert_eq!(page.last_evaluated_key, None);
            assert_eq!(it.query(of("key-33")).await.expect("accepted").items, []);
        }
    });
}

#[test]
fn a_page_ends_at_a_megabyte_and_nothing_is_lost() {
    operate(3, async |it| {
        it.open_table("orders", &sorted()).await;
        let body = |at: u8| AttributeValue::B(Bytes::from(vec![at; 300 << 10]));
        let large = |at: u8| item([("pk", s("a")), ("sk", n(&at.to_string())), ("body", body(at))]);
        let mut expected: Vec<Item> = (0..10).map(large).collect();
        it.fill("orders", expected.clone()).await;
        for scan_index_forward in [true, false] {
            let mut input = query("pk = :pk", [(":pk", s("a"))]);
            input.scan_index_forward = scan_index_forward;
            let (mut read, mut pages) = (Vec::new(), Vec::new());
            loop {
                let page = it.query(input.clone()).await.expect("accepted");
                pages.push(page.count);
                read.extend(page.items);
                input.exclusive_start_key = page.last_evaluated_key;
                if input.exclusive_start_key.is_none() {
                    break;
                }
            }
            // Four items of 300 KB are the first to exceed a megabyte.
            assert_eq!(pages, [4, 4, 2], "forward {scan_index_forward}");
            assert_eq!(read, expected);
            expected.reverse();
        }
    });
}

#[test]
fn a_filter_is_asked_of_what_was_read() {
    operate(3, async |it| {
        it.open_table("orders", &sorted()).await;
        let with = |sk: i64| item([("pk", s("a")), ("sk", sk.into()), ("odd", (sk % 2).into())]);
        it.fill("orders", (0..9).map(with)).await;
        let filtered = QueryInput {
            filter_expression: Some("#odd = :one".to_owned()),
            expression_attribute_names: [("#odd".to_owned(), "odd".to_owned())].into(),
            limit: Some(4),
            ..query("pk = :pk", [(":pk", s("a")), (":one", n("1"))])
        };
        let page = it.query(filtered.clone()).await.expect("accepted");
        assert_eq!(page.items, [with(1), with(3)]);
        assert_eq!((page.count, page.scanned_count), (2, 4));
        assert_eq!(page.last_evaluated_key, Some(item([("pk", s("a")), ("sk", n("3"))])));
        let counted = QueryInput { select: Select::Count, ..filtered };
        let page = it.query(counted).await.expect("accepted");
        assert_eq!((page.items.len(), page.count, page.scanned_count), (0, 2, 4));
    });
}

#[test]
fn a_page_may_begin_behind_a_key_that_nobody_has() {
    operate(3, async |it| {
        filled(&it).await;
        let gone = &at("a", ["0"])[0];
        it.delete_item(DeleteItemInput::new("orders", gone.clone())).await.expect("accepted");
        let behind = QueryInput {
            exclusive_start_key: Some(gone.clone()),
            ..query("pk = :pk", [(":pk", s("a"))])
        };
        let read = it.query(behind.clone()).await.expect("accepted").items;
        assert_eq!(read, at("a", ["1E-130", "9.5", "10", "1E100"]));
        let before = QueryInput { scan_index_forward: false, ..behind };
        let read = it.query(before).await.expect("accepted").items;
        assert_eq!(read, at("a", ["-2", "-1E5"]));
    });
}

#[test]
fn a_strong_query_sees_every_write_acknowledged_before() {
    operate(3, async |it| {
        it.open_table("orders", &sorted()).await;
        for round in 0..30 {
            let key = item([("pk", s("a")), ("sk", n(&(round % 4).to_string()))]);
            let add = UpdateItemInput {
                expression_attribute_values: item([(":one", n("1"))]),
                ..UpdateItemInput::new("orders", key, "ADD x :one")
            };
            it.update_item(add).await.expect("accepted");
            let all = query("pk = :pk", [(":pk", s("a"))]);
            let read = it.query(all).await.expect("accepted").items;
            let counts = read.iter().map(|it| format!("{:?}", it["x"]));
            let expected = (0..4).filter(|it| *it <= round);
            let expected = expected.map(|sk| format!("N({})", (round - sk) / 4 + 1));
            assert_eq!(counts.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }
    });
}

#[test]
fn a_weak_query_sees_what_was_written_in_the_end() {
    operate(3, async |it| {
        filled(&it).await;
        it.sleep_ms(1_000).await;
        // Requests go to routers at random: twenty reach all three.
        for _ in 0..20 {
            let weak = query("pk = :pk", [(":pk", s("b"))]);
            let weak = QueryInput { consistent_read: false, ..weak };
            assert_eq!(it.query(weak).await.expect("accepted").items, at("b", ["0", "1"]));
        }
    });
}

#[track_caller]
fn refused_because(answer: Result<QueryOutput, WireError>, why: &str) {
    let told = answer.as_ref().map_err(|it| it.message.clone());
    assert_eq!(told.expect_err("refused"), why);
    refused(answer, ExceptionName::Validation);
}

#[test]
fn what_is_no_query_is_refused() {
    operate(1, async |it| {
        let all = || query("pk = :pk", [(":pk", s("a"))]);
        refused(it.query(all()).await, ExceptionName::ResourceNotFound);
        it.open_table("orders", &sorted()).await;
        let ask = async |input| it.query(input).await;
        refused(ask(QueryInput { limit: Some(0), ..all() }).await, ExceptionName::Validation);
        refused(ask(query("pk =", [])).await, ExceptionName::Validation);
        let missed = query("sk = :it", [(":it", n("1"))]);
        refused_because(ask(missed).await, "Query condition missed key schema element: pk");
        let range = query("pk > :it", [(":it", s("a"))]);
        refused_because(ask(range).await, "Query key condition not supported");
        refused_because(
            ask(QueryInput { filter_expression: Some("sk = :pk".to_owned()), ..all() }).await,
            "Filter Expression can only contain non-primary key attributes: \
             Primary key attribute: sk",
        );
        refused_because(
            ask(query("pk = :pk", [(":pk", s("a")), (":q", s("a"))])).await,
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:q}",
        );
    });
}

#[test]
fn a_page_begins_behind_a_key_of_the_query_only() {
    operate(1, async |it| {
        filled(&it).await;
        let begin = |condition: &str, start| QueryInput {
            exclusive_start_key: Some(start),
            ..query(condition, [(":pk", s("a"))])
        };
        let ask = async |input| it.query(input).await;
        refused_because(
            ask(begin("pk = :pk", key("a"))).await,
            "The provided starting key is invalid: \
             The provided key element does not match the schema",
        );
        refused_because(
            ask(begin("pk = :pk", at("b", ["0"]).remove(0))).await,
            "The provided starting key is outside query boundaries based on provided conditions",
        );
        let mut above = begin("pk = :pk AND sk > :x", at("a", ["0"]).remove(0));
        above.expression_attribute_values.insert(":x".to_owned(), n("0"));
        refused_because(
            ask(above).await,
            "The provided starting key does not match the range key predicate",
        );
    });
}

#[test]
fn a_table_made_anew_is_not_confused_with_the_one_before() {
    operate(3, async |it| {
        filled(&it).await;
        let of_b = async || {
            let all = query("pk = :pk", [(":pk", s("b"))]);
            it.query(all).await.expect("accepted").items
        };
        // So that every router remembers the table.
        for _ in 0..20 {
            assert_eq!(of_b().await, at("b", ["0", "1"]));
        }
        it.drop_table("orders").await;
        it.open_table("orders", &sorted()).await;
        for _ in 0..20 {
            assert_eq!(of_b().await, []);
        }
    });
}
