//! A recorded history as a file: what clients did to one table, and what restoring its backups
//! gave. `docs/conformance.md` documents the format; [`read`] and [`write`] are all that knows
//! it. Nothing here judges anything.

use crate::history::{History, Observed, OpId};

mod line;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use line::write_id;
pub use read::{Misread, read};
pub use write::write;

/// What the first line of a file calls its format.
pub const FORMAT: &str = "stillpoint-history";
/// The version of the format that is written, and the only one that is read.
pub const VERSION: u32 = 1;

/// One table's clients and backups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recording {
    /// What was driven, for a person: a URL, or whatever the recorder says.
    pub endpoint: String,
    /// Whether the endpoint took transactions.
    pub transactions_offered: bool,
    /// Every operation on the table.
    pub history: History,
    /// The writes that one call asked for together, each with one write or more.
    pub transactions: Vec<Vec<OpId>>,
    /// The backups that were restored, in the order of their requests.
    pub backups: Vec<Taken>,
}

/// One backup that was taken and restored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Its name.
    pub name: String,
    /// When it was seen to be AVAILABLE, on the history's clock.
    pub available_ns: u64,
    /// When it was asked for, and what restoring it gave.
    pub observed: Observed,
}
