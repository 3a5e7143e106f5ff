//! Each hole in the lease argument that was found once, and the guard that closed it.

use super::cluster::{Cluster, MS, Node, Packet, Payload};
use crate::ids::{Incarnation, Index, NodeId, Position, Term};
use crate::replication::{
    Effects, Entry, Liveness, Message, Record, Replica, Sender, Settings, Surroundings,
};
use bytes::Bytes;

const LEASE_NS: u64 = 600 * MS;

fn node(cluster: &Cluster, node: usize) -> &Node {
    &cluster.nodes[node]
}

/// Node 0 leads three, and only node 1 still hears from it: its lease rests on that promise.
fn led_by_0_without_2() -> Cluster {
    let mut cluster = Cluster::new(3);
    cluster.elect(0);
    cluster.isolate(2);
    (0..20).for_each(|_| cluster.round());
    assert!(node(&cluster, 0).serves());
    for it in [0, 1] {
        cluster.closed.remove(&(NodeId(2), NodeId(it)));
        cluster.closed.remove(&(NodeId(it), NodeId(2)));
    }
    // Nothing that leader 0 said meanwhile reaches node 2, but node 2 reaches node 1.
    cluster.closed.insert((NodeId(0), NodeId(2)));
    cluster.packets.clear();
    cluster
}

/// Node 2 wants to lead; everything that is said about it arrives.
fn campaign_of_2(cluster: &mut Cluster) {
    // From the first answers it may learn of a higher term; the second campaign is in that one.
    for _ in 0..2 {
        cluster.campaign(2);
        (0..8).for_each(|_| cluster.flow());
    }
}

#[test]
fn a_promise_that_lapsed_and_was_renewed_does_not_count_until_re_accepted() {
    let mut cluster = Cluster::new(3);
    cluster.elect(0);
    cluster.propose(0);
    cluster.flow();
    [1, 2].into_iter().for_each(|it| cluster.at(it, Node::persist));
    let accepted = |it: &Packet| matches!(it.payload, Payload::Replica(Message::Appended { .. }));
    let late: Vec<Packet> = cluster.packets.iter().filter(|it| accepted(it)).cloned().collect();
    assert_eq!(late.len(), 2);
    cluster.isolate(0);
    (0..20).for_each(|_| cluster.round());
    assert!(!node(&cluster, 0).has_lease());
    cluster.packets.clear();
    cluster.closed.clear();
    for _ in 0..6 {
        cluster.advance(50 * MS);
        (0..3).for_each(|it| cluster.at(it, Node::beat));
        for _ in 0..2 {
            cluster.packets.retain(|it| matches!(it.payload, Payload::Heartbeat(_)));
            cluster.flow();
        }
        assert!(!node(&cluster, 0).has_lease(), "only heartbeats came through");
    }
    cluster.packets.extend(late);
    cluster.flow();
    assert!(!node(&cluster, 0).has_lease(), "accepted under the promises that lapsed");
    (0..2).for_each(|_| cluster.round());
    assert!(node(&cluster, 0).serves(), "it asked again, and was accepted under the new promises");
}

#[test]
fn a_follower_that_heard_of_a_higher_term_stays_bound() {
    let mut cluster = led_by_0_without_2();
    let higher = Term(node(&cluster, 1).replica.term().0 + 1);
    cluster.at(1, |it| it.step(|replica, _, effects| replica.learn_term(higher, effects)));
    assert_eq!(node(&cluster, 1).replica.leader(), None);
    assert_eq!(node(&cluster, 1).replica.bound_to(), Some(NodeId(0)));
    campaign_of_2(&mut cluster);
    assert!(node(&cluster, 0).has_lease());
    assert!(!node(&cluster, 2).replica.is_leader(), "node 1 has promised to elect nobody else");
    cluster.campaign(1);
    assert!(
        cluster.packets.iter().all(|it| it.from != NodeId(1)),
        "who is bound does not campaign either"
    );
}

