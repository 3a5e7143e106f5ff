//! Our own server, judged over HTTP like anybody else's: as it is, and with the planted bug that
//! can be seen from outside a single server.
//!
//! The others cannot. Some need a crash (`tests/kill` has one), a second node, or a restore that is
//! interrupted. Writes that are not held: one node appends the markers of all its partitions in one
//! step, so that the cut is exact all the same. An entry behind the marker that is taken in: it is
//! one that was held, and so as old as the others (in 500 backups nothing could be seen). The
//! simulator's clusters catch them all.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use stillpoint_reference::mutants::{Mutants, NoMutants};
use stillpoint_reference::server::{self, Options};
use stillpoint_scenarios::command::{Host, execute};
use stillpoint_scenarios::stories::{Planted, Stories};
use tokio::sync::oneshot;

/// Calls the test with the address of a server in this process, which then stops.
fn while_serving<M: Mutants + Send>(mutants: M, test: impl FnOnce(SocketAddr)) {
    let data = tempfile::tempdir().expect("a temporary directory");
    let options = Options::new(data.path(), "127.0.0.1:0".parse().expect("an address"));
    let (stop, stopped) = oneshot::channel::<()>();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let serving = scope.spawn(move || {
            let announce = |address| tell.send(address).expect("somebody listens");
            server::run(options, mutants, None, announce, async { drop(stopped.await) })
        });
        // Dropped also when the test fails, so that the server ends.
        let stop = stop;
        test(told.recv().expect("it starts"));
        drop(stop);
        serving.join().expect("it does not panic").expect("it ends well");
    });
}

/// The exit status of a command, and what was printed.
#[expect(clippy::disallowed_methods, reason = "the clock of clients, on a real machine")]
fn stillpoint(line: &str) -> (i32, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let begun = std::time::Instant::now();
    let clock = || begun.elapsed().as_nanos() as u64;
    let mut host = Host {
        out: &mut out,
        err: &mut err,
        now_ns: &clock,
        cpu_ns: &|| None,
        interrupted: &AtomicBool::new(false),
        child: &|_, _| Err("there is no other process here".to_owned()),
        cores: 2,
        progress: false,
    };
    let words = std::iter::once("stillpoint").chain(line.split_whitespace());
    let status = execute(&Stories, words.map(OsString::from), &mut host);
    let said = String::from_utf8_lossy(&out).into_owned() + &String::from_utf8_lossy(&err);
    (status, said)
}

fn conform(address: SocketAddr, args: &str) -> (i32, String) {
    stillpoint(&format!("conform --endpoint http://{address} {args}"))
}

#[test]
fn our_server_conforms() {
    while_serving(NoMutants, |address| {
        let (status, said) = conform(address, "--keys 400 --clients 16");
        assert_eq!(status, 0, "{said}");
        assert!(said.contains("P5     real-time cut                holds"), "{said}");
        assert!(said.contains("largest skew: 0 ms"), "{said}");
    });
}

#[test]
fn a_restore_that_drops_items_is_caught() {
    while_serving(Planted::RestoreDropsAnItem, |address| {
        let (status, said) = conform(address, "--keys 400 --until-violation 10");
        assert_eq!(status, 1, "{said}");
        assert!(said.contains("it does not conform"), "{said}");
    });
}

/// What the kit records, it judges alike without the server.
#[test]
fn a_recorded_run_is_judged_the_same() {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let path: &Path = file.path();
    while_serving(Planted::RestoreDropsAnItem, |address| {
        let args = format!("--keys 200 --until-violation 20 --record {}", path.display());
        assert_eq!(conform(address, &args).0, 1);
    });
    let text = std::fs::read_to_string(path).expect("it was recorded");
    assert!(text.starts_with("{\"format\":\"stillpoint-history\""));
    let (status, said) = stillpoint(&format!("judge {}", path.display()));
    assert_eq!(status, 1, "{said}");
}
