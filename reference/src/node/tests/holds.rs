//! The leader's part of a cut, word by word.

use super::bench::{
    BACKUP, Bench, EPOCH, HOLD_NS, MS, P, confirm, held, mark, marked, not_held, put, release,
    requests,
};
use crate::archive::format::ChunkRef;
use crate::cut::Message;
use crate::ids::{Attempt, BackupId, Epoch, Index, PartitionId, Position, Term};
use crate::node::{Call, PeerMessage, Reply};
use crate::partition::Command;

fn archived() -> Call {
    let object = "segment".to_owned();
    let chunk = ChunkRef { object, offset: 0, len: 1, first: 1, last: 1, checksum: 0 };
    Call::Propose { partition: P, payload: Command::Archived(chunk).encode() }
}

#[test]
fn during_a_hold_nothing_with_an_effect_is_appended() {
    let mut bench = Bench::new(1);
    let at = bench.mark(1);
    bench.call(0, 1, put(1, 1, None));
    bench.call(0, 2, archived());
    bench.run();
    assert_eq!(bench.last(), at, "the marker is the last entry");
    assert_eq!((bench.reply(1), bench.reply(2)), (None, None));
    assert_eq!(bench.lead(0).expect("it leads").queue.len(), 2);
    assert_eq!(bench.told, [marked(1, at)]);
}

#[test]
fn on_release_the_whole_queue_is_appended_in_order() {
    let mut bench = Bench::new(1);
    let at = bench.mark(1);
    (1..=5).for_each(|id| bench.call(0, id, put(id, id % 2, None)));
    bench.run();
    bench.cut(0, release(1));
    assert_eq!(requests(&bench.log_behind(at.index)), [1, 2, 3, 4, 5]);
    assert!(!bench.holds());
    bench.run();
    (1..=5).for_each(|id| assert_eq!(bench.reply(id), Some(&Reply::Written(None))));
}

#[test]
fn the_queue_is_appended_before_any_other_marker() {
    let mut bench = Bench::new(1);
    let at = bench.mark(1);
    bench.call(0, 1, put(1, 1, None));
    bench.say(0, vec![PeerMessage::Cut(release(1)), PeerMessage::Cut(mark(2))]);
    bench.call(0, 2, put(2, 1, None));
    let behind = bench.log_behind(at.index);
    assert_eq!(requests(&behind[..1]), [1]);
    let marker = Command::Marker { backup: BACKUP, attempt: Attempt(2) }.encode();
    assert_eq!((behind.len(), &behind[1].payload), (2, &marker));
}

#[test]
fn only_the_release_of_its_own_attempt_ends_a_hold() {
    let mut bench = Bench::new(1);
    bench.mark(2);
    bench.cut(0, release(1));
    let backup = BackupId(BACKUP.0 + 1);
    bench.cut(0, Message::Release { backup, attempt: Attempt(2) });
    assert!(bench.holds());
    bench.cut(0, release(2));
    assert!(!bench.holds());
}

#[test]
fn a_repeated_mark_begins_no_second_hold() {
    let mut bench = Bench::new(1);
    let at = bench.mark(1);
    bench.advance_ms(10);
    bench.cut(0, mark(1));
    let deadline_ns = bench.lead(0).and_then(|it| it.hold).expect("it holds").deadline_ns;
    assert!(deadline_ns < bench.now_ns + HOLD_NS, "a hold is never extended");
    bench.advance_ms(20);
    bench.call(0, 1, put(1, 1, None));
    bench.told.clear();
    bench.cut(0, mark(1));
    assert!(!bench.holds());
    assert_eq!(bench.told, [marked(1, at)], "it says where the marker stands");
    assert_eq!(requests(&bench.log_behind(at.index)), [1], "and no other marker was appended");
    bench.run();
    bench.told.clear();
    bench.cut(0, confirm(1, at));
    assert_eq!(bench.told, [not_held(1)]);
}

#[test]
fn marked_is_said_only_of_a_committed_marker() {
    let mut bench = Bench::new(1);
    bench.stalled.insert(0);
    let at = bench.mark(1);
    bench.run();
    bench.cut(0, mark(1));
    bench.cut(0, confirm(1, at));
    assert_eq!(bench.told, [not_held(1)], "the marker is not durable");
    bench.told.clear();
    bench.stalled.clear();
    bench.run();
    assert_eq!(bench.told, [marked(1, at)]);
}

#[test]
fn a_confirm_of_another_position_is_refused() {
    let mut bench = Bench::new(1);
    let at = bench.mark(1);
    bench.run();
    let others = [
        Position { index: Index(at.index.0 - 1), ..at },
        Position { index: at.index.next(), ..at },
        Position { term: Term(at.term.0 + 1), ..at },
        Position { term: Term(at.term.0 - 1), ..at },
    ];
    for other in others {
        bench.told.clear();
        bench.cut(0, confirm(1, other));
        assert_eq!(bench.told, [not_held(1)], "{other:?}");
        assert!(bench.holds(), "a refused Confirm releases nothing");
    }
    bench.told.clear();
    bench.cut(0, confirm(2, at));
    assert_eq!(bench.told, [not_held(2)], "the marker is of attempt 1");
    bench.told.clear();
    bench.cut(0, confirm(1, at));
    assert_eq!(bench.told, [held(1, at)]);
    assert!(!bench.holds(), "writes go on at the receipt");
}

