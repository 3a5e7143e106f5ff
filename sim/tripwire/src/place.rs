//! Who called: the innermost frame of a backtrace that is neither std's, nor a dependency's,
//! nor this package's.

use std::backtrace::Backtrace;

use crate::{Sighting, What};

/// The root of this workspace, which is left out of the paths that are shown.
fn root() -> &'static str {
    env!("CARGO_MANIFEST_DIR").trim_end_matches("sim/tripwire")
}

/// One call on the stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Frame {
    function: String,
    /// `file:line`, empty where the binary does not know it.
    place: String,
}

impl Frame {
    /// Part of the toolchain or of the wire itself. Names are asked only where there is no place:
    /// those of inlined functions are without their crate.
    fn is_below(&self) -> bool {
        if !self.place.is_empty() {
            let paths = ["/rustc/", "/rustlib/src/", "tripwire/src/"];
            return paths.iter().any(|it| self.place.contains(it));
        }
        let names = ["std::", "core::", "alloc::", "stillpoint_tripwire::", "__rust"];
        let name = self.function.trim_start_matches('<');
        // A name without a crate is one of the C library.
        !name.contains("::") || names.iter().any(|it| name.starts_with(it))
    }

    /// Part of a dependency: from a registry, or built without line numbers as these are.
    fn is_foreign(&self) -> bool {
        self.place.is_empty() || self.place.contains("/registry/src/")
    }
}

/// What was used and by whom, seen from inside the C library's function.
pub(crate) fn sighting(what: What) -> Sighting {
    sighting_in(what, &frames(&Backtrace::force_capture().to_string()))
}

fn sighting_in(what: What, frames: &[Frame]) -> Sighting {
    let keys = frames.iter().any(|it| it.function.contains("hashmap_random_keys"));
    let what = if keys && what == What::RandomBytes { What::DefaultHasher } else { what };
    let callers: Vec<&Frame> = frames.iter().filter(|it| !it.is_below()).collect();
    let foreign = callers.iter().take_while(|it| it.is_foreign());
    let through = foreign.clone().find(|it| it.function.contains("::"));
    let through = through.map(|it| it.function.clone());
    let own = callers.get(foreign.count()).map(|it| (*it).clone()).unwrap_or_default();
    Sighting { what, place: own.place, function: own.function, through }
}

/// Reads what std prints: `   3: function`, and below it `             at file:line:column`.
fn frames(text: &str) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    for line in text.lines().map(str::trim_start) {
        if let Some(place) = line.strip_prefix("at ") {
            let Some(last) = frames.last_mut() else {
                continue;
            };
            last.place = shown(place);
        } else if let Some((_, function)) = line.split_once(": ") {
            frames.push(Frame { function: bare(function).to_string(), place: String::new() });
        }
    }
    frames
}

/// A function's name without its type arguments.
fn bare(function: &str) -> &str {
    match function.find('<') {
        Some(at) if at > 0 => &function[..at],
        _ => function,
    }
}

/// A place without its column, and relative to the workspace if it is inside.
fn shown(place: &str) -> String {
    let place = place.rsplit_once(':').map_or(place, |(place, _column)| place);
    // std leaves out the working directory.
    let place = match (place.strip_prefix("./"), std::env::current_dir()) {
        (Some(rest), Ok(here)) => here.join(rest).display().to_string(),
        _ => place.to_string(),
    };
    place.strip_prefix(root()).unwrap_or(&place).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "   0: stillpoint_tripwire::place::sighting
   1: clock_gettime
             at /home/x/sim/tripwire/src/wire.rs:45:17
   2: std::time::Instant::now
             at /rustc/59807616e/library/std/src/time.rs:295:9
   3: redb::tree::grow
   4: app::serve
             at /home/x/app.rs:12:34
   5: core::ops::function::FnOnce::call_once
";

    #[test]
    fn the_innermost_own_frame_is_named_and_what_it_called() {
        let seen = sighting_in(What::MonotonicClock, &frames(TRACE));
        assert_eq!((&*seen.place, &*seen.function), ("/home/x/app.rs:12", "app::serve"));
        assert_eq!(seen.through.as_deref(), Some("redb::tree::grow"));
        let direct = TRACE.replace("   3: redb::tree::grow\n", "");
        assert_eq!(sighting_in(What::MonotonicClock, &frames(&direct)).through, None);
    }

    #[test]
    fn random_bytes_for_a_hasher_are_told_from_others() {
        let hashed = TRACE.replace("time::Instant::now", "sys::random::linux::hashmap_random_keys");
        let what = |text: &str| sighting_in(What::RandomBytes, &frames(text)).what;
        assert_eq!((what(&hashed), what(TRACE)), (What::DefaultHasher, What::RandomBytes));
    }

    #[test]
    fn a_trace_without_line_numbers_gives_no_place_and_says_so() {
        let bare: Vec<&str> = TRACE.lines().filter(|it| !it.contains(" at /")).collect();
        let seen = sighting_in(What::Thread, &frames(&bare.join("\n")));
        assert_eq!(seen.place, "");
        assert!(seen.to_string().contains("line-tables-only"), "{seen}");
    }
}
