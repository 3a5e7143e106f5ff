//! The `stillpoint` command.

#[path = "../tests/rehearsal/mod.rs"]
mod rehearsal;

use rehearsal::{Fate, Rehearsal};

fn main() {
    let runner = Rehearsal::of(&[("calm", Fate::Holds)]);
    std::process::exit(stillpoint_scenarios::command::main_with(
        &runner,
        std::env::args_os(),
    ));
}
