//! What proves that a promise was broken: the keys, the versions, and the operations that force
//! the contradiction, as data that prints as a few lines.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::history::{Operation, OperationKind, Outcome, Seen, WriteId};
use crate::oracle::Instants;

/// Why a promise is broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Witness {
    /// Restored items that carry no identity of any write.
    Invented {
        /// The items, printed.
        items: Vec<String>,
    },
    /// A restored version that cannot have been the key's.
    Unfounded {
        /// The key.
        key: String,
        /// The version restored at it.
        found: WriteId,
        /// Why it cannot be.
        why: Unfounded,
    },
    /// A key was restored with more than one item.
    Twice {
        /// The key.
        key: String,
        /// The versions found at it.
        found: Vec<WriteId>,
    },
    /// No prefix of a partition's log holds both of these.
    Prefix {
        /// The partition, as the service numbers it.
        partition: u64,
        /// The key that needs the longer prefix.
        longer: Position,
        /// The key that needs the shorter one.
        shorter: Position,
    },
    /// At no instant was the key in the state in which it was restored.
    NoInstant {
        /// The key.
        key: String,
        /// What was restored.
        found: Seen,
        /// The operations that leave no room, if two can be named.
        because: Vec<Operation>,
    },
    /// The key's own operations have no order that explains them, whatever the backup holds.
    NotLinearizable {
        /// The key.
        key: String,
        /// Operations that contradict each other.
        because: Vec<Operation>,
    },
    /// Two keys are explained by no common instant.
    Skew {
        /// The smallest window that explains every key.
        skew_ns: u64,
        /// The key that needs a later instant.
        later: Bound,
        /// The key that needs an earlier one.
        earlier: Bound,
    },
    /// A write happened before something that is in, and is not in.
    Cause {
        /// The write.
        missing: Cause,
        /// What its key was restored as.
        found: Seen,
        /// How it happened before something that was restored, step by step.
        path: Vec<Cause>,
    },
    /// A transaction is in at one key and not at another.
    Torn {
        /// A part that is in.
        inside: Part,
        /// A part that is not.
        outside: Part,
    },
    /// A key is explained by no instant between the request and its answer.
    OutsideRequest {
        /// When the backup was requested and when that was answered.
        request: Instants,
        /// The key.
        bound: Bound,
    },
    /// What was restored is not what the backup owes.
    Restore(Differences),
    /// The committed log contradicts what clients were told.
    Log {
        /// The key.
        key: String,
        /// What is wrong, as a sentence.
        what: String,
        /// The operations that show it.
        because: Vec<Operation>,
    },
}

/// Why a restored version cannot have been its key's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unfounded {
    /// No write of the history on this key has this identity.
    NoSuchWrite,
    /// The operation of this identity writes no item.
    NotAPut(Operation),
    /// The service said that this write was not done.
    Refused(Operation),
    /// The write stands in no partition's log.
    NotCommitted(Operation),
    /// The item's attributes are not those that this write wrote.
    Damaged(Operation),
}

/// One write of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The key.
    pub key: String,
    /// The write.
    pub op: Operation,
    /// What was restored at the key.
    pub found: Seen,
}

/// One step from a missing write to what was restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// How it follows from the step before.
    pub how: How,
    /// The key.
    pub key: String,
    /// The operation.
    pub op: Operation,
}

/// How an operation follows from the one before it on a path of causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum How {
    /// The path begins with it.
    Begins,
    /// It read what the other wrote.
    Read,
    /// The same client called it when the other had been answered.
    SameClient,
    /// It stands behind the other on the same key, and is in.
    Superseded,
    /// It stands before the other on the same key and is in; nothing was restored there, so a
    /// later delete is in, and what stands before that.
    Emptied,
}

/// What a key needs of the prefix of its partition's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The key.
    pub key: String,
    /// What was restored at it.
    pub found: Seen,
    /// How many of the log's entries the prefix must hold at least, and at most (`u64::MAX`:
    /// any number) for this key to be in that state.
    pub entries: (u64, u64),
}

