//! The planted bugs by name.

use crate::report::MutantInfo;
use stillpoint_reference::mutants::Mutants;

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Planted {
    /// Writes go on while a cut holds its partitions.
    WritesAreNotHeld,
    /// A restore that resumes goes on behind the range it was at.
    ResumedRestoreSkipsARange,
    /// An entry is acknowledged before its fsync.
    AcknowledgeBeforeFsync,
    /// A leader confirms its marker without making sure that it still leads.
    ConfirmsWithoutARound,
    /// The entry behind the marker is taken into the backup.
    EntryBehindTheMarkerIsTakenIn,
    /// A restore ends where the archive cannot be read.
    RestoreEndsWhereItCannotRead,
    /// Every restored partition lacks its first item: the canary.
    RestoreDropsAnItem,
}

impl Mutants for Planted {
    fn writes_are_not_held(&self) -> bool {
        *self == Self::WritesAreNotHeld
    }

    fn resumed_restore_skips_a_range(&self) -> bool {
        *self == Self::ResumedRestoreSkipsARange
    }

    fn acknowledge_before_fsync(&self) -> bool {
        *self == Self::AcknowledgeBeforeFsync
    }

    fn confirms_without_a_round(&self) -> bool {
        *self == Self::ConfirmsWithoutARound
    }

    fn entry_behind_the_marker_is_taken_in(&self) -> bool {
        *self == Self::EntryBehindTheMarkerIsTakenIn
    }

    fn restore_ends_where_it_cannot_read(&self) -> bool {
        *self == Self::RestoreEndsWhereItCannotRead
    }

    fn restore_drops_an_item(&self) -> bool {
        *self == Self::RestoreDropsAnItem
    }
}

/// The canary's name; it is no mutant to be hunted, every run must catch it.
pub const CANARY: &str = "restore-drops-an-item";

impl Planted {
    /// The bug of this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "writes-are-not-held" => Some(Self::WritesAreNotHeld),
            "resumed-restore-skips-a-range" => Some(Self::ResumedRestoreSkipsARange),
            "acknowledge-before-fsync" => Some(Self::AcknowledgeBeforeFsync),
            "confirms-without-a-round" => Some(Self::ConfirmsWithoutARound),
            "entry-behind-the-marker-is-taken-in" => Some(Self::EntryBehindTheMarkerIsTakenIn),
            "restore-ends-where-it-cannot-read" => Some(Self::RestoreEndsWhereItCannotRead),
            CANARY => Some(Self::RestoreDropsAnItem),
            _ => None,
        }
    }

    /// The bugs that are hunted, and where.
    #[must_use]
    pub fn hunted() -> Vec<MutantInfo> {
        vec![
            MutantInfo {
                name: "writes-are-not-held",
                what: "writes are appended while a cut holds their partition",
                stories: vec!["one-write-leads-to-another"],
            },
            MutantInfo {
                name: "resumed-restore-skips-a-range",
                what: "a resumed restore goes on behind the range that it was at",
                stories: vec!["restore-worker-crashes"],
            },
            MutantInfo {
                name: "acknowledge-before-fsync",
                what: "an entry counts as durable before its fsync",
                stories: vec!["power-fails-everywhere"],
            },
            MutantInfo {
                name: "confirms-without-a-round",
                what: "a leader says Held without making sure that it still leads",
                stories: vec!["deposed-leader-confirms"],
            },
            MutantInfo {
                name: "entry-behind-the-marker-is-taken-in",
                what: "a backup takes in the entry behind each marker",
                stories: vec!["a-client-hops"],
            },
            MutantInfo {
                name: "restore-ends-where-it-cannot-read",
                what: "a restore ends where the archive cannot be read, and says it is complete",
                stories: vec!["archive-is-damaged"],
            },
        ]
    }
}
