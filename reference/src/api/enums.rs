//! The enumerations of the API, each value with its name on the wire.

use serde::{Deserialize, Serialize};

use crate::item::ValidationError;

/// Declares an enumeration whose values have names on the wire: `as_str`, `ALL`, `Display` and
/// `FromStr` follow from one list.
macro_rules! wire_enum {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$value_doc:meta])* $value:ident = $text:literal,)+
    }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$value_doc])* $value,)+
        }

        impl $name {
            /// Every value, in the order of declaration.
            pub const ALL: &[Self] = &[$(Self::$value,)+];

            /// The name on the wire.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = ();

            /// Finds a value by its name on the wire; an unknown name has no more to say.
            fn from_str(text: &str) -> Result<Self, ()> {
                Self::ALL.iter().copied().find(|it| it.as_str() == text).ok_or(())
            }
        }
    };
}
pub(crate) use wire_enum;

wire_enum! {
    /// Where a table is in its life.
    TableStatus {
        /// Being created or restored: no data operation is served yet.
        Creating = "CREATING",
        /// Settings are being changed; data operations are served.
        Updating = "UPDATING",
        /// Being deleted.
        Deleting = "DELETING",
        /// Ready.
        Active = "ACTIVE",
        /// The encryption key cannot be used.
        InaccessibleEncryptionCredentials = "INACCESSIBLE_ENCRYPTION_CREDENTIALS",
        /// Being archived after its key was lost for a week.
        Archiving = "ARCHIVING",
        /// Archived: only its archival backup is left.
        Archived = "ARCHIVED",
        /// A replica whose replication was refused.
        ReplicationNotAuthorized = "REPLICATION_NOT_AUTHORIZED",
    }
}

wire_enum! {
    /// Where a backup is in its life [API model; the prose's "ACTIVE" is never sent].
    BackupStatus {
        /// Asked for; its contents are not complete yet.
        Creating = "CREATING",
        /// Complete: it can be restored.
        Available = "AVAILABLE",
        /// Only in the answer of DeleteBackup.
        Deleted = "DELETED",
    }
}

wire_enum! {
    /// Who asked for a backup.
    BackupType {
        /// A user, by CreateBackup.
        User = "USER",
        /// The service, when a table with point-in-time recovery was deleted.
        System = "SYSTEM",
        /// AWS Backup.
        AwsBackup = "AWS_BACKUP",
    }
}

wire_enum! {
    /// Which backups ListBackups shows.
    BackupTypeFilter {
        /// Those that users made: the default.
        User = "USER",
        /// Those that the service made.
        System = "SYSTEM",
        /// Those of AWS Backup.
        AwsBackup = "AWS_BACKUP",
        /// Those of users and those of the service, but not those of AWS Backup.
        All = "ALL",
    }
}

impl BackupTypeFilter {
    /// Whether a backup of this type is shown.
    pub fn shows(self, backup_type: BackupType) -> bool {
        match self {
            Self::User => backup_type == BackupType::User,
            Self::System => backup_type == BackupType::System,
            Self::AwsBackup => backup_type == BackupType::AwsBackup,
            Self::All => backup_type != BackupType::AwsBackup,
        }
    }
}

wire_enum! {
    /// How a table's capacity is paid for.
    BillingMode {
        /// By capacity reserved in advance: the default.
        Provisioned = "PROVISIONED",
        /// By request.
        PayPerRequest = "PAY_PER_REQUEST",
    }
}

wire_enum! {
    /// The role of a key attribute.
    KeyType {
        /// The partition key.
        Hash = "HASH",
        /// The sort key.
        Range = "RANGE",
    }
}

wire_enum! {
    /// What a write answers; all but UpdateItem know the first two only.
    ReturnValues {
        /// Nothing: the default.
        None = "NONE",
        /// The item as it was before.
        AllOld = "ALL_OLD",
        /// The attributes that were changed, as they were before.
        UpdatedOld = "UPDATED_OLD",
        /// The item as it is now.
        AllNew = "ALL_NEW",
        /// The attributes that were changed, as they are now.
        UpdatedNew = "UPDATED_NEW",
    }
}

impl ReturnValues {
    /// Refuses what only UpdateItem may be asked for.
    ///
    /// # Errors
    /// It is neither NONE nor ALL_OLD.
    pub(crate) fn check_old_or_none(self) -> Result<(), ValidationError> {
        match self {
            Self::None | Self::AllOld => Ok(()),
            _ => Err(ValidationError::new("ReturnValues can only be ALL_OLD or NONE")),
        }
    }
}

wire_enum! {
    /// What a query answers. The other values of the API are about indexes and projections,
    /// which this service does not have.
    Select {
        /// The items: the default.
        AllAttributes = "ALL_ATTRIBUTES",
        /// Their number.
        Count = "COUNT",
    }
}
