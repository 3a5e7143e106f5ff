//! An object store that turns requests away, is away itself, shows the past, or holds and gives
//! something else than it was given.

use std::collections::BTreeSet;

use bytes::Bytes;
use stillpoint_sim::{
    HostId, ObjectError, ObjectFaults, ObjectOutage, ObjectSettings, ObjectStore, World,
};

use crate::{LIMIT_NS, idle_node, world_with_node};

type Result<T> = std::result::Result<T, ObjectError>;

fn run<T>(world: &World, request: impl Future<Output = T>) -> T {
    world.run(LIMIT_NS, request).expect("it ends")
}

fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn count(world: &World, fault: &str) -> u64 {
    world.fault_counts().get(fault).copied().unwrap_or(0)
}

fn sleep(world: &World, ns: u64) {
    let driver = world.driver();
    run(world, async move { driver.sleep(ns).await });
}

fn with_objects(seed: u64) -> (World, HostId, ObjectStore) {
    let (world, node) = world_with_node(seed);
    let objects = world.host(node).objects();
    (world, node, objects)
}

fn put_all(world: &World, objects: &ObjectStore, keys: &[&str], body: &Bytes) {
    for key in keys {
        run(world, objects.put(key, body.clone())).expect("nothing fails");
    }
}

#[test]
fn a_burst_turns_all_requests_of_a_host_away_until_it_is_over() {
    let (world, _, objects) = with_objects(1);
    let other = idle_node(&world, "node-2", "zone-b");
    let bursts = ObjectFaults {
        burst_per_mille: 1_000,
        burst_ns: 2_000_000_000..2_000_000_001,
        ..ObjectFaults::NONE
    };
    world.set_object_faults(bursts);
    assert_eq!(run(&world, objects.put("key", text("x"))), Err(ObjectError::SlowDown));
    world.set_object_faults(ObjectFaults::NONE);
    run(&world, world.host(other).objects().put("other", text("x"))).expect("it is another's");
    let mut turned_away = 1;
    while run(&world, objects.put("key", text("x"))) == Err(ObjectError::SlowDown) {
        turned_away += 1;
    }
    // The put that got through was sent when the burst was over, and took 80 ms at most.
    assert!((2_000_000_000..2_080_000_000 + 80_000_000).contains(&world.now_ns()));
    assert!(turned_away > 20);
    assert_eq!(count(&world, "object.throttled"), turned_away);
    assert_eq!(count(&world, "object.slow_down"), 0);
}

#[test]
fn a_throttled_prefix_leaves_the_others_alone() {
    let (world, _, objects) = with_objects(1);
    world.throttle_objects("a/", 1_000_000_000);
    for turned_away in
        [run(&world, objects.put("a/1", text("x"))), run(&world, objects.delete("a/"))]
    {
        assert_eq!(turned_away, Err(ObjectError::SlowDown));
    }
    assert_eq!(run(&world, objects.list("a/")), Err(ObjectError::SlowDown));
    assert_eq!(run(&world, objects.list("a")), Ok(vec![]));
    assert_eq!(run(&world, objects.put("b/1", text("x"))), Ok(()));
    assert_eq!(count(&world, "object.prefix_throttled"), 3);
    sleep(&world, 1_000_000_000);
    assert_eq!(run(&world, objects.put("a/1", text("x"))), Ok(()));
}

#[test]
fn a_store_that_is_away_refuses_at_once_or_is_silent() {
    let expected = [
        (ObjectOutage::Refused, ObjectError::Refused, 500_000, "object.refused"),
        (ObjectOutage::Silent, ObjectError::Timeout, 1_000_000_000, "object.silent"),
    ];
    for (outage, error, after_ns, fault) in expected {
        let (world, _, objects) = with_objects(1);
        world.set_objects_down(Some(outage));
        assert_eq!(run(&world, objects.put("key", text("x"))), Err(error));
        assert_eq!((world.now_ns(), count(&world, fault)), (after_ns, 1));
        world.set_objects_down(None);
        sleep(&world, 2_000_000_000);
        assert_eq!(world.objects_len(), 0, "it never had an effect");
        assert_eq!(run(&world, objects.put("key", text("x"))), Ok(()));
    }
}

#[test]
fn what_is_under_way_when_the_store_goes_away_may_have_happened() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..40 {
        let (world, _, objects) = with_objects(seed);
        let put = objects.put("key", text("x"));
        sleep(&world, 10_000_000);
        let happened = world.objects_len();
        world.set_objects_down(Some(ObjectOutage::Refused));
        assert_eq!(run(&world, put), Err(ObjectError::Timeout));
        assert_eq!(world.objects_len(), happened, "nothing happens while it is away");
        assert_eq!(count(&world, "object.broken_off"), 1);
        outcomes.insert(happened);
    }
    assert_eq!(outcomes, BTreeSet::from([0, 1]));
}

