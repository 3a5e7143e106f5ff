//! Who leads the metadata group should reach everybody whom others reach.
//!
//! It coordinates cuts and has backups archived and partitions restored, by messages to whoever
//! leads the partitions. Where two nodes do not reach one another, though all others reach both,
//! and one of them leads a partition and the other the metadata group, neither is silent for its
//! group, so nobody else is elected, and no backup is ever made (Alfatafta et al., "Toward a Generic
//! Fault Tolerance Technique for Partial Network Partitioning", OSDI 2020). Then the lead is passed
//! on, to the member that reaches more.

use super::core::{Core, Output};
use crate::ids::{NodeId, PartitionId};
use crate::mutants::Mutants;

impl<M: Mutants> Core<M> {
    /// Hands the metadata group over, if another member has had more supporters than this node for
    /// two leases: a node that is merely down is missing from everybody's.
    pub(super) fn pass_catalog_on(&mut self, now_ns: u64, out: &mut Output) {
        let Some(successor) = self.who_reaches_more(now_ns) else {
            self.outreached_since_ns = None;
            return;
        };
        let since_ns = *self.outreached_since_ns.get_or_insert(now_ns);
        if now_ns >= since_ns + 2 * self.config.replication.lease_ns {
            self.with_replica(PartitionId::METADATA, now_ns, out, |replica, at, effects| {
                replica.hand_over_to(successor, at, effects);
            });
        }
    }

    /// The member of the metadata group with the most supporters, if this node leads the group with
    /// fewer.
    fn who_reaches_more(&self, now_ns: u64) -> Option<NodeId> {
        let replica = &self.hosted.get(&PartitionId::METADATA)?.replica;
        if !replica.is_leader() {
            return None;
        }
        let mine = self.liveness.supporters(now_ns);
        let others = replica.members().iter().filter(|it| **it != self.config.me);
        let counted =
            others.filter_map(|it| Some((self.liveness.supporters_of(*it, now_ns)?, *it)));
        let (most, successor) = counted.max_by_key(|it| it.0)?;
        (most > mine).then_some(successor)
    }
}
