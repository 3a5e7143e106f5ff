//! How values look on the wire, in both directions, and what the absence of a member means.

use std::collections::BTreeMap;

use super::body::Body;
use super::refused::{Refusal, Wanted, no_key_condition};
use super::writer::Writer;
use crate::api::{BackupArn, BillingMode, ReturnValues, Select, TableArn, TableId};
use crate::item::{Number, ValidationError};

/// A type that has one form on the wire.
pub(super) trait Wire: Sized {
    /// The class that Amazon's texts name.
    const CLASS: &'static str;

    /// Reads a value.
    fn read(body: &mut Body<'_>) -> Result<Self, Refusal>;

    /// Writes it such that [`Self::read`] reads the same.
    fn write(&self, out: &mut Writer);
}

/// How a member of a structure looks whose field has type `T`.
pub(super) trait Member<T> {
    /// Reads the member, which is there.
    fn read(body: &mut Body<'_>) -> Result<T, Refusal>;

    /// What it means that the member is absent; `None` if that is wrong, which is noted.
    fn absent(body: &mut Body<'_>, name: &str) -> Option<T> {
        body.note_absent(name);
        None
    }

    /// Whether the member is left out.
    fn is_absent(_: &T) -> bool {
        false
    }

    /// Writes the member, if it is not left out.
    fn write(value: &T, out: &mut Writer);
}

/// A member that must be there.
pub(super) struct Required;

/// A member that may be absent.
pub(super) struct Optional;

/// A member whose absence means what it usually is.
pub(super) struct OrUsual;

/// A flag that is usually set.
pub(super) struct OrTrue;

/// A time, in epoch seconds with fraction; epoch milliseconds in the field.
pub(super) struct Seconds;

/// Such a time that may be absent.
pub(super) struct OptionalSeconds;

/// The one way to say what a query is for; Amazon has an older one as well.
pub(super) struct KeyCondition;

/// A billing mode as it is described; absent where capacity is provisioned.
pub(super) struct BillingModeSummary;

impl<T: Wire> Member<T> for Required {
    fn read(body: &mut Body<'_>) -> Result<T, Refusal> {
        T::read(body)
    }

    fn write(value: &T, out: &mut Writer) {
        value.write(out);
    }
}

impl<T: Wire> Member<Option<T>> for Optional {
    fn read(body: &mut Body<'_>) -> Result<Option<T>, Refusal> {
        T::read(body).map(Some)
    }

    fn absent(_: &mut Body<'_>, _: &str) -> Option<Option<T>> {
        Some(None)
    }

    fn is_absent(value: &Option<T>) -> bool {
        value.is_none()
    }

    fn write(value: &Option<T>, out: &mut Writer) {
        if let Some(value) = value {
            value.write(out);
        }
    }
}

/// A type of which one value is usual.
pub(super) trait Usual: Wire + PartialEq {
    /// That value.
    const USUAL: Self;
}

impl Usual for bool {
    const USUAL: Self = false;
}

impl<V: Wire + PartialEq> Usual for BTreeMap<String, V> {
    const USUAL: Self = Self::new();
}

impl Usual for ReturnValues {
    const USUAL: Self = Self::None;
}

impl Usual for Select {
    const USUAL: Self = Self::AllAttributes;
}

impl<T: Usual> Member<T> for OrUsual {
    fn read(body: &mut Body<'_>) -> Result<T, Refusal> {
        T::read(body)
    }

    fn absent(_: &mut Body<'_>, _: &str) -> Option<T> {
        Some(T::USUAL)
    }

    fn is_absent(value: &T) -> bool {
        *value == T::USUAL
    }

    fn write(value: &T, out: &mut Writer) {
        value.write(out);
    }
}

impl Member<bool> for OrTrue {
    fn read(body: &mut Body<'_>) -> Result<bool, Refusal> {
        bool::read(body)
    }

    fn absent(_: &mut Body<'_>, _: &str) -> Option<bool> {
        Some(true)
    }

    fn is_absent(value: &bool) -> bool {
        *value
    }

    fn write(value: &bool, out: &mut Writer) {
        value.write(out);
    }
}

impl Member<String> for KeyCondition {
    fn read(body: &mut Body<'_>) -> Result<String, Refusal> {
        String::read(body)
    }

    fn absent(body: &mut Body<'_>, _: &str) -> Option<String> {
        body.note_value(no_key_condition());
        None
    }

    fn write(value: &String, out: &mut Writer) {
        value.write(out);
    }
}

impl Member<u64> for Seconds {
    fn read(body: &mut Body<'_>) -> Result<u64, Refusal> {
        let text = body.json.number(Wanted::Scalar("java.util.Date", "Date"))?;
        let number: Number = text.parse().map_err(|_| Refusal::syntax())?;
        Ok(milliseconds(number))
    }

    fn write(value: &u64, out: &mut Writer) {
        let (seconds, milliseconds) = (value / 1000, value % 1000);
        match milliseconds {
            0 => out.plain(seconds),
            _ => out.plain(format_args!("{seconds}.{milliseconds:03}")),
        }
    }
}

/// The milliseconds that are nearest to so many seconds; 0 for a time before the epoch.
fn milliseconds(seconds: Number) -> u64 {
    let (coefficient, exponent) = seconds.into();
    let coefficient = u128::try_from(coefficient).unwrap_or(0);
    let ten = |power: i16| 10_u128.checked_pow(power.unsigned_abs().into());
    let whole = match exponent + 3 {
        power @ 0.. => ten(power).map_or(u128::MAX, |ten| coefficient.saturating_mul(ten)),
        power => ten(power).map_or(0, |ten| coefficient.saturating_add(ten / 2) / ten),
    };
    match coefficient {
        0 => 0,
        _ => u64::try_from(whole).unwrap_or(u64::MAX),
    }
}

impl Member<Option<u64>> for OptionalSeconds {
    fn read(body: &mut Body<'_>) -> Result<Option<u64>, Refusal> {
        Seconds::read(body).map(Some)
    }

