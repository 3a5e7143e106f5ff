//! Bodies, byte by byte.

mod contract;
mod laws;
mod refusals;
mod strategies;

use super::*;
use crate::api::{CreateTableInput, GetItemOutput, PutItemInput};
use crate::item::{AttributeValue, Item, KeySchema, ScalarAttributeType};

#[test]
fn a_put_is_read_and_written() {
    let body =
        br#" {"TableName":"orders","Item":{"id":{"S":"a\u0000\"\ud83d\ude00"},"n":{"N":"1.50"}}} "#;
    let item = Item::from([
        ("id".to_owned(), AttributeValue::from("a\0\"😀")),
        ("n".to_owned(), AttributeValue::N("1.5".parse().unwrap())),
    ]);
    let request = decode("DynamoDB_20120810.PutItem", body).unwrap();
    assert_eq!(request, Request::PutItem(PutItemInput::new("orders", item.clone())));
    let response = Response::GetItem(GetItemOutput { item: Some(item) });
    let written = encode_response(&response);
    let wanted = r#"{"Item":{"id":{"S":"a\u0000\"😀"},"n":{"N":"1.5"}}}"#;
    assert_eq!(String::from_utf8(written.clone()).unwrap(), wanted);
    assert_eq!(decode_response(Operation::GetItem, &written), Ok(response));
}

#[test]
fn a_create_table_is_read_and_written() {
    let schema = KeySchema::simple("id", ScalarAttributeType::N);
    let request = Request::CreateTable(CreateTableInput::on_demand("orders", &schema));
    let body = encode_request(&request);
    assert_eq!(decode("DynamoDB_20120810.CreateTable", &body), Ok(request));
}

#[test]
fn times_are_the_nearest_milliseconds() {
    let lower_bound = |text: &str| {
        let body = format!(r#"{{"TimeRangeLowerBound":{text}}}"#);
        match decode(&target(Operation::ListBackups), body.as_bytes()) {
            Ok(Request::ListBackups(input)) => input.time_range_lower_bound_ms,
            other => panic!("{text} is a time: {other:?}"),
        }
    };
    for (text, milliseconds) in [
        ("1489602797.149", 1_489_602_797_149),
        ("1489602797.1489999", 1_489_602_797_149),
        ("1.489602797149E9", 1_489_602_797_149),
        ("0.0005", 1),
        ("0.00049", 0),
        ("1e-100", 0),
        ("-5", 0),
        ("1e100", u64::MAX),
        ("0", 0),
    ] {
        assert_eq!(lower_bound(text), Some(milliseconds), "{text}");
    }
}

#[test]
fn whole_numbers_are_cut_off_and_bounded() {
    let limit = |text: &str| {
        let body = format!(r#"{{"Limit":{text}}}"#);
        match decode(&target(Operation::ListTables), body.as_bytes()) {
            Ok(Request::ListTables(input)) => input.limit,
            other => panic!("{text} is a number: {other:?}"),
        }
    };
    for (text, whole) in [
        ("7", 7),
        ("7.9", 7),
        ("-7.9", -7),
        ("1e1", 10),
        ("15e-1", 1),
        ("99999999999", i32::MAX),
        ("-1e125", i32::MIN),
        ("1e-130", 0),
    ] {
        assert_eq!(limit(text), Some(whole), "{text}");
    }
}

fn assert_snapshot(name: &str, description: &str, text: &str) {
    insta::with_settings!({
        snapshot_path => concat!(env!("CARGO_MANIFEST_DIR"), "/../snapshots"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
        description => description,
    }, {
        insta::assert_snapshot!(name, text);
    });
}