#[test]
fn a_node_that_restarted_votes_for_nobody_until_its_old_promises_have_ended() {
    let mut cluster = led_by_0_without_2();
    cluster.flow();
    cluster.crash(1, 0);
    assert_eq!(node(&cluster, 1).replica.bound_to(), None, "it does not remember");
    campaign_of_2(&mut cluster);
    assert!(!node(&cluster, 2).replica.is_leader() && node(&cluster, 0).has_lease());
    cluster.isolate(0);
    cluster.advance(LEASE_NS * 12 / 10);
    assert!(!node(&cluster, 0).has_lease());
    campaign_of_2(&mut cluster);
    assert!(node(&cluster, 2).replica.is_leader(), "the wait is bounded");
}

/// What it had acknowledged is gone from its disk, whatever the leader believed.
#[test]
fn a_follower_that_comes_back_with_less_is_sent_what_it_lacks() {
    let mut cluster = Cluster::new(3);
    cluster.elect(0);
    for _ in 0..4 {
        cluster.propose(0);
        (0..4).for_each(|_| cluster.round());
    }
    let (term, last) = (node(&cluster, 0).replica.term(), node(&cluster, 0).replica.log().last());
    cluster.packets.clear();
    let hint = Index(last.index.0 - 2);
    let sender = Sender { incarnation: Incarnation(9), promise: 0 };
    cluster.at(0, |it| {
        it.step(|replica, at, effects| {
            replica.forget_follower(NodeId(2));
            replica.receive(NodeId(2), sender, Message::Rejected { term, hint }, at, effects);
        });
    });
    let sent_behind = cluster.packets.iter().find_map(|it| match &it.payload {
        Payload::Replica(Message::Append { previous, .. }) if it.to == NodeId(2) => Some(previous),
        _ => None,
    });
    assert_eq!(sent_behind.map(|it| it.index), Some(hint));
}

#[test]
fn a_leader_that_hands_over_gives_up_its_lease_for_good() {
    let mut cluster = Cluster::new(3);
    cluster.elect(0);
    assert!(cluster.at(0, |it| it.step(Replica::hand_over)));
    let take_over = cluster.packets.pop().expect("the successor is asked");
    let term = node(&cluster, 0).replica.term();
    (0..10).for_each(|_| cluster.round());
    assert!(!node(&cluster, 0).replica.is_leader(), "however often the others are heard");
    assert_eq!(node(&cluster, 0).replica.term(), term);
    let successor = usize::from(take_over.to.0);
    cluster.packets.push(take_over);
    (0..8).for_each(|_| cluster.flow());
    assert!(node(&cluster, successor).replica.is_leader(), "no lease stands in its way");
}

#[test]
fn a_leader_hands_over_only_to_a_live_follower_that_has_everything() {
    let mut cluster = Cluster::new(3);
    cluster.elect(0);
    assert!(cluster.propose(0).is_some());
    assert!(!cluster.at(0, |it| it.step(Replica::hand_over)), "nobody has the last entry");
    (0..3).for_each(|_| cluster.flow());
    cluster.isolate(0);
    cluster.advance(2 * LEASE_NS);
    assert!(!cluster.at(0, |it| it.step(Replica::hand_over)), "nobody was heard from lately");
    assert!(node(&cluster, 0).replica.is_leader());
}

/// One follower of three, with messages that a test makes up.
struct Follower {
    replica: Replica,
    liveness: Liveness,
    effects: Effects,
}

const SENDER: Sender = Sender { incarnation: Incarnation(1), promise: 1 };

impl Follower {
    fn new() -> Self {
        let members = vec![NodeId(0), NodeId(1), NodeId(2)];
        let settings = Settings::default();
        Self {
            liveness: Liveness::new(NodeId(1), &members, Incarnation(1), 0, true, settings),
            replica: Replica::new(NodeId(1), members, settings),
            effects: Effects::default(),
        }
    }

    fn receive(&mut self, from: u16, message: Message) {
        self.effects = Effects::default();
        let at = Surroundings { now_ns: 0, liveness: &self.liveness };
        self.replica.receive(NodeId(from), SENDER, message, at, &mut self.effects);
    }

