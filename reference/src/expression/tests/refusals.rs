//! Expressions that are refused: the texts, their precedence, and the limits from both sides.

use super::*;

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
        ("size(n)", "not allowed to be used this way in an expression; function: size"),
        ("attribute_exists(n) < :5", "this way in an expression; function: attribute_exists"),
        ("n = contains(s, :5)", "this way in an expression; function: contains"),
        ("list_append(l, l) = :5", "must be distinct"),
        ("if_not_exists(l, n) = :5", "this way in an expression; function: if_not_exists"),
        ("attribute_exists(n, s)", "function: attribute_exists, number of operands: 2"),
        ("size(n, s) = :5", "function: size, number of operands: 2"),
        (
            "attribute_exists(:5)",
            "requires a document path; operator or function: attribute_exists",
        ),
        ("begins_with(s, :5)", "operator or function: begins_with, operand type: N"),
        ("attribute_type(n, :5)", "operator or function: attribute_type, operand type: N"),
        ("attribute_type(n, :dog)", "Invalid attribute type name found; type: DOG, valid types: {"),
        ("n < :list", "operator or function: <, operand type: L"),
        ("n BETWEEN :6 AND :4", "lower bound operand: AttributeValue: {N:6}, upper bound"),
        ("n BETWEEN :4 AND :two", "upper bound operand: AttributeValue: {S:two}"),
        ("n = n", "remaining operands for this operator or function; operator: =, operand: [n]"),
        ("contains(m.x[1], m.x[1])", "operator: contains, operand: [m, x, [1]]"),
        ("#q = :5", "path is not defined; attribute name: #q"),
        ("n = :q", "used in expression is not defined; attribute value: :q"),
        ("l[99999999999] = :5", "within the allowable range; index: [99999999999]"),
    ] {
        let told = refusal(text);
        assert!(told.starts_with("Invalid ConditionExpression: "), "{text}: {told}");
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
        Condition::parse("attribute_exists(n)", &names, &values).expect_err("refused").to_string()
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
    assert_eq!(parse(&padded(TEXT_BYTES_MAX + 1)), Err(ExpressionError::TooLong(4097)));

    // One comparison has one operator, and each further one comes with an OR.
    let joined = |count: usize| vec!["n=:5"; count].join(" OR ");
    parse(&joined(150)).expect("299 operators");
    assert_eq!(parse(&joined(151)), Err(ExpressionError::TooManyOperators));

    let listed = |count: usize| format!("n IN ({})", vec![":5"; count].join(","));
    parse(&listed(IN_OPERANDS_MAX)).expect("exactly the limit");
    assert_eq!(parse(&listed(101)), Err(ExpressionError::TooManyInOperands(101)));
}

#[test]
fn a_short_text_is_not_made_long_by_its_values() {
    let value = AttributeValue::S("x".repeat(OPERAND_BYTES_MAX / 4));
    let values = BTreeMap::from([(":v".to_owned(), value)]);
    let parse = |uses: usize| {
        let text = format!("s IN ({})", vec![":v"; uses].join(","));
        Condition::parse(&text, &BTreeMap::new(), &values).map_err(|error| error.why)
    };
    parse(4).expect("exactly the limit");
    assert_eq!(parse(5), Err(ExpressionError::OperandsTooLong));
    assert_eq!(parse(1000), Err(ExpressionError::OperandsTooLong));
}

#[test]
fn nesting_is_bounded() {
    let nots = |levels: usize| format!("{}n = :5", "NOT ".repeat(levels));
    assert!(holds(&nots(NESTING_MAX)));
    assert_eq!(parse(&nots(NESTING_MAX + 1)), Err(ExpressionError::TooDeep));
    let grouped =
        |levels: usize| format!("{}n = :5{}", "(n = :4 OR ".repeat(levels), ")".repeat(levels));
    assert!(holds(&grouped(NESTING_MAX)));
    assert_eq!(parse(&grouped(NESTING_MAX + 1)), Err(ExpressionError::TooDeep));
    let side_by_side = vec!["(n=:5)"; 100].join("AND");
    assert!(holds(&side_by_side), "what was closed does not count");
    assert_eq!(parse(&"(".repeat(TEXT_BYTES_MAX)), Err(ExpressionError::TooDeep));
    assert_eq!(parse(&"size(".repeat(800)), Err(ExpressionError::TooDeep));
}
