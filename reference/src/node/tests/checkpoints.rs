//! What a node is after a restart: the same as before it, whatever was in its checkpoint, in its
//! log, or in both; and what a replica does whose state is lost.

use super::bench::{Bench, EPOCH, P, key, put};
use crate::archive::format::ChunkRef;
use crate::ids::{HashRange, Incarnation, Index, NodeId, PartitionId, Position, TableId};
use crate::metadata::{self, Cluster, NodeInfo};
use crate::mutants::NoMutants;
use crate::node::{
    Call, Config, Core, Envelope, Found, Health, HostSpec, Input, Install, LogRecord, Machine,
    Output, PeerMessage, Reply,
};
use crate::partition::{Command, ItemKey, StoreFault};
use crate::replication::{Message, Role, Sender};
use crate::store::{Base, Batch};
use bytes::Bytes;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What is at rest: images, and items with the entry that wrote each.
#[derive(Clone, Debug, Default)]
struct AtRest {
    images: BTreeMap<PartitionId, Bytes>,
    items: BTreeMap<(PartitionId, ItemKey), (Index, Bytes)>,
}

#[derive(Clone, Debug, Default)]
struct Disk(Rc<RefCell<AtRest>>);

impl Disk {
    fn commit(&self, batch: &Batch) {
        let mut at_rest = self.0.borrow_mut();
        at_rest.images.retain(|id, _| !batch.removed.contains(id));
        at_rest.items.retain(|(id, _), _| !batch.removed.contains(id));
        for (&id, saved) in &batch.partitions {
            if saved.replace {
                at_rest.items.retain(|(it, _), _| *it != id);
            }
            at_rest.images.insert(id, saved.image.clone());
            for (key, (at, item)) in saved.changes.iter() {
                match item {
                    Some(item) => at_rest.items.insert((id, key.clone()), (*at, item.clone())),
                    None => at_rest.items.remove(&(id, key.clone())),
                };
            }
        }
    }
}

impl Base for Disk {
    fn get(&self, id: PartitionId, key: &ItemKey) -> Result<Option<(Index, Bytes)>, StoreFault> {
        Ok(self.0.borrow().items.get(&(id, key.clone())).cloned())
    }

    fn scan(
        &self,
        id: PartitionId,
        after: Option<&ItemKey>,
        take: &mut dyn FnMut(&ItemKey, Index, &Bytes) -> bool,
    ) -> Result<(), StoreFault> {
        let at_rest = self.0.borrow();
        let behind = |key: &ItemKey| after.is_none_or(|it| key > it);
        let mine = at_rest.items.iter().filter(|((it, key), _)| *it == id && behind(key));
        for ((_, key), (at, item)) in mine {
            if !take(key, *at, item) {
                break;
            }
        }
        Ok(())
    }
}

/// A node that is a cluster by itself, with a log that is durable at once.
struct Solo {
    core: Core<NoMutants>,
    disk: Disk,
    records: Vec<LogRecord>,
    lives: u64,
    now_ns: u64,
    calls: u64,
    replies: BTreeMap<u64, Reply>,
}

impl Solo {
    fn new() -> Self {
        let disk = Disk::default();
        let core = Self::boot(&disk, Vec::new(), 1, 0);
        let (replies, records) = (BTreeMap::new(), Vec::new());
        let mut solo = Self { core, disk, records, lives: 1, now_ns: 0, calls: 0, replies };
        let (range, members) = (HashRange { start: 0, end: u64::MAX }, vec![NodeId(0)]);
        let spec = HostSpec { table: TableId(1), partition: P, range, epoch: EPOCH, members };
        solo.call(Call::Host(vec![spec]));
        solo.lead();
        solo
    }

