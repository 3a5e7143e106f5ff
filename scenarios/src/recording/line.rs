//! The lines of a recorded history, as they stand in the file.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::history::{Seen, WriteId};

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) format: String,
    pub(super) version: u32,
    pub(super) clock: Clock,
    pub(super) endpoint: String,
    pub(super) transactions: bool,
}

/// The unit of all times.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Clock {
    /// Nanoseconds on one monotonic clock.
    #[serde(rename = "ns")]
    Nanoseconds,
}

/// What any line but the first begins to tell of itself.
#[derive(Debug, Deserialize)]
pub(super) struct Kind {
    pub(super) op: Op,
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Op {
    Put,
    Delete,
    Read,
    EventualRead,
    Backup,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Fate {
    Done,
    Refused,
    Unknown,
}

/// One call of one client on one key.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallLine {
    pub(super) op: Op,
    pub(super) client: u32,
    pub(super) key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) write: Option<Written>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) replaces: Option<State>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) transaction: Option<u32>,
    pub(super) invoke: u64,
    #[serde(default, rename = "return", skip_serializing_if = "Option::is_none")]
    pub(super) answered: Option<u64>,
    pub(super) outcome: Fate,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) saw: Option<State>,
}

/// One backup.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BackupLine {
    pub(super) op: Op,
    pub(super) name: String,
    pub(super) request: u64,
    pub(super) answer: u64,
    pub(super) available: u64,
    pub(super) items: Vec<ItemLine>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) unknown_items: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) settings_differ: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) second: Option<Vec<ItemLine>>,
}

/// One restored item.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ItemLine {
    pub(super) key: String,
    pub(super) write: Written,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) damaged: bool,
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

/// The identity of a write, as `c<client>.<count>`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written(pub(super) WriteId);

/// The state of a key: `absent`, or the identity of a write.
#[derive(Clone, Copy, Debug)]
pub(super) struct State(pub(super) Seen);

/// The write that a text names, if it is written as [`WriteId`] prints itself.
pub(crate) fn write_id(text: &str) -> Option<WriteId> {
    let (client, seq) = text.strip_prefix('c')?.split_once('.')?;
    Some(WriteId { client: number(client)?, seq: number(seq)? })
}

/// A number in the one way in which it is written.
fn number(text: &str) -> Option<u32> {
    let plain =
        text.bytes().all(|it| it.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

impl Serialize for Written {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_str(StateText)? {
            State(Seen::Version(write)) => Ok(Self(write)),
            State(Seen::Absent) => Err(de::Error::custom("expected a write such as \"c3.17\"")),
        }
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(StateText)
    }
}

struct StateText;

impl Visitor<'_> for StateText {
    type Value = State;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"absent\" or a write such as \"c3.17\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<State, E> {
        let version = || write_id(text).map(Seen::Version);
        let seen = if text == "absent" { Some(Seen::Absent) } else { version() };
        let wrong = || E::invalid_value(de::Unexpected::Str(text), &self);
        seen.map(State).ok_or_else(wrong)
    }
}
