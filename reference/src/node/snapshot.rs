//! Snapshots: a replica's state, sent by its leader when the log that would build it is gone, or
//! when the replica's own checkpoint is lost.
//!
//! A leader sends its last checkpoint, which no later write disturbs, in batches; the log waits
//! meanwhile with forgetting what comes behind it. The follower gathers them, makes the whole
//! durable with its next checkpoint, and only then says so. What it had acknowledged in its log
//! stays acknowledged: a snapshot replaces state, never votes or entries behind it.

use super::checkpoint::{Health, Image};
use super::core::{Core, Flow, Hosted, Machine, Output};
use super::message::{Call, Caller, Install, PeerMessage, Reply};
use super::shell::Shell;
use crate::env::Env;
use crate::ids::{Index, NodeId, PartitionId, Position, Term};
use crate::mutants::Mutants;
use crate::partition::{ItemKey, StoreFault};
use crate::points;
use crate::replication::{Entry, Message, fitting};
use crate::store::{Base, Checkpoint, PartitionBatch, Versions};
use bytes::Bytes;
use std::ops::Bound;
use std::rc::Rc;

/// A leader sends so many snapshots at a time; who is not served asks again.
const SENDING_MAX: usize = 8;
/// At each heartbeat a node asks for so many snapshots at most.
const ASKED_MAX: usize = 32;
/// A batch is answered within this time, the last one by a checkpoint that it waits for.
const BATCH_NS_MAX: u64 = 10_000_000_000;

/// A snapshot that is being received.
#[derive(Debug)]
pub(super) struct Staging {
    term: Term,
    at: Position,
    next_batch: u64,
    items: Versions,
    base: Position,
    tail: Vec<Entry>,
    /// The image and who waits for the end, once the last batch is here.
    last: Option<(Bytes, Caller)>,
}

impl Staging {
    /// Whether all of it is here.
    pub(super) fn is_complete(&self) -> bool {
        self.last.is_some()
    }
}

impl Hosted {
    pub(super) fn has_snapshot(&self) -> bool {
        self.staging.as_ref().is_some_and(Staging::is_complete)
    }

    /// Whether a snapshot is here that is newer than the state.
    pub(super) fn outrun_by_snapshot(&self) -> bool {
        let newer = |it: &Staging| it.is_complete() && it.at.index > self.applied().index;
        !self.replica.is_leader() && self.staging.as_ref().is_some_and(newer)
    }

    pub(super) fn take_in_snapshot(&mut self) -> PartitionBatch {
        let staging = self.staging.as_mut().expect("a snapshot is here");
        let (image, _) = staging.last.as_ref().expect("it is complete");
        self.health = Health::Installing;
        let changes = Rc::new(std::mem::take(&mut staging.items));
        PartitionBatch { image: image.clone(), replace: true, changes }
    }
}

impl<M: Mutants> Core<M> {
    // The leader's side.

    /// Begins to send a snapshot to a follower that needs one.
    pub(super) fn send_snapshot(
        &mut self,
        partition: PartitionId,
        to: NodeId,
        at_least: Index,
        out: &mut Output,
    ) {
        let Some(hosted) = self.hosted.get(&partition) else { return };
        let known = self.sending.contains_key(&(partition, to));
        if known || self.sending.len() >= SENDING_MAX || hosted.health != Health::Sound {
            return;
        }
        if hosted.durable.index < at_least.max(Index(1)) {
            // There is nothing of use to send before the next checkpoint.
            out.checkpoint = true;
            return;
        }
        self.sending.insert((partition, to), hosted.replica.log().base().index);
        out.points.push((points::SNAPSHOT_SEND, partition.0));
        out.flows.push(Flow::SendSnapshot { partition, to, term: hosted.replica.term() });
    }

