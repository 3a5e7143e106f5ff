//! What is said of an endpoint or of a recorded history: as a table for people, or as one JSON
//! object for programs. The exit status follows from it.

use std::fmt::Write as _;

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::command::figures::{count, duration};
use crate::command::table::Table;
use crate::command::{COULD_NOT_RUN, Host, Refusal};
use crate::conform::evidence::{CALLS_MIN, WRITES_MIN};
use crate::conform::grade::{Conformance, Demand, Grade, Judged, RUNGS, Standing};
use crate::conform::waits::Waits;
use crate::oracle::witness::Millis;

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Shape {
    /// Tables for people
    Table,
    /// One JSON object
    Json,
}

/// Prints what was found and returns the exit status. `failed` says why the run ended early,
/// if it did: then nothing conforms.
pub(super) fn report(
    grade: &Grade,
    demand: Demand,
    shape: Shape,
    failed: Option<&str>,
    host: &mut Host<'_>,
) -> Result<i32, Refusal> {
    let conformance = match (grade.conformance(demand), failed) {
        (Conformance::Conforms, Some(why)) => Conformance::Undecided(why.to_owned()),
        (conformance, _) => conformance,
    };
    let text = match shape {
        Shape::Table => text(grade, demand, &conformance),
        Shape::Json => format!("{}\n", object(grade, demand, &conformance)),
    };
    host.out.write_all(text.as_bytes())?;
    if let Some(why) = failed {
        writeln!(host.err, "ended early: {}", why.replace(char::is_control, "?"))?;
    }
    Ok(match conformance {
        Conformance::Conforms => 0,
        Conformance::Violates(_) => 1,
        Conformance::Undecided(_) => COULD_NOT_RUN,
    })
}

// For people.

fn text(grade: &Grade, demand: Demand, conformance: &Conformance) -> String {
    let mut text = format!(
        "{}: {} operations of {} clients, {} backups restored\n\n",
        grade.endpoint,
        count(grade.operations as u64),
        grade.clients,
        grade.backups.len()
    );
    let _ = writeln!(text, "{}", ladder(grade));
    let mut shown = None;
    for (code, standing) in standings(grade) {
        match standing {
            Standing::Violated { witness, .. } if shown.replace(witness) == Some(witness) => {
                let _ = writeln!(text, "{code} is violated for the same reason\n");
            }
            Standing::Violated { backup, witness, times } => {
                let _ = writeln!(text, "{code} is violated by {times} backups, first {backup}:");
                let _ = writeln!(text, "{witness}\n");
            }
            Standing::Undecided(why) => {
                let _ = writeln!(text, "{code} is undecided: {why}\n");
            }
            Standing::Holds | Standing::NotOffered => {}
        }
    }
    let _ = writeln!(text, "{}", measured(grade));
    let _ = writeln!(text, "{}", felt(grade));
    text + &conclusion(grade, demand, conformance)
}

fn standings(grade: &Grade) -> impl Iterator<Item = (&'static str, &Standing)> {
    let rungs = RUNGS.iter().zip(&grade.rungs).map(|(rung, standing)| (rung.code(), standing));
    rungs.chain([("the window", &grade.window)])
}

fn ladder(grade: &Grade) -> String {
    let mut table = Table::new(&["level", "promise", "verdict"], &[0, 1, 2], &[]);
    for (rung, standing) in RUNGS.iter().zip(&grade.rungs) {
        let row = [rung.code(), rung.name(), standing.word()];
        table.row(row.map(str::to_owned));
    }
    let row = ["", "Amazon's window of a minute", grade.window.word()];
    table.row(row.map(str::to_owned));
    table.draw()
}

