//! Who uses the disk when: a queue in front of parallel channels and one shared bus.
//!
//! An operation waits for a free channel, then for its turn on the bus, moves its bytes,
//! and takes its latency; the channel is its own all the while. So `parallel / latency`
//! bounds the operations per second and the bus the bytes.
//!
//! The background yields: one of its operations is under way at a time, and it starts only
//! while nobody in the foreground waits for a channel or for the bus. So a foreground
//! operation waits for one background operation at most. Where the foreground never rests,
//! one background operation starts each time `background_wait_ns_max` has gone by.

use std::collections::VecDeque;

use super::settings::DiskSettings;

/// An operation as the queue sees it.
#[derive(Clone, Copy)]
pub(super) struct Job {
    pub(super) number: u64,
    pub(super) submitted_ns: u64,
    pub(super) latency_ns: u64,
    /// What it moves over the bus.
    pub(super) bytes: u64,
    pub(super) background: bool,
}

/// What waits, and what is under way.
#[derive(Default)]
pub(super) struct Queue {
    foreground: VecDeque<Job>,
    background: VecDeque<Job>,
    under_way: u32,
    background_under_way: bool,
    /// When the last background operation was over.
    background_ended_ns: u64,
    /// When the bus will have moved all that was started.
    bus_free_ns: u64,
}

impl Queue {
    pub(super) fn submit(&mut self, job: Job) {
        match job.background {
            true => self.background.push_back(job),
            false => self.foreground.push_back(job),
        }
    }

    /// Starts the next operation if one may start now: its number, and when it completes.
    pub(super) fn start(&mut self, now_ns: u64, settings: &DiskSettings) -> Option<(u64, u64)> {
        if self.under_way >= settings.parallel {
            return None;
        }
        let job = match self.background_may_start(now_ns, settings.background_wait_ns_max) {
            true => self.background.pop_front(),
            false => self.foreground.pop_front(),
        }?;
        self.under_way += 1;
        self.background_under_way |= job.background;
        let moved_ns = self.move_bytes(now_ns, job.bytes, settings);
        Some((job.number, moved_ns.saturating_add(job.latency_ns)))
    }

    fn background_may_start(&self, now_ns: u64, wait_ns_max: u64) -> bool {
        let Some(first) = self.background.front() else {
            return false;
        };
        let waits_since_ns = first.submitted_ns.max(self.background_ended_ns);
        let is_overdue = now_ns - waits_since_ns >= wait_ns_max;
        // While either is busy an operation is under way, whose end asks here again.
        let is_idle = self.foreground.is_empty() && self.bus_free_ns <= now_ns;
        !self.background_under_way && (is_idle || is_overdue)
    }

    /// Takes the next turn on the bus: gives when it is over.
    fn move_bytes(&mut self, now_ns: u64, bytes: u64, settings: &DiskSettings) -> u64 {
        if bytes == 0 {
            return now_ns;
        }
        self.bus_free_ns = self.bus_free_ns.max(now_ns).saturating_add(settings.transfer_ns(bytes));
        self.bus_free_ns
    }

    /// An operation that was started is over.
    pub(super) fn end(&mut self, now_ns: u64, background: bool) {
        self.under_way -= 1;
        if background {
            self.background_under_way = false;
            self.background_ended_ns = now_ns;
        }
    }

    /// Forgets everything, also what is under way.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::{BTreeMap, BinaryHeap};

    use super::*;

    const SETTINGS: DiskSettings = DiskSettings {
        write_ns: 0..1,
        read_ns: 0..1,
        sync_ns: 0..1,
        slow_per_mille: 0,
        bytes_per_second: 1_000_000_000,
        parallel: 4,
        background_wait_ns_max: 1_000_000,
    };

    fn job(number: u64, submitted_ns: u64, latency_ns: u64, bytes: u64) -> Job {
        Job { number, submitted_ns, latency_ns, bytes, background: false }
    }

    fn in_background(job: Job) -> Job {
        Job { background: true, ..job }
    }

    /// When each job is over, given in the order of submission.
    fn run(jobs: &[Job], settings: &DiskSettings) -> BTreeMap<u64, u64> {
        let by_number: BTreeMap<u64, Job> = jobs.iter().map(|it| (it.number, *it)).collect();
        let mut submissions = jobs.iter().peekable();
        let (mut queue, mut ends) = (Queue::default(), BinaryHeap::new());
        let mut over = BTreeMap::new();
        loop {
            let next_end_ns = ends.peek().map_or(u64::MAX, |&Reverse((at_ns, _))| at_ns);
            let submission = submissions.next_if(|it| it.submitted_ns <= next_end_ns);
            let now_ns = match (submission, ends.is_empty()) {
                (Some(job), _) => {
                    queue.submit(*job);
                    job.submitted_ns
                }
                (None, true) => return over,
                (None, false) => {
                    let Reverse((now_ns, number)) = ends.pop().expect("it is not empty");
                    queue.end(now_ns, by_number[&number].background);
                    over.insert(number, now_ns);
                    now_ns
                }
            };
            while let Some((number, end_ns)) = queue.start(now_ns, settings) {
                ends.push(Reverse((end_ns, number)));
            }
        }
    }

