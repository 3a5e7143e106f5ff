//! Attribute values on the wire: an object with one member, named by the type.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;

use super::body::Body;
use super::member::Wire;
use super::refused::{
    Refusal, Wanted, duplicates, not_base64, null_is_not_true, wrong_number_of_types,
};
use super::writer::Writer;
use crate::item::{AttributeType, AttributeValue, Number, ValidationError};

const CLASS: &str = "com.amazonaws.dynamodb.v20120810.AttributeValue";

impl Wire for AttributeValue {
    const CLASS: &'static str = CLASS;

    /// What is wrong with a number, a set or the types is noted only, and some value answered:
    /// whatever else is wrong with the request comes first.
    fn read(body: &mut Body<'_>) -> Result<Self, Refusal> {
        let (mut value, mut several) = (None, false);
        body.map(Wanted::Element(CLASS), |body, name| {
            let Ok(attribute_type) = name.parse() else { return body.json.skip() };
            if body.json.null()? {
                return Ok(());
            }
            several |= value.replace(typed(body, attribute_type)?).is_some();
            Ok(())
        })?;
        if several || value.is_none() {
            body.note_value(wrong_number_of_types(several));
        }
        Ok(value.unwrap_or(Self::Null))
    }

    fn write(&self, out: &mut Writer) {
        out.map(|out| {
            out.name(self.attribute_type().as_str());
            match self {
                Self::S(text) => out.text(text),
                Self::N(number) => out.quoted(number),
                Self::B(bytes) => out.base64(bytes),
                Self::Bool(truth) => out.plain(truth),
                Self::Null => out.plain(true),
                Self::L(list) => list.write(out),
                Self::M(map) => map.write(out),
                Self::SS(set) => write_set(set, out, |out, text| out.text(text)),
                Self::NS(set) => write_set(set, out, |out, number| out.quoted(number)),
                Self::BS(set) => write_set(set, out, |out, bytes| out.base64(bytes)),
            }
        });
    }
}

fn typed(body: &mut Body<'_>, attribute_type: AttributeType) -> Result<AttributeValue, Refusal> {
    Ok(match attribute_type {
        AttributeType::S => AttributeValue::S(String::read(body)?),
        AttributeType::N => {
            let text = body.json.string(Wanted::Scalar(String::CLASS, "String"))?;
            AttributeValue::N(number(body, &text))
        }
        AttributeType::B => {
            let text = body.json.string(Wanted::Blob)?;
            AttributeValue::B(bytes(&text)?)
        }
        AttributeType::Bool => AttributeValue::Bool(bool::read(body)?),
        AttributeType::Null => {
            if !bool::read(body)? {
                body.note_value(null_is_not_true());
            }
            AttributeValue::Null
        }
        AttributeType::L => AttributeValue::L(body.nested(Vec::read)?),
        AttributeType::M => AttributeValue::M(body.nested(BTreeMap::read)?),
        AttributeType::SS => {
            let texts = texts(body, Wanted::Scalar(String::CLASS, "String"))?;
            let set = texts.iter().cloned().collect();
            AttributeValue::SS(distinct(body, attribute_type, &texts, set))
        }
        AttributeType::NS => {
            let texts = texts(body, Wanted::Scalar(String::CLASS, "String"))?;
            let set = texts.iter().map(|text| number(body, text)).collect();
            AttributeValue::NS(distinct(body, attribute_type, &texts, set))
        }
        AttributeType::BS => {
            let texts = texts(body, Wanted::Blob)?;
            let set = texts.iter().map(|text| bytes(text)).collect::<Result<_, _>>()?;
            AttributeValue::BS(distinct(body, attribute_type, &texts, set))
        }
    })
}

fn texts(body: &mut Body<'_>, wanted: Wanted) -> Result<Vec<String>, Refusal> {
    body.list(|body| body.json.string(wanted).map(Into::into))
}

/// A set, of which it is noted if elements of it were sent twice.
fn distinct<T: Ord>(
    body: &mut Body<'_>,
    attribute_type: AttributeType,
    texts: &[String],
    set: BTreeSet<T>,
) -> BTreeSet<T> {
    if set.len() < texts.len() {
        body.note_value(duplicates(attribute_type, texts));
    }
    set
}

/// A number; what is wrong with it is noted.
fn number(body: &mut Body<'_>, text: &str) -> Number {
    let number = match text {
        "" => Err(ValidationError::new("The parameter cannot be converted to a numeric value")),
        _ => text.parse().map_err(ValidationError::from),
    };
    number.unwrap_or_else(|error| {
        body.note_value(error);
        Number::ZERO
    })
}

fn bytes(text: &str) -> Result<Bytes, Refusal> {
    BASE64.decode(text).map(Into::into).map_err(|error| not_base64(text, &error))
}

fn write_set<T>(set: &BTreeSet<T>, out: &mut Writer, write: impl Fn(&mut Writer, &T)) {
    out.list(|out| {
        for element in set {
            out.element();
            write(out, element);
        }
    });
}