fn measured(grade: &Grade) -> String {
    let worst = |of: fn(&Judged) -> u64| grade.backups.iter().map(of).max().unwrap_or(0);
    let skew = grade
        .skew_ns()
        .map_or("none explains every backup".to_owned(), |it| Millis(it).to_string());
    let distance: Option<Vec<u64>> = grade.backups.iter().map(|it| it.distance_ns).collect();
    let distance = distance.and_then(|it| it.into_iter().max());
    let mut text = format!("largest skew: {skew}\n");
    if let Some(distance_ns) = distance {
        let _ = writeln!(text, "furthest from the call: {}", Millis(distance_ns));
    }
    let _ = writeln!(
        text,
        "longest call of CreateBackup: {}; longest until AVAILABLE: {}",
        duration(worst(|it| it.call_ns)),
        duration(worst(|it| it.available_ns))
    );
    let evidence = &grade.evidence;
    let _ = writeln!(
        text,
        "evidence: {} writes overlapped {} calls (at least {} each), enough for {} of the {} \
         times {} asked for",
        count(evidence.writes),
        evidence.backups,
        evidence.writes_min.unwrap_or(0),
        evidence.calls,
        CALLS_MIN,
        WRITES_MIN
    );
    text
}

fn felt(grade: &Grade) -> String {
    let headers = ["writes", "acknow-\nledged", "p50", "p99", "p99.9", "max", "longest\nsilence"];
    let mut table = Table::new(&headers, &[0], &[]);
    let named = [("while a call is open", grade.felt.during), ("otherwise", grade.felt.otherwise)];
    for (name, Waits { writes, p50_ns, p99_ns, p999_ns, max_ns, silence_ns }) in named {
        let times = [p50_ns, p99_ns, p999_ns, max_ns, silence_ns].map(duration);
        table.row([name.to_owned(), count(writes)].into_iter().chain(times));
    }
    table.draw()
}

fn conclusion(grade: &Grade, demand: Demand, conformance: &Conformance) -> String {
    let mut text = match grade.strongest() {
        Some(rung) => {
            format!("the strongest level that holds is {} ({})", rung.code(), rung.name())
        }
        None => "no level is given".to_owned(),
    };
    if let Some(rung) = grade.weakest_violated() {
        let _ = write!(text, "; the weakest that is violated is {} ({})", rung.code(), rung.name());
    }
    let _ = write!(text, "\ndemanded: {demand}: ");
    match conformance {
        Conformance::Conforms => text += "it conforms\n",
        Conformance::Violates(broken) => {
            let _ = writeln!(text, "it does not conform: {} violated", broken.join(", "));
        }
        Conformance::Undecided(why) => {
            let _ = writeln!(text, "not judged: {why}");
        }
    }
    text
}

// For programs.

fn object(grade: &Grade, demand: Demand, conformance: &Conformance) -> Value {
    let levels: Vec<Value> = standings(grade).map(|(code, it)| standing(code, it)).collect();
    let (conforms, why) = match conformance {
        Conformance::Conforms => (json!(true), Value::Null),
        Conformance::Violates(broken) => (json!(false), json!(broken.join(", "))),
        Conformance::Undecided(why) => (Value::Null, json!(why)),
    };
    let backups: Vec<Value> = grade.backups.iter().map(backup).collect();
    json!({
        "endpoint": grade.endpoint,
        "operations": grade.operations,
        "clients": grade.clients,
        "demanded": demand.to_string(),
        "conforms": conforms,
        "because": why,
        "strongest": grade.strongest().map(|it| it.code()),
        "weakest_violated": grade.weakest_violated().map(|it| it.code()),
        "skew_ns": grade.skew_ns(),
        "levels": levels,
        "evidence": {
            "backups": grade.evidence.backups,
            "overlapping_writes": grade.evidence.writes,
            "overlapping_writes_min": grade.evidence.writes_min,
            "calls": grade.evidence.calls,
            "suffices": grade.evidence.suffices(),
        },
        "writes": { "during": grade.felt.during, "otherwise": grade.felt.otherwise },
        "backups": backups,
    })
}

fn standing(code: &str, standing: &Standing) -> Value {
    let mut value = json!({ "level": code, "verdict": standing.word() });
    match standing {
        Standing::Violated { backup, witness, times } => {
            value["backup"] = json!(backup);
            value["witness"] = json!(witness);
            value["times"] = json!(times);
        }
        Standing::Undecided(why) => value["because"] = json!(why),
        Standing::Holds | Standing::NotOffered => {}
    }
    value
}

fn backup(it: &Judged) -> Value {
    json!({
        "name": it.name,
        "call_ns": it.call_ns,
        "available_ns": it.available_ns,
        "overlapping_writes": it.overlap,
        "items": it.items,
        "skew_ns": it.skew_ns,
        "distance_ns": it.distance_ns,
    })
}
