//! Every request, member by member, with the members that are not offered [API].

use super::body::{Body, Slot};
use super::member::{
    KeyCondition, Member, Optional, OptionalSeconds, OrTrue, OrUsual, Required, Wire,
};
use super::refused::Refusal;
use super::structure::structure;
use super::unoffered::{COLLECTION_METRICS, CONSUMED_CAPACITY, ON_FAILED_CONDITION, Policy};
use super::writer::Writer;
use crate::api::{
    AttributeDefinition, CreateBackupInput, CreateTableInput, DeleteBackupInput, DeleteItemInput,
    DeleteTableInput, DescribeBackupInput, DescribeTableInput, GetItemInput, KeySchemaElement,
    ListBackupsInput, ListTablesInput, ProvisionedThroughput, PutItemInput, QueryInput,
    RestoreTableFromBackupInput, ScanInput, UpdateItemInput,
};

structure! { AttributeDefinition {
    attribute_name: Required = "AttributeName",
    attribute_type: Required = "AttributeType",
} }

structure! { KeySchemaElement {
    attribute_name: Required = "AttributeName",
    key_type: Required = "KeyType",
} }

structure! { ProvisionedThroughput {
    read_capacity_units: Required = "ReadCapacityUnits",
    write_capacity_units: Required = "WriteCapacityUnits",
} }

structure! { CreateTableInput {
    table_name: Required = "TableName",
    attribute_definitions: Required = "AttributeDefinitions",
    key_schema: Required = "KeySchema",
    billing_mode: Optional = "BillingMode",
    provisioned_throughput: Optional = "ProvisionedThroughput",
} unoffered {
    "LocalSecondaryIndexes": Policy::List,
    "GlobalSecondaryIndexes": Policy::List,
    "VectorIndexes": Policy::List,
    "StreamSpecification": Policy::Switch("StreamEnabled"),
    "SSESpecification": Policy::Switch("Enabled"),
    "Tags": Policy::Harmless,
    "TableClass": Policy::Enumeration(&["STANDARD", "STANDARD_INFREQUENT_ACCESS"], &["STANDARD"]),
    "DeletionProtectionEnabled": Policy::Flag,
    "WarmThroughput": Policy::Harmless,
    "ResourcePolicy": Policy::Refused,
    "OnDemandThroughput": Policy::Refused,
    "GlobalTableSourceArn": Policy::Refused,
    "GlobalTableSettingsReplicationMode": Policy::Refused,
} }

structure! { DescribeTableInput {
    table_name: Required = "TableName",
} }

structure! { DeleteTableInput {
    table_name: Required = "TableName",
} }

structure! { ListTablesInput {
    exclusive_start_table_name: Optional = "ExclusiveStartTableName",
    limit: Optional = "Limit",
} }

structure! { PutItemInput {
    table_name: Required = "TableName",
    item: Required = "Item",
    condition_expression: Optional = "ConditionExpression",
    expression_attribute_names: OrUsual = "ExpressionAttributeNames",
    expression_attribute_values: OrUsual = "ExpressionAttributeValues",
    return_values: OrUsual = "ReturnValues",
} unoffered {
    "Expected": Policy::Refused,
    "ConditionalOperator": Policy::Refused,
    "ReturnConsumedCapacity": CONSUMED_CAPACITY,
    "ReturnItemCollectionMetrics": COLLECTION_METRICS,
    "ReturnValuesOnConditionCheckFailure": ON_FAILED_CONDITION,
} }

structure! { DeleteItemInput {
    table_name: Required = "TableName",
    key: Required = "Key",
    condition_expression: Optional = "ConditionExpression",
    expression_attribute_names: OrUsual = "ExpressionAttributeNames",
    expression_attribute_values: OrUsual = "ExpressionAttributeValues",
    return_values: OrUsual = "ReturnValues",
} unoffered {
    "Expected": Policy::Refused,
    "ConditionalOperator": Policy::Refused,
    "ReturnConsumedCapacity": CONSUMED_CAPACITY,
    "ReturnItemCollectionMetrics": COLLECTION_METRICS,
    "ReturnValuesOnConditionCheckFailure": ON_FAILED_CONDITION,
} }

