//! How a backup names one instant across all partitions, without trusting clocks and without
//! stopping the table.
//!
//! The protocol, in the words that were model-checked (`docs/the-cut.md` has all of it):
//!
//! 1. *Start*: the metadata log takes attempt `a` and the set of partitions; then Mark is sent.
//! 2. *Mark*: a leader appends `marker(a)` and holds writes behind it, for at most `H`.
//! 3. *Marked*: once the marker is committed in the leader's own term, it says where it stands.
//! 4. *Confirm*: when Marked has come from every partition.
//! 5. *Held*: the leader checks that nothing with an effect follows its marker, lets writes go at
//!    once, and *then starts* a quorum round; when that succeeds it says Held, else NotHeld.
//! 6. *Seal*: with a Held that matches Marked for every partition, the metadata log takes the
//!    positions, if the attempt is still the current one. CreateBackup answers only now.
//!
//! Why it holds: let c be the moment Confirm is first sent. What is in was appended before its
//! marker and so invoked before c. What is out was appended after its leader's receipt of Confirm,
//! by this leader or one elected later (the round proves that there was no other), so it became
//! visible only after c. The instant of the backup is c; no clock takes part in the argument.
//!
//! The coordinator is here. The leader's part is in [`crate::node`], beside the log it guards.

mod coordinator;
mod message;
#[cfg(test)]
mod tests;

pub use coordinator::{Coordinator, Output, Settings};
pub use message::Message;
