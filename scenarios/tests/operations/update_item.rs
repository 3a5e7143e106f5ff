//! UpdateItem.

use super::common::{
    all_of, as_set, colour, get, item, key, n, refused, s, scan, simple, slow_disks, sorted,
};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;
use stillpoint_reference::api::{
    CreateTableInput, DeleteItemInput, ExceptionName, PutItemInput, ReturnValues, UpdateItemInput,
};
use stillpoint_reference::expression::Update;
use stillpoint_reference::item::{AttributeValue, Item};
use stillpoint_scenarios::stage::{Operator, operate};

/// An update of an item of a [`simple`] table, with these values.
fn update<const LEN: usize>(
    pk: &str,
    expression: &str,
    values: [(&str, AttributeValue); LEN],
) -> UpdateItemInput {
    UpdateItemInput {
        expression_attribute_values: item(values),
        ..UpdateItemInput::new("orders", key(pk), expression)
    }
}

async fn read(it: &Operator, pk: &str) -> Option<Item> {
    it.get_item(get("orders", key(pk))).await.expect("accepted").item
}

#[test]
fn an_update_changes_what_it_names_and_keeps_the_rest() {
    for nodes in [1, 3] {
        operate(nodes, async |it| {
            it.open_table("orders", &simple()).await;
            let before = item([("pk", s("a")), ("x", n("1")), ("y", n("2")), ("z", s("old"))]);
            it.fill("orders", [before]).await;
            let values = [(":new", s("new")), (":five", n("5"))];
            let input = update("a", "SET z = :new, w = x REMOVE y ADD x :five", values);
            assert_eq!(it.update_item(input).await.expect("accepted").attributes, None);
            let after = item([("pk", s("a")), ("x", n("6")), ("w", n("1")), ("z", s("new"))]);
            assert_eq!(read(&it, "a").await, Some(after), "{nodes} nodes");
        });
    }
}

#[test]
fn an_item_that_is_not_there_is_created_if_something_is_added() {
    operate(3, async |it| {
        it.open_table("orders", &sorted()).await;
        let key = item([("pk", s("a")), ("sk", n("1.50"))]);
        let with = |expression: &str| UpdateItemInput::new("orders", key.clone(), expression);
        it.update_item(with("REMOVE x")).await.expect("accepted");
        assert_eq!(it.scan_all("orders").await.0, []);
        let one = UpdateItemInput {
            expression_attribute_values: item([(":one", n("1"))]),
            ..with("ADD x :one")
        };
        it.update_item(one).await.expect("accepted");
        let created = item([("pk", s("a")), ("sk", n("1.5")), ("x", n("1"))]);
        assert_eq!(it.scan_all("orders").await.0, [created]);
    });
}

#[test]
fn without_an_expression_only_what_is_absent_changes() {
    operate(1, async |it| {
        it.open_table("orders", &simple()).await;
        it.fill("orders", [colour("a", "red")]).await;
        for pk in ["a", "b"] {
            let nothing = UpdateItemInput { update_expression: None, ..update(pk, "", []) };
            it.update_item(nothing).await.expect("accepted");
        }
        assert_eq!(read(&it, "a").await, Some(colour("a", "red")));
        assert_eq!(read(&it, "b").await, Some(key("b")));
    });
}

#[test]
fn an_update_answers_what_was_asked_for() {
    use ReturnValues::{AllNew, AllOld, None as Nothing, UpdatedNew, UpdatedOld};
    let before = || item([("pk", s("a")), ("x", n("1")), ("y", n("2")), ("z", n("3"))]);
    let after = || item([("pk", s("a")), ("x", n("2")), ("w", n("1")), ("z", n("3"))]);
    for (return_values, expected) in [
        (Nothing, None),
        (AllOld, Some(before())),
        (AllNew, Some(after())),
        (UpdatedOld, Some(item([("x", n("1")), ("y", n("2"))]))),
        (UpdatedNew, Some(item([("x", n("2")), ("w", n("1"))]))),
    ] {
        operate(3, async |it| {
            it.open_table("orders", &simple()).await;
            it.fill("orders", [before()]).await;
            let ask = async |expression: &str, pk| {
                let input = update(pk, expression, [(":one", n("1"))]);
                let input = UpdateItemInput { return_values, ..input };
                it.update_item(input).await.expect("accepted").attributes
            };
            let answer = ask("ADD x :one, w :one REMOVE y", "a").await;
            assert_eq!(answer, expected, "{return_values}");
            assert_eq!(read(&it, "a").await, Some(after()));
            // Of an item that was not there, nothing old can be told.
            let created = ask("ADD x :one", "b").await;
            let is_new = matches!(return_values, AllNew | UpdatedNew);
            assert_eq!(created.is_some(), is_new, "{return_values}");
        });
    }
}

