//! Conditions on keys: which keys they leave, against a model that asks each; and refusals.

use super::*;
use crate::item::{KeySchema, ScalarAttributeType};

fn values() -> BTreeMap<String, AttributeValue> {
    [
        (":p", "p".into()),
        (":a", "a".into()),
        (":ab", "ab".into()),
        (":n", 1.into()),
        (":e", "".into()),
    ]
    .map(|(name, value): (&str, AttributeValue)| (name.to_owned(), value))
    .into()
}

fn parse_with(
    text: &str,
    values: &BTreeMap<String, AttributeValue>,
) -> Result<KeyCondition, String> {
    let mut values = values.clone();
    let words: BTreeSet<&str> =
        text.split(|c: char| !(c.is_ascii_alphanumeric() || c == ':')).collect();
    values.retain(|name, _| words.contains(name.as_str()));
    let names = BTreeMap::new();
    let mut expressions = Expressions::new(&names, &values).expect("placeholders");
    expressions.key_condition(text).map_err(|why| why.to_string())
}

fn schema(sort: ScalarAttributeType) -> KeySchema {
    KeySchema::simple("pk", ScalarAttributeType::S).with_sort("sk", sort)
}

#[test]
fn what_no_condition_on_a_key_may_hold_is_refused() {
    let operator = "Invalid operator used in KeyConditionExpression: ";
    let operands = "Invalid condition in KeyConditionExpression: ";
    let several = format!("{operands}Multiple attribute names used in one condition");
    for (text, expected) in [
        ("pk = :p OR sk = :a", format!("{operator}OR")),
        ("NOT pk = :p", format!("{operator}NOT")),
        ("pk <> :p", format!("{operator}<>")),
        ("pk = :p AND sk IN (:a)", format!("{operator}IN")),
        ("attribute_exists(pk)", format!("{operator}attribute_exists")),
        ("pk = :p AND contains(sk, :a)", format!("{operator}contains")),
        ("pk = sk", several.clone()),
        ("begins_with(pk, sk)", several),
        (":p = :a", format!("{operands}No key attribute specified")),
        (
            ":p BETWEEN sk AND :a",
            format!("{operands}BETWEEN operator must have the key attribute as its first operand"),
        ),
        ("size(pk) = :n", "KeyConditionExpressions cannot contain nested operations".to_owned()),
        (
            "pk.x = :p",
            "KeyConditionExpressions cannot have conditions on nested attributes".to_owned(),
        ),
        (
            "sk > :a AND sk < :p AND pk = :p",
            "KeyConditionExpressions must only contain one condition per key".to_owned(),
        ),
        (
            "pk = ",
            "Invalid KeyConditionExpression: Syntax error; token: \"<EOF>\", near: \"=\""
                .to_owned(),
        ),
    ] {
        assert_eq!(parse_with(text, &values()), Err(expected), "{text}");
    }
}

#[test]
fn what_the_schema_cannot_answer_is_refused() {
    let type_differs = "One or more parameter values were invalid: \
                        Condition parameter type does not match schema type";
    let sorted = schema(ScalarAttributeType::S);
    for (text, expected) in [
        ("sk = :a", "Query condition missed key schema element: pk"),
        ("pk > :p", "Query key condition not supported"),
        ("begins_with(pk, :p)", "Query key condition not supported"),
        ("pk = :p AND other = :a", "Query condition missed key schema element: sk"),
        ("pk = :p AND sk = :a AND other = :a", "Query key condition not supported"),
        ("pk = :n", type_differs),
        ("pk = :p AND sk < :n", type_differs),
        (
            "pk = :e",
            "One or more parameter values are not valid. The AttributeValue for a key attribute \
             cannot contain an empty string value. Key: pk",
        ),
    ] {
        let condition = parse_with(text, &values()).expect(text);
        assert_eq!(condition.range(&sorted).expect_err(text).message, expected, "{text}");
    }
    let simple = KeySchema::simple("pk", ScalarAttributeType::S);
    let condition = parse_with("pk = :p AND sk = :a", &values()).expect("a condition");
    let why = condition.range(&simple).expect_err("there is no sort key");
    assert_eq!(why.message, "Query key condition not supported");
    let condition = parse_with("(:p = pk)", &values()).expect("a condition");
    assert!(condition.range(&simple).is_ok());
}

/// Whether the condition on the sort key holds, as an ordinary condition on the item.
fn model(text: &str, values: &BTreeMap<String, AttributeValue>, item: &Item) -> bool {
    Condition::parse(text, &BTreeMap::new(), values).expect("well formed").holds(Some(item))
}

/// Asserts that the range of a condition holds a key if and only if the condition holds of it.
fn compare(
    sort: ScalarAttributeType,
    text: &str,
    bounds: [&AttributeValue; 2],
    found: &AttributeValue,
) -> Result<(), TestCaseError> {
    let schema = schema(sort);
    let mut values = BTreeMap::from([(":x".to_owned(), bounds[0].clone())]);
    if text.contains(":y") {
        values.insert(":y".to_owned(), bounds[1].clone());
    }
    let item = Item::from([("pk".to_owned(), "p".into()), ("sk".to_owned(), found.clone())]);
    let key = schema.key_of(&item).expect("a key");
    let mut both = values.clone();
    both.insert(":p".to_owned(), "p".into());
    let condition = parse_with(&format!("pk = :p AND {text}"), &both).expect("well formed");
    let range = condition.range(&schema).expect("the types are right");
    prop_assert_eq!(range.contains(&key), model(text, &values, &item), "{} {:?}", text, range);
    Ok(())
}

const COMPARISONS: [&str; 7] =
    ["sk = :x", "sk < :x", "sk <= :x", "sk > :x", "sk >= :x", ":x < sk", "sk BETWEEN :x AND :y"];

proptest! {
    #[test]
    fn ranges_of_numbers_hold_what_the_condition_says(
        text in prop::sample::select(COMPARISONS.to_vec()),
        (x, y, found) in (-20..20_i64, -20..20_i64, -20..20_i64),
        scale in -2..2_i32,
    ) {
        let at = |it: i64| AttributeValue::N(format!("{it}e{scale}").parse().expect("a number"));
        let (x, y) = (x.min(y), x.max(y));
        compare(ScalarAttributeType::N, text, [&at(x), &at(y)], &at(found))?;
    }

    #[test]
    fn ranges_of_bytes_hold_what_the_condition_says(
        text in prop::sample::select([&COMPARISONS[..], &["begins_with(sk, :x)"]].concat()),
        words in prop::collection::vec(
            prop::collection::vec(prop::sample::select(vec![0, 1, 0x7f, 0xff]), 1..4), 3
        ),
    ) {
        let at = |it: &Vec<u8>| AttributeValue::B(it.clone().into());
        let (x, y) = ((&words[0]).min(&words[1]), (&words[0]).max(&words[1]));
        compare(ScalarAttributeType::B, text, [&at(x), &at(y)], &at(&words[2]))?;
    }

    #[test]
    fn ranges_of_strings_hold_what_the_condition_says(
        text in prop::sample::select([&COMPARISONS[..], &["begins_with(sk, :x)"]].concat()),
        words in prop::collection::vec("[aä\u{10FFFF}]{1,3}", 3),
    ) {
        let at = |it: &String| AttributeValue::S(it.clone());
        let (x, y) = ((&words[0]).min(&words[1]), (&words[0]).max(&words[1]));
        compare(ScalarAttributeType::S, text, [&at(x), &at(y)], &at(&words[2]))?;
    }
}
