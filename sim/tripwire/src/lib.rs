//! The tripwire: names code that reads the machine behind the world's back.
//!
//! A seed repeats itself only if nothing but the seed decides. One `HashMap` with the default
//! hasher, one look at the machine's clock, and it does not, perhaps months later and on another
//! machine. The lints forbid such calls where they are written; this package sees those that
//! are made, in dependencies too, and says where:
//!
//! ```
//! use stillpoint_sim::{Tape, World};
//! use stillpoint_tripwire::{Scope, What, watch};
//!
//! let (_, sightings) = watch(Scope::Programs, || {
//!     let world = World::new(Tape::new(1));
//!     let hurry = async { std::time::Instant::now() };
//!     world.run(1_000_000_000, hurry).is_ok()
//! });
//! assert_eq!(sightings[0].what, What::MonotonicClock);
//! println!("{}", sightings[0]); // the monotonic clock of the machine at ...rs:8 in ...
//! ```
//!
//! It stands in front of the C library's functions (`wire.rs`), so it needs no compiler flags,
//! but a binary can hold only one of its kind: do not link it together with madsim, which does
//! the same. Only Linux, and only tests link it: a binary that does not call [`watch`] and does
//! not name the package is without it.
//!
//! What it does not see:
//! - The second `HashMap` of a watched thread: std asks the system once per thread and remembers
//!   the keys. Each [`watch`] therefore has a thread of its own; repair what it names, run again.
//!   A map made before the first program runs hides the programs' maps from [`Scope::Programs`],
//!   not from [`Scope::Everything`].
//! - Order that follows from addresses (`{:p}`, sorting by pointer), and statics that outlive a
//!   world: the audit compares runs and processes for those.
//! - Instructions that ask the processor directly (`rdtsc`, `rdrand`), and system calls made
//!   without the C library.
//! - What a thread that simulated code starts does; that it was started is named.

mod place;
mod wire;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::resume_unwind;

use stillpoint_sim::is_running_program;

/// Different sightings kept per [`watch`]; whoever repairs so many can ask again.
pub const SIGHTINGS_MAX: usize = 32;

/// Which code of the watched thread must leave the machine alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Programs of simulated hosts, drivers and callbacks: what a world polls and calls.
    Programs,
    /// All of it, the world itself and whatever judges the run included.
    Everything,
}

/// What of the machine was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Keys for std's default hasher, which decide the order of a map or a set.
    DefaultHasher,
    /// Random bytes of the operating system.
    RandomBytes,
    /// The clock behind `Instant::now`.
    MonotonicClock,
    /// The clock behind `SystemTime::now`.
    WallClock,
    /// Processor time, or another clock with this number (Linux, include/uapi/linux/time.h).
    OtherClock(i32),
    /// A thread was started.
    Thread,
    /// A real file was opened, `/dev/urandom` for instance.
    File(String),
}

impl fmt::Display for What {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DefaultHasher => out.write_str(
                "a HashMap or HashSet with the default hasher (asks the system for random keys)",
            ),
            Self::RandomBytes => out.write_str("random bytes of the system"),
            Self::MonotonicClock => out.write_str("the monotonic clock of the machine"),
            Self::WallClock => out.write_str("the wall clock of the machine"),
            Self::OtherClock(number) => write!(out, "clock {number} of the machine"),
            Self::Thread => out.write_str("a new thread"),
            Self::File(path) => write!(out, "the file {path} of the machine"),
        }
    }
}

/// One use of the machine, and who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// What was used.
    pub what: What,
    /// `file:line` of the innermost caller outside std and outside packages from a registry;
    /// empty if the binary was built without line numbers.
    pub place: String,
    /// The function at that place as the compiler names it, without type arguments; of an
    /// inlined one only the last part.
    pub function: String,
    /// The innermost function outside std, where that is another: the dependency in between.
    pub through: Option<String>,
}

impl fmt::Display for Sighting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.what)?;
        match self.place.is_empty() {
            true => write!(out, " at an unknown place (build with debug = \"line-tables-only\")")?,
            false => write!(out, " at {} in {}", self.place, self.function)?,
        }
        self.through.iter().try_for_each(|it| write!(out, ", which called {it}"))
    }
}

thread_local! {
    /// Whose code on this thread is watched. Off while a sighting is being written down.
    static WATCHED: Cell<Option<Scope>> = const { Cell::new(None) };
    static SIGHTINGS: RefCell<Vec<Sighting>> = const { RefCell::new(Vec::new()) };
}

/// Runs `work` on a thread of its own, and returns its result and how the code in `scope` used
/// the machine meanwhile: each way and place once, in the order of their first use, at most
/// [`SIGHTINGS_MAX`] of them.
///
/// # Panics
/// If `work` panics.
pub fn watch<T: Send>(scope: Scope, work: impl FnOnce() -> T + Send) -> (T, Vec<Sighting>) {
    // A watch within a watched piece of work must not report its own thread.
    let outer = WATCHED.replace(None);
    let watched = || {
        WATCHED.set(Some(scope));
        let result = work();
        WATCHED.set(None);
        (result, SIGHTINGS.take())
    };
    let done = std::thread::scope(|threads| threads.spawn(watched).join());
    WATCHED.set(outer);
    done.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Writes down that the machine is being used, if watched code does it.
///
/// Called from inside the C library's functions, of every thread: cheap when nobody watches.
fn notice(what: impl FnOnce() -> Option<What>) {
    // A thread that ends has lost its variables; it is not watched any more.
    let Ok(Some(scope)) = WATCHED.try_with(Cell::get) else {
        return;
    };
    if scope == Scope::Programs && !is_running_program() {
        return;
    }
    // What the lines below do with files and memory is not the watched code's doing.
    WATCHED.set(None);
    if let Some(what) = what()
        && SIGHTINGS.with_borrow(Vec::len) < SIGHTINGS_MAX
    {
        let sighting = place::sighting(what);
        SIGHTINGS.with_borrow_mut(|all| {
            let same = |it: &Sighting| it.what == sighting.what && it.place == sighting.place;
            if !all.iter().any(same) {
                all.push(sighting);
            }
        });
    }
    WATCHED.set(Some(scope));
}
