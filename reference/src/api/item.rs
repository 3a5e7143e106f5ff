//! Items: PutItem, GetItem, DeleteItem and Scan. UpdateItem and Query have files of their own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ReturnValues;
use super::shape::Shape;
use crate::expression::Condition;
use crate::item::{AttributeValue, Item, ValidationError, validate_item};

/// A request to create or replace an item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PutItemInput {
    /// The table's name.
    pub table_name: String,
    /// The whole item, key attributes included.
    pub item: Item,
    /// What must hold of the item that is there now.
    pub condition_expression: Option<String>,
    /// The names behind `#name`; empty when there are none.
    pub expression_attribute_names: BTreeMap<String, String>,
    /// The values behind `:value`; empty when there are none.
    pub expression_attribute_values: BTreeMap<String, AttributeValue>,
    /// What to answer.
    pub return_values: ReturnValues,
}

impl PutItemInput {
    /// An unconditional put that answers nothing.
    pub fn new(table_name: &str, item: Item) -> Self {
        Self {
            table_name: table_name.to_owned(),
            item,
            condition_expression: None,
            expression_attribute_names: BTreeMap::new(),
            expression_attribute_values: BTreeMap::new(),
            return_values: ReturnValues::None,
        }
    }

    /// Checks everything that can be told without the table's key schema.
    ///
    /// # Errors
    /// The name, the item's limits, placeholders without an expression, or what is to be
    /// returned.
    pub fn validate(&self) -> Result<(), ValidationError> {
        Shape::new().name("tableName", &self.table_name).finish()?;
        check_placeholders(
            &self.condition_expression,
            &self.expression_attribute_names,
            &self.expression_attribute_values,
        )?;
        self.return_values.check_old_or_none()?;
        validate_item(&self.item)
    }

    /// The parsed condition, if there is one. [`Self::validate`] comes first.
    ///
    /// # Errors
    /// The expression or its placeholders are wrong.
    pub fn condition(&self) -> Result<Option<Condition>, ValidationError> {
        let (names, values) = (&self.expression_attribute_names, &self.expression_attribute_values);
        let text = self.condition_expression.as_deref();
        Ok(text.map(|text| Condition::parse(text, names, values)).transpose()?)
    }
}

/// The answer to a put.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PutItemOutput {
    /// The item as it was before, if it was asked for and there was one.
    pub attributes: Option<Item>,
}

/// A request to delete an item; without a condition it succeeds on an absent one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeleteItemInput {
    /// The table's name.
    pub table_name: String,
    /// Exactly the key attributes.
    pub key: Item,
    /// What must hold of the item that is there now.
    pub condition_expression: Option<String>,
    /// The names behind `#name`; empty when there are none.
    pub expression_attribute_names: BTreeMap<String, String>,
    /// The values behind `:value`; empty when there are none.
    pub expression_attribute_values: BTreeMap<String, AttributeValue>,
    /// What to answer.
    pub return_values: ReturnValues,
}

impl DeleteItemInput {
    /// An unconditional delete that answers nothing.
    pub fn new(table_name: &str, key: Item) -> Self {
        Self {
            table_name: table_name.to_owned(),
            key,
            condition_expression: None,
            expression_attribute_names: BTreeMap::new(),
            expression_attribute_values: BTreeMap::new(),
            return_values: ReturnValues::None,
        }
    }

    /// Checks everything that can be told without the table's key schema.
    ///
    /// # Errors
    /// The name, placeholders without an expression, or what is to be returned.
    pub fn validate(&self) -> Result<(), ValidationError> {
        Shape::new().name("tableName", &self.table_name).finish()?;
        check_placeholders(
            &self.condition_expression,
            &self.expression_attribute_names,
            &self.expression_attribute_values,
        )?;
        self.return_values.check_old_or_none()
    }

    /// The parsed condition, if there is one. [`Self::validate`] comes first.
    ///
    /// # Errors
    /// The expression or its placeholders are wrong.
    pub fn condition(&self) -> Result<Option<Condition>, ValidationError> {
        let (names, values) = (&self.expression_attribute_names, &self.expression_attribute_values);
        let text = self.condition_expression.as_deref();
        Ok(text.map(|text| Condition::parse(text, names, values)).transpose()?)
    }
}

/// The answer to a delete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeleteItemOutput {
    /// The item as it was before, if it was asked for and there was one.
    pub attributes: Option<Item>,
}

pub(super) fn check_placeholders(
    expression: &Option<String>,
    names: &BTreeMap<String, String>,
    values: &BTreeMap<String, AttributeValue>,
) -> Result<(), ValidationError> {
    let unused = |what| {
        Err(ValidationError::new(format!("{what} can only be specified when using expressions")))
    };
    match expression {
        None if !names.is_empty() => unused("ExpressionAttributeNames"),
        None if !values.is_empty() => unused("ExpressionAttributeValues"),
        _ => Ok(()),
    }
}

/// A request to read one item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GetItemInput {
    /// The table's name.
    pub table_name: String,
    /// Exactly the key attributes.
    pub key: Item,
    /// True to see every write acknowledged before.
    pub consistent_read: bool,
}

impl GetItemInput {
    /// Checks the name.
    ///
    /// # Errors
    /// The name has a wrong length or characters.
    pub fn validate(&self) -> Result<(), ValidationError> {
        Shape::new().name("tableName", &self.table_name).finish()
    }
}

/// The item that was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GetItemOutput {
    /// Absent when there is no such item.
    pub item: Option<Item>,
}

/// A request for a page of all items, in the order of the partitions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScanInput {
    /// The table's name.
    pub table_name: String,
    /// Items on the page at most; at least 1. A page also ends at 1 MB.
    pub limit: Option<i32>,
    /// The key after which the page begins.
    pub exclusive_start_key: Option<Item>,
    /// True to see every write acknowledged before the page was read.
    pub consistent_read: bool,
}

impl ScanInput {
    /// Checks the name and the limit.
    ///
    /// # Errors
    /// The name has a wrong length or characters, or the limit is below 1.
    pub fn validate(&self) -> Result<(), ValidationError> {
        let shape = Shape::new().name("tableName", &self.table_name);
        match self.limit {
            Some(limit) => shape.at_least("limit", limit.into(), 1),
            None => shape,
        }
        .finish()
    }
}

/// A page of items.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScanOutput {
    /// The items.
    pub items: Vec<Item>,
    /// How many there are.
    pub count: u32,
    /// How many were read: the same, since there are no filters.
    pub scanned_count: u32,
    /// Where the next page begins; absent exactly at the end.
    pub last_evaluated_key: Option<Item>,
}
