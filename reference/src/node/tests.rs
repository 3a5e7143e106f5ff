//! What a node promises: the leader's part of a cut, and whom it answers with what, and when.
//!
//! The cores exchange envelopes in memory; one test acts as coordinator and as client.

mod bench;
mod checkpoints;
mod holds;
mod leaders;
mod lives;
mod random;
mod updates;
