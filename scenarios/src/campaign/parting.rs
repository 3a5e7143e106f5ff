//! Where two logs of one run part: the first event that differs, and what led to it.
//!
//! Reads the lines of [`SeedReport::event_log`](crate::report::SeedReport::event_log): time,
//! actor, kind, words. An actor is a host, or `from>to` for what happens to a datagram.

use std::collections::BTreeSet;

/// Earlier events of the actors that are shown.
const EVENTS_SHOWN: usize = 8;
/// Earlier deliveries to the actors that are shown, beside those events.
const DELIVERIES_SHOWN: usize = 4;
/// Longest line of what led to it, in characters.
const LINE_CHARS_MAX: usize = 160;

/// The first event that differs between two logs of the same run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parting {
    /// Its number, from 1: so many events less one are the same.
    pub number: usize,
    /// The event in the first log; `None` if that has ended.
    pub first: Option<String>,
    /// The event in the second log; `None` if that has ended.
    pub second: Option<String>,
    /// The last events before it of the actors it happens to, and the last datagrams delivered to
    /// them, in the order in which they happened: the same in both logs.
    pub led_to: Vec<String>,
}

/// The first event that differs; `None` if the logs are equal.
pub fn parting(first: &[String], second: &[String]) -> Option<Parting> {
    let at = (0..first.len().max(second.len())).find(|&at| first.get(at) != second.get(at))?;
    let (one, two) = (first.get(at).cloned(), second.get(at).cloned());
    let actors = one.iter().chain(&two).flat_map(|line| actors_of(line)).collect();
    Some(Parting { number: at + 1, led_to: led_to(&first[..at], &actors), first: one, second: two })
}

/// The second word of a line; of a link both ends.
fn actors_of(line: &str) -> impl Iterator<Item = &str> {
    line.split_whitespace().nth(1).unwrap_or_default().split('>')
}

fn is_delivery(line: &str) -> bool {
    line.split_whitespace().nth(2) == Some("net.deliver")
}

fn led_to(before: &[String], actors: &BTreeSet<&str>) -> Vec<String> {
    let concerned = |at: &usize| {
        let line = &before[*at];
        match is_delivery(line) {
            true => actors_of(line).last().is_some_and(|to| actors.contains(to)),
            false => actors_of(line).any(|it| actors.contains(it)),
        }
    };
    let latest = || (0..before.len()).rev().filter(concerned);
    let events = latest().filter(|at| !is_delivery(&before[*at])).take(EVENTS_SHOWN);
    let deliveries = latest().filter(|at| is_delivery(&before[*at])).take(DELIVERIES_SHOWN);
    let shown: BTreeSet<usize> = events.chain(deliveries).collect();
    shown.into_iter().map(|at| shortened(&before[at])).collect()
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(LINE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn log(lines: &[&str]) -> Vec<String> {
        lines.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_led_to_it_is_of_the_actors_alone() {
        let mut first =
            log(&["1 a poll #1", "2 b poll #2", "3 b>a net.deliver Ask", "4 a poll #1"]);
        first.extend(log(&["5 a>b net.deliver Yes", "6 b poll #2", "7 a disk.sync"]));
        let mut second = first.clone();
        *second.last_mut().expect("it has lines") = "7 a disk.read".to_string();
        let parting = parting(&first, &second).expect("they differ");
        assert_eq!((parting.number, parting.first.as_deref()), (7, Some("7 a disk.sync")));
        assert_eq!(parting.led_to, ["1 a poll #1", "3 b>a net.deliver Ask", "4 a poll #1"]);
    }

    #[test]
    fn a_log_that_ends_early_parts_there_and_little_is_shown_of_much() {
        let first: Vec<String> = (0..90).map(|it| format!("{it} a poll {it:0>300}")).collect();
        let parting = parting(&first[..80], &first).expect("one is longer");
        assert_eq!((parting.number, parting.first), (81, None));
        assert_eq!(parting.led_to.len(), EVENTS_SHOWN);
        assert!(parting.led_to.iter().all(|it| it.chars().count() == LINE_CHARS_MAX + 1));
    }

    proptest! {
        #[test]
        fn the_parting_is_the_end_of_what_they_share(
            same in prop::collection::vec("[0-9] [ab] [xy]", 0..20),
            first in prop::collection::vec("[0-9] [ab] [xy]", 0..5),
            second in prop::collection::vec("[0-9] [ab] [xy]", 0..5),
        ) {
            let (one, two) = ([same.clone(), first].concat(), [same, second].concat());
            match parting(&one, &two) {
                None => prop_assert_eq!(one, two),
                Some(it) => {
                    prop_assert_eq!(&one[..it.number - 1], &two[..it.number - 1]);
                    prop_assert_ne!(it.first, it.second);
                }
            }
        }
    }
}
