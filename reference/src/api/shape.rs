//! Constraints on the shapes of requests, refused together in one message.
//!
//! Amazon lists every violation of its service model in one text, before it looks whether
//! anything exists [LAB TABLE-442]. The constraints themselves stand with each request.

use crate::item::ValidationError;

/// The shortest name of a table or backup.
const NAME_LENGTH_MIN: usize = 3;
/// The longest name of a table or backup.
const NAME_LENGTH_MAX: usize = 255;
const NAME_PATTERN: &str = "[a-zA-Z0-9_.-]+";

/// Whether a text is a valid name of a table or backup.
pub(crate) fn is_name(text: &str) -> bool {
    (NAME_LENGTH_MIN..=NAME_LENGTH_MAX).contains(&text.len()) && is_name_text(text)
}

fn is_name_text(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// So many violations are told; the others are counted.
const TOLD_MAX: usize = 10;

/// Collects violations, then refuses all of them at once.
#[derive(Default)]
pub(crate) struct Shape {
    detected: usize,
    told: Vec<String>,
}

impl Shape {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A name of 3 to 255 characters of Amazon's set.
    #[must_use]
    pub(crate) fn name(mut self, field: &str, value: &str) -> Self {
        if !is_name_text(value) {
            self.violate(
                field,
                value,
                format_args!("satisfy regular expression pattern: {NAME_PATTERN}"),
            );
        }
        self.length(field, value, NAME_LENGTH_MIN, NAME_LENGTH_MAX)
    }

    /// A text of so many characters.
    #[must_use]
    pub(crate) fn length(mut self, field: &str, value: &str, min: usize, max: usize) -> Self {
        let length = value.chars().count();
        if length < min {
            let why = format_args!("have length greater than or equal to {min}");
            self.violate(field, value, why);
        } else if length > max {
            self.violate(field, value, format_args!("have length less than or equal to {max}"));
        }
        self
    }

    /// A number that is at least `min`.
    #[must_use]
    pub(crate) fn at_least(mut self, field: &str, value: i64, min: i64) -> Self {
        if value < min {
            self.violate(field, value, format_args!("have value greater than or equal to {min}"));
        }
        self
    }

    /// A number between `min` and `max`, both included.
    #[must_use]
    pub(crate) fn between(mut self, field: &str, value: i64, min: i64, max: i64) -> Self {
        if value > max {
            self.violate(field, value, format_args!("have value less than or equal to {max}"));
        }
        self.at_least(field, value, min)
    }

    /// A member that is required, and absent.
    #[must_use]
    pub(crate) fn absent(mut self, field: &str) -> Self {
        self.note(|| {
            format!("Value null at '{field}' failed to satisfy constraint: Member must not be null")
        });
        self
    }

    /// A value that is not in the set of those that are allowed.
    #[must_use]
    pub(crate) fn stranger(mut self, field: &str, value: &str, set: &[&str]) -> Self {
        let set = set.join(", ");
        self.violate(field, value, format_args!("satisfy enum value set: [{set}]"));
        self
    }

    /// Refuses if anything was wrong.
    pub(crate) fn finish(self) -> Result<(), ValidationError> {
        let detected = match self.detected {
            0 => return Ok(()),
            1 => "1 validation error detected".to_owned(),
            count => format!("{count} validation errors detected"),
        };
        Err(ValidationError::new(format!("{detected}: {}", self.told.join("; "))))
    }

    fn violate(
        &mut self,
        field: &str,
        value: impl std::fmt::Display,
        must: std::fmt::Arguments<'_>,
    ) {
        self.note(|| {
            format!("Value '{value}' at '{field}' failed to satisfy constraint: Member must {must}")
        });
    }

    /// What a request costs must not grow with what is wrong with it.
    fn note(&mut self, violation: impl FnOnce() -> String) {
        self.detected += 1;
        if self.told.len() < TOLD_MAX {
            self.told.push(violation());
        }
    }
}
