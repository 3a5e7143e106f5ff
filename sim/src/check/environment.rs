//! What the environment asks of a check: the one door to variables.

use crate::tape::Tape;

/// Which runs to make.
pub(super) enum Asked {
    /// So many seeds; as many as the test says if it is not given.
    Seeds(Option<u64>),
    /// One run.
    Tape(Tape),
}

/// The variables that count.
pub(super) struct Environment {
    pub(super) asked: Asked,
    /// How many events of a single run are shown.
    pub(super) events: Option<usize>,
}

impl Environment {
    /// Reads `TAPE`, `SEED`, `SEEDS` and `EVENTS`; the first of the former three counts.
    ///
    /// # Panics
    /// One of them cannot be read.
    pub(super) fn read() -> Self {
        #[expect(clippy::disallowed_methods, reason = "whoever runs a test chooses its seeds here")]
        let variable = |name: &str| std::env::var(name).ok().filter(|it| !it.is_empty());
        Self::of(&variable).unwrap_or_else(|why| panic!("{why}"))
    }

    fn of(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, String> {
        let number = |name: &str| match variable(name) {
            None => Ok(None),
            Some(text) => match text.parse::<u64>() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(format!("{name}={text} is not a number below 2^64")),
            },
        };
        let asked = match (variable("TAPE"), number("SEED")?) {
            (Some(tape), _) => {
                Asked::Tape(tape.parse::<Tape>().map_err(|why| format!("TAPE: {why}"))?)
            }
            (None, Some(seed)) => Asked::Tape(Tape::new(seed)),
            (None, None) => Asked::Seeds(number("SEEDS")?),
        };
        let events = number("EVENTS")?.map(|it| usize::try_from(it).unwrap_or(usize::MAX));
        Ok(Self { asked, events })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(set: &[(&str, &str)]) -> Result<Environment, String> {
        Environment::of(&|name| {
            set.iter().find(|it| it.0 == name).map(|(_, value)| value.to_string())
        })
    }

    #[test]
    fn a_tape_counts_more_than_a_seed_and_a_seed_more_than_seeds() {
        let asked = |set: &[(&str, &str)]| match of(set).expect("it can be read").asked {
            Asked::Seeds(seeds) => format!("{seeds:?} seeds"),
            Asked::Tape(tape) => tape.to_string(),
        };
        assert_eq!(asked(&[]), "None seeds");
        assert_eq!(asked(&[("SEEDS", "9")]), "Some(9) seeds");
        assert_eq!(asked(&[("SEEDS", "9"), ("SEED", "4")]), "4");
        assert_eq!(asked(&[("SEED", "4"), ("TAPE", "5 mute=a/*")]), "5 mute=a/*");
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let why = |name, value| of(&[(name, value)]).err().expect("it cannot be read");
        assert_eq!(why("SEED", "one"), "SEED=one is not a number below 2^64");
        assert!(why("TAPE", "5 loud").starts_with("TAPE: `loud` is no part of a tape"));
    }
}