#[test]
fn a_stale_listing_shows_what_was_there() {
    let (world, _, objects) = with_objects(1);
    let old_ns = 5_000_000_000;
    let stale = ObjectFaults {
        stale_list_per_mille: 1_000,
        stale_list_ns: old_ns..old_ns + 1,
        ..ObjectFaults::NONE
    };
    world.set_object_faults(stale);
    let list = |expected: &[&str]| {
        assert_eq!(run(&world, objects.list("")).expect("it answers"), expected);
    };
    put_all(&world, &objects, &["a", "b"], &text("x"));
    list(&[]);
    sleep(&world, old_ns);
    list(&["a", "b"]);
    assert_eq!(count(&world, "object.stale_list"), 1, "this one is old, but not wrong");
    run(&world, objects.delete("a")).expect("nothing fails");
    put_all(&world, &objects, &["b", "c"], &text("y"));
    list(&["a", "b"]);
    assert_eq!(run(&world, objects.list("c")), Ok(vec![]));
    assert_eq!(run(&world, objects.get("c")), Ok(text("y")), "gets show the present");
    sleep(&world, 2 * old_ns);
    list(&["b", "c"]);
    world.set_object_faults(ObjectFaults::NONE);
    run(&world, objects.delete("b")).expect("nothing fails");
    list(&["c"]);
    assert_eq!(count(&world, "object.stale_list"), 3);
}

#[test]
fn a_get_gives_less_or_other_bytes_and_the_next_one_may_be_right() {
    let (world, _, objects) = with_objects(1);
    let body = text("0123456789");
    put_all(&world, &objects, &["key", "empty"], &body);
    put_all(&world, &objects, &["empty"], &Bytes::new());
    let (mut shorter, mut other, mut right) = (0, 0, 0);
    world.set_object_faults(ObjectFaults {
        truncated_get_per_mille: 300,
        corrupted_get_per_mille: 300,
        ..ObjectFaults::NONE
    });
    for _ in 0..200 {
        let got = run(&world, objects.get("key")).expect("it answers");
        let bits = |(a, b): (&u8, &u8)| (a ^ b).count_ones();
        let flips: u32 = got.iter().zip(&body).map(bits).sum();
        assert!(flips <= 1);
        shorter += u64::from(got.len() < body.len());
        other += u64::from(flips == 1);
        right += u64::from(got == body);
        assert_eq!(run(&world, objects.get("empty")), Ok(Bytes::new()));
    }
    assert!(shorter > 30 && other > 30 && right > 50);
    assert_eq!(count(&world, "object.truncated_get"), shorter);
    assert_eq!(count(&world, "object.corrupted_get"), other);
    assert_eq!(world.peek_object("key"), Some(body), "at rest all is well");
}

#[test]
fn objects_are_lost_cut_off_and_rot_by_name() {
    let (world, _, objects) = with_objects(1);
    put_all(&world, &objects, &["a", "b", "c"], &text("body"));
    assert!(world.lose_object("a") && !world.lose_object("a"));
    assert_eq!(run(&world, objects.get("a")), Err(ObjectError::NotFound));
    assert!(world.truncate_object("b", 2) && !world.truncate_object("b", 2));
    assert_eq!(run(&world, objects.get("b")), Ok(text("bo")));
    assert_eq!((world.rot_object("c", 1), world.rot_object("gone", 1)), (1, 0));
    let rotten = run(&world, objects.get("c")).expect("it is there");
    let bits: u32 = rotten.iter().zip(b"body").map(|(a, b)| (a ^ b).count_ones()).sum();
    assert_eq!(bits, 1);
    let counts = ["object.lost", "object.truncated", "object.bit_rot"].map(|it| count(&world, it));
    assert_eq!(counts, [1, 1, 1]);
}

#[test]
fn victims_are_drawn_under_a_prefix() {
    let mut lost = BTreeSet::new();
    for seed in 0..30 {
        let (world, _, objects) = with_objects(seed);
        put_all(&world, &objects, &["a/1", "a/2", "b/1"], &text("body"));
        put_all(&world, &objects, &["c/empty"], &Bytes::new());
        assert_eq!((world.rot_any_object("a/", 3), world.rot_any_object("c/", 3)), (3, 0));
        assert_eq!(world.truncate_any_object("a/", 1), 1);
        assert_eq!(world.truncate_any_object("c/", 3), 0);
        assert_eq!(world.peek_object("b/1"), Some(text("body")));
        assert_eq!((world.lose_any_object("a/", 1), world.lose_any_object("d/", 1)), (1, 0));
        lost.extend(["a/1", "a/2", "b/1"].into_iter().filter(|it| world.peek_object(it).is_none()));
        assert_eq!(world.lose_any_object("a/", 9), 1, "there was one more");
    }
    assert_eq!(lost, BTreeSet::from(["a/1", "a/2"]));
}

