//! Requests about backups: every rule from both sides of its boundary.

use super::*;

fn arn() -> BackupArn {
    let table = TableArn {
        region: "us-east-1".to_owned(),
        account: "123456789012".to_owned(),
        table_name: "orders".to_owned(),
    };
    table.backup(1_489_602_797_149, 7)
}

fn refused<T: std::fmt::Debug>(result: Result<T, ValidationError>) -> String {
    result.expect_err("refused").message
}

#[test]
fn a_backup_is_asked_for_by_name_or_arn() {
    let validate = |table_name: &str, backup_name: &str| {
        let (table_name, backup_name) = (table_name.to_owned(), backup_name.to_owned());
        CreateBackupInput { table_name, backup_name }.validate()
    };
    validate("orders", "nightly").expect("a name");
    validate(&arn().table.to_string(), "nightly").expect("an ARN");
    refused(validate(&arn().to_string(), "nightly"));
    let named = |length: usize| validate("orders", &"b".repeat(length)).is_ok();
    assert_eq!([2, 3, 255, 256].map(named), [false, true, true, false]);
    assert_eq!(
        refused(validate("orders", "what?")),
        "1 validation error detected: Value 'what?' at 'backupName' failed to satisfy constraint: \
         Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
    );
}

#[test]
fn only_arns_of_backups_name_backups() {
    let describe = |backup_arn: String| DescribeBackupInput { backup_arn }.validate();
    describe(arn().to_string()).expect("the ARN of a backup");
    assert_eq!(refused(describe(arn().table.to_string())), "Invalid Backup ARN");
    let short = refused(DeleteBackupInput { backup_arn: "arn:aws".to_owned() }.validate());
    assert!(short.ends_with("Member must have length greater than or equal to 37"), "{short}");
}

#[test]
fn lists_are_bounded() {
    let list = ListBackupsInput::default;
    list().validate().expect("everything is optional");
    let allowed = |limit| ListBackupsInput { limit: Some(limit), ..list() }.validate().is_ok();
    assert_eq!([0, 1, 100, 101].map(allowed), [false, true, true, false]);
    let range = |lower, upper| ListBackupsInput {
        time_range_lower_bound_ms: Some(lower),
        time_range_upper_bound_ms: Some(upper),
        ..list()
    };
    range(5, 5).validate().expect("an empty range");
    assert_eq!(
        refused(range(6, 5).validate()),
        "Time range lower bound must be less than or equal to upper bound"
    );
    let after = |arn: String| ListBackupsInput { exclusive_start_backup_arn: Some(arn), ..list() };
    after(arn().to_string()).validate().expect("the ARN of a backup");
    assert_eq!(refused(after(arn().table.to_string()).validate()), "Invalid Backup ARN");
    let of = |name: &str| ListBackupsInput { table_name: Some(name.to_owned()), ..list() };
    of("orders").validate().expect("a name");
    refused(of("no such name").validate());
}

#[test]
fn filters_show_what_amazon_says() {
    let shown = |filter: BackupTypeFilter| {
        BackupType::ALL.iter().filter(|it| filter.shows(**it)).map(|it| it.as_str()).collect()
    };
    let all: Vec<Vec<&str>> = BackupTypeFilter::ALL.iter().map(|it| shown(*it)).collect();
    assert_eq!(all, [vec!["USER"], vec!["SYSTEM"], vec!["AWS_BACKUP"], vec!["USER", "SYSTEM"]]);
}

fn source(billing_mode: BillingMode, units: i64) -> SourceTableDetails {
    SourceTableDetails {
        table_name: "orders".to_owned(),
        table_id: TableId(1),
        table_arn: arn().table,
        table_size_bytes: 0,
        item_count: 0,
        key_schema: Vec::new(),
        table_creation_date_time_ms: 0,
        provisioned_throughput: throughput(units),
        billing_mode,
    }
}

fn throughput(units: i64) -> ProvisionedThroughput {
    ProvisionedThroughput { read_capacity_units: units, write_capacity_units: units }
}

#[test]
fn restores_take_the_recorded_settings_or_the_overrides() {
    use BillingMode::{PayPerRequest, Provisioned};
    let restore = |mode, units: Option<i64>| RestoreTableFromBackupInput {
        billing_mode_override: mode,
        provisioned_throughput_override: units.map(throughput),
        ..RestoreTableFromBackupInput::new("again", &arn())
    };
    let effective = |mode, units, recorded, recorded_units| {
        restore(mode, units).effective_billing(&source(recorded, recorded_units))
    };
    let none = ProvisionedThroughput::NONE;
    assert_eq!(effective(None, None, Provisioned, 9), Ok((Provisioned, throughput(9))));
    assert_eq!(effective(None, Some(3), Provisioned, 9), Ok((Provisioned, throughput(3))));
    assert_eq!(effective(None, None, PayPerRequest, 0), Ok((PayPerRequest, none)));
    assert_eq!(effective(Some(PayPerRequest), None, Provisioned, 9), Ok((PayPerRequest, none)));
    assert_eq!(
        effective(Some(Provisioned), Some(3), PayPerRequest, 0),
        Ok((Provisioned, throughput(3)))
    );
    let cannot = "Cannot override ProvisionedThroughput unless BillingMode is PROVISIONED";
    assert_eq!(refused(effective(None, Some(3), PayPerRequest, 0)), cannot);
    assert_eq!(refused(effective(Some(PayPerRequest), Some(3), Provisioned, 9)), cannot);
    assert_eq!(
        refused(effective(Some(Provisioned), None, Provisioned, 9)),
        "Must override ProvisionedThroughput if BillingMode is overridden to PROVISIONED"
    );
    restore(None, Some(1)).validate().expect("the least capacity");
    assert!(refused(restore(None, Some(0)).validate()).starts_with("2 validation errors detected"));
}
