//! A machine's processor: what programs compute takes time, one piece after the other.
//!
//! The world cannot see how long code runs, so programs say what their work costs and wait
//! until it is done. Work in the foreground is first come, first served; work in the
//! background runs in slices while nobody else wants the processor.

use std::future::Future;

use crate::core::Core;
use crate::host::{Host, HostId};
use crate::timer::Sleep;
use crate::world::World;

/// Background work gives way after this long at the latest, in nanoseconds. Whoever comes
/// meanwhile waits for the rest of the slice.
pub const BACKGROUND_SLICE_NS: u64 = 20_000;

/// What the world keeps of a processor.
pub(crate) struct CpuState {
    /// How many times longer work takes here than its programs say.
    slowdown: u64,
    /// When everything that was begun or queued so far will be done.
    free_at_ns: u64,
    busy_ns: u64,
}

impl Default for CpuState {
    fn default() -> Self {
        Self { slowdown: 1, free_at_ns: 0, busy_ns: 0 }
    }
}

impl CpuState {
    /// Queues work and gives the instant at which it will be done.
    fn occupy(&mut self, now_ns: u64, work_ns: u64) -> u64 {
        self.free_at_ns = self.free_at_ns.max(now_ns) + work_ns;
        self.busy_ns += work_ns;
        self.free_at_ns
    }

    /// The process is gone, and with it all that it had to do.
    pub(crate) fn stop(&mut self, now_ns: u64) {
        self.busy_ns -= self.free_at_ns.saturating_sub(now_ns);
        self.free_at_ns = self.free_at_ns.min(now_ns);
    }
}

impl Core {
    fn with_cpu<T>(&self, host: HostId, then: impl FnOnce(&mut CpuState, u64) -> T) -> T {
        let state = &mut self.hosts.borrow_mut()[host.index()];
        then(&mut state.cpu, self.now_ns.get())
    }
}

impl Host {
    /// Computes for `cost_ns` nanoseconds, behind whatever was asked of this machine's
    /// processor before this call. Work that costs nothing is done at once.
    pub fn work(&self, cost_ns: u64) -> impl Future<Output = ()> + use<> {
        let queued = cost_ns > 0 && self.is_current();
        let done_ns = queued.then(|| {
            self.core.with_cpu(self.id(), |cpu, now_ns| {
                cpu.occupy(now_ns, cost_ns.saturating_mul(cpu.slowdown))
            })
        });
        let host = self.clone();
        async move {
            if let Some(done_ns) = done_ns {
                host.sleep_until_world(done_ns).await;
            }
        }
    }

    /// Computes for `cost_ns` nanoseconds whenever nothing else wants the processor.
    pub fn work_in_background(&self, cost_ns: u64) -> impl Future<Output = ()> + use<> {
        let host = self.clone();
        async move {
            let slowdown = host.core.with_cpu(host.id(), |cpu, _| cpu.slowdown);
            let mut left_ns = cost_ns.saturating_mul(slowdown);
            while left_ns > 0 && host.is_current() {
                let slice_ns = left_ns.min(BACKGROUND_SLICE_NS);
                let (begun, until_ns) = host.core.with_cpu(host.id(), |cpu, now_ns| {
                    let idle = cpu.free_at_ns <= now_ns;
                    (idle, if idle { cpu.occupy(now_ns, slice_ns) } else { cpu.free_at_ns })
                });
                left_ns -= if begun { slice_ns } else { 0 };
                host.sleep_until_world(until_ns).await;
            }
        }
    }

    fn sleep_until_world(&self, world_ns: u64) -> Sleep {
        Sleep::new(self.core.clone(), self.id(), world_ns)
    }
}

impl World {
    /// Makes the processor of a host so many times slower than its programs assume, for
    /// work that is asked for from now on.
    ///
    /// # Panics
    /// If `slowdown` is 0: nothing takes no time.
    pub fn set_cpu_slowdown(&self, host: HostId, slowdown: u64) {
        assert!(slowdown > 0, "a processor that takes no time");
        self.core().with_cpu(host, |cpu, _| cpu.slowdown = slowdown);
    }

    /// How long the processor of a host has been busy, or will have been when all that is
    /// queued now is done, in nanoseconds.
    pub fn cpu_busy_ns(&self, host: HostId) -> u64 {
        self.core().with_cpu(host, |cpu, _| cpu.busy_ns)
    }
}
