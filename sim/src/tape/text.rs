//! A tape as a line of text, to be pasted into a shell, an issue or a test.
//!
//! A seed, then what departs from it: `mute=NAMES`, `mute=NAMES[FROM..UNTIL]` (either end may
//! be left out), `set=NAME[N]:VALUE` with the value in hexadecimal.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::{Muted, Override, Tape};

/// Why a text is not a tape: what stands there, and what could.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeError {
    part: String,
    wants: &'static str,
}

impl fmt::Display for TapeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`{}` is no part of a tape: {}", self.part, self.wants)
    }
}

impl std::error::Error for TapeError {}

const WANTS_SEED: &str = "a tape begins with its seed, a number below 2^64";
const WANTS_PART: &str = "behind the seed stand `mute=NAMES[FROM..UNTIL]` and `set=NAME[N]:VALUE`";
const WANTS_RANGE: &str = "draws are given as `[FROM..UNTIL]`, either of which may be left out";
const WANTS_VALUE: &str = "a value is set as in `set=node-1/net.loss[3]:1f`, in hexadecimal";

impl fmt::Display for Tape {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.seed)?;
        for Muted { names, draws } in &self.muted {
            write!(out, " mute={names}")?;
            match (draws.start, draws.end) {
                (0, u64::MAX) => {}
                (from, u64::MAX) => write!(out, "[{from}..]")?,
                (from, until) => write!(out, "[{from}..{until}]")?,
            }
        }
        for Override { name, n, value } in &self.overrides {
            write!(out, " set={name}[{n}]:{value:x}")?;
        }
        Ok(())
    }
}

impl FromStr for Tape {
    type Err = TapeError;

    fn from_str(text: &str) -> Result<Self, TapeError> {
        let mut parts = text.split_whitespace();
        let seed = parts.next().unwrap_or_default();
        let error = |part: &str, wants| TapeError { part: part.to_string(), wants };
        let mut tape = Self::new(seed.parse().map_err(|_| error(seed, WANTS_SEED))?);
        for part in parts {
            if let Some(muted) = part.strip_prefix("mute=") {
                tape.muted.push(muted_of(muted).ok_or_else(|| error(part, WANTS_RANGE))?);
            } else if let Some(set) = part.strip_prefix("set=") {
                tape.overrides.push(override_of(set).ok_or_else(|| error(part, WANTS_VALUE))?);
            } else {
                return Err(error(part, WANTS_PART));
            }
        }
        Ok(tape)
    }
}

fn muted_of(text: &str) -> Option<Muted> {
    let Some((names, draws)) = text.split_once('[') else {
        return (!text.is_empty()).then(|| Muted::all(text));
    };
    let (from, until) = draws.strip_suffix(']')?.split_once("..")?;
    let end =
        |text: &str, otherwise| if text.is_empty() { Some(otherwise) } else { text.parse().ok() };
    let draws: Range<u64> = end(from, 0)?..end(until, u64::MAX)?;
    (!names.is_empty()).then(|| Muted { names: names.to_string(), draws })
}

fn override_of(text: &str) -> Option<Override> {
    let (place, value) = text.rsplit_once(':')?;
    let (name, n) = place.strip_suffix(']')?.rsplit_once('[')?;
    let (n, value) = (n.parse().ok()?, u64::from_str_radix(value, 16).ok()?);
    (!name.is_empty()).then(|| Override { name: name.to_string(), n, value })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tape() -> impl Strategy<Value = Tape> {
        let name = "[a-z0-9*]{1,6}/[a-z.:]{1,6}";
        let muted = (name, any::<u64>(), any::<u64>())
            .prop_map(|(names, from, until)| Muted { names, draws: from..until });
        let set = (name, any::<u64>(), any::<u64>()).prop_map(|(name, n, value)| Override {
            name,
            n,
            value,
        });
        let lists = (prop::collection::vec(muted, 0..4), prop::collection::vec(set, 0..4));
        (any::<u64>(), lists).prop_map(|(seed, (muted, overrides))| Tape { seed, muted, overrides })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(tape in tape()) {
            prop_assert_eq!(tape.to_string().parse::<Tape>(), Ok(tape));
        }
    }

    #[test]
    fn a_tape_reads_as_in_the_documentation() {
        let text = "17 mute=*/net.loss mute=node-1/disk.crash[4..] set=swarm/fault-2[0]:1f";
        let tape: Tape = text.parse().expect("it is one");
        assert_eq!(tape.muted[0], Muted::all("*/net.loss"));
        assert_eq!(tape.muted[1].draws, 4..u64::MAX);
        assert_eq!(tape.overrides[0].value, 0x1f);
        assert_eq!(tape.to_string(), text);
        assert_eq!("5 mute=a[..3]".parse::<Tape>().expect("it is one").muted[0].draws, 0..3);
    }

    #[test]
    fn what_is_no_tape_is_told_what_could_stand_there() {
        for (text, wants) in [
            ("", WANTS_SEED),
            ("x17", WANTS_SEED),
            ("17 loud=a", WANTS_PART),
            ("17 mute=", WANTS_RANGE),
            ("17 mute=a[3]", WANTS_RANGE),
            ("17 set=a:1", WANTS_VALUE),
            ("17 set=a[0]:g", WANTS_VALUE),
        ] {
            let why = text.parse::<Tape>().expect_err(text);
            assert!(why.to_string().ends_with(wants), "{text}: {why}");
        }
    }
}
