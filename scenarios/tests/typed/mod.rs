//! A command line that a test types, carried out in this process.

use std::ffi::OsString;
use std::sync::atomic::AtomicBool;
use stillpoint_scenarios::command::{Host, execute};
use stillpoint_scenarios::stories::Stories;

/// The exit status of a command line, and what it printed: first its output, then its errors.
pub(crate) fn typed(line: &str) -> (i32, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut host = Host {
        out: &mut out,
        err: &mut err,
        now_ns: &|| 0,
        cpu_ns: &|| None,
        interrupted: &AtomicBool::new(false),
        child: &|_, _| Err("it needs no child".to_owned()),
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        progress: false,
    };
    let status = execute(&Stories, line.split_whitespace().map(OsString::from), &mut host);
    let printed = [out, err].concat();
    (status, String::from_utf8(printed).expect("the command prints UTF-8"))
}
