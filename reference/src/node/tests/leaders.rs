//! What becomes of those who wait when a leader is lost, and that a deposed leader vouches for
//! nothing.

use super::bench::{Bench, EPOCH, P, confirm, held, key, marked, not_held, put, requests};
use crate::cut;
use crate::ids::{HashRange, Index, NodeId, PartitionId, Position, TableId, Term};
use crate::node::{Call, Envelope, HostSpec, PeerMessage, Reply};
use crate::partition::ItemStore;
use crate::replication::{Entry, Message, Role};
use bytes::Bytes;

/// The node among 1 and 2 that leads, once node 0 is isolated for long enough.
fn depose_0(bench: &mut Bench) -> usize {
    bench.isolated.insert(NodeId(0));
    bench.advance_ms(3_000);
    [1, 2].into_iter().find(|&it| bench.lead(it).is_some()).expect("another leads by now")
}

#[test]
fn a_write_is_answered_only_once_a_quorum_has_it() {
    let mut bench = Bench::new(3);
    bench.stalled.extend([1, 2]);
    bench.call(0, 1, put(1, 1, None));
    bench.run();
    assert_eq!(bench.reply(1), None, "two disks have not got it");
    bench.stalled.remove(&2);
    bench.run();
    assert_eq!(bench.reply(1), Some(&Reply::Written(None)));
}

/// Full for good, say: its node hears all and is heard by all.
#[test]
fn a_leader_whose_disk_writes_nothing_is_replaced_and_comes_back_when_it_does() {
    let mut bench = Bench::new(3);
    bench.stalled.insert(0);
    bench.call(0, 1, put(1, 1, None));
    bench.advance_ms(3_000);
    let other = [1, 2].into_iter().find(|&it| bench.lead(it).is_some()).expect("another leads");
    assert!(bench.lead(0).is_none(), "it has learned of it");
    bench.call(other, 2, put(2, 2, None));
    bench.run();
    assert_eq!(bench.reply(2), Some(&Reply::Written(None)));
    bench.stalled.clear();
    bench.isolated.insert(NodeId(other as u16));
    bench.advance_ms(3_000);
    assert!([0, 1, 2].into_iter().any(|it| it != other && bench.lead(it).is_some()));
}

#[test]
fn a_replaced_entry_is_never_acknowledged() {
    let mut bench = Bench::new(3);
    bench.isolated.insert(NodeId(0));
    bench.call(0, 1, put(1, 1, None));
    bench.run();
    let contested = bench.last();
    let other = depose_0(&mut bench);
    (2..6).for_each(|id| bench.call(other, id, put(id, 2, None)));
    bench.run();
    assert!(bench.state(other).applied() > contested.index, "its index is committed elsewhere");
    assert_eq!(bench.reply(1), None);
    bench.isolated.clear();
    bench.advance_ms(1_000);
    assert_eq!(bench.reply(1), Some(&Reply::Unknown), "perhaps it took effect, perhaps not");
    assert_eq!(bench.state(0).store().get(&key(1)), Ok(None), "it did not");
    assert_eq!(requests(&bench.log_behind(Index(0))), [2, 3, 4, 5]);
}

/// The message that deposes the leader also commits another entry where its own one stood.
#[test]
fn an_entry_that_is_replaced_and_committed_in_one_step_is_not_acknowledged() {
    let mut bench = Bench::new(3);
    bench.isolated.insert(NodeId(0));
    let previous = bench.last();
    bench.call(0, 1, put(1, 1, None));
    let (term, index) = (Term(previous.term.0 + 1), previous.index.next());
    let entries = vec![Entry { term, index, effect: false, payload: Bytes::new() }];
    let append = Message::Append { term, previous, entries, commit: index };
    bench.say(0, vec![PeerMessage::Replica(P, append)]);
    assert_eq!(bench.state(0).applied(), index);
    assert_eq!(bench.reply(1), Some(&Reply::Unknown));
}

#[test]
fn a_lost_leader_tells_its_queue_that_nothing_was_done() {
    let mut bench = Bench::new(3);
    bench.isolated.insert(NodeId(0));
    bench.call(0, 1, put(1, 1, None));
    let at = bench.mark(1);
    bench.call(0, 2, put(2, 1, None));
    bench.call(0, 3, put(3, 1, Some("attribute_exists(pk)")));
    assert_eq!(bench.last(), at);
    let lead = bench.lead(0).expect("it does not know better");
    assert_eq!((lead.queue.len(), lead.hold.is_some()), (2, true));
    let (term, previous) = (Term(at.term.0 + 1), Position::default());
    let append = Message::Append { term, previous, entries: Vec::new(), commit: Index(0) };
    bench.say(0, vec![PeerMessage::Replica(P, append)]);
    assert!(bench.lead(0).is_none() && !bench.holds());
    assert_eq!(bench.reply(1), Some(&Reply::Unknown), "it was appended");
    assert_eq!(bench.reply(2), Some(&Reply::NotLeader(None)), "it was not even looked at");
    assert_eq!(bench.reply(3), Some(&Reply::NotLeader(None)));
    assert!(bench.told.is_empty(), "nothing is vouched for: {:?}", bench.told);
}

