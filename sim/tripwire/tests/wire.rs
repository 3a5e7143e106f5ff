//! Every way to the machine is named with its line; nothing else is.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "what is to be found")]

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use stillpoint_sim::{Tape, World};
use stillpoint_tripwire::{Scope, Sighting, What, watch};

/// Runs `act` in the program of a simulated host and gives what the wire saw.
fn in_a_program(act: fn()) -> Vec<Sighting> {
    watch(Scope::Programs, || in_a_world(act)).1
}

fn in_a_world(act: fn()) {
    let world = World::new(Tape::new(1));
    let node = world.add_host("node", "zone");
    world.boot(node, move |host| async move {
        host.sleep(1_000).await;
        act();
        host.send(stillpoint_sim::HostId::DRIVER, Bytes::from_static(b"done"));
    });
    let driver = world.driver();
    let answer = world.run(1_000_000_000, async move { driver.receive().await });
    assert!(answer.is_ok(), "the program ran to its end: {:?}", world.panics());
}

/// Keeps the compiler from leaving out what nobody reads.
fn ignore<T>(value: T) {
    black_box(value);
}

/// Asserts that there was one sighting, at `line` of this file.
#[track_caller]
fn assert_named(seen: &[Sighting], what: What, line: u32) {
    let [seen] = seen else { panic!("one sighting was expected: {seen:?}") };
    assert_eq!(seen.what, what);
    assert_eq!(seen.place, format!("sim/tripwire/tests/wire.rs:{line}"), "{seen}");
    assert!(seen.to_string().contains(&seen.function), "{seen}");
}

#[test]
fn a_map_with_the_default_hasher() {
    let seen = in_a_program(|| ignore(HashMap::<u8, u8>::new()));
    assert_named(&seen, What::DefaultHasher, line!() - 1);
}

#[test]
fn clocks() {
    let seen = in_a_program(|| ignore(Instant::now()));
    assert_named(&seen, What::MonotonicClock, line!() - 1);
    let seen = in_a_program(|| ignore(SystemTime::now()));
    assert_named(&seen, What::WallClock, line!() - 1);
}

#[test]
fn a_thread() {
    let seen = in_a_program(|| drop(std::thread::spawn(|| ())));
    assert_named(&seen, What::Thread, line!() - 1);
}

#[test]
fn random_bytes_through_the_c_library_and_past_it() {
    let seen = in_a_program(|| getrandom::fill(&mut [0; 8]).expect("the system has some"));
    assert_named(&seen, What::RandomBytes, line!() - 1);
    let seen = in_a_program(|| getrandom_by_syscall::getrandom(&mut [0; 8]).expect("as above"));
    assert_named(&seen, What::RandomBytes, line!() - 1);
}

#[test]
fn a_file() {
    let seen = in_a_program(|| drop(std::fs::File::open("/dev/urandom")));
    assert_named(&seen, What::File("/dev/urandom".to_string()), line!() - 1);
}

/// Uses everything that the tests above use.
fn everything() {
    black_box((HashMap::<u8, u8>::new(), Instant::now(), SystemTime::now()));
    std::thread::spawn(|| ()).join().expect("it does nothing");
    getrandom::fill(&mut [0; 8]).expect("the system has some");
    getrandom_by_syscall::getrandom(&mut [0; 8]).expect("the system has some");
    drop(std::fs::File::open("/dev/urandom"));
}

#[test]
fn what_is_done_outside_the_watched_code_is_nobodys_business() {
    everything();
    let around = || {
        everything();
        in_a_world(|| ());
        everything();
    };
    assert_eq!(watch(Scope::Programs, around).1, []);
    everything();
    assert_eq!(watch(Scope::Everything, || in_a_world(|| ())).1, [], "the world itself");
    assert_eq!(watch(Scope::Everything, everything).1.len(), 7, "each once");
}

#[test]
fn a_world_within_a_program_is_watched_and_so_is_what_follows_it() {
    let seen = in_a_program(|| {
        in_a_world(|| ignore(Instant::now()));
        _ = black_box(SystemTime::now());
    });
    let (first, then) = seen.split_at(1);
    assert_named(first, What::MonotonicClock, line!() - 4);
    assert_named(then, What::WallClock, line!() - 4);
}

#[test]
fn a_watch_within_a_watch_keeps_its_sightings_and_its_thread_to_itself() {
    let (inner, outer) = watch(Scope::Everything, || {
        let inner = watch(Scope::Everything, || ignore(Instant::now())).1;
        black_box(SystemTime::now());
        inner
    });
    assert_named(&inner, What::MonotonicClock, line!() - 4);
    assert_named(&outer, What::WallClock, line!() - 4);
}

#[test]
fn a_place_is_named_once_however_often_it_is_passed() {
    let seen = in_a_program(|| (0..1_000).for_each(|_| ignore(Instant::now())));
    assert_named(&seen, What::MonotonicClock, line!() - 1);
}

#[test]
fn every_world_has_its_first_map_seen() {
    for _ in 0..2 {
        let seen = in_a_program(|| ignore(HashMap::<u8, u8>::new()));
        assert_named(&seen, What::DefaultHasher, line!() - 1);
    }
}
