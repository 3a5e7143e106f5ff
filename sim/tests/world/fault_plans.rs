//! Faults as data: what each does and what lifting undoes; plans, phases, budgets, swarms.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use bytes::Bytes;
use proptest::prelude::*;
use stillpoint_sim::{
    Budget, Buggify, DiskFaults, DiskSettings, Expectation, Fault, FaultKind, Host, HostId,
    ObjectOutage, ObjectSettings, Plan, Strike, Swarm, Tape, When, Whom, World, strategy,
};

use super::{LIMIT_NS, fault};

pub(super) const MS: u64 = 1_000_000;

/// A machine that puts an entry into its log every ten milliseconds, and says so at a point.
async fn log_now_and_then(host: Host) {
    // A disk that is full or read-only at the start may be well later.
    let file = loop {
        if let Ok(file) = host.disk().open("log").await {
            break file;
        }
        host.disk().create("log").await.ok();
        host.disk().sync_dir("").await.ok();
        host.sleep(10 * MS).await;
    };
    for n in 0.. {
        host.point("log.begin", n);
        let written = file.append(Bytes::from(vec![7; 600])).await.is_ok();
        if written && file.sync().await.is_ok() {
            host.point("log.end", n);
        }
        host.objects().put(&format!("{}/{n}", host.name()), Bytes::from_static(b"abc")).await.ok();
        host.sleep(10 * MS).await;
    }
}

/// Two machines in each of three zones, at work.
pub(super) fn busy_world(tape: &Tape) -> (World, Vec<HostId>) {
    let world = World::new(tape.clone());
    let add = |n: usize| {
        let host = world.add_host(&format!("node-{n}"), ["zone-a", "zone-b", "zone-c"][n % 3]);
        world.boot(host, log_now_and_then);
        host
    };
    let hosts = (0..6).map(add).collect();
    world.name_phases(&[("log.begin", Some("log")), ("log.end", None)]);
    (world, hosts)
}

pub(super) fn run_for(world: &World, ns: u64) {
    let driver = world.driver();
    world.run(LIMIT_NS, async move { driver.sleep(ns).await }).expect("the driver only sleeps");
}

/// Everything that a fault can set of machines and store.
fn settings_of(world: &World, hosts: &[HostId]) -> String {
    let of = |it: &HostId| {
        let (up, read_only) = (world.is_up(*it), world.is_disk_read_only(*it));
        let settings = (world.disk_settings(*it), world.disk_faults(*it), world.disk_capacity(*it));
        format!("{up} {read_only} {settings:?}\n")
    };
    let machines: String = hosts.iter().map(of).collect();
    let store = (world.objects(), world.object_faults(), world.object_outage());
    format!("{machines}{store:?} {:?}", world.faults_active())
}

/// By how much the wall clock of each machine is ahead of the driver's, which is right, in
/// milliseconds.
pub(super) fn ahead_ms(world: &World, hosts: &[HostId]) -> Vec<i64> {
    let right_ms = world.driver().wall_ms();
    hosts.iter().map(|it| world.host(*it).wall_ms().wrapping_sub(right_ms) as i64).collect()
}

/// How far the monotonic clock of each machine goes on in a second, beyond a second.
pub(super) fn gained_ns(world: &World, hosts: &[HostId]) -> Vec<i64> {
    let shown = || hosts.iter().map(|it| world.host(*it).now_ns()).collect::<Vec<u64>>();
    let before = shown();
    run_for(world, 1_000 * MS);
    let gained = |(then, now): (&u64, u64)| (now - then) as i64 - 1_000_000_000;
    before.iter().zip(shown()).map(gained).collect()
}

/// Whether a datagram gets from one machine to another.
pub(super) fn reaches(world: &World, from: HostId, to: HostId) -> bool {
    let (sender, receiver) = (world.host(from), world.host(to));
    let driver = world.driver();
    let answer = world.run(50 * MS, async move {
        driver.sleep(1).await;
        sender.send(to, Bytes::from_static(b"hello"));
        receiver.receive().await
    });
    answer.is_ok()
}

