//! A campaign's report as text for people, JSON lines for programs, JUnit for build servers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::json;

use crate::campaign::gaps::Gap;
use crate::campaign::pool::Ending;
use crate::campaign::tally::{Alarm, Conclusion, RemarkKind, StoryTally, Tally};
use crate::command::figures::{abbreviated, count, duration, per_second, plural};
use crate::command::run::crashed;
use crate::command::table::{Table, folded, listed};
use crate::report::{Phase, StoryInfo};

/// So many alarms are shown in full; the rest is counted.
const ALARMS_SHOWN_MAX: usize = 5;

/// Everything there is to tell about a campaign.
pub(super) struct Summary {
    pub(super) tally: Tally,
    pub(super) ending: Ending,
    /// Real time, in nanoseconds.
    pub(super) elapsed_ns: u64,
}

/// Lines of the faults' column are no wider.
const FAULTS_WIDTH_MAX: usize = 30;

/// Lines that name what was never reached are no wider.
const GAPS_WIDTH_MAX: usize = 100;

const HEADERS: [&str; 11] = [
    "scenario",
    "seeds",
    "parti-\ntions",
    "back-\nups",
    "re-\nstores",
    "faults by kind,\nphases struck",
    "skew\nmax",
    "hold\nmax",
    "AVAIL-\nABLE\nmax",
    "seeds/s\n/thread",
    "verdict",
];

/// The table, the remarks, the alarms and the conclusion.
pub(super) fn text(summary: &Summary) -> String {
    let tally = &summary.tally;
    let mut text = verdict_table(tally);
    for ((kind, place), remark) in &tally.remarks {
        let what = match kind {
            RemarkKind::Undecided => "undecided",
            RemarkKind::CrashByPanic => "a node panicked",
            RemarkKind::Vacuous => "vacuous",
        };
        let name = tally.stories[*place].0.name;
        let seeds = plural(remark.seeds, "seed");
        let _ = writeln!(text, "\n{name}: {what} in {seeds}, first: {}", remark.text);
        let _ = writeln!(text, "  {}", remark.request.replay_command());
    }
    text.push_str(&alarms(tally));
    text.push_str(&gaps(tally));
    let _ = writeln!(text, "\n{}", closing_line(summary));
    text
}

fn verdict_table(tally: &Tally) -> String {
    let mut table = Table::new(&HEADERS, &[0, 5, 10], &[(10, 13)]);
    for (info, story) in &tally.stories {
        table.row(row(info, story));
    }
    table.draw()
}

fn row(info: &StoryInfo, story: &StoryTally) -> [String; 11] {
    [
        folded(info.name),
        count(story.seeds),
        count(u64::from(story.partitions_max)),
        count(story.backups),
        count(story.restores),
        faults(info, story),
        story.skew_ns_max.map_or("-".to_string(), duration),
        duration(story.hold_ns_max),
        duration(story.available_ns_max),
        per_second(story.seeds, story.busy_ns),
        verdict(story),
    ]
}

/// The faults, and the share of seeds in which one struck in each phase that the story aims at.
fn faults(info: &StoryInfo, story: &StoryTally) -> String {
    let each = story.faults.iter().map(|(kind, number)| format!("{kind} {}", abbreviated(*number)));
    let text = listed(each.collect(), FAULTS_WIDTH_MAX);
    let mut lines = vec![if text.is_empty() { "none".to_string() } else { text }];
    let hit = |it: &Phase| format!("{}: {} % of seeds", it.name(), story.hit_percent(*it));
    lines.extend(info.phases.iter().map(hit));
    lines.join("\n")
}

/// The worst that is true of the story, with the number of its seeds.
fn verdict(story: &StoryTally) -> String {
    let mut words = Vec::new();
    for (number, word) in [
        (story.broken, "BROKEN"),
        (story.undecided, "undecided"),
        (story.vacuous, "vacuous"),
        (story.green, "green"),
    ] {
        if number > 0 {
            words.push(format!("{} {word}", count(number)));
        }
    }
    match (story.seeds, words.len()) {
        (0, _) => "not run".to_string(),
        (_, 1) if story.green > 0 => "green".to_string(),
        _ => words.join("\n"),
    }
}

