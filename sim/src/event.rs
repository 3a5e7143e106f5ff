//! The queue of what is going to happen, by virtual time and then by order of insertion.
//!
//! The heap holds small keys; the events lie beside it and can be taken back before
//! their time. What an event does is decided where it is popped.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::executor::Wakee;
use crate::heap::Heap;
use crate::host::HostId;
use crate::net::NetEvent;
use crate::wake::TaskId;

/// Something that happens at an instant.
pub(crate) enum Event {
    /// A datagram arrives, if `to` has not crashed since it was sent.
    Deliver { from: HostId, to: HostId, incarnation: u32, payload: Bytes },
    /// A sleep ends.
    Timer { host: HostId, wakee: Wakee },
    /// A disk operation completes.
    Disk { host: HostId, operation: u64 },
    /// A request takes effect in the object store.
    ObjectEffect { request: u64 },
    /// A tester wants something done.
    Call { number: u64 },
    /// The answer of the object store is back.
    ObjectReply { request: u64 },
    /// Something rarer in the network or in an ordered stream.
    Net(NetEvent),
}

/// An event whose time has come. What is frequent is taken apart: an event is too large to be
/// moved each time.
pub(crate) enum Due {
    /// A [`Event::Timer`] of a task that waits by itself.
    Timer {
        host: HostId,
        task: TaskId,
    },
    /// As [`Event::Deliver`].
    Deliver {
        from: HostId,
        to: HostId,
        incarnation: u32,
        payload: Bytes,
    },
    /// As [`Event::Disk`].
    Disk {
        host: HostId,
        operation: u64,
    },
    Other(Event),
}

/// Names an event in the queue until it is popped or taken back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EventId {
    slot: u32,
    insertion: u64,
}

/// One line of the cache.
#[repr(align(64))]
struct Slot {
    insertion: u64,
    event: Option<Event>,
}

/// How many bits name a slot, and so how many events can be waiting.
const SLOT_BITS: u32 = 24;
/// How many bits count insertions: enough for days of a processor's time.
const INSERTION_BITS: u32 = 40;

/// Events in the order in which they happen: by time in ns, then by insertion.
fn key(time_ns: u64, insertion: u64, slot: u32) -> u128 {
    u128::from(time_ns) << 64 | u128::from(insertion << SLOT_BITS) | u128::from(slot)
}

fn time_of(key: u128) -> u64 {
    (key >> 64) as u64
}

fn slot_of(key: u128) -> u32 {
    key as u32 & ((1 << SLOT_BITS) - 1)
}

/// Events yet to come.
#[derive(Default)]
pub(crate) struct EventQueue {
    /// Time, insertion and slot in one number ([`key`]), soonest first.
    heap: Heap,
    /// More of them, that came in their order, as timers of one length do.
    in_order: VecDeque<u128>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    insertions: u64,
}

impl EventQueue {
    /// Adds an event; of two at the same time the one added first happens first.
    #[inline(always)]
    pub(crate) fn push(&mut self, time_ns: u64, event: Event) -> EventId {
        let insertion = self.insertions;
        self.insertions += 1;
        self.push_as(insertion, time_ns, event)
    }

    /// Adds a tester's call, after all events of its time. Its number is apart from theirs: a call
    /// that does nothing changes nothing, not even the numbers in the log.
    pub(crate) fn push_call(&mut self, time_ns: u64, number: u64) {
        self.push_as(1 << (INSERTION_BITS - 1) | number, time_ns, Event::Call { number });
    }

    /// Inlined, so that the event is made in its slot: a processor is slow to copy what was only
    /// just written in smaller pieces.
    #[inline(always)]
    fn push_as(&mut self, insertion: u64, time_ns: u64, event: Event) -> EventId {
        let slot = self.place(insertion, time_ns);
        let place = &mut self.slots[slot as usize];
        place.insertion = insertion;
        place.event = Some(event);
        EventId { slot, insertion }
    }

