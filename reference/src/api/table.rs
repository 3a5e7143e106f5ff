//! Tables: CreateTable, DescribeTable, DeleteTable, ListTables and what they tell.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::shape::Shape;
use super::{BackupArn, BillingMode, KeyType, TableArn, TableStatus};
use crate::item::{
    KEY_NAME_BYTES_MAX, KeyAttribute, KeySchema, ScalarAttributeType, ValidationError,
};

/// Tells apart the tables that ever had one name. It prints as Amazon's lower-case UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TableId(pub u128);

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        let groups = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        f.write_str(&groups.join("-"))
    }
}

/// The name and type of a key attribute, as CreateTable is told them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttributeDefinition {
    /// The attribute's name.
    pub attribute_name: String,
    /// Its type in every item.
    pub attribute_type: ScalarAttributeType,
}

/// The role of an attribute in the primary key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySchemaElement {
    /// The attribute's name.
    pub attribute_name: String,
    /// Partition key or sort key.
    pub key_type: KeyType,
}

/// Reserved capacity, in units per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProvisionedThroughput {
    /// Reads of 4 KB; at least 1 where it counts, 0 where a table is paid by request.
    pub read_capacity_units: i64,
    /// Writes of 1 KB; at least 1 where it counts, 0 where a table is paid by request.
    pub write_capacity_units: i64,
}

impl ProvisionedThroughput {
    /// What a table that is paid by request reports.
    pub const NONE: Self = Self { read_capacity_units: 0, write_capacity_units: 0 };

    /// Both units must be at least 1 when a request names them.
    pub(crate) fn shape(&self, field: &str, shape: Shape) -> Shape {
        shape.at_least(&format!("{field}.readCapacityUnits"), self.read_capacity_units, 1).at_least(
            &format!("{field}.writeCapacityUnits"),
            self.write_capacity_units,
            1,
        )
    }
}

/// Where a restored table comes from; present while the restore runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreSummary {
    /// The backup.
    pub source_backup_arn: BackupArn,
    /// The table that was backed up.
    pub source_table_arn: TableArn,
    /// The instant to which the table is restored: the backup's creation time, in epoch ms.
    pub restore_date_time_ms: u64,
    /// True until the table is ACTIVE.
    pub restore_in_progress: bool,
}

/// Everything that is told about a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDescription {
    /// The table's name.
    pub table_name: String,
    /// Names and types of the key attributes.
    pub attribute_definitions: Vec<AttributeDefinition>,
    /// Roles of the key attributes.
    pub key_schema: Vec<KeySchemaElement>,
    /// Where the table is in its life.
    pub table_status: TableStatus,
    /// When it was created or its restore was requested, in epoch ms.
    pub creation_date_time_ms: u64,
    /// Reserved capacity; zeros when paid by request.
    pub provisioned_throughput: ProvisionedThroughput,
    /// How capacity is paid for.
    pub billing_mode: BillingMode,
    /// Bytes of items: a statistic that lags.
    pub table_size_bytes: u64,
    /// Number of items: a statistic that lags.
    pub item_count: u64,
    /// The table's ARN.
    pub table_arn: TableArn,
    /// The identity of this table among all that had the name.
    pub table_id: TableId,
    /// The restore that fills it, until it is ACTIVE [LAB TABLE-216].
    pub restore_summary: Option<RestoreSummary>,
}

/// A request to create an empty table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateTableInput {
    /// 3 to 255 characters of `[a-zA-Z0-9_.-]`.
    pub table_name: String,
    /// Exactly the attributes of the key schema.
    pub attribute_definitions: Vec<AttributeDefinition>,
    /// The partition key, then the sort key if there is one.
    pub key_schema: Vec<KeySchemaElement>,
    /// PROVISIONED when absent.
    pub billing_mode: Option<BillingMode>,
    /// Required with PROVISIONED, refused with PAY_PER_REQUEST.
    pub provisioned_throughput: Option<ProvisionedThroughput>,
}

impl CreateTableInput {
    /// A request for a table paid by request.
    pub fn on_demand(table_name: &str, schema: &KeySchema) -> Self {
        Self {
            table_name: table_name.to_owned(),
            attribute_definitions: attribute_definitions(schema),
            key_schema: key_schema_elements(schema),
            billing_mode: Some(BillingMode::PayPerRequest),
            provisioned_throughput: None,
        }
    }

    /// Checks everything that can be told from the request alone.
    ///
    /// # Errors
    /// The name, the key schema, or throughput and billing mode that do not go together.
    pub fn validate(&self) -> Result<(), ValidationError> {
        let mut shape = Shape::new().name("tableName", &self.table_name);
        if let Some(throughput) = &self.provisioned_throughput {
            shape = throughput.shape("provisionedThroughput", shape);
        }
        shape.finish()?;
        self.throughput()?;
        self.schema().map(drop)
    }

    /// The reserved capacity of the new table, zeros when paid by request.
    ///
    /// # Errors
    /// Throughput is absent with PROVISIONED, or given with PAY_PER_REQUEST.
    pub fn throughput(&self) -> Result<ProvisionedThroughput, ValidationError> {
        match (self.billing_mode.unwrap_or(BillingMode::Provisioned), self.provisioned_throughput) {
            (BillingMode::Provisioned, Some(throughput)) => Ok(throughput),
            (BillingMode::PayPerRequest, None) => Ok(ProvisionedThroughput::NONE),
            (BillingMode::Provisioned, None) => Err(ValidationError::parameter(
                "ReadCapacityUnits and WriteCapacityUnits must both be specified when \
                 BillingMode is PROVISIONED",
            )),
            (BillingMode::PayPerRequest, Some(_)) => Err(ValidationError::parameter(
                "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when \
                 BillingMode is PAY_PER_REQUEST",
            )),
        }
    }

