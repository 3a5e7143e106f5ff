//! The ceiling: a bare event loop. State machines in an array, one heap, messages inline,
//! a cheap generator; no tasks, no allocation per message, no faults, no hash, no log.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::workload::{Board, IDLE_PERIOD, Job, Message, PATIENCE, Word, Workload, XorShift};

enum What {
    Arrives { from: u32, message: Message },
    Wakes,
}

struct Entry {
    time_ns: u64,
    insertion: u64,
    endpoint: u32,
    what: What,
}

impl Entry {
    fn key(&self) -> (u64, u64) {
        (self.time_ns, self.insertion)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

#[derive(Clone, Copy, Default)]
struct Endpoint {
    progress: u64,
    progress_before: u64,
}

struct Loop {
    job: Job,
    now_ns: u64,
    insertions: u64,
    heap: BinaryHeap<Reverse<Entry>>,
    endpoints: Vec<Endpoint>,
    random: XorShift,
    units: u64,
}

impl Loop {
    fn push(&mut self, after_ns: u64, endpoint: u32, what: What) {
        let (time_ns, insertion) = (self.now_ns + after_ns, self.insertions);
        self.insertions += 1;
        self.heap.push(Reverse(Entry { time_ns, insertion, endpoint, what }));
    }

    fn send(&mut self, from: u32, to: u32, message: Message) {
        let (shortest, longest) = self.job.workload.latency();
        let spread_ns = (longest - shortest).as_nanos() as u64;
        let after_ns = shortest.as_nanos() as u64 + self.random.below(spread_ns);
        self.push(after_ns, to, What::Arrives { from, message });
    }

    fn begin(&mut self, me: u32, number: u64) {
        let endpoints = self.job.endpoints;
        let (away, word) = match self.job.workload {
            Workload::Ping => (1 + self.random.below(u64::from(endpoints) - 1), Word::Request),
            _ => (1, Word::Token),
        };
        self.send(me, (me + away as u32) % endpoints, Message { word, number });
    }

    fn wake(&mut self, me: u32) {
        if self.job.workload == Workload::Idle {
            self.units += 1;
            return self.push(IDLE_PERIOD.as_nanos() as u64, me, What::Wakes);
        }
        let endpoint = &mut self.endpoints[me as usize];
        let stuck = endpoint.progress == endpoint.progress_before;
        endpoint.progress_before = endpoint.progress;
        if stuck {
            self.begin(me, self.endpoints[me as usize].progress);
        }
        self.push(PATIENCE.as_nanos() as u64, me, What::Wakes);
    }

    fn arrive(&mut self, from: u32, me: u32, message: Message) {
        self.units += 1;
        let endpoint = &mut self.endpoints[me as usize];
        match message.word {
            Word::Request => self.send(me, from, Message { word: Word::Answer, ..message }),
            Word::Answer if message.number == endpoint.progress => {
                endpoint.progress += 1;
                let next = endpoint.progress;
                self.begin(me, next);
            }
            Word::Answer => {}
            Word::Token => {
                endpoint.progress += 1;
                self.send(me, (me + 1) % self.job.endpoints, message);
            }
        }
    }
}

/// Runs the job.
pub fn run(board: &Arc<Board>) {
    let job = board.job();
    let mut it = Loop {
        job,
        now_ns: 0,
        insertions: 0,
        heap: BinaryHeap::new(),
        endpoints: vec![Endpoint::default(); job.endpoints as usize],
        random: XorShift::new(0),
        units: 0,
    };
    for me in 0..job.endpoints {
        if job.workload != Workload::Idle {
            it.begin(me, 0);
        }
        let first = if job.workload == Workload::Idle { IDLE_PERIOD } else { PATIENCE };
        it.push(first.as_nanos() as u64, me, What::Wakes);
    }
    while it.units < job.units {
        let Reverse(entry) = it.heap.pop().expect("every endpoint has a timer");
        it.now_ns = entry.time_ns;
        match entry.what {
            What::Arrives { from, message } => it.arrive(from, entry.endpoint, message),
            What::Wakes => it.wake(entry.endpoint),
        }
    }
    board.count(it.units);
}
