//! What a coordinator and the leaders of the partitions say to one another. One message serves all
//! partitions that a node leads.

use crate::ids::{Attempt, BackupId, Epoch, PartitionId, Position};
use serde::{Deserialize, Serialize};

/// A message of the cut protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// Which of these do you lead, ready and with a lease? Holds nothing.
    Probe {
        /// The backup.
        backup: BackupId,
        /// The partitions asked about.
        partitions: Vec<(PartitionId, Epoch)>,
    },
    /// The answer to a probe.
    Leads {
        /// The backup.
        backup: BackupId,
        /// Those that the sender leads.
        partitions: Vec<PartitionId>,
    },
    /// Append a marker and hold.
    Mark {
        /// The backup.
        backup: BackupId,
        /// The attempt.
        attempt: Attempt,
        /// How long the hold may last, on the leader's monotonic clock.
        hold_ns: u64,
        /// The partitions and the epochs in which they must be.
        partitions: Vec<(PartitionId, Epoch)>,
    },
    /// The markers are committed here.
    Marked {
        /// The backup.
        backup: BackupId,
        /// The attempt.
        attempt: Attempt,
        /// Partitions, and where their markers stand.
        markers: Vec<(PartitionId, Position)>,
    },
    /// Every marker is committed: did you hold, and do you still lead?
    Confirm {
        /// The backup.
        backup: BackupId,
        /// The attempt.
        attempt: Attempt,
        /// Partitions, and where their markers stand.
        markers: Vec<(PartitionId, Position)>,
    },
    /// Nothing with an effect followed the marker when Confirm was received, and nobody else led.
    Held {
        /// The backup.
        backup: BackupId,
        /// The attempt.
        attempt: Attempt,
        /// Partitions, and where their markers stand.
        markers: Vec<(PartitionId, Position)>,
    },
    /// These cannot be vouched for: the attempt is void.
    NotHeld {
        /// The backup.
        backup: BackupId,
        /// The attempt.
        attempt: Attempt,
        /// The partitions.
        partitions: Vec<PartitionId>,
    },
    /// The attempt is void: a hold for it may end before its time.
    Release {
        /// The backup.
        backup: BackupId,
        /// The attempt.
        attempt: Attempt,
    },
    /// The receiver has missed too many attempts: let others lead these.
    StepAside {
        /// The partitions.
        partitions: Vec<PartitionId>,
    },
}
