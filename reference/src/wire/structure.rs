//! Declares how structures and enumerations look on the wire, each in one list that reading and
//! writing follow from.

/// Declares a structure: each field, what its absence means, and the member's name; then the
/// members that Amazon has and this service has not, each with what is done about it.
macro_rules! structure {
    ($name:ident {
        $($field:ident: $codec:ty = $member:literal,)*
    } $(unoffered {
        $($stranger:literal: $policy:expr,)*
    })?) => {
        impl Wire for $name {
            const CLASS: &'static str =
                concat!("com.amazonaws.dynamodb.v20120810.", stringify!($name));

            fn read(body: &mut Body<'_>) -> Result<Self, Refusal> {
                $(let mut $field = Slot::Absent;)*
                body.structure(Self::CLASS, |body, member| match member {
                    $($member => body.member::<_, $codec>($member, &mut $field),)*
                    $($($stranger => $policy.apply(body, $stranger),)*)?
                    _ => body.json.skip(),
                })?;
                $(let $field = body.settle::<_, $codec>($member, $field);)*
                match ($($field,)*) {
                    ($(Some($field),)*) => Ok(Self { $($field),* }),
                    _ => Err(Refusal::Noted),
                }
            }

            fn write(&self, out: &mut Writer) {
                out.map(|out| {
                    $(if !<$codec as Member<_>>::is_absent(&self.$field) {
                        out.name($member);
                        <$codec as Member<_>>::write(&self.$field, out);
                    })*
                });
            }
        }
    };
}
pub(super) use structure;

/// Declares enumerations, each with Amazon's whole set in the order of Amazon's texts, where it
/// is known. Of that set, what the enumeration lacks is not offered.
macro_rules! enumerations {
    ($($name:ident: $set:expr;)*) => {
        $(impl Wire for $name {
            const CLASS: &'static str = "java.lang.String";

            fn read(body: &mut Body<'_>) -> Result<Self, Refusal> {
                let text = String::read(body)?;
                let known = Self::ALL.iter().find(|it| it.as_str() == text);
                if let Some(value) = known {
                    return Ok(*value);
                }
                if $set.contains(&text.as_str()) {
                    body.note_unoffered(&text);
                } else {
                    body.note_stranger(None, &text, &$set);
                }
                Err(Refusal::Noted)
            }

            fn write(&self, out: &mut Writer) {
                out.quoted(self);
            }
        })*
    };
}
pub(super) use enumerations;
