//! What no world could carry out of a fault, whoever it strikes.

use std::ops::Range;

use super::Fault;
use crate::disk::DiskFaults;
use crate::net::LinkSettings;
use crate::object_store::ObjectFaults;

/// A clock that loses so much of each second stands still.
const STANDS_STILL_PPB: i64 = -1_000_000_000;

/// There is a time to be drawn, if one will be.
fn drawable(what: &str, range: &Range<u64>, is_drawn: bool) -> Result<(), String> {
    match is_drawn && range.is_empty() {
        true => Err(format!("`{what}` holds no time to draw: {range:?}")),
        false => Ok(()),
    }
}

fn drift(ppb: i64) -> Result<(), String> {
    match ppb <= STANDS_STILL_PPB {
        true => Err(format!(
            "a clock would stand still or run backwards that gains {ppb} ns a second: it can lose \
             less than {}",
            -STANDS_STILL_PPB
        )),
        false => Ok(()),
    }
}

fn times(times: u64) -> Result<(), String> {
    let why = || "nothing takes 0 times as long: `times` must begin at 1".to_string();
    (times > 0).then_some(()).ok_or_else(why)
}

impl Fault {
    /// What no world could do.
    pub(super) fn check(&self) -> Result<(), String> {
        let checked = match self {
            Self::Flapping { shut_ns, open_ns } => {
                drawable("shut_ns", shut_ns, true).and_then(|()| drawable("open_ns", open_ns, true))
            }
            Self::SlowLinks { times: n } | Self::SlowDisk { times: n } => times(*n),
            Self::Links(LinkSettings { delay_ns: Some(delay), .. }) => {
                let ranges = delay.ranges();
                ranges.into_iter().try_for_each(|it| drawable("delay_ns", it, true))
            }
            Self::FailingDisk(DiskFaults { stall_per_mille, stall_ns, .. }) => {
                drawable("stall_ns", stall_ns, *stall_per_mille > 0)
            }
            Self::FailingStore(faults) => {
                let ObjectFaults { burst_ns, stale_list_ns, .. } = faults;
                let burst = drawable("burst_ns", burst_ns, faults.burst_per_mille > 0);
                let is_stale = faults.stale_list_per_mille > 0;
                burst.and_then(|()| drawable("stale_list_ns", stale_list_ns, is_stale))
            }
            Self::CrashAt { nth: 0, .. } => Err("operations are counted from 1".to_string()),
            Self::WallDrift { ppb } | Self::MonotonicDrift { ppb } => drift(*ppb),
            _ => Ok(()),
        };
        checked.map_err(|why| format!("`{self:?}`: {why}"))
    }
}
