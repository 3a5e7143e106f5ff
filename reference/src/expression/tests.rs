//! Conditions: hand cases for each rule, a model for truth and precedence, and hostile texts.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::item::Number;

/// The item that the hand cases are asked about.
fn item() -> Item {
    let map = |pairs: Vec<(&str, AttributeValue)>| {
        pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect::<Item>()
    };
    map(vec![
        ("n", 5.into()),
        ("s", "hello".into()),
        ("b", AttributeValue::B(vec![0, 200, 7].into())),
        ("t", AttributeValue::Bool(true)),
        ("nul", AttributeValue::Null),
        (
            "l",
            AttributeValue::L(vec![1.into(), "two".into(), map_value(&[("deep", 3)])]),
        ),
        ("m", map_value(&[("x", 1), ("a.b", 2)])),
        (
            "ss",
            AttributeValue::SS(BTreeSet::from(["cat".to_owned(), "dog".to_owned()])),
        ),
        (
            "ns",
            AttributeValue::NS(BTreeSet::from([Number::from(1u64), Number::from(2u64)])),
        ),
        ("bs", AttributeValue::BS(BTreeSet::from([vec![1].into()]))),
    ])
}

fn map_value(pairs: &[(&str, i64)]) -> AttributeValue {
    AttributeValue::M(
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).into()))
            .collect(),
    )
}

