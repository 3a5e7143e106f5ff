//! What a client may send to do harm, through the public API of the codec: each is answered with
//! a 4xx, within a small stack and without growing beyond what was sent.

use std::collections::BTreeMap;

use stillpoint_reference::api::{Operation, Request};
use stillpoint_reference::expression::{NESTING_MAX, TEXT_BYTES_MAX};
use stillpoint_reference::wire::{Refused, decode, target};

/// A quarter of what threads get; unbounded recursion would need a thousand times as much.
const STACK_BYTES: usize = 512 * 1024;

/// Runs something on a small stack: what recurses as deep as a client likes overflows it.
fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
    builder.spawn(run).expect("a thread can be started").join().expect("it ends in peace");
}

fn refused(operation: Operation, body: &[u8]) -> Refused {
    let refused = decode(&target(operation), body).expect_err("it is refused");
    assert_eq!(refused.http_status, 400);
    refused
}

/// Why a request that can be read is refused, by its checks or by the parsers.
fn invalid(operation: Operation, body: &str) -> String {
    let request = decode(&target(operation), body.as_bytes()).expect("it can be read");
    if let Err(error) = request.validate() {
        return error.message;
    }
    let parsed = match &request {
        Request::PutItem(input) => input.condition().map(drop),
        Request::UpdateItem(input) => input.parse().map(drop),
        Request::Query(input) => input.parse().map(drop),
        other => panic!("{other:?} has no expression"),
    };
    parsed.expect_err("the expression is refused").message
}

#[test]
fn json_may_nest_a_million_deep() {
    on_a_small_stack(|| {
        for levels in [130, 20_000, 1_000_000] {
            for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
                let nest = open.repeat(levels);
                for body in [
                    format!("{nest}1{}", close.repeat(levels)),
                    format!("{{\"unknown\":{nest}1{}}}", close.repeat(levels)),
                    format!("{{\"Item\":{{\"a\":{nest}"),
                    format!("{{\"Expected\":{nest}"),
                ] {
                    let type_name = refused(Operation::PutItem, body.as_bytes()).type_name;
                    assert!(type_name.ends_with("#SerializationException"), "{type_name}");
                }
            }
        }
    });
}

