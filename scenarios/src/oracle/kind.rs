//! In which way a witness shows that a promise is broken, in words that two runs can share.
//!
//! What exactly was seen is the witness's own business.

use super::witness::{Differences, Unfounded, Witness};

impl Witness {
    /// In which way the promise is broken, without keys, times and numbers: two runs fail alike
    /// if they break the same promise in the same way.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Invented { .. } => "an item that nobody wrote",
            Self::Unfounded { why, .. } => why.kind(),
            Self::Twice { .. } => "a key restored twice",
            Self::Prefix { .. } => "no prefix of a log",
            Self::NoInstant { .. } => "a state that a key never had",
            Self::NotLinearizable { .. } => "operations that have no order",
            Self::Skew { .. } => "no instant explains two keys",
            Self::Cause { .. } => "a cause is missing",
            Self::Torn { .. } => "a torn transaction",
            Self::OutsideRequest { .. } => "an instant outside of the request",
            Self::Restore(differences) => differences.kind(),
            Self::Log { .. } => "the log contradicts what clients were told",
        }
    }
}

impl Unfounded {
    fn kind(&self) -> &'static str {
        match self {
            Self::NoSuchWrite => "a version that nobody wrote there",
            Self::NotAPut(_) => "a version that is no item",
            Self::Refused(_) => "a write that was refused",
            Self::NotCommitted(_) => "a write that was never committed",
            Self::Damaged(_) => "damaged attributes",
        }
    }
}

impl Differences {
    fn kind(&self) -> &'static str {
        let first = self.lists().into_iter().find(|(_, list)| !list.is_empty());
        first.map_or("nothing differs", |(what, _)| what)
    }
}
