//! The engines, and how long one job keeps one of them busy.

use std::sync::Arc;
use std::time::Duration;

use cpu_time::ThreadTime;

use crate::on_madsim::Way;
use crate::workload::{Board, Job, Workload};
use crate::{bare, on_madsim, on_tokio, on_turmoil, ours};

/// So many units of each endpoint come before what is measured.
const FIRST_UNITS: u64 = 8;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// This repository's world.
    Ours,
    /// madsim with datagrams.
    MadsimDatagram,
    /// madsim with RPC.
    MadsimCall,
    /// turmoil with UDP.
    Turmoil,
    /// tokio, its clock paused.
    Tokio,
    /// A loop over a heap.
    Bare,
}

impl Engine {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 6] = [
        Self::Ours,
        Self::MadsimDatagram,
        Self::MadsimCall,
        Self::Turmoil,
        Self::Tokio,
        Self::Bare,
    ];

    /// The name in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::MadsimDatagram => "madsim send_to",
            Self::MadsimCall => "madsim call",
            Self::Turmoil => "turmoil udp",
            Self::Tokio => "tokio paused",
            Self::Bare => "bare loop",
        }
    }

    /// Whether the engine can do this in reasonable time, and differs from another that does.
    pub fn takes(self, workload: Workload, endpoints: u32, turmoil_max: u32) -> bool {
        match self {
            Self::Turmoil => endpoints <= turmoil_max,
            // A ring passes messages on and an idle node sends none: nothing to call.
            Self::MadsimCall => workload == Workload::Ping,
            _ => true,
        }
    }

    fn run(self, board: &Arc<Board>) {
        match self {
            Self::Ours => ours::run(board),
            Self::MadsimDatagram => on_madsim::run(Way::Datagram, board),
            Self::MadsimCall => on_madsim::run(Way::Call, board),
            Self::Turmoil => on_turmoil::run(board),
            Self::Tokio => on_tokio::run(board),
            Self::Bare => bare::run(board),
        }
    }

    /// Does the job on a thread of its own, and gives units and processor time from creation
    /// to end.
    fn run_alone(self, job: Job) -> Measured {
        let work = move || {
            let begin = ThreadTime::now();
            let board = Board::new(job);
            self.run(&board);
            Measured { units: board.units(), cpu: begin.elapsed() }
        };
        // madsim leaves traces in its thread.
        std::thread::spawn(work).join().expect("no engine panics on these workloads")
    }

    /// What the job takes beyond creating the endpoints, a first few units of each, and
    /// their end: a run of the job less a run of next to nothing.
    pub fn measure(self, job: Job) -> Measured {
        let first = u64::from(job.endpoints) * FIRST_UNITS;
        let begun = self.run_alone(Job { units: first, ..job });
        let done = self.run_alone(Job { units: first + job.units, ..job });
        Measured {
            units: done.units - begun.units,
            cpu: done.cpu.saturating_sub(begun.cpu).max(Duration::from_nanos(1)),
        }
    }
}

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    units: u64,
    cpu: Duration,
}

impl Measured {
    /// Processor time of the thread.
    pub fn cpu(self) -> Duration {
        self.cpu
    }

    /// Messages, or wakes, per second of processor time.
    pub fn per_cpu_second(self) -> f64 {
        self.units as f64 / self.cpu.as_secs_f64()
    }
}
