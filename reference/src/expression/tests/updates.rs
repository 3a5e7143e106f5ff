//! Updates: hand cases for each action, refusals in Amazon's words, and a naive model.

use super::*;
use crate::item::{ITEM_BYTES_MAX, item_size};

/// Parses with exactly those placeholders that the text mentions.
fn parse(text: &str) -> Result<Update, InvalidExpression> {
    let words: BTreeSet<&str> = text
        .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, ':' | '#' | '_')))
        .collect();
    let mut values = all_values();
    let set = |words: &[&str]| AttributeValue::SS(words.iter().map(|it| (*it).into()).collect());
    values.insert(":cats".to_owned(), set(&["cat", "fox"]));
    values.insert(":both".to_owned(), set(&["cat", "dog"]));
    values.insert(":huge".to_owned(), number("9e125"));
    values.insert(":more".to_owned(), AttributeValue::L(vec![7.into()]));
    values.retain(|key, _| words.contains(key.as_str()));
    let mut names = BTreeMap::from([("#n".to_owned(), "n".to_owned())]);
    names.retain(|key, _| words.contains(key.as_str()));
    Update::parse(text, &names, &values)
}

fn number(text: &str) -> AttributeValue {
    AttributeValue::N(text.parse().expect("a number"))
}

fn apply(text: &str, old: Option<&Item>) -> Result<Option<Item>, String> {
    let update = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let key = Item::from([("pk".to_owned(), "a".into())]);
    update.apply(old, &key).map_err(|why| why.message)
}

/// What an update of [`item`] makes of one attribute.
fn becomes(text: &str, attribute: &str) -> Option<AttributeValue> {
    let new = apply(text, Some(&item())).unwrap_or_else(|why| panic!("{text}: {why}"));
    new.expect("it is still there").remove(attribute)
}

#[test]
fn actions_change_what_they_name() {
    for (text, attribute, expected) in [
        ("SET q = :4", "q", Some(4.into())),
        ("set n = :hello", "n", Some("hello".into())),
        ("SET q = s", "q", Some("hello".into())),
        ("SET n = n + :4", "n", Some(9.into())),
        ("SET #n = :4 - #n", "n", Some((-1).into())),
        ("SET n = (n + :4)", "n", Some(9.into())),
        ("SET n = (n) + (:4)", "n", Some(9.into())),
        ("SET q = if_not_exists(q, :4)", "q", Some(4.into())),
        ("SET q = if_not_exists(n, :4)", "q", Some(5.into())),
        ("SET q = if_not_exists(q, :4) + :one", "q", Some(5.into())),
        ("SET q = if_not_exists(q, if_not_exists(r, n))", "q", Some(5.into())),
        (
            "SET q = list_append(:more, :more)",
            "q",
            Some(AttributeValue::L(vec![7.into(), 7.into()])),
        ),
        ("SET q = list_append(l, :more)", "n", Some(5.into())),
        ("REMOVE n", "n", None),
        ("REMOVE q, n", "n", None),
        ("ADD n :4", "n", Some(9.into())),
        ("ADD q :4", "q", Some(4.into())),
        ("ADD q :both", "q", Some(all_cats(&["cat", "dog"]))),
        ("ADD ss :cats", "ss", Some(all_cats(&["cat", "dog", "fox"]))),
        ("DELETE ss :cats", "ss", Some(all_cats(&["dog"]))),
        ("DELETE ss :both", "ss", None),
        ("DELETE q :both", "q", None),
        ("REMOVE s SET q = s ADD n :one", "q", Some("hello".into())),
    ] {
        assert_eq!(becomes(text, attribute), expected, "{text}");
    }
}

fn all_cats(words: &[&str]) -> AttributeValue {
    AttributeValue::SS(words.iter().map(|it| (*it).to_owned()).collect())
}

#[test]
fn operands_are_read_from_the_item_as_it_was() {
    let exchanged = apply("SET n = s, s = n", Some(&item())).expect("sound").expect("there");
    assert_eq!((&exchanged["n"], &exchanged["s"]), (&"hello".into(), &5.into()));
    apply("SET q = :4, r = q", Some(&item())).expect_err("there is no q yet");
}

#[test]
fn only_what_adds_creates_an_item() {
    let key = ("pk".to_owned(), "a".into());
    let with = |n: i64| Some(Item::from([key.clone(), ("n".to_owned(), n.into())]));
    assert_eq!(apply("SET n = :4", None), Ok(with(4)));
    assert_eq!(apply("ADD n :4 REMOVE s", None), Ok(with(4)));
    assert_eq!(apply("REMOVE n", None), Ok(None));
    assert_eq!(apply("DELETE ss :cats REMOVE n", None), Ok(None));
    let nothing = Update::default().apply(None, &Item::from([key.clone()]));
    assert_eq!(nothing, Ok(Some(Item::from([key]))));
}

