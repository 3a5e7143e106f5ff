//! The wire contract as a snapshot for reviewers: each operation with a request and a response.

use std::fmt::Write as _;

use super::*;
use crate::api::*;

fn backup_arn() -> BackupArn {
    let table = TableArn {
        region: "us-east-1".to_owned(),
        account: "123456789012".to_owned(),
        table_name: "orders".to_owned(),
    };
    table.backup(1_489_602_797_149, 0x73d8_d5bc)
}

/// A request as clients may write it: in any order, with members that ask for nothing.
fn sample_request(operation: Operation) -> String {
    let arn = backup_arn();
    let body = match operation {
        Operation::CreateTable => {
            r#"{"AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
            "TableName": "orders", "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
            "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 1e1},
            "StreamSpecification": {"StreamEnabled": false}, "Tags": [{"Key": "a", "Value": "b"}],
            "GlobalSecondaryIndexes": [], "TableClass": "STANDARD"}"#
        }
        Operation::DescribeTable | Operation::DeleteTable => r#"{"TableName": "orders"}"#,
        Operation::ListTables => r#"{"Limit": 2.9, "ExclusiveStartTableName": null}"#,
        Operation::PutItem => {
            r##"{"TableName": "orders", "Item": {"id": {"S": "\u00e9"}, "n": {"N": "01.50"},
            "b": {"B": "AAE="}, "t": {"BOOL": true}, "z": {"NULL": true}, "l": {"L": [{"M": {}}]},
            "ns": {"NS": ["10", "9"]}, "ss": {"SS": ["b", "a"]}, "bs": {"BS": ["AQ==", ""]}},
            "ConditionExpression": "attribute_not_exists(#i) OR n < :n",
            "ExpressionAttributeNames": {"#i": "id"}, "ReturnConsumedCapacity": "TOTAL",
            "ExpressionAttributeValues": {":n": {"N": "2"}}, "ReturnValues": "ALL_OLD"}"##
        }
        Operation::GetItem => {
            r#"{"TableName": "orders", "Key": {"id": {"S": "a"}}, "ConsistentRead": true}"#
        }
        Operation::UpdateItem => {
            r#"{"TableName": "orders", "Key": {"id": {"S": "a"}}, "ReturnValues": "UPDATED_NEW",
            "UpdateExpression": "ADD n :n", "ExpressionAttributeValues": {":n": {"N": "-2"}}}"#
        }
        Operation::DeleteItem => {
            r#"{"TableName": "orders", "Key": {"id": {"S": "a"}}, "ReturnValues": "NONE"}"#
        }
        Operation::Query => {
            r#"{"TableName": "orders", "KeyConditionExpression": "id = :i", "Select": "COUNT",
            "ExpressionAttributeValues": {":i": {"S": "a"}}, "ScanIndexForward": false,
            "FilterExpression": "n > :i", "Limit": 10, "ExclusiveStartKey": {"id": {"S": "a"}}}"#
        }
        Operation::Scan => {
            r#"{"TableName": "orders", "Limit": 10, "TotalSegments": 1, "Segment": 0,
            "ExclusiveStartKey": {"id": {"S": "a"}}, "Select": "ALL_ATTRIBUTES"}"#
        }
        Operation::CreateBackup => r#"{"TableName": "orders", "BackupName": "first"}"#,
        Operation::DescribeBackup | Operation::DeleteBackup => r#"{"BackupArn": "ARN"}"#,
        Operation::ListBackups => {
            r#"{"TimeRangeLowerBound": 1489602797.149, "TimeRangeUpperBound": 1.4896E9,
            "BackupType": "ALL", "ExclusiveStartBackupArn": "ARN", "Limit": 5}"#
        }
        Operation::RestoreTableFromBackup => {
            r#"{"TargetTableName": "again", "BackupArn": "ARN", "LocalSecondaryIndexOverride": [],
            "BillingModeOverride": "PROVISIONED", "SSESpecificationOverride": {"Enabled": false},
            "ProvisionedThroughputOverride": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 2}}"#
        }
    };
    body.replace("ARN\"", &format!("{arn}\""))
}

