//! The simulated world: one seed decides everything that happens in it.