#[test]
fn what_the_item_cannot_take_is_refused_in_amazons_words() {
    let absent = "The provided expression refers to an attribute that does not exist in the item";
    let wrong = "An operand in the update expression has an incorrect data type";
    for (text, expected) in [
        ("SET n = q", absent),
        ("SET n = q + :one", absent),
        ("SET n = list_append(q, :more)", absent),
        ("SET n = if_not_exists(q, r)", absent),
        ("SET n = s + :one", wrong),
        ("SET n = n + l", wrong),
        ("SET n = list_append(l, n)", wrong),
        ("ADD s :one", wrong),
        ("ADD n :cats", wrong),
        ("ADD ns :cats", wrong),
        ("DELETE n :cats", wrong),
        (
            "ADD n :huge SET q = :huge + :huge",
            "Number overflow. Attempting to store a number with magnitude larger than supported \
             range",
        ),
    ] {
        assert_eq!(apply(text, Some(&item())), Err(expected.to_owned()), "{text}");
    }
}

#[test]
fn an_item_may_grow_to_its_limit_and_no_further() {
    let mut full = item();
    full.insert("body".to_owned(), AttributeValue::B(bytes::Bytes::new()));
    let room = ITEM_BYTES_MAX - item_size(&full);
    full.insert("body".to_owned(), AttributeValue::B(vec![0; room].into()));
    apply("SET n = :4", Some(&full)).expect("as large as before");
    let why = apply("SET nn = :4", Some(&full)).expect_err("too large");
    assert_eq!(why, "Item size to update has exceeded the maximum allowed size");
}

#[test]
fn what_is_no_update_is_refused_in_amazons_words() {
    let overlap = "Two document paths overlap with each other; must remove or rewrite one of these \
                   paths; path one: [n], path two: [n]";
    let operand = "Incorrect operand type for operator or function; operator";
    for (text, expected) in [
        ("", "The expression can not be empty;".to_owned()),
        ("n = :4", "Syntax error; token: \"n\", near: \"n =\"".to_owned()),
        ("SET", "Syntax error; token: \"<EOF>\", near: \"SET\"".to_owned()),
        ("SET n", "Syntax error; token: \"<EOF>\", near: \"n\"".to_owned()),
        ("SET n :4", "Syntax error; token: \":4\", near: \"n :4\"".to_owned()),
        ("SET n = :4,", "Syntax error; token: \"<EOF>\", near: \",\"".to_owned()),
        ("SET n = :4 n = :4", "Syntax error; token: \"n\", near: \":4 n =\"".to_owned()),
        ("SET n = n + n + n", "Syntax error; token: \"+\", near: \"n + n\"".to_owned()),
        ("SET n = :4 + ", "Syntax error; token: \"<EOF>\", near: \"+\"".to_owned()),
        ("SET add = :4", "Syntax error; token: \"add\", near: \"SET add =\"".to_owned()),
        ("ADD n s", "Syntax error; token: \"s\", near: \"n s\"".to_owned()),
        ("REMOVE n = :4", "Syntax error; token: \"=\", near: \"n = :4\"".to_owned()),
        (
            "SET n = :4 SET s = :4",
            "The \"SET\" section can only be used once in an update expression;".to_owned(),
        ),
        ("SET n = :4 REMOVE n", overlap.to_owned()),
        ("SET #n = :4, n = :4", overlap.to_owned()),
        (
            "SET m.x = :4",
            "Paths into lists and maps are not supported here; path: [m, x]".to_owned(),
        ),
        (
            "SET n = l[0]",
            "Paths into lists and maps are not supported here; path: [l, [0]]".to_owned(),
        ),
        ("SET n = foo(s, s)", "Invalid function name; function: foo".to_owned()),
        (
            "SET n = if_not_exists(:4, n)",
            "Operator or function requires a document path; operator or function: if_not_exists"
                .to_owned(),
        ),
        (
            "SET n = list_append(l)",
            "Incorrect number of operands for operator or function; \
             operator or function: list_append, number of operands: 1"
                .to_owned(),
        ),
        ("SET n = n + :hello", format!("{operand} or function: +, operand type: S")),
        ("SET n = :map - n", format!("{operand} or function: -, operand type: M")),
        (
            "SET n = list_append(l, :4)",
            format!("{operand} or function: list_append, operand type: N"),
        ),
        (
            "ADD n :hello",
            format!("{operand}: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND"),
        ),
        (
            "DELETE n :4",
            format!("{operand}: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND"),
        ),
        (
            "SET n = :q",
            "An expression attribute value used in expression is not defined; attribute value: :q"
                .to_owned(),
        ),
    ] {
        let told = parse(text).expect_err(text).to_string();
        assert_eq!(told, format!("Invalid UpdateExpression: {expected}"), "{text}");
    }
}

#[test]
fn expressions_of_one_request_share_their_placeholders() {
    let names = BTreeMap::from([("#n".to_owned(), "n".to_owned())]);
    let values = BTreeMap::from([(":4".to_owned(), 4.into())]);
    let mut expressions = Expressions::new(&names, &values).expect("placeholders");
    expressions.update("SET q = :4").expect("an update");
    expressions.condition("attribute_exists(#n)").expect("a condition");
    assert_eq!(expressions.finish(), Ok(()));
    let mut expressions = Expressions::new(&names, &values).expect("placeholders");
    expressions.update("SET q = :4").expect("an update");
    assert_eq!(
        expressions.finish().expect_err("unused").to_string(),
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#n}"
    );
}

