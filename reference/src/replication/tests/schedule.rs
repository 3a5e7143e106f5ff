//! Random schedules of everything that can happen to a group: the invariants hold after every
//! step, and once all is well again, a leader serves and commits soon.

use super::cluster::{Cluster, MS};
use crate::ids::NodeId;
use crate::replication::Replica;
use proptest::collection::vec;
use proptest::prelude::*;

/// After the last fault a group has so many rounds of 50 ms to commit: four seconds.
const ROUNDS_MAX: usize = 80;

#[derive(Clone, Debug)]
enum Step {
    Deliver(usize),
    Drop(usize),
    Repeat(usize),
    Advance(u64),
    Flow,
    Round,
    Campaign(usize),
    Propose(usize),
    HandOver(usize),
    Crash(usize, usize),
    Isolate(u16),
    Close(u16, u16),
    OpenAll,
}

fn step() -> impl Strategy<Value = Step> {
    let node = || 0..5_usize;
    let link = || 0..5_u16;
    prop_oneof![
        6 => (0..64_usize).prop_map(Step::Deliver),
        1 => (0..64_usize).prop_map(Step::Drop),
        1 => (0..64_usize).prop_map(Step::Repeat),
        2 => (1..350_u64).prop_map(Step::Advance),
        5 => Just(Step::Flow),
        5 => Just(Step::Round),
        4 => node().prop_map(Step::Campaign),
        4 => node().prop_map(Step::Propose),
        1 => node().prop_map(Step::HandOver),
        1 => (node(), 0..4_usize).prop_map(|(node, extra)| Step::Crash(node, extra)),
        1 => link().prop_map(Step::Isolate),
        2 => (link(), link()).prop_map(|(from, to)| Step::Close(from, to)),
        1 => Just(Step::OpenAll),
    ]
}

fn take(cluster: &mut Cluster, step: &Step) {
    let in_flight = cluster.packets.len();
    match *step {
        Step::Deliver(pick) => cluster.deliver(pick % in_flight.max(1)),
        Step::Drop(pick) if in_flight > 0 => drop(cluster.packets.remove(pick % in_flight)),
        Step::Repeat(pick) if in_flight > 0 => {
            cluster.packets.push(cluster.packets[pick % in_flight].clone());
        }
        Step::Drop(_) | Step::Repeat(_) => {}
        Step::Advance(time_ms) => cluster.advance(time_ms * MS),
        Step::Flow => cluster.flow(),
        Step::Round => cluster.round(),
        Step::Campaign(node) => cluster.campaign(node),
        Step::Propose(node) => drop(cluster.propose(node)),
        Step::HandOver(node) => {
            cluster.at(node, |it| it.step(Replica::hand_over));
        }
        Step::Crash(node, extra) => cluster.crash(node, extra),
        Step::Isolate(node) => cluster.isolate(node % cluster.nodes.len() as u16),
        Step::Close(from, to) => drop(cluster.closed.insert((NodeId(from), NodeId(to)))),
        Step::OpenAll => cluster.closed.clear(),
    }
}

/// Everything works again: a leader serves, and what it is asked for is committed everywhere.
fn heal(cluster: &mut Cluster) {
    cluster.closed.clear();
    let before = cluster.committed.len() as u64;
    // A follower hears that an entry is committed with the next entry at the latest.
    let done = (0..ROUNDS_MAX).any(|round| {
        cluster.campaign(round / 4);
        if let Some(leader) = cluster.leader() {
            cluster.propose(leader);
        }
        cluster.round();
        cluster.nodes.iter().all(|it| it.replica.commit().0 > before)
    });
    assert!(done, "nothing is committed everywhere soon: {:#?}", cluster.nodes);
}

fn hold_invariants(size: u16, steps: &[Step]) {
    let mut cluster = Cluster::new(size);
    cluster.elect(0);
    steps.iter().for_each(|it| take(&mut cluster, it));
    heal(&mut cluster);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn three_replicas_keep_every_promise(steps in vec(step(), 1..250)) {
        hold_invariants(3, &steps);
    }

    #[test]
    fn five_replicas_keep_every_promise(steps in vec(step(), 1..120)) {
        hold_invariants(5, &steps);
    }

    #[test]
    fn one_replica_keeps_every_promise(steps in vec(step(), 1..120)) {
        hold_invariants(1, &steps);
    }
}
