//! What a newcomer does wrong, and that the world says what to do instead.

use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Waker};

use bytes::Bytes;
use stillpoint_sim::{Fault, HostId, Plan, RunError, Strike, Tape, Whom, World};

use crate::{LIMIT_NS, idle_node, world_with_node};

/// With what message this panics.
fn message<T>(wrong: impl FnOnce() -> T) -> String {
    let panic = catch_unwind(AssertUnwindSafe(wrong)).err().expect("it is wrong");
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).expect("it has a text")
}

/// With what message a future panics that somebody else's executor polls.
fn polled(future: impl Future) -> String {
    let mut future = pin!(future);
    message(|| future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready())
}

#[track_caller]
fn assert_says(message: &str, parts: &[&str]) {
    let missing = parts.iter().find(|it| !message.contains(**it));
    assert!(missing.is_none(), "not said: {missing:?}\n{message}");
}

#[test]
fn a_host_that_runs_is_not_booted_again() {
    let (world, node) = world_with_node(1);
    let said = message(|| world.boot(node, |_| pending()));
    assert_says(&said, &["`node-1` is running already", "`restart` it", "`restart_with`"]);
}

#[test]
fn a_host_that_was_never_booted_cannot_be_restarted() {
    let world = World::new(Tape::new(1));
    let node = world.add_host("node-1", "zone-a");
    let said = message(|| world.restart(node));
    assert_says(&said, &["`node-1` was never booted", "`boot` before `restart`"]);
}

#[test]
fn names_of_hosts_are_unique_and_without_separators() {
    let world = World::new(Tape::new(1));
    world.add_host("node-1", "zone-a");
    let twice = message(|| world.add_host("node-1", "zone-b"));
    assert_says(&twice, &["called `node-1` already", "a name of its own"]);
    let parted = message(|| world.add_host("zone-a/node", "zone-a"));
    assert_says(&parted, &["`zone-a/node` cannot be the name of a host", "`/` and `>`"]);
    for name in ["", "node 1", "node\t1", "node[1]", "node*", "node'1"] {
        let unread = message(|| world.add_host(name, "zone-a"));
        assert_says(&unread, &[&format!("`{name}` cannot be the name of a host"), "a tape"]);
    }
}

#[test]
fn a_host_of_another_world_is_not_known() {
    let (world, _) = world_with_node(1);
    for wrong in [
        message(|| world.host(HostId(7))),
        message(|| world.crash(HostId(7))),
        message(|| world.boot(HostId(7), |_| pending())),
    ] {
        assert_says(&wrong, &["no host 7 in this world", "2 with the driver's", "another world"]);
    }
}

#[test]
fn the_driver_can_neither_boot_nor_crash() {
    let (world, _) = world_with_node(1);
    assert_says(&message(|| world.crash(HostId::DRIVER)), &["the driver stands outside"]);
    assert_says(&message(|| world.boot(HostId::DRIVER, |_| pending())), &["stands outside"]);
}

#[test]
fn futures_of_a_world_are_awaited_in_a_run() {
    let (world, node) = world_with_node(1);
    let (driver, disk) = (world.driver(), world.host(node).disk());
    for said in [polled(driver.sleep(1)), polled(driver.receive()), polled(disk.create("file"))] {
        assert_says(&said, &["awaited outside of a run", "`World::run(limit_ns", "tokio::test"]);
    }
}

#[test]
fn a_driver_that_waits_in_vain_is_told_where_to_ask() {
    let (world, _) = world_with_node(1);
    let driver = world.driver();
    let vain = world.run(LIMIT_NS, async move { driver.receive().await }).expect_err("no mail");
    assert_eq!(vain, RunError::Deadlock);
    assert_says(&vain.to_string(), &["the driver still waits", "`World::waiting`"]);
    let driver = world.driver();
    let slow = world.run(10, async move { driver.sleep(11).await }).expect_err("too long");
    assert_eq!(slow, RunError::TimeLimit);
    assert_says(&slow.to_string(), &["time allowed is over", "`World::within`"]);
    let asking = world.clone();
    let vain = async move { asking.within(5, "the answer", asking.driver().receive()).await };
    let stuck = world.run(LIMIT_NS, vain).expect("it ends").expect_err("no mail");
    assert_says(&stuck.to_string(), &["the answer was not done within 0 ms"]);
}

#[test]
fn tasks_that_never_let_time_pass_are_told_to_sleep() {
    let (world, node) = world_with_node(1);
    let driver = world.driver();
    world.restart_with(node, |host| async move {
        loop {
            host.sleep(0).await;
        }
    });
    let run = world.run(LIMIT_NS, async move { driver.sleep(10).await });
    assert_says(&run.expect_err("it hangs").to_string(), &["time stands still", "`sleep`"]);
}

#[test]
fn draws_from_nothing_name_their_dice() {
    let world = World::new(Tape::new(1));
    let dice = world.dice("client/keys");
    let said = message(|| dice.range(5..5));
    assert_says(&said, &["`client/keys` draws from the empty range 5..5"]);
    let nothing: [u8; 0] = [];
    assert_says(&message(|| dice.pick(&nothing)), &["`client/keys` picks one of no items"]);
    assert_says(&message(|| dice.chance(1, 0)), &["`client/keys` asks for a chance of 1 in"]);
}

#[test]
fn a_tape_of_other_code_is_told_by_its_names() {
    let tape: Tape = "1 mute=node-7/* set=node-1/net.los[0]:1".parse().expect("a tape");
    let world = World::new(tape);
    idle_node(&world, "node-1", "zone-a");
    let fit = world.tape_fit();
    assert!(!fit.is_whole());
    assert_says(&fit.to_string(), &["does not know: node-1/net.los", "fit none: node-7/*"]);
}

#[test]
fn faults_are_for_machines_or_for_the_store() {
    let (world, node) = world_with_node(1);
    let nobody = message(|| world.inject(&Fault::Crash, &[]));
    assert_says(&nobody, &["`Crash` strikes machines, but got none"]);
    let rot = Fault::ObjectsRotten { prefix: String::new(), n: 1 };
    let both = message(|| world.inject(&rot, &[node]));
    assert_says(&both, &["strikes the object store, no machine"]);
    let by_phase = Strike::on(Whom::Everyone, Fault::Crash).before("backup", 1, 5);
    let unsettled = world.carry_out(&Plan::of([by_phase])).expect_err("it goes by a phase");
    assert_says(&unsettled.to_string(), &["strike 0", "`backup`", "`Plan::settle`"]);
}

#[test]
fn a_restart_while_paused_ends_the_pause() {
    let (world, node) = world_with_node(1);
    world.restart_with(node, |host| async move {
        let (from, mail) = host.receive().await;
        host.send(from, mail);
    });
    world.pause(node);
    world.restart(node);
    let driver = world.driver();
    let answer = world.run(LIMIT_NS, async move {
        driver.send(node, Bytes::from_static(b"hello"));
        driver.receive().await.1
    });
    assert_eq!(answer, Ok(Bytes::from_static(b"hello")));
}