fn table() -> TableDescription {
    let schema = KeySchema::simple("id", ScalarAttributeType::S);
    let request = CreateTableInput::on_demand("orders", &schema);
    let source = backup_arn();
    TableDescription {
        table_name: "orders".to_owned(),
        attribute_definitions: request.attribute_definitions,
        key_schema: request.key_schema,
        table_status: TableStatus::Creating,
        creation_date_time_ms: 1_489_602_797_000,
        provisioned_throughput: ProvisionedThroughput::NONE,
        billing_mode: BillingMode::PayPerRequest,
        table_size_bytes: 0,
        item_count: 0,
        table_arn: source.table.clone(),
        table_id: TableId(0xab),
        restore_summary: Some(RestoreSummary {
            source_table_arn: source.table.clone(),
            source_backup_arn: source,
            restore_date_time_ms: 1_489_602_797_050,
            restore_in_progress: true,
        }),
    }
}

fn backup() -> BackupDescription {
    let table = table();
    BackupDescription {
        backup_details: BackupDetails {
            backup_arn: backup_arn(),
            backup_name: "first".to_owned(),
            backup_size_bytes: 24,
            backup_status: BackupStatus::Available,
            backup_type: BackupType::User,
            backup_creation_date_time_ms: 1_489_602_797_149,
            backup_expiry_date_time_ms: None,
            sealed_at_ms: Some(1_489_602_797_151),
        },
        source_table_details: SourceTableDetails {
            table_name: table.table_name,
            table_id: table.table_id,
            table_arn: table.table_arn,
            table_size_bytes: 24,
            item_count: 1,
            key_schema: table.key_schema,
            table_creation_date_time_ms: table.creation_date_time_ms,
            provisioned_throughput: table.provisioned_throughput,
            billing_mode: table.billing_mode,
        },
    }
}

fn sample_response(operation: Operation) -> Response {
    let item = || Some(Item::from([("id".to_owned(), AttributeValue::from("a"))]));
    let (items, count, scanned_count) = (vec![item().unwrap_or_default()], 1, 2);
    let (table_description, backup_description) = (table(), backup());
    match operation {
        Operation::CreateTable => Response::CreateTable(CreateTableOutput { table_description }),
        Operation::DescribeTable => {
            Response::DescribeTable(DescribeTableOutput { table: table_description })
        }
        Operation::DeleteTable => Response::DeleteTable(DeleteTableOutput { table_description }),
        Operation::ListTables => Response::ListTables(ListTablesOutput {
            table_names: vec!["again".to_owned(), "orders".to_owned()],
            last_evaluated_table_name: Some("orders".to_owned()),
        }),
        Operation::PutItem => Response::PutItem(PutItemOutput { attributes: None }),
        Operation::GetItem => Response::GetItem(GetItemOutput { item: item() }),
        Operation::UpdateItem => Response::UpdateItem(UpdateItemOutput { attributes: item() }),
        Operation::DeleteItem => Response::DeleteItem(DeleteItemOutput { attributes: item() }),
        Operation::Query => {
            Response::Query(QueryOutput { items, count, scanned_count, last_evaluated_key: item() })
        }
        Operation::Scan => {
            let last_evaluated_key = None;
            Response::Scan(ScanOutput { items, count, scanned_count, last_evaluated_key })
        }
        Operation::CreateBackup => Response::CreateBackup(CreateBackupOutput {
            backup_details: backup_description.backup_details,
        }),
        Operation::DescribeBackup => {
            Response::DescribeBackup(DescribeBackupOutput { backup_description })
        }
        Operation::ListBackups => Response::ListBackups(ListBackupsOutput {
            backup_summaries: vec![backup_description.summary()],
            last_evaluated_backup_arn: Some(backup_arn()),
        }),
        Operation::DeleteBackup => {
            Response::DeleteBackup(DeleteBackupOutput { backup_description })
        }
        Operation::RestoreTableFromBackup => {
            let output = RestoreTableFromBackupOutput { table_description };
            Response::RestoreTableFromBackup(output)
        }
    }
}

fn text(body: Vec<u8>) -> String {
    String::from_utf8(body).expect("JSON is text")
}

#[test]
fn each_operation_has_a_request_and_a_response() {
    let mut contract = String::new();
    for operation in Operation::ALL {
        let target = target(*operation);
        let sent = sample_request(*operation);
        let request = decode(&target, sent.as_bytes()).expect("the sample is a request");
        let understood = text(encode_request(&request));
        let response = text(encode_response(&sample_response(*operation)));
        let sent = sent.replace("            ", "");
        writeln!(contract, "# {target}\n## sent\n{sent}").expect("a String takes all text");
        writeln!(contract, "## understood\n{understood}\n## answered\n{response}\n").expect("too");
    }
    assert_snapshot("wire_contract", "Each operation with a request and a response", &contract);
}