    /// What a snapshot of a partition as of `at` must bring of its log: the entries up to there
    /// that may not be archived, and the position that they follow.
    fn tail(&self, partition: PartitionId, at: Position) -> Option<(Position, Vec<Entry>)> {
        let hosted = self.hosted.get(&partition)?;
        let log = hosted.replica.log();
        let first = log.base().index.next();
        let tail = match &hosted.machine {
            // Whoever has applied as much as this leader knows that the rest is archived.
            Machine::Partition(..) => log.range(first, at.index).to_vec(),
            Machine::Catalog(..) => Vec::new(),
        };
        let base = if tail.is_empty() { at } else { log.base() };
        Some((base, tail))
    }

    /// The sending of a snapshot has ended; well, if the follower has it as of `installed`.
    pub fn end_sending(
        &mut self,
        (partition, to): (PartitionId, NodeId),
        installed: Option<(Term, Position)>,
        now_ns: u64,
        out: &mut Output,
    ) {
        self.sending.remove(&(partition, to));
        if let Some((term, at)) = installed {
            self.with_replica(partition, now_ns, out, |replica, around, effects| {
                if replica.term() == term {
                    replica.on_installed(to, at, around.now_ns, effects);
                }
            });
        }
    }

    // The follower's side.

    /// Asks the leaders of replicas whose state is lost for snapshots.
    pub(super) fn ask_for_snapshots(&mut self, out: &mut Output) {
        // Those whose turn is next come first: others may be asking in vain.
        let next = self.hosted.range((Bound::Excluded(self.asked_last), Bound::Unbounded));
        let lost = next.chain(self.hosted.range(..=self.asked_last)).filter(|(_, it)| {
            it.health == Health::Lost && !it.has_snapshot() && !it.replica.is_leader()
        });
        let led = lost.filter_map(|(id, it)| it.replica.leader().map(|leader| (*id, it, leader)));
        for (id, hosted, leader) in led.take(ASKED_MAX) {
            let (term, at_least) = (hosted.replica.term(), hosted.replica.log().base().index);
            let ask = Message::WantsSnapshot { term, at_least };
            out.send(leader, PeerMessage::Replica(id, ask));
            self.asked_last = id;
        }
    }

    /// Who leads without its state does so only until a follower has all that its log has.
    pub(super) fn pass_on_leads(&mut self, now_ns: u64, out: &mut Output) {
        let lost = self.hosted.iter().filter(|(_, it)| it.health == Health::Lost);
        let leading = lost.filter(|(_, it)| it.replica.is_leader());
        let leading: Vec<PartitionId> = leading.map(|(id, _)| *id).collect();
        for id in leading {
            self.with_replica(id, now_ns, out, |replica, at, effects| {
                replica.hand_over(at, effects);
            });
        }
    }

    pub(super) fn on_install(&mut self, caller: Caller, install: Install, out: &mut Output) {
        match self.stage(caller, install) {
            Staged::More => self.answer(caller, Reply::Done, out),
            Staged::Complete => out.checkpoint = true,
            Staged::Refused(why) => self.answer(caller, Reply::Failed(why.to_owned()), out),
        }
    }

    fn stage(&mut self, caller: Caller, install: Install) -> Staged {
        let Install { partition, term, at, batch, items, tail, base, image } = install;
        let Some(hosted) = self.hosted.get_mut(&partition) else {
            return Staged::Refused("no such replica here");
        };
        let current = term == hosted.replica.term() && !hosted.replica.is_leader();
        let needed = match hosted.health {
            Health::Sound => hosted.applied().index < at.index,
            Health::Lost => hosted.replica.log().base().index <= at.index,
            Health::Installing => false,
        };
        if !current || !needed {
            return Staged::Refused("this snapshot is of no use here");
        }
        if batch == 0 {
            let (items, tail) = (Versions::new(), Vec::new());
            let fresh = Staging { term, at, next_batch: 0, items, base, tail, last: None };
            hosted.staging = Some(fresh);
        }
        let expected = |it: &&mut Staging| {
            (it.term, it.at, it.next_batch) == (term, at, batch) && it.last.is_none()
        };
        let Some(staging) = hosted.staging.as_mut().filter(expected) else {
            return Staged::Refused("a batch of another snapshot");
        };
        staging.next_batch += 1;
        staging.items.extend(items.into_iter().map(|(key, at, item)| (key, (at, Some(item)))));
        staging.tail.extend(tail);
        staging.last = image.map(|it| (it, caller));
        if staging.is_complete() { Staged::Complete } else { Staged::More }
    }