#[test]
fn an_update_whose_condition_fails_changes_nothing() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        it.fill("orders", [item([("pk", s("a")), ("seats", n("1"))])]).await;
        let book = || UpdateItemInput {
            condition_expression: Some("#s >= :one".to_owned()),
            expression_attribute_names: [("#s".to_owned(), "seats".to_owned())].into(),
            ..update("a", "SET #s = #s - :one", [(":one", n("1"))])
        };
        it.update_item(book()).await.expect("there is a seat");
        refused(it.update_item(book()).await, ExceptionName::ConditionalCheckFailed);
        let sold_out = item([("pk", s("a")), ("seats", n("0"))]);
        assert_eq!(read(&it, "a").await, Some(sold_out));
    });
}

#[test]
fn updates_at_the_same_time_are_all_counted() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        let it = &it;
        let updates = (0..40).map(async |_| {
            let input = UpdateItemInput {
                return_values: ReturnValues::UpdatedNew,
                ..update("a", "ADD x :one", [(":one", n("1"))])
            };
            it.update_item(input).await.expect("accepted").attributes.expect("asked for")
        });
        let answers = all_of(updates).await;
        // Each met the version of another one, whether that was committed already or not.
        let mut counts: Vec<String> = answers.iter().map(|it| format!("{:?}", it["x"])).collect();
        counts.sort();
        counts.dedup();
        assert_eq!(counts.len(), 40, "{counts:?}");
        let counted = item([("pk", s("a")), ("x", n("40"))]);
        assert_eq!(read(it, "a").await, Some(counted));
    });
}

#[test]
fn of_bookings_at_the_same_time_only_as_many_succeed_as_there_are_seats() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        it.fill("orders", [item([("pk", s("a")), ("seats", n("7"))])]).await;
        let it = &it;
        let bookings = (0..20).map(async |_| {
            it.update_item(UpdateItemInput {
                condition_expression: Some("seats >= :one".to_owned()),
                ..update("a", "SET seats = seats - :one", [(":one", n("1"))])
            })
            .await
        });
        let answers = all_of(bookings).await;
        assert_eq!(answers.iter().filter(|it| it.is_ok()).count(), 7);
        for answer in answers.into_iter().filter(Result::is_err) {
            refused(answer, ExceptionName::ConditionalCheckFailed);
        }
    });
}

#[test]
fn what_no_item_can_be_updated_with_is_refused() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        it.fill("orders", [colour("a", "red")]).await;
        let body = AttributeValue::B(Bytes::from(vec![0; (400 << 10) - 12]));
        for (pk, expression, value) in [
            ("a", "ADD colour :it", n("1")),
            ("a", "SET q = absent + :it", n("1")),
            ("b", "SET q = absent, r = :it", n("1")),
            ("a", "SET q = :it", body),
            ("a", "SET q = :it - :it", s("a")),
            ("a", "SET pk = :it", s("b")),
            ("a", "SET map.q = :it", s("b")),
            ("a", "SET colour = ", s("b")),
            ("a", "", s("b")),
        ] {
            let answer = it.update_item(update(pk, expression, [(":it", value)])).await;
            refused(answer, ExceptionName::Validation);
        }
        let unused = update("a", "REMOVE colour", [(":it", n("1"))]);
        refused(it.update_item(unused).await, ExceptionName::Validation);
        let no_key = UpdateItemInput { key: item([]), ..update("a", "REMOVE colour", []) };
        refused(it.update_item(no_key).await, ExceptionName::Validation);
        assert_eq!(it.scan_all("orders").await.0, [colour("a", "red")]);
    });
}