#[test]
fn every_kind_of_fault_shows_and_is_undone_when_it_is_lifted() {
    for kind in FaultKind::ALL {
        let (world, hosts) = busy_world(&Tape::new(3));
        run_for(&world, 50 * MS);
        let before = settings_of(&world, &hosts);
        let dice = world.dice("test/fault");
        let injected = kind.draw(&dice);
        let whom: &[HostId] = if injected.is_of_store() { &[] } else { &hosts[1..3] };
        let told = world.events_count();
        let counted = world.fault_counts();
        let guard = world.inject(&injected, whom);
        let shows = settings_of(&world, &hosts) != before
            || world.events_count() > told
            || world.fault_counts() != counted;
        assert!(shows, "nothing is to be seen of {injected:?}");
        assert_eq!(world.faults_active().len(), usize::from(injected.lasts()), "{injected:?}");
        run_for(&world, 500 * MS);
        guard.lift();
        assert_eq!(settings_of(&world, &hosts), before, "{injected:?} is not undone");
    }
}

#[test]
fn machines_that_are_cut_off_talk_among_themselves() {
    let (world, hosts) = busy_world(&Tape::new(1));
    let cut = world.inject(&Fault::CutOff, &hosts[..2]);
    assert!(reaches(&world, hosts[0], hosts[1]));
    assert!(!reaches(&world, hosts[0], hosts[2]) && !reaches(&world, hosts[2], hosts[0]));
    drop(cut);
    assert!(reaches(&world, hosts[0], hosts[2]));
    let deaf = world.inject(&Fault::Deaf, &hosts[..1]);
    assert!(reaches(&world, hosts[0], hosts[2]) && !reaches(&world, hosts[2], hosts[0]));
    drop(deaf);
    let mute = world.inject(&Fault::Mute, &hosts[..1]);
    assert!(!reaches(&world, hosts[0], hosts[2]) && reaches(&world, hosts[2], hosts[0]));
    mute.lift();
    assert!(reaches(&world, hosts[0], hosts[2]));
}

#[test]
fn faults_that_overlap_are_lifted_one_by_one() {
    let (world, hosts) = busy_world(&Tape::new(1));
    let node = [hosts[0]];
    let (first, second) = (world.inject(&Fault::Crash, &node), world.inject(&Fault::Crash, &node));
    drop(first);
    assert!(!world.is_up(node[0]), "the second still keeps it down");
    drop(second);
    assert!(world.is_up(node[0]));
    let usual = world.disk_settings(node[0]);
    let slow = world.inject(&Fault::SlowDisk { times: 3 }, &node);
    let slower = world.inject(&Fault::SlowDisk { times: 5 }, &node);
    assert_eq!(world.disk_settings(node[0]).sync_ns.start, usual.sync_ns.start * 15);
    drop(slow);
    assert_eq!(world.disk_settings(node[0]).sync_ns.start, usual.sync_ns.start * 5);
    drop(slower);
    assert_eq!(world.disk_settings(node[0]), usual);
    let busy =
        |per_mille| Fault::StoreBusy { slow_down_per_mille: per_mille, timeout_per_mille: 0 };
    let (worse, _milder) = (world.inject(&busy(500), &[]), world.inject(&busy(20), &[]));
    assert_eq!(world.objects().slow_down_per_mille, 500);
    drop(worse);
    assert_eq!(world.objects().slow_down_per_mille, 20);
}

#[test]
fn a_machine_that_is_set_back_forgets_what_it_did_since() {
    let (world, hosts) = busy_world(&Tape::new(5));
    run_for(&world, 100 * MS);
    let len = || world.peek_file(hosts[0], "log").map_or(0, |it| it.len());
    let then = len();
    let guard = world.inject(&Fault::SetBack, &hosts[..1]);
    run_for(&world, 100 * MS);
    assert!(len() > then);
    drop(guard);
    assert_eq!(len(), then);
    assert_eq!(fault(&world, "disk.restored"), 1);
    let wiped = world.inject(&Fault::Wiped, &hosts[..1]);
    assert_eq!((len(), world.is_up(hosts[0])), (0, false));
    drop(wiped);
    assert!(world.is_up(hosts[0]));
}

