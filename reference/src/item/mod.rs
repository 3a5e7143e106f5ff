//! Items as DynamoDB defines them: attribute values, exact numbers, keys, sizes and limits.
//!
//! Everything here is plain data and pure functions. How a request names an item belongs to
//! [`crate::api`], conditions on items to [`crate::expression`], storage to others.

mod key;
mod limits;
mod number;
mod range;
mod value;

use std::collections::BTreeMap;

pub use key::{KeyAttribute, KeySchema, PrimaryKey, ScalarAttributeType, hash_of};
pub use limits::{
    ATTRIBUTE_NAME_BYTES_MAX, ITEM_BYTES_MAX, KEY_NAME_BYTES_MAX, NESTING_MAX,
    PARTITION_KEY_BYTES_MAX, SORT_KEY_BYTES_MAX, ValidationError, item_size, validate_item,
};
pub use number::{Number, NumberError};
pub use range::KeyRange;
pub use value::{AttributeType, AttributeValue};

/// One item: attribute names and their values. The order of names carries no meaning.
pub type Item = BTreeMap<String, AttributeValue>;

pub(crate) use limits::validate_value;
pub(crate) use range::successor;
