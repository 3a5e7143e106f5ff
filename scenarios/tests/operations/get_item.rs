//! GetItem.

use super::common::{colour, get, item, key, n, refused, s, simple, sorted};
use stillpoint_reference::api::{ExceptionName, GetItemInput, PutItemInput};
use stillpoint_scenarios::stage::operate;

#[test]
fn a_strong_read_sees_every_write_acknowledged_before() {
    for nodes in [1, 3] {
        operate(nodes, async |it| {
            it.open_table("orders", &simple()).await;
            for round in 0..30 {
                let now = colour("a", &round.to_string());
                it.put_item(PutItemInput::new("orders", now.clone())).await.expect("accepted");
                let read = it.get_item(get("orders", key("a"))).await.expect("accepted");
                assert_eq!(read.item, Some(now), "{nodes} nodes");
            }
        });
    }
}

#[test]
fn a_weak_read_sees_what_was_written_in_the_end() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        it.fill("orders", [colour("a", "red")]).await;
        it.sleep_ms(1_000).await;
        // Requests go to routers at random: twenty reach all three.
        for _ in 0..20 {
            let weak = GetItemInput { consistent_read: false, ..get("orders", key("a")) };
            assert_eq!(it.get_item(weak).await.expect("accepted").item, Some(colour("a", "red")));
        }
    });
}

#[test]
fn an_item_that_is_not_there_is_no_error() {
    operate(3, async |it| {
        it.open_table("orders", &sorted()).await;
        it.fill("orders", [item([("pk", s("a")), ("sk", n("1"))])]).await;
        for (pk, sk, there) in
            [("a", "1", true), ("a", "1.0", true), ("a", "2", false), ("b", "1", false)]
        {
            let key = item([("pk", s(pk)), ("sk", n(sk))]);
            let read = it.get_item(get("orders", key)).await.expect("accepted");
            assert_eq!(read.item.is_some(), there, "{pk}/{sk}");
        }
    });
}

#[test]
fn a_key_names_exactly_the_key_attributes() {
    operate(1, async |it| {
        it.open_table("orders", &sorted()).await;
        let wrong = [
            item([]),
            key("a"),
            item([("pk", s("a")), ("sk", s("1"))]),
            item([("pk", s("a")), ("sk", n("1")), ("colour", s("red"))]),
        ];
        for key in wrong {
            refused(it.get_item(get("orders", key)).await, ExceptionName::Validation);
        }
    });
}

#[test]
fn a_table_that_is_not_there_has_no_items() {
    operate(1, async |it| {
        refused(it.get_item(get("orders", key("a"))).await, ExceptionName::ResourceNotFound);
    });
}

#[test]
fn a_table_made_anew_is_not_confused_with_the_one_before() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        it.fill("orders", [colour("a", "red"), colour("b", "red")]).await;
        let read = async |pk| it.get_item(get("orders", key(pk))).await.expect("accepted").item;
        // Requests go to routers at random: after twenty, all three remember the table.
        for _ in 0..20 {
            assert_eq!(read("a").await, Some(colour("a", "red")));
        }
        it.drop_table("orders").await;
        it.open_table("orders", &simple()).await;
        it.fill("orders", [colour("a", "green")]).await;
        for _ in 0..20 {
            assert_eq!(read("a").await, Some(colour("a", "green")));
            assert_eq!(read("b").await, None);
        }
    });
}