#[test]
fn a_deleted_object_comes_back_where_it_was_kept() {
    let (world, _, objects) = with_objects(1);
    put_all(&world, &objects, &["early", "late"], &text("body"));
    run(&world, objects.delete("early")).expect("nothing fails");
    world.set_object_faults(ObjectFaults { keeps_deleted: true, ..ObjectFaults::NONE });
    run(&world, objects.delete("late")).expect("nothing fails");
    assert!(!world.undelete_object("early") && world.undelete_object("late"));
    assert!(!world.undelete_object("late"), "it is there");
    assert_eq!(run(&world, objects.get("late")), Ok(text("body")));
    assert_eq!(count(&world, "object.undeleted"), 1);
}

#[test]
fn all_objects_are_as_they_were() {
    let (world, _, objects) = with_objects(1);
    put_all(&world, &objects, &["a", "b"], &text("old"));
    let before = world.objects_snapshot();
    put_all(&world, &objects, &["b", "c"], &text("new"));
    run(&world, objects.delete("a")).expect("nothing fails");
    world.restore_objects(&before);
    assert_eq!(run(&world, objects.list("")), Ok(before.keys()));
    assert_eq!(before.keys(), ["a", "b"]);
    assert_eq!(run(&world, objects.get("b")), Ok(text("old")));
    put_all(&world, &objects, &["b"], &text("newer"));
    assert_eq!(before.get("b"), Some(text("old")), "a snapshot stays what it is");
}

#[test]
fn an_object_in_parts_appears_when_it_is_complete() {
    let (world, _, objects) = with_objects(1);
    let upload = run(&world, objects.create_upload("key")).expect("nothing fails");
    let part = |number, body: &str| run(&world, objects.upload_part(&upload, number, text(body)));
    assert_eq!([part(2, "world"), part(1, "hallo "), part(1, "hello ")], [Ok(()); 3]);
    assert_eq!(part(7, "unused"), Ok(()));
    assert_eq!(run(&world, objects.get("key")), Err(ObjectError::NotFound));
    assert_eq!(world.object_uploads_bytes(), 17);
    let complete =
        |parts: &[u32]| -> Result<()> { run(&world, objects.complete_upload(&upload, parts)) };
    assert_eq!(complete(&[1, 2, 3]), Err(ObjectError::NotFound), "there is no part 3");
    assert_eq!(complete(&[1, 2]), Ok(()));
    assert_eq!(run(&world, objects.get("key")), Ok(text("hello world")));
    assert_eq!((complete(&[1, 2]), part(1, "x")), {
        let over = Err(ObjectError::NotFound);
        (over, over)
    });
    assert_eq!(world.object_uploads_bytes(), 0);
}

#[test]
fn an_upload_that_is_abandoned_stays_and_is_listed() {
    let (world, node, objects) = with_objects(1);
    for key in ["b", "a", "b"] {
        let upload = run(&world, objects.create_upload(key)).expect("nothing fails");
        run(&world, objects.upload_part(&upload, 1, text("part"))).expect("nothing fails");
    }
    world.restart(node);
    let objects = world.host(node).objects();
    let uploads = run(&world, objects.list_uploads("")).expect("nothing fails");
    assert_eq!(uploads.iter().map(|it| it.key()).collect::<Vec<_>>(), ["a", "b", "b"]);
    assert_eq!(run(&world, objects.list_uploads("b")), Ok(uploads[1..].to_vec()));
    assert_eq!(world.object_uploads_bytes(), 12);
    for upload in &uploads {
        assert_eq!(run(&world, objects.abort_upload(upload)), Ok(()));
    }
    assert_eq!((world.object_uploads_bytes(), world.objects_len()), (0, 0));
}

#[test]
fn a_put_that_breaks_off_leaves_nothing_or_all() {
    let mut left = BTreeSet::new();
    for seed in 0..30 {
        let (world, _, objects) = with_objects(seed);
        put_all(&world, &objects, &["key"], &text("old"));
        world.set_objects(ObjectSettings { timeout_per_mille: 1_000, ..Default::default() });
        assert_eq!(run(&world, objects.put("key", text("new"))), Err(ObjectError::Timeout));
        left.insert(world.peek_object("key").expect("one of the two"));
    }
    assert_eq!(left, BTreeSet::from([text("old"), text("new")]));
}

#[test]
fn turning_one_fault_on_shifts_no_other() {
    /// When and how each of some gets ended.
    fn gets(faults: ObjectFaults) -> Vec<(u64, Option<ObjectError>)> {
        let (world, _, objects) = with_objects(7);
        put_all(&world, &objects, &["key"], &text("0123456789"));
        world.set_objects(ObjectSettings { slow_down_per_mille: 200, ..Default::default() });
        world.set_object_faults(faults);
        let mut seen = Vec::new();
        for _ in 0..100 {
            let got = run(&world, objects.get("key"));
            seen.push((world.now_ns(), got.err()));
        }
        seen
    }
    let with_others = ObjectFaults {
        corrupted_get_per_mille: 300,
        truncated_get_per_mille: 300,
        stale_list_per_mille: 300,
        keeps_deleted: true,
        ..ObjectFaults::NONE
    };
    assert_eq!(gets(ObjectFaults::NONE), gets(with_others));
}
