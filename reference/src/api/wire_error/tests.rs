//! The table of errors, complete by construction, as a snapshot for reviewers.

use std::collections::BTreeSet;

use super::*;
use crate::item::ValidationError;

/// One error of every variant. The match has no wildcard: a variant that is not listed here does
/// not compile. The three that all operations have come by themselves.
macro_rules! every {
    ($error:ident { $($pattern:pat => $sample:expr,)* }) => {{
        use $error as E;
        fn _is_exhaustive(error: &E) {
            match error {
                $($pattern => (),)*
                E::Validation(_) | E::Throttling | E::InternalServerError(_) => (),
            }
        }
        let all: Vec<ApiError> = vec![
            $($sample.into(),)*
            E::Validation(ValidationError::new("Why the request is wrong")).into(),
            E::Throttling.into(),
            E::InternalServerError("for the log only".to_owned()).into(),
        ];
        all
    }};
}

fn name() -> String {
    "orders".to_owned()
}

fn arn() -> String {
    "<arn>".to_owned()
}

fn limit() -> String {
    "Only 50 restore operations can be done simultaneously".to_owned()
}

fn errors_of(operation: Operation) -> Vec<ApiError> {
    match operation {
        Operation::CreateTable => every!(CreateTableError {
            E::ResourceInUse(_) => E::ResourceInUse(name()),
            E::LimitExceeded(_) => E::LimitExceeded(limit()),
        }),
        Operation::DescribeTable => every!(DescribeTableError {
            E::ResourceNotFound(_) => E::ResourceNotFound(name()),
        }),
        Operation::DeleteTable => every!(DeleteTableError {
            E::ResourceNotFound(_) => E::ResourceNotFound(name()),
            E::TableBeingCreated(_) => E::TableBeingCreated(name()),
            E::TableBeingBackedUp(_) => E::TableBeingBackedUp(name()),
            E::LimitExceeded(_) => E::LimitExceeded(limit()),
        }),
        Operation::ListTables => every!(ListTablesError {}),
        Operation::PutItem => every!(PutItemError {
            E::ResourceNotFound => E::ResourceNotFound,
            E::ConditionalCheckFailed => E::ConditionalCheckFailed,
        }),
        Operation::GetItem => every!(GetItemError { E::ResourceNotFound => E::ResourceNotFound, }),
        Operation::UpdateItem => every!(UpdateItemError {
            E::ResourceNotFound => E::ResourceNotFound,
            E::ConditionalCheckFailed => E::ConditionalCheckFailed,
        }),
        Operation::DeleteItem => every!(DeleteItemError {
            E::ResourceNotFound => E::ResourceNotFound,
            E::ConditionalCheckFailed => E::ConditionalCheckFailed,
        }),
        Operation::Query => every!(QueryError { E::ResourceNotFound => E::ResourceNotFound, }),
        Operation::Scan => every!(ScanError { E::ResourceNotFound => E::ResourceNotFound, }),
        Operation::CreateBackup => every!(CreateBackupError {
            E::TableNotFound(_) => E::TableNotFound(name()),
            E::TableInUse(_) => E::TableInUse(name()),
            E::ContinuousBackupsUnavailable(_) => E::ContinuousBackupsUnavailable(name()),
            E::BackupInUse(_) => E::BackupInUse(name()),
            E::LimitExceeded(_) => E::LimitExceeded(limit()),
        }),
        Operation::DescribeBackup => every!(DescribeBackupError {
            E::BackupNotFound(_) => E::BackupNotFound(arn()),
        }),
        Operation::ListBackups => every!(ListBackupsError {}),
        Operation::DeleteBackup => every!(DeleteBackupError {
            E::BackupNotFound(_) => E::BackupNotFound(arn()),
            E::BackupBeingCreated(_) => E::BackupBeingCreated(arn()),
            E::BackupBeingRestored(_) => E::BackupBeingRestored(arn()),
            E::LimitExceeded(_) => E::LimitExceeded(limit()),
        }),
        Operation::RestoreTableFromBackup => every!(RestoreTableFromBackupError {
            E::TableAlreadyExists(_) => E::TableAlreadyExists(name()),
            E::TableInUse(_) => E::TableInUse(name()),
            E::TableBeingRestored { .. } => E::TableBeingRestored { table: name(), backup: arn() },
            E::BackupNotFound(_) => E::BackupNotFound(arn()),
            E::BackupBeingCreated(_) => E::BackupBeingCreated(arn()),
            E::BackupBeingRestored(_) => E::BackupBeingRestored(arn()),
            E::LimitExceeded(_) => E::LimitExceeded(limit()),
        }),
    }
}

#[test]
fn the_whole_table_of_errors() {
    let mut table = String::new();
    for operation in Operation::ALL {
        let kind = if operation.writes() { "writes: 500 leaves the outcome open" } else { "reads" };
        table += &format!("{operation} ({kind})\n");
        for error in errors_of(*operation) {
            let WireError { exception, http_status, message, retryable } = (&error).into();
            let retry = if retryable { "retry" } else { "final" };
            table += &format!("  {http_status} {retry} {exception:<39} {message}\n");
        }
    }
    insta::with_settings!({
        snapshot_path => concat!(env!("CARGO_MANIFEST_DIR"), "/../snapshots"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
        description => "Every error of every operation as a client gets it",
    }, {
        insta::assert_snapshot!("wire_errors", table);
    });
}

#[test]
fn every_exception_is_some_operations() {
    let sent: BTreeSet<ExceptionName> =
        Operation::ALL.iter().flat_map(|it| errors_of(*it)).map(|it| it.exception()).collect();
    assert_eq!(sent, ExceptionName::ALL.iter().copied().collect());
}

#[test]
fn details_of_a_failure_stay_inside() {
    let error = ApiError::from(PutItemError::InternalServerError("node 7 lost its disk".into()));
    assert_eq!(WireError::from(&error).message, "Internal server error");
    assert!(format!("{error:?}").contains("node 7"), "the log still has it");
}

#[test]
fn errors_survive_storage() {
    for error in Operation::ALL.iter().flat_map(|it| errors_of(*it)) {
        let bytes = postcard::to_stdvec(&error).expect("plain data");
        assert_eq!(postcard::from_bytes::<ApiError>(&bytes), Ok(error));
    }
}
