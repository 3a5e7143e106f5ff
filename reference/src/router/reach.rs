//! Reaching the leader of a group, and remembering what was learned on the way.

use super::Failure;
use crate::env::Env;
use crate::ids::{NodeId, PartitionId};
use crate::metadata::{Applied, Command, PartitionInfo, Refusal, Table, TableStatus};
use crate::mutants::Mutants;
use crate::node::{Call, CallError, Reply, Shell};
use crate::rare;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// After this long without an answer a look-up is tried elsewhere.
const LOOK_UP_NS: u64 = 250_000_000;
/// Before the next member is asked when one that should know has no leader to name.
const PAUSE_NS: u64 = 20_000_000;

/// What a router remembers. All of it may be outdated; the nodes that are asked know better.
#[derive(Debug, Default)]
pub struct Cache {
    tables: RefCell<BTreeMap<String, Rc<Table>>>,
    leaders: RefCell<BTreeMap<PartitionId, NodeId>>,
}

impl Cache {
    fn leader(&self, partition: PartitionId) -> Option<NodeId> {
        self.leaders.borrow().get(&partition).copied()
    }

    fn learn(&self, partition: PartitionId, leader: NodeId) {
        self.leaders.borrow_mut().insert(partition, leader);
    }

    pub(super) fn forget(&self, table: &str) {
        self.tables.borrow_mut().remove(table);
    }
}

/// Whether a call may be repeated when its outcome is unknown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// It changes nothing.
    Safe,
    /// It may take effect twice.
    Unsafe,
}

/// Has the leader of `partition` answer `call`.
pub(super) async fn ask_leader<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    partition: PartitionId,
    members: &[NodeId],
    call: &Call,
    repeat: Repeat,
    deadline_ns: u64,
) -> Result<Reply, Failure> {
    let (env, cache) = (shell.env(), shell.router());
    let mut next = cache.leader(partition).unwrap_or(members[0]);
    if env.rarely(rare::ROUTER_GUESSES_WRONG) {
        next = after(members, next);
    }
    let mut turn = 0;
    while env.now_ns() < deadline_ns {
        let patience_ns = match repeat {
            Repeat::Safe => deadline_ns.min(env.now_ns() + LOOK_UP_NS),
            Repeat::Unsafe => deadline_ns,
        };
        let reply = shell.call(next, call.clone(), patience_ns).await;
        let hint = match reply {
            Ok(Reply::NotLeader(hint)) => hint,
            Ok(Reply::Unknown) | Err(CallError::Timeout) if repeat == Repeat::Safe => None,
            Ok(Reply::Unknown) | Err(CallError::Timeout) => {
                // It may be cut off, and another lead by now: the next request asks elsewhere.
                cache.learn(partition, after(members, next));
                return Err(Failure::Unreachable(format!("{next} did not say what came of it")));
            }
            Ok(reply) => {
                cache.learn(partition, next);
                return Ok(reply);
            }
        };
        match hint {
            Some(leader) if leader != next => next = leader,
            _ => {
                turn += 1;
                next = members[turn % members.len()];
                env.sleep_until(env.now_ns() + PAUSE_NS).await;
            }
        }
    }
    Err(Failure::Unreachable(format!("nobody leads {partition}")))
}

/// The member that is asked after `node`.
fn after(members: &[NodeId], node: NodeId) -> NodeId {
    let place = members.iter().position(|it| *it == node).unwrap_or(0);
    members[(place + 1) % members.len()]
}

/// The time by which a request is answered.
pub(super) fn deadline_ns<E: Env, M: Mutants>(shell: &Shell<E, M>) -> u64 {
    shell.env().now_ns() + shell.core().config().request_ns_max
}

/// Looks something up in the catalog.
pub(super) async fn look_up<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    call: &Call,
) -> Result<Reply, Failure> {
    look_up_until(shell, call, deadline_ns(shell)).await
}

/// Looks something up in the catalog; the answer may take until `deadline_ns`.
pub(super) async fn look_up_until<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    call: &Call,
    deadline_ns: u64,
) -> Result<Reply, Failure> {
    let members = shell.core().config().cluster.members(PartitionId::METADATA);
    ask_leader(shell, PartitionId::METADATA, &members, call, Repeat::Safe, deadline_ns).await
}

/// Applies a command to the catalog.
pub(super) async fn decide<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    command: Command,
    deadline_ns: u64,
) -> Result<Result<Applied, Refusal>, Failure> {
    let members = shell.core().config().cluster.members(PartitionId::METADATA);
    let call = Call::Metadata(command);
    let partition = PartitionId::METADATA;
    match ask_leader(shell, partition, &members, &call, Repeat::Unsafe, deadline_ns).await? {
        Reply::Applied(result) => Ok(*result),
        Reply::Failed(why) => Err(Failure::Unreachable(why)),
        other => Err(Failure::Unreachable(format!("the catalog answered {other:?}"))),
    }
}

/// An open table, remembered or looked up.
pub(super) async fn open_table<E: Env, M: Mutants>(
    shell: &Shell<E, M>,
    name: &str,
) -> Result<Rc<Table>, Failure> {
    if let Some(table) = shell.router().tables.borrow().get(name) {
        return Ok(Rc::clone(table));
    }
    match look_up(shell, &Call::Table(name.to_owned())).await? {
        Reply::Table(Some(found)) if found.0.status == TableStatus::Active => {
            let table = Rc::new(found.0);
            shell.router().tables.borrow_mut().insert(name.to_owned(), Rc::clone(&table));
            Ok(table)
        }
        Reply::Table(_) => Err(Failure::NoTable),
        other => Err(Failure::Unreachable(format!("the catalog answered {other:?}"))),
    }
}

/// The partition of a table that is responsible for `hash`.
pub(super) fn partition_for(table: &Table, hash: u64) -> &PartitionInfo {
    let at = table.partitions.partition_point(|it| it.range.end < hash);
    &table.partitions[at]
}
