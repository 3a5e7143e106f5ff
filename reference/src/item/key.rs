//! Primary keys: from an item to bytes that sort as DynamoDB sorts, and back.
//!
//! An encoded key carries no types: they stand in the table's [`KeySchema`], which every reader
//! of keys has. Which partition holds a key is decided by [`hash_of`] alone.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    AttributeValue, Item, Number, PARTITION_KEY_BYTES_MAX, SORT_KEY_BYTES_MAX, ValidationError,
};

/// The types that a key attribute may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ScalarAttributeType {
    /// A string, ordered by its UTF-8 bytes.
    S,
    /// A number, ordered by value.
    N,
    /// Binary, ordered as unsigned bytes.
    B,
}

impl ScalarAttributeType {
    /// All three.
    pub const ALL: &[Self] = &[Self::S, Self::N, Self::B];

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::S => "S",
            Self::N => "N",
            Self::B => "B",
        }
    }
}

impl fmt::Display for ScalarAttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One attribute of the primary key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyAttribute {
    /// The attribute's name, at most [`super::KEY_NAME_BYTES_MAX`] bytes.
    pub name: String,
    /// The type that its value has in every item.
    pub attribute_type: ScalarAttributeType,
}

impl KeyAttribute {
    /// The bytes under which keys hold `value`, with which a condition compares this attribute.
    ///
    /// # Errors
    /// The value has another type, or is empty.
    pub fn condition_value(&self, value: &AttributeValue) -> Result<Bytes, ValidationError> {
        let encoded = encode(self, value).ok_or_else(|| {
            ValidationError::parameter("Condition parameter type does not match schema type")
        })?;
        check_not_empty(self, &encoded)?;
        Ok(encoded)
    }
}

/// A table's primary key: a partition key, and a sort key where there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySchema {
    /// The partition key (`HASH`).
    pub partition: KeyAttribute,
    /// The sort key (`RANGE`), if the table has one.
    pub sort: Option<KeyAttribute>,
}

/// An encoded primary key. Keys of one partition key sort as DynamoDB sorts their sort keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PrimaryKey {
    /// The partition key's value, encoded; never empty.
    pub partition: Bytes,
    /// The sort key's value, encoded; empty where the table has no sort key.
    pub sort: Bytes,
}

impl PrimaryKey {
    /// The place of this key among the table's partitions: [`hash_of`] its partition key.
    pub fn hash(&self) -> u64 {
        hash_of(&self.partition)
    }
}

/// Where an encoded partition key stands in the hash space that a table's partitions divide.
///
/// It is XXH3 with 64 bits and seed 0. Partition ranges are stored in archives and backups, so
/// this function is part of the durable format and never changes.
pub fn hash_of(partition: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(partition)
}

impl KeySchema {
    /// A schema with a partition key only.
    pub fn simple(name: &str, attribute_type: ScalarAttributeType) -> Self {
        Self { partition: KeyAttribute { name: name.to_owned(), attribute_type }, sort: None }
    }

    /// The same schema with a sort key.
    #[must_use]
    pub fn with_sort(self, name: &str, attribute_type: ScalarAttributeType) -> Self {
        Self { sort: Some(KeyAttribute { name: name.to_owned(), attribute_type }), ..self }
    }

