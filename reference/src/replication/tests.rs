//! What replication promises, held against random schedules and against the holes that it guards.
//!
//! The cluster of these tests carries what replicas ask for as a node does, on clocks that drift
//! and over links that lose, repeat and delay. How a real node does it is the node's to test.

mod cluster;
mod holes;
mod schedule;
