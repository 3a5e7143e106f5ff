//! The placeholders of a request's expressions: looked up, and remembered as used.

use std::collections::{BTreeMap, BTreeSet};

use super::lexer::{TokenKind, is_placeholder};
use super::{ExpressionError, OPERAND_BYTES_MAX};
use crate::item::{AttributeValue, validate_value};

/// What stands behind `#name` and `:value`.
pub(super) struct Placeholders<'a> {
    names: &'a BTreeMap<String, String>,
    values: &'a BTreeMap<String, AttributeValue>,
    used: BTreeSet<&'a str>,
    /// Bytes of all that was looked up, which the parsed expressions hold.
    bytes: usize,
}

impl<'a> Placeholders<'a> {
    /// Takes the parameters of a request.
    ///
    /// # Errors
    /// A key is no placeholder, or a value none that an item may hold.
    pub(super) fn new(
        names: &'a BTreeMap<String, String>,
        values: &'a BTreeMap<String, AttributeValue>,
    ) -> Result<Self, ExpressionError> {
        check_keys("ExpressionAttributeNames", names.keys(), TokenKind::Name)?;
        check_keys("ExpressionAttributeValues", values.keys(), TokenKind::Value)?;
        for (key, value) in values {
            validate_value(value, 0)
                .map_err(|why| ExpressionError::PlaceholderValue { key: key.clone(), why })?;
        }
        Ok(Self { names, values, used: BTreeSet::new(), bytes: 0 })
    }

    pub(super) fn name(&mut self, key: &str) -> Result<String, ExpressionError> {
        let Some((key, name)) = self.names.get_key_value(key) else {
            return Err(ExpressionError::UndefinedName(key.to_owned()));
        };
        self.used.insert(key);
        self.count(name.len())?;
        Ok(name.clone())
    }

    pub(super) fn value(&mut self, key: &str) -> Result<AttributeValue, ExpressionError> {
        let Some((key, value)) = self.values.get_key_value(key) else {
            return Err(ExpressionError::UndefinedValue(key.to_owned()));
        };
        self.used.insert(key);
        self.count(value.size_bytes())?;
        Ok(value.clone())
    }

    /// A short text may name one long value a thousand times, and each time it is copied.
    fn count(&mut self, bytes: usize) -> Result<(), ExpressionError> {
        self.bytes += bytes;
        if self.bytes > OPERAND_BYTES_MAX {
            return Err(ExpressionError::OperandsTooLong);
        }
        Ok(())
    }

    /// Refuses what was defined and never used.
    pub(super) fn finish(self) -> Result<(), ExpressionError> {
        let names = unused(self.names.keys(), &self.used);
        let values = unused(self.values.keys(), &self.used);
        match (names.is_empty(), values.is_empty()) {
            (false, _) => Err(ExpressionError::UnusedNames(names)),
            (true, false) => Err(ExpressionError::UnusedValues(values)),
            (true, true) => Ok(()),
        }
    }
}

fn check_keys<'a>(
    parameter: &str,
    mut keys: impl Iterator<Item = &'a String>,
    kind: TokenKind,
) -> Result<(), ExpressionError> {
    match keys.find(|key| !is_placeholder(key, kind)) {
        Some(key) => {
            let (parameter, key) = (parameter.to_owned(), key.clone());
            Err(ExpressionError::PlaceholderSyntax { parameter, key })
        }
        None => Ok(()),
    }
}

fn unused<'a>(keys: impl Iterator<Item = &'a String>, used: &BTreeSet<&str>) -> String {
    let unused: Vec<&str> = keys.map(String::as_str).filter(|key| !used.contains(key)).collect();
    unused.join(", ")
}
