//! Memory of a world of many endpoints, measured in a process of its own.

use std::process::Command;

use crate::ours;
use crate::workload::{Board, Job, Workload};

/// How many messages the process delivers in all.
const MESSAGES: u64 = 6_000_000;

/// Resident memory in KiB, as the system counts it.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// When the first third of the messages was delivered: the most so far, above what the
    /// process had before there was a world.
    pub first_kib: u64,
    /// The most until two thirds were.
    pub middle_kib: u64,
    /// The most of the whole run.
    pub peak_kib: u64,
}

/// The most memory that this process ever had resident.
fn high_water_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
    let number = line.and_then(|it| it.split_whitespace().next()).and_then(|it| it.parse().ok());
    number.expect("Linux says what a process had at most")
}

/// What the child does: prints what the memory was at four instants.
pub fn child(endpoints: u32) {
    let before_kib = high_water_kib();
    let board = Board::new(Job { workload: Workload::Ping, endpoints, units: MESSAGES });
    let world = ours::world(&board);
    let mut seen = Vec::new();
    for third in 1..=3 {
        ours::run_until(&world, &board, MESSAGES * third / 3);
        seen.push((high_water_kib() - before_kib).to_string());
    }
    println!("{}", seen.join(" "));
}

/// Measures in a child, so that nothing that ran here before counts. The payload is
/// 16 bytes per endpoint under way and is not subtracted.
///
/// # Panics
/// If this program cannot be started again.
pub fn measure(endpoints: u32) -> Memory {
    let myself = std::env::current_exe().expect("this program is a file");
    let endpoints = endpoints.to_string();
    let output = Command::new(myself).args(["--memory-of", &endpoints]).output();
    let text = String::from_utf8(output.expect("it can be started again").stdout);
    let text = text.expect("it prints numbers");
    let mut numbers = text.split_whitespace().map(|it| it.parse::<u64>().expect("a number"));
    let mut next = || numbers.next().expect("three numbers");
    Memory { first_kib: next(), middle_kib: next(), peak_kib: next() }
}
