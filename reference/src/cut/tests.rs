//! The coordinator: what it seals, what it ignores, and that it gives up in time.

use super::{Coordinator, Message, Output, Settings};
use crate::ids::{Attempt, BackupId, Epoch, Index, NodeId, PartitionId, Position, Term};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const BACKUP: BackupId = BackupId(1);
const MS: u64 = 1_000_000;
const A: PartitionId = PartitionId(1);
const B: PartitionId = PartitionId(2);

/// A coordinator of two partitions, each on nodes 0, 1 and 2, and what it asked for last.
struct Trial {
    coordinator: Coordinator,
    now_ns: u64,
    out: Vec<Output>,
}

fn at(index: u64) -> Position {
    Position { term: Term(3), index: Index(index) }
}

impl Trial {
    fn new(settings: Settings) -> Self {
        let nodes = vec![NodeId(0), NodeId(1), NodeId(2)];
        let cut_set = [(A, (Epoch(1), nodes.clone())), (B, (Epoch(2), nodes))].into();
        let mut out = Vec::new();
        let coordinator = Coordinator::new(BACKUP, cut_set, settings, 0, &mut out);
        Self { coordinator, now_ns: 0, out }
    }

    /// Node 0 leads A and node 1 leads B; attempt `attempt` has begun.
    fn marking(attempt: u64) -> Self {
        let mut trial = Self::new(Settings::default());
        trial.begin(attempt);
        trial
    }

    /// Both markers are committed: Confirm was sent.
    fn confirming(attempt: u64) -> Self {
        let mut trial = Self::marking(attempt);
        trial.marked(0, attempt, A, 10);
        trial.marked(1, attempt, B, 20);
        trial
    }

    fn begin(&mut self, attempt: u64) {
        self.leads(0, A);
        self.leads(1, B);
        self.begun(attempt);
    }

    fn hear(&mut self, from: u16, message: Message) {
        self.out.clear();
        self.coordinator.receive(NodeId(from), message, self.now_ns, &mut self.out);
    }

    fn leads(&mut self, from: u16, partition: PartitionId) {
        self.hear(from, Message::Leads { backup: BACKUP, partitions: vec![partition] });
    }

    fn begun(&mut self, attempt: u64) {
        self.out.clear();
        self.coordinator.begun(Attempt(attempt), self.now_ns, &mut self.out);
    }

    fn marked(&mut self, from: u16, attempt: u64, partition: PartitionId, index: u64) {
        let (attempt, markers) = (Attempt(attempt), vec![(partition, at(index))]);
        self.hear(from, Message::Marked { backup: BACKUP, attempt, markers });
    }

    fn held(&mut self, from: u16, attempt: u64, partition: PartitionId, index: u64) {
        let (attempt, markers) = (Attempt(attempt), vec![(partition, at(index))]);
        self.hear(from, Message::Held { backup: BACKUP, attempt, markers });
    }

    fn not_held(&mut self, from: u16, attempt: u64, partition: PartitionId) {
        let (attempt, partitions) = (Attempt(attempt), vec![partition]);
        self.hear(from, Message::NotHeld { backup: BACKUP, attempt, partitions });
    }

    /// The next deadline comes.
    fn ring(&mut self) {
        self.out.clear();
        self.now_ns = self.coordinator.deadline_ns();
        self.coordinator.tick(self.now_ns, &mut self.out);
    }

    fn sent(&self) -> Vec<(u16, &Message)> {
        let sent = |it| match it {
            &Output::Send(to, ref message) => Some((to.0, message)),
            _ => None,
        };
        self.out.iter().filter_map(sent).collect()
    }

    fn releases(&self) -> Vec<(u16, Attempt)> {
        let release = |(to, message): (u16, &Message)| match message {
            Message::Release { attempt, .. } => Some((to, *attempt)),
            _ => None,
        };
        self.sent().into_iter().filter_map(release).collect()
    }

    /// The hold that the Marks just sent ask for.
    fn hold_ns(&self) -> u64 {
        let hold = |(_, message): (u16, &Message)| match message {
            Message::Mark { hold_ns, .. } => Some(*hold_ns),
            _ => None,
        };
        self.sent().into_iter().find_map(hold).expect("Mark was sent")
    }
}

