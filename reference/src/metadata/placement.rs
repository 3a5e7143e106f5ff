//! Which nodes there are, and which of them keep a partition.

use crate::api::TableArn;
use crate::ids::{NodeId, PartitionId};
use std::collections::BTreeMap;

/// A storage node and the zone that it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// The node.
    pub id: NodeId,
    /// Its availability zone.
    pub zone: u8,
}

/// The cluster, as every node knows it from its start.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// All storage nodes.
    pub nodes: Vec<NodeInfo>,
    /// How many partitions a table in on-demand mode begins with.
    pub partitions_on_demand: u32,
    /// How many partitions a table begins with at most, whatever throughput it asks for.
    pub partitions_max: u32,
    /// The Region in ARNs.
    pub region: String,
    /// The account number in ARNs.
    pub account: String,
}

impl Cluster {
    /// All nodes.
    #[must_use]
    pub fn node_ids(&self) -> Vec<NodeId> {
        self.nodes.iter().map(|it| it.id).collect()
    }

    /// Whether there is one node only: what it loses, nobody can give back.
    #[must_use]
    pub fn is_one_node(&self) -> bool {
        self.nodes.len() == 1
    }

    /// The ARN of a table of this name.
    #[must_use]
    pub fn table_arn(&self, table_name: &str) -> TableArn {
        TableArn {
            region: self.region.clone(),
            account: self.account.clone(),
            table_name: table_name.to_owned(),
        }
    }

    /// The nodes that keep `partition`: one in each zone, the preferred leader first. Neighbouring
    /// partitions prefer leaders in different zones and stand on different nodes of a zone.
    #[must_use]
    pub fn members(&self, partition: PartitionId) -> Vec<NodeId> {
        let mut zones: BTreeMap<u8, Vec<NodeId>> = BTreeMap::new();
        for node in &self.nodes {
            zones.entry(node.zone).or_default().push(node.id);
        }
        let round = partition.0 as usize / zones.len();
        let mut members: Vec<NodeId> =
            zones.values().map(|nodes| nodes[round % nodes.len()]).collect();
        let preferred = partition.0 as usize % members.len();
        members.rotate_left(preferred);
        members
    }
}

#[cfg(test)]
mod tests {
    use super::{Cluster, NodeInfo};
    use crate::ids::{NodeId, PartitionId};
    use std::collections::BTreeMap;

    #[test]
    fn members_stand_in_different_zones_and_leaders_are_spread_evenly() {
        let nodes = (0..9).map(|it| NodeInfo { id: NodeId(it), zone: (it % 3) as u8 }).collect();
        let cluster = Cluster {
            nodes,
            partitions_on_demand: 4,
            partitions_max: 1 << 16,
            region: "local".into(),
            account: "000000000000".into(),
        };
        let mut preferred: BTreeMap<NodeId, u32> = BTreeMap::new();
        for partition in 0..90 {
            let members = cluster.members(PartitionId(partition));
            let mut zones: Vec<u16> = members.iter().map(|it| it.0 % 3).collect();
            zones.sort_unstable();
            assert_eq!(zones, [0, 1, 2], "partition {partition}");
            *preferred.entry(members[0]).or_default() += 1;
        }
        assert!(preferred.values().all(|&it| it == 10), "{preferred:?}");
    }
}
