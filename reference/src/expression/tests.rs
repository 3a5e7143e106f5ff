//! Conditions: hand cases for each rule, a model for truth and precedence, and hostile texts.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::item::Number;

mod key_conditions;
mod refusals;
mod updates;

/// The item that the hand cases are asked about.
fn item() -> Item {
    let map = |pairs: Vec<(&str, AttributeValue)>| {
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Item>()
    };
    map(vec![
        ("n", 5.into()),
        ("s", "hello".into()),
        ("b", AttributeValue::B(vec![0, 200, 7].into())),
        ("t", AttributeValue::Bool(true)),
        ("nul", AttributeValue::Null),
        ("l", AttributeValue::L(vec![1.into(), "two".into(), map_value(&[("deep", 3)])])),
        ("m", map_value(&[("x", 1), ("a.b", 2), ("three", 3)])),
        ("ss", AttributeValue::SS(BTreeSet::from(["cat".to_owned(), "dog".to_owned()]))),
        ("ns", AttributeValue::NS(BTreeSet::from([Number::from(1u64), Number::from(2u64)]))),
        ("bs", AttributeValue::BS(BTreeSet::from([vec![1].into()]))),
    ])
}

fn map_value(pairs: &[(&str, i64)]) -> AttributeValue {
    AttributeValue::M(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect())
}

/// The values that the hand cases use by name.
fn all_values() -> BTreeMap<String, AttributeValue> {
    let ones = |values: Vec<(&str, AttributeValue)>| {
        values.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    };
    ones(vec![
        (":4", 4.into()),
        (":5", AttributeValue::N("5.0".parse().expect("a number"))),
        (":6", 6.into()),
        (":hell", "hell".into()),
        (":hello", "hello".into()),
        (":two", "two".into()),
        (":cat", "cat".into()),
        (":one", 1.into()),
        (":bytes", AttributeValue::B(vec![200, 7].into())),
        (":byte", AttributeValue::B(vec![1].into())),
        (":true", AttributeValue::Bool(true)),
        (":null", AttributeValue::Null),
        (":N", "N".into()),
        (":SS", "SS".into()),
        (":dog", "DOG".into()),
        (":list", AttributeValue::L(vec![])),
        (":map", map_value(&[("deep", 3)])),
    ])
}

fn parse(text: &str) -> Result<Condition, ExpressionError> {
    told(text).map_err(|error| error.why)
}

/// Parses with exactly those placeholders that the text mentions.
fn told(text: &str) -> Result<Condition, InvalidExpression> {
    let words: BTreeSet<&str> = text
        .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, ':' | '#' | '_')))
        .collect();
    let mut values = all_values();
    values.retain(|key, _| words.contains(key.as_str()));
    let mut names = BTreeMap::from([("#n".to_owned(), "n".to_owned())]);
    names.insert("#and".to_owned(), "and".to_owned());
    names.insert("#dot".to_owned(), "a.b".to_owned());
    names.retain(|key, _| words.contains(key.as_str()));
    Condition::parse(text, &names, &values)
}

fn holds(text: &str) -> bool {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).holds(Some(&item()))
}

fn refusal(text: &str) -> String {
    told(text).expect_err(text).to_string()
}

#[test]
fn comparisons() {
    for text in [
        "n = :5",
        "n <> :4",
        "n < :6",
        "n <= :5",
        "n > :4",
        "n >= :5",
        ":4 < n",
        "s > :hell",
        "t = :true",
        "nul = :null",
        "#n = :5",
        "m.x = :one",
        "m.#dot < n",
        "l[1] = :two",
        "l[2] = :map",
        "l[2].deep < n",
        "n BETWEEN :4 AND :6",
        "n between :5 and :5",
        "s BETWEEN :hell AND :two",
        "n IN (:4, :5)",
        "s In (:hello)",
        "l[0] IN (:6, m.x)",
    ] {
        assert!(holds(text), "{text}");
    }
    for text in [
        "n = :4",
        "n <> :5",
        "n < :5",
        "n = :hello",
        "n < :hello",
        "t <> :true",
        "nul = :true",
        "n BETWEEN :6 AND :6",
        "s IN (:4, :5)",
        "s BETWEEN :4 AND :6",
        "l[1] = m",
        "t < n",
    ] {
        assert!(!holds(text), "{text}");
    }
}

#[test]
fn what_is_absent_is_only_unequal() {
    for text in ["q <> :5", ":5 <> q", "q <> r", "l[3] <> :5", "m.y <> n", "s.x <> n", "n[0] <> n"]
    {
        assert!(holds(text), "{text}");
    }
    for text in ["q = :5", "q = r", "q < :5", "q >= r", "q IN (:5, r)", "q BETWEEN r AND z"] {
        assert!(!holds(text), "{text}");
    }
}