#[test]
fn a_cut_goes_from_probe_to_seal() {
    let mut trial = Trial::new(Settings::default());
    let partitions = vec![(A, Epoch(1)), (B, Epoch(2))];
    let probe = Message::Probe { backup: BACKUP, partitions };
    assert_eq!(trial.sent(), [(0, &probe), (1, &probe), (2, &probe)]);
    trial.leads(0, A);
    assert_eq!(trial.out, []);
    trial.leads(1, B);
    assert_eq!(trial.out, [Output::Begin], "no Mark before the metadata log has the attempt");
    trial.begun(7);
    let (attempt, hold_ns) = (Attempt(7), Settings::default().hold_ns);
    let mark = |it| Message::Mark { backup: BACKUP, attempt, hold_ns, partitions: vec![it] };
    assert_eq!(trial.sent(), [(0, &mark((A, Epoch(1)))), (1, &mark((B, Epoch(2))))]);
    trial.marked(0, 7, A, 10);
    assert_eq!(trial.out, []);
    trial.marked(1, 7, B, 20);
    let confirm = |it| Message::Confirm { backup: BACKUP, attempt, markers: vec![it] };
    let first = Output::Send(NodeId(0), confirm((A, at(10))));
    let second = Output::Send(NodeId(1), confirm((B, at(20))));
    assert_eq!(trial.out, [Output::Instant, first, second], "the instant is before any Confirm");
    trial.held(1, 7, B, 20);
    assert_eq!(trial.out, []);
    trial.held(0, 7, A, 10);
    assert_eq!(trial.out, [Output::Seal(attempt, vec![(A, at(10)), (B, at(20))])]);
    trial.not_held(0, 7, A);
    assert_eq!(trial.out, [], "what is asked to be sealed stays so");
}

/// A node that answers the probe at once would hold while Mark is on its way to the others.
#[test]
fn a_near_leader_hears_mark_half_a_round_trip_later() {
    let mut trial = Trial::new(Settings::default());
    trial.leads(0, A);
    trial.now_ns = 3 * MS;
    trial.leads(1, B);
    trial.now_ns = 4 * MS;
    trial.begun(7);
    let to = |trial: &Trial| -> Vec<u16> { trial.sent().iter().map(|it| it.0).collect() };
    assert_eq!(to(&trial), [1], "the far one at once");
    trial.ring();
    assert_eq!((to(&trial), trial.now_ns), (vec![0], 4 * MS + 3 * MS / 2));
    trial.marked(0, 7, A, 10);
    trial.marked(1, 7, B, 20);
    assert!(trial.out.contains(&Output::Instant), "the cut goes on as ever");
}

/// Its attempt has failed: a Mark that still waits must not begin a hold.
#[test]
fn a_mark_that_waits_is_forgotten_with_its_attempt() {
    let mut trial = Trial::new(Settings::default());
    trial.leads(0, A);
    trial.now_ns = 3 * MS;
    trial.leads(1, B);
    trial.begun(7);
    trial.not_held(1, 7, B);
    trial.ring();
    let marks = trial.sent().into_iter().any(|it| matches!(it.1, Message::Mark { .. }));
    assert!(!marks, "{:?}", trial.out);
}

#[test]
fn held_at_another_position_than_marked_does_not_count() {
    let mut trial = Trial::confirming(7);
    trial.held(1, 7, B, 20);
    trial.held(0, 7, A, 11);
    trial.held(0, 7, A, 9);
    assert_eq!(trial.out, []);
    trial.held(0, 7, A, 10);
    assert!(matches!(trial.out[..], [Output::Seal(..)]));
}

#[test]
fn what_is_said_of_another_attempt_is_ignored() {
    let mut trial = Trial::marking(7);
    trial.marked(0, 6, A, 10);
    trial.marked(1, 6, B, 20);
    trial.not_held(0, 6, A);
    assert_eq!(trial.out, []);
    trial.marked(0, 7, A, 10);
    trial.marked(1, 7, B, 20);
    for attempt in [6, 8] {
        trial.held(0, attempt, A, 10);
        trial.held(1, attempt, B, 20);
        trial.not_held(1, attempt, B);
        assert_eq!(trial.out, [], "attempt {attempt}");
    }
}

#[test]
fn a_marker_counts_only_from_the_node_that_was_asked() {
    let mut trial = Trial::marking(7);
    trial.marked(0, 7, A, 10);
    trial.marked(2, 7, B, 20);
    trial.not_held(2, 7, B);
    assert_eq!(trial.out, []);
    trial.marked(1, 7, B, 21);
    assert!(trial.out.contains(&Output::Instant));
}

#[test]
fn not_held_voids_the_attempt_and_releases_every_leader() {
    for mut trial in [Trial::marking(7), Trial::confirming(7)] {
        trial.not_held(1, 7, B);
        assert_eq!(trial.releases(), [(0, Attempt(7)), (1, Attempt(7))]);
        assert!(trial.out.contains(&Output::Retry));
        trial.held(0, 7, A, 10);
        trial.held(1, 7, B, 20);
        assert_eq!(trial.out, [], "what is void stays void");
        trial.ring();
        assert_eq!(trial.sent().len(), 3, "and then it probes again");
    }
}

