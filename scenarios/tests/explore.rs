//! The walk over all crash points of a small backup and a small restore: it is whole, finds
//! nothing in the service as it is, finds a planted bug, and shows each finding again.

mod typed;

use std::sync::atomic::AtomicBool;
use stillpoint_scenarios::campaign::pool::Limits;
use stillpoint_scenarios::explore::Expedition;
use stillpoint_scenarios::stories::walked::Walked;
use stillpoint_sim::{Accounting, CrashKind, OperationKind};
use typed::typed;

/// Outcomes of a kind of crash at a point: that nothing is lost, and that all of it is.
const OUTCOMES: usize = 2;

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn explore(expedition: &Expedition) -> Accounting {
    let interrupted = AtomicBool::new(false);
    let limits =
        Limits { jobs: cores(), now_ns: &|| 0, deadline_ns: None, interrupted: &interrupted };
    expedition.explore(&limits, &|_| {})
}

/// A text without its figures, which change with the service: how many there are to a row stays.
fn shape(text: &str) -> String {
    let is_figure = |it: &str| it.starts_with(|it: char| it.is_ascii_digit() || it == '>');
    let word = |it: &str| if is_figure(it) { "N".to_owned() } else { it.to_owned() };
    let line = |it: &str| it.split_whitespace().map(word).collect::<Vec<_>>().join(" ");
    text.lines().map(|it| line(it) + "\n").collect()
}

fn is_exact_whatever_machine_loses_power_when(walked: Walked) {
    let power = Some(CrashKind::Power);
    let accounting = explore(&Expedition { crash: power, ..Expedition::new(walked, OUTCOMES) });
    assert!(accounting.is_clean(), "{:?} {:?}", accounting.violations, accounting.astray);
    assert!(accounting.sum(|it| it.points) > 500, "{accounting}");
    let disk = |it| accounting.rows.get(&it).map_or(0, |it| it.points);
    assert!(disk(OperationKind::DiskName) > 0, "files come and go in the span: {accounting}");
}

#[test]
fn a_backup_is_exact_whatever_machine_loses_power_when() {
    is_exact_whatever_machine_loses_power_when(Walked::Backup);
}

#[test]
fn a_restore_is_exact_whatever_machine_loses_power_when() {
    is_exact_whatever_machine_loses_power_when(Walked::Restore);
}

/// The bug needs the crash of one machine in a few moments of a restore, and nothing else.
#[test]
fn a_planted_bug_is_found_where_it_is_and_shown_again() {
    const MUTANT: &str = "--mutant resumed-restore-skips-a-range";
    let (status, printed) =
        typed(&format!("stillpoint explore --scenario restore --outcomes 1 {MUTANT}"));
    assert_eq!(status, 1, "{printed}");
    // The service is sound without a crash: it would say so here.
    let (accounts, findings) = printed.split_once("\nBROKEN: ").expect("it is found");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../snapshots");
    insta::with_settings!({
        snapshot_path => path,
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!("explore_accounting", shape(accounts));
    });
    let (line, why) = findings.split_once('\n').expect("what is wrong comes below");
    let why = why.lines().next().expect("it says why");
    let (status, again) = typed(line);
    assert!(status == 1 && again.contains(why), "{line} -> {status}\n{again}");
    let (status, sound) = typed(&line.replace(MUTANT, ""));
    assert!(status == 0 && sound.ends_with("green\n"), "{sound}");
}

#[test]
fn coordinates_that_lead_nowhere_are_refused() {
    let at = |it: &str| typed(&format!("stillpoint explore --scenario backup --at {it}"));
    let (status, line) = at("node-0:disk-write:9999:after:power:0");
    assert_eq!(status, 2);
    assert!(line.contains("the survey has no such crash point"), "{line}");
    let (status, line) = at("node-0:disk-write:1:after:process:5");
    assert!(status == 2 && line.contains("no outcome with this number"), "{line}");
    let (status, line) = at("disk-write:1");
    assert!(status == 2 && line.contains("node-1:disk-write:17:after:power:3"), "{line}");
    assert_eq!(typed("stillpoint explore --at node-0:disk-write:1:after:process:0").0, 2);
}