    fn boot(disk: &Disk, records: Vec<LogRecord>, lives: u64, now_ns: u64) -> Core<NoMutants> {
        let nodes = vec![NodeInfo { id: NodeId(0), zone: 0 }];
        let (region, account) = ("local".into(), "000000000000".into());
        let cluster =
            Cluster { nodes, partitions_on_demand: 1, partitions_max: 1 << 16, region, account };
        let mut config = Config::new(NodeId(0), cluster);
        config.log_retained_entries_max = 0;
        let (lsn, images) = (records.len() as u64, disk.0.borrow().images.clone());
        let found = Found { records, lsn, images, base: Rc::new(disk.clone()) };
        Core::new(config, NoMutants, found, Incarnation(lives), now_ns)
    }

    fn step(&mut self, input: Input) {
        let mut next = Some(input);
        while let Some(input) = next.take() {
            let mut out = Output::default();
            self.core.step(self.now_ns, 0, input, &mut out);
            self.replies.extend(out.replies);
            if !out.log.is_empty() {
                self.records.extend(out.log);
                next = Some(Input::Persisted(self.core.lsn));
            }
        }
    }

    fn call(&mut self, call: Call) -> Option<Reply> {
        self.calls += 1;
        self.step(Input::Call(self.calls, NodeId(0), Box::new(call)));
        self.replies.remove(&self.calls)
    }

    fn lead(&mut self) {
        for _ in 0..400 {
            self.now_ns += 10_000_000;
            self.step(Input::Tick);
        }
        assert!(self.core.hosted()[&P].replica.is_ready(), "alone it leads");
    }

    /// Everything that is applied is said to stand in the archive.
    fn archive(&mut self) {
        let hosted = &self.core.hosted()[&P];
        let Machine::Partition(state, _) = &hosted.machine else { panic!("it was hosted") };
        let (first, last) = (state.archived_through().next().0, state.applied().0);
        let object = "segment".to_owned();
        let chunk = ChunkRef { object, offset: 0, len: 1, first, last, checksum: 0 };
        let payload = Command::Archived(chunk).encode();
        self.call(Call::Propose { partition: P, payload });
    }

    fn save(&mut self, durable: bool) {
        let batch = self.core.begin_checkpoint();
        self.disk.commit(&batch);
        if durable {
            let mut out = Output::default();
            self.core.end_checkpoint(&batch, self.now_ns, &mut out);
            self.step(Input::Tick);
        }
    }

    fn compact(&mut self) {
        self.records = self.core.compact();
        self.step(Input::Persisted(self.core.lsn));
    }

    fn restart(&mut self) {
        self.lives += 1;
        self.core = Self::boot(&self.disk, self.records.clone(), self.lives, self.now_ns);
        assert_eq!(self.core.hosted()[&P].health, Health::Sound);
        self.lead();
    }

    fn items(&mut self) -> Vec<ItemKey> {
        let (items_max, bytes_max) = (u32::MAX, u32::MAX);
        let scan = Call::Scan { partition: P, after: None, items_max, bytes_max, consistent: true };
        match self.call(scan) {
            Some(Reply::Page { items, .. }) => items.into_iter().map(|(key, _)| key).collect(),
            other => panic!("not a page: {other:?}"),
        }
    }

    fn log_len(&self) -> usize {
        self.core.hosted()[&P].replica.log().entries().len()
    }
}

