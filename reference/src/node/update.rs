//! Updates: the leader makes the whole new item out of the newest version, and logs that, so
//! that a log that is replayed computes nothing and applying an entry again changes nothing.

use super::core::{Core, Output};
use super::message::{Call, Caller, Reply};
use crate::api::ReturnValues;
use crate::expression::Update;
use crate::ids::PartitionId;
use crate::item::Item;
use crate::mutants::Mutants;
use crate::partition::{Evaluated, Waiter, Write, encode_item};

impl<M: Mutants> Core<M> {
    /// Appends what an update makes of the newest version, if its condition holds of that.
    pub(super) fn append_update(
        &mut self,
        partition: PartitionId,
        caller: Caller,
        call: Call,
        now_ns: u64,
        out: &mut Output,
    ) {
        let Call::Update { request, key, attributes, update, condition, returned, .. } = call
        else {
            unreachable!("only an update comes here");
        };
        let (state, lead) = match self.led(partition) {
            Ok(led) => led,
            Err(reply) => return self.answer(caller, reply, out),
        };
        let after = lead.uncommitted(&key);
        let evaluated = match lead.evaluate(state, &key, condition.as_ref(), true) {
            Ok(evaluated) => evaluated,
            Err(fault) => return self.answer_read(caller, Err(fault), now_ns, out),
        };
        let refusal = match evaluated {
            Evaluated::Refused { old, .. } => Reply::ConditionFailed(old),
            Evaluated::Allowed(old) => match update.apply(old.as_ref(), &attributes) {
                Err(why) => Reply::Invalid(why),
                Ok(new) => {
                    let item = new.as_ref().map(encode_item);
                    let reply = Reply::Written(attributes_of(returned, &update, old, new));
                    let write = Write { request, key, item };
                    return self.append_write(partition, caller, write, reply, now_ns, out);
                }
            },
        };
        // A refusal tells of the version that it met, so it waits until that is committed.
        match after {
            Some(index) => lead.wait(index, Waiter { caller, reply: refusal }),
            None => {
                let reply = self.if_leased(partition, refusal, now_ns);
                self.answer(caller, reply, out);
            }
        }
    }
}

/// What a request wants to know of an item before and after its update; `None` if that is
/// nothing.
fn attributes_of(
    returned: ReturnValues,
    update: &Update,
    old: Option<Item>,
    new: Option<Item>,
) -> Option<Item> {
    let changed = update.attributes();
    let only_changed = |mut item: Item| {
        item.retain(|name, _| changed.contains(name.as_str()));
        item
    };
    let attributes = match returned {
        ReturnValues::None => None,
        ReturnValues::AllOld => old,
        ReturnValues::AllNew => new,
        ReturnValues::UpdatedOld => old.map(only_changed),
        ReturnValues::UpdatedNew => new.map(only_changed),
    };
    attributes.filter(|it| !it.is_empty())
}
