//! Every crash point times everything that a crash can leave: what is found, what is counted.

use std::cell::Cell;
use std::task::Poll;

use bytes::Bytes;
use stillpoint_sim::{
    Accounting, Astray, Coordinates, CrashKind, CrashPoint, DiskSettings, File, Host, HostId,
    OperationKind, PanicReport, Side, Tape, Walk, World,
};

use crate::LIMIT_NS;

const MS: u64 = 1_000_000;
/// More than a sector, so that a record can be torn.
const RECORD_BYTES: usize = 700;
const PUTS: u8 = 3;
/// The machines, by number.
const NODE: HostId = HostId(1);
const WITNESS: HostId = HostId(2);

fn walk(outcomes_max: usize) -> Walk {
    Walk { tape: Tape::new(1), outcomes_max, counted_max: 64, down_ns: 20 * MS }
}

/// The log of a node that starts: whole records in a row, and nothing behind them.
async fn recover(host: &Host) -> (File, Vec<u8>) {
    let disk = host.disk();
    let file = match disk.open("log").await {
        Ok(file) => file,
        Err(_) => disk.create("log").await.expect("there is room"),
    };
    disk.sync_dir("").await.expect("a healthy disk");
    let len = file.len().await.expect("a healthy disk") as usize;
    let bytes = file.read_at(0, len).await.expect("a healthy disk");
    let whole =
        |it: &&[u8]| it.len() == RECORD_BYTES && it[0] > 0 && it.iter().all(|b| *b == it[0]);
    let records: Vec<u8> =
        bytes.chunks(RECORD_BYTES).take_while(|it| whole(it)).map(|it| it[0]).collect();
    file.set_len((records.len() * RECORD_BYTES) as u64).await.expect("a healthy disk");
    (file, records)
}

/// Takes numbers in and acknowledges each; answers 0 with all of them.
async fn keep(host: Host, syncs: bool) {
    let (file, mut records) = recover(&host).await;
    loop {
        let (from, message) = host.receive().await;
        let number = message[0];
        if number == 0 {
            host.send(from, records.clone().into());
            continue;
        }
        if !records.contains(&number) {
            file.append(vec![number; RECORD_BYTES].into()).await.expect("there is room");
            if syncs {
                file.sync().await.expect("a healthy disk");
            }
            records.push(number);
        }
        // To two at once: between these there is nothing that a crash could tell.
        host.send(from, message.slice(..1));
        host.send(WITNESS, message.slice(..1));
    }
}

/// Has numbers acknowledged, each until it is, and asks for all of them in the end.
async fn put_and_get(world: World, node: HostId) -> Vec<u8> {
    let driver = world.driver();
    let ask = async |number: u8| loop {
        driver.send(node, Bytes::copy_from_slice(&[number]));
        let again = Box::pin(driver.sleep(10 * MS));
        if let Some(answer) = first(driver.receive(), again).await {
            break answer.1;
        }
    };
    // By now the log is there, and durable under its name.
    driver.sleep(10 * MS).await;
    world.begin_span();
    for number in 1..=PUTS {
        while ask(number).await[..] != [number] {}
    }
    world.end_span();
    driver.sleep(100 * MS).await;
    ask(0).await.to_vec()
}

/// Whichever comes first, if it is the one.
async fn first<T>(one: impl Future<Output = T>, other: impl Future<Output = ()>) -> Option<T> {
    let (mut one, mut other) = (std::pin::pin!(one), std::pin::pin!(other));
    std::future::poll_fn(|context| match one.as_mut().poll(context) {
        Poll::Ready(it) => Poll::Ready(Some(it)),
        Poll::Pending => other.as_mut().poll(context).map(|()| None),
    })
    .await
}

/// What was acknowledged is there.
fn nothing_is_lost(world: &World, syncs: bool) -> Result<(), String> {
    let node = world.add_host("node-1", "zone-a");
    assert_eq!(crate::idle_node(world, "witness", "zone-a"), WITNESS);
    world.boot(node, move |host| keep(host, syncs));
    let found = world.run(LIMIT_NS, put_and_get(world.clone(), node));
    let found = found.map_err(|it| it.to_string())?;
    let all: Vec<u8> = (1..=PUTS).collect();
    if found == all { Ok(()) } else { Err(format!("{found:?} of {all:?}")) }
}

