//! Keys side by side: those of one partition key whose sort keys lie between bounds.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::PrimaryKey;

/// The keys of one partition key from one sort key up to, but without, another; in encoded form,
/// whose order is DynamoDB's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    /// The partition key's value, encoded.
    pub partition: Bytes,
    /// The first sort key; empty where it is the first of all.
    pub from: Bytes,
    /// The sort key behind the last one; `None` where there is no end.
    pub until: Option<Bytes>,
}

impl KeyRange {
    /// The lowest key that may lie in the range.
    pub fn first(&self) -> PrimaryKey {
        PrimaryKey { partition: self.partition.clone(), sort: self.from.clone() }
    }

    /// Whether the key lies in the range.
    pub fn contains(&self, key: &PrimaryKey) -> bool {
        let before_end = self.until.as_ref().is_none_or(|until| key.sort < *until);
        key.partition == self.partition && key.sort >= self.from && before_end
    }

    /// What is left of the range once `key` was read, in the direction of reading.
    #[must_use]
    pub fn behind(self, key: &PrimaryKey, forward: bool) -> Self {
        if forward {
            Self { from: successor(&key.sort), ..self }
        } else {
            Self { until: Some(key.sort.clone()), ..self }
        }
    }
}

/// The next of all byte strings: the same one with a zero behind it.
pub(crate) fn successor(bytes: &[u8]) -> Bytes {
    [bytes, &[0]].concat().into()
}