    /// The leader `from` of `term` appends `count` entries from index 1 on.
    fn append(&mut self, from: u16, term: u64, count: u64, commit: u64) {
        let term = Term(term);
        let entry =
            |it| Entry { term, index: Index(it), effect: true, payload: Bytes::from_static(b"x") };
        let entries = (1..=count).map(entry).collect();
        let previous = Position::default();
        self.receive(from, Message::Append { term, previous, entries, commit: Index(commit) });
    }

    fn reply(&self) -> (NodeId, Message) {
        let [reply] = &self.effects.sends_after_persist[..] else { panic!("{:?}", self.effects) };
        reply.clone()
    }

    fn relinquished(&mut self, from: u16, term: u64) {
        self.replica.on_relinquished(NodeId(from), Term(term), &mut Effects::default());
    }
}

/// An acceptance of somebody who knows of no commit and has promised nothing.
fn appended(term: u64, matched: u64) -> Message {
    let (term, matched) = (Term(term), Index(matched));
    Message::Appended { term, matched, commit: Index(0), promise: 0 }
}

#[test]
fn an_acceptance_from_before_a_truncation_is_not_sent() {
    let mut follower = Follower::new();
    follower.append(0, 1, 3, 0);
    let (to, accepted) = follower.reply();
    assert_eq!(accepted, appended(1, 3));
    assert!(follower.replica.still_means(to, &accepted));
    follower.append(2, 2, 1, 0);
    assert_eq!(follower.replica.log().last(), Position { term: Term(2), index: Index(1) });
    assert!(!follower.replica.still_means(to, &accepted), "two of those entries are gone");
    follower.append(0, 3, 1, 0);
    assert!(!follower.replica.still_means(to, &accepted), "the old leader leads in a new term");
}

#[test]
fn an_acceptance_is_not_sent_to_a_leader_that_has_relinquished() {
    let mut follower = Follower::new();
    follower.append(0, 1, 1, 0);
    let (to, accepted) = follower.reply();
    follower.relinquished(0, 1);
    assert_eq!(follower.replica.term(), Term(1));
    assert!(!follower.replica.still_means(to, &accepted), "it would count as a promise");
}

#[test]
fn a_late_fsync_of_replaced_entries_makes_nothing_durable() {
    let mut cluster = Cluster::new(1);
    cluster.elect(0);
    let replaced = Position { term: Term(7), index: Index(2) };
    let before = node(&cluster, 0).replica.commit();
    assert!(cluster.propose(0).is_some());
    cluster.at(0, |it| it.step(|replica, _, effects| replica.on_persisted(replaced, effects)));
    assert_eq!(node(&cluster, 0).replica.commit(), before, "another entry was meant");
    cluster.flow();
    assert_eq!(node(&cluster, 0).replica.commit(), before.next());
}

#[test]
fn a_leader_relinquishes_only_in_the_term_in_which_it_is_believed() {
    let mut follower = Follower::new();
    follower.append(0, 2, 1, 0);
    follower.relinquished(0, 1);
    assert_eq!(follower.replica.bound_to(), Some(NodeId(0)), "an answer about an older term");
    follower.relinquished(2, 2);
    assert_eq!(follower.replica.bound_to(), Some(NodeId(0)), "from somebody else");
    follower.replica.learn_term(Term(3), &mut Effects::default());
    follower.relinquished(0, 2);
    assert_eq!(follower.replica.bound_to(), Some(NodeId(0)), "asked before the term was heard of");
    follower.relinquished(0, 3);
    assert_eq!(follower.replica.bound_to(), None);
}

