//! Condition expressions: what must hold of an item before it is changed.
//!
//! A router parses the text once, with its placeholders; the parsed [`Condition`] travels to the
//! partition's leader, which evaluates it against the item that is there. Update, projection,
//! filter and key condition expressions are not part of this service. Reserved words are not
//! refused as attribute names.

mod ast;
mod cursor;
mod error;
mod evaluate;
mod functions;
mod lexer;
mod parser;
mod placeholders;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use error::ExpressionError;

use crate::item::{AttributeValue, Item};

/// The greatest length of an expression's text: 4 KB.
pub const TEXT_BYTES_MAX: usize = 4096;
/// The greatest number of operators and functions in an expression.
pub const OPERATORS_MAX: usize = 300;
/// The greatest number of operands in the list of one IN.
pub const IN_OPERANDS_MAX: usize = 100;
/// How deep parentheses and NOT may nest. The limit is ours: it bounds every recursion.
pub const NESTING_MAX: usize = 64;

/// A condition on one item, ready to be evaluated any number of times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    root: ast::Predicate,
}

impl Condition {
    /// Parses an expression and replaces its placeholders.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use stillpoint_reference::expression::Condition;
    /// use stillpoint_reference::item::{AttributeValue, Item};
    ///
    /// let values = BTreeMap::from([(":cap".to_owned(), AttributeValue::from(10))]);
    /// let text = "attribute_not_exists(seats) OR seats < :cap";
    /// let condition = Condition::parse(text, &BTreeMap::new(), &values)?;
    /// assert!(condition.holds(None));
    /// let full = Item::from([("seats".to_owned(), AttributeValue::from(10))]);
    /// assert!(!condition.holds(Some(&full)));
    /// # Ok::<(), stillpoint_reference::expression::ExpressionError>(())
    /// ```
    ///
    /// # Errors
    /// The text is too long, too deep or wrong, or a placeholder is undefined or unused.
    pub fn parse(
        text: &str,
        names: &BTreeMap<String, String>,
        values: &BTreeMap<String, AttributeValue>,
    ) -> Result<Self, ExpressionError> {
        parser::parse(text, names, values).map(|root| Self { root })
    }

    /// Whether the condition holds; an absent item is one without attributes.
    pub fn holds(&self, item: Option<&Item>) -> bool {
        const ABSENT: &Item = &Item::new();
        evaluate::holds(&self.root, item.unwrap_or(ABSENT))
    }
}

#[cfg(test)]
mod tests;