#[test]
fn a_key_is_told_by_name_when_it_cannot_be_changed() {
    operate(1, async |it| {
        it.open_table("orders", &sorted()).await;
        let input = UpdateItemInput {
            key: item([("pk", s("a")), ("sk", n("1"))]),
            ..update("a", "REMOVE sk", [])
        };
        let why = it.update_item(input).await.expect_err("refused").message;
        assert_eq!(
            why,
            "One or more parameter values were invalid: Cannot update attribute sk. \
             This attribute is part of the key"
        );
    });
}

#[test]
fn other_writes_answer_nothing_new() {
    operate(1, async |it| {
        it.open_table("orders", &simple()).await;
        let return_values = ReturnValues::AllNew;
        let put = PutItemInput::new("orders", colour("a", "red"));
        let put = it.put_item(PutItemInput { return_values, ..put }).await;
        refused(put, ExceptionName::Validation);
        let delete = DeleteItemInput::new("orders", key("a"));
        let delete = it.delete_item(DeleteItemInput { return_values, ..delete }).await;
        refused(delete, ExceptionName::Validation);
    });
}

#[test]
fn a_table_that_is_not_open_takes_no_updates() {
    operate(3, async |it| {
        slow_disks(&it);
        let input = || update("a", "SET x = :one", [(":one", n("1"))]);
        refused(it.update_item(input()).await, ExceptionName::ResourceNotFound);
        it.create_table(CreateTableInput::on_demand("orders", &simple())).await.expect("accepted");
        refused(it.update_item(input()).await, ExceptionName::ResourceNotFound);
        it.await_active("orders").await;
        it.update_item(input()).await.expect("it is open");
    });
}

#[test]
fn a_backup_holds_what_updates_made() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        for round in 0..30 {
            let pk = format!("key-{}", round % 7);
            let input = update(&pk, "ADD x :round", [(":round", n(&round.to_string()))]);
            it.update_item(input).await.expect("accepted");
        }
        let arn = it.back_up("orders", "nightly").await;
        let later = update("key-0", "SET x = :no", [(":no", n("-1"))]);
        let (before, _) = it.scan_all("orders").await;
        it.update_item(later).await.expect("accepted");
        it.restore(&arn, "copy").await;
        let copy = it.scan(scan("copy", None, None)).await.expect("accepted").items;
        assert_eq!(as_set(&copy), as_set(&before));
    });
}

/// A text of an update, and the values that it uses.
fn expression() -> impl Strategy<Value = (&'static str, i64)> {
    let text = prop::sample::select(vec![
        "SET x = :it",
        "SET x = y, y = x",
        "SET x = x - y ADD z :it",
        "SET y = if_not_exists(z, :it) + :it REMOVE x",
        "ADD x :it, y :it",
        "REMOVE y",
        "REMOVE x, z",
    ]);
    (text, -5..6_i64)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..Default::default()
    })]

    /// One client's updates, one after the other, against a map in memory.
    #[test]
    fn a_table_is_what_its_updates_make_of_it(
        updates in prop::collection::vec((0..3_usize, expression()), 1..40),
    ) {
        operate(3, async |it| {
            it.open_table("orders", &simple()).await;
            let mut model: BTreeMap<&str, Item> = BTreeMap::new();
            for (name, (text, value)) in updates {
                let pk = ["a", "b", "c"][name];
                let mut values = item([(":it", n(&value.to_string()))]);
                values.retain(|name, _| text.contains(name.as_str()));
                let parsed = Update::parse(text, &BTreeMap::new(), &values).expect("well formed");
                let input = UpdateItemInput {
                    expression_attribute_values: values,
                    ..update(pk, text, [])
                };
                let answer = it.update_item(input).await;
                match parsed.apply(model.get(pk), &key(pk)) {
                    Ok(Some(new)) => {
                        answer.expect("accepted");
                        model.insert(pk, new);
                    }
                    Ok(None) => drop(answer.expect("accepted")),
                    Err(why) => assert_eq!(answer.expect_err("refused").message, why.message),
                }
            }
            let (found, _) = it.scan_all("orders").await;
            let expected: Vec<Item> = model.into_values().collect();
            assert_eq!(as_set(&found), as_set(&expected));
        });
    }
}
