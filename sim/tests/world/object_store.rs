//! The object store is consistent; its errors say what they can know and no more.

use std::collections::BTreeSet;
use std::future::Future;

use bytes::Bytes;
use stillpoint_sim::{OBJECT_REQUESTS_IN_FLIGHT_MAX, ObjectError, ObjectSettings, World};

use crate::{LIMIT_NS, idle_node, world_with_node};

fn run<T>(world: &World, request: impl Future<Output = T>) -> T {
    world.run(LIMIT_NS, request).expect("object stores answer")
}

fn text(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

#[test]
fn what_one_host_put_another_gets() {
    let (world, node) = world_with_node(1);
    let other = idle_node(&world, "node-2", "zone-b");
    let (here, there) = (world.host(node).objects(), world.host(other).objects());
    assert_eq!(run(&world, there.get("a/1")), Err(ObjectError::NotFound));
    assert_eq!(run(&world, here.put("a/1", text("hello"))), Ok(()));
    assert_eq!(run(&world, there.get("a/1")), Ok(text("hello")));
    assert_eq!(run(&world, there.get_range("a/1", 1..3)), Ok(text("el")));
    assert_eq!(run(&world, there.get_range("a/1", 3..99)), Ok(text("lo")));
    assert_eq!(run(&world, there.get_range("a/1", 98..99)), Ok(text("")));
    assert_eq!(run(&world, there.put_if_absent("a/1", text("x"))), Err(ObjectError::AlreadyExists));
    assert_eq!(run(&world, there.put_if_absent("a/2", text("x"))), Ok(()));
    assert_eq!(run(&world, there.put("b/1", text("x"))), Ok(()));
    assert_eq!(run(&world, here.list("a/")), Ok(vec!["a/1".to_string(), "a/2".to_string()]));
    assert_eq!(run(&world, here.delete("a/1")), Ok(()));
    assert_eq!(run(&world, here.delete("a/1")), Ok(()));
    assert_eq!(world.object_keys(), ["a/2", "b/1"]);
    assert_eq!(world.peek_object("a/2"), Some(text("x")));
}

#[test]
fn of_several_conditional_puts_one_wins() {
    for seed in 0..20 {
        let (world, node) = world_with_node(seed);
        let objects = world.host(node).objects();
        let puts: Vec<_> = (0..5).map(|_| objects.put_if_absent("k", text("x"))).collect();
        let wins = run(&world, async {
            let mut wins = 0;
            for put in puts {
                wins += u32::from(put.await.is_ok());
            }
            wins
        });
        assert_eq!(wins, 1, "seed {seed}");
    }
}

#[test]
fn a_timeout_says_nothing_about_the_outcome() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..30 {
        let (world, node) = world_with_node(seed);
        world.set_objects(ObjectSettings { timeout_per_mille: 1_000, ..Default::default() });
        let put = world.host(node).objects().put("key", text("x"));
        assert_eq!(run(&world, put), Err(ObjectError::Timeout));
        assert_eq!(world.now_ns(), 1_000_000_000);
        assert_eq!(world.fault_counts()["object.timeout"], 1);
        outcomes.insert(world.objects_len());
    }
    assert_eq!(outcomes, BTreeSet::from([0, 1]));
}

#[test]
fn slow_down_means_that_nothing_happened() {
    let (world, node) = world_with_node(2);
    world.set_objects(ObjectSettings { slow_down_per_mille: 500, ..Default::default() });
    let objects = world.host(node).objects();
    let mut accepted = 0;
    for turn in 0..100 {
        match run(&world, objects.put(&format!("{turn}"), text("x"))) {
            Ok(()) => accepted += 1,
            Err(error) => assert_eq!(error, ObjectError::SlowDown),
        }
    }
    assert_eq!(world.objects_len(), accepted);
    assert_eq!(world.fault_counts()["object.slow_down"], 100 - accepted as u64);
    assert!((30..70).contains(&accepted));
}

#[test]
fn a_request_goes_on_without_its_caller() {
    let (world, node) = world_with_node(3);
    drop(world.host(node).objects().put("key", text("x")));
    world.crash(node);
    assert_eq!(world.objects_len(), 0);
    let driver = world.driver();
    run(&world, async move { driver.sleep(100_000_000).await });
    assert_eq!(world.objects_len(), 1);
}

#[test]
fn at_most_64_requests_are_under_way() {
    let (world, node) = world_with_node(4);
    // All puts take the same time, so those that had to wait end a whole put later.
    let put_ns = 30_000_000..30_000_001;
    world.set_objects(ObjectSettings { put_ns, ..Default::default() });
    let objects = world.host(node).objects();
    let max = OBJECT_REQUESTS_IN_FLIGHT_MAX;
    for it in 0..2 * max + 1 {
        drop(objects.put(&format!("{it:03}"), text("x")));
    }
    let driver = world.driver();
    run(&world, async move { driver.sleep(30_000_000).await });
    // The next 64 may have taken effect at once, but no more, and those in order.
    assert!((max..2 * max).contains(&world.objects_len()), "{}", world.objects_len());
    assert!((0..max).all(|it| world.peek_object(&format!("{it:03}")).is_some()));
    assert_eq!(world.peek_object(&format!("{:03}", 2 * max)), None);
    let driver = world.driver();
    run(&world, async move { driver.sleep(60_000_000).await });
    assert_eq!(world.objects_len(), 2 * max + 1);
}

#[test]
fn requests_that_wait_die_with_their_host() {
    let (world, node) = world_with_node(5);
    let objects = world.host(node).objects();
    for it in 0..100 {
        drop(objects.put(&format!("{it:03}"), text("x")));
    }
    world.restart(node);
    let after = world.host(node).objects().put("after", text("x"));
    run(&world, after).expect("the new process has all its requests to itself");
    let driver = world.driver();
    run(&world, async move { driver.sleep(1_000_000_000).await });
    assert_eq!(world.objects_len(), OBJECT_REQUESTS_IN_FLIGHT_MAX + 1);
}
