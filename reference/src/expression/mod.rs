//! Expressions: conditions on an item, updates of an item, and conditions on the key of a query.
//!
//! A router parses the texts once, with their placeholders. Parsed conditions and updates travel to
//! the partition's leader, which evaluates them against the item that is there; of a condition on
//! a key, the range of keys does. Projection expressions are not part of this service, and updates
//! and key conditions know top-level attributes only. Reserved words are not refused as attribute
//! names.

mod ast;
mod cursor;
mod error;
mod evaluate;
mod functions;
mod key_condition;
mod lexer;
mod parser;
mod placeholders;
mod update;
mod update_parser;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use error::{ExpressionError, InvalidExpression};
pub use key_condition::KeyCondition;
pub use update::Update;

use crate::item::{AttributeValue, Item};
use placeholders::Placeholders;

/// The greatest length of an expression's text: 4 KB.
pub const TEXT_BYTES_MAX: usize = 4096;
/// The greatest number of operators and functions in an expression.
pub const OPERATORS_MAX: usize = 300;
/// The greatest number of operands in the list of one IN.
pub const IN_OPERANDS_MAX: usize = 100;
/// The greatest size of all names and values in the expressions of a request: 2 MB. Amazon counts
/// each placeholder once, here it counts each time that it is used.
pub const OPERAND_BYTES_MAX: usize = 2 * 1024 * 1024;
/// How deep parentheses and NOT may nest. The limit is ours: it bounds every recursion.
pub const NESTING_MAX: usize = 64;

/// The expressions of one request: they share its placeholders, each of which one of them must
/// use.
pub struct Expressions<'a> {
    placeholders: Placeholders<'a>,
}

impl<'a> Expressions<'a> {
    /// Takes the placeholders of a request.
    ///
    /// # Errors
    /// A key is no placeholder, or a value none that an item may hold.
    pub fn new(
        names: &'a BTreeMap<String, String>,
        values: &'a BTreeMap<String, AttributeValue>,
    ) -> Result<Self, InvalidExpression> {
        Ok(Self { placeholders: Placeholders::new(names, values)? })
    }

    /// Parses a ConditionExpression.
    ///
    /// # Errors
    /// The text is too long, too deep or wrong, or a placeholder is undefined.
    pub fn condition(&mut self, text: &str) -> Result<Condition, InvalidExpression> {
        self.predicate("ConditionExpression", text).map(|root| Condition { root })
    }

    /// Parses a FilterExpression.
    ///
    /// # Errors
    /// Those of [`Self::condition`].
    pub fn filter(&mut self, text: &str) -> Result<Condition, InvalidExpression> {
        self.predicate("FilterExpression", text).map(|root| Condition { root })
    }

    /// Parses a KeyConditionExpression.
    ///
    /// # Errors
    /// Those of [`Self::condition`], and what no condition on a key may hold.
    pub fn key_condition(&mut self, text: &str) -> Result<KeyCondition, InvalidExpression> {
        let root = self.predicate("KeyConditionExpression", text)?;
        Ok(KeyCondition::new(root)?)
    }

    /// Parses an UpdateExpression.
    ///
    /// # Errors
    /// Those of [`Self::condition`]; a section or an attribute that occurs twice, a path into a
    /// list or a map, or a value that no item can be updated with.
    pub fn update(&mut self, text: &str) -> Result<Update, InvalidExpression> {
        update_parser::parse(text, &mut self.placeholders)
            .map_err(|why| InvalidExpression::in_parameter("UpdateExpression", why))
    }

    /// Ends the request.
    ///
    /// # Errors
    /// A placeholder was defined and never used.
    pub fn finish(self) -> Result<(), InvalidExpression> {
        Ok(self.placeholders.finish()?)
    }

    fn predicate(
        &mut self,
        parameter: &str,
        text: &str,
    ) -> Result<ast::Predicate, InvalidExpression> {
        parser::parse(text, &mut self.placeholders)
            .map_err(|why| InvalidExpression::in_parameter(parameter, why))
    }
}

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
    /// # Ok::<(), stillpoint_reference::expression::InvalidExpression>(())
    /// ```
    ///
    /// # Errors
    /// The text is too long, too deep or wrong, or a placeholder is undefined or unused.
    pub fn parse(
        text: &str,
        names: &BTreeMap<String, String>,
        values: &BTreeMap<String, AttributeValue>,
    ) -> Result<Self, InvalidExpression> {
        let mut expressions = Expressions::new(names, values)?;
        let condition = expressions.condition(text)?;
        expressions.finish()?;
        Ok(condition)
    }

    /// Whether the condition holds; an absent item is one without attributes.
    pub fn holds(&self, item: Option<&Item>) -> bool {
        const ABSENT: &Item = &Item::new();
        evaluate::holds(&self.root, item.unwrap_or(ABSENT))
    }

    /// The top-level attributes that the condition looks at.
    pub fn attributes(&self) -> BTreeSet<&str> {
        self.root.roots()
    }
}

#[cfg(test)]
mod tests;