fn alarms(tally: &Tally) -> String {
    let mut text = String::new();
    for Alarm { request, failure, seeds } in tally.alarms.values().take(ALARMS_SHOWN_MAX) {
        let seeds = plural(*seeds, "seed");
        let _ = writeln!(
            text,
            "\nBROKEN in '{}', oracle '{}', {seeds}:",
            request.story, failure.oracle
        );
        for line in failure.explanation.lines() {
            let _ = writeln!(text, "  {line}");
        }
        let _ = writeln!(text, "  show it again: {}", request.replay_command());
        let _ = writeln!(text, "  make it simple: {}", request.shrink_command());
    }
    let hidden = tally.alarms.len().saturating_sub(ALARMS_SHOWN_MAX);
    if hidden > 0 {
        let _ =
            writeln!(text, "\nand {} of other stories or oracles", plural(hidden as u64, "alarm"));
    }
    text
}

/// What no seed came by.
fn gaps(tally: &Tally) -> String {
    let never = never_reached(tally);
    if never.is_empty() {
        return String::new();
    }
    let listed = listed(never, GAPS_WIDTH_MAX).replace('\n', "\n  ");
    format!("\nnever reached:\n  {listed}\n")
}

fn never_reached(tally: &Tally) -> Vec<String> {
    let words = tally.gaps().into_iter().map(|gap| match gap {
        Gap::Point(name) => name.to_string(),
        Gap::Property(it) => {
            format!("{} \"{}\" at {}:{}", it.kind.name(), it.claim, it.file, it.line)
        }
        Gap::Phase(story, phase) => format!("a fault of '{story}' in phase '{}'", phase.name()),
    });
    words.collect()
}

/// What was run, how it ended and what it has shown, in one line.
fn closing_line(summary: &Summary) -> String {
    let tally = &summary.tally;
    let seeds = tally.sum(|story| story.seeds);
    let mut line = match &summary.ending {
        Ending::Interrupted => "interrupted: ".to_string(),
        Ending::Crashed(_) => "stopped by a panic of the simulation: ".to_string(),
        Ending::Finished | Ending::OutOfTime => String::new(),
    };
    let _ = write!(line, "{}", plural(seeds, "seed"));
    if summary.elapsed_ns > 0 {
        let speed = per_second(seeds, summary.elapsed_ns);
        let _ = write!(line, " in {} ({speed} seeds/s)", duration(summary.elapsed_ns));
    }
    for (number, word) in [
        (tally.sum(|story| story.broken), "broken"),
        (tally.sum(|story| story.undecided), "undecided"),
        (tally.sum(|story| story.vacuous), "vacuous"),
    ] {
        let _ = write!(line, ", {} {word}", count(number));
    }
    format!("{line}: {}", sentence(tally.conclusion()))
}

fn sentence(conclusion: Conclusion) -> String {
    match conclusion {
        Conclusion::Broken => "a promise was BROKEN".to_string(),
        Conclusion::NotRun(name) => format!("not one seed of '{name}' was run"),
        Conclusion::Undecided => "undecided is not green".to_string(),
        Conclusion::NeverGreen(name) => format!("no seed of '{name}' proved anything"),
        Conclusion::TooVacuous => "more than 5 % of the seeds proved nothing".to_string(),
        Conclusion::PhaseMissed(name, phase) => {
            let phase = phase.name();
            format!("in fewer than 20 % of the seeds of '{name}' a fault struck in phase '{phase}'")
        }
        Conclusion::NotCovered(gaps) => {
            let were = if gaps == 1 { "was" } else { "were" };
            format!("{} {were} never reached", plural(gaps, "thing"))
        }
        Conclusion::Held => "every promise held".to_string(),
    }
}