#[test]
fn attribute_values_nest_to_their_limit_and_no_deeper() {
    let body = |levels: usize, open: &str, close: &str| {
        let (open, close) = (open.repeat(levels), close.repeat(levels));
        format!(r#"{{"TableName":"abc","Item":{{"a":{open}{{"S":"x"}}{close}}}}}"#)
    };
    on_a_small_stack(move || {
        for (open, close) in [("{\"L\":[", "]}"), ("{\"M\":{\"a\":", "}}")] {
            let request = decode(&target(Operation::PutItem), body(32, open, close).as_bytes());
            request.expect("the limit").validate().expect("the limit");
            for levels in [33, 20_000] {
                let refused = refused(Operation::PutItem, body(levels, open, close).as_bytes());
                assert!(refused.message.starts_with("Nesting Levels have exceeded"), "{refused:?}");
            }
        }
    });
}

#[test]
fn expressions_may_hold_thousands_of_brackets() {
    on_a_small_stack(|| {
        let put = |text: &str| {
            let body =
                format!(r#"{{"TableName":"abc","Item":{{}},"ConditionExpression":"{text}"}}"#);
            invalid(Operation::PutItem, &body)
        };
        let update = |text: &str| {
            let body = format!(r#"{{"TableName":"abc","Key":{{}},"UpdateExpression":"{text}"}}"#);
            invalid(Operation::UpdateItem, &body)
        };
        let deep = format!("nested too deeply; maximum: {NESTING_MAX}");
        let long = "Expression size has exceeded the maximum allowed size";
        for bracket in ["(", "NOT ", "size(", "NOT (", "a = size("] {
            let fits = bracket.repeat(TEXT_BYTES_MAX / bracket.len());
            let why = put(&fits);
            assert!(why.contains(&deep) || why.contains("Syntax error"), "{why}");
            assert!(put(&bracket.repeat(5_000)).contains(long));
        }
        let sums = |count: usize| format!("SET a = {}b{}", "(".repeat(count), ")".repeat(count));
        assert!(update(&sums(2_000)).contains(&deep));
        assert!(update(&sums(20_000)).contains(long));
        assert!(put(&"((((a = b))))".repeat(300)).contains("Syntax error"));
        assert!(put(&vec!["a=b"; 500].join(" OR ")).contains("too many operators"));
    });
}

#[test]
fn a_long_value_that_is_named_often_is_not_copied_often() {
    let value = "x".repeat(900_000);
    let uses = vec![":v"; 1_300].join(",");
    for (operation, member, text) in [
        (Operation::PutItem, "Item", format!(r#""ConditionExpression":"a IN ({uses})""#)),
        (Operation::UpdateItem, "Key", format!(r#""UpdateExpression":"SET a = f({uses})""#)),
    ] {
        let body = format!(
            r#"{{"TableName":"abc","{member}":{{}},{text},
            "ExpressionAttributeValues":{{":v":{{"S":"{value}"}}}}}}"#
        );
        assert!(invalid(operation, &body).contains("names and values in the expressions are too"));
    }
}

#[test]
fn numbers_may_have_a_million_digits() {
    let digits = "9".repeat(1_000_000);
    let number = |text: &str| {
        let body = format!(r#"{{"TableName":"abc","Key":{{"a":{{"N":"{text}"}}}}}}"#);
        refused(Operation::GetItem, body.as_bytes()).message
    };
    assert!(number(&digits).contains("more than 38 significant digits"));
    assert!(number(&format!("0.{digits}")).contains("more than 38 significant digits"));
    assert!(number(&format!("1e{digits}")).contains("Number overflow"));
    assert!(number(&format!("1e-{digits}")).contains("Number underflow"));
    assert!(number(&format!("1{}", "0".repeat(1_000_000))).contains("Number overflow"));
    // Digits that no limit can mean: as good as the greatest, or no number that we know.
    for body in [format!(r#"{{"Limit":{digits}}}"#), format!(r#"{{"Limit":1e{digits}}}"#)] {
        refused(Operation::ListTables, body.as_bytes());
    }
}

#[test]
fn what_is_no_text_is_refused() {
    for body in [
        &b""[..],
        b"\0",
        b"\xef\xbb\xbf{}",
        b"{\"TableName\":\"\xff\xfe\"}",
        b"{\"TableName\":\"\xed\xa0\x80\"}",
        b"{\"TableName\":\"\\ud800\"}",
        b"{\"TableName\":\"\\udc00\\ud800\"}",
        b"{\"TableName\":\"a\0b\"}",
        b"{\"TableName\":\"abc\"}\0",
        b"{\"TableName\":\"abc\",\"\xc3\":1}",
        b"{'TableName':'abc'}",
        b"{\"TableName\":\"abc\",}",
        b"{\"TableName\":NaN}",
        b"{\"TableName\":\"abc\"",
    ] {
        let type_name = refused(Operation::DescribeTable, body).type_name;
        assert_eq!(type_name, "com.amazon.coral.service#SerializationException", "{body:?}");
    }
}

#[test]
fn a_nul_in_a_string_is_a_character_like_others() {
    let body = br#"{"TableName":"abc","Key":{"a":{"S":"\u0000"}}}"#;
    let Ok(Request::GetItem(input)) = decode(&target(Operation::GetItem), body) else {
        panic!("it is a request");
    };
    assert_eq!(input.key, BTreeMap::from([("a".to_owned(), "\0".into())]));
}

#[test]
fn half_a_request_is_refused_wherever_it_ends() {
    let whole =
        br#"{"TableName":"abc","Item":{"a":{"L":[{"N":"1"},{"B":"AA=="}]}},"x":[1,{"y":0}]}"#;
    decode(&target(Operation::PutItem), whole).expect("the whole of it is a request");
    for end in 0..whole.len() {
        refused(Operation::PutItem, &whole[..end]);
    }
}