#[test]
fn an_inherited_entry_is_committed_only_behind_one_of_the_own_term() {
    let mut follower = Follower::new();
    follower.replica.recover(Record::Vote { term: Term(2), voted_for: None });
    follower.append(0, 2, 2, 0);
    let own = Record::Vote { term: Term(3), voted_for: None };
    follower.replica.recover(own);
    let at = Surroundings { now_ns: 0, liveness: &follower.liveness };
    follower.replica.on_relinquished(NodeId(0), Term(3), &mut Effects::default());
    follower.replica.campaign(at, &mut Effects::default());
    follower.receive(2, Message::PreVoteReply { term: Term(4), granted: true });
    follower.receive(1, Message::VoteReply { term: Term(4), granted: true });
    follower.receive(2, Message::VoteReply { term: Term(4), granted: true });
    assert!(follower.replica.is_leader() && !follower.replica.is_ready());
    let inherited = Position { term: Term(2), index: Index(2) };
    follower.replica.on_persisted(inherited, &mut Effects::default());
    follower.receive(2, appended(4, 2));
    assert_eq!(follower.replica.commit(), Index(0), "a quorum has it, and yet it may be replaced");
    let opening = Position { term: Term(4), index: Index(3) };
    follower.replica.on_persisted(opening, &mut Effects::default());
    follower.receive(2, appended(4, 3));
    assert_eq!(follower.replica.commit(), Index(3));
    assert!(follower.replica.is_ready());
}

#[test]
fn a_committed_announcement_about_another_entry_commits_nothing() {
    let mut follower = Follower::new();
    follower.append(0, 1, 2, 0);
    let other = Position { term: Term(2), index: Index(2) };
    follower.receive(0, Message::Committed { term: Term(1), position: other });
    assert_eq!(follower.replica.commit(), Index(0));
    let held = Position { term: Term(1), index: Index(2) };
    follower.receive(0, Message::Committed { term: Term(1), position: held });
    assert_eq!(follower.replica.commit(), Index(2));
}

#[test]
fn a_promise_counts_from_the_sending_of_what_it_answers_less_the_margin() {
    let (settings, nodes) = (Settings::default(), [NodeId(0), NodeId(1)]);
    let new = |me, now_ns| Liveness::new(me, &nodes, Incarnation(1), now_ns, true, settings);
    let (mut leader, mut follower) = (new(NodeId(0), 0), new(NodeId(1), 0));
    let first = follower.heartbeat(NodeId(0), 999 * MS, 0, false);
    leader.on_heartbeat(NodeId(1), Incarnation(1), &first, 99 * MS);
    let asked = leader.heartbeat(NodeId(1), 100 * MS, 0, false);
    follower.on_heartbeat(NodeId(0), Incarnation(1), &asked, 1_000 * MS);
    let answer = follower.heartbeat(NodeId(0), 1_001 * MS, 0, false);
    leader.on_heartbeat(NodeId(1), Incarnation(1), &answer, 150 * MS);
    let under = follower.signature(NodeId(0));
    let until_ns = 100 * MS + settings.lease_ns - settings.lease_margin_ns;
    assert!(settings.lease_margin_ns >= settings.lease_ns / 10, "clocks may drift that far");
    assert!(leader.supported_by(NodeId(1), under, until_ns - 1));
    assert!(!leader.supported_by(NodeId(1), under, until_ns));
    let promised_until_ns = 1_000 * MS + settings.lease_ns;
    assert!(follower.promised(NodeId(0), Incarnation(1), promised_until_ns - 1));
    assert!(!follower.promised(NodeId(0), Incarnation(2), 1_001 * MS), "another life of it");
}

#[test]
fn a_leader_with_a_lease_elects_nobody() {
    let mut cluster = led_by_0_without_2();
    campaign_of_2(&mut cluster);
    assert!(node(&cluster, 0).replica.is_leader());
    let (last, term) = (node(&cluster, 0).replica.log().last(), Term(9));
    let vote = Message::PreVote { term, last, transfer: false };
    cluster.at(0, |it| {
        it.step(|replica, at, effects| {
            replica.receive(NodeId(2), SENDER, vote, at, effects);
        })
    });
    let refused = |it: &Packet| {
        matches!(it.payload, Payload::Replica(Message::PreVoteReply { granted: false, .. }))
    };
    assert!(cluster.packets.last().is_some_and(refused));
}

#[test]
fn a_vote_is_remembered_over_a_crash() {
    let mut follower = Follower::new();
    let (term, last) = (Term(5), Position::default());
    follower.receive(0, Message::Vote { term, last, transfer: false });
    let granted = (NodeId(0), Message::VoteReply { term, granted: true });
    assert_eq!(follower.reply(), granted);
    let mut again = Follower::new();
    for record in std::mem::take(&mut follower.effects.records) {
        again.replica.recover(record);
    }
    again.receive(2, Message::Vote { term, last, transfer: false });
    assert_eq!(again.reply(), (NodeId(2), Message::VoteReply { term, granted: false }));
    again.receive(0, Message::Vote { term, last, transfer: false });
    assert_eq!(again.reply(), granted, "the same candidate may ask twice");
}