#[derive(Clone, Debug)]
enum Deed {
    Put(u64),
    Delete(u64),
    Archive,
    Save,
    SaveAndCrash,
    Compact,
    Restart,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => (0..6_u64).prop_map(Deed::Put),
        3 => (0..6_u64).prop_map(Deed::Delete),
        2 => Just(Deed::Archive),
        2 => Just(Deed::Save),
        1 => Just(Deed::SaveAndCrash),
        1 => Just(Deed::Compact),
        1 => Just(Deed::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_restart_changes_nothing(deeds in prop::collection::vec(deed(), 1..40)) {
        let mut solo = Solo::new();
        let mut model = std::collections::BTreeSet::new();
        for (n, deed) in deeds.into_iter().enumerate() {
            match deed {
                Deed::Put(name) => {
                    solo.call(put(n as u64, name, None));
                    model.insert(key(name));
                }
                Deed::Delete(name) => {
                    let Call::Write { partition, request, key, condition, .. } =
                        put(n as u64, name, None) else { unreachable!("it is a write") };
                    model.remove(&key);
                    let (item, return_old) = (None, false);
                    solo.call(Call::Write {
                        partition, request, key, item, condition, return_old,
                    });
                }
                Deed::Archive => solo.archive(),
                Deed::Save => solo.save(true),
                Deed::SaveAndCrash => {
                    solo.save(false);
                    solo.restart();
                }
                Deed::Compact => solo.compact(),
                Deed::Restart => solo.restart(),
            }
            let expected: Vec<ItemKey> = model.iter().cloned().collect();
            prop_assert_eq!(solo.items(), expected);
        }
    }
}

#[test]
fn the_log_forgets_what_is_both_saved_and_archived() {
    let mut solo = Solo::new();
    (1..=20).for_each(|id| drop(solo.call(put(id, id, None))));
    let whole = solo.log_len();
    solo.save(true);
    assert_eq!(solo.log_len(), whole, "nothing is archived");
    solo.archive();
    assert_eq!(solo.log_len(), whole + 1, "not saved since");
    solo.save(true);
    assert_eq!(solo.log_len(), 1, "only the note itself is not archived");
    solo.compact();
    let entries = |it: &LogRecord| matches!(it, LogRecord::Replica(P, _));
    assert_eq!(solo.records.iter().filter(|it| entries(it)).count(), 1);
    solo.restart();
    assert_eq!(solo.items().len(), 20);
}

#[test]
fn without_its_checkpoint_a_replica_has_a_log_and_no_state() {
    let mut solo = Solo::new();
    solo.call(put(1, 1, None));
    solo.archive();
    solo.save(true);
    solo.compact();
    solo.disk = Disk::default();
    let core = Solo::boot(&solo.disk, solo.records.clone(), 2, solo.now_ns);
    assert_eq!(core.hosted()[&P].health, Health::Lost);
    assert_eq!(core.hosted()[&P].replica.log().last(), {
        solo.core.hosted()[&P].replica.log().last()
    });
}

#[test]
fn a_checkpoint_that_is_older_than_the_log_is_no_state() {
    let mut solo = Solo::new();
    solo.call(put(1, 1, None));
    solo.save(true);
    let older = solo.disk.0.borrow().clone();
    solo.call(put(2, 2, None));
    solo.archive();
    solo.save(true);
    solo.compact();
    *solo.disk.0.borrow_mut() = older;
    let core = Solo::boot(&solo.disk, solo.records.clone(), 2, solo.now_ns);
    assert_eq!(core.hosted()[&P].health, Health::Lost);
}

/// A node with entries that only its log holds, what its log said, and what a compacted one says.
fn about_to_compact() -> (Solo, Vec<LogRecord>, Vec<LogRecord>) {
    let mut solo = Solo::new();
    (1..=5).for_each(|id| drop(solo.call(put(id, id, None))));
    solo.archive();
    solo.save(true);
    (6..=9).for_each(|id| drop(solo.call(put(id, id, None))));
    // The catalog's log has several entries as well.
    (1..=3).for_each(|id| {
        solo.call(Call::Metadata(metadata::Command::ForgetTable(TableId(id))));
    });
    let (before, kept) = (solo.records.clone(), solo.core.compact());
    (solo, before, kept)
}

#[test]
fn a_compaction_that_a_crash_cuts_short_takes_nothing_away() {
    let (solo, before, kept) = about_to_compact();
    let last = |core: &Core<NoMutants>| core.hosted()[&P].replica.log().last();
    for written in 0..=kept.len() {
        let started = [LogRecord::Started(2)];
        let records = [&before, &kept[..written], &started].concat();
        let core = Solo::boot(&solo.disk, records, 3, solo.now_ns);
        assert_eq!(last(&core), last(&solo.core), "{written} of {} records", kept.len());
    }
}

#[test]
fn what_stood_before_a_compaction_may_begin_anywhere() {
    let (solo, before, kept) = about_to_compact();
    for removed in 0..=before.len() {
        let records = [&before[removed..], &kept].concat();
        let core = Solo::boot(&solo.disk, records, 2, solo.now_ns);
        for (id, hosted) in solo.core.hosted() {
            let found = core.hosted()[id].replica.log();
            assert_eq!(found.entries(), hosted.replica.log().entries(), "{removed} removed");
        }
    }
}

// A replica whose state is lost, among others.

fn lose(bench: &mut Bench, node: usize) {
    let mut out = Output::default();
    let why = "a test".to_owned();
    let core = bench.core_mut(node);
    core.lose_checkpoint(StoreFault { why }, 0, &mut out);
}

#[test]
fn who_has_lost_its_state_neither_campaigns_nor_takes_over_nor_answers() {
    let mut bench = Bench::new(3);
    bench.call(0, 1, put(1, 1, None));
    bench.run();
    lose(&mut bench, 1);
    let read = |id| (id, Call::Get { partition: P, key: key(1), consistent: false });
    let (id, call) = read(2);
    bench.call(1, id, call);
    bench.run();
    assert!(matches!(bench.reply(2), Some(Reply::NotLeader(_))), "{:?}", bench.reply(2));
    let term = bench.core(1).hosted()[&P].replica.term();
    let sender = Sender { incarnation: Incarnation(1), promise: 0 };
    let messages = vec![PeerMessage::Replica(P, Message::TakeOver { term })];
    bench.deliver(NodeId(0), 1, Envelope { sender, number: 0, messages });
    bench.isolated.insert(NodeId(0));
    bench.advance_ms(4_000);
    let role = bench.core(1).hosted()[&P].replica.role();
    assert!(matches!(role, Role::Follower { .. }), "{role:?}");
    assert!(bench.lead(2).is_some(), "its log still counts: with it there is a quorum");
}

#[test]
fn a_candidate_that_loses_its_state_does_not_win_any_more() {
    let mut bench = Bench::new(3);
    bench.call(0, 1, put(1, 1, None));
    bench.run();
    bench.isolated.insert(NodeId(0));
    bench.stalled.insert(1);
    let candidate =
        |bench: &Bench| matches!(bench.core(1).hosted()[&P].replica.role(), Role::Candidate { .. });
    while !candidate(&bench) {
        bench.advance_ms(5);
    }
    lose(&mut bench, 1);
    bench.stalled.clear();
    bench.advance_ms(4_000);
    assert!(bench.lead(2).is_some(), "{:?}", bench.core(1).hosted()[&P].replica.role());
}

fn refound(bench: &mut Bench, node: usize) {
    bench.core_mut(node).refound(Rc::new(Disk::default()));
}

#[test]
fn who_speaks_late_of_a_lost_checkpoint_does_not_mean_the_fresh_one() {
    let mut bench = Bench::new(3);
    let fault = || StoreFault { why: "a test".to_owned() };
    lose(&mut bench, 1);
    refound(&mut bench, 1);
    let mut out = Output::default();
    bench.core_mut(1).lose_earlier_checkpoint(0, fault(), 0, &mut out);
    assert_eq!(bench.core(1).hosted()[&P].health, Health::Sound);
    bench.core_mut(1).lose_earlier_checkpoint(1, fault(), 0, &mut out);
    assert_eq!(bench.core(1).hosted()[&P].health, Health::Lost);
}

#[test]
fn what_is_hosted_while_the_checkpoint_is_lost_leads_only_with_a_fresh_one() {
    let mut bench = Bench::new(1);
    lose(&mut bench, 0);
    let late = PartitionId(P.0 + 1);
    let (range, members) = (HashRange { start: 0, end: u64::MAX }, vec![NodeId(0)]);
    let spec = HostSpec { table: TableId(1), partition: late, range, epoch: EPOCH, members };
    bench.call(0, 1, Call::Host(vec![spec]));
    bench.advance_ms(4_000);
    let serves = |bench: &Bench| {
        let machine = &bench.core(0).hosted()[&late].machine;
        matches!(machine, Machine::Partition(_, Some(_)))
    };
    assert!(!serves(&bench), "there is nothing below it to read");
    refound(&mut bench, 0);
    bench.advance_ms(4_000);
    assert!(serves(&bench));
}

#[test]
fn who_has_lost_its_state_and_alone_has_the_log_passes_that_on() {
    let mut bench = Bench::new(3);
    bench.isolated.insert(NodeId(0));
    bench.advance_ms(4_000);
    assert!(bench.lead(1).is_some(), "the next in turn");
    bench.isolated.insert(NodeId(2));
    bench.call(1, 1, put(1, 1, None));
    bench.run();
    let last = |bench: &Bench, node| bench.core(node).hosted()[&P].replica.log().last();
    let longest = last(&bench, 1);
    assert!(last(&bench, 2) < longest);
    lose(&mut bench, 1);
    bench.isolated.remove(&NodeId(2));
    bench.advance_ms(10_000);
    assert!(bench.lead(2).is_some(), "{:?}", bench.core(2).hosted()[&P].replica.role());
    assert!(bench.state(2).applied() > longest.index);
}

#[test]
fn every_replica_without_its_state_asks_in_its_turn() {
    let mut bench = Bench::new(3);
    let (range, members) = (HashRange { start: 0, end: u64::MAX }, (0..3).map(NodeId).collect());
    let spec = HostSpec { table: TableId(1), partition: P, range, epoch: EPOCH, members };
    let specs = (0..70).map(|it| HostSpec { partition: PartitionId(P.0 + it), ..spec.clone() });
    let specs: Vec<HostSpec> = specs.collect();
    (0..3).for_each(|node| bench.call(node, 1, Call::Host(specs.clone())));
    bench.advance_ms(2_000);
    lose(&mut bench, 1);
    // Nobody answers: who asks first does not keep the others from asking.
    let mut asked = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let mut out = Output::default();
        bench.core_mut(1).ask_for_snapshots(&mut out);
        let asks = out.messages.into_values().flatten().filter_map(|it| match it {
            PeerMessage::Replica(id, Message::WantsSnapshot { .. }) => Some(id),
            _ => None,
        });
        asked.extend(asks);
    }
    assert_eq!(asked.len(), specs.len());
}