/// The values that the hand cases use by name.
fn all_values() -> BTreeMap<String, AttributeValue> {
    let ones = |values: Vec<(&str, AttributeValue)>| {
        values
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
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

/// Parses with exactly those placeholders that the text mentions.
fn parse(text: &str) -> Result<Condition, ExpressionError> {
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
    parse(text)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .holds(Some(&item()))
}

fn refusal(text: &str) -> String {
    parse(text).expect_err(text).to_string()
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
    for text in [
        "q <> :5",
        ":5 <> q",
        "q <> r",
        "l[3] <> :5",
        "m.y <> n",
        "s.x <> n",
        "n[0] <> n",
    ] {
        assert!(holds(text), "{text}");
    }
    for text in [
        "q = :5",
        "q = r",
        "q < :5",
        "q >= r",
        "q IN (:5, r)",
        "q BETWEEN r AND z",
    ] {
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

#[test]
fn syntax_errors_show_the_token() {
    let syntax = "Invalid ConditionExpression: Syntax error; ";
    for (text, token, near) in [
        ("n = = :5", "=", "= = :5"),
        ("n =", "<EOF>", "="),
        ("attribute_exists(", "<EOF>", "("),
        ("attribute_exists()", ")", "()"),
        ("n", "<EOF>", "n"),
        ("n = :5 n", "n", ":5 n"),
        ("(n = :5", "<EOF>", ":5"),
        ("n = :5)", ")", ":5)"),
        ("n ! :5", "!", "n !"),
        ("_n = :5", "_", "_"),
        ("l[n] = :5", "n", "[n]"),
        ("l[] = :5", "]", "[] ="),
        ("and = :5", "and", "and ="),
        ("n IN ()", ")", "()"),
        ("n BETWEEN :4 OR :6", "OR", ":4 OR :6"),
        ("n = ä", "ä", "= ä"),
        ("m. = :5", "=", ". = :5"),
        ("NOT", "<EOF>", "NOT"),
        ("n.:5 = n", ":5", ".:5 ="),
    ] {
        let expected = format!("{syntax}token: \"{token}\", near: \"{near}\"");
        assert_eq!(refusal(text), expected, "{text}");
    }
}

#[test]
fn other_refusals_are_amazons() {
    for (text, expected) in [
        ("", "The expression can not be empty;"),
        ("((n = :5))", "The expression has redundant parentheses;"),
        ("foo(n) = :5", "Invalid function name; function: foo"),
        ("foo(n)", "Invalid function name; function: foo"),
        (
            "size(n)",
            "not allowed to be used this way in an expression; function: size",
        ),
        (
            "attribute_exists(n) < :5",
            "this way in an expression; function: attribute_exists",
        ),
        (
            "n = contains(s, :5)",
            "this way in an expression; function: contains",
        ),
        ("list_append(l, l) = :5", "must be distinct"),
        (
            "if_not_exists(l, n) = :5",
            "this way in an expression; function: if_not_exists",
        ),
        (
            "attribute_exists(n, s)",
            "function: attribute_exists, number of operands: 2",
        ),
        ("size(n, s) = :5", "function: size, number of operands: 2"),
        (
            "attribute_exists(:5)",
            "requires a document path; operator or function: attribute_exists",
        ),
        (
            "begins_with(s, :5)",
            "operator or function: begins_with, operand type: N",
        ),
        (
            "attribute_type(n, :5)",
            "operator or function: attribute_type, operand type: N",
        ),
        (
            "attribute_type(n, :dog)",
            "Invalid attribute type name found; type: DOG, valid types: {",
        ),
        ("n < :list", "operator or function: <, operand type: L"),
        (
            "n BETWEEN :6 AND :4",
            "lower bound operand: AttributeValue: {N:6}, upper bound",
        ),
        (
            "n BETWEEN :4 AND :two",
            "upper bound operand: AttributeValue: {S:two}",
        ),
        (
            "n = n",
            "remaining operands for this operator or function; operator: =, operand: [n]",
        ),
        (
            "contains(m.x[1], m.x[1])",
            "operator: contains, operand: [m, x, [1]]",
        ),
        ("#q = :5", "path is not defined; attribute name: #q"),
        (
            "n = :q",
            "used in expression is not defined; attribute value: :q",
        ),
        (
            "l[99999999999] = :5",
            "within the allowable range; index: [99999999999]",
        ),
    ] {
        let told = refusal(text);
        assert!(
            told.starts_with("Invalid ConditionExpression: "),
            "{text}: {told}"
        );
        assert!(told.contains(expected), "{text}: {told}");
    }
}

#[test]
fn syntax_is_refused_before_anything_else() {
    assert!(refusal("foo(:q) = = :5").contains("Syntax error"));
    assert!(refusal("foo(n) OR n = :q").contains("Invalid function name"));
}

#[test]
fn placeholders_must_be_used_and_valid() {
    let name = |key: &str| BTreeMap::from([(key.to_owned(), "n".to_owned())]);
    let value = |key: &str, value| BTreeMap::from([(key.to_owned(), value)]);
    let refusal = |names, values| {
        Condition::parse("attribute_exists(n)", &names, &values)
            .expect_err("refused")
            .to_string()
    };
    let none = BTreeMap::new;
    assert_eq!(
        refusal(name("#a"), none()),
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a}"
    );
    assert_eq!(
        refusal(BTreeMap::new(), value(":a", 1.into())),
        "Value provided in ExpressionAttributeValues unused in expressions: keys: {:a}"
    );
    for key in ["a", "#", ":a", "#a b", ""] {
        let expected = "ExpressionAttributeNames contains invalid key: Syntax error; key: ";
        assert_eq!(refusal(name(key), none()), format!("{expected}\"{key}\""));
    }
    assert!(
        refusal(BTreeMap::new(), value("#a", 1.into())).contains("Values contains invalid key")
    );
    let empty = AttributeValue::SS(BTreeSet::new());
    assert!(refusal(BTreeMap::new(), value(":a", empty)).ends_with("may not be empty for key :a"));
}

#[test]
fn limits_are_exact() {
    let padded = |bytes: usize| format!("{:<bytes$}", "attribute_exists(n)");
    parse(&padded(TEXT_BYTES_MAX)).expect("exactly the limit");
    assert_eq!(
        parse(&padded(TEXT_BYTES_MAX + 1)),
        Err(ExpressionError::TooLong(4097))
    );

    // One comparison has one operator, and each further one comes with an OR.
    let joined = |count: usize| vec!["n=:5"; count].join(" OR ");
    parse(&joined(150)).expect("299 operators");
    assert_eq!(parse(&joined(151)), Err(ExpressionError::TooManyOperators));

    let listed = |count: usize| format!("n IN ({})", vec![":5"; count].join(","));
    parse(&listed(IN_OPERANDS_MAX)).expect("exactly the limit");
    assert_eq!(
        parse(&listed(101)),
        Err(ExpressionError::TooManyInOperands(101))
    );
}

#[test]
fn nesting_is_bounded() {
    let nots = |levels: usize| format!("{}n = :5", "NOT ".repeat(levels));
    assert!(holds(&nots(NESTING_MAX)));
    assert_eq!(parse(&nots(NESTING_MAX + 1)), Err(ExpressionError::TooDeep));
    let grouped = |levels: usize| {
        format!(
            "{}n = :5{}",
            "(n = :4 OR ".repeat(levels),
            ")".repeat(levels)
        )
    };
    assert!(holds(&grouped(NESTING_MAX)));
    assert_eq!(
        parse(&grouped(NESTING_MAX + 1)),
        Err(ExpressionError::TooDeep)
    );
    assert_eq!(
        parse(&"(".repeat(TEXT_BYTES_MAX)),
        Err(ExpressionError::TooDeep)
    );
    assert_eq!(parse(&"size(".repeat(800)), Err(ExpressionError::TooDeep));
}

/// Formulas over `n = :5` (true) and `n = :4` (false), with their truth.
fn formula() -> impl Strategy<Value = (String, bool)> {
    let leaf = prop_oneof![
        Just(("n = :5".to_owned(), true)),
        Just(("n = :4".to_owned(), false))
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            inner
                .clone()
                .prop_map(|(text, truth)| (format!("NOT ({text})"), !truth)),
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
    fn precedence_is_that_of_parentheses(signs in prop::collection::vec(any::<(bool, bool, bool)>(), 1..8)) {
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
