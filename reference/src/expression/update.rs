//! Update expressions after parsing, and what they make of an item.
//!
//! Every operand is read from the item as it was: `SET a = b, b = a` exchanges two attributes.
//! Actions concern attributes of different names, so their order means nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Expressions, InvalidExpression};
use crate::item::{AttributeValue, Item, Number, NumberError, ValidationError};
use crate::item::{ITEM_BYTES_MAX, item_size, validate_item};

/// A change to one item, ready to be evaluated any number of times.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Update {
    pub(super) actions: Vec<Action>,
}

/// A change to one attribute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Action {
    pub(super) attribute: String,
    pub(super) change: Change,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Change {
    Set(Value),
    Remove,
    /// Adds to a number, or elements to a set.
    Add(AttributeValue),
    /// Takes elements from a set.
    Delete(AttributeValue),
}

/// What an attribute is set to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Value {
    Term(Term),
    Sum(Term, Term),
    Difference(Term, Term),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Term {
    Literal(AttributeValue),
    Attribute(String),
    IfNotExists(String, Box<Term>),
    ListAppend(Box<Term>, Box<Term>),
}

impl Update {
    /// Parses an expression and replaces its placeholders.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use stillpoint_reference::expression::Update;
    /// use stillpoint_reference::item::{AttributeValue, Item};
    ///
    /// let values = BTreeMap::from([(":one".to_owned(), AttributeValue::from(1))]);
    /// let update = Update::parse("SET seats = seats - :one", &BTreeMap::new(), &values)?;
    /// let of = |seats: i64| Item::from([("seats".to_owned(), AttributeValue::from(seats))]);
    /// assert_eq!(update.apply(Some(&of(10)), &Item::new()), Ok(Some(of(9))));
    /// # Ok::<(), stillpoint_reference::expression::InvalidExpression>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Expressions::update`] and [`Expressions::finish`].
    pub fn parse(
        text: &str,
        names: &BTreeMap<String, String>,
        values: &BTreeMap<String, AttributeValue>,
    ) -> Result<Self, InvalidExpression> {
        let mut expressions = Expressions::new(names, values)?;
        let update = expressions.update(text)?;
        expressions.finish()?;
        Ok(update)
    }

    /// The attributes that it changes.
    pub fn attributes(&self) -> BTreeSet<&str> {
        self.actions.iter().map(|it| it.attribute.as_str()).collect()
    }

    /// The item that it makes of `old`, or of one that has only its `key` where there is none.
    /// `None`: there is still none, since nothing can be taken from an absent item, and only
    /// what adds to an item (or says nothing) creates it [tests of ScyllaDB's Alternator, which
    /// also run against the live service].
    ///
    /// # Errors
    /// An operand is absent or has a wrong type, a number is out of range, or the item becomes
    /// too large.
    pub fn apply(&self, old: Option<&Item>, key: &Item) -> Result<Option<Item>, ValidationError> {
        const ABSENT: &Item = &Item::new();
        let mut new = old.unwrap_or(key).clone();
        for Action { attribute, change } in &self.actions {
            match change.value(attribute, old.unwrap_or(ABSENT))? {
                Some(value) => drop(new.insert(attribute.clone(), value)),
                None => drop(new.remove(attribute)),
            }
        }
        if old.is_none() && !self.creates() {
            return Ok(None);
        }
        if item_size(&new) > ITEM_BYTES_MAX {
            let why = "Item size to update has exceeded the maximum allowed size";
            return Err(ValidationError::new(why));
        }
        validate_item(&new)?;
        Ok(Some(new))
    }

    fn creates(&self) -> bool {
        let creates = |it: &Action| matches!(it.change, Change::Set(_) | Change::Add(_));
        self.actions.is_empty() || self.actions.iter().any(creates)
    }
}

impl Change {
    /// What the attribute is after the change; `None` if it is absent then.
    fn value(
        &self,
        attribute: &str,
        old: &Item,
    ) -> Result<Option<AttributeValue>, ValidationError> {
        let before = old.get(attribute);
        match (self, before) {
            (Self::Set(value), _) => value.of(old).map(Some),
            (Self::Add(value), None) => Ok(Some(value.clone())),
            (Self::Add(value), Some(before)) => added(before, value).map(Some),
            (Self::Remove, _) | (Self::Delete(_), None) => Ok(None),
            (Self::Delete(value), Some(before)) => without(before, value),
        }
    }
}

impl Value {
    fn of(&self, old: &Item) -> Result<AttributeValue, ValidationError> {
        let compute =
            |left: &Term, right: &Term, by: Computation| match (left.of(old)?, right.of(old)?) {
                (AttributeValue::N(left), AttributeValue::N(right)) => {
                    Ok(AttributeValue::N(by(left, right)?))
                }
                _ => Err(wrong_type()),
            };
        match self {
            Self::Term(term) => term.of(old),
            Self::Sum(left, right) => compute(left, right, Number::checked_add),
            Self::Difference(left, right) => compute(left, right, Number::checked_sub),
        }
    }
}

type Computation = fn(Number, Number) -> Result<Number, NumberError>;

impl Term {
    /// The value of the term. As deep as the parser allowed, never deeper.
    fn of(&self, old: &Item) -> Result<AttributeValue, ValidationError> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Attribute(name) => old.get(name).cloned().ok_or_else(absent),
            Self::IfNotExists(name, otherwise) => match old.get(name) {
                Some(value) => Ok(value.clone()),
                None => otherwise.of(old),
            },
            Self::ListAppend(first, second) => match (first.of(old)?, second.of(old)?) {
                (AttributeValue::L(mut list), AttributeValue::L(more)) => {
                    list.extend(more);
                    Ok(AttributeValue::L(list))
                }
                _ => Err(wrong_type()),
            },
        }
    }
}

fn added(
    before: &AttributeValue,
    more: &AttributeValue,
) -> Result<AttributeValue, ValidationError> {
    use AttributeValue::{BS, N, NS, SS};
    Ok(match (before, more) {
        (N(before), N(more)) => N(before.checked_add(*more)?),
        (SS(before), SS(more)) => SS(before | more),
        (NS(before), NS(more)) => NS(before | more),
        (BS(before), BS(more)) => BS(before | more),
        _ => return Err(wrong_type()),
    })
}

/// A set without some elements; `None` if none is left, since there are no empty sets.
fn without(
    before: &AttributeValue,
    less: &AttributeValue,
) -> Result<Option<AttributeValue>, ValidationError> {
    use AttributeValue::{BS, NS, SS};
    let (left, is_empty) = match (before, less) {
        (SS(before), SS(less)) => (SS(before - less), before.is_subset(less)),
        (NS(before), NS(less)) => (NS(before - less), before.is_subset(less)),
        (BS(before), BS(less)) => (BS(before - less), before.is_subset(less)),
        _ => return Err(wrong_type()),
    };
    Ok((!is_empty).then_some(left))
}

fn absent() -> ValidationError {
    let why = "The provided expression refers to an attribute that does not exist in the item";
    ValidationError::new(why)
}

fn wrong_type() -> ValidationError {
    ValidationError::new("An operand in the update expression has an incorrect data type")
}
