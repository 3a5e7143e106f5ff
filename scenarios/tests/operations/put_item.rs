//! PutItem.

use super::common::{colour, get, item, key, n, put_if, refused, s, simple, slow_disks, sorted};
use bytes::Bytes;
use stillpoint_reference::api::{
    CreateTableInput, ExceptionName, PutItemInput, RestoreTableFromBackupInput, ReturnValues,
};
use stillpoint_reference::item::{AttributeValue, Item};
use stillpoint_scenarios::stage::operate;

#[test]
fn a_put_replaces_the_whole_item() {
    for nodes in [1, 3] {
        operate(nodes, async |it| {
            it.open_table("orders", &simple()).await;
            it.fill("orders", [item([("pk", s("a")), ("x", n("1")), ("y", n("2"))])]).await;
            it.fill("orders", [colour("a", "red")]).await;
            let read = it.get_item(get("orders", key("a"))).await.expect("accepted");
            assert_eq!(read.item, Some(colour("a", "red")), "{nodes} nodes");
        });
    }
}

#[test]
fn a_put_answers_the_item_before_only_if_asked() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        let put = |colour_now, return_values| PutItemInput {
            return_values,
            ..PutItemInput::new("orders", colour("a", colour_now))
        };
        let old = async |input| it.put_item(input).await.expect("accepted").attributes;
        assert_eq!(old(put("red", ReturnValues::AllOld)).await, None);
        assert_eq!(old(put("green", ReturnValues::None)).await, None);
        assert_eq!(old(put("blue", ReturnValues::AllOld)).await, Some(colour("a", "green")));
    });
}

#[test]
fn a_put_whose_condition_fails_changes_nothing() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        let absent = "attribute_not_exists(pk)";
        it.put_item(put_if("orders", colour("a", "red"), absent)).await.expect("it is absent");
        let answer = it.put_item(put_if("orders", colour("a", "green"), absent)).await;
        refused(answer, ExceptionName::ConditionalCheckFailed);
        let read = it.get_item(get("orders", key("a"))).await.expect("accepted");
        assert_eq!(read.item, Some(colour("a", "red")));
    });
}

#[test]
fn conditions_compare_with_names_and_values() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        it.fill("orders", [colour("a", "red")]).await;
        let put_over = |expected: &str| PutItemInput {
            condition_expression: Some("#c = :c".to_owned()),
            expression_attribute_names: [("#c".to_owned(), "colour".to_owned())].into(),
            expression_attribute_values: [(":c".to_owned(), s(expected))].into(),
            ..PutItemInput::new("orders", colour("a", "blue"))
        };
        refused(it.put_item(put_over("green")).await, ExceptionName::ConditionalCheckFailed);
        it.put_item(put_over("red")).await.expect("it is red");
    });
}

#[test]
fn a_table_that_is_not_open_takes_no_items() {
    operate(3, async |it| {
        slow_disks(&it);
        let put = || PutItemInput::new("orders", colour("a", "red"));
        refused(it.put_item(put()).await, ExceptionName::ResourceNotFound);
        it.create_table(CreateTableInput::on_demand("orders", &simple())).await.expect("accepted");
        refused(it.put_item(put()).await, ExceptionName::ResourceNotFound);
        it.await_active("orders").await;
        it.put_item(put()).await.expect("it is open");
        let arn = it.back_up("orders", "nightly").await;
        let input = RestoreTableFromBackupInput::new("copy", &arn);
        it.restore_table(input).await.expect("accepted");
        let put = PutItemInput::new("copy", colour("a", "red"));
        refused(it.put_item(put).await, ExceptionName::ResourceNotFound);
    });
}

#[test]
fn what_is_no_item_of_the_table_is_refused() {
    operate(1, async |it| {
        it.open_table("orders", &sorted()).await;
        let with = |name: &str, value| {
            let mut good = item([("pk", s("a")), ("sk", n("1"))]);
            good.insert(name.to_owned(), value);
            good
        };
        let nested = |levels| (0..levels).fold(s(""), |it, _| AttributeValue::L(vec![it]));
        let wrong: [Item; 9] = [
            item([("pk", s("a"))]),
            with("sk", s("1")),
            with("pk", s("")),
            with("pk", s(&"k".repeat(2_049))),
            with("body", AttributeValue::B(Bytes::from(vec![0; 400 << 10]))),
            with("deep", nested(33)),
            with("none", AttributeValue::SS([].into())),
            with("none", AttributeValue::NS([].into())),
            with("", s("nameless")),
        ];
        for item in wrong {
            let put = it.put_item(PutItemInput::new("orders", item)).await;
            refused(put, ExceptionName::Validation);
        }
        assert_eq!(it.scan_all("orders").await.0, []);
    });
}

#[test]
fn what_is_no_condition_is_refused() {
    operate(1, async |it| {
        it.open_table("orders", &simple()).await;
        for condition in ["", "colour =", "colour = :unknown", "size(colour"] {
            let put = it.put_item(put_if("orders", colour("a", "red"), condition)).await;
            refused(put, ExceptionName::Validation);
        }
        assert_eq!(it.scan_all("orders").await.0, []);
    });
}
