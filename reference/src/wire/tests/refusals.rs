//! Requests that are refused before the service sees them.

use super::*;

fn refused(operation: &str, body: &str) -> String {
    let target = format!("{TARGET_PREFIX}.{operation}");
    let refused = decode(&target, body.as_bytes()).expect_err("it is refused");
    assert_eq!(refused.http_status, 400);
    String::from_utf8(refused.body()).unwrap()
}

#[test]
fn what_is_wrong_with_a_request_is_told_at_once() {
    assert_eq!(
        refused("PutItem", r#"{"ReturnValues":"hi"}"#),
        "{\"__type\":\"com.amazon.coral.validate#ValidationException\",\"message\":\"\
         3 validation errors detected: \
         Value 'hi' at 'returnValues' failed to satisfy constraint: Member must satisfy enum \
         value set: [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]; \
         Value null at 'tableName' failed to satisfy constraint: Member must not be null; \
         Value null at 'item' failed to satisfy constraint: Member must not be null\"}"
    );
}