#[test]
fn a_fault_that_lasts_for_good_outlives_its_guard() {
    let (world, hosts) = busy_world(&Tape::new(1));
    world.inject(&Fault::Crash, &hosts[..1]).for_good();
    world.inject(&Fault::Crash, &hosts[1..2]).for_ns(20 * MS);
    run_for(&world, 10 * MS);
    assert!(!world.is_up(hosts[1]));
    run_for(&world, 20 * MS);
    assert!(world.is_up(hosts[1]) && !world.is_up(hosts[0]));
}

/// The times at which strikes came and went, in milliseconds, with their phases.
fn struck_ms(world: &World) -> Vec<(u64, Option<u64>, Option<&'static str>)> {
    let ms = |ns: u64| ns / MS;
    world.struck().iter().map(|it| (ms(it.at_ns), it.lifted_ns.map(ms), it.phase)).collect()
}

#[test]
fn a_plan_strikes_at_its_points_and_times() {
    let (world, hosts) = busy_world(&Tape::new(2));
    let told: Rc<RefCell<Vec<String>>> = Rc::default();
    let telling = Rc::clone(&told);
    world.on_fault(move |_, news| telling.borrow_mut().push(news.to_string()));
    let plan = Plan::of([
        Strike::on(Whom::Machine("node-4".to_string()), Fault::Pause).at_ns(30 * MS).for_ns(5 * MS),
        Strike::passer_of("log.end", 20, Fault::Crash).for_ns(7 * MS),
        Strike::on(Whom::ZoneOfPasser, Fault::PowerLoss).when_passing(&["log.begin"], 40),
    ]);
    world.carry_out(&plan).expect("it can be");
    run_for(&world, 600 * MS);
    let struck = world.struck();
    assert_eq!(struck.len(), 3, "{struck:?}");
    assert_eq!(struck_ms(&world)[0], (30, Some(35), None));
    let crash = struck.iter().find(|it| it.what.ends_with("crashes")).expect("it struck");
    assert_eq!(crash.phase, Some("log"), "the point ends that phase");
    assert_eq!(crash.lifted_ns, Some(crash.at_ns + 7 * MS));
    let loss =
        struck.iter().find(|it| it.what.ends_with("loses power, for good")).expect("it struck");
    let zones: BTreeSet<String> =
        loss.hosts.iter().map(|it| world.host(*it).zone().to_string()).collect();
    assert_eq!((zones.len(), loss.lifted_ns), (1, None));
    assert_eq!(hosts.iter().filter(|it| !world.is_up(**it)).count(), loss.hosts.len());
    let told = told.borrow();
    assert!(told.iter().any(|it| it.contains("crashes, at log.end")), "{told:?}");
    assert_eq!(
        told.iter().filter(|it| it.ends_with("goes on") || it.ends_with("starts again")).count(),
        2
    );
}

#[test]
fn a_plan_that_cannot_be_carried_out_says_which_strike_and_why() {
    let (world, _) = busy_world(&Tape::new(2));
    let why = |strike: Strike| {
        let good = Strike::of_store(Fault::StoreDown(ObjectOutage::Silent));
        let error = world.carry_out(&Plan::of([good, strike])).expect_err("it cannot");
        assert_eq!(error.strike, 1);
        error.to_string()
    };
    let nobody = why(Strike::on(Whom::Machine("node-9".to_string()), Fault::Crash));
    assert!(nobody.contains("node-9") && nobody.contains("node-0, node-1"), "{nobody}");
    assert!(why(Strike::on(Whom::Passer, Fault::Crash)).contains("when_passing"));
    assert!(why(Strike::on(Whom::Store, Fault::Crash)).contains("all others machines"));
    assert!(why(Strike::passer_of("log.end", 0, Fault::Crash)).contains("from 1"));
    let unsettled = why(Strike::on(Whom::Up(0), Fault::Crash).before("log", 1, MS));
    assert!(unsettled.contains("Plan::settle"), "{unsettled}");
    assert_eq!(world.strikes_placed(), 0, "nothing is placed of a plan that is wrong");
}

/// The run of a tape and a plan, for a second; settled by rehearsals first.
pub(super) fn settled_run(tape: &Tape, plan: &Plan) -> (World, Plan) {
    let run = |plan: &Plan| {
        let (world, _) = busy_world(tape);
        world.carry_out(plan).expect("it is settled");
        run_for(&world, 300 * MS);
        world
    };
    let plan = plan.settle(|it| run(it).phases_passed()).expect("the phases are there");
    (run(&plan), plan)
}