#[test]
fn nesting_of_operands_is_bounded() {
    let deep = |levels: usize| format!("SET n = {}n{}", "(".repeat(levels), ")".repeat(levels));
    parse(&deep(NESTING_MAX)).expect("exactly the limit");
    assert_eq!(parse(&deep(2_000)).expect_err("too deep").why, ExpressionError::TooDeep);
    let calls = "if_not_exists(n,".repeat(150);
    assert_eq!(parse(&format!("SET n = {calls}")).expect_err("deep").why, ExpressionError::TooDeep);
}

/// One action on one of the attributes a to d: its text, and what it does to a plain map of
/// numbers, or `None` where it must be refused.
#[derive(Clone, Debug)]
enum Step {
    Set(&'static str),
    SetSum(&'static str, &'static str, bool),
    SetDefault(&'static str),
    Remove,
    Add,
}

type Numbers = BTreeMap<&'static str, i64>;

const ATTRIBUTES: [&str; 4] = ["a", "b", "c", "d"];

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(ATTRIBUTES.to_vec())
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        name().prop_map(Step::Set),
        (name(), name(), any::<bool>()).prop_map(|(a, b, plus)| Step::SetSum(a, b, plus)),
        name().prop_map(Step::SetDefault),
        Just(Step::Remove),
        Just(Step::Add),
    ]
}

impl Step {
    fn section(&self) -> &'static str {
        match self {
            Self::Set(_) | Self::SetSum(..) | Self::SetDefault(_) => "SET",
            Self::Remove => "REMOVE",
            Self::Add => "ADD",
        }
    }

    fn text(&self, attribute: &str) -> String {
        match self {
            Self::Set(from) => format!("{attribute} = {from}"),
            Self::SetSum(x, y, true) => format!("{attribute} = {x} + {y}"),
            Self::SetSum(x, y, false) => format!("{attribute} = {x} - {y}"),
            Self::SetDefault(from) => format!("{attribute} = if_not_exists({from}, :one)"),
            Self::Remove => attribute.to_owned(),
            Self::Add => format!("{attribute} :one"),
        }
    }

    /// What the attribute becomes; `Err` if the update is refused.
    fn model(&self, attribute: &str, old: &Numbers) -> Result<Option<i64>, ()> {
        let of = |name: &str| old.get(name).copied().ok_or(());
        Ok(match self {
            Self::Set(from) => Some(of(from)?),
            Self::SetSum(x, y, true) => Some(of(x)? + of(y)?),
            Self::SetSum(x, y, false) => Some(of(x)? - of(y)?),
            Self::SetDefault(from) => Some(of(from).unwrap_or(1)),
            Self::Remove => None,
            Self::Add => Some(of(attribute).unwrap_or(0) + 1),
        })
    }
}

/// A text with each section once, and the attribute of each step.
fn text_of(steps: &[(&'static str, Step)]) -> String {
    let mut sections: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (attribute, step) in steps {
        sections.entry(step.section()).or_default().push(step.text(attribute));
    }
    let sections = sections.iter().map(|(name, actions)| format!("{name} {}", actions.join(", ")));
    sections.collect::<Vec<_>>().join(" ")
}

fn item_of(numbers: &Numbers) -> Item {
    numbers.iter().map(|(name, it)| ((*name).to_owned(), (*it).into())).collect()
}

proptest! {
    #[test]
    fn updates_do_what_the_model_does(
        old in prop::collection::btree_map(name(), -9..9_i64, 0..4),
        steps in prop::collection::btree_map(name(), step(), 1..4),
    ) {
        let steps: Vec<(&str, Step)> = steps.into_iter().collect();
        let text = text_of(&steps);
        let changed: Result<Vec<_>, ()> =
            steps.iter().map(|(name, step)| Ok((*name, step.model(name, &old)?))).collect();
        let new = parse(&text).expect("well formed").apply(Some(&item_of(&old)), &Item::new());
        match changed {
            Err(()) => {
                prop_assert!(new.is_err(), "{}", text);
            }
            Ok(changed) => {
                let mut expected = old;
                for (name, value) in changed {
                    expected.remove(name);
                    expected.extend(value.map(|it| (name, it)));
                }
                prop_assert_eq!(new, Ok(Some(item_of(&expected))), "{}", text);
            }
        }
    }

    #[test]
    fn any_tokens_are_an_update_or_refused(words in prop::collection::vec(
        prop::sample::select(vec![
            "SET", "REMOVE", "ADD", "DELETE", "n", "s", "q", "#n", ":4", ":cats", "=", "+", "-",
            "(", ")", ",", ".", "[", "]", "0", "if_not_exists", "list_append", "size", ":q", "AND",
        ]),
        0..25,
    )) {
        if let Ok(update) = parse(&words.join(" ")) {
            let bytes = postcard::to_stdvec(&update).expect("plain data");
            prop_assert_eq!(postcard::from_bytes::<Update>(&bytes), Ok(update));
        }
    }
}