    fn last_ns(over: &BTreeMap<u64, u64>) -> u64 {
        *over.values().max().expect("jobs were run")
    }

    #[test]
    fn an_idle_disk_takes_latency_and_transfer() {
        let over = run(&[job(0, 50, 10_000, 4_096)], &SETTINGS);
        assert_eq!(over, BTreeMap::from([(0, 50 + 10_000 + 4_096)]));
    }

    #[test]
    fn throughput_saturates_at_the_bandwidth() {
        // A thousand times 100 kB at 1 GB/s is 100 ms, however many channels there are.
        let jobs: Vec<Job> = (0..1_000).map(|it| job(it, 0, 10_000, 100_000)).collect();
        for parallel in [2, 4, 64] {
            let end_ns = last_ns(&run(&jobs, &DiskSettings { parallel, ..SETTINGS }));
            assert_eq!(end_ns, 100_000_000 + 10_000, "{parallel} channels");
        }
    }

    #[test]
    fn operations_per_second_saturate_at_channels_by_latency() {
        // Four channels of 10 µs: 400,000 a second, so 1,000 take 2.5 ms.
        let jobs: Vec<Job> = (0..1_000).map(|it| job(it, 0, 10_000, 0)).collect();
        assert_eq!(last_ns(&run(&jobs, &SETTINGS)), 2_500_000);
        let alone = DiskSettings { parallel: 1, ..SETTINGS };
        assert_eq!(last_ns(&run(&jobs, &alone)), 10_000_000);
    }

    /// A foreground of a given pace beside a background that never rests.
    fn beside_background(every_ns: u64, bytes: u64) -> Vec<Job> {
        let backlog = (0..400).map(|it| in_background(job(10_000 + it, 0, 50_000, 65_536)));
        let foreground = (0..2_000).map(|it| job(it, it * every_ns, 20_000, bytes));
        backlog.chain(foreground).collect()
    }

    #[test]
    fn the_foreground_waits_for_one_background_operation_at_most() {
        for (parallel, every_ns, bytes) in [(1, 30_000, 4_096), (4, 9_000, 4_096), (32, 500, 0)] {
            let settings = DiskSettings { parallel, background_wait_ns_max: u64::MAX, ..SETTINGS };
            let jobs = beside_background(every_ns, bytes);
            let with = run(&jobs, &settings);
            let alone: Vec<Job> = jobs.iter().copied().filter(|it| !it.background).collect();
            let alone = run(&alone, &settings);
            let longer_ns = alone.iter().map(|(number, at_ns)| with[number] - at_ns).max();
            let longer_ns = longer_ns.expect("there is a foreground");
            assert!(longer_ns <= 50_000 + 65_536, "{parallel} channels: {longer_ns} ns longer");
            assert!(parallel > 4 || longer_ns > 0, "{parallel} channels: never in the way");
        }
    }

    #[test]
    fn the_background_goes_on_where_the_foreground_never_rests() {
        // The foreground asks for twice what one channel, or what the bus, can do.
        for (parallel, every_ns, bytes) in [(1, 10_000, 0), (32, 10_000, 20_000)] {
            let settings = DiskSettings { parallel, ..SETTINGS };
            let over = run(&beside_background(every_ns, bytes), &settings);
            let during = (0..10).map(|it| over[&(10_000 + it)]).collect::<Vec<u64>>();
            // It is due after 1 ms, then waits for what is under way, and runs itself; on
            // the bus up to 32 others were started before it.
            let turn_ns = 1_000_000 + 20_000 + 50_000 + 65_536 + 32 * bytes;
            let in_time = (1..).zip(&during).all(|(nth, at_ns)| *at_ns <= nth * turn_ns);
            assert!(in_time, "{parallel} channels: {during:?}");
            assert!(during[5] > 5_000_000, "{parallel} channels: it did not yield: {during:?}");
        }
    }

    #[test]
    fn the_background_waits_for_the_bus_too() {
        // Ten megabytes in the foreground, on fewer channels than there are.
        let settings = DiskSettings { parallel: 32, background_wait_ns_max: u64::MAX, ..SETTINGS };
        let foreground = (0..10).map(|it| job(it, 0, 20_000, 1_000_000));
        let jobs = foreground.chain([in_background(job(10, 0, 50_000, 65_536))]);
        let over = run(&jobs.collect::<Vec<_>>(), &settings);
        assert_eq!((over[&9], over[&10]), (10_020_000, 10_020_000 + 50_000 + 65_536));
    }

    #[test]
    fn an_idle_disk_serves_the_background_at_once() {
        let jobs = [in_background(job(0, 0, 100, 0)), in_background(job(1, 0, 100, 0))];
        assert_eq!(run(&jobs, &SETTINGS), BTreeMap::from([(0, 100), (1, 200)]));
    }
}