#[test]
fn strikes_by_phase_come_exactly_where_they_are_placed() {
    let tape = Tape::new(4);
    let on = |fault| Strike::on(Whom::Machine("node-3".to_string()), fault);
    let (rehearsal, _) = settled_run(&tape, &Plan::default());
    let phases = rehearsal.phases_passed();
    let (third, fifth) = (&phases[2], &phases[4]);
    let (world, plan) = settled_run(
        &tape,
        &Plan::of([
            on(Fault::Pause).before("log", 3, MS).for_ns(1),
            on(Fault::Deaf).across("log", 5, 2 * MS),
        ]),
    );
    assert!(plan.strikes.iter().all(|it| matches!(it.when, When::At(_))));
    let struck = world.struck();
    assert_eq!(struck[0].at_ns, third.begin_ns - MS);
    assert_eq!(struck[1].at_ns, fifth.begin_ns - 2 * MS);
    assert_eq!(struck[1].lifted_ns, Some(fifth.end_ns + 2 * MS));
    let (world, _) = settled_run(&tape, &Plan::of([on(Fault::Crash).within("log", 3, 500)]));
    assert_eq!(world.struck()[0].phase, Some("log"));
    let (world, _) = settled_run(&tape, &Plan::of([on(Fault::Crash).after("log", 3, 0)]));
    assert_eq!(world.struck()[0].at_ns, third.end_ns + 1);
    let missing = Plan::of([on(Fault::Crash).before("sleep", 1, 0)]);
    let error = missing.settle(|_| phases.clone()).expect_err("there is no such phase");
    assert!(error.to_string().contains("`sleep` 0 times"), "{error}");
}

#[test]
fn a_budget_spares_what_nobody_could_survive() {
    let (world, _) = busy_world(&Tape::new(2));
    world.set_budget(Budget {
        zones_away_max: 1,
        zones_damaged_max: 1,
        drift_ppb_max: 1_000,
        objects_damaged_max: 0,
    });
    let zone = |name: &str| Whom::Zone(name.to_string());
    let wiped = |name: &str| Strike::on(zone(name), Fault::Wiped).for_ns(MS);
    let plan = Plan::of([
        Strike::on(zone("zone-a"), Fault::PowerLoss).at_ns(10 * MS).for_ns(20 * MS),
        Strike::on(zone("zone-b"), Fault::CutOff).at_ns(20 * MS).for_ns(MS),
        Strike::on(zone("zone-b"), Fault::CutOff).at_ns(40 * MS).for_ns(MS),
        Strike::on(zone("zone-b"), Fault::SlowLinks { times: 9 }).at_ns(15 * MS),
        wiped("zone-c").at_ns(60 * MS),
        wiped("zone-a").at_ns(80 * MS),
        Strike::on(Whom::Up(0), Fault::MonotonicDrift { ppb: -2_000 }).at_ns(90 * MS),
        Strike::of_store(Fault::ObjectsLost { prefix: String::new(), n: 1 }).at_ns(95 * MS),
    ]);
    world.carry_out(&plan).expect("it can be");
    run_for(&world, 200 * MS);
    assert_eq!((world.struck().len(), world.strikes_spared()), (4, 4), "{:?}", world.struck());
    assert_eq!(world.expectation(), Expectation::Survive);
    let beyond = Plan::of([wiped("zone-a").at_ns(200 * MS)]).expecting(Expectation::Refuse);
    world.carry_out(&beyond).expect("it can be");
    run_for(&world, 10 * MS);
    assert_eq!((world.struck().len(), world.expectation()), (5, Expectation::Refuse));
}