#[test]
fn a_hold_ends_by_itself() {
    let mut bench = Bench::new(1);
    let at = bench.mark(1);
    bench.call(0, 1, put(1, 1, None));
    bench.advance_ms(HOLD_NS / MS - 5);
    assert!(bench.holds());
    bench.advance_ms(5);
    assert!(!bench.holds());
    assert_eq!(requests(&bench.log_behind(at.index)), [1]);
    assert_eq!(bench.reply(1), Some(&Reply::Written(None)));
    bench.told.clear();
    bench.cut(0, confirm(1, at));
    assert_eq!(bench.told, [not_held(1)], "a write stands behind the marker");
}

#[test]
fn a_hold_that_ended_without_a_write_behind_it_can_be_vouched_for() {
    let mut bench = Bench::new(1);
    let at = bench.mark(1);
    bench.advance_ms(2 * HOLD_NS / MS);
    bench.told.clear();
    bench.cut(0, confirm(1, at));
    assert_eq!(bench.told, [held(1, at)]);
}

#[test]
fn an_uncommitted_write_behind_the_marker_is_one_too() {
    let mut bench = Bench::new(1);
    let at = bench.mark(1);
    bench.advance_ms(2 * HOLD_NS / MS);
    bench.stalled.insert(0);
    bench.call(0, 1, put(1, 1, None));
    bench.told.clear();
    bench.cut(0, confirm(1, at));
    assert_eq!(bench.told, [not_held(1)]);
}

#[test]
fn markers_are_no_effects() {
    let mut bench = Bench::new(1);
    let at = bench.mark(1);
    bench.cut(0, release(1));
    let backup = BackupId(BACKUP.0 + 1);
    let partitions = vec![(P, EPOCH)];
    bench.cut(0, Message::Mark { backup, attempt: Attempt(2), hold_ns: HOLD_NS, partitions });
    bench.run();
    assert!(bench.last().index > at.index);
    bench.told.clear();
    bench.cut(0, confirm(1, at));
    assert_eq!(bench.told, [held(1, at)]);
}

#[test]
fn a_leader_refuses_to_mark_where_the_protocol_forbids_it() {
    let mut bench = Bench::new(1);
    let refuses = |bench: &mut Bench, attempt, partition, epoch| {
        let partitions = vec![(partition, epoch)];
        let attempt = Attempt(attempt);
        let refusal = Message::NotHeld { backup: BACKUP, attempt, partitions: vec![partition] };
        let before = bench.last();
        bench.told.clear();
        bench.cut(0, Message::Mark { backup: BACKUP, attempt, hold_ns: HOLD_NS, partitions });
        assert_eq!((&bench.told[..], bench.last()), (&[refusal][..], before));
    };
    refuses(&mut bench, 5, P, Epoch(EPOCH.0 + 1));
    refuses(&mut bench, 5, PartitionId(8), EPOCH);
    refuses(&mut bench, 5, PartitionId::METADATA, EPOCH);
    bench.mark(6);
    bench.run();
    refuses(&mut bench, 7, P, EPOCH);
    bench.cut(0, release(6));
    refuses(&mut bench, 5, P, EPOCH);
    bench.mark(8);
}

#[test]
fn a_write_is_answered_once_it_is_committed() {
    let mut bench = Bench::new(1);
    bench.stalled.insert(0);
    bench.call(0, 1, put(1, 1, None));
    bench.run();
    assert_eq!(bench.reply(1), None);
    bench.stalled.clear();
    bench.run();
    assert_eq!(bench.reply(1), Some(&Reply::Written(None)));
}

#[test]
fn a_condition_meets_the_uncommitted_version_and_waits_for_it() {
    let mut bench = Bench::new(1);
    bench.stalled.insert(0);
    bench.call(0, 1, put(1, 1, None));
    let absent = Some("attribute_not_exists(pk)");
    bench.call(0, 2, put(2, 2, absent));
    bench.call(0, 3, put(3, 1, Some("attribute_exists(pk)")));
    bench.run();
    assert_eq!((bench.reply(2), bench.reply(3)), (None, None));
    bench.stalled.clear();
    bench.run();
    assert_eq!(bench.reply(2), Some(&Reply::Written(None)));
    let Some(Reply::ConditionFailed(old)) = bench.reply(3) else { panic!("{:?}", bench.replies) };
    assert_eq!(old.as_ref(), Some(&crate::item::Item::new()), "the version of call 1");
}
