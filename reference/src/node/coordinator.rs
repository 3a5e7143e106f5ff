//! Who leads a partition must be reached by whoever leads the metadata group.
//!
//! That one coordinates cuts, and has backups archived and partitions restored, by messages to the
//! partitions' leaders. Where two nodes do not reach one another though others reach both, and one
//! of them leads partitions and the other the metadata group, each goes on leading, since neither
//! is silent for its group, and no backup is ever made (on partial partitions: Alquraan et al., "An
//! Analysis of Network-Partitioning Failures in Cloud Systems", OSDI 2018). So whoever is not
//! reached by the coordinator, of whom it learns from others, lets others lead.

use super::core::{Core, Machine, Output};
use crate::ids::{NodeId, PartitionId, Term};
use crate::mutants::Mutants;

impl<M: Mutants> Core<M> {
    /// Who leads the metadata group, if this node does or hears who does.
    pub(super) fn coordinator(&self, now_ns: u64) -> Option<(Term, NodeId)> {
        let replica = &self.hosted.get(&PartitionId::METADATA)?.replica;
        let leader = match replica.is_leader() {
            true => self.config.me,
            false if replica.follows_live_leader(self.surroundings(now_ns)) => replica.leader()?,
            false => return None,
        };
        Some((replica.term(), leader))
    }

    /// Hands over the partitions that this node leads, if for two leases it and the coordinator
    /// have not reached one another.
    pub(super) fn lead_within_reach(&mut self, now_ns: u64, out: &mut Output) {
        let heard = self.coordinator(now_ns).max(self.liveness.coordinator(now_ns));
        let unreached =
            heard.is_some_and(|(_, it)| it != self.config.me && !self.liveness.reaches(it, now_ns));
        if !unreached {
            self.unreached_since_ns = None;
            return;
        }
        let since_ns = *self.unreached_since_ns.get_or_insert(now_ns);
        if now_ns < since_ns + 2 * self.config.replication.lease_ns {
            return;
        }
        let led = self.hosted.iter().filter(|(_, it)| {
            it.replica.is_leader() && matches!(it.machine, Machine::Partition(..))
        });
        let led: Vec<PartitionId> = led.map(|(id, _)| *id).collect();
        for partition in led {
            self.with_replica(partition, now_ns, out, |replica, at, effects| {
                replica.hand_over(at, effects);
            });
        }
    }
}
