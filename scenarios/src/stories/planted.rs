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
                stories: vec!["backup-under-load"],
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
        ]
    }
}
