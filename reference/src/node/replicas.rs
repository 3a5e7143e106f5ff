//! The replicas of a node: carrying their messages, their log records and their commits; and the
//! heartbeats, digests and campaigns that all of them share.

use super::checkpoint::Health;
use super::core::{Awaiting, Committed, Core, Machine, Output};
use super::message::{Caller, HostSpec, LogRecord, PeerMessage, Reply};
use crate::ids::{Incarnation, NodeId, PartitionId, Term};
use crate::mutants::Mutants;
use crate::points;
use crate::replication::{
    Effects, Heartbeat, Liveness, Message, Record, Replica, Role, Sender, Surroundings,
};
use std::collections::BTreeMap;

impl<M: Mutants> Core<M> {
    /// Lets one replica take a step and carries out what it asks for.
    pub(super) fn with_replica<T>(
        &mut self,
        partition: PartitionId,
        now_ns: u64,
        out: &mut Output,
        step: impl FnOnce(&mut Replica, Surroundings<'_>, &mut Effects) -> T,
    ) -> Option<T> {
        let mut effects = Effects::default();
        let at = Surroundings { now_ns, liveness: &self.liveness };
        let hosted = self.hosted.get_mut(&partition)?;
        let result = step(&mut hosted.replica, at, &mut effects);
        self.absorb(partition, effects, out);
        Some(result)
    }

    fn absorb(&mut self, partition: PartitionId, effects: Effects, out: &mut Output) {
        self.changed.insert(partition);
        for (to, message) in effects.sends {
            out.send(to, PeerMessage::Replica(partition, message));
        }
        for record in effects.records {
            let last = match &record {
                Record::Entries(entries) => entries.last().map(crate::replication::Entry::position),
                Record::Vote { .. } | Record::Reset(_) => None,
            };
            self.write_log(LogRecord::Replica(partition, record), out);
            if let Some(position) = last {
                self.await_durable(Awaiting::Entries(partition, position), out);
            }
        }
        for (to, message) in effects.sends_after_persist {
            self.await_durable(Awaiting::Message(partition, to, message), out);
        }
        for (to, at_least) in effects.snapshots {
            self.send_snapshot(partition, to, at_least, out);
        }
    }

    /// Answers once everything written so far is durable.
    pub(super) fn answer_when_durable(&mut self, caller: Caller, reply: Reply, out: &mut Output) {
        self.await_durable(Awaiting::Reply(caller, reply), out);
    }

    fn write_log(&mut self, record: LogRecord, out: &mut Output) {
        self.lsn += 1;
        out.log.push(record);
    }

    /// Does something once everything written so far is durable.
    fn await_durable(&mut self, then: Awaiting, out: &mut Output) {
        if self.lsn_durable >= self.lsn || self.mutants.acknowledge_before_fsync() {
            self.durable(then, out);
        } else {
            self.awaiting.push_back((self.lsn, then));
        }
    }

    /// Notes since when something waits to be durable and nothing has become so.
    pub(super) fn watch_log(&mut self, now_ns: u64) {
        match self.lsn_durable >= self.lsn {
            true => self.log_waits_from_ns = None,
            false => drop(self.log_waits_from_ns.get_or_insert(now_ns)),
        }
    }

    /// Whether the disk has written nothing of what it was given for the length of a lease: it may
    /// be full, or stall.
    fn is_log_stuck(&self, now_ns: u64) -> bool {
        let lease_ns = self.config.replication.lease_ns;
        self.log_waits_from_ns.is_some_and(|it| now_ns >= it + lease_ns)
    }

    pub(super) fn on_persisted(&mut self, lsn: u64, out: &mut Output) {
        if lsn > self.lsn_durable {
            self.log_waits_from_ns = None;
        }
        self.lsn_durable = self.lsn_durable.max(lsn);
        while self.awaiting.front().is_some_and(|(at, _)| *at <= self.lsn_durable) {
            let (_, then) = self.awaiting.pop_front().expect("it was just seen");
            self.durable(then, out);
        }
    }

    fn durable(&mut self, then: Awaiting, out: &mut Output) {
        match then {
            Awaiting::Entries(partition, position) => {
                let mut effects = Effects::default();
                if let Some(hosted) = self.hosted.get_mut(&partition) {
                    hosted.replica.on_persisted(position, &mut effects);
                    self.absorb(partition, effects, out);
                }
            }
            Awaiting::Message(partition, to, message) => {
                let Some(hosted) = self.hosted.get(&partition) else { return };
                if to == self.config.me {
                    self.to_self.push_back((partition, message));
                } else if hosted.replica.still_means(to, &message) {
                    out.send(to, PeerMessage::Replica(partition, message));
                }
            }
            Awaiting::Reply(caller, reply) => self.answer(caller, reply, out),
        }
    }

    pub(super) fn on_replica(
        &mut self,
        from: NodeId,
        sender: Sender,
        partition: PartitionId,
        message: Message,
        now_ns: u64,
        out: &mut Output,
    ) {
        if from != self.config.me && self.may_host(partition) {
            return out.send(from, PeerMessage::NotHosted(partition));
        }
        // A vote that is promised now would never be durable: who counts on it stands in vain,
        // again and again, and raises its term above that of the one who could win.
        if matches!(message, Message::PreVote { .. }) && self.is_log_stuck(now_ns) {
            return;
        }
        let sound = self.hosted.get(&partition).is_some_and(|it| it.health == Health::Sound);
        let able = sound && !self.is_log_stuck(now_ns);
        if !able && matches!(message, Message::TakeOver { .. }) {
            return;
        }
        self.with_replica(partition, now_ns, out, |replica, at, effects| {
            replica.receive(from, sender, message, at, effects);
        });
    }

    // Hosting.

    pub(super) fn on_host(
        &mut self,
        caller: Caller,
        specs: Vec<HostSpec>,
        now_ns: u64,
        out: &mut Output,
    ) {
        let partitions: Vec<PartitionId> = specs.iter().map(|it| it.partition).collect();
        specs.into_iter().for_each(|it| self.host(it, now_ns, out));
        let led = partitions.into_iter().filter(|it| self.led(*it).is_ok()).collect();
        self.answer_when_durable(caller, Reply::Hosted { led }, out);
    }

    /// Hosts a replica, unless it is here or was given up.
    pub(super) fn host(&mut self, spec: HostSpec, now_ns: u64, out: &mut Output) {
        let partition = spec.partition;
        if !self.may_host(partition) || !spec.members.contains(&self.config.me) {
            return;
        }
        self.insert_partition(&spec);
        self.write_log(LogRecord::Hosted(spec), out);
        self.changed.insert(partition);
        self.arm_campaign(partition, now_ns, now_ns);
    }

    fn may_host(&self, partition: PartitionId) -> bool {
        !self.hosted.contains_key(&partition) && !self.dropped.contains(&partition)
    }

    /// A member lacks its replica: a table is open once each of its partitions has a quorum, and
    /// whoever was away then learns of it here. Without, the next loss would be one too many.
    pub(super) fn on_not_hosted(&self, from: NodeId, partition: PartitionId, out: &mut Output) {
        let spec = self.hosted.get(&partition).and_then(|it| it.spec(partition));
        if let Some(spec) = spec.filter(|it| it.members.contains(&from)) {
            out.send(from, PeerMessage::Host(spec));
        }
    }

    pub(super) fn on_drop(&mut self, caller: Caller, partitions: &[PartitionId], out: &mut Output) {
        for &partition in partitions {
            self.abandon_lead(partition, out);
            self.redigest(partition, (None, None));
            self.disarm_campaign(partition);
            self.hosted.remove(&partition);
            self.lagging.remove(&partition);
            self.gone.insert(partition);
            if self.dropped.insert(partition) {
                self.write_log(LogRecord::Dropped(partition), out);
            }
        }
        self.answer_when_durable(caller, Reply::Done, out);
    }

    // Following up on a replica's step.

    /// Applies what is newly committed, and takes note of a new role.
    pub(super) fn advance(&mut self, partition: PartitionId, now_ns: u64, out: &mut Output) {
        // First of all: an entry that waited to be committed may have been replaced by another
        // leader's, and whoever waits for it must not be told that it was.
        self.abandon_lost_lead(partition, out);
        self.apply_committed(partition, now_ns, out);
        let Some(hosted) = self.hosted.get(&partition) else { return };
        let (replica, at) = (&hosted.replica, self.surroundings(now_ns));
        let led = replica.is_leader().then(|| replica.term());
        let bound = replica.bound_to().map(|it| (it, replica.term()));
        let settled = replica.is_leader() || replica.follows_live_leader(at);
        let (ready, lags) = (replica.is_ready(), replica.lags());
        self.redigest(partition, (led, bound));
        if settled {
            self.disarm_campaign(partition);
        } else if self.hosted[&partition].campaign_ns.is_none() {
            let from_ns = now_ns + self.config.replication.election_ns;
            self.arm_campaign(partition, from_ns, now_ns);
        }
        if lags {
            if self.lagging.is_empty() {
                self.next_resend_ns = now_ns + self.config.replication.resend_ns;
            }
            self.lagging.insert(partition);
        } else {
            self.lagging.remove(&partition);
        }
        // Who has lost its state may lead for a while, but serves nobody.
        if ready && self.hosted.get(&partition).is_some_and(|it| it.health == Health::Sound) {
            self.begin_lead(partition, now_ns, out);
        }
    }

    fn apply_committed(&mut self, partition: PartitionId, now_ns: u64, out: &mut Output) {
        loop {
            let Some(hosted) = self.hosted.get(&partition) else { return };
            if hosted.health != Health::Sound {
                return;
            }
            let (applied, table) = match &hosted.machine {
                Machine::Partition(it, _) => (it.applied(), Some(it.table)),
                Machine::Catalog(_, applied, _) => (*applied, None),
            };
            if applied >= hosted.replica.commit() {
                return;
            }
            let entry = hosted.replica.log().get(applied.next()).expect("it is committed").clone();
            let (position, payload) = (entry.position(), entry.payload);
            let seen = Committed { table, partition, position, payload: payload.clone() };
            out.committed.push(seen);
            self.unsaved_bytes += payload.len();
            out.checkpoint |= self.unsaved_bytes > self.config.checkpoint_bytes_max;
            if table.is_some() {
                self.apply_to_partition(partition, position, &payload, now_ns, out);
            } else {
                self.apply_to_catalog(position, &payload, now_ns, out);
            }
        }
    }

    // Digests: what each pair of nodes believes about who leads what.

    fn redigest(&mut self, partition: PartitionId, now: (Option<Term>, Option<(NodeId, Term)>)) {
        let Some(hosted) = self.hosted.get_mut(&partition) else { return };
        let before = std::mem::replace(&mut hosted.digested, now);
        if before == now {
            return;
        }
        let me = self.config.me;
        for (led, bound) in [before, now] {
            if let Some(term) = led {
                for &node in hosted.replica.members().iter().filter(|&&it| it != me) {
                    *self.led_digests.entry(node).or_default() ^= digest(partition, term);
                }
            }
            if let Some((node, term)) = bound {
                *self.bound_digests.entry(node).or_default() ^= digest(partition, term);
            }
        }
    }

    pub(super) fn on_heartbeat(
        &mut self,
        from: NodeId,
        incarnation: Incarnation,
        heartbeat: &Heartbeat,
        now_ns: u64,
        out: &mut Output,
    ) {
        let change = self.liveness.on_heartbeat(from, incarnation, heartbeat, now_ns);
        if change.new_incarnation {
            self.send_heartbeat(from, now_ns, out);
        }
        let led = |core: &Self| core.led_with(from).map(|(it, _)| it).collect::<Vec<_>>();
        if change.new_incarnation {
            // The promise to its earlier life is over, and it may never get another.
            self.arm_orphans(from, now_ns);
            for partition in led(self) {
                self.with_replica(partition, now_ns, out, |it, _, _| it.forget_follower(from));
            }
        }
        if change.new_incarnation || change.new_promise {
            self.reassert(from, led(self), now_ns, out);
        }
        let believed = self.bound_digests.get(&from).copied().unwrap_or(0);
        if self.liveness.on_digest(from, believed == heartbeat.led_digest) {
            let believed = self.hosted.iter().filter(|(_, it)| it.replica.bound_to() == Some(from));
            let believed = believed.map(|(id, it)| (*id, it.replica.term())).collect();
            out.send(from, PeerMessage::Believed(believed));
        }
    }

    /// The partitions that this node leads and `node` is a member of.
    fn led_with(&self, node: NodeId) -> impl Iterator<Item = (PartitionId, Term)> {
        self.hosted.iter().filter_map(move |(id, it)| {
            let replica = &it.replica;
            let led = replica.is_leader() && replica.members().contains(&node);
            led.then(|| (*id, replica.term()))
        })
    }

    fn reassert(
        &mut self,
        node: NodeId,
        partitions: Vec<PartitionId>,
        now_ns: u64,
        out: &mut Output,
    ) {
        for partition in partitions {
            self.with_replica(partition, now_ns, out, |replica, at, effects| {
                replica.reassert(node, at.now_ns, effects);
            });
        }
    }

    /// `from` believes that this node leads these. Where it does not, it says so; where it leads
    /// something that `from` does not know, it asserts itself.
    pub(super) fn on_believed(
        &mut self,
        from: NodeId,
        believed: &[(PartitionId, Term)],
        now_ns: u64,
        out: &mut Output,
    ) {
        for &(partition, term) in believed {
            // A follower in a higher term takes no appends: leadership in a lower one is over, and
            // it must be over before it is relinquished, since a lease may still rest on it.
            self.with_replica(partition, now_ns, out, |replica, _, effects| {
                replica.learn_term(term, effects);
            });
        }
        let believed: BTreeMap<PartitionId, Term> = believed.iter().copied().collect();
        // A candidate may yet lead this very term, so it has nothing to relinquish.
        let gives_up = |id: &PartitionId| {
            self.hosted.get(id).is_none_or(|it| {
                !matches!(it.replica.role(), Role::Leader(_) | Role::Candidate { .. })
            })
        };
        let relinquished: Vec<(PartitionId, Term)> =
            believed.iter().filter(|(id, _)| gives_up(id)).map(|(id, term)| (*id, *term)).collect();
        let unknown = self.led_with(from).filter(|(id, term)| believed.get(id) != Some(term));
        let unknown: Vec<PartitionId> = unknown.map(|(id, _)| id).collect();
        if !relinquished.is_empty() {
            out.send(from, PeerMessage::Relinquished(relinquished));
        }
        self.reassert(from, unknown, now_ns, out);
    }

    pub(super) fn on_relinquished(
        &mut self,
        from: NodeId,
        leads: Vec<(PartitionId, Term)>,
        now_ns: u64,
        out: &mut Output,
    ) {
        for (partition, term) in leads {
            self.with_replica(partition, now_ns, out, |replica, _, effects| {
                replica.on_relinquished(from, term, effects);
            });
        }
    }

    fn send_heartbeat(&self, to: NodeId, now_ns: u64, out: &mut Output) {
        let led_digest = self.led_digests.get(&to).copied().unwrap_or(0);
        let stuck = self.is_log_stuck(now_ns);
        let mut heartbeat = self.liveness.heartbeat(to, now_ns, led_digest, stuck);
        heartbeat.coordinator = self.coordinator(now_ns);
        out.send(to, PeerMessage::Heartbeat(heartbeat));
    }

    // Campaigns.

    /// Arms a campaign at `from_ns` or later: members take turns, so that they do not split votes.
    fn arm_campaign(&mut self, partition: PartitionId, from_ns: u64, now_ns: u64) {
        self.disarm_campaign(partition);
        let election_ns = self.config.replication.election_ns;
        let Some(hosted) = self.hosted.get_mut(&partition) else { return };
        let replica = &hosted.replica;
        let members = replica.members();
        let place = |node: NodeId| members.iter().position(|&it| it == node);
        let mine = place(self.config.me).expect("a replica stands on a member");
        // Behind the leader that failed, in the order of the members. Without its state a replica
        // could lead, but serve nobody: it comes last, and only to pass on what its log alone has.
        let last = if hosted.health == Health::Sound { 0 } else { members.len() };
        let turn = last
            + match replica.bound_to().and_then(place) {
                Some(failed) => (mine + members.len() - failed - 1) % members.len(),
                None => mine,
            };
        let turn = turn as u64;
        let jitter_ns = digest(partition, Term(now_ns ^ mine as u64)) % (election_ns / 8 + 1);
        let at_ns = (from_ns + turn * election_ns / 2 + jitter_ns * turn.min(1))
            .max(self.liveness.votes_from_ns());
        hosted.campaign_ns = Some(at_ns);
        self.campaigns.insert((at_ns, partition));
    }

    fn disarm_campaign(&mut self, partition: PartitionId) {
        if let Some(hosted) = self.hosted.get_mut(&partition)
            && let Some(at_ns) = hosted.campaign_ns.take()
        {
            self.campaigns.remove(&(at_ns, partition));
        }
    }

    fn run_campaigns(&mut self, now_ns: u64, out: &mut Output) {
        while let Some(&(at_ns, partition)) = self.campaigns.first()
            && at_ns <= now_ns
        {
            let from_ns = now_ns + self.config.replication.election_ns;
            self.arm_campaign(partition, from_ns, now_ns);
            // Its own vote would never be durable, and its terms would end the campaigns of others.
            if self.is_log_stuck(now_ns) {
                continue;
            }
            self.with_replica(partition, now_ns, out, |replica, at, effects| {
                replica.campaign(at, effects);
            });
        }
    }

    // Time.

    pub(super) fn on_tick(&mut self, now_ns: u64, out: &mut Output) {
        self.suspect_silent_peers(now_ns);
        self.run_campaigns(now_ns, out);
        self.end_holds(now_ns, out);
        self.end_checks(now_ns, out);
        self.tick_coordinators(now_ns, out);
        if now_ns >= self.next_resend_ns && !self.lagging.is_empty() {
            self.next_resend_ns = now_ns + self.config.replication.resend_ns;
            for partition in std::mem::take(&mut self.lagging) {
                self.with_replica(partition, now_ns, out, |replica, at, effects| {
                    replica.resend(at, effects);
                });
            }
        }
        if now_ns >= self.next_heartbeat_ns {
            self.next_heartbeat_ns = now_ns + self.config.replication.heartbeat_ns;
            self.ask_for_snapshots(out);
            self.pass_on_leads(now_ns, out);
            let peers: Vec<NodeId> = self.liveness.peers().collect();
            peers.into_iter().for_each(|it| self.send_heartbeat(it, now_ns, out));
            self.lead_within_reach(now_ns, out);
        }
    }

    fn suspect_silent_peers(&mut self, now_ns: u64) {
        for node in self.liveness.take_expired(now_ns) {
            self.arm_orphans(node, now_ns);
        }
    }

    /// Whoever is bound to this node is to stand, unless it is heard of again first.
    fn arm_orphans(&mut self, node: NodeId, now_ns: u64) {
        let orphans = self.hosted.iter().filter(|(_, it)| it.replica.bound_to() == Some(node));
        let orphans: Vec<PartitionId> = orphans.map(|(id, _)| *id).collect();
        orphans.into_iter().for_each(|it| self.arm_campaign(it, now_ns, now_ns));
    }

    /// What this node knows about its peers.
    #[must_use]
    pub fn liveness(&self) -> &Liveness {
        &self.liveness
    }

    /// Notes a point of a replica's life.
    pub(super) fn note_leader(&self, partition: PartitionId, out: &mut Output) {
        out.points.push((points::LEADER, partition.0));
    }
}

/// A number for "this partition in this term", for digests; a mix as in SplitMix64.
fn digest(partition: PartitionId, term: Term) -> u64 {
    let mut it = partition.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ term.0.wrapping_add(0x1234_5678);
    it = (it ^ (it >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    it = (it ^ (it >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    it ^ (it >> 31)
}