/// A node that was paused takes in, in one go: its own fsync, a vote for somebody else, and the old
/// leader's heartbeat. What it had accepted before the vote leaves after the new promise.
#[test]
fn an_acceptance_is_signed_with_the_promise_under_which_it_was_made() {
    let mut cluster = Cluster::new(3);
    cluster.elect(0);
    cluster.propose(0);
    cluster.deliver(0);
    cluster.deliver(0);
    cluster.packets.clear();
    cluster.advance(2 * LEASE_NS);
    // Node 2 stands for election; node 1's promise to node 0 has lapsed.
    cluster.isolate(0);
    cluster.at(2, |it| it.step(Replica::campaign));
    for _ in 0..2 {
        let arriving = std::mem::take(&mut cluster.packets);
        for packet in arriving.into_iter().filter(|it| it.to != NodeId(0)) {
            let to = usize::from(packet.to.0);
            cluster.at(to, |it| it.receive(packet));
        }
    }
    cluster.at(2, Node::persist);
    let is_vote = |it: &Packet| {
        it.to == NodeId(1) && matches!(it.payload, Payload::Replica(Message::Vote { .. }))
    };
    let vote = cluster.packets.iter().find(|it| is_vote(it)).expect("a vote").clone();
    cluster.packets.clear();
    // Node 0 has heard node 1 all the time, so node 1 will promise it its support again.
    cluster.at(1, Node::beat);
    let heard = cluster.packets.iter().find(|it| it.to == NodeId(0)).expect("a beat").clone();
    cluster.packets.clear();
    cluster.at(0, |it| it.receive(heard));
    cluster.packets.clear();
    cluster.at(0, Node::beat);
    let beat = cluster.packets.iter().find(|it| it.to == NodeId(1)).expect("a beat").clone();
    cluster.packets.clear();
    // One round of node 1: its log became durable, the vote and the heartbeat arrived.
    cluster.at(1, |it| {
        it.persist();
        it.receive(vote);
        it.receive(beat);
    });
    let late: Vec<Packet> =
        cluster.packets.iter().filter(|it| it.to == NodeId(0)).cloned().collect();
    cluster.packets.clear();
    cluster.at(1, Node::beat);
    let answer = cluster.packets.iter().find(|it| it.to == NodeId(0)).expect("a beat").clone();
    cluster.packets.clear();
    cluster.at(1, Node::persist);
    for _ in 0..4 {
        (0..6).for_each(|_| cluster.flow());
        (0..3).for_each(|it| cluster.at(it, Node::beat));
    }
    (0..6).for_each(|_| cluster.flow());
    assert!(node(&cluster, 2).serves(), "{:#?}", cluster.nodes);
    cluster.at(0, |it| it.receive(answer));
    for packet in late {
        cluster.at(0, |it| it.receive(packet));
    }
    assert!(!node(&cluster, 0).has_lease(), "what was accepted under the promise that lapsed");
}

#[test]
fn a_follower_of_an_idle_partition_learns_of_the_last_commit() {
    let mut cluster = Cluster::new(3);
    cluster.elect(0);
    (0..2).for_each(|_| cluster.round());
    cluster.propose(0);
    (0..8).for_each(|_| cluster.round());
    let commits = [0, 1, 2].map(|it| node(&cluster, it).replica.commit());
    assert_eq!(commits, [commits[0]; 3], "nobody writes any more, and yet all know");
}