#[test]
fn a_healed_core_is_well_for_good_and_the_rest_stays_broken() {
    let (world, hosts) = busy_world(&Tape::new(6));
    let on = |whom: Whom, fault| Strike::on(whom, fault).at_ns(10 * MS);
    let plan = Plan::of([
        on(Whom::Zone("zone-a".to_string()), Fault::PowerLoss).for_ns(500 * MS),
        on(Whom::Zone("zone-b".to_string()), Fault::CutOff).for_ns(500 * MS),
        on(Whom::Machine("node-2".to_string()), Fault::FullDisk),
        on(Whom::Machine("node-5".to_string()), Fault::Pause).for_ns(500 * MS),
        Strike::of_store(Fault::StoreDown(ObjectOutage::Silent)).at_ns(10 * MS),
        Strike::on(Whom::Everyone, Fault::PowerLoss).at_ns(200 * MS),
        Strike::of_store(Fault::StoreDown(ObjectOutage::Silent)).at_ns(200 * MS),
    ]);
    world.carry_out(&plan).expect("it can be");
    world.block(hosts[4], hosts[5]);
    run_for(&world, 100 * MS);
    // Zones b and c; zone a stays without power.
    let core: Vec<HostId> =
        hosts.iter().copied().filter(|it| *world.host(*it).zone() != *"zone-a").collect();
    world.heal_for_good(&core);
    assert_eq!(world.faults_active(), ["zone-a loses power"]);
    assert!(world.object_outage().is_none() && world.disk_capacity(hosts[2]).is_none());
    run_for(&world, 900 * MS);
    assert!(core.iter().all(|it| world.is_up(*it)) && !world.is_up(hosts[0]));
    assert!(reaches(&world, hosts[4], hosts[5]) && world.object_outage().is_none());
    // What a tester does later is lifted as it says, in the core too.
    world.inject(&Fault::Crash, &core[..1]).for_ns(MS);
    assert!(!world.is_up(core[0]));
    run_for(&world, 2 * MS);
    assert!(world.is_up(core[0]) && !world.is_up(hosts[0]));
}

#[test]
fn what_is_not_done_in_time_says_what_is_broken_and_who_waits() {
    let (world, hosts) = busy_world(&Tape::new(6));
    world.inject(&Fault::CutOff, &hosts[..1]).for_good();
    world.inject(&Fault::Crash, &hosts[1..2]).for_good();
    let asking = world.clone();
    let stuck = world.run(LIMIT_NS, async move {
        let driver = asking.driver();
        driver.send(hosts[0], Bytes::from_static(b"are you there?"));
        asking.within(70 * MS, "the answer of node-0", driver.receive()).await
    });
    let stuck = stuck.expect("it ends").expect_err("nobody answers").to_string();
    assert!(stuck.starts_with("the answer of node-0 was not done within 70 ms"), "{stuck}");
    assert!(stuck.contains("still so: node-0 is cut off"), "{stuck}");
    assert!(stuck.contains("down: node-1"), "{stuck}");
    assert!(stuck.contains("node-2/main waits for "), "{stuck}");
}

/// A swarm's run of a tape for a second: its plan, and what struck.
fn swarmed(tape: &Tape) -> (World, Plan) {
    let (world, _) = busy_world(tape);
    let swarm = Swarm {
        span_ns: 0..500 * MS,
        lasts_ns: MS..100 * MS,
        points: vec!["log.begin", "log.end"],
        ..Swarm::everything()
    };
    let plan = swarm.draw(&world);
    world.carry_out(&plan).expect("a swarm draws what can be carried out");
    run_for(&world, 700 * MS);
    (world, plan)
}

#[test]
fn seeds_draw_all_kinds_of_faults_and_no_two_the_same_plan() {
    let mut struck: BTreeSet<String> = BTreeSet::new();
    let mut plans: BTreeSet<String> = BTreeSet::new();
    let mut counts = Vec::new();
    for seed in 0..300 {
        let (world, plan) = swarmed(&Tape::new(seed));
        let kind =
            |it: &Strike| format!("{:?}", it.fault).split([' ', '(']).next().map(str::to_owned);
        struck.extend(plan.strikes.iter().filter_map(kind));
        counts.push(plan.strikes.len());
        plans.insert(plan.to_string());
        assert!(world.struck().len() <= plan.strikes.len());
    }
    counts.sort_unstable();
    assert!(plans.len() > 280, "{} plans", plans.len());
    assert_eq!(struck.len(), 32, "{struck:?}");
    assert!(counts[0] <= 1 && (3..=9).contains(&counts[150]), "{counts:?}");
}

