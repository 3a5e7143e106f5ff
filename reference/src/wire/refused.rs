//! What is said of a request that is no request: the one place that knows the names and texts of
//! refusals that come before the service.
//!
//! Texts of SerializationException and where it writes `Message` for `message`: tests of dynalite,
//! which also run against the live service. Where Amazon's text is not known there is none.

use super::writer::Writer;
use crate::api::wire_error::{ExceptionName, WireError};
use crate::item::{AttributeType, ValidationError};

const SERIALIZATION: &str = "com.amazon.coral.service#SerializationException";
const UNKNOWN_OPERATION: &str = "com.amazon.coral.service#UnknownOperationException";
const VALIDATION: &str = "com.amazon.coral.validate#ValidationException";
const MODELLED: &str = "com.amazonaws.dynamodb.v20120810#";

/// A request that cannot be told to the service, and how it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The status of the HTTP response: 4xx.
    pub http_status: u16,
    /// What stands in `__type`, with its namespace.
    pub type_name: &'static str,
    /// The text for the client; empty where Amazon sends none.
    pub message: String,
}

impl Refused {
    /// The body of the HTTP response.
    pub fn body(&self) -> Vec<u8> {
        let name = if self.type_name == SERIALIZATION { "Message" } else { "message" };
        error_body(self.type_name, name, &self.message)
    }

    /// No such operation, here or anywhere.
    pub(super) fn unknown_operation() -> Self {
        Self::new(UNKNOWN_OPERATION, String::new())
    }

    /// An operation of DynamoDB that this service does not have.
    pub(super) fn operation_not_offered(name: &str) -> Self {
        Self::new(UNKNOWN_OPERATION, not_offered(name))
    }

    fn new(type_name: &'static str, message: String) -> Self {
        Self { http_status: 400, type_name, message }
    }
}

/// The body of an error of the service.
pub(super) fn wire_error(error: &WireError) -> Vec<u8> {
    match error.exception {
        ExceptionName::Validation => error_body(VALIDATION, "message", &error.message),
        modelled => error_body(&format!("{MODELLED}{modelled}"), "message", &error.message),
    }
}

fn error_body(type_name: &str, message_name: &str, message: &str) -> Vec<u8> {
    let mut out = Writer::default();
    out.map(|out| {
        out.name("__type");
        out.text(type_name);
        if !message.is_empty() {
            out.name(message_name);
            out.text(message);
        }
    });
    out.finish()
}

/// Says that something Amazon has is not here.
pub(super) fn not_offered(what: &str) -> String {
    format!("stillpoint does not offer {what}")
}

/// Why reading stops.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The body is no JSON, or has another shape than the request; the text may be empty.
    Serialization(String),
    /// The request is wrong, in a way that makes it pointless to read on.
    Validation(ValidationError),
    /// What is wrong was noted with the body, and reading goes on behind the value.
    Noted,
}

impl Refusal {
    /// Not JSON at all.
    pub(super) fn syntax() -> Self {
        Self::Serialization(String::new())
    }

    /// A member or an attribute that stands twice in one object. That it is refused is ours.
    pub(super) fn twice() -> Self {
        Self::Serialization("A name occurs twice in one structure or map".to_owned())
    }

    /// How it is answered.
    pub(super) fn answer(self) -> Refused {
        match self {
            Self::Serialization(text) => Refused::new(SERIALIZATION, text),
            Self::Validation(error) => Refused::new(VALIDATION, error.message),
            Self::Noted => Refused::new(VALIDATION, String::new()),
        }
    }
}

impl From<ValidationError> for Refusal {
    fn from(error: ValidationError) -> Self {
        Self::Validation(error)
    }
}

/// What a JSON value is, as far as refusals tell such values apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string.
    Text,
    /// A number without point and exponent.
    Number,
    /// Any other number.
    Decimal,
    /// `true`.
    True,
    /// `false`.
    False,
    /// `null`.
    Null,
    /// An array.
    List,
    /// An object.
    Map,
}

