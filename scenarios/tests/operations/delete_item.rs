//! DeleteItem.

use super::common::{colour, delete_if, get, key, refused, simple, sorted};
use stillpoint_reference::api::{DeleteItemInput, ExceptionName, ReturnValues};
use stillpoint_scenarios::stage::operate;

#[test]
fn a_deleted_item_is_gone_and_can_be_put_again() {
    for nodes in [1, 3] {
        operate(nodes, async |it| {
            it.open_table("orders", &simple()).await;
            it.fill("orders", [colour("a", "red"), colour("b", "red")]).await;
            it.delete_item(DeleteItemInput::new("orders", key("a"))).await.expect("accepted");
            assert_eq!(it.scan_all("orders").await.0, [colour("b", "red")], "{nodes} nodes");
            it.fill("orders", [colour("a", "green")]).await;
            let read = it.get_item(get("orders", key("a"))).await.expect("accepted");
            assert_eq!(read.item, Some(colour("a", "green")), "{nodes} nodes");
        });
    }
}

#[test]
fn deleting_what_is_not_there_succeeds_and_answers_nothing() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        it.fill("orders", [colour("a", "red")]).await;
        let input = || DeleteItemInput {
            return_values: ReturnValues::AllOld,
            ..DeleteItemInput::new("orders", key("a"))
        };
        let old = async || it.delete_item(input()).await.expect("accepted").attributes;
        assert_eq!(old().await, Some(colour("a", "red")));
        assert_eq!(old().await, None);
    });
}

#[test]
fn a_delete_whose_condition_fails_deletes_nothing() {
    operate(3, async |it| {
        it.open_table("orders", &simple()).await;
        let answer = it.delete_item(delete_if("orders", key("a"), "attribute_exists(pk)")).await;
        refused(answer, ExceptionName::ConditionalCheckFailed);
        it.fill("orders", [colour("a", "red")]).await;
        let answer = it.delete_item(delete_if("orders", key("a"), "attribute_exists(size)")).await;
        refused(answer, ExceptionName::ConditionalCheckFailed);
        assert_eq!(it.scan_all("orders").await.0, [colour("a", "red")]);
        it.delete_item(delete_if("orders", key("a"), "attribute_exists(colour)"))
            .await
            .expect("it has a colour");
    });
}

#[test]
fn a_key_that_does_not_fit_the_table_is_refused() {
    operate(1, async |it| {
        let input = || DeleteItemInput::new("orders", key("a"));
        refused(it.delete_item(input()).await, ExceptionName::ResourceNotFound);
        it.open_table("orders", &sorted()).await;
        refused(it.delete_item(input()).await, ExceptionName::Validation);
    });
}