/// The instants at which a key can have been in its restored state, and what bounds them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// The key.
    pub key: String,
    /// What was restored at it.
    pub found: Seen,
    /// The instants.
    pub instants: Instants,
    /// The operation that forbids an earlier instant: it was not yet called.
    pub from_by: Option<Operation>,
    /// The operation that forbids a later instant: it had already been answered.
    pub until_by: Option<Operation>,
    /// How many other intervals of instants the key has, further off.
    pub others: u32,
}

/// How restored contents differ from what the backup owes. Empty lists: no difference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Differences {
    /// Keys of items whose attributes are not those that their write wrote.
    pub damaged: Vec<String>,
    /// Restored items that carry no identity of any write.
    pub unknown: Vec<String>,
    /// Settings that differ.
    pub settings: Vec<String>,
    /// Keys at which a second restore of the same backup gave something else.
    pub second: Vec<String>,
    /// Keys with more than one restored item.
    pub twice: Vec<String>,
    /// Restored versions that no put of the history explains.
    pub unfounded: Vec<(String, WriteId)>,
    /// Keys that are absent, and the version owed.
    pub missing: Vec<(String, WriteId)>,
    /// Keys that should be absent, and the version found.
    pub extra: Vec<(String, WriteId)>,
    /// Keys with another version: found, owed.
    pub wrong: Vec<(String, WriteId, WriteId)>,
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invented { items } => {
                write!(f, "  restored, but written by nobody: {}", few(items))
            }
            Self::Unfounded { key, found, why } => {
                write!(f, "  {key} was restored as {found}, {why}")
            }
            Self::Twice { key, found } => {
                let found: Vec<String> = found.iter().map(WriteId::to_string).collect();
                write!(f, "  {key} was restored more than once: {}", few(&found))
            }
            Self::Prefix { partition, longer, shorter } => {
                writeln!(f, "  no prefix of the log of partition {partition} explains both:")?;
                write!(f, "    {longer}\n    {shorter}")
            }
            Self::NoInstant { key, found, because } => {
                write!(f, "  {key} was restored as {found}, which it was at no instant")?;
                lines(f, because)
            }
            Self::NotLinearizable { key, because } => {
                write!(f, "  the operations on {key} have no order that explains them all")?;
                lines(f, because)
            }
            Self::Skew { skew_ns, later, earlier } => {
                writeln!(f, "  no instant explains both; they are {} apart:", Millis(*skew_ns))?;
                write!(f, "{later}\n{earlier}")
            }
            Self::Cause { missing, found, path } => {
                let Cause { key, op, .. } = missing;
                writeln!(f, "  {key} = {found} is without a write that happened before others:")?;
                write!(f, "    missing:  {op}")?;
                path.iter().try_for_each(|cause| write!(f, "\n{cause}"))
            }
            Self::Torn { inside, outside } => {
                writeln!(f, "  a transaction is in at one key and not at another:")?;
                writeln!(f, "    {} = {}, in:  {}", inside.key, inside.found, inside.op)?;
                write!(f, "    {} = {}, out: {}", outside.key, outside.found, outside.op)
            }
            Self::OutsideRequest { request, bound } => {
                writeln!(f, "  the backup was requested and answered in {request}, but:")?;
                write!(f, "{bound}")
            }
            Self::Restore(differences) => write!(f, "{differences}"),
            Self::Log { key, what, because } => {
                write!(f, "  {key}: {what}")?;
                lines(f, because)
            }
        }
    }
}