#[test]
fn a_repeated_confirm_may_find_writes_behind_a_vouched_marker() {
    let mut trial = Trial::confirming(7);
    trial.held(0, 7, A, 10);
    trial.not_held(0, 7, A);
    assert_eq!(trial.out, []);
    trial.held(1, 7, B, 20);
    assert!(matches!(trial.out[..], [Output::Seal(..)]));
}

#[test]
fn silence_voids_the_attempt() {
    for mut trial in [Trial::marking(7), Trial::confirming(7)] {
        trial.ring();
        assert_eq!(trial.releases(), [(0, Attempt(7)), (1, Attempt(7))]);
        assert!(trial.out.contains(&Output::Retry));
    }
}

#[test]
fn a_late_begun_begins_nothing() {
    let mut trial = Trial::new(Settings::default());
    trial.begun(7);
    assert_eq!(trial.out, [], "it still probes");
    let mut trial = Trial::confirming(7);
    trial.begun(8);
    assert_eq!(trial.out, []);
    trial.held(0, 7, A, 10);
    trial.held(1, 7, B, 20);
    assert!(matches!(trial.out[..], [Output::Seal(Attempt(7), _)]));
}

#[test]
fn the_hold_doubles_up_to_the_published_bound() {
    let mut trial = Trial::new(Settings::default());
    let mut holds_ms = Vec::new();
    for attempt in 1..=7 {
        trial.begin(attempt);
        holds_ms.push(trial.hold_ns() / MS);
        trial.ring();
        trial.ring();
    }
    assert_eq!(holds_ms, [20, 40, 80, 160, 320, 320, 320]);
}

#[test]
fn short_attempts_come_before_longer_ones() {
    let settings = Settings { hold_ns: 5 * MS, short_attempts: 3, ..Settings::default() };
    let mut trial = Trial::new(settings);
    let mut holds_ms = Vec::new();
    for attempt in 1..=5 {
        trial.begin(attempt);
        holds_ms.push(trial.hold_ns() / MS);
        trial.ring();
        trial.ring();
    }
    assert_eq!(holds_ms, [5, 5, 5, 10, 20]);
}

#[test]
fn pauses_grow_with_the_attempts() {
    let mut trial = Trial::new(Settings::default());
    let mut pauses_ms = Vec::new();
    for attempt in 1..=4 {
        trial.begin(attempt);
        trial.ring();
        pauses_ms.push((trial.coordinator.deadline_ns() - trial.now_ns) / MS);
        trial.ring();
    }
    assert_eq!(pauses_ms, [10, 20, 30, 40]);
}

#[test]
fn a_node_that_keeps_missing_is_asked_to_step_aside() {
    let mut trial = Trial::new(Settings::default());
    let step_aside = Message::StepAside { partitions: vec![B] };
    let mut asked = Vec::new();
    for attempt in 1..=6 {
        trial.begin(attempt);
        trial.marked(0, attempt, A, 10);
        trial.ring();
        asked.extend(trial.sent().contains(&(1, &step_aside)).then_some(attempt));
        assert!(
            !trial
                .sent()
                .iter()
                .any(|(to, it)| *to == 0 && matches!(it, Message::StepAside { .. }))
        );
        assert!(!trial.out.contains(&Output::PassOn), "one node is to blame, and it is another");
        trial.ring();
    }
    assert_eq!(asked, [3, 6], "after three misses, and then the count begins anew");
}

#[test]
fn who_blames_one_node_after_the_other_lets_another_coordinate() {
    let mut trial = Trial::new(Settings::default());
    let mut passed_on = Vec::new();
    for attempt in 1..=12 {
        trial.begin(attempt);
        trial.ring();
        passed_on.extend(trial.out.contains(&Output::PassOn).then_some(attempt));
        trial.ring();
    }
    assert_eq!(passed_on, [3, 6, 9, 12], "neither of two nodes has answered");
}

#[test]
fn a_backup_is_given_up_once_its_time_is_over() {
    let mut trial = Trial::new(Settings::default());
    let mut abandoned = false;
    while !abandoned {
        trial.ring();
        abandoned = trial.out.contains(&Output::Abandon);
    }
    let settings = Settings::default();
    let bound_ns = settings.give_up_ns + settings.probe_ns;
    assert!(trial.now_ns >= settings.give_up_ns && trial.now_ns <= bound_ns);
    trial.leads(0, A);
    trial.leads(1, B);
    trial.begun(1);
    trial.ring();
    assert_eq!(trial.out, [], "nothing follows");
}