    /// The key attributes, the partition key first.
    pub fn attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        std::iter::once(&self.partition).chain(&self.sort)
    }

    /// The key of an item that is to be stored.
    ///
    /// # Errors
    /// A key attribute is missing, has another type, is empty or too long.
    pub fn key_of(&self, item: &Item) -> Result<PrimaryKey, ValidationError> {
        let value_of = |key: &KeyAttribute| {
            let value = item.get(&key.name).ok_or_else(|| {
                let name = &key.name;
                ValidationError::parameter(format_args!("Missing the key {name} in the item"))
            })?;
            encode(key, value).ok_or_else(|| {
                let (name, expected, actual) =
                    (&key.name, key.attribute_type, value.attribute_type());
                ValidationError::parameter(format_args!(
                    "Type mismatch for key {name} expected: {expected} actual: {actual}"
                ))
            })
        };
        self.checked_key(value_of)
    }

    /// The key that a request names: exactly the key attributes and no others.
    ///
    /// # Errors
    /// The attributes or their types are not those of the schema, or one is empty or too long.
    pub fn key_from_map(&self, key: &Item) -> Result<PrimaryKey, ValidationError> {
        let mismatch =
            || ValidationError::new("The provided key element does not match the schema");
        if key.len() != self.attributes().count() {
            return Err(mismatch());
        }
        self.checked_key(|attribute| {
            key.get(&attribute.name).and_then(|value| encode(attribute, value)).ok_or_else(mismatch)
        })
    }

    /// The key attributes of an item, decoded from its key: what `LastEvaluatedKey` holds.
    ///
    /// # Panics
    /// If the key was not made by a schema with these types.
    pub fn to_item(&self, key: &PrimaryKey) -> Item {
        let pairs = self.attributes().zip([&key.partition, &key.sort]);
        pairs.map(|(attribute, bytes)| (attribute.name.clone(), decode(attribute, bytes))).collect()
    }

    fn checked_key(
        &self,
        value_of: impl Fn(&KeyAttribute) -> Result<Bytes, ValidationError>,
    ) -> Result<PrimaryKey, ValidationError> {
        let partition = value_of(&self.partition)?;
        let sort = self.sort.as_ref().map(&value_of).transpose()?;
        check_not_empty(&self.partition, &partition)?;
        if let (Some(attribute), Some(value)) = (&self.sort, &sort) {
            check_not_empty(attribute, value)?;
        }
        if partition.len() > PARTITION_KEY_BYTES_MAX {
            // The missing space is Amazon's.
            return Err(ValidationError::parameter(
                "Size of hashkey has exceeded the maximum size limit of2048 bytes",
            ));
        }
        let sort = sort.unwrap_or_default();
        if sort.len() > SORT_KEY_BYTES_MAX {
            return Err(ValidationError::parameter(
                "Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
            ));
        }
        Ok(PrimaryKey { partition, sort })
    }
}

fn check_not_empty(attribute: &KeyAttribute, encoded: &Bytes) -> Result<(), ValidationError> {
    if !encoded.is_empty() {
        return Ok(());
    }
    let (name, kind) = match attribute.attribute_type {
        ScalarAttributeType::B => (&attribute.name, "binary"),
        _ => (&attribute.name, "string"),
    };
    Err(ValidationError::new(format!(
        "One or more parameter values are not valid. The AttributeValue for a key attribute \
         cannot contain an empty {kind} value. Key: {name}"
    )))
}

/// The bytes of a key attribute's value, or `None` if it is of another type.
fn encode(attribute: &KeyAttribute, value: &AttributeValue) -> Option<Bytes> {
    match (attribute.attribute_type, value) {
        (ScalarAttributeType::S, AttributeValue::S(text)) => {
            Some(Bytes::copy_from_slice(text.as_bytes()))
        }
        (ScalarAttributeType::N, AttributeValue::N(number)) => {
            let mut bytes = Vec::new();
            number.encode_ordered(&mut bytes);
            Some(bytes.into())
        }
        (ScalarAttributeType::B, AttributeValue::B(bytes)) => Some(bytes.clone()),
        _ => None,
    }
}

fn decode(attribute: &KeyAttribute, bytes: &Bytes) -> AttributeValue {
    match attribute.attribute_type {
        ScalarAttributeType::S => AttributeValue::S(
            String::from_utf8(bytes.to_vec()).expect("the schema encoded a string"),
        ),
        ScalarAttributeType::N => {
            AttributeValue::N(Number::decode_ordered(bytes).expect("the schema encoded a number"))
        }
        ScalarAttributeType::B => AttributeValue::B(bytes.clone()),
    }
}

#[cfg(test)]
mod tests;