    /// The checkpoint that put a snapshot in place is durable.
    pub(super) fn end_install(&mut self, id: PartitionId, now_ns: u64, out: &mut Output) {
        let Some(hosted) = self.hosted.get_mut(&id) else { return };
        let staging = hosted.staging.take().expect("a snapshot was put in place");
        let (image, caller) = staging.last.expect("it was complete");
        let image = Image::decode(&image).expect("it was read before it was sent");
        hosted.resume(image, Rc::clone(&self.base));
        self.with_replica(id, now_ns, out, |replica, _, effects| {
            replica.install(staging.at, staging.base, staging.tail, effects);
        });
        out.points.push((points::SNAPSHOT_INSTALLED, id.0));
        self.answer_when_durable(caller, Reply::Done, out);
    }
}

/// What came of a batch.
enum Staged {
    More,
    Complete,
    Refused(&'static str),
}

/// Sends a snapshot of a partition that this node leads.
pub(super) async fn send<E: Env, M: Mutants>(
    shell: Shell<E, M>,
    partition: PartitionId,
    to: NodeId,
    term: Term,
) {
    let (checkpoint, losses) = (shell.checkpoint(), shell.core().checkpoint_losses());
    let sent = send_batches(&shell, &checkpoint, partition, to, term).await;
    let installed = match sent {
        Ok(at) => at.map(|it| (term, it)),
        Err(fault) => {
            shell.lose_checkpoint(losses, fault);
            None
        }
    };
    shell.end_sending((partition, to), installed);
}

async fn send_batches<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    checkpoint: &Checkpoint<E>,
    partition: PartitionId,
    to: NodeId,
    term: Term,
) -> Result<Option<Position>, StoreFault> {
    let bytes_max = shell.core().config().snapshot_batch_bytes;
    let view = checkpoint.view()?;
    let Some(image) = view.image(partition)? else { return Ok(None) };
    let at = Image::decode(&image)?.at;
    let Some((base, mut tail)) = shell.core().tail(partition, at) else { return Ok(None) };
    let (mut after, mut batch, mut more_items) = (None, 0, true);
    loop {
        let mut install = Install {
            partition,
            term,
            at,
            batch,
            items: Vec::new(),
            tail: Vec::new(),
            base,
            image: None,
        };
        if more_items {
            (install.items, more_items) = page(&view, partition, after.as_ref(), bytes_max)?;
            checkpoint.pay(checkpoint.take_reads()).await;
            after = install.items.last().map(|(key, ..)| key.clone()).or(after);
        } else {
            install.tail = tail.drain(..fitting(&tail, bytes_max)).collect();
            install.image = tail.is_empty().then(|| image.clone());
        }
        let last = install.image.is_some();
        let deadline_ns = shell.env().now_ns() + BATCH_NS_MAX;
        match shell.call(to, Call::Install(Box::new(install)), deadline_ns).await {
            Ok(Reply::Done) if last => return Ok(Some(at)),
            Ok(Reply::Done) => batch += 1,
            _ => return Ok(None),
        }
    }
}

type Items = Vec<(ItemKey, Index, Bytes)>;

/// Some items behind `after`, and whether there are more.
fn page(
    base: &impl Base,
    partition: PartitionId,
    after: Option<&ItemKey>,
    bytes_max: usize,
) -> Result<(Items, bool), StoreFault> {
    let (mut items, mut bytes, mut more) = (Items::new(), 0, false);
    base.scan(partition, after, &mut |key, at, item| {
        more = bytes >= bytes_max;
        if !more {
            bytes += item.len();
            items.push((key.clone(), at, item.clone()));
        }
        !more
    })?;
    Ok((items, more))
}