fn explored(outcomes_max: usize, syncs: bool, crash: Option<CrashKind>) -> Accounting {
    let wanted = |it| crash.is_none_or(|only| only == it);
    walk(outcomes_max).explore(wanted, |world| nothing_is_lost(world, syncs))
}

#[test]
fn every_outcome_of_every_crash_point_is_explored_and_counted() {
    let sound = explored(64, true, None);
    let line = "27 crash points x 2 to 10 outcomes: all 99 explored at one fault";
    assert_eq!(sound.to_string(), line);
    assert!(sound.is_clean(), "{:?} {:?}", sound.violations, sound.astray);
    let rows = |kind| sound.rows[&kind].clone();
    let written = rows(OperationKind::DiskWrite);
    assert_eq!((written.operations, written.points, written.moments), (3, 6, 6));
    // Right before an arrival and right after it are one; half of them are the witness's.
    let arrived = rows(OperationKind::DatagramDelivered);
    assert_eq!((arrived.operations, arrived.points, arrived.moments), (6, 6, 12));
    // After the first of two that are sent at once is before the second.
    let sent = rows(OperationKind::DatagramSent);
    assert_eq!((sent.operations, sent.points), (6, 9));
    let operations = sound.sum(|it| it.operations);
    assert_eq!(sound.sum(|it| it.moments), 2 * operations);
    assert_eq!((sound.sum(|it| it.outcomes), sound.sum(|it| it.cut)), (sound.planned, 0));
}

#[test]
fn what_is_acknowledged_unsynced_is_lost_in_some_outcome_and_in_no_crash_of_a_process() {
    assert!(explored(64, false, Some(CrashKind::Process)).is_clean());
    // Nor where power goes and everything happens to survive: the crash points alone do not tell.
    assert!(explored(1, false, Some(CrashKind::Power)).violations.is_empty());
    let all = explored(64, false, Some(CrashKind::Power));
    let (at, why) = all.violations.first_key_value().expect("the bug is found");
    let same: Coordinates = at.to_string().parse().expect("coordinates are read as written");
    let (survey, undisturbed) = walk(64).survey(|world| nothing_is_lost(world, false));
    assert_eq!(undisturbed, Ok(()));
    let again = walk(64).strike(&survey, &same, |world| nothing_is_lost(world, false));
    assert_eq!(again, Ok(Err(why.clone())));
}

#[test]
fn where_the_bound_cuts_is_said() {
    let cut = explored(2, false, None);
    assert!(cut.sum(|it| it.cut) > 0);
    let line = "21 crash points x 2 to 4 outcomes: 62 of at least 444 explored at one fault, cut \
                at 2 in 17 points";
    assert_eq!(cut.to_string(), line);
    assert!(cut.rows.values().all(|it| it.outcomes_max <= 4));
}

/// The hash of a world in which the process dies right before or after an operation.
fn hash_of(side: Side, nth: u64) -> u64 {
    let world = World::new(Tape::new(1));
    let kind = OperationKind::DatagramSent;
    match side {
        Side::Before => world.crash_at(Some(NODE), kind, nth, CrashKind::Process),
        Side::After => world.crash_after(Some(NODE), kind, nth, CrashKind::Process),
    }
    // The node stays down, so nobody is served in the end.
    let node = world.add_host("node-1", "zone-a");
    assert_eq!(crate::idle_node(&world, "witness", "zone-a"), WITNESS);
    world.boot(node, |host| keep(host, true));
    assert!(world.run(1_000 * MS, put_and_get(world.clone(), node)).is_err());
    world.hash()
}

