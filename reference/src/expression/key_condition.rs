//! Conditions on the key of a query: which keys they leave.
//!
//! A condition is parsed as any other; what may not stand in one on a key is refused here, in
//! the words that dynalite, tested against the live service, gives.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::ExpressionError;
use super::ast::{Comparator, Operand, Path, Predicate};
use crate::item::{AttributeValue, KeyAttribute, KeyRange, KeySchema, ValidationError, successor};

/// A condition on the key attributes, each at most once.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyCondition {
    tests: BTreeMap<String, Test>,
}

/// What must hold of one key attribute.
#[derive(Clone, Debug, PartialEq)]
enum Test {
    Compare(Comparator, AttributeValue),
    Between(AttributeValue, AttributeValue),
    BeginsWith(AttributeValue),
}

impl KeyCondition {
    pub(super) fn new(root: Predicate) -> Result<Self, ExpressionError> {
        let mut condition = Self { tests: BTreeMap::new() };
        condition.add(root)?;
        Ok(condition)
    }

    fn add(&mut self, predicate: Predicate) -> Result<(), ExpressionError> {
        let not_allowed = |operator: &str| Err(ExpressionError::KeyOperator(operator.to_owned()));
        match predicate {
            Predicate::And(parts) => parts.into_iter().try_for_each(|it| self.add(it)),
            Predicate::Compare(_, Comparator::NotEqual, _) => {
                not_allowed(Comparator::NotEqual.as_str())
            }
            Predicate::Compare(left, comparator, right) => self.compare(left, comparator, right),
            Predicate::Between { value, lower, upper } => {
                let path = first_operand("BETWEEN", value)?;
                let test = Test::Between(literal(lower)?, literal(upper)?);
                self.insert(path, test)
            }
            Predicate::BeginsWith(whole, start) => {
                let path = first_operand("begins_with", whole)?;
                let test = Test::BeginsWith(literal(start)?);
                self.insert(path, test)
            }
            Predicate::Or(_) => not_allowed("OR"),
            Predicate::Not(_) => not_allowed("NOT"),
            Predicate::In(..) => not_allowed("IN"),
            Predicate::Exists(_) => not_allowed("attribute_exists"),
            Predicate::NotExists(_) => not_allowed("attribute_not_exists"),
            Predicate::HasType(..) => not_allowed("attribute_type"),
            Predicate::Contains(..) => not_allowed("contains"),
        }
    }

    fn compare(
        &mut self,
        left: Operand,
        comparator: Comparator,
        right: Operand,
    ) -> Result<(), ExpressionError> {
        match (left, right) {
            (Operand::Size(_), _) | (_, Operand::Size(_)) => Err(ExpressionError::KeyOperation),
            (Operand::Path(path), Operand::Literal(value)) => {
                self.insert(path, Test::Compare(comparator, value))
            }
            (Operand::Literal(value), Operand::Path(path)) => {
                self.insert(path, Test::Compare(comparator.mirrored(), value))
            }
            (Operand::Path(_), Operand::Path(_)) => Err(several_names()),
            (Operand::Literal(_), Operand::Literal(_)) => {
                Err(ExpressionError::KeyOperands("No key attribute specified".to_owned()))
            }
        }
    }

    fn insert(&mut self, path: Path, test: Test) -> Result<(), ExpressionError> {
        if !path.steps.is_empty() {
            return Err(ExpressionError::KeyNested);
        }
        match self.tests.insert(path.root, test) {
            Some(_) => Err(ExpressionError::KeyTwice),
            None => Ok(()),
        }
    }

    /// The keys for which the condition holds.
    ///
    /// # Errors
    /// The partition key is not given by equality, another attribute than the sort key is asked
    /// for, or a value has another type than the key attribute, or is empty.
    pub fn range(&self, schema: &KeySchema) -> Result<KeyRange, ValidationError> {
        let missed = |name: &str| {
            ValidationError::new(format!("Query condition missed key schema element: {name}"))
        };
        let not_supported = || ValidationError::new("Query key condition not supported");
        let hash = &schema.partition;
        let partition = match self.tests.get(&hash.name) {
            Some(Test::Compare(Comparator::Equal, value)) => hash.condition_value(value)?,
            Some(_) => return Err(not_supported()),
            None => return Err(missed(&hash.name)),
        };
        let mut others = self.tests.keys().filter(|name| **name != hash.name);
        let mut range = KeyRange { partition, from: Bytes::new(), until: None };
        match (&schema.sort, others.next(), others.next()) {
            (_, None, _) => {}
            (None, Some(_), _) | (_, _, Some(_)) => return Err(not_supported()),
            (Some(sort), Some(name), None) if *name != sort.name => {
                return Err(missed(&sort.name));
            }
            (Some(sort), Some(name), None) => self.tests[name].narrow(sort, &mut range)?,
        }
        Ok(range)
    }
}

impl Test {
    /// Leaves the sort keys for which the test holds.
    fn narrow(&self, sort: &KeyAttribute, range: &mut KeyRange) -> Result<(), ValidationError> {
        match self {
            Self::Compare(comparator, value) => {
                let value = sort.condition_value(value)?;
                match comparator {
                    Comparator::Equal => {
                        range.until = Some(successor(&value));
                        range.from = value;
                    }
                    Comparator::Less => range.until = Some(value),
                    Comparator::LessOrEqual => range.until = Some(successor(&value)),
                    Comparator::Greater => range.from = successor(&value),
                    Comparator::GreaterOrEqual => range.from = value,
                    Comparator::NotEqual => unreachable!("it was refused"),
                }
            }
            Self::Between(lower, upper) => {
                range.from = sort.condition_value(lower)?;
                range.until = Some(successor(&sort.condition_value(upper)?));
            }
            Self::BeginsWith(start) => {
                range.from = sort.condition_value(start)?;
                range.until = behind_prefix(&range.from);
            }
        }
        Ok(())
    }
}

/// The first byte string behind all that begin with `prefix`; `None` if there is none.
fn behind_prefix(prefix: &[u8]) -> Option<Bytes> {
    let last = prefix.iter().rposition(|it| *it < u8::MAX)?;
    let mut behind = prefix[..=last].to_vec();
    behind[last] += 1;
    Some(behind.into())
}

fn first_operand(operator: &str, operand: Operand) -> Result<Path, ExpressionError> {
    match operand {
        Operand::Path(path) => Ok(path),
        Operand::Size(_) => Err(ExpressionError::KeyOperation),
        Operand::Literal(_) => Err(ExpressionError::KeyOperands(format!(
            "{operator} operator must have the key attribute as its first operand"
        ))),
    }
}

fn literal(operand: Operand) -> Result<AttributeValue, ExpressionError> {
    match operand {
        Operand::Literal(value) => Ok(value),
        Operand::Size(_) => Err(ExpressionError::KeyOperation),
        Operand::Path(_) => Err(several_names()),
    }
}

fn several_names() -> ExpressionError {
    ExpressionError::KeyOperands("Multiple attribute names used in one condition".to_owned())
}
