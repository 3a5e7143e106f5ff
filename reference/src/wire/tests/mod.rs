//! Bodies, byte by byte.

mod refusals;

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