#[test]
fn what_is_explored_as_one_is_one() {
    let (survey, _) = walk(64).survey(|world| nothing_is_lost(world, true));
    let sent = |nth, side| {
        let mut site = survey.points[0].site.clone();
        (site.kind, site.nth, site.side) = (OperationKind::DatagramSent, nth, side);
        survey.point(&site).is_some()
    };
    // Both are sent in one poll: after the one is before the other.
    assert!(sent(1, Side::After) && !sent(2, Side::Before) && sent(2, Side::After));
    assert_eq!(hash_of(Side::After, 1), hash_of(Side::Before, 2));
    assert_ne!(hash_of(Side::Before, 1), hash_of(Side::After, 1));
    assert_ne!(hash_of(Side::Before, 2), hash_of(Side::After, 2));
}

#[test]
fn a_run_that_departs_from_the_survey_proves_nothing() {
    let runs = Cell::new(0);
    // What the world knows nothing of: every run begins a little later.
    let scenario = |world: &World| {
        runs.set(runs.get() + 1);
        let (driver, late_ns) = (world.driver(), runs.get());
        world.run(MS, async move { driver.sleep(late_ns).await }).expect("it ends");
        nothing_is_lost(world, true)
    };
    let (survey, _) = walk(4).survey(scenario);
    let all: Vec<Coordinates> = survey.coordinates(4).collect();
    let astray = walk(4).strike(&survey, &all[0], scenario);
    assert!(matches!(astray, Err(Astray::Departed { .. })), "{astray:?}");
    let never = walk(4).strike(&survey, &all[0], |_| ());
    assert_eq!(never, Err(Astray::NotStruck));
    let mut none = all[0].clone();
    none.outcome = 4;
    assert_eq!(walk(4).strike(&survey, &none, scenario), Err(Astray::NoSuchOutcome));
    none.site.nth = 1_000;
    assert_eq!(walk(4).strike(&survey, &none, scenario), Err(Astray::NoSuchPoint));
    let explored = walk(4).explore(|_| true, scenario);
    let (line, runs) = (explored.to_string(), explored.sum(|it| it.runs));
    assert_eq!(explored.astray.len() as u64, runs);
    assert!(line.ends_with(&format!(": 0 of {runs} explored")), "{line}");
}

/// Sends two datagrams with a file under way, and between them somebody changes the disk.
fn with_a_file_under_way(world: &World, change: fn(&World, HostId)) -> Vec<PanicReport> {
    let node = world.add_host("node-1", "zone-a");
    world.set_disk(node, DiskSettings { write_ns: 5 * MS..5 * MS + 1, ..DiskSettings::default() });
    world.boot(node, |host| async move {
        let under_way = host.disk().create("file");
        host.send(HostId::DRIVER, Bytes::new());
        host.sleep(2 * MS).await;
        host.send(HostId::DRIVER, Bytes::new());
        drop(under_way.await);
    });
    world.at(MS, move |world| change(world, node));
    world.begin_span();
    let driver = world.driver();
    world.run(LIMIT_NS, async move { driver.sleep(3 * MS).await }).expect("it ends");
    world.end_span();
    world.panics()
}

#[test]
fn what_a_crash_can_leave_is_looked_for_anew_when_the_disk_was_changed() {
    let counts = |change: fn(&World, HostId)| -> Vec<usize> {
        let (survey, _) = walk(8).survey(|world| with_a_file_under_way(world, change));
        for at in survey.coordinates(8) {
            let struck = walk(8).strike(&survey, &at, |world| with_a_file_under_way(world, change));
            assert_eq!(struck, Ok(vec![]), "{at:?}");
        }
        let is_before = |it: &&CrashPoint| {
            it.site.kind == OperationKind::DatagramSent && it.site.side == Side::Before
        };
        let points = survey.points.iter().filter(is_before);
        points.map(|it| it.outcomes(CrashKind::Power).found()).collect()
    };
    assert_eq!(counts(|_, _| {}), [2, 2]);
    // What fails leaves the same whether it happens or not.
    assert_eq!(counts(|world, node| world.set_disk_read_only(node, true)), [2, 1]);
    let refuse = |world: &World, node: HostId| world.set_disk_capacity(node, Some(0));
    assert_eq!(counts(refuse), [2, 2], "an empty file needs no room");
    assert_eq!(counts(|world, node| world.rot_any(node, 9)), [2, 2], "nothing is there to rot");
}
