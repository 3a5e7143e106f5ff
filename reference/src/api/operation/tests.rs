//! Every operation has its request, its name and its validation.

use std::collections::BTreeMap;

use super::*;
use crate::expression::Update;
use crate::item::{AttributeValue, Item, KeySchema, ScalarAttributeType};

const BACKUP: &str =
    "arn:aws:dynamodb:us-east-1:123456789012:table/orders/backup/01489602797149-73d8d5bc";

fn item() -> Item {
    Item::from([("id".to_owned(), 7.into())])
}

/// A good request for each operation.
fn request(operation: Operation) -> Request {
    let table_name = "orders".to_owned();
    let backup_arn = BACKUP.to_owned();
    match operation {
        Operation::CreateTable => Request::CreateTable(CreateTableInput::on_demand(
            "orders",
            &KeySchema::simple("id", ScalarAttributeType::N),
        )),
        Operation::DescribeTable => Request::DescribeTable(DescribeTableInput { table_name }),
        Operation::DeleteTable => Request::DeleteTable(DeleteTableInput { table_name }),
        Operation::ListTables => Request::ListTables(ListTablesInput::default()),
        Operation::PutItem => Request::PutItem(PutItemInput {
            condition_expression: Some("attribute_not_exists(#id) OR seats < :cap".to_owned()),
            expression_attribute_names: BTreeMap::from([("#id".to_owned(), "id".to_owned())]),
            expression_attribute_values: BTreeMap::from([(":cap".to_owned(), 10.into())]),
            return_values: ReturnValues::AllOld,
            ..PutItemInput::new("orders", item())
        }),
        Operation::GetItem => {
            Request::GetItem(GetItemInput { table_name, key: item(), consistent_read: true })
        }
        Operation::UpdateItem => Request::UpdateItem(UpdateItemInput {
            condition_expression: Some("seats < :cap".to_owned()),
            expression_attribute_names: BTreeMap::from([("#s".to_owned(), "seats".to_owned())]),
            expression_attribute_values: BTreeMap::from([(":cap".to_owned(), 10.into())]),
            return_values: ReturnValues::UpdatedNew,
            ..UpdateItemInput::new("orders", item(), "ADD #s :cap")
        }),
        Operation::DeleteItem => Request::DeleteItem(DeleteItemInput::new("orders", item())),
        Operation::Query => Request::Query(QueryInput {
            filter_expression: Some("seats < :id".to_owned()),
            limit: Some(1),
            exclusive_start_key: Some(item()),
            ..QueryInput::new("orders", "id = :id", BTreeMap::from([(":id".to_owned(), 7.into())]))
        }),
        Operation::Scan => Request::Scan(ScanInput {
            table_name,
            limit: Some(1),
            exclusive_start_key: Some(item()),
            consistent_read: false,
        }),
        Operation::CreateBackup => Request::CreateBackup(CreateBackupInput {
            table_name,
            backup_name: "nightly".to_owned(),
        }),
        Operation::DescribeBackup => Request::DescribeBackup(DescribeBackupInput { backup_arn }),
        Operation::ListBackups => Request::ListBackups(ListBackupsInput::default()),
        Operation::DeleteBackup => Request::DeleteBackup(DeleteBackupInput { backup_arn }),
        Operation::RestoreTableFromBackup => {
            let arn = BackupArn::parse(BACKUP).expect("a good ARN");
            Request::RestoreTableFromBackup(RestoreTableFromBackupInput::new("again", &arn))
        }
    }
}

#[test]
fn good_requests_pass_and_survive_storage() {
    for operation in Operation::ALL {
        let request = request(*operation);
        assert_eq!(request.operation(), *operation);
        assert_eq!(request.validate(), Ok(()), "{operation}");
        let bytes = postcard::to_stdvec(&request).expect("plain data");
        assert_eq!(postcard::from_bytes::<Request>(&bytes), Ok(request));
    }
}

#[test]
fn names_on_the_wire_lead_back() {
    for operation in Operation::ALL {
        assert_eq!(operation.as_str().parse(), Ok(*operation));
    }
    assert_eq!("UpdateTable".parse::<Operation>(), Err(()));
}