#[test]
fn muting_a_name_takes_out_one_fault_and_changes_no_other() {
    let seed = (0..).find(|it| swarmed(&Tape::new(*it)).1.strikes.len() > 4).expect("some have");
    let (_, plan) = swarmed(&Tape::new(seed));
    let slots: Vec<u64> = (0..24).collect();
    let muted = |slot: &u64| -> Plan {
        let tape = format!("{seed} mute=swarm/fault-{slot}").parse().expect("a tape");
        swarmed(&tape).1
    };
    let without: Vec<Plan> = slots.iter().map(muted).collect();
    let fewer: Vec<&Plan> = without.iter().filter(|it| **it != plan).collect();
    let taken_out = |it: &Plan| plan.strikes.len() - it.strikes.len();
    assert_eq!(fewer.iter().map(|it| taken_out(it)).sum::<usize>(), plan.strikes.len());
    for it in fewer {
        let taken: Vec<&Strike> =
            plan.strikes.iter().filter(|strike| !it.strikes.contains(strike)).collect();
        assert_eq!(taken.len(), taken_out(it), "the others are as they were");
        // A restart of one machine after the other is one fault of several strikes.
        let is_upgrade = |it: &&Strike| matches!(it.fault, Fault::Upgrade { .. });
        assert!(taken.len() == 1 || taken.iter().all(is_upgrade));
    }
}

#[test]
fn rare_branches_are_on_in_some_worlds_and_taken_now_and_then() {
    let taken_in = |seed: u64, rates: Option<Buggify>| {
        let world = World::new(Tape::new(seed));
        if let Some(rates) = rates {
            world.set_buggify(rates);
        }
        let node = world.add_host("node", "zone");
        world.boot(node, |host| async move {
            for _ in 0..100 {
                host.buggify("slow-path");
                host.buggify("small-batch");
                host.sleep(1).await;
            }
        });
        run_for(&world, MS);
        (world.buggified(), fault(&world, "buggify"))
    };
    assert_eq!(taken_in(1, None).1, 0);
    let worlds: Vec<_> = (0..60).map(|it| taken_in(it, Some(Buggify::USUAL))).collect();
    let on = |place: &str| worlds.iter().filter(|it| it.0[place] > 0).count();
    assert!((5..30).contains(&on("slow-path")) && (5..30).contains(&on("small-batch")));
    assert!(worlds.iter().all(|it| it.0.values().all(|&n| n == 0 || (10..45).contains(&n))));
    assert!(worlds.iter().any(|it| it.0["slow-path"] > 0 && it.0["small-batch"] == 0));
    assert_eq!(World::new(Tape::new(9)).knob("partitions", 4..5), 4);
}

#[test]
fn what_is_placed_and_never_strikes_changes_nothing() {
    let run = |plan: &Plan| {
        let (world, _) = busy_world(&Tape::new(8));
        world.carry_out(plan).expect("it can be");
        run_for(&world, 100 * MS);
        world.hash()
    };
    let later = Plan::of([
        Strike::on(Whom::Everyone, Fault::PowerLoss).at_ns(101 * MS),
        Strike::passer_of("log.end", 10_000, Fault::Crash),
    ]);
    assert_eq!(run(&Plan::default()), run(&later));
}

#[test]
fn wrong_uses_are_named() {
    let says = |act: &dyn Fn(&World, &[HostId]) -> stillpoint_sim::Injected| {
        let (world, hosts) = busy_world(&Tape::new(1));
        let acting = std::panic::AssertUnwindSafe(|| drop(act(&world, &hosts)));
        let panic = std::panic::catch_unwind(acting).expect_err("a wrong use");
        panic.downcast_ref::<String>().cloned().unwrap_or_default()
    };
    let outage = Fault::StoreDown(ObjectOutage::Refused);
    assert!(says(&|it, hosts| it.inject(&outage, hosts)).contains("no machine"));
    assert!(says(&|it, _| it.inject(&Fault::Crash, &[])).contains("got none"));
    let driver = says(&|it, _| it.inject(&Fault::Crash, &[it.driver().id()]));
    assert!(driver.contains("the driver stands outside"));
}

