//! What an item may look like: sizes and limits, refused in Amazon's words.
//!
//! Facts: Developer Guide, "Service, account, and table quotas" and "DynamoDB item sizes and
//! formats". Texts of messages where Amazon's are known. Keys are checked in [`super::KeySchema`].

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{AttributeValue, Item, NumberError};

/// The greatest size of an item, names included: 400 KB.
pub const ITEM_BYTES_MAX: usize = 400 * 1024;
/// How many lists and maps may stand inside one another.
pub const NESTING_MAX: usize = 32;
/// The greatest length of an attribute name that is no key: 64 KB, in UTF-8 bytes.
pub const ATTRIBUTE_NAME_BYTES_MAX: usize = 64 * 1024;
/// The greatest length of a key attribute's name, in UTF-8 bytes.
pub const KEY_NAME_BYTES_MAX: usize = 255;
/// The greatest length of a partition key's value.
pub const PARTITION_KEY_BYTES_MAX: usize = 2048;
/// The greatest length of a sort key's value.
pub const SORT_KEY_BYTES_MAX: usize = 1024;

/// Why a request is refused before it is tried: the text of a `ValidationException`.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct ValidationError {
    /// The whole text, as the client gets it.
    pub message: String,
}

impl ValidationError {
    /// A refusal with exactly this text.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    /// The refusal of lists and maps beyond [`NESTING_MAX`].
    pub(crate) fn nested_too_deep() -> Self {
        Self::new(
            "Nesting Levels have exceeded supported limits: \
             Attributes in the item have nested levels beyond supported limit",
        )
    }

    /// A refusal that begins as most of Amazon's do.
    pub(crate) fn parameter(why: impl std::fmt::Display) -> Self {
        Self::new(format!("One or more parameter values were invalid: {why}"))
    }
}

impl From<NumberError> for ValidationError {
    fn from(error: NumberError) -> Self {
        Self::new(error.to_string())
    }
}

/// The size of an item in bytes: each attribute's name and value.
pub fn item_size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value.size_bytes()).sum()
}

/// Checks everything about an item that needs no key schema.
///
/// # Errors
/// Nesting beyond [`NESTING_MAX`], an empty set, a name that is empty or too long, or more than
/// [`ITEM_BYTES_MAX`].
pub fn validate_item(item: &Item) -> Result<(), ValidationError> {
    for (name, value) in item {
        validate_name(name)?;
        validate_value(value, 0)?;
    }
    if item_size(item) > ITEM_BYTES_MAX {
        return Err(ValidationError::new("Item size has exceeded the maximum allowed size"));
    }
    Ok(())
}

/// Checks one value that stands inside `depth` lists and maps. It refuses before it descends
/// too far, so the recursion is bounded whatever the client sent.
pub(crate) fn validate_value(value: &AttributeValue, depth: usize) -> Result<(), ValidationError> {
    let container = matches!(value, AttributeValue::L(_) | AttributeValue::M(_));
    if container && depth == NESTING_MAX {
        return Err(ValidationError::nested_too_deep());
    }
    match value {
        AttributeValue::L(list) => list.iter().try_for_each(|it| validate_value(it, depth + 1)),
        AttributeValue::M(map) => map.iter().try_for_each(|(name, it)| {
            validate_name(name)?;
            validate_value(it, depth + 1)
        }),
        AttributeValue::SS(set) if set.is_empty() => {
            Err(ValidationError::parameter("An string set  may not be empty"))
        }
        AttributeValue::NS(set) if set.is_empty() => {
            Err(ValidationError::parameter("An number set  may not be empty"))
        }
        AttributeValue::BS(set) if set.is_empty() => {
            Err(ValidationError::parameter("Binary sets should not be empty"))
        }
        _ => Ok(()),
    }
}

fn validate_name(name: &str) -> Result<(), ValidationError> {
    if name.is_empty() {
        return Err(ValidationError::parameter("Attribute name cannot be empty"));
    }
    if name.len() > ATTRIBUTE_NAME_BYTES_MAX {
        return Err(ValidationError::parameter(format_args!(
            "Attribute name is too large, must be less than {} bytes",
            ATTRIBUTE_NAME_BYTES_MAX + 1
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