/// What a place in a request is for, by the Java class that Amazon's texts name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted {
    /// The whole body.
    Body,
    /// A text, a number or a time: the class with its package, and without.
    Scalar(&'static str, &'static str),
    /// Truth.
    Boolean,
    /// Base64.
    Blob,
    /// An array.
    List,
    /// An object with any names; the class of its values.
    Map(&'static str),
    /// An object with known members, itself the member of another.
    Structure(&'static str),
    /// An object with known members within an array or a map.
    Element(&'static str),
}

/// A value of one kind where another is wanted.
pub(super) fn mismatch(found: Kind, wanted: Wanted) -> Refusal {
    let unrecognized = |what: &str| format!("Unrecognized collection type {what}");
    let text = match (found, wanted) {
        (_, Wanted::Body) => String::new(),
        (Kind::Map, _) => "Start of structure or map found where not expected".to_owned(),
        (Kind::List, Wanted::Scalar(class, _)) => unrecognized(&format!("class {class}")),
        (Kind::List, Wanted::Boolean) => unrecognized("class java.lang.Boolean"),
        (Kind::List, Wanted::Blob) => unrecognized("class java.nio.ByteBuffer"),
        (Kind::List, Wanted::Map(class)) => {
            unrecognized(&format!("java.util.Map<java.lang.String, {class}>"))
        }
        (Kind::List, Wanted::Structure(class) | Wanted::Element(class)) => {
            unrecognized(&format!("class {class}"))
        }
        (_, Wanted::List | Wanted::Map(_) | Wanted::Structure(_)) => {
            "Unexpected field type".to_owned()
        }
        (_, Wanted::Element(_)) => "Unexpected value type in payload".to_owned(),
        (_, Wanted::Blob) => "only base-64-encoded strings are convertible to bytes".to_owned(),
        (Kind::Text, Wanted::Boolean) => "Unexpected token received from parser".to_owned(),
        (kind, Wanted::Boolean) => cannot_be_converted(kind, "Boolean"),
        (kind, Wanted::Scalar(_, name)) => cannot_be_converted(kind, name),
    };
    Refusal::Serialization(text)
}

fn cannot_be_converted(kind: Kind, wanted: &str) -> String {
    let found = match kind {
        Kind::Text => "STRING",
        Kind::Number => "NUMBER",
        Kind::Decimal => "DECIMAL",
        Kind::True => "TRUE",
        Kind::False => "FALSE",
        Kind::Null | Kind::List | Kind::Map => "NULL",
    };
    format!("{found}_VALUE cannot be converted to {wanted}")
}

/// A text that is no Base64.
pub(super) fn not_base64(text: &str, error: &base64::DecodeError) -> Refusal {
    use base64::DecodeError as E;
    Refusal::Serialization(match error {
        _ if !text.len().is_multiple_of(4) => format!(
            "Base64 encoded length is expected a multiple of 4 bytes but found: {}",
            text.len()
        ),
        E::InvalidByte(_, byte) if *byte != b'=' => {
            format!("Invalid Base64 character: '{}'", byte.escape_ascii())
        }
        _ => "Invalid last non-pad Base64 character dectected".to_owned(),
    })
}

/// An attribute value without a type, or with several.
pub(super) fn wrong_number_of_types(several: bool) -> ValidationError {
    let what = if several { "has more than one datatypes set" } else { "is empty" };
    ValidationError::new(format!(
        "Supplied AttributeValue {what}, must contain exactly one of the supported datatypes"
    ))
}

/// `NULL` that is not true.
pub(super) fn null_is_not_true() -> ValidationError {
    ValidationError::parameter("Null attribute value types must have the value of true")
}

/// A set with an element that stands in it twice; the elements as they were sent.
pub(super) fn duplicates(set: AttributeType, elements: &[impl AsRef<str>]) -> ValidationError {
    let texts: Vec<&str> = elements.iter().map(AsRef::as_ref).collect();
    let listed = texts.join(", ");
    match set {
        AttributeType::NS => ValidationError::new("Input collection contains duplicates"),
        // The missing space is Amazon's.
        AttributeType::BS => ValidationError::parameter(format_args!(
            "Input collection [{listed}]of type BS contains duplicates."
        )),
        _ => ValidationError::parameter(format_args!(
            "Input collection [{listed}] contains duplicates."
        )),
    }
}

/// A query without any condition on its key.
pub(super) fn no_key_condition() -> ValidationError {
    ValidationError::new(
        "Either the KeyConditions or KeyConditionExpression parameter must be specified in the \
         request.",
    )
}
