//! What the load generator itself costs: `stillpoint load` on an endpoint that does nothing, which
//! bounds from above what it can find of any other on this machine. Takes the options of
//! `stillpoint load`; `--release` or the figures mean nothing.

#[path = "../tests/canned/mod.rs"]
mod canned;

use std::sync::atomic::{AtomicBool, Ordering};

use stillpoint_scenarios::{command, stories::Stories};

fn main() {
    let there = AtomicBool::new(false);
    let endpoint = canned::start(move |operation, _| match operation {
        "PutItem" => (200, "{}".to_string()),
        "GetItem" => (200, "x".repeat(250)),
        "CreateTable" | "DeleteTable" => {
            there.store(operation == "CreateTable", Ordering::Relaxed);
            (200, "{}".to_string())
        }
        "DescribeTable" if there.load(Ordering::Relaxed) => {
            (200, r#"{"Table":{"TableStatus":"ACTIVE"}}"#.to_string())
        }
        "DescribeTable" => (400, r#"{"__type":"x#ResourceNotFoundException"}"#.to_string()),
        _ => (400, r#"{"__type":"x#UnknownOperationException"}"#.to_string()),
    });
    let fixed = ["stillpoint", "load", "--endpoint", &endpoint].map(Into::into);
    let args = fixed.into_iter().chain(std::env::args_os().skip(1));
    std::process::exit(command::main_with(&Stories, args));
}
