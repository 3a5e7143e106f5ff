//! Sizes and limits of items, at and just beyond each boundary.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::item::Number;

fn of(value: AttributeValue) -> Item {
    Item::from([("a".to_owned(), value)])
}

fn refusal(value: AttributeValue) -> String {
    validate_item(&of(value)).expect_err("refused").message
}

/// A null inside so many lists and maps.
fn nested(levels: usize) -> AttributeValue {
    (0..levels).fold(AttributeValue::Null, |inner, level| match level % 2 {
        0 => AttributeValue::L(vec![inner]),
        _ => AttributeValue::M(BTreeMap::from([("m".to_owned(), inner)])),
    })
}

#[test]
fn sizes_follow_the_developer_guide() {
    let text = |text: &str| AttributeValue::from(text);
    let map = BTreeMap::from([("key".to_owned(), text("four"))]);
    for (value, size) in [
        (text(""), 0),
        (text("äö"), 4),
        (AttributeValue::B(vec![0; 9].into()), 9),
        (AttributeValue::from(12345), 4),
        (AttributeValue::Bool(false), 1),
        (AttributeValue::Null, 1),
        (AttributeValue::L(vec![]), 3),
        (AttributeValue::L(vec![AttributeValue::Null, text("four")]), 3 + 2 + 1 + 4),
        (AttributeValue::M(map), 3 + 1 + 3 + 4),
        (AttributeValue::SS(BTreeSet::from(["ab".to_owned(), "c".to_owned()])), 3),
        (AttributeValue::NS(BTreeSet::from([Number::from(1u64), Number::from(123u64)])), 2 + 3),
        (AttributeValue::BS(BTreeSet::from([vec![1, 2].into()])), 2),
    ] {
        assert_eq!(item_size(&of(value.clone())), "a".len() + size, "{value:?}");
    }
}

#[test]
fn exactly_400_kb_fit() {
    let filled = |bytes: usize| of(AttributeValue::S("x".repeat(bytes - "a".len())));
    validate_item(&filled(ITEM_BYTES_MAX)).expect("exactly the limit");
    let error = validate_item(&filled(ITEM_BYTES_MAX + 1)).expect_err("one byte more");
    assert_eq!(error.message, "Item size has exceeded the maximum allowed size");
}

#[test]
fn thirty_two_levels_fit() {
    validate_item(&of(nested(NESTING_MAX))).expect("exactly the limit");
    assert!(refusal(nested(NESTING_MAX + 1)).starts_with("Nesting Levels have exceeded"));
}

#[test]
fn empty_sets_are_refused_everywhere() {
    let empty = AttributeValue::SS(BTreeSet::new());
    let invalid = "One or more parameter values were invalid: ";
    assert_eq!(refusal(empty.clone()), format!("{invalid}An string set  may not be empty"));
    assert!(refusal(AttributeValue::L(vec![empty])).ends_with("An string set  may not be empty"));
    assert!(refusal(AttributeValue::NS(BTreeSet::new())).ends_with("number set  may not be empty"));
    assert!(refusal(AttributeValue::BS(BTreeSet::new())).ends_with("sets should not be empty"));
    for fine in [AttributeValue::S(String::new()), AttributeValue::L(vec![])] {
        validate_item(&of(fine)).expect("only sets must not be empty");
    }
}

#[test]
fn names_are_limited() {
    let named = |name: String| validate_item(&Item::from([(name, AttributeValue::Null)]));
    named("n".repeat(ATTRIBUTE_NAME_BYTES_MAX)).expect("exactly the limit");
    named("n".repeat(ATTRIBUTE_NAME_BYTES_MAX + 1)).expect_err("one byte more");
    named(String::new()).expect_err("no name");
}

/// Any value, a few levels deep.
fn value() -> impl Strategy<Value = AttributeValue> {
    let leaf = prop_oneof![
        "\\PC{0,6}".prop_map(AttributeValue::S),
        any::<i64>().prop_map(AttributeValue::from),
        prop::collection::vec(any::<u8>(), 0..6).prop_map(|it| AttributeValue::B(it.into())),
        any::<bool>().prop_map(AttributeValue::Bool),
        Just(AttributeValue::Null),
        prop::collection::btree_set("\\PC{0,3}", 1..4).prop_map(AttributeValue::SS),
        prop::collection::btree_set(any::<u64>().prop_map(Number::from), 1..4)
            .prop_map(AttributeValue::NS),
        prop::collection::btree_set(prop::collection::vec(any::<u8>(), 0..3), 1..4)
            .prop_map(|set| AttributeValue::BS(set.into_iter().map(Into::into).collect())),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(AttributeValue::L),
            prop::collection::btree_map("[a-z]{1,3}", inner, 0..4).prop_map(AttributeValue::M),
        ]
    })
}

proptest! {
    #[test]
    fn items_survive_storage(item in prop::collection::btree_map("[a-z]{1,4}", value(), 0..5)) {
        prop_assert_eq!(validate_item(&item), Ok(()));
        let bytes = postcard::to_stdvec(&item).expect("plain data");
        prop_assert_eq!(postcard::from_bytes::<Item>(&bytes), Ok(item));
    }

    #[test]
    fn a_list_counts_its_elements(values in prop::collection::vec(value(), 0..5)) {
        let alone: usize = values.iter().map(AttributeValue::size_bytes).sum();
        let count = values.len();
        prop_assert_eq!(AttributeValue::L(values).size_bytes(), 3 + count + alone);
    }
}