#[test]
fn functions_of_the_grammar() {
    for text in [
        "attribute_exists(n)",
        "attribute_exists (m.x)",
        "attribute_not_exists(m.y)",
        "attribute_not_exists(l[3])",
        "attribute_type(n, :N)",
        "attribute_type(ss, :SS)",
        "attribute_type(:5, :N)",
        "begins_with(s, :hell)",
        "begins_with(:hello, s)",
        "contains(s, :hell)",
        "contains(b, :bytes)",
        "contains(ss, :cat)",
        "contains(ns, :one)",
        "contains(bs, :byte)",
        "contains(l, :two)",
        "contains(l, :map)",
        "size(s) = :5",
        "size(ns) < :4",
        "size(bs) = :one",
        "size(l) = m.three",
        "size(m) < :4",
        "size(ss) < size(l)",
        "size(b) IN (l[2].deep)",
        "n BETWEEN size(m) AND :6",
    ] {
        assert!(holds(text), "{text}");
    }
    for text in [
        "attribute_exists(q)",
        "attribute_not_exists(nul)",
        "attribute_type(s, :N)",
        "attribute_type(q, :N)",
        "begins_with(s, :two)",
        "begins_with(q, :two)",
        "begins_with(n, :two)",
        "contains(s, :two)",
        "contains(ss, :one)",
        "contains(m, :one)",
        "size(n) = :one",
        "size(t) >= :one",
        "size(q) = :one",
        "size(s) = :hello",
    ] {
        assert!(!holds(text), "{text}");
    }
}

#[test]
fn not_binds_before_and_before_or() {
    for (text, expected) in [
        ("n = :5 OR n = :4 AND n = :6", true),
        ("(n = :5 OR n = :4) AND n = :6", false),
        ("NOT n = :4 AND n = :4", false),
        ("NOT (n = :4 AND n = :5)", true),
        ("not NOT n = :5 aNd NOT n = :4", true),
        ("n = :4 OR NOT n = :5 OR n = :6", false),
        ("n BETWEEN :4 AND :6 AND n = :4", false),
        ("(n = :5)", true),
        ("((n = :4) OR (n = :5)) AND (n = :5)", true),
    ] {
        assert_eq!(holds(text), expected, "{text}");
    }
}

#[test]
fn an_absent_item_has_no_attributes() {
    let absent = |text: &str| parse(text).expect(text).holds(None);
    assert!(absent("attribute_not_exists(n)"));
    assert!(absent("n <> :5"));
    assert!(!absent("n = :5"));
}

/// Formulas over `n = :5` (true) and `n = :4` (false), with their truth.
fn formula() -> impl Strategy<Value = (String, bool)> {
    let leaf = prop_oneof![Just(("n = :5".to_owned(), true)), Just(("n = :4".to_owned(), false))];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|(text, truth)| (format!("NOT ({text})"), !truth)),
            (inner.clone(), inner.clone())
                .prop_map(|((a, x), (b, y))| (format!("({a}) AND ({b})"), x && y)),
            (inner.clone(), inner).prop_map(|((a, x), (b, y))| (format!("({a}) OR ({b})"), x || y)),
        ]
    })
}

proptest! {
    #[test]
    fn formulas_mean_what_they_say((text, truth) in formula()) {
        prop_assert_eq!(holds(&text), truth);
    }

    #[test]
    fn precedence_is_that_of_parentheses(
        signs in prop::collection::vec(any::<(bool, bool, bool)>(), 1..8),
    ) {
        // Without parentheses, a chain is a disjunction of conjunctions.
        let mut text = String::new();
        let mut groups = vec![true];
        for (at, (value, negated, or)) in signs.into_iter().enumerate() {
            if at > 0 {
                text += if or { " OR " } else { " AND " };
                if or {
                    groups.push(true);
                }
            }
            text += if negated { "NOT " } else { "" };
            text += if value { "n = :5" } else { "n = :4" };
            *groups.last_mut().expect("never empty") &= value != negated;
        }
        prop_assert_eq!(holds(&text), groups.contains(&true), "{}", text);
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC{0,80}") {
        let _ = Condition::parse(&text, &BTreeMap::new(), &BTreeMap::new());
    }

    #[test]
    fn any_tokens_are_parsed_or_refused(words in prop::collection::vec(prop::sample::select(vec![
        "(", ")", "[", "]", ".", ",", "=", "<>", "<", "n", "m", "#n", ":5", ":4", "0", "NOT", "AND",
        "OR", "IN", "BETWEEN", "size", "contains", "attribute_exists", "foo", "#q", ":q",
    ]), 0..40)) {
        let text = words.join(" ");
        if let Ok(condition) = parse(&text) {
            let bytes = postcard::to_stdvec(&condition).expect("plain data");
            let again: Condition = postcard::from_bytes(&bytes).expect("what was written");
            prop_assert_eq!(again.holds(Some(&item())), condition.holds(Some(&item())));
            prop_assert_eq!(again, condition);
        }
    }

    #[test]
    fn conditions_survive_storage((text, _) in formula()) {
        let condition = parse(&text).expect("well formed");
        let bytes = postcard::to_stdvec(&condition).expect("plain data");
        prop_assert_eq!(postcard::from_bytes::<Condition>(&bytes), Ok(condition));
    }
}
