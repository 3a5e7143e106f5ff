//! What comes too late: from a life of a node that is over, or from a leader that is none any more.

use super::bench::{Bench, P, confirm, held, mark, marked, put};
use crate::ids::{Attempt, BackupId, Incarnation, NodeId};
use crate::node::{Envelope, PeerMessage, Reply};
use crate::replication::{Heartbeat, Message, Role, Sender};

/// What node 0 says when it has started again and heard nobody yet.
fn first_heartbeat(bench: &Bench) -> Envelope {
    let heartbeat = Heartbeat {
        sent_ns: bench.now_ns,
        answers: None,
        led_digest: 0,
        promise: 0,
        echo: None,
        fit: false,
        coordinator: None,
    };
    let sender = Sender { incarnation: Incarnation(2), promise: 0 };
    Envelope { sender, number: 0, messages: vec![PeerMessage::Heartbeat(heartbeat)] }
}

/// It restarts within a lease, and is deaf from then on, or dies at once: the promise that it had
/// ended with its life, and nobody will make it another.
#[test]
fn whoever_was_bound_to_a_leader_that_restarted_elects_another() {
    let mut bench = Bench::new(3);
    bench.advance_ms(50);
    let hello = first_heartbeat(&bench);
    bench.isolated.insert(NodeId(0));
    bench.deliver(NodeId(0), 1, hello.clone());
    bench.deliver(NodeId(0), 2, hello);
    bench.advance_ms(5_000);
    assert!(bench.lead(1).is_some() || bench.lead(2).is_some());
}

/// Its disk is slow, and the version that the condition met is committed only when another leader
/// has long replaced it.
#[test]
fn a_deposed_leader_refuses_no_condition() {
    let mut bench = Bench::new(3);
    bench.stalled.extend([0, 2]);
    bench.call(0, 1, put(1, 1, None));
    bench.run();
    bench.isolated.insert(NodeId(0));
    bench.stalled.remove(&2);
    bench.advance_ms(3_000);
    let other = [1, 2].into_iter().find(|&it| bench.lead(it).is_some()).expect("another leads");
    bench.call(other, 2, put(2, 1, None));
    bench.run();
    assert_eq!(bench.reply(2), Some(&Reply::Written(None)));
    bench.call(0, 3, put(3, 1, Some("attribute_exists(pk)")));
    bench.run();
    bench.stalled.clear();
    bench.run();
    assert_eq!(bench.reply(3), Some(&Reply::NotLeader(None)), "it may be another version by now");
}

/// A datagram may outlive the process that asked for it.
#[test]
fn an_answer_to_a_round_of_an_earlier_life_vouches_for_nothing() {
    let mut bench = Bench::of_life(3, 2);
    let at = bench.mark(1);
    bench.run();
    assert_eq!(bench.told, [marked(1, at)]);
    bench.told.clear();
    bench.isolated.insert(NodeId(0));
    bench.cut(0, confirm(1, at));
    let sender = bench.core(1).liveness().signature(NodeId(0));
    let late = PeerMessage::Checked { round: 1, partitions: vec![P] };
    bench.deliver(NodeId(1), 0, Envelope { sender, number: 0, messages: vec![late] });
    assert!(!bench.told.contains(&held(1, at)), "nobody was asked in this life");
}

#[test]
fn a_confirm_ends_no_hold_of_another_backup() {
    let mut bench = Bench::new(3);
    let at = bench.mark(1);
    bench.run();
    bench.advance_ms(25);
    assert!(!bench.holds(), "it has run out");
    let cut = match mark(2) {
        crate::cut::Message::Mark { hold_ns, partitions, .. } => crate::cut::Message::Mark {
            backup: BackupId(2),
            attempt: Attempt(2),
            hold_ns,
            partitions,
        },
        other => other,
    };
    bench.cut(0, cut);
    assert!(bench.holds());
    bench.cut(0, confirm(1, at));
    assert!(bench.holds(), "it is the other backup's");
}

/// It would win the straw poll, and its vote for itself would never be durable.
#[test]
fn who_cannot_write_takes_nothing_over() {
    let mut bench = Bench::new(3);
    bench.stalled.insert(1);
    bench.call(0, 1, put(1, 1, None));
    bench.advance_ms(1_000);
    let term = bench.core(1).hosted()[&P].replica.term();
    let sender = bench.core(0).liveness().signature(NodeId(1));
    let messages = vec![PeerMessage::Replica(P, Message::TakeOver { term })];
    bench.deliver(NodeId(0), 1, Envelope { sender, number: 0, messages });
    let role = bench.core(1).hosted()[&P].replica.role();
    assert!(matches!(role, Role::Follower { .. }), "{role:?}");
}
