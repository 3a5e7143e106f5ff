//! What the functions of the grammar take, and what is wrong with literal operands.
//!
//! The live service is more liberal than its documentation: `begins_with`, `contains` and
//! `attribute_type` take any operand first [tests of ScyllaDB's Alternator, which also run
//! against it]. Functions of update expressions are known, but never allowed.

use super::ExpressionError;
use super::ast::{Operand, Path, Predicate};
use super::evaluate::order;
use crate::item::{AttributeType, AttributeValue};

/// The condition that a function states.
pub(super) fn predicate(
    function: &str,
    operands: Vec<Operand>,
) -> Result<Predicate, ExpressionError> {
    match function {
        "attribute_exists" => exact(function, operands)
            .and_then(|[path]| Ok(Predicate::Exists(only_path(function, path)?))),
        "attribute_not_exists" => exact(function, operands)
            .and_then(|[path]| Ok(Predicate::NotExists(only_path(function, path)?))),
        "attribute_type" => exact(function, operands).and_then(|[operand, wanted]| {
            Ok(Predicate::HasType(operand, only_type(function, wanted)?))
        }),
        "begins_with" => exact(function, operands).and_then(|[whole, start]| {
            only_text(function, &whole)?;
            only_text(function, &start)?;
            Ok(Predicate::BeginsWith(whole, start))
        }),
        "contains" => {
            exact(function, operands).map(|[whole, part]| Predicate::Contains(whole, part))
        }
        "size" | "if_not_exists" | "list_append" => {
            Err(ExpressionError::MisusedFunction(function.to_owned()))
        }
        _ => Err(ExpressionError::UnknownFunction(function.to_owned())),
    }
}

/// The value that a function computes.
pub(super) fn operand(function: &str, operands: Vec<Operand>) -> Result<Operand, ExpressionError> {
    match function {
        "size" => exact(function, operands)
            .and_then(|[path]| Ok(Operand::Size(only_path(function, path)?))),
        "attribute_exists"
        | "attribute_not_exists"
        | "attribute_type"
        | "begins_with"
        | "contains"
        | "if_not_exists"
        | "list_append" => Err(ExpressionError::MisusedFunction(function.to_owned())),
        _ => Err(ExpressionError::UnknownFunction(function.to_owned())),
    }
}

/// What is wrong with the bounds of a BETWEEN, if both are literals.
pub(super) fn wrong_bounds(lower: &Operand, upper: &Operand) -> Option<ExpressionError> {
    let (Operand::Literal(lower), Operand::Literal(upper)) = (lower, upper) else {
        return None;
    };
    match order(lower, upper) {
        None => Some(ExpressionError::BetweenTypes(shown(lower), shown(upper))),
        Some(order) if order.is_gt() => {
            Some(ExpressionError::BetweenOrder(shown(lower), shown(upper)))
        }
        Some(_) => None,
    }
}

/// A bound as messages show it: its type and its value.
fn shown(value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) => format!("S:{text}"),
        AttributeValue::N(number) => format!("N:{number}"),
        AttributeValue::B(bytes) => format!("B:{}", bytes.escape_ascii()),
        other => other.attribute_type().to_string(),
    }
}

fn exact<const N: usize>(
    function: &str,
    operands: Vec<Operand>,
) -> Result<[Operand; N], ExpressionError> {
    operands.try_into().map_err(|operands: Vec<Operand>| ExpressionError::OperandCount {
        function: function.to_owned(),
        count: operands.len(),
    })
}

fn only_path(function: &str, operand: Operand) -> Result<Path, ExpressionError> {
    match operand {
        Operand::Path(path) => Ok(path),
        _ => Err(ExpressionError::PathRequired(function.to_owned())),
    }
}

fn only_text(function: &str, operand: &Operand) -> Result<(), ExpressionError> {
    match operand {
        Operand::Literal(AttributeValue::S(_) | AttributeValue::B(_)) | Operand::Path(_) => Ok(()),
        Operand::Literal(value) => Err(operand_type(function, value.attribute_type())),
        Operand::Size(_) => Err(operand_type(function, AttributeType::N)),
    }
}

fn only_type(function: &str, operand: Operand) -> Result<AttributeType, ExpressionError> {
    match operand {
        Operand::Literal(AttributeValue::S(name)) => {
            name.parse().map_err(|()| ExpressionError::UnknownType(name))
        }
        Operand::Literal(value) => Err(operand_type(function, value.attribute_type())),
        Operand::Path(_) | Operand::Size(_) => {
            Err(ExpressionError::MisusedFunction(function.to_owned()))
        }
    }
}

fn operand_type(function: &str, operand_type: AttributeType) -> ExpressionError {
    ExpressionError::OperandType { operator: function.to_owned(), operand_type }
}
