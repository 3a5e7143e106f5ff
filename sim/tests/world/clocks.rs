//! Clocks that drift, step, stand still or lie, and sleeps that go by them.

use std::cell::RefCell;
use std::rc::Rc;

use stillpoint_sim::{ClockBound, HostId, WORLD_EPOCH_MS, World};

use crate::{LIMIT_NS, fault, idle_node, world_with_node};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

fn pass(world: &World, ns: u64) {
    let driver = world.driver();
    world.run(LIMIT_NS, async move { driver.sleep(ns).await }).expect("it ends");
}

/// Makes a host sleep; the cell tells when that ended, in nanoseconds of world time.
fn sleeper(world: &World, node: HostId, ns: u64) -> Rc<RefCell<Option<u64>>> {
    let ended_ns = Rc::new(RefCell::new(None));
    let (host, cell) = (world.host(node), ended_ns.clone());
    let driver = world.driver();
    let driver_base_ns = driver.now_ns() - world.now_ns();
    host.clone().spawn("sleeper", async move {
        host.sleep(ns).await;
        *cell.borrow_mut() = Some(driver.now_ns() - driver_base_ns);
    });
    ended_ns
}

#[test]
fn a_sleep_ends_when_its_own_clock_says_so() {
    let (world, node) = world_with_node(1);
    let right = idle_node(&world, "right", "zone-a");
    world.set_monotonic_drift(node, 100_000_000);
    let before_ns = world.host(node).now_ns();
    let (fast, usual) = (sleeper(&world, node, 11 * SECOND), sleeper(&world, right, 11 * SECOND));
    pass(&world, 20 * SECOND);
    assert_eq!((*fast.borrow(), *usual.borrow()), (Some(10 * SECOND), Some(11 * SECOND)));
    assert_eq!(world.host(node).now_ns() - before_ns, 22 * SECOND);
    assert_eq!(world.host(node).wall_ms(), WORLD_EPOCH_MS + 20_000);
    assert_eq!(fault(&world, "clock.monotonic_drift"), 1);
}

#[test]
fn a_change_of_rate_counts_for_sleeps_under_way() {
    let (world, node) = world_with_node(2);
    let ended_ns = sleeper(&world, node, 10 * SECOND);
    pass(&world, 5 * SECOND);
    world.set_monotonic_drift(node, -500_000_000);
    pass(&world, 4 * SECOND);
    world.set_monotonic_drift(node, 1_000_000_000);
    pass(&world, 4 * SECOND);
    // Five seconds as they are, four at half the rate, three at twice the rate.
    assert_eq!(*ended_ns.borrow(), Some(10 * SECOND + 500 * MS));
}

#[test]
fn nobody_wakes_by_a_clock_that_stands_still() {
    let (world, node) = world_with_node(3);
    let ended_ns = sleeper(&world, node, 2 * SECOND);
    pass(&world, SECOND);
    world.freeze_monotonic_clock(node);
    let shown_ns = world.host(node).now_ns();
    pass(&world, 100 * SECOND);
    assert_eq!((world.host(node).now_ns(), *ended_ns.borrow()), (shown_ns, None));
    assert_eq!(world.host(node).wall_ms(), WORLD_EPOCH_MS + 101_000, "the other clock goes on");
    world.thaw_monotonic_clock(node);
    pass(&world, 10 * SECOND);
    assert_eq!(*ended_ns.borrow(), Some(102 * SECOND));
    assert_eq!(world.host(node).now_ns(), shown_ns + 10 * SECOND);
}

#[test]
fn a_wall_clock_steps_drifts_and_stands_still() {
    let (world, node) = world_with_node(4);
    let host = world.host(node);
    let wall_ms = || host.wall_ms() as i64 - WORLD_EPOCH_MS as i64;
    let monotonic_ns = host.now_ns();
    world.step_clock(node, 5_000 * MS as i64);
    assert_eq!(wall_ms(), 5_000);
    pass(&world, SECOND);
    world.step_clock(node, -8_000 * MS as i64);
    assert_eq!(wall_ms(), -2_000);
    world.set_wall_drift(node, -250_000_000);
    pass(&world, 4 * SECOND);
    assert_eq!(wall_ms(), 1_000);
    world.freeze_wall_clock(node);
    pass(&world, SECOND);
    assert_eq!(wall_ms(), 1_000);
    world.thaw_wall_clock(node);
    world.set_wall_drift(node, 0);
    pass(&world, SECOND);
    assert_eq!(wall_ms(), 2_000);
    world.set_clock_offset(node, 0);
    assert_eq!(wall_ms(), 7_000);
    assert_eq!(host.now_ns() - monotonic_ns, 7 * SECOND);
}

#[test]
fn an_honest_interval_contains_true_time_and_a_lying_one_need_not() {
    let (world, node) = world_with_node(5);
    let host = world.host(node);
    let contains_truth = || {
        let (earliest_ms, latest_ms) = host.wall_interval_ms();
        let now_ms = WORLD_EPOCH_MS + world.now_ns() / MS;
        (earliest_ms..=latest_ms).contains(&now_ms)
    };
    assert_eq!(host.wall_interval_ms(), (WORLD_EPOCH_MS, WORLD_EPOCH_MS));
    world.set_clock_uncertainty(node, 10, ClockBound::Honest);
    assert_eq!(host.wall_interval_ms(), (WORLD_EPOCH_MS - 10, WORLD_EPOCH_MS + 10));
    world.set_wall_drift(node, 20_000_000);
    for _ in 0..20 {
        pass(&world, 100 * MS + 1);
        assert!(contains_truth());
    }
    let (earliest_ms, latest_ms) = host.wall_interval_ms();
    assert!((80..=82).contains(&(latest_ms - earliest_ms)), "40 ms off after two seconds");
    world.set_clock_uncertainty(node, 10, ClockBound::Lying);
    assert!(!contains_truth());
    let (earliest_ms, latest_ms) = host.wall_interval_ms();
    assert!((20..=21).contains(&(latest_ms - earliest_ms)));
    world.set_clock_uncertainty(node, 50, ClockBound::Lying);
    assert!(contains_truth());
}