#[test]
fn an_attempt_that_fails_too_late_is_the_last() {
    let mut trial = Trial::new(Settings::default());
    trial.now_ns = Settings::default().give_up_ns;
    trial.begin(1);
    trial.not_held(0, 1, A);
    assert_eq!(trial.releases(), [(0, Attempt(1)), (1, Attempt(1))]);
    assert!(trial.out.contains(&Output::Abandon) && !trial.out.contains(&Output::Retry));
}

/// What a test may say: who, about which of the last attempts, which partition, which index.
#[derive(Clone, Debug)]
enum Step {
    Leads(u16, u64),
    Begun,
    Marked(u16, u64, u64, u64),
    Held(u16, u64, u64, u64),
    NotHeld(u16, u64, u64),
    Ring,
}

fn step() -> impl Strategy<Value = Step> {
    let (node, age, partition, index) = (0..3_u16, 0..2_u64, 1..3_u64, 10..12_u64);
    let report = (node.clone(), age.clone(), partition.clone(), index);
    prop_oneof![
        4 => (node.clone(), partition.clone()).prop_map(|(n, p)| Step::Leads(n, p)),
        4 => Just(Step::Begun),
        6 => report.clone().prop_map(|(n, a, p, i)| Step::Marked(n, a, p, i)),
        8 => report.prop_map(|(n, a, p, i)| Step::Held(n, a, p, i)),
        1 => (node, age, partition).prop_map(|(n, a, p)| Step::NotHeld(n, a, p)),
        1 => Just(Step::Ring),
    ]
}

/// Checks the outputs against everything that was said before.
#[derive(Default)]
struct Witness {
    attempt: u64,
    begins: u64,
    confirmed: BTreeMap<Attempt, BTreeMap<PartitionId, Position>>,
    held: BTreeSet<(Attempt, PartitionId, Position)>,
    released: BTreeSet<Attempt>,
    sealed: bool,
}

impl Witness {
    fn take(&mut self, trial: &mut Trial, step: &Step) {
        let attempt = |age: u64| self.attempt.saturating_sub(age);
        match *step {
            Step::Leads(node, partition) => trial.leads(node, PartitionId(partition)),
            Step::Begun if self.begins > self.attempt => {
                self.attempt += 1;
                trial.begun(self.attempt);
            }
            Step::Begun => trial.out.clear(),
            Step::Marked(node, age, partition, index) => {
                trial.marked(node, attempt(age), PartitionId(partition), index);
            }
            Step::Held(node, age, partition, index) => {
                let it = (Attempt(attempt(age)), PartitionId(partition), at(index));
                self.held.insert(it);
                trial.held(node, attempt(age), PartitionId(partition), index);
            }
            Step::NotHeld(node, age, partition) => {
                trial.not_held(node, attempt(age), PartitionId(partition));
            }
            Step::Ring => trial.ring(),
        }
        trial.out.iter().for_each(|it| self.check(it));
    }

    fn check(&mut self, output: &Output) {
        assert!(!self.sealed, "nothing follows a seal: {output:?}");
        match output {
            Output::Begin => self.begins += 1,
            Output::Send(_, Message::Mark { attempt, .. }) => {
                assert_eq!(*attempt, Attempt(self.attempt), "Mark without a durable attempt");
            }
            Output::Send(_, Message::Confirm { attempt, markers, .. }) => {
                self.confirmed.entry(*attempt).or_default().extend(markers.iter().copied());
            }
            Output::Send(_, Message::Release { attempt, .. }) => {
                self.released.insert(*attempt);
            }
            Output::Seal(attempt, positions) => {
                self.sealed = true;
                assert_eq!(*attempt, Attempt(self.attempt), "only the current attempt");
                assert!(!self.released.contains(attempt), "a void attempt is sealed");
                let confirmed: Vec<_> = self.confirmed[attempt].clone().into_iter().collect();
                assert_eq!(*positions, confirmed, "positions that were not confirmed");
                assert_eq!(positions.len(), 2, "every partition of the cut set");
                let held =
                    |(id, at): &(PartitionId, Position)| self.held.contains(&(*attempt, *id, *at));
                assert!(positions.iter().all(held), "a partition is not held");
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn only_what_was_marked_and_held_in_one_attempt_is_sealed(steps in vec(step(), 1..120)) {
        let mut trial = Trial::new(Settings::default());
        let mut witness = Witness::default();
        steps.iter().for_each(|it| witness.take(&mut trial, it));
    }
}
