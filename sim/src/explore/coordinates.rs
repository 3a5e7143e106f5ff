//! Where a run's one crash falls, and what it leaves, as a word that can be pasted into a shell:
//! `node-1:disk-write:17:after:power:3`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::operation::{CrashKind, OperationKind};

/// On which side of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Side {
    /// Right before it takes effect, and it does not.
    Before,
    /// Right after it took effect.
    After,
}

/// A moment of a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Site {
    /// The name of the host.
    pub host: String,
    /// The kind of its operation.
    pub kind: OperationKind,
    /// The number of the operation of this kind and host in the span, from 1.
    pub nth: u64,
    /// On which side of it.
    pub side: Side,
}

/// A moment, how the machine dies there, and what is left of its disk.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Coordinates {
    /// When.
    pub site: Site,
    /// How.
    pub crash: CrashKind,
    /// Which of the outcomes. Of a power loss they are numbered as by
    /// [`World::power_loss_to`](crate::World::power_loss_to); of a crash of the process the bits of
    /// the number say which of the changes under way are lost, in the order of submission.
    pub outcome: usize,
}

/// Why a text is no coordinates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoordinatesError {
    part: String,
    wants: &'static str,
}

impl fmt::Display for CoordinatesError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`{}`: {}", self.part, self.wants)
    }
}

impl std::error::Error for CoordinatesError {}

const WANTS_ALL: &str = "coordinates are given as in `node-1:disk-write:17:after:power:3`";
const WANTS_KIND: &str = "possible: disk-read, disk-write, disk-sync, disk-name, datagram-sent, \
                          datagram-delivered, stream-segment, object-request, object-effect";
const WANTS_NTH: &str = "operations are counted from 1";
const WANTS_SIDE: &str = "possible: before, after";
const WANTS_CRASH: &str = "possible: process, power";
const WANTS_OUTCOME: &str = "outcomes are counted from 0";

/// The kinds that are crash points.
const KINDS: [OperationKind; 9] = [
    OperationKind::DiskRead,
    OperationKind::DiskWrite,
    OperationKind::DiskSync,
    OperationKind::DiskName,
    OperationKind::DatagramSent,
    OperationKind::DatagramDelivered,
    OperationKind::StreamSegment,
    OperationKind::ObjectRequest,
    OperationKind::ObjectEffect,
];

impl OperationKind {
    /// What it is called in tables and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::DiskRead => "disk-read",
            Self::DiskWrite => "disk-write",
            Self::DiskSync => "disk-sync",
            Self::DiskName => "disk-name",
            Self::Disk => "disk",
            Self::DatagramSent => "datagram-sent",
            Self::DatagramDelivered => "datagram-delivered",
            Self::StreamSegment => "stream-segment",
            Self::ObjectRequest => "object-request",
            Self::ObjectEffect => "object-effect",
            Self::Point => "point",
            Self::Any => "any",
        }
    }

    /// Whether a machine's death around such an operation is a crash point.
    pub(super) fn is_walked(self) -> bool {
        KINDS.contains(&self)
    }
}

impl CrashKind {
    /// What it is called in tables and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Power => "power",
        }
    }
}

impl Side {
    /// What it is called in tables and on command lines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, kind, nth, side } = self;
        write!(out, "{host}:{}:{nth}:{}", kind.name(), side.name())
    }
}

impl fmt::Display for Coordinates {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}", self.site, self.crash.name(), self.outcome)
    }
}

impl FromStr for Coordinates {
    type Err = CoordinatesError;

    fn from_str(text: &str) -> Result<Self, CoordinatesError> {
        let wrong = |part: &str, wants| CoordinatesError { part: part.to_string(), wants };
        // From the right: a host's name may have colons.
        let mut parts = text.rsplitn(6, ':');
        let mut next = || parts.next().ok_or_else(|| wrong(text, WANTS_ALL));
        let (outcome, crash, side) = (next()?, next()?, next()?);
        let (nth, kind, host) = (next()?, next()?, next()?);
        let number = nth.parse().ok().filter(|&it| it > 0);
        let site = Site {
            host: host.to_string(),
            kind: named(KINDS, kind, OperationKind::name).ok_or_else(|| wrong(kind, WANTS_KIND))?,
            nth: number.ok_or_else(|| wrong(nth, WANTS_NTH))?,
            side: named([Side::Before, Side::After], side, Side::name)
                .ok_or_else(|| wrong(side, WANTS_SIDE))?,
        };
        let crash = named([CrashKind::Process, CrashKind::Power], crash, CrashKind::name)
            .ok_or_else(|| wrong(crash, WANTS_CRASH))?;
        let outcome = outcome.parse().map_err(|_| wrong(outcome, WANTS_OUTCOME))?;
        Ok(Self { site, crash, outcome })
    }
}

fn named<T: Copy, const N: usize>(
    all: [T; N],
    name: &str,
    of: impl Fn(T) -> &'static str,
) -> Option<T> {
    all.into_iter().find(|&it| of(it) == name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn coordinates_are_read_as_they_are_written(
            host in "[a-z:-]{0,9}",
            (kind, nth) in (0..KINDS.len(), 1..u64::MAX),
            (after, power, outcome) in (any::<bool>(), any::<bool>(), any::<usize>()),
        ) {
            let side = if after { Side::After } else { Side::Before };
            let site = Site { host, kind: KINDS[kind], nth, side };
            let crash = if power { CrashKind::Power } else { CrashKind::Process };
            let at = Coordinates { site, crash, outcome };
            prop_assert_eq!(at.to_string().parse(), Ok(at));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let why = |text: &str| text.parse::<Coordinates>().expect_err(text).to_string();
        assert_eq!(why("node-1:disk-write:0:after:power:3"), "`0`: operations are counted from 1");
        assert_eq!(why("a:disk-sync:1:amid:power:3"), "`amid`: possible: before, after");
        assert!(why("node-1:point:1:after:power:3").starts_with("`point`: possible: disk-read"));
        assert!(why("17").contains("as in `node-1:disk-write:17:after:power:3`"));
    }
}
