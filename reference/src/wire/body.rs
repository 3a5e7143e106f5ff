//! The body of a message while it is read: the JSON, where in it we are, and what is wrong so far.
//!
//! As with Amazon, all violations of the service model are told together; then come members that
//! this service does not offer, and last what is wrong within attribute values.

use std::borrow::Cow;

use super::member::Member;
use super::reader::Reader;
use super::refused::{Refusal, Refused, Wanted, not_offered};
use crate::api::shape::Shape;
use crate::item::{NESTING_MAX, ValidationError};

/// A step on the way from the message to a value in it.
enum Step {
    Member(&'static str),
    Element(usize),
}

/// A body with a place in it, and notes about what was read.
pub(super) struct Body<'a> {
    pub(super) json: Reader<'a>,
    path: Vec<Step>,
    nesting: usize,
    shape: Shape,
    unoffered: Option<ValidationError>,
    value: Option<ValidationError>,
}

/// What became of a member.
pub(super) enum Slot<T> {
    Absent,
    /// What is wrong with it was noted.
    Noted,
    Read(T),
}

impl<'a> Body<'a> {
    /// Reads all of a body.
    pub(super) fn read<T>(
        bytes: &'a [u8],
        read: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refused> {
        // What is no UTF-8 is refused as an empty body is.
        let mut body = Self {
            json: Reader::new(std::str::from_utf8(bytes).unwrap_or_default()),
            path: Vec::new(),
            nesting: 0,
            shape: Shape::new(),
            unoffered: None,
            value: None,
        };
        let result = read(&mut body).and_then(|read| {
            body.json.end()?;
            Ok(read)
        });
        let noted = body.shape.finish().err().or(body.unoffered).or(body.value);
        match (result, noted) {
            (Ok(read), None) => Ok(read),
            (Ok(_) | Err(Refusal::Noted), Some(noted)) => Err(Refusal::from(noted).answer()),
            (Err(refusal), _) => Err(refusal.answer()),
        }
    }

    /// Reads an object with known members: `member` is called before the value of each.
    pub(super) fn structure(
        &mut self,
        class: &'static str,
        mut member: impl FnMut(&mut Self, &str) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let wanted = match self.path.last() {
            Some(Step::Member(_)) => Wanted::Structure(class),
            Some(Step::Element(_)) => Wanted::Element(class),
            None => Wanted::Body,
        };
        self.map(wanted, |body, name| member(body, &name))
    }

    /// Reads an object: `member` is called before the value of each member.
    pub(super) fn map(
        &mut self,
        wanted: Wanted,
        mut member: impl FnMut(&mut Self, Cow<'a, str>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        self.json.open_map(wanted)?;
        let mut first = true;
        while let Some(name) = self.json.next_name(first)? {
            first = false;
            member(self, name)?;
        }
        Ok(())
    }

    /// Reads an array; what is wrong with an element is noted, and the next one read.
    pub(super) fn list<T>(
        &mut self,
        read: impl Fn(&mut Self) -> Result<T, Refusal>,
    ) -> Result<Vec<T>, Refusal> {
        self.json.open_list()?;
        let (mut elements, mut noted) = (Vec::new(), false);
        for place in 1.. {
            if !self.json.next_element(place == 1)? {
                break;
            }
            self.path.push(Step::Element(place));
            let element = read(self);
            self.path.pop();
            match element {
                Ok(element) => elements.push(element),
                Err(Refusal::Noted) => noted = true,
                Err(other) => return Err(other),
            }
        }
        if noted { Err(Refusal::Noted) } else { Ok(elements) }
    }

    /// Reads a known member into its slot; `null` leaves it absent.
    pub(super) fn member<T, C: Member<T>>(
        &mut self,
        name: &'static str,
        slot: &mut Slot<T>,
    ) -> Result<(), Refusal> {
        if self.json.null()? {
            return Ok(());
        }
        if !matches!(slot, Slot::Absent) {
            return Err(Refusal::twice());
        }
        self.path.push(Step::Member(name));
        let read = C::read(self);
        self.path.pop();
        *slot = match read {
            Ok(value) => Slot::Read(value),
            Err(Refusal::Noted) => Slot::Noted,
            Err(other) => return Err(other),
        };
        Ok(())
    }

    /// What a member turned out to be; `None` if what is wrong with it was noted.
    pub(super) fn settle<T, C: Member<T>>(&mut self, name: &str, slot: Slot<T>) -> Option<T> {
        match slot {
            Slot::Read(value) => Some(value),
            Slot::Noted => None,
            Slot::Absent => C::absent(self, name),
        }
    }

    /// Reads something that may nest as deep as attribute values may.
    pub(super) fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        if self.nesting == NESTING_MAX {
            return Err(ValidationError::nested_too_deep().into());
        }
        self.nesting += 1;
        let read = read(self);
        self.nesting -= 1;
        read
    }

    /// Notes that a required member is absent.
    pub(super) fn note_absent(&mut self, name: &str) {
        let field = self.field(Some(name));
        self.shape = std::mem::take(&mut self.shape).absent(&field);
    }

    /// Notes that the value here, or that of a member of what is here, is none that it may be.
    pub(super) fn note_stranger(&mut self, member: Option<&str>, value: &str, set: &[&str]) {
        let field = self.field(member);
        self.shape = std::mem::take(&mut self.shape).stranger(&field, value, set);
    }

    /// Notes that something is asked for that this service does not have.
    pub(super) fn note_unoffered(&mut self, what: &str) {
        let text = not_offered(what);
        self.unoffered.get_or_insert_with(|| ValidationError::parameter(text));
    }

    /// Notes what is wrong within an attribute value.
    pub(super) fn note_value(&mut self, error: ValidationError) {
        self.value.get_or_insert(error);
    }

    /// The path to here, and to a member of what is here, as Amazon writes it.
    fn field(&self, member: Option<&str>) -> String {
        let mut field = String::new();
        for step in &self.path {
            match step {
                Step::Member(name) => append_member(&mut field, name),
                Step::Element(place) => field += &format!(".{place}.member"),
            }
        }
        if let Some(name) = member {
            append_member(&mut field, name);
        }
        field
    }
}

fn append_member(field: &mut String, name: &str) {
    if !field.is_empty() {
        field.push('.');
    }
    let (head, tail) = name.split_at(1);
    field.push_str(&head.to_ascii_lowercase());
    field.push_str(tail);
}