    fn absent(_: &mut Body<'_>, _: &str) -> Option<Option<u64>> {
        Some(None)
    }

    fn is_absent(value: &Option<u64>) -> bool {
        value.is_none()
    }

    fn write(value: &Option<u64>, out: &mut Writer) {
        if let Some(value) = value {
            Seconds::write(value, out);
        }
    }
}

impl Member<BillingMode> for BillingModeSummary {
    fn read(body: &mut Body<'_>) -> Result<BillingMode, Refusal> {
        let mut mode = BillingMode::Provisioned;
        body.structure("BillingModeSummary", |body, name| match name {
            "BillingMode" => BillingMode::read(body).map(|read| mode = read),
            _ => body.json.skip(),
        })?;
        Ok(mode)
    }

    fn absent(_: &mut Body<'_>, _: &str) -> Option<BillingMode> {
        Some(BillingMode::Provisioned)
    }

    fn is_absent(value: &BillingMode) -> bool {
        *value == BillingMode::Provisioned
    }

    fn write(value: &BillingMode, out: &mut Writer) {
        out.map(|out| {
            out.name("BillingMode");
            value.write(out);
        });
    }
}

impl Wire for String {
    const CLASS: &'static str = "java.lang.String";

    fn read(body: &mut Body<'_>) -> Result<Self, Refusal> {
        body.json.string(Wanted::Scalar(Self::CLASS, "String")).map(Into::into)
    }

    fn write(&self, out: &mut Writer) {
        out.text(self);
    }
}

impl Wire for bool {
    const CLASS: &'static str = "java.lang.Boolean";

    fn read(body: &mut Body<'_>) -> Result<Self, Refusal> {
        body.json.boolean()
    }

    fn write(&self, out: &mut Writer) {
        out.plain(self);
    }
}

/// Declares integers, each with the class that Amazon's texts name. A number between two is cut
/// off, as Amazon does; one beyond the range is as good as the bound.
macro_rules! integers {
    ($($name:ty: $class:literal, $short:literal;)*) => {
        $(impl Wire for $name {
            const CLASS: &'static str = $class;

            fn read(body: &mut Body<'_>) -> Result<Self, Refusal> {
                let text = body.json.number(Wanted::Scalar(Self::CLASS, $short))?;
                let whole = whole(text)?;
                let bound = if whole < 0 { Self::MIN } else { Self::MAX };
                Ok(Self::try_from(whole).unwrap_or(bound))
            }

            fn write(&self, out: &mut Writer) {
                out.plain(self);
            }
        })*
    };
}

integers! {
    i32: "java.lang.Integer", "Integer";
    u32: "java.lang.Integer", "Integer";
    i64: "java.lang.Long", "Long";
    u64: "java.lang.Long", "Long";
}

/// A number of JSON without its fraction.
fn whole(text: &str) -> Result<i128, Refusal> {
    if let Ok(whole) = text.parse() {
        return Ok(whole);
    }
    let number: Number = text.parse().map_err(|_| Refusal::syntax())?;
    let (coefficient, exponent) = number.into();
    let ten = 10_i128.checked_pow(exponent.unsigned_abs().into());
    Ok(match (exponent, ten) {
        (0.., Some(ten)) => coefficient.saturating_mul(ten),
        (0.., None) => coefficient.saturating_mul(i128::MAX),
        (_, Some(ten)) => coefficient / ten,
        (_, None) => 0,
    })
}

impl<T: Wire> Wire for Vec<T> {
    const CLASS: &'static str = "java.util.List";

    fn read(body: &mut Body<'_>) -> Result<Self, Refusal> {
        body.list(T::read)
    }

    fn write(&self, out: &mut Writer) {
        out.list(|out| {
            for element in self {
                out.element();
                element.write(out);
            }
        });
    }
}

impl<V: Wire> Wire for BTreeMap<String, V> {
    const CLASS: &'static str = "java.util.Map";

    fn read(body: &mut Body<'_>) -> Result<Self, Refusal> {
        let mut map = Self::new();
        body.map(Wanted::Map(V::CLASS), |body, name| {
            let value = V::read(body)?;
            match map.insert(name.into_owned(), value) {
                None => Ok(()),
                Some(_) => Err(Refusal::twice()),
            }
        })?;
        Ok(map)
    }

    fn write(&self, out: &mut Writer) {
        out.map(|out| {
            for (name, value) in self {
                out.name(name);
                value.write(out);
            }
        });
    }
}

/// Declares texts of a form that only responses hold.
macro_rules! printed {
    ($($name:ty: $parse:expr;)*) => {
        $(impl Wire for $name {
            const CLASS: &'static str = "java.lang.String";

            fn read(body: &mut Body<'_>) -> Result<Self, Refusal> {
                let text = String::read(body)?;
                let parse: fn(&str) -> Option<Self> = $parse;
                parse(&text).ok_or_else(|| {
                    let kind = stringify!($name);
                    ValidationError::new(format!("not a {kind}: {text}")).into()
                })
            }

            fn write(&self, out: &mut Writer) {
                out.quoted(self);
            }
        })*
    };
}

printed! {
    TableArn: TableArn::parse;
    BackupArn: |text| BackupArn::parse(text).ok();
    TableId: |text| {
        let hex = text.replace('-', "");
        let id = u128::from_str_radix(&hex, 16).ok().map(Self)?;
        (id.to_string() == text).then_some(id)
    };
}
