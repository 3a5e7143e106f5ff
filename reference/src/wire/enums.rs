//! The enumerations of the API on the wire.

use super::body::Body;
use super::member::Wire;
use super::refused::Refusal;
use super::structure::enumerations;
use super::writer::Writer;
use crate::api::{
    BackupStatus, BackupType, BackupTypeFilter, BillingMode, KeyType, ReturnValues, Select,
    TableStatus,
};
use crate::item::ScalarAttributeType;

enumerations! {
    BackupStatus: ["CREATING", "DELETED", "AVAILABLE"];
    BackupType: ["USER", "SYSTEM", "AWS_BACKUP"];
    BackupTypeFilter: ["USER", "SYSTEM", "AWS_BACKUP", "ALL"];
    BillingMode: ["PROVISIONED", "PAY_PER_REQUEST"];
    KeyType: ["HASH", "RANGE"];
    ReturnValues: ["ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"];
    ScalarAttributeType: ["B", "N", "S"];
    Select: ["SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"];
    TableStatus: [
        "CREATING",
        "UPDATING",
        "DELETING",
        "ACTIVE",
        "INACCESSIBLE_ENCRYPTION_CREDENTIALS",
        "ARCHIVING",
        "ARCHIVED",
        "REPLICATION_NOT_AUTHORIZED",
    ];
}
