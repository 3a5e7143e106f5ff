//! What a program under test claims of itself: `always!`, `sometimes!`, `reachable!`,
//! `unreachable!`.
//!
//! Each use of a macro puts its property into a catalog that is known before anything runs, so
//! that a campaign can say which of them it never saw. What a world saw of them is in its
//! [`Tallies`]; [`Coverage`] adds up many worlds. The words are those of Antithesis's SDKs.

mod coverage;

use std::collections::BTreeMap;

use crate::core::Core;
use crate::host::{Host, HostId};
use crate::world::World;

pub use coverage::Coverage;

/// What is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PropertyKind {
    /// The condition holds each time it is looked at.
    Always,
    /// In some run the condition holds.
    Sometimes,
    /// Some run comes here.
    Reachable,
    /// No run comes here.
    Unreachable,
}

impl PropertyKind {
    /// The name of its macro.
    pub fn name(self) -> &'static str {
        match self {
            Self::Always => "always!",
            Self::Sometimes => "sometimes!",
            Self::Reachable => "reachable!",
            Self::Unreachable => "unreachable!",
        }
    }
}

/// A claim and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Property {
    /// The claim in words, by which it is known: two uses with the same words are one claim.
    pub claim: &'static str,
    /// Its kind.
    pub kind: PropertyKind,
    /// The module it stands in.
    pub module: &'static str,
    /// The source file.
    pub file: &'static str,
    /// The line in it.
    pub line: u32,
}

/// A property as the linker collects them.
#[doc(hidden)]
pub struct Registered(pub &'static Property);

inventory::collect!(Registered);

/// All properties of the program, those that no run has come to included, in the order of their
/// claims.
///
/// A library of which nothing is used at all may be left out by the linker, and its properties
/// with it.
pub fn catalog() -> Vec<&'static Property> {
    let mut all: Vec<_> = inventory::iter::<Registered>().map(|it| it.0).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// How often a property was looked at in a world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The condition held, or the place was reached.
    pub held: u64,
    /// The condition did not hold.
    pub failed: u64,
}

/// What a world saw of each property that it came to, by claim.
pub type Tallies = BTreeMap<&'static str, Tally>;

/// A claim that was found false.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The claim.
    pub property: &'static Property,
    /// Whose program found it.
    pub host: HostId,
    /// When, in virtual nanoseconds.
    pub time_ns: u64,
    /// What the program had to say about it.
    pub detail: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { property: Property { claim, kind, file, line, .. }, time_ns, host, detail } =
            self;
        write!(out, "{} at {file}:{line}: {claim}", kind.name())?;
        if !detail.is_empty() {
            write!(out, ": {detail}")?;
        }
        write!(out, " ({host}, at {time_ns} ns)")
    }
}

/// What a world keeps of properties.
#[derive(Default)]
pub(crate) struct Properties {
    tallies: Tallies,
    violations: Vec<Violation>,
}

/// So many violations of a world are kept with their details.
const VIOLATIONS_MAX: usize = 100;

impl Core {
    fn look_at(
        &self,
        host: HostId,
        property: &'static Property,
        holds: bool,
        detail: impl FnOnce() -> String,
    ) {
        let mut properties = self.properties.borrow_mut();
        let tally = properties.tallies.entry(property.claim).or_default();
        match holds {
            true => tally.held += 1,
            false => tally.failed += 1,
        }
        let violated = match property.kind {
            PropertyKind::Always => !holds,
            PropertyKind::Unreachable => true,
            PropertyKind::Sometimes | PropertyKind::Reachable => false,
        };
        if !violated {
            return;
        }
        let (time_ns, detail) = (self.now_ns.get(), detail());
        self.emit(host, "property.violated", property.claim.as_bytes());
        if properties.violations.len() < VIOLATIONS_MAX {
            properties.violations.push(Violation { property, host, time_ns, detail });
        }
    }
}

impl Host {
    /// Notes whether a property holds here. Use the macros.
    #[doc(hidden)]
    pub fn look_at(
        &self,
        property: &'static Property,
        holds: bool,
        detail: impl FnOnce() -> String,
    ) {
        if self.is_current() {
            self.core.look_at(self.id(), property, holds, detail);
        }
    }
}

impl World {
    /// What this world saw of each property.
    pub fn tallies(&self) -> Tallies {
        self.core().properties.borrow().tallies.clone()
    }

    /// The claims that were found false so far, the first hundred of them.
    pub fn violations(&self) -> Vec<Violation> {
        self.core().properties.borrow().violations.clone()
    }
}

#[doc(hidden)]
#[macro_export]
macro_rules! __property {
    ($kind:ident, $claim:literal) => {{
        static PROPERTY: $crate::Property = $crate::Property {
            claim: $claim,
            kind: $crate::PropertyKind::$kind,
            module: ::core::module_path!(),
            file: ::core::file!(),
            line: ::core::line!(),
        };
        $crate::__inventory::submit! { $crate::__Registered(&PROPERTY) }
        &PROPERTY
    }};
}

/// `always!(host, condition, "claim")`: the condition holds each time a program comes here.
/// What follows the claim is a text as for `format!`, made only if it does not hold.
///
/// A violation does not stop the program; it is in [`World::violations`].
///
/// ```
/// # let world = stillpoint_sim::World::new(stillpoint_sim::Tape::new(1));
/// let host = world.driver();
/// let (sent, received) = (3, 4);
/// stillpoint_sim::always!(host, received <= sent, "nothing comes from nowhere", "{received}");
/// assert_eq!(world.violations()[0].detail, "4");
/// ```
#[macro_export]
macro_rules! always {
    ($host:expr, $condition:expr, $claim:literal $(,)?) => {
        $host.look_at($crate::__property!(Always, $claim), $condition, ::std::string::String::new)
    };
    ($host:expr, $condition:expr, $claim:literal, $($detail:tt)+) => {
        $host.look_at($crate::__property!(Always, $claim), $condition, || {
            ::std::format!($($detail)+)
        })
    };
}

/// `sometimes!(host, condition, "claim")`: of all runs of a campaign there is one in which the
/// condition holds here. So a test says that it tests something.
#[macro_export]
macro_rules! sometimes {
    ($host:expr, $condition:expr, $claim:literal $(,)?) => {
        $host.look_at(
            $crate::__property!(Sometimes, $claim),
            $condition,
            ::std::string::String::new,
        )
    };
}

/// `reachable!(host, "claim")`: of all runs of a campaign one comes here.
#[macro_export]
macro_rules! reachable {
    ($host:expr, $claim:literal $(,)?) => {
        $host.look_at($crate::__property!(Reachable, $claim), true, ::std::string::String::new)
    };
}

/// `unreachable!(host, "claim")`: no run comes here. What follows the claim is a text as for
/// `format!`. Unlike the standard library's it does not panic: the violation is noted, and the
/// program goes on.
#[macro_export]
macro_rules! unreachable {
    ($host:expr, $claim:literal $(,)?) => {
        $host.look_at($crate::__property!(Unreachable, $claim), false, ::std::string::String::new)
    };
    ($host:expr, $claim:literal, $($detail:tt)+) => {
        $host.look_at($crate::__property!(Unreachable, $claim), false, || {
            ::std::format!($($detail)+)
        })
    };
}
