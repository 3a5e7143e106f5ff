//! Query: the items of one partition key, in the order of their sort keys.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Select;
use super::shape::Shape;
use crate::expression::{Condition, Expressions, KeyCondition};
use crate::item::{AttributeValue, Item, ValidationError};

/// A request for a page of the items of one partition key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueryInput {
    /// The table's name.
    pub table_name: String,
    /// Which keys: the partition key by equality, and at most one condition on the sort key.
    pub key_condition_expression: String,
    /// What must hold of the items that are answered. It is asked of what was read, so it does
    /// not make a page longer.
    pub filter_expression: Option<String>,
    /// The names behind `#name`; empty when there are none.
    pub expression_attribute_names: BTreeMap<String, String>,
    /// The values behind `:value`; at least the partition key's.
    pub expression_attribute_values: BTreeMap<String, AttributeValue>,
    /// Whether the lowest sort key comes first, or the highest.
    pub scan_index_forward: bool,
    /// Items that are read for the page at most; at least 1. A page also ends at 1 MB.
    pub limit: Option<i32>,
    /// The key after which the page begins.
    pub exclusive_start_key: Option<Item>,
    /// True to see every write acknowledged before the page was read.
    pub consistent_read: bool,
    /// What to answer.
    pub select: Select,
}

impl QueryInput {
    /// An eventually consistent query for all items with these keys, in ascending order.
    pub fn new(
        table_name: &str,
        key_condition_expression: &str,
        expression_attribute_values: BTreeMap<String, AttributeValue>,
    ) -> Self {
        Self {
            table_name: table_name.to_owned(),
            key_condition_expression: key_condition_expression.to_owned(),
            filter_expression: None,
            expression_attribute_names: BTreeMap::new(),
            expression_attribute_values,
            scan_index_forward: true,
            limit: None,
            exclusive_start_key: None,
            consistent_read: false,
            select: Select::AllAttributes,
        }
    }

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

    /// The parsed conditions on the key and, if there is one, on the items. [`Self::validate`]
    /// comes first.
    ///
    /// # Errors
    /// An expression or the placeholders are wrong.
    pub fn parse(&self) -> Result<(KeyCondition, Option<Condition>), ValidationError> {
        let (names, values) = (&self.expression_attribute_names, &self.expression_attribute_values);
        let mut expressions = Expressions::new(names, values)?;
        let filter = self.filter_expression.as_ref().map(|text| expressions.filter(text));
        let filter = filter.transpose()?;
        let key = expressions.key_condition(&self.key_condition_expression)?;
        expressions.finish()?;
        Ok((key, filter))
    }
}

/// A page of items.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueryOutput {
    /// The items; none if only their number was asked for.
    pub items: Vec<Item>,
    /// For how many the filter holds.
    pub count: u32,
    /// How many were read.
    pub scanned_count: u32,
    /// Where the next page begins; absent exactly at the end.
    pub last_evaluated_key: Option<Item>,
}