fn install(at: Position, batch: u64, last: Option<Bytes>) -> Call {
    let term = at.term;
    Call::Install(Box::new(Install {
        partition: P,
        term,
        at,
        batch,
        items: Vec::new(),
        tail: Vec::new(),
        base: at,
        image: last,
    }))
}

#[test]
fn batches_count_only_in_their_order_and_where_they_are_needed() {
    let mut bench = Bench::new(3);
    bench.call(0, 1, put(1, 1, None));
    bench.run();
    let at = bench.last();
    let refused = |bench: &Bench, id| matches!(bench.reply(id), Some(Reply::Failed(_)));
    bench.call(1, 2, install(at, 0, None));
    assert!(refused(&bench, 2), "what is applied needs no snapshot");
    bench.call(0, 3, install(at, 0, None));
    assert!(refused(&bench, 3), "a leader needs none");
    lose(&mut bench, 1);
    bench.call(1, 4, install(at, 1, None));
    assert!(refused(&bench, 4), "the first batch is missing");
    bench.call(1, 5, install(at, 0, None));
    assert_eq!(bench.reply(5), Some(&Reply::Done));
    bench.call(1, 6, install(at, 2, None));
    assert!(refused(&bench, 6), "the second batch is missing");
    let later = Position { term: at.term, index: at.index.next() };
    bench.call(1, 7, install(later, 1, None));
    assert!(refused(&bench, 7), "a batch of another snapshot");
}
