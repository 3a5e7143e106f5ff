//! UpdateItem.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ReturnValues;
use super::item::check_placeholders;
use super::shape::Shape;
use crate::expression::{Condition, Expressions, Update};
use crate::item::{AttributeValue, Item, ValidationError};

/// A request to change attributes of an item, which is created if it is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpdateItemInput {
    /// The table's name.
    pub table_name: String,
    /// Exactly the key attributes.
    pub key: Item,
    /// The change; without one the item is created if it is absent, and is left as it is
    /// otherwise.
    pub update_expression: Option<String>,
    /// What must hold of the item that is there now.
    pub condition_expression: Option<String>,
    /// The names behind `#name`; empty when there are none.
    pub expression_attribute_names: BTreeMap<String, String>,
    /// The values behind `:value`; empty when there are none.
    pub expression_attribute_values: BTreeMap<String, AttributeValue>,
    /// What to answer.
    pub return_values: ReturnValues,
}

impl UpdateItemInput {
    /// An unconditional update without placeholders that answers nothing.
    pub fn new(table_name: &str, key: Item, update_expression: &str) -> Self {
        Self {
            table_name: table_name.to_owned(),
            key,
            update_expression: Some(update_expression.to_owned()),
            condition_expression: None,
            expression_attribute_names: BTreeMap::new(),
            expression_attribute_values: BTreeMap::new(),
            return_values: ReturnValues::None,
        }
    }

    /// Checks everything that can be told without the table's key schema.
    ///
    /// # Errors
    /// The name, or placeholders without an expression.
    pub fn validate(&self) -> Result<(), ValidationError> {
        Shape::new().name("tableName", &self.table_name).finish()?;
        let expression = self.update_expression.as_ref().or(self.condition_expression.as_ref());
        check_placeholders(
            &expression.cloned(),
            &self.expression_attribute_names,
            &self.expression_attribute_values,
        )
    }

    /// The parsed update and the parsed condition, if there is one. [`Self::validate`] comes
    /// first.
    ///
    /// # Errors
    /// An expression or the placeholders are wrong.
    pub fn parse(&self) -> Result<(Update, Option<Condition>), ValidationError> {
        let (names, values) = (&self.expression_attribute_names, &self.expression_attribute_values);
        let mut expressions = Expressions::new(names, values)?;
        let update = self.update_expression.as_ref().map(|text| expressions.update(text));
        let condition = self.condition_expression.as_ref().map(|text| expressions.condition(text));
        let (update, condition) = (update.transpose()?, condition.transpose()?);
        expressions.finish()?;
        Ok((update.unwrap_or_default(), condition))
    }
}

/// The answer to an update.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpdateItemOutput {
    /// What was asked for, if there is any of it.
    pub attributes: Option<Item>,
}
