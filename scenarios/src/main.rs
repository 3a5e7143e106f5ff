//! The `stillpoint` command.

use stillpoint_scenarios::{command, stories::Stories};

fn main() {
    std::process::exit(command::main_with(&Stories, std::env::args_os()));
}