#[test]
fn a_deposed_leader_does_not_say_held() {
    let mut bench = Bench::new(3);
    let at = bench.mark(1);
    bench.run();
    assert_eq!(bench.told, [marked(1, at)]);
    let other = depose_0(&mut bench);
    assert_ne!(other, 0);
    bench.told.clear();
    bench.cut(0, confirm(1, at));
    bench.advance_ms(100);
    assert_eq!(bench.told, [], "the round finds no quorum");
    bench.advance_ms(200);
    assert_eq!(bench.told, [not_held(1)]);
    bench.told.clear();
    bench.cut(other, confirm(1, at));
    assert_eq!(bench.told, [not_held(1)], "nor does a leader for another's marker");
}

#[test]
fn members_in_a_higher_term_do_not_vouch() {
    let mut bench = Bench::new(3);
    let at = bench.mark(1);
    bench.run();
    let other = depose_0(&mut bench);
    bench.told.clear();
    bench.cut(0, confirm(1, at));
    // The round's questions reach the others, and no other message does.
    bench.isolated.clear();
    bench.run();
    bench.advance_ms(300);
    assert!(!bench.told.contains(&held(1, at)), "node {other} leads: {:?}", bench.told);
}

#[test]
fn held_is_said_only_after_a_round_that_began_with_confirm() {
    let mut bench = Bench::new(3);
    let at = bench.mark(1);
    bench.run();
    bench.told.clear();
    bench.cut(0, confirm(1, at));
    assert_eq!(bench.told, [], "nobody has answered yet");
    assert!(!bench.holds(), "writes go on at the receipt");
    bench.call(0, 1, put(1, 1, None));
    bench.run();
    assert_eq!(bench.told, [held(1, at)], "a write after the receipt does no harm");
}

#[test]
fn who_does_not_lead_appends_nothing() {
    let mut bench = Bench::new(3);
    bench.call(1, 1, put(1, 1, None));
    assert_eq!(bench.reply(1), Some(&Reply::NotLeader(Some(NodeId(0)))));
    let read = Call::Get { partition: P, key: key(1), consistent: true };
    bench.call(1, 2, read);
    assert_eq!(bench.reply(2), Some(&Reply::NotLeader(Some(NodeId(0)))));
}

/// A follower that voted for the candidate is still bound to it from the term before, and so asks.
/// Were the answer "I do not lead", it would arrive when the candidate leads, and free the
/// follower while the leader counts on it. (The bench's stranger accepts no such answer.)
#[test]
fn a_candidate_relinquishes_nothing_of_the_term_it_may_yet_win() {
    let mut bench = Bench::new(3);
    let term = bench.last().term;
    let next = Term(term.0 + 1);
    let grant = Message::PreVoteReply { term: next, granted: true };
    let stand = [Message::TakeOver { term }, grant].map(|it| PeerMessage::Replica(P, it));
    bench.say(1, stand.into());
    let role = bench.core(1).hosted()[&P].replica.role();
    assert!(matches!(role, Role::Candidate { .. }), "{role:?}");
    bench.say(1, vec![PeerMessage::Believed(vec![(P, next)])]);
}

#[test]
fn a_partition_that_was_dropped_is_never_hosted_again() {
    let mut bench = Bench::new(1);
    let id = PartitionId(8);
    let (range, members) = (HashRange { start: 0, end: u64::MAX }, vec![NodeId(0)]);
    let spec = HostSpec { table: TableId(1), partition: id, range, epoch: EPOCH, members };
    bench.call(0, 1, Call::Host(vec![spec.clone()]));
    assert!(bench.core(0).hosted().contains_key(&id));
    bench.call(0, 2, Call::Drop(vec![id, PartitionId(9)]));
    let never_hosted = HostSpec { partition: PartitionId(9), ..spec.clone() };
    bench.call(0, 3, Call::Host(vec![spec, never_hosted]));
    assert!(!bench.core(0).hosted().contains_key(&id), "nobody would drop it again");
    assert!(!bench.core(0).hosted().contains_key(&PartitionId(9)), "its Drop came first");
}

