//! Planted bugs, as a type parameter of the service.
//!
//! A mutant answers "yes" to one of these questions. The service that people run is built with
//! [`NoMutants`], whose every answer is a constant `false`, so the compiler removes the bug's
//! code. Oracles never see this type. Each question names a bug that a real system had.

/// Which bugs are planted.
pub trait Mutants: Clone + 'static {
    /// Writes are appended although a cut holds its partition (a cut that is not a cut).
    fn writes_are_not_held(&self) -> bool {
        false
    }
    /// A resumed restore goes on behind the range it was at, and so loses it (CockroachDB #98779).
    fn resumed_restore_skips_a_range(&self) -> bool {
        false
    }
    /// An entry counts as durable before its fsync (NATS 2.12.1, Jepsen).
    fn acknowledge_before_fsync(&self) -> bool {
        false
    }
    /// A leader says Held without the round by which it makes sure that nobody else leads.
    fn confirms_without_a_round(&self) -> bool {
        false
    }
    /// A backup's part names the entry behind the marker as its last, not the marker.
    fn entry_behind_the_marker_is_taken_in(&self) -> bool {
        false
    }
    /// A restore ends where the archive cannot be read, and says that it is complete.
    fn restore_ends_where_it_cannot_read(&self) -> bool {
        false
    }
    /// A leader holds writes until the hold runs out, whatever the coordinator says (a backup that
    /// does its work while it holds).
    fn hold_is_not_released(&self) -> bool {
        false
    }
    /// The first item of every restored partition is lost: the canary, which any run must catch.
    fn restore_drops_an_item(&self) -> bool {
        false
    }
}

/// No planted bug: what the server is built with.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMutants;

impl Mutants for NoMutants {}
