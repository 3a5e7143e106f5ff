//! Laws of the codec: what is written reads back, and nothing that is sent makes it fall.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::strategies::{distinct_texts, request, response};
use super::*;
use crate::item::AttributeType;

/// How bytes on their way are damaged.
#[derive(Clone, Debug)]
enum Damage {
    Replace(Index, u8),
    Insert(Index, String),
    Cut(Index),
    Repeat(Index, Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let token = "[\\[\\]{}:,\"\\\\]|null|true|-0|1e9|\"N\":|\"L\":\\[|\u{e9}";
    prop_oneof![
        any::<(Index, u8)>().prop_map(|(at, byte)| Damage::Replace(at, byte)),
        (any::<Index>(), token).prop_map(|(at, token)| Damage::Insert(at, token)),
        any::<Index>().prop_map(Damage::Cut),
        any::<(Index, Index)>().prop_map(|(from, until)| Damage::Repeat(from, until)),
    ]
}

fn damaged(mut body: Vec<u8>, all: &[Damage]) -> Vec<u8> {
    for damage in all {
        let len = body.len();
        match damage {
            Damage::Replace(at, byte) if len > 0 => body[at.index(len)] = *byte,
            Damage::Insert(at, token) => {
                let at = at.index(len + 1);
                body.splice(at..at, token.bytes());
            }
            Damage::Cut(at) => body.truncate(at.index(len + 1)),
            Damage::Repeat(from, until) => {
                let (from, until) = (from.index(len + 1), until.index(len + 1));
                let piece = body[from.min(until)..from.max(until)].to_vec();
                body.splice(from..from, piece);
            }
            Damage::Replace(..) => (),
        }
    }
    body
}

/// A body is refused with a 4xx, or is a request whose checks end in an answer.
fn is_answered(operation: Operation, body: &[u8]) {
    match decode(&target(operation), body) {
        Ok(request) => drop(request.validate()),
        Err(refused) => {
            assert!((400..500).contains(&refused.http_status));
            let text = String::from_utf8(refused.body()).expect("a refusal is text");
            let told: serde_json::Value = serde_json::from_str(&text).expect("and JSON");
            assert_eq!(told["__type"], refused.type_name);
        }
    }
}

proptest! {
    #[test]
    fn a_request_survives_the_wire(request in request()) {
        let body = encode_request(&request);
        serde_json::from_slice::<serde_json::Value>(&body).expect("JSON");
        prop_assert_eq!(decode(&target(request.operation()), &body), Ok(request));
    }

    #[test]
    fn a_response_survives_the_wire(response in response()) {
        let body = encode_response(&response);
        serde_json::from_slice::<serde_json::Value>(&body).expect("JSON");
        prop_assert_eq!(decode_response(response.operation(), &body), Ok(response));
    }

    #[test]
    fn a_damaged_request_is_answered(request in request(), damage in vec(damage(), 1..4)) {
        let operation = request.operation();
        is_answered(operation, &damaged(encode_request(&request), &damage));
    }

    #[test]
    fn arbitrary_bytes_are_answered(
        operation in any::<Index>(),
        body in vec(any::<u8>(), 0..40),
    ) {
        is_answered(*operation.get(Operation::ALL), &body);
    }

    #[test]
    fn a_set_with_an_element_twice_is_refused(texts in distinct_texts(), which in any::<Index>()) {
        let mut texts: Vec<String> = texts.into_iter().collect();
        texts.push(texts[which.index(texts.len())].clone());
        let listed = serde_json::to_string(&texts).expect("JSON");
        let body = format!(r#"{{"TableName":"orders","Key":{{"a":{{"SS":{listed}}}}}}}"#);
        let refused = decode(&target(Operation::GetItem), body.as_bytes()).expect_err("twice");
        let wanted = refused::duplicates(AttributeType::SS, &texts).message;
        prop_assert_eq!(refused.message, wanted);
    }

    /// What nobody wants is skipped exactly if it is JSON.
    #[test]
    fn unknown_members_are_judged_as_serde_json_does(
        start in vec(json_token(), 0..12),
        request in request(),
        damage in vec(damage(), 0..3),
    ) {
        judged_alike(start.concat().as_bytes());
        judged_alike(&damaged(encode_request(&request), &damage));
    }
}

fn json_token() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(&[
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"a\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\ude00\"",
        "1",
        "-0",
        "01",
        "1.",
        "1e5",
        ".5",
        "-",
        "2E+1",
        "true",
        "nul",
        "null",
        "false",
        " ",
        "\n",
        "\"",
        "\\",
        "\u{1}",
        "\"\\n\\u00e9\"",
        "\"\\x\"",
        "[]",
        "{}",
        "[1,",
        "{\"a\":",
    ])
}

fn judged_alike(body: &[u8]) {
    let Ok(text) = std::str::from_utf8(body) else { return };
    let ours = {
        let mut reader = reader::Reader::new(text);
        reader.skip().and_then(|()| reader.end()).is_ok()
    };
    let theirs = serde_json::from_str::<serde_json::Value>(text);
    // Numbers beyond a double are no error here, where nobody asks what they are.
    let too_large = |error: &serde_json::Error| error.to_string().contains("out of range");
    if !theirs.as_ref().is_err_and(too_large) {
        assert_eq!(ours, theirs.is_ok(), "{text}");
    }
}