structure! { UpdateItemInput {
    table_name: Required = "TableName",
    key: Required = "Key",
    update_expression: Optional = "UpdateExpression",
    condition_expression: Optional = "ConditionExpression",
    expression_attribute_names: OrUsual = "ExpressionAttributeNames",
    expression_attribute_values: OrUsual = "ExpressionAttributeValues",
    return_values: OrUsual = "ReturnValues",
} unoffered {
    "AttributeUpdates": Policy::Refused,
    "Expected": Policy::Refused,
    "ConditionalOperator": Policy::Refused,
    "ReturnConsumedCapacity": CONSUMED_CAPACITY,
    "ReturnItemCollectionMetrics": COLLECTION_METRICS,
    "ReturnValuesOnConditionCheckFailure": ON_FAILED_CONDITION,
} }

structure! { GetItemInput {
    table_name: Required = "TableName",
    key: Required = "Key",
    consistent_read: OrUsual = "ConsistentRead",
} unoffered {
    "AttributesToGet": Policy::Refused,
    "ProjectionExpression": Policy::Refused,
    "ExpressionAttributeNames": Policy::Refused,
    "ReturnConsumedCapacity": CONSUMED_CAPACITY,
} }

structure! { QueryInput {
    table_name: Required = "TableName",
    key_condition_expression: KeyCondition = "KeyConditionExpression",
    filter_expression: Optional = "FilterExpression",
    expression_attribute_names: OrUsual = "ExpressionAttributeNames",
    expression_attribute_values: OrUsual = "ExpressionAttributeValues",
    scan_index_forward: OrTrue = "ScanIndexForward",
    limit: Optional = "Limit",
    exclusive_start_key: Optional = "ExclusiveStartKey",
    consistent_read: OrUsual = "ConsistentRead",
    select: OrUsual = "Select",
} unoffered {
    "IndexName": Policy::Refused,
    "AttributesToGet": Policy::Refused,
    "KeyConditions": Policy::Refused,
    "QueryFilter": Policy::Refused,
    "ConditionalOperator": Policy::Refused,
    "ProjectionExpression": Policy::Refused,
    "ReturnConsumedCapacity": CONSUMED_CAPACITY,
} }

structure! { ScanInput {
    table_name: Required = "TableName",
    limit: Optional = "Limit",
    exclusive_start_key: Optional = "ExclusiveStartKey",
    consistent_read: OrUsual = "ConsistentRead",
} unoffered {
    "IndexName": Policy::Refused,
    "AttributesToGet": Policy::Refused,
    "ScanFilter": Policy::Refused,
    "ConditionalOperator": Policy::Refused,
    "ProjectionExpression": Policy::Refused,
    "FilterExpression": Policy::Refused,
    "ExpressionAttributeNames": Policy::Refused,
    "ExpressionAttributeValues": Policy::Refused,
    "Select": Policy::Enumeration(
        &["SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"],
        &["ALL_ATTRIBUTES"],
    ),
    "TotalSegments": Policy::Number(1),
    "Segment": Policy::Number(0),
    "ReturnConsumedCapacity": CONSUMED_CAPACITY,
} }

structure! { CreateBackupInput {
    table_name: Required = "TableName",
    backup_name: Required = "BackupName",
} }

structure! { DescribeBackupInput {
    backup_arn: Required = "BackupArn",
} }

structure! { DeleteBackupInput {
    backup_arn: Required = "BackupArn",
} }

structure! { ListBackupsInput {
    table_name: Optional = "TableName",
    limit: Optional = "Limit",
    time_range_lower_bound_ms: OptionalSeconds = "TimeRangeLowerBound",
    time_range_upper_bound_ms: OptionalSeconds = "TimeRangeUpperBound",
    exclusive_start_backup_arn: Optional = "ExclusiveStartBackupArn",
    backup_type: Optional = "BackupType",
} }

structure! { RestoreTableFromBackupInput {
    target_table_name: Required = "TargetTableName",
    backup_arn: Required = "BackupArn",
    billing_mode_override: Optional = "BillingModeOverride",
    provisioned_throughput_override: Optional = "ProvisionedThroughputOverride",
} unoffered {
    "GlobalSecondaryIndexOverride": Policy::List,
    "LocalSecondaryIndexOverride": Policy::List,
    "VectorIndexOverride": Policy::List,
    "OnDemandThroughputOverride": Policy::Refused,
    "SSESpecificationOverride": Policy::Switch("Enabled"),
} }
