//! Whether a parsed condition holds of an item.
//!
//! A comparison with something absent or of another type does not hold; only `<>` does, even
//! between two absent attributes [tests of ScyllaDB's Alternator, which also run against the live
//! service]. This recursion is as deep as the parser allowed, never deeper.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::ast::{Comparator, Operand, Path, Predicate, Step};
use crate::item::{AttributeValue, Item, Number};

/// Whether the predicate holds of `item`; an absent item has no attributes.
pub(super) fn holds(predicate: &Predicate, item: &Item) -> bool {
    match predicate {
        Predicate::Compare(left, comparator, right) => {
            compare(resolve(left, item).as_deref(), *comparator, resolve(right, item).as_deref())
        }
        Predicate::Between { value, lower, upper } => {
            let value = resolve(value, item);
            let at_least = Comparator::GreaterOrEqual;
            let at_most = Comparator::LessOrEqual;
            compare(value.as_deref(), at_least, resolve(lower, item).as_deref())
                && compare(value.as_deref(), at_most, resolve(upper, item).as_deref())
        }
        Predicate::In(value, list) => resolve(value, item)
            .is_some_and(|value| list.iter().any(|it| resolve(it, item).as_ref() == Some(&value))),
        Predicate::Exists(path) => lookup(path, item).is_some(),
        Predicate::NotExists(path) => lookup(path, item).is_none(),
        Predicate::HasType(operand, wanted) => {
            resolve(operand, item).is_some_and(|value| value.attribute_type() == *wanted)
        }
        Predicate::BeginsWith(whole, start) => both(whole, start, item, begins_with),
        Predicate::Contains(whole, part) => both(whole, part, item, contains),
        Predicate::And(all) => all.iter().all(|it| holds(it, item)),
        Predicate::Or(any) => any.iter().any(|it| holds(it, item)),
        Predicate::Not(inner) => !holds(inner, item),
    }
}

fn both(
    left: &Operand,
    right: &Operand,
    item: &Item,
    test: fn(&AttributeValue, &AttributeValue) -> bool,
) -> bool {
    match (resolve(left, item), resolve(right, item)) {
        (Some(left), Some(right)) => test(&left, &right),
        _ => false,
    }
}

fn resolve<'a>(operand: &'a Operand, item: &'a Item) -> Option<Cow<'a, AttributeValue>> {
    match operand {
        Operand::Literal(value) => Some(Cow::Borrowed(value)),
        Operand::Path(path) => lookup(path, item).map(Cow::Borrowed),
        Operand::Size(path) => {
            let size = Number::from(size_of(lookup(path, item)?)? as u64);
            Some(Cow::Owned(AttributeValue::N(size)))
        }
    }
}

fn lookup<'a>(path: &Path, item: &'a Item) -> Option<&'a AttributeValue> {
    let root = item.get(&path.root)?;
    path.steps.iter().try_fold(root, |value, step| match (step, value) {
        (Step::Field(name), AttributeValue::M(map)) => map.get(name),
        (Step::Index(index), AttributeValue::L(list)) => list.get(*index as usize),
        _ => None,
    })
}

fn compare(
    left: Option<&AttributeValue>,
    comparator: Comparator,
    right: Option<&AttributeValue>,
) -> bool {
    let (Some(left), Some(right)) = (left, right) else {
        return comparator == Comparator::NotEqual;
    };
    match comparator {
        Comparator::Equal => left == right,
        Comparator::NotEqual => left != right,
        Comparator::Less => order(left, right).is_some_and(Ordering::is_lt),
        Comparator::LessOrEqual => order(left, right).is_some_and(Ordering::is_le),
        Comparator::Greater => order(left, right).is_some_and(Ordering::is_gt),
        Comparator::GreaterOrEqual => order(left, right).is_some_and(Ordering::is_ge),
    }
}

/// The order of two values; there is none but between strings, numbers or binaries.
pub(super) fn order(left: &AttributeValue, right: &AttributeValue) -> Option<Ordering> {
    match (left, right) {
        (AttributeValue::S(left), AttributeValue::S(right)) => Some(left.cmp(right)),
        (AttributeValue::N(left), AttributeValue::N(right)) => Some(left.cmp(right)),
        (AttributeValue::B(left), AttributeValue::B(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

fn begins_with(whole: &AttributeValue, start: &AttributeValue) -> bool {
    match (whole, start) {
        (AttributeValue::S(whole), AttributeValue::S(start)) => whole.starts_with(start.as_str()),
        (AttributeValue::B(whole), AttributeValue::B(start)) => whole.starts_with(start),
        _ => false,
    }
}

fn contains(whole: &AttributeValue, part: &AttributeValue) -> bool {
    match (whole, part) {
        (AttributeValue::S(whole), AttributeValue::S(part)) => whole.contains(part.as_str()),
        (AttributeValue::B(whole), AttributeValue::B(part)) => {
            part.is_empty() || whole.windows(part.len()).any(|window| window == part)
        }
        (AttributeValue::SS(set), AttributeValue::S(part)) => set.contains(part),
        (AttributeValue::NS(set), AttributeValue::N(part)) => set.contains(part),
        (AttributeValue::BS(set), AttributeValue::B(part)) => set.contains(part),
        (AttributeValue::L(list), part) => list.contains(part),
        _ => false,
    }
}

/// What `size` answers: bytes of text and binary, elements of sets, lists and maps. Numbers,
/// booleans and nulls have none.
fn size_of(value: &AttributeValue) -> Option<usize> {
    Some(match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(bytes) => bytes.len(),
        AttributeValue::SS(set) => set.len(),
        AttributeValue::NS(set) => set.len(),
        AttributeValue::BS(set) => set.len(),
        AttributeValue::L(list) => list.len(),
        AttributeValue::M(map) => map.len(),
        AttributeValue::N(_) | AttributeValue::Bool(_) | AttributeValue::Null => return None,
    })
}