/// It was down when the table was made, which needs no more than a quorum.
#[test]
fn a_member_that_was_away_hosts_its_replica_when_it_is_back() {
    let mut bench = Bench::new(3);
    let id = PartitionId(8);
    let (range, members) = (HashRange { start: 0, end: u64::MAX }, (0..3).map(NodeId).collect());
    let spec = HostSpec { table: TableId(1), partition: id, range, epoch: EPOCH, members };
    bench.isolated.insert(NodeId(2));
    (0..2).for_each(|node| bench.call(node, 1, Call::Host(vec![spec.clone()])));
    bench.advance_ms(1_000);
    assert!(!bench.core(2).hosted().contains_key(&id));
    bench.isolated.clear();
    bench.advance_ms(1_000);
    assert!(bench.core(2).hosted().contains_key(&id));
    bench.isolated.insert(NodeId(0));
    bench.advance_ms(3_000);
    let leads = |node: usize| bench.core(node).hosted()[&id].replica.is_leader();
    assert!(leads(1) || leads(2), "without it the group could do nothing now");
}

/// The first member is to lead, and its disk is full: it wins every straw poll, and no election.
#[test]
fn a_member_whose_disk_writes_nothing_does_not_end_the_campaigns_of_others() {
    let mut bench = Bench::new(3);
    let id = PartitionId(8);
    let (range, members) = (HashRange { start: 0, end: u64::MAX }, (0..3).map(NodeId).collect());
    let spec = HostSpec { table: TableId(1), partition: id, range, epoch: EPOCH, members };
    bench.stalled.insert(0);
    (0..3).for_each(|node| bench.call(node, 1, Call::Host(vec![spec.clone()])));
    bench.advance_ms(5_000);
    let leads = |node: usize| bench.core(node).hosted()[&id].replica.is_leader();
    assert!(leads(1) || leads(2));
}

/// Node 0 leads the metadata group and node 1 the partition, and only node 2 reaches both.
#[test]
fn who_is_out_of_the_coordinators_reach_lets_others_lead() {
    let mut bench = Bench::new(3);
    bench.cut(0, cut::Message::StepAside { partitions: vec![P] });
    bench.advance_ms(1_000);
    assert!(bench.lead(1).is_some(), "it was the first that could");
    bench.parted = Some((NodeId(0), NodeId(1)));
    bench.advance_ms(5_000);
    assert!(bench.lead(2).is_some() && bench.lead(1).is_none());
    assert!(bench.core(0).hosted()[&PartitionId::METADATA].replica.is_leader());
    bench.advance_ms(20_000);
    assert!(bench.lead(2).is_some(), "and it stays there");
}

/// All miss it alike: it is not out of reach, it is gone.
#[test]
fn a_coordinator_that_is_down_takes_no_partition_with_it() {
    let mut bench = Bench::new(3);
    bench.isolated.insert(NodeId(0));
    bench.advance_ms(3_000);
    let leading = (1..3).find(|it| bench.lead(*it).is_some()).expect("another leads");
    let term = bench.core(leading).hosted()[&P].replica.term();
    bench.advance_ms(20_000);
    assert_eq!(bench.core(leading).hosted()[&P].replica.term(), term);
}

/// It holds what the leader before it had acknowledged, and has not applied it: the read came with
/// the very answer that made it ready to serve.
#[test]
fn a_new_leader_answers_no_read_before_it_has_applied_what_it_inherits() {
    let mut bench = Bench::new(3);
    bench.intercepts = |it| matches!(it, PeerMessage::Replica(_, Message::Committed { .. }));
    bench.call(0, 1, put(1, 1, None));
    bench.run();
    assert_eq!(bench.reply(1), Some(&Reply::Written(None)));
    bench.kept.clear();
    bench.intercepts = |it| {
        matches!(it, PeerMessage::Replica(P, Message::Appended { .. }) | PeerMessage::Reply(..))
    };
    bench.isolated.insert(NodeId(0));
    bench.advance_ms(2_000);
    let (from, to, appended) = bench.kept.pop().expect("somebody stands for election");
    let leader = usize::from(to.0);
    assert!(bench.lead(leader).is_none(), "it is not known to have a quorum");
    let read =
        PeerMessage::Call(9, Box::new(Call::Get { partition: P, key: key(1), consistent: true }));
    let sender = bench.core(usize::from(from.0)).liveness().signature(to);
    bench.kept.clear();
    bench.deliver(from, leader, Envelope { sender, number: 0, messages: vec![appended, read] });
    assert!(bench.lead(leader).is_some());
    let answers: Vec<&PeerMessage> = bench.kept.iter().map(|it| &it.2).collect();
    let [PeerMessage::Reply(9, answer)] = answers[..] else { panic!("{answers:?}") };
    let stale = matches!(&**answer, Reply::Item(None));
    assert!(!stale, "an item that was acknowledged is gone");
}
