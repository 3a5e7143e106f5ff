//! Many seeds at once: handing them out to threads, counting what came back, and the questions
//! that only many seeds can answer (is every mutant caught, does every seed repeat itself).
//!
//! Decides nothing about one seed, which is the oracles' business, and prints nothing, which is
//! the command's. Results never depend on the order in which threads finish.

pub mod audit;
pub mod gaps;
pub mod hunt;
pub mod panics;
pub mod parting;
pub mod plan;
pub mod pool;
pub mod simplify;
pub mod tally;
