//! What is asked of a store is done in time, or the world says why not.

use stillpoint_sim::{Fault, HostId, Stuck, Tape, World};

use super::store::{Client, replica};

/// Two replicas of three are cut off for good. They are no majority with a third that is well.
fn put_without_a_majority() -> Stuck {
    let world = World::new(Tape::new(7));
    let replicas = ["replica-a", "replica-b", "replica-c"].map(|it| world.add_host(it, "zone"));
    replicas.iter().for_each(|it| world.boot(*it, replica));
    let away: &[HostId] = &replicas[..2];
    world.inject(&Fault::CutOff, away).for_good();
    world.heal_for_good(&replicas[2..]);
    let mut client = Client { host: world.driver(), replicas, requests: 0 };
    let put = world.within(2_000_000_000, "a put", client.put("x", "1".to_string()));
    *world.run(60_000_000_000, put).expect("it comes to its end").expect_err("nobody hears it")
}

#[test]
fn a_put_without_a_majority_is_stuck() {
    println!("{}", put_without_a_majority());
}