#[test]
fn nobody_promises_support_to_a_node_that_does_not_hear_them() {
    let (settings, nodes) = (Settings::default(), [NodeId(0), NodeId(1)]);
    let new = |me| Liveness::new(me, &nodes, Incarnation(1), 0, true, settings);
    let (deaf, mut hearing) = (new(NodeId(0)), new(NodeId(1)));
    let asked = deaf.heartbeat(NodeId(1), 100 * MS, 0, false);
    hearing.on_heartbeat(NodeId(0), Incarnation(1), &asked, 100 * MS);
    assert!(!hearing.promised(NodeId(0), Incarnation(1), 101 * MS));
}

/// It could not read under such a lease, and nobody else could lead.
#[test]
fn nobody_promises_support_to_a_node_that_hears_of_it_too_late() {
    let (settings, nodes) = (Settings::default(), [NodeId(0), NodeId(1)]);
    let supported = |way_ns: u64| {
        let new = |me| Liveness::new(me, &nodes, Incarnation(1), 0, true, settings);
        let (mut far, mut near) = (new(NodeId(0)), new(NodeId(1)));
        let mut now_ns = 0;
        for _ in 0..20 {
            let answer = near.heartbeat(NodeId(0), now_ns, 0, false);
            now_ns += way_ns;
            far.on_heartbeat(NodeId(1), Incarnation(1), &answer, now_ns);
            let asked = far.heartbeat(NodeId(1), now_ns, 0, false);
            now_ns += way_ns;
            near.on_heartbeat(NodeId(0), Incarnation(1), &asked, now_ns);
        }
        near.promised(NodeId(0), Incarnation(1), now_ns)
    };
    assert!(supported(MS) && supported(50 * MS));
    assert!(!supported(500 * MS));
}

#[test]
fn a_snapshot_with_a_long_tail_is_recorded_in_records_that_a_log_can_hold() {
    let (me, nodes) = (NodeId(1), vec![NodeId(0), NodeId(1)]);
    let mut replica = Replica::new(me, nodes, Settings::default());
    let (term, payload) = (Term(1), Bytes::from(vec![0; 1 << 20]));
    let position = |index| Position { term, index: Index(index) };
    let entry = |index| Entry { term, index: Index(index), effect: true, payload: payload.clone() };
    let mut effects = Effects::default();
    replica.install(position(30), position(10), (11..=30).map(entry).collect(), &mut effects);
    assert_eq!(effects.records[0], Record::Reset(position(10)));
    for record in &effects.records[1..] {
        let Record::Entries(entries) = record else { panic!("not entries") };
        let bytes: usize = entries.iter().map(|it| it.payload.len() + 32).sum();
        assert!(bytes < crate::wal::PAYLOAD_LEN_MAX, "{bytes} bytes");
    }
    let mut recovered = Replica::new(me, vec![NodeId(0), me], Settings::default());
    effects.records.into_iter().for_each(|it| recovered.recover(it));
    assert_eq!(recovered.log().entries(), replica.log().entries());
}

/// The first heartbeat after a cut repeats the echo of one from before it.
#[test]
fn a_cut_is_no_slow_link() {
    let settings = Settings::default();
    let ids = [NodeId(0), NodeId(1)];
    let mut me = Liveness::new(NodeId(0), &ids, Incarnation(1), 0, true, settings);
    let mut peer = Liveness::new(NodeId(1), &ids, Incarnation(1), 0, true, settings);
    let hears = |to: &mut Liveness, from: NodeId, heartbeat, now_ns| {
        to.on_heartbeat(from, Incarnation(1), &heartbeat, now_ns);
    };
    for round in 0..4 {
        let now_ns = round * 100 * MS;
        hears(&mut peer, NodeId(0), me.heartbeat(NodeId(1), now_ns, 0, false), now_ns + MS);
        hears(
            &mut me,
            NodeId(1),
            peer.heartbeat(NodeId(0), now_ns + MS, 0, false),
            now_ns + 2 * MS,
        );
    }
    assert!(me.heartbeat(NodeId(1), 310 * MS, 0, false).fit);
    // Ten seconds later the peer has heard nothing new, and is heard again.
    let later_ns = 10_000 * MS;
    hears(&mut me, NodeId(1), peer.heartbeat(NodeId(0), later_ns, 0, false), later_ns + MS);
    assert!(me.heartbeat(NodeId(1), later_ns + 2 * MS, 0, false).fit);
}