    /// The key schema, put together from roles and types.
    ///
    /// # Errors
    /// Not exactly one HASH and then at most one RANGE, names that repeat or are empty or too
    /// long, or definitions that are not exactly the key attributes.
    pub fn schema(&self) -> Result<KeySchema, ValidationError> {
        let (partition, sort) = self.key_roles()?;
        let partition = self.defined(partition)?;
        let sort = sort.map(|name| self.defined(name)).transpose()?;
        if self.attribute_definitions.len() != self.key_schema.len() {
            return Err(ValidationError::parameter(
                "Number of attributes in KeySchema does not exactly match number of attributes \
                 defined in AttributeDefinitions",
            ));
        }
        Ok(KeySchema { partition, sort })
    }

    fn key_roles(&self) -> Result<(&str, Option<&str>), ValidationError> {
        let invalid = |why| Err(ValidationError::new(format!("Invalid KeySchema: {why}")));
        let (partition, sort) = match self.key_schema.as_slice() {
            [partition] => (partition, None),
            [partition, sort] => (partition, Some(sort)),
            _ => return invalid("it must have one or two elements"),
        };
        if partition.key_type != KeyType::Hash {
            return invalid("The first KeySchemaElement is not a HASH key type");
        }
        if sort.is_some_and(|it| it.key_type != KeyType::Range) {
            return invalid("The second KeySchemaElement is not a RANGE key type");
        }
        if sort.is_some_and(|it| it.attribute_name == partition.attribute_name) {
            return Err(ValidationError::new(
                "Both the Hash Key and the Range Key element in the KeySchema have the same name",
            ));
        }
        Ok((&partition.attribute_name, sort.map(|it| it.attribute_name.as_str())))
    }

    fn defined(&self, name: &str) -> Result<KeyAttribute, ValidationError> {
        if name.is_empty() || name.len() > KEY_NAME_BYTES_MAX {
            return Err(ValidationError::parameter(format_args!(
                "The name of a key attribute must have 1 to {KEY_NAME_BYTES_MAX} bytes"
            )));
        }
        let definitions = &self.attribute_definitions;
        let definition = definitions.iter().find(|it| it.attribute_name == name);
        let definition = definition.ok_or_else(|| {
            let names = |them: Vec<&str>| them.join(", ");
            ValidationError::parameter(format_args!(
                "Some index key attributes are not defined in AttributeDefinitions. \
                 Keys: [{}], AttributeDefinitions: [{}]",
                names(self.key_schema.iter().map(|it| it.attribute_name.as_str()).collect()),
                names(definitions.iter().map(|it| it.attribute_name.as_str()).collect()),
            ))
        })?;
        Ok(KeyAttribute { name: name.to_owned(), attribute_type: definition.attribute_type })
    }
}

/// The types of a schema's attributes, as they are told on the wire.
pub(crate) fn attribute_definitions(schema: &KeySchema) -> Vec<AttributeDefinition> {
    let define = |it: &KeyAttribute| AttributeDefinition {
        attribute_name: it.name.clone(),
        attribute_type: it.attribute_type,
    };
    schema.attributes().map(define).collect()
}

/// The roles of a schema's attributes, as they are told on the wire.
pub(crate) fn key_schema_elements(schema: &KeySchema) -> Vec<KeySchemaElement> {
    let roles = schema.attributes().zip([KeyType::Hash, KeyType::Range]);
    roles
        .map(|(it, key_type)| KeySchemaElement { attribute_name: it.name.clone(), key_type })
        .collect()
}

/// The table as it was created, still CREATING.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateTableOutput {
    /// The new table.
    pub table_description: TableDescription,
}

/// A request to describe a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DescribeTableInput {
    /// The table's name.
    pub table_name: String,
}

impl DescribeTableInput {
    /// Checks the name.
    ///
    /// # Errors
    /// The name has a wrong length or characters.
    pub fn validate(&self) -> Result<(), ValidationError> {
        Shape::new().name("tableName", &self.table_name).finish()
    }
}

/// What there is to tell about a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DescribeTableOutput {
    /// The table.
    pub table: TableDescription,
}

/// A request to delete a table and everything in it. Its backups stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteTableInput {
    /// The table's name.
    pub table_name: String,
}

impl DeleteTableInput {
    /// Checks the name.
    ///
    /// # Errors
    /// The name has a wrong length or characters.
    pub fn validate(&self) -> Result<(), ValidationError> {
        Shape::new().name("tableName", &self.table_name).finish()
    }
}

/// The table on its way out, DELETING.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteTableOutput {
    /// The table.
    pub table_description: TableDescription,
}

/// A request for the names of tables, a page at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListTablesInput {
    /// The name after which the page begins; the table need not exist.
    pub exclusive_start_table_name: Option<String>,
    /// 1 to 100 names; 100 when absent.
    pub limit: Option<i32>,
}

impl ListTablesInput {
    /// Names on a page at most.
    pub const LIMIT_MAX: i32 = 100;

    /// Checks the limit and the name.
    ///
    /// # Errors
    /// The limit is not 1 to 100, or the name has a wrong length or characters.
    pub fn validate(&self) -> Result<(), ValidationError> {
        let mut shape = Shape::new();
        if let Some(name) = &self.exclusive_start_table_name {
            shape = shape.name("exclusiveStartTableName", name);
        }
        if let Some(limit) = self.limit {
            shape = shape.between("limit", limit.into(), 1, Self::LIMIT_MAX.into());
        }
        shape.finish()
    }
}

/// A page of names in ascending order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListTablesOutput {
    /// Tables of any status.
    pub table_names: Vec<String>,
    /// Where the next page begins; absent at the end.
    pub last_evaluated_table_name: Option<String>,
}

#[cfg(test)]
mod tests;
