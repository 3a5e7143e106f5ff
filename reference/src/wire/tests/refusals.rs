//! Requests that are refused before the service sees them, as a snapshot for reviewers, and how
//! the errors of the service look.

use std::fmt::Write as _;

use super::*;
use crate::api::wire_error::ExceptionName;

/// What is sent, with the operation. Every text that this module knows is among the answers.
const REFUSED: &[(&str, &[&str])] = &[
    ("Frobnicate", &["{}"]),
    ("TransactWriteItems", &["{}"]),
    (
        "DescribeTable",
        &[
            "",
            "{",
            "[]",
            "\"TableName\"",
            r#"{"TableName":"abc"} x"#,
            r#"{"TableName":"\ud800"}"#,
            r#"{"TableName":"abc","TableName":"def"}"#,
            "{}",
            r#"{"TableName":null}"#,
            r#"{"TableName":23}"#,
            r#"{"TableName":2.5}"#,
            r#"{"TableName":true}"#,
            r#"{"TableName":false}"#,
            r#"{"TableName":[]}"#,
            r#"{"TableName":{}}"#,
        ],
    ),
    (
        "ListTables",
        &[r#"{"Limit":"1"}"#, r#"{"Limit":true}"#, r#"{"Limit":[]}"#, r#"{"Limit":{}}"#],
    ),
    (
        "CreateTable",
        &[
            r#"{"AttributeDefinitions":"a"}"#,
            r#"{"AttributeDefinitions":{}}"#,
            r#"{"KeySchema":["a"]}"#,
            r#"{"KeySchema":[[]]}"#,
            r#"{"ProvisionedThroughput":"a"}"#,
            r#"{"ProvisionedThroughput":[]}"#,
            r#"{"ProvisionedThroughput":{"ReadCapacityUnits":"1"}}"#,
            r#"{"KeySchema":[{"KeyType":"HASH"},{"AttributeName":"b","KeyType":"SORT"}],
            "BillingMode":"FREE","ProvisionedThroughput":{}}"#,
            r#"{"TableName":"abc","KeySchema":[],"AttributeDefinitions":[],
            "DeletionProtectionEnabled":true}"#,
            r#"{"TableName":"abc","KeySchema":[],"AttributeDefinitions":[],
            "GlobalSecondaryIndexes":[{}]}"#,
            r#"{"TableName":"abc","KeySchema":[],"AttributeDefinitions":[],
            "StreamSpecification":{"StreamEnabled":true}}"#,
            r#"{"TableName":"abc","KeySchema":[],"AttributeDefinitions":[],"TableClass":"GOLD"}"#,
        ],
    ),
    (
        "GetItem",
        &[
            r#"{"TableName":"abc","Key":23}"#,
            r#"{"TableName":"abc","Key":[]}"#,
            r#"{"TableName":"abc","Key":{"a":"b"}}"#,
            r#"{"TableName":"abc","Key":{"a":[]}}"#,
            r#"{"TableName":"abc","Key":{"a":null}}"#,
            r#"{"TableName":"abc","Key":{"a":{}}}"#,
            r#"{"TableName":"abc","Key":{"a":{"S":"b","N":"1"}}}"#,
            r#"{"TableName":"abc","Key":{"a":{"S":"b"},"a":{"S":"c"}}}"#,
            r#"{"TableName":"abc","Key":{"a":{"N":1}}}"#,
            r#"{"TableName":"abc","Key":{"a":{"N":""}}}"#,
            r#"{"TableName":"abc","Key":{"a":{"N":"one"}}}"#,
            r#"{"TableName":"abc","Key":{"a":{"N":"1e999999999999"}}}"#,
            r#"{"TableName":"abc","Key":{"a":{"N":"1e-131"}}}"#,
            r#"{"TableName":"abc","Key":{"a":{"N":"123456789012345678901234567890123456789"}}}"#,
            r#"{"TableName":"abc","Key":{"a":{"BOOL":"true"}}}"#,
            r#"{"TableName":"abc","Key":{"a":{"BOOL":1}}}"#,
            r#"{"TableName":"abc","Key":{"a":{"BOOL":[]}}}"#,
            r#"{"TableName":"abc","Key":{"a":{"NULL":false}}}"#,
            r#"{"TableName":"abc","Key":{"a":{"B":1}}}"#,
            r#"{"TableName":"abc","Key":{"a":{"B":[]}}}"#,
            r#"{"TableName":"abc","Key":{"a":{"B":"23456"}}}"#,
            r#"{"TableName":"abc","Key":{"a":{"B":"=+/="}}}"#,
            r#"{"TableName":"abc","Key":{"a":{"B":"+/+="}}}"#,
            r#"{"TableName":"abc","Key":{"a":{"B":"ab%d"}}}"#,
            r#"{"TableName":"abc","Key":{"a":{"SS":"b"}}}"#,
            r#"{"TableName":"abc","Key":{"a":{"SS":["b","c","b"]}}}"#,
            r#"{"TableName":"abc","Key":{"a":{"NS":["1","1.0"]}}}"#,
            r#"{"TableName":"abc","Key":{"a":{"BS":["Yg==","Yg=="]}}}"#,
            r#"{"TableName":"abc","Key":{},"ConsistentRead":"yes"}"#,
            r#"{"TableName":"abc","Key":{},"ProjectionExpression":"a"}"#,
            r#"{"TableName":"abc","Key":{},"ReturnConsumedCapacity":"SOME"}"#,
        ],
    ),
    (
        "PutItem",
        &[
            r#"{"ReturnValues":"hi"}"#,
            r#"{"Item":{"a":{"N":"x"}},"Expected":{}}"#,
            r#"{"TableName":"abc","Item":{"a":{"N":"x"}},"Expected":{}}"#,
            r#"{"TableName":"abc","Item":{},"ReturnValuesOnConditionCheckFailure":"ALL_OLD"}"#,
        ],
    ),
    (
        "Query",
        &[
            r#"{"TableName":"abc"}"#,
            r#"{"TableName":"abc","KeyConditionExpression":"a","Select":"SPECIFIC_ATTRIBUTES"}"#,
        ],
    ),
    ("Scan", &[r#"{"TableName":"abc","TotalSegments":2,"Segment":0}"#]),
    ("ListBackups", &[r#"{"TimeRangeLowerBound":"2017-03-15"}"#]),
];

#[test]
fn refusals_have_amazons_texts() {
    let mut table = String::new();
    for (operation, bodies) in REFUSED {
        writeln!(table, "{operation}").expect("a String takes all text");
        for body in *bodies {
            let target = format!("{TARGET_PREFIX}.{operation}");
            let refused = decode(&target, body.as_bytes()).expect_err("it is refused");
            let answer = String::from_utf8(refused.body()).expect("a refusal is text");
            let body = body.replace("\n            ", "");
            writeln!(table, "  {body}\n    {} {answer}", refused.http_status).expect("too");
        }
    }
    assert_snapshot("wire_refusals", "Requests that are refused, and how", &table);
}

#[test]
fn errors_of_the_service_name_their_exception() {
    let mut table = String::new();
    for exception in ExceptionName::ALL {
        let http_status = exception.http_status();
        let message = "Why \"it\" failed".to_owned();
        let error = WireError { exception: *exception, http_status, message, retryable: false };
        let body = String::from_utf8(encode_error(&error)).expect("an error is text");
        writeln!(table, "{http_status} {body}").expect("a String takes all text");
    }
    assert_snapshot("wire_error_bodies", "The body of every exception", &table);
}

#[test]
fn another_services_target_is_unknown() {
    for target in ["", "PutItem", "DynamoDB_20111205.PutItem", "DynamoDB_20120810.putItem"] {
        let refused = decode(target, b"{}").expect_err("unknown");
        assert_eq!(refused, Refused::unknown_operation(), "{target}");
    }
}