#[test]
fn every_table_name_is_checked() {
    for operation in Operation::ALL {
        let mut request = request(*operation);
        match &mut request {
            Request::CreateTable(it) => it.table_name.clear(),
            Request::DescribeTable(it) => it.table_name.clear(),
            Request::DeleteTable(it) => it.table_name.clear(),
            Request::ListTables(it) => it.exclusive_start_table_name = Some(String::new()),
            Request::PutItem(it) => it.table_name.clear(),
            Request::GetItem(it) => it.table_name.clear(),
            Request::UpdateItem(it) => it.table_name.clear(),
            Request::DeleteItem(it) => it.table_name.clear(),
            Request::Query(it) => it.table_name.clear(),
            Request::Scan(it) => it.table_name.clear(),
            Request::CreateBackup(it) => it.table_name.clear(),
            Request::DescribeBackup(it) => it.backup_arn.clear(),
            Request::ListBackups(it) => it.table_name = Some(String::new()),
            Request::DeleteBackup(it) => it.backup_arn.clear(),
            Request::RestoreTableFromBackup(it) => it.target_table_name.clear(),
        }
        request.validate().expect_err(operation.as_str());
    }
}

#[test]
fn writes_carry_their_condition() {
    let Request::PutItem(mut put) = request(Operation::PutItem) else {
        panic!("the request of another operation");
    };
    let condition = put.condition().expect("a good expression").expect("there is one");
    assert!(condition.holds(None));
    put.condition_expression = None;
    assert_eq!(
        put.validate().expect_err("placeholders without an expression").message,
        "ExpressionAttributeNames can only be specified when using expressions"
    );
    put.expression_attribute_names.clear();
    put.validate().expect_err("values without an expression");
    put.expression_attribute_values.clear();
    assert_eq!(put.validate(), Ok(()));
    assert_eq!(put.condition(), Ok(None));
    put.item.insert("set".to_owned(), AttributeValue::SS(Default::default()));
    put.validate().expect_err("an empty set");
}

#[test]
fn updates_carry_their_expressions() {
    let Request::UpdateItem(mut input) = request(Operation::UpdateItem) else {
        panic!("the request of another operation");
    };
    let (update, condition) = input.parse().expect("good expressions");
    assert_eq!(update.attributes().into_iter().collect::<Vec<_>>(), ["seats"]);
    assert!(condition.is_some_and(|it| !it.holds(None)));
    input.condition_expression = None;
    input.parse().expect("the update uses both placeholders");
    input.update_expression = None;
    input.validate().expect_err("placeholders without an expression");
    input.expression_attribute_names.clear();
    input.expression_attribute_values.clear();
    assert_eq!(input.validate(), Ok(()));
    assert_eq!(input.parse(), Ok((Update::default(), None)));
}

#[test]
fn only_updates_answer_what_is_new() {
    for return_values in [ReturnValues::AllNew, ReturnValues::UpdatedOld, ReturnValues::UpdatedNew]
    {
        let why = "ReturnValues can only be ALL_OLD or NONE";
        let put = PutItemInput { return_values, ..PutItemInput::new("orders", item()) };
        assert_eq!(put.validate().expect_err("refused").message, why);
        let delete = DeleteItemInput { return_values, ..DeleteItemInput::new("orders", item()) };
        assert_eq!(delete.validate().expect_err("refused").message, why);
    }
}

#[test]
fn queries_read_at_least_one_item() {
    let Request::Query(mut query) = request(Operation::Query) else {
        panic!("the request of another operation");
    };
    query.limit = Some(0);
    query.validate().expect_err("no items");
    query.limit = None;
    assert_eq!(query.validate(), Ok(()));
    query.filter_expression = Some("seats <".to_owned());
    let why = query.parse().expect_err("no filter").message;
    assert!(why.starts_with("Invalid FilterExpression: Syntax error"), "{why}");
}

#[test]
fn scans_read_at_least_one_item() {
    let Request::Scan(mut scan) = request(Operation::Scan) else {
        panic!("the request of another operation");
    };
    scan.limit = Some(0);
    scan.validate().expect_err("no items");
    scan.limit = None;
    assert_eq!(scan.validate(), Ok(()));
}
