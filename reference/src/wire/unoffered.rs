//! What becomes of members that Amazon has and this service has not: nobody must get a wrong
//! answer because something was passed over in silence.

use super::body::Body;
use super::member::Wire;
use super::refused::Refusal;

/// What is done about such a member. A member that is `null` is absent.
#[derive(Clone, Copy)]
pub(super) enum Policy {
    /// Nothing that is answered depends on it.
    Harmless,
    /// It is refused.
    Refused,
    /// It is one of a set, Amazon's in the order of its texts; some of them ask for nothing.
    Enumeration(&'static [&'static str], &'static [&'static str]),
    /// It asks for nothing if it is false.
    Flag,
    /// It asks for nothing if this member of it is false, or absent and no other asks.
    Switch(&'static str),
    /// It asks for nothing if it is empty.
    List,
    /// It asks for nothing if it is this number.
    Number(i64),
}

/// What is said about consumed capacity. It is optional in every response, and not told.
pub(super) const CONSUMED_CAPACITY: Policy =
    Policy::Enumeration(&["INDEXES", "TOTAL", "NONE"], &["INDEXES", "TOTAL", "NONE"]);

/// What is said about item collections: tables without local indexes have none to tell about.
pub(super) const COLLECTION_METRICS: Policy =
    Policy::Enumeration(&["SIZE", "NONE"], &["SIZE", "NONE"]);

/// Whether a failed condition answers the item.
pub(super) const ON_FAILED_CONDITION: Policy = Policy::Enumeration(&["ALL_OLD", "NONE"], &["NONE"]);

impl Policy {
    /// Reads the member, and notes it if it is not offered.
    pub(super) fn apply(self, body: &mut Body<'_>, name: &'static str) -> Result<(), Refusal> {
        if body.json.null()? {
            return Ok(());
        }
        let asks = match self {
            Self::Harmless => body.json.skip().map(|()| false)?,
            Self::Refused => body.json.skip().map(|()| true)?,
            Self::Enumeration(all, nothing) => {
                let text = String::read(body)?;
                if !all.contains(&text.as_str()) {
                    body.note_stranger(Some(name), &text, all);
                }
                !nothing.contains(&text.as_str())
            }
            Self::Flag => bool::read(body)?,
            Self::Switch(switch) => is_on(body, switch)?,
            Self::List => {
                let elements = body.list(|body| body.json.skip())?;
                !elements.is_empty()
            }
            Self::Number(nothing) => i64::read(body)? != nothing,
        };
        if asks {
            body.note_unoffered(name);
        }
        Ok(())
    }
}

/// Whether a structure has anything but this member, and that false.
fn is_on(body: &mut Body<'_>, switch: &str) -> Result<bool, Refusal> {
    let mut asks = false;
    body.structure("", |body, name| {
        if body.json.null()? {
            return Ok(());
        }
        if name == switch {
            asks |= bool::read(body)?;
            return Ok(());
        }
        asks = true;
        body.json.skip()
    })?;
    Ok(asks)
}
