//! Second opinions: the same stories, the same service and the same oracles on schedulers and
//! networks that others wrote, [madsim](on_madsim) and [turmoil](on_turmoil).
//!
//! A story's world [lodges](stillpoint_sim::World::lodge) with the engine: tasks, datagrams and
//! time are the engine's, while disks, the object store, dice, points and what kills a machine stay
//! the world's own. What the adapters have in common is in `machine.rs`.
//!
//! Both are behind features of their names. Build with `ci/engines`, which sets what madsim
//! demands; nothing here is part of the main build.

#[cfg(all(feature = "madsim", not(madsim)))]
compile_error!(
    "madsim simulates only under `--cfg madsim`: build with `ci/engines`, or without RUSTFLAGS of \
     your own, which replace those that it sets: RUSTFLAGS='--cfg madsim' cargo ..."
);

mod engine;
mod machine;
#[cfg(all(feature = "madsim", madsim))]
pub mod on_madsim;
#[cfg(feature = "turmoil")]
pub mod on_turmoil;

pub use engine::Engine;
pub use machine::{STRETCH, address};