    /// Finds a slot for an event, and puts its key in order.
    fn place(&mut self, insertion: u64, time_ns: u64) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { insertion, event: None });
            assert!(self.slots.len() <= 1 << SLOT_BITS, "more events wait than a world holds");
            (self.slots.len() - 1) as u32
        });
        debug_assert!(insertion < 1 << INSERTION_BITS, "a world that ran for too long");
        let key = key(time_ns, insertion, slot);
        // A tester's call is often far off: behind it nothing would come in order.
        let is_call = insertion >= 1 << (INSERTION_BITS - 1);
        match self.in_order.back() {
            _ if is_call => self.heap.push(key),
            Some(&last) if last > key => self.heap.push(key),
            _ => self.in_order.push_back(key),
        }
        slot
    }

    /// How many events were ever added.
    pub(crate) fn insertions(&self) -> u64 {
        self.insertions
    }

    /// The soonest key, and whether it came in order.
    fn peek(&self) -> Option<(u128, bool)> {
        match (self.in_order.front(), self.heap.peek()) {
            (Some(&first), Some(other)) if other < first => Some((other, false)),
            (None, other) => other.map(|it| (it, false)),
            (Some(&first), _) => Some((first, true)),
        }
    }

    /// Takes out what [`EventQueue::peek`] gave, and frees its slot.
    fn remove_first(&mut self, (key, is_in_order): (u128, bool)) {
        if is_in_order {
            self.in_order.pop_front();
        } else {
            self.heap.pop();
        }
        self.free.push(slot_of(key));
    }

    /// When the next event happens. Events that were taken back do not count.
    pub(crate) fn next_time_ns(&mut self) -> Option<u64> {
        self.first().map(|it| time_of(it.0))
    }

    /// The first key of an event that was not taken back.
    fn first(&mut self) -> Option<(u128, bool)> {
        while let Some(first) = self.peek() {
            if self.slots[slot_of(first.0) as usize].event.is_some() {
                return Some(first);
            }
            self.remove_first(first);
        }
        None
    }

    /// The next event with its insertion number, if it happens at `time_ns` or before.
    #[inline(always)]
    pub(crate) fn pop_until(&mut self, time_ns: u64) -> Option<(u64, Due)> {
        // Looked at before the slot is: mostly the answer is that there is none.
        if time_of(self.peek()?.0) > time_ns {
            return None;
        }
        let first = self.first().filter(|it| time_of(it.0) <= time_ns)?;
        self.remove_first(first);
        let slot = &mut self.slots[slot_of(first.0) as usize];
        let due = match slot.event {
            Some(Event::Timer { host, wakee: Wakee::Task(task) }) => {
                slot.event = None;
                Due::Timer { host, task }
            }
            Some(Event::Disk { host, operation }) => {
                slot.event = None;
                Due::Disk { host, operation }
            }
            Some(Event::Deliver { .. }) => {
                let Some(Event::Deliver { from, to, incarnation, payload }) = slot.event.take()
                else {
                    return None;
                };
                Due::Deliver { from, to, incarnation, payload }
            }
            _ => Due::Other(slot.event.take()?),
        };
        Some((slot.insertion, due))
    }

    /// Takes an event back; nothing happens if it is gone already.
    pub(crate) fn cancel(&mut self, id: EventId) {
        // The slot may be in use again: the insertion number tells.
        let slot = &mut self.slots[id.slot as usize];
        if slot.insertion == id.insertion {
            slot.event = None;
        }
    }

    /// Those who wait for a timer of this host. Looks at every event: for rare occasions.
    pub(crate) fn sleepers(&self, host: HostId) -> impl Iterator<Item = &Wakee> {
        self.slots.iter().filter_map(move |slot| match &slot.event {
            Some(Event::Timer { host: of, wakee }) if *of == host => Some(wakee),
            _ => None,
        })
    }

    /// Makes a timer wake another than it was set with.
    pub(crate) fn retarget(&mut self, id: EventId, wakee: Wakee) {
        let slot = &mut self.slots[id.slot as usize];
        if slot.insertion == id.insertion
            && let Some(Event::Timer { wakee: old, .. }) = &mut slot.event
        {
            *old = wakee;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An event that can be told from others.
    fn event(request: u64) -> Event {
        Event::ObjectReply { request }
    }

    fn pop(queue: &mut EventQueue, until_ns: u64) -> Option<u64> {
        match queue.pop_until(until_ns)?.1 {
            Due::Other(Event::ObjectReply { request }) => Some(request),
            _ => unreachable!("only replies are put in here"),
        }
    }

    #[test]
    fn a_slot_is_one_line_of_the_cache() {
        assert_eq!(size_of::<Slot>(), 64);
    }

    proptest! {
        /// Pushes, cancellations and pops against a sorted list.
        #[test]
        fn events_come_by_time_and_then_by_insertion(
            steps in prop::collection::vec((0..3u8, 0..20u64), 0..200),
        ) {
            let mut queue = EventQueue::default();
            let mut model: Vec<(u64, u64)> = Vec::new();
            let mut ids = Vec::new();
            for (step, (action, value)) in (0..).zip(steps) {
                match action {
                    0 => {
                        ids.push((step, queue.push(value, event(step))));
                        model.push((value, step));
                        model.sort_unstable();
                    }
                    1 if !ids.is_empty() => {
                        // May be popped already, and its slot taken by another.
                        let (step, id) = ids[value as usize % ids.len()];
                        queue.cancel(id);
                        model.retain(|it| it.1 != step);
                    }
                    _ => {
                        let due = model.first().is_some_and(|it| it.0 <= value);
                        let expected = due.then(|| model.remove(0).1);
                        prop_assert_eq!(pop(&mut queue, value), expected);
                    }
                }
                prop_assert_eq!(queue.next_time_ns(), model.first().map(|it| it.0));
            }
        }
    }
}