/// One object a line: each story, each alarm, each remark, then the campaign.
pub(super) fn json(summary: &Summary) -> String {
    let tally = &summary.tally;
    let mut lines = String::new();
    let mut line = |value: serde_json::Value| {
        let _ = writeln!(lines, "{value}");
    };
    for (info, story) in &tally.stories {
        let aims: BTreeMap<_, _> =
            info.phases.iter().map(|it| (it.name(), story.hit_percent(*it))).collect();
        line(json!({
            "kind": "story", "name": info.name, "claim": info.claim, "hit_percent": aims,
            "figures": story,
        }));
    }
    for alarm in tally.alarms.values() {
        let (replay, shrink) = (alarm.request.replay_command(), alarm.request.shrink_command());
        line(json!({ "kind": "alarm", "alarm": alarm, "replay": replay, "shrink": shrink }));
    }
    for ((what, _), remark) in &tally.remarks {
        let replay = remark.request.replay_command();
        line(json!({ "kind": "remark", "what": what, "remark": remark, "replay": replay }));
    }
    line(json!({
        "kind": "campaign",
        "seeds": tally.sum(|story| story.seeds),
        "elapsed_ns": summary.elapsed_ns,
        "ending": match &summary.ending {
            Ending::Finished => "finished",
            Ending::OutOfTime => "out_of_time",
            Ending::Interrupted => "interrupted",
            Ending::Crashed(_) => "crashed",
        },
        "never_reached": never_reached(tally),
        "conclusion": sentence(tally.conclusion()),
        "held": complaint(summary).is_none(),
    }));
    lines
}

/// What the campaign as a whole failed to show, if anything.
fn complaint(summary: &Summary) -> Option<String> {
    match (&summary.ending, summary.tally.conclusion()) {
        (Ending::Crashed(crash), _) => Some(crashed(&crash.request, &crash.message)),
        (_, Conclusion::Held) => None,
        (_, conclusion) => Some(sentence(conclusion)),
    }
}

/// One test case a story; alarms are failures, what could not be decided or proved is an error.
/// The last test case is the campaign, which may fail where no story alone does.
pub(super) fn junit(summary: &Summary) -> String {
    let tally = &summary.tally;
    let bad = |wanted: fn(&StoryTally) -> bool| {
        tally.stories.iter().filter(|(_, story)| wanted(story)).count()
    };
    let complaint = complaint(summary);
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuite name=\"stillpoint\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{}\">\n",
        tally.stories.len() + 1,
        bad(is_failure),
        bad(is_error) + usize::from(complaint.is_some()),
        seconds(summary.elapsed_ns),
    );
    for (place, (info, story)) in tally.stories.iter().enumerate() {
        xml.push_str(&test_case(info.name, story.busy_ns));
        for ((_, oracle), alarm) in tally.alarms.iter().filter(|((at, _), _)| *at == place) {
            let Alarm { request, failure, .. } = alarm;
            let (replay, shrink) = (request.replay_command(), request.shrink_command());
            let body = format!("{}\n{replay}\n{shrink}", failure.explanation);
            let (oracle, body) = (escape(oracle), escape(&body));
            let _ = writeln!(xml, "    <failure message=\"{oracle}\">{body}</failure>");
        }
        if is_error(story) {
            let message = escape(&verdict(story).replace('\n', ", "));
            let _ = writeln!(xml, "    <error message=\"{message}\"/>");
        }
        xml.push_str("  </testcase>\n");
    }
    xml.push_str(&test_case("campaign", summary.elapsed_ns));
    if let Some(message) = complaint {
        let _ = writeln!(xml, "    <error message=\"{}\"/>", escape(&message));
    }
    xml.push_str("  </testcase>\n</testsuite>\n");
    xml
}

fn test_case(name: &str, lasted_ns: u64) -> String {
    let (name, time) = (escape(name), seconds(lasted_ns));
    format!("  <testcase classname=\"stillpoint\" name=\"{name}\" time=\"{time}\">\n")
}

fn is_failure(story: &StoryTally) -> bool {
    story.broken > 0
}

fn is_error(story: &StoryTally) -> bool {
    story.broken == 0 && (story.undecided > 0 || story.green == 0)
}

fn seconds(ns: u64) -> String {
    format!("{}.{:03}", ns / 1_000_000_000, ns / 1_000_000 % 1_000)
}

/// XML text: the five special characters escaped, and control characters, which XML 1.0 cannot
/// carry at all, shown as `?`.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&apos;"),
            '\n' | '\t' => safe.push(character),
            _ if character.is_control() => safe.push('?'),
            _ => safe.push(character),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_for_xml_is_escaped() {
        assert_eq!(escape("a<b> & \"c\"\n\u{7}'"), "a&lt;b&gt; &amp; &quot;c&quot;\n?&apos;");
    }
}
