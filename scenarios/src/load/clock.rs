//! The machine's time and processor time: the one door of the load generator to both. Nothing that
//! is simulated can reach it.

use std::time::{Duration, Instant};

/// An instant of the monotonic clock.
#[expect(clippy::disallowed_methods, reason = "measures a real endpoint in real time")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Waits for real time to pass.
#[expect(clippy::disallowed_methods, reason = "measures a real endpoint in real time")]
pub(super) fn sleep(time: Duration) {
    std::thread::sleep(time);
}

/// Nanoseconds since `begun`.
pub(super) fn ns_since(begun: Instant) -> u64 {
    u64::try_from(now().duration_since(begun).as_nanos()).unwrap_or(u64::MAX)
}

/// Processor time of the calling thread, in nanoseconds; 0 if the machine does not tell. It is the
/// first number of /proc/thread-self/schedstat (Linux, Documentation/scheduler/sched-stats.rst),
/// which is brought up to date when a thread gives way.
pub(super) fn thread_cpu_ns() -> u64 {
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0)
}
