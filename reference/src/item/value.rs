//! The ten types of attribute values and the size that each of them counts for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Number;

/// The value of one attribute. Sets compare as sets and numbers as numbers, so `==` is
/// DynamoDB's equality.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttributeValue {
    /// UTF-8 text, possibly empty (except in a key).
    S(String),
    /// An exact decimal number.
    N(Number),
    /// Bytes, possibly none (except in a key).
    B(Bytes),
    /// Truth.
    Bool(bool),
    /// A null that stands in the item, unlike an absent attribute.
    Null,
    /// A list of values of any types.
    L(Vec<AttributeValue>),
    /// A map from names to values of any types.
    M(BTreeMap<String, AttributeValue>),
    /// A set of strings; an empty one is refused by [`super::validate_item`].
    SS(BTreeSet<String>),
    /// A set of numbers; an empty one is refused by [`super::validate_item`].
    NS(BTreeSet<Number>),
    /// A set of byte strings; an empty one is refused by [`super::validate_item`].
    BS(BTreeSet<Bytes>),
}

impl AttributeValue {
    /// The type of this value.
    pub fn attribute_type(&self) -> AttributeType {
        match self {
            Self::S(_) => AttributeType::S,
            Self::N(_) => AttributeType::N,
            Self::B(_) => AttributeType::B,
            Self::Bool(_) => AttributeType::Bool,
            Self::Null => AttributeType::Null,
            Self::L(_) => AttributeType::L,
            Self::M(_) => AttributeType::M,
            Self::SS(_) => AttributeType::SS,
            Self::NS(_) => AttributeType::NS,
            Self::BS(_) => AttributeType::BS,
        }
    }

    /// The bytes that this value counts for, without its name.
    ///
    /// Developer Guide, "DynamoDB item sizes and formats": text and binary by their bytes, a
    /// number one byte per two significant digits and one more, a boolean or null one byte, a
    /// list or map three bytes and one for each element.
    pub fn size_bytes(&self) -> usize {
        const CONTAINER_BYTES: usize = 3;
        match self {
            Self::S(text) => text.len(),
            Self::N(number) => number.size_bytes(),
            Self::B(bytes) => bytes.len(),
            Self::Bool(_) | Self::Null => 1,
            Self::L(list) => {
                CONTAINER_BYTES + list.iter().map(|value| 1 + value.size_bytes()).sum::<usize>()
            }
            Self::M(map) => {
                CONTAINER_BYTES
                    + map.iter().map(|(k, v)| 1 + k.len() + v.size_bytes()).sum::<usize>()
            }
            Self::SS(set) => set.iter().map(String::len).sum(),
            Self::NS(set) => set.iter().map(Number::size_bytes).sum(),
            Self::BS(set) => set.iter().map(Bytes::len).sum(),
        }
    }
}

impl From<&str> for AttributeValue {
    fn from(text: &str) -> Self {
        Self::S(text.to_owned())
    }
}

impl From<i64> for AttributeValue {
    fn from(number: i64) -> Self {
        Self::N(Number::from(number))
    }
}

/// The types of attribute values, with the names that `attribute_type` knows them by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AttributeType {
    /// String.
    S,
    /// Number.
    N,
    /// Binary.
    B,
    /// Boolean.
    Bool,
    /// Null.
    Null,
    /// List.
    L,
    /// Map.
    M,
    /// String set.
    SS,
    /// Number set.
    NS,
    /// Binary set.
    BS,
}

impl AttributeType {
    /// All ten, in the order of [`AttributeValue`].
    pub const ALL: [Self; 10] = [
        Self::S,
        Self::N,
        Self::B,
        Self::Bool,
        Self::Null,
        Self::L,
        Self::M,
        Self::SS,
        Self::NS,
        Self::BS,
    ];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::S => "S",
            Self::N => "N",
            Self::B => "B",
            Self::Bool => "BOOL",
            Self::Null => "NULL",
            Self::L => "L",
            Self::M => "M",
            Self::SS => "SS",
            Self::NS => "NS",
            Self::BS => "BS",
        }
    }
}

impl fmt::Display for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for AttributeType {
    type Err = ();

    /// Finds a type by its name on the wire; there is nothing to say about an unknown one.
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|it| it.as_str() == text).ok_or(())
    }
}