#[test]
fn what_flaps_mildest_is_open_longest() {
    let drawn = |raw: u64| {
        let tape = format!("1 set=test/flap[0]:{raw:x} set=test/flap[1]:{raw:x}");
        let world = World::new(tape.parse().expect("a tape"));
        match FaultKind::Flapping.draw(&world.dice("test/flap")) {
            Fault::Flapping { shut_ns, open_ns } => (shut_ns.start / MS, open_ns.start / MS),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((drawn(0), drawn(u64::MAX)), ((5, 249), (249, 5)));
}

#[test]
fn a_slow_disk_is_counted() {
    let (world, hosts) = busy_world(&Tape::new(1));
    let _slow = world.inject(&Fault::SlowDisk { times: 20 }, &hosts[..2]);
    assert_eq!(fault(&world, "disk.slowed"), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What a kind strikes it strikes in a plan too.
    #[test]
    fn kinds_of_zones_and_racks_strike_zones_and_racks(
        of_zone in strategy::strikes(&[FaultKind::CutOffZone], &["node-0", "node-1"], 0..MS),
        of_rack in strategy::strikes(&[FaultKind::PowerLossOfRack], &["node-0", "node-1"], 0..MS),
        of_one in strategy::strikes(&[FaultKind::CutOff], &["node-0", "node-1"], 0..MS),
    ) {
        prop_assert!(matches!(of_zone.whom, Whom::ZoneOfUp(0 | 1)), "{of_zone}");
        prop_assert!(matches!(of_rack.whom, Whom::RackOfUp(0 | 1)), "{of_rack}");
        prop_assert!(matches!(of_one.whom, Whom::Machine(_)), "{of_one}");
    }

    #[test]
    fn plans_survive_being_written_down(
        plan in strategy::plans(&FaultKind::ALL, &["node-0", "node-1"], 0..500 * MS, 6),
    ) {
        let text = serde_json::to_string(&plan).expect("data");
        prop_assert_eq!(serde_json::from_str::<Plan>(&text).expect("the same"), plan);
    }

    /// However faults overlap: when the last is lifted, all is as before.
    #[test]
    fn when_every_fault_is_lifted_all_is_as_before(
        plan in strategy::plans(&FaultKind::ALL, &["node-0", "node-1"], 0..300 * MS, 6),
    ) {
        let (world, hosts) = busy_world(&Tape::new(1));
        let before = settings_of(&world, &hosts);
        world.carry_out(&plan).expect("it can be");
        run_for(&world, 700 * MS);
        prop_assert_eq!(settings_of(&world, &hosts), before);
        prop_assert_eq!(ahead_ms(&world, &hosts), [0; 6]);
        prop_assert_eq!(gained_ns(&world, &hosts), [0; 6]);
    }
}

#[test]
fn what_a_tester_sets_while_a_fault_is_on_outlives_it() {
    let (world, hosts) = busy_world(&Tape::new(1));
    let node = hosts[0];
    let usual = world.disk_settings(node);
    let slow = world.inject(&Fault::SlowDisk { times: 3 }, &[node]);
    world.set_disk_capacity(node, Some(9_000));
    world.set_disk_faults(node, DiskFaults { read_error_per_mille: 5, ..DiskFaults::NONE });
    world.set_disk(node, DiskSettings { parallel: 1, ..world.disk_settings(node) });
    let failing = DiskFaults { write_error_per_mille: 7, ..DiskFaults::NONE };
    let failing = world.inject(&Fault::FailingDisk(failing), &[node]);
    let both = world.disk_faults(node);
    assert_eq!((both.read_error_per_mille, both.write_error_per_mille), (5, 7));
    slow.lift();
    failing.lift();
    assert_eq!(world.disk_settings(node), DiskSettings { parallel: 1, ..usual });
    assert_eq!(world.disk_capacity(node), Some(9_000));
    let set = DiskFaults { read_error_per_mille: 5, ..DiskFaults::NONE };
    assert_eq!(world.disk_faults(node), set);
    let busy = Fault::StoreBusy { slow_down_per_mille: 500, timeout_per_mille: 0 };
    let busy = world.inject(&busy, &[]);
    world.set_objects_down(Some(ObjectOutage::Refused));
    world.set_objects(ObjectSettings { put_ns: 1..2, ..world.objects() });
    busy.lift();
    assert_eq!(world.object_outage(), Some(ObjectOutage::Refused));
    let set = ObjectSettings { put_ns: 1..2, ..ObjectSettings::default() };
    assert_eq!(world.objects(), set);
}
