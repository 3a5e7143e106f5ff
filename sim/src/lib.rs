//! The simulated world: one seed decides everything that happens in it.
//!
//! A [`World`] holds machines ([`Host`]) that exchange datagrams, keep files on a
//! [`Disk`], share an [`ObjectStore`], crash, lose power and come back. It runs on one
//! thread in virtual time; a second run of the same [`Tape`] repeats every event, and
//! [`World::hash`] says so in eight bytes.
//!
//! It leaves to others what the machines do: this crate knows nothing of databases.
//!
//! ```
//! use bytes::Bytes;
//! use stillpoint_sim::{Tape, World};
//!
//! fn hash_of(seed: u64) -> u64 {
//!     let world = World::new(Tape::new(seed));
//!     let echo = world.add_host("echo", "zone-a");
//!     world.boot(echo, |host| async move {
//!         loop {
//!             let (from, message) = host.receive().await;
//!             host.send(from, message);
//!         }
//!     });
//!     let driver = world.driver();
//!     let answer = world.run(1_000_000_000, async move {
//!         driver.send(echo, Bytes::from_static(b"hello"));
//!         driver.receive().await
//!     });
//!     assert_eq!(answer, Ok((echo, Bytes::from_static(b"hello"))));
//!     world.hash()
//! }
//! assert_eq!(hash_of(7), hash_of(7));
//! assert_ne!(hash_of(7), hash_of(8));
//! ```
//!
//! What follows is `README.md`, with a tutorial: from `cargo add` to the first failing seed, its
//! replay and its mending.
#![doc = include_str!("../README.md")]

mod calls;
mod check;
mod chunks;
mod clock;
mod completion;
mod core;
mod cpu;
mod dice;
mod disk;
mod event;
mod executor;
mod explore;
mod fault;
mod guest;
mod hash;
mod heap;
mod host;
mod log;
mod net;
mod object_store;
mod operation;
mod panics;
mod point;
mod process;
mod property;
mod ready;
mod shrink;
mod stream;
mod tape;
mod timer;
mod topology;
mod waits;
mod wake;
mod world;

pub use check::{Check, check};
pub use clock::ClockBound;
pub use completion::Completion;
pub use cpu::BACKGROUND_SLICE_NS;
pub use dice::{Dice, TapeFit};
pub use disk::{
    Disk, DiskFaults, DiskSettings, DiskSnapshot, File, Outcomes, POWER_LOSS_TRIES_MAX,
};
pub use explore::{
    Accounting, Astray, Coordinates, CoordinatesError, CrashPoint, Row, Side, Site, Survey, Walk,
};
#[cfg(any(test, feature = "proptest"))]
pub use fault::strategy;
pub use fault::{
    Budget, Buggify, Carried, Expectation, Fault, FaultKind, FaultNews, Injected, Lasts,
    OverBudget, PhaseSpan, Plan, PlanError, Strike, Stuck, Swarm, When, Whom,
};
pub use guest::{Engine, Guest, GuestTask};
pub use hash::RollingHash;
pub use host::{Host, HostId, WORLD_EPOCH_MS};
#[doc(hidden)]
pub use inventory as __inventory;
pub use log::{EventRecord, rehash};
pub use net::{Delay, LinkSettings, NetFault, NetSettings};
pub use object_store::{
    OBJECT_REQUESTS_IN_FLIGHT_MAX, ObjectError, ObjectFaults, ObjectOutage, ObjectSettings,
    ObjectStore, ObjectsSnapshot, Upload,
};
pub use operation::{CrashKind, OperationKind};
pub use panics::{PanicReport, is_running_program};
#[doc(hidden)]
pub use property::Registered as __Registered;
pub use property::{Coverage, Property, PropertyKind, Tallies, Tally, Violation, catalog};
pub use shrink::{DoesNotFail, Shrunk, Trial, shrink, shrink_while};
pub use stream::{Listener, ReadHalf, Stream, StreamSettings, WriteHalf};
pub use tape::{Muted, Override, Tape, TapeError};
pub use timer::Sleep;
pub use topology::Topology;
pub use waits::Waiting;
pub use world::{POLLS_PER_INSTANT_MAX, RunError, World};