impl fmt::Display for Unfounded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchWrite => write!(f, "which nobody wrote there"),
            Self::NotAPut(op) => write!(f, "which wrote no item:\n    {op}"),
            Self::Refused(op) => write!(f, "a write that was refused:\n    {op}"),
            Self::NotCommitted(op) => write!(f, "a write that was never committed:\n    {op}"),
            Self::Damaged(op) => write!(f, "but not with the attributes that it wrote:\n    {op}"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { how, key, op } = self;
        let how = match how {
            How::Begins => "first:   ",
            How::Read => "seen by: ",
            How::SameClient => "and then:",
            How::Superseded => "replaced:",
            How::Emptied => "emptied: ",
        };
        write!(f, "    {how} {op} at {key}")
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = self.entries;
        write!(f, "{} = {} needs ", self.key, self.found)?;
        match most {
            u64::MAX => write!(f, "at least {least} entries"),
            _ => write!(f, "{least} to {most} entries"),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "    {} = {} holds in {}", self.key, self.found, self.instants)?;
        if self.others > 0 {
            write!(f, " (and {} other intervals, further off)", self.others)?;
        }
        if let Some(op) = &self.from_by {
            write!(f, "\n      not before: {op}")?;
        }
        if let Some(op) = &self.until_by {
            write!(f, "\n      not after:  {op}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Instants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}, {}]", Millis(self.from_ns), Millis(self.until_ns))
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.kind {
            OperationKind::Put => "put",
            OperationKind::Delete => "delete",
            OperationKind::Read => "read",
            OperationKind::EventualRead => "eventual read",
        };
        match self.write {
            Some(write) => write!(f, "{verb} {write}")?,
            None => write!(f, "{verb} by c{}", self.client)?,
        }
        if let Some(replaced) = self.conditional {
            write!(f, " if {replaced}")?;
        }
        write!(f, " called {}", Millis(self.invoke_ns))?;
        match (self.outcome, self.return_ns()) {
            (Outcome::Acknowledged, Some(at)) => write!(f, ", acknowledged {}", Millis(at))?,
            (Outcome::Refused, Some(at)) => write!(f, ", refused {}", Millis(at))?,
            _ => write!(f, ", outcome unknown")?,
        }
        self.saw.map_or(Ok(()), |saw| write!(f, ", saw {saw}"))
    }
}

impl Differences {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Each list with what its entries are.
    pub(super) fn lists(&self) -> [(&'static str, Vec<String>); 9] {
        let pairs = |list: &[(String, WriteId)]| {
            list.iter().map(|(key, write)| format!("{key} = {write}")).collect::<Vec<_>>()
        };
        let wrong: Vec<String> = self
            .wrong
            .iter()
            .map(|(key, found, owed)| format!("{key} = {found} instead of {owed}"))
            .collect();
        [
            ("missing", pairs(&self.missing)),
            ("extra", pairs(&self.extra)),
            ("wrong version", wrong),
            ("damaged", self.damaged.clone()),
            ("written by nobody", self.unknown.clone()),
            ("explained by no put", pairs(&self.unfounded)),
            ("restored more than once", self.twice.clone()),
            ("settings that differ", self.settings.clone()),
            ("different in a second restore", self.second.clone()),
        ]
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = lines_of(&self.lists());
        write!(f, "{}", lines.join("\n"))
    }
}

fn lines_of(lists: &[(&str, Vec<String>)]) -> Vec<String> {
    let some = lists.iter().filter(|(_, list)| !list.is_empty());
    some.map(|(what, list)| format!("  {what}: {}", few(list))).collect()
}

/// A list cut to what a person reads.
fn few(list: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut text = list.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if list.len() > SHOWN {
        text += &format!(" and {} more", list.len() - SHOWN);
    }
    text
}

fn lines(f: &mut fmt::Formatter<'_>, operations: &[Operation]) -> fmt::Result {
    operations.iter().try_for_each(|operation| write!(f, "\n    {operation}"))
}

/// Nanoseconds, printed in milliseconds without rounding; `u64::MAX` prints as "for ever".
#[derive(Clone, Copy, Debug)]
pub struct Millis(pub u64);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == u64::MAX {
            return write!(f, "for ever");
        }
        let text = format!("{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000);
        write!(f, "{} ms", text.trim_end_matches('0').trim_end_matches('.'))
    }
}
